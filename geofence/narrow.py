"""Pairs of leg and zone that the sieve leaves in doubt, sorted out by the pieces of the legs.

Owns the second look: the proofs of `chords` on the pieces that `contact` would take, whose lines do
not stray. Must not decide what is in doubt even then: a difference of centimetres is left to
`contact`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geofence.chords import SLACK_M, chords_of, look
from geofence.frames import Array
from geofence.kernel import Bools, Ints
from geofence.path import STILL_DEG, FlightPath
from geofence.sieve import Sieved, scale_of
from geofence.track import Pieces, pieces_of
from geofence.zoneset import ZoneSet


def narrow(
    path: FlightPath, zones: ZoneSet, outer: Array, pairs: Sequence[tuple[int, int]]
) -> Sieved:
    """Which pairs of owner and zone touch, and which must still be asked about.

    `outer` is ZoneSet.table. Pairs where a zone keeps hours, or an owner is only partly within its
    heights, are not looked at.
    """
    owner, zone = np.array(pairs, dtype=np.intp).T
    numbers = np.unique(owner)
    pieces = pieces_of(path, numbers)
    first = np.searchsorted(pieces.owner, owner)
    whole = ~zones.timed.take(zone)
    heights = pieces.heights.take(first, axis=0)
    whole &= outer[2].take(zone) <= heights.min(axis=1)
    whole &= outer[5].take(zone) <= -heights.max(axis=1)
    (some,) = whole.nonzero()
    found = Sieved([], [pairs[number] for number in (~whole).nonzero()[0].tolist()])
    if not len(some):
        return found
    counts = np.searchsorted(pieces.owner, owner[some], side="right") - first[some]
    starts = np.cumsum(counts) - counts
    piece = np.arange(int(counts.sum())) + np.repeat(first[some] - starts, counts)
    near, clear = _look(pieces, piece, zones, np.repeat(zone[some], counts))
    touched = np.logical_or.reduceat(near, starts)
    far = np.logical_and.reduceat(clear, starts)
    for number, touches, is_clear in zip(
        some.tolist(), touched.tolist(), far.tolist(), strict=True
    ):
        if touches:
            found.touched.append(pairs[number])
        elif not is_clear:
            found.asked.append(pairs[number])
    return found


def _look(pieces: Pieces, piece: Ints, zones: ZoneSet, zone: Ints) -> tuple[Bools, Bools]:
    """Pairs of piece and zone that touch, and that are clear."""
    line, reach = pieces.line.T, pieces.reach_m
    south, north = float(line[1::2].min()), float(line[1::2].max())
    scale = scale_of(south, north, float(pieces.corridor_m.max()))
    told = np.stack((np.maximum(reach - SLACK_M, 0.0), reach + SLACK_M, 0.0 * reach, reach))
    start, step = line[:2], line[2:] - line[:2]
    step[0, (np.abs(step) < STILL_DEG).all(axis=0)] = STILL_DEG
    return look(chords_of(start, step, told, scale), piece, zones, zone, scale)
