"""Order updates of ours to robots of vda-5050-lib: base and horizon, stitched, refused.

The shipped profile is used as it is but for how far the base lies ahead. What went over the broker
is heard by a listener of its own, so that nothing rests on what our engine says of itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import aiomqtt
import msgspec
import pytest

from missions.model import GroundMission
from sitl.broker import Broker as LabBroker
from tests.interop.world import PROFILE, Master, Truth, long_round, master, robots
from vehicles.port import EventKind
from vehicles.vda5050.profile import Profile
from vehicles.vda5050.session import Vda5050Session
from vehicles.vda5050.transport import Broker

pytestmark = [pytest.mark.interop, pytest.mark.broker, pytest.mark.timeout(240)]
HUNDRED = 100


def ahead(nodes: int) -> Profile:
    """The shipped profile with so many nodes of base ahead of the robot."""
    return msgspec.structs.replace(PROFILE, base_nodes_ahead=nodes)


def so_many_a_message(nodes: int) -> dict[str, Any]:
    """A factsheet of which the library approves."""
    limits = {
        "maxStringLens": {},
        "maxArrayLens": {"order.nodes": nodes},
        "timing": {"minOrderInterval": 0, "minStateInterval": 0},
    }
    return {"protocolLimits": limits}


class Wire:
    """Orders and states as they went over the broker."""

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []
        self.states: list[dict[str, Any]] = []

    def updates(self, serial: str = "R-0") -> list[dict[str, Any]]:
        """Each order message of a robot once, however often it was resent."""
        first: dict[tuple[str, int], dict[str, Any]] = {}
        for order in self.orders:
            if order["serialNumber"] == serial:
                first.setdefault((order["orderId"], order["orderUpdateId"]), order)
        return list(first.values())

    def short_of_base(self, end: int) -> list[int]:
        """Last sequence ids of states before `end` that left nothing to drive to."""
        return [
            s["lastNodeSequenceId"]
            for s in self.states
            if s["nodeStates"]
            and s["lastNodeSequenceId"] < end
            and not any(n["released"] for n in s["nodeStates"])
        ]


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    async with LabBroker(kind="mosquitto") as lab:
        yield Broker(lab.host, lab.port)


@contextlib.asynccontextmanager
async def listening(broker: Broker) -> AsyncIterator[Wire]:
    """Everything on topics order and state while it is open."""
    wire = Wire()

    async def hear(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            kept = wire.orders if message.topic.value.endswith("/order") else wire.states
            assert isinstance(message.payload, bytes)
            kept.append(json.loads(message.payload))

    async with aiomqtt.Client(broker.host, broker.port, identifier="listener") as client:
        await client.subscribe("uagv/v2/+/+/order")
        await client.subscribe("uagv/v2/+/+/state")
        task = asyncio.create_task(hear(client), name="listen")
        try:
            yield wire
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def set_off(ours: Master, session: Vda5050Session, mission: GroundMission) -> None:
    """Ready, loaded and started."""
    await ours.until(lambda: session.telemetry.startable, "ready")
    loaded = await session.load(mission)
    assert loaded.done, loaded
    started = await session.start(mission)
    assert started.done, started


def check_stitches(updates: list[dict[str, Any]]) -> None:
    """Each joins at the last node of the base before it, numbered on (section 6.6.2)."""
    for number, (before, after) in enumerate(pairwise(updates)):
        assert after["orderUpdateId"] == number + 1
        base = [n for n in before["nodes"] if n["released"]]
        first = after["nodes"][0]
        assert (first["nodeId"], first["sequenceId"]) == (
            base[-1]["nodeId"],
            base[-1]["sequenceId"],
        )
        assert first["released"]


async def test_the_base_is_extended_while_it_drives(broker: Broker) -> None:
    truth = Truth()
    async with (
        listening(broker) as wire,
        robots(broker, 1, truth, time_lapse=8.0),
        master(broker, 1, profile=ahead(3)) as ours,
    ):
        await set_off(ours, ours[0], long_round(0))
        await ours.until(lambda: bool(ours.told(EventKind.COMPLETED)), "completed")
        assert truth.did == [("R-0", "picked", "p-0-a"), ("R-0", "dropped", "p-0-a")]
        updates = wire.updates()
        assert len(updates) >= 3
        check_stitches(updates)
        assert all(n["released"] for n in updates[-1]["nodes"])
        assert wire.short_of_base(14) == [], "it ran out of base before the end"
        assert not ours.told(EventKind.ALARM)


async def test_the_horizon_is_released_step_by_step(broker: Broker) -> None:
    """It stands at each decision point, the one where it drops too, until it is let go on."""
    truth, mission = Truth(), long_round(0, nodes=5, drop_at=2)
    async with (
        listening(broker) as wire,
        robots(broker, 1, truth, time_lapse=8.0),
        master(broker, 1) as ours,
    ):
        session = ours[0]
        session.grant(mission, 1)
        await set_off(ours, session, mission)
        for node in (1, 2, 3):
            await ours.until(lambda node=node: session.reached(mission) == node, f"at n{node}")
            await ours.until(lambda: session.telemetry.speed_mps == 0.0, "standing")
            if node == 2:
                await ours.until(lambda: bool(truth.dropped()), "dropped at the decision point")
                await ours.until(lambda: bool(ours.told(EventKind.RELEASED)), "told")
            assert not ours.told(EventKind.COMPLETED)
            session.grant(mission, node + 1)
        await ours.until(lambda: bool(ours.told(EventKind.COMPLETED)), "completed")
        assert truth.dropped() == ["p-0-a"]
        updates = wire.updates()
        assert [len([n for n in u["nodes"] if n["released"]]) for u in updates] == [2, 2, 2, 2]
        check_stitches(updates)
        # the library would do the actions of a decision point again, so they are not repeated
        assert updates[2]["nodes"][0]["nodeId"] == "n2"
        assert not updates[2]["nodes"][0]["actions"]


async def test_an_update_reaches_a_robot_that_has_already_finished(broker: Broker) -> None:
    """Two nodes a message leave no room for a horizon: at each end the robot takes it for done.

    What it then drops from its state, the library replaces all of actionStates, is no loss.
    """
    truth = Truth()
    async with (
        listening(broker) as wire,
        robots(broker, 1, truth, time_lapse=8.0, factsheet=so_many_a_message(2)),
        master(broker, 1) as ours,
    ):
        mission = long_round(0, nodes=4)
        await ours.until(lambda: ours[0]._engine.factsheet is not None, "a factsheet")
        session = ours[0]
        session.grant(mission, 1)
        await set_off(ours, session, mission)
        for node in (1, 2):
            await ours.until(lambda node=node: session.reached(mission) == node, f"at n{node}")
            state = session._engine.state
            assert state is not None
            await ours.until(lambda: bool(ours.told(EventKind.PICKED)), "picked")
            assert not state.node_states
            assert not ours.told(EventKind.COMPLETED)
            session.grant(mission, node + 1)
        await ours.until(lambda: bool(ours.told(EventKind.COMPLETED)), "completed")
        assert [len(u["nodes"]) for u in wire.updates()] == [2, 2, 2]
        check_stitches(wire.updates())
        assert truth.dropped() == ["p-0-a"]
        assert ours.told(EventKind.RELEASED) == ["r0"]
        assert not ours.told(EventKind.MISSION_LOST)


async def test_a_horizon_that_the_robot_cannot_drive_is_refused_with_the_order(
    broker: Broker,
) -> None:
    """The robot alone knows of a street that is closed: it says noRouteError."""
    truth, mission = Truth(), long_round(0, nodes=6)
    async with (
        listening(broker) as wire,
        robots(broker, 1, truth, time_lapse=8.0, blocked=["n4"]),
        master(broker, 1, profile=ahead(2)) as ours,
    ):
        session = ours[0]
        session.grant(mission, 2)
        await ours.until(lambda: session.telemetry.startable, "ready")
        # the whole route is named in the first order, its horizon too: the robot says no at once
        assert (await session.load(mission)).done
        assert (await session.start(mission)).reason.startswith("robot rejected the order")
        assert truth.did == []
        assert len(wire.updates()) == 1


async def test_an_update_that_the_robot_refuses_is_told_and_not_repeated(broker: Broker) -> None:
    """Messages of three nodes: the closed street comes up in the second one."""
    truth, mission = Truth(), long_round(0, nodes=6)
    async with (
        listening(broker) as wire,
        robots(broker, 1, truth, time_lapse=8.0, blocked=["n4"], factsheet=so_many_a_message(3)),
        master(broker, 1) as ours,
    ):
        session = ours[0]
        await ours.until(lambda: session._engine.factsheet is not None, "a factsheet")
        await set_off(ours, session, mission)
        await ours.until(lambda: bool(ours.told(EventKind.ABORTED)), "aborted")
        told = [e.detail for e in ours.events if e.kind is EventKind.ALARM]
        assert any("rejected the order's update" in t and "noRouteError" in t for t in told), told
        assert truth.did == [("R-0", "picked", "p-0-a")]
        # the update is heard once, and never again after the no
        refused = wire.updates()[-1]["orderUpdateId"]
        assert len([o for o in wire.orders if o["orderUpdateId"] == refused]) == 1
        assert any(n["nodeId"] == "n4" for n in wire.updates()[-1]["nodes"])
        await ours.until(lambda: session.telemetry.startable, "free again")


async def test_a_hundred_are_led_by_updates(broker: Broker) -> None:
    truth = Truth()
    async with (
        listening(broker) as wire,
        robots(broker, HUNDRED, truth),
        master(broker, HUNDRED, profile=ahead(2)) as ours,
    ):
        sessions = [ours[i] for i in range(HUNDRED)]
        await ours.until(lambda: all(s.telemetry.startable for s in sessions), "all ready")
        rounds = [long_round(i) for i in range(HUNDRED)]
        for session, mission in zip(sessions, rounds, strict=True):
            assert (await session.load(mission)).done
        started = await asyncio.gather(*(s.start(r) for s, r in zip(sessions, rounds, strict=True)))
        assert all(r.done for r in started), {r.reason for r in started}
        await ours.until(lambda: len(ours.told(EventKind.COMPLETED)) == HUNDRED, "all completed")
        assert sorted(truth.dropped()) == sorted(f"p-{i}-a" for i in range(HUNDRED))
        for i in range(HUNDRED):
            updates = wire.updates(f"R-{i}")
            assert len(updates) >= 3
            check_stitches(updates)
        assert not ours.told(EventKind.ALARM)
