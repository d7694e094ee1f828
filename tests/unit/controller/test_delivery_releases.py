"""Robots' requests to enter a passage: granted, queued, turned away, renewed."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.delivery.releases import AGAIN_S, REPEAT_S, Releases, judge
from controller.network.leases import LeaseBook
from controller.safety.board import AlarmBoard
from missions.passages import Claim, Need, Way
from tests.support.clock import ManualClock
from vehicles.port import LinkState, Telemetry
from vehicles.zonekeeping import Grant, PassageRequest

LANE = "narrow:lane"
NEED = Need(LANE, Way.BOTH)
ASKED = PassageRequest("q1", LANE, LANE, granted=False)
INSIDE = replace(ASKED, granted=True)
LAPSED = replace(ASKED, lapsed=True)
NOBODY: dict[str, frozenset[str]] = {}
AHEAD = frozenset({LANE})


def book(*vehicles: str) -> LeaseBook:
    """Robots that are on rounds of three nodes through the lane, in their order."""
    made = LeaseBook()
    for vehicle in vehicles:
        made.enter(vehicle, f"a-{vehicle}", [Claim(0, 2, (NEED,))], 3)
    made.grant()
    return made


def test_who_has_it_is_let_in_and_who_comes_behind_waits() -> None:
    leases = book("r1", "r2")
    assert judge(leases, "r1", ASKED, ahead=AHEAD, inside=NOBODY).grant is Grant.GRANTED
    behind = judge(leases, "r2", ASKED, ahead=AHEAD, inside=NOBODY)
    assert (behind.grant, behind.reason) == (Grant.QUEUED, "it waits for r1")


def test_who_has_no_business_there_is_turned_away_with_the_reason() -> None:
    leases = book("r1")
    no = judge(leases, "r3", ASKED, ahead=frozenset(), inside=NOBODY)
    assert (no.grant, no.reason) == (Grant.REJECTED, f"no round of it leads through {LANE}")
    strange = replace(ASKED, passage_id="", zone_id="z9")
    no = judge(leases, "r1", strange, ahead=AHEAD, inside=NOBODY)
    assert (no.grant, no.reason) == (Grant.REJECTED, "z9 is no passage of its zones")


def test_nobody_is_let_in_to_one_who_is_not_out_by_its_own_word() -> None:
    leases = book("r1", "r2")
    leases.passed("r1", 2)
    leases.grant()
    assert set(leases.holders()[LANE]) == {"r2"}
    inside = {LANE: frozenset({"r1"})}
    waits = judge(leases, "r2", ASKED, ahead=AHEAD, inside=inside)
    assert (waits.grant, waits.reason) == (Grant.QUEUED, f"r1 is not out of {LANE}")
    # the one that is inside is not stopped there, and not promised what another has
    stays = judge(leases, "r1", INSIDE, ahead=AHEAD, inside=inside)
    assert (stays.grant, "which r2 has now" in stays.reason) == (None, True)


@pytest.mark.parametrize("request_", [INSIDE, LAPSED])
def test_one_that_is_inside_of_what_nobody_has_goes_on(request_: PassageRequest) -> None:
    inside = {LANE: frozenset({"r1"})}
    assert judge(LeaseBook(), "r1", request_, ahead=AHEAD, inside=inside).grant is Grant.GRANTED


@given(
    st.lists(st.sampled_from(["r1", "r2", "r3"]), unique=True),
    st.lists(st.tuples(st.sampled_from(["r1", "r2", "r3"]), st.integers(0, 3)), max_size=8),
    st.lists(st.sampled_from(["r1", "r2", "r3"]), unique=True),
)
def test_a_new_grant_never_meets_another_robot(
    vehicles: list[str], moves: list[tuple[str, int]], within: list[str]
) -> None:
    leases = book(*vehicles)
    for vehicle, node in moves:
        leases.passed(vehicle, node)
        leases.grant()
    inside = {LANE: frozenset(within)}
    granted = {
        v
        for v in ("r1", "r2", "r3")
        if v not in within
        and judge(leases, v, ASKED, ahead=AHEAD, inside=inside).grant is Grant.GRANTED
    }
    # an exclusive lane: one that is let in anew is alone, by the book and by every robot's word
    holders = set(leases.holders().get(LANE, {}))
    assert granted <= holders
    if granted:
        assert set(within) <= holders


class Rig:
    """Releases over robots whose requests are set by hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.book = book("r1", "r2")
        self.kept = True
        self.asked: dict[str, tuple[PassageRequest, ...]] = {}
        self.said: list[tuple[str, str, str, float | None]] = []
        self.link = LinkState.ONLINE
        self.board = AlarmBoard(self.clock, lambda kind: kind, lambda _: None)
        turns = SimpleNamespace(
            book=self.book, is_kept=lambda v: self.kept, passages_of=lambda v: AHEAD
        )
        self.releases = Releases(
            processes={v: SimpleNamespace(owner=Owner(self, v)) for v in ("r1", "r2")},
            turns=turns,
            board=self.board,
            clock=self.clock,
            lease_s=60.0,
        )

    async def look(self, after_s: float = 0.0) -> list[tuple[str, str, str, float | None]]:
        if after_s:
            await self.clock.advance(after_s)
        self.said.clear()
        self.releases.look()
        return list(self.said)


class Owner:
    def __init__(self, rig: Rig, vehicle_id: str) -> None:
        self.rig, self.vehicle_id = rig, vehicle_id

    @property
    def telemetry(self) -> Telemetry:
        return Telemetry(self.vehicle_id, link=self.rig.link)

    @property
    def passage_requests(self) -> tuple[PassageRequest, ...]:
        return self.rig.asked.get(self.vehicle_id, ())

    def answer(self, request_id: str, grant: Grant, lease_s: float | None) -> None:
        self.rig.said.append((self.vehicle_id, request_id, grant.value, lease_s))


async def test_a_grant_is_repeated_until_it_shows_and_renewed_before_it_ends() -> None:
    rig = Rig()
    rig.asked["r1"] = (ASKED,)
    granted = ("r1", "q1", "GRANTED", 60.0)
    assert await rig.look() == [granted]
    assert await rig.look(AGAIN_S / 2) == []
    assert await rig.look(AGAIN_S) == [granted]
    rig.asked["r1"] = (INSIDE,)
    assert await rig.look(25.0) == []
    assert await rig.look(10.0) == [granted]
    rig.asked["r1"] = (LAPSED,)
    assert await rig.look(AGAIN_S) == [granted]
    rig.asked.clear()
    assert await rig.look(100.0) == []
    rig.asked["r1"] = (ASKED,)
    assert await rig.look() == [granted]


async def test_a_queued_one_hears_it_again_and_is_let_in_when_the_way_is_free() -> None:
    rig = Rig()
    rig.asked["r2"] = (ASKED,)
    assert await rig.look() == [("r2", "q1", "QUEUED", None)]
    assert await rig.look(REPEAT_S / 2) == []
    assert await rig.look(REPEAT_S) == [("r2", "q1", "QUEUED", None)]
    rig.book.passed("r1", 2)
    rig.book.grant()
    assert await rig.look() == [("r2", "q1", "GRANTED", 60.0)]


async def test_what_the_store_has_not_got_is_not_answered() -> None:
    rig = Rig()
    rig.asked["r1"] = (ASKED,)
    rig.kept = False
    assert await rig.look() == []
    rig.kept = True
    assert len(await rig.look()) == 1


async def test_a_robot_that_is_not_heard_is_told_nothing_and_keeps_its_lease() -> None:
    rig = Rig()
    rig.asked["r1"] = (INSIDE,)
    rig.link = LinkState.STALE
    for _ in range(5):
        assert await rig.look(60.0) == []
    assert set(rig.book.holders()[LANE]) == {"r1"}
    rig.link = LinkState.ONLINE
    assert await rig.look() == [("r1", "q1", "GRANTED", 60.0)]


async def test_a_rejection_is_an_alarm_that_ends_with_the_request() -> None:
    rig = Rig()
    rig.asked["r1"] = (replace(ASKED, passage_id="", zone_id="z9"),)
    assert await rig.look() == [("r1", "q1", "REJECTED", None)]
    (alarm,) = rig.board.alarms()
    assert "z9 is no passage of its zones" in alarm.cause
    rig.asked.clear()
    await rig.look()
    assert rig.board.alarms() == []


async def test_without_streets_nobody_is_let_in() -> None:
    rig = Rig()
    rig.releases._turns = None
    rig.asked["r1"] = (ASKED,)
    assert await rig.look() == [("r1", "q1", "REJECTED", None)]
