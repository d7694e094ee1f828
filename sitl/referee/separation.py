"""How near to each other airborne drones came.

Owns the rule on separation. Tracks are laid on one grid of time; between two grid points the
approach is judged as a straight relative line, so that a pass between samples is seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from sitl.referee.earth import Array, Flags, east_north_m
from sitl.referee.findings import Finding, iso
from sitl.referee.truth import Hub, Track

LEAST_HORIZONTAL_M = 5.0
LEAST_VERTICAL_M = 3.0
_GRID_S = 0.5
_SAME_MEETING_S = 5.0


@dataclass(frozen=True, slots=True)
class Approach:
    """The nearest that two airborne drones came outside the hubs."""

    one: str
    other: str
    t_s: float
    horizontal_m: float
    vertical_m: float

    def as_json(self) -> dict[str, object]:
        """As the report has it."""
        return {
            "vehicles": [self.one, self.other],
            "t": iso(self.t_s),
            "horizontal_m": round(self.horizontal_m, 2),
            "vertical_m": round(self.vertical_m, 2),
        }


@dataclass(frozen=True, slots=True)
class _Flight:
    vehicle_id: str
    first: int
    xyz: Array
    airborne: Flags
    at_hub: Flags


def judge_separation(
    tracks: Sequence[Track], hubs: Sequence[Hub]
) -> tuple[list[Finding], Approach | None]:
    """Meetings under both minima outside the hubs, and the nearest approach of all."""
    drones = [t for t in tracks if t.vehicle_class == "multirotor" and t.airborne.any()]
    if len(drones) < 2:
        return [], None
    start_s = min(float(t.t_s[0]) for t in drones)
    center = np.concatenate([t.lonlat for t in drones]).mean(axis=0)
    flights = [_flight(track, hubs, start_s, center) for track in drones]
    found: list[Finding] = []
    nearest: Approach | None = None
    for one, other in combinations(flights, 2):
        approach, meetings = _pair(one, other, start_s)
        found += meetings
        if approach is not None and (nearest is None or _span_m(approach) < _span_m(nearest)):
            nearest = approach
    return found, nearest


def _flight(track: Track, hubs: Sequence[Hub], start_s: float, center: Array) -> _Flight:
    first = int(np.ceil((track.t_s[0] - start_s) / _GRID_S))
    last = int(np.floor((track.t_s[-1] - start_s) / _GRID_S))
    grid_s = start_s + np.arange(first, last + 1) * _GRID_S
    flat = east_north_m(track.lonlat, float(center[0]), float(center[1]))
    xyz = np.stack(
        [np.interp(grid_s, track.t_s, v) for v in (flat[:, 0], flat[:, 1], track.alt_amsl_m)],
        axis=-1,
    ).reshape(-1, 3)
    before = np.clip(np.searchsorted(track.t_s, grid_s, side="right") - 1, 0, len(track) - 1)
    after = np.minimum(before + 1, len(track) - 1)
    at_hub = np.zeros(len(grid_s), dtype=np.bool_)
    for hub in hubs:
        x, y = east_north_m(
            np.array([[hub.lon_deg, hub.lat_deg]]), float(center[0]), float(center[1])
        )[0]
        at_hub |= np.hypot(xyz[:, 0] - x, xyz[:, 1] - y) <= hub.radius_m
    airborne = track.airborne[before] & track.airborne[after]
    return _Flight(track.vehicle_id, first, xyz, airborne, at_hub)


def _pair(one: _Flight, other: _Flight, start_s: float) -> tuple[Approach | None, list[Finding]]:
    first = max(one.first, other.first)
    last = min(one.first + len(one.xyz), other.first + len(other.xyz))
    if last - first < 2:
        return None, []
    a = slice(first - one.first, last - one.first)
    b = slice(first - other.first, last - other.first)
    both = one.airborne[a] & other.airborne[b] & ~(one.at_hub[a] & other.at_hub[b])
    steps = both[:-1] & both[1:]
    if not steps.any():
        return None, []
    gap = one.xyz[a] - other.xyz[b]
    start, step = gap[:-1], np.diff(gap, axis=0)
    share = _nearest_share(start, step)
    at = start + share[:, None] * step
    reach_m = np.where(steps, np.linalg.norm(at, axis=-1), np.inf)
    row = int(np.argmin(reach_m))
    t_s = start_s + (first + row + float(share[row])) * _GRID_S
    approach = Approach(
        one.vehicle_id,
        other.vehicle_id,
        t_s,
        float(np.hypot(at[row, 0], at[row, 1])),
        float(abs(at[row, 2])),
    )
    rows = np.flatnonzero(steps & _both_under(start, step)).tolist()
    times = [start_s + (first + row) * _GRID_S for row in rows]
    return approach, list(_meetings(one.vehicle_id, other.vehicle_id, times, gap[rows]))


def _nearest_share(start: Array, step: Array) -> Array:
    squared = np.einsum("ij,ij->i", step, step)
    along = -np.einsum("ij,ij->i", start, step)
    share = np.divide(along, squared, out=np.zeros_like(along), where=squared > 0.0)
    return np.asarray(np.clip(share, 0.0, 1.0))


def _both_under(start: Array, step: Array) -> Flags:
    """Steps with a moment under the horizontal and under the vertical minimum at once."""
    a = step[:, 0] ** 2 + step[:, 1] ** 2
    b = 2.0 * (start[:, 0] * step[:, 0] + start[:, 1] * step[:, 1])
    c = start[:, 0] ** 2 + start[:, 1] ** 2 - LEAST_HORIZONTAL_M**2
    root = b * b - 4.0 * a * c
    moving = a > 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        half = np.sqrt(np.maximum(root, 0.0))
        low = np.where(moving, (-b - half) / (2.0 * a), 0.0)
        high = np.where(moving, (-b + half) / (2.0 * a), 1.0)
    near = np.where(moving, root > 0.0, c < 0.0)
    climbing = step[:, 2] != 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        one = (-LEAST_VERTICAL_M - start[:, 2]) / step[:, 2]
        other = (LEAST_VERTICAL_M - start[:, 2]) / step[:, 2]
    level = np.where(climbing, True, np.abs(start[:, 2]) < LEAST_VERTICAL_M)  # noqa: FBT003
    bottom = np.where(climbing, np.minimum(one, other), 0.0)
    top = np.where(climbing, np.maximum(one, other), 1.0)
    enter = np.maximum(np.maximum(low, bottom), 0.0)
    leave = np.minimum(np.minimum(high, top), 1.0)
    return np.asarray(near & level & (enter < leave))


def _meetings(one: str, other: str, times: list[float], gaps: Array) -> Iterator[Finding]:
    start = 0
    for row in range(1, len(times) + 1):
        if row < len(times) and times[row] - times[row - 1] <= _SAME_MEETING_S:
            continue
        flat_m = float(np.hypot(gaps[start:row, 0], gaps[start:row, 1]).min())
        high_m = float(np.abs(gaps[start:row, 2]).min())
        yield Finding(
            rule="separation",
            text=(
                f"{one} and {other} were within {LEAST_HORIZONTAL_M:g} m horizontally and "
                f"{LEAST_VERTICAL_M:g} m vertically of each other, both airborne "
                f"(sampled: {flat_m:.1f} m and {high_m:.1f} m)"
            ),
            vehicle_id=one,
            t_s=times[start],
            until_s=times[row - 1] + _GRID_S,
        )
        start = row


def _span_m(approach: Approach) -> float:
    return float(np.hypot(approach.horizontal_m, approach.vertical_m))
