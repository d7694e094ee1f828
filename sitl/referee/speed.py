"""Whether a track was faster in a zone than the zone allows.

Owns the rule on speed. The speed of a step is that over ground, averaged over a second or more
about it: two samples of one moment tell no speed. A twentieth and 0.1 m/s more than the limit is
within it, for a controller's ripple and the rounding of positions.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sitl.referee.earth import Array, ecef
from sitl.referee.findings import Finding
from sitl.referee.steps import Breach, breaches_of, grouped, near_steps
from sitl.referee.truth import Track
from sitl.referee.zones import RefZone

OVER_SHARE = 0.05
OVER_MPS = 0.1
_WINDOW_S = 1.0


def judge_speed(track: Track, zone: RefZone) -> Iterator[Finding]:
    """Every stay in the zone, while it is in force, that was too fast."""
    limit = zone.max_speed_mps
    if limit is None or len(track) < 2:
        return
    windows = zone.active_spans(float(track.t_s[0]), float(track.t_s[-1]))
    if not windows:
        return
    speeds = speeds_mps(track)
    fast: list[Breach] = []
    for first, last in near_steps(track, zone):
        if speeds[first] > limit * (1.0 + OVER_SHARE) + OVER_MPS:
            fast += breaches_of(track, zone, windows, first, last)
    for visit in grouped(fast):
        most = max(float(speeds[breach.row]) for breach in visit)
        yield Finding(
            rule="speed",
            text=(
                f"{track.vehicle_id} moved at {most:.1f} m/s in {zone.name}, which allows "
                f"{limit:g} m/s"
            ),
            vehicle_id=track.vehicle_id,
            zone_id=zone.zone_id,
            t_s=visit[0].enter_s,
            until_s=visit[-1].leave_s,
            lon_deg=visit[0].lon_deg,
            lat_deg=visit[0].lat_deg,
        )


def speeds_mps(track: Track) -> Array:
    """Of each step (n - 1): way over ground through time, over at least a second about it."""
    lengths = np.linalg.norm(np.diff(ecef(track.lonlat), axis=0), axis=-1)
    way = np.concatenate(([0.0], np.cumsum(lengths)))
    t = track.t_s
    middle = (t[:-1] + t[1:]) / 2.0
    half = np.maximum(np.diff(t), _WINDOW_S) / 2.0
    begin, end = np.maximum(middle - half, t[0]), np.minimum(middle + half, t[-1])
    passed = end - begin
    # at either end of a short track there may be no second: then what there is
    way_m = np.interp(end, t, way) - np.interp(begin, t, way)
    return np.asarray(np.where(passed > 0.0, way_m / np.where(passed > 0.0, passed, 1.0), 0.0))
