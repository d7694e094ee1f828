"""The checker against exact rational arithmetic: no false "allowed", ever."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
import shapely
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from geofence.check import Disc, FlightPath, PathLeg, Surroundings, check
from geofence.frames import WGS84, Altitude, Datum, LatLon, geodesic_m, metres_per_degree
from geofence.track import TOLERANCE_M, split_leg
from geofence.zones import CircleArea, PolygonArea, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from tests.oracle import plane as oracle
from tests.oracle.earth import bow_m, origin_shift_m, stated_tolerance_m

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOWHERE = Surroundings(0.0, 0.0)
EXAMPLES = settings(max_examples=250, deadline=None)
FEWER = settings(max_examples=100, deadline=None)

# degrees a step: 1 mm, 1 cm, 1 m, 100 m, 500 m
STEPS = st.sampled_from([1e-8, 1e-7, 1e-5, 1e-3, 4.5e-3])
LATITUDES = st.sampled_from([0.0, -0.005, 17.3, 47.4, -33.9, 60.17, 69.9, 74.99, -75.0])
LONGITUDES = st.sampled_from([0.0, 24.94, -71.06, 151.2, 179.99, -179.995])
CORRIDORS = st.sampled_from([0.0, 0.0, 0.0, 0.5, 30.0, 500.0])
GRID = st.tuples(st.integers(-4, 8), st.integers(-4, 8))


@st.composite
def rings(draw) -> list[list[tuple[int, int]]]:
    """A valid polygon on a small grid, at times with a hole or as a sliver."""
    kind = draw(st.sampled_from(["star", "box", "sliver", "hole"]))
    if kind == "box":
        x, y = draw(GRID)
        w, h = draw(st.integers(1, 5)), draw(st.integers(1, 5))
        return [[(x, y), (x + w, y), (x + w, y + h), (x, y + h)]]
    if kind == "sliver":
        a, b = draw(GRID), draw(GRID)
        c = (a[0] + 1, a[1])
        assume(shapely.Polygon([a, b, c]).is_valid and shapely.Polygon([a, b, c]).area > 0)
        return [[a, b, c]]
    if kind == "hole":
        x, y = draw(GRID)
        w, h = draw(st.integers(3, 6)), draw(st.integers(3, 6))
        hole = [(x + 1, y + 1), (x + w - 1, y + 1), (x + w - 1, y + h - 1)]
        return [[(x, y), (x + w, y), (x + w, y + h), (x, y + h)], hole]
    corners = draw(st.lists(GRID, min_size=3, max_size=8, unique=True))
    cx = sum(c[0] for c in corners) / len(corners)
    cy = sum(c[1] for c in corners) / len(corners)
    corners.sort(key=lambda c: math.atan2(c[1] - cy, c[0] - cx))
    polygon = shapely.Polygon(corners)
    assume(polygon.is_valid and polygon.area > 0)
    return [corners]


@st.composite
def cases(draw):
    lat, lon, step = draw(LATITUDES), draw(LONGITUDES), draw(STEPS)
    half = draw(st.booleans())

    def place(x: float, y: float) -> LatLon:
        x, y = (x / 2.0, y / 2.0) if half else (x, y)
        return LatLon(lat + y * step, (lon + x * step + 180.0) % 360.0 - 180.0)

    area = [[place(x, y) for x, y in ring] for ring in draw(rings())]
    start, end = place(*draw(GRID)), place(*draw(GRID))
    west = min(p.lon_deg for p in area[0])
    assume(max(p.lon_deg for p in area[0]) - west < 180.0)
    return area, start, end


def make_leg(start: LatLon, end: LatLon, corridor_m: float = 0.0, heights=(50.0, 50.0)) -> PathLeg:
    return PathLeg(0, "leg", start, end, *heights, NOON, NOON, corridor_m)


def make_zone(area, kind=ZoneKind.NO_FLY, **more) -> Zone:
    return Zone("Z", "", kind, PolygonArea(tuple(area[0]), tuple(map(tuple, area[1:]))), **more)


class Plane:
    """The affine frame about the middle of a leg, in exact arithmetic."""

    def __init__(self, start: LatLon, end: LatLon) -> None:
        dlon = (end.lon_deg - start.lon_deg + 180.0) % 360.0 - 180.0
        self.lon0 = start.lon_deg + dlon / 2.0
        self.lat0 = (start.lat_deg + end.lat_deg) / 2.0
        east, north = metres_per_degree(np.array(self.lat0))
        self.scale = Fraction(float(east)), Fraction(float(north))

    def __call__(self, p: LatLon):
        lon = Fraction(p.lon_deg) - Fraction(self.lon0)
        turns = round(lon / 360)
        return (
            (lon - 360 * turns) * self.scale[0],
            (Fraction(p.lat_deg) - Fraction(self.lat0)) * self.scale[1],
        )


def stated_tolerance(start: LatLon, end: LatLon, corridor_m: float) -> float:
    return stated_tolerance_m(start, end, corridor_m, autopilot=False)[1]


def is_allowed(leg: PathLeg, zone: Zone) -> bool:
    # a robot's line is the straight one of longitude and latitude
    path = FlightPath(VehicleClass.ROBOT, (leg,))
    return check(path, ZoneSet([zone]), NOWHERE).allowed


@EXAMPLES
@given(cases(), CORRIDORS)
def test_leg_against_polygon_agrees_with_exact_arithmetic(case, corridor_m) -> None:
    area, start, end = case
    assume(geodesic_m(start, end) < 4_900.0)
    plane = Plane(start, end)
    exact = oracle.squared_distance(plane(start), plane(end), [[*map(plane, r)] for r in area])
    allowed = is_allowed(make_leg(start, end, corridor_m), make_zone(area))
    if exact <= Fraction(corridor_m) ** 2:
        assert not allowed, "false allowed"
    limit = Fraction(corridor_m) + Fraction(stated_tolerance(start, end, corridor_m))
    if exact > limit**2:
        assert allowed, "false forbidden beyond the stated tolerance"


@EXAMPLES
@given(cases(), st.tuples(*[st.sampled_from([0.0, 40.0, 49.999, 50.0, 60.0, 120.0])] * 4))
def test_climbing_leg_is_cut_to_the_heights_of_the_zone(case, heights) -> None:
    area, start, end = case
    assume(geodesic_m(start, end) < 4_900.0)
    low, high = sorted(heights[:2])
    plane = Plane(start, end)
    exact_rings = [[*map(plane, ring)] for ring in area]
    zone = make_zone(area, floor=Altitude(low, Datum.AMSL), ceiling=Altitude(high, Datum.AGL))
    allowed = is_allowed(make_leg(start, end, 0.0, heights[2:]), zone)
    part = oracle.clipped(plane(start), plane(end), heights[2:], low, high)
    if part is not None and oracle.squared_distance(*part, exact_rings) == 0:
        assert not allowed, "false allowed"
    wide = oracle.clipped(plane(start), plane(end), heights[2:], low - 0.0101, high + 0.0101)
    if wide is None:
        assert allowed
    elif oracle.squared_distance(*wide, exact_rings) > stated_tolerance(start, end, 0.0) ** 2:
        assert allowed, "false forbidden beyond the stated tolerance"


@EXAMPLES
@given(cases(), CORRIDORS)
def test_keep_in_agrees_with_exact_arithmetic(case, corridor_m) -> None:
    area, start, end = case
    assume(geodesic_m(start, end) < 4_900.0)
    plane = Plane(start, end)
    exact_rings = [[*map(plane, ring)] for ring in area]
    border = oracle.squared_to_border(plane(start), plane(end), exact_rings)
    held = oracle.inside(plane(start), exact_rings)
    allowed = is_allowed(make_leg(start, end, corridor_m), make_zone(area, ZoneKind.KEEP_IN))
    if not held or border < Fraction(corridor_m) ** 2:
        assert not allowed, "false allowed"
    limit = Fraction(corridor_m) + Fraction(stated_tolerance(start, end, corridor_m))
    if held and border > limit**2:
        assert allowed, "false forbidden beyond the stated tolerance"


@EXAMPLES
@given(
    st.integers(1, 7), st.lists(st.integers(1, 9), max_size=3, unique=True), GRID, GRID,
    LATITUDES, CORRIDORS,
)  # fmt: skip
def test_keep_ins_side_by_side_are_one(cut_x, seams, a, b, lat, corridor_m) -> None:
    """A box cut in two, the seam noded on one side only: no crack, and no hole in the wall."""
    step = 1e-3

    def place(x: float, y: float) -> LatLon:
        return LatLon(lat + y * step, 20.0 + x * step)

    marks = [place(cut_x + 0.3, y * 0.8) for y in sorted(seams)]
    left = [place(0, 0), place(cut_x + 0.3, 0), *marks, place(cut_x + 0.3, 8), place(0, 8)]
    right = [place(cut_x + 0.3, 0), place(8, 0), place(8, 8), place(cut_x + 0.3, 8)]
    whole = [[place(0, 0), place(8, 0), place(8, 8), place(0, 8)]]
    kinds = [
        Zone(n, "", ZoneKind.KEEP_IN, PolygonArea(tuple(r))) for n, r in (("l", left), ("r", right))
    ]
    leg = make_leg(place(*a), place(*b), corridor_m)
    path = FlightPath(VehicleClass.ROBOT, (leg,))
    apart = check(path, ZoneSet(kinds), NOWHERE)
    together = check(path, ZoneSet([make_zone(whole, ZoneKind.KEEP_IN)]), NOWHERE)
    assert apart.allowed == together.allowed


@EXAMPLES
@given(
    LATITUDES, LONGITUDES, st.sampled_from([1.0, 30.0, 800.0, 5_000.0, 40_000.0]),
    st.floats(0.0, 360.0), st.floats(0.0, 360.0), st.floats(-1.0, 1.0),
    st.sampled_from([0.1, 10.0, 3_000.0, 9_000.0]), st.sampled_from([0.0, 30.0]),
)  # fmt: skip
@example(60.17, 24.94, 5_000.0, 90.0, 180.0, 0.0, 9_000.0, 30.0)
def test_circle_is_never_cut_short(
    lat, lon, radius_m, at_deg, heading_deg, off_m, length_m, corridor_m
) -> None:
    """Legs that graze a circle within a metre, against dense geodesic sampling."""
    center = LatLon(lat, lon)
    far = max(radius_m + corridor_m + off_m, 0.01)
    mid_lon, mid_lat, _ = WGS84.fwd(lon, lat, at_deg, far)
    ends = [WGS84.fwd(mid_lon, mid_lat, heading_deg + turn, length_m / 2.0) for turn in (0, 180)]
    start, end = (LatLon(e[1], (e[0] + 180.0) % 360.0 - 180.0) for e in ends)
    t = np.linspace(0.0, 1.0, 4001)
    dlon = (end.lon_deg - start.lon_deg + 180.0) % 360.0 - 180.0
    lons = start.lon_deg + t * dlon
    lats = start.lat_deg + t * (end.lat_deg - start.lat_deg)
    _, _, range_m = WGS84.inv(np.full_like(t, lon), np.full_like(t, lat), lons, lats)
    nearest = float(range_m.min())
    zone = Zone("C", "", ZoneKind.NO_FLY, CircleArea(center, radius_m))
    allowed = is_allowed(make_leg(start, end, corridor_m), zone)
    if nearest <= radius_m + corridor_m:
        assert not allowed, "false allowed"
    step = length_m / 4000.0
    blur = step if nearest < 10.0 * step else step * step / nearest
    if nearest > radius_m + corridor_m + 0.02 + blur + stated_tolerance(start, end, corridor_m):
        assert allowed, "false forbidden beyond the stated tolerance"


@EXAMPLES
@given(cases(), st.sampled_from([0.0, 5.0, 400.0]), st.booleans())
def test_disc_is_a_place_with_a_radius(case, radius_m, keep_in) -> None:
    area, center, _ = case
    disc = Disc(0, "drop", center, radius_m, 0.0, 50.0, NOON, NOON)
    path = FlightPath(VehicleClass.MULTIROTOR, (), (disc,))
    kind = ZoneKind.KEEP_IN if keep_in else ZoneKind.NO_FLY
    allowed = check(path, ZoneSet([make_zone(area, kind)]), NOWHERE).allowed
    plane = Plane(center, center)
    exact_rings = [[*map(plane, ring)] for ring in area]
    place = plane(center)
    border = oracle.squared_to_border(place, place, exact_rings)
    held = oracle.inside(place, exact_rings)
    limit = Fraction(radius_m) + Fraction(stated_tolerance(center, center, radius_m))
    if keep_in:
        assert not (allowed and (not held or border < Fraction(radius_m) ** 2))
        assert allowed or not (held and border > limit**2)
    else:
        assert not (allowed and (held or border <= Fraction(radius_m) ** 2))
        assert allowed or held or border <= limit**2


@EXAMPLES
@given(cases(), CORRIDORS)
def test_what_a_violation_tells_is_so(case, corridor_m) -> None:
    """Entry and exit are on the leg within reach of the zone, first and last; depth is enough."""
    area, start, end = case
    assume(geodesic_m(start, end) < 4_900.0)
    path = FlightPath(VehicleClass.ROBOT, (make_leg(start, end, corridor_m),))
    verdict = check(path, ZoneSet([make_zone(area)]), NOWHERE)
    plane = Plane(start, end)
    ring = shapely.Polygon(*_floats(area, plane))
    a, b = (np.array([float(v) for v in plane(p)]) for p in (start, end))
    reach = corridor_m + stated_tolerance(start, end, corridor_m)
    line = shapely.points(a + np.linspace(0.0, 1.0, 101)[:, None] * (b - a))
    off = shapely.distance(line, ring)
    if verdict.allowed:
        assert (off > corridor_m).all()
        assert verdict.clearance_m is None or verdict.clearance_m <= off.min() + 1e-3
        return
    violation = verdict.violations[0]
    for place in (violation.entry, violation.exit):
        spot = shapely.Point(*(float(v) for v in plane(place)))
        assert shapely.distance(spot, ring) <= reach + 1e-3
    touched = np.flatnonzero(off <= corridor_m)
    if len(touched):
        length = float(np.hypot(*(b - a)))
        entry, exit_ = (
            math.hypot(*(np.array([float(v) for v in plane(p)]) - a))
            for p in (violation.entry, violation.exit)
        )
        assert entry <= touched[0] / 100.0 * length + 2e-3
        assert exit_ >= touched[-1] / 100.0 * length - 2e-3
    deep = np.where(shapely.intersects(ring, line), shapely.distance(ring.boundary, line), -off)
    assert violation.depth_m >= deep.max() + corridor_m - 1e-3


def _floats(area, plane):
    rings_m = [[tuple(float(v) for v in plane(p)) for p in ring] for ring in area]
    return rings_m[0], rings_m[1:]


@EXAMPLES
@given(
    LATITUDES, LONGITUDES, st.floats(10.0, 30_000.0),
    st.floats(0.0, 360.0) | st.sampled_from([0.0, 180.0]),
    st.floats(0.0, 50_000.0) | st.just(50_000.0), st.floats(0.0, 360.0),
)  # fmt: skip
def test_pieces_follow_the_line_that_ardupilot_flies(
    lat, lon, length_m, heading_deg, origin_m, origin_deg
) -> None:
    """Against ArduPilot's own arithmetic, from an origin anywhere within 50 km of the start."""
    start = LatLon(lat, lon)
    lon2, lat2, _ = WGS84.fwd(lon, lat, heading_deg, length_m)
    assume(abs(lat2) < 80.0)
    leg = make_leg(start, LatLon(lat2, (lon2 + 180.0) % 360.0 - 180.0))
    lon0, lat0, _ = WGS84.fwd(lon, lat, origin_deg, origin_m)

    def north_east(lats, lons):
        shift = (np.asarray(lons) - lon0 + 180.0) % 360.0 - 180.0
        middle = np.cos(np.radians((np.asarray(lats) + lat0) / 2.0))
        return np.radians(np.asarray(lats) - lat0), np.radians(shift) * middle

    n, e = north_east([lat, lat2], [lon, lon2])
    t = np.linspace(0.0, 1.0, 201)
    north, east = n[0] + t * (n[1] - n[0]), e[0] + t * (e[1] - e[0])
    lats = lat0 + np.degrees(north)
    lons = lon0 + np.degrees(east / np.cos(np.radians((lats + lat0) / 2.0)))
    corners, left_m = split_leg(leg)
    lons = lons + 360.0 * np.round((corners[0, 0] - lons[0]) / 360.0)
    scale = np.stack(metres_per_degree(np.array((lat + lat2) / 2.0)), axis=-1)
    line = shapely.LineString((corners - corners[0]) * scale)
    flown = shapely.points((np.stack((lons, lats), axis=-1) - corners[0]) * scale)
    assert shapely.distance(line, flown).max() <= left_m + TOLERANCE_M
    by_origin_m = 50_000.0 * length_m**2 / 8.0 / 6_371_000.0**2
    by_origin_m /= math.cos(math.radians(max(abs(lat), abs(lat2)) + 0.5)) ** 2
    assert left_m <= 0.05 + 0.02 * bow_m(leg.start, leg.end) + by_origin_m


@FEWER
@given(
    st.sampled_from([0.0, 47.4, 60.17, -33.9, 74.0]), LONGITUDES, st.floats(500.0, 60_000.0),
    st.floats(0.0, 360.0), st.floats(0.05, 0.95), st.floats(-4.0, 4.0), st.floats(0.2, 5_000.0),
)  # fmt: skip
@example(0.0, 0.0, 59_541.0, 0.0, 0.5, -0.5, 0.21875)
def test_a_small_zone_beside_a_long_leg(lat, lon, length_m, heading_deg, at, off_m, size_m) -> None:
    """A diamond within metres of the line that ArduPilot flies, at any length of leg."""
    start = LatLon(lat, lon)
    lon2, lat2, _ = WGS84.fwd(lon, lat, heading_deg, length_m)
    end = LatLon(lat2, (lon2 + 180.0) % 360.0 - 180.0)
    dlat = end.lat_deg - lat
    dlon = (end.lon_deg - lon + 180.0) % 360.0 - 180.0
    middle = math.cos(math.radians(lat + dlat / 2.0))
    t = np.linspace(0.0, 1.0, 4_001)
    lats = lat + t * dlat
    lons = lon + t * dlon * middle / np.cos(np.radians(lat + t * dlat / 2.0))
    spot = int(at * 4_000)
    # the diamond's near corner is off_m beside the line, its body farther out
    side = math.radians(heading_deg + 90.0)
    east, north = (float(v) for v in metres_per_degree(np.array(lats[spot])))

    def place(across: float, along: float) -> tuple[float, float]:
        x = across * math.sin(side) + along * math.sin(side - math.pi / 2.0)
        y = across * math.cos(side) + along * math.cos(side - math.pi / 2.0)
        return float(lons[spot] + x / east), float(lats[spot] + y / north)

    ring = [place(off_m, 0.0), place(off_m + size_m, size_m), place(off_m + 2 * size_m, 0.0),
            place(off_m + size_m, -size_m)]  # fmt: skip
    assume(all(-180.0 <= x <= 180.0 for x, _ in ring))
    diamond = shapely.Polygon(ring)
    scaled = shapely.transform(diamond, lambda xy: (xy - (lons[spot], lats[spot])) * (east, north))
    flown = (np.stack((lons, lats), axis=-1) - (lons[spot], lats[spot])) * (east, north)
    distance = float(shapely.distance(shapely.LineString(flown), scaled))
    zone = make_zone([[LatLon(y, x) for x, y in ring]])
    path = FlightPath(VehicleClass.MULTIROTOR, (make_leg(start, end),))
    allowed = check(path, ZoneSet([zone]), NOWHERE).allowed
    if distance == 0.0:
        assert not allowed, "false allowed"
    if distance > 0.06 + 0.02 * bow_m(start, end) + origin_shift_m(start, end):
        assert allowed, "false forbidden beyond the stated tolerance"


@FEWER
@given(
    LATITUDES, LONGITUDES, st.sampled_from([60.0, 900.0, 5_000.0, 60_000.0]),
    st.floats(0.0, 360.0), st.floats(0.0, 360.0), st.floats(0.0, 1.0), st.floats(-0.5, 0.5),
    st.sampled_from([0.0, 30.0]), st.booleans(),
)  # fmt: skip
def test_round_keep_in_is_never_overstepped(
    lat, lon, radius_m, from_deg, to_deg, share, off_m, corridor_m, twice
) -> None:
    """Legs that end within half a metre of the border, from anywhere inside."""
    far = radius_m - corridor_m + off_m
    points = [WGS84.fwd(lon, lat, from_deg, far), WGS84.fwd(lon, lat, to_deg, share * far)]
    start, end = (LatLon(p[1], (p[0] + 180.0) % 360.0 - 180.0) for p in points)
    t = np.linspace(0.0, 1.0, 2001)
    dlon = (end.lon_deg - start.lon_deg + 180.0) % 360.0 - 180.0
    lons = start.lon_deg + t * dlon
    lats = start.lat_deg + t * (end.lat_deg - start.lat_deg)
    _, _, range_m = WGS84.inv(np.full_like(t, lon), np.full_like(t, lat), lons, lats)
    kinds = [Zone("C", "", ZoneKind.KEEP_IN, CircleArea(LatLon(lat, lon), radius_m))]
    if twice:
        tiny = CircleArea(LatLon(lat, lon), min(radius_m, 50.0))
        kinds.append(Zone("D", "", ZoneKind.KEEP_IN, tiny))
    path = FlightPath(VehicleClass.ROBOT, (make_leg(start, end, corridor_m),))
    allowed = check(path, ZoneSet(kinds), NOWHERE).allowed
    if range_m.max() > radius_m - corridor_m:
        assert not allowed, "false allowed"
    if range_m.max() < radius_m - corridor_m - 0.08 - stated_tolerance(start, end, corridor_m):
        assert allowed, "false forbidden beyond the stated tolerance"
