"""Exact plane geometry in rational arithmetic, to judge the checker by. Shares no code with it.

Owns points, segments and polygons whose coordinates are rational: Fractions, or whole numbers of
one common unit, which are faster. Nothing is rounded here. Must not know the earth or zones.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

Number = int | Fraction
Point = tuple[Number, Number]
Rings = Sequence[Sequence[Point]]


def point(x, y) -> Point:
    return Fraction(x), Fraction(y)


def _cross(o: Point, a: Point, b: Point) -> Number:
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
    px, py = p[0] - a[0], p[1] - a[1]
    length2, along = dx * dx + dy * dy, px * dx + py * dy
    if along <= 0 or length2 == 0:
        return Fraction(px * px + py * py)
    if along >= length2:
        return Fraction((px - dx) ** 2 + (py - dy) ** 2)
    return Fraction((px * dy - py * dx) ** 2, length2)


def _near_segment(p: Point, a: Point, b: Point, squared: Number) -> bool:
    """Whether the squared distance is at most `squared`; the same without a division."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    px, py = p[0] - a[0], p[1] - a[1]
    length2, along = dx * dx + dy * dy, px * dx + py * dy
    if along <= 0 or length2 == 0:
        return px * px + py * py <= squared
    if along >= length2:
        return (px - dx) ** 2 + (py - dy) ** 2 <= squared
    return (px * dy - py * dx) ** 2 <= squared * length2


def squared_between(a: Point, b: Point, c: Point, d: Point) -> Fraction:
    """Squared distance of two segments."""
    if segments_meet(a, b, c, d):
        return Fraction(0)
    return min(
        _squared_to_segment(a, c, d),
        _squared_to_segment(b, c, d),
        _squared_to_segment(c, a, b),
        _squared_to_segment(d, a, b),
    )


def segments_near(a: Point, b: Point, c: Point, d: Point, reach: Number) -> bool:
    """Whether two segments are at most `reach` apart."""
    if (
        max(a[0], b[0]) + reach < min(c[0], d[0])
        or max(c[0], d[0]) + reach < min(a[0], b[0])
        or max(a[1], b[1]) + reach < min(c[1], d[1])
        or max(c[1], d[1]) + reach < min(a[1], b[1])
    ):
        return False
    squared = reach * reach
    return (
        segments_meet(a, b, c, d)
        or _near_segment(a, c, d, squared)
        or _near_segment(b, c, d, squared)
        or _near_segment(c, a, b, squared)
        or _near_segment(d, a, b, squared)
    )


def edges_of(rings: Rings) -> Iterator[tuple[Point, Point]]:
    for ring in rings:
        yield from zip(ring, [*ring[1:], ring[0]], strict=True)


def inside(p: Point, rings: Rings) -> bool:
    """Even-odd; the border may be either."""
    odd = False
    for a, b in edges_of(rings):
        if (a[1] > p[1]) != (b[1] > p[1]):
            rise = b[1] - a[1]
            left = (p[0] - a[0]) * rise - (p[1] - a[1]) * (b[0] - a[0])
            odd ^= left < 0 if rise > 0 else left > 0
    return odd


def holds(p: Point, rings: Rings) -> bool:
    """Whether the polygon, border included, holds the point."""
    return inside(p, rings) or any(_on(a, b, p) for a, b in edges_of(rings))


def border_near(a: Point, b: Point, rings: Rings, reach: Number) -> bool:
    """Whether a segment comes within `reach` of an edge."""
    return any(segments_near(a, b, c, d, reach) for c, d in edges_of(rings))


def near(a: Point, b: Point, rings: Rings, reach: Number) -> bool:
    """Whether a segment comes within `reach` of a polygon with holes, border included."""
    return border_near(a, b, rings, reach) or inside(a, rings)


def squared_to_border(a: Point, b: Point, rings: Rings) -> Fraction:
    """Squared distance of a segment to the nearest edge."""
    return min(squared_between(a, b, c, d) for c, d in edges_of(rings))


def squared_distance(a: Point, b: Point, rings: Rings) -> Fraction:
    """Squared distance of a segment to a polygon with holes; 0 where they share a point."""
    return Fraction(0) if inside(a, rings) else squared_to_border(a, b, rings)


def at(a: Point, b: Point, t: Number) -> Point:
    return a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])


def height_span(
    heights: tuple[Number, Number], low: Number | None, high: Number | None
) -> tuple[Fraction, Fraction] | None:
    """Where from 0 to 1 a slope is between low and high, both included; None is no limit."""
    h0, h1 = Fraction(heights[0]), Fraction(heights[1])
    begin, end = Fraction(0), Fraction(1)
    for limit, sign in ((low, 1), (high, -1)):
        if limit is None:
            continue
        # sign * (h0 + t (h1 - h0) - limit) >= 0
        value, rate = sign * (h0 - Fraction(limit)), sign * (h1 - h0)
        if rate == 0:
            if value < 0:
                return None
        elif rate > 0:
            begin = max(begin, -value / rate)
        else:
            end = min(end, -value / rate)
    return (begin, end) if begin <= end else None


def clipped(
    a: Point, b: Point, heights: tuple[float, float], low: float, high: float
) -> tuple[Point, Point] | None:
    """The part of a segment where its height is between low and high, both included."""
    span = height_span((Fraction(heights[0]), Fraction(heights[1])), Fraction(low), Fraction(high))
    return None if span is None else (at(a, b, span[0]), at(a, b, span[1]))


def _linear(
    f0: Number, f1: Number, low: Number, high: Number, span: tuple[Fraction, Fraction]
) -> tuple[Fraction, Fraction] | None:
    """The part of `span` in which f0 + t (f1 - f0) is between low and high."""
    if f0 == f1:
        return span if low <= f0 <= high else None
    one, two = Fraction(low - f0, f1 - f0), Fraction(high - f0, f1 - f0)
    begin, end = max(span[0], min(one, two)), min(span[1], max(one, two))
    return (begin, end) if begin <= end else None


def touch_span(
    a: Point, b: Point, rings: Rings, reach: Number, *, outer: bool
) -> tuple[Fraction, Fraction] | None:
    """First and last parameter of a segment within `reach` of a polygon.

    Whole numbers only. Bounds, as roots are not rational: with `outer` never too narrow, else
    never too wide (and exact for reach 0).
    """
    marks: list[Fraction] = []
    if inside(a, rings):
        marks.append(Fraction(0))
    if inside(b, rings):
        marks.append(Fraction(1))
    dx, dy = b[0] - a[0], b[1] - a[1]
    length2 = dx * dx + dy * dy
    for c, d in edges_of(rings):
        if not segments_near(a, b, c, d, reach):
            continue
        fx, fy = d[0] - c[0], d[1] - c[1]
        edge2 = fx * fx + fy * fy
        root = math.isqrt(edge2)
        wide = reach * (root + 1 if outer else root)
        side = [(p[0] - c[0]) * fy - (p[1] - c[1]) * fx for p in (a, b)]
        along = [(p[0] - c[0]) * fx + (p[1] - c[1]) * fy for p in (a, b)]
        over = wide if outer else 0
        span = _linear(side[0], side[1], -wide, wide, (Fraction(0), Fraction(1)))
        span = span and _linear(along[0], along[1], -over, edge2 + over, span)
        if span is not None:
            marks.extend(span)
        for p in () if outer else (c, d):
            if length2 and _near_segment(p, a, b, reach * reach):
                foot = Fraction((p[0] - a[0]) * dx + (p[1] - a[1]) * dy, length2)
                marks.append(min(Fraction(1), max(Fraction(0), foot)))
    return (min(marks), max(marks)) if marks else None


def crossings(a: Point, b: Point, rings: Rings) -> list[Fraction]:
    """Parameters at which a segment meets edges, ends of what they share included, sorted."""
    marks: set[Fraction] = set()
    for c, d in edges_of(rings):
        if segments_meet(a, b, c, d):
            fx, fy = d[0] - c[0], d[1] - c[1]
            side = [(p[0] - c[0]) * fy - (p[1] - c[1]) * fx for p in (a, b)]
            along = [(p[0] - c[0]) * fx + (p[1] - c[1]) * fy for p in (a, b)]
            span = _linear(side[0], side[1], 0, 0, (Fraction(0), Fraction(1)))
            span = span and _linear(along[0], along[1], 0, fx * fx + fy * fy, span)
            marks.update(span or ())
    return sorted(marks)


def bits(a: Point, b: Point, areas: Sequence[Rings]) -> list[tuple[Point, Point, Point]]:
    """A segment cut where it meets any area's edges: start, middle and end of each bit."""
    marks = sorted({Fraction(0), Fraction(1), *(t for r in areas for t in crossings(a, b, r))})
    if a == b:
        return [(a, a, a)]
    return [(at(a, b, s), at(a, b, (s + t) / 2), at(a, b, t)) for s, t in itertools.pairwise(marks)]


def union_border(areas: Sequence[Rings], tiny: Fraction) -> list[tuple[Point, Point]]:
    """The border of a union of polygons: bits of their edges that have its outside beside them.

    `tiny` is smaller than any feature: on which side the outside is, is asked that far off.
    """
    found: list[tuple[Point, Point]] = []
    for number, rings in enumerate(areas):
        others = [other for k, other in enumerate(areas) if k != number]
        for c, d in edges_of(rings):
            fx, fy = d[0] - c[0], d[1] - c[1]
            size = abs(fx) + abs(fy)
            step = (-fy * tiny / size, fx * tiny / size)
            for start, middle, end in bits(c, d, others):
                sides = [(middle[0] + s * step[0], middle[1] + s * step[1]) for s in (1, -1)]
                if not all(any(inside(p, area) for area in areas) for p in sides):
                    found.append((start, end))
    return found
