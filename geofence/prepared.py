"""Obstacles prepared once for many routes: inflated zones, and what each of their corners sees.

Owns the bounded cache of prepared worlds and the search in one. Must not decide what applies, nor
confirm a way. Not shared between threads: whoever owns a RouteCache uses it in one.

A world is all zones that apply alike (the same snapshot, vehicle class, heights, times and margin)
in one affine frame. Lines between corners do not depend on the ends of a route, so each is tested
once, against every zone near it, and kept with the zones that block it. A search among some of the
obstacles asks only whether one of those is among the blockers: the obstacle generation of `route`,
without geometry.
"""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

import numpy as np
import shapely

from geofence.frames import Array, LatLon
from geofence.kernel import Ints
from geofence.obstacles import GRAZE_M, MITRE_LIMIT, Plane
from geofence.visibility import Obstacle, obstacle, tangent
from geofence.zones import ALWAYS, Zone
from geofence.zoneset import ZoneSet

CELL_DEG = (0.5, 0.25)
"""Longitude and latitude: routes whose middles share a cell share a frame."""

MAX_LINES = 2_000_000
"""Lines that a world keeps before it forgets them all."""

Link = tuple[int, float, frozenset[int]]
"""A corner, the metres to it, and the obstacles between."""

_START, _GOAL = -1, -2


def cell_origin(start: LatLon, goal: LatLon) -> tuple[float, float]:
    """Longitude and latitude in degrees of the frame for routes between two such places."""
    dlon = (goal.lon_deg - start.lon_deg + 180.0) % 360.0 - 180.0
    middle = (start.lon_deg + dlon / 2.0, (start.lat_deg + goal.lat_deg) / 2.0)
    lon, lat = (
        (math.floor(m / size) + 0.5) * size for m, size in zip(middle, CELL_DEG, strict=True)
    )
    return lon, lat


class RouteCache:
    """Worlds by what they depend on; the longest unused goes where there are more than `size`."""

    def __init__(self, size: int = 16) -> None:
        self._size = size
        self._worlds: OrderedDict[Hashable, PreparedWorld] = OrderedDict()
        self._timed: tuple[ZoneSet, bool] | None = None

    def __len__(self) -> int:
        return len(self._worlds)

    def timed(self, zones: ZoneSet) -> bool:
        """Whether any of the zones comes and goes, so that times count."""
        if self._timed is None or self._timed[0] is not zones:
            self._timed = (zones, any(zone.schedule != ALWAYS for zone in zones.zones))
        return self._timed[1]

    def world(self, key: Hashable, make: Callable[[], PreparedWorld]) -> PreparedWorld:
        """The world of this key, made where it is not known."""
        known = self._worlds.get(key)
        if known is None:
            known = self._worlds[key] = make()
        self._worlds.move_to_end(key)
        while len(self._worlds) > self._size:
            self._worlds.popitem(last=False)
        return known


class PreparedWorld:
    """All that applies, inflated by `margin_m`, in the frame about `origin` (lon, lat degrees).

    Obstacles are numbered as zones are in the snapshot; walls of keep-ins follow.
    """

    def __init__(
        self,
        origin: tuple[float, float],
        zones: ZoneSet,
        margin_m: float,
        applies: Callable[[Zone], bool],
    ) -> None:
        self.origin = origin
        self.margin_m = margin_m
        self._zones = zones
        self._applies = applies
        here = LatLon(origin[1], (origin[0] + 180.0) % 360.0 - 180.0)
        self._plane = Plane(here, here, zones, origin)
        self._known = np.zeros(len(zones), dtype=bool)
        self._walls: dict[Hashable, int] = {}
        self._parts: list[Obstacle] = []
        self._numbers: Ints = np.empty(0, dtype=np.intp)
        self._span: dict[int, Ints] = {}
        self._links: dict[int, dict[int, list[Link]]] = {}
        self._lines = 0
        self._index()

    def wall(self, key: Hashable, make: Callable[[], Obstacle]) -> int:
        """The number of a keep-in's outside, made once."""
        if key not in self._walls:
            number = len(self._zones) + len(self._walls)
            self._walls[key] = number
            self._add([number], [make()])
        return self._walls[key]

    def ensure(self, points: Array) -> None:
        """Prepare every zone that applies within the bounds of points (n, 2), metres."""
        low, high = points.min(axis=0) - self.margin_m - 1.0, points.max(axis=0) + self.margin_m + 1
        _, zone, _ = self._zones.near(self._plane.degrees(np.concatenate((low, high)))[None])
        new = [int(i) for i in np.unique(zone[~self._known[zone]])]
        if not new:
            return
        self._known[new] = True
        found = [i for i in new if self._applies(self._zones.zones[i])]
        if not found:
            return
        areas = np.array([self._plane.area(self._zones.zones[i]) for i in found])
        hard, soft = (
            shapely.buffer(areas, m, join_style="mitre", mitre_limit=MITRE_LIMIT)
            for m in (self.margin_m - GRAZE_M, self.margin_m)
        )
        self._add(found, [obstacle(h, s) for h, s in zip(hard, soft, strict=True)])

    def _add(self, numbers: list[int], parts: list[Obstacle]) -> None:
        self._numbers = np.concatenate((self._numbers, numbers)).astype(np.intp)
        count = len(self._points) if self._parts else 0
        for number, part in zip(numbers, parts, strict=True):
            self._span[number] = np.arange(count, count + len(part.corners), dtype=np.intp)
            count += len(part.corners)
        self._parts.extend(parts)
        self._index()

    def _index(self) -> None:
        nothing = np.empty((0, 2))
        self._tree = shapely.STRtree([part.hard for part in self._parts])
        self._points: Array = np.concatenate([nothing, *(p.corners for p in self._parts)])
        before = np.concatenate([nothing, *(p.before for p in self._parts)])
        after = np.concatenate([nothing, *(p.after for p in self._parts)])
        self._before: Array = before - self._points
        self._after: Array = after - self._points
        sizes = [len(part.corners) for part in self._parts]
        self._owner: Ints = np.repeat(self._numbers, sizes).astype(np.intp)

    def met(self, points: Array) -> set[int]:
        """Obstacles that the line through points (n, 2) meets, or points themselves."""
        shape = shapely.linestrings(points) if len(points) > 1 else shapely.points(points[0])
        return {int(i) for i in self._numbers[self._tree.query(shape, predicate="intersects")]}

    def links(self, corner: int, wanted: Iterable[int]) -> dict[int, list[Link]]:
        """What one corner sees of the corners of obstacles, by obstacle; kept."""
        known = self._links.setdefault(corner, {})
        missing = [number for number in wanted if number not in known]
        if missing:
            near = (self._before[corner], self._after[corner])
            own = int(self._owner[corner])
            self._look(known, self._points[corner], near, missing, own)
        return known

    def forget(self) -> None:
        """Drop the lines where there are too many."""
        if self._lines > MAX_LINES:
            self._links.clear()
            self._lines = 0

    def look_from(self, known: dict[int, list[Link]], point: Array, wanted: Iterable[int]) -> None:
        """The same for an end, which is no corner, into `known`."""
        missing = [number for number in wanted if number not in known]
        if missing:
            # an end has no neighbours: zero vectors are tangent to everything
            self._look(known, point, (np.zeros(2), np.zeros(2)), missing, -1)

    def _look(
        self,
        known: dict[int, list[Link]],
        point: Array,
        near: tuple[Array, Array],
        missing: list[int],
        own: int,
    ) -> None:
        for number in missing:
            known[number] = []
        index = np.concatenate([self._span[number] for number in missing])
        step = self._points[index] - point
        far = np.hypot(step[:, 0], step[:, 1])
        open_ = tangent(step, far, *near) & tangent(
            step, far, self._before[index], self._after[index]
        )
        open_ &= far > 0.0
        index, far = index[open_], far[open_]
        ends = np.empty((len(index), 2, 2))
        ends[:, 0], ends[:, 1] = point, self._points[index]
        line, hit = self._tree.query(shapely.linestrings(ends), predicate="intersects")
        blockers: dict[int, set[int]] = {}
        for which, number in zip(line.tolist(), self._numbers[hit].tolist(), strict=True):
            blockers.setdefault(which, set()).add(number)
        owner = self._owner[index].tolist()
        for which, (corner, metres) in enumerate(zip(index.tolist(), far.tolist(), strict=True)):
            between = blockers.get(which)
            if between is None:
                known[owner[which]].append((corner, metres, _NOBODY))
            elif owner[which] not in between and own not in between:
                known[owner[which]].append((corner, metres, frozenset(between)))
        self._lines += len(index)

    def corners_of(self, numbers: Iterable[int]) -> Array:
        """Corners (n, 2) of some obstacles, metres."""
        index = [self._span[number] for number in numbers]
        return self._points[np.concatenate(index)] if index else np.empty((0, 2))

    def xy(self, corner: int) -> tuple[float, float]:
        """A corner in metres."""
        x, y = self._points[corner]
        return float(x), float(y)


_NOBODY: frozenset[int] = frozenset()


@dataclass(slots=True)
class _Search:
    """One route's state over its rounds."""

    world: PreparedWorld
    start: Array
    goal: Array
    among: set[int]
    from_start: dict[int, list[Link]]
    from_goal: dict[int, list[Link]]

    def run(self) -> tuple[list[int], set[int]] | None:
        """Corners of the shortest way amid `among`, and all that it meets; None: there is none."""
        world, among = self.world, self.among
        world.look_from(self.from_start, self.start, among)
        world.look_from(self.from_goal, self.goal, among)
        last = {
            corner: (metres, between)
            for number in among
            for corner, metres, between in self.from_goal[number]
            if among.isdisjoint(between)
        }
        gx, gy = map(float, self.goal)
        cost: dict[int, float] = {_START: 0.0}
        came: dict[int, tuple[int, frozenset[int]]] = {}
        closed: set[int] = set()
        queue: list[tuple[float, int]] = [(0.0, _START)]
        while queue:
            _, node = heapq.heappop(queue)
            if node in closed:
                continue
            if node == _GOAL:
                return _trace(came)
            closed.add(node)
            here = cost[node]
            links = self.from_start if node == _START else world.links(node, among)
            for number in among:
                for corner, metres, between in links[number]:
                    reached = here + metres
                    if corner in closed or reached >= cost.get(corner, math.inf):
                        continue
                    if between and not among.isdisjoint(between):
                        continue
                    cost[corner] = reached
                    came[corner] = (node, between)
                    x, y = world.xy(corner)
                    heapq.heappush(queue, (reached + math.hypot(x - gx, y - gy), corner))
            end = last.get(node)
            if end is not None and here + end[0] < cost.get(_GOAL, math.inf):
                cost[_GOAL] = here + end[0]
                came[_GOAL] = (node, end[1])
                heapq.heappush(queue, (cost[_GOAL], _GOAL))
        return None


def _trace(came: dict[int, tuple[int, frozenset[int]]]) -> tuple[list[int], set[int]]:
    corners: list[int] = []
    met: set[int] = set()
    node = _GOAL
    while node != _START:
        node, between = came[node]
        met |= between
        corners.append(node)
    return corners[-2::-1], met


def search(world: PreparedWorld, start: Array, goal: Array, walls: set[int]) -> Array | None:
    """Points (n, 2) of the shortest way from start to goal (2), metres; None: closed in.

    Neither end may be inside an obstacle.
    """
    ends = np.stack((start, goal))
    world.forget()
    world.ensure(ends)
    straight = world.met(ends)
    if not straight:
        return ends
    among = straight | walls
    state = _Search(world, start, goal, among, {}, {})
    while True:
        world.ensure(np.concatenate((ends, world.corners_of(among))))
        found = state.run()
        if found is None:
            return None
        corners, met = found
        if not met:
            inner = [world.xy(corner) for corner in corners]
            return np.concatenate((start[None], np.reshape(inner, (-1, 2)), goal[None]))
        among |= met
