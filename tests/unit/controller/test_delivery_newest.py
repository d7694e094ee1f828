"""Newest states: kept for the time after a restart, and shown as what they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.api import views
from controller.app import App, build
from controller.config import from_dict
from controller.delivery.newest import NewestStates
from controller.domain.records import LastKnown
from controller.store.changes import Changes
from controller.store.errors import FencedError, StoreError
from geofence.frames import LatLon, geodesic_m, offset
from tests.benchmarks.robot_traffic import Robot, connection, topic
from tests.support.clock import START
from tests.support.steady import SteadyClock
from vehicles.port import LinkState, Phase, Telemetry
from vehicles.vda5050.fleet import Vda5050Fleet

NOW = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
HUB = LatLon(60.2, 24.9)


class Book:
    """A store that keeps what it is given, or says no."""

    def __init__(self) -> None:
        self.kept: list[Changes] = []
        self.wrong: Exception | None = None
        self.asked = asyncio.Event()

    async def keep(self, changes: Changes) -> None:
        self.asked.set()
        if self.wrong is not None:
            raise self.wrong
        self.kept.append(changes)


def heard(vehicle_id: str, after_s: float = 0.0) -> Telemetry:
    return Telemetry(
        vehicle_id, NOW + timedelta(seconds=after_s), LinkState.ONLINE, Phase.READY, HUB
    )


async def test_what_was_heard_since_the_last_time_is_one_unit() -> None:
    fleet = {n: heard(n) for n in ("a", "b")} | {"silent": Telemetry("silent")}
    book = Book()
    newest = NewestStates(lambda: fleet, book.keep, {"a": 3, "b": 4, "silent": 5})
    assert await newest.write() == 2
    assert await newest.write() == 0
    fleet["b"] = heard("b", 1.0)
    assert await newest.write() == 1
    first, second = book.kept
    assert [r.vehicle_id for r in first.last_known] == ["a", "b"]
    assert first.epochs == {"a": 3, "b": 4}
    assert second.last_known == (LastKnown("b", NOW + timedelta(seconds=1), HUB, phase="ready"),)


async def test_what_could_not_be_kept_is_tried_again_and_a_lost_lease_ends_it() -> None:
    fleet = {"a": heard("a")}
    book = Book()
    newest = NewestStates(lambda: fleet, book.keep, {"a": 1})
    book.wrong = StoreError("the disk is full")
    task = asyncio.create_task(newest.run(0.001), name="newest")
    await book.asked.wait()
    book.wrong = None
    async with asyncio.timeout(5.0):
        while not book.kept:
            await asyncio.sleep(0.001)
    fleet["a"] = heard("a", 1.0)
    book.wrong = FencedError("a", 1)
    with pytest.raises(FencedError):
        await task


@asynccontextmanager
async def controller(folder: Path, later_s: float = 0.0) -> AsyncIterator[App]:
    """One robot that speaks when the test hands in its words; nothing else runs."""
    config = from_dict(
        {
            "store": {"url": "sqlite+aiosqlite:///w.db"},
            "terrain": {"ground_amsl_m": 10.0, "geoid_m": 18.0},
            "mqtt": {
                "host": "127.0.0.1", "port": 1, "map_id": "site",
                "map_lat0": HUB.lat_deg, "map_lon0": HUB.lon_deg,
            },
            "sites": [{"id": "hub", "kind": "hub", "lat_deg": HUB.lat_deg, "lon_deg": HUB.lon_deg}],
            "robots": [{"id": "r0", "manufacturer": "ACME", "serial": "R-0", "base": "hub"}],
        },
        base=folder,
    )  # fmt: skip
    async with build(config, clock=SteadyClock(START + timedelta(seconds=later_s), 1.0)) as app:
        yield app


def speak(app: App, x_m: float) -> None:
    (fleet,) = app._setting.adapters
    assert isinstance(fleet, Vda5050Fleet)
    fleet.connected()
    fleet.received(topic(0, "connection"), connection(0))
    said = Robot(0, busy=False).state().replace(b'"x":0.0', f'"x":{x_m}'.encode())
    fleet.received(topic(0, "state"), said)


async def test_a_restart_shows_where_a_robot_was_until_it_speaks(tmp_path: Path) -> None:
    async with controller(tmp_path) as app:
        assert views.vehicle(app.desk.vehicles()[0])["last_known"] is None
        speak(app, 120.0)
        assert app.desk.vehicles()[0].last_known is None
    async with controller(tmp_path, 600.0) as app:
        (view,) = app.desk.vehicles()
        assert (view.telemetry.received_at, view.telemetry.position) == (None, None)
        assert (view.telemetry.link, view.telemetry.startable) == (LinkState.UNKNOWN, False)
        assert "r0 has not been heard yet since the restart, last " in view.sentence
        out = views.vehicle(view)
        assert (out["position"], out["received_at"], out["age_s"]) == (None, None, None)
        told = out["last_known"]
        assert told is not None
        assert told["position"] is not None
        place = LatLon(told["position"]["lat_deg"], told["position"]["lon_deg"])
        assert geodesic_m(place, offset(HUB, 90.0, 120.0)) < 0.5
        assert (told["battery_pct"], told["phase"]) == (90.0, "ready")
        assert told["age_s"] is not None
        assert 590.0 < told["age_s"] < 610.0
    async with controller(tmp_path, 1200.0) as app:
        # nobody heard it in between: what is known is not younger for a restart
        age_s = app.desk.vehicles()[0].last_known_age_s
        assert age_s is not None
        assert 1190.0 < age_s < 1210.0
        speak(app, 80.0)
        (view,) = app.desk.vehicles()
        assert view.last_known is None
        assert view.telemetry.position is not None
        assert geodesic_m(view.telemetry.position, offset(HUB, 90.0, 80.0)) < 0.5


async def test_memory_of_a_vehicle_is_no_condition_of_its_link(tmp_path: Path) -> None:
    """Dispatch and the watch see a vehicle that was never heard, whatever the store remembers."""
    async with controller(tmp_path) as app:
        speak(app, 0.0)
    async with controller(tmp_path) as app:
        (watched,) = app._watched()
        assert watched.telemetry == replace(Telemetry("r0"), link=watched.telemetry.link)
        assert not watched.working
        (facts,) = app.matching._world().vehicles
        assert not facts.telemetry.startable
