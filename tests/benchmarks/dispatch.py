"""The first dispatch of a fleet: 40 drones and 200 parcels at one hub, and 1,000 robots enrolled.

`first_s`, `last_s`: a whole controller over drones that hover, its SQLite store included: 200
parcels are submitted at once; seconds until the first and the last assignment of the first decision
is kept, `controller_cpu_s` what the process computed until then. `longest_hold_s`: the longest
that the event loop, which answers the health endpoint, could not run meanwhile, seen by a timer of
5 ms. `pairs_cpu_ms`: the decision alone, for each pair of drone and parcel. `again_s`: the next
decision about what is left. `robots_s`: a decision about 20 parcels among 1,000 robots of which ten
are free. No peer. `PARCELS DRONES ROBOTS` as arguments change the sizes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import structlog

from controller.clock import SystemClock
from controller.dispatch.engine import Engine
from controller.dispatch.model import ParcelFacts, VehicleFacts, World
from controller.domain.model import Destination, Parcel, Site, SiteKind
from controller.store.changes import Changes
from geofence.formats.geojson import write_zones
from geofence.frames import Altitude, Array, Datum, LatLon
from geofence.heights import Surroundings
from geofence.zones import VehicleClass, Zone
from geofence.zoneset import ZoneSet
from missions.roads import StreetEdge, StreetGraph, StreetNode, line_length_m
from tests.benchmarks.country import polygon_zone, star_corners, to_lonlat
from tests.benchmarks.measure import peak_rss_mib, told
from tests.support.active import DRONE, GROUND_M, configured, controller
from vehicles.port import Capability, LinkState, Phase, Telemetry

PARCELS, DRONES, ROBOTS, ZONES = 200, 40, 1_000, 500
FREE_ROBOTS, FOR_ROBOTS = 10, 20
SIDE_M, REACH_M = 10_000.0, 3_500.0
MIDDLE = np.array((SIDE_M / 2.0, SIDE_M / 2.0))
GROUND = Surroundings(GROUND_M, 18.0)
LIMITS = {"floor": Altitude(0.0, Datum.AGL), "ceiling": Altitude(120.0, Datum.AGL)}
TICK_S = 0.005


def place(xy: Array) -> LatLon:
    """Metres in the square as a position."""
    ((lon, lat),) = to_lonlat(np.array([xy])).tolist()
    return LatLon(lat, lon)


HUB = Site("hub", "Hub", SiteKind.HUB, place(MIDDLE), GROUND_M)


def pads(drones: int) -> dict[str, LatLon]:
    """Every 25 m round the hub."""
    return {
        f"D-{n:03}": place(MIDDLE + 25.0 * np.array((n % 7 - 3.0, n // 7 - 3.0)))
        for n in range(drones)
    }


def zones(rng: np.random.Generator) -> list[Zone]:
    """Everywhere but over the hub."""
    found = []
    for number, corners in enumerate(star_corners(rng, ZONES, SIDE_M, radius_m=60.0)):
        away = np.abs(to_lonlat(MIDDLE[None])[0] - corners.mean(axis=0)) * (77_000.0, 111_000.0)
        if np.hypot(*away) > 250.0:
            found.append(polygon_zone(f"Z{number}", corners, **LIMITS))
    return found


def parcels(rng: np.random.Generator, number: int, reach_m: float, now: datetime) -> list[Parcel]:
    """Round the hub."""
    made = []
    for n in range(number):
        turn, away = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(300.0, reach_m)
        goal = place(MIDDLE + away * np.array((np.cos(turn), np.sin(turn))))
        due_at = now + timedelta(minutes=rng.uniform(10.0, 120.0))
        made.append(
            Parcel(
                f"P-{n:03}", round(rng.uniform(0.3, 2.4), 1), (0.3, 0.2, 0.1), HUB.site_id,
                Destination(goal), now, due_at,
            )
        )  # fmt: skip
    return made


def numbered() -> Callable[[str], str]:
    """Ids."""
    numbers = count(1)
    return lambda kind: f"{kind}-{next(numbers)}"


def fleet(drones: int, now: datetime) -> tuple[VehicleFacts, ...]:
    """Drones at rest on their pads."""
    return tuple(
        VehicleFacts(
            vehicle_id,
            DRONE,
            Telemetry(
                vehicle_id, now, LinkState.ONLINE, Phase.READY, position=pad, battery_pct=100.0,
                home=pad, home_amsl_m=GROUND_M,
            ),
            HUB,
        )
        for vehicle_id, pad in pads(drones).items()
    )  # fmt: skip


def streets(step_m: float = 250.0, size: int = 21) -> StreetGraph:
    """A square grid about the hub."""
    half = size // 2
    nodes = {
        (i, j): StreetNode(f"n{i}-{j}", place(MIDDLE + step_m * np.array((i - half, j - half))))
        for i in range(size)
        for j in range(size)
    }
    edges = []
    for (i, j), node in nodes.items():
        for other in (nodes.get((i + 1, j)), nodes.get((i, j + 1))):
            if other is not None:
                line = (node.position, other.position)
                edges.append(
                    StreetEdge(
                        f"{node.node_id}:{other.node_id}", node.node_id, other.node_id,
                        line_length_m(line), 3.0, line, "footway",
                    )
                )  # fmt: skip
    return StreetGraph(nodes.values(), edges)


def robots(number: int, now: datetime) -> tuple[VehicleFacts, ...]:
    """At the hub, all but a few of them busy."""
    capability = Capability(VehicleClass.ROBOT, 20.0, 4, 1.7, 1_000.0, (0.6, 0.4, 0.4))
    return tuple(
        VehicleFacts(
            f"R-{n:04}",
            capability,
            Telemetry(
                f"R-{n:04}", now, LinkState.ONLINE, Phase.READY, position=HUB.position,
                battery_pct=100.0 if n < FREE_ROBOTS else 40.0 + n % 50,
            ),
            HUB,
            assigned="" if n < FREE_ROBOTS else f"A-{n}",
        )
        for n in range(number)
    )  # fmt: skip


def timed(engine: Engine, world: World) -> tuple[float, float]:
    """Seconds of the wall and of the processor for one decision."""
    begin, cpu = time.perf_counter(), time.process_time()
    engine.dispatch(world, ids=numbered(), seed=1)
    return time.perf_counter() - begin, time.process_time() - cpu


def decisions(drones: int, number: int, many: int) -> dict[str, float]:
    """Decisions alone."""
    rng, now = np.random.default_rng(5), datetime(2026, 6, 1, 9, tzinfo=UTC)
    waiting = tuple(ParcelFacts(p, HUB) for p in parcels(rng, number, REACH_M, now))
    world = World(now, ZoneSet(zones(rng)), GROUND, None, fleet(drones, now), waiting)
    engine = Engine()
    _, cpu_s = timed(engine, world)
    again_s, _ = timed(engine, world)
    near = tuple(ParcelFacts(p, HUB) for p in parcels(rng, FOR_ROBOTS, 1_500.0, now))
    near_world = replace(world, streets=streets(), vehicles=robots(many, now), parcels=near)
    timed(engine, near_world)
    robots_s, _ = timed(engine, near_world)
    return {
        "decision_cpu_s": round(cpu_s, 2),
        "pairs_cpu_ms": round(1e3 * cpu_s / (drones * number), 2),
        "again_s": round(again_s, 2),
        "robots_s": round(robots_s, 2),
    }


async def ticking(holds: list[float]) -> None:
    """Note how much later than asked each turn of the loop came."""
    while True:
        begin = time.perf_counter()
        await asyncio.sleep(TICK_S)
        holds.append(time.perf_counter() - begin - TICK_S)


async def served(folder: Path, drones: int, number: int) -> dict[str, float]:
    """The same by a whole controller."""
    rng, clock = np.random.default_rng(5), SystemClock()
    made = parcels(rng, number, REACH_M, clock.now())
    file = folder / "zones.geojson"
    file.write_text(json.dumps(write_zones(zones(rng))), encoding="utf-8")
    homes = {"D-hub": HUB.position, **pads(drones)}
    config = configured(folder, homes, zones={"files": [str(file)]})
    async with controller(config, homes, clock) as (app, _):
        kept: list[tuple[float, float]] = []

        def listen(changes: Changes) -> None:
            if changes.assignments and any(step.before is None for step in changes.assignments):
                kept.append((time.perf_counter(), time.process_time()))

        app.ledger.listen(listen)
        holds: list[float] = []
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(ticking(holds), name="ticking")
            await asyncio.sleep(1.0)
            holds.clear()
            begin, cpu = time.perf_counter(), time.process_time()
            await app.desk.submit(made, key="k", fingerprint="f")
            explained = app.ledger.explanations
            while len(explained) < number or not kept:
                await asyncio.sleep(0.02)
            while time.perf_counter() - kept[-1][0] < 0.5:
                await asyncio.sleep(0.05)
            watch.cancel()
        return {
            "assigned": len(kept),
            "first_s": round(kept[0][0] - begin, 2),
            "last_s": round(kept[-1][0] - begin, 2),
            "controller_cpu_s": round(kept[-1][1] - cpu, 2),
            "longest_hold_s": round(max(holds), 3),
        }


def main(sizes: list[int]) -> None:
    """Both, in a folder of its own."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    number, drones, many = sizes or (PARCELS, DRONES, ROBOTS)
    alone = decisions(drones, number, many)
    with tempfile.TemporaryDirectory(prefix="waypost-dispatch-") as folder:
        whole = asyncio.run(served(Path(folder), drones, number))
    told(
        bench="dispatch", parcels=number, drones=drones, robots=many, zones=ZONES, **whole, **alone,
        peak_rss_mib=round(peak_rss_mib()),
    )  # fmt: skip


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]])
