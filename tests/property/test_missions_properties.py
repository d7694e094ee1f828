"""Flights among random zones, judged by an own dense sampling with geodesic distances."""

from __future__ import annotations

import math
import random
from datetime import timedelta

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from geofence.frames import Altitude, Datum, geodesic_m, offset
from geofence.zones import CircleArea, PolygonArea, Schedule
from geofence.zoneset import ZoneSet
from missions.model import AirMission, DropDevice, ItemKind
from missions.plan import plan_flight
from missions.plan_bulk import straight_flights
from missions.validate import validate_flight
from tests.unit.missions.flights import FLAT, HOME, NOW, at, checks, circle, request

SEEDS = st.integers(0, 2**32 - 1)
STEP_M = 4.0


def random_zones(rng: random.Random):
    zones = []
    for number in range(rng.randint(1, 8)):
        center = at(rng.uniform(-1200, 1200), rng.uniform(-1200, 1200))
        floor = rng.choice([None, 0.0, 0.0, 40.0, 70.0])
        top = rng.choice([None, 35.0, 120.0, 120.0])
        if floor is not None and top is not None and top <= floor:
            top = floor + 30.0
        schedule = rng.choice(
            [Schedule(), Schedule(), Schedule(valid_from=NOW + timedelta(minutes=3)),
             Schedule(valid_to=NOW - timedelta(minutes=5))]
        )  # fmt: skip
        changes = {
            "floor": None if floor is None else Altitude(floor, Datum.AGL),
            "ceiling": None if top is None else Altitude(top, Datum.AGL),
            "schedule": schedule,
        }
        if rng.random() < 0.5:
            n, e = rng.uniform(-1000, 1000), rng.uniform(-1000, 1000)
            size = rng.uniform(30, 300)
            shell = (at(n - size, e - size), at(n - size, e + size), at(n + size, e))
            zones.append(circle(f"Z-{number}", HOME, 1.0, area=PolygonArea(shell), **changes))
        else:
            zones.append(circle(f"Z-{number}", center, rng.uniform(20, 250), **changes))
    return tuple(zones)


def samples(mission: AirMission):
    """Positions and heights above home along the way, every few metres."""
    here, alt = mission.home, 0.0
    for item in mission.items:
        if item.kind not in {ItemKind.TAKEOFF, ItemKind.WAYPOINT, ItemKind.LAND}:
            continue
        end, high = item.position, item.alt_home_m
        if item.kind is ItemKind.LAND and end != here:
            high = alt
        count = int(max(geodesic_m(here, end), abs(high - alt)) / STEP_M) + 1
        for step in range(count + 1):
            share = step / count
            lat = here.lat_deg + (end.lat_deg - here.lat_deg) * share
            lon = here.lon_deg + (end.lon_deg - here.lon_deg) * share
            yield type(here)(lat, lon), alt + (high - alt) * share
        here, alt = end, high


def inside(zone, point, amsl_m: float) -> bool:
    low = -1e9 if zone.floor is None else zone.floor.value_m + FLAT.ground_amsl_m
    high = 1e9 if zone.ceiling is None else zone.ceiling.value_m + FLAT.ground_amsl_m
    if not low <= amsl_m <= high:
        return False
    if isinstance(zone.area, CircleArea):
        return geodesic_m(zone.area.center, point) <= zone.area.radius_m
    crossings = False
    shell = zone.area.shell
    for one, other in zip(shell, (*shell[1:], shell[0]), strict=True):
        if (one.lat_deg > point.lat_deg) != (other.lat_deg > point.lat_deg):
            share = (point.lat_deg - one.lat_deg) / (other.lat_deg - one.lat_deg)
            if point.lon_deg < one.lon_deg + share * (other.lon_deg - one.lon_deg):
                crossings = not crossings
    return crossings


def active(zone) -> bool:
    return zone.schedule.active_during(NOW, NOW + timedelta(minutes=4))


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_no_go_mission_is_ever_found_inside_a_zone(seed):
    rng = random.Random(seed)
    zones = random_zones(rng)
    place = at(rng.uniform(-1300, 1300), rng.uniform(-1300, 1300))
    assume(geodesic_m(HOME, place) > 50.0)
    asked = request(
        place,
        device=rng.choice(list(DropDevice)),
        cruise_alt_home_m=rng.choice([40.0, 60.0, 80.0]),
        cruise_speed_mps=rng.choice([5.0, 12.0, 18.0]),
    )
    zone_set = ZoneSet(zones)
    mission = plan_flight(asked, zone_set, FLAT)
    assume(isinstance(mission, AirMission))
    answer = validate_flight(mission, checks(), zone_set, FLAT)
    if not answer.go:
        assert answer.reasons
        return
    for point, alt_m in samples(mission):
        for zone in zones:
            if active(zone):
                assert not inside(zone, point, asked.home_amsl_m + alt_m), (zone.zone_id, point)


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_a_zone_on_the_way_is_never_go(seed):
    """The other side: a sample inside a zone that applies at once means no go."""
    rng = random.Random(seed)
    place = at(rng.uniform(-1300, 1300), rng.uniform(-1300, 1300))
    assume(geodesic_m(HOME, place) > 50.0)
    free = plan_flight(request(place), ZoneSet(()), FLAT)
    assert isinstance(free, AirMission)
    way = list(samples(free))
    point, alt_m = rng.choice(way)
    center = offset(point, rng.uniform(0.0, 360.0), rng.uniform(0.0, 20.0))
    low, high = alt_m - rng.uniform(0.0, 30.0), alt_m + rng.uniform(0.0, 30.0)
    limits = {"floor": Altitude(low, Datum.AGL), "ceiling": Altitude(high, Datum.AGL)}
    hit = circle("Z-HIT", center, rng.uniform(21.0, 100.0), **limits)
    assert inside(hit, point, 10.0 + alt_m)
    zones = (*random_zones(rng), hit)
    answer = validate_flight(free, checks(), ZoneSet(zones), FLAT)
    assert not answer.go
    assert "Z-HIT" in {reason.zone_id for reason in answer.reasons if reason.code == "zone"}


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_bulk_says_go_only_where_validation_does(seed):
    rng = random.Random(seed)
    zone_set = ZoneSet(random_zones(rng))
    jobs = [
        (request(at(rng.uniform(-1300, 1300), rng.uniform(-1300, 1300))), checks())
        for _ in range(12)
    ]
    for (asked, how), found in zip(jobs, straight_flights(jobs, zone_set, FLAT), strict=True):
        if found is not None:
            mission, walked = found
            assert validate_flight(mission, how, zone_set, FLAT).go
            assert not walked.reasons
            assert mission.items[2].position == asked.destination


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_planned_ways_are_symmetric_and_end_at_home(seed):
    rng = random.Random(seed)
    place = at(rng.uniform(-1300, 1300), rng.uniform(-1300, 1300))
    assume(geodesic_m(HOME, place) > 50.0)
    mission = plan_flight(request(place), ZoneSet(random_zones(rng)), FLAT)
    assume(isinstance(mission, AirMission))
    mark = next(i for i, m in enumerate(mission.items) if m.kind is ItemKind.RETURN_PATH)
    ways = [
        [(m.position, m.alt_home_m) for m in part if m.kind is ItemKind.WAYPOINT]
        for part in (mission.items[:mark], mission.items[mark:])
    ]
    out = [(HOME, 60.0), *(w for w in ways[0] if w[1] == 60.0)]
    assert out == list(reversed(ways[1]))
    assert mission.items[-1].position == HOME


def _metres(point, alt_m: float) -> np.ndarray:
    east = (point.lon_deg - HOME.lon_deg) * 111_320.0 * math.cos(math.radians(HOME.lat_deg))
    return np.array([east, (point.lat_deg - HOME.lat_deg) * 111_320.0, alt_m])


def _rejoin(here: np.ndarray, way: list[np.ndarray]) -> tuple[float, int]:
    """Distance to the return path and the point flown to, as ArduPilot finds them.

    AP_Mission.cpp, distance_to_mission_leg: the first point by itself, then each leg by projection
    limited to the leg, a later one only where it is strictly nearer.
    """
    best, index = float(np.linalg.norm(way[0] - here)), 0
    before = way[0]
    for number, point in enumerate(way[1:], 1):
        along = point - before
        if not along.any():
            continue
        share = float(np.dot(here - before, along) / np.dot(along, along))
        foot = before + along * min(1.0, max(0.0, share))
        before = point
        away = float(np.linalg.norm(foot - here))
        if away < best - 1e-9:
            best, index = away, number
    return best, index


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.floats(0.0, 1.0))
def test_a_return_called_for_anywhere_on_the_way_out_stays_on_the_checked_way(seed, share):
    rng = random.Random(seed)
    place = at(rng.uniform(-1300, 1300), rng.uniform(-1300, 1300))
    assume(geodesic_m(HOME, place) > 50.0)
    device = rng.choice(list(DropDevice))
    mission = plan_flight(request(place, device=device), ZoneSet(random_zones(rng)), FLAT)
    assume(isinstance(mission, AirMission))
    mark = next(i for i, m in enumerate(mission.items) if m.kind is ItemKind.RETURN_PATH)
    flown = {ItemKind.TAKEOFF, ItemKind.WAYPOINT}
    out = [_metres(HOME, 0.0)]
    out += [_metres(m.position, m.alt_home_m) for m in mission.items[:mark] if m.kind in flown]
    way = [_metres(m.position, m.alt_home_m) for m in mission.items[mark:] if m.position]
    leg = min(int(share * (len(out) - 1)), len(out) - 2)
    here = out[leg] + (out[leg + 1] - out[leg]) * rng.random()
    drift = np.array([rng.uniform(-2.0, 2.0), rng.uniform(-2.0, 2.0), 0.0])
    away, index = _rejoin(here + drift, way)
    assert away <= float(np.linalg.norm(drift)) + 0.01
    target = way[index]
    for step in np.linspace(0.0, 1.0, 21):
        on_way = here + drift + (target - here - drift) * step
        assert _rejoin(on_way, way)[0] <= float(np.linalg.norm(drift)) + 0.01
