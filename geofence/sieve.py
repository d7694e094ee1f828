"""What surely touches which zone and what surely does not: the check's first and widest look.

Owns the flat tables and the proofs that need no piece of a leg. Must not decide what is in doubt:
that is left to `contact`, whose word a proof here only ever foretells.

One frame serves the whole path: degrees from its south-west corner times the least metres per
degree that any piece's own frame has (`least`), so lengths here are never longer than there; with
the greatest (`most`) they are never shorter. A leg is taken along its chord in longitude and
latitude; the line flown strays from it by at most `stray` (track.py):

    t (1 - t) dlat dlon tan(lat) cos(mean lat) / (2 cos(lat)), t from 0 to 1,

with the greatest factors of the path and 1 % on top. Far: farther than the reach of any piece and
twice the stray. Near: the chord meets the zone and its stray is below the corridor. Floats: the
coordinates are some 1e6 m at most, so what is computed of them is within 1e-8 m; SLACK_M is a
million times that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
import shapely

from geofence.frames import Array, metres_per_degree_at
from geofence.heights import Surroundings
from geofence.kernel import Bools, Ints
from geofence.path import Disc, PathLeg
from geofence.track import ARDUPILOT_RADIUS_M, SECOND_ORDER, TOLERANCE_M
from geofence.zoneset import ZoneSet

SLACK_M = 0.01
"""Added to what counts as far, taken off what counts as near."""

MAX_SPAN_DEG = (60.0, 20.0)
"""Longitude and latitude that a path may span to be looked at in one frame."""

_FEW_ZONES = 4_000
"""Up to as many are looked through one by one; the tree is asked about more."""

_FEW_PAIRS = 30_000
"""Up to as many pairs of leg and zone are looked through; the tree is asked about more."""

_FEW_EDGES = 64
"""Polygons of up to as many edges share a table."""

_MANY_CORNERS = 65_536
"""How many corners are looked at at once."""

STILL_M = 0.001
"""A leg shorter than this is taken as its start; SLACK_M holds the rest."""

LEAST_DEGREE_M = 110_000.0
"""Under the least length of a degree of latitude."""

MAX_STEEP_DEG = 88.0
"""Circles that reach beyond are left to `contact`."""

_row = attrgetter("row")
_START_TWICE = np.array((0, 1, 0, 1))


@dataclass(frozen=True, slots=True, eq=False)
class Sieved:
    """Pairs of owner (legs, then discs) and zone that touch, and those that must be asked about.

    Every other pair is clear, or the zone does not hold at that height or at those hours. Whether
    a zone binds the vehicle is not asked.
    """

    touched: list[tuple[int, int]]
    asked: list[tuple[int, int]]


CLEAR = Sieved([], [])


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Legs and discs, one row each, in metres of the path's frame."""

    box: Array
    """(6, n): greatest longitude, latitude and height, then least times -1; far is added."""
    lonlat4: Array
    """(n, 4): longitude and latitude of the start, twice."""
    step: Array
    """(n, 2): metres from start to end."""
    unit: Array
    """(2, n): its direction."""
    length: Array
    corridor_m: Array
    stray_m: Array
    far: Array
    near: Bools
    """Whether the stray is below the corridor."""
    low_m: Array
    high_m: Array


def sieve(
    owners: tuple[PathLeg | Disc, ...], zones: ZoneSet, surroundings: Surroundings
) -> Sieved | None:
    """Sort out what is sure; None where one frame does not do (antimeridian, half a country)."""
    if not owners or not len(zones):
        return CLEAR
    table = np.frombuffer(b"".join(map(_row, owners))).reshape(-1, 9)
    frame = _Frame.of(table)
    if frame is None or zones.turns(frame.west - frame.wide, frame.east + frame.wide):
        return None
    box = zones.table(surroundings)
    near = _near_path(zones, box, frame)
    if len(near) and zones.timed.take(near).any():
        near = _awake(zones, near, table)
    if not len(near):
        return CLEAR
    rows = _rows(table, frame)
    row, zone = _pairs(rows, zones, box, near, frame)
    if not len(row):
        return CLEAR
    return _sort_out(rows, zones, box, row, zone, frame)


@dataclass(frozen=True, slots=True)
class _Frame:
    west: float
    south: float
    east: float
    north: float
    low_m: float
    high_m: float
    steep: float
    """Greatest latitude from the equator, and least."""
    flat: float
    least: tuple[float, float]
    most: tuple[float, float]
    bow: float
    """Stray in metres for each degree of longitude and degree of latitude of a leg."""
    stretch: float
    wide: float
    tall: float
    """The farthest reach of all in degrees of longitude and latitude."""

    @classmethod
    def of(cls, table: Array) -> _Frame | None:
        west, south, low, w2, s2, l2, _, _, _ = np.minimum.reduce(table).tolist()
        east, north, high, e2, n2, h2, corridor, _, _ = np.maximum.reduce(table).tolist()
        west, south, low = min(west, w2), min(south, s2), min(low, l2)
        east, north, high = max(east, e2), max(north, n2), max(high, h2)
        if east - west > MAX_SPAN_DEG[0] or north - south > MAX_SPAN_DEG[1]:
            return None
        steep, flat = max(-south, north), max(south, -north, 0.0)
        east_least, north_most = metres_per_degree_at(steep)
        east_most, north_least = metres_per_degree_at(flat)
        tangent = math.tan(math.radians(steep))
        degree = math.radians(1.0)
        bow = 1.01 * east_most / east_least * east_most * degree * tangent / 8.0
        half = math.radians(north - south) / 2.0
        beyond = math.tan(min(math.radians(steep) + half, math.radians(89.0)))
        stretch = 1.05 * beyond * (half + corridor / ARDUPILOT_RADIUS_M) + SECOND_ORDER
        stray = bow * (east - west) * (north - south)
        far = corridor * (1.0 + stretch) + 2.1 * stray + SLACK_M + TOLERANCE_M
        return cls(
            west,
            south,
            east,
            north,
            low,
            high,
            steep,
            flat,
            (east_least, north_least),
            (east_most, north_most),
            bow,
            stretch,
            far / east_least,
            far / north_least,
        )


def _near_path(zones: ZoneSet, box: Array, frame: _Frame) -> Ints:
    """Zones that the box about the whole path meets, in height too."""
    west, south = frame.west - frame.wide, frame.south - frame.tall
    east, north = frame.east + frame.wide, frame.north + frame.tall
    asked = np.array(((east,), (north,), (frame.high_m,), (-west,), (-south,), (-frame.low_m,)))
    if len(zones) <= _FEW_ZONES:
        return np.asarray(np.logical_and.reduce(box <= asked).nonzero()[0], dtype=np.intp)
    found: Ints = np.sort(zones.tree.query(shapely.box(west, south, east, north)))
    return found[np.logical_and.reduce(box.take(found, axis=1) <= asked)]


def _awake(zones: ZoneSet, near: Ints, table: Array) -> Ints:
    """Those of the zones that are not surely out of hours for the whole of the path."""
    begin, end = float(table[:, 7].min()), float(table[:, 8].max())
    timed = zones.timed.take(near)
    keep = ~timed
    keep[timed] = [not zones.hours.asleep(number, begin, end) for number in near[timed].tolist()]
    return near[keep]


def _rows(table: Array, frame: _Frame) -> _Rows:
    start, end = table[:, :3], table[:, 3:6]
    step = end[:, :2] - start[:, :2]
    stray = np.abs(step[:, 0] * step[:, 1])
    stray *= frame.bow
    corridor = table[:, 6]
    far = corridor * (1.0 + frame.stretch)
    far += 2.1 * stray
    far += SLACK_M + TOLERANCE_M
    box = np.empty((6, len(table)))
    high = np.maximum(start, end)
    low = np.minimum(start, end)
    wide, tall = far / frame.least[0], far / frame.least[1]
    np.add(high[:, 0], wide, out=box[0])
    np.add(high[:, 1], tall, out=box[1])
    box[2] = high[:, 2]
    np.subtract(wide, low[:, 0], out=box[3])
    np.subtract(tall, low[:, 1], out=box[4])
    np.negative(low[:, 2], out=box[5])
    step = step * frame.least
    length = np.hypot(step[:, 0], step[:, 1])
    still = length < STILL_M
    unit = step.T / np.where(still, 1.0, length)
    if still.any():
        unit[:, still] = ((1.0,), (0.0,))
        step[still], length[still] = 0.0, 0.0
    return _Rows(
        box=box,
        lonlat4=table.take(_START_TWICE, axis=1),
        step=step,
        unit=unit,
        length=length,
        corridor_m=corridor,
        stray_m=stray,
        far=far,
        near=stray < corridor + TOLERANCE_M / 2.0,
        low_m=low[:, 2],
        high_m=high[:, 2],
    )


def _pairs(rows: _Rows, zones: ZoneSet, box: Array, near: Ints, frame: _Frame) -> tuple[Ints, Ints]:
    """Pairs whose boxes meet and that the normal of the leg's chord does not part."""
    count = rows.box.shape[1]
    if count * len(near) <= _FEW_PAIRS:
        meets = box.take(near, axis=1)[:, None] <= rows.box[:, :, None]
        row, column = np.logical_and.reduce(meets).nonzero()
        zone = near.take(column)
    else:
        east, north, _, west, south, _ = rows.box
        row, zone = zones.tree.query(shapely.box(-west, -south, east, north))
        meets = box.take(zone, axis=1) <= rows.box.take(row, axis=1)
        kept = np.logical_and.reduce(meets) & np.isin(zone, near)
        order = np.lexsort((zone[kept], row[kept]))
        row, zone = row[kept][order], zone[kept][order]
    if not len(row):
        return row, zone
    west, south, _, east, north, _ = box.take(zone, axis=1)
    step = rows.step.take(row, axis=0)
    at = rows.lonlat4.take(row, axis=0)
    dx, dy = step[:, 0], step[:, 1]
    x = (west - east) / 2.0
    x -= at[:, 0]
    x *= frame.least[0]
    y = (south - north) / 2.0
    y -= at[:, 1]
    y *= frame.least[1]
    across = np.abs(dx * y - dy * x)
    # the sums of west and -east are minus the widths
    wide = np.abs(dx) * (south + north) * (-frame.least[1] / 2.0)
    wide -= np.abs(dy) * (west + east) * (frame.least[0] / 2.0)
    wide += rows.far.take(row) * rows.length.take(row)
    kept = (across <= wide).nonzero()[0]
    return row.take(kept), zone.take(kept)


def _sort_out(  # noqa: PLR0917 - rows of one table, column by column
    rows: _Rows, zones: ZoneSet, box: Array, row: Ints, zone: Ints, frame: _Frame
) -> Sieved:
    touched: list[tuple[int, int]] = []
    asked: list[tuple[int, int]] = []
    for some, look in _alike(zones, zone):
        i, j = row.take(some), zone.take(some)
        meets, clear = look(rows, zones, i, j, frame)
        # a leg that is partly at the zone's height, or a zone that keeps hours, is asked about
        meets &= rows.near.take(i) & ~zones.timed.take(j)
        meets &= box[2].take(j) <= rows.low_m.take(i)
        meets &= box[5].take(j) <= -rows.high_m.take(i)
        touched += zip(i[meets].tolist(), j[meets].tolist(), strict=True)
        left = ~(meets | clear)
        if left.any():
            asked += zip(i[left].tolist(), j[left].tolist(), strict=True)
    return Sieved(touched, asked)


_Look = Callable[[_Rows, ZoneSet, Ints, Ints, _Frame], tuple[Bools, Bools]]


def _alike(zones: ZoneSet, zone: Ints) -> Iterator[tuple[Ints, _Look]]:
    """Pairs in parts whose corners fill a table well, and circles."""
    counts = zones.edge_count.take(zone)
    plain = (counts > 0) & (counts <= _FEW_EDGES)
    if plain.all():
        if len(zone) * _FEW_EDGES <= _MANY_CORNERS:
            yield np.arange(len(zone)), _corners
            return
    elif not counts.all():
        yield (counts == 0).nonzero()[0], _centers
    for group, most in ((plain, _FEW_EDGES), (counts > _FEW_EDGES, max(1, int(counts.max())))):
        numbers = group.nonzero()[0]
        size = max(1, _MANY_CORNERS // most)
        for begin in range(0, len(numbers), size):
            yield numbers[begin : begin + size], _corners


def _corners(
    rows: _Rows, zones: ZoneSet, row: Ints, zone: Ints, frame: _Frame
) -> tuple[Bools, Bools]:
    """Which chords (n) meet their polygons, and which are surely far from them.

    Corners are turned to lie along and aside of the chord. Far: all of them on one side, behind
    the start or beyond the end. Meeting: an edge crosses the chord, or an odd number of them the
    line behind its start, which is then inside. Each product of a corner is rounded in the same
    way wherever the corner stands, so an edge that ends aside is followed by one that starts there.
    """
    counts = zones.edge_count.take(zone)
    most = int(counts.max())
    number = np.arange(most)[:, None]
    index = zones.edge_start.take(zone) + number
    past = None
    if int(counts.min()) < most:
        past = number >= counts
        index -= np.where(past, number, 0)
    corner = zones.edges.take(index, axis=0)
    corner -= rows.lonlat4.take(row, axis=0)
    corner *= frame.least * 2
    x, y = corner[:, :, 0::2], corner[:, :, 1::2]
    ux, uy = rows.unit[:, :, None].take(row, axis=1)
    aside = y * ux
    aside -= x * uy
    along = x * ux
    along += y * uy
    far, length = rows.far.take(row), rows.length.take(row)
    ahead, left = along[:, :, 0], aside[:, :, 0]
    clear = np.minimum.reduce(left) > far
    clear |= np.maximum.reduce(left) < -far
    clear |= np.minimum.reduce(ahead) > length + far
    clear |= np.maximum.reduce(ahead) < -far
    side = aside > 0.0
    crosses = side[:, :, 0] != side[:, :, 1]
    if past is not None:
        crosses &= ~past
    edge, pair = crosses.nonzero()
    (a0, a1), (s0, s1) = along[edge, pair].T, aside[edge, pair].T
    at = a0 + s0 / (s0 - s1) * (a1 - a0)
    behind = at < 0.0
    meets = (np.bincount(pair[behind], minlength=len(row)) & 1).astype(bool)
    meets[pair[~behind & (at <= length.take(pair))]] = True
    return meets, clear


def _centers(
    rows: _Rows, zones: ZoneSet, row: Ints, zone: Ints, frame: _Frame
) -> tuple[Bools, Bools]:
    """Which chords (n) come within their circles, and which are surely far from them.

    A geodesic is as long as the sum of its steps, so it is no shorter than the same way taken at
    the least metres per degree that it passes, and the straight way at the greatest is no shorter
    than it. Within the reach of a circle it leaves the path's latitudes by that reach at most.
    """
    circle = zones.circle.take(zone, axis=0)
    far, radius = rows.far.take(row), circle[:, 2]
    beyond = (float(radius.max()) + float(far.max())) / LEAST_DEGREE_M
    if frame.steep + beyond > MAX_STEEP_DEG:
        return np.zeros(len(row), dtype=bool), np.zeros(len(row), dtype=bool)
    east_least, north_most = metres_per_degree_at(frame.steep + beyond)
    east_most, north_least = metres_per_degree_at(max(frame.flat - beyond, 0.0))
    center = circle[:, :2] - rows.lonlat4.take(row, axis=0)[:, :2]
    step = rows.step.take(row, axis=0) / frame.least
    clear = _to_chord_m(center, step, (east_least, north_least)) > radius + far
    most = _to_chord_m(center, step, (east_most, north_most))
    stray = rows.stray_m.take(row) * (east_most / frame.most[0])
    return most + stray <= radius + rows.corridor_m.take(row) - SLACK_M, clear


def _to_chord_m(point: Array, step: Array, scale: tuple[float, float]) -> Array:
    """Distances (n) of points (n, 2) from lines (n, 2) that start at nought, scaled to metres."""
    to, run = point * scale, step * scale
    length2 = (run * run).sum(axis=1)
    share = np.clip((to * run).sum(axis=1) / np.where(length2 > 0.0, length2, 1.0), 0.0, 1.0)
    off = to - share[:, None] * run
    return np.asarray(np.hypot(off[:, 0], off[:, 1]))
