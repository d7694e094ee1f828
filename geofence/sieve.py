"""What surely touches which zone and what surely does not: the check's first and widest look.

Owns the proofs that need no piece of a leg. Must not decide what is in doubt: that is left to
`contact`, whose word a proof here only ever foretells.

One frame serves the whole path: degrees from a leg's start times the least metres per degree that
any piece's own frame has (`least`), so lengths here are never longer than there; times `ratio`
they are never shorter. A leg is taken along its chord in longitude and latitude; the line flown
(track.py) strays from it by at most

    dlat dlon tan(lat) cos(mean lat) / (8 cos(lat))

and by what the origin of the autopilot's frame moves it, both here with the greatest factors of
the path and 1 % on top of the first. Far: farther than the reach of any piece
and the stray, both bounded. Near: no farther than the corridor less the stray. Floats: numbers are
1e6 m at most, so what is computed of them is within 1e-8 m; SLACK_M is a million times that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
import shapely

from geofence.frames import Array, metres_per_degree_at
from geofence.heights import Surroundings
from geofence.kernel import Bools, Ints
from geofence.path import ROW, Disc, PathLeg
from geofence.track import ARDUPILOT_RADIUS_M, FARTHEST_ORIGIN_M, SECOND_ORDER, TOLERANCE_M
from geofence.zoneset import ZoneSet

SLACK_M = 0.01
"""Added to what counts as far, taken off what counts as near."""

MAX_SPAN_DEG = (60.0, 20.0)
"""Longitude and latitude that a path may span to be looked at in one frame."""

STILL_M = 1e-5
"""A leg shorter than this is taken as its start; SLACK_M holds the rest."""

LEVEL_M = 1e-6
"""A slope that rises less is level, see contact.clip_heights."""

LEAST_DEGREE_M = 110_000.0
"""Under the least length of a degree of latitude."""

MAX_STEEP_DEG = 88.0
"""Circles that reach beyond are left to `contact`."""

_FEW_ZONES = 4_000
"""Up to as many are looked through one by one; the tree is asked about more."""

_FEW_PAIRS = 30_000
"""Up to as many pairs of leg and zone are looked through; the tree is asked about more."""

_MANY_CORNERS = 65_536
"""How many corners are looked at at once."""

_row = attrgetter("row")


@dataclass(slots=True, eq=False)
class Sieved:
    """Pairs of owner (legs, then discs) and zone that touch, and those that must be asked about.

    Every other pair is clear, or the zone does not hold at that height or at those hours. Whether
    a zone binds the vehicle is not asked.
    """

    touched: list[tuple[int, int]]
    asked: list[tuple[int, int]]

    def part(self, begin: int, end: int) -> Sieved:
        """Of the owners from `begin` to before `end`, numbered from there."""
        return Sieved(
            [(owner - begin, zone) for owner, zone in self.touched if begin <= owner < end],
            [(owner - begin, zone) for owner, zone in self.asked if begin <= owner < end],
        )


@dataclass(slots=True, eq=False)
class _Frame:
    """The bounds of the path, and of its frame, see the module."""

    box: Array
    """(6, 1): east, north, high, -west, -south, -low with the reach; ZoneSet.table is below it."""
    pad: Array
    """(6, 1): the farthest reach of all in degrees of longitude and latitude, and no height."""
    west: float
    south: float
    east: float
    north: float
    begin_s: float
    end_s: float
    steep: float
    """Greatest latitude from the equator, and least."""
    flat: float
    least: tuple[float, float]
    scale: Array
    """(2, 1): the same; `twice` (4, 1): twice."""
    twice: Array
    most: tuple[float, float]
    ratio: float
    bow: Array
    """(2): stray in metres for each degree of latitude of a leg and degree of its longitude, and
    for each of its latitude once more."""
    stretch: float


def sieve(
    owners: Sequence[PathLeg | Disc], zones: ZoneSet, surroundings: Surroundings
) -> Sieved | None:
    """Sort out what is sure; None where one frame does not do (antimeridian, half a country)."""
    found = Sieved([], [])
    if not owners or not len(zones):
        return found
    table = np.frombuffer(b"".join(map(_row, owners))).reshape(-1, ROW.COUNT)
    frame = _frame(table)
    if frame is None or zones.turns(frame.west, frame.east):
        return None
    outer = zones.table(surroundings)
    near = _near_path(zones, outer, frame)
    if len(near):
        legs = _legs(table, frame)
        row, zone = _boxes_meet(legs, zones, outer, near)
        if len(row):
            _sort_out(legs, zones, outer, (row, zone), frame, found)
    return found


def _frame(table: Array) -> _Frame | None:
    east, north, high, west, south, low, corridor, begin_s, end_s = np.maximum.reduce(
        table[:, : ROW.LON]
    ).tolist()
    west, south = -west, -south
    if east - west > MAX_SPAN_DEG[0] or north - south > MAX_SPAN_DEG[1]:
        return None
    steep, flat = max(-south, north), max(south, -north, 0.0)
    east_least, north_most = metres_per_degree_at(steep)
    east_most, north_least = metres_per_degree_at(flat)
    bow = 1.01 * east_most / east_least * east_most / 8.0
    bow *= math.radians(1.0) * math.tan(math.radians(steep))
    # see track.py; a degree of longitude is no longer than one at the least latitude
    once = FARTHEST_ORIGIN_M * math.radians(1.0) ** 2 / 16.0
    cos = math.cos(math.radians(steep) + FARTHEST_ORIGIN_M / 2.0 / ARDUPILOT_RADIUS_M)
    bow += once / cos**2
    half = math.radians(north - south) / 2.0
    beyond = math.tan(min(math.radians(steep) + half, math.radians(89.0)))
    stretch = 1.05 * beyond * (half + corridor / ARDUPILOT_RADIUS_M) + SECOND_ORDER
    far = corridor * (1.0 + stretch)
    far += 2.1 * (bow * (east - west) + once / 2.0 * (north - south)) * (north - south)
    far += SLACK_M + TOLERANCE_M
    wide, tall = far / east_least, far / north_least
    west, south, east, north = west - wide, south - tall, east + wide, north + tall
    least = (east_least, north_least)
    bounds = [east, north, high, -west, -south, low]
    pad = [wide, tall, 0.0, wide, tall, 0.0]
    numbers = np.array([*bounds, *pad, *least, *least]).reshape(16, 1)
    return _Frame(
        box=numbers[:6],
        pad=numbers[6:12],
        west=west,
        south=south,
        east=east,
        north=north,
        begin_s=-begin_s,
        end_s=end_s,
        steep=steep,
        flat=flat,
        least=least,
        scale=numbers[12:14],
        twice=numbers[12:],
        most=(east_most, north_most),
        ratio=max(east_most / east_least, north_most / north_least),
        bow=np.array((bow, once / 2.0)),
        stretch=stretch,
    )


def _near_path(zones: ZoneSet, outer: Array, frame: _Frame) -> Ints:
    """Zones that the box about the whole path meets, in height too, and that are not asleep."""
    near: Ints
    if len(zones) <= _FEW_ZONES:
        (near,) = np.logical_and.reduce(outer <= frame.box).nonzero()
    else:
        near = np.sort(zones.tree.query(shapely.box(*_corners_of(frame.box[:, 0]))))
        near = near[np.logical_and.reduce(outer.take(near, axis=1) <= frame.box)]
    timed = zones.timed.take(near)
    if not np.count_nonzero(timed):
        return near
    asleep, begin_s, end_s = zones.hours.asleep, frame.begin_s, frame.end_s
    keep = ~timed
    keep[timed] = [not asleep(number, begin_s, end_s) for number in near[timed].tolist()]
    return near[keep]


def _corners_of(box: Array) -> tuple[Array, Array, Array, Array]:
    return -box[3], -box[4], box[0], box[1]


def _legs(table: Array, frame: _Frame) -> Array:
    """Legs and discs (14, n): see the names below. Degrees, and metres of the path's frame."""
    column = table.T
    legs = np.empty((14, len(table)))
    far, stray, length, step = legs[FAR], legs[STRAY], legs[LENGTH], legs[DX : DY + 1]
    np.add(column[:6], frame.pad, out=legs[:6])
    legs[HALF : LAT + 1] = column[_HALF_LON_LAT]
    run = column[ROW.DLON : ROW.DLAT + 1]
    # the step is not set yet: until then its place holds that of the leg without signs
    np.abs(run, out=step)
    np.dot(frame.bow, step, out=stray)
    stray *= step[1]
    np.multiply(legs[HALF], 1.0 + frame.stretch, out=far)
    far += 2.1 * stray
    far += SLACK_M + TOLERANCE_M
    np.multiply(run, frame.scale, out=step)
    np.hypot(step[0], step[1], out=length)
    still = length < STILL_M
    if np.count_nonzero(still):
        legs[DX, still], legs[DY, still], length[still] = STILL_M, 0.0, STILL_M
    return legs


_HALF_LON_LAT = np.array((ROW.HALF, ROW.LON, ROW.LAT))
HIGH, MINUS_LOW = 2, 5
HALF, LON, LAT, DX, DY, LENGTH, STRAY, FAR = range(6, 14)
"""What the rows of `_legs` are, behind the box with the reach: as the first six of a row of a path.
The corridor's half width, the start, the chord and its length, the stray, what is far."""


def _boxes_meet(legs: Array, zones: ZoneSet, outer: Array, near: Ints) -> tuple[Ints, Ints]:
    """Pairs of leg and zone whose boxes meet, in order."""
    box = legs[:6]
    if legs.shape[1] * len(near) <= _FEW_PAIRS:
        meets = outer.take(near, axis=1)[:, None] <= box[:, :, None]
        row, found = np.logical_and.reduce(meets).nonzero()
        return row, near.take(found)
    row, zone = zones.tree.query(shapely.box(*_corners_of(box)))
    meets = np.logical_and.reduce(outer.take(zone, axis=1) <= box.take(row, axis=1))
    meets &= np.isin(zone, near)
    order = np.lexsort((zone[meets], row[meets]))
    return row[meets][order], zone[meets][order]


def _sort_out(  # noqa: PLR0917 - rows of one table, column by column
    legs: Array,
    zones: ZoneSet,
    outer: Array,
    pairs: tuple[Ints, Ints],
    frame: _Frame,
    found: Sieved,
) -> None:
    row, zone = pairs
    kept = _not_parted(legs.take(row, axis=1), zones.middle.take(zone, axis=1), frame)
    if not len(kept):
        return
    row, zone = row.take(kept), zone.take(kept)
    for some, look in _alike(zones, zone):
        i, j = (row, zone) if some is None else (row.take(some), zone.take(some))
        leg = legs.take(i, axis=1)
        meets, clear = look(leg, zones, j, frame)
        # a leg that is partly at the zone's height, or a zone that keeps hours, is asked about
        at_height = outer[2].take(j) <= -leg[MINUS_LOW]
        at_height &= outer[5].take(j) <= -leg[HIGH]
        if np.count_nonzero(at_height) < len(at_height):
            # what stands still is at each of its heights in the same place
            tall = leg[HIGH] + leg[MINUS_LOW] >= LEVEL_M
            at_height |= tall & (leg[LENGTH] <= STILL_M)
        meets &= at_height
        timed = zones.timed.take(j)
        if np.count_nonzero(timed):
            meets &= ~timed
        found.touched += zip(i[meets].tolist(), j[meets].tolist(), strict=True)
        left = ~(meets | clear)
        if np.count_nonzero(left):
            found.asked += zip(i[left].tolist(), j[left].tolist(), strict=True)


def _not_parted(leg: Array, middle: Array, frame: _Frame) -> Ints:
    """Pairs (n) whose zone's box does not lie far on one side of the leg's chord."""
    x, y, half_x, half_y = middle
    x -= leg[LON]
    y -= leg[LAT]
    middle *= frame.twice
    dx, dy = leg[DX], leg[DY]
    across = dx * y
    across -= dy * x
    np.abs(across, out=across)
    across -= np.abs(dx) * half_y
    across -= np.abs(dy) * half_x
    return np.asarray((across <= leg[FAR] * leg[LENGTH]).nonzero()[0], dtype=np.intp)


_Look = Callable[[Array, ZoneSet, Ints, _Frame], tuple[Bools, Bools]]


def _alike(zones: ZoneSet, zone: Ints) -> Iterator[tuple[Ints | None, _Look]]:
    """Pairs in parts whose corners fill a table well, and circles; None: all of them."""
    counts = zones.edge_count.take(zone)
    most, least = np.maximum.reduce(counts), np.minimum.reduce(counts)
    if least and most <= 2 * least + 16 and most * len(zone) <= _MANY_CORNERS:
        yield None, _corners
        return
    if not least:
        yield (counts == 0).nonzero()[0], _centers
    order = np.argsort(counts, kind="stable")[int((counts == 0).sum()) :]
    while len(order):
        # the longest of a part sets the width of its table
        total = (np.arange(len(order)) + 1) * counts.take(order)
        wide = counts.take(order) > 2 * counts[order[0]] + 16
        size = int(np.argmax(np.append(wide | (total > _MANY_CORNERS), True)))
        yield np.sort(order[: max(size, 1)]), _corners
        order = order[max(size, 1) :]


def _corners(leg: Array, zones: ZoneSet, zone: Ints, frame: _Frame) -> tuple[Bools, Bools]:
    """Which chords (n) are near their polygons, and which are surely far from them.

    Corners are turned to lie along and aside of the chord. Far: all of them on one side, behind
    the start or beyond the end. Meeting: an edge crosses the chord, or an odd number of them the
    line behind its start, which is then inside; holes are outside. Each number of a corner is
    rounded in the same way wherever it stands, so no edge is lost between two sides.
    """
    counts = zones.edge_count.take(zone)
    first = zones.edge_start.take(zone)
    most = int(np.maximum.reduce(counts))
    number = np.arange(most)[:, None]
    index = first + number
    past = None
    if np.minimum.reduce(counts) < most:
        # behind its last corner a ring stays at its first
        past = number >= counts
        np.copyto(index, first, where=past)
    seen = _Seen(leg, zones, index, frame)
    side = seen.aside > 0.0
    if np.count_nonzero(zones.holed.take(zone)):
        index = zones.following.take(index)
        if past is not None:
            np.copyto(index, first, where=past)
        after = _Seen(leg, zones, index, frame)
        edge, pair = (side != (after.aside > 0.0)).nonzero()
        begin = end = edge * len(zone) + pair
    else:
        after = seen
        edge, pair = (side != np.concatenate((side[1:], side[:1]))).nonzero()
        begin = edge * len(zone) + pair
        end = np.where(edge < most - 1, begin + len(zone), pair)
    off = leg[FAR] * leg[LENGTH]
    clear = np.minimum.reduce(seen.aside) > off
    clear |= np.maximum.reduce(seen.aside) < -off
    at = _along(seen, begin, after, end, seen.forth.take(pair, axis=1))
    behind = at < 0.0
    meets = (np.bincount(pair[behind], minlength=len(zone)) & 1) > 0
    behind |= at > (leg[LENGTH] * leg[LENGTH]).take(pair)
    meets[pair[~behind]] = True
    near = meets & (leg[STRAY] < leg[HALF] + TOLERANCE_M / 2.0)
    (doubt,) = (~(clear | meets)).nonzero()
    if len(doubt):
        some = leg.take(doubt, axis=1)
        turned = seen.turned(doubt, some)
        if after is seen:
            apart = _apart(turned, np.concatenate((turned[:, 1:], turned[:, :1]), axis=1), some)
        else:
            apart = _apart(turned, after.turned(doubt, some), some)
        clear[doubt] = apart > some[FAR]
        near[doubt] = apart * frame.ratio + some[STRAY] < some[HALF]
    return near, clear


class _Seen:
    """Corners (c, n) of n zones as seen from n chords; degrees from the start, and aside.

    `aside` is metres left of the chord times its length; `forth` (2, n) times x and y make metres
    along it, times its length too.
    """

    __slots__ = ("aside", "forth", "x", "y")

    def __init__(self, leg: Array, zones: ZoneSet, index: Ints, frame: _Frame) -> None:
        self.x, self.y = zones.corner_x.take(index), zones.corner_y.take(index)
        self.x -= leg[LON]
        self.y -= leg[LAT]
        step = leg[DX : DY + 1]
        self.forth = step * frame.scale
        self.aside = self.y * (step[0] * frame.least[1])
        self.aside -= self.x * (step[1] * frame.least[0])

    def turned(self, some: Ints, leg: Array) -> Array:
        """Metres (2, c, m) along and aside of the chords of some of the zones."""
        forth = self.forth.take(some, axis=1)
        along = self.x.take(some, axis=1) * forth[0] + self.y.take(some, axis=1) * forth[1]
        turned = np.stack((along, self.aside.take(some, axis=1)))
        turned /= leg[LENGTH]
        return turned


def _along(one: _Seen, begin: Ints, other: _Seen, end: Ints, forth: Array) -> Array:
    """Where edges (m) from corners of one to corners of the other cross their chords' lines.

    Metres from the start, times the chord's length. Both ends lie on different sides, so the
    difference below is no less than either.
    """
    s0, x, y = one.aside.take(begin), one.x.take(begin), one.y.take(begin)
    share = s0 / (s0 - other.aside.take(end))
    x += share * (other.x.take(end) - x)
    y += share * (other.y.take(end) - y)
    x *= forth[0]
    y *= forth[1]
    return np.asarray(x + y)


def _apart(begin: Array, end: Array, leg: Array) -> Array:
    """Metres (n) from chords to the nearest edge (2, c, n), none of which crosses its chord."""
    (ax, ay), (bx, by) = begin, end
    length = leg[LENGTH]
    dx, dy = bx - ax, by - ay
    length2 = dx * dx + dy * dy
    safe = np.where(length2 > 0.0, length2, 1.0)
    # a corner to the chord, then either end of the chord to an edge
    off_x = ax - np.clip(ax, 0.0, length)
    least = np.minimum.reduce(off_x * off_x + ay * ay)
    for x in (np.zeros(len(length)), length):
        share = np.clip(((x - ax) * dx - ay * dy) / safe, 0.0, 1.0)
        off_x, off_y = ax + share * dx - x, ay + share * dy
        least = np.minimum(least, np.minimum.reduce(off_x * off_x + off_y * off_y))
    return np.asarray(np.sqrt(least))


def _centers(leg: Array, zones: ZoneSet, zone: Ints, frame: _Frame) -> tuple[Bools, Bools]:
    """Which chords (n) are near their circles, and which are surely far from them.

    A geodesic is as long as the sum of its steps, so it is no shorter than the same way taken at
    the least metres per degree that it passes, and the straight way at the greatest is no shorter
    than it. Within the reach of a circle it leaves the path's latitudes by that reach at most.
    """
    circle = zones.circle.take(zone, axis=0)
    radius = circle[:, 2]
    beyond = float((radius + leg[FAR]).max()) / LEAST_DEGREE_M
    if frame.steep + beyond > MAX_STEEP_DEG:
        return np.zeros(len(zone), dtype=bool), np.zeros(len(zone), dtype=bool)
    east_least, north_most = metres_per_degree_at(frame.steep + beyond)
    east_most, north_least = metres_per_degree_at(max(frame.flat - beyond, 0.0))
    point = circle[:, :2].T - leg[LON : LAT + 1]
    step = leg[DX : DY + 1] / frame.scale
    clear = _to_chord_m(point, step, (east_least, north_least)) > radius + leg[FAR]
    near_m = _to_chord_m(point, step, (east_most, north_most))
    near_m += leg[STRAY] * (east_most / frame.most[0])
    return near_m <= radius + leg[HALF] - SLACK_M, clear


def _to_chord_m(point: Array, step: Array, scale: tuple[float, float]) -> Array:
    """Distances (n) of points (2, n) from lines (2, n) that start at nought, degrees scaled."""
    by = np.array(scale)[:, None]
    to, run = point * by, step * by
    share = np.clip((to * run).sum(axis=0) / (run * run).sum(axis=0), 0.0, 1.0)
    off = to - share * run
    return np.asarray(np.hypot(off[0], off[1]))
