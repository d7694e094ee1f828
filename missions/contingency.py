"""What a vehicle does by itself when something fails, and the air that this may use.

Owns the policy that its parameters set, and the paths of straight returns, returns to rally points
and landings in place from every point of a mission. Must not judge: geofence.check does.

Returns. ArduCopter's RTL climbs where it is to the highest of RTL_ALT, its height and the rally
point's, then flies straight to the nearest rally point, where that is within RALLY_LIMIT_KM and
nearer than home, or else home (ArduCopter/mode_rtl.cpp; AP_Rally.cpp,
calc_best_rally_or_home_location). A failsafe set to AUTO_RTL joins the mission's RETURN_PATH, and
falls back to RTL where the mission has none. So a mission whose RETURN_PATH covers its ways out
needs no straight return, and neither does a vehicle whose avoidance (OA_TYPE 2) was verified on:
it plans its RTL round its fence. Flown, it passes the fence by OA_MARGIN_MAX less up to 3.4 m at
10 m/s (tests/sitl/test_avoidance_ardupilot.py): nearer than a checked return would, so it counts
from 11 m on only.

Landing in place. A vehicle about to lose its battery or its estimate lands where it is, down
through whatever lies below the track: judged from the ground up, so that a zone which begins
above the track is no obstacle, and one that ends below it is. No path can answer that failure.
A mission that carries its own checked return path has every answer to the failures that come
first (lost link, low battery, dead reckoning), and may pass over a low zone all the same, as long
as the policy does not say `landing_must_be_clear`; a mission without one may not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

import numpy as np

from geofence.check import Disc, PathLeg, Surroundings
from geofence.frames import LatLon, LocalFrame, bearing_deg, geodesic_m, offset
from missions.model import AirMission, ItemKind
from missions.plan_flown import FlightRules, FlownLeg
from missions.plan_paths import time_window, turn_parts, uncovered_ways_out

RETURN_LABEL = "straight return from"
RALLY_LABEL = "return to rally point"
LANDING_LABEL = "landing in place from"

FAN_SPACING_M = 10.0
"""Between neighbouring straight returns; half of it is added to their corridor."""

_DISTANCE_SLACK = 0.01
"""ArduPilot's distances are up to 0.7 % off WGS84; a tie that near is taken both ways."""

_AT_POINT_M = 1.0


class Answer(StrEnum):
    """What a failsafe does."""

    RETURN_PATH = "return_path"
    """AUTO_RTL: the mission's own return path, or a straight return where it has none."""
    STRAIGHT_RETURN = "straight_return"
    LAND_HERE = "land_here"
    CONTINUE = "continue"
    """Nothing, or flying on: the mission itself is all the air that it uses."""


@dataclass(frozen=True, slots=True)
class RallyPoint:
    """A place of the vehicle's rally list."""

    position: LatLon
    alt_home_m: float = 0.0


@dataclass(frozen=True, slots=True)
class ContingencyPolicy:
    """What the vehicle's parameters can cause. The defaults are what the parameter baseline sets.

    FS_GCS_ENABLE, BATT_FS_LOW_ACT, FS_DR_ENABLE at AUTO_RTL; BATT_FS_CRT_ACT and FS_EKF_ACTION
    at Land.
    """

    lost_link: Answer = Answer.RETURN_PATH
    battery_low: Answer = Answer.RETURN_PATH
    battery_critical: Answer = Answer.LAND_HERE
    estimator: Answer = Answer.LAND_HERE
    dead_reckoning: Answer = Answer.RETURN_PATH
    rally: tuple[RallyPoint, ...] = ()
    rally_limit_m: float = 300.0
    """RALLY_LIMIT_KM; 0 is no limit."""
    rally_includes_home: bool = True
    """RALLY_INCL_HOME: home where it is nearer."""
    avoidance_verified: bool = False
    """OA_TYPE 2 was read back from the vehicle, its fence with it."""
    rtl_alt_home_m: float | None = None
    """RTL_ALT as read from the vehicle; None: what the flight rules say."""
    landing_must_be_clear: bool = False
    """Refuse a landing in place even where the mission has its own checked return path."""

    def causes(self, *answers: Answer) -> str:
        """The failures that have one of these answers, in words."""
        answered = {
            "lost link": self.lost_link,
            "low battery": self.battery_low,
            "critical battery": self.battery_critical,
            "estimator failure": self.estimator,
            "dead reckoning": self.dead_reckoning,
        }
        return ", ".join(name for name, answer in answered.items() if answer in answers)


DEFAULT_POLICY = ContingencyPolicy()
"""Of a vehicle that was not read: no avoidance and no rally points may be built on."""

LOWEST_GROUND_M = -450.0
"""Below every shore on earth, metres AMSL: where the ground is not known, it is this low."""


def contingency_air(
    mission: AirMission,
    legs: tuple[FlownLeg, ...],
    policy: ContingencyPolicy,
    *,
    depart_at: datetime,
    rules: FlightRules,
    surroundings: Surroundings,
) -> tuple[tuple[PathLeg, ...], tuple[Disc, ...]]:
    """All the air that the policy's answers may use beside the mission's own."""
    has_return = any(item.kind is ItemKind.RETURN_PATH for item in mission.items)
    uncovered = uncovered_ways_out(mission, legs) if has_return else legs
    lines: list[PathLeg] = []
    discs: list[Disc] = []
    returning = _returning(policy, legs, uncovered)
    if returning:
        last_s, turning_m = legs[-1].end_s, _turning_m(legs, rules)
        made = _Air(mission, policy, depart_at, rules, surroundings, last_s, turning_m)
        for leg in returning:
            lines.extend(made.fan(leg))
            discs.extend(made.climbs(leg))
    lands = bool(policy.causes(Answer.LAND_HERE))
    if lands and (policy.landing_must_be_clear or uncovered):
        discs.extend(landings(mission, legs, depart_at=depart_at, rules=rules, over=surroundings))
    return tuple(lines), tuple(discs)


def _returning(
    policy: ContingencyPolicy, legs: tuple[FlownLeg, ...], uncovered: tuple[FlownLeg, ...]
) -> tuple[FlownLeg, ...]:
    """Legs from which a straight return may be flown."""
    if policy.avoidance_verified:
        return ()
    if policy.causes(Answer.STRAIGHT_RETURN):
        return legs
    return uncovered if policy.causes(Answer.RETURN_PATH) else ()


@dataclass(frozen=True, slots=True)
class _Air:
    mission: AirMission
    policy: ContingencyPolicy
    depart_at: datetime
    rules: FlightRules
    over: Surroundings
    last_s: float
    turning_m: Mapping[FlownLeg, float]

    @property
    def least_m(self) -> float:
        """Height above home that every straight return climbs to at least."""
        told = self.policy.rtl_alt_home_m
        return self.rules.rtl_alt_home_m if told is None else told

    def fan(self, leg: FlownLeg) -> Iterator[PathLeg]:
        """Straight returns from a leg, no two neighbours farther apart than FAN_SPACING_M.

        Widened by half of that they cover everything between them, so that nothing in the swept
        triangle is missed; heights are stacked in steps of the vertical error.
        """
        rise_m = leg.end_alt_home_m - leg.start_alt_home_m
        count = max(1, int(leg.length_m // FAN_SPACING_M) + 1)
        count = max(count, int(abs(rise_m) // self.rules.vertical_error_m) + 1)
        enter, leave = self._times(leg)
        spacing_m = leg.length_m / count
        for start, alt_m in _along(leg, count):
            for label, goal, least_m in self._goals(start, spacing_m):
                if geodesic_m(start, goal) < _AT_POINT_M:
                    continue
                high_m = max(alt_m, self.least_m, least_m)
                for error_m in (-self.rules.vertical_error_m, 0.0, self.rules.vertical_error_m):
                    amsl_m = self.mission.home_amsl_m + high_m + error_m
                    yield PathLeg(
                        index=leg.index,
                        label=f"{label} {leg.label}",
                        start=start,
                        end=goal,
                        start_amsl_m=amsl_m,
                        end_amsl_m=amsl_m,
                        enter=enter,
                        leave=leave,
                        corridor_m=self._wide_m(leg) + spacing_m / 2.0,
                        speed_mps=leg.speed_mps,
                    )

    def climbs(self, leg: FlownLeg) -> Iterator[Disc]:
        """Where a return begins with a climb from the leg's height, and where it comes down."""
        low_m = min(leg.start_alt_home_m, leg.end_alt_home_m)
        points = self._possible_rally(leg)
        high_m = max((self.least_m, *(p.alt_home_m for p in points)))
        if low_m < high_m and not leg.vertical:
            label = f"{RETURN_LABEL} {leg.label}"
            yield from self._columns(leg, label, self.mission.home_amsl_m + low_m, high_m)
        enter, leave = self._times(leg)
        top_m = max(leg.start_alt_home_m, leg.end_alt_home_m, high_m)
        for point in points:
            number = self.policy.rally.index(point) + 1
            yield Disc(
                index=leg.index,
                label=f"{RALLY_LABEL} {number} from {leg.label}",
                center=point.position,
                radius_m=self.rules.pad_radius_m,
                low_amsl_m=lowest_ground_m(self.over, point.position, self.rules.pad_radius_m)
                - self.rules.vertical_error_m,
                high_amsl_m=self.mission.home_amsl_m + top_m + self.rules.vertical_error_m,
                enter=enter,
                leave=leave,
            )

    def _columns(
        self, leg: FlownLeg, label: str, low_amsl_m: float, high_home_m: float
    ) -> Iterator[Disc]:
        enter, leave = self._times(leg)
        error_m = self.rules.vertical_error_m
        high_amsl_m = self.mission.home_amsl_m + high_home_m + error_m
        for center, radius_m, _ in _swept(leg, self._wide_m(leg)):
            yield Disc(
                leg.index, label, center, radius_m, low_amsl_m - error_m, high_amsl_m, enter, leave
            )

    def _wide_m(self, leg: FlownLeg) -> float:
        """Half width of the air beside a leg in which a return may begin, its turns included."""
        return self.rules.corridor_m(leg.speed_mps) + self.turning_m.get(leg, 0.0)

    def _times(self, leg: FlownLeg) -> tuple[datetime, datetime]:
        return time_window(self.depart_at, leg.begin_s, 2.0 * self.last_s, self.rules)

    def _goals(self, start: LatLon, slack_m: float) -> Iterator[tuple[str, LatLon, float]]:
        """Where a return from within `slack_m` of `start` may go, and how high it is at least.

        One place, or several where it is nearly a tie.
        """
        home = (RETURN_LABEL, self.mission.home, 0.0)
        ranked = sorted(
            (geodesic_m(start, point.position), number)
            for number, point in enumerate(self.policy.rally)
        )
        if not ranked:
            yield home
            return
        home_m = geodesic_m(start, self.mission.home)
        home_near_m = home_m * (1.0 - _DISTANCE_SLACK) - slack_m
        home_far_m = home_m * (1.0 + _DISTANCE_SLACK) + slack_m
        nearest_m = ranked[0][0] * (1.0 + _DISTANCE_SLACK) + slack_m
        limit_m = self.policy.rally_limit_m or math.inf
        for away_m, number in ranked:
            near_m = away_m * (1.0 - _DISTANCE_SLACK) - slack_m
            beaten = self.policy.rally_includes_home and near_m > home_far_m
            if near_m <= min(nearest_m, limit_m) and not beaten:
                point = self.policy.rally[number]
                yield f"{RALLY_LABEL} {number + 1} from", point.position, point.alt_home_m
        if nearest_m >= limit_m or (self.policy.rally_includes_home and home_near_m <= nearest_m):
            yield home

    def _possible_rally(self, leg: FlownLeg) -> list[RallyPoint]:
        """Rally points that a return from anywhere on the leg may go to."""
        count = max(1, int(leg.length_m // FAN_SPACING_M) + 1)
        found: list[RallyPoint] = []
        for start, _ in _along(leg, count):
            goals = {goal for _, goal, _ in self._goals(start, leg.length_m / count)}
            found.extend(p for p in self.policy.rally if p.position in goals and p not in found)
        return found


def landings(
    mission: AirMission,
    legs: tuple[FlownLeg, ...],
    *,
    depart_at: datetime,
    rules: FlightRules,
    over: Surroundings,
) -> Iterator[Disc]:
    """The air under the mission, down to the ground: where it would land from any of its points.

    Discs so near to each other that together they cover the corridor, each down to the lowest
    ground below it: by the terrain grid where there is one.
    """
    last_s = legs[-1].end_s if legs else 0.0
    turning_m = _turning_m(legs, rules)
    for leg in legs:
        enter, leave = time_window(depart_at, leg.begin_s, 2.0 * last_s, rules)
        wide_m = rules.corridor_m(leg.speed_mps) + turning_m.get(leg, 0.0)
        for center, radius_m, alt_m in _swept(leg, wide_m):
            yield Disc(
                index=leg.index,
                label=f"{LANDING_LABEL} {leg.label}",
                center=center,
                radius_m=radius_m,
                low_amsl_m=min(lowest_ground_m(over, center, radius_m), mission.home_amsl_m + alt_m)
                - rules.vertical_error_m,
                high_amsl_m=mission.home_amsl_m + alt_m + rules.vertical_error_m,
                enter=enter,
                leave=leave,
            )


def _turning_m(legs: tuple[FlownLeg, ...], rules: FlightRules) -> dict[FlownLeg, float]:
    """By how much the turns at either end of a leg may take the vehicle from it, the greatest.

    A failure comes in a turn as well: what it causes then begins beside the leg.
    """
    found: dict[FlownLeg, float] = {}
    for leg, following in pairwise(legs):
        for _, width_m in turn_parts((leg, following), rules):
            for each in (leg, following):
                found[each] = max(width_m, found.get(each, 0.0))
    return found


def lowest_ground_m(over: Surroundings, center: LatLon, radius_m: float) -> float:
    """The lowest ground within a circle, metres AMSL; LOWEST_GROUND_M where it is not known.

    Nobody lands below the lowest ground, so a zone whose limits need terrain that is not there
    is met by the landing, and the check says what is missing.
    """
    if over.terrain is None:
        return LOWEST_GROUND_M if over.ground_amsl_m is None else over.ground_amsl_m
    east, north = LocalFrame(center).scale
    # a little wider: the scale of the frame is that of its middle
    wide, high = 1.01 * radius_m / east, 1.01 * radius_m / north
    lon, lat = center.lon_deg, center.lat_deg
    box = np.array([[lon - wide, lat - high, lon + wide, lat + high]])
    low_m = float(over.terrain.box_bounds(box)[0, 0])
    return low_m if math.isfinite(low_m) else LOWEST_GROUND_M


def returns_over_terrain(
    lines: tuple[PathLeg, ...], rules: FlightRules, over: Surroundings
) -> Iterator[tuple[str, str]]:
    """Straight returns and ways to rally points that come too near the ground: label and why.

    Only where a terrain grid tells the ground; one for each label.
    """
    told: set[str] = set()
    for line in lines if over.terrain is not None else ():
        if line.label in told or over.terrain is None:
            continue
        profile = over.terrain.profile(line.start, line.end)
        if profile is None:
            told.add(line.label)
            yield line.label, "leaves the terrain grid: provide a larger grid"
            continue
        # each line is laid at its lowest, too: the vertical error is in it
        low_m, _ = profile.above(line.start_amsl_m, line.end_amsl_m)
        if low_m < rules.min_ground_clearance_m - rules.vertical_error_m:
            told.add(line.label)
            near_m = max(0.0, low_m + rules.vertical_error_m)
            why = (
                f"comes within {near_m:.0f} m of the ground and needs "
                f"{rules.min_ground_clearance_m:g} m: raise RTL_ALT or the cruise height"
            )
            yield line.label, why


def _along(leg: FlownLeg, count: int) -> Iterator[tuple[LatLon, float]]:
    """Points of a leg and their heights above home, `count` equal steps."""
    rise_m = leg.end_alt_home_m - leg.start_alt_home_m
    course = 0.0 if leg.vertical else bearing_deg(leg.start, leg.end)
    for step in range(count + 1):
        share = step / count
        place = leg.start
        if not leg.vertical:
            place = offset(leg.start, course, leg.length_m * share)
        yield place, leg.start_alt_home_m + rise_m * share


def _swept(leg: FlownLeg, corridor_m: float) -> Iterator[tuple[LatLon, float, float]]:
    """Discs that cover a leg's corridor: center, radius, and the highest there above home.

    With centers s apart, discs of radius sqrt(c^2 + (s/2)^2) cover a corridor of half width c.
    Nowhere is it higher than the leg's higher end.
    """
    top_m = max(leg.start_alt_home_m, leg.end_alt_home_m)
    if leg.vertical:
        yield leg.start, corridor_m, top_m
        return
    count = max(1, math.ceil(leg.length_m / max(corridor_m, FAN_SPACING_M)))
    spacing_m = leg.length_m / count
    radius_m = math.hypot(corridor_m, spacing_m / 2.0)
    step_m = abs(leg.end_alt_home_m - leg.start_alt_home_m) / count
    for place, alt_m in _along(leg, count):
        yield place, radius_m, min(alt_m + step_m, top_m)
