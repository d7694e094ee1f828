"""Routes against an independent full visibility graph on small random maps."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from geofence.check import FlightPath, PathLeg, Surroundings, check
from geofence.frames import LatLon, LocalFrame
from geofence.lazy import search
from geofence.prepared import PreparedWorld, RouteCache
from geofence.route import NoRoute, Route, RouteRequest, find_route
from geofence.visibility import obstacle, shortest_path
from geofence.zones import CircleArea, PolygonArea, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from tests.property.route_oracle import channel_length, full_graph_length, polygon_corners

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOWHERE = Surroundings(0.0, 0.0)
EXAMPLES = settings(max_examples=120, deadline=None)
HALF = settings(max_examples=60, deadline=None)
FEWER = settings(max_examples=40, deadline=None)
SIZE_M = 4_000.0


@st.composite
def stars(draw) -> shapely.Polygon:
    """A star-shaped polygon in metres, convex or not."""
    x, y = draw(st.integers(0, 40)) * 100.0, draw(st.integers(0, 40)) * 100.0
    size = draw(st.sampled_from([150.0, 400.0, 900.0]))
    count = draw(st.integers(3, 9))
    turn = draw(st.floats(0.0, 6.28))
    shares = st.lists(st.floats(0.25, 1.0), min_size=count, max_size=count)
    radii = size * np.array(draw(shares))
    angles = turn + np.arange(count) * 2.0 * math.pi / count
    ring = np.stack((x + radii * np.cos(angles), y + radii * np.sin(angles)), axis=-1)
    polygon = shapely.Polygon(ring)
    assume(polygon.is_valid)
    return polygon


MAPS = st.lists(stars(), min_size=1, max_size=6)


@EXAMPLES
@given(MAPS)
def test_search_equals_the_full_visibility_graph(areas) -> None:
    start, goal = np.array([-1_000.0, 2_000.0]), np.array([5_200.0, 2_003.0])
    hard = [shapely.buffer(area, -0.001, join_style="mitre") for area in areas]
    found = shortest_path(start, goal, [obstacle(h, s) for h, s in zip(hard, areas, strict=True)])
    expected = full_graph_length(start, goal, hard, polygon_corners(areas))
    assert (found is None) == (expected is None)
    if found is not None:
        assert expected is not None
        length = float(np.hypot(*np.diff(found, axis=0).T).sum())
        assert length == pytest.approx(expected, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(stars(), min_size=1, max_size=3))
def test_search_equals_the_best_of_all_channels(areas) -> None:
    start, goal = np.array([-1_000.0, 2_000.0]), np.array([5_200.0, 2_003.0])
    hard = [shapely.buffer(area, -0.001, join_style="mitre") for area in areas]
    found = shortest_path(start, goal, [obstacle(h, s) for h, s in zip(hard, areas, strict=True)])
    expected = channel_length(start, goal, hard)
    assert (found is None) == (expected is None)
    if found is not None:
        assert expected is not None
        length = float(np.hypot(*np.diff(found, axis=0).T).sum())
        assert length == pytest.approx(expected, rel=1e-5)


@FEWER
@given(
    MAPS, st.lists(st.tuples(st.integers(-10, 50), st.integers(-10, 50)), min_size=4, max_size=8)
)
def test_a_prepared_world_answers_like_a_fresh_search(areas, places) -> None:
    """One world for many routes, whatever was asked of it before."""
    frame = LocalFrame(LatLon(60.125, 24.75))
    zones = ZoneSet(
        Zone(str(i), "", ZoneKind.NO_FLY, PolygonArea(tuple(frame.latlon(*xy) for xy in ring[:-1])))
        for i, ring in enumerate(shapely.get_coordinates(area) for area in areas)
    )
    world = PreparedWorld((24.75, 60.125), zones, 20.0, lambda _: True)
    hard, soft = (
        [shapely.buffer(a, m, join_style="mitre", mitre_limit=5.0) for a in areas]
        for m in (20.0 - 0.001, 20.0)
    )
    fresh = [obstacle(h, s) for h, s in zip(hard, soft, strict=True)]
    tree = shapely.STRtree(hard)
    ends = [np.array(place) * 100.0 + 7.0 for place in places]
    ends = [
        e for e in ends if not len(tree.query(shapely.Point(e), predicate="dwithin", distance=1.0))
    ]
    for start, goal in itertools.permutations(ends, 2):
        found, expected = search(world, start, goal, set()), shortest_path(start, goal, fresh)
        assert (found is None) == (expected is None)
        if found is not None and expected is not None:
            lengths = [np.hypot(*np.diff(p, axis=0).T).sum() for p in (found, expected)]
            # zones went through degrees and back
            assert lengths[0] == pytest.approx(lengths[1], abs=1e-5)


@pytest.mark.parametrize("keep_in", [False, True])
@HALF
@given(
    MAPS,
    st.sampled_from([0.0, 47.4, 60.17, -33.9]),
    st.sampled_from([0.0, 30.0]),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(30, 700)), max_size=2),
    st.booleans(),
)
def test_route_is_allowed_and_the_shortest(keep_in, areas, lat, margin_m, circles, cached) -> None:
    """Between the shortest ways with a little less and a little more margin."""
    frame = LocalFrame(LatLon(lat, 24.9))
    zones = [
        Zone(
            f"P{i}", "", ZoneKind.NO_FLY, PolygonArea(tuple(frame.latlon(*xy) for xy in ring[:-1]))
        )
        for i, ring in enumerate(shapely.get_coordinates(area) for area in areas)
    ]
    zones += [
        Zone(f"C{i}", "", ZoneKind.NO_FLY, CircleArea(frame.latlon(x * 100.0, y * 100.0), float(r)))
        for i, (x, y, r) in enumerate(circles)
    ]
    field = shapely.Polygon([(-1_500, -1_500), (5_800, -1_500), (5_800, 2_600), (-1_500, 4_000)])
    if keep_in:
        ring = tuple(frame.latlon(*xy) for xy in shapely.get_coordinates(field)[:-1])
        zones.append(Zone("K", "", ZoneKind.KEEP_IN, PolygonArea(ring)))
    xy = (np.array([-1_000.0, 2_000.0]), np.array([5_200.0, 2_003.0]))
    start, goal = (frame.latlon(*end) for end in xy)
    request = RouteRequest(start, goal, VehicleClass.MULTIROTOR, 50.0, 80.0, NOON, NOON, margin_m)
    found = find_route(request, ZoneSet(zones), NOWHERE, RouteCache() if cached else None)

    def shortest(extra_m: float, circle_excess: float) -> float | None:
        grown = [
            shapely.buffer(area, margin_m + extra_m, join_style="mitre", mitre_limit=5.0)
            for area in areas
        ]
        grown += [
            shapely.Point(x * 100.0, y * 100.0).buffer(
                (r * circle_excess + margin_m + extra_m), quad_segs=6
            )
            for x, y, r in circles
        ]
        if keep_in:
            inner = shapely.buffer(field, -margin_m - extra_m, join_style="mitre")
            grown.append(shapely.difference(shapely.box(-9e3, -9e3, 9e3, 9e3), inner))
        hard = [shapely.buffer(area, -0.001, join_style="mitre") for area in grown]
        return full_graph_length(*xy, hard, polygon_corners(grown))

    at_least, at_most = shortest(-0.1, 0.996), shortest(2.0 + 0.01 * margin_m, 1.02)
    if isinstance(found, NoRoute):
        assert at_most is None
        assert found.zone_ids
        assert found.reason
        return
    assert isinstance(found, Route)
    assert (found.points[0], found.points[-1]) == (start, goal)
    points = np.array([frame.xy(p) for p in found.points])
    length = float(np.hypot(*np.diff(points, axis=0).T).sum())
    # the frames of map and route differ by less than 0.1 % east-west
    assert at_least is not None
    assert length >= at_least * (1.0 - 1e-3)
    if at_most is not None:
        assert length <= at_most * (1.0 + 1e-3)
    legs = tuple(
        PathLeg(i, "", a, b, 50.0, 80.0, NOON, NOON, margin_m)
        for i, (a, b) in enumerate(itertools.pairwise(found.points))
    )
    assert check(FlightPath(VehicleClass.MULTIROTOR, legs), ZoneSet(zones), NOWHERE).allowed
