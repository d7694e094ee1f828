"""Vehicles that answer nonsense, strangers, and lossy links: nobody else is harmed."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from controller.clock import SystemClock
from sitl.copter.fleet import CopterFleet
from tests.integration.mavlink_rig import PACE, PATIENT, UDP, delivery, serving, spec, vehicle
from tests.support.steady import steady_clocks
from vehicles.errors import ConfigurationError
from vehicles.mavlink.fleet import MavlinkFleet
from vehicles.port import EventKind, LinkState, Verb

pytestmark = pytest.mark.timeout(180)


class Liar:
    """A system that sends what cannot be true."""

    def __init__(self, address: tuple[str, int], system: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(address)
        self._mav = mav.MAVLink(None, srcSystem=system, srcComponent=1)

    def send(self, *messages: object) -> None:
        for message in messages:
            self._socket.send(bytes(message.pack(self._mav)))

    def raw(self, data: bytes) -> None:
        self._socket.send(data)

    def close(self) -> None:
        self._socket.close()


async def test_nonsense_is_an_alarm_on_that_vehicle_and_no_effect_on_others() -> None:
    clock, lab = steady_clocks(25.0, pace=PACE)
    async with (
        MavlinkFleet([vehicle(0), vehicle(1)], clock, PATIENT) as fleet,
        CopterFleet(
            [spec(0)], controller=fleet.udp_address(UDP), clock=lab, on_truth=lambda _: None,
            boot_s=5.0,
        ),
        serving(fleet, clock, 18.0) as watched,
    ):  # fmt: skip
        good, bad = watched["D-0"], watched["D-1"]
        liar = Liar(fleet.udp_address(UDP), 2)
        noise = random.Random(1)
        with contextlib.closing(liar):
            liar.send(
                mav.MAVLink_heartbeat_message(2, 3, 81, 3, 3, 3),
                mav.MAVLink_global_position_int_message(1, 950_000_000, 0, 0, 0, 0, 0, 0, 0),
                mav.MAVLink_mission_request_message(255, 190, 7, 0),
                mav.MAVLink_mission_ack_message(255, 190, 0, 0),
                mav.MAVLink_command_ack_message(400, 0),
            )
            for _ in range(200):
                liar.raw(noise.randbytes(noise.randrange(1, 120)))
            await bad.until(lambda: EventKind.ALARM in bad.kinds(), "an alarm")
            assert "latitude 95.0" in bad.first(EventKind.ALARM).detail
            assert not bad.session.telemetry.startable
            await good.ready()
            mission = delivery()
            assert (await good.session.load(mission)).done
            assert (await good.session.start(mission)).done
            await good.ended()
        assert good.kinds() == [EventKind.STARTED, EventKind.RELEASED, EventKind.COMPLETED]


async def test_a_stranger_on_a_link_is_counted_and_dropped() -> None:
    clock, _ = steady_clocks(25.0, pace=PACE)
    async with (
        MavlinkFleet([vehicle(0)], clock) as fleet,
        serving(fleet, clock, 5.0) as watched,
    ):
        stranger = Liar(fleet.udp_address(UDP), 77)
        with contextlib.closing(stranger):
            stranger.send(mav.MAVLink_heartbeat_message(2, 3, 81, 3, 3, 3))
            one = watched["D-0"]
            await one.until(lambda: fleet.strangers[(UDP, 77)] == 1, "counted")
        assert one.session.telemetry.link is LinkState.UNKNOWN
        assert not (await one.session.execute(Verb.LAND)).done


@contextlib.asynccontextmanager
async def lossy(target: tuple[str, int], loss: float, seed: int) -> AsyncIterator[tuple[str, int]]:
    """A UDP proxy for one vehicle that drops datagrams both ways."""
    loop = asyncio.get_running_loop()
    chance = random.Random(seed)

    class Front(asyncio.DatagramProtocol):
        vehicle: tuple[str, int] | None = None

        def connection_made(self, transport: asyncio.DatagramTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self.vehicle = addr
            if chance.random() >= loss:
                back.sendto(data)

    class Back(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            if front_protocol.vehicle and chance.random() >= loss:
                front.sendto(data, front_protocol.vehicle)

        def error_received(self, exc: Exception) -> None:
            """The other side is gone: a radio would not tell either."""

    front, front_protocol = await loop.create_datagram_endpoint(Front, local_addr=("127.0.0.1", 0))
    back, _ = await loop.create_datagram_endpoint(Back, remote_addr=target)
    try:
        yield front.get_extra_info("sockname")
    finally:
        front.close()
        back.close()


async def test_a_delivery_survives_a_fifth_of_all_packets_lost() -> None:
    clock, lab = steady_clocks(20.0, pace=PACE)
    async with (
        MavlinkFleet([vehicle(0)], clock, replace(PATIENT, answer_s=1.5)) as fleet,
        lossy(fleet.udp_address(UDP), 0.2, seed=3) as address,
        CopterFleet([spec(0)], controller=address, clock=lab, on_truth=lambda _: None, boot_s=5.0),
        serving(fleet, clock, 30.0) as watched,
    ):
        one = watched["D-0"]
        await one.ready()
        mission = delivery()
        loaded = await one.session.load(mission)
        assert loaded.done, loaded
        started = await one.session.start(mission)
        assert started.done, started
        await one.ended()
        assert one.kinds() == [EventKind.STARTED, EventKind.RELEASED, EventKind.COMPLETED]


def test_two_vehicles_cannot_share_an_identity() -> None:
    clock = SystemClock()
    with pytest.raises(ConfigurationError, match="enrolled twice"):
        MavlinkFleet([vehicle(0), vehicle(0)], clock)
    with pytest.raises(ConfigurationError, match="sysid 1 on link"):
        MavlinkFleet([vehicle(0), replace(vehicle(1), sysid=1)], clock)


def test_a_sysid_may_live_on_many_links() -> None:
    clock = SystemClock()
    other = replace(vehicle(1), sysid=1, link="tcp:127.0.0.1:5760")
    assert set(MavlinkFleet([vehicle(0), other], clock).sessions) == {"D-0", "D-1"}
