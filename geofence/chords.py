"""Chords of legs beside zones: which surely touch, which are surely clear, by their corners.

Owns those proofs and the numbers of a leg that they read; `sieve` says why a chord proves anything
of the line flown. Must not know heights, hours or which pairs to look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from geofence.frames import Array, Scale, metres_per_degree_at
from geofence.kernel import Bools, Ints
from geofence.path import ROW
from geofence.rings import Loops
from geofence.track import BOW_SLACK, MAX_BOW_M, TOLERANCE_M
from geofence.zoneset import ZoneSet

SLACK_M = 0.01
"""Added to what counts as far, taken off what counts as near."""

FAR_STRAYS = 1.0 + 0.25 + 2.0 * BOW_SLACK
"""Bows beyond the corridor that are clear: of the line flown from the chord, and of the reach."""

FAR_ORIGINS = 2.1
"""The same of what the origin of the autopilot's frame moves, with 5 % on top: it counts whole in
both."""

FAR_UNCUT_M = 1.1 * MAX_BOW_M
"""And as much more, for the bow of a leg that is not cut."""

LEAST_DEGREE_M = 110_000.0
"""Under the least length of a degree of latitude."""

MAX_STEEP_DEG = 88.0
"""Circles that reach beyond are left to `contact`."""

_MANY_CORNERS = 65_536
"""How many corners are looked at at once."""


@dataclass(slots=True, eq=False)
class Lines:
    """Chords of n legs and discs.

    `run` (3, 2, n): the first times degrees of longitude, the second times degrees of latitude and
    the third make metres that a place is across the chord, to its left, and along it, from its
    middle. `told` (4, n): see the names below. `start` and `step` (2, n) are degrees of longitude
    and latitude.
    """

    run: Array
    told: Array
    start: Array
    step: Array


HALF, FAR, STRAY, TO_END = range(4)
"""Metres: half the corridor; what is clear; how far the line flown may be from the chord; half the
chord."""


def lines_of(columns: Array, scale: Scale, side: int = 0) -> Lines:
    """Of the columns (ROW.COUNT, n) of legs and discs.

    The reach of a piece is more than its corridor by the bow of its leg at most where that is not
    cut (and an autopilot's then has less than MAX_BOW_M), else by a quarter of it and the share of
    it that is never known (track.split_leg).

    `side`: 1 where all are an autopilot's and in the north, -1 in the south, else 0. Then the line
    flown bows west of a chord to the north-east or south-west, east of one to the north-west or
    south-east, in the south the other way: a chord moved there by half the most that it may strays
    by no more than that half from the place that is passed when it says so. What an unknown origin
    moves, it may move to either side.
    """
    step, start = columns[ROW.DLON :], columns[ROW.LON : ROW.TO_LON]
    told = np.empty((4, columns.shape[1]))
    half, far, stray, _ = told
    half[:] = columns[ROW.HALF]
    np.multiply(half, 1.0 + scale.stretch, out=far)
    np.multiply(step[0], step[1], out=stray)
    if side:
        start = start.copy()
        start[0] -= stray * (0.5 * side * scale.bow / scale.east_most)
    np.abs(stray, out=stray)
    of_origin = stray * scale.origin
    of_origin += step[1] * step[1] * scale.rise
    stray *= 0.5 * scale.bow if side else scale.bow
    far += stray * (2.0 * FAR_STRAYS - 1.0 if side else FAR_STRAYS)
    far += of_origin * FAR_ORIGINS
    stray += of_origin
    far += SLACK_M + TOLERANCE_M + FAR_UNCUT_M
    return chords_of(start, step, told, scale)


def chords_of(start: Array, step: Array, told: Array, scale: Scale) -> Lines:
    """Of starts and steps (2, n), none of them nought, and what is told but for TO_END."""
    to_end = told[TO_END]
    run = np.empty((3, 2, len(to_end)))
    dlon, dlat = step
    dx, dy = dlon * scale.east, dlat * scale.north
    np.hypot(dx, dy, out=to_end)
    dx /= to_end
    dy /= to_end
    to_end *= 0.5
    np.multiply(dy, -scale.east, out=run[0, 0])
    np.multiply(dx, scale.east, out=run[0, 1])
    np.multiply(dx, scale.north, out=run[1, 0])
    np.multiply(dy, scale.north, out=run[1, 1])
    middle = step * -0.5
    middle -= start
    np.multiply(run[0], middle[0], out=run[2])
    run[2] += run[1] * middle[1]
    return Lines(run, told, start, step)


def look(lines: Lines, row: Ints, zones: ZoneSet, zone: Ints, scale: Scale) -> tuple[Bools, Bools]:
    """Which pairs of a line and a zone surely touch, which are surely clear."""
    loops = zones.loops
    if loops.even and loops.even * len(row) <= _MANY_CORNERS:
        return _by_corners(lines, row, loops, zone, loops.even, scale)
    counts = loops.last.take(zone) + 1 - loops.start.take(zone)
    most, least = int(np.maximum.reduce(counts)), int(np.minimum.reduce(counts))
    if least and most <= 2 * least + 16 and most * len(row) <= _MANY_CORNERS:
        return _by_corners(lines, row, loops, zone, most, scale)
    near, clear = np.empty(len(row), dtype=bool), np.empty(len(row), dtype=bool)
    for some in _alike(counts):
        most = int(counts[some].max())
        near[some], clear[some] = _by_corners(lines, row[some], loops, zone[some], most, scale)
    (some,) = (counts == 0).nonzero()
    if len(some):
        near[some], clear[some] = _by_centers(
            lines, row[some], zones.circle.take(zone[some], axis=0), scale
        )
    return near, clear


def _alike(counts: Ints) -> Iterator[Ints]:
    """Pairs in parts whose corners fill a table well; circles are left out."""
    order = np.argsort(counts, kind="stable")[np.count_nonzero(counts == 0) :]
    while len(order):
        # the longest of a part sets the width of its table
        total = (np.arange(len(order)) + 1) * counts.take(order)
        wide = counts.take(order) > 2 * counts[order[0]] + 16
        size = int(np.argmax(np.append(wide | (total > _MANY_CORNERS), True)))
        yield np.sort(order[: max(size, 1)])
        order = order[max(size, 1) :]


def _by_corners(  # noqa: PLR0917 - rows of one table, column by column
    lines: Lines, row: Ints, loops: Loops, zone: Ints, size: int, scale: Scale
) -> tuple[Bools, Bools]:
    """Which pairs (n) of a chord and a polygon are near, and which are surely far.

    Meeting: an edge crosses the chord, or an odd number of them the line behind its start, which is
    then inside; holes are outside. A corner's numbers are worked out once for both of its edges, so
    no edge is lost between two sides of a chord. Else the distance of edges and chord decides.
    `size`: the most corners that one of these zones has in its loops.
    """
    across, along, ends = _seen(lines, row, loops, zone, size)
    told = lines.told.take(row, axis=1)
    near = _met(across, along, ends, told[TO_END])
    (doubt,) = (~near).nonzero()
    near &= told[STRAY] < told[HALF] + TOLERANCE_M / 2.0
    clear = np.zeros(len(zone), dtype=bool)
    if len(doubt):
        across, along = across.take(doubt, axis=0), along.take(doubt, axis=0)
        kept = _not_beyond(across, along, told.take(doubt, axis=1))
        clear[doubt] = True
        doubt = doubt.take(kept)
    if len(doubt):
        half, far, stray, to_end = told.take(doubt, axis=1)
        ends = None if ends is None else ends[doubt]
        apart = _apart(across.take(kept, axis=0), along.take(kept, axis=0), ends, to_end)
        clear[doubt] = apart > far
        ratio = max(scale.east_most / scale.east, scale.north_most / scale.north)
        near[doubt] = apart * ratio + stray < half
    return near, clear


def _seen(
    lines: Lines, row: Ints, loops: Loops, zone: Ints, size: int
) -> tuple[Array, Array, Bools | None]:
    """Corners (n, c) across and along their chords, and which end a ring; None: the last only.

    Products may be rounded otherwise from place to place: what ends a ring is taken from where it
    begins.
    """
    many = len(row)
    run = np.ascontiguousarray(lines.run.reshape(6, -1).take(row, axis=1).T).reshape(many, 3, 2)
    seen = np.empty((2, many, size))
    if loops.even:
        corners = loops.corners.reshape(3, -1, size).take(zone, axis=1)
        np.matmul(run.transpose(0, 2, 1), corners.transpose(1, 0, 2), out=seen.transpose(1, 0, 2))
        seen[:, :, -1] = seen[:, :, 0]
        return seen[0], seen[1], None
    # behind its last corner a zone stays there, and no edge is added
    index = loops.start.take(zone)[:, None] + np.arange(size)
    np.minimum(index, loops.last.take(zone)[:, None], out=index)
    corners = loops.corners.take(index, axis=1)
    np.matmul(run.transpose(0, 2, 1), corners.transpose(1, 0, 2), out=seen.transpose(1, 0, 2))
    same = loops.same.take(index)
    same += (np.arange(many) * size)[:, None]
    across, along = seen.reshape(2, -1).take(same, axis=1)
    return across, along, loops.ends.take(index)


def _met(across: Array, along: Array, ends: Bools | None, to_end: Array) -> Bools:
    """Which chords (n) meet their polygons, corners (n, c) across and along them."""
    many, size = across.shape
    left = (across > 0.0).reshape(-1)
    crossed = np.empty((many, size), dtype=bool)
    np.not_equal(left[1:], left[:-1], out=crossed.reshape(-1)[:-1])
    # no edge begins where a ring ends
    if ends is None:
        crossed[:, -1] = False
    else:
        crossed &= ~ends
    (begin,) = crossed.reshape(-1).nonzero()
    pair = begin // size
    end = begin + 1
    # the ends lie on different sides, so the difference is no less than either
    share = across.take(begin)
    share /= share - across.take(end)
    at = along.take(begin)
    at += share * (along.take(end) - at)
    to_end = to_end.take(pair)
    behind = at < -to_end
    meets = np.asarray((np.bincount(pair[behind], minlength=many) & 1) > 0)
    behind |= at > to_end
    meets[pair[~behind]] = True
    return meets


def _not_beyond(across: Array, along: Array, told: Array) -> Ints:
    """Which of n have not all of their corners (n, c) far on one side of the chord or of an end."""
    far = told[FAR]
    beyond = np.minimum.reduce(across, axis=1) > far
    beyond |= np.maximum.reduce(across, axis=1) < -far
    far = far + told[TO_END]
    beyond |= np.minimum.reduce(along, axis=1) > far
    beyond |= np.maximum.reduce(along, axis=1) < -far
    return np.asarray((~beyond).nonzero()[0], dtype=np.intp)


def _apart(across: Array, along: Array, ends: Bools | None, to_end: Array) -> Array:
    """Metres (n) from chords to the nearest edge of corners (n, c), none of which crosses it."""
    many, size = across.shape
    reach = to_end.repeat(size)
    x, y = along.reshape(-1), across.reshape(-1)
    # a corner to the chord
    off = np.abs(x)
    off -= reach
    np.maximum(off, 0.0, out=off)
    off *= off
    off += y * y
    # either end of the chord to an edge; what ends a ring begins one of no length
    dx, dy = np.zeros((2, many * size))
    np.subtract(x[1:], x[:-1], out=dx[:-1])
    np.subtract(y[1:], y[:-1], out=dy[:-1])
    last = slice(size - 1, None, size) if ends is None else ends.reshape(-1)
    dx[last] = 0.0
    dy[last] = 0.0
    length2 = dx * dx
    length2 += dy * dy
    np.maximum(length2, _TINY, out=length2)
    down = y * dy
    for end in (reach, -reach):
        to = end - x
        share = to * dx
        share -= down
        share /= length2
        np.maximum(share, 0.0, out=share)
        np.minimum(share, 1.0, out=share)
        to -= share * dx
        share *= dy
        share += y
        to *= to
        share *= share
        to += share
        np.minimum(off, to, out=off)
    return np.asarray(np.sqrt(np.minimum.reduce(off.reshape(many, size), axis=1)))


_TINY = 1e-300
"""Divides nothing by nothing where two corners are one."""


def _by_centers(lines: Lines, row: Ints, circle: Array, scale: Scale) -> tuple[Bools, Bools]:
    """Which pairs (n) of a chord and a circle are near, and which are surely far.

    A geodesic is as long as the sum of its steps, so it is no shorter than the same way taken at
    the least metres per degree that it passes, and the straight way at the greatest is no shorter
    than it. Within the reach of a circle it leaves the path's latitudes by that reach at most.
    """
    half, far, stray, _ = lines.told.take(row, axis=1)
    radius = circle[:, 2]
    beyond = float((radius + far).max()) / LEAST_DEGREE_M
    if scale.steep + beyond > MAX_STEEP_DEG:
        return np.zeros(len(circle), dtype=bool), np.zeros(len(circle), dtype=bool)
    east_least, north_most = metres_per_degree_at(scale.steep + beyond)
    east_most, north_least = metres_per_degree_at(max(scale.flat - beyond, 0.0))
    step = lines.step.take(row, axis=1)
    point = circle[:, :2].T - lines.start.take(row, axis=1)
    clear = _to_chord_m(point, step, (east_least, north_least)) > radius + far
    near_m = _to_chord_m(point, step, (east_most, north_most))
    near_m += stray * (east_most / scale.east_most)
    return near_m <= radius + half - SLACK_M, clear


def _to_chord_m(point: Array, step: Array, scale: tuple[float, float]) -> Array:
    """Distances (n) of points (2, n) from lines (2, n) that start at nought, degrees scaled."""
    by = np.array(scale)[:, None]
    to, run = point * by, step * by
    share = np.clip((to * run).sum(axis=0) / (run * run).sum(axis=0), 0.0, 1.0)
    off = to - share * run
    return np.asarray(np.hypot(off[0], off[1]))
