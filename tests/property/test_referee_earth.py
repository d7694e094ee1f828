"""The referee's geometry against two libraries that it does not use."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st
from pyproj import Geod

from sitl.referee.earth import Disc, Rings, distance_m, east_north_m

GEOD = Geod(ellps="WGS84")
LON, LAT = 24.94, 60.17
grid = st.tuples(st.integers(-50, 50), st.integers(-50, 50))


def place(point: tuple[int, int]) -> np.ndarray:
    return np.array([LON + point[0] * 1e-4, LAT + point[1] * 1e-4])


@st.composite
def stars(draw: st.DrawFn) -> Rings:
    angles = sorted(draw(st.lists(st.integers(0, 359), min_size=3, max_size=9, unique=True)))
    radii = draw(st.lists(st.integers(5, 45), min_size=len(angles), max_size=len(angles)))
    ring = [
        place((0, 0)) + r * 1e-4 * np.array([np.cos(np.radians(a)), np.sin(np.radians(a))])
        for a, r in zip(angles, radii, strict=True)
    ]
    if draw(st.booleans()):
        ring.reverse()
    assume(shapely.Polygon(ring).is_valid)
    return Rings((np.array(ring),))


@given(stars(), grid)
def test_winding_agrees_on_what_is_inside(rings: Rings, point: tuple[int, int]) -> None:
    polygon, spot = shapely.Polygon(rings.rings[0]), shapely.Point(place(point))
    assume(polygon.boundary.distance(spot) > 1e-9)
    assert bool(rings.contains(place(point)[None, :])[0]) == polygon.contains(spot)


@given(stars(), grid, grid)
def test_the_inner_part_of_a_step_has_the_right_length(
    rings: Rings, start: tuple[int, int], end: tuple[int, int]
) -> None:
    assume(start != end)
    a, b = place(start), place(end)
    line = shapely.LineString([a, b])
    share = shapely.Polygon(rings.rings[0]).intersection(line).length / line.length
    assert sum(high - low for low, high in rings.spans(a, b)) == pytest.approx(share, abs=1e-6)


U_SHAPE = Rings(
    (
        np.array(
            [
                place(p)
                for p in (
                    (-45, -45), (45, -45), (45, 45), (15, 45),
                    (15, -15), (-15, -15), (-15, 45), (-45, 45),
                )
            ]
        ),
    )
)  # fmt: skip
left = st.tuples(st.integers(-44, -16), st.integers(-14, 44))
right = st.tuples(st.integers(16, 44), st.integers(-14, 44))


@given(left, right)
def test_a_step_that_leaves_is_never_overlooked(
    start: tuple[int, int], end: tuple[int, int]
) -> None:
    both = np.array([place(start), place(end)])
    assert U_SHAPE.contains(both).all()
    assert U_SHAPE.may_leave(both[:1], both[1:])[0]
    assert sum(high - low for low, high in U_SHAPE.spans(both[0], both[1])) < 1.0 - 1e-6


@given(left, left)
def test_a_step_within_an_arm_does_not_leave(start: tuple[int, int], end: tuple[int, int]) -> None:
    both = np.array([place(start), place(end)])
    assert not U_SHAPE.may_leave(both[:1], both[1:])[0]


@given(grid, grid)
def test_distances_agree_with_the_geodesic(one: tuple[int, int], other: tuple[int, int]) -> None:
    a, b = place(one), place(other)
    _, _, length_m = GEOD.inv(a[0], a[1], b[0], b[1])
    assert distance_m((a[0], a[1]), (b[0], b[1])) == pytest.approx(length_m, abs=1e-3)
    flat = east_north_m(b[None, :], float(a[0]), float(a[1]))[0]
    assert float(np.hypot(*flat)) == pytest.approx(length_m, abs=0.01)


@given(st.floats(1.0, 5000.0), st.floats(0.0, 360.0), st.floats(0.5, 1.5))
def test_a_disc_holds_what_the_geodesic_says(radius: float, azimuth: float, share: float) -> None:
    assume(abs(share - 1.0) * radius > 0.01)
    lon, lat, _ = GEOD.fwd(LON, LAT, azimuth, radius * share)
    disc = Disc(LON, LAT, radius)
    spot = np.array([[lon, lat]])
    assert bool(disc.contains(spot)[0]) == (share < 1.0)
    west, south, east, north = disc.box()
    if share < 1.0:
        assert west <= lon <= east
        assert south <= lat <= north


@given(grid, grid, st.floats(20.0, 800.0))
def test_the_part_of_a_step_in_a_disc(
    start: tuple[int, int], end: tuple[int, int], radius: float
) -> None:
    a, b = place(start), place(end)
    disc = Disc(LON, LAT, radius)
    shares = np.linspace(0.0, 1.0, 401)
    inside = disc.contains(a + shares[:, None] * (b - a))
    length = sum(high - low for low, high in disc.spans(a, b))
    assert length == pytest.approx(float(inside.mean()), abs=0.01)
