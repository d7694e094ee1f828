"""Where the steps of a track lie inside a zone, and when.

Owns the cut of a step by area, height and time, as a straight line between two samples. Must not
know rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sitl.referee.earth import Span
from sitl.referee.truth import Track
from sitl.referee.zones import RefZone

_SAME_VISIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Breach:
    """The part of one step that lies inside, from its entry to its exit."""

    enter_s: float
    leave_s: float
    lon_deg: float
    lat_deg: float
    alt_m: float
    row: int = 0
    """The step."""


def near_steps(track: Track, zone: RefZone) -> Iterator[tuple[int, int]]:
    """Steps whose box meets the box of the zone; a track of one sample is a step on the spot."""
    first = np.arange(max(1, len(track) - 1))
    last = np.minimum(first + 1, len(track) - 1)
    low = np.minimum(track.lonlat[first], track.lonlat[last])
    high = np.maximum(track.lonlat[first], track.lonlat[last])
    near = np.zeros(len(first), dtype=np.bool_)
    for area in zone.areas:
        west, south, east, north = area.box()
        near |= (
            (low[:, 0] <= east)
            & (high[:, 0] >= west)
            & (low[:, 1] <= north)
            & (high[:, 1] >= south)
        )
    for row in np.flatnonzero(near).tolist():
        yield row, int(last[row])


def breaches_of(
    track: Track, zone: RefZone, windows: list[tuple[float, float]], first: int, last: int
) -> Iterator[Breach]:
    """The parts of the step from sample `first` to `last` inside the zone while it applies."""
    start, end = track.lonlat[first], track.lonlat[last]
    t0, t1 = float(track.t_s[first]), float(track.t_s[last])
    z0, z1 = float(track.alt_amsl_m[first]), float(track.alt_amsl_m[last])
    upright = _between(z0, z1, zone.floor_amsl_m, zone.ceiling_amsl_m)
    if upright is None:
        return
    for area in zone.areas:
        for flat in area.spans(start, end):
            inside = _common(flat, upright)
            if inside is None:
                continue
            for window in windows:
                when = _common(inside, _between(t0, t1, *window))
                if when is None:
                    continue
                low, high = when
                lon, lat = (start + low * (end - start)).tolist()
                yield Breach(
                    t0 + low * (t1 - t0),
                    t0 + high * (t1 - t0),
                    lon,
                    lat,
                    min(z0 + low * (z1 - z0), z0 + high * (z1 - z0)),
                    first,
                )


def _between(a: float, b: float, low: float | None, high: float | None) -> Span | None:
    """The part of a step from value a to b on which the value is in [low, high]."""
    if a == b:
        inside = (low is None or a >= low) and (high is None or a <= high)
        return (0.0, 1.0) if inside else None
    marks = [
        (limit - a) / (b - a) if limit is not None else None
        for limit in ((low, high) if b > a else (high, low))
    ]
    span = (
        max(0.0, marks[0]) if marks[0] is not None else 0.0,
        min(1.0, marks[1]) if marks[1] is not None else 1.0,
    )
    return span if span[0] < span[1] else None


def _common(one: Span, other: Span | None) -> Span | None:
    if other is None:
        return None
    span = max(one[0], other[0]), min(one[1], other[1])
    return span if span[0] < span[1] else None


def grouped(breaches: list[Breach]) -> list[list[Breach]]:
    """Visits: parts with no more than a short while between them, in order of time."""
    visits: list[list[Breach]] = []
    for breach in sorted(breaches, key=lambda b: b.enter_s):
        if visits and breach.enter_s - visits[-1][-1].leave_s <= _SAME_VISIT_S:
            visits[-1].append(breach)
        else:
            visits.append([breach])
    return visits
