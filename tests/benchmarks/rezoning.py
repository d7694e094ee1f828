"""One new zone while a controller has 1,000 missions under way, through the controller itself.

The real controller, its SQLite store included, over 1,000 drones that hover; 1,000 planned
missions stand in its ledger as started, among some 3,000 zones. Then a file with one zone more is
imported over the HTTP interface, five times, with the zone elsewhere each time.

`verdicts_s`: from the file being there, read, until the last verdict is an alarm: building the set
and its index, keeping it, putting it in force, judging all, choosing each reaction. `request_s`:
the same from the HTTP request being sent, with the file's reading. `logged_s`, to the verdicts
kept in the event log, and `answer_s`, to the answer, when every vehicle that was told to hold has
shown it: from the request, too. `..._cpu_s` is what this process computed in that time, whoever
else was on the machine. `ready_s`: once, after a start of the controller, to work out and judge
all 1,000 paths. Medians of five; no peer.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import structlog

from controller.api.app import create_app
from controller.api.context import Context
from controller.app import App
from controller.clock import SystemClock
from controller.domain.alarms import Alarm, Condition
from controller.enrol import random_id
from controller.store.changes import Changes
from geofence.formats.geojson import write_zones
from geofence.frames import Altitude, Array, Datum, LatLon
from geofence.heights import Surroundings
from geofence.zones import CircleArea, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from missions.model import AirMission
from tests.benchmarks.country import polygon_zone, star_corners, to_lonlat
from tests.benchmarks.measure import peak_rss_mib, told
from tests.support.active import Hovering, configured, controller, flight, put_under_way

MISSIONS, ZONES, ROUNDS = 1_000, 3_000, 5
SIDE_M, REACH_M, HUBS = 40_000.0, 4_000.0, 20
GROUND = Surroundings(10.0, 18.0)
LIMITS = {"floor": Altitude(0.0, Datum.AGL), "ceiling": Altitude(120.0, Datum.AGL)}
NEW_RADIUS_M = 400.0


def places(xy: Array) -> list[LatLon]:
    """Metres in the square as positions."""
    return [LatLon(lat, lon) for lon, lat in to_lonlat(xy).tolist()]


def fleet_homes(rng: np.random.Generator) -> tuple[dict[str, LatLon], Array]:
    """Pads round hubs, and where they are in the square, metres."""
    hubs = rng.uniform(REACH_M, SIDE_M - REACH_M, (HUBS, 2))
    xy = hubs[np.arange(MISSIONS) % HUBS] + rng.uniform(-300.0, 300.0, (MISSIONS, 2))
    return {f"D-{n:04}": home for n, home in enumerate(places(xy))}, xy


def standing_zones(rng: np.random.Generator, hubs_xy: Array) -> list[Zone]:
    """Zones everywhere but over the pads."""
    corners = star_corners(rng, ZONES, SIDE_M, radius_m=60.0)
    pads = to_lonlat(hubs_xy)
    made = []
    for number, each in enumerate(corners):
        away = np.abs(pads - each.mean(axis=0)) * np.array((55_000.0, 111_000.0))
        if (np.hypot(*away.T) > 400.0).all():
            made.append(polygon_zone(f"Z{number}", each, **LIMITS))
    return made


def planned(
    rng: np.random.Generator,
    homes: dict[str, LatLon],
    xy: Array,
    zones: ZoneSet,
    clock: SystemClock,
) -> list[AirMission]:
    """One mission a drone, round what stands; goals that no way leads to are drawn anew."""
    found: list[AirMission] = []
    for (vehicle_id, home), (x, y) in zip(homes.items(), xy, strict=True):
        for _ in range(20):
            turn = rng.uniform(0.0, 2.0 * np.pi)
            away = rng.uniform(1_500.0, REACH_M) * np.array((np.cos(turn), np.sin(turn)))
            (goal,) = places(np.array([[x, y]]) + away)
            try:
                found.append(flight(vehicle_id, home, goal, zones, GROUND, clock))
            except AssertionError:
                continue
            break
        else:
            raise RuntimeError(f"no way for {vehicle_id} in 20 draws")
    return found


def on_way(mission: AirMission, drone: Hovering) -> None:
    """Put a drone a third along its first leg."""
    start = mission.home
    end = next(i.position for i in mission.items[1:] if i.position is not None)
    drone.fly(
        LatLon(
            start.lat_deg + (end.lat_deg - start.lat_deg) / 3.0,
            start.lon_deg + (end.lon_deg - start.lon_deg) / 3.0,
        ),
        mission.cruise_alt_home_m,
    )


async def run(folder: Path) -> None:
    """Everything."""
    rng = np.random.default_rng(11)
    homes, xy = fleet_homes(rng)
    clock = SystemClock()
    standing = standing_zones(rng, xy)
    zones = ZoneSet(standing)
    missions = planned(rng, homes, xy, zones, clock)
    print(f"{len(standing)} zones stand, {len(missions)} missions of "
          f"{statistics.mean(len(m.items) for m in missions):.1f} items on average")  # fmt: skip
    file = folder / "zones.geojson"
    file.write_text(json.dumps(write_zones(standing)), encoding="utf-8")
    config = configured(folder, homes, zones={"files": [str(file)]}, safety={"period_s": 1.0})
    async with controller(config, homes, clock) as (app, drones):
        scene = Scene(standing, xy, drones, missions)
        scene.fly()
        await put_under_way(app, missions)
        begin = time.perf_counter()
        while len(app.rezoning.under_way.missions) < MISSIONS:
            await asyncio.sleep(0.01)
        ready_s = time.perf_counter() - begin
        app_http = create_app(Context(app.desk, clock, random_id), console=False)
        transport = httpx.ASGITransport(app_http)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", timeout=120.0
        ) as client:
            await rounds(app, client, scene, ready_s)


@dataclass(slots=True)
class Marks:
    """When what happened, and what this process had computed by then."""

    at: dict[str, tuple[float, float]] = field(default_factory=dict)

    def mark(self, name: str) -> None:
        """Now; of many of one name the last counts."""
        self.at[name] = (time.perf_counter(), time.process_time())

    def since(self, begin: str, end: str) -> tuple[float, float]:
        """Seconds of the wall and of the processor."""
        (a, b), (c, d) = self.at[begin], self.at[end]
        return c - a, d - b


Logged = dict[str, tuple[float, float]]
"""By vehicle, when its verdict was kept."""


async def one(app: App, client: httpx.AsyncClient, body: bytes, logged: Logged) -> Marks:
    """Import once; `logged` holds the vehicles whose missions were forbidden."""
    marks = Marks()
    told_before = {a.alarm_id for a in app.desk.alarms()}
    logged.clear()

    def happened(condition: Condition) -> Alarm | None:
        marks.mark("verdict")
        return happen(condition)

    def replace(zones: tuple[Zone, ...], *, by: str) -> Awaitable[ZoneSet]:
        marks.mark("read")
        return replace_zones(zones, by=by)

    happen, replace_zones = app.board.happen, app.desk.replace_zones
    app.board.happen = happened  # type: ignore[method-assign]
    app.desk.replace_zones = replace  # type: ignore[assignment,method-assign]
    marks.mark("begin")
    answer = await client.put(
        "/v1/zones", content=body, headers={"Content-Type": "application/geo+json"}
    )
    marks.mark("answer")
    app.board.happen = happen  # type: ignore[method-assign]
    app.desk.replace_zones = replace_zones  # type: ignore[method-assign]
    assert answer.status_code == 200, answer.text
    causes = {a.vehicle_id for a in app.desk.alarms() if a.alarm_id not in told_before}
    assert logged, "nothing was forbidden"
    assert set(logged) <= causes
    marks.at["logged"] = logged[max(logged, key=lambda each: logged[each])]
    return marks


FIGURES = {
    "verdicts": ("read", "verdict"),
    "request": ("begin", "verdict"),
    "logged": ("begin", "logged"),
    "answer": ("begin", "answer"),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """What stands, and who flies."""

    standing: list[Zone]
    xy: Array
    drones: dict[str, Hovering]
    missions: list[AirMission]

    def fly(self) -> None:
        """Put every drone under way."""
        for mission in self.missions:
            on_way(mission, self.drones[mission.vehicle_id])


async def rounds(app: App, client: httpx.AsyncClient, scene: Scene, ready_s: float) -> None:
    """Import a new zone five times, each elsewhere, with the drones under way again each time."""
    taken: list[Marks] = []
    forbidden: list[int] = []
    logged: Logged = {}

    def kept(changes: Changes) -> None:
        for event in changes.events:
            if event.kind == "zones.forbid":
                logged[event.vehicle_id] = (time.perf_counter(), time.process_time())

    app.ledger.listen(kept)
    for number in range(ROUNDS + 1):
        (center,) = places(scene.xy[number * 7 : number * 7 + 1] + 1_200.0)
        new = Zone(
            f"new-{number}", "New", ZoneKind.NO_FLY, CircleArea(center, NEW_RADIUS_M), **LIMITS
        )
        body = json.dumps(write_zones([*scene.standing, new])).encode()
        marks = await one(app, client, body, logged)
        if number:
            taken.append(marks)
            forbidden.append(len(logged))
            words = ", ".join(
                f"{name} {marks.since(*ends)[0]:.3f} s ({marks.since(*ends)[1]:.3f} s computed)"
                for name, ends in FIGURES.items()
            )
            print(f"{words}; {len(logged)} forbidden")
        scene.fly()
    figures: dict[str, float] = {}
    for name, ends in FIGURES.items():
        wall_s, cpu_s = zip(*(marks.since(*ends) for marks in taken), strict=True)
        figures[f"{name}_s"] = round(statistics.median(wall_s), 3)
        figures[f"{name}_max_s"] = round(max(wall_s), 3)
        figures[f"{name}_cpu_s"] = round(statistics.median(cpu_s), 3)
    told(
        bench="rezoning",
        missions=len(app.rezoning.under_way.missions),
        zones=len(scene.standing) + 1,
        **figures,
        ready_s=round(ready_s, 2),
        forbidden=forbidden,
        held=sum(bool(drone.told) for drone in scene.drones.values()),
        within_a_second=figures["verdicts_s"] < 1.0,
        peak_rss_mib=round(peak_rss_mib()),
    )


def main() -> None:
    """Run it in a folder of its own."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory(prefix="waypost-rezoning-") as folder:
        asyncio.run(run(Path(folder)))


if __name__ == "__main__":
    main()
