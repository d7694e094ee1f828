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
from tests.drills.dispatch import Dispatch
from tests.drills.virtual import VirtualClock, run_virtual
from tests.drills.writer import Writer
from vehicles.mavlink.fleet import MavlinkFleet
from vehicles.mavlink.items import differences, translate
from vehicles.mavlink.settings import MavlinkSettings, MavlinkVehicle
from vehicles.port import Capability, VehicleSession

BOOT_S = 2.0
AFTER_S = 5.0
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


class _Drill(Dispatch):
    """A case under way."""

    air: Air

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
        async with _controller(self.air, clock) as session:
            return await self.life(session, clock, approved)

    @property
    def started(self) -> bool:
        return self.air.started

    def begin(self) -> None:
        case, air = self.case, self.air
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
