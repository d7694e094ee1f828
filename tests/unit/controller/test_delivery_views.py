"""What is shown: sentences, paths, times, and updates to those who watch."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.delivery import describe, steps
from controller.delivery.draft import Draft
from controller.delivery.hub import Hub
from controller.delivery.proof import make_proof
from controller.delivery.steps import Rest, Retry
from controller.delivery.views import Update
from controller.domain.errors import TransitionError
from controller.domain.model import (
    Assignment,
    AssignmentState,
    Custodian,
    CustodianKind,
    Destination,
    Parcel,
    ParcelState,
)
from controller.domain.records import AssignmentRecord, ParcelRecord
from controller.domain.transitions import CUSTODY, OPEN_ASSIGNMENT
from geofence.frames import LatLon, geodesic_m, offset
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
from vehicles.port import LinkState, Phase, Telemetry

P, A = ParcelState, AssignmentState
HOME = LatLon(60.2, 24.9)
TURN = offset(HOME, 0.0, 500.0)
DROP = offset(TURN, 90.0, 500.0)

AIR = AirMission(
    "m-1",
    "D-1",
    HOME,
    10.0,
    50.0,
    (
        AirItem(ItemKind.TAKEOFF, HOME, 50.0),
        AirItem(ItemKind.WAYPOINT, TURN, 50.0),
        AirItem(ItemKind.WAYPOINT, DROP, 50.0),
        AirItem(ItemKind.RELEASE, None, 20.0, device=DropDevice.WINCH, parcel_id="P-1"),
        AirItem(ItemKind.RETURN_PATH),
        AirItem(ItemKind.WAYPOINT, TURN, 50.0),
        AirItem(ItemKind.LAND, HOME),
    ),
    "zv",
    200.0,
    30.0,
)
ROUND = GroundMission(
    "m-2",
    "R-1",
    (
        RouteNode(
            "n-1",
            HOME,
            (RouteAction("a1", StopAction.PICK, "P-1"), RouteAction("a2", StopAction.PICK, "P-2")),
        ),
        RouteNode("n-2", TURN, (RouteAction("a3", StopAction.DROP, "P-1"),)),
        RouteNode("n-3", DROP, (RouteAction("a4", StopAction.DROP, "P-2"),)),
    ),
    (
        RouteEdge("e-1", "n-1", "n-2", 500.0, 1.6),
        RouteEdge("e-2", "n-2", "n-3", 500.0, 1.6),
    ),
    "zv",
    700.0,
    40.0,
)


def record(ident: str, state: ParcelState) -> ParcelRecord:
    holder = {
        CustodianKind.SITE: "hub",
        CustodianKind.VEHICLE: "D-1",
        CustodianKind.RECIPIENT: ident,
    }
    parcel = Parcel(
        ident, 1.0, (0.2, 0.2, 0.1), "hub", Destination(DROP, address="Katu 1"), START, START
    )
    kind = CUSTODY[state]
    return ParcelRecord(parcel, state, Custodian(kind, holder[kind]), {})


def task(
    mission: Mission, state: AssignmentState = A.STARTED, *parcel_ids: str
) -> AssignmentRecord:
    idents = parcel_ids or tuple(sorted(set(mission.parcel_ids)))
    return AssignmentRecord(
        Assignment("A-1", mission.vehicle_id, idents, state, START, mission.content_hash),
        mission,
        epoch=1,
        arrive_at={i: START + timedelta(minutes=5) for i in idents},
        started_at=START if state is A.STARTED else None,
    )


def told(position: LatLon | None, phase: Phase = Phase.EN_ROUTE, **fields: Any) -> Telemetry:
    base = Telemetry(
        "D-1", START, LinkState.ONLINE, phase, position=position, battery_pct=41.0, armed=True
    )
    return replace(base, **fields)


AT_REST = told(HOME, Phase.READY, armed=False)


def test_the_way_ahead_of_a_drone_shrinks_and_turns_at_the_drop() -> None:
    half = offset(HOME, 0.0, 250.0)
    out = describe.path_ahead(task(AIR), {"P-1": record("P-1", P.IN_TRANSIT)}, told(half))
    assert out == (half, TURN, DROP, TURN, HOME)
    back = describe.path_ahead(task(AIR), {"P-1": record("P-1", P.DELIVERED)}, told(half))
    assert back == (half, HOME)
    whole = describe.path_ahead(
        task(AIR, A.LOADED), {"P-1": record("P-1", P.PREPARING)}, told(HOME)
    )
    assert whole == (HOME, TURN, DROP, TURN, HOME)
    assert describe.path_ahead(None, {}, told(HOME)) == ()


def test_the_way_ahead_of_a_robot_goes_on_from_its_last_stop() -> None:
    half = offset(TURN, 90.0, 200.0)
    parcels = {"P-1": record("P-1", P.DELIVERED), "P-2": record("P-2", P.IN_TRANSIT)}
    assert describe.path_ahead(task(ROUND), parcels, told(half)) == (half, DROP)
    parcels = {"P-1": record("P-1", P.IN_TRANSIT), "P-2": record("P-2", P.IN_TRANSIT)}
    near = offset(HOME, 0.0, 100.0)
    assert describe.path_ahead(task(ROUND), parcels, told(near)) == (near, TURN, DROP)


@pytest.mark.parametrize(
    ("state", "parcel_state", "telemetry", "words"),
    [
        (A.STARTED, P.IN_TRANSIT, told(HOME), "D-1 en route to Katu 1, 41 % battery"),
        (A.STARTED, P.DELIVERED, told(HOME), "D-1 returning to base, 41 % battery"),
        (A.OPEN, P.ASSIGNED, AT_REST, "D-1 is being loaded with the mission for P-1, 41 % "),
        (A.LOADED, P.PREPARING, AT_REST, "D-1 holds the mission for P-1 and is about to start, "),
        (
            A.LOADED,
            P.PREPARING,
            told(HOME, Phase.NOT_READY, armed=False, not_ready=("no GPS",)),
            "D-1 holds the mission for P-1 and is not ready: no GPS, 41 % battery",
        ),
        (A.LOADED, P.PREPARING, told(HOME, Phase.ARMED), "D-1 is armed with the mission for P-1, "),
        (
            A.LOADED,
            P.PREPARING,
            told(HOME),
            "D-1 is under way; its start for P-1 is not confirmed yet, 41 % battery",
        ),
        (A.OPEN, P.ASSIGNED, told(HOME, Phase.LANDING), "D-1 is landing, 41 % battery"),
        (
            A.STARTED,
            P.IN_TRANSIT,
            AT_REST,
            "D-1 is at rest; what became of its mission for P-1 is being read, 41 % battery",
        ),
        (A.STARTED, P.PREPARING, told(HOME), "D-1 on its way to pick up P-1, 41 % battery"),
        (
            A.STARTED,
            P.IN_TRANSIT,
            told(HOME, Phase.AT_STOP),
            "D-1 handing over P-1 at Katu 1, 41 % battery",
        ),
        (
            A.STARTED,
            P.IN_TRANSIT,
            told(HOME, link=LinkState.STALE),
            "D-1 en route to Katu 1, 41 % battery (stale, data is 7 s old)",
        ),
    ],
)
def test_a_sentence_says_what_the_records_hold(
    state: AssignmentState, parcel_state: ParcelState, telemetry: Telemetry, words: str
) -> None:
    said = describe.sentence(
        telemetry, task(AIR, state), {"P-1": record("P-1", parcel_state)}, (), 7.0
    )
    assert said.startswith(words)


def test_a_vehicle_at_rest_says_why() -> None:
    assert describe.sentence(Telemetry("D-1"), None, {}, (), 0.0) == "D-1 has not been heard yet"
    idle = told(HOME, Phase.NOT_READY, not_ready=("no GPS",))
    assert describe.sentence(idle, None, {}, (), 0.0) == "D-1 is not ready: no GPS, 41 % battery"
    stuck = told(HOME, Phase.READY)
    assert "waits for a person: P-1 aboard" in describe.sentence(stuck, None, {}, ("P-1",), 0.0)


@pytest.mark.parametrize("late_s", [-60.0, 60.0])
def test_an_expected_arrival_is_never_in_the_past(late_s: float) -> None:
    now = START + timedelta(minutes=5, seconds=late_s)
    eta = describe.eta_of(
        "P-1", task(AIR), P.IN_TRANSIT, now=now, telemetry=told(TURN), speed_mps=10.0
    )
    assert eta is not None
    assert eta >= now
    if late_s > 0:
        assert (eta - now).total_seconds() == pytest.approx(geodesic_m(TURN, DROP) / 10.0)


def test_what_is_over_or_coming_back_has_no_arrival() -> None:
    for state in (P.DELIVERED, P.RETURNING, P.STRANDED, P.REFUSED):
        assert (
            describe.eta_of("P-1", task(AIR), state, now=START, telemetry=None, speed_mps=1.0)
            is None
        )


def test_a_release_that_nobody_watched_is_proved_by_the_plan_and_says_so() -> None:
    parcel = record("P-1", P.IN_TRANSIT).parcel
    proof = make_proof(parcel, AIR, at=START, seen_at=None, evidence=("read back",))
    assert proof.position == DROP
    assert "not watched" in proof.evidence[-1]


async def test_a_slow_subscriber_gets_the_newest_and_then_a_resync() -> None:
    hub = Hub(limit=3)
    async with hub.updates() as updates:
        for number in range(3):
            hub.publish("z", Update("zones", str(number)))
        async with asyncio.timeout(1.0):
            assert await anext(updates) == Update("zones", "2")
        for number in range(5):
            hub.publish(f"z{number}", Update("zones", str(number)))
        async with asyncio.timeout(1.0):
            assert await anext(updates) == Update("resync", None)
            assert await anext(updates) == Update("zones", "4")
        assert hub.watched
    assert not hub.watched


HAPPENINGS = [
    *("preparing", "loaded", "unloaded", "started", "take", "released", "delivered"),
    *("coming_back", "finished", "failed_home", "failed_away", "unknown"),
]


@given(
    st.lists(st.tuples(st.sampled_from(HAPPENINGS), st.sampled_from(["P-1", "P-2"])), max_size=30),
    st.booleans(),
)
def test_whatever_happens_a_parcel_is_released_at_most_once_and_never_in_nobodys_hands(
    happenings: list[tuple[str, str]], air: bool
) -> None:
    mission: Mission = replace(AIR, mission_id="x") if air else ROUND
    parcels = {i: record(i, P.ASSIGNED) for i in ("P-1", "P-2")}
    now = task(mission, A.OPEN, "P-1", "P-2")
    releases = {"P-1": 0, "P-2": 0}
    numbers = iter(range(10_000))
    for name, parcel_id in happenings:
        draft = Draft(parcels, now=START, ids=lambda p: f"{p}-{next(numbers)}")
        try:
            happen(draft, name, parcel_id, now)
        except TransitionError:
            continue
        changes = draft.changes()
        for step in changes.parcels:
            assert step.after.custodian.kind is CUSTODY[step.after.state]
            releases[step.after.parcel.parcel_id] += step.after.state is P.RELEASED
            parcels[step.after.parcel.parcel_id] = step.after
        for done in changes.assignments:
            now = done.after
        if now.assignment.state not in OPEN_ASSIGNMENT:
            break
    assert max(releases.values()) <= 1
    if now.assignment.state not in OPEN_ASSIGNMENT:
        left = {parcels[i].state for i in parcels}
        assert not left & {P.ASSIGNED, P.PREPARING, P.IN_TRANSIT, P.RETURNING, P.RELEASED}


def happen(draft: Draft, name: str, parcel_id: str, now: AssignmentRecord) -> None:
    retry = Retry(3, 1.0)
    vehicle = now.assignment.vehicle_id
    parcel = draft.parcel(parcel_id).parcel
    proof = make_proof(parcel, now.mission, at=START, seen_at=DROP, evidence=("seen",))
    acts: dict[str, Any] = {
        "preparing": lambda: steps.preparing(draft, now),
        "loaded": lambda: steps.loaded(draft, now),
        "unloaded": lambda: steps.unloaded(draft, now, "lost"),
        "started": lambda: steps.started(draft, now),
        "take": lambda: steps.take(draft, steps.started(draft, now), parcel_id),
        "released": lambda: steps.released(draft, steps.started(draft, now), parcel_id, proof),
        "delivered": lambda: steps.delivered(draft, parcel_id),
        "coming_back": lambda: steps.coming_back(draft, now, (parcel_id,), f"{vehicle} turned"),
        "finished": lambda: steps.finished(
            draft, steps.started(draft, now), Rest("hub", ""), retry
        ),
        "failed_home": lambda: steps.failed(draft, now, Rest("hub", "wind"), retry),
        "failed_away": lambda: steps.failed(draft, now, Rest("", "wind"), retry),
        "unknown": lambda: steps.unknown(draft, now, "who knows"),
    }
    acts[name]()
