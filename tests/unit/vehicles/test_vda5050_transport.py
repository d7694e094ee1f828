"""The broker connection without a broker."""

from __future__ import annotations

import asyncio
import gc
from typing import Any, Self

import aiomqtt
import pytest

from vehicles.vda5050.transport import Broker, MqttTransport, TransportSettings


class Thrown:
    """A client that the broker throws out as soon as it has subscribed, or `stands_s` later."""

    stands_s = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    async def subscribe(self, name: str, qos: int) -> None:
        del name, qos

    @property
    async def messages(self):
        await asyncio.sleep(self.stands_s)
        raise aiomqtt.MqttError("session taken over")
        yield None


class Deaf:
    def __init__(self) -> None:
        self.lost: list[str] = []

    def connected(self) -> None:
        pass

    def disconnected(self, reason: str) -> None:
        self.lost.append(reason)

    def received(self, topic: str, payload: bytes) -> None:
        del topic, payload


async def pauses(client: type[Thrown], count: int) -> tuple[list[float], Deaf]:
    """What is waited between attempts with such a client."""
    waits: list[float] = []
    enough, listener = asyncio.Event(), Deaf()

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) >= count:
            enough.set()
            await asyncio.Event().wait()

    transport = MqttTransport(
        Broker("127.0.0.1", 1),
        ("a/#",),
        listener,
        identifier="t",
        jitter=lambda: 0.5,
        settings=TransportSettings(backoff_first_s=0.01, backoff_max_s=0.08),
        wait=wait,
    )
    transport._client = client  # type: ignore[method-assign, assignment]
    task = asyncio.create_task(transport.run(), name="transport")
    await enough.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return waits, listener


async def test_a_connection_that_is_taken_each_time_comes_back_ever_later() -> None:
    """A second client of our id: without this the two throw each other out many times a second."""
    waits, listener = await pauses(Thrown, 6)
    assert waits == pytest.approx([0.01, 0.02, 0.04, 0.08, 0.08, 0.08])
    assert listener.lost == ["session taken over"] * 6


async def test_a_connection_that_stood_comes_back_soon() -> None:
    class Stood(Thrown):
        stands_s = 0.1

    waits, _ = await pauses(Stood, 3)
    assert waits == pytest.approx([0.01, 0.01, 0.01])


class Slow(Thrown):
    """A client whose messages leave when the test lets them."""

    def __init__(self) -> None:
        self.handed: list[str] = []
        self.waits = 0
        self.ready = asyncio.Event()
        self.left = asyncio.Event()

    def post(self, topic: str, payload: bytes) -> None:
        del payload
        self.handed.append(topic)

    async def publish(self, topic: str, payload: bytes, qos: int) -> None:
        del payload, qos
        self.handed.append(topic)
        self.waits += 1
        await self.left.wait()

    @property
    async def messages(self):
        self.ready.set()
        await asyncio.Event().wait()
        yield None


def transport_over(client: Any, listener: Deaf, **settings: Any) -> MqttTransport:
    transport = MqttTransport(
        Broker("127.0.0.1", 1),
        ("a/#",),
        listener,
        identifier="t",
        jitter=lambda: 0.5,
        settings=TransportSettings(**settings),
    )
    if client is not None:
        transport._client = lambda: client  # type: ignore[method-assign]
    return transport


async def test_a_thousand_pauses_are_handed_over_without_a_wait_for_each() -> None:
    client = Slow()
    client.left.set()
    transport = transport_over(client, Deaf(), window=100)
    task = asyncio.create_task(transport.run(), name="transport")
    await client.ready.wait()
    for number in range(1000):
        assert transport.send(f"pause {number}", b"", urgent=True)
    async with asyncio.timeout(5.0):
        while transport.counts.sent < 1000:
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client.handed == [f"pause {number}" for number in range(1000)]
    assert client.waits == 10


async def test_no_more_than_a_window_piles_up_before_a_slow_socket_and_a_pause_goes_next() -> None:
    client = Slow()
    transport = transport_over(client, Deaf(), window=5)
    task = asyncio.create_task(transport.run(), name="transport")
    await client.ready.wait()
    for number in range(20):
        transport.send(f"order {number}", b"")
    async with asyncio.timeout(5.0):
        while not client.waits:
            await asyncio.sleep(0)
    transport.send("pause", b"", urgent=True)
    for _ in range(10):
        await asyncio.sleep(0)
    assert client.handed == [f"order {number}" for number in range(5)]
    client.left.set()
    async with asyncio.timeout(5.0):
        while transport.counts.sent < 21:
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client.handed[5:] == ["pause", *(f"order {number}" for number in range(5, 20))]


async def test_a_broker_that_goes_while_we_subscribe_leaves_no_error_that_nobody_took() -> None:
    """Its loss is told once, by the transport: asyncio has nothing to report besides."""
    reported: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context))
    lost = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(b"\x20\x02\x00\x00")  # CONNACK, accepted
        await reader.read(1024)  # SUBSCRIBE: no answer to that
        writer.close()

    async def wait(seconds: float) -> None:
        del seconds
        lost.set()
        await asyncio.Event().wait()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        transport = MqttTransport(
            Broker("127.0.0.1", port),
            ("a/#",),
            Deaf(),
            identifier="t",
            jitter=lambda: 0.5,
            settings=TransportSettings(connect_timeout_s=0.5),
            wait=wait,
        )
        task = asyncio.create_task(transport.run(), name="transport")
        await lost.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    gc.collect()
    await asyncio.sleep(0)
    assert reported == []
