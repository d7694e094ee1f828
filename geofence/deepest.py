"""How deep a line reaches into an area, compiled: the figure that violations tell.

Owns that search. Must not decide anything. As `compiled`, it uses the four operations, square roots
and comparisons alone, and no global of another module.
"""

from __future__ import annotations

import math

import numpy as np

from geofence.compiling import compiled, part
from geofence.frames import Array

CLOSE_M = 0.1
CLOSE_SHARE = 0.01
"""A bound within either of what was found is close enough."""

MAX_INTERVALS = 1024
FEW_EDGES = 100
PARTS = 8


@part
def _signed_m(x: float, y: float, edges: Array) -> float:
    """From a place to the nearest of edges (k, 4), positive inside by the even-odd rule."""
    least = math.inf
    odd = False
    for edge in range(edges.shape[0]):
        cx, cy, ex, ey = edges[edge, 0], edges[edge, 1], edges[edge, 2], edges[edge, 3]
        dx, dy = ex - cx, ey - cy
        length2 = dx * dx + dy * dy
        share = ((x - cx) * dx + (y - cy) * dy) / (length2 if length2 > 0.0 else 1.0)
        share = min(max(share, 0.0), 1.0)
        off_x, off_y = x - cx - share * dx, y - cy - share * dy
        least = min(least, off_x * off_x + off_y * off_y)
        if (cy > y) != (ey > y) and x < cx + (y - cy) / dy * dx:
            odd = not odd
    nearest = math.sqrt(least)
    return nearest if odd else -nearest


@part
def _at(segment: Array, t: float, edges: Array, sign: float) -> float:
    x = segment[0] + t * (segment[2] - segment[0])
    y = segment[1] + t * (segment[3] - segment[1])
    return sign * _signed_m(x, y, edges)


@compiled("float64(float64[::1], float64[:,::1], float64)", frees=True)
def deepest(segment: Array, edges: Array, sign: float) -> float:
    """Greatest signed distance in metres along a segment (4) into an area; out of it: sign -1.

    The signed distance changes by at most a metre a metre, so the value at the ends of an
    interval bounds it inside (Piyavskii). Intervals that may hold more are cut until the bound
    is within 0.1 m or 1 %; the bound is what is returned, so it is never too small.
    """
    dx, dy = segment[2] - segment[0], segment[3] - segment[1]
    length = math.sqrt(dx * dx + dy * dy)
    many = 1
    if length > 0.0:
        many = 64 if edges.shape[0] <= FEW_EDGES else 16
    room = 2 * MAX_INTERVALS
    left, right = np.empty(room), np.empty(room)
    at_left, at_right = np.empty(room), np.empty(room)
    best = value = _at(segment, 0.0, edges, sign)
    for number in range(many):
        left[number], right[number] = number / many, (number + 1) / many
        at_left[number] = value
        at_right[number] = value = _at(segment, right[number], edges, sign)
        best = max(best, value)
    while True:
        top = -math.inf
        for number in range(many):
            top = max(
                top,
                (at_left[number] + at_right[number] + (right[number] - left[number]) * length) / 2,
            )
        if top - best <= max(CLOSE_M, CLOSE_SHARE * abs(best)) or many > MAX_INTERVALS:
            return top
        kept = 0
        for number in range(many):
            width = (right[number] - left[number]) * length
            if (at_left[number] + at_right[number] + width) / 2 > best:
                left[kept], right[kept] = left[number], right[number]
                at_left[kept], at_right[kept] = at_left[number], at_right[number]
                kept += 1
        parts = PARTS if kept <= MAX_INTERVALS // (4 * PARTS) else 2
        # from behind, so that none is overwritten before it is cut
        for number in range(kept - 1, -1, -1):
            begin, end, from_, to = left[number], right[number], at_left[number], at_right[number]
            value = to
            for cut in range(parts - 1, -1, -1):
                place = number * parts + cut
                right[place] = end if cut == parts - 1 else left[place + 1]
                at_right[place] = value
                left[place] = begin + cut / parts * (end - begin) if cut else begin
                value = _at(segment, left[place], edges, sign) if cut else from_
                at_left[place] = value
                best = max(best, value)
        many = kept * parts
