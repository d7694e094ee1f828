"""Routes equal two exact methods that share nothing: keep-ins, holes, heights and times included.

The graph of all corners that see each other, in rational arithmetic, and the best of all channels
of a triangulation (route_oracle.py). Zones stand in degrees and routes keep a slack, so both are
asked about areas a little smaller and a little larger than the route is to keep from.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, time

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from geofence.check import Surroundings
from geofence.frames import Altitude, Datum, LatLon, LocalFrame
from geofence.prepared import CELL_DEG, RouteCache
from geofence.route import NoRoute, Route, RouteRequest, find_route
from geofence.visibility import obstacle, shortest_path
from geofence.zones import PolygonArea, Schedule, VehicleClass, Window, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from tests.property.route_oracle import channel_length, exact_length

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
FLAT = Surroundings(0.0, 0.0)
# the middle of a cell, so that routes are sought in this very frame
FRAME = LocalFrame(LatLon(60.0 + CELL_DEG[1] / 2.0, 24.5 + CELL_DEG[0] / 2.0))
START, GOAL = (-1_000.0, 200.0), (5_200.0, 203.0)
FIELD = shapely.Polygon([(-1_600, -1_900), (5_900, -1_700), (5_700, 1_900), (-1_500, 2_300)])
SLACK_M = 0.3
"""More than the slack of a route, the rounding of degrees and what legs may bow."""


def star(x: float, y: float, size: float, shares: list[float], turn: float) -> shapely.Polygon:
    angles = turn + np.arange(len(shares)) * 2.0 * math.pi / len(shares)
    radii = size * np.array(shares)
    ring = np.stack((x + radii * np.cos(angles), y + radii * np.sin(angles)), axis=-1)
    return shapely.Polygon(np.round(ring))


@st.composite
def areas(draw) -> shapely.Polygon:
    """A star on whole metres; large ones may have a hole."""
    x, y = draw(st.integers(2, 38)) * 100.0, draw(st.integers(-12, 16)) * 100.0
    size = draw(st.sampled_from([300.0, 700.0, 1_300.0]))
    shares = draw(st.lists(st.floats(0.3, 1.0), min_size=3, max_size=6))
    made = star(x, y, size, shares, draw(st.floats(0.0, 6.28)))
    assume(made.is_valid and made.area > 100.0)
    if draw(st.booleans()):
        hole = shapely.intersection(star(x, y, 0.1 * size, [1.0] * 4, 0.3), made)
        hole = shapely.buffer(hole, 0.0)
        if hole.geom_type == "Polygon" and made.contains_properly(hole):
            made = shapely.Polygon(made.exterior, [hole.exterior])
    return made


def zone(zone_id: str, area: shapely.Polygon, kind=ZoneKind.NO_FLY, **more) -> Zone:
    rings = [
        tuple(FRAME.latlon(*xy) for xy in shapely.get_coordinates(ring)[:-1])
        for ring in shapely.get_rings(area)
    ]
    return Zone(zone_id, "", kind, PolygonArea(rings[0], tuple(rings[1:])), **more)


ELSEWHERE = (
    {"floor": Altitude(90.0, Datum.AMSL)},
    {"ceiling": Altitude(40.0, Datum.AMSL)},
    {"schedule": Schedule((Window(start=time(13), end=time(14)),))},
    {"classes": frozenset({VehicleClass.ROBOT})},
    {"kind": ZoneKind.RESTRICTED, "permit": "held"},
    {"kind": ZoneKind.ADVISORY},
)
"""Zones that are not in the way: above, below, at another hour, of others, permitted, told only."""

HERE = (
    {},
    {"floor": Altitude(70.0, Datum.AMSL)},
    {"ceiling": Altitude(60.0, Datum.AMSL)},
    {"schedule": Schedule((Window(start=time(11), end=time(13)),))},
    {"classes": frozenset({VehicleClass.MULTIROTOR})},
    {"kind": ZoneKind.RESTRICTED, "permit": "other"},
)


def walls(field: shapely.Polygon, extra_m: float) -> list[shapely.Polygon]:
    """The outside of a keep-in, and its holes."""
    inner = shapely.buffer(field, -extra_m, join_style="mitre")
    outside = shapely.Polygon(shapely.box(-9e3, -9e3, 9e3, 9e3).exterior, [inner.exterior])
    return [outside, *(shapely.Polygon(hole) for hole in inner.interiors)]


def grown(made: list[shapely.Polygon], extra_m: float) -> list[shapely.Polygon]:
    found = [shapely.buffer(a, extra_m, join_style="mitre", mitre_limit=50.0) for a in made]
    return [part for each in found for part in shapely.get_parts(each)]


@settings(max_examples=20, deadline=None)
@given(st.lists(areas(), min_size=1, max_size=4))
def test_the_search_equals_rational_arithmetic(made) -> None:
    hard = [shapely.buffer(a, -0.001, join_style="mitre") for a in made]
    found = shortest_path(
        np.array(START), np.array(GOAL), [obstacle(h, s) for h, s in zip(hard, made, strict=True)]
    )
    expected = exact_length(START, GOAL, made)
    assert found is not None
    assert expected is not None
    assert float(np.hypot(*np.diff(found, axis=0).T).sum()) == pytest.approx(expected, rel=1e-5)


@settings(max_examples=18, deadline=None)
@given(
    st.lists(st.tuples(areas(), st.sampled_from(HERE)), min_size=1, max_size=3),
    st.lists(st.tuples(areas(), st.sampled_from(ELSEWHERE)), max_size=3),
    st.sampled_from(["none", "field", "field with a hole"]),
    st.booleans(),
)
def test_a_route_is_as_long_as_two_exact_methods_say(here, elsewhere, keep_in, cached) -> None:
    zones = [zone(f"H{i}", area, **more) for i, (area, more) in enumerate(here)]
    zones += [zone(f"E{i}", area, **more) for i, (area, more) in enumerate(elsewhere)]
    field = FIELD
    if keep_in == "field with a hole":
        field = shapely.Polygon(
            FIELD.exterior, [star(2_200.0, 0.0, 600.0, [1.0] * 5, 0.2).exterior]
        )
    if keep_in != "none":
        zones.append(zone("K", field, ZoneKind.KEEP_IN))
    request = RouteRequest(
        FRAME.latlon(*START), FRAME.latlon(*GOAL), VehicleClass.MULTIROTOR, 50.0, 80.0, NOON, NOON,
        0.0, permits=frozenset({"held"}),
    )  # fmt: skip
    found = find_route(request, ZoneSet(zones), FLAT, RouteCache() if cached else None)
    made = [area for area, _ in here]

    def exact(extra_m: float) -> float | None:
        outside = [] if keep_in == "none" else walls(field, extra_m)
        return exact_length(START, GOAL, grown(made, extra_m) + outside)

    def channels(extra_m: float) -> float | None:
        inner = None
        if keep_in != "none":
            inner = shapely.buffer(field, -extra_m, join_style="mitre")
        return channel_length(START, GOAL, grown(made, extra_m), inner)

    for method in (exact, channels):
        at_least, at_most = method(0.0), method(SLACK_M)
        if isinstance(found, NoRoute):
            assert at_most is None
            continue
        assert isinstance(found, Route)
        points = np.array([FRAME.xy(p) for p in found.points])
        length = float(np.hypot(*np.diff(points, axis=0).T).sum())
        assert at_least is not None
        assert length >= at_least * (1.0 - 1e-6)
        if at_most is not None:
            assert length <= at_most * (1.0 + 1e-6)
