"""What of the air and the street a mission uses, when: the question put to geofence.check.

Owns the translation from flown legs and driven edges to corridors and discs. Must not judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from geofence.check import Disc, FlightPath, PathLeg
from geofence.frames import LatLon, bearing_deg, geodesic_m, offset
from geofence.zones import VehicleClass
from missions.model import AirMission
from missions.plan_flown import FlightRules, FlownLeg

FAN_SPACING_M = 10.0
"""Between neighbouring straight returns; half of it is added to their corridor."""


def time_window(
    depart_at: datetime, begin_s: float, end_s: float, rules: FlightRules
) -> tuple[datetime, datetime]:
    """When a place may be passed: as predicted or later by start slip and time error."""
    late_s = end_s * (1.0 + rules.time_error) + rules.start_slip_s
    return depart_at + timedelta(seconds=begin_s), depart_at + timedelta(seconds=late_s)


def flight_path(
    mission: AirMission,
    legs: tuple[FlownLeg, ...],
    *,
    depart_at: datetime,
    rules: FlightRules,
    permits: frozenset[str],
) -> FlightPath:
    """The corridors of level legs and the discs of take-off, drop and landing.

    Legs back may be flown early, by an aborted mission, so they count from take-off on. The
    vertical error is covered by laying each leg at its lowest, nominal and highest height.
    """
    path_legs: list[PathLeg] = []
    discs: list[Disc] = []
    for leg in legs:
        begin_s = 0.0 if leg.returning else leg.begin_s
        enter, leave = time_window(depart_at, begin_s, leg.end_s, rules)
        if leg.vertical:
            discs.append(_disc(mission, leg, enter, leave, rules))
        else:
            path_legs.extend(_level(mission, leg, enter, leave, rules))
    return FlightPath(VehicleClass.MULTIROTOR, tuple(path_legs), tuple(discs), permits)


def _level(
    mission: AirMission, leg: FlownLeg, enter: datetime, leave: datetime, rules: FlightRules
) -> Iterator[PathLeg]:
    for error_m in (-rules.vertical_error_m, 0.0, rules.vertical_error_m):
        yield PathLeg(
            index=leg.index,
            label=leg.label,
            start=leg.start,
            end=leg.end,
            start_amsl_m=mission.home_amsl_m + leg.start_alt_home_m + error_m,
            end_amsl_m=mission.home_amsl_m + leg.end_alt_home_m + error_m,
            enter=enter,
            leave=leave,
            corridor_m=rules.corridor_m(leg.speed_mps),
        )


def _disc(
    mission: AirMission, leg: FlownLeg, enter: datetime, leave: datetime, rules: FlightRules
) -> Disc:
    low = min(leg.start_alt_home_m, leg.end_alt_home_m)
    high = max(leg.start_alt_home_m, leg.end_alt_home_m)
    return Disc(
        index=leg.index,
        label="drop" if leg.at_drop else leg.label,
        center=leg.start,
        radius_m=rules.drop_radius_m if leg.at_drop else rules.pad_radius_m,
        low_amsl_m=mission.home_amsl_m + low - rules.vertical_error_m,
        high_amsl_m=mission.home_amsl_m + high + rules.vertical_error_m,
        enter=enter,
        leave=leave,
    )


def straight_returns(
    mission: AirMission,
    legs: tuple[FlownLeg, ...],
    *,
    depart_at: datetime,
    rules: FlightRules,
    permits: frozenset[str],
) -> FlightPath:
    """Corridors that together cover every straight return from every point of these legs.

    From each leg a fan of lines home, no two neighbours farther apart than FAN_SPACING_M
    anywhere: widened by half of that they cover the swept triangle, so nothing between them is
    missed; the price is to be at most half the spacing too strict. Heights are stacked in steps
    of the vertical error.
    """
    fans = [
        line
        for leg in legs
        for line in _fan(mission, leg, depart_at=depart_at, rules=rules, last_s=legs[-1].end_s)
    ]
    return FlightPath(VehicleClass.MULTIROTOR, tuple(fans), (), permits)


def _fan(
    mission: AirMission, leg: FlownLeg, *, depart_at: datetime, rules: FlightRules, last_s: float
) -> Iterator[PathLeg]:
    count = max(1, int(leg.length_m // FAN_SPACING_M) + 1)
    rise_m = leg.end_alt_home_m - leg.start_alt_home_m
    count = max(count, int(abs(rise_m) // rules.vertical_error_m) + 1)
    enter, leave = time_window(depart_at, leg.begin_s, 2.0 * last_s, rules)
    course = bearing_deg(leg.start, leg.end) if not leg.vertical else 0.0
    spacing_m = leg.length_m / count
    for step in range(count + 1):
        share = step / count
        start = leg.start if leg.vertical else offset(leg.start, course, leg.length_m * share)
        if geodesic_m(start, mission.home) < 1.0:
            continue
        high = max(leg.start_alt_home_m + rise_m * share, rules.rtl_alt_home_m)
        for error_m in (-rules.vertical_error_m, 0.0, rules.vertical_error_m):
            amsl_m = mission.home_amsl_m + high + error_m
            yield PathLeg(
                index=leg.index,
                label=f"straight return from {leg.label}",
                start=start,
                end=mission.home,
                start_amsl_m=amsl_m,
                end_amsl_m=amsl_m,
                enter=enter,
                leave=leave,
                corridor_m=rules.corridor_m(leg.speed_mps) + spacing_m / 2.0,
            )


def uncovered_ways_out(legs: tuple[FlownLeg, ...]) -> tuple[FlownLeg, ...]:
    """Level legs and drop columns before RETURN_PATH that no leg behind it flies in reverse.

    Positions count as equal to 1e-7 degrees and heights to a centimetre, as vehicles store them.
    """
    back = {
        _key(leg.end, leg.end_alt_home_m, leg.start, leg.start_alt_home_m)
        for leg in legs
        if leg.returning and not leg.vertical
    }
    columns = {_point(point) for leg in legs if leg.returning for point in (leg.start, leg.end)}
    missing = []
    for leg in legs:
        if leg.returning:
            continue
        if leg.vertical:
            covered = _point(leg.start) in columns
        else:
            covered = _key(leg.start, leg.start_alt_home_m, leg.end, leg.end_alt_home_m) in back
        if not covered:
            missing.append(leg)
    return tuple(missing)


def _point(position: LatLon) -> tuple[int, int]:
    return round(position.lat_deg * 1e7), round(position.lon_deg * 1e7)


def _key(
    start: LatLon, start_alt_m: float, end: LatLon, end_alt_m: float
) -> tuple[tuple[int, int], int, tuple[int, int], int]:
    return _point(start), round(start_alt_m * 100), _point(end), round(end_alt_m * 100)


def lines(
    points: tuple[LatLon, ...],
) -> Iterator[tuple[LatLon, LatLon]]:
    """Neighbouring points of a street's line that differ."""
    for start, end in pairwise(points):
        if start != end:
            yield start, end
