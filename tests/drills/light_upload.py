"""One upload drill against the light copter's core, in simulated time.

The controller's side is the whole of it: fleet, session, upkeep, launch. Until the vehicle is ready
the radio is good; from the order to load on it is as bad as the case says, to the end.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from geofence.zones import VehicleClass
from missions.model import AirMission, DropDevice
from sitl.copter.spec import CopterSpec
from sitl.copter.vehicle import Copter
from tests.drills.air import Air, held_items
from tests.drills.cases import HOME, HOME_AMSL_M, Case, Outcome, mission
from tests.drills.virtual import VirtualClock, run_virtual
from tests.drills.writer import Writer
from vehicles.mavlink.fleet import MavlinkFleet
from vehicles.mavlink.items import differences, translate
from vehicles.mavlink.settings import MavlinkSettings, MavlinkVehicle
from vehicles.port import Capability, VehicleSession

BOOT_S = 2.0
MOST_LOADS, MOST_STARTS = 6, 3
READY_S, AFTER_S = 150.0, 5.0
LINK = "udpin:127.0.0.1:0"
VEHICLE = MavlinkVehicle(
    "D-0", LINK, 1,
    Capability(
        VehicleClass.MULTIROTOR, 2.0, 1, 10.0, 300.0, (0.4, 0.4, 0.4), DropDevice.GRIPPER
    ),
    HOME, HOME_AMSL_M, cruise_alt_home_m=30.0, gcs_timeout_s=60.0,
)  # fmt: skip
SPEC = CopterSpec("D-0", 1, HOME.lat_deg, HOME.lon_deg, HOME_AMSL_M)


def drill(case: Case, *, start: bool = True) -> Outcome:
    """Run a case to its end; without `start` until it is loaded."""
    return run_virtual(_Drill(case, start=start).run())


@contextlib.asynccontextmanager
async def _controller(air: Air, clock: VirtualClock) -> AsyncIterator[VehicleSession]:
    """A controller with the radio; leaving it is its sudden end."""
    async with MavlinkFleet([VEHICLE], clock, MavlinkSettings(), open_link=air.open_link) as fleet:
        task = asyncio.create_task(fleet.run(), name="fleet")
        try:
            yield fleet.sessions["D-0"]
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


class _Drill:
    """A case under way."""

    def __init__(self, case: Case, *, start: bool) -> None:
        self.case = case
        self.start = start
        self.outcome = Outcome(case.name, case.loss, case.event)
        self.killed = asyncio.Event()
        self.began_s = -1.0

    async def run(self) -> Outcome:
        """Everything, and what the vehicle holds then."""
        case, outcome = self.case, self.outcome
        clock = VirtualClock()
        copter = Copter(SPEC, unix_at_zero_s=clock.now().timestamp(), boot_s=BOOT_S)
        self.air = air = Air(copter, seed=int(case.name.rpartition(":")[2]) * 2)
        self._store_old(copter)
        approved = mission(case.stops)
        air.approved = translate(approved)
        try:
            if not await self._fly(clock, approved):
                await self._fly(clock, approved)
            await clock.sleep(AFTER_S)
        finally:
            air.close()
        outcome.started = air.started
        outcome.armed_other, outcome.started_other = air.armed_other, air.started_other
        outcome.holds = self._holds(copter, air)
        return outcome

    async def _fly(self, clock: VirtualClock, approved: AirMission) -> bool:
        """One controller's life; False where it was killed."""
        async with _controller(self.air, clock) as session:
            work = asyncio.create_task(self._work(session, clock, approved), name="work")
            end = asyncio.create_task(self.killed.wait(), name="killed")
            await asyncio.wait({work, end}, return_when=asyncio.FIRST_COMPLETED)
            whole = work.done()
            for task in (work, end):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self.killed.clear()
        return whole

    async def _work(
        self, session: VehicleSession, clock: VirtualClock, approved: AirMission
    ) -> None:
        """What dispatch does: wait until it is ready, load until proven, start once."""
        if self.began_s >= 0.0:
            # a new controller starts nothing that it did not prove itself
            await self._start(session, approved)
        starts = 0
        while self.outcome.loads < MOST_LOADS and starts < MOST_STARTS and not self.air.started:
            if not await self._ready(session, clock):
                self.outcome.refusals.append("; ".join(session.telemetry.not_ready)[:200])
                return
            if self.began_s < 0.0:
                self._begin(clock)
            self.outcome.loads += 1
            loaded = await session.load(approved)
            if not loaded.done:
                self.outcome.refusals.append(loaded.reason[:200])
                continue
            if not self.outcome.verified:
                self.outcome.verified = True
                self.outcome.verified_s = round(clock.monotonic_s() - self.began_s, 2)
            if not self.start:
                return
            starts += 1
            if await self._start(session, approved):
                return

    async def _start(self, session: VehicleSession, approved: AirMission) -> bool:
        result = await session.start(approved)
        if not result.done:
            self.outcome.refusals.append(result.reason[:200])
        return result.done

    async def _ready(self, session: VehicleSession, clock: VirtualClock) -> bool:
        deadline_s = clock.monotonic_s() + READY_S
        while not session.telemetry.startable:
            if clock.monotonic_s() > deadline_s or self.air.started:
                return False
            await clock.sleep(0.2)
        return True

    def _begin(self, clock: VirtualClock) -> None:
        case, air = self.case, self.air
        self.began_s = clock.monotonic_s()
        air.steps = 0
        air.fault(case.up, case.down)
        if case.event != "none":
            air.at_step = (case.step, self._happen)

    def _happen(self) -> None:
        case, air = self.case, self.air
        match case.event:
            case "writer":
                writer = Writer(case)

                def heard(data: bytes) -> None:
                    for answer in writer.hear(data):
                        air.to_copter(answer)

                air.overheard.append(heard)
                air.to_copter(writer.begin())
            case "reboot":
                air.copter.reboot()
            case "power":
                air.power(case.off_s)
            case "controller":
                self.killed.set()

    def _store_old(self, copter: Copter) -> None:
        """What an earlier day left on board."""
        if self.case.old_stops < 0:
            return
        for message in translate(mission(self.case.old_stops, alt_m=50.0, parcel="P-0")).messages(
            1, 1
        ):
            copter.mission.put(message.seq, message, 10_000)

    def _holds(self, copter: Copter, air: Air) -> str:
        held = held_items(copter)
        if not air.other():
            return "approved"
        old = max(self.case.old_stops, 0)
        for name, stops, alt_m, parcel in (
            ("old", old, 50.0, "P-0"),
            ("the other station's", self.case.writer_stops, 45.0, "P-9"),
        ):
            other = translate(mission(stops, alt_m=alt_m, parcel=parcel))
            if not differences(other, held):
                return name
        return "a mixture" if len(held) > 1 else "nothing"
