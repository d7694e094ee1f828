"""What of the air and the street a mission uses, when: the question put to geofence.check.

Owns the translation from flown legs and driven edges to corridors and discs. Must not judge.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TypeVar

from geofence.check import Disc, FlightPath, PathLeg
from geofence.frames import LatLon, geodesic_m
from geofence.turns import widened
from geofence.zones import VehicleClass, VehicleTraits
from missions.model import AirMission, ItemKind
from missions.plan_flown import FlightRules, FlownLeg

K = TypeVar("K", bound=Hashable)
_End = tuple[int, int, float]
_Track = tuple[_End, _End]

_CENTIMETRE_M = 0.01


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
    traits: VehicleTraits | None = None,
) -> FlightPath:
    """The corridors of level legs and the discs of take-off, drop and landing.

    Legs back may be flown early, by an aborted mission, so they count from take-off on. A leg out
    and the same leg back are asked as one, for both times; so is all that happens over one point,
    from its lowest to its highest. The vertical error of level legs is covered by laying each at
    its lowest, nominal and highest height. Corners that are flown through are laid once more, as
    wide as their turns are.
    """
    tracks: dict[_Track, _Use] = {}
    turns: dict[tuple[_Track, float], _Use] = {}
    columns: dict[tuple[tuple[int, int], bool], _Use] = {}
    for leg in legs:
        begin_s = 0.0 if leg.returning else leg.begin_s
        use = _Use(leg, *time_window(depart_at, begin_s, leg.end_s, rules))
        if leg.vertical:
            _join(columns, (_point(leg.start), leg.at_drop), use)
        else:
            _join(tracks, _track(leg), use)
    for part, width_m in turn_parts(legs, rules):
        begin_s = 0.0 if part.returning else part.begin_s
        use = _Use(part, *time_window(depart_at, begin_s, part.end_s, rules), width_m)
        _join(turns, (_track(part), round(width_m, 2)), use)
    return FlightPath(
        VehicleClass.MULTIROTOR,
        tuple(
            line
            for use in (*tracks.values(), *turns.values())
            for line in _level(mission, use, rules)
        ),
        tuple(_disc(mission, use, rules) for use in columns.values()),
        permits,
        traits,
    )


@dataclass(slots=True)
class _Use:
    """A place in the air and when it may be used."""

    leg: FlownLeg
    enter: datetime
    leave: datetime
    width_m: float = 0.0
    """Beyond the corridor, for a turn."""
    low_m: float = 0.0
    high_m: float = 0.0
    speed_mps: float = 0.0

    def __post_init__(self) -> None:
        self.low_m = min(self.leg.start_alt_home_m, self.leg.end_alt_home_m) - self.leg.rope_m
        self.high_m = max(self.leg.start_alt_home_m, self.leg.end_alt_home_m)
        self.speed_mps = self.leg.speed_mps


def _join(uses: dict[K, _Use], key: K, use: _Use) -> None:
    known = uses.setdefault(key, use)
    known.enter, known.leave = min(known.enter, use.enter), max(known.leave, use.leave)
    known.low_m, known.high_m = min(known.low_m, use.low_m), max(known.high_m, use.high_m)
    known.speed_mps = max(known.speed_mps, use.speed_mps)


def turn_parts(legs: tuple[FlownLeg, ...], rules: FlightRules) -> Iterator[tuple[FlownLeg, float]]:
    """The parts of level legs beside corners that are flown through, and how much wider they are.

    Where it hovers, climbs or descends between two legs it comes to rest first.
    """
    for leg, following in pairwise(legs):
        if leg.vertical or following.vertical:
            continue
        turns = rules.turns(max(leg.speed_mps, following.speed_mps))
        if turns is None:
            return
        for part in widened((leg.start, leg.end, following.end), turns):
            whole = following if part.leg else leg
            share = geodesic_m(part.start, part.end) / whole.length_m
            rise_m = share * (whole.end_alt_home_m - whole.start_alt_home_m)
            start_m, end_m = whole.start_alt_home_m, whole.end_alt_home_m
            if part.leg:
                end_m = start_m + rise_m
            else:
                start_m = end_m - rise_m
            turned = replace(
                whole,
                start=part.start,
                end=part.end,
                start_alt_home_m=start_m,
                end_alt_home_m=end_m,
                label=f"turn of {whole.label}",
            )
            yield turned, part.width_m


def _track(leg: FlownLeg) -> _Track:
    """The same for a leg and its reverse."""
    ends = ((*_point(leg.start), leg.start_alt_home_m), (*_point(leg.end), leg.end_alt_home_m))
    return min(ends), max(ends)


def _level(mission: AirMission, use: _Use, rules: FlightRules) -> Iterator[PathLeg]:
    leg = use.leg
    for error_m in (-rules.vertical_error_m, 0.0, rules.vertical_error_m):
        yield PathLeg(
            index=leg.index,
            label=leg.label,
            start=leg.start,
            end=leg.end,
            start_amsl_m=mission.home_amsl_m + leg.start_alt_home_m + error_m,
            end_amsl_m=mission.home_amsl_m + leg.end_alt_home_m + error_m,
            enter=use.enter,
            leave=use.leave,
            corridor_m=rules.corridor_m(use.speed_mps) + use.width_m,
            speed_mps=use.speed_mps,
        )


def _disc(mission: AirMission, use: _Use, rules: FlightRules) -> Disc:
    leg = use.leg
    return Disc(
        index=leg.index,
        label="drop" if leg.at_drop else leg.label,
        center=leg.start,
        radius_m=rules.drop_radius_m if leg.at_drop else rules.pad_radius_m,
        low_amsl_m=mission.home_amsl_m + use.low_m - rules.vertical_error_m,
        high_amsl_m=mission.home_amsl_m + use.high_m + rules.vertical_error_m,
        enter=use.enter,
        leave=use.leave,
    )


def uncovered_ways_out(mission: AirMission, legs: tuple[FlownLeg, ...]) -> tuple[FlownLeg, ...]:
    """Legs before RETURN_PATH from which the way back would leave the legs behind it.

    A level leg needs its reverse behind the mark. A climb or descent needs a column behind it that
    reaches as low: the landing's at home, and over the drop the one from the mark's own place up.
    Positions count as equal to 1e-7 degrees and heights to a centimetre, as vehicles store them.
    """
    back = {
        _key(leg.end, leg.end_alt_home_m, leg.start, leg.start_alt_home_m)
        for leg in legs
        if leg.returning and not leg.vertical
    }
    columns = {_point(legs[-1].start): min(legs[-1].start_alt_home_m, legs[-1].end_alt_home_m)}
    rising = {_point(leg.start) for leg in legs if leg.returning and leg.vertical}
    for item in mission.items:
        if item.kind is ItemKind.RETURN_PATH and item.position is not None:
            point = _point(item.position)
            if point in rising:
                columns[point] = min(item.alt_home_m, columns.get(point, item.alt_home_m))
    return tuple(
        leg
        for leg in legs
        if not leg.returning
        and not (_in_column(leg, columns) if leg.vertical else _leg_key(leg) in back)
    )


def _in_column(leg: FlownLeg, columns: dict[tuple[int, int], float]) -> bool:
    """Whether a column covers a vertical leg. A payload place may go below it: it lands there."""
    foot_m = columns.get(_point(leg.start))
    if foot_m is None:
        return False
    low_m = min(leg.start_alt_home_m, leg.end_alt_home_m)
    high_m = max(leg.start_alt_home_m, leg.end_alt_home_m)
    return low_m >= foot_m - _CENTIMETRE_M or high_m <= foot_m + _CENTIMETRE_M


def _leg_key(leg: FlownLeg) -> tuple[tuple[int, int], int, tuple[int, int], int]:
    return _key(leg.start, leg.start_alt_home_m, leg.end, leg.end_alt_home_m)


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
