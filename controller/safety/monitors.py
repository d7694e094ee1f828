"""What is watched in flight: where a vehicle is against the zones, its energy, its way.

Owns the judgements, as pure functions of telemetry. Must not command anything: `watch.py` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from controller.domain.alarms import Condition, Severity
from geofence.check import FlightPath, PathLeg, Surroundings, Violation, check
from geofence.frames import LatLon, LocalFrame, geodesic_m
from geofence.zones import VehicleClass, VehicleTraits
from geofence.zoneset import ZoneSet
from missions.energy import MultirotorModel, RobotModel
from vehicles.port import Capability, Phase, Telemetry

MULTIROTOR = MultirotorModel()
ROBOT = RobotModel()
ZONE_KEY = "zone:"
ADVICE_AIR = "It was told to hold: decide whether it returns or lands"
ADVICE_ROBOT = "It is paused: see that its way on is clear and resume it, or have it fetched"
MAX_GAP_M = 2000.0
"""Two fixes farther apart than this are no track but a jump."""


STRAIGHT_M = 5.0
"""Two fixes of a robot nearer than this are joined, whatever lies between."""

ROBOT_CLEAR_M = 3.0
"""A robot that was in a zone is out of it when it is this far away: its place is told with an error
of a metre or two, and an alarm that comes and goes with it would pause it again and again. Going
in, only the error that its map is known to have is added: rounds are planned with a corridor that
holds the rest."""


@dataclass(frozen=True, slots=True)
class Fix:
    """Where a vehicle was, and when."""

    at: datetime
    position: LatLon
    alt_amsl_m: float


@dataclass(frozen=True, slots=True)
class EnergyLimits:
    """Battery levels that alarms stand on."""

    low_pct: float
    reserve_pct: float
    return_pct: float = 0.0
    """A drone that would land with less is told to return; 0: none ever is, for its battery."""


def fix_of(telemetry: Telemetry, vehicle_class: VehicleClass, ground_amsl_m: float) -> Fix | None:
    """The newest position; robots stand on the ground. None where any part was never told."""
    if telemetry.position is None or telemetry.received_at is None:
        return None
    alt_m = telemetry.alt_amsl_m
    if vehicle_class is VehicleClass.ROBOT:
        alt_m = ground_amsl_m
    elif alt_m is None and telemetry.alt_home_m is not None and telemetry.home_amsl_m is not None:
        alt_m = telemetry.home_amsl_m + telemetry.alt_home_m
    if alt_m is None:
        return None
    return Fix(telemetry.received_at, telemetry.position, alt_m)


def joined(before: Fix | None, now: Fix, track: Sequence[LatLon]) -> Fix | None:
    """The fix that a robot came from, where it came straight; None: judge its place alone.

    A robot that speaks seldom has gone round corners between two fixes: while both are on its
    way, which was checked, the straight line between them says nothing.
    """
    if before is None or geodesic_m(before.position, now.position) <= STRAIGHT_M:
        return before
    off = [off_track_m(fix.position, track) for fix in (before, now)]
    on_way = all(each is not None and each <= ROBOT_CLEAR_M for each in off)
    return None if on_way else before


def segment(index: int, before: Fix | None, now: Fix, clear_m: float = 0.0) -> PathLeg:
    """The way from the fix before to this one. Raises GeofenceError for an impossible place.

    `clear_m`: how far from a zone it must be not to be in it.

    Its speed is not judged: two fixes do not tell it, and missions are checked for it beforehand.
    """
    start = now
    if before is not None and geodesic_m(before.position, now.position) <= MAX_GAP_M:
        start = before
    return PathLeg(
        index=index,
        label="position",
        start=start.position,
        end=now.position,
        start_amsl_m=start.alt_amsl_m,
        end_amsl_m=now.alt_amsl_m,
        enter=min(start.at, now.at),
        leave=now.at,
        corridor_m=clear_m,
        speed_mps=0.0,
    )


def zone_violations(
    traits: VehicleTraits,
    legs: Sequence[PathLeg],
    zones: ZoneSet,
    surroundings: Surroundings,
    permits: frozenset[str] = frozenset(),
) -> dict[int, tuple[Violation, ...]]:
    """Zones touched, by the legs' index; vehicles that are alike are checked in one go."""
    found: dict[int, list[Violation]] = {}
    if legs:
        for violation in check(
            FlightPath(traits.vehicle_class, tuple(legs), permits=permits, traits=traits),
            zones,
            surroundings,
        ).violations:
            found.setdefault(violation.index, []).append(violation)
    return {index: tuple(violations) for index, violations in found.items()}


def zone_conditions(
    vehicle_id: str, vehicle_class: VehicleClass, violations: Sequence[Violation]
) -> Iterator[Condition]:
    """One warning a zone, with the place where it was entered."""
    robot = vehicle_class is VehicleClass.ROBOT
    for violation in violations:
        at = violation.entry
        yield Condition(
            f"{ZONE_KEY}{vehicle_id}:{violation.zone_id}",
            Severity.WARNING,
            f"{vehicle_id} is inside {violation.zone_name or violation.zone_id} at "
            f"{at.lat_deg:.6f}, {at.lon_deg:.6f}: {violation.reason}",
            ADVICE_ROBOT if robot else ADVICE_AIR,
            vehicle_id,
        )


def energy_home_wh(capability: Capability, telemetry: Telemetry, home: LatLon) -> float | None:
    """Energy of the straight way home from here, fully loaded; None where nobody knows where."""
    if telemetry.position is None:
        return None
    length_m = geodesic_m(telemetry.position, home)
    speed_mps = capability.cruise_speed_mps
    if capability.vehicle_class is VehicleClass.ROBOT:
        return ROBOT.drive(length_m, speed_mps, capability.max_payload_kg).energy_wh
    payload_kg = capability.max_payload_kg
    level = MULTIROTOR.level(length_m, speed_mps, payload_kg, speed_mps)
    return (level + MULTIROTOR.land(telemetry.alt_home_m or 0.0, payload_kg)).energy_wh


def energy_conditions(
    capability: Capability, telemetry: Telemetry, home: LatLon, limits: EnergyLimits
) -> Iterator[Condition]:
    """Battery under what the return needs, or under the low mark. Vehicles at rest are quiet."""
    battery_pct = telemetry.battery_pct
    if battery_pct is None:
        return
    vehicle_id = telemetry.vehicle_id
    needed_wh = energy_home_wh(capability, telemetry, home)
    if needed_wh is not None:
        needed_pct = 100.0 * needed_wh / capability.usable_energy_wh
        if battery_pct < needed_pct + limits.reserve_pct:
            yield Condition(
                f"energy:{vehicle_id}",
                Severity.WARNING,
                f"{vehicle_id}: battery {battery_pct:.0f} %, the way home needs "
                f"{needed_pct:.0f} % and {limits.reserve_pct:.0f} % in reserve",
                "Return it now; if it cannot reach home, land it where it harms nobody",
                vehicle_id,
            )
            return
    if battery_pct < limits.low_pct:
        yield Condition(
            f"energy:{vehicle_id}",
            Severity.CAUTION,
            f"{vehicle_id}: battery {battery_pct:.0f} %",
            "Return it, or watch that it comes home",
            vehicle_id,
        )


def phase_conditions(telemetry: Telemetry) -> Iterator[Condition]:
    """A failsafe that the vehicle itself has gone into."""
    if telemetry.phase is Phase.FAILSAFE:
        yield Condition(
            f"failsafe:{telemetry.vehicle_id}",
            Severity.WARNING,
            f"{telemetry.vehicle_id} is in a failsafe{_mode(telemetry)}{_named(telemetry)}",
            "Watch it come to rest; the parcel is followed up when it has",
            telemetry.vehicle_id,
        )
    if telemetry.phase is Phase.LOST:
        yield Condition(
            f"lost:{telemetry.vehicle_id}",
            Severity.WARNING,
            f"{telemetry.vehicle_id} is lost: it was armed when it was last heard, and is "
            "silent for longer than it could fly or may be",
            "Look for it where it was last seen and along its way home; its parcel is with it",
            telemetry.vehicle_id,
        )


def off_track_m(position: LatLon, track: Sequence[LatLon]) -> float | None:
    """Distance in metres from a polyline; None where there is no track."""
    if not track:
        return None
    if len(track) == 1:
        return geodesic_m(position, track[0])
    # in plain numbers: this is asked of every vehicle at every look
    east, north = LocalFrame(position).scale
    points = [
        (
            ((p.lon_deg - position.lon_deg + 180.0) % 360.0 - 180.0) * east,
            (p.lat_deg - position.lat_deg) * north,
        )
        for p in track
    ]
    return min(_segment_m(a, b) for a, b in pairwise(points))


def track_conditions(
    telemetry: Telemetry, track: Sequence[LatLon], limit_m: float
) -> Iterator[Condition]:
    """A vehicle that leaves the way that was checked."""
    if telemetry.position is None or telemetry.phase not in {Phase.EN_ROUTE, Phase.RETURNING}:
        return
    away_m = off_track_m(telemetry.position, track)
    if away_m is not None and away_m > limit_m:
        yield Condition(
            f"track:{telemetry.vehicle_id}",
            Severity.CAUTION,
            f"{telemetry.vehicle_id} is {away_m:.0f} m off its checked way",
            "Hold it if it does not come back to its way",
            telemetry.vehicle_id,
        )


def _segment_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Distance of the origin from segment a-b."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length2 = dx * dx + dy * dy
    t = 0.0 if length2 == 0.0 else max(0.0, min(1.0, -(a[0] * dx + a[1] * dy) / length2))
    x, y = a[0] + t * dx, a[1] + t * dy
    return float((x * x + y * y) ** 0.5)


def _named(telemetry: Telemetry) -> str:
    return f": {'; '.join(telemetry.failsafe)}" if telemetry.failsafe else ""


def _mode(telemetry: Telemetry) -> str:
    return f" ({telemetry.mode})" if telemetry.mode else ""
