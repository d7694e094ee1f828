"""Whether a drone may be sent to a point: the way there, the stay, and the way home from it.

Owns the air that a divert uses, and the reasons against one. Pure but for the gate that it asks;
must not send anything.

ArduCopter in GUIDED flies the straight line in three dimensions from where it is. The way home is
checked with it, so that nobody is sent to where the return would be forbidden.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from controller.delivery.gate import Gate
from controller.domain.records import AssignmentRecord, ParcelRecord
from controller.fleet.owner import VehicleOwner
from geofence.check import Disc, FlightPath, PathLeg, check
from geofence.errors import GeofenceError
from geofence.frames import LatLon, geodesic_m
from missions.contingency import lowest_ground_m
from missions.errors import MissionsError
from missions.plan_flown import FlightRules
from vehicles.port import Divert, LinkState, Telemetry

STAY_S = 600.0
"""How long it may hold at the point: the check covers so much."""
MOST_M = 5000.0
_SLOWEST_MPS = 5.0


def refusal(
    gate: Gate,
    owner: VehicleOwner,
    to: Divert,
    record: AssignmentRecord | None,
    parcels: Mapping[str, ParcelRecord],
    *,
    home: LatLon,
    permits: frozenset[str],
    may_land: bool = False,
) -> str:
    """Why it may not go there; empty where it may. Takes milliseconds: call it in a thread.

    `may_land`: at a place made for it, a clear landing is as good as a clear way home.
    """
    telemetry = owner.telemetry
    reason = _beforehand(telemetry, to, gate.flight_rules)
    if reason:
        return reason
    try:
        there = way_there(owner, to, gate.flight_rules, now=gate.now(), permits=permits)
        against = _against(gate, "the way there", there)
        if against:
            return against
        back = _way_back(gate, owner, to, record, parcels, home=home, permits=permits)
        against = _against(gate, "the way home from there", back)
        if against and may_land:
            landing = _landing(gate, owner, to, permits=permits)
            under = _against(gate, "a landing there", landing)
            against = f"{against}; {under}" if under else ""
    except (GeofenceError, MissionsError, KeyError) as error:
        return f"it cannot be checked: {error}"
    return against


def _against(gate: Gate, words: str, path: FlightPath) -> str:
    verdict = check(path, gate.zones, gate.surroundings)
    if verdict.allowed:
        return ""
    found = verdict.violations[0]
    return f"{words} is not allowed: {found.zone_name or found.zone_id}: {found.reason}"


def _landing(gate: Gate, owner: VehicleOwner, to: Divert, *, permits: frozenset[str]) -> FlightPath:
    """Straight down at the point, to the lowest ground below it, at any time of the stay."""
    capability, rules = owner.capability, gate.flight_rules
    radius_m = rules.corridor_m(capability.cruise_speed_mps)
    column = Disc(
        index=0,
        label="landing at the point",
        center=to.position,
        radius_m=radius_m,
        low_amsl_m=lowest_ground_m(gate.surroundings, to.position, radius_m),
        high_amsl_m=(owner.telemetry.home_amsl_m or 0.0) + to.alt_home_m,
        enter=gate.now(),
        leave=gate.now() + timedelta(seconds=2.0 * STAY_S),
    )
    return FlightPath(
        capability.vehicle_class, (), (column,), permits=permits, traits=capability.traits
    )


def _beforehand(telemetry: Telemetry, to: Divert, rules: FlightRules) -> str:
    name = telemetry.vehicle_id
    if telemetry.link is not LinkState.ONLINE:
        return f"{name} is {telemetry.link.value}: where it is now is not known"
    if telemetry.position is None or telemetry.alt_home_m is None:
        return f"{name} has not told its place"
    if telemetry.home_amsl_m is None:
        return f"{name} has not told the height of its home"
    low, high = rules.min_cruise_alt_home_m, rules.max_cruise_alt_home_m
    if not low <= to.alt_home_m <= high:
        return f"alt_home_m: {to.alt_home_m:g} m is outside {low:g}-{high:g} m above home"
    length_m = geodesic_m(telemetry.position, to.position)
    if length_m > MOST_M:
        return f"the point is {length_m / 1000:.1f} km away, over {MOST_M / 1000:g} km"
    return ""


def way_there(
    owner: VehicleOwner,
    to: Divert,
    rules: FlightRules,
    *,
    now: datetime,
    permits: frozenset[str],
) -> FlightPath:
    """The straight line from where it is, and the stay at its end.

    Raises KeyError where place or heights are not known.
    """
    telemetry = owner.telemetry
    position, alt_m, home_m = telemetry.position, telemetry.alt_home_m, telemetry.home_amsl_m
    if position is None or alt_m is None or home_m is None:
        raise KeyError("position")
    start, end = (position, home_m + alt_m), (to.position, home_m + to.alt_home_m)
    return _straight(owner, start, end, rules, now=now, permits=permits)


def _straight(
    owner: VehicleOwner,
    start_at: tuple[LatLon, float],
    end_at: tuple[LatLon, float],
    rules: FlightRules,
    *,
    now: datetime,
    permits: frozenset[str],
) -> FlightPath:
    """A line with its corridor and height error, and a disc to stay in at its end."""
    (start, start_amsl_m), (end, end_amsl_m) = start_at, end_at
    capability = owner.capability
    speed_mps = capability.cruise_speed_mps
    seconds = geodesic_m(start, end) / min(speed_mps, _SLOWEST_MPS) + 60.0
    leave = now + timedelta(seconds=seconds + STAY_S)
    corridor_m = rules.corridor_m(speed_mps)
    legs = tuple(
        PathLeg(
            number, "divert", start, end, start_amsl_m + error_m, end_amsl_m + error_m, now, leave,
            corridor_m, speed_mps,
        )
        for number, error_m in enumerate((-rules.vertical_error_m, 0.0, rules.vertical_error_m))
    )  # fmt: skip
    stay = Disc(
        index=len(legs),
        label="hold after the divert",
        center=end,
        radius_m=corridor_m,
        low_amsl_m=end_amsl_m - rules.vertical_error_m,
        high_amsl_m=end_amsl_m + rules.vertical_error_m,
        enter=now,
        leave=leave,
    )
    return FlightPath(
        capability.vehicle_class, legs, (stay,), permits=permits, traits=capability.traits
    )


def _way_back(
    gate: Gate,
    owner: VehicleOwner,
    to: Divert,
    record: AssignmentRecord | None,
    parcels: Mapping[str, ParcelRecord],
    *,
    home: LatLon,
    permits: frozenset[str],
) -> FlightPath:
    """By its mission's return path from the point, or straight home without one."""
    there = replace(owner.telemetry, position=to.position, alt_home_m=to.alt_home_m)
    path = None if record is None else gate.way_home(record, parcels, owner, there)
    if path is not None:
        return path
    rules, home_m = gate.flight_rules, owner.telemetry.home_amsl_m or 0.0
    high_m = home_m + max(to.alt_home_m, rules.rtl_alt_home_m)
    start, end = (to.position, high_m), (home, high_m)
    return _straight(owner, start, end, rules, now=gate.now(), permits=permits)
