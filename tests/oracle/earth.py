"""The earth as the oracle needs it: enclosures of metres a degree, lines flown, geodesic ranges.

Owns what cannot be rational and so comes with a bound: each number here is given with the side on
which it errs. Shares no code with geofence; the constants are those of WGS84 and of ArduPilot.

Distances. On the ellipsoid ds^2 = (N cos lat)^2 dlon^2 + M^2 dlat^2. N cos lat falls and M grows
with the distance from the equator, so over a strip of latitudes both lie between their values at
the strip's ends (or at the equator). With the greatest values a straight line in longitude and
latitude is measured too long, and the geodesic is shorter still: what is within reach by that
measure is within reach. With the least values every curve in the strip is measured too short: what
is out of reach by that measure is out of reach. Sine and cosine come from the C library, whose
error is below 1e-15; `_SLACK` is a thousand times that.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from pyproj import Geod

from geofence.frames import LatLon

_A_M = 6378137.0
_F = 1.0 / 298.257223563
_E2 = _F * (2.0 - _F)
_SLACK = 1e-12

SCALE_BITS = 20
"""Metres a degree are whole numbers of 2^-20 m."""

_GEOD = Geod(a=_A_M, f=_F)
GEODESIC_M = Fraction(1, 1_000_000)
"""Bound for the error of a geodesic range (Karney 2013: 15 nm) and of the points put to it."""

ARDUPILOT_RADIUS_M = 6_378_100.0
SAG_M = 2e-4
"""How finely the autopilot's curve is cut."""

BLUR_M = 5e-4
MOST_PARTS = 128
"""How finely a leg is cut, so that the strip of a part blurs its corridor by no more."""

LATITUDE_M = 110_000
"""Less than the least length of a degree of latitude."""


def _east(lat_deg: float) -> float:
    lat = math.radians(lat_deg)
    return _A_M * math.cos(lat) / math.sqrt(1.0 - _E2 * math.sin(lat) ** 2) * math.pi / 180.0


def _north(lat_deg: float) -> float:
    w2 = 1.0 - _E2 * math.sin(math.radians(lat_deg)) ** 2
    return _A_M * (1.0 - _E2) / (w2 * math.sqrt(w2)) * math.pi / 180.0


def metres_per_degree(lat_deg: float) -> tuple[float, float]:
    """East and north, for drawing cases: no bound."""
    return _east(lat_deg), _north(lat_deg)


def scales(south_deg: float, north_deg: float, *, greatest: bool) -> tuple[int, int]:
    """Bounds of metres per degree of longitude and of latitude in a strip, in 2^-SCALE_BITS m."""
    far = max(abs(south_deg), abs(north_deg))
    near = 0.0 if south_deg <= 0.0 <= north_deg else min(abs(south_deg), abs(north_deg))
    one = 2**SCALE_BITS
    if greatest:
        east, north = _east(near), _north(far)
        return math.ceil(east * one * (1 + _SLACK)), math.ceil(north * one * (1 + _SLACK))
    return (
        math.floor(_east(min(far, 89.9)) * one * (1 - _SLACK)),
        math.floor(_north(near) * one * (1 - _SLACK)),
    )


def wrapped(lon_deg: Fraction) -> Fraction:
    """The same longitude from -180 up to 180."""
    return (lon_deg + 180) % 360 - 180


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a leg that is straight in longitude and latitude, up to `sag_m`.

    `t` is its span of the leg's parameter; `a` and `b` are lon, lat in degrees.
    """

    t: tuple[Fraction, Fraction]
    a: tuple[Fraction, Fraction]
    b: tuple[Fraction, Fraction]
    sag_m: Fraction = Fraction(0)


def straight(start: LatLon, end: LatLon, corridor_m: float) -> list[Stretch]:
    """A line straight in longitude and latitude, in parts of which each has a narrow strip."""
    return cut(start, end, _narrow(start, end, corridor_m))


def cut(start: LatLon, end: LatLon, count: int) -> list[Stretch]:
    """A line straight in longitude and latitude, in `count` equal parts."""
    lon, lat = Fraction(start.lon_deg), Fraction(start.lat_deg)
    dlon = wrapped(Fraction(end.lon_deg) - lon)
    dlat = Fraction(end.lat_deg) - lat
    marks = [Fraction(n, count) for n in range(count + 1)]
    points = [(lon + t * dlon, lat + t * dlat) for t in marks]
    return [Stretch((marks[n], marks[n + 1]), points[n], points[n + 1]) for n in range(count)]


def _narrow(start: LatLon, end: LatLon, corridor_m: float) -> int:
    """Into how many parts a line is cut, so that the strip of each hardly blurs its corridor."""
    if corridor_m <= 0.0:
        return 1
    count, dlat = 1, abs(math.radians(end.lat_deg - start.lat_deg))
    top = math.tan(math.radians(max(abs(start.lat_deg), abs(end.lat_deg), 1.0)))
    half = max(BLUR_M / (corridor_m * top), corridor_m / ARDUPILOT_RADIUS_M)
    while dlat / 2.0 / count > half and count < MOST_PARTS:
        count *= 2
    return count


def flown(
    start: LatLon, end: LatLon, origin: LatLon, corridor_m: float = 0.0
) -> list[Stretch]:  # fmt: skip
    """The line that ArduPilot flies with this origin of its frame.

    Straight in north = dlat R and east = dlon R cos(mean latitude of point and origin), see
    libraries/AP_Common/Location.cpp. Cut so finely that the curve is within SAG_M of each part; the
    bound comes from the second derivative of the longitude.
    """
    lat0 = math.radians(origin.lat_deg)
    lats = [math.radians(start.lat_deg), math.radians(end.lat_deg)]
    dlon = float(wrapped(Fraction(end.lon_deg) - Fraction(start.lon_deg)))
    off = float(wrapped(Fraction(start.lon_deg) - Fraction(origin.lon_deg)))
    lons = [math.radians(off), math.radians(off + dlon)]
    east = [lons[k] * math.cos((lats[k] + lat0) / 2.0) for k in (0, 1)]
    slope = abs(lats[1] - lats[0]) / 2.0
    top = max(abs(lats[0]), abs(lats[1]), abs(lat0))
    cos, tan = math.cos(top), math.tan(top)
    bend = 2.0 * abs(east[1] - east[0]) * tan / cos * slope
    bend += max(map(abs, east)) / cos * (1.0 + 2.0 * tan * tan) * slope * slope
    low = min(abs(lats[0]), abs(lats[1]))
    sag = 1.1 * bend / 8.0 * _A_M * math.cos(low)
    count = _narrow(start, end, corridor_m)
    while sag / count**2 > SAG_M and count < 4096:
        count *= 2
    points: list[tuple[Fraction, Fraction]] = []
    for n in range(count + 1):
        t = n / count
        lat = lats[0] + t * (lats[1] - lats[0])
        lon = (east[0] + t * (east[1] - east[0])) / math.cos((lat + lat0) / 2.0)
        points.append((_round(math.degrees(lon) - off), _round(math.degrees(lat))))
    shift = Fraction(start.lon_deg)
    points = [(shift + x, y) for x, y in points]
    points[0] = (shift, Fraction(start.lat_deg))
    points[-1] = (
        shift + wrapped(Fraction(end.lon_deg) - shift), Fraction(end.lat_deg)
    )  # fmt: skip
    left = Fraction(sag / count**2) + Fraction(2, 1_000_000)
    return [
        Stretch((Fraction(n, count), Fraction(n + 1, count)), points[n], points[n + 1], left)
        for n in range(count)
    ]


def _round(value: float) -> Fraction:
    # 2^-44 degrees are 6 nm: within the two micrometres that are added to the sag
    return Fraction(round(value * 2.0**44), 2**44)


def bow_m(start: LatLon, end: LatLon) -> float:
    """How far ArduPilot's line lies from the straight one: dN dE tan(lat) / (8 R)."""
    dlon = float(wrapped(Fraction(end.lon_deg) - Fraction(start.lon_deg)))
    dlat = end.lat_deg - start.lat_deg
    steepest = math.tan(math.radians(max(abs(start.lat_deg), abs(end.lat_deg))))
    square = math.radians(abs(dlon)) * math.radians(abs(dlat)) * ARDUPILOT_RADIUS_M
    return square * steepest / 8.0


FARTHEST_ORIGIN_M = 50_000.0
"""How far from a leg's start the checker states that the autopilot's origin may lie."""


def origin_shift_m(start: LatLon, end: LatLon) -> float:
    """How far another origin moves the line flown at most.

    East over R is x cos(m), x the longitude from the origin and m the mean of the latitude and the
    origin's. East is straight in the leg's parameter, so x'' = x' dlat tan(m) + x dlat^2 / 4. An
    origin D away moves m by D / (2 R) and x by D / (R cos m) at most; what is nought at both ends
    of a leg is nowhere more than an eighth of its greatest second derivative.
    """
    far = FARTHEST_ORIGIN_M / ARDUPILOT_RADIUS_M
    dlat = math.radians(abs(end.lat_deg - start.lat_deg))
    dlon = abs(float(wrapped(Fraction(end.lon_deg) - Fraction(start.lon_deg))))
    low, high = sorted((abs(start.lat_deg), abs(end.lat_deg)))
    east = math.radians(dlon) * math.cos(math.radians(0.0 if dlat > math.radians(low) else low))
    cos = math.cos(math.radians(high) + far / 2.0)
    return ARDUPILOT_RADIUS_M / 8.0 * far * dlat * (east / (2.0 * cos * cos) + dlat / 4.0)


def stated_tolerance_m(
    start: LatLon, end: LatLon, corridor_m: float, *, autopilot: bool
) -> tuple[float, float]:
    """How much farther than the corridor the checker may still call touched: round, and polygon.

    It widens the corridor by a millimetre, what is left of the bow, and what a piece of at most
    5 km and its corridor change the scale by. A drone's line may lie by what is left of the bow to
    one side, and is widened by as much to the other: that counts twice; so does what its origin,
    which is not known, may move the line by. A robot's is the chord.

    Circles are measured by geodesics. Polygons are measured in a frame with the metres a degree of
    the middle of the piece. N cos lat changes by (M / N) tan(lat) < tan(lat) of itself a radian,
    and M by 3 e^2 sin lat cos lat / (1 - e^2 sin^2 lat) < 0.0102, so over d radians of latitude
    a line is measured too short by a factor of exp(-d max(tan, 0.0102)) at most. So the scale
    counts twice, too: what is within the widened corridor in the frame is within that by this
    factor on the earth, with d half of the piece and the widened corridor.
    """
    bow = bow_m(start, end)
    left = bow
    if autopilot:
        left = 2.0 * (min(bow, 0.05) + 0.02 * bow + origin_shift_m(start, end))
    half = math.radians(abs(end.lat_deg - start.lat_deg)) / 2.0
    half = min(half, 2_500.0 / 6_335_000.0)
    top = math.tan(math.radians(max(abs(start.lat_deg), abs(end.lat_deg)) + 0.01))
    scale = 1.05 * top * (half + corridor_m / ARDUPILOT_RADIUS_M) + 2e-5
    widened = 0.00101 + left + corridor_m * (1.0 + scale)
    away = half + widened / 6_335_000.0
    on_earth = widened * math.exp(away * max(top, 0.0102))
    return widened - corridor_m, on_earth - corridor_m


def ranges(center: LatLon, lons: list[float], lats: list[float]) -> list[float]:
    """Geodesic lengths in metres from a place to others, within GEODESIC_M."""
    if not lons:
        return []
    one = np.ones(len(lons))
    _, _, metres = _GEOD.inv(center.lon_deg * one, center.lat_deg * one, lons, lats)
    return [float(m) for m in metres]


def beyond(lat_deg: float, lon_deg: float, azimuth_deg: float, length_m: float) -> LatLon:
    """The place at the end of a geodesic, for drawing cases."""
    lon, lat, _ = _GEOD.fwd(lon_deg, lat_deg, azimuth_deg, length_m)
    return LatLon(float(lat), (float(lon) + 180.0) % 360.0 - 180.0)


@dataclass(frozen=True, slots=True)
class RangeBounds:
    """Of a line to a place: enclosures of the least and greatest range, and where."""

    least_low_m: float
    least_high_m: float
    greatest_low_m: float
    greatest_high_m: float
    at: float
    """The parameter at which the least was met."""


def range_bounds(
    center: LatLon, a: tuple[Number, Number], b: tuple[Number, Number], near_m: float
) -> RangeBounds:
    """Ranges from `center` along a line straight in lon/lat; finest where they are near `near_m`.

    Along a line of geodesic curvature at most k the range d from a place has
    -k <= d'' <= 1/d + k (comparison with the plane, as the ellipsoid's curvature is positive), and
    changes by at most a metre a metre. So between samples h apart it is never below the lesser of
    them by more than (1/d + k) h^2 / 8, and never above the greater by more than k h^2 / 8.
    """
    lon0, lat0, lon1, lat1 = (float(v) for v in (*a, *b))
    top = max(abs(lat0), abs(lat1))
    bend = 2.0 * math.tan(math.radians(top)) / 6_335_000.0 + 1e-9
    east, north = scales(min(lat0, lat1), max(lat0, lat1), greatest=True)
    length = math.hypot((lon1 - lon0) * east, (lat1 - lat0) * north) / 2**SCALE_BITS
    parts = [(0.0, 1.0)]
    best, best_t, most, low, high = math.inf, 0.0, 0.0, math.inf, 0.0
    for _ in range(14):
        marks = sorted({t for part in parts for t in part})
        found = ranges(
            center,
            [lon0 + t * (lon1 - lon0) for t in marks],
            [lat0 + t * (lat1 - lat0) for t in marks],
        )
        value = dict(zip(marks, found, strict=True))
        for t, d in value.items():
            most = max(most, d)
            if d < best:
                best, best_t = d, t
        again: list[tuple[float, float]] = []
        for s, t in parts:
            h = (t - s) * length
            one, two = value[s], value[t]
            floor = max((one + two - h) / 2.0, 0.0)
            if floor > 0.0:
                floor = max(floor, min(one, two) - (1.0 / floor + bend) * h * h / 8.0)
            top_m = max(one, two) + bend * h * h / 8.0
            # one more cut where this part may decide and is not known to a tenth of a millimetre
            decides = floor < min(best, near_m + 1.0) - 1e-4 or top_m > most + 1e-4
            if decides and h > 1e-4:
                again.extend(_cut(s, t))
            else:
                low, high = min(low, floor), max(high, top_m)
        if not again or len(again) > 4000:
            for s, t in again:
                h = (t - s) * length
                near = [value[m] for m in (s, t) if m in value]
                low = min(low, (min(near) if near else best) - 2 * h)
                high = max(high, (max(near) if near else most) + 2 * h)
            break
        parts = again
    else:
        for s, t in parts:
            low, high = min(low, best - (t - s) * length), max(high, most + (t - s) * length)
    slack = float(GEODESIC_M)
    return RangeBounds(
        max(0.0, min(low, best) - slack),
        best + slack,
        most - slack,
        max(high, most) + slack,
        best_t,
    )


Number = Fraction | int


def _cut(s: float, t: float) -> list[tuple[float, float]]:
    step = (t - s) / 8.0
    marks = [s + n * step for n in range(8)] + [t]
    return list(itertools.pairwise(marks))
