"""Grids of heights: reading, surface, bounds, and limits above ground and ellipsoid over them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from geofence.check import Disc, FlightPath, PathLeg, Surroundings, check
from geofence.errors import GridError
from geofence.frames import Altitude, Datum, LatLon
from geofence.heights import Place, resolve
from geofence.route import NoRoute, Route, RouteRequest, find_route
from geofence.terrain import Grid, read_esri_ascii
from geofence.zones import PolygonArea, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
DRONE = VehicleClass.MULTIROTOR

TEXT = """ncols 3
nrows 2
xllcorner 10.0
yllcorner 50.0
cellsize 1.0
NODATA_value -9999
1 2 3
4 5 -9999
"""


def ramp(low_m: float = 0.0, high_m: float = 200.0) -> Grid:
    """Ground that rises evenly from west to east, 25.0 to 25.1 degrees, about 60 north."""
    row = np.linspace(low_m, high_m, 21, dtype=np.float32)
    return Grid(25.0, 59.95, 0.005, 0.005, np.tile(row, (21, 1)))


def flat(height_m: float) -> Grid:
    return ramp(height_m, height_m)


def box(west: float, east: float, south=59.96, north=60.04) -> PolygonArea:
    return PolygonArea(
        (LatLon(south, west), LatLon(south, east), LatLon(north, east), LatLon(north, west))
    )


def leg(west=25.01, east=25.09, low=60.0, high=60.0, corridor=10.0) -> PathLeg:
    start, end = LatLon(60.0, west), LatLon(60.0, east)
    return PathLeg(0, "cruise", start, end, low, high, NOON, NOON + timedelta(minutes=10), corridor)


def over(value_m: float) -> Altitude:
    return Altitude(value_m, Datum.AGL)


def run(surroundings, *zones, legs=(), discs=()):
    return check(FlightPath(DRONE, tuple(legs), tuple(discs)), ZoneSet(zones), surroundings)


def no_fly(floor=None, ceiling=None, area=None, kind=ZoneKind.NO_FLY) -> Zone:
    return Zone("Z", "", kind, area or box(25.0, 25.1), floor, ceiling)


def test_reads_corner_center_and_gdal_forms() -> None:
    grid = read_esri_ascii(TEXT)
    assert (grid.west_deg, grid.south_deg, grid.posts.shape) == (10.5, 50.5, (2, 3))
    assert grid.posts.dtype == np.float32
    assert grid.at(LatLon(51.5, 10.5)) == 1.0
    assert grid.at(LatLon(50.5, 10.5)) == 4.0
    assert grid.at(LatLon(51.0, 11.0)) == pytest.approx(3.0)
    assert grid.at(LatLon(51.0, 12.0)) is None
    assert grid.at(LatLon(51.5, 12.5)) == 3.0
    assert grid.at(LatLon(52.0, 11.0)) is None
    center = read_esri_ascii(TEXT.replace("llcorner", "llcenter"))
    assert (center.west_deg, center.south_deg) == (10.0, 50.0)
    gdal = read_esri_ascii(TEXT.replace("cellsize 1.0", "dx 0.5\ndy 1.0").replace("\n", "\r\n"))
    assert (gdal.step_lon_deg, gdal.step_lat_deg, gdal.west_deg) == (0.5, 1.0, 10.25)


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "said"),
    [
        ("ncols 3", "ncols three", 1, "ncols", "'three' is not a number"),
        ("ncols 3", "ncols 1", 1, "ncols", "1 is not a whole number from 2"),
        ("ncols 3", "ncols 2.5", 1, "ncols", "2.5 is not a whole number"),
        ("ncols 3", "ncols", 1, "ncols", "needs one number behind it"),
        ("ncols 3", "wide 3", 1, "wide", "unknown key"),
        ("nrows 2", "ncols 2", 2, "ncols", "stands twice"),
        ("nrows 2\n", "", 1, "nrows", "is missing"),
        ("cellsize 1.0\n", "", 1, "cellsize", "is missing"),
        ("cellsize 1.0", "cellsize 30", 5, "cellsize", "30 is not from 0 to 10 degrees"),
        ("cellsize 1.0", "cellsize nan", 5, "cellsize", "'nan' is not a finite number"),
        ("xllcorner 10.0\n", "", 1, "xllcorner", "is missing"),
        ("yllcorner 50.0", "yllcorner 6650000", 4, "south_deg", "are not degrees"),
        ("xllcorner 10.0", "xllcorner 380000", 3, "west_deg", "are not degrees"),
        ("1 2 3", "1 two 3", 7, "height", "'two' is not a number"),
        ("1 2 3", "1 2", 7, "ncols", "2 heights, not 3"),
        ("1 2 3", "1 99999 3", 7, "height", "99999 m in column 2 is no height on earth"),
        ("4 5 -9999", "4 5 -32768", 8, "height", "-32768 m in column 3"),
        ("4 5 -9999", "4 5 inf", 8, "height", "inf m in column 3"),
        ("4 5 -9999\n", "", 8, "nrows", "1 rows of heights, not 2"),
        ("4 5 -9999\n", "4 5 6\n7 8 9\n", 9, "nrows", "more than 2 rows"),
        ("1 2 3\n4 5 -9999\n", "", 7, "rows", "ends before any height"),
        ("ncols 3", "ncols 300000000", 1, "ncols", "cut it"),
    ],
)
def test_a_bad_grid_is_refused_naming_line_and_value(old, new, line, field, said) -> None:
    with pytest.raises(GridError) as refused:
        read_esri_ascii(TEXT.replace(old, new))
    assert (refused.value.line, refused.value.field) == (line, field)
    assert said in str(refused.value)


def test_an_agl_ceiling_follows_the_ground_along_the_leg() -> None:
    """60 m AMSL over ground from 20 to 180 m: above a 20 m ceiling only where ground is below 40.

    Ground is 2 m every 0.001 degrees, so the leg is within the zone from 25.02 on.
    """
    zone = no_fly(ceiling=over(20.0))
    (violation,) = run(Surroundings(terrain=ramp()), zone, legs=[leg(high=60.0)]).violations
    # the corridor of 10 m and the last cut may see it a little early, never late
    assert 25.0185 < violation.entry.lon_deg <= 25.02
    assert violation.exit.lon_deg == pytest.approx(25.09)
    assert run(Surroundings(terrain=ramp()), zone, legs=[leg(high=60.0, east=25.0185)]).allowed


def test_a_leg_that_climbs_with_the_ground_stays_over_it() -> None:
    zone = no_fly(ceiling=over(20.0))
    terrain = Surroundings(terrain=ramp())
    # the ground is 20 m at 25.01 and 180 m at 25.09
    assert run(terrain, zone, legs=[leg(low=43.0, high=203.0)]).allowed
    assert not run(terrain, zone, legs=[leg(low=39.0, high=199.0)]).allowed
    floor = no_fly(floor=over(50.0))
    assert run(terrain, floor, legs=[leg(low=67.0, high=227.0)]).allowed
    assert not run(terrain, floor, legs=[leg(low=71.0, high=231.0)]).allowed


def test_a_keep_in_above_ground_is_kept_over_the_ground() -> None:
    kept = no_fly(over(10.0), over(60.0), kind=ZoneKind.KEEP_IN)
    terrain = Surroundings(terrain=ramp())
    assert run(terrain, kept, legs=[leg(low=50.0, high=210.0)]).allowed
    (level,) = run(terrain, kept, legs=[leg(low=60.0, high=60.0)]).violations
    # it holds where the ground is 0 to 50 m: 25.0 to 25.025
    assert 25.023 < level.entry.lon_deg <= 25.025
    assert not run(terrain, kept, legs=[leg(low=50.0, high=250.0)]).allowed


def test_a_hill_between_the_ends_is_seen() -> None:
    posts = np.zeros((21, 21), dtype=np.float32)
    posts[10, 10] = 100.0
    hill = Surroundings(terrain=Grid(25.0, 59.95, 0.005, 0.005, posts))
    zone = no_fly(ceiling=over(30.0))
    (violation,) = run(hill, zone, legs=[leg()]).violations
    assert violation.entry.lon_deg < 25.05 < violation.exit.lon_deg
    # 70 m of hill remain over 30: from 0.3 of the way down on both sides
    assert violation.entry.lon_deg == pytest.approx(25.0465, abs=7e-4)
    assert run(Surroundings(ground_amsl_m=0.0), zone, legs=[leg()]).allowed


@pytest.mark.parametrize("kind", [ZoneKind.NO_FLY, ZoneKind.KEEP_IN])
def test_ground_beyond_the_grid_is_refused_with_its_reason(kind) -> None:
    zone = no_fly(over(0.0), over(10.0), box(25.0, 25.2), kind)
    (violation,) = run(
        Surroundings(ground_amsl_m=0.0, terrain=flat(0.0)),
        zone,
        legs=[leg(west=25.05, east=25.15, low=500.0, high=500.0)],
    ).violations
    if kind is ZoneKind.NO_FLY:
        assert violation.entry.lon_deg == pytest.approx(25.1, abs=7e-4)
    assert "the terrain grid does not tell the ground here" in violation.reason
    assert "provide one that covers the way" in violation.reason
    amsl = Zone("Z", "", ZoneKind.NO_FLY, box(25.0, 25.2), None, Altitude(10.0, Datum.AMSL))
    far = leg(west=25.05, east=25.15, low=500.0, high=500.0)
    assert run(Surroundings(terrain=flat(0.0)), amsl, legs=[far]).allowed


def test_a_hole_in_the_grid_is_as_its_edge() -> None:
    posts = np.zeros((21, 21), dtype=np.float32)
    posts[10, 10] = np.nan
    holed = Surroundings(terrain=Grid(25.0, 59.95, 0.005, 0.005, posts))
    zone = no_fly(ceiling=over(30.0))
    (violation,) = run(holed, zone, legs=[leg()]).violations
    assert violation.entry.lon_deg == pytest.approx(25.045, abs=7e-4)
    assert run(holed, zone, legs=[leg(east=25.04)]).allowed


def test_wgs84_limits_with_a_geoid_grid() -> None:
    """AMSL = ellipsoidal - undulation: a ceiling of 100 m over the ellipsoid is 83 m AMSL here."""
    zone = Zone("Z", "", ZoneKind.NO_FLY, box(25.0, 25.1), None, Altitude(100.0, Datum.WGS84))
    geoid = Surroundings(geoid_m=0.0, geoid=flat(17.0))
    assert run(geoid, zone, legs=[leg(low=84.0, high=84.0)]).allowed
    assert not run(geoid, zone, legs=[leg(low=82.0, high=82.0)]).allowed
    sloped = Surroundings(geoid=ramp(15.0, 19.0))
    # 83 m AMSL is within where the undulation is at most 17 m
    (violation,) = run(sloped, zone, legs=[leg(low=83.0, high=83.0)]).violations
    assert violation.exit.lon_deg == pytest.approx(25.05, abs=7e-4)
    assert violation.exit.lon_deg >= 25.05
    outside = run(geoid, zone, legs=[leg(west=24.9, east=24.95, low=500.0, high=500.0)])
    assert outside.allowed


def test_floor_above_ceiling_on_a_hill_forbids_it_all() -> None:
    zone = no_fly(over(50.0), Altitude(100.0, Datum.AMSL))
    mountain = Surroundings(terrain=flat(80.0))
    (violation,) = run(mountain, zone, legs=[leg(low=300.0, high=300.0)]).violations
    assert "lies above its ceiling" in violation.reason


def test_a_disc_is_asked_over_all_its_ground() -> None:
    zone = no_fly(ceiling=over(20.0))
    terrain = Surroundings(terrain=ramp())
    center = LatLon(60.0, 25.05)

    # ground is 100 m below the centre, and 1 m more 28 m to the east
    def disc(low_m: float, radius_m: float) -> Disc:
        return Disc(0, "drop", center, radius_m, low_m, low_m + 5.0, NOON, NOON)

    assert run(terrain, zone, discs=[disc(121.0, 10.0)]).allowed
    assert not run(terrain, zone, discs=[disc(121.0, 40.0)]).allowed


def test_resolve_over_a_place() -> None:
    surroundings = Surroundings(terrain=flat(0.0))
    place = Place((5.0, 9.0))
    zone = no_fly(over(10.0), over(20.0))
    band = resolve(zone, surroundings, place)
    assert (band.low_m, band.high_m, band.unknown) == (15.0, 29.0, "")
    band = resolve(zone, surroundings, place, outer=False)
    assert (band.low_m, band.high_m) == (19.0, 25.0)
    assert "does not tell the ground" in resolve(zone, surroundings).unknown


def test_a_way_under_a_floor_above_ground_is_found_with_terrain() -> None:
    """A zone from 50 m above ground up is passed below; one from the ground up is gone round."""
    start, goal = LatLon(60.0, 25.02), LatLon(60.0, 25.08)

    def route(zone):
        request = RouteRequest(
            start, goal, DRONE, 120.0, 126.0, NOON, NOON + timedelta(hours=1), 30.0
        )
        return find_route(request, ZoneSet([zone]), Surroundings(terrain=ramp(80.0, 90.0)))

    below = route(no_fly(floor=over(50.0)))
    assert isinstance(below, Route)
    assert len(below.points) == 2
    around = route(no_fly(ceiling=over(50.0), area=box(25.04, 25.06, 59.99, 60.01)))
    assert isinstance(around, Route)
    assert len(around.points) > 2
    assert isinstance(route(no_fly(ceiling=over(50.0))), NoRoute)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"west_deg": float("nan")}, "west_deg"),
        ({"west_deg": 400.0}, "west_deg"),
        ({"south_deg": 89.0, "step_lat_deg": 5.0}, "south_deg"),
        ({"step_lon_deg": 0.0}, "step_lon_deg"),
        ({"posts": np.zeros((1, 5), np.float32)}, "posts"),
        ({"posts": np.zeros(5, np.float32)}, "posts"),
    ],
)
def test_what_is_no_grid_is_refused(changes, field) -> None:
    good = {
        "west_deg": 25.0, "south_deg": 60.0, "step_lon_deg": 0.1, "step_lat_deg": 0.1,
        "posts": np.zeros((3, 3), np.float32),
    }  # fmt: skip
    with pytest.raises(GridError) as refused:
        Grid(**(good | changes))
    assert refused.value.field == field
