"""What links lose, as Prometheus reads it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from prometheus_client import generate_latest
from pymavlink.dialects.v20 import ardupilotmega as mav

from controller.observe import Figures
from geofence.frames import LatLon
from geofence.zones import VehicleClass
from missions.model import DropDevice
from tests.support.clock import ManualClock
from vehicles.loopback.fleet import LoopbackFleet
from vehicles.mavlink.fleet import MavlinkFleet, MavlinkVehicle
from vehicles.mavlink.signing import SigningKey
from vehicles.port import Capability
from vehicles.vda5050.fleet import Broker, SiteMap, Vda5050Fleet

HOME = LatLon(60.2, 24.9)
DRONE = Capability(
    VehicleClass.MULTIROTOR, 2.5, 1, 12.0, 900.0, (0.4, 0.3, 0.3), DropDevice.GRIPPER
)
LINK = "udpin:127.0.0.1:0"


def figures_of(*adapters: object) -> dict[str, float]:
    figures = Figures()
    figures.watch(adapters)  # type: ignore[arg-type]
    lines = generate_latest(figures.registry).decode().splitlines()
    losses = [line for line in lines if line.startswith("waypost_link_losses_total")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in losses}


def name_of(what: str, where: str) -> str:
    return f'waypost_link_losses_total{{what="{what}",where="{where}"}}'


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10.0):
        while not condition():
            await asyncio.sleep(0.01)


async def test_frames_that_nobody_enrolled_or_no_key_proves_are_counted() -> None:
    key = SigningKey(b"k" * 32)
    signed = MavlinkVehicle("D-1", LINK, 1, DRONE, HOME, 10.0, signing_key=key)
    async with MavlinkFleet([signed], ManualClock()) as fleet:
        strange = name_of("frames of a sysid that is not enrolled", LINK)
        unsigned = name_of("frames refused: unsigned", "D-1")
        assert figures_of(fleet)[strange] == figures_of(fleet)[unsigned] == 0.0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as drone:
            for system in (1, 9, 9):
                heartbeat = mav.MAVLink_heartbeat_message(2, 3, 0, 0, 4, 3)
                packed = heartbeat.pack(mav.MAVLink(None, srcSystem=system, srcComponent=1))
                drone.sendto(packed, fleet.udp_address(LINK))
        await until(lambda: figures_of(fleet)[strange] == 2.0)
        assert figures_of(fleet)[unsigned] == 1.0


async def test_every_adapter_has_its_kinds_from_the_start() -> None:
    robots = Vda5050Fleet([], Broker("127.0.0.1", 1), SiteMap("m", HOME, 0.0, 0.0), ManualClock())
    found = figures_of(robots, LoopbackFleet([], ManualClock()))
    assert found == {
        name_of("messages dropped on arrival", "broker"): 0.0,
        name_of("messages not sent", "broker"): 0.0,
        name_of("messages of robots that are not enrolled", "broker"): 0.0,
    }
