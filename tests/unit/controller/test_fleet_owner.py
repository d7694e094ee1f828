from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.domain.alarms import Severity
from controller.domain.records import CommandKind, CommandRecord, CommandState
from controller.fleet.owner import VehicleOwner
from controller.fleet.watchdog import LinkLimits, at_work, link_conditions
from geofence.frames import LatLon
from geofence.zones import VehicleClass
from missions.model import AirMission, Mission
from tests.support.clock import START, ManualClock
from vehicles.errors import LinkError
from vehicles.port import (
    Capability,
    CommandResult,
    EventKind,
    LinkState,
    MissionProgress,
    Outcome,
    Phase,
    Telemetry,
    VehicleEvent,
    Verb,
)

MISSION = AirMission("m", "D-1", LatLon(60.0, 24.0), 0.0, 50.0, (), "zv")
COMMAND = CommandRecord("c-1", "D-1", 7, CommandKind.LOAD, CommandState.PENDING, START)


class Session:
    vehicle_id = "D-1"
    capability = Capability(VehicleClass.MULTIROTOR, 2.5, 1, 12.0, 300.0, (0.4, 0.3, 0.3))

    def __init__(self) -> None:
        self.telemetry = Telemetry("D-1")
        self.calls: list[str] = []
        self.answer: CommandResult | Exception | None = CommandResult(Outcome.DONE)

    async def _do(self, call: str) -> CommandResult:
        self.calls.append(call)
        if self.answer is None:
            await asyncio.Event().wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        assert self.answer is not None
        return self.answer

    async def load(self, mission: Mission) -> CommandResult:
        return await self._do("load")

    async def start(self, mission: Mission) -> CommandResult:
        return await self._do("start")

    async def execute(self, verb: Verb) -> CommandResult:
        return await self._do(verb.value)

    async def adopt(self, mission: Mission) -> MissionProgress:
        await self._do("adopt")
        return MissionProgress(holds=True, running=False)

    async def events(self) -> AsyncIterator[VehicleEvent]:
        yield VehicleEvent("D-1", EventKind.STARTED, START)
        yield VehicleEvent("D-1", EventKind.COMPLETED, START)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def owner(session: Session, clock: ManualClock) -> VehicleOwner:
    return VehicleOwner(session, epoch=7, clock=clock, command_timeout_s=60.0)


async def test_a_command_is_kept_before_it_is_sent_and_its_result_after(
    session: Session, owner: VehicleOwner
) -> None:
    kept: list[tuple[CommandState, int, list[str]]] = []

    async def keep(record: CommandRecord, result: CommandResult | None) -> None:
        kept.append((record.state, record.tries, list(session.calls)))

    result = await owner.send(COMMAND, MISSION, keep)
    assert result.done
    assert kept == [(CommandState.SENT, 1, []), (CommandState.DONE, 1, ["load"])]


async def test_what_cannot_be_kept_is_not_sent(session: Session, owner: VehicleOwner) -> None:
    async def keep(record: CommandRecord, result: CommandResult | None) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await owner.send(COMMAND, MISSION, keep)
    assert session.calls == []


@pytest.mark.parametrize(
    "answer", [LinkError("D-1", "the broker is gone"), KeyError("nonsense"), None]
)
async def test_no_proof_either_way_is_uncertain(
    session: Session, owner: VehicleOwner, clock: ManualClock, answer: Exception | None
) -> None:
    session.answer = answer
    kept: list[CommandRecord] = []

    async def keep(record: CommandRecord, result: CommandResult | None) -> None:
        kept.append(record)

    async with asyncio.TaskGroup() as group:
        sending = group.create_task(
            owner.send(replace(COMMAND, kind=CommandKind.HOLD), None, keep), name="send"
        )
        await clock.advance(61.0)
    assert sending.result().outcome is Outcome.UNCERTAIN
    assert session.calls == ["hold"]
    assert kept[-1].state is CommandState.UNCERTAIN
    assert kept[-1].reason


async def test_a_hold_does_not_wait_behind_a_load(
    session: Session, owner: VehicleOwner, clock: ManualClock
) -> None:
    async def keep(record: CommandRecord, result: CommandResult | None) -> None:
        return None

    session.answer = None
    async with asyncio.TaskGroup() as group:
        group.create_task(owner.send(COMMAND, MISSION, keep), name="load")
        await clock.settle()
        session.answer = CommandResult(Outcome.DONE)
        hold = replace(COMMAND, command_id="c-2", kind=CommandKind.HOLD)
        assert (await owner.send(hold, None, keep)).done
        await clock.advance(61.0)
    assert session.calls == ["load", "hold"]


async def test_a_vehicle_that_cannot_be_read_is_not_guessed(
    session: Session, owner: VehicleOwner
) -> None:
    assert await owner.adopt(MISSION) == MissionProgress(holds=True, running=False)
    for error in (LinkError("D-1", "gone"), KeyError("nonsense")):
        session.answer = error
        assert await owner.adopt(MISSION) is None


async def test_events_are_handed_on_in_order(owner: VehicleOwner) -> None:
    heard: list[EventKind] = []

    async def handler(event: VehicleEvent) -> None:
        heard.append(event.kind)

    await owner.hear(handler)
    assert heard == [EventKind.STARTED, EventKind.COMPLETED]


def test_age_is_infinite_until_the_vehicle_speaks(session: Session, owner: VehicleOwner) -> None:
    assert owner.age_s() == float("inf")
    session.telemetry = Telemetry("D-1", START - timedelta(seconds=4))
    assert owner.age_s() == 4.0


LIMITS = LinkLimits(stale_s=3.0, offline_s=10.0)


@pytest.mark.parametrize(
    ("phase", "armed", "age_s", "expected", "severity"),
    [
        (Phase.READY, False, 5.0, False, None),
        (Phase.READY, False, 12.0, False, Severity.ADVISORY),
        (Phase.EN_ROUTE, True, 2.0, True, None),
        (Phase.EN_ROUTE, True, 5.0, True, Severity.CAUTION),
        (Phase.EN_ROUTE, True, 12.0, True, Severity.WARNING),
        # an arm state that was never told counts as airborne
        (Phase.UNKNOWN, None, 12.0, False, Severity.WARNING),
        (Phase.READY, False, 5.0, True, Severity.CAUTION),
    ],
)
def test_old_data_is_told_by_how_much_it_matters(
    phase: Phase, armed: bool | None, age_s: float, expected: bool, severity: Severity | None
) -> None:
    told = Telemetry("D-1", START, LinkState.ONLINE, phase, armed=armed)
    found = list(link_conditions(told, age_s, LIMITS, expected=expected, up_s=100.0))
    assert [c.severity for c in found] == ([severity] if severity else [])


def test_a_vehicle_never_heard_is_told_only_where_it_is_expected_and_after_a_while() -> None:
    silent = Telemetry("D-1")
    inf = float("inf")
    assert not at_work(silent)
    assert list(link_conditions(silent, inf, LIMITS, expected=False, up_s=100.0)) == []
    assert list(link_conditions(silent, inf, LIMITS, expected=True, up_s=1.0)) == []
    assert len(list(link_conditions(silent, inf, LIMITS, expected=True, up_s=11.0))) == 1


WILL = "last will: connection broken"


@pytest.mark.parametrize(
    ("link", "broken", "age_s", "keys"),
    [
        (LinkState.ONLINE, "", 1.0, []),
        (LinkState.OFFLINE, WILL, 1.0, ["connection:R-1"]),
        (LinkState.STALE, "", 5.0, ["link:R-1"]),
        (LinkState.OFFLINE, WILL, 11.0, ["link:R-1", "connection:R-1"]),
        (LinkState.ONLINE, WILL, 1.0, ["connection:R-1"]),
        # of a drone, which has no broker, offline is silence
        (LinkState.OFFLINE, "", 1.0, ["link:R-1"]),
    ],
)
def test_silence_and_last_will_are_two_alarms(
    link: LinkState, broken: str, age_s: float, keys: list[str]
) -> None:
    told = Telemetry("R-1", START, link, Phase.EN_ROUTE, broken=broken, armed=True)
    found = list(link_conditions(told, age_s, LIMITS, expected=True, up_s=100.0))
    assert [c.key for c in found] == keys
    for condition in found:
        assert (WILL in condition.cause) is condition.key.startswith("connection:")


def test_a_last_will_is_as_grave_as_the_work_that_the_robot_has() -> None:
    def severity(link: LinkState, phase: Phase, *, expected: bool) -> Severity:
        told = Telemetry("R-1", START, link, phase, broken=WILL, armed=False)
        (found,) = link_conditions(told, 1.0, LIMITS, expected=expected, up_s=100.0)
        return found.severity

    assert severity(LinkState.OFFLINE, Phase.EN_ROUTE, expected=True) is Severity.WARNING
    assert severity(LinkState.OFFLINE, Phase.READY, expected=False) is Severity.ADVISORY
    assert severity(LinkState.ONLINE, Phase.EN_ROUTE, expected=True) is Severity.ADVISORY


def test_a_last_will_is_told_of_a_robot_with_work_that_was_never_heard() -> None:
    off = Telemetry("R-1", link=LinkState.OFFLINE, broken=WILL)
    told = list(link_conditions(off, float("inf"), LIMITS, expected=True, up_s=1.0))
    assert [c.key for c in told] == ["connection:R-1"]
    assert list(link_conditions(off, float("inf"), LIMITS, expected=False, up_s=1.0)) == []
