"""Which of many straight legs touch which zones: exact, and fast for whole countries.

Owns the bulk crossing of legs and areas in the plane of longitude and latitude, where the edges
of zones are straight (RFC 7946, section 3.1.1). Must not know corridors, heights or times: it
finds what to ask `geofence.check` about, and is no verdict.

Three sieves: the tree of the zones' bounds; the separating axis of leg and bounds; the sides on
which a zone's corners lie of the leg's line. Signs come from floating point where their error
bound (Shewchuk 1997, ccwerrboundA) leaves no doubt; what is in doubt goes to GEOS, whose
orientation is robust. So the pairs are those of `shapely.STRtree.query(predicate="intersects")`.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.lib.stride_tricks import sliding_window_view

from geofence.errors import FrameError
from geofence.frames import Array
from geofence.keep_in import outline
from geofence.kernel import Bools, Ints, circle_contacts
from geofence.zoneset import ZoneSet

MAX_CIRCLE_PIECE_DEG = 0.04
"""Longest piece of a leg that is put to a circle at once: under 5 km."""

_ROUNDING = 3.4e-16
"""(3 + 16 eps) eps of Shewchuk's first bound, rounded up."""

_LINE_ROUNDING = 1e-12
"""Of dx y - dy x - (dx ay - dy ax), for |dx| + |dy| = 1 and degrees below 1,000: four roundings of
1.1e-13 at most."""

_UNDERFLOW = 1e-300
"""Products as small as this have lost digits."""

_PAIRS = 32_768
_CORNERS = 65_536
"""How many pairs, and how many corners, are looked at at once: what a core's cache holds."""


def crossings(legs: Array, zones: ZoneSet) -> tuple[Ints, Ints]:
    """Pairs (leg number, zone number) that share a point; touching is sharing. Sorted.

    `legs` (n, 4) are lon, lat, lon, lat in degrees, straight between; a leg's longitudes are
    continuous and may pass 180. A zone is its area, border included, whatever its kind, heights
    or times; circles are geodesic. Raises FrameError for a number that is not finite and for a
    latitude beyond 90 degrees.
    """
    legs = np.ascontiguousarray(legs, dtype=np.float64).reshape(-1, 4)
    if not np.isfinite(legs).all():
        raise FrameError("a leg to cross with zones has a coordinate that is not finite")
    if (np.abs(legs[:, 1::2]) > 90.0).any():
        raise FrameError("a leg to cross with zones has a latitude beyond 90 degrees")
    west, east = np.minimum(legs[:, 0], legs[:, 2]), np.maximum(legs[:, 0], legs[:, 2])
    south, north = np.minimum(legs[:, 1], legs[:, 3]), np.maximum(legs[:, 1], legs[:, 3])
    leg, zone, turn = zones.near(np.stack((west, south, east, north), axis=-1))
    some = _beside(legs, leg, zones, zone, turn)
    leg, zone, turn = leg[some], zone[some], turn[some]
    turned = legs[leg]
    if turn.any():
        turned[:, 0::2] -= turn[:, None]
    circle = zones.is_circle[zone]
    hit = np.zeros(len(leg), dtype=bool)
    hit[circle] = _in_circles(turned[circle], zones.circle[zone[circle]])
    hit[~circle] = _in_polygons(turned[~circle], zones, zone[~circle])
    leg, zone = leg[hit], zone[hit]
    key = leg * len(zones) + zone
    key = np.unique(key) if turn.any() else np.sort(key)
    return (key // max(len(zones), 1)).astype(np.intp), (key % max(len(zones), 1)).astype(np.intp)


def _beside(legs: Array, leg: Ints, zones: ZoneSet, zone: Ints, turn: Array) -> Ints:
    """Which pairs the separating axis along a leg does not part from the zone's bounds."""
    west, south, east, north = zones.bounds.T
    middle_x, middle_y = (west + east) / 2.0, (south + north) / 2.0
    half_x, half_y = (east - west) / 2.0, (north - south) / 2.0
    ax, ay = legs[:, 0].copy(), legs[:, 1].copy()
    dx, dy = legs[:, 2] - ax, legs[:, 3] - ay
    found: list[Ints] = []
    for begin in range(0, len(leg), _PAIRS):
        mine = slice(begin, begin + _PAIRS)
        i, j = leg[mine], zone[mine]
        ux, uy = dx[i], dy[i]
        across = np.abs(ux * (middle_y[j] - ay[i]) - uy * (middle_x[j] + turn[mine] - ax[i]))
        wide = np.abs(uy) * half_x[j] + np.abs(ux) * half_y[j]
        # degrees are below 1,000: the rounding of the line above is far below this
        slack = 1e-12 * (np.abs(ux) + np.abs(uy))
        found.append(np.flatnonzero(across <= wide + slack) + begin)
    return np.concatenate(found) if found else np.empty(0, np.intp)


def _in_circles(legs: Array, circles: Array) -> Bools:
    if not len(legs):
        return np.zeros(0, dtype=bool)
    longest = np.abs(legs[:, 2:] - legs[:, :2]).max(axis=1)
    counts = np.maximum(1, np.ceil(longest / MAX_CIRCLE_PIECE_DEG)).astype(np.intp)
    row = np.repeat(np.arange(len(legs)), counts)
    first = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    step = legs[row, 2:] - legs[row, :2]
    share = np.stack((first, first + 1), axis=-1) / counts[row][:, None]
    start = legs[row, :2] + share[:, :1] * step
    end = legs[row, :2] + share[:, 1:] * step
    distance, _ = circle_contacts(np.hstack((start, end)), circles[row, :2])
    hit = np.zeros(len(legs), dtype=bool)
    np.logical_or.at(hit, row, distance <= circles[row, 2])
    return hit


def _in_polygons(legs: Array, zones: ZoneSet, zone: Ints) -> Bools:
    """Whether each leg (n, 4) and zone (n) share a point, zones of as many edges together."""
    hit, doubt = np.zeros(len(zone), dtype=bool), np.zeros(len(zone), dtype=bool)
    kinds = zones.edge_count[zone] * 2 + zones.holed[zone]
    for kind in np.unique(kinds).tolist():
        same = np.flatnonzero(kinds == kind)
        count, holed = kind // 2, bool(kind % 2)
        step = max(1, _CORNERS // count)
        for begin in range(0, len(same), step):
            some = same[begin : begin + step]
            start = zones.edge_start[zone[some]]
            hit[some], doubt[some] = _cross(legs[some], zones, start, count, holed=holed)
    some = np.flatnonzero(doubt)
    if len(some):
        hit[some] = _robust(legs[some], zones, zone[some])
    return hit


def _cross(
    legs: Array, zones: ZoneSet, start: Ints, count: int, *, holed: bool
) -> tuple[Bools, Bools]:
    """Whether legs (n, 4) meet zones of `count` edges from `start` (n), and where it is in doubt.

    Only edges whose ends lie on different sides of the leg's line cross that line. Each does so
    before the leg's start, within the leg or behind its end: one within is a crossing, and an odd
    number before the start puts the start inside.
    """
    ax, ay = legs[:, 0], legs[:, 1]
    dx, dy = legs[:, 2] - ax, legs[:, 3] - ay
    level = (dx * ay - dy * ax)[:, None]
    dx, dy = dx[:, None], dy[:, None]
    # one row of corners a pair: a zone's corners stand together
    side = dx * sliding_window_view(zones.corner_y, count)[start]
    side -= dy * sliding_window_view(zones.corner_x, count)[start]
    least = _LINE_ROUNDING * (np.abs(dx) + np.abs(dy)) + _UNDERFLOW
    side -= level
    left = side > least
    doubt = ~(left | (side < -least)).all(axis=1)
    if holed:
        edge = start[:, None] + np.arange(count)
        following = dx * zones.edges[edge, 3] - dy * zones.edges[edge, 2] - level > least
    else:
        # the end of an edge is the next one's start, and of the last the first one's
        following = np.roll(left, -1, axis=1)
    row, column = np.nonzero(left != following)
    cx, cy, ex, ey = zones.edges[start[row] + column].T
    px, py, qx, qy = legs[row].T
    fx, fy = ex - cx, ey - cy
    from_left = left[row, column]
    start_side, start_doubt = _sides(fx, fy, px - cx, py - cy)
    end_side, end_doubt = _sides(fx, fy, qx - cx, qy - cy)
    # an edge from left to right of the leg's line has what lies before it on its right
    in_front = start_side != from_left
    within = in_front & (end_side == from_left)
    n = len(legs)
    hit = np.bincount(row[within], minlength=n) > 0
    hit |= np.bincount(row[~in_front], minlength=n) % 2 == 1
    doubt |= np.bincount(row[start_doubt | end_doubt], minlength=n) > 0
    return hit, doubt


def _sides(fx: Array, fy: Array, ox: Array, oy: Array) -> tuple[Bools, Bools]:
    one, two = fx * oy, fy * ox
    side = one - two
    return side > 0.0, np.abs(side) <= _ROUNDING * (np.abs(one) + np.abs(two)) + _UNDERFLOW


def _robust(legs: Array, zones: ZoneSet, zone: Ints) -> Bools:
    wanted, which = np.unique(zone, return_inverse=True)
    areas = np.array([outline(zones.zones[number], 0.0) for number in wanted], dtype=object)
    lines = shapely.linestrings(legs.reshape(-1, 2, 2))
    return np.asarray(shapely.intersects(lines, areas[which]))
