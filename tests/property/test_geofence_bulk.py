"""Bulk crossings: the pairs that shapely finds, on ground where rounding decides."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from geofence.bulk import crossings
from geofence.errors import FrameError
from geofence.frames import WGS84, LatLon
from geofence.zones import CircleArea, PolygonArea, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from tests.property.test_geofence_check import rings

EXAMPLES = settings(max_examples=300, deadline=None)

GRID = st.integers(-4, 9)
LEG = st.tuples(GRID, GRID, GRID, GRID)


def make_set(areas) -> ZoneSet:
    return ZoneSet(make_zone(f"Z{number}", area) for number, area in enumerate(areas))


def make_zone(zone_id, area) -> Zone:
    shell, *holes = (tuple(map(to_latlon, ring)) for ring in area)
    return Zone(zone_id, "", ZoneKind.NO_FLY, PolygonArea(shell, tuple(holes)))


def to_latlon(corner) -> LatLon:
    return LatLon(float(corner[1]), float(corner[0]))


def peer(legs, areas) -> set[tuple[int, int]]:
    tree = shapely.STRtree([shapely.Polygon(area[0], area[1:]) for area in areas])
    found = tree.query(shapely.linestrings(legs.reshape(-1, 2, 2)), predicate="intersects")
    return set(zip(*found.tolist(), strict=True))


def judge(legs, areas) -> set[tuple[int, int]]:
    legs = np.asarray(legs, dtype=float)
    leg, zone = crossings(legs, make_set(areas))
    pairs = list(zip(leg.tolist(), zone.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    assert set(pairs) == peer(legs, areas)
    return set(pairs)


@EXAMPLES
@given(
    areas=st.lists(rings(), min_size=1, max_size=6),
    legs=st.lists(LEG, min_size=1, max_size=12),
    step=st.sampled_from([1.0, 1e-3, 1e-7, 0.1, 1.0 / 3.0]),
    at=st.sampled_from([(0.0, 0.0), (24.94, 60.17), (-71.06, 42.36), (151.2, -33.9)]),
)
def test_touching_collinear_and_still_legs_are_shapelys(areas, legs, step, at) -> None:
    """Everything on one small grid: corners, edges and legs touch, overlap and stand still."""
    place = [[[(at[0] + x * step, at[1] + y * step) for x, y in r] for r in area] for area in areas]
    assume(all(shapely.Polygon(area[0], area[1:]).is_valid for area in place))
    flown = np.array(legs, dtype=float) * step + np.array((*at, *at))
    judge(flown, place)


@EXAMPLES
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([1.0, 1e-4, 1e-9, 1e-13]))
def test_random_stars_are_shapelys(seed, scale) -> None:
    """`scale` brings legs as near to corners as rounding."""
    rng = np.random.default_rng(seed)
    areas = []
    for _ in range(8):
        count = int(rng.integers(3, 24))
        angle = np.sort(rng.uniform(0.0, 2.0 * np.pi, count))
        corners = rng.uniform(-1, 1, 2) + rng.uniform(0.1, 0.8, (count, 1)) * np.stack(
            (np.cos(angle), np.sin(angle)), axis=-1
        )
        if shapely.Polygon(corners).is_valid:
            areas.append([corners + np.array((10.0, 47.0))])
    assume(areas)
    corners = np.concatenate([area[0] for area in areas])
    one, two = corners[rng.integers(0, len(corners), (2, 40))]
    stretch = rng.choice([0.0, 0.5, 1.0, 2.0], (40, 1))
    legs = np.hstack((one + stretch * (one - two), two))
    legs += scale * rng.uniform(-1.0, 1.0, legs.shape)
    judge(legs, areas)


@example(tiny=5e-324)
@example(tiny=1e-310)
@given(tiny=st.floats(0.0, 1e-150))
def test_legs_too_short_for_products(tiny) -> None:
    square = [[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]]
    judge([(0.0, 0.0, -tiny, -tiny), (-tiny, 0.5, -2.0 * tiny, 0.5)], [square])


def test_inside_through_and_in_the_hole() -> None:
    frame = [
        [(0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0)],
        [(3.0, 3.0), (6.0, 3.0), (6.0, 6.0), (3.0, 6.0)],
    ]
    legs = [
        (1.0, 1.0, 2.0, 1.5),
        (-1.0, 1.1, 10.0, 1.3),
        (4.0, 4.1, 5.0, 5.3),
        (4.0, 4.1, 5.0, 6.0),
        (9.1, 0.0, 9.1, 9.0),
        (10.0, 10.0, 9.0, 9.0),
    ]
    assert {leg for leg, _ in judge(legs, [frame])} == {0, 1, 3, 5}


def test_more_pairs_than_one_batch_holds() -> None:
    rng = np.random.default_rng(3)
    areas = [
        [np.array([(0, 0), (2, 0), (1, 2)]) * 0.1 + rng.uniform(0.0, 3.0, 2)] for _ in range(600)
    ]
    legs = rng.uniform(0.0, 3.0, (1200, 4))
    assert len(judge(legs, areas)) > 22_000


def test_circle_is_touched_where_the_leg_comes_within_its_radius() -> None:
    center = LatLon(60.0, 25.0)
    zones = ZoneSet([Zone("C", "", ZoneKind.NO_FLY, CircleArea(center, 1_000.0))])
    legs = []
    for off_m in (0.0, 999.9, 1_000.1, 5_000.0):
        lon, lat, _ = WGS84.fwd(25.0, 60.0, 0.0, off_m)
        legs.append((lon - 0.5, lat, lon + 0.5, lat))
    assert crossings(np.array(legs), zones)[0].tolist() == [0, 1]


def test_antimeridian_from_both_sides() -> None:
    zones = make_set([[[(179.0, 1.0), (179.5, 1.0), (179.5, 2.0), (179.0, 2.0)]]])
    legs = np.array([(-180.9, 1.5, -180.6, 1.5), (178.0, 1.5, 182.0, 1.5), (-179.9, 1.5, 0.0, 1.5)])
    leg, zone = crossings(legs, zones)
    assert (leg.tolist(), zone.tolist()) == ([0, 1], [0, 0])


def test_nothing_to_ask_or_to_find() -> None:
    assert len(crossings(np.empty((0, 4)), make_set([[[(0, 0), (1, 0), (1, 1)]]]))[0]) == 0
    assert len(crossings(np.ones((2, 4)), ZoneSet([]))[0]) == 0


def test_a_leg_that_is_no_number_is_refused() -> None:
    with pytest.raises(FrameError, match="not finite"):
        crossings(np.array([(0.0, 0.0, np.nan, 1.0)]), ZoneSet([]))
