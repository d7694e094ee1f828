"""Robots of vda-5050-lib, by others and without a line of ours, under our master control."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sitl.broker import Broker as LabBroker
from tests.interop.world import Truth, home_from, master, robots, round_of
from vehicles.port import EventKind, LinkState, Outcome, Phase, Verb
from vehicles.vda5050.transport import Broker

pytestmark = [pytest.mark.interop, pytest.mark.broker, pytest.mark.timeout(240)]
HUNDRED = 100


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    async with LabBroker(kind="mosquitto") as lab:
        yield Broker(lab.host, lab.port)


async def test_a_round_is_driven_with_pick_and_drop(broker: Broker) -> None:
    truth = Truth()
    async with robots(broker, 1, truth), master(broker, 1) as ours:
        await ours.until(lambda: ours[0].telemetry.startable, "ready")
        mission = round_of(0)
        assert (await ours[0].load(mission)).done
        assert (await ours[0].start(mission)).done
        await ours.until(lambda: bool(ours.told(EventKind.COMPLETED)), "completed")
        assert [e.kind for e in ours.events] == [
            EventKind.STARTED,
            EventKind.PICKED,
            EventKind.RELEASED,
            EventKind.COMPLETED,
        ]
        assert truth.did == [("R-0", "picked", "p-0-a"), ("R-0", "dropped", "p-0-a")]


async def test_a_hundred_deliver_at_once_each_once(broker: Broker) -> None:
    truth = Truth()
    async with robots(broker, HUNDRED, truth), master(broker, HUNDRED) as ours:
        sessions = [ours[i] for i in range(HUNDRED)]
        await ours.until(lambda: all(s.telemetry.startable for s in sessions), "all ready")
        for tag in "ab":
            for i, session in enumerate(sessions):
                loaded = await session.load(round_of(i, tag))
                assert loaded.done, loaded
            started = await asyncio.gather(
                *(s.start(round_of(i, tag)) for i, s in enumerate(sessions))
            )
            assert all(r.done for r in started), {r.reason for r in started}
            rounds = HUNDRED * (1 + "ab".index(tag))
            await ours.until(
                lambda due=rounds: len(ours.told(EventKind.COMPLETED)) == due, "all completed"
            )
        assert sorted(truth.dropped()) == sorted(
            f"p-{i}-{tag}" for i in range(HUNDRED) for tag in "ab"
        )
        released = [e.parcel_id for e in ours.events if e.kind is EventKind.RELEASED]
        assert sorted(released) == sorted(truth.dropped())
        assert not ours.told(EventKind.ALARM)


async def test_a_cancelled_order_ends_before_the_next_one(broker: Broker) -> None:
    truth = Truth()
    async with robots(broker, 1, truth, time_lapse=4.0), master(broker, 1) as ours:
        session = ours[0]
        await ours.until(lambda: session.telemetry.startable, "ready")
        mission = round_of(0, far_m=60.0)
        assert (await session.load(mission)).done
        assert (await session.start(mission)).done
        await ours.until(lambda: bool(ours.told(EventKind.PICKED)), "picked")
        await ours.until(lambda: (session.telemetry.speed_mps or 0.0) > 0.5, "driving")
        refused = await session.load(round_of(0, "b"))
        assert refused.outcome is Outcome.REFUSED
        assert (await session.execute(Verb.LAND)).done
        assert ours.told(EventKind.ABORTED) == ["r0"]
        await ours.until(lambda: session.telemetry.startable, "free again")
        # a round from where it stands, since a new order begins there
        assert session.telemetry.position is not None
        home = home_from(session.telemetry.position)
        assert (await session.load(home)).done
        assert (await session.start(home)).done
        await ours.until(lambda: bool(ours.told(EventKind.COMPLETED)), "completed")
        assert truth.dropped() == []


async def test_nothing_to_cancel_is_no_error(broker: Broker) -> None:
    async with robots(broker, 1, Truth()), master(broker, 1) as ours:
        await ours.until(lambda: ours[0].telemetry.startable, "ready")
        assert (await ours[0].execute(Verb.LAND)).done


async def test_it_charges_and_leaves_the_charger_for_an_order(broker: Broker) -> None:
    truth = Truth()
    async with robots(broker, 1, truth, batteryPct=40), master(broker, 1) as ours:
        session = ours[0]
        await ours.until(lambda: session.telemetry.startable, "ready")
        assert (await session.charge(on=True)).done
        assert session._engine.state is not None
        assert session._engine.state.battery_state.charging
        twice = await session.charge(on=True)
        assert twice.outcome is Outcome.REFUSED
        mission = round_of(0)
        assert (await session.load(mission)).done
        assert (await session.start(mission)).done
        await ours.until(lambda: bool(ours.told(EventKind.COMPLETED)), "completed")
        assert truth.dropped() == ["p-0-a"]


async def test_all_of_a_hundred_pause_and_go_on(broker: Broker) -> None:
    truth = Truth()
    async with robots(broker, HUNDRED, truth, time_lapse=4.0), master(broker, HUNDRED) as ours:
        sessions = [ours[i] for i in range(HUNDRED)]
        await ours.until(lambda: all(s.telemetry.startable for s in sessions), "all ready")
        for i, session in enumerate(sessions):
            assert (await session.load(round_of(i))).done
        await asyncio.gather(*(s.start(round_of(i)) for i, s in enumerate(sessions)))
        held = await asyncio.gather(*(s.execute(Verb.HOLD) for s in sessions))
        assert all(r.done for r in held), {r.reason for r in held}
        assert {s.telemetry.phase for s in sessions} == {Phase.HOLDING}
        assert not ours.told(EventKind.RELEASED)
        resumed = await asyncio.gather(*(s.execute(Verb.RESUME) for s in sessions))
        assert all(r.done for r in resumed), {r.reason for r in resumed}
        await ours.until(lambda: len(ours.told(EventKind.COMPLETED)) == HUNDRED, "all completed")
        assert sorted(truth.dropped()) == sorted(f"p-{i}-a" for i in range(HUNDRED))


async def test_a_hundred_killed_are_a_hundred_last_wills(broker: Broker) -> None:
    truth = Truth()
    async with master(broker, HUNDRED) as ours:
        sessions = [ours[i] for i in range(HUNDRED)]
        async with robots(broker, HUNDRED, truth) as first:
            await ours.until(lambda: all(s.telemetry.startable for s in sessions), "all ready")
            mission = round_of(7, far_m=200.0)
            assert (await sessions[7].load(mission)).done
            assert (await sessions[7].start(mission)).done
            await ours.until(lambda: bool(ours.told(EventKind.PICKED)), "picked")
            await first.kill()
            await ours.until(
                lambda: len(ours.told(EventKind.CONNECTION_LOST)) == HUNDRED, "all lost"
            )
        lost = [e for e in ours.events if e.kind is EventKind.CONNECTION_LOST]
        assert {e.vehicle_id for e in lost} == {f"r{i}" for i in range(HUNDRED)}
        assert all("last will" in e.detail for e in lost)
        assert {s.telemetry.link for s in sessions} == {LinkState.OFFLINE}
        # nothing is known of the round: it is neither over nor given up
        assert sessions[7].telemetry.mission_hash == mission.content_hash
        assert not ours.told(EventKind.MISSION_LOST)
        assert not ours.told(EventKind.COMPLETED)
        refused = await sessions[7].load(round_of(7, "b"))
        assert refused.outcome is Outcome.REFUSED
        async with robots(broker, HUNDRED, truth):
            await ours.until(lambda: all(s.telemetry.startable for s in sessions), "all back")
            assert len(ours.told(EventKind.CONNECTION_BACK)) == HUNDRED
            # a robot that was switched off has forgotten its order, and says so by its state
            assert ours.told(EventKind.MISSION_LOST) == ["r7"]


async def test_a_master_that_restarts_goes_on_with_the_rounds_under_way(broker: Broker) -> None:
    truth, some = Truth(), 10
    async with robots(broker, some, truth, time_lapse=4.0):
        async with master(broker, some) as ours:
            sessions = [ours[i] for i in range(some)]
            await ours.until(lambda: all(s.telemetry.startable for s in sessions), "all ready")
            for i, session in enumerate(sessions):
                assert (await session.load(round_of(i))).done
            await asyncio.gather(*(s.start(round_of(i)) for i, s in enumerate(sessions)))
        async with master(broker, some) as ours:
            found = await asyncio.gather(*(ours[i].adopt(round_of(i)) for i in range(some)))
            assert all(f.holds for f in found), [f.detail for f in found]
            await ours.until(
                lambda: sorted(truth.dropped()) == sorted(f"p-{i}-a" for i in range(some)), "all"
            )
            running = sum(f.running for f in found)
            await ours.until(lambda: len(ours.told(EventKind.COMPLETED)) == running, "completed")
            assert not ours.told(EventKind.STARTED)
