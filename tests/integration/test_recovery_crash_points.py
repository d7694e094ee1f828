"""A controller that dies at every commit of a delivery, before and after it is kept.

The vehicles live on in the same process, as they would in the world: a new controller opens the
same database and finds them wherever they are by then.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from controller import app as composition
from controller.app import App, build
from controller.clock import ScaledClock
from controller.config import Config, from_dict
from controller.domain.model import Destination, Parcel, ParcelState
from controller.enrol import capability_of
from controller.store.changes import Changes
from controller.store.database import Store
from geofence.frames import LatLon, offset
from tests.support.steady import SteadyClock
from vehicles.loopback.fleet import LoopbackFleet, LoopbackSession, LoopbackVehicle
from vehicles.port import EventKind, Loss, VehicleEvent, VehicleSession

pytestmark = pytest.mark.timeout(180)
HUB = LatLon(60.2, 24.9)
START = datetime(2026, 6, 10, 7, tzinfo=UTC)
SPEEDUP = 400.0
ENDED = {ParcelState.DELIVERED, ParcelState.STRANDED, ParcelState.REFUSED}


def street() -> dict[str, Any]:
    """One street east of the hub, both ways."""
    points = [HUB, offset(HUB, 90.0, 20.0), offset(HUB, 90.0, 40.0)]
    features = [
        {
            "type": "Feature",
            "properties": {
                "edge_id": f"e-{number}",
                "kind": "footway",
                "max_speed_mps": 2.0,
                "one_way": False,
                "start_node": f"n-{number}",
                "end_node": f"n-{number + 1}",
            },
            "geometry": {
                "type": "LineString",
                "coordinates": [[p.lon_deg, p.lat_deg] for p in pair],
            },
        }
        for number, pair in enumerate(itertools.pairwise(points))
    ]
    return {"type": "FeatureCollection", "features": features}


def config(folder: Path) -> Config:
    (folder / "streets.geojson").write_text(json.dumps(street()))
    return from_dict(
        {
            "clock": {"speedup": SPEEDUP, "start": START},
            "store": {"url": "sqlite+aiosqlite:///w.db"},
            "terrain": {"ground_amsl_m": 10.0, "geoid_m": 18.0},
            "streets": {"file": "streets.geojson"},
            # a dwell in memory says nothing for a while; this test is not about links
            "safety": {"stale_s": 600.0, "offline_s": 900.0},
            "sites": [{"id": "hub", "kind": "hub", "lat_deg": HUB.lat_deg, "lon_deg": HUB.lon_deg}],
            "drones": [
                {
                    "id": "D-1",
                    "link": "loopback",
                    "sysid": 1,
                    "base": "hub",
                    "pad_lat_deg": HUB.lat_deg,
                    "pad_lon_deg": HUB.lon_deg,
                }
            ],
            "robots": [
                {"id": "R-1", "manufacturer": "loopback", "serial": "1", "base": "hub"},
            ],
        },
        base=folder,
    )


@dataclass
class World:
    """Vehicles that outlive controllers, and what they really did."""

    fleet: LoopbackFleet
    dropped: Counter[str] = field(default_factory=Counter)


class Visit:
    """One controller's connection to the vehicles: what is told while nobody listens is lost."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __aenter__(self) -> Self:
        for session in self._world.fleet.sessions.values():
            assert isinstance(session, LoopbackSession)
            while not session._events.empty():
                session._events.get_nowait()
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    @property
    def sessions(self) -> dict[str, VehicleSession]:
        return self._world.fleet.sessions

    def losses(self) -> Iterable[Loss]:
        return self._world.fleet.losses()

    async def run(self) -> None:
        await asyncio.Event().wait()


class MortalStore(Store):
    """Dies at one commit: before it is kept, or after and before anybody hears of it."""

    die_at = 0
    before = True
    commits = 0
    died: asyncio.Event

    async def keep(
        self,
        changes: Changes,
        on_kept: Callable[[tuple[int, ...]], None] | None = None,
        *,
        ahead: bool = False,
    ) -> tuple[int, ...]:
        MortalStore.commits += 1
        if MortalStore.commits < MortalStore.die_at or not MortalStore.die_at:
            return await super().keep(changes, on_kept, ahead=ahead)
        if MortalStore.commits == MortalStore.die_at and not MortalStore.before:
            await super().keep(changes, None, ahead=ahead)
        MortalStore.died.set()
        await asyncio.Event().wait()
        raise AssertionError


@asynccontextmanager
async def world_of(settings: Config, clock: ScaledClock) -> AsyncIterator[World]:
    drones = [LoopbackVehicle(d.id, capability_of(d), HUB, 0.0) for d in settings.drones]
    robots = [LoopbackVehicle(r.id, capability_of(r), HUB) for r in settings.robots]
    world = World(LoopbackFleet([*drones, *robots], clock))
    for session in world.fleet.sessions.values():
        count_drops(session, world)
    async with world.fleet, asyncio.TaskGroup() as group:
        living = group.create_task(world.fleet.run(), name="vehicles")
        yield world
        living.cancel()


def count_drops(session: VehicleSession, world: World) -> None:
    assert isinstance(session, LoopbackSession)
    put = session._events.put_nowait

    def told(event: VehicleEvent) -> None:
        if event.kind is EventKind.RELEASED:
            world.dropped[event.parcel_id] += 1
        put(event)

    session._events.put_nowait = told  # type: ignore[method-assign]


def parcels(now: datetime) -> list[Parcel]:
    due = now + timedelta(hours=2)
    size = (0.2, 0.2, 0.1)
    air = Destination(offset(HUB, 0.0, 60.0), address="Air")
    ground = Destination(offset(HUB, 90.0, 38.0), address="Ground")
    return [
        Parcel("P-air", 1.0, size, "hub", air, now, due),
        Parcel("P-ground", 9.0, size, "hub", ground, now, due),
    ]


async def until(condition: Callable[[], bool], deadline_s: float = 40.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.01)


def all_over(app: App) -> bool:
    views = app.desk.parcels()
    return len(views) == 2 and all(v.state in ENDED for v in views)


def all_told(app: App) -> bool:
    """Whether a person is called for every parcel that needs one."""
    called = {a.parcel_id for a in app.desk.alarms()}
    stranded = {v.parcel.parcel_id for v in app.desk.parcels() if v.state is ParcelState.STRANDED}
    return stranded <= called


async def live_until_death(settings: Config, clock: ScaledClock, world: World) -> None:
    visit = build(settings, clock=clock, adapters=[Visit(world)])
    async with visit as app, asyncio.TaskGroup() as group:
        running = group.create_task(app.run(), name="controller")
        asking = group.create_task(
            app.desk.submit(parcels(clock.now()), key="k", fingerprint="f"), name="submit"
        )
        over = group.create_task(until(lambda: all_over(app)), name="over")
        dead = group.create_task(MortalStore.died.wait(), name="dead")
        await asyncio.wait({over, dead}, return_when=asyncio.FIRST_COMPLETED)
        for task in (running, asking, over, dead):
            task.cancel()


@pytest.mark.parametrize("before", [True, False], ids=["lost", "kept"])
@pytest.mark.parametrize("die_at", [1, 2, 4, 6, 8, 10, 12, 15, 18, 22])
async def test_a_controller_that_dies_at_any_commit_delivers_each_parcel_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, die_at: int, before: bool
) -> None:
    monkeypatch.setattr(composition, "Store", MortalStore)
    MortalStore.died = asyncio.Event()
    MortalStore.commits, MortalStore.die_at, MortalStore.before = 0, die_at, before
    settings = config(tmp_path)
    clock = SteadyClock(START, SPEEDUP)
    async with world_of(settings, clock) as world:
        await live_until_death(settings, clock, world)
        MortalStore.die_at = 0
        visit = build(settings, clock=clock, adapters=[Visit(world)])
        async with visit as app, asyncio.TaskGroup() as group:
            running = group.create_task(app.run(), name="controller")
            # a client that never heard the answer asks again with the same key
            again = await app.desk.submit(parcels(clock.now()), key="k", fingerprint="f")
            assert {p.parcel.parcel_id for p in again.parcels} == {"P-air", "P-ground"}
            await until(lambda: all_over(app))
            await until(lambda: all_told(app))
            views = {v.parcel.parcel_id: v for v in app.desk.parcels()}
            alarms = app.desk.alarms()
            running.cancel()
    assert all(count == 1 for count in world.dropped.values()), world.dropped
    for parcel_id, view in views.items():
        if view.state is ParcelState.DELIVERED:
            assert world.dropped[parcel_id] == 1
            assert view.proof is not None
        else:
            # what cannot be proved is never sent again: a person is called
            assert view.state is ParcelState.STRANDED, view
            assert any(a.parcel_id == parcel_id for a in alarms)
