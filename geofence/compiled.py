"""The innermost loops of the sieve, compiled: which zones are near, which pairs are proven.

Owns plane geometry over packed arrays and nothing else. Must not know what its numbers stand for:
every bound comes in `frame`, and `chords` says why it proves anything. Must use no global of
another module: what is compiled is kept for as long as this file does not change.

Only the four operations, square roots and comparisons are used, each correctly rounded (IEEE 754)
in the order written: these functions give to the last bit what Python gives of their source.
Numbers are finite, as legs and zones refuse others, and no leg has a length of nought.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from geofence.compiling import compiled, part
from geofence.frames import Array
from geofence.kernel import Bools, Ints

HIGH, MINUS_LOW, HALF, LON, LAT, DLON, DLAT = 2, 5, 6, 9, 10, 15, 16
"""Columns of a table of legs: those of the same names in path.ROW."""

(
    EAST, NORTH, RATIO, SHIFT, STRETCH, BOW, BOW_FAR, ORIGIN, RISE, ORIGIN_FAR, FAR_MORE, MEETS_M,
    STILL_DEG, LEVEL_M, C_EAST, C_NORTH, C_EAST_MOST, C_NORTH_MOST, C_STRAY, C_SLACK_M,
) = range(20)  # fmt: skip
"""What a frame holds, see chords.frame_of."""

FRAME_SIZE = 20

ASKED, TOUCHED = 0, 1

TINY = 1e-300
"""Divides nothing by nothing where two corners are one."""


class Line(NamedTuple):
    """A leg's chord, from its middle at `lon`, `lat`, a step of `dlon`, `dlat` degrees long.

    `across_lon` and the like: metres to its left, or along it, for each degree.
    """

    half_m: float
    """Half the corridor."""
    far_m: float
    """What is farther is clear."""
    stray_m: float
    """How far the line flown may be from the chord."""
    to_end_m: float
    """Half the chord."""
    lon: float
    lat: float
    across_lon: float
    across_lat: float
    along_lon: float
    along_lat: float
    dlon: float
    dlat: float


class Zones(NamedTuple):
    """As `sift` is given them."""

    outer: Array
    middle: Array
    timed: Bools
    circle: Array
    x: Array
    y: Array
    ring_start: Ints
    first_ring: Ints


@compiled("int64[::1](float64[:,::1], float64[::1])")
def zones_near(outer: Array, box: Array) -> Ints:
    """Those of n zones whose numbers (6, n) are none of them above the box's (6)."""
    many = outer.shape[1]
    found = np.empty(many, np.int64)
    count = 0
    for zone in range(many):
        if (
            outer[0, zone] <= box[0]
            and outer[3, zone] <= box[3]
            and outer[1, zone] <= box[1]
            and outer[4, zone] <= box[4]
            and outer[2, zone] <= box[2]
            and outer[5, zone] <= box[5]
        ):
            found[count] = zone
            count += 1
    return found[:count].copy()


@part
def _line(table: Array, row: int, frame: Array) -> Line:
    """The chord of a leg."""
    dlon, dlat = table[row, DLON], table[row, DLAT]
    turned = dlon * dlat
    lon, lat = table[row, LON] - turned * frame[SHIFT], table[row, LAT]
    turned = abs(turned)
    of_origin = turned * frame[ORIGIN] + dlat * dlat * frame[RISE]
    half = table[row, HALF]
    far = half * frame[STRETCH] + turned * frame[BOW_FAR] + of_origin * frame[ORIGIN_FAR]
    east, north = frame[EAST], frame[NORTH]
    dx, dy = dlon * east, dlat * north
    length = math.sqrt(dx * dx + dy * dy)
    dx, dy = dx / length, dy / length
    return Line(
        half, far + frame[FAR_MORE], turned * frame[BOW] + of_origin, 0.5 * length,
        lon + 0.5 * dlon, lat + 0.5 * dlat,
        -dy * east, dx * north, dx * east, dy * north,
        dlon, dlat,
    )  # fmt: skip


@part
def _across_m(line: Line, lon: float, lat: float) -> float:
    return line.across_lon * (lon - line.lon) + line.across_lat * (lat - line.lat)


@part
def _along_m(line: Line, lon: float, lat: float) -> float:
    return line.along_lon * (lon - line.lon) + line.along_lat * (lat - line.lat)


@part
def _box_is_far(line: Line, middle: Array, zone: int) -> bool:
    """Whether a zone's box is far across the chord, or along it from its ends."""
    lon, lat, wide, tall = middle[0, zone], middle[1, zone], middle[2, zone], middle[3, zone]
    reach = line.far_m + abs(line.across_lon) * wide + abs(line.across_lat) * tall
    if abs(_across_m(line, lon, lat)) > reach:
        return True
    reach = line.far_m + line.to_end_m + abs(line.along_lon) * wide + abs(line.along_lat) * tall
    return bool(abs(_along_m(line, lon, lat)) > reach)


@part
def _heights(
    table: Array, row: int, frame: Array, low: float, minus_high: float
) -> tuple[bool, bool]:
    """Whether a zone's limits hold any of a leg's heights, and whether they hold all of them."""
    high, minus_low = table[row, HIGH], table[row, MINUS_LOW]
    some = low <= high and minus_high <= minus_low
    if low <= -minus_low and minus_high <= -high:
        return some, True
    # what stands still is at each of its heights in the same place: if any, all are held
    still = abs(table[row, DLON]) <= frame[STILL_DEG] and abs(table[row, DLAT]) <= frame[STILL_DEG]
    return some, still and high + minus_low >= frame[LEVEL_M]


@part
def _met_or_beyond(line: Line, zones: Zones, zone: int) -> tuple[bool, bool]:
    """Whether a chord meets a zone's polygon, and whether all of that is beyond what counts.

    Meeting: an edge crosses the chord, or an odd number of them the line behind its start, which is
    then inside; holes are outside. A corner is on one side for both of its edges, so no edge is
    lost between two sides. Beyond: all corners are far on one side of the chord or of an end.
    """
    far, to_end, past = line.far_m, line.to_end_m, line.far_m + line.to_end_m
    left = right = ahead = before = True
    odd = False
    for ring in range(zones.first_ring[zone], zones.first_ring[zone + 1]):
        begin, end = zones.ring_start[ring], zones.ring_start[ring + 1]
        first_across = across = _across_m(line, zones.x[begin], zones.y[begin])
        first_along = along = _along_m(line, zones.x[begin], zones.y[begin])
        for corner in range(begin + 1, end + 1):
            next_across, next_along = first_across, first_along
            if corner < end:
                next_across = _across_m(line, zones.x[corner], zones.y[corner])
                next_along = _along_m(line, zones.x[corner], zones.y[corner])
            left = left and next_across > far
            right = right and next_across < -far
            ahead = ahead and next_along > past
            before = before and next_along < -past
            if (across > 0.0) != (next_across > 0.0):
                # the ends lie on different sides, so the difference is no less than either
                at = along + across / (across - next_across) * (next_along - along)
                if at < -to_end:
                    odd = not odd
                elif at <= to_end:
                    return True, False
            across, along = next_across, next_along
    return odd, left or right or ahead or before


@part
def _squared_m(x: float, y: float, dx: float, dy: float, end: float) -> float:
    """From a chord's end, as far along it, to the edge that is dx along and dy across from x, y."""
    to = end - x
    share = (to * dx - y * dy) / max(dx * dx + dy * dy, TINY)
    share = min(max(share, 0.0), 1.0)
    off_x, off_y = to - share * dx, y + share * dy
    return off_x * off_x + off_y * off_y


@part
def _apart_m(line: Line, zones: Zones, zone: int) -> float:
    """Metres from a chord to the nearest edge of a zone, none of which crosses it."""
    to_end = line.to_end_m
    least = math.inf
    for ring in range(zones.first_ring[zone], zones.first_ring[zone + 1]):
        begin, end = zones.ring_start[ring], zones.ring_start[ring + 1]
        across = _across_m(line, zones.x[end - 1], zones.y[end - 1])
        along = _along_m(line, zones.x[end - 1], zones.y[end - 1])
        for corner in range(begin, end):
            next_across = _across_m(line, zones.x[corner], zones.y[corner])
            next_along = _along_m(line, zones.x[corner], zones.y[corner])
            off = max(abs(next_along) - to_end, 0.0)
            least = min(least, off * off + next_across * next_across)
            dx, dy = next_along - along, next_across - across
            least = min(least, _squared_m(along, across, dx, dy, to_end))
            least = min(least, _squared_m(along, across, dx, dy, -to_end))
            across, along = next_across, next_along
    return math.sqrt(least)


@part
def _beside_polygon(line: Line, frame: Array, zones: Zones, zone: int) -> tuple[bool, bool]:
    """Whether the line flown is surely near a polygon, and whether it is surely clear of it."""
    met, beyond = _met_or_beyond(line, zones, zone)
    if met:
        return line.stray_m < line.half_m + frame[MEETS_M], False
    if beyond:
        return False, True
    apart_m = _apart_m(line, zones, zone)
    return apart_m * frame[RATIO] + line.stray_m < line.half_m, apart_m > line.far_m


@part
def _to_chord_m(line: Line, lon: float, lat: float, east: float, north: float) -> float:
    """Metres of a place from a chord, so many to a degree."""
    to_x, to_y = (lon - line.lon) * east, (lat - line.lat) * north
    run_x, run_y = line.dlon * east, line.dlat * north
    share = (to_x * run_x + to_y * run_y) / (run_x * run_x + run_y * run_y)
    share = min(max(share, -0.5), 0.5)
    off_x, off_y = to_x - share * run_x, to_y - share * run_y
    return math.sqrt(off_x * off_x + off_y * off_y)


@part
def _beside_circle(line: Line, frame: Array, zones: Zones, zone: int) -> tuple[bool, bool]:
    """Whether the line flown is surely near a circle, and whether it is surely clear of it.

    A geodesic is as long as the sum of its steps, so it is no shorter than the same way taken at
    the least metres per degree that it passes, and the straight way at the greatest is no shorter
    than it.
    """
    lon, lat, radius = zones.circle[zone, 0], zones.circle[zone, 1], zones.circle[zone, 2]
    most_m = _to_chord_m(line, lon, lat, frame[C_EAST_MOST], frame[C_NORTH_MOST])
    most_m += line.stray_m * frame[C_STRAY]
    least_m = _to_chord_m(line, lon, lat, frame[C_EAST], frame[C_NORTH])
    return most_m <= radius + line.half_m - frame[C_SLACK_M], least_m > radius + line.far_m


@part
def _doubled(found: Ints) -> Ints:
    """Room for twice as many."""
    many = found.shape[1]
    more = np.empty((3, 2 * many), np.int64)
    more[:, :many] = found
    return more


@compiled(
    "int64[:,::1](float64[:,::1], float64[::1], int64[::1], int64[::1],"
    " float64[:,::1], float64[:,::1], boolean[::1], float64[:,::1],"
    " float64[::1], float64[::1], int64[::1], int64[::1])"
)
def sift(  # noqa: PLR0917 - arrays are faster than what holds them
    table: Array, frame: Array, some: Ints, starts: Ints,
    outer: Array, middle: Array, timed: Bools, circle: Array,
    x: Array, y: Array, ring_start: Ints, first_ring: Ints,
) -> Ints:  # fmt: skip
    """Pairs that are not clear (3, k): legs, zones, and TOUCHED or else ASKED.

    `table` (n, c) is of legs. Leg i is put to the zones from `some[starts[i]]` to before
    `some[starts[i + 1]]`; without `starts` each leg to each of `some`. `outer` (6, z) is
    ZoneSet.table; `middle` (4, z) degrees of the middle of a zone's box and of half its width;
    `timed` (z) zones touch nothing surely; `circle` (z, 3) degrees and metres of those that have no
    ring. Zone i has the rings from `first_ring[i]` to before `first_ring[i + 1]`, ring j the
    corners `x`, `y` in degrees from `ring_start[j]` to before `ring_start[j + 1]`.
    """
    zones = Zones(outer, middle, timed, circle, x, y, ring_start, first_ring)
    found = np.empty((3, 64), np.int64)
    count = 0
    for row in range(len(table)):
        line = _line(table, row, frame)
        begin, end = (starts[row], starts[row + 1]) if len(starts) else (0, len(some))
        for place in range(begin, end):
            zone = some[place]
            if _box_is_far(line, middle, zone):
                continue
            within, whole = _heights(table, row, frame, outer[2, zone], outer[5, zone])
            if not within:
                continue
            if first_ring[zone] < first_ring[zone + 1]:
                near, clear = _beside_polygon(line, frame, zones, zone)
            else:
                near, clear = _beside_circle(line, frame, zones, zone)
            if clear:
                continue
            if count == found.shape[1]:
                found = _doubled(found)
            found[0, count], found[1, count] = row, zone
            found[2, count] = TOUCHED if near and whole and not timed[zone] else ASKED
            count += 1
    return found[:, :count].copy()
