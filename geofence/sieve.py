"""What surely touches which zone and what surely does not: the check's first and widest look.

Owns which zones and legs are put to each other; `chords` has the bounds of the proofs, `compiled`
their loops. Must not decide what is in doubt: that is left to `narrow` and `contact`, whose word a
proof here only ever foretells.

Zones that the path's box meets come first, in height too, but for those that are surely asleep;
then their boxes beside the chord of each leg; then their corners.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
import shapely

from geofence.chords import LEAST_DEGREE_M, farthest_m, frame_of, scale_of
from geofence.frames import Array, Scale
from geofence.heights import Surroundings
from geofence.kernel import Ints
from geofence.path import ROW, Disc, PathLeg
from geofence.zoneset import ZoneSet

MAX_SPAN_DEG = (60.0, 20.0)
"""Longitude and latitude that a path may span to be looked at in one frame."""

_FEW_ZONES = 4_000
"""Up to as many are looked through one by one; the tree is asked about more."""

_FEW_PAIRS = 100_000
"""Up to as many pairs of leg and zone are looked through; the tree is asked about more."""

_STEPS = 16.0
"""Of latitude, to a degree: what is worked out for whole steps is kept."""

_KEPT_FRAMES = 1_000

ALL: Ints = np.empty(0, dtype=np.intp)
"""In place of where each row's zones start: each row has all."""

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
class _Bounds:
    """The box about a path, and what is clear of the widest of its corridors."""

    scale: Scale
    key: tuple[int, int, float]
    """Of the scale."""
    side: int
    """1: north of the equator, -1: south of it, 0: both."""
    far_m: float
    box: tuple[float, ...]
    """East, north, high, -west, -south, -low with what is clear; ZoneSet.table is below it."""
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
    bounds = _bounds(table, zones)
    if bounds is None or zones.turns(-bounds.box[3], bounds.box[0]):
        return None
    outer = zones.table(surroundings)
    near = zones.hours.awake(_near(zones, outer, bounds.box), bounds.begin_s, bounds.end_s)
    if not len(near):
        return Sieved([], [])
    frame = _frame(zones, near, bounds, flown=flown)
    if len(table) * len(near) <= _FEW_PAIRS:
        row, zone, touches = sifted(table, frame, near, ALL, zones, outer)
    else:
        some, starts = _boxes_meet(table, zones, near, bounds)
        row, zone, touches = sifted(table, frame, some, starts, zones, outer)
    pairs = zip(row, zone, strict=True)
    if all(touches):
        return Sieved(list(pairs), [])
    found = Sieved([], [])
    for pair, surely in zip(pairs, touches, strict=True):
        (found.touched if surely else found.asked).append(pair)
    return found


def sifted(  # noqa: PLR0917 - what compiled.sift takes
    table: Array, frame: Array, zone: Ints, starts: Ints, zones: ZoneSet, outer: Array
) -> tuple[list[int], list[int], list[int]]:
    """Rows of pairs that are not clear, their zones, and 1 where they touch, 0 in doubt.

    `table` is as `table_of` gives it, `frame` as chords.frame_of, `outer` as ZoneSet.table. Row i
    is put to the zones from `zone[starts[i]]` to before `zone[starts[i + 1]]`; with ALL to each.
    """
    from geofence import compiled  # noqa: PLC0415 - numba comes with it, not before a check

    row, other, state = compiled.sift(
        table, frame, zone, starts, outer, zones.middle, zones.timed, zones.circle,
        zones.corner_x, zones.corner_y, zones.ring_start, zones.first_ring,
    ).tolist()  # fmt: skip
    return row, other, state


def make_ready() -> None:
    """Load what a check needs beside this module; else the first check does.

    0.4 s; some 6 s where it has to be compiled, which is once where that can be kept.
    """
    for name in ("compiled", "deepest"):
        importlib.import_module(f"geofence.{name}")


def table_of(owners: Sequence[PathLeg | Disc]) -> Array:
    """The rows (n, ROW.COUNT) of legs and discs."""
    return np.frombuffer(bytearray().join(map(_row, owners))).reshape(-1, ROW.COUNT)


def _bounds(table: Array, zones: ZoneSet) -> _Bounds | None:
    most = np.maximum.reduce(table[:, : ROW.LON]).tolist()
    east, north, high, west, south, low, corridor, begin_s, end_s = most
    west, south = -west, -south
    wide, tall = east - west, north - south
    if wide > MAX_SPAN_DEG[0] or tall > MAX_SPAN_DEG[1]:
        return None
    # the scale of whole steps of latitude about a path, which others nearby share
    key = math.floor(south * _STEPS), math.ceil(north * _STEPS), corridor
    scale = zones.scales.get(key)
    if scale is None:
        if len(zones.scales) >= _KEPT_FRAMES:
            zones.scales.clear()
        scale = zones.scales[key] = scale_of(key[0] / _STEPS, key[1] / _STEPS, corridor)
    far = farthest_m(scale, corridor, wide, tall)
    wide, tall = far / scale.east, far / scale.north
    box = (east + wide, north + tall, high, wide - west, tall - south, low)
    side = int(south >= 0.0) - int(north <= 0.0)
    return _Bounds(scale, key, side, far, box, -begin_s, end_s)


def _near(zones: ZoneSet, outer: Array, box: tuple[float, ...]) -> Ints:
    """Zones that the box about the whole path meets, in height too."""
    if len(zones) <= _FEW_ZONES:
        from geofence import compiled  # noqa: PLC0415 - as above

        return compiled.zones_near(outer, np.array(box))
    near: Ints = np.sort(zones.tree.query(shapely.box(-box[3], -box[4], box[0], box[1])))
    return near[np.logical_and.reduce(outer.take(near, axis=1) <= np.array(box)[:, None])]


def _frame(zones: ZoneSet, near: Ints, bounds: _Bounds, *, flown: bool) -> Array:
    """The bounds of the proofs, kept for others nearby."""
    steps = 0
    if zones.circles:
        reach_m = float(np.maximum.reduce(zones.radius.take(near))) + bounds.far_m
        steps = math.ceil(reach_m / LEAST_DEGREE_M * _STEPS)
    key = (*bounds.key, bounds.side if flown else 0, steps)
    frame = zones.frames.get(key)
    if frame is None:
        if len(zones.frames) >= _KEPT_FRAMES:
            zones.frames.clear()
        frame = zones.frames[key] = frame_of(bounds.scale, key[3], steps / _STEPS)
    return frame


def _boxes_meet(table: Array, zones: ZoneSet, near: Ints, bounds: _Bounds) -> tuple[Ints, Ints]:
    """Zones whose boxes meet those of the legs, leg after leg, and where each leg's start."""
    wide, tall = bounds.far_m / bounds.scale.east, bounds.far_m / bounds.scale.north
    east, north, _, west, south, _ = table[:, : ROW.HALF].T
    row, zone = zones.tree.query(
        shapely.box(-west - wide, -south - tall, east + wide, north + tall)
    )
    meets = np.isin(zone, near)
    counts = np.bincount(row[meets], minlength=len(table))
    return zone[meets], np.append(0, np.cumsum(counts)).astype(np.intp)
