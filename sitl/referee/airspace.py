"""Whether a track went where a zone forbids, or left where it had to stay.

Owns the rules on zones. Each step between two samples is judged as a straight line in longitude,
latitude, height and time, so that nothing slips through between samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sitl.referee.earth import Array, Flags, Span
from sitl.referee.findings import Finding
from sitl.referee.truth import Track
from sitl.referee.zones import RefZone

Permits = Mapping[str, frozenset[str]]
"""The permits that a vehicle holds, by vehicle id."""

_FORBIDDEN = frozenset({"no_fly", "restricted"})
_SAME_VISIT_S = 5.0


@dataclass(frozen=True, slots=True)
class _Breach:
    """One step's breach, from its entry to its exit."""

    enter_s: float
    leave_s: float
    lon_deg: float
    lat_deg: float
    alt_m: float


def judge_zones(
    tracks: Sequence[Track], zones: Sequence[RefZone], permits: Permits
) -> list[Finding]:
    """Every visit to a forbidden zone and every stay outside the keep-in zones."""
    found: list[Finding] = []
    for track in tracks:
        if len(track) == 0:
            continue
        held = permits.get(track.vehicle_id, frozenset())
        for zone in zones:
            lifted = zone.kind == "restricted" and bool(zone.permit) and zone.permit in held
            if zone.kind in _FORBIDDEN and zone.binds(track.vehicle_class) and not lifted:
                found += _visits(track, zone)
        keep_in = [z for z in zones if z.kind == "keep_in" and z.binds(track.vehicle_class)]
        if keep_in:
            found += _outside(track, keep_in)
    return found


def _visits(track: Track, zone: RefZone) -> Iterator[Finding]:
    windows = zone.active_spans(float(track.t_s[0]), float(track.t_s[-1]))
    if not windows:
        return
    breaches = [
        breach
        for first, last in _near_steps(track, zone)
        for breach in _breaches(track, zone, windows, first, last)
    ]
    for visit in _grouped(breaches):
        lowest = min(b.alt_m for b in visit)
        yield Finding(
            rule="zone",
            text=(
                f"{track.vehicle_id} was inside {zone.name} for "
                f"{visit[-1].leave_s - visit[0].enter_s:.1f} s, from {lowest:.1f} m AMSL up"
            ),
            vehicle_id=track.vehicle_id,
            zone_id=zone.zone_id,
            t_s=visit[0].enter_s,
            until_s=visit[-1].leave_s,
            lon_deg=visit[0].lon_deg,
            lat_deg=visit[0].lat_deg,
        )


def _near_steps(track: Track, zone: RefZone) -> Iterator[tuple[int, int]]:
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


def _breaches(
    track: Track, zone: RefZone, windows: list[tuple[float, float]], first: int, last: int
) -> Iterator[_Breach]:
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
                yield _Breach(
                    t0 + low * (t1 - t0),
                    t0 + high * (t1 - t0),
                    lon,
                    lat,
                    min(z0 + low * (z1 - z0), z0 + high * (z1 - z0)),
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


def _grouped(breaches: list[_Breach]) -> list[list[_Breach]]:
    visits: list[list[_Breach]] = []
    for breach in sorted(breaches, key=lambda b: b.enter_s):
        if visits and breach.enter_s - visits[-1][-1].leave_s <= _SAME_VISIT_S:
            visits[-1].append(breach)
        else:
            visits.append([breach])
    return visits


def _outside(track: Track, zones: Sequence[RefZone]) -> Iterator[Finding]:
    """Airborne samples, and steps between them, that no keep-in zone holds."""
    judged = track.airborne if track.vehicle_class == "multirotor" else np.ones(len(track), bool)
    bad = judged & ~_held(track, zones, track.lonlat, track.alt_amsl_m)
    between = judged[:-1] & judged[1:] & ~bad[:-1] & ~bad[1:]
    bad[:-1] |= between & _cuts_out(track, zones)
    for first, last in _runs(bad):
        names = ", ".join(zone.name for zone in zones)
        yield Finding(
            rule="keep_in",
            text=(
                f"{track.vehicle_id} was outside {names} at "
                f"{float(track.alt_amsl_m[first]):.1f} m AMSL"
            ),
            vehicle_id=track.vehicle_id,
            zone_id=zones[0].zone_id,
            t_s=float(track.t_s[first]),
            until_s=float(track.t_s[last]),
            lon_deg=float(track.lonlat[first, 0]),
            lat_deg=float(track.lonlat[first, 1]),
        )


def _held(track: Track, zones: Sequence[RefZone], lonlat: Array, alt_m: Array) -> Flags:
    """Which samples every keep-in zone in force holds; where none is in force, all are."""
    held = np.ones(len(track), dtype=np.bool_)
    for zone in zones:
        inside = np.zeros(len(track), dtype=np.bool_)
        for area in zone.areas:
            inside |= area.contains(lonlat)
        if zone.floor_amsl_m is not None:
            inside &= alt_m >= zone.floor_amsl_m
        if zone.ceiling_amsl_m is not None:
            inside &= alt_m <= zone.ceiling_amsl_m
        held &= inside | ~_in_force(track.t_s, zone)
    return held


def _in_force(t_s: Array, zone: RefZone) -> Flags:
    active = np.zeros(len(t_s), dtype=np.bool_)
    for begin, finish in zone.active_spans(float(t_s[0]), float(t_s[-1])):
        active |= (t_s >= begin) & (t_s <= finish)
    return active


def _cuts_out(track: Track, zones: Sequence[RefZone]) -> Flags:
    """Steps that leave a keep-in zone and come back between two samples.

    A zone of several areas or with hours is judged by its samples alone.
    """
    out = np.zeros(max(0, len(track) - 1), dtype=np.bool_)
    for zone in zones:
        if len(zone.areas) > 1 or zone.hours:
            continue
        area = zone.areas[0]
        for row in np.flatnonzero(area.may_leave(track.lonlat[:-1], track.lonlat[1:])).tolist():
            spans = area.spans(track.lonlat[row], track.lonlat[row + 1])
            out[row] |= sum(high - low for low, high in spans) < 1.0 - 1e-6
    return out


def _runs(flags: Flags) -> Iterator[tuple[int, int]]:
    edges: npt.NDArray[np.int64] = np.flatnonzero(
        np.diff(np.concatenate(([False], flags, [False])).astype(np.int8))
    )
    for first, after in edges.reshape(-1, 2).tolist():
        yield first, after - 1
