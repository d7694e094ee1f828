"""One vehicle's process against a vehicle that does and says what the test wants."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.delivery import steps
from controller.delivery.gate import Shut
from controller.delivery.happenings import Happenings, Tolerances, stranded_conditions
from controller.delivery.ledger import Ledger
from controller.delivery.process import TICK_S, ProcessSettings, VehicleProcess
from controller.delivery.steps import Retry
from controller.dispatch.model import Offer
from controller.domain.alarms import Severity
from controller.domain.model import (
    AssignmentState,
    Custodian,
    CustodianKind,
    Destination,
    Parcel,
    ParcelState,
    Site,
    SiteKind,
)
from controller.domain.records import CommandKind, HoldRecord, ParcelRecord
from controller.fleet.owner import VehicleOwner
from controller.observe import Figures
from controller.safety.board import AlarmBoard
from controller.store.changes import Changes, HoldChange, ParcelStep
from controller.store.database import Store
from geofence.frames import LatLon, offset
from geofence.zones import VehicleClass
from missions.model import (
    AirItem,
    AirMission,
    DropDevice,
    GroundMission,
    ItemKind,
    Mission,
    RouteAction,
    RouteEdge,
    RouteNode,
    StopAction,
)
from tests.support.clock import START
from tests.support.steady import SteadyClock
from vehicles.port import (
    Capability,
    CommandResult,
    EventKind,
    FlightFence,
    LinkState,
    MissionProgress,
    Outcome,
    Phase,
    Telemetry,
    VehicleEvent,
    Verb,
)

HUB = Site("hub", "Hub", SiteKind.HUB, LatLon(60.2, 24.9), 10.0)
DROP = offset(HUB.position, 0.0, 800.0)
DONE = CommandResult(Outcome.DONE)
REFUSED = CommandResult(Outcome.REFUSED, "no")
UNCERTAIN = CommandResult(Outcome.UNCERTAIN, "no answer")
P = ParcelState


class Session:
    """A scripted VehicleSession; what is not scripted is DONE."""

    vehicle_id = "V-1"

    def __init__(self) -> None:
        self.capability = Capability(
            VehicleClass.MULTIROTOR, 2.5, 1, 12.0, 300.0, (0.4, 0.3, 0.3), DropDevice.WINCH
        )
        self.telemetry = Telemetry(
            "V-1",
            START,
            LinkState.ONLINE,
            Phase.READY,
            position=HUB.position,
            battery_pct=90.0,
            armed=False,
        )
        self.calls: list[str] = []
        self.script: dict[str, list[CommandResult]] = {}
        self.progress = MissionProgress(holds=False, running=False)
        self.told: asyncio.Queue[VehicleEvent] = asyncio.Queue()

    def show(self, **changes: Any) -> None:
        self.telemetry = replace(self.telemetry, **changes)

    def tell(self, kind: EventKind, **fields: Any) -> None:
        self.told.put_nowait(VehicleEvent("V-1", kind, START, **fields))

    async def events(self) -> AsyncIterator[VehicleEvent]:
        while True:
            yield await self.told.get()

    def _answer(self, call: str) -> CommandResult:
        self.calls.append(call)
        scripted = self.script.get(call)
        return scripted.pop(0) if scripted else DONE

    async def load(self, mission: Mission) -> CommandResult:
        return self._answer("load")

    async def start(self, mission: Mission) -> CommandResult:
        return self._answer("start")

    async def execute(self, verb: Verb) -> CommandResult:
        return self._answer(verb.value)

    async def adopt(self, mission: Mission) -> MissionProgress:
        self.calls.append("adopt")
        return self.progress


class OpenGate:
    """A gate that says what the test wants."""

    def __init__(self) -> None:
        self.answer: Shut | None = None

    async def shut(
        self,
        record: object,
        parcels: Mapping[str, ParcelRecord],
        owner: VehicleOwner,
        *,
        loading: bool = False,
    ) -> Shut | None:
        return self.answer

    async def fence(
        self, record: object, parcels: Mapping[str, ParcelRecord], owner: VehicleOwner
    ) -> None:
        return None


@dataclass
class Rig:
    session: Session
    ledger: Ledger
    process: VehicleProcess
    board: AlarmBoard
    gate: OpenGate
    mission: Mission
    freed: list[bool] = field(default_factory=list)

    def state(self, parcel_id: str = "P-1") -> ParcelState:
        return self.ledger.parcels[parcel_id].state

    def causes(self) -> str:
        return " | ".join(a.cause for a in self.board.alarms())

    def tell(self, kind: EventKind, **fields: Any) -> None:
        self.session.tell(kind, mission_hash=self.mission.content_hash, **fields)

    async def until(self, condition: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(8.0):
                while not condition():
                    await asyncio.sleep(0.005)
        except TimeoutError:
            pytest.fail(f"{self.session.calls} {self.ledger.parcels} {self.causes()}")

    async def assign(self, parcel_ids: tuple[str, ...] = ("P-1",)) -> None:
        draft = self.ledger.draft()
        arrive = {p: START + timedelta(minutes=5) for p in parcel_ids}
        offer = Offer("V-1", parcel_ids, self.mission, 1.0, arrive, 50.0)
        steps.assign(draft, offer, {}, 1, "A-1")
        await self.ledger.keep_draft(draft, "V-1")
        self.process.wake()

    async def start(self) -> None:
        await self.assign()
        await self.until(lambda: self.task_state() is AssignmentState.STARTED)

    def task_state(self) -> AssignmentState | None:
        task = self.ledger.assignments.get("V-1")
        return task.assignment.state if task else None


def flight() -> AirMission:
    items = (
        AirItem(ItemKind.TAKEOFF, HUB.position, 50.0),
        AirItem(ItemKind.WAYPOINT, DROP, 50.0),
        AirItem(ItemKind.RELEASE, DROP, 20.0, device=DropDevice.WINCH, parcel_id="P-1"),
        AirItem(ItemKind.LAND, HUB.position),
    )
    return AirMission("m-1", "V-1", HUB.position, 10.0, 50.0, items, "zv", 200.0, 30.0)


def drive() -> GroundMission:
    def act(number: int, kind: StopAction, parcel_id: str) -> RouteAction:
        return RouteAction(f"a-{number}", kind, parcel_id)

    first = RouteNode(
        "n-1",
        HUB.position,
        (act(1, StopAction.PICK, "P-1"), act(2, StopAction.PICK, "P-2")),
    )
    second = RouteNode(
        "n-2", DROP, (act(3, StopAction.DROP, "P-1"), act(4, StopAction.DROP, "P-2"))
    )
    edge = RouteEdge("e-1", "n-1", "n-2", 800.0, 1.6)
    return GroundMission("m-1", "V-1", (first, second), (edge,), "zv", 600.0, 30.0)


def waiting(parcel_id: str) -> ParcelRecord:
    parcel = Parcel(
        parcel_id, 1.0, (0.2, 0.2, 0.1), "hub", Destination(DROP), START, START + timedelta(hours=1)
    )
    return ParcelRecord(
        parcel, P.SUBMITTED, Custodian(CustodianKind.SITE, "hub"), {"submitted": START}
    )


@asynccontextmanager
async def rig_on(
    path: Path, session: Session, mission: Mission, *, again: bool = False
) -> AsyncIterator[Rig]:
    """A controller on a database; `again`: after a restart."""
    clock = SteadyClock(START, 200.0)
    numbers = itertools.count()

    def ids(prefix: str) -> str:
        return f"{prefix}-{'b' if again else 'a'}{next(numbers)}"

    async with Store(f"sqlite+aiosqlite:///{path / 'w.db'}") as store:
        kept = await store.read()
        epochs = await store.take_leases(("V-1",), "me", START)
        ledger = Ledger(store, clock, ids)
        ledger.restore(kept, {})
        ledger.epochs = epochs
        board = AlarmBoard(clock, ids, lambda _: None)
        gate = OpenGate()
        freed: list[bool] = []
        process = VehicleProcess(
            VehicleOwner(session, epoch=epochs["V-1"], clock=clock, command_timeout_s=600.0),
            ledger=ledger,
            gate=gate,  # type: ignore[arg-type]
            happenings=Happenings(
                ledger=ledger,
                board=board,
                bases={"V-1": HUB},
                homes={"V-1": HUB.position},
                tolerances=Tolerances(15.0, 30.0, 60.0),
                retry=Retry(3, 5.0),
            ),
            clock=clock,
            figures=Figures(),
            settings=ProcessSettings(Retry(3, 5.0), load_tries=3, start_tries=3),
            ids=ids,
            on_free=lambda: freed.append(True),
        )
        rig = Rig(session, ledger, process, board, gate, mission, freed)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(store.run(), name="store"),
                group.create_task(process.run(), name="process"),
                group.create_task(process.owner.hear(process.hear), name="hear"),
            ]
            if not again:
                new = tuple(ParcelStep(None, waiting(p)) for p in ("P-1", "P-2"))
                await ledger.keep(Changes(parcels=new))
            yield rig
            for task in tasks:
                task.cancel()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig_on(tmp_path, Session(), flight()) as made:
        yield made


@pytest.fixture
async def robot(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig_on(tmp_path, Session(), drive()) as made:
        yield made


async def test_a_flight_from_assignment_to_proof(rig: Rig) -> None:
    await rig.start()
    assert rig.session.calls == ["load", "start"]
    record = rig.ledger.parcels["P-1"]
    assert record.state is P.IN_TRANSIT
    assert record.custodian == Custodian(CustodianKind.VEHICLE, "V-1")
    rig.tell(EventKind.STARTED)
    near = offset(DROP, 90.0, 3.0)
    rig.tell(EventKind.RELEASED, parcel_id="P-1", position=near, evidence=("winch",))
    await rig.until(lambda: rig.state() is P.DELIVERED)
    record = rig.ledger.parcels["P-1"]
    assert record.custodian.kind is CustodianKind.RECIPIENT
    assert record.proof is not None
    assert record.proof.evidence == ("winch",)
    assert record.proof.distance_m == pytest.approx(3.0, abs=0.01)
    rig.tell(EventKind.COMPLETED, position=HUB.position)
    await rig.until(lambda: rig.task_state() is None)
    await rig.until(lambda: bool(rig.freed))
    assert rig.causes() == ""
    assert list(record.times) == [
        *("submitted", "assigned", "preparing", "in_transit", "released", "delivered")
    ]


async def test_a_load_that_is_refused_is_tried_again_and_then_given_to_others(rig: Rig) -> None:
    rig.session.script["load"] = [REFUSED, UNCERTAIN, REFUSED]
    await rig.assign()
    await rig.until(lambda: rig.state() is P.SUBMITTED)
    assert rig.session.calls == ["load"] * 3
    record = rig.ledger.parcels["P-1"]
    assert record.attempts == 1
    assert record.not_before is not None
    assert record.reasons == ("loading failed: no",)
    assert record.custodian == Custodian(CustodianKind.SITE, "hub")
    await rig.until(lambda: rig.process.resting)


async def test_after_the_last_attempt_it_is_refused_with_the_reason(rig: Rig) -> None:
    for _ in range(3):
        rig.session.script["load"] = [REFUSED] * 3
        draft = rig.ledger.draft()
        offer = Offer("V-1", ("P-1",), rig.mission, 1.0, {}, 50.0)
        steps.assign(draft, offer, {}, 1, f"A-{len(rig.session.calls)}")
        await rig.ledger.keep_draft(draft, "V-1")
        rig.process.wake()
        await rig.until(lambda: rig.task_state() is None)
    assert rig.state() is P.REFUSED
    assert rig.ledger.parcels["P-1"].reasons == ("3 attempts failed; the last: loading failed: no",)


async def test_a_start_in_doubt_that_runs_is_not_sent_again(rig: Rig) -> None:
    rig.session.script["start"] = [UNCERTAIN]
    rig.session.progress = MissionProgress(holds=True, running=True)
    await rig.start()
    assert rig.session.calls == ["load", "start", "adopt"]


async def test_a_start_in_doubt_is_sent_again_only_after_the_vehicle_shows_rest(rig: Rig) -> None:
    rig.session.script["start"] = [UNCERTAIN]
    rig.session.progress = MissionProgress(holds=True, running=False)
    await rig.start()
    assert rig.session.calls == ["load", "start", "adopt", "start"]


async def test_a_vehicle_that_lost_its_mission_is_loaded_again(rig: Rig) -> None:
    rig.session.script["start"] = [UNCERTAIN]
    rig.session.progress = MissionProgress(holds=False, running=False)
    await rig.start()
    assert rig.session.calls == ["load", "start", "adopt", "load", "start"]


async def test_a_start_that_is_refused_three_times_goes_to_others(rig: Rig) -> None:
    rig.session.script["start"] = [REFUSED] * 3
    await rig.assign()
    await rig.until(lambda: rig.state() is P.SUBMITTED)
    assert rig.session.calls == ["load", "start", "start", "start"]
    assert rig.ledger.parcels["P-1"].reasons == ("the start was refused: no",)


async def test_a_shut_gate_sends_nothing(rig: Rig) -> None:
    rig.gate.answer = Shut("zone Z-4 covers the destination 12 m deep")
    await rig.assign()
    await rig.until(lambda: rig.state() is P.SUBMITTED)
    assert rig.session.calls == []
    assert rig.ledger.parcels["P-1"].reasons == (rig.gate.answer.reason,)


async def test_zones_that_changed_cost_no_attempt(rig: Rig) -> None:
    rig.gate.answer = Shut("the zones have changed since it was planned", passing=True)
    await rig.assign()
    await rig.until(lambda: rig.state() is P.SUBMITTED)
    assert rig.ledger.parcels["P-1"].attempts == 0
    assert not rig.process.resting


async def test_a_hold_keeps_the_start_back_until_it_is_cleared(rig: Rig) -> None:
    hold = HoldRecord("anna", "wind", START)
    await rig.ledger.keep(Changes(hold=HoldChange(hold)))
    await rig.assign()
    for _ in range(20):
        rig.process.wake()
        await asyncio.sleep(0)
    assert rig.session.calls == []
    await rig.ledger.keep(Changes(hold=HoldChange(None)))
    rig.process.wake()
    await rig.until(lambda: rig.task_state() is AssignmentState.STARTED)


async def test_a_release_told_twice_counts_once(rig: Rig) -> None:
    await rig.start()
    for _ in range(2):
        rig.tell(EventKind.RELEASED, parcel_id="P-1", position=DROP)
    rig.tell(EventKind.COMPLETED, position=HUB.position)
    await rig.until(lambda: rig.task_state() is None)
    assert rig.state() is P.DELIVERED
    assert rig.session.told.empty()


async def test_a_release_far_from_the_destination_is_an_alarm_and_told_as_it_was(rig: Rig) -> None:
    await rig.start()
    rig.tell(EventKind.RELEASED, parcel_id="P-1", position=offset(DROP, 90.0, 40.0))
    await rig.until(lambda: rig.state() is P.DELIVERED)
    assert "P-1 was let go 40 m from its destination" in rig.causes()
    proof = rig.ledger.parcels["P-1"].proof
    assert proof is not None
    assert proof.distance_m == pytest.approx(40.0, abs=0.1)


async def test_a_mission_aborted_at_home_is_offered_again(rig: Rig) -> None:
    await rig.start()
    rig.tell(EventKind.ABORTED, position=HUB.position, detail="wind")
    await rig.until(lambda: rig.task_state() is None)
    record = rig.ledger.parcels["P-1"]
    assert record.state is P.SUBMITTED
    assert record.custodian == Custodian(CustodianKind.SITE, "hub")
    assert record.attempts == 1
    assert "returned" in record.times


async def test_a_mission_aborted_on_the_way_strands_its_parcel(rig: Rig) -> None:
    await rig.start()
    rig.tell(EventKind.ABORTED, position=DROP, detail="motor")
    await rig.until(lambda: rig.task_state() is None)
    assert rig.state() is P.STRANDED
    assert rig.ledger.aboard("V-1") == ("P-1",)
    assert rig.ledger.parcels["P-1"].reasons == ("motor",)


async def test_a_failed_release_comes_home(rig: Rig) -> None:
    await rig.start()
    rig.tell(EventKind.RELEASE_FAILED, parcel_id="P-1", detail="gripper jammed")
    await rig.until(lambda: rig.state() is P.RETURNING)
    assert "could not let its parcel go: gripper jammed" in rig.causes()
    rig.tell(EventKind.COMPLETED, position=HUB.position)
    await rig.until(lambda: rig.state() is P.SUBMITTED)


@pytest.mark.parametrize("end", [EventKind.ABORTED, EventKind.COMPLETED])
async def test_one_of_two_parcels_whose_release_failed_comes_home_and_the_other_is_delivered(
    tmp_path: Path, end: EventKind
) -> None:
    second = offset(DROP, 90.0, 300.0)
    drop = AirItem(ItemKind.RELEASE, second, 20.0, device=DropDevice.WINCH, parcel_id="P-2")
    *way, land = flight().items
    mission = replace(flight(), items=(*way, AirItem(ItemKind.WAYPOINT, second, 50.0), drop, land))
    async with rig_on(tmp_path, Session(), mission) as rig:
        await rig.assign(("P-1", "P-2"))
        await rig.until(lambda: rig.task_state() is AssignmentState.STARTED)
        both = [rig.ledger.parcels[p].custodian for p in ("P-1", "P-2")]
        assert both == [Custodian(CustodianKind.VEHICLE, "V-1")] * 2
        rig.tell(EventKind.RELEASE_FAILED, parcel_id="P-1", detail="no ground found")
        await rig.until(lambda: rig.state("P-1") is P.RETURNING)
        assert rig.state("P-2") is P.IN_TRANSIT
        assert rig.ledger.parcels["P-1"].reasons == ("no ground found",)
        rig.tell(EventKind.RELEASED, parcel_id="P-2", position=second, evidence=("winch",))
        await rig.until(lambda: rig.state("P-2") is P.DELIVERED)
        assert rig.ledger.aboard("V-1") == ("P-1",)
        assert rig.ledger.parcels["P-2"].custodian.kind is CustodianKind.RECIPIENT
        rig.tell(end, position=HUB.position)
        await rig.until(lambda: rig.task_state() is None)
        one, other = rig.ledger.parcels["P-1"], rig.ledger.parcels["P-2"]
        assert one.state is P.SUBMITTED
        assert one.custodian == Custodian(CustodianKind.SITE, "hub")
        assert one.attempts == 1
        assert "returned" in one.times
        assert other.state is P.DELIVERED
        assert rig.ledger.aboard("V-1") == ()


@pytest.mark.parametrize("end", [EventKind.ABORTED, EventKind.COMPLETED])
@pytest.mark.parametrize("before", [None, EventKind.FAILSAFE, EventKind.LINK_LOST])
async def test_a_release_in_doubt_strands_its_parcel_and_is_never_offered_again(
    rig: Rig, before: EventKind | None, end: EventKind
) -> None:
    await rig.start()
    rig.session.progress = MissionProgress(holds=True, running=False, unsure=frozenset({"P-1"}))
    if before is not None:
        rig.tell(before)
    rig.tell(EventKind.RELEASE_UNSURE, parcel_id="P-1", detail="the winch spoke: look")
    rig.tell(end, position=HUB.position, detail="came home")
    await rig.until(lambda: rig.task_state() is None)
    record = rig.ledger.parcels["P-1"]
    assert record.state is P.STRANDED
    assert record.custodian == Custodian(CustodianKind.VEHICLE, "V-1")
    assert record.reasons == ("the winch spoke: look",)
    assert record.attempts == 0
    (condition,) = stranded_conditions(rig.ledger)
    assert condition.severity is Severity.WARNING
    assert "the winch spoke: look" in condition.cause
    assert "settle it as found aboard or delivered" in condition.advice


async def test_a_release_seen_after_doubt_wins(rig: Rig) -> None:
    await rig.start()
    rig.tell(EventKind.RELEASE_UNSURE, parcel_id="P-1", detail="the winch spoke: look")
    await rig.until(lambda: rig.state() is P.STRANDED)
    rig.tell(EventKind.RELEASED, parcel_id="P-1", position=DROP)
    await rig.until(lambda: rig.state() is P.DELIVERED)
    assert stranded_conditions(rig.ledger) == []


async def test_doubt_about_what_is_delivered_changes_nothing(rig: Rig) -> None:
    await rig.start()
    rig.tell(EventKind.RELEASED, parcel_id="P-1", position=DROP)
    rig.tell(EventKind.RELEASE_UNSURE, parcel_id="P-1", detail="nobody watched it")
    rig.tell(EventKind.ABORTED, position=HUB.position)
    await rig.until(lambda: rig.task_state() is None)
    assert rig.state() is P.DELIVERED


async def test_doubt_that_was_told_to_nobody_is_read_from_the_vehicle(rig: Rig) -> None:
    await rig.start()
    rig.session.progress = MissionProgress(
        holds=True, running=False, unsure=frozenset({"P-1"}), detail="watched: AUTO at item 1"
    )
    rig.tell(EventKind.LINK_LOST)
    rig.tell(EventKind.ABORTED, position=HUB.position, detail="came home")
    await rig.until(lambda: rig.task_state() is None)
    assert rig.state() is P.STRANDED
    assert rig.ledger.parcels["P-1"].reasons == (
        "nothing shows whether it was released: watched: AUTO at item 1",
    )


async def test_a_mission_over_without_a_release_is_for_a_person_to_look_at(rig: Rig) -> None:
    await rig.start()
    rig.tell(EventKind.COMPLETED, position=HUB.position)
    await rig.until(lambda: rig.state() is P.STRANDED)


@pytest.mark.parametrize(
    ("progress", "state"),
    [
        (MissionProgress(holds=True, running=False), P.SUBMITTED),
        (MissionProgress(holds=False, running=False), P.STRANDED),
        (MissionProgress(holds=True, running=False, released=frozenset({"P-1"})), P.DELIVERED),
    ],
)
async def test_what_happened_while_the_link_was_gone_is_read_from_the_vehicle(
    rig: Rig, progress: MissionProgress, state: ParcelState
) -> None:
    await rig.start()
    rig.tell(EventKind.LINK_LOST)
    rig.session.progress = progress
    rig.tell(EventKind.ABORTED, position=HUB.position, detail="failsafe")
    await rig.until(lambda: rig.task_state() is None)
    assert rig.session.calls[-1] == "adopt"
    assert rig.state() is state


async def test_events_of_another_mission_change_nothing(rig: Rig) -> None:
    await rig.start()
    rig.session.tell(EventKind.RELEASED, mission_hash="other", parcel_id="P-1", position=DROP)
    rig.session.tell(EventKind.ALARM, detail="nonsense")
    await rig.until(lambda: "nonsense" in rig.causes())
    assert rig.state() is P.IN_TRANSIT


async def test_a_return_that_was_demanded_brings_the_parcel_back(rig: Rig) -> None:
    await rig.start()
    result = await rig.process.demand(Verb.RETURN, by="anna", reason="storm")
    assert result.done
    assert rig.state() is P.RETURNING
    assert rig.ledger.parcels["P-1"].reasons == ("told to return by anna: storm",)


async def test_an_assignment_is_given_up_before_its_start_and_not_after(rig: Rig) -> None:
    rig.session.show(phase=Phase.NOT_READY)
    await rig.assign()
    await rig.until(lambda: rig.task_state() is AssignmentState.LOADED)
    assert await rig.process.give_up("cancelled")
    assert rig.state() is P.SUBMITTED
    assert rig.ledger.parcels["P-1"].attempts == 0
    rig.session.show(phase=Phase.READY)
    draft = rig.ledger.draft()
    steps.assign(draft, Offer("V-1", ("P-1",), rig.mission, 1.0, {}, 50.0), {}, 1, "A-2")
    await rig.ledger.keep_draft(draft, "V-1")
    rig.process.wake()
    await rig.until(lambda: rig.task_state() is AssignmentState.STARTED)
    assert not await rig.process.give_up("cancelled")


async def test_a_robot_takes_its_parcels_when_it_picks_them(robot: Rig) -> None:
    await robot.assign(("P-1", "P-2"))
    await robot.until(lambda: robot.task_state() is AssignmentState.STARTED)
    assert robot.state("P-1") is P.PREPARING
    robot.tell(EventKind.PICKED, parcel_id="P-1")
    await robot.until(lambda: robot.state("P-1") is P.IN_TRANSIT)
    assert robot.state("P-2") is P.PREPARING
    robot.tell(EventKind.ABORTED, position=DROP, detail="wheel")
    await robot.until(lambda: robot.task_state() is None)
    assert robot.state("P-1") is P.STRANDED
    assert robot.state("P-2") is P.SUBMITTED


async def test_a_release_that_names_no_parcel_is_not_guessed_among_two(robot: Rig) -> None:
    await robot.assign(("P-1", "P-2"))
    for parcel_id in ("P-1", "P-2"):
        robot.tell(EventKind.PICKED, parcel_id=parcel_id)
    robot.tell(EventKind.RELEASED, position=DROP)
    robot.tell(EventKind.RELEASED, position=DROP, parcel_id="P-2")
    await robot.until(lambda: robot.state("P-2") is P.DELIVERED)
    assert robot.state("P-1") is P.IN_TRANSIT


@pytest.mark.parametrize(
    ("progress", "phase", "state", "open_after"),
    [
        (MissionProgress(holds=True, running=True), Phase.EN_ROUTE, P.IN_TRANSIT, True),
        (
            MissionProgress(holds=True, running=True, released=frozenset({"P-1"})),
            Phase.RETURNING,
            P.DELIVERED,
            True,
        ),
        (
            MissionProgress(holds=True, running=False, released=frozenset({"P-1"}), completed=True),
            Phase.READY,
            P.DELIVERED,
            False,
        ),
        # nobody listened, and the vehicle does not show it: never sent again
        (MissionProgress(holds=True, running=False), Phase.READY, P.STRANDED, False),
        (MissionProgress(holds=False, running=False), Phase.READY, P.STRANDED, False),
    ],
)
async def test_after_a_restart_the_vehicle_is_read_and_nothing_is_sent(
    tmp_path: Path,
    progress: MissionProgress,
    phase: Phase,
    state: ParcelState,
    open_after: bool,
) -> None:
    session = Session()
    async with rig_on(tmp_path, session, flight()) as first:
        await first.start()
    session.calls.clear()
    session.progress = progress
    session.show(phase=phase, armed=progress.running)
    async with rig_on(tmp_path, session, flight(), again=True) as second:
        await second.until(lambda: not second.process.in_doubt)
        await second.until(lambda: second.state() is state)
        assert (second.task_state() is not None) is open_after
        assert session.calls == ["adopt"]


class FencedSession(Session):
    """Takes a fence for every flight; a load proves it."""

    wants_fence = True
    fence_for = ""

    def order_fence(self, fence: FlightFence) -> None:
        self.fence_for = fence.mission_hash

    async def load(self, mission: Mission) -> CommandResult:
        self.fence_for = mission.content_hash
        return await super().load(mission)


async def test_a_drone_whose_fence_this_controller_did_not_prove_is_loaded_again(
    tmp_path: Path,
) -> None:
    session = FencedSession()
    session.show(phase=Phase.NOT_READY)
    async with rig_on(tmp_path, session, flight()) as first:
        await first.assign()
        await first.until(lambda: first.task_state() is AssignmentState.LOADED)
        assert session.calls == ["load"]
    session.calls.clear()
    session.fence_for = ""
    session.progress = MissionProgress(holds=True, running=False)
    session.show(phase=Phase.READY)
    async with rig_on(tmp_path, session, flight(), again=True) as second:
        await second.until(lambda: second.task_state() is AssignmentState.STARTED)
        assert session.calls == ["adopt", "load", "start"]


async def test_a_drone_met_on_its_way_home_after_a_restart_is_not_believed_to_carry(
    tmp_path: Path,
) -> None:
    session = Session()
    async with rig_on(tmp_path, session, flight()) as first:
        await first.start()
    session.progress = MissionProgress(holds=True, running=True, detail="AUTO_RTL")
    session.show(phase=Phase.RETURNING, armed=True)
    async with rig_on(tmp_path, session, flight(), again=True) as second:
        await second.until(lambda: not second.process.in_doubt)
        session.progress = MissionProgress(holds=True, running=False)
        session.show(phase=Phase.READY, armed=False)
        second.tell(EventKind.ABORTED, position=HUB.position, detail="returned before release")
        await second.until(lambda: second.task_state() is None)
        assert second.state() is P.STRANDED


@pytest.mark.parametrize("touched", [False, True])
async def test_a_drone_met_behind_its_release_has_released_unless_it_was_touched(
    tmp_path: Path, *, touched: bool
) -> None:
    session = Session()
    async with rig_on(tmp_path, session, flight()) as first:
        await first.start()
        if touched:
            await first.process.demand(Verb.HOLD, by="ann", reason="crane")
    session.progress = MissionProgress(holds=True, running=True, passed=frozenset({"P-1"}))
    session.show(phase=Phase.RETURNING, armed=True)
    async with rig_on(tmp_path, session, flight(), again=True) as second:
        await second.until(lambda: not second.process.in_doubt)
        assert second.state() is (P.IN_TRANSIT if touched else P.DELIVERED)


class Dazed(Session):
    """Answers a reading at once, says nothing of its motors at first, and notes when it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read_at: list[float] = []

    async def adopt(self, mission: Mission) -> MissionProgress:
        self.read_at.append(time.monotonic())
        if len(self.read_at) == 4:
            self.show(armed=False)
        return await super().adopt(mission)


async def test_a_vehicle_that_stays_in_doubt_is_read_now_and_then_not_in_a_row(
    tmp_path: Path,
) -> None:
    session = Dazed()
    async with rig_on(tmp_path, session, flight()) as first:
        await first.start()
    session.show(phase=Phase.UNKNOWN, armed=None)
    async with rig_on(tmp_path, session, flight(), again=True) as second:
        await second.until(lambda: second.task_state() is None)
    gaps_s = [after - before for before, after in itertools.pairwise(session.read_at)]
    assert len(gaps_s) == 3
    assert min(gaps_s) * 200.0 >= 0.99 * TICK_S
    assert second.state() is P.STRANDED


async def test_a_restart_before_the_start_loads_and_starts(tmp_path: Path) -> None:
    session = Session()
    session.show(phase=Phase.NOT_READY)
    async with rig_on(tmp_path, session, flight()) as first:
        await first.assign()
        await first.until(lambda: first.task_state() is AssignmentState.LOADED)
    session.calls.clear()
    session.progress = MissionProgress(holds=True, running=False)
    session.show(phase=Phase.READY)
    async with rig_on(tmp_path, session, flight(), again=True) as second:
        await second.until(lambda: second.task_state() is AssignmentState.STARTED)
    assert session.calls == ["adopt", "start"]
    start = second.ledger.commands["A-1", CommandKind.START]
    assert start.epoch == 2
