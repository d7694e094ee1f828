"""The air that a return from the middle of a mission would use.

Owns the path of a vehicle that is sent to its mission's RETURN_PATH from where it is. Must not
judge: geofence.check does.

ArduCopter's AUTO_RTL joins the leg behind the mark that is nearest in three dimensions and flies
straight to that leg's end (AP_Mission.cpp, jump_to_closest_mission_leg, distance_to_mission_leg).
Which one is nearest is known to within the error of the position: every leg that may be it is
taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from geofence.check import Disc, FlightPath, PathLeg
from geofence.frames import LatLon, LocalFrame, geodesic_m
from geofence.zones import VehicleClass, VehicleTraits
from missions.model import AirMission
from missions.plan_flown import FlightRules, FlownLeg
from missions.plan_paths import turn_parts

WAY_HOME_LABEL = "way home"

_TIE_SHARE = 0.01
"""ArduPilot's distances are up to 0.7 % off WGS84."""
_AT_POINT_M = 1.0


def way_home(
    mission: AirMission,
    legs: tuple[FlownLeg, ...],
    position: LatLon,
    alt_home_m: float,
    *,
    now: datetime,
    rules: FlightRules,
    permits: frozenset[str] = frozenset(),
    traits: VehicleTraits | None = None,
) -> FlightPath | None:
    """The way from `position` to the landing; None where the mission carries no return path."""
    back = [leg for leg in legs if leg.returning]
    if not back:
        return None
    away = [_away_m(leg, position, alt_home_m) for leg in back]
    far_m = min(away) * (1.0 + 2.0 * _TIE_SHARE) + 2.0 * rules.nav_error_m
    joins = [n for n, each in enumerate(away) if each <= far_m]
    leave = now + timedelta(seconds=_longest_s(back, position, joins, rules))
    made = _Air(mission, rules, now, leave)
    lines: list[PathLeg] = []
    for number in joins:
        if geodesic_m(position, back[number].end) >= _AT_POINT_M:
            lines.extend(made.lines(back[number], position, alt_home_m))
    discs = [made.column(back[n]) for n in joins if back[n].vertical]
    for leg in back[min(joins) + 1 :]:
        if leg.vertical:
            discs.append(made.column(leg))
        else:
            lines.extend(made.lines(leg, leg.start, leg.start_alt_home_m))
    lines.extend(made.turns(back[min(joins) :]))
    for number in joins:
        # it comes to the end of the leg that it joins from where it is
        length_m = geodesic_m(position, back[number].end)
        if length_m >= _AT_POINT_M and not back[number].vertical:
            joined = replace(
                back[number],
                start=position,
                start_alt_home_m=alt_home_m,
                length_m=length_m,
            )
            lines.extend(made.turns([joined, *back[number + 1 : number + 2]]))
    return FlightPath(VehicleClass.MULTIROTOR, tuple(lines), tuple(discs), permits, traits)


@dataclass(frozen=True, slots=True)
class _Air:
    mission: AirMission
    rules: FlightRules
    enter: datetime
    leave: datetime

    def lines(self, leg: FlownLeg, start: LatLon, alt_home_m: float) -> Iterator[PathLeg]:
        """A line to a leg's end at its lowest, nominal and highest height."""
        for error_m in (-self.rules.vertical_error_m, 0.0, self.rules.vertical_error_m):
            yield PathLeg(
                index=leg.index,
                label=f"{WAY_HOME_LABEL}, {leg.label}",
                start=start,
                end=leg.end,
                start_amsl_m=self.mission.home_amsl_m + alt_home_m + error_m,
                end_amsl_m=self.mission.home_amsl_m + leg.end_alt_home_m + error_m,
                enter=self.enter,
                leave=self.leave,
                corridor_m=self.rules.corridor_m(leg.speed_mps),
                speed_mps=leg.speed_mps,
            )

    def turns(self, legs: Sequence[FlownLeg]) -> Iterator[PathLeg]:
        """The corners between legs that are flown through, as wide as their turns are."""
        for part, width_m in turn_parts(tuple(legs), self.rules):
            for line in self.lines(part, part.start, part.start_alt_home_m):
                yield replace(line, corridor_m=line.corridor_m + width_m)

    def column(self, leg: FlownLeg) -> Disc:
        """All the heights of a climb or a descent."""
        low_m = min(leg.start_alt_home_m, leg.end_alt_home_m)
        high_m = max(leg.start_alt_home_m, leg.end_alt_home_m)
        return Disc(
            index=leg.index,
            label=f"{WAY_HOME_LABEL}, {leg.label}",
            center=leg.start,
            radius_m=self.rules.drop_radius_m if leg.at_drop else self.rules.pad_radius_m,
            low_amsl_m=self.mission.home_amsl_m + low_m - self.rules.vertical_error_m,
            high_amsl_m=self.mission.home_amsl_m + high_m + self.rules.vertical_error_m,
            enter=self.enter,
            leave=self.leave,
        )


def _away_m(leg: FlownLeg, position: LatLon, alt_home_m: float) -> float:
    """Distance in metres of a place from a leg, in three dimensions."""
    frame = LocalFrame(position)
    ax, ay = frame.xy(leg.start)
    bx, by = frame.xy(leg.end)
    az, bz = leg.start_alt_home_m - alt_home_m, leg.end_alt_home_m - alt_home_m
    dx, dy, dz = bx - ax, by - ay, bz - az
    length2 = dx * dx + dy * dy + dz * dz
    t = 0.0 if length2 == 0.0 else max(0.0, min(1.0, -(ax * dx + ay * dy + az * dz) / length2))
    return math.hypot(ax + t * dx, ay + t * dy, az + t * dz)


def _longest_s(
    back: list[FlownLeg], position: LatLon, joins: list[int], rules: FlightRules
) -> float:
    """How long the longest of the ways may take, late ones included."""
    first = min(joins)
    rest_s = back[-1].end_s - back[first].begin_s
    far_m = max(geodesic_m(position, back[n].end) for n in joins)
    slowest_mps = max(1.0, min(leg.speed_mps for leg in back))
    return (rest_s + far_m / slowest_mps) * (1.0 + rules.time_error) + rules.start_slip_s
