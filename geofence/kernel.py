"""Vectorised exact predicates: pieces of a path against edges and circles.

Owns plane geometry alone, in metres of a local frame. Must not know zones, heights or times.

A row is one piece against one area; the edges of all rows stand in one array, row after row.
Whatever is nearer than rounding is caught by the reach that every caller adds, so that signs of
orientations need not be exact: where they are in doubt an end point is within 1e-8 m of an edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geofence.frames import WGS84, Array

Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]


STILL_M = 1e-9
"""A segment shorter than this is a point: the reach of every caller is a million times more."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """`segments` (n, 4) against `edges` (k, 4); `row` (k) is each edge's row, ascending.

    `starts` (n) is where each row's edges begin; every row has at least one edge. Metres.
    """

    segments: Array
    edges: Array
    row: Ints
    starts: Ints


def make_rows(segments: Array, edges: Array, counts: Ints) -> Rows:
    """Rows from edges that stand one row after the other, `counts` (n) each."""
    starts = np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.intp)
    return Rows(segments, edges, np.repeat(np.arange(len(counts)), counts), starts)


def _squared_to_segment(px: Array, py: Array, segment: tuple[Array, Array, Array, Array]) -> Array:
    ax, ay, dx, dy = segment
    length2 = dx * dx + dy * dy
    t = ((px - ax) * dx + (py - ay) * dy) / np.where(length2 > 0.0, length2, 1.0)
    t = np.clip(t, 0.0, 1.0)
    x, y = px - ax - t * dx, py - ay - t * dy
    return np.asarray(x * x + y * y)


def distances(rows: Rows) -> Array:
    """Least distance (n) in metres of each segment to its edges; 0 where they cross."""
    ax, ay, bx, by = rows.segments[rows.row].T
    cx, cy, ex, ey = rows.edges.T
    dx, dy, fx, fy = bx - ax, by - ay, ex - cx, ey - cy
    edge, segment = (cx, cy, fx, fy), (ax, ay, dx, dy)
    squared = np.minimum(
        np.minimum(_squared_to_segment(ax, ay, edge), _squared_to_segment(bx, by, edge)),
        np.minimum(_squared_to_segment(cx, cy, segment), _squared_to_segment(ex, ey, segment)),
    )
    c_left = dx * (cy - ay) > dy * (cx - ax)
    e_left = dx * (ey - ay) > dy * (ex - ax)
    a_left = fx * (ay - cy) > fy * (ax - cx)
    b_left = fx * (by - cy) > fy * (bx - cx)
    squared[(c_left != e_left) & (a_left != b_left)] = 0.0
    return np.sqrt(np.minimum.reduceat(squared, rows.starts))


def inside(rows: Rows, *, end: bool = False) -> Bools:
    """Whether each segment's start (or end) is inside by the even-odd rule; holes are outside.

    Means nothing for a point nearer to an edge than rounding: ask `distances` first.
    """
    points: Array = rows.segments[:, 2:] if end else rows.segments[:, :2]
    px, py = points[rows.row, 0], points[rows.row, 1]
    cx, cy, ex, ey = rows.edges.T
    spans = (cy > py) != (ey > py)
    rise = np.where(spans, ey - cy, 1.0)
    right = spans & (px < cx + (py - cy) / rise * (ex - cx))
    return np.asarray(np.add.reduceat(right.astype(np.intp), rows.starts) % 2 == 1)


def touching_spans(rows: Rows, reach_m: Array) -> Array:
    """Span (n, 2) of each segment's parameter from first to last touch of an edge within reach.

    (inf, -inf) where there is none. The part within reach of an edge is the part inside a
    capsule: two discs and a slab, each cutting the line in one interval.
    """
    reach = reach_m[rows.row]
    ax, ay, bx, by = rows.segments[rows.row].T
    cx, cy, ex, ey = rows.edges.T
    dx, dy, fx, fy = bx - ax, by - ay, ex - cx, ey - cy
    low1, high1 = _disc_span((ax - cx, ay - cy), (dx, dy), reach)
    low2, high2 = _disc_span((ax - ex, ay - ey), (dx, dy), reach)
    length = np.hypot(fx, fy)
    safe = np.where(length > 0.0, length, 1.0)
    ux, uy = fx / safe, fy / safe
    low3, high3 = _linear_span((ax - cx) * uy - (ay - cy) * ux, dx * uy - dy * ux, -reach, reach)
    along, rate = (ax - cx) * ux + (ay - cy) * uy, dx * ux + dy * uy
    low4, high4 = _linear_span(along, rate, np.zeros_like(length), length)
    slab_low, slab_high = np.maximum(low3, low4), np.minimum(high3, high4)
    empty = slab_low > slab_high
    low = np.minimum(np.minimum(low1, low2), np.where(empty, np.inf, slab_low))
    high = np.maximum(np.maximum(high1, high2), np.where(empty, -np.inf, slab_high))
    missed = (low > 1.0) | (high < 0.0) | (low > high)
    low = np.where(missed, np.inf, np.clip(low, 0.0, 1.0))
    high = np.where(missed, -np.inf, np.clip(high, 0.0, 1.0))
    return np.stack(
        (np.minimum.reduceat(low, rows.starts), np.maximum.reduceat(high, rows.starts)), axis=-1
    )


def _disc_span(
    offset: tuple[Array, Array], step: tuple[Array, Array], radius: Array
) -> tuple[Array, Array]:
    (ox, oy), (dx, dy) = offset, step
    length = np.hypot(dx, dy)
    still = length < STILL_M
    safe = np.where(still, 1.0, length)
    across = (ox * dy - oy * dx) / safe
    half2 = radius * radius - across * across
    half = np.sqrt(np.maximum(half2, 0.0)) / safe
    middle = -(ox * dx + oy * dy) / (safe * safe)
    hit = np.where(still, np.hypot(ox, oy) <= radius, half2 >= 0.0)
    low = np.where(hit, np.where(still, -np.inf, middle - half), np.inf)
    high = np.where(hit, np.where(still, np.inf, middle + half), -np.inf)
    return low, high


def _linear_span(value: Array, rate: Array, low: Array, high: Array) -> tuple[Array, Array]:
    still = np.abs(rate) < STILL_M
    safe = np.where(still, 1.0, rate)
    first, second = (low - value) / safe, (high - value) / safe
    within = (low <= value) & (value <= high)
    begin = np.where(still, np.where(within, -np.inf, np.inf), np.minimum(first, second))
    end = np.where(still, np.where(within, np.inf, -np.inf), np.maximum(first, second))
    return begin, end


def deepest(segment: Array, edges: Array, *, outward: bool = False) -> float:
    """Greatest signed distance in metres along a segment (4) into an area (out of it: outward).

    Of the area's edges (k, 4), metres. Never too small; too great by 0.1 m or 1 % at most.
    """
    from geofence.deepest import deepest as search  # noqa: PLC0415 - numba comes with it

    return search(np.array(segment), np.array(edges), -1.0 if outward else 1.0)


def circle_contacts(line: Array, center: Array) -> tuple[Array, Array]:
    """Least geodesic distance (n) in metres of pieces (n, 4) to circle centres (n, 2).

    Also the parameter (n) where it is taken. Degrees of lon, lat; pieces of at most 5 km. Each is
    projected by range and azimuth about the centre, where distances to it are exact; the piece's
    bow there moves the nearest point along the piece only, and a second pass on 100 m about it
    leaves less than a millimetre.
    """
    low, high = np.zeros(len(line)), np.ones(len(line))
    length = np.hypot(*(_about(line[:, :2], center) - _about(line[:, 2:], center)).T)
    window = 50.0 / np.maximum(length, 50.0)
    best_t = low
    for _ in range(2):
        a, b = _about(_along(line, low), center), _about(_along(line, high), center)
        step = b - a
        length2 = (step * step).sum(axis=1)
        t = -(a * step).sum(axis=1) / np.where(length2 > 0.0, length2, 1.0)
        best_t = low + np.clip(t, 0.0, 1.0) * (high - low)
        low, high = np.maximum(best_t - window, 0.0), np.minimum(best_t + window, 1.0)
    return np.hypot(*_about(_along(line, best_t), center).T), best_t


def circle_spans(line: Array, center: Array, radius_m: Array) -> Array:
    """Span (n, 2) of each piece's parameter inside circles; (inf, -inf) where none. As above."""
    a, b = _about(line[:, :2], center), _about(line[:, 2:], center)
    low, high = _disc_span((a[:, 0], a[:, 1]), (b[:, 0] - a[:, 0], b[:, 1] - a[:, 1]), radius_m)
    missed = (low > 1.0) | (high < 0.0)
    low = np.where(missed, np.inf, np.clip(low, 0.0, 1.0))
    high = np.where(missed, -np.inf, np.clip(high, 0.0, 1.0))
    return np.stack((low, high), axis=-1)


def _along(line: Array, t: Array) -> Array:
    return np.asarray(line[:, :2] + t[:, None] * (line[:, 2:] - line[:, :2]))


def _about(lonlat: Array, center: Array) -> Array:
    """Azimuthal equidistant coordinates (n, 2) in metres about each centre."""
    azimuth, _, range_m = WGS84.inv(center[:, 0], center[:, 1], lonlat[:, 0], lonlat[:, 1])
    angle = np.radians(azimuth)
    return np.stack((range_m * np.sin(angle), range_m * np.cos(angle)), axis=-1)
