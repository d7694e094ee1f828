"""Obstacles prepared once for many routes: inflated zones, and which of their corners see another.

Owns the bounded cache of prepared worlds. Must not decide what applies, nor search or confirm a
way. Not shared between threads: whoever owns a RouteCache uses it in one.

A world is all zones that apply alike (the same snapshot, vehicle class, heights, times and margin)
in one affine frame. Lines between corners do not depend on the ends of a route, so each that a
search comes to is tested once, against every zone near it, and kept with the zones that block it.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable

import numpy as np
import numpy.typing as npt
import shapely

from geofence.frames import Array, LatLon
from geofence.kernel import Ints
from geofence.obstacles import GRAZE_M, MITRE_LIMIT, Plane
from geofence.visibility import Obstacle, convex_corners, tangent
from geofence.zones import ALWAYS, Zone
from geofence.zoneset import ZoneSet

CELL_DEG = (0.5, 0.25)
"""Longitude and latitude: routes whose middles share a cell share a frame."""

MAX_LINES = 2_000_000
"""Lines that a world keeps before it forgets them all."""

Way = tuple[int, float, float, float]
"""To a corner, metres, and the step there."""

MAX_LEGS = 200_000
"""Legs whose answers are kept before all are forgotten."""

LegKey = tuple[LatLon, LatLon, float]
"""Start, end and half width in metres."""

NOBODY: frozenset[int] = frozenset()
"""The blockers of a line of sight."""


def cell_origin(start: LatLon, goal: LatLon) -> tuple[float, float]:
    """Longitude and latitude in degrees of the frame for routes between two such places."""
    dlon = (goal.lon_deg - start.lon_deg + 180.0) % 360.0 - 180.0
    middle = (start.lon_deg + dlon / 2.0, (start.lat_deg + goal.lat_deg) / 2.0)
    lon, lat = (
        (math.floor(m / size) + 0.5) * size for m, size in zip(middle, CELL_DEG, strict=True)
    )
    return lon, lat


class Answers:
    """What requests that are alike but for their ends and margins have found out.

    `applying` by zone id; `failing`: whether the predicates of the check are against a leg.
    """

    def __init__(self) -> None:
        self.applying: dict[str, bool] = {}
        self.failing: dict[LegKey, bool] = {}

    def bound(self) -> None:
        """Forget the legs where there are too many."""
        if len(self.failing) > MAX_LEGS:
            self.failing.clear()


class RouteCache:
    """Worlds by what they depend on; the longest unused goes where there are more than `size`."""

    def __init__(self, size: int = 16) -> None:
        self._size = size
        self._worlds: OrderedDict[Hashable, PreparedWorld] = OrderedDict()
        self._answers: OrderedDict[Hashable, Answers] = OrderedDict()
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

    def answers(self, key: Hashable) -> Answers:
        """What is known for requests of this key."""
        known = self._answers.setdefault(key, Answers())
        self._answers.move_to_end(key)
        while len(self._answers) > self._size:
            self._answers.popitem(last=False)
        known.bound()
        return known

    def forget_lines(self) -> None:
        """Drop what searches have learnt; the obstacles stay prepared."""
        self._answers.clear()
        for world in self._worlds.values():
            world.forget()


class PreparedWorld:
    """All that applies, inflated by `margin_m`, in the frame about `origin` (lon, lat degrees).

    Obstacles are numbered as zones are in the snapshot; walls of keep-ins follow. Corners are
    numbered as they are met with: `points`, and the ways from them to their neighbours, `before`
    and `after` (n, 2 each).
    """

    points: Array
    before: Array
    after: Array

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
        self._areas: dict[int, shapely.Polygon] = {}
        self._numbers: Ints = np.empty(0, dtype=np.intp)
        self._hard: npt.NDArray[np.object_] = np.empty(0, dtype=object)
        self._tree = shapely.STRtree(self._hard)
        self._span: dict[int, Ints] = {}
        self._owner: Ints = np.empty(0, dtype=np.intp)
        self._sight: dict[tuple[int, int], frozenset[int]] = {}
        self._linked: set[tuple[int, int]] = set()
        self._ways: dict[int, dict[int, list[Way]]] = {}
        self.points = self.before = self.after = np.empty((0, 2))

    def wall(self, key: Hashable, make: Callable[[], Obstacle]) -> int:
        """The number of a keep-in's outside, made once."""
        if key not in self._walls:
            number = len(self._zones) + len(self._walls)
            self._walls[key] = number
            made = make()
            owner = np.zeros(len(made.corners), dtype=np.intp)
            hard = np.array([made.hard], dtype=object)
            self._add([number], hard, (made.corners, made.before, made.after, owner))
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
        self._add(found, hard, convex_corners(soft))

    def _add(
        self,
        numbers: list[int],
        hard: npt.NDArray[np.object_],
        corners: tuple[Array, Array, Array, Ints],
    ) -> None:
        points, before, after, owner = corners
        bounds = len(self.points) + np.searchsorted(owner, np.arange(len(numbers) + 1))
        for number, begin, end in zip(numbers, bounds[:-1], bounds[1:], strict=True):
            self._span[number] = np.arange(begin, end, dtype=np.intp)
        self.points = np.concatenate((self.points, points))
        self.before = np.concatenate((self.before, before - points))
        self.after = np.concatenate((self.after, after - points))
        named = np.array(numbers, dtype=np.intp)[owner]
        self._owner = np.concatenate((self._owner, named)).astype(np.intp)
        self._numbers = np.concatenate((self._numbers, numbers)).astype(np.intp)
        shapely.prepare(hard)
        self._hard = np.concatenate((self._hard, hard))
        self._tree = shapely.STRtree(self._hard)

    def met(self, points: Array) -> set[int]:
        """Obstacles that the line through points (n, 2) meets, or points themselves."""
        shape = shapely.linestrings(points) if len(points) > 1 else shapely.points(points[0])
        return {int(i) for i in self._numbers[self._tree.query(shape, predicate="intersects")]}

    def crossed(self, points: Array, within_m: float) -> bool:
        """Whether a line through points (n, 2) comes so near to a zone itself, not its margin."""
        line = shapely.linestrings(points)
        for number in self.met(points):
            if number < len(self._zones):
                area = self._areas.get(number)
                if area is None:
                    area = self._areas[number] = self._plane.area(self._zones.zones[number])
                if shapely.dwithin(line, area, within_m):
                    return True
        return False

    def covers(self, points: Array) -> dict[int, set[int]]:
        """Obstacles that hold points (n, 2), by row; rows that none holds are left out."""
        found: dict[int, set[int]] = {}
        which, hit = self._tree.query(shapely.points(points), predicate="intersects")
        for row, number in zip(which.tolist(), self._numbers[hit].tolist(), strict=True):
            found.setdefault(row, set()).add(number)
        return found

    def corners_of(self, numbers: Iterable[int]) -> Ints:
        """Corners of some obstacles, by number."""
        index = [self._span[number] for number in numbers]
        return np.concatenate(index) if index else np.empty(0, dtype=np.intp)

    def ways(self, corner: int) -> dict[int, list[Way]]:
        """Tangents from a corner by the obstacle that they lead to, where `link` was asked."""
        return self._ways.get(corner, {})

    def link(self, new: set[int], among: set[int]) -> None:
        """Find the lines that touch corners only between new obstacles and all of `among`.

        Once for each pair: they depend on nothing else. `among` holds `new`.
        """
        missing = {a for a in among for b in new if (a, b) not in self._linked}
        if not missing:
            return
        one, other = self.corners_of(sorted(missing)), self.corners_of(sorted(new))
        row = one[:, None]
        step = self.points[other] - self.points[row]
        metres = np.hypot(step[..., 0], step[..., 1])
        open_ = tangent(step, metres, self.before[row], self.after[row]) & (metres > 0.0)
        open_ &= tangent(step, metres, self.before[other], self.after[other])
        which, whither = np.nonzero(open_)
        lines = zip(
            one[which].tolist(), other[whither].tolist(),
            self._owner[one[which]].tolist(), self._owner[other[whither]].tolist(),
            metres[which, whither].tolist(), step[which, whither].tolist(), strict=True,
        )  # fmt: skip
        for a, b, of_a, of_b, far, (x, y) in lines:
            if (of_a, of_b) not in self._linked:
                self._ways.setdefault(a, {}).setdefault(of_b, []).append((b, far, x, y))
                if of_a not in new:
                    self._ways.setdefault(b, {}).setdefault(of_a, []).append((a, far, -x, -y))
        for a in missing:
            for b in new:
                self._linked |= {(a, b), (b, a)}

    def between(
        self, pairs: list[tuple[int, int]], xy: Array, rows: list[tuple[int, int]]
    ) -> list[frozenset[int]]:
        """Obstacles that block lines, each between a pair of corners; -1 is no corner.

        `rows` of `xy` (n, 2) are where the lines begin and end. What is known of a pair is kept.
        """
        known = self._sight
        found = [known.get(pair) for pair in pairs]
        rest = [i for i, blockers in enumerate(found) if blockers is None]
        if rest:
            lines = shapely.linestrings(xy[[rows[i] for i in rest]])
            # the obstacles are prepared, which the tree's own test would make no use of
            which, hit = self._tree.query(lines)
            blocks = shapely.intersects(self._hard.take(hit), lines.take(which))
            which, hit = which.compress(blocks), hit.compress(blocks)
            # lines come in order, each with what is on it
            bounds = np.searchsorted(which, np.arange(len(rest) + 1)).tolist()
            numbers = self._numbers[hit].tolist()
            for row, i in enumerate(rest):
                begin, end = bounds[row], bounds[row + 1]
                blockers = frozenset(numbers[begin:end]) if begin < end else NOBODY
                found[i] = blockers
                one, other = pairs[i]
                if one >= 0 and other >= 0:
                    known[one, other] = known[other, one] = blockers
        return [NOBODY if blockers is None else blockers for blockers in found]

    def forget(self, beyond: int = 0) -> None:
        """Drop the lines where there are more than `beyond`."""
        if len(self._sight) > beyond:
            self._sight.clear()
            self._linked.clear()
            self._ways.clear()
