"""Whether robots met where only one may be: narrow streets and crossings.

Owns its own reading of the street file and the rule. A stretch is what narrow streets make that
follow each other; a crossing, or a lift, is one of its own. Judged is where robots truly were: in
a narrow stretch no two at once that go against each other, on a crossing no two at once, and none
of them nearer than LEAST_APART_M while they do. The ends of a stretch do not count for the width
of a robot, nor does what stands inside a hub.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np

from sitl.referee.earth import Array, Flags, east_north_m
from sitl.referee.findings import Finding
from sitl.referee.reading import RefereeError, listing, load_json, mapping, number, text
from sitl.referee.truth import Hub, Track

NARROW_M = 1.8
"""Streets known to be narrower let two robots not pass each other."""
LEAST_APART_M = 2.0
"""What robots that go against each other must keep to each other in or at a stretch."""
_ON_IT_M = 1.0
_END_M = 2.0
_GRID_S = 0.5
_MOVES_MPS = 0.2
_SAME_MEETING_S = 5.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the streets that robots use by turns. `line` is longitude, latitude in order."""

    name: str
    alone: bool
    """No two at once, whichever way they go."""
    line: Array


def read_stretches(file: Path) -> tuple[Stretch, ...]:
    """The stretches of a street file. Raises RefereeError."""
    rows: dict[str, tuple[str, str, bool, Array]] = {}
    touching: dict[str, list[str]] = defaultdict(list)
    for feature in listing(
        file.name, "features", mapping(file.name, "", load_json(file))["features"]
    ):
        where = f"{file.name}: {json.dumps(feature)[:80]}"
        geometry = mapping(where, "geometry", mapping(where, "feature", feature).get("geometry"))
        if geometry.get("type") != "LineString":
            continue
        told = mapping(where, "properties", feature.get("properties"))
        name, ends = text(where, "edge_id", told.get("edge_id")), ("start_node", "end_node")
        start, end = (text(where, key, told.get(key)) for key in ends)
        for node in (start, end):
            touching[node].append(name)
        width = told.get("width_m")
        narrow = width is not None and number(where, "width_m", width) < NARROW_M
        alone = told.get("passage") in {"crossing", "lift"}
        if narrow or alone or told.get("passage") == "narrow":
            points = np.array(geometry.get("coordinates"), dtype=np.float64)
            if points.ndim != 2 or len(points) < 2:
                raise RefereeError(where, "coordinates", "must be a line of positions")
            rows[name] = (start, end, alone, points[:, :2])
    return tuple(_stretches(rows, touching))


def _stretches(
    rows: dict[str, tuple[str, str, bool, Array]], touching: dict[str, list[str]]
) -> Iterator[Stretch]:
    left = set(rows)
    for first in sorted(rows):
        if first not in left:
            continue
        left.remove(first)
        start, end, alone, line = rows[first]
        for ahead in (True, False):
            while True:
                node = end if ahead else start
                follows = [name for name in touching[node] if name in left]
                joined = len(touching[node]) == 2 and len(follows) == 1
                if alone or not joined or rows[follows[0]][2]:
                    break
                left.remove(follows[0])
                one, other, _, more = rows[follows[0]]
                if ahead:
                    more, end = (more, other) if one == node else (more[::-1], one)
                    line = np.concatenate((line, more[1:]))
                else:
                    more, start = (more, one) if other == node else (more[::-1], other)
                    line = np.concatenate((more[:-1], line))
        yield Stretch(first, alone, line)


@dataclass(frozen=True, slots=True)
class _Robot:
    vehicle_id: str
    t_s: Array
    xy: Array
    at_hub: Flags


def judge_lanes(
    tracks: Sequence[Track], hubs: Sequence[Hub], stretches: Sequence[Stretch]
) -> list[Finding]:
    """Robots that met where only one may be."""
    robots = [t for t in tracks if t.vehicle_class == "robot" and len(t) > 1]
    if len(robots) < 2 or not stretches:
        return []
    center = np.concatenate([t.lonlat for t in robots]).mean(axis=0)
    begin = min(float(t.t_s[0]) for t in robots)
    end = max(float(t.t_s[-1]) for t in robots)
    grid = np.arange(int((end - begin) / _GRID_S) + 1, dtype=np.float64) * _GRID_S + begin
    seen = [_laid(track, hubs, grid, center) for track in robots]
    found: list[Finding] = []
    for stretch in stretches:
        line = east_north_m(stretch.line, float(center[0]), float(center[1]))
        inside = [(robot, *_along(robot, line)) for robot in seen]
        for one, other in combinations([each for each in inside if each[1].any()], 2):
            found += _meetings(stretch, one, other, grid)
    return found


def _laid(track: Track, hubs: Sequence[Hub], grid: Array, center: Array) -> _Robot:
    flat = east_north_m(track.lonlat, float(center[0]), float(center[1]))
    xy = np.stack([np.interp(grid, track.t_s, flat[:, k]) for k in (0, 1)], axis=-1)
    at_hub = np.zeros(len(grid), dtype=np.bool_)
    for hub in hubs:
        spot = np.array([[hub.lon_deg, hub.lat_deg]])
        at = east_north_m(spot, float(center[0]), float(center[1]))[0]
        at_hub |= np.hypot(*(xy - at).T) <= hub.radius_m
    return _Robot(track.vehicle_id, grid, xy, at_hub)


def _along(robot: _Robot, line: Array) -> tuple[Flags, Array]:
    """When a robot is inside a stretch, and how fast it goes along it."""
    low, high = line.min(axis=0) - _ON_IT_M, line.max(axis=0) + _ON_IT_M
    near = np.flatnonzero(((robot.xy >= low) & (robot.xy <= high)).all(axis=-1) & ~robot.at_hub)
    inside = np.zeros(len(robot.xy), dtype=np.bool_)
    along = np.full(len(robot.xy), np.nan)
    run, total = 0.0, float(np.linalg.norm(np.diff(line, axis=0), axis=-1).sum())
    best = np.full(len(near), np.inf)
    for a, b in pairwise(line):
        step = b - a
        length = float(np.hypot(*step))
        if length == 0.0:
            continue
        share = np.clip(((robot.xy[near] - a) @ step) / length**2, 0.0, 1.0)
        off = np.linalg.norm(robot.xy[near] - (a + share[:, None] * step), axis=-1)
        closer = off < best
        best[closer] = off[closer]
        along[near[closer]] = run + share[closer] * length
        run += length
    margin = min(_END_M, total / 4.0)
    here = near[(best <= _ON_IT_M) & (along[near] > margin) & (along[near] < total - margin)]
    inside[here] = True
    speed = np.zeros(len(robot.xy))
    speed[1:] = np.nan_to_num(np.diff(along)) / _GRID_S
    return inside, speed


def _meetings(
    stretch: Stretch,
    one: tuple[_Robot, Flags, Array],
    other: tuple[_Robot, Flags, Array],
    grid: Array,
) -> Iterator[Finding]:
    both = one[1] & other[1]
    against = one[2] * other[2] < -(_MOVES_MPS**2)
    apart = np.linalg.norm(one[0].xy - other[0].xy, axis=-1)
    bad = both if stretch.alone else both & _in_one_visit(both, against)
    rows = np.flatnonzero(bad)
    if not len(rows):
        return
    cuts = np.flatnonzero(np.diff(grid[rows]) > _SAME_MEETING_S) + 1
    for part in np.split(rows, cuts):
        least_m = float(apart[part].min())
        what = (
            "on one crossing" if stretch.alone else "in one narrow stretch, one against the other"
        )
        near = f", under the least of {LEAST_APART_M:g} m" if least_m < LEAST_APART_M else ""
        yield Finding(
            "lanes",
            f"{one[0].vehicle_id} and {other[0].vehicle_id} were {what} at {stretch.name}, "
            f"{least_m:.1f} m from each other{near}",
            vehicle_id=one[0].vehicle_id,
            t_s=float(grid[part[0]]),
            until_s=float(grid[part[-1]]),
            lon_deg=float(stretch.line[0, 0]),
            lat_deg=float(stretch.line[0, 1]),
        )


def _in_one_visit(both: Flags, against: Flags) -> Flags:
    """All of each time that two were inside together, where they went against each other in it."""
    found = np.zeros(len(both), dtype=np.bool_)
    rows = np.flatnonzero(both)
    if not len(rows):
        return found
    for part in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
        found[part] = bool(against[part].any())
    return found
