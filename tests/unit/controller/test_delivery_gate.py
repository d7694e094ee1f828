"""The gate before load and start, and the zones that it looks at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.clock import ScaledClock
from controller.delivery.gate import Gate
from controller.delivery.ledger import Ledger
from controller.delivery.zones import ZoneBook
from controller.dispatch.engine import dispatch
from controller.dispatch.model import DispatchSettings, ParcelFacts, VehicleFacts, World
from controller.domain.model import (
    Assignment,
    AssignmentState,
    Custodian,
    CustodianKind,
    Destination,
    Parcel,
    ParcelState,
    Site,
    SiteKind,
)
from controller.domain.records import AssignmentRecord, ParcelRecord
from controller.fleet.owner import VehicleOwner
from controller.store.database import Store
from geofence.check import Surroundings, check
from geofence.frames import LatLon, offset
from geofence.zones import CircleArea, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from missions.model import DropDevice
from tests.support.clock import START, ManualClock
from vehicles.port import Capability, FlightFence, LinkState, Outcome, Phase, Telemetry

HUB = Site("hub", "Hub", SiteKind.HUB, LatLon(60.2, 24.9), 10.0)
GOAL = offset(HUB.position, 0.0, 900.0)
SURROUNDINGS = Surroundings(10.0, 18.0)
FAR = Zone("z-far", "Far", ZoneKind.NO_FLY, CircleArea(offset(HUB.position, 180.0, 5000.0), 100.0))
OVER_GOAL = Zone("z-goal", "Goal", ZoneKind.NO_FLY, CircleArea(GOAL, 100.0))
DRONE = Capability(VehicleClass.MULTIROTOR, 2.5, 1, 12.0, 300.0, (0.4, 0.3, 0.3), DropDevice.WINCH)
PARCEL = Parcel(
    "P-1", 1.0, (0.2, 0.2, 0.1), "hub", Destination(GOAL), START, START + timedelta(hours=1)
)


class Session:
    vehicle_id = "D-1"
    capability = DRONE

    def __init__(self) -> None:
        self.telemetry = Telemetry(
            "D-1",
            START,
            LinkState.ONLINE,
            Phase.READY,
            position=HUB.position,
            battery_pct=95.0,
            armed=False,
            home=HUB.position,
            home_amsl_m=10.0,
        )


class Rig:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.zones = ZoneSet([FAR])
        self.session = Session()
        self.owner = VehicleOwner(
            self.session,  # type: ignore[arg-type]
            epoch=1,
            clock=self.clock,
            command_timeout_s=60.0,
        )
        self.gate = Gate(
            settings=DispatchSettings(),
            surroundings=SURROUNDINGS,
            zones=lambda: self.zones,
            clock=self.clock,
            max_age_s=45.0,
        )
        self.parcels = {
            "P-1": ParcelRecord(PARCEL, ParcelState.ASSIGNED, Custodian(CustodianKind.SITE, "hub"))
        }
        self.record = self.planned()

    def planned(self) -> AssignmentRecord:
        world = World(
            now=self.clock.now(),
            zones=self.zones,
            surroundings=SURROUNDINGS,
            streets=None,
            vehicles=(VehicleFacts("D-1", DRONE, self.session.telemetry, HUB),),
            parcels=(ParcelFacts(PARCEL, HUB),),
        )
        offer = dispatch(world, ids=lambda prefix: f"{prefix}-1").offers[0]
        task = Assignment(
            "A-1", "D-1", ("P-1",), AssignmentState.OPEN, START, offer.mission.content_hash
        )
        return AssignmentRecord(task, offer.mission, epoch=1)

    async def shut(self) -> str:
        found = await self.gate.shut(self.record, self.parcels, self.owner)
        return "" if found is None else found.reason


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_a_mission_as_planned_passes(rig: Rig) -> None:
    assert await rig.shut() == ""


class Fencing(Session):
    """A session whose vehicle takes a fence for every flight."""

    wants_fence = True
    fence_for = ""

    def order_fence(self, fence: FlightFence) -> None:
        self.fence_for = fence.mission_hash


async def test_a_vehicle_that_takes_fences_is_given_one_of_the_mission_and_its_zones(
    rig: Rig,
) -> None:
    assert await rig.gate.fence(rig.record, rig.parcels, rig.owner) is None
    rig.owner = VehicleOwner(
        Fencing(),  # type: ignore[arg-type]
        epoch=1,
        clock=rig.clock,
        command_timeout_s=60.0,
    )
    mission = rig.record.mission
    assert rig.owner.lacks_fence(mission)
    made = await rig.gate.fence(rig.record, rig.parcels, rig.owner)
    assert isinstance(made, tuple)
    fence, told = made
    assert (fence.mission_hash, fence.zones_version) == (mission.content_hash, rig.zones.version)
    assert told == ""
    rig.owner.order_fence(fence)
    assert not rig.owner.lacks_fence(mission)
    assert isinstance(await rig.owner.audit(), str)
    assert (await rig.owner.apply_baseline()).outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"battery_pct": 12.0}, "battery too low now"),
        ({"battery_pct": None}, "has not told its battery level"),
        ({"link": LinkState.STALE}, "is stale: its data is not fresh"),
        ({"received_at": START - timedelta(seconds=50)}, "its data is not fresh"),
    ],
)
async def test_a_vehicle_that_is_not_fit_now_shuts_it(
    rig: Rig, changes: dict[str, Any], word: str
) -> None:
    rig.session.telemetry = replace(rig.session.telemetry, **changes)
    assert word in await rig.shut()


async def test_a_mission_of_another_zone_set_is_never_sent(rig: Rig) -> None:
    rig.zones = ZoneSet([])
    found = await rig.gate.shut(rig.record, rig.parcels, rig.owner)
    assert found is not None
    assert found.passing
    assert "zones have changed" in found.reason


async def test_a_parcel_that_grew_heavier_shuts_it(rig: Rig) -> None:
    heavy = replace(PARCEL, weight_kg=4.0)
    rig.parcels["P-1"] = replace(rig.parcels["P-1"], parcel=heavy)
    assert "payload 4.00 kg is over" in await rig.shut()


async def test_a_mission_that_claims_zones_it_was_not_checked_against_is_checked(rig: Rig) -> None:
    rig.zones = ZoneSet([OVER_GOAL])
    forged = replace(rig.record.mission, zones_version=rig.zones.version)
    rig.record = replace(rig.record, mission=forged)
    assert "z-goal" in await rig.shut()
    path = rig.gate.path(rig.record, rig.parcels, rig.owner, frozenset())
    assert path is not None
    assert {v.zone_id for v in check(path, rig.zones, SURROUNDINGS).violations} == {"z-goal"}


@asynccontextmanager
async def book_on(path: Path, configured: ZoneSet) -> AsyncIterator[ZoneBook]:
    clock = ScaledClock(START, time.time(), 1.0)
    async with Store(f"sqlite+aiosqlite:///{path / 'w.db'}") as store:
        kept = await store.read()
        ledger = Ledger(store, clock, lambda prefix: f"{prefix}-1")
        book = ZoneBook(configured, ledger, clock)
        book.restore(kept.zones)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(store.run(), name="store")
            yield book
            task.cancel()


async def test_the_files_win_once_they_change(tmp_path: Path) -> None:
    files, changed = ZoneSet([FAR]), ZoneSet([FAR, OVER_GOAL])
    async with book_on(tmp_path, files) as book:
        await book.replace(ZoneSet([OVER_GOAL]), by="anna")
        put = book.zones.version
    async with book_on(tmp_path, files) as book:
        assert book.zones.version == put
    async with book_on(tmp_path, changed) as book:
        assert book.zones.version == changed.version
