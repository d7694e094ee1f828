"""Missions before launch, over a whole controller with vehicles in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.app import App, build
from controller.clock import ScaledClock
from controller.config import from_dict
from controller.delivery.planned import PlannedView
from controller.domain.model import AssignmentState, Destination, Parcel, ParcelState
from geofence.frames import LatLon, geodesic_m, offset
from geofence.zones import CircleArea, Zone, ZoneKind
from missions.formats.picture_json import picture_json
from tests.support.clock import START
from vehicles.port import Outcome, Verb

HUB = LatLon(60.2, 24.9)
DROP = offset(HUB, 30.0, 900.0)


@asynccontextmanager
async def running(folder: Path, approve: str, *, drones: int = 1) -> AsyncIterator[App]:
    config = from_dict(
        {
            "store": {"url": "sqlite+aiosqlite:///w.db"},
            "terrain": {"ground_amsl_m": 10.0, "geoid_m": 18.0},
            "safety": {"stale_s": 600.0, "offline_s": 900.0},
            "dispatch": {"approve": approve},
            "sites": [{"id": "hub", "kind": "hub", "lat_deg": HUB.lat_deg, "lon_deg": HUB.lon_deg}],
            "drones": [
                {
                    "id": f"D-{number}",
                    "link": "loopback",
                    "sysid": number,
                    "base": "hub",
                    "pad_lat_deg": HUB.lat_deg,
                    "pad_lon_deg": HUB.lon_deg + number * 1e-3,
                }
                for number in range(1, drones + 1)
            ],
        },
        base=folder,
    )
    clock = ScaledClock(START, time.time(), 50.0)
    async with build(config, clock=clock) as app, asyncio.TaskGroup() as group:
        task = group.create_task(app.run(), name="controller")
        yield app
        task.cancel()


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    async with running(tmp_path, "operator") as made:
        yield made


async def submit(app: App, ident: str = "P-1") -> None:
    now = app.clock.now()
    parcel = Parcel(
        ident,
        1.0,
        (0.2, 0.2, 0.1),
        "hub",
        Destination(DROP, address="Katu 1"),
        now,
        now + timedelta(hours=20),
    )
    await app.desk.submit([parcel], key=ident, fingerprint=ident)


async def until(condition: Callable[[], Any], deadline_s: float = 15.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.01)


def state(app: App) -> ParcelState:
    view = app.desk.parcel("P-1")
    assert view is not None
    return view.state


async def loaded(app: App) -> PlannedView:
    await submit(app)
    await until(lambda: any(m.awaits_launch for m in app.desk.missions.all()))
    return next(m for m in app.desk.missions.all() if m.awaits_launch)


async def test_a_loaded_mission_waits_for_the_operator_and_then_flies(app: App) -> None:
    waiting = await loaded(app)
    assert waiting.state is AssignmentState.LOADED
    assert waiting.parcel_ids == ("P-1",)
    vehicle = app.desk.vehicle("D-1")
    assert vehicle is not None
    assert vehicle.awaits_launch
    assert vehicle.mission_id == waiting.mission_id
    assert "waits for you to launch it" in vehicle.sentence
    # far longer than a vehicle may take to get ready: nothing starts and nothing is given up
    since = app.clock.now()
    await until(lambda: (app.clock.now() - since).total_seconds() > 240.0)
    assert state(app) is ParcelState.PREPARING
    result = await app.desk.missions.launch(waiting.mission_id, waiting.content_hash, by="kim")
    assert result.outcome is Outcome.DONE, result
    await until(lambda: state(app) is ParcelState.IN_TRANSIT)
    launched = [e.event for e in await app.desk.log_after(0) if e.event.kind == "mission.launched"]
    assert [(e.vehicle_id, e.data["by"]) for e in launched] == [("D-1", "kim")]
    again = await app.desk.missions.launch(waiting.mission_id, waiting.content_hash, by="kim")
    assert again.outcome is Outcome.REFUSED
    assert "does not wait for a launch" in again.reason


async def test_without_the_setting_nothing_waits(tmp_path: Path) -> None:
    async with running(tmp_path, "auto") as app:
        await submit(app)
        await until(lambda: state(app) is ParcelState.IN_TRANSIT)
        assert not any(m.awaits_launch for m in app.desk.missions.all())


async def test_a_launch_is_refused_with_the_reason(app: App) -> None:
    waiting = await loaded(app)
    missions = app.desk.missions
    other = await missions.launch(waiting.mission_id, "0" * 64, by="kim")
    assert other.outcome is Outcome.REFUSED
    assert "planned anew" in other.reason
    unknown = await missions.launch("m-none", "", by="kim")
    assert "not open" in unknown.reason
    await app.desk.command_all(Verb.HOLD, by="kim", reason="storm")
    held = await missions.launch(waiting.mission_id, "", by="kim")
    assert "frozen" in held.reason
    assert state(app) is ParcelState.PREPARING


async def test_new_zones_take_a_waiting_mission_back(app: App) -> None:
    waiting = await loaded(app)
    over = Zone("Z-1", "Crane", ZoneKind.NO_FLY, CircleArea(offset(HUB, 30.0, 450.0), 120.0))
    await app.desk.replace_zones((over,), by="kim")
    result = await app.desk.missions.launch(waiting.mission_id, "", by="kim")
    assert result.outcome is Outcome.REFUSED
    assert "zones have changed" in result.reason or "not open" in result.reason


async def test_a_preview_shows_the_mission_that_was_planned(app: App) -> None:
    waiting = await loaded(app)
    seen = await app.desk.missions.preview(waiting.mission_id)
    assert seen is not None
    assert seen.picture.allowed
    assert seen.shut == ""
    assert seen.planned == waiting
    told = picture_json(seen.picture)
    roles = {feature["properties"]["role"] for feature in told["features"]}
    assert {"path", "corridor", "disc", "home", "waypoint"} <= roles
    pad = LatLon(HUB.lat_deg, HUB.lon_deg + 1e-3)
    assert told["profile"]["length_m"] == pytest.approx(2.0 * geodesic_m(pad, DROP), abs=1.0)
    assert await app.desk.missions.preview("m-none") is None


async def test_a_flight_that_came_in_between_is_waited_for(tmp_path: Path) -> None:
    async with running(tmp_path, "operator", drones=2) as app:
        waiting = await loaded(app)
        record = app.ledger.assignments[waiting.vehicle_id]
        other = "D-2" if waiting.vehicle_id == "D-1" else "D-1"
        start = record.mission
        task = replace(record.assignment, vehicle_id=other, assignment_id="A-2")
        app.ledger.assignments[other] = replace(
            record,
            assignment=replace(task, state=AssignmentState.STARTED),
            started_at=app.clock.now(),
        )
        try:
            reason = await app.matching.in_the_way(record)
        finally:
            del app.ledger.assignments[other]
        assert other in reason or "pad is taken" in reason
        assert start.mission_id == waiting.mission_id
        assert await app.matching.in_the_way(record) == ""
