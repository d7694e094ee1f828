"""What every vehicle adapter keeps, whatever it speaks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from geofence.frames import LatLon, geodesic_m
from tests.contract.rigs import RIGS, Rig
from vehicles.parameters import ParameterSet, Parametrised
from vehicles.port import EventKind, LinkState, Outcome, Phase, Verb

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(params=sorted(RIGS))
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    async with RIGS[request.param]() as made:
        await made.until(lambda: made.session.telemetry.startable, "ready")
        yield made


def moves(rig: Rig, rest: LatLon | None) -> bool:
    """By its speed, or by its place where the adapter tells no speed."""
    seen = rig.session.telemetry
    return seen.position != rest if seen.speed_mps is None else seen.speed_mps > 0.5


async def test_a_ready_vehicle_tells_where_it_is_and_that_it_rests(rig: Rig) -> None:
    seen = rig.session.telemetry
    assert seen.link is LinkState.ONLINE
    assert seen.phase is Phase.READY
    assert seen.armed is False
    assert seen.position is not None
    assert seen.battery_pct is not None
    assert seen.received_at is not None
    assert seen.received_at <= rig.clock.now()


async def test_loading_starts_nothing(rig: Rig) -> None:
    mission = rig.mission("load")
    result = await rig.session.load(mission)
    assert result.done, result
    assert rig.session.telemetry.mission_hash == mission.content_hash
    assert rig.session.telemetry.armed is False
    assert EventKind.STARTED not in rig.kinds()


async def test_a_mission_that_is_not_loaded_is_not_started(rig: Rig) -> None:
    held = rig.mission("held")
    assert (await rig.session.load(held)).done
    other = rig.mission("other")
    result = await rig.session.start(other)
    assert result.outcome is Outcome.REFUSED
    assert result.reason
    assert rig.session.telemetry.armed is False


async def test_a_mission_for_another_vehicle_is_refused(rig: Rig) -> None:
    mission = replace(rig.mission("stray"), vehicle_id="somebody-else")
    result = await rig.session.load(mission)
    assert result.outcome is Outcome.REFUSED
    assert "somebody-else" in result.reason


async def test_a_delivery_is_told_step_by_step_and_each_step_once(rig: Rig) -> None:
    mission = rig.mission("whole")
    assert (await rig.session.load(mission)).done
    started = await rig.session.start(mission)
    assert started.done, started
    await rig.until(lambda: EventKind.COMPLETED in rig.kinds(), "completed")

    kinds = rig.kinds()
    assert kinds.count(EventKind.STARTED) == 1
    assert kinds.count(EventKind.RELEASED) == 1
    assert kinds.count(EventKind.COMPLETED) == 1
    assert kinds.index(EventKind.STARTED) < kinds.index(EventKind.RELEASED)
    assert kinds.index(EventKind.RELEASED) < kinds.index(EventKind.COMPLETED)

    released = next(e for e in rig.seen if e.kind is EventKind.RELEASED)
    assert released.parcel_id == "p-whole"
    assert released.mission_hash == mission.content_hash
    assert released.evidence
    assert released.position is not None
    goal = next(
        i.position
        for i in (mission.items if hasattr(mission, "items") else mission.nodes[1:2])
        if getattr(i, "parcel_id", "p-whole") == "p-whole"
    )
    assert goal is not None
    assert geodesic_m(released.position, goal) < 5.0
    await rig.until(lambda: rig.session.telemetry.startable, "ready again")


async def test_hold_stops_and_resume_goes_on(rig: Rig) -> None:
    mission = rig.mission("hold")
    await rig.session.load(mission)
    rest = rig.session.telemetry.position
    await rig.session.start(mission)
    await rig.until(lambda: moves(rig, rest), "moving")
    held = await rig.session.execute(Verb.HOLD)
    if held.outcome is Outcome.REFUSED:
        pytest.fail(held.reason)
    assert rig.session.telemetry.phase is Phase.HOLDING
    resumed = await rig.session.execute(Verb.RESUME)
    assert resumed.done, resumed
    await rig.until(lambda: EventKind.COMPLETED in rig.kinds(), "completed after resume")
    assert rig.kinds().count(EventKind.RELEASED) == 1


async def test_a_running_vehicle_takes_no_other_mission(rig: Rig) -> None:
    mission = rig.mission("first")
    await rig.session.load(mission)
    await rig.session.start(mission)
    result = await rig.session.load(rig.mission("second"))
    assert result.outcome is Outcome.REFUSED
    await rig.until(lambda: EventKind.COMPLETED in rig.kinds(), "the first completed")
    released = [e.parcel_id for e in rig.seen if e.kind is EventKind.RELEASED]
    assert released == ["p-first"]


async def test_landing_ends_the_mission_early_and_says_so(rig: Rig) -> None:
    mission = rig.mission("land")
    await rig.session.load(mission)
    await rig.session.start(mission)
    landed = await rig.session.execute(Verb.LAND)
    assert landed.done, landed
    await rig.until(lambda: EventKind.ABORTED in rig.kinds(), "aborted")
    aborted = next(e for e in rig.seen if e.kind is EventKind.ABORTED)
    assert aborted.detail
    assert EventKind.COMPLETED not in rig.kinds()


async def test_a_vehicle_is_read_before_it_is_adopted(rig: Rig) -> None:
    mission = rig.mission("adopt")
    await rig.session.load(mission)
    await rig.session.start(mission)
    progress = await rig.session.adopt(mission)
    assert progress.holds, progress
    assert progress.running
    assert not progress.completed

    other = await rig.session.adopt(rig.mission("never-sent"))
    assert not other.holds
    await rig.until(lambda: EventKind.COMPLETED in rig.kinds(), "completed")
    assert rig.kinds().count(EventKind.RELEASED) == 1
    after = await rig.session.adopt(mission)
    assert after.completed or after.released == frozenset({"p-adopt"})
    assert not after.running


async def test_every_parameter_is_told_once_at_rest_and_none_in_motion(rig: Rig) -> None:
    session = rig.session
    if not isinstance(session, Parametrised):
        pytest.skip("this vehicle has no parameters")
    read = await session.parameters()
    assert isinstance(read, ParameterSet), read
    assert read.vehicle_id == session.vehicle_id
    names = [one.name for one in read.values]
    assert names
    assert len(set(names)) == len(names)
    mission = rig.mission("params")
    await session.load(mission)
    await session.start(mission)
    moving = await session.parameters()
    assert isinstance(moving, str)
    assert "not disarmed" in moving
    await rig.until(lambda: EventKind.COMPLETED in rig.kinds(), "completed")
