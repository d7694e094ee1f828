"""What monitors demand of vehicles: a robot is told to stop until it was seen to."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from controller.delivery.demands import AGAIN_S, Demands
from controller.store.errors import StoreError
from geofence.zones import VehicleClass
from tests.support.clock import ManualClock
from vehicles.port import CommandResult, Outcome, Phase, Verb

DONE = CommandResult(Outcome.DONE)
NO = CommandResult(Outcome.REFUSED, "no connection to the broker")


class Rig:
    """One vehicle whose answers are set by hand."""

    def __init__(self, vehicle_class: VehicleClass = VehicleClass.ROBOT) -> None:
        self.clock = ManualClock()
        self.answers: list[CommandResult | Exception] = []
        self.asked: list[Verb] = []
        self.inside = True
        self.owner = SimpleNamespace(
            capability=SimpleNamespace(vehicle_class=vehicle_class),
            telemetry=SimpleNamespace(phase=Phase.EN_ROUTE),
        )
        process = SimpleNamespace(owner=self.owner, demand=self._demand)
        self.demands = Demands({"r1": process}, self.clock)
        self.demands.breaching = lambda vehicle_id: self.inside

    async def _demand(self, verb: Verb, *, by: str, reason: str) -> CommandResult:
        assert (by, reason) == ("safety", "inside Market")
        self.asked.append(verb)
        answer = self.answers.pop(0) if self.answers else DONE
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def passes(self, times: int) -> None:
        for _ in range(times):
            await self.clock.settle()
            await self.clock.advance(AGAIN_S)
        await self.clock.settle()


async def hold(rig: Rig, times: int = 6) -> int:
    async with asyncio.TaskGroup() as group:
        rig.demands.group = group
        await rig.demands.hold("r1", "inside Market")
        await rig.passes(times)
    return len(rig.asked)


@pytest.mark.parametrize("first", [NO, CommandResult(Outcome.UNCERTAIN), StoreError("down")])
async def test_a_robot_is_told_again_until_it_was_seen_to_stop(first: CommandResult) -> None:
    rig = Rig()
    rig.answers = [first, NO]
    assert await hold(rig) == 3


async def test_once_it_has_stopped_nothing_is_sent_any_more() -> None:
    rig = Rig()
    assert await hold(rig) == 1


async def test_one_that_is_out_or_holds_is_left_alone() -> None:
    rig = Rig()
    rig.answers, rig.inside = [NO], False
    assert await hold(rig) == 1
    other = Rig()
    other.answers = [NO]
    other.owner.telemetry.phase = Phase.HOLDING
    assert await hold(other) == 1


async def test_a_drone_that_says_no_is_its_pilots() -> None:
    rig = Rig(VehicleClass.MULTIROTOR)
    rig.answers = [NO]
    assert await hold(rig) == 1


async def test_before_the_controller_runs_nothing_is_sent() -> None:
    rig = Rig()
    await rig.demands.hold("r1", "inside Market")
    await rig.demands.bring_home("r1", "inside Market")
    assert rig.asked == []
