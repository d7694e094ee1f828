"""Whether a path is allowed: every leg and disc exactly against every zone that applies.

Owns the verdict. Must not plan. Predicates are exact in an affine frame of each piece of a leg
(track.py says which line is flown); what the frame and the line leave over is added to the
corridor, so a path is never called allowed that touches a zone. Tolerances, all on the safe side:
TOLERANCE_M and MAX_BOW_M (track), HEIGHT_TOLERANCE_M (contact), PASSAGE_SLACK_S here.

Touching is violating: a zone's border and its height limits belong to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np

from geofence.contact import CLEARANCE_HORIZON_M, Contacts, depth_m, find_contacts
from geofence.frames import LatLon
from geofence.heights import Band, Surroundings, resolve
from geofence.keep_in import check_keep_in
from geofence.path import Disc, FlightPath, PathLeg, Verdict, Violation
from geofence.track import Pieces, pieces_of
from geofence.zones import ALWAYS, Schedule, Zone, ZoneKind
from geofence.zoneset import ZoneSet

__all__ = [
    "CLEARANCE_HORIZON_M",
    "Disc",
    "FlightPath",
    "PathLeg",
    "Surroundings",
    "Verdict",
    "Violation",
    "check",
]

PASSAGE_SLACK_S = 10.0
"""A zone's times are asked this much before entry and after exit, for speeding up and braking."""

PASSAGE_SLACK = 0.05
"""And by this share of the leg's duration, for a speed that is not even."""


def check(path: FlightPath, zones: ZoneSet, surroundings: Surroundings) -> Verdict:
    """Check every leg and disc of `path` against `zones`.

    Raises FrameError for a path in a place that no frame holds (beyond 84 degrees).
    """
    return _Checker(path, zones, surroundings).verdict()


class _Checker:
    def __init__(self, path: FlightPath, zones: ZoneSet, surroundings: Surroundings) -> None:
        self._path = path
        self._zones = zones
        self._surroundings = surroundings
        self._owners: tuple[PathLeg | Disc, ...] = (*path.legs, *path.discs)
        self._pieces: Pieces = pieces_of(path)
        self._bands: dict[str, Band] = {}
        self._depths: dict[tuple[float, ...], float] = {}
        self._hours: dict[tuple[Schedule, datetime, datetime], bool] = {}

    def verdict(self) -> Verdict:
        contacts = find_contacts(self._pieces, self._zones, self._applies, self._band)
        found = [*self._violations(contacts)]
        kept = check_keep_in(self._path, self._pieces, self._zones, self._band)
        clearance, nearest = self._clearance(contacts)
        if kept.clearance_m is not None and (clearance is None or kept.clearance_m < clearance):
            clearance, nearest = kept.clearance_m, kept.nearest_zone_id
        violations = [v for v in found if v.kind is not ZoneKind.ADVISORY]
        violations.extend(kept.violations)
        violations.sort(key=lambda violation: violation.index)
        return Verdict(
            allowed=not violations,
            zones_version=self._zones.version,
            violations=tuple(violations),
            advisories=tuple(v for v in found if v.kind is ZoneKind.ADVISORY),
            clearance_m=clearance,
            nearest_zone_id=nearest,
        )

    def _applies(self, zone: Zone) -> bool:
        return applies(zone, self._path)

    def _band(self, zone: Zone) -> Band:
        band = self._bands.get(zone.zone_id)
        if band is None:
            band = self._bands[zone.zone_id] = resolve(zone, self._surroundings)
        return band

    def _violations(self, contacts: Contacts) -> Iterator[Violation]:
        hits = np.flatnonzero(contacts.hit)
        groups: dict[tuple[int, int], list[int]] = {}
        for number in hits:
            owner = int(self._pieces.owner[contacts.piece[number]])
            groups.setdefault((owner, int(contacts.zone[number])), []).append(int(number))
        for (owner, zone), rows in sorted(groups.items()):
            violation = self._violation(
                self._owners[owner], self._zones.zones[zone], rows, contacts
            )
            if violation is not None:
                yield violation

    def _violation(
        self, owner: PathLeg | Disc, zone: Zone, rows: list[int], contacts: Contacts
    ) -> Violation | None:
        first = min(rows, key=lambda row: contacts.touch[row, 0])
        last = max(rows, key=lambda row: contacts.touch[row, 1])
        begin, end = float(contacts.touch[first, 0]), float(contacts.touch[last, 1])
        if not self._active(zone, owner, begin, end):
            return None
        depth = max(self._depth_m(contacts, row) for row in rows)
        return Violation(
            zone_id=zone.zone_id,
            zone_name=zone.name,
            kind=zone.kind,
            index=owner.index,
            label=owner.label,
            entry=_position(contacts, first, begin),
            exit=_position(contacts, last, end),
            depth_m=depth,
            reason=self._reason(owner, zone, float(contacts.distance_m[rows].min()), depth),
        )

    def _reason(self, owner: PathLeg | Disc, zone: Zone, distance_m: float, depth: float) -> str:
        what = "leg" if isinstance(owner, PathLeg) else "disc"
        text = f"{what} {owner.index} ({owner.label}) "
        if distance_m > 0.0:
            width = owner.corridor_m if isinstance(owner, PathLeg) else owner.radius_m
            text += f"comes within {distance_m:.1f} m of {_KIND[zone.kind]} {zone_text(zone)}"
            text += f" and needs {width:.1f} m"
        else:
            text += f"enters {_KIND[zone.kind]} {zone_text(zone)}, {depth:.1f} m deep"
        if zone.kind is ZoneKind.RESTRICTED:
            text += (
                f"; the permit {zone.permit} lifts it" if zone.permit else "; no permit lifts it"
            )
        unknown = self._band(zone).unknown
        return f"{text}; {unknown}" if unknown else text

    def _clearance(self, contacts: Contacts) -> tuple[float | None, str]:
        for row in np.argsort(contacts.distance_m, kind="stable"):
            distance = float(contacts.distance_m[row])
            if distance > CLEARANCE_HORIZON_M:
                break
            zone = self._zones.zones[contacts.zone[row]]
            owner = self._owners[self._pieces.owner[contacts.piece[row]]]
            if zone.kind is not ZoneKind.ADVISORY and self._active(zone, owner, 0.0, 1.0):
                return distance, zone.zone_id
        return None, ""

    def _depth_m(self, contacts: Contacts, row: int) -> float:
        """How deep a row reaches in; legs that are stacked in height share their lines."""
        reach = float(self._pieces.reach_m[contacts.piece[row]])
        key = (int(contacts.zone[row]), reach, *contacts.line[row].tolist())
        known = self._depths.get(key)
        if known is None:
            known = self._depths[key] = depth_m(contacts, row, self._pieces, self._zones)
        return known

    def _active(self, zone: Zone, owner: PathLeg | Disc, begin: float, end: float) -> bool:
        """Whether the zone applies while the part is passed; zones often share their hours."""
        if zone.schedule == ALWAYS:
            return True
        key = (zone.schedule, *passage(owner, begin, end))
        known = self._hours.get(key)
        if known is None:
            known = self._hours[key] = zone.schedule.active_during(*key[1:])
        return known


_KIND = {
    ZoneKind.NO_FLY: "no-fly zone",
    ZoneKind.RESTRICTED: "restricted zone",
    ZoneKind.ADVISORY: "advisory zone",
    ZoneKind.KEEP_IN: "keep-in zone",
}


def zone_text(zone: Zone) -> str:
    """The zone as an operator knows it: id, and name where it has one."""
    return f"{zone.zone_id} ({zone.name})" if zone.name else zone.zone_id


def applies(zone: Zone, path: FlightPath) -> bool:
    """Whether a zone, keep-ins apart, speaks to this path at all; time and place not asked."""
    if zone.kind is ZoneKind.KEEP_IN or not zone.binds(path.vehicle_class):
        return False
    lifted = zone.kind is ZoneKind.RESTRICTED and zone.permit in path.permits
    return not lifted


def passage(owner: PathLeg | Disc, begin: float, end: float) -> tuple[datetime, datetime]:
    """When the part from `begin` to `end` of a leg's parameter is passed, slack included.

    A disc is used for all of its time. A leg is moved along evenly.
    """
    if isinstance(owner, Disc):
        return owner.enter, owner.leave
    span = owner.leave - owner.enter
    slack = timedelta(seconds=PASSAGE_SLACK_S) + PASSAGE_SLACK * span
    return (
        max(owner.enter, owner.enter + begin * span - slack),
        min(owner.leave, owner.enter + end * span + slack),
    )


def _position(contacts: Contacts, row: int, at: float) -> LatLon:
    begin, end = contacts.part[row]
    share = (at - begin) / (end - begin) if end > begin else 0.0
    lon, lat = contacts.line[row, :2] + share * (contacts.line[row, 2:] - contacts.line[row, :2])
    return LatLon(float(lat), float((lon + 180.0) % 360.0 - 180.0))
