"""Two parcels, one flight: from their submission through dispatch to light and real copter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.app import App, build
from controller.config import Config, from_dict
from controller.domain.model import CustodianKind, Destination, Parcel, ParcelState
from controller.enrol import capability_of
from geofence.frames import LatLon, geodesic_m, offset
from missions.model import AirMission, ItemKind
from sitl.ardupilot import ArduPilotFleet
from sitl.copter.fleet import CopterFleet
from sitl.world import TruthSample
from tests.integration.mavlink_rig import (
    BOOT_S,
    HOME,
    HOME_AMSL_M,
    PACE,
    PATIENT,
    UDP,
    spec,
    wall_clocks,
)
from tests.support.steady import steady_clocks
from vehicles.mavlink.fleet import MavlinkFleet
from vehicles.mavlink.settings import MavlinkVehicle
from vehicles.port import Clock

pytestmark = pytest.mark.timeout(300)
P = ParcelState
Fleet = type[CopterFleet | ArduPilotFleet]
LABS = [
    pytest.param(CopterFleet, id="light"),
    pytest.param(ArduPilotFleet, id="real", marks=pytest.mark.ardupilot),
]
FIRST, SECOND = offset(HOME, 90.0, 90.0), offset(offset(HOME, 90.0, 90.0), 20.0, 90.0)
CRUISE_M = 25.0


def config(folder: Path, *, landing: bool = False) -> Config:
    site = {"kind": "site", "landing": landing}
    return from_dict(
        {
            "store": {"url": "sqlite+aiosqlite:///w.db"},
            "terrain": {"ground_amsl_m": HOME_AMSL_M, "geoid_m": 18.0},
            "safety": {"stale_s": 120.0, "offline_s": 240.0},
            "sites": [
                {"id": "hub", "kind": "hub", "lat_deg": HOME.lat_deg, "lon_deg": HOME.lon_deg,
                 "ground_amsl_m": HOME_AMSL_M},
                {"id": "one", "lat_deg": FIRST.lat_deg, "lon_deg": FIRST.lon_deg, **site},
                {"id": "two", "lat_deg": SECOND.lat_deg, "lon_deg": SECOND.lon_deg, **site},
            ],
            "drones": [
                {
                    "id": "D-0", "link": UDP, "sysid": 1, "base": "hub", "parcel_slots": 2,
                    "pad_lat_deg": HOME.lat_deg, "pad_lon_deg": HOME.lon_deg,
                    "pad_amsl_m": HOME_AMSL_M, "cruise_alt_home_m": CRUISE_M,
                    "cruise_speed_mps": 10.0, "drop_device": "gripper", "gcs_timeout_s": 60.0,
                }
            ],
        },
        base=folder,
    )  # fmt: skip


@dataclass
class Rig:
    """A controller whose drone flies, and what it truly did."""

    wall_s: float
    truth: list[TruthSample] = field(default_factory=list)
    app: App = field(init=False)
    die: Callable[[], Awaitable[None]] = field(init=False)

    def state(self, ident: str) -> ParcelState:
        return self.app.ledger.parcels[ident].state

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(self.wall_s):
                while not condition():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            told = [(p.state.value, p.reasons) for p in self.app.ledger.parcels.values()]
            vehicle = self.app.desk.vehicle("D-0")
            raise AssertionError(f"never: {what}; {told}; {vehicle}") from None

    async def submit(self) -> None:
        now = self.app.clock.now()
        due = now + timedelta(hours=2)
        parcels = [
            Parcel(ident, 0.5, (0.2, 0.2, 0.1), "hub", Destination(place, site), now, due)
            for ident, place, site in (("P-1", FIRST, "one"), ("P-2", SECOND, "two"))
        ]
        await self.app.desk.submit(parcels, key="k", fingerprint="k")

    def releases(self) -> list[LatLon]:
        return [LatLon(t.lat_deg, t.lon_deg) for t in self.truth if t.event == "released"]


def enrolled(made: Config, link: str = UDP) -> MavlinkVehicle:
    return MavlinkVehicle(
        "D-0", link, 1, capability_of(made.drones[0]), HOME, HOME_AMSL_M,
        cruise_alt_home_m=CRUISE_M, gcs_timeout_s=60.0,
    )  # fmt: skip


@asynccontextmanager
async def controlled(
    rig: Rig, made: Config, clock: Clock, fleet: MavlinkFleet
) -> AsyncIterator[App]:
    """One life of a controller."""
    async with build(made, clock=clock, adapters=[fleet]) as app, asyncio.TaskGroup() as group:
        task = group.create_task(app.run(), name="controller")
        rig.app = app
        yield app
        task.cancel()


@asynccontextmanager
async def flying(kind: Fleet, folder: Path, *, landing: bool = False) -> AsyncIterator[Rig]:
    """A copter and a controller; `rig.die` ends it, and the next one takes over."""
    made = config(folder, landing=landing)
    light = kind is CopterFleet
    clock, lab = steady_clocks(25.0, pace=PACE) if light else wall_clocks(6.0)
    fleet = MavlinkFleet([enrolled(made)], clock, PATIENT)
    rig = Rig(wall_s=18.0 if light else 150.0)
    async with AsyncExitStack() as stack:
        first = AsyncExitStack()
        await stack.enter_async_context(first)
        await first.enter_async_context(controlled(rig, made, clock, fleet))
        host, port = fleet.udp_address(UDP)
        copters = kind(
            [replace(spec(), parcels=2)],
            clock=lab,
            on_truth=rig.truth.append,
            boot_s=BOOT_S,
            controller=(host, port),
        )
        await stack.enter_async_context(copters)

        async def die() -> None:
            await first.aclose()
            again = MavlinkFleet([enrolled(made, f"udpin:{host}:{port}")], clock, PATIENT)
            await stack.enter_async_context(controlled(rig, made, clock, again))

        rig.die = die
        yield rig


@pytest.mark.parametrize("kind", LABS)
@pytest.mark.parametrize("landing", [False, True], ids=["dropping", "landing"])
async def test_two_parcels_are_delivered_by_one_flight(
    kind: Fleet, landing: bool, tmp_path: Path
) -> None:
    async with flying(kind, tmp_path, landing=landing) as rig:
        await rig.submit()
        await rig.until(lambda: bool(rig.app.ledger.assignments), "one flight is assigned")
        task = rig.app.ledger.assignments["D-0"]
        assert task.assignment.parcel_ids == ("P-1", "P-2")
        assert isinstance(task.mission, AirMission)
        lands = sum(item.kind is ItemKind.LAND for item in task.mission.items)
        assert lands == (3 if landing else 1)
        await rig.until(lambda: rig.state("P-1") is P.DELIVERED, "the first is delivered")
        assert rig.state("P-2") is P.IN_TRANSIT
        assert rig.app.ledger.parcels["P-2"].custodian.ident == "D-0"
        await rig.until(lambda: rig.state("P-2") is P.DELIVERED, "the second is delivered")
        await rig.until(lambda: not rig.app.ledger.assignments, "home again")
        assert len(rig.releases()) == 2
        for ident, true, place in zip(("P-1", "P-2"), rig.releases(), (FIRST, SECOND), strict=True):
            assert geodesic_m(true, place) < 3.0
            record = rig.app.ledger.parcels[ident]
            assert record.custodian.kind is CustodianKind.RECIPIENT
            assert record.proof is not None
            assert geodesic_m(record.proof.position, true) < 5.0
            assert any("Gripper load releas" in words for words in record.proof.evidence)
        log = await rig.app.desk.log_after(0, 5000)
        assert sum(e.event.kind == "assignment.open" for e in log) == 1
        assert sum(e.event.kind == "assignment.done" for e in log) == 1
        home = rig.app.processes["D-0"].owner.telemetry.position
        assert home is not None
        assert geodesic_m(home, HOME) < 3.0


@pytest.mark.parametrize("kind", LABS)
async def test_the_second_cancelled_under_way_comes_home(kind: Fleet, tmp_path: Path) -> None:
    async with flying(kind, tmp_path) as rig:
        await rig.submit()
        await rig.until(lambda: "P-2" in rig.app.ledger.parcels, "kept")
        await rig.until(lambda: rig.state("P-2") is P.IN_TRANSIT, "under way")
        told = await rig.app.desk.cancel("P-2", by="anna", reason="not wanted")
        assert told.reason == "D-0 brings P-2 home, after it has delivered P-1"
        await rig.until(lambda: rig.state("P-1") is P.DELIVERED, "the first is delivered")
        await rig.until(lambda: rig.state("P-2") is P.CANCELLED, "the second is home")
        (true,) = rig.releases()
        assert geodesic_m(true, FIRST) < 3.0
        assert rig.app.ledger.parcels["P-2"].custodian.ident == "hub"


@pytest.mark.parametrize("kind", LABS)
async def test_a_controller_that_dies_between_the_stops_is_followed_by_one_that_knows(
    kind: Fleet, tmp_path: Path
) -> None:
    async with flying(kind, tmp_path) as rig:
        await rig.submit()
        await rig.until(lambda: rig.state("P-1") is P.DELIVERED, "the first is delivered")
        await rig.die()
        assert rig.state("P-1") is P.DELIVERED
        assert rig.state("P-2") is P.IN_TRANSIT
        assert rig.app.ledger.parcels["P-2"].custodian.ident == "D-0"
        await rig.until(lambda: rig.state("P-2") is P.DELIVERED, "the second is delivered")
        await rig.until(lambda: not rig.app.ledger.assignments, "home again")
        assert len(rig.releases()) == 2
        log = await rig.app.desk.log_after(0, 5000)
        told = [e.event.parcel_id for e in log if e.event.kind == "parcel.released"]
        assert told == ["P-1", "P-2"]
