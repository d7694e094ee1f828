"""The broker connection without a broker."""

from __future__ import annotations

import asyncio
from typing import Self

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
