"""Two controllers on one database: the later one has the vehicles, the earlier one stops."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from controller.app import App, build
from controller.config import Config, from_dict
from controller.domain.model import Destination, Parcel, ParcelState
from controller.store.errors import FencedError
from geofence.frames import LatLon, offset
from tests.support.clock import START
from tests.support.steady import SteadyClock
from vehicles.port import Verb

pytestmark = pytest.mark.timeout(120)
HUB = LatLon(60.2, 24.9)


def config(folder: Path, database: str) -> Config:
    return from_dict(
        {
            "store": {"url": database},
            "terrain": {"ground_amsl_m": 10.0, "geoid_m": 18.0},
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
        },
        base=folder,
    )


def parcel(app: App) -> Parcel:
    now = app.clock.now()
    to = Destination(offset(HUB, 0.0, 500.0))
    return Parcel("P-1", 1.0, (0.2, 0.2, 0.1), "hub", to, now, now + timedelta(hours=1))


async def fate(app: App) -> BaseException | None:
    try:
        await app.run()
    except BaseExceptionGroup as group:
        return group.exceptions[0]
    return None


async def until(condition: object, deadline_s: float = 40.0) -> None:
    assert callable(condition)
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("meets_it", ["by itself", "in a command"])
async def test_the_earlier_controller_stops_and_sends_nothing_more(
    tmp_path: Path, database: str, meets_it: str
) -> None:
    settings = config(tmp_path, database)
    clock = SteadyClock(START, 50.0)
    async with build(settings, clock=clock) as first, build(settings, clock=clock) as second:
        assert second.ledger.epochs == {"D-1": first.ledger.epochs["D-1"] + 1}
        async with asyncio.TaskGroup() as group:
            old = group.create_task(fate(first), name="first")
            new = group.create_task(second.run(), name="second")
            if meets_it == "in a command":
                with pytest.raises(FencedError, match="another controller"):
                    await first.desk.command("D-1", Verb.HOLD, by="anna")
            await second.desk.submit([parcel(second)], key="k", fingerprint="f")
            delivered = ParcelState.DELIVERED
            await until(lambda: second.ledger.parcels["P-1"].state is delivered)
            await until(old.done)
            new.cancel()
        assert isinstance(old.result(), FencedError)
        sent = [
            entry.event.data["epoch"]
            for entry in await second.desk.log_after(0)
            if entry.event.kind == "command.sent"
        ]
        assert sent
        assert set(sent) == {second.ledger.epochs["D-1"]}
