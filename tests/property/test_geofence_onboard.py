"""Onboard fences: exclusions only grow, inclusions only shrink, the flight stays free."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime
from itertools import pairwise

import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.check import Disc, FlightPath, PathLeg, Surroundings
from geofence.formats.onboard import (
    FenceKind,
    FenceRefused,
    OnboardFence,
    onboard_fence,
)
from geofence.frames import LatLon, geodesic_m, offset
from geofence.zones import CircleArea, PolygonArea, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
FLAT = Surroundings(0.0, 0.0)
SEEDS = st.integers(0, 2**32 - 1)
LATITUDES = [0.0, -33.9, 47.4, 60.17, 69.9]
CORRIDOR_M = 25.0


def around(rng: random.Random, center: LatLon, radius_m: float, corners: int):
    """A star, often concave."""
    turns = sorted(rng.uniform(0.0, 360.0) for _ in range(corners))
    return tuple(offset(center, turn, radius_m * rng.uniform(0.2, 1.0)) for turn in turns)


def random_zone(rng: random.Random, number: int, middle: LatLon) -> Zone | None:
    center = offset(middle, rng.uniform(0.0, 360.0), rng.uniform(0.0, 4_000.0))
    radius_m = 10.0 ** rng.uniform(0.7, 3.3)
    kind = rng.choice([ZoneKind.NO_FLY, ZoneKind.NO_FLY, ZoneKind.RESTRICTED])
    shape = rng.random()
    if shape < 0.25:
        return Zone(f"Z-{number}", "", kind, CircleArea(center, radius_m))
    corners = rng.choice([3, 4, 4, 6, 6, 20, 20, 60, 130])
    shell = around(rng, center, radius_m, corners)
    holes = ()
    if shape > 0.7:
        holes = (around(rng, center, radius_m * 0.15, 12),)
    polygon = _degrees(shell, holes)
    if not polygon.is_valid or polygon.area == 0.0:
        return None
    return Zone(f"Z-{number}", "", kind, PolygonArea(shell, holes))


def _degrees(shell, holes=()) -> shapely.Polygon:
    """In units of 1e-7 degrees, in which the rings given are exact integers."""
    return shapely.Polygon(_ring(shell), [_ring(hole) for hole in holes])


def _ring(points):
    return [(p.lon_deg * 1e7, p.lat_deg * 1e7) for p in points]


def random_path(rng: random.Random, start: LatLon) -> FlightPath:
    points = [start]
    for _ in range(rng.randint(1, 4)):
        points.append(offset(points[-1], rng.uniform(0.0, 360.0), rng.uniform(50.0, 1_500.0)))
    legs = tuple(
        PathLeg(n, f"leg {n}", a, b, 50.0, 50.0, NOON, NOON, CORRIDOR_M)
        for n, (a, b) in enumerate(pairwise(points))
    )
    disc = Disc(0, "take-off", start, 10.0, 0.0, 50.0, NOON, NOON)
    return FlightPath(VehicleClass.MULTIROTOR, legs, (disc,))


def _case(seed: int):
    rng = random.Random(seed)
    start = LatLon(rng.choice(LATITUDES), rng.choice([24.94, -71.06, 0.0]))
    made = (random_zone(rng, n, start) for n in range(rng.randint(1, 16)))
    return rng, random_path(rng, start), ZoneSet(z for z in made if z is not None)


def _points(path: FlightPath):
    for leg in path.legs:
        count = int(geodesic_m(leg.start, leg.end) / 10.0) + 1
        for step in range(count + 1):
            share = step / count
            yield LatLon(
                leg.start.lat_deg + share * (leg.end.lat_deg - leg.start.lat_deg),
                leg.start.lon_deg + share * (leg.end.lon_deg - leg.start.lon_deg),
            )


def _metres(origin: LatLon, points):
    east = 111_320.0 * math.cos(math.radians(origin.lat_deg))
    return [
        ((p.lon_deg - origin.lon_deg) * east, (p.lat_deg - origin.lat_deg) * 110_900.0)
        for p in points
    ]


def _clear(item, point: LatLon) -> float:
    """Metres from a point to an exclusion; negative inside."""
    if item.center is not None:
        return geodesic_m(item.center, point) - item.radius_m
    polygon = shapely.Polygon(_metres(point, item.vertices))
    here = shapely.Point(0.0, 0.0)
    away = polygon.exterior.distance(here)
    return -away if polygon.contains(here) else away


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([560, 560, 120, 60]))
def test_fences_are_on_the_safe_side_and_leave_the_flight_free(seed, capacity) -> None:
    _, path, zones = _case(seed)
    answer = onboard_fence(path, zones, FLAT, capacity_bytes=capacity)
    if isinstance(answer, FenceRefused):
        assert answer.reason
        assert set(answer.zone_ids) <= {zone.zone_id for zone in zones}
        return
    assert answer.size_bytes <= capacity
    told = [item.zone_id for item in answer.items] + [left.zone_id for left in answer.left_out]
    assert len(set(told)) == len(told)
    way = list(_points(path))
    for item in answer.items:
        zone = zones.get(item.zone_id)
        if item.kind is FenceKind.POLYGON_EXCLUSION:
            assert 3 <= len(item.vertices) <= 69
            assert _degrees(item.vertices).covers(_degrees(zone.area.shell, zone.area.holes))
            for at in item.vertices:
                for value in (at.lat_deg, at.lon_deg):
                    assert value == round(value * 1e7) / 1e7
        elif item.kind is FenceKind.CIRCLE_EXCLUSION:
            assert item.radius_m == int(item.radius_m)
            if isinstance(zone.area, CircleArea):
                away = geodesic_m(item.center, zone.area.center) + zone.area.radius_m
                assert away * 1.007 <= item.radius_m
            else:
                for corner in zone.area.shell:
                    assert geodesic_m(item.center, corner) * 1.007 <= item.radius_m
        else:
            assert item.kind is FenceKind.POLYGON_INCLUSION
            hole = _degrees(item.vertices)
            assert not hole.intersects(_degrees(zone.area.shell, zone.area.holes))
            assert all(hole.contains(shapely.Point(*_ring([at])[0])) for at in way)
            continue
        # an own measure of distance, sphere and chord: 2 % of the corridor is its error
        assert min(_clear(item, at) for at in way) > CORRIDOR_M * 0.98


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_near_zones_are_held_or_it_is_refused_and_far_ones_are_named(seed) -> None:
    _, path, zones = _case(seed)
    answer = onboard_fence(path, zones, FLAT, capacity_bytes=100, required_m=300.0)
    if isinstance(answer, FenceRefused):
        return
    held = {item.zone_id for item in answer.items}
    named = {left.zone_id for left in answer.left_out}
    way = list(_points(path))
    for zone in zones:
        if not isinstance(zone.area, CircleArea):
            continue
        away = min(geodesic_m(zone.area.center, at) for at in way) - zone.area.radius_m
        if CORRIDOR_M + 10.0 < away < 300.0:
            assert zone.zone_id in held
        elif away < 4_000.0:
            assert zone.zone_id in held | named


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(3, 40), st.sampled_from(LATITUDES))
def test_a_keep_in_only_shrinks_and_still_holds_the_flight(seed, corners, lat) -> None:
    rng = random.Random(seed)
    home = LatLon(lat, 24.94)
    turns = sorted(rng.uniform(0.0, 360.0) for _ in range(corners))
    shell = tuple(offset(home, turn, rng.uniform(600.0, 3_000.0)) for turn in turns)
    polygon = _degrees(shell)
    if not polygon.is_valid or polygon.area == 0.0:
        return
    zone = Zone("K-1", "", ZoneKind.KEEP_IN, PolygonArea(shell))
    leg = PathLeg(0, "leg", home, offset(home, rng.uniform(0.0, 360.0), 300.0), 50.0, 50.0,
                  NOON, NOON, CORRIDOR_M)  # fmt: skip
    path = FlightPath(VehicleClass.MULTIROTOR, (leg,))
    answer = onboard_fence(path, ZoneSet((zone,)), FLAT, capacity_bytes=rng.choice([560, 60]))
    if isinstance(answer, FenceRefused):
        assert answer.zone_ids == ("K-1",)
        return
    assert isinstance(answer, OnboardFence)
    (item,) = answer.items
    assert item.kind is FenceKind.POLYGON_INCLUSION
    assert polygon.covers(_degrees(item.vertices))
    for at in _points(path):
        assert _degrees(item.vertices).contains(shapely.Point(*_ring([at])[0]))
