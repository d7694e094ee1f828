"""Why a mission may not be planned or started, in words and in data.

Owns Reason, NoGo, GoNoGo and the sentences about zones. Must not decide anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from geofence.check import Verdict, Violation
from geofence.frames import Altitude
from geofence.zones import ALWAYS, Zone, ZoneKind
from geofence.zoneset import ZoneSet

_KINDS = {
    ZoneKind.KEEP_IN: "keep-in",
    ZoneKind.NO_FLY: "no-fly",
    ZoneKind.RESTRICTED: "restricted",
    ZoneKind.ADVISORY: "advisory",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One cause of a no. `permanent`: the passing of time alone will not change it."""

    code: str
    text: str
    permanent: bool = True
    zone_id: str = ""
    leg: str = ""
    depth_m: float = 0.0


@dataclass(frozen=True, slots=True)
class NoGo:
    """No mission can be planned, and why."""

    reasons: tuple[Reason, ...]
    verdict: Verdict | None = None

    @property
    def permanent(self) -> bool:
        """Whether any cause will outlast time."""
        return any(reason.permanent for reason in self.reasons)

    @property
    def text(self) -> str:
        """All causes as one sentence."""
        return "; ".join(reason.text for reason in self.reasons)


@dataclass(frozen=True, slots=True)
class GoNoGo:
    """Whether a mission may be started: go only without any reason."""

    go: bool
    reasons: tuple[Reason, ...]
    verdict: Verdict | None


def zone_words(zone: Zone) -> str:
    """A zone as people speak of it: "Z-4 Presidential Palace (no-fly 0-120 m AGL)"."""
    named = zone.name and zone.name != zone.zone_id
    name = f"{zone.zone_id} {zone.name}" if named else zone.zone_id
    return f"{name} ({_KINDS[zone.kind]} {_heights(zone.floor, zone.ceiling)})"


def _heights(floor: Altitude | None, ceiling: Altitude | None) -> str:
    if floor is None and ceiling is None:
        return "at all heights"
    if ceiling is None and floor is not None:
        return f"from {floor.value_m:g} m {floor.datum.value} up"
    if ceiling is not None and (floor is None or floor.datum is ceiling.datum):
        low = 0.0 if floor is None else floor.value_m
        return f"{low:g}-{ceiling.value_m:g} m {ceiling.datum.value}"
    if floor is not None and ceiling is not None:
        return (
            f"{floor.value_m:g} m {floor.datum.value} to "
            f"{ceiling.value_m:g} m {ceiling.datum.value}"
        )
    return "at all heights"


def outlasts_time(zone_ids: Iterable[str], zones: ZoneSet) -> bool:
    """Whether any of these zones applies at all times."""
    found = [zones.get(zone_id) for zone_id in zone_ids]
    return any(zone is None or zone.schedule == ALWAYS for zone in found)


def zone_reasons(violations: Iterable[Violation], zones: ZoneSet) -> tuple[Reason, ...]:
    """One reason for each zone, at the place where it is deepest; most forbidding first."""
    deepest: dict[tuple[str, bool], Violation] = {}
    for violation in violations:
        key = violation.zone_id, violation.max_speed_mps is None
        known = deepest.get(key)
        if known is None or violation.depth_m > known.depth_m:
            deepest[key] = violation
    ranked = sorted(deepest.values(), key=lambda v: (-v.depth_m, v.zone_id))
    return tuple(_zone_reason(violation, zones) for violation in ranked)


def _zone_reason(violation: Violation, zones: ZoneSet) -> Reason:
    zone = zones.get(violation.zone_id)
    what = zone_words(zone) if zone is not None else f"{violation.zone_id} {violation.zone_name}"
    depth = f"{violation.depth_m:.0f} m deep"
    if violation.max_speed_mps is not None:
        text = f"too fast: {violation.reason}"
    elif violation.kind is ZoneKind.KEEP_IN:
        text = f"{violation.label} would leave {what} by {violation.depth_m:.0f} m"
    elif violation.label == "drop":
        text = f"{what} covers the destination {depth}"
    elif violation.label in {"take-off", "landing"}:
        text = f"{what} covers the pad {depth}"
    else:
        text = f"{violation.label} would cut {what} {depth}"
    if violation.unknown:
        text = f"{text}; {violation.unknown}"
    return Reason(
        code="zone" if violation.max_speed_mps is None else "speed",
        text=text,
        permanent=outlasts_time((violation.zone_id,), zones),
        zone_id=violation.zone_id,
        leg=violation.label,
        depth_m=violation.depth_m,
    )
