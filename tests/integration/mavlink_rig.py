"""A MAVLink fleet against light copters over real sockets, for the integration tests."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from controller.clock import ScaledClock
from geofence.frames import LatLon, offset
from geofence.zones import VehicleClass
from missions.model import AirItem, AirMission, DropDevice, ItemKind
from sitl.ardupilot import ArduPilotFleet
from sitl.copter.fleet import CopterFleet
from sitl.copter.spec import CopterSpec
from sitl.world import LabClock, TruthSample
from tests.support.steady import steady_clocks
from vehicles.mavlink.fleet import MavlinkFleet, MavlinkSettings, MavlinkVehicle
from vehicles.port import Capability, EventKind, VehicleEvent, VehicleSession

HOME = LatLon(60.1700, 24.9400)
HOME_AMSL_M = 10.0
CRUISE_M = 25.0
BOOT_S = 5.0
PATIENT = MavlinkSettings(
    answer_s=4.0,
    stale_after_s=25.0,
    offline_after_s=50.0,
    mode_timeout_s=30.0,
    arm_timeout_s=30.0,
    takeoff_timeout_s=60.0,
    adopt_timeout_s=60.0,
)
"""Simulated seconds: a machine that stands still for a moment must not look like a lost link."""
PACE = 8.0
"""Light copters and the fleet share a loop: its waits need not last."""
UDP = "udpin:127.0.0.1:0"


def capability(device: DropDevice = DropDevice.GRIPPER, slots: int = 1) -> Capability:
    return Capability(VehicleClass.MULTIROTOR, 2.0, slots, 10.0, 300.0, (0.4, 0.4, 0.4), device)


def pad(number: int) -> LatLon:
    return offset(HOME, 0.0, 40.0 * number)


def vehicle(
    number: int = 0,
    link: str = UDP,
    device: DropDevice = DropDevice.GRIPPER,
    gcs_timeout_s: float = 60.0,
    slots: int = 1,
    *,
    onboard_fence: bool = False,
) -> MavlinkVehicle:
    return MavlinkVehicle(
        f"D-{number}", link, number + 1, capability(device, slots), pad(number), HOME_AMSL_M,
        cruise_alt_home_m=CRUISE_M, gcs_timeout_s=gcs_timeout_s, onboard_fence=onboard_fence,
    )  # fmt: skip


def spec(number: int = 0, device: DropDevice = DropDevice.GRIPPER) -> CopterSpec:
    place = pad(number)
    return CopterSpec(
        f"D-{number}", number + 1, place.lat_deg, place.lon_deg, HOME_AMSL_M,
        drop_device=device.value,
    )  # fmt: skip


def delivery(
    number: int = 0,
    device: DropDevice = DropDevice.GRIPPER,
    out_m: float = 120.0,
    wait_s: float = 5.0,
) -> AirMission:
    """Out to the east, down, release, back the same way, land on the pad."""
    home = pad(number)
    drop, middle = offset(home, 90.0, out_m), offset(home, 90.0, out_m / 2.0)
    place = device is DropDevice.PAYLOAD_PLACE
    kind = ItemKind
    items = (
        AirItem(kind.TAKEOFF, home, CRUISE_M),
        AirItem(kind.SPEED, speed_mps=10.0),
        AirItem(kind.WAYPOINT, middle, CRUISE_M),
        AirItem(kind.WAYPOINT, drop, CRUISE_M),
        AirItem(kind.WAYPOINT, drop, 12.0),
        AirItem(
            kind.RELEASE, drop if place else None, 12.0 if place else 0.0, device=device,
            parcel_id="P-1", winch_m={"winch": 5.0, "payload_place": 20.0}.get(device.value, 0.0),
        ),
        AirItem(kind.DELAY, delay_s=wait_s),
        AirItem(kind.RETURN_PATH),
        AirItem(kind.WAYPOINT, drop, CRUISE_M),
        AirItem(kind.WAYPOINT, middle, CRUISE_M),
        AirItem(kind.WAYPOINT, home, CRUISE_M),
        AirItem(kind.LAND, home),
    )  # fmt: skip
    return AirMission("M-1", f"D-{number}", home, HOME_AMSL_M, CRUISE_M, items, "test")


@dataclass
class Watched:
    """A session with everything that it told."""

    session: VehicleSession
    clock: ScaledClock
    wall_s: float
    seen: list[VehicleEvent] = field(default_factory=list)
    truth: list[TruthSample] = field(default_factory=list)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(self.wall_s):
                while not condition():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            told = [(e.kind.value, e.detail) for e in self.seen]
            raise AssertionError(f"never: {what}; {self.session.telemetry}; {told}") from None

    def kinds(self) -> list[EventKind]:
        return [e.kind for e in self.seen]

    def first(self, kind: EventKind) -> VehicleEvent:
        return next(e for e in self.seen if e.kind is kind)

    async def ready(self) -> None:
        await self.until(lambda: self.session.telemetry.startable, "ready")

    async def ended(self) -> None:
        over = {EventKind.COMPLETED, EventKind.ABORTED}
        await self.until(lambda: bool(over & set(self.kinds())), "completed or aborted")


def wall_clocks(speedup: float) -> tuple[ScaledClock, LabClock]:
    """The controller's clock and the lab's, for vehicles that are processes of their own."""
    lab = LabClock.starting_now(speedup=speedup, start=datetime(2026, 6, 1, 9, 0, tzinfo=UTC))
    ours = ScaledClock(start=lab.start, wall_epoch_s=lab.wall_epoch_s, speedup=speedup)
    return ours, lab


@contextlib.asynccontextmanager
async def serving(
    fleet: MavlinkFleet, clock: ScaledClock, wall_s: float
) -> AsyncIterator[dict[str, Watched]]:
    """Run an open fleet; its sessions' events are collected from the first moment."""
    watched = {name: Watched(s, clock, wall_s) for name, s in fleet.sessions.items()}

    async def listen(one: Watched) -> None:
        async for event in one.session.events():
            one.seen.append(event)

    tasks = [
        asyncio.create_task(listen(one), name=f"listen {name}") for name, one in watched.items()
    ]
    tasks.append(asyncio.create_task(fleet.run(), name="fleet"))
    await asyncio.sleep(0)
    try:
        yield watched
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        faults = [e for e in ends if not isinstance(e, asyncio.CancelledError)]
        assert not faults, faults


@contextlib.asynccontextmanager
async def lab(
    kind: type[CopterFleet | ArduPilotFleet],
    count: int = 1,
    *,
    speedup: float = 25.0,
    device: DropDevice = DropDevice.GRIPPER,
    tcp: bool = False,
    settings: MavlinkSettings = PATIENT,
    specs: Sequence[CopterSpec] | None = None,
    wall_s: float = 18.0,
    gcs_timeout_s: float = 60.0,
    slots: int = 1,
    onboard_fence: bool = False,
) -> AsyncIterator[tuple[dict[str, Watched], Any, MavlinkFleet]]:
    """Copters, light or real, and a fleet that talks to them."""
    if kind is CopterFleet:
        clock, theirs = steady_clocks(speedup, pace=PACE)
    else:
        clock, theirs = wall_clocks(speedup)
    truth: list[TruthSample] = []
    made = list(specs or (spec(n, device) for n in range(count)))
    common: dict[str, Any] = {"clock": theirs, "on_truth": truth.append, "boot_s": BOOT_S}
    async with contextlib.AsyncExitStack() as stack:
        if tcp:
            copters = await stack.enter_async_context(kind(made, tcp=True, **common))
            links = [f"tcp:127.0.0.1:{copters.ports[one.vehicle_id]}" for one in made]
        else:
            links = [UDP] * len(made)
        ours = [
            vehicle(n, link, device, gcs_timeout_s, slots, onboard_fence=onboard_fence)
            for n, link in enumerate(links)
        ]
        fleet = await stack.enter_async_context(MavlinkFleet(ours, clock, settings))
        if not tcp:
            copters = await stack.enter_async_context(
                kind(made, controller=fleet.udp_address(UDP), **common)
            )
        watched = await stack.enter_async_context(serving(fleet, clock, wall_s))
        for one in watched.values():
            one.truth = truth
        yield watched, copters, fleet


light = functools.partial(lab, CopterFleet)
real = functools.partial(lab, ArduPilotFleet, speedup=6.0, wall_s=110.0)
