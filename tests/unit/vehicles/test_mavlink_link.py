"""Links over real sockets of this machine: routing, garbage, reconnecting."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from controller.clock import ScaledClock
from tests.support.clock import START
from tests.support.steady import SteadyClock
from vehicles.errors import ConfigurationError, LinkError
from vehicles.mavlink.link import LinkSpec, TcpLink, UdpLink, make_link
from vehicles.mavlink.wire import Frame


def heartbeat(system: int) -> bytes:
    sender = mav.MAVLink(None, srcSystem=system, srcComponent=1)
    return bytes(mav.MAVLink_heartbeat_message(2, 3, 81, 3, 4, 3).pack(sender))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5.0):
        while not condition():
            await asyncio.sleep(0.005)


def clock() -> ScaledClock:
    return SteadyClock(START, 50.0)


@contextlib.contextmanager
def udp_client(address: tuple[str, int]):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2.0)
        client.connect(address)
        yield client


@contextlib.asynccontextmanager
async def udp_link() -> AsyncIterator[tuple[UdpLink, list[Frame]]]:
    heard: list[Frame] = []
    link = make_link("udpin:127.0.0.1:0", lambda _, frame: heard.append(frame), clock())
    assert isinstance(link, UdpLink)
    await link.open()
    try:
        yield link, heard
    finally:
        link.close()


async def test_a_packet_for_a_vehicle_goes_to_it_and_to_no_other() -> None:
    async with udp_link() as (link, heard):
        with udp_client(link.address) as one, udp_client(link.address) as two:
            one.send(heartbeat(1))
            two.send(heartbeat(2))
            await until(lambda: len(heard) == 2)
            assert link.send(2, b"for two")
            assert two.recv(100) == b"for two"
            one.setblocking(False)
            with pytest.raises(BlockingIOError):
                one.recv(100)
            assert not link.send(3, b"nobody")


async def test_a_vehicle_that_moves_to_another_address_is_followed() -> None:
    async with udp_link() as (link, heard):
        with udp_client(link.address) as old, udp_client(link.address) as new:
            old.send(heartbeat(1))
            await until(lambda: len(heard) == 1)
            new.send(heartbeat(1))
            await until(lambda: len(heard) == 2)
            link.send(1, b"here")
            assert new.recv(100) == b"here"


async def test_one_peers_garbage_costs_its_neighbour_nothing() -> None:
    async with udp_link() as (link, heard):
        with udp_client(link.address) as bad, udp_client(link.address) as good:
            for _ in range(20):
                bad.send(b"\xfd\xff\x00\x00boot text\n")
                good.send(heartbeat(2))
            await until(lambda: len([f for f in heard if f.system == 2]) == 20)


async def test_a_taken_port_is_a_link_error_that_says_what_to_do() -> None:
    async with udp_link() as (link, _):
        host, port = link.address
        other = make_link(f"udpin:{host}:{port}", lambda *_: None, clock())
        with pytest.raises(LinkError, match="Choose a free port"):
            await other.open()


async def test_tcp_connects_again_after_the_vehicle_went_away() -> None:
    heard: list[Frame] = []
    connections: list[asyncio.StreamWriter] = []
    received: list[bytes] = []

    async def vehicle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        frame = heartbeat(1)
        writer.write(frame[:5])
        await writer.drain()
        writer.write(frame[5:])
        if len(connections) == 1:
            await until(lambda: len(heard) == 1)
            writer.close()
            return
        received.append(await reader.read(10))
        writer.close()

    server = await asyncio.start_server(vehicle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = make_link(f"tcp:127.0.0.1:{port}", lambda _, frame: heard.append(frame), clock())
    assert isinstance(link, TcpLink)
    await link.open()
    assert not link.send(1, b"too early")
    running = asyncio.create_task(link.run(), name="link")
    try:
        await until(lambda: len(heard) == 2)
        assert link.send(1, b"hello")
        await until(lambda: received == [b"hello"])
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    "text",
    ["", "udpin:14550", "serial:/dev/ttyS0:57600", "tcp:host:port", "tcp::5760", "tcp:h:99999"],
)
def test_what_is_no_link_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match="not a link"):
        LinkSpec.parse(text)
