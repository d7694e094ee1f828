"""Near the poles every answer is right, or there is none: nothing is silently allowed."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from geofence.bulk import crossings
from geofence.check import Disc, FlightPath, PathLeg, Surroundings, check
from geofence.conflict import Track, TrackIndex
from geofence.diff import diff
from geofence.errors import FrameError, ZoneError, ZoneFileError
from geofence.formats import read_any
from geofence.formats.onboard import FenceRefused, OnboardFence, onboard_fence
from geofence.frames import WGS84, Altitude, Datum, LatLon, LocalFrame
from geofence.recheck import ActivePaths, recheck
from geofence.relief import relief_of
from geofence.route import NoRoute, Route, RouteRequest, find_route
from geofence.terrain import Grid
from geofence.track import pieces_of
from geofence.zones import CircleArea, PolygonArea, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet

EXAMPLES = settings(max_examples=200, deadline=None)
NOW = datetime(2026, 6, 1, 9, tzinfo=UTC)
FLAT = Surroundings(ground_amsl_m=0.0, geoid_m=0.0)
POLES = st.sampled_from([1.0, -1.0])
beyond = st.builds(lambda lat, sign: lat * sign, st.floats(84.01, 90.0), POLES)
near = st.builds(lambda lat, sign: lat * sign, st.floats(82.0, 83.9), POLES)
lons = st.floats(-180.0, 180.0)


def circle(center: LatLon, radius_m: float, zone_id: str = "Z") -> Zone:
    return Zone(zone_id, "", ZoneKind.NO_FLY, CircleArea(center, radius_m))


def leg(start: LatLon, end: LatLon, corridor_m: float = 20.0) -> PathLeg:
    return PathLeg(0, "leg", start, end, 60.0, 60.0, NOW, NOW, corridor_m)


def path(*legs: PathLeg, discs: tuple[Disc, ...] = ()) -> FlightPath:
    return FlightPath(VehicleClass.MULTIROTOR, legs, discs)


def offset(start: LatLon, azimuth_deg: float, length_m: float) -> LatLon:
    lon, lat, _ = WGS84.fwd(start.lon_deg, start.lat_deg, azimuth_deg, length_m)
    return LatLon(float(lat), float(lon))


def dlon(start: LatLon, end: LatLon) -> float:
    return (end.lon_deg - start.lon_deg + 180.0) % 360.0 - 180.0


@EXAMPLES
@given(beyond, lons)
def test_no_leg_no_disc_no_route_no_track_and_no_frame(lat, lon) -> None:
    there, here = LatLon(lat, lon), LatLon(math.copysign(83.99, lat), lon)
    refused = (
        lambda: leg(there, here),
        lambda: leg(here, there),
        lambda: Disc(0, "stop", there, 10.0, 0.0, 10.0, NOW, NOW),
        lambda: find_route(
            RouteRequest(here, there, VehicleClass.MULTIROTOR, 50.0, 60.0, NOW, NOW, 10.0),
            ZoneSet(()),
            FLAT,
        ),
        lambda: TrackIndex(
            [Track("A", np.array([[lon, lat], [lon, lat]]), np.zeros(2), np.array([0.0, 1.0]))]
        ),
        lambda: LocalFrame(there),
    )
    for make in refused:
        with pytest.raises(FrameError, match="latitude"):
            make()


@EXAMPLES
@given(st.floats(84.0, 90.0), POLES, lons, st.floats(1.0, 200_000.0))
def test_zones_are_whole_or_refused(lat, sign, lon, radius_m) -> None:
    """A circle that is taken has bounds that hold all of it; one about the pole is refused."""
    zone = circle(LatLon(lat * sign, lon), radius_m)
    try:
        zones = ZoneSet([zone])
    except ZoneError as error:
        assert "within a degree of a pole" in error.reason  # noqa: PT017 - it may be taken too
        assert lat + radius_m / 110_000.0 > 88.9
        return
    west, south, east, north = zones.bounds[0]
    for azimuth in range(0, 360, 15):
        rim = offset(zone.area.center, azimuth, radius_m)
        assert south <= rim.lat_deg <= north
        assert west <= lon + dlon(zone.area.center, rim) <= east


@pytest.mark.parametrize("step", [90, 120])
def test_a_ring_about_the_pole_is_refused(step) -> None:
    ring = [[x, 88.0] for x in range(-180, 180, step)] + [[-180, 88.0]]
    feature = {
        "type": "Feature",
        "properties": {"id": "POLE", "kind": "no_fly"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    with pytest.raises(ZoneFileError, match="POLE"):
        read_any(json.dumps({"type": "FeatureCollection", "features": [feature]}))


@EXAMPLES
@given(near, lons, st.floats(0.0, 360.0), st.floats(50.0, 20_000.0), st.data())
def test_a_leg_near_a_circle_is_never_wrongly_allowed(lat, lon, azimuth, length_m, data) -> None:
    start = LatLon(lat, lon)
    end = offset(start, azimuth, length_m)
    assume(abs(end.lat_deg) <= 84.0)
    center = offset(
        start, data.draw(st.floats(0.0, 360.0)), data.draw(st.floats(0.0, 1.5)) * length_m
    )
    radius_m = data.draw(st.floats(1.0, 3_000.0))
    verdict = check(path(leg(start, end)), ZoneSet([circle(center, radius_m)]), FLAT)
    # the line that ArduPilot flies is within a metre of the geodesic's own frame at these lengths
    t = np.linspace(0.0, 1.0, 2001)
    mid = math.radians((start.lat_deg + end.lat_deg) / 2.0)
    lats = start.lat_deg + t * (end.lat_deg - start.lat_deg)
    scale = math.cos(mid) / np.cos(np.radians((start.lat_deg + lats) / 2.0))
    line = np.stack((lon + t * dlon(start, end) * scale, lats), axis=-1)
    ones = np.ones(len(t))
    _, _, far = WGS84.inv(center.lon_deg * ones, center.lat_deg * ones, line[:, 0], line[:, 1])
    clear_m = float(far.min()) - radius_m - 20.0
    if clear_m < 0.0:
        assert not verdict.allowed
    # the east-west scale changes fast here: what is refused for it is refused by a twentieth
    if clear_m > 1.0 + 0.05 * (20.0 + length_m / 1000.0):
        assert verdict.allowed


@EXAMPLES
@given(near, lons, st.floats(1.0, 10_000.0), st.data())
def test_a_disc_near_a_polygon_is_never_wrongly_allowed(lat, lon, radius_m, data) -> None:
    center = LatLon(lat, lon)
    azimuth, away = data.draw(st.floats(0.0, 360.0)), data.draw(st.floats(1.0, 30_000.0))
    tip = offset(center, azimuth, away)
    corners = [
        tip,
        offset(tip, azimuth - 30.0, 2_000.0),
        offset(tip, azimuth + 30.0, 2_000.0),
    ]
    spread = [dlon(center, p) for p in corners]
    assume(max(abs(lon + x) for x in spread) < 180.0)
    zone = Zone("Z", "", ZoneKind.NO_FLY, PolygonArea(tuple(corners)))
    disc = Disc(0, "stop", center, radius_m, 0.0, 10.0, NOW, NOW)
    verdict = check(path(discs=(disc,)), ZoneSet([zone]), FLAT)
    rim = [
        (a.lat_deg + t * (b.lat_deg - a.lat_deg), a.lon_deg + t * dlon(a, b))
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True)
        for t in np.linspace(0.0, 1.0, 200).tolist()
    ]
    rows = np.array(rim)
    ones = np.ones(len(rows))
    _, _, far = WGS84.inv(lon * ones, lat * ones, rows[:, 1], rows[:, 0])
    if float(far.min()) <= radius_m:
        assert not verdict.allowed


@EXAMPLES
@given(st.floats(80.0, 88.0), POLES, lons, st.floats(100.0, 40_000.0), st.data())
def test_bulk_is_right_up_to_the_pole(lat, sign, lon, length_m, data) -> None:
    start = LatLon(lat * sign, lon)
    end = offset(start, data.draw(st.floats(0.0, 360.0)), length_m)
    center = offset(start, data.draw(st.floats(0.0, 360.0)), data.draw(st.floats(0.0, 40_000.0)))
    radius_m = data.draw(st.floats(10.0, 20_000.0))
    assume(abs(center.lat_deg) + radius_m / 110_000.0 < 88.9)
    row = np.array([[lon, start.lat_deg, lon + dlon(start, end), end.lat_deg]])
    legs, zones = crossings(row, ZoneSet([circle(center, radius_m)]))
    assert len(legs) == len(zones)
    t = np.linspace(0.0, 1.0, 2001)
    ones = np.ones(len(t))
    _, _, far = WGS84.inv(
        center.lon_deg * ones,
        center.lat_deg * ones,
        row[0, 0] + t * (row[0, 2] - row[0, 0]),
        row[0, 1] + t * (row[0, 3] - row[0, 1]),
    )
    nearest = float(far.min())
    # between two samples the line comes no nearer than this
    slack = (length_m / 2000.0) ** 2 / max(nearest, 1.0) + 0.01
    assume(abs(nearest - radius_m) > slack)
    assert bool(len(legs)) is (nearest < radius_m)


def test_bulk_takes_no_latitude_beyond_the_pole() -> None:
    with pytest.raises(FrameError, match="latitude beyond 90"):
        crossings(np.array([[5.0, 89.0, 5.0, 91.0]]), ZoneSet(()))


@settings(max_examples=60, deadline=None)
@given(near, lons, st.floats(500.0, 15_000.0), st.floats(50.0, 4_000.0))
def test_a_route_is_allowed_by_the_check_or_there_is_none(lat, lon, away_m, radius_m) -> None:
    start = LatLon(lat, lon)
    goal = offset(start, 90.0, away_m)
    zones = ZoneSet([circle(offset(start, 90.0, away_m / 2.0), radius_m)])
    request = RouteRequest(start, goal, VehicleClass.MULTIROTOR, 50.0, 70.0, NOW, NOW, 20.0)
    try:
        found = find_route(request, zones, FLAT)
    except FrameError as error:
        # a way round may lead beyond 84 degrees
        assert "latitude" in str(error)  # noqa: PT017 - it may as well be found
        return
    if isinstance(found, Route):
        points = found.points
        legs = [leg(a, b) for a, b in pairwise(points)]
        assert check(path(*legs), zones, FLAT).allowed
    else:
        assert isinstance(found, NoRoute)
        assert found.reason


@settings(max_examples=60, deadline=None)
@given(near, lons, st.floats(0.0, 360.0), st.floats(0.0, 4_000.0), st.floats(10.0, 1_000.0))
def test_recheck_and_fence_agree_with_the_check(lat, lon, azimuth, away_m, radius_m) -> None:
    start = LatLon(lat, lon)
    end = LatLon(lat - math.copysign(0.02, lat), lon)
    flight = path(leg(start, end), discs=(Disc(0, "take-off", start, 5.0, 0.0, 60.0, NOW, NOW),))
    zones = ZoneSet([circle(offset(start, azimuth, away_m), radius_m)])
    verdict = check(flight, zones, FLAT)
    found = recheck(diff(ZoneSet(()), zones), ActivePaths({"M": flight}), FLAT, now=NOW)
    assert bool(found) is not verdict.allowed
    fence = onboard_fence(flight, zones, FLAT)
    if not verdict.allowed:
        assert isinstance(fence, FenceRefused)
    elif isinstance(fence, OnboardFence) and (verdict.clearance_m or 1e9) < 500.0:
        assert {item.zone_id for item in fence.items} == {"Z"}


@EXAMPLES
@given(POLES, lons, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_terrain_is_told_up_to_the_pole_and_not_beyond_its_posts(sign, lon, x, y) -> None:
    posts = np.array([[0.0, 100.0], [200.0, 300.0]], dtype=np.float32)
    south = 89.0 if sign > 0.0 else -90.0
    grid = Grid(lon, south, 1.0, 1.0, posts)
    place = LatLon(min(90.0, max(-90.0, south + y)), (lon + x + 180.0) % 360.0 - 180.0)
    assert grid.at(place) == pytest.approx(100.0 * x + 200.0 * y, abs=1e-3)
    outside = LatLon(place.lat_deg, (lon + 1.5 + 180.0) % 360.0 - 180.0)
    assert grid.at(outside) is None


def test_relief_near_the_pole_holds_all_of_the_corridor() -> None:
    """A wall of ground a kilometre east of a disc of a kilometre: many degrees of longitude."""
    center = LatLon(83.9, 10.0)
    columns = np.linspace(0.0, 0.4, 401)
    wall = offset(center, 90.0, 900.0).lon_deg - 9.8
    posts = np.tile(np.where(columns >= wall, 500.0, 0.0).astype(np.float32), (3, 1))
    surroundings = Surroundings(terrain=Grid(9.8, 83.0, 0.001, 0.5, posts))
    disc = Disc(0, "stop", center, 1_000.0, 0.0, 10.0, NOW, NOW)
    pieces = pieces_of(path(discs=(disc,)))
    relief = relief_of(pieces, surroundings)
    assert relief is not None
    low = Zone("Z", "", ZoneKind.NO_FLY, CircleArea(center, 50.0), ceiling=Altitude(5.0, Datum.AGL))
    assert relief.band(low, 0, outer=True).high_m >= 505.0
