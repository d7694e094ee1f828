"""Exact plane geometry in rational arithmetic, to judge the checker by. Shares no code with it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

Point = tuple[Fraction, Fraction]


def point(x, y) -> Point:
    return Fraction(x), Fraction(y)


def _cross(o: Point, a: Point, b: Point) -> Fraction:
    return (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0])


def _on(a: Point, b: Point, p: Point) -> bool:
    return (
        _cross(a, b, p) == 0
        and min(a[0], b[0]) <= p[0] <= max(a[0], b[0])
        and min(a[1], b[1]) <= p[1] <= max(a[1], b[1])
    )


def segments_meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    one, two = _cross(a, b, c), _cross(a, b, d)
    three, four = _cross(c, d, a), _cross(c, d, b)
    if one * two < 0 and three * four < 0:
        return True
    return _on(a, b, c) or _on(a, b, d) or _on(c, d, a) or _on(c, d, b)


def _squared_to_segment(p: Point, a: Point, b: Point) -> Fraction:
    dx, dy = b[0] - a[0], b[1] - a[1]
    length2 = dx * dx + dy * dy
    t = Fraction(0)
    if length2:
        t = min(Fraction(1), max(Fraction(0), ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length2))
    x, y = a[0] + t * dx - p[0], a[1] + t * dy - p[1]
    return x * x + y * y


def _rings_edges(rings: Sequence[Sequence[Point]]):
    for ring in rings:
        yield from zip(ring, [*ring[1:], ring[0]], strict=True)


def inside(p: Point, rings: Sequence[Sequence[Point]]) -> bool:
    """Even-odd; the border may be either."""
    odd = False
    for a, b in _rings_edges(rings):
        if (a[1] > p[1]) != (b[1] > p[1]):
            odd ^= p[0] < a[0] + (p[1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0])
    return odd


def squared_to_border(a: Point, b: Point, rings: Sequence[Sequence[Point]]) -> Fraction:
    """Squared distance of a segment to the nearest edge."""
    best: Fraction | None = None
    for c, d in _rings_edges(rings):
        if segments_meet(a, b, c, d):
            return Fraction(0)
        near = min(
            _squared_to_segment(a, c, d),
            _squared_to_segment(b, c, d),
            _squared_to_segment(c, a, b),
            _squared_to_segment(d, a, b),
        )
        best = near if best is None else min(best, near)
    assert best is not None
    return best


def squared_distance(a: Point, b: Point, rings: Sequence[Sequence[Point]]) -> Fraction:
    """Squared distance of a segment to a polygon with holes; 0 where they share a point."""
    return Fraction(0) if inside(a, rings) else squared_to_border(a, b, rings)


def clipped(
    a: Point, b: Point, heights: tuple[float, float], low: float, high: float
) -> tuple[Point, Point] | None:
    """The part of a segment where its height is between low and high, both included."""
    h0, h1 = Fraction(heights[0]), Fraction(heights[1])
    if h0 == h1:
        return (a, b) if Fraction(low) <= h0 <= Fraction(high) else None
    one, two = (Fraction(low) - h0) / (h1 - h0), (Fraction(high) - h0) / (h1 - h0)
    begin, end = max(Fraction(0), min(one, two)), min(Fraction(1), max(one, two))
    if begin > end:
        return None

    def at(t: Fraction) -> Point:
        return a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])

    return at(begin), at(end)
