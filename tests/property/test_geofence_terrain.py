"""Grids against dense sampling: bounds hold, and no path is allowed that a sample forbids."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from geofence.check import FlightPath, PathLeg, Surroundings, check
from geofence.frames import WGS84, Altitude, Datum, LatLon
from geofence.terrain import Grid, read_esri_ascii
from geofence.track import split_leg
from geofence.zones import PolygonArea, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
EXAMPLES = settings(max_examples=150, deadline=None)
FEWER = settings(max_examples=80, deadline=None)
HEIGHTS = st.sampled_from([0.0, 0.0, 1.5, 20.0, 60.0, -30.0, 120.0])


@st.composite
def grids(draw, *, holes: bool = False) -> Grid:
    rows, columns = draw(st.integers(2, 6)), draw(st.integers(2, 6))
    values = draw(st.lists(HEIGHTS, min_size=rows * columns, max_size=rows * columns))
    posts = np.array(values, dtype=np.float32).reshape(rows, columns)
    if holes and draw(st.booleans()):
        posts[draw(st.integers(0, rows - 1)), draw(st.integers(0, columns - 1))] = np.nan
    step = draw(st.sampled_from([0.0003, 0.001, 0.007]))
    lat, lon = draw(st.sampled_from([(60.0, 25.0), (-33.9, 179.998), (0.0, -0.001), (70.0, 5.0)]))
    return Grid(lon, lat, step * draw(st.sampled_from([1.0, 1.5])), step, posts)


def surface(grid: Grid, x: float, y: float) -> float:
    """By the definition of a bilinear surface, in columns and rows."""
    rows, columns = grid.posts.shape
    i, j = min(int(x), columns - 2), min(int(y), rows - 2)
    fx, fy = x - i, y - j
    p = grid.posts.astype(np.float64)
    south = p[j, i] * (1 - fx) + p[j, i + 1] * fx
    north = p[j + 1, i] * (1 - fx) + p[j + 1, i + 1] * fx
    return float(south * (1 - fy) + north * fy)


def place(grid: Grid, x: float, y: float) -> LatLon:
    lon = grid.west_deg + x * grid.step_lon_deg
    return LatLon(grid.south_deg + y * grid.step_lat_deg, (lon + 180.0) % 360.0 - 180.0)


shares = st.floats(0.0, 1.0) | st.sampled_from([0.0, 0.25, 0.5, 1.0])


@st.composite
def points(draw, grid: Grid) -> tuple[float, float]:
    rows, columns = grid.posts.shape
    return draw(shares) * (columns - 1), draw(shares) * (rows - 1)


@EXAMPLES
@given(st.data())
def test_the_surface_is_bilinear(data) -> None:
    grid = data.draw(grids())
    x, y = data.draw(points(grid))
    found = grid.at(place(grid, x, y))
    assert found is not None
    assert abs(found - surface(grid, x, y)) < 1e-4


@EXAMPLES
@given(st.data())
def test_bounds_over_a_box_hold_every_sample_and_are_reached(data) -> None:
    grid = data.draw(grids())
    (x0, y0), (x1, y1) = data.draw(points(grid)), data.draw(points(grid))
    x0, x1, y0, y1 = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
    box = [
        grid.west_deg + x0 * grid.step_lon_deg, grid.south_deg + y0 * grid.step_lat_deg,
        grid.west_deg + x1 * grid.step_lon_deg, grid.south_deg + y1 * grid.step_lat_deg,
    ]  # fmt: skip
    low, high = grid.box_bounds(np.array([box, box]))[1]
    xs = sorted({*np.linspace(x0, x1, 9), *(c for c in range(6) if x0 < c < x1)})
    ys = sorted({*np.linspace(y0, y1, 9), *(r for r in range(6) if y0 < r < y1)})
    samples = [surface(grid, x, y) for x in xs for y in ys]
    # the lattice of post lines is among the samples, so the bounds are no wider than they
    assert abs(low - min(samples)) < 1e-4
    assert abs(high - max(samples)) < 1e-4


@EXAMPLES
@given(st.data(), st.floats(-50.0, 200.0), st.floats(-50.0, 200.0))
def test_the_height_above_a_profile_is_exact(data, start_m, end_m) -> None:
    grid = data.draw(grids())
    (x0, y0), (x1, y1) = data.draw(points(grid)), data.draw(points(grid))
    profile = grid.profile(place(grid, x0, y0), place(grid, x1, y1))
    assert profile is not None
    least, greatest = profile.above(start_m, end_m)
    t = np.linspace(0.0, 1.0, 401)
    above = [
        start_m + s * (end_m - start_m) - surface(grid, x0 + s * (x1 - x0), y0 + s * (y1 - y0))
        for s in t
    ]
    assert least <= min(above) + 1e-4
    assert greatest >= max(above) - 1e-4
    # a parabola over a cell sampled every 1/400 of the line misses its top by little
    assert least >= min(above) - 2.0
    assert greatest <= max(above) + 2.0


@EXAMPLES
@given(st.data())
def test_what_touches_a_hole_or_the_outside_is_not_known(data) -> None:
    grid = data.draw(grids(holes=True))
    rows, columns = grid.posts.shape
    x, y = data.draw(st.floats(-1.0, columns)), data.draw(st.floats(-1.0, rows))
    within = 0.0 <= x <= columns - 1 and 0.0 <= y <= rows - 1
    assume(min(abs(x), abs(y), abs(x - columns + 1), abs(y - rows + 1)) > 1e-4)
    assume(min(abs(x - round(x)), abs(y - round(y))) > 1e-4)
    known = within and np.isfinite(surface(grid, x, y))
    assert (grid.at(place(grid, x, y)) is not None) == known
    box = np.array([[grid.west_deg + x * grid.step_lon_deg, grid.south_deg, 0.0, 0.0]])
    box[0, 2] = box[0, 0] + 0.1 * grid.step_lon_deg
    box[0, 3] = grid.south_deg + y * grid.step_lat_deg
    if y > 0.0 and not known:
        assert np.isnan(grid.box_bounds(box)).all()


def sampled(grid: Grid, leg: PathLeg, zone: Zone, reach_m: float) -> bool:
    """Whether any point within reach of the leg is within the zone at the leg's height there."""
    corners, _ = split_leg(leg)
    line = np.concatenate(
        [
            a + np.linspace(0.0, 1.0, 60, endpoint=False)[:, None] * (b - a)
            for a, b in itertools.pairwise(corners)
        ]
        + [corners[-1:]]
    )
    t = np.linspace(0.0, 1.0, len(line))
    heights = leg.start_amsl_m + t * (leg.end_amsl_m - leg.start_amsl_m)
    shell = zone.area.shell
    west, east = min(p.lon_deg for p in shell), max(p.lon_deg for p in shell)
    south, north = min(p.lat_deg for p in shell), max(p.lat_deg for p in shell)
    for radius, azimuths in ((0.0, [0.0]), (0.95 * reach_m, np.arange(0.0, 360.0, 30.0))):
        for azimuth in azimuths:
            n = len(line)
            lon, lat, _ = WGS84.fwd(line[:, 0], line[:, 1], np.full(n, azimuth), np.full(n, radius))
            lon = np.asarray(lon)
            lon = lon + 360.0 * np.round((line[:, 0] - lon) / 360.0)
            ground = grid.heights(np.stack((lon, np.asarray(lat)), axis=-1))
            beside = (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
            low = ground + zone.floor.value_m if zone.floor else -np.inf
            high = ground + zone.ceiling.value_m if zone.ceiling else np.inf
            unknown = np.isnan(ground)
            if (beside & (unknown | ((heights >= low) & (heights <= high)))).any():
                return True
    return False


@st.composite
def flights(draw):
    """A leg over a grid, partly beyond it at times, and a box of a zone with AGL limits."""
    grid = draw(grids(holes=True))
    columns = grid.posts.shape[1]

    def corner() -> tuple[float, float]:
        return (
            draw(st.floats(-0.5, columns - 0.5)) if draw(st.booleans()) else draw(points(grid))[0],
            draw(points(grid))[1],
        )

    start, end = place(grid, *corner()), place(grid, *corner())
    (x0, y0), (x1, y1) = corner(), corner()
    assume(abs(x1 - x0) > 0.05 and abs(y1 - y0) > 0.05)
    west, south = grid.west_deg + min(x0, x1) * grid.step_lon_deg, min(y0, y1)
    east, north = grid.west_deg + max(x0, x1) * grid.step_lon_deg, max(y0, y1)
    # kept on one side of the antimeridian, where a zone is one polygon
    east = min(east, 180.0)
    assume(east > west)
    south, north = (grid.south_deg + v * grid.step_lat_deg for v in (south, north))
    area = PolygonArea(
        (LatLon(south, west), LatLon(south, east), LatLon(north, east), LatLon(north, west))
    )
    limits = sorted(draw(st.lists(st.floats(-20.0, 150.0), min_size=2, max_size=2)))
    floor, ceiling = (Altitude(v, Datum.AGL) for v in limits)
    which = draw(st.sampled_from(["both", "floor", "ceiling"]))
    floor = None if which == "ceiling" else floor
    ceiling = None if which == "floor" else ceiling
    heights = draw(st.tuples(st.floats(-30.0, 200.0), st.floats(-30.0, 200.0)))
    leg = PathLeg(
        0, "leg", start, end, *heights, NOON, NOON, draw(st.sampled_from([0.0, 5.0, 40.0]))
    )
    return grid, leg, Zone("Z", "", ZoneKind.NO_FLY, area, floor, ceiling)


@FEWER
@given(flights())
def test_no_path_is_allowed_that_a_sample_forbids(case) -> None:
    grid, leg, zone = case
    path = FlightPath(VehicleClass.MULTIROTOR, (leg,))
    verdict = check(path, ZoneSet([zone]), Surroundings(terrain=grid))
    if sampled(grid, leg, zone, leg.corridor_m):
        assert not verdict.allowed


@FEWER
@given(flights())
def test_no_path_leaves_a_keep_in_over_the_ground_that_a_sample_shows_left(case) -> None:
    grid, leg, zone = case
    kept = Zone("K", "", ZoneKind.KEEP_IN, zone.area, zone.floor, zone.ceiling)
    path = FlightPath(VehicleClass.MULTIROTOR, (leg,))
    if not check(path, ZoneSet([kept]), Surroundings(terrain=grid)).allowed:
        return
    below = zone.floor and Zone(
        "B", "", ZoneKind.NO_FLY, zone.area, None, Altitude(zone.floor.value_m - 1e-3, Datum.AGL)
    )
    above = zone.ceiling and Zone(
        "A", "", ZoneKind.NO_FLY, zone.area, Altitude(zone.ceiling.value_m + 1e-3, Datum.AGL)
    )
    for outside in (below, above):
        assert not (outside and sampled(grid, leg, outside, leg.corridor_m))


@FEWER
@given(flights())
def test_an_even_grid_answers_as_flat_ground_does(case) -> None:
    grid, leg, zone = case
    level = Grid(
        grid.west_deg, grid.south_deg, grid.step_lon_deg, grid.step_lat_deg,
        np.full_like(grid.posts, 20.0),
    )  # fmt: skip
    flat = Surroundings(ground_amsl_m=20.0)
    path = FlightPath(VehicleClass.MULTIROTOR, (leg,))
    over = check(path, ZoneSet([zone]), Surroundings(terrain=level))
    known = all("terrain grid" not in v.reason for v in over.violations)
    assume(known)
    assert over.allowed == check(path, ZoneSet([zone]), flat).allowed


@EXAMPLES
@given(grids(holes=True), st.booleans())
def test_a_grid_that_is_written_is_read_back(grid, corner) -> None:
    half = 0.5 if corner else 0.0
    kind = "corner" if corner else "center"
    lines = [
        f"NCOLS {grid.posts.shape[1]}",
        f"NROWS {grid.posts.shape[0]}",
        f"XLL{kind.upper()} {grid.west_deg - half * grid.step_lon_deg!r}",
        f"YLL{kind.upper()} {grid.south_deg - half * grid.step_lat_deg!r}",
        f"DX {grid.step_lon_deg!r}",
        f"DY {grid.step_lat_deg!r}",
        "NODATA_value -9999",
        *(
            " ".join("-9999" if np.isnan(v) else str(float(v)) for v in row)
            for row in grid.posts[::-1]
        ),
    ]
    read = read_esri_ascii("\n".join(lines))
    np.testing.assert_array_equal(read.posts, grid.posts)
    assert abs(read.west_deg - grid.west_deg) < 1e-12
    assert abs(read.south_deg - grid.south_deg) < 1e-12
    assert (read.step_lon_deg, read.step_lat_deg) == (grid.step_lon_deg, grid.step_lat_deg)
