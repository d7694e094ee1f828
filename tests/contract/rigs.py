"""One rig per adapter: a session over its real transport, and missions that it can carry out."""

from __future__ import annotations

import asyncio
import contextlib
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
from tests.support.steady import steady_clocks
from vehicles.port import Capability, EventKind, VehicleAdapter, VehicleEvent, VehicleSession

HOME = LatLon(60.1700, 24.9300)
START = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
DEADLINE_S = 40.0
"""Seconds of the loop after which a condition counts as never met."""

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
    return steady_clocks(speedup, START, pace=8.0)[0]


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
    """Run the opened adapter and collect the events of one of its sessions."""
    async with asyncio.TaskGroup() as group:
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
    async with fleet, serve(fleet, clock, "L-1", lambda tag: flight("L-1", tag)) as rig:
        yield rig


@contextlib.asynccontextmanager
async def mavlink_rig(*, tcp: bool = False) -> AsyncIterator[Rig]:
    """A light copter by MAVLink over a real socket."""
    from sitl.copter import CopterFleet, CopterSpec
    from vehicles.mavlink.fleet import MavlinkFleet
    from vehicles.mavlink.settings import MavlinkVehicle

    clock, lab_clock = steady_clocks(20.0, START, pace=8.0)
    udp = "udpin:127.0.0.1:0"

    def lab(controller: tuple[str, int] | None) -> CopterFleet:
        return CopterFleet(
            [CopterSpec("D-1", 7, HOME.lat_deg, HOME.lon_deg, 20.0)],
            controller=controller,
            tcp=controller is None,
            clock=lab_clock,
            on_truth=lambda sample: None,
            boot_s=5.0,
        )

    def fleet_on(link: str) -> MavlinkFleet:
        # Simulated seconds: a busy machine must not look like a lost link.
        vehicle = MavlinkVehicle("D-1", link, 7, DRONE, HOME, 20.0, gcs_timeout_s=60.0)
        return MavlinkFleet([vehicle], clock)

    async with contextlib.AsyncExitStack() as stack:
        # who listens is opened first, and tells its port: none is free for others in between
        if tcp:
            copters = await stack.enter_async_context(lab(None))
            link = f"tcp:127.0.0.1:{copters.ports['D-1']}"
            fleet = await stack.enter_async_context(fleet_on(link))
        else:
            fleet = await stack.enter_async_context(fleet_on(udp))
            await stack.enter_async_context(lab(fleet.udp_address(udp)))
        yield await stack.enter_async_context(
            serve(fleet, clock, "D-1", lambda tag: flight("D-1", tag))
        )


@contextlib.asynccontextmanager
async def mavlink_tcp_rig() -> AsyncIterator[Rig]:
    """The same over TCP."""
    async with mavlink_rig(tcp=True) as rig:
        yield rig


@contextlib.asynccontextmanager
async def dronekit_rig() -> AsyncIterator[Rig]:
    """A light copter that DroneKit is connected to over TCP."""
    import dronekit

    from sitl.copter import CopterFleet, CopterSpec
    from vehicles.dronekit.fleet import DroneKitDrone, dronekit_fleet
    from vehicles.mavlink.settings import MavlinkVehicle

    clock, lab_clock = steady_clocks(20.0, START)
    lab = CopterFleet(
        [CopterSpec("D-1", 7, HOME.lat_deg, HOME.lon_deg, 20.0)],
        tcp=True,
        clock=lab_clock,
        on_truth=lambda sample: None,
        boot_s=5.0,
    )
    async with lab:
        where = f"tcp:127.0.0.1:{lab.ports['D-1']}"
        vehicle = await asyncio.to_thread(dronekit.connect, where, source_system=255)
        try:
            enrolment = MavlinkVehicle("D-1", "", 7, DRONE, HOME, 20.0, gcs_timeout_s=60.0)
            fleet = dronekit_fleet([DroneKitDrone(vehicle, enrolment)], clock)
            async with fleet, serve(fleet, clock, "D-1", lambda t: flight("D-1", t)) as rig:
                yield rig
        finally:
            await asyncio.to_thread(vehicle.close)


@contextlib.asynccontextmanager
async def vda5050_rig() -> AsyncIterator[Rig]:
    """A lab robot by VDA 5050 through the embedded broker."""
    from sitl.broker import Broker as LabBroker
    from sitl.robot import RobotFleet, RobotMap, RobotSpec
    from vehicles.vda5050.fleet import Vda5050Fleet
    from vehicles.vda5050.maps import SiteMap
    from vehicles.vda5050.session import Vda5050Vehicle
    from vehicles.vda5050.transport import Broker

    clock, lab_clock = steady_clocks(20.0, START)
    async with LabBroker() as broker:
        lab = RobotFleet(
            [RobotSpec("R-1", "acme", "r1", HOME.lat_deg, HOME.lon_deg, speed_mps=2.0)],
            host=broker.host,
            port=broker.port,
            robot_map=RobotMap("site", HOME.lat_deg, HOME.lon_deg),
            clock=lab_clock,
        )
        async with lab:
            fleet = Vda5050Fleet(
                [Vda5050Vehicle("R-1", "acme", "r1", ROBOT, HOME)],
                Broker(broker.host, broker.port),
                SiteMap("site", HOME),
                clock,
            )
            async with fleet, serve(fleet, clock, "R-1", lambda tag: round_trip("R-1", tag)) as rig:
                yield rig


RIGS = {
    "dronekit": dronekit_rig,
    "loopback": loopback_rig,
    "mavlink": mavlink_rig,
    "mavlink-tcp": mavlink_tcp_rig,
    "vda5050": vda5050_rig,
}
