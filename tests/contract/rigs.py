"""One rig per adapter: a session over its real transport, and missions that it can carry out."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from controller.clock import ScaledClock
from geofence.frames import LatLon, offset
from geofence.zones import VehicleClass
from missions.model import (
    AirItem,
    AirMission,
    DropDevice,
    GroundMission,
    ItemKind,
    Mission,
    RouteAction,
    RouteEdge,
    RouteNode,
    StopAction,
)
from vehicles.port import Capability, EventKind, VehicleAdapter, VehicleEvent, VehicleSession

HOME = LatLon(60.1700, 24.9300)
START = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
DEADLINE_S = 15.0
"""Wall seconds after which a condition counts as never met."""

DRONE = Capability(
    vehicle_class=VehicleClass.MULTIROTOR,
    max_payload_kg=2.5,
    parcel_slots=1,
    cruise_speed_mps=12.0,
    usable_energy_wh=400.0,
    max_parcel_size_m=(0.4, 0.3, 0.25),
    drop_device=DropDevice.GRIPPER,
)
ROBOT = Capability(
    vehicle_class=VehicleClass.ROBOT,
    max_payload_kg=20.0,
    parcel_slots=4,
    cruise_speed_mps=1.8,
    usable_energy_wh=900.0,
    max_parcel_size_m=(0.6, 0.5, 0.4),
    handover_pin=True,
)


@dataclass
class Rig:
    """A session under test."""

    session: VehicleSession
    clock: ScaledClock
    mission: Callable[[str], Mission]
    """A delivery for this vehicle, told apart by a tag."""
    seen: list[VehicleEvent] = field(default_factory=list)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until the condition holds; fails naming it after the deadline."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not condition():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            told = [(e.kind.value, e.detail) for e in self.seen]
            raise AssertionError(f"never: {what}; {self.session.telemetry}; {told}") from None

    def kinds(self) -> list[EventKind]:
        """What was told so far, without alarms."""
        return [e.kind for e in self.seen if e.kind is not EventKind.ALARM]


def clock_at(speedup: float) -> ScaledClock:
    return ScaledClock(start=START, wall_epoch_s=time.time(), speedup=speedup)


def flight(vehicle_id: str, tag: str) -> AirMission:
    """A short flight with one release 60 m to the east."""
    drop = offset(HOME, 90.0, 60.0)
    return AirMission(
        mission_id=f"m-{tag}",
        vehicle_id=vehicle_id,
        home=HOME,
        home_amsl_m=20.0,
        cruise_alt_home_m=30.0,
        items=(
            AirItem(ItemKind.TAKEOFF, HOME, 30.0),
            AirItem(ItemKind.SPEED, speed_mps=10.0),
            AirItem(ItemKind.WAYPOINT, drop, 30.0),
            AirItem(ItemKind.WAYPOINT, drop, 3.0),
            AirItem(ItemKind.RELEASE, drop, 3.0, device=DropDevice.GRIPPER, parcel_id=f"p-{tag}"),
            AirItem(ItemKind.DELAY, delay_s=3.0),
            AirItem(ItemKind.RETURN_PATH, drop, 30.0),
            AirItem(ItemKind.WAYPOINT, drop, 30.0),
            AirItem(ItemKind.WAYPOINT, HOME, 30.0),
            AirItem(ItemKind.LAND, HOME),
        ),
        zones_version="test",
    )


def round_trip(vehicle_id: str, tag: str) -> GroundMission:
    """Pick at the base, drop 30 m to the east, and back."""
    east = offset(HOME, 90.0, 30.0)
    parcel = f"p-{tag}"
    return GroundMission(
        mission_id=f"m-{tag}",
        vehicle_id=vehicle_id,
        nodes=(
            RouteNode(
                "n0", HOME, (RouteAction(f"m-{tag}:n0:pick:{parcel}", StopAction.PICK, parcel),)
            ),
            RouteNode(
                "n1", east, (RouteAction(f"m-{tag}:n1:drop:{parcel}", StopAction.DROP, parcel),)
            ),
            RouteNode("n0", HOME),
        ),
        edges=(
            RouteEdge("e0", "n0", "n1", 30.0, 2.0),
            RouteEdge("e0", "n1", "n0", 30.0, 2.0),
        ),
        zones_version="test",
    )


@contextlib.asynccontextmanager
async def serve(
    adapter: VehicleAdapter,
    clock: ScaledClock,
    vehicle_id: str,
    mission: Callable[[str], Mission],
) -> AsyncIterator[Rig]:
    """Run the adapter and collect the events of one of its sessions."""
    async with adapter, asyncio.TaskGroup() as group:
        rig = Rig(adapter.sessions[vehicle_id], clock, mission)

        async def listen() -> None:
            async for event in rig.session.events():
                rig.seen.append(event)

        tasks = [
            group.create_task(adapter.run(), name="adapter"),
            group.create_task(listen(), name="listener"),
        ]
        try:
            yield rig
        finally:
            for task in tasks:
                task.cancel()


@contextlib.asynccontextmanager
async def loopback_rig() -> AsyncIterator[Rig]:
    """The vehicle in memory."""
    from vehicles.loopback.fleet import LoopbackFleet, LoopbackVehicle

    clock = clock_at(50.0)
    fleet = LoopbackFleet([LoopbackVehicle("L-1", DRONE, HOME, 20.0)], clock)
    async with serve(fleet, clock, "L-1", lambda tag: flight("L-1", tag)) as rig:
        yield rig


RIGS = {"loopback": loopback_rig}
