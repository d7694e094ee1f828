"""Failures at random places: no vehicle is ever sent through a zone that the check missed."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.frames import LatLon, geodesic_m
from geofence.zoneset import ZoneSet
from missions.contingency import ContingencyPolicy, RallyPoint
from missions.model import AirItem, AirMission, ItemKind
from missions.plan_flown import DEFAULT_FLIGHT_RULES
from missions.validate import validate_flight
from tests.property.test_missions_properties import inside, random_zones, samples
from tests.unit.missions.flights import FLAT, HOME, at, checks

SEEDS = st.integers(0, 2**32 - 1)
RTL_M = DEFAULT_FLIGHT_RULES.rtl_alt_home_m


def random_mission(rng: random.Random) -> AirMission:
    cruise = rng.choice([40.0, 60.0])
    points = [at(rng.uniform(-700, 700), rng.uniform(-700, 700)) for _ in range(rng.randint(1, 3))]
    items = [AirItem(ItemKind.TAKEOFF, HOME, cruise)]
    items += [AirItem(ItemKind.WAYPOINT, point, cruise) for point in (*points, HOME)]
    return AirMission("m", "D-01", HOME, 10.0, cruise, (*items, AirItem(ItemKind.LAND, HOME)), "")


def goal_of(policy: ContingencyPolicy, here: LatLon) -> tuple[LatLon, float]:
    """AP_Rally.cpp, calc_best_rally_or_home_location."""
    home_m = geodesic_m(here, HOME)
    if not policy.rally:
        return HOME, 0.0
    nearest = min(policy.rally, key=lambda p: geodesic_m(here, p.position))
    away_m = geodesic_m(here, nearest.position)
    if policy.rally_limit_m > 0.0 and away_m > policy.rally_limit_m:
        return HOME, 0.0
    if policy.rally_includes_home and away_m >= home_m:
        return HOME, 0.0
    return nearest.position, nearest.alt_home_m


def flown(start: LatLon, alt_m: float, goal: LatLon, least_m: float):
    """RTL: up, over, down."""
    high = max(alt_m, RTL_M, least_m)
    for step in range(11):
        yield start, alt_m + (high - alt_m) * step / 10
        yield goal, high * step / 10
    count = int(geodesic_m(start, goal) / 5.0) + 1
    for step in range(count + 1):
        share = step / count
        yield (
            LatLon(
                start.lat_deg + share * (goal.lat_deg - start.lat_deg),
                start.lon_deg + share * (goal.lon_deg - start.lon_deg),
            ),
            high,
        )


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_no_return_or_landing_of_a_go_mission_meets_a_zone(seed) -> None:
    rng = random.Random(seed)
    mission = random_mission(rng)
    zones = tuple(z for z in random_zones(rng) if z.schedule.windows == ())[:3]
    zones = tuple(z for z in zones if z.schedule.valid_from is None and z.schedule.valid_to is None)
    rally = tuple(
        RallyPoint(at(rng.uniform(-900, 900), rng.uniform(-900, 900)), rng.choice([0.0, 70.0]))
        for _ in range(rng.randint(0, 2))
    )
    policy = ContingencyPolicy(
        rally=rally,
        rally_limit_m=rng.choice([0.0, 300.0, 600.0]),
        rally_includes_home=rng.random() < 0.7,
    )
    answer = validate_flight(mission, checks(policy=policy, loads={}), ZoneSet(zones), FLAT)
    if not answer.go:
        assert answer.reasons
        return
    for here, alt_m in list(samples(mission))[:: rng.randint(5, 15)]:
        goal, least_m = goal_of(policy, here)
        ways = [*flown(here, alt_m, goal, least_m)]
        ways += [(here, alt_m * step / 10) for step in range(11)]
        for point, high_m in ways:
            for zone in zones:
                assert not inside(zone, point, mission.home_amsl_m + high_m), (here, goal)
