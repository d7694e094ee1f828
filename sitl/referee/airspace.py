"""Whether a track went where a zone forbids, or left where it had to stay.

Owns the rules on zones. Each step between two samples is judged as a straight line in longitude,
latitude, height and time, so that nothing slips through between samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sitl.referee.earth import Array, Flags
from sitl.referee.findings import Finding
from sitl.referee.speed import judge_speed
from sitl.referee.steps import breaches_of, grouped, near_steps
from sitl.referee.truth import Track
from sitl.referee.zones import RefZone

Permits = Mapping[str, frozenset[str]]
"""The permits that a vehicle holds, by vehicle id."""

_FORBIDDEN = frozenset({"no_fly", "restricted"})


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
            if not zone.binds(track.vehicle_class, track.traits):
                continue
            if zone.kind in _FORBIDDEN and not lifted:
                found += _visits(track, zone)
            elif zone.max_speed_mps is not None:
                found += judge_speed(track, zone)
        keep_in = [
            zone
            for zone in zones
            if zone.kind == "keep_in" and zone.binds(track.vehicle_class, track.traits)
        ]
        if keep_in:
            found += _outside(track, keep_in)
    return found


def _visits(track: Track, zone: RefZone) -> Iterator[Finding]:
    windows = zone.active_spans(float(track.t_s[0]), float(track.t_s[-1]))
    if not windows:
        return
    breaches = [
        breach
        for first, last in near_steps(track, zone)
        for breach in breaches_of(track, zone, windows, first, last)
    ]
    for visit in grouped(breaches):
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
        if len(zone.areas) > 1 or zone.has_hours:
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
