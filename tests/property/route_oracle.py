"""Three independent ways to the length of the shortest way amid polygons of a plane, metres.

`exact_length` and `full_graph_length` search the graph of all corners that see each other, the
first with predicates in rational arithmetic, the second with those of GEOS; `channel_length` pulls
a line taut through every channel of a triangulation, and knows no lines of sight.
"""

from __future__ import annotations

import heapq
import itertools
import math
from fractions import Fraction

import numpy as np
import shapely


def full_graph_length(start, goal, hard, corners) -> float | None:
    """Shortest length over every pair of corners that see each other, by Dijkstra."""
    tree = shapely.STRtree(hard)
    nodes = np.array([start, goal, *corners])
    free = np.ones(len(nodes), dtype=bool)
    free[tree.query(shapely.points(nodes), predicate="intersects")[0]] = False
    free[:2] = True
    nodes = nodes[free]
    pairs = np.array(list(itertools.combinations(range(len(nodes)), 2)))
    lines = shapely.linestrings(nodes[pairs])
    seen = np.ones(len(pairs), dtype=bool)
    seen[tree.query(lines, predicate="intersects")[0]] = False
    ways: dict[int, list[tuple[int, float]]] = {}
    for (a, b), metres in zip(pairs[seen], shapely.length(lines[seen]), strict=True):
        ways.setdefault(int(a), []).append((int(b), metres))
        ways.setdefault(int(b), []).append((int(a), metres))
    best, queue = {0: 0.0}, [(0.0, 0)]
    while queue:
        cost, node = heapq.heappop(queue)
        if node == 1:
            return cost
        if cost > best[node]:
            continue
        for other, metres in ways.get(node, []):
            if cost + metres < best.get(other, math.inf):
                best[other] = cost + metres
                heapq.heappush(queue, (cost + metres, other))
    return None


def polygon_corners(areas):
    return [xy for area in areas for xy in shapely.get_coordinates(area)]


def channel_length(start, goal, hard, field=None) -> float | None:
    """Shortest length over every channel of triangles that parts the free space: no visibility.

    A shortest way crosses each triangle once at most, so the best of all simple channels, each
    pulled taut by the funnel algorithm, is the shortest way.
    """
    field = shapely.box(-9e3, -9e3, 9e3, 9e3) if field is None else field
    free = shapely.difference(field, shapely.union_all(hard))
    triangles = shapely.get_parts(shapely.constrained_delaunay_triangles(free))
    corners = [[tuple(xy) for xy in shapely.get_coordinates(t)[:3]] for t in triangles]
    sharing: dict[frozenset, list[int]] = {}
    for number, three in enumerate(corners):
        for pair in itertools.combinations(three, 2):
            sharing.setdefault(frozenset(pair), []).append(number)
    beside: dict[int, list[tuple[int, frozenset]]] = {}
    for edge, pair in sharing.items():
        if len(pair) == 2:
            beside.setdefault(pair[0], []).append((pair[1], edge))
            beside.setdefault(pair[1], []).append((pair[0], edge))
    first, last = (
        int(shapely.STRtree(triangles).query_nearest(shapely.Point(end))[0])
        for end in (start, goal)
    )
    best = math.inf
    stack = [(first, (first,), ())]
    while stack:
        here, passed, gates = stack.pop()
        if here == last:
            best = min(best, taut(start, goal, [oriented(e, corners[n]) for n, e in gates]))
            continue
        if taut(start, None, [oriented(e, corners[n]) for n, e in gates]) >= best:
            continue
        stack.extend(
            (other, (*passed, other), (*gates, (here, edge)))
            for other, edge in beside.get(here, [])
            if other not in passed
        )
    return None if math.isinf(best) else best


def cross(o, a, b) -> float:
    return (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0])


def oriented(edge, triangle):
    """Left and right end of an edge, for whoever leaves the triangle through it."""
    a, b = edge
    (third,) = [xy for xy in triangle if xy not in edge]
    return (a, b) if cross(third, a, b) < 0.0 else (b, a)


def taut(start, goal, gates) -> float:
    """Length of the shortest line through gates in turn; without goal, to the last gate at least.

    Each way to the goal through these gates is at least as long as the distance to the last gate.
    """
    if goal is None:
        if not gates:
            return 0.0
        gate = shapely.LineString(gates[-1])
        return float(shapely.distance(shapely.Point(start), gate))
    apex, total = tuple(start), 0.0
    portals = [*gates, (tuple(goal), tuple(goal))]
    index, left, right = 0, portals[0][0], portals[0][1]
    left_at = right_at = 0
    while index < len(portals):
        new_left, new_right = portals[index]
        if cross(apex, right, new_right) >= 0.0:
            if apex == right or cross(apex, left, new_right) <= 0.0:
                right, right_at = new_right, index
            else:
                total += math.dist(apex, left)
                apex, index = left, left_at + 1
                left, right = portals[min(index, len(portals) - 1)]
                left_at = right_at = index
                continue
        if cross(apex, left, new_left) <= 0.0:
            if apex == left or cross(apex, right, new_left) >= 0.0:
                left, left_at = new_left, index
            else:
                total += math.dist(apex, right)
                apex, index = right, right_at + 1
                left, right = portals[min(index, len(portals) - 1)]
                left_at = right_at = index
                continue
        index += 1
    return total + math.dist(apex, tuple(goal))


def exact_length(start, goal, areas) -> float | None:
    """Shortest length that enters no area's inside; their borders may be touched, None: no way.

    Areas are polygons, with holes or without; every coordinate is taken as the exact number it is.
    """
    rings = [
        [
            [(Fraction(float(x)), Fraction(float(y))) for x, y in shapely.get_coordinates(ring)]
            for ring in shapely.get_rings(area)
        ]
        for area in areas
    ]
    ends = [tuple(Fraction(float(v)) for v in end) for end in (start, goal)]
    nodes = list(dict.fromkeys([*ends, *(p for area in rings for ring in area for p in ring)]))
    if any(_within(end, area) for end in ends for area in rings):
        return None
    best, done, queue = {ends[0]: 0.0}, set(), [(0.0, ends[0])]
    while queue:
        cost, node = heapq.heappop(queue)
        if node == ends[1]:
            return cost
        if node in done:
            continue
        done.add(node)
        for other in nodes:
            if other in done:
                continue
            reached = cost + math.hypot(float(other[0] - node[0]), float(other[1] - node[1]))
            if reached < best.get(other, math.inf) and _sees(node, other, rings):
                best[other] = reached
                heapq.heappush(queue, (reached, other))
    return None


def _sees(a, b, areas) -> bool:
    """Whether the open segment is outside the inside of every area."""
    for area in areas:
        marks = {Fraction(0), Fraction(1)}
        for ring in area:
            for c, d in itertools.pairwise(ring):
                marks.update(_meeting(a, b, c, d))
        ordered = sorted(marks)
        for one, two in itertools.pairwise(ordered):
            t = (one + two) / 2
            if _within((a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])), area):
                return False
    return True


def _meeting(a, b, c, d) -> list[Fraction]:
    """Where on ab the segment cd meets it: nowhere, in a point, or the ends of what they share."""
    if max(a[0], b[0]) < min(c[0], d[0]) or max(c[0], d[0]) < min(a[0], b[0]):
        return []
    if max(a[1], b[1]) < min(c[1], d[1]) or max(c[1], d[1]) < min(a[1], b[1]):
        return []
    run = (b[0] - a[0], b[1] - a[1])
    side_c = run[0] * (c[1] - a[1]) - run[1] * (c[0] - a[0])
    side_d = run[0] * (d[1] - a[1]) - run[1] * (d[0] - a[0])
    if side_c * side_d > 0:
        return []
    if side_c == 0 == side_d:
        length = run[0] ** 2 + run[1] ** 2
        along = [((p[0] - a[0]) * run[0] + (p[1] - a[1]) * run[1]) / length for p in (c, d)]
        return [t for t in along if 0 <= t <= 1]
    share = side_c / (side_c - side_d)
    at = (c[0] + share * (d[0] - c[0]), c[1] + share * (d[1] - c[1]))
    axis = 0 if run[0] else 1
    t = (at[axis] - a[axis]) / run[axis]
    return [t] if 0 <= t <= 1 else []


def _within(p, area) -> bool:
    """Whether a point is in the inside: on no ring, and in an odd number of them."""
    odd = False
    for ring in area:
        for c, d in itertools.pairwise(ring):
            turn = (d[0] - c[0]) * (p[1] - c[1]) - (d[1] - c[1]) * (p[0] - c[0])
            if (
                turn == 0
                and min(c[0], d[0]) <= p[0] <= max(c[0], d[0])
                and min(c[1], d[1]) <= p[1] <= max(c[1], d[1])
            ):
                return False
            if (c[1] > p[1]) != (d[1] > p[1]) and (turn > 0) == (d[1] > c[1]):
                odd = not odd
    return odd
