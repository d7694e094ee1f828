"""A broker's bad days while robots deliver: away for a minute, a second client of our name, a
flood of nonsense, a robot that publishes for another."""

from __future__ import annotations

import asyncio
import contextlib

import aiomqtt
import pytest

from sitl.robot import words
from tests.integration.test_vda5050_round import World, ready, round_of, until, world
from vehicles.port import EventKind, LinkState
from vehicles.vda5050.transport import TransportSettings

pytestmark = pytest.mark.timeout(180)
__all__ = ["world"]

DONE = [
    EventKind.STARTED,
    EventKind.PICKED,
    EventKind.PICKED,
    EventKind.RELEASED,
    EventKind.RELEASED,
    EventKind.COMPLETED,
]


def about_the_order(world: World, vehicle: str = "r1") -> list[EventKind]:
    return [kind for kind in world.kinds(vehicle) if kind in DONE or kind in LOST]


LOST = {EventKind.MISSION_LOST, EventKind.ABORTED, EventKind.RELEASE_FAILED}


@pytest.mark.parametrize("world", ["iotcore"], indirect=True)
async def test_a_broker_away_for_a_minute_loses_nothing(world: World) -> None:
    async with world.master() as fleet:
        session = await ready(fleet)
        await ready(fleet, "r2")
        mission = round_of()
        assert (await session.load(mission)).done
        assert (await session.start(mission)).done
        await until(lambda: EventKind.PICKED in world.kinds())
        away_at_s = world.clock.monotonic_s()
        await world.broker.__aexit__()
        await until(lambda: EventKind.LINK_LOST in world.kinds())
        await until(lambda: world.clock.monotonic_s() - away_at_s >= 60.0)
        assert session.telemetry.link is LinkState.STALE
        await world.broker.__aenter__()
        await until(lambda: EventKind.COMPLETED in world.kinds())
        assert about_the_order(world) == DONE
        for vehicle in ("r1", "r2"):
            lost = [e for e in world.events if e.vehicle_id == vehicle and "broker" in e.detail]
            assert [e.kind for e in lost] == [EventKind.LINK_LOST]
            await until(lambda name=vehicle: EventKind.LINK_BACK in world.kinds(name))
        assert world.dropped() == ["p1", "p2"]


@pytest.mark.broker
@pytest.mark.parametrize("world", ["mosquitto"], indirect=True)
async def test_a_second_client_of_our_name_is_told_and_no_storm(world: World) -> None:
    """It comes back at once whenever it is thrown out; we come back ever later."""
    thrown_out = 0

    async def second(name: str) -> None:
        nonlocal thrown_out
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                async with aiomqtt.Client(
                    world.broker.host, world.broker.port, identifier=name
                ) as client:
                    await client.subscribe("elsewhere")
                    async for _ in client.messages:
                        pass
            thrown_out += 1
            await asyncio.sleep(0.05)

    async with world.master() as fleet:
        transport = fleet._transport
        transport._settings = TransportSettings(backoff_first_s=0.05, backoff_max_s=1.0)
        session = await ready(fleet)
        mission = round_of()
        assert (await session.load(mission)).done
        assert (await session.start(mission)).done
        before = fleet.counts.connects
        began_s = asyncio.get_running_loop().time()
        rival = asyncio.create_task(second(transport._identifier), name="rival")
        try:
            await until(lambda: EventKind.COMPLETED in world.kinds())
            await until(lambda: fleet.counts.connects - before >= 8)
        finally:
            rival.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await rival
        took_s = asyncio.get_running_loop().time() - began_s
        assert thrown_out >= 4
        # pauses of 0.05, 0.1, 0.2, 0.4, 0.8 s and then 1 s, half of each at least
        connects = fleet.counts.connects - before
        assert took_s >= 0.75 + 0.5 * (connects - 6)
        lost = [e for e in world.events if e.kind is EventKind.LINK_LOST]
        assert any("broker connection lost" in e.detail for e in lost)
        assert about_the_order(world) == DONE
        await until(lambda: session.telemetry.link is LinkState.ONLINE)
    assert world.dropped() == ["p1", "p2"]


@pytest.mark.parametrize("world", ["iotcore"], indirect=True)
async def test_where_the_broker_lets_neither_in_all_goes_on_once_the_second_has_left(
    world: World,
) -> None:
    """The embedded broker (rumqttd) gives the place of a client that is thrown out to the one
    that comes; the late end of the old connection then ends the new one, without CONNACK."""

    async def second(name: str) -> None:
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                async with aiomqtt.Client(
                    world.broker.host, world.broker.port, identifier=name, timeout=1.0
                ) as client:
                    await client.subscribe("elsewhere")
                    async for _ in client.messages:
                        pass
            await asyncio.sleep(0.05)

    async with world.master() as fleet:
        transport = fleet._transport
        transport._settings = TransportSettings(
            connect_timeout_s=1.0, backoff_first_s=0.05, backoff_max_s=0.5
        )
        session = await ready(fleet)
        mission = round_of()
        assert (await session.load(mission)).done
        assert (await session.start(mission)).done
        rival = asyncio.create_task(second(transport._identifier), name="rival")
        await until(lambda: EventKind.LINK_LOST in world.kinds())
        await until(lambda: world.robots["r1"].core.idle)
        rival.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await rival
        await until(lambda: EventKind.COMPLETED in world.kinds())
        assert about_the_order(world) == DONE
        await until(lambda: session.telemetry.link is LinkState.ONLINE)
    assert world.dropped() == ["p1", "p2"]


async def test_ten_thousand_malformed_messages_keep_nobody_from_delivering(world: World) -> None:
    async with world.master() as fleet:
        session = await ready(fleet)
        other = await ready(fleet, "r2")
        mission = round_of()
        assert (await session.load(mission)).done
        assert (await session.start(mission)).done
        before = fleet.counts.received
        async with aiomqtt.Client(world.broker.host, world.broker.port) as intruder:
            for number in range(10_000):
                await intruder.publish("uagv/v2/ACME/R-2/state", b'{"headerId":%d' % number)
            # counted in the end, or dropped and counted: nothing waits without bound
            counts = fleet.counts
            await until(lambda: counts.received + counts.dropped_in - before >= 9_000, 60.0)
        await until(lambda: EventKind.COMPLETED in world.kinds())
        assert about_the_order(world) == DONE
        assert EventKind.ALARM not in world.kinds()
        alarms = [e for e in world.events if e.vehicle_id == "r2" and e.kind is EventKind.ALARM]
        span_s = (alarms[-1].at - alarms[0].at).total_seconds()
        assert len(alarms) <= 1 + span_s / 60.0
        assert "malformed" in alarms[0].detail
        await until(lambda: other.telemetry.startable)
    assert world.dropped() == ["p1", "p2"]


async def test_a_robot_that_publishes_for_another_is_told_and_contained(world: World) -> None:
    """Under the other's topic with its own name it counts for nothing; under the other's name too,
    two robots seem to publish: no order is given to it, and what it drives goes on."""
    async with world.master() as fleet:
        session = await ready(fleet)
        other = await ready(fleet, "r2")
        mission = round_of()
        assert (await session.load(mission)).done
        assert (await session.start(mission)).done
        own = words.Voice(world.robots["r1"].core.spec, world.clock.now)
        copy = words.Voice(world.robots["r2"].core.spec, world.clock.now)
        body = words.state(world.robots["r2"].core)
        async with aiomqtt.Client(world.broker.host, world.broker.port) as impostor:
            await impostor.publish("uagv/v2/ACME/R-2/state", own.say("state", body))

            def told(text: str) -> bool:
                return any(text in e.detail for e in world.events if e.vehicle_id == "r2")

            await until(lambda: told("names ACME/R-1 in its body"))
            async with asyncio.timeout(40.0):
                while not told("two robots seem to publish"):
                    count = fleet.counts.received
                    await impostor.publish("uagv/v2/ACME/R-2/state", copy.say("state", body))
                    await until(lambda n=count: fleet.counts.received > n + 1)
        refused = await other.load(round_of("m2", "r2"))
        assert "two robots seem to publish" in refused.reason
        await until(lambda: EventKind.COMPLETED in world.kinds())
        assert about_the_order(world) == DONE
        assert EventKind.ALARM not in world.kinds()
    assert world.dropped() == ["p1", "p2"]
