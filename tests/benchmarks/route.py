"""Shortest ways: `python -m tests.benchmarks.route`.

Map 1: 200 random star polygons of 20 vertices in 20 x 20 km, 100 queries of about 10 km. Peer:
extremitypathfinder, prepared beforehand, query time only, in an environment of its own under the
user's cache folder (it holds numpy below 2), given the same inflated polygons. Ours: find_route
with a warm cache, its confirmation by the check on the zones themselves included.
Map 2: 3,149 such polygons at the same density, legs of 2 to 10 km; ours only.

`ratio` is of the medians over queries, each query's time the median of its rounds. `length_ratio`
is the worst query's, ours over the peer's, in the plane that both search.

Map 2 is asked three ways. Cold: nothing is kept from one query to the next, each has a cache of its
own. New: obstacles are prepared, but no line of sight is known. Warm: all that was asked before is
known. `p99_over_median` is the worse of cold and new; `large_first_*` is one pass with one cache.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import shapely

from geofence.check import Surroundings
from geofence.frames import Array, LatLon, LocalFrame
from geofence.prepared import CELL_DEG, RouteCache
from geofence.route import ROUTE_SLACK_M, NoRoute, Route, RouteRequest, find_route
from geofence.track import TOLERANCE_M
from geofence.zones import PolygonArea, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet

PEER = "extremitypathfinder==2.7.2"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
FLAT = Surroundings(0.0, 0.0)
ROUNDS = 5
# the middle of a cell of the cache, so that all of map 1 is in the peer's plane
CENTER = LatLon(60.0 + CELL_DEG[1] / 2.0, 24.5 + CELL_DEG[0] / 2.0)
FRAME = LocalFrame(CENTER)


@dataclass(frozen=True)
class Map:
    """Areas in metres of FRAME, the same as zones, and what is asked."""

    areas: list[shapely.Polygon]
    zones: ZoneSet
    ends: list[tuple[Array, Array]]

    def requests(self) -> list[RouteRequest]:
        return [
            RouteRequest(
                FRAME.latlon(*start), FRAME.latlon(*goal),
                VehicleClass.MULTIROTOR, 60.0, 60.0, NOON, NOON, 0.0,
            )
            for start, goal in self.ends
        ]  # fmt: skip


def make_map(
    count: int, side_m: float, queries: int, length_m: tuple[float, float], seed: int
) -> Map:
    rng = np.random.default_rng(seed)
    areas: list[shapely.Polygon] = []
    while len(areas) < count:
        angles = np.sort(rng.uniform(0.0, 2.0 * np.pi, 20))
        radii = rng.uniform(250.0, 700.0) * rng.uniform(0.45, 1.0, 20)
        offsets = np.stack((radii * np.cos(angles), radii * np.sin(angles)), axis=-1)
        area = shapely.Polygon(rng.uniform(-side_m / 2.0, side_m / 2.0, 2) + offsets)
        if area.is_valid:
            areas.append(area)
    zones = ZoneSet(
        Zone(
            str(i),
            "",
            ZoneKind.NO_FLY,
            PolygonArea(tuple(FRAME.latlon(*xy) for xy in corners[:-1])),
        )
        for i, corners in enumerate(shapely.get_coordinates(area) for area in areas)
    )
    closed = filled(areas, 5.0)
    shapely.prepare(closed)
    ends: list[tuple[Array, Array]] = []
    while len(ends) < queries:
        start, turn = rng.uniform(-side_m / 2.0, side_m / 2.0, 2), rng.uniform(0.0, 2.0 * np.pi)
        goal = start + rng.uniform(*length_m) * np.array([np.cos(turn), np.sin(turn)])
        if np.abs(goal).max() > side_m / 2.0:
            continue
        if not shapely.intersects(closed, shapely.points([start, goal])).any():
            ends.append((start, goal))
    return Map(areas, zones, ends)


def filled(areas: list[shapely.Polygon], margin_m: float) -> shapely.Geometry:
    """The union of the inflated areas, holes filled: nobody starts in one."""
    grown = shapely.buffer(areas, margin_m, join_style="mitre", mitre_limit=5.0)
    parts = shapely.get_parts(shapely.union_all(grown))
    return shapely.union_all(shapely.polygons(shapely.get_exterior_ring(parts)))


def peer_python() -> Path:
    """The interpreter of the peer's environment, made where it is not there yet."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "waypost-benchmarks" / PEER.replace("==", "-")
    if not os.access(Path(base) if Path(base).exists() else Path.home(), os.W_OK):
        folder = Path(tempfile.mkdtemp()) / "peer"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"making the peer's environment in {folder}")
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", PEER, "numpy<2"], check=True)
        (folder / "complete").touch()
    return python


class Peer:
    """The other program, with the same map."""

    def __init__(self, field: Map) -> None:
        closed = filled(field.areas, ROUTE_SLACK_M + TOLERANCE_M)
        west, south, east, north = (*(closed.bounds[:2]), *(closed.bounds[2:]))
        wide = 15_000.0
        boundary = shapely.box(west - wide, south - wide, east + wide, north + wide)
        # counter-clockwise outside, clockwise holes, no point twice
        task = {
            "boundary": shapely.get_coordinates(shapely.orient_polygons(boundary))[:-1].tolist(),
            "holes": [
                shapely.get_coordinates(shapely.orient_polygons(part))[:0:-1].tolist()
                for part in shapely.get_parts(closed)
            ],
            "queries": [[start.tolist(), goal.tolist()] for start, goal in field.ends],
        }
        script = Path(__file__).parent / "peers" / "route.py"
        self._process = subprocess.Popen(
            [peer_python(), script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.prepared_s = self._ask(task)["prepared_s"]

    def _ask(self, task: object) -> dict:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the peer ended with {self._process.wait()}")
        return json.loads(line)

    def round(self) -> tuple[list[float], list[float]]:
        answer = self._ask("again")
        return answer["seconds"], answer["lengths"]

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)


def ask(
    requests: list[RouteRequest], zones: ZoneSet, cache: RouteCache
) -> tuple[list[float], list[Route | NoRoute]]:
    seconds: list[float] = []
    answers: list[Route | NoRoute] = []
    for request in requests:
        began = time.perf_counter()
        answers.append(find_route(request, zones, FLAT, cache))
        seconds.append(time.perf_counter() - began)
    return seconds, answers


def plane_length(route: Route | NoRoute) -> float:
    if isinstance(route, NoRoute):
        raise SystemExit(f"no route on the benchmark's map: {route.reason}")
    points = np.array([FRAME.xy(point) for point in route.points])
    return float(sum(np.hypot(*(b - a)) for a, b in itertools.pairwise(points)))


def against_peer() -> dict[str, float]:
    field = make_map(200, 20_000.0, 100, (9_500.0, 10_500.0), seed=1)
    requests, cache = field.requests(), RouteCache()
    peer = Peer(field)
    try:
        first, answers = ask(requests, field.zones, cache)
        theirs, ours = [], []
        lengths: list[float] = []
        for _ in range(ROUNDS):
            seconds, lengths = peer.round()
            theirs.append(seconds)
            ours.append(ask(requests, field.zones, cache)[0])
    finally:
        peer.close()
    ratios = np.array([plane_length(a) for a in answers]) / np.array(lengths)
    their_ms, our_ms = (1e3 * np.median(np.array(rows), axis=0) for rows in (theirs, ours))
    return {
        "peer": float(np.median(their_ms)),
        "ours": float(np.median(our_ms)),
        "ratio": float(np.median(their_ms) / np.median(our_ms)),
        "mean_ratio": float(their_ms.mean() / our_ms.mean()),
        "length_ratio": float(ratios.max()),
        "length_ratio_mean": float(ratios.mean()),
        "length_ratio_least": float(ratios.min()),
        "peer_prepare_s": peer.prepared_s,
        "first_ms": float(1e3 * np.median(first)),
        "bent": sum(isinstance(a, Route) and len(a.points) > 2 for a in answers),
    }


def large_map() -> dict[str, float]:
    field = make_map(3_149, 79_400.0, 300, (2_000.0, 10_000.0), seed=2)
    requests, cache = field.requests(), RouteCache()

    def alone(each: RouteRequest, known: RouteCache) -> float:
        known.forget_lines()
        return ask([each], field.zones, known)[0][0]

    first, answers = ask(requests, field.zones, cache)
    rounds: dict[str, list[list[float]]] = {"cold": [], "new": [], "warm": []}
    for _ in range(ROUNDS):
        rounds["warm"].append(ask(requests, field.zones, cache)[0])
    for _ in range(ROUNDS):
        rounds["cold"].append([alone(each, RouteCache()) for each in requests])
        rounds["new"].append([alone(each, cache) for each in requests])
    told: dict[str, float] = {}
    for name, rows in {**rounds, "first": [first]}.items():
        each = 1e3 * np.median(np.array(rows), axis=0)
        told[f"{name}_p99_over_median"] = float(np.percentile(each, 99) / np.median(each))
        told[f"large_{name}_median_ms"] = float(np.median(each))
        told[f"large_{name}_p99_ms"] = float(np.percentile(each, 99))
    return {
        "p99_over_median": max(told["cold_p99_over_median"], told["new_p99_over_median"]),
        **told,
        "large_no_route": sum(isinstance(a, NoRoute) for a in answers),
    }


def main() -> None:
    result = {"bench": "route", "unit": "ms", **against_peer(), **large_map()}
    for name, value in result.items():
        print(f"{name:>20}: {value:.7g}" if isinstance(value, float) else f"{name:>20}: {value}")
    print(json.dumps(result))


if __name__ == "__main__":
    sys.exit(main())
