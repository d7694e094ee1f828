"""Pairs of leg and zone that the sieve leaves in doubt, sorted out by the pieces of the legs.

Owns the second look: the proofs of the sieve on the pieces that `contact` would take, whose lines
do not stray. Must not decide what is in doubt even then: a difference of centimetres is left to
`contact`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geofence.chords import LEAST_DEGREE_M, SLACK_M, frame_of_pieces, scale_of
from geofence.frames import Array
from geofence.kernel import Ints
from geofence.path import ROW, STILL_DEG, FlightPath
from geofence.sieve import Sieved, sifted
from geofence.track import Pieces, pieces_of
from geofence.zoneset import ZoneSet


def narrow(
    path: FlightPath, zones: ZoneSet, outer: Array, pairs: Sequence[tuple[int, int]]
) -> Sieved:
    """Which pairs of owner and zone touch, and which must still be asked about.

    `outer` is ZoneSet.table. What is only partly within a zone's heights, or the zone keeps hours,
    is proven clear where it is, and else asked about.
    """
    owner, zone = np.array(pairs, dtype=np.intp).T
    pieces = pieces_of(path, np.unique(owner))
    first = np.searchsorted(pieces.owner, owner)
    counts = np.searchsorted(pieces.owner, owner, side="right") - first
    starts = np.cumsum(counts) - counts
    piece: Ints = np.arange(int(counts.sum())) + np.repeat(first - starts, counts)
    table, frame = _table(pieces, zones, zone)
    every = np.arange(len(piece) + 1)
    row, _, touches = sifted(table[piece], frame, np.repeat(zone, counts), every, zones, outer)
    pair = np.repeat(np.arange(len(pairs)), counts)[row].tolist()
    touched = {number for number, surely in zip(pair, touches, strict=True) if surely}
    asked = set(pair) - touched
    return Sieved([pairs[number] for number in touched], [pairs[number] for number in asked])


def _table(pieces: Pieces, zones: ZoneSet, zone: Ints) -> tuple[Array, Array]:
    """The pieces as the sieve's table of legs, and its frame."""
    line, heights = pieces.line, pieces.heights
    table = np.zeros((len(line), ROW.COUNT))
    table[:, ROW.HIGH], table[:, ROW.MINUS_LOW] = heights.max(axis=1), -heights.min(axis=1)
    table[:, ROW.HALF] = np.maximum(pieces.reach_m - SLACK_M, 0.0)
    table[:, ROW.LON : ROW.TO_LAT + 1] = line
    step = line[:, 2:] - line[:, :2]
    step[(np.abs(step) < STILL_DEG).all(axis=1), 0] = STILL_DEG
    table[:, ROW.DLON :] = step
    south, north = float(line[:, 1::2].min()), float(line[:, 1::2].max())
    scale = scale_of(south, north, float(pieces.corridor_m.max()))
    reach_m = float(pieces.reach_m.max() + zones.radius.take(zone).max()) + SLACK_M
    return table, frame_of_pieces(scale, reach_m / LEAST_DEGREE_M)
