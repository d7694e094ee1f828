"""The vehicle in memory: what it shows while it waits."""

from __future__ import annotations

import asyncio

from geofence.frames import LatLon
from geofence.zones import VehicleClass
from missions.model import AirItem, AirMission, DropDevice, ItemKind
from tests.support.clock import ManualClock
from vehicles.loopback.fleet import LoopbackFleet, LoopbackVehicle
from vehicles.port import Capability, EventKind, Outcome, Phase

HOME = LatLon(60.17, 24.94)
DRONE = Capability(
    vehicle_class=VehicleClass.MULTIROTOR,
    max_payload_kg=2.0,
    parcel_slots=1,
    cruise_speed_mps=10.0,
    usable_energy_wh=300.0,
    max_parcel_size_m=(0.4, 0.3, 0.3),
    drop_device=DropDevice.WINCH,
)
MISSION = AirMission(
    mission_id="m-1",
    vehicle_id="L-1",
    home=HOME,
    home_amsl_m=10.0,
    cruise_alt_home_m=30.0,
    items=(
        AirItem(ItemKind.TAKEOFF, HOME, 30.0),
        AirItem(ItemKind.DELAY, delay_s=20.0),
        AirItem(ItemKind.RELEASE, HOME, 3.0, device=DropDevice.WINCH, parcel_id="p-1"),
        AirItem(ItemKind.LAND, HOME),
    ),
    zones_version="test",
)
STEP_S = 0.25


async def test_it_speaks_every_second_at_rest_and_while_it_dwells() -> None:
    clock = ManualClock()
    fleet = LoopbackFleet([LoopbackVehicle("L-1", DRONE, HOME, 10.0)], clock)
    session = fleet.sessions["L-1"]
    told: set[EventKind] = set()

    async def hear() -> None:
        async for event in session.events():
            told.add(event.kind)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(fleet.run(), name="fleet")]
        tasks.append(group.create_task(hear(), name="hear"))
        await clock.advance(STEP_S)
        assert (await session.load(MISSION)).outcome is Outcome.DONE
        assert (await session.start(MISSION)).outcome is Outcome.DONE
        flown_s = silent_s = 0.0
        while EventKind.COMPLETED not in told and flown_s < 60.0:
            await clock.advance(STEP_S)
            flown_s += STEP_S
            assert session.telemetry.received_at is not None
            age_s = (clock.now() - session.telemetry.received_at).total_seconds()
            silent_s = max(silent_s, age_s)
        assert told == {EventKind.STARTED, EventKind.RELEASED, EventKind.COMPLETED}
        assert session.telemetry.phase is Phase.READY
        assert flown_s > 21.0
        assert silent_s <= 1.0
        for task in tasks:
            task.cancel()
