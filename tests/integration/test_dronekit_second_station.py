"""DroneKit as a second ground station: it must read the mission and the state that we read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import dronekit
import pytest

from geofence.frames import LatLon, geodesic_m
from sitl.ardupilot import ArduPilotFleet
from sitl.copter.fleet import CopterFleet
from tests.integration.mavlink_rig import (
    PATIENT,
    UDP,
    Watched,
    delivery,
    serving,
    spec,
    vehicle,
    wall_clocks,
)
from tests.support.steady import steady_clocks
from vehicles.mavlink.fleet import MavlinkFleet
from vehicles.mavlink.items import translate
from vehicles.port import EventKind

WATCHER = 254
"""Not SYSID_MYGCS: a watcher must not keep the GCS failsafe quiet."""


@contextlib.asynccontextmanager
async def watched(
    kind: type[CopterFleet | ArduPilotFleet], speedup: float, wall_s: float
) -> AsyncIterator[tuple[Watched, Any]]:
    """A copter that our fleet commands and DroneKit watches on a link of its own."""
    clocks = steady_clocks if kind is CopterFleet else wall_clocks
    clock, theirs = clocks(speedup)
    async with contextlib.AsyncExitStack() as stack:
        fleet = await stack.enter_async_context(MavlinkFleet([vehicle(link=UDP)], clock, PATIENT))
        lab = await stack.enter_async_context(
            kind(
                [spec()],
                controller=fleet.udp_address(UDP),
                tcp=True,
                clock=theirs,
                on_truth=lambda sample: None,
                boot_s=5.0,
            )
        )
        ours = (await stack.enter_async_context(serving(fleet, clock, wall_s)))["D-0"]
        await ours.ready()
        where = f"tcp:127.0.0.1:{lab.ports['D-0']}"
        theirs_view = await asyncio.to_thread(dronekit.connect, where, source_system=WATCHER)
        stack.push_async_callback(asyncio.to_thread, theirs_view.close)
        yield ours, theirs_view


async def read_mission(station: Any) -> list[tuple[int, int, int, int]]:
    """Command, latitude and longitude (1e-7 degrees), height (cm), as DroneKit downloads them."""

    def download() -> list[Any]:
        station.commands.download()
        station.commands.wait_ready(timeout=15)
        return list(station.commands)

    return [
        (c.command, round(c.x * 1e7), round(c.y * 1e7), round(c.z * 100))
        for c in await asyncio.to_thread(download)
    ]


async def judge(kind: type[CopterFleet | ArduPilotFleet], speedup: float, wall_s: float) -> None:
    async with watched(kind, speedup, wall_s) as (ours, station):
        mission = delivery()
        assert (await ours.session.load(mission)).done
        sent = translate(mission).items[1:]
        read = await read_mission(station)
        assert [command for command, *_ in read] == [item.command for item in sent]
        for (_, lat, lon, alt_cm), item in zip(read, sent, strict=True):
            if item.x or item.y:
                # a float of 32 bits holds a degree to about 2e-6 of it
                assert abs(lat - item.x) <= 40
                assert abs(lon - item.y) <= 40
                assert abs(alt_cm - item.z * 100) <= 1

        assert (await ours.session.start(mission)).done
        await ours.until(lambda: bool(station.armed), "DroneKit sees it armed")
        await ours.until(lambda: station.mode.name == "AUTO", "DroneKit sees AUTO")
        await ours.until(lambda: near(ours, station), "DroneKit sees it where we do")
        await ours.until(lambda: EventKind.RELEASED in ours.kinds(), "released")
        await ours.until(lambda: station.commands.next >= 7, "DroneKit sees the mission past it")
        await ours.ended()
        await ours.until(lambda: not station.armed, "DroneKit sees it disarmed")
        assert ours.kinds().count(EventKind.RELEASED) == 1
        assert EventKind.COMPLETED in ours.kinds()
        assert EventKind.FAILSAFE not in ours.kinds()


def near(ours: Watched, station: Any) -> bool:
    place = station.location.global_frame
    told = ours.session.telemetry
    if place.lat is None or told.position is None:
        return False
    gap_m = geodesic_m(LatLon(place.lat, place.lon), told.position)
    return gap_m < 15.0 and (told.alt_home_m or 0.0) > 5.0


@pytest.mark.timeout(60)
async def test_dronekit_reads_what_we_read() -> None:
    await judge(CopterFleet, 10.0, 30.0)


@pytest.mark.ardupilot
@pytest.mark.timeout(180)
async def test_dronekit_reads_what_we_read_of_the_real_one() -> None:
    await judge(ArduPilotFleet, 6.0, 90.0)
