"""The lab's brokers, and robots that leave with and without a word."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

import aiomqtt
import pytest

from sitl.broker import Broker, BrokerError, find_mosquitto
from sitl.robot import RobotFleet, RobotMap, RobotSpec
from tests.support.steady import steady_clocks
from vehicles.vda5050.codec2 import Codec2

pytestmark = pytest.mark.timeout(120)
KINDS = ["iotcore", pytest.param("mosquitto", marks=pytest.mark.broker)]
MAP = RobotMap("site", 60.17, 24.94)


async def reachable(broker: Broker) -> bool:
    try:
        _, writer = await asyncio.open_connection(broker.host, broker.port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


@pytest.mark.parametrize("kind", KINDS)
async def test_a_broker_listens_here_only_and_ends(kind: Literal["iotcore", "mosquitto"]) -> None:
    async with Broker(kind=kind) as broker:
        assert broker.host == "127.0.0.1"
        assert await reachable(broker)
        payload = b"x" * 1_000_000
        async with aiomqtt.Client(broker.host, broker.port) as client:
            await client.subscribe("a/b", qos=1)
            await client.publish("a/b", payload, qos=1)
            async with asyncio.timeout(30):
                message = await anext(client.messages)
        assert message.payload == payload
    assert not await reachable(broker)


async def test_a_taken_port_is_an_error() -> None:
    async with Broker() as first:
        with pytest.raises(BrokerError, match="did not start"):
            await Broker(first.port).__aenter__()
        assert await reachable(first)


async def test_a_missing_mosquitto_is_an_error_that_says_what_to_do(monkeypatch) -> None:
    monkeypatch.setattr("sitl.broker.find_mosquitto", lambda: None)
    with pytest.raises(BrokerError, match="install mosquitto"):
        await Broker(kind="mosquitto").__aenter__()


@pytest.mark.broker
def test_mosquitto_is_found_where_debian_puts_it() -> None:
    assert find_mosquitto() is not None


async def next_word(client: aiomqtt.Client) -> tuple[str, str]:
    async with asyncio.timeout(30):
        message = await anext(client.messages)
    assert isinstance(message.payload, bytes)
    serial = message.topic.value.split("/")[3]
    return serial, Codec2().connection(message.payload, "r").connection_state


@pytest.mark.parametrize("kind", KINDS)
async def test_goodbye_is_offline_and_its_absence_is_broken(
    kind: Literal["iotcore", "mosquitto"],
) -> None:
    specs = [RobotSpec(f"r{i}", "ACME", f"R-{i}", 60.17, 24.94) for i in range(3)]
    async with Broker(kind=kind) as broker:
        fleet = RobotFleet(
            specs,
            host=broker.host,
            port=broker.port,
            robot_map=MAP,
            clock=steady_clocks(10.0)[1],
        )
        async with fleet:
            async with asyncio.timeout(30):
                await fleet.online()
            async with aiomqtt.Client(broker.host, broker.port) as client:
                await client.subscribe("uagv/v2/ACME/+/connection", qos=1)
                online = {await next_word(client) for _ in specs}
                assert online == {(f"R-{i}", "ONLINE") for i in range(3)}
                fleet["r1"].kill()
                assert await next_word(client) == ("R-1", "CONNECTIONBROKEN")
                fleet["r1"].restart()
                assert await next_word(client) == ("R-1", "ONLINE")
                await fleet.__aexit__()
                offline = {await next_word(client) for _ in specs}
                assert offline == {(f"R-{i}", "OFFLINE") for i in range(3)}
        async with aiomqtt.Client(broker.host, broker.port) as late:
            await late.subscribe("uagv/v2/ACME/R-0/connection", qos=1)
            assert await next_word(late) == ("R-0", "OFFLINE")
