"""What surely touches which zone and what surely does not: the check's first and widest look.

Owns the proofs that need no piece of a leg. Must not decide what is in doubt: that is left to
`narrow` and `contact`, whose word a proof here only ever foretells.

One frame serves the whole path: degrees times the least metres per degree that any piece's own
frame has, so lengths here are never longer than there; times the greatest by the least they are
never shorter. A leg is taken along its chord in longitude and latitude; the line flown (track.py)
strays from it by at most

    dlat dlon tan(lat) cos(mean lat) / (8 cos(lat)),

here with the greatest factors of the path and 1 % on top; if all are flown by an autopilot, to one
side only (`chords.lines_of`); and by what the origin of the autopilot's frame moves it (track.py),
to either side. Far: farther than the reach of any piece and the stray, both bounded.
Near: no farther than the corridor less the stray. Floats: numbers are 2e7 m at most, so what is
computed of them is within 1e-7 m; SLACK_M is 1e5 times that.

Zones that the path's box meets come first; then their boxes beside the chords, along and across
(two products of small matrices for all); then their corners (`chords`). A call of numpy costs more
than the work on so few numbers, so each step does what takes the fewest of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
import shapely

from geofence.chords import (
    FAR,
    FAR_ORIGINS,
    FAR_STRAYS,
    FAR_UNCUT_M,
    SLACK_M,
    TO_END,
    Lines,
    lines_of,
    look,
)
from geofence.frames import Array, Scale, metres_per_degree_at
from geofence.heights import Surroundings
from geofence.kernel import Bools, Ints
from geofence.path import ROW, STILL_DEG, Disc, PathLeg
from geofence.track import ARDUPILOT_RADIUS_M, FARTHEST_ORIGIN_M, SECOND_ORDER, TOLERANCE_M
from geofence.zoneset import ZoneSet

MAX_SPAN_DEG = (60.0, 20.0)
"""Longitude and latitude that a path may span to be looked at in one frame."""

LEVEL_M = 1e-6
"""A slope that rises less is level, see contact.clip_heights."""

_FEW_ZONES = 4_000
"""Up to as many are looked through one by one; the tree is asked about more."""

_FEW_PAIRS = 30_000
"""Up to as many pairs of leg and zone are looked through; the tree is asked about more."""

_STEPS = 16.0
"""Of latitude, to a degree."""

_KEPT_SCALES = 1_000

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
    """The bounds of the path, and its scale."""

    scale: Scale
    side: int
    """1: north of the equator, -1: south of it, 0: both."""
    box: Array
    """(6, 1): east, north, high, -west, -south, -low with the reach; ZoneSet.table is below it."""
    pad: Array
    """(6, 1): the farthest reach of all in degrees of longitude and latitude, and no height."""
    begin_s: float
    end_s: float


def sieve(
    owners: Sequence[PathLeg | Disc],
    zones: ZoneSet,
    surroundings: Surroundings,
    *,
    flown: bool = False,
) -> Sieved | None:
    """Sort out what is sure; None where one frame does not do (antimeridian, half a country).

    `flown`: all are an autopilot's, whose line bows to one side.
    """
    if not owners or not len(zones):
        return Sieved([], [])
    table = table_of(owners)
    frame = _frame(table, zones)
    if frame is None:
        return None
    east, _, _, minus_west, _, _ = frame.box[:, 0].tolist()
    if zones.turns(-minus_west, east):
        return None
    outer = zones.table(surroundings)
    near = _near_path(zones, outer, frame)
    if not len(near):
        return Sieved([], [])
    columns = table.T.copy()
    lines = lines_of(columns, frame.scale, frame.side if flown else 0)
    if len(table) * len(near) <= _FEW_PAIRS:
        row, zone = _boxes_beside(lines, zones, near)
    else:
        row, zone = _boxes_meet(columns, zones, near, frame)
        kept = _not_parted(lines, row, zones.middle.take(zone, axis=1))
        row, zone = row.take(kept), zone.take(kept)
    if not len(row):
        return Sieved([], [])
    return _sorted_out(lines, columns, zones, outer, row, zone, frame.scale)


def table_of(owners: Sequence[PathLeg | Disc]) -> Array:
    """The rows (n, ROW.COUNT) of legs and discs."""
    return np.frombuffer(b"".join(map(_row, owners))).reshape(-1, ROW.COUNT)


def scale_of(south: float, north: float, half_m: float) -> Scale:
    """The scale of a path between two latitudes, its widest corridor to either side `half_m`."""
    steep, flat = max(-south, north), max(south, -north, 0.0)
    east_least, north_most = metres_per_degree_at(steep)
    east_most, north_least = metres_per_degree_at(flat)
    bow = 1.01 * east_most / east_least * east_most / 8.0
    bow *= math.radians(1.0) * math.tan(math.radians(steep))
    # see track.py; a degree of longitude is no longer than one at the least latitude
    once = FARTHEST_ORIGIN_M * math.radians(1.0) ** 2 / 16.0
    cos = math.cos(math.radians(steep) + FARTHEST_ORIGIN_M / 2.0 / ARDUPILOT_RADIUS_M)
    half = math.radians(north - south) / 2.0
    beyond = math.tan(min(math.radians(steep) + half, math.radians(89.0)))
    stretch = 1.05 * beyond * (half + half_m / ARDUPILOT_RADIUS_M) + SECOND_ORDER
    return Scale(
        flat, steep, east_least, north_least, east_most, north_most,
        bow, stretch, once / cos**2, once / 2.0,
    )  # fmt: skip


def _scale(zones: ZoneSet, south: float, north: float, half_m: float) -> Scale:
    """The scale of whole steps of latitude about a path, which others nearby share."""
    key = math.floor(south * _STEPS), math.ceil(north * _STEPS), half_m
    known = zones.scales.get(key)
    if known is None:
        if len(zones.scales) >= _KEPT_SCALES:
            zones.scales.clear()
        known = zones.scales[key] = scale_of(key[0] / _STEPS, key[1] / _STEPS, half_m)
    return known


def _frame(table: Array, zones: ZoneSet) -> _Frame | None:
    bounds = np.maximum.reduce(table[:, : ROW.LON]).tolist()
    east, north, high, west, south, low, corridor, begin_s, end_s = bounds
    west, south = -west, -south
    if east - west > MAX_SPAN_DEG[0] or north - south > MAX_SPAN_DEG[1]:
        return None
    scale = _scale(zones, south, north, corridor)
    far = corridor * (1.0 + scale.stretch) + SLACK_M + TOLERANCE_M + FAR_UNCUT_M
    wide, tall = east - west, north - south
    far += FAR_STRAYS * scale.bow * wide * tall
    far += FAR_ORIGINS * (scale.origin * wide + scale.rise * tall) * tall
    wide, tall = far / scale.east, far / scale.north
    box = (east + wide, north + tall, high, wide - west, tall - south, low)
    numbers = np.array((*box, wide, tall, 0.0, wide, tall, 0.0)).reshape(12, 1)
    side = int(south >= 0.0) - int(north <= 0.0)
    return _Frame(scale, side, numbers[:6], numbers[6:], -begin_s, end_s)


def _near_path(zones: ZoneSet, outer: Array, frame: _Frame) -> Ints:
    """Zones that the box about the whole path meets, in height too, and that are not asleep."""
    near: Ints
    if len(zones) <= _FEW_ZONES:
        (near,) = np.logical_and.reduce(outer <= frame.box).nonzero()
    else:
        near = np.sort(zones.tree.query(shapely.box(*_corners_of(frame.box[:, 0]))))
        near = near[np.logical_and.reduce(outer.take(near, axis=1) <= frame.box)]
    return zones.hours.awake(near, frame.begin_s, frame.end_s)


def _corners_of(box: Array) -> tuple[Array, Array, Array, Array]:
    return -box[3], -box[4], box[0], box[1]


def _boxes_beside(lines: Lines, zones: ZoneSet, near: Ints) -> tuple[Ints, Ints]:
    """Pairs of leg and zone where the zone's box is not far across or along the chord.

    Both are linear in longitude and latitude (see Lines), and so is how far the box reaches either
    way from its middle.
    """
    told = lines.told
    limit = np.abs(lines.run)
    limit[2, 0] = told[FAR]
    np.add(told[FAR], told[TO_END], out=limit[2, 1])
    middle = zones.middle.take(near, axis=1)
    reach = lines.run.reshape(3, -1).T @ middle[:3]
    np.abs(reach, out=reach)
    beside = reach <= limit.reshape(3, -1).T @ middle[3:]
    many, wide = told.shape[1], len(near)
    meets = beside[:many]
    meets &= beside[many:]
    (pair,) = meets.reshape(-1).nonzero()
    row = pair // wide
    pair -= row * wide
    return row, near.take(pair)


def _boxes_meet(columns: Array, zones: ZoneSet, near: Ints, frame: _Frame) -> tuple[Ints, Ints]:
    """Pairs of leg and zone whose boxes meet, the tree asked."""
    row, zone = zones.tree.query(shapely.box(*_corners_of(columns[:6] + frame.pad)))
    meets = np.isin(zone, near)
    return row[meets], zone[meets]


def _not_parted(lines: Lines, row: Ints, middle: Array) -> Ints:
    """Pairs (n) whose zone's box does not lie far on one side of the leg's chord."""
    across, far = lines.run[:, 0].take(row, axis=1), lines.told[FAR].take(row)
    far += np.abs(across[0]) * middle[3]
    far += np.abs(across[1]) * middle[4]
    across *= middle[:3]
    return np.asarray((np.abs(across.sum(axis=0)) <= far).nonzero()[0], dtype=np.intp)


def _sorted_out(  # noqa: PLR0917 - rows of one table, column by column
    lines: Lines, columns: Array, zones: ZoneSet, outer: Array, row: Ints, zone: Ints, scale: Scale
) -> Sieved:
    at_height, whole = _held(columns, row, outer.take(zone, axis=1))
    if np.count_nonzero(at_height) < len(at_height):
        (some,) = at_height.nonzero()
        if not len(some):
            return Sieved([], [])
        row, zone, whole = row.take(some), zone.take(some), whole.take(some)
    near, clear = look(lines, row, zones, zone, scale)
    near &= whole
    timed = zones.timed.take(zone)
    if np.count_nonzero(timed):
        near &= ~timed
    clear |= near
    (touched,) = near.nonzero()
    found = Sieved(_pairs(row, zone, touched), [])
    if np.count_nonzero(clear) < len(clear):
        (left,) = (~clear).nonzero()
        found.asked = _pairs(row, zone, left)
    return found


def _pairs(row: Ints, zone: Ints, some: Ints) -> list[tuple[int, int]]:
    return list(zip(row.take(some).tolist(), zone.take(some).tolist(), strict=True))


def _held(columns: Array, row: Ints, outer: Array) -> tuple[Bools, Bools]:
    """Pairs (n) whose zone holds some of the leg's heights, and which hold all of them.

    What stands still is at each of its heights in the same place: if any, all are held.
    """
    heights = columns[ROW.HIGH : ROW.MINUS_LOW + 1 : 3]
    limits, held = outer[2::3], heights.take(row, axis=1)
    some = np.logical_and(*(limits <= held))
    np.negative(held, out=held)
    whole = np.logical_and(*(limits <= held[::-1]))
    if np.count_nonzero(whole) < len(whole):
        step = np.abs(columns[ROW.DLON :])
        still = np.maximum(step[0], step[1]) <= STILL_DEG
        still &= heights[0] + heights[1] >= LEVEL_M
        whole |= still.take(row)
    return some, whole
