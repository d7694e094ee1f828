"""Corridors that an operator names: narrow ways that flights share by turns.

Owns what a corridor is and when a track uses it, and which way. Must not reserve: see slots.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from geofence.conflict import Track
from geofence.errors import PathError
from geofence.frames import Array, LatLon, LocalFrame
from geofence.kernel import make_rows, touching_spans

_GAP_S = 1.0
"""A track that leaves a corridor for less has not left it."""


@dataclass(frozen=True, slots=True)
class Corridor:
    """All within `half_width_m` of a line, between two heights AMSL.

    `capacity`: how many at a time. `headway_s`: least time between two that enter, or leave, the
    same way. Two that go opposite ways are never in it together. `one_way`: only from the line's
    first point to its last. Raises PathError for numbers that make no sense.
    """

    name: str
    line: tuple[LatLon, ...]
    half_width_m: float
    low_amsl_m: float = -math.inf
    high_amsl_m: float = math.inf
    capacity: int = 1
    headway_s: float = 0.0
    one_way: bool = False

    def __post_init__(self) -> None:
        what = f"corridor {self.name}"
        if not self.name:
            raise PathError("corridor: name must not be empty")
        if len(self.line) < 2 or self.line[0] == self.line[-1]:
            raise PathError(f"{what}: line needs two ends that differ")
        if not (math.isfinite(self.half_width_m) and self.half_width_m > 0.0):
            raise PathError(f"{what}: half_width_m {self.half_width_m} must be a positive number")
        if not self.low_amsl_m < self.high_amsl_m:
            raise PathError(f"{what}: low_amsl_m {self.low_amsl_m} must be below high_amsl_m")
        if self.capacity < 1:
            raise PathError(f"{what}: capacity {self.capacity} is less than one")
        if not (math.isfinite(self.headway_s) and self.headway_s >= 0.0):
            raise PathError(f"{what}: headway_s {self.headway_s} must not be negative")


@dataclass(frozen=True, slots=True)
class Passage:
    """A stay in a corridor, in the track's seconds, as early and as late as the track may be.

    `way`: 1 along the line, -1 against it, 0 across it or still.
    """

    corridor: Corridor
    enter_s: float
    leave_s: float
    way: int


def passages(track: Track, corridor: Corridor) -> tuple[Passage, ...]:
    """Every stay of a track in a corridor, in order. Exact for even motion between points."""
    frame = LocalFrame(corridor.line[0])
    line = np.array([frame.xy(point) for point in corridor.line])
    at = frame.to_xy(track.lonlat)
    found: list[Passage] = []
    for begin, end in _joined(_spans(track, corridor, at, line)):
        gone_m = _along(line, _place(track, at, end)) - _along(line, _place(track, at, begin))
        # less than a width of progress is no way along
        way = 0 if abs(gone_m) < corridor.half_width_m else int(math.copysign(1.0, gone_m))
        enter, leave = begin - _slop_s(track, begin), end + _slop_s(track, end)
        found.append(Passage(corridor, enter, max(leave, enter + _GAP_S), way))
    return tuple(found)


def _spans(
    track: Track, corridor: Corridor, at: Array, line: Array
) -> Iterator[tuple[float, float]]:
    """Seconds of each even piece within the corridor."""
    edges = np.hstack((line[:-1], line[1:]))
    segments = np.hstack((at[:-1], at[1:]))
    rows = make_rows(
        segments, np.tile(edges, (len(segments), 1)), np.full(len(segments), len(edges))
    )
    wide = np.full(len(segments), corridor.half_width_m)
    touch = touching_spans(rows, wide)
    for number, span in enumerate(touch.tolist()):
        if not math.isfinite(span[0]):
            continue
        heights = float(track.amsl_m[number]), float(track.amsl_m[number + 1])
        first, last = _clipped(span, heights, corridor.low_amsl_m, above=True)
        first, last = _clipped((first, last), heights, corridor.high_amsl_m, above=False)
        if first > last:
            continue
        begin_s = float(track.t_s[number])
        took_s = float(track.t_s[number + 1]) - begin_s
        yield begin_s + first * took_s, begin_s + last * took_s


def _clipped(
    span: tuple[float, float], heights: tuple[float, float], limit: float, *, above: bool
) -> tuple[float, float]:
    """The part of a span of a slope above, or below, a height."""
    (first, last), (low, high) = span, heights
    inside = (low >= limit, high >= limit) if above else (low <= limit, high <= limit)
    if all(inside):
        return first, last
    if not any(inside):
        return math.inf, -math.inf
    crossing = (limit - low) / (high - low)
    return (first, min(last, crossing)) if inside[0] else (max(first, crossing), last)


def _joined(spans: Iterator[tuple[float, float]]) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for begin, end in spans:
        if found and begin <= found[-1][1] + _GAP_S:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((begin, end))
    return found


def _place(track: Track, at: Array, when_s: float) -> Array:
    return np.array([np.interp(when_s, track.t_s, at[:, axis]) for axis in (0, 1)])


def _along(line: Array, place: Array) -> float:
    """How far along a line the point nearest to a place is, metres."""
    step = np.diff(line, axis=0)
    length = np.hypot(step[:, 0], step[:, 1])
    share = ((place - line[:-1]) * step).sum(axis=1) / np.where(length > 0.0, length, 1.0) ** 2
    share = np.clip(share, 0.0, 1.0)
    away = np.hypot(*(line[:-1] + share[:, None] * step - place).T)
    nearest = int(np.argmin(away))
    return float(length[:nearest].sum() + share[nearest] * length[nearest])


def _slop_s(track: Track, when_s: float) -> float:
    unsure = track.uncertainty
    return unsure.slop_s + unsure.slop_share * max(0.0, when_s - float(track.t_s[0]))
