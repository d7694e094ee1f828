from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from geofence.check import Surroundings
from geofence.frames import Altitude, Datum, LatLon, LocalFrame
from geofence.terrain import Grid
from geofence.zoneset import ZoneSet
from missions.contingency import (
    DEFAULT_POLICY,
    LANDING_LABEL,
    Answer,
    ContingencyPolicy,
    RallyPoint,
    contingency_air,
    landings,
)
from missions.energy import MultirotorModel
from missions.model import AirItem, AirMission, ItemKind
from missions.plan import plan_flight
from missions.plan_flown import DEFAULT_FLIGHT_RULES, flown_legs
from missions.validate import validate_flight
from tests.unit.missions.flights import (
    FLAT,
    HOME,
    NOW,
    at,
    box,
    checks,
    circle,
    request,
    without_items,
)

CORNER = at(800.0, 0.0)
DROP = at(800.0, 800.0)
CRUISE = 60.0
LOW = {"ceiling": Altitude(30.0, Datum.AGL)}


def detour(*, return_path: bool) -> AirMission:
    """Out by a corner, back the same way."""
    up = [AirItem(ItemKind.RETURN_PATH, DROP, 20.0)] if return_path else []
    items = (
        AirItem(ItemKind.TAKEOFF, HOME, CRUISE),
        AirItem(ItemKind.WAYPOINT, CORNER, CRUISE),
        AirItem(ItemKind.WAYPOINT, DROP, CRUISE),
        AirItem(ItemKind.WAYPOINT, DROP, 20.0),
        AirItem(ItemKind.RELEASE, parcel_id="P-1"),
        *up,
        AirItem(ItemKind.WAYPOINT, DROP, CRUISE),
        AirItem(ItemKind.WAYPOINT, CORNER, CRUISE),
        AirItem(ItemKind.WAYPOINT, HOME, CRUISE),
        AirItem(ItemKind.LAND, HOME),
    )
    return AirMission("m", "D-01", HOME, 10.0, CRUISE, items, "")


def judged(zone, policy=ContingencyPolicy(), *, return_path=False, **changes):  # noqa: B008
    zones = ZoneSet((zone,))
    mission = detour(return_path=return_path)
    return validate_flight(mission, checks(policy=policy, **changes), zones, FLAT)


BETWEEN = circle("Z-1", at(400.0, 400.0), 60.0)


def test_a_straight_return_that_is_not_clear_names_leg_zone_cause_and_remedy():
    answer = judged(BETWEEN)
    assert not answer.go
    (reason,) = answer.reasons
    assert reason.leg.startswith("straight return from leg ")
    assert reason.zone_id == "Z-1"
    assert "on lost link, low battery, dead reckoning" in reason.text
    assert "DO_RETURN_PATH_START" in reason.text


def test_a_checked_return_path_or_verified_avoidance_lifts_it():
    assert judged(BETWEEN, return_path=True).go
    assert judged(BETWEEN, ContingencyPolicy(avoidance_verified=True)).go
    stays = ContingencyPolicy(
        lost_link=Answer.CONTINUE, battery_low=Answer.CONTINUE, dead_reckoning=Answer.CONTINUE
    )
    assert judged(BETWEEN, stays).go


def test_a_vehicle_that_returns_straight_is_not_helped_by_a_return_path():
    policy = ContingencyPolicy(battery_low=Answer.STRAIGHT_RETURN)
    answer = judged(BETWEEN, policy, return_path=True)
    assert not answer.go
    assert "on lost link, low battery" in answer.reasons[0].text
    assert judged(BETWEEN, replace(policy, avoidance_verified=True), return_path=True).go


@pytest.mark.parametrize(
    ("points", "limit_m", "home", "go"),
    [
        # at the corner of the triangle: nearer than home from the zone's far side
        ((at(700.0, 700.0),), 0.0, True, True),
        # too far for the limit: home it is, through the zone
        ((at(700.0, 700.0),), 100.0, True, False),
        # behind the zone from the first leg, and home does not count
        ((at(0.0, 800.0),), 0.0, False, False),
        ((), 300.0, True, False),
    ],
)
def test_returns_go_to_the_nearest_rally_point_within_the_limit(points, limit_m, home, go):
    zone = circle("Z-1", at(450.0, 250.0), 30.0)
    rally = tuple(RallyPoint(p) for p in points)
    policy = ContingencyPolicy(rally=rally, rally_limit_m=limit_m, rally_includes_home=home)
    small = circle("Z-1", at(620.0, 550.0), 10.0) if go else zone
    assert judged(small, policy).go is go
    if go:
        assert not judged(small, replace(policy, rally=())).go


def test_a_rally_point_under_a_zone_is_refused_where_it_may_be_used():
    point = RallyPoint(at(700.0, 400.0))
    policy = ContingencyPolicy(rally=(point,), rally_limit_m=0.0)
    answer = judged(circle("Z-1", point.position, 5.0, **LOW), policy)
    assert [r.leg[:22] for r in answer.reasons] == ["return to rally point "]
    assert judged(circle("Z-1", at(0.0, 700.0), 5.0), policy).go


def test_landing_in_place_is_judged_from_the_ground_up():
    school = circle("Z-1", at(400.0, 0.0), 30.0, **LOW)
    answer = judged(school)
    assert [r.leg for r in answer.reasons] == ["landing in place from leg 1 on the way out"]
    assert "on critical battery, estimator failure" in answer.reasons[0].text
    above = circle("Z-1", at(400.0, 0.0), 30.0, floor=Altitude(100.0, Datum.AGL))
    assert judged(replace(above, ceiling=Altitude(200.0, Datum.AGL))).go


def test_landing_in_place_over_a_low_zone_is_left_to_a_mission_with_its_own_return_path():
    school = circle("Z-1", at(400.0, 0.0), 30.0, **LOW)
    assert judged(school, return_path=True).go
    strict = ContingencyPolicy(landing_must_be_clear=True)
    assert not judged(school, strict, return_path=True).go
    never = ContingencyPolicy(battery_critical=Answer.CONTINUE, estimator=Answer.CONTINUE)
    assert judged(school, never).go
    assert not judged(school, ContingencyPolicy(avoidance_verified=True)).go


def test_the_swept_landing_covers_the_corridor_between_its_discs():
    corridor_m = DEFAULT_FLIGHT_RULES.corridor_m(12.0)
    for along in range(300, 380, 7):
        edge = circle("Z-1", at(along, corridor_m + 0.5), 1.0, **LOW)
        assert not judged(edge).go, along


def test_a_return_that_climbs_over_the_leg_is_checked_on_its_way_up():
    rules = replace(DEFAULT_FLIGHT_RULES, rtl_alt_home_m=90.0)
    over = box(
        "Z-1", (300.0, -20.0), (340.0, 20.0),
        floor=Altitude(72.0, Datum.AGL), ceiling=Altitude(78.0, Datum.AGL),
    )  # fmt: skip
    assert judged(over).go
    answer = judged(over, rules=rules)
    assert answer.reasons[0].leg == "straight return from leg 1 on the way out"


def test_planned_missions_stay_valid_among_low_zones():
    zones = ZoneSet((circle("Z-1", at(400.0, 400.0), 40.0, **LOW),))
    mission = plan_flight(request(DROP), zones, FLAT)
    assert isinstance(mission, AirMission)
    assert validate_flight(mission, checks(), zones, FLAT).go
    bare = without_items(mission, ItemKind.RETURN_PATH)
    assert not validate_flight(bare, checks(), zones, FLAT).go


# ground and failsafes as they were read

STEP_DEG = 0.001


def ground(height_m, *, north_m=2000.0) -> Surroundings:
    """A terrain grid from 500 m south of home to `north_m` of it; `height_m` of east and north."""
    south_west, north_east = at(-500.0, -500.0), at(north_m, 2000.0)
    rows = math.ceil((north_east.lat_deg - south_west.lat_deg) / STEP_DEG) + 1
    columns = math.ceil((north_east.lon_deg - south_west.lon_deg) / STEP_DEG) + 1
    frame = LocalFrame(HOME)
    posts = np.empty((rows, columns), dtype=np.float32)
    for row in range(rows):
        for column in range(columns):
            lat = south_west.lat_deg + row * STEP_DEG
            x, y = frame.xy(LatLon(lat, south_west.lon_deg + column * STEP_DEG))
            posts[row, column] = height_m(x, y)
    grid = Grid(south_west.lon_deg, south_west.lat_deg, STEP_DEG, STEP_DEG, posts)
    return Surroundings(None, 17.0, grid)


def valley(x_m: float, y_m: float) -> float:
    """30 m lower from 300 to 600 m north of home."""
    del x_m
    return -20.0 if 300.0 <= y_m <= 600.0 else 10.0


def landing_zones(over: Surroundings, zone) -> set[str]:
    mission = detour(return_path=False)
    answer = validate_flight(mission, checks(), ZoneSet((zone,)), over)
    return {r.zone_id for r in answer.reasons if r.leg.startswith("landing in place")}


def test_a_landing_goes_down_to_the_ground_that_the_grid_tells():
    # a zone in the valley, below home: flat ground never comes there
    deep = circle("Z-deep", at(450.0, 0.0), 40.0, floor=None, ceiling=Altitude(-5.0, Datum.AMSL))
    assert landing_zones(FLAT, deep) == set()
    assert landing_zones(ground(valley), deep) == {"Z-deep"}
    assert landing_zones(ground(lambda _x, _y: 10.0), deep) == set()


def test_ground_that_is_not_known_is_as_low_as_it_can_be():
    deep = circle("Z-deep", at(450.0, 0.0), 40.0, floor=None, ceiling=Altitude(-5.0, Datum.AMSL))
    assert landing_zones(Surroundings(), deep) == {"Z-deep"}
    assert landing_zones(ground(valley, north_m=200.0), deep) == {"Z-deep"}


@pytest.mark.parametrize(
    ("over", "word"),
    [
        (Surroundings(), "the ground height is not known"),
        ("short", "the terrain grid does not tell the ground here"),
    ],
)
def test_an_agl_limit_without_its_terrain_is_refused_and_says_so(over, word):
    surroundings = ground(valley, north_m=200.0) if over == "short" else over
    low = circle("Z-low", at(450.0, 0.0), 40.0, **LOW)
    answer = validate_flight(detour(return_path=False), checks(), ZoneSet((low,)), surroundings)
    assert not answer.go
    assert {reason.zone_id for reason in answer.reasons} - {""} == {"Z-low"}
    landing = [v for v in answer.verdict.violations if v.label.startswith("landing in place")]
    assert landing
    assert all(word in violation.reason for violation in landing)


def test_a_straight_return_over_a_hill_is_refused_by_the_grid():
    def hill(x_m: float, y_m: float) -> float:
        return 65.0 if 300.0 <= x_m <= 500.0 and 300.0 <= y_m <= 500.0 else 10.0

    answer = validate_flight(detour(return_path=False), checks(), ZoneSet(()), ground(hill))
    told = [r for r in answer.reasons if r.leg.startswith("straight return")]
    assert told
    assert {r.code for r in told} == {"terrain"}
    assert "of the ground and needs 15 m" in told[0].text
    assert validate_flight(detour(return_path=True), checks(), ZoneSet(()), ground(hill)).go


def test_a_return_climbs_as_the_vehicle_says():
    # 70 to 90 m above ground, between drop and home: met by a return that climbs to 80 m
    high = circle(
        "Z-high", at(400.0, 400.0), 40.0,
        floor=Altitude(70.0, Datum.AGL), ceiling=Altitude(90.0, Datum.AGL),
    )  # fmt: skip
    assert judged(high).go
    assert not judged(high, ContingencyPolicy(rtl_alt_home_m=80.0)).go
    assert judged(high, ContingencyPolicy(rtl_alt_home_m=80.0), return_path=True).go


def test_a_failure_in_a_turn_begins_beside_the_leg() -> None:
    """Straight on there is no turn; at a right angle it may be the waypoint radius off."""

    def air(last):
        items = [AirItem(ItemKind.TAKEOFF, HOME, 60.0)]
        items += [AirItem(ItemKind.WAYPOINT, p, 60.0) for p in (at(500.0, 0.0), last)]
        items += [AirItem(ItemKind.DELAY, delay_s=1.0), AirItem(ItemKind.LAND, last)]
        mission = AirMission("m", "D-01", HOME, 10.0, 60.0, tuple(items), "")
        rules = DEFAULT_FLIGHT_RULES
        legs = flown_legs(mission, loads={}, speed_mps=12.0, model=MultirotorModel(), rules=rules)
        return contingency_air(
            mission, legs, DEFAULT_POLICY, depart_at=NOW, rules=rules, surroundings=FLAT
        )

    straight, bent = air(at(1_000.0, 0.0)), air(at(500.0, 500.0))
    wide_m = DEFAULT_FLIGHT_RULES.waypoint_radius_m
    first = [[line for line in lines if line.index == 1] for lines, _ in (straight, bent)]
    widths = [max(line.corridor_m for line in lines) for lines in first]
    assert widths[1] - widths[0] == pytest.approx(wide_m, abs=1e-6)
    landing = [
        max(d.radius_m for d in discs if d.index == 1 and d.label.startswith(LANDING_LABEL))
        for _, discs in (straight, bent)
    ]
    assert 0.5 * wide_m < landing[1] - landing[0] < 1.5 * wide_m


@pytest.mark.parametrize("ends", [(30.0, 90.0), (90.0, 30.0), (60.0, 60.0)])
def test_a_landing_begins_no_higher_than_its_leg_goes(ends):
    items = (
        AirItem(ItemKind.TAKEOFF, HOME, ends[0]),
        AirItem(ItemKind.WAYPOINT, CORNER, ends[1]),
        AirItem(ItemKind.LAND, CORNER),
    )
    mission = AirMission("m", "D-01", HOME, 10.0, max(ends), items, "")
    rules = DEFAULT_FLIGHT_RULES
    legs = flown_legs(mission, loads={}, speed_mps=12.0, model=MultirotorModel(), rules=rules)
    sloped = [leg for leg in legs if not leg.vertical]
    discs = list(landings(mission, tuple(sloped), depart_at=NOW, rules=rules, over=FLAT))
    tops = [disc.high_amsl_m - mission.home_amsl_m - rules.vertical_error_m for disc in discs]
    assert max(tops) == max(ends)
    for disc, top in zip(discs, tops, strict=True):
        share = math.hypot(*LocalFrame(HOME).xy(disc.center)) / 800.0
        half = 0.5 * abs(ends[1] - ends[0]) / (len(discs) - 1)
        assert top >= min(ends[0] + share * (ends[1] - ends[0]) + half, max(ends)) - 0.1
