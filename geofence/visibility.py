"""The shortest way between two points of a plane amid polygons.

Owns the visibility graph and its search; exact. Must not know zones, degrees or margins.

Only convex corners of obstacles lie on a shortest path, and only along lines that are tangent at
both ends (bitangents). Lines are tested for sight when the search (A*) comes to them.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from geofence.frames import Array
from geofence.kernel import Bools, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Obstacle:
    """One obstacle. `hard` may not be met; its corners stand a little outside of it.

    `corners` (n, 2) are the convex ones, metres; `before` and `after` (n, 2) their neighbours.
    """

    hard: shapely.Geometry
    corners: Array
    before: Array
    after: Array


def obstacle(hard: shapely.Geometry, soft: shapely.Geometry) -> Obstacle:
    """An obstacle whose corners are those of `soft`, an area a little larger than `hard`."""
    corners, before, after, _ = convex_corners(np.array([soft]))
    return Obstacle(hard, corners, before, after)


def convex_corners(areas: npt.NDArray[np.object_]) -> tuple[Array, Array, Array, Ints]:
    """Convex corners (n, 2) of many areas, the corners before and after each, and whose they are.

    Ordered by area.
    """
    parts, area = shapely.get_parts(areas, return_index=True)
    rings, part = shapely.get_rings(shapely.orient_polygons(parts), return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    if not len(points):
        nothing = np.empty((0, 2))
        return nothing, nothing, nothing, np.empty(0, dtype=np.intp)
    # the last point of a ring is its first again
    first = np.flatnonzero(np.diff(ring, prepend=-1))
    last = np.append(first[1:], len(points)) - 1
    previous, following = np.roll(points, 1, axis=0), np.roll(points, -1, axis=0)
    previous[first] = points[last - 1]
    # the inside is on the left of every ring, holes too
    convex = cross(points - previous, following - points) > 0.0
    convex[last] = False
    owner = area[part[ring[convex]]]
    return points[convex], previous[convex], following[convex], owner


def cross(a: Array, b: Array) -> Array:
    """The third component of the product of vectors (..., 2): positive where b is left of a."""
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def tangent(step: Array, far: Array, before: Array, after: Array) -> Bools:
    """Whether lines `step` (n, 2) of length `far` touch corners without cutting their areas.

    `before` and `after` are the ways from a corner to its neighbours.
    """
    # a nanometre of slack: too many lines cost time, too few the way
    one, two = cross(step, before), cross(step, after)
    slack = 1e-9 * (far + 1.0) * (1.0 + np.abs(before).sum(-1) + np.abs(after).sum(-1))
    return np.asarray((np.minimum(one, two) >= -slack) | (np.maximum(one, two) <= slack))


def shortest_path(start: Array, goal: Array, obstacles: Sequence[Obstacle]) -> Array | None:
    """Points (n, 2) in metres of the shortest way from start to goal (2), or None: there is none.

    Exact: the search ends when nothing shorter is left. Neither end may be inside an obstacle.
    """
    graph = _Graph(start, goal, obstacles)
    towards = np.hypot(*(graph.points - goal).T)
    cost = np.full(len(graph.points), np.inf)
    parent = np.full(len(graph.points), -1)
    closed = np.zeros(len(graph.points), dtype=bool)
    cost[0] = 0.0
    queue = [(float(towards[0]), 0)]
    while queue:
        _, node = heapq.heappop(queue)
        if closed[node]:
            continue
        if node == 1:
            return graph.points[_trace(parent, node)]
        closed[node] = True
        seen, length = graph.neighbours(node, ~closed, cost)
        for other, metres in zip(seen, length, strict=True):
            cost[other], parent[other] = metres, node
            heapq.heappush(queue, (float(metres + towards[other]), int(other)))
    return None


def _trace(parent: Ints, node: int) -> list[int]:
    path = [node]
    while parent[path[-1]] >= 0:
        path.append(int(parent[path[-1]]))
    return path[::-1]


class _Graph:
    """Nodes: start, goal, then every convex corner outside of all obstacles."""

    def __init__(self, start: Array, goal: Array, obstacles: Sequence[Obstacle]) -> None:
        self._tree = shapely.STRtree([item.hard for item in obstacles])
        corners = np.concatenate([np.empty((0, 2)), *(item.corners for item in obstacles)])
        before = np.concatenate([np.empty((0, 2)), *(item.before for item in obstacles)])
        after = np.concatenate([np.empty((0, 2)), *(item.after for item in obstacles)])
        free = np.ones(len(corners), dtype=bool)
        free[self._tree.query(shapely.points(corners), predicate="intersects")[0]] = False
        ends = np.stack((start, goal))
        self.points: Array = np.concatenate((ends, corners[free]))
        # an end has no neighbours: zero vectors are tangent to everything
        self._before: Array = np.concatenate((ends, before[free])) - self.points
        self._after: Array = np.concatenate((ends, after[free])) - self.points

    def neighbours(self, node: int, open_: Bools, cost: Array) -> tuple[Ints, Array]:
        """Nodes in sight that `node` brings nearer to the start, and their new costs in metres."""
        step = self.points - self.points[node]
        far = np.hypot(step[:, 0], step[:, 1])
        touching = tangent(step, far, self._before[node], self._after[node])
        touching &= tangent(step, far, self._before, self._after)
        reached = cost[node] + far
        wanted = np.flatnonzero(open_ & touching & (reached < cost))
        lines = shapely.linestrings(
            np.stack((np.broadcast_to(self.points[node], (len(wanted), 2)), self.points[wanted]), 1)
        )
        blocked = self._tree.query(lines, predicate="intersects")[0]
        wanted = np.delete(wanted, np.unique(blocked)).astype(np.intp)
        return wanted, reached[wanted]
