"""Where on the globe a plane of longitudes may be cut open without cutting what lies in it.

Owns the choice of a frame's longitude for places that may lie anywhere. Must not know what they
are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from geofence.errors import FrameError
from geofence.frames import Array, LatLon, LocalFrame

_FRAME_STEP_DEG = 0.5
_BIN_DEG = 0.5
_BINS = 720
_LEAST_BINS = 4
"""Two degrees: over 20 km at every latitude that a frame has."""


def frame_of(lines: Sequence[Array]) -> LocalFrame:
    """A frame for lines (n, 2) of lon, lat degrees, each step of them the short way round.

    It is at a latitude as far from the equator as any of them, or up to half a degree farther.
    Raises FrameError beyond 84 degrees, and for lines that leave no two degrees of longitude free.
    """
    lonlat = np.concatenate(lines)
    lat = float(lonlat[np.argmax(np.abs(lonlat[:, 1])), 1])
    steps = math.copysign(math.ceil(abs(lat) / _FRAME_STEP_DEG), lat)
    frame = LocalFrame(LatLon(steps * _FRAME_STEP_DEG, float(lonlat[0, 0])))
    if is_whole(lines, frame):
        return frame
    return LocalFrame(LatLon(frame.origin.lat_deg, _middle_longitude(lines)))


def is_whole(lines: Sequence[Array], frame: LocalFrame) -> bool:
    """Whether lines lie on the frame's own half of the globe, so that no step is cut in two."""
    lons = np.concatenate([line[:, 0] for line in lines])
    away = (lons - frame.origin.lon_deg + 180.0) % 360.0 - 180.0
    return bool((np.abs(away) <= 89.0).all())


def _middle_longitude(lines: Sequence[Array]) -> float:
    """The longitude opposite the middle of the widest band that no line comes into."""
    taken = np.zeros(_BINS, dtype=bool)
    for line in lines:
        lons = np.unwrap(line[:, 0], period=360.0)
        first, last = (math.floor(edge / _BIN_DEG) for edge in (lons.min(), lons.max()))
        taken[np.arange(first, min(last, first + _BINS) + 1) % _BINS] = True
    begin, count = _longest_run(~taken)
    if count < _LEAST_BINS:
        raise FrameError("flights all round the globe: no meridian is free to part them at")
    # opposite the middle, between -180 and 180
    return (begin + count / 2.0) * _BIN_DEG % 360.0 - 180.0


def _longest_run(free: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[int, int]:
    """First bin and length of the longest run on the ring."""
    if free.all():
        return 0, len(free)
    start = int(np.flatnonzero(~free)[0])
    ring = np.roll(free, -start)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], ring, [False])).astype(np.int8)))
    runs = edges.reshape(-1, 2)
    if not len(runs):
        return 0, 0
    longest = runs[int(np.argmax(runs[:, 1] - runs[:, 0]))]
    return (int(longest[0]) + start) % len(free), int(longest[1] - longest[0])
