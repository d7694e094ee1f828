"""Who has a parcel that a robot picked although its order was refused; a robot that is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from controller.delivery import steps
from controller.delivery.happenings import stranded_conditions
from controller.delivery.lost import Lost
from controller.delivery.strays import Strays
from controller.dispatch.model import Offer
from controller.domain.model import AssignmentState, Custodian, CustodianKind, ParcelState
from controller.domain.records import CommandKind
from tests.support.clock import START
from tests.unit.controller.test_delivery_process import (
    DROP,
    HUB,
    REFUSED,
    Rig,
    Session,
    drive,
    rig_on,
)
from vehicles.port import EventKind, LinkState, MissionProgress, Outcome, Phase

P = ParcelState
ON_V1 = Custodian(CustodianKind.VEHICLE, "V-1")
AT_HUB = Custodian(CustodianKind.SITE, "hub")
WILL = "last will: connection broken"


@asynccontextmanager
async def strays(rig: Rig) -> AsyncIterator[None]:
    task = asyncio.create_task(Strays(rig.ledger, {"V-1": rig.process}).run(), name="strays")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig_on(tmp_path, Session(), drive()) as made, strays(made):
        yield made


async def refused(rig: Rig) -> None:
    """An assignment whose start the robot refused until it was given up."""
    rig.session.script = {"start": [REFUSED] * 3}
    await rig.assign()
    await rig.until(lambda: rig.task_state() is None)
    assert rig.state() is P.SUBMITTED
    assert rig.ledger.parcels["P-1"].custodian == AT_HUB


async def test_a_pick_on_a_refused_order_moves_custody_to_the_robot(rig: Rig) -> None:
    await refused(rig)
    rig.tell(EventKind.PICKED, parcel_id="P-1")
    await rig.until(lambda: rig.state() is P.STRANDED)
    record = rig.ledger.parcels["P-1"]
    assert record.custodian == ON_V1
    assert rig.ledger.aboard("V-1") == ("P-1",)
    (told,) = stranded_conditions(rig.ledger)
    assert "picked it on an order that counted as over" in told.cause
    assert rig.state("P-2") is P.SUBMITTED


async def test_a_drop_on_a_refused_order_delivers(rig: Rig) -> None:
    await refused(rig)
    rig.tell(EventKind.PICKED, parcel_id="P-1")
    rig.tell(EventKind.RELEASED, parcel_id="P-1", position=DROP, evidence=("action FINISHED",))
    await rig.until(lambda: rig.state() is P.DELIVERED)
    proof = rig.ledger.parcels["P-1"].proof
    assert proof is not None
    assert proof.evidence == ("action FINISHED",)
    assert proof.distance_m < 1.0


@pytest.mark.parametrize("final", [P.REFUSED, P.CANCELLED])
async def test_a_pick_outweighs_an_end_that_nobody_saw_coming(rig: Rig, final: P) -> None:
    await refused(rig)
    draft = rig.ledger.draft()
    draft.move("P-1", final)
    await rig.ledger.keep_draft(draft)
    rig.tell(EventKind.PICKED, parcel_id="P-1")
    await rig.until(lambda: rig.state() is P.STRANDED)
    assert rig.ledger.parcels["P-1"].custodian == ON_V1


async def test_another_assignment_of_a_parcel_that_was_picked_is_given_up(rig: Rig) -> None:
    await refused(rig)
    rig.session.show(phase=Phase.NOT_READY)
    draft = rig.ledger.draft()
    arrive = {p: START + timedelta(minutes=5) for p in ("P-1", "P-2")}
    offer = Offer("V-1", ("P-1", "P-2"), rig.mission, 1.0, arrive, 50.0)
    steps.assign(draft, offer, {}, 1, "A-2")
    await rig.ledger.keep_draft(draft, "V-1")
    rig.process.wake()
    await rig.until(lambda: rig.task_state() is AssignmentState.LOADED)
    rig.session.tell(EventKind.PICKED, mission_hash="the refused one", parcel_id="P-1")
    await rig.until(lambda: rig.task_state() is None)
    assert rig.state("P-1") is P.STRANDED
    assert rig.state("P-2") is P.SUBMITTED
    assert rig.ledger.parcels["P-2"].custodian == AT_HUB


async def test_a_refused_order_that_runs_again_while_it_is_tried_ends_its_assignment(
    rig: Rig,
) -> None:
    """The pick shows that it was started; its second end closes it where the robot stands."""
    rig.session.show(phase=Phase.NOT_READY)
    await rig.assign()
    await rig.until(lambda: rig.task_state() is AssignmentState.LOADED)
    rig.tell(EventKind.PICKED, parcel_id="P-1")
    await rig.until(lambda: rig.task_state() is AssignmentState.STARTED)
    assert rig.state() is P.IN_TRANSIT
    rig.tell(EventKind.ABORTED, position=DROP, detail="ran again and was cancelled")
    await rig.until(lambda: rig.task_state() is None)
    assert rig.state() is P.STRANDED
    assert rig.ledger.parcels["P-1"].custodian == ON_V1


async def test_two_that_claim_one_parcel_are_told_and_nobody_is_believed(rig: Rig) -> None:
    await refused(rig)
    draft = rig.ledger.draft()
    steps.strand_on(draft, "P-1", "V-9", "seen there")
    await rig.ledger.keep_draft(draft)
    rig.tell(EventKind.PICKED, parcel_id="P-1")
    await rig.until(lambda: "which V-9 has" in rig.causes())
    assert rig.ledger.parcels["P-1"].custodian == Custodian(CustodianKind.VEHICLE, "V-9")


async def test_what_is_delivered_stays_so(rig: Rig) -> None:
    await refused(rig)
    rig.tell(EventKind.RELEASED, parcel_id="P-1", position=DROP)
    await rig.until(lambda: rig.state() is P.DELIVERED)
    rig.tell(EventKind.PICKED, parcel_id="P-1")
    rig.session.tell(EventKind.ALARM, detail="after it")
    await rig.until(lambda: "after it" in rig.causes())
    assert rig.state() is P.DELIVERED


# --- a lost robot ------------------------------------------------------------------------------


async def lost_with(rig: Rig) -> None:
    """On its way with one of two parcels picked, and off the broker."""
    await rig.assign(("P-1", "P-2"))
    await rig.until(lambda: rig.task_state() is AssignmentState.STARTED)
    rig.tell(EventKind.PICKED, parcel_id="P-1")
    await rig.until(lambda: rig.state() is P.IN_TRANSIT)
    rig.session.show(link=LinkState.OFFLINE, broken=WILL, phase=Phase.EN_ROUTE, armed=True)
    rig.tell(EventKind.CONNECTION_LOST, detail=WILL)
    rig.tell(EventKind.LINK_LOST, detail="no state for 35 s")
    rig.session.tell(EventKind.ALARM, detail="both heard")
    await rig.until(lambda: "both heard" in rig.causes())


def holds_all(rig: Rig) -> bool:
    return (
        rig.task_state() is AssignmentState.STARTED
        and rig.ledger.parcels["P-1"].custodian == ON_V1
        and rig.state() is P.IN_TRANSIT
        and rig.state("P-2") is P.PREPARING
    )


async def test_a_lost_robot_keeps_its_round_and_its_parcels(rig: Rig) -> None:
    await lost_with(rig)
    since_s = rig.process._clock.monotonic_s()
    await rig.until(lambda: rig.process._clock.monotonic_s() > since_s + 600.0)
    assert holds_all(rig)
    assert rig.session.calls.count("load") == 1
    assert rig.session.calls.count("start") == 1


async def test_a_robot_that_comes_back_goes_on(rig: Rig) -> None:
    await lost_with(rig)
    rig.session.show(link=LinkState.ONLINE, broken="")
    rig.tell(EventKind.LINK_BACK)
    rig.tell(EventKind.CONNECTION_BACK)
    for kind in (EventKind.PICKED, EventKind.RELEASED):
        rig.tell(kind, parcel_id="P-2", position=DROP)
    rig.tell(EventKind.RELEASED, parcel_id="P-1", position=DROP)
    await rig.until(lambda: rig.state("P-1") is rig.state("P-2") is P.DELIVERED)


async def test_an_end_that_was_reached_unheard_is_read_and_not_guessed(rig: Rig) -> None:
    """It finished its base without us and was put back to its base: its state tells."""
    await lost_with(rig)
    rig.session.progress = MissionProgress(
        holds=True, running=False, picked=frozenset({"P-1", "P-2"}), released=frozenset({"P-1"})
    )
    rig.session.show(link=LinkState.ONLINE, broken="", phase=Phase.READY, armed=False)
    rig.tell(EventKind.ABORTED, position=HUB.position, detail="order cancelled")
    await rig.until(lambda: rig.task_state() is None)
    assert rig.state("P-1") is P.DELIVERED
    assert rig.ledger.parcels["P-2"].custodian in {ON_V1, AT_HUB}
    assert rig.session.calls[-1] == "adopt"


async def test_a_robot_that_comes_back_elsewhere_without_its_order_strands_what_it_had(
    rig: Rig,
) -> None:
    await lost_with(rig)
    elsewhere = DROP
    rig.session.show(
        link=LinkState.ONLINE, broken="", phase=Phase.READY, armed=False, position=elsewhere
    )
    rig.session.progress = MissionProgress(holds=False, running=False, detail="no order")
    rig.tell(EventKind.MISSION_LOST, position=elsewhere, detail="the robot shows no order")
    await rig.until(lambda: rig.task_state() is None)
    assert rig.state("P-1") is P.STRANDED
    assert rig.ledger.parcels["P-1"].custodian == ON_V1


async def test_a_robot_that_is_heard_is_not_written_off(rig: Rig) -> None:
    await rig.start()
    lost = Lost(rig.ledger, {"V-1": rig.process}, None)
    result = await lost.write_off("V-1", by="anna", reason="", removed=False)
    assert result.outcome is Outcome.REFUSED
    assert "is heard" in result.reason
    assert rig.task_state() is AssignmentState.STARTED


async def test_a_person_ends_the_round_of_a_robot_that_never_comes_back(rig: Rig) -> None:
    await lost_with(rig)
    lost = Lost(rig.ledger, {"V-1": rig.process}, None)
    result = await lost.write_off("V-1", by="anna", reason="in the canal", removed=True)
    assert result.done
    assert result.reason == "settle P-1, P-2"
    assert rig.task_state() is None
    for parcel_id in ("P-1", "P-2"):
        assert rig.state(parcel_id) is P.STRANDED
        assert rig.ledger.parcels[parcel_id].custodian == ON_V1
        assert rig.ledger.parcels[parcel_id].reasons == ("written off by anna: in the canal",)
    again = await lost.write_off("V-1", by="anna", reason="", removed=True)
    assert again.outcome is Outcome.REFUSED
    # it was not lost after all: what it shows outweighs what was said
    rig.session.show(link=LinkState.ONLINE, broken="")
    rig.tell(EventKind.RELEASED, parcel_id="P-1", position=DROP)
    await rig.until(lambda: rig.state("P-1") is P.DELIVERED)


async def test_a_round_that_never_started_is_offered_again(rig: Rig) -> None:
    rig.session.show(phase=Phase.NOT_READY)
    await rig.assign()
    await rig.until(lambda: rig.task_state() is AssignmentState.LOADED)
    rig.session.show(link=LinkState.OFFLINE, broken=WILL)
    lost = Lost(rig.ledger, {"V-1": rig.process}, None)
    assert (await lost.write_off("V-1", by="anna", reason="", removed=False)).done
    assert rig.state() is P.SUBMITTED
    assert ("A-1", CommandKind.START) not in rig.ledger.commands
