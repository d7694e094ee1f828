"""The shortest way in a prepared world, found with as few lines tested for sight as can be.

Owns the search. Must not know zones or degrees, nor confirm a way.

One A* over tangents between corners, lazy in two ways. Lines are tested for sight only when no
shorter way is left, a few at a time (partial expansion). Obstacles join the search, with all their
corners, only when a line that the search wants is blocked by none but such as have not joined.

Exact: the length to a corner that the search has closed is feasible amid all obstacles, because
its lines were tested against all, and the least amid those that have joined, so the least amid
all. Obstacles that join later leave it so; their corners are reached from all that are closed.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np

from geofence.frames import Array
from geofence.kernel import Ints
from geofence.prepared import MAX_LINES, PreparedWorld, Way
from geofence.visibility import tangent

_BATCH = 8
"""Lines tested at once at first, then as many as before: a call for each would cost more."""

_START, _GOAL = 0, 1


def search(world: PreparedWorld, start: Array, goal: Array, walls: set[int]) -> Array | None:
    """Points (n, 2) of the shortest way from start to goal (2), metres; None: closed in.

    Neither end may be inside an obstacle.
    """
    ends = np.stack((start, goal))
    world.forget(MAX_LINES)
    world.ensure(ends)
    straight = world.met(ends)
    if not straight:
        return ends
    return _Search(world, ends, straight | walls).run()


@dataclass(slots=True)
class _Tangents:
    """Lines that have not been tested, least way first."""

    lines: list[_Line]
    next: int = 0


_Line = tuple[float, float, int, int]
"""Least metres of a way over it, metres from the start to its end, from row, to row."""

_Blocked = tuple[_Line, frozenset[int]]
"""A line, and what is on it; nothing: it is in sight."""


class _Search:
    """Rows: start, goal, then corners of obstacles that have joined."""

    def __init__(self, world: PreparedWorld, ends: Array, among: set[int]) -> None:
        self._world = world
        self._among: set[int] = set()
        self._low, self._high = ends.min(axis=0), ends.max(axis=0)
        self._ends = ends
        self._corner: list[int] = [-1, -1]
        self._row: dict[int, int] = {}
        self._xy: Array = ends
        self._left_m: list[float] = np.hypot(*(ends - ends[1]).T).tolist()
        self._cost: list[float] = [0.0, math.inf]
        self._closed: list[bool] = [False, False]
        self._came: list[int] = [-1, -1]
        self._order: list[int] = []
        self._from_start: list[Way] = []
        self._to_goal: dict[int, Way] = {}
        self._queue: list[tuple[float, int, _Blocked | _Tangents]] = []
        self._pushed = 0
        self._covered: dict[int, set[int]] = {}
        self._join(among)
        # the straight line is blocked, or there would be nothing to search
        self._close(_START, _START)

    def run(self) -> Array | None:
        """Points of the way, or None: there is none."""
        while self._queue:
            _, _, item = heapq.heappop(self._queue)
            if isinstance(item, _Tangents):
                self._test(item)
                continue
            (_, reached_m, came, to), between = item
            if self._closed[to] or reached_m > self._cost[to]:
                continue
            if between:
                self._meet(between)
            elif to == _GOAL:
                self._came[to] = came
                return self._trace()
            else:
                self._close(to, came)
        return None

    def _push(self, over_m: float, item: _Blocked | _Tangents) -> None:
        self._pushed += 1
        heapq.heappush(self._queue, (over_m, self._pushed, item))

    def _close(self, row: int, came: int) -> None:
        self._closed[row], self._came[row] = True, came
        self._order.append(row)
        ways = self._from_start if row == _START else self._ways(row, self._among)
        if row in self._to_goal:
            ways = [*ways, self._to_goal[row]]
        self._offer(self._onward(row, ways))

    def _ways(self, row: int, numbers: set[int]) -> list[Way]:
        """Tangents from a row to the open corners of some obstacles."""
        rows, known = self._row, self._world.ways(self._corner[row])
        return [
            (rows[corner], far, x, y)
            for number in numbers
            for corner, far, x, y in known.get(number, ())
            if corner in rows
        ]

    def _meet(self, between: frozenset[int]) -> None:
        """Let what blocks a line join; where some of it has joined, its corners are tried."""
        if not self._among.isdisjoint(between):
            return
        before = len(self._from_start)
        self._join(set(between))
        lines = self._onward(_START, self._from_start[before:])
        for row in self._order[1:]:
            lines += self._onward(row, self._ways(row, set(between)))
        self._offer(lines)

    def _join(self, numbers: set[int]) -> None:
        world = self._world
        self._among |= numbers
        corner = world.corners_of(sorted(numbers))
        first = len(self._xy)
        xy = world.points[corner]
        self._low = np.minimum(self._low, xy.min(axis=0, initial=np.inf))
        self._high = np.maximum(self._high, xy.max(axis=0, initial=-np.inf))
        # whatever may lie on a line between any two rows
        world.ensure(np.stack((self._low, self._high)))
        world.link(numbers, self._among)
        corner, xy = self._open(corner, xy)
        self._row.update(zip(corner.tolist(), range(first, first + len(corner)), strict=True))
        self._corner.extend(corner.tolist())
        self._xy = np.concatenate((self._xy, xy))
        self._left_m.extend(np.hypot(*(xy - self._ends[_GOAL]).T).tolist())
        self._cost.extend([math.inf] * len(corner))
        self._closed.extend([False] * len(corner))
        self._came.extend([-1] * len(corner))
        self._link_ends(first, corner, xy)

    def _link_ends(self, first: int, corner: Ints, xy: Array) -> None:
        """Find the lines between the ends and new rows that touch the corners only."""
        world = self._world
        step = xy - self._ends[:, None]
        metres = np.hypot(step[..., 0], step[..., 1])
        open_ = tangent(step, metres, world.before[corner], world.after[corner]) & (metres > 0.0)
        for end in (_START, _GOAL):
            which = np.flatnonzero(open_[end])
            lines = zip(
                (which + first).tolist(), metres[end, which].tolist(), step[end, which].tolist(),
                strict=True,
            )  # fmt: skip
            for row, far, (x, y) in lines:
                if end == _START:
                    self._from_start.append((row, far, x, y))
                else:
                    self._to_goal[row] = (_GOAL, far, -x, -y)

    def _open(self, corner: Ints, xy: Array) -> tuple[Ints, Array]:
        """Those of new corners that lie in no obstacle that has joined; rows that do are shut."""
        for row, covers in list(self._covered.items()):
            if not self._among.isdisjoint(covers):
                self._closed[row] = True
                del self._covered[row]
        covered = self._world.covers(xy)
        shut = [i for i, covers in covered.items() if not self._among.isdisjoint(covers)]
        left = np.delete(np.arange(len(corner)), shut)
        first = len(self._xy)
        for row, i in enumerate(left.tolist(), start=first):
            if i in covered:
                self._covered[row] = covered[i]
        return corner[left], xy[left]

    def _onward(self, row: int, ways: list[Way]) -> list[_Line]:
        """The ways from a closed row that turn to the side where its corner's obstacle is.

        Any other can be cut short, and then so can every shortest way on over this corner: where
        there are two to the corner, both have to turn so.
        """
        here, closed, cost, left_m = self._cost[row], self._closed, self._cost, self._left_m
        cx = cy = bx = by = ax = ay = 0.0
        if row != _START:
            corner = self._corner[row]
            cx, cy = (self._xy[row] - self._xy[self._came[row]]).tolist()
            (bx, by), (ax, ay) = (
                side[corner].tolist() for side in (self._world.before, self._world.after)
            )
        side = math.copysign(1.0, cx * (by + ay) - cy * (bx + ax))
        slack = 1e-9 * (math.hypot(cx, cy) + 1.0)
        return [
            (here + far + left_m[to], here + far, row, to)
            for to, far, x, y in ways
            if not closed[to]
            and here + far < cost[to]
            and side * (cx * y - cy * x) >= -slack * (far + 1.0)
        ]

    def _offer(self, lines: list[_Line]) -> None:
        if lines:
            lines.sort()
            self._push(lines[0][0], _Tangents(lines))

    def _test(self, item: _Tangents) -> None:
        """Test the next lines for sight."""
        begin, end = item.next, min(2 * item.next + _BATCH, len(item.lines))
        item.next = end
        if end < len(item.lines):
            self._push(item.lines[end][0], item)
        closed, cost = self._closed, self._cost
        lines = [
            line
            for line in item.lines[begin:end]
            if not closed[line[3]] and line[1] < cost[line[3]]
        ]
        if not lines:
            return
        rows = [(near, far) for _, _, near, far in lines]
        pairs = [(self._corner[near], self._corner[far]) for near, far in rows]
        found = self._world.between(pairs, self._xy, rows)
        for line, between in zip(lines, found, strict=True):
            if not between:
                if line[1] < cost[line[3]]:
                    cost[line[3]] = line[1]
                    self._push(line[0], (line, between))
            elif self._among.isdisjoint(between):
                self._push(line[0], (line, between))

    def _trace(self) -> Array:
        rows = [_GOAL]
        while rows[-1] != _START:
            rows.append(self._came[rows[-1]])
        return self._xy[rows[::-1]]
