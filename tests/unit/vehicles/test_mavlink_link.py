"""Links over real sockets of this machine: routing, garbage, reconnecting."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from controller.clock import ScaledClock
from tests.support.clock import START
from tests.support.steady import SteadyClock
from vehicles.errors import ConfigurationError, LinkError
from vehicles.mavlink.link import LinkSpec, Post, TcpLink, UdpLink, make_link
from vehicles.mavlink.signing import Guard, SigningClock, SigningKey
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
    [
        "",
        "udpin:14550",
        "serial:57600",
        "serial:/dev/ttyS0:fast",
        "serial:/dev/ttyS0:50",
        "serial:/dev/ttyS0",
        "serial::57600",
        "tcp:host:port",
        "tcp::5760",
        "tcp:h:99999",
        "tcp:a:b:5760",
        "udp:127.0.0.1:14550",
    ],
)
def test_what_is_no_link_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match="not a link"):
        LinkSpec.parse(text)


def test_a_serial_device_may_have_colons_in_its_name() -> None:
    spec = LinkSpec.parse("serial:/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0:57600")
    assert (spec.kind, spec.port) == ("serial", 57600)
    assert spec.host.endswith("usb-0:2:1.0-port0")


async def test_two_addresses_with_one_sysid_are_a_contest_that_the_first_wins() -> None:
    heard: list[Frame] = []
    contests: list[int] = []
    now = [0.0]

    class Stands(ScaledClock):
        def monotonic_s(self) -> float:
            return now[0]

    post = Post(lambda _, frame: heard.append(frame), contested=contests.append)
    link = make_link("udpin:127.0.0.1:0", post, Stands(START, time.time(), 1.0))
    assert isinstance(link, UdpLink)
    await link.open()
    try:
        with udp_client(link.address) as first, udp_client(link.address) as second:
            for number, (client, counted) in enumerate(
                [(first, 1), (second, 2), (first, 3), (second, 3), (first, 4), (second, 4)]
            ):
                client.send(heartbeat(5))
                await until(lambda n=number: len(heard) + link.routes.refused[5] == n + 1)
                assert len(heard) == counted
            assert contests == [5, 5, 5]
            assert link.send(5, b"to the first")
            assert first.recv(100) == b"to the first"
            # the first has gone: the other is the vehicle now
            now[0] = 11.0
            second.send(heartbeat(5))
            await until(lambda: len(heard) == 5)
            assert link.send(5, b"to the second")
            assert second.recv(100) == b"to the second"
    finally:
        link.close()


async def test_the_same_sysid_on_two_links_is_two_vehicles() -> None:
    heard: list[tuple[str, int]] = []
    links = [
        make_link("udpin:127.0.0.1:0", Post(lambda _, f, n=n: heard.append((n, f.system))), clock())
        for n in ("one", "two")
    ]
    for link in links:
        await link.open()
    try:
        with udp_client(links[0].address) as one, udp_client(links[1].address) as two:
            one.send(heartbeat(9))
            two.send(heartbeat(9))
            await until(lambda: len(heard) == 2)
            assert sorted(heard) == [("one", 9), ("two", 9)]
            assert links[0].send(9, b"for one")
            assert links[1].send(9, b"for two")
            assert (one.recv(100), two.recv(100)) == (b"for one", b"for two")
    finally:
        for link in links:
            link.close()


async def test_a_busy_socket_is_read_by_turns_and_loses_nothing() -> None:
    async with udp_link() as (link, heard):
        with udp_client(link.address) as client:
            for count in (400, 1, 300):
                before = len(heard)
                for _ in range(count):
                    client.send(heartbeat(3))
                await until(lambda n=before + count: len(heard) == n)
            await until(lambda: link._turn is None)
            client.send(heartbeat(3))
            await until(lambda: len(heard) == 702)


async def test_frames_split_and_joined_over_datagrams_are_read() -> None:
    async with udp_link() as (link, heard):
        with udp_client(link.address) as client:
            two = heartbeat(1) + heartbeat(2)
            client.send(two)
            client.send(two[:7])
            client.send(two[7:])
            await until(lambda: [f.system for f in heard] == [1, 2, 1, 2])


async def test_what_nobody_reads_is_skipped_by_its_header() -> None:
    sender = mav.MAVLink(None, srcSystem=4, srcComponent=1)
    attitude = mav.MAVLink_attitude_message(1, 0.1, 0.2, 0.3, 0.0, 0.0, 0.0).pack(sender)
    async with udp_link() as (link, heard):
        with udp_client(link.address) as client:
            client.send(attitude)
            client.send(heartbeat(4))
            await until(lambda: len(heard) == 1)
            assert link.skipped == 1


async def test_on_a_stream_only_what_a_key_proves_is_heard() -> None:
    heard: list[Frame] = []
    key, now = SigningKey(b"k" * 32), SigningClock(lambda: START)
    post = Post(lambda _, frame: heard.append(frame), guards={1: Guard(key, now)})
    woken: list[int] = []
    post.waken = lambda system: woken.append(system) or b"wake up"
    received: list[bytes] = []

    def signed(stamp: int) -> bytes:
        sender = mav.MAVLink(None, srcSystem=1, srcComponent=1)
        sender.signing.secret_key, sender.signing.sign_outgoing = b"k" * 32, True
        sender.signing.timestamp = stamp
        return bytes(mav.MAVLink_heartbeat_message(2, 3, 81, 3, 4, 3).pack(sender))

    async def vehicles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # a stale one, then a forger, a vehicle without a key, and the vehicle itself
        writer.write(signed(0) + heartbeat(1) + heartbeat(2) + signed(now.reference + 1))
        received.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(vehicles, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = make_link(f"tcp:127.0.0.1:{port}", post, clock())
    running = asyncio.create_task(link.run(), name="link")
    try:
        await until(lambda: len(heard) >= 2 and bool(received))
        assert [(f.system, f.signed) for f in heard[:2]] == [(2, False), (1, True)]
        assert received[0] == b"wake up"
        assert woken[0] == 1
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        server.close()
        await server.wait_closed()
