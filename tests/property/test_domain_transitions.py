from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.errors import CustodyError, TransitionError
from controller.domain.model import AssignmentState, Custodian, CustodianKind, ParcelState
from controller.domain.transitions import (
    ABOARD,
    ASSIGNMENT_STEPS,
    CUSTODY,
    FINAL_PARCEL,
    OPEN_ASSIGNMENT,
    PARCEL_STEPS,
    check_step,
    hand_over,
    may_follow,
)

STATES = list(ParcelState)
HOLDER = {
    CustodianKind.SITE: Custodian(CustodianKind.SITE, "hub"),
    CustodianKind.VEHICLE: Custodian(CustodianKind.VEHICLE, "D-1"),
    CustodianKind.RECIPIENT: Custodian(CustodianKind.RECIPIENT, "P-1"),
}


def test_the_tables_know_every_state() -> None:
    assert set(PARCEL_STEPS) == set(ParcelState) == set(CUSTODY)
    assert set(ASSIGNMENT_STEPS) == set(AssignmentState)


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("after", STATES)
def test_every_pair_is_allowed_or_refused_by_name(before: ParcelState, after: ParcelState) -> None:
    if after in PARCEL_STEPS[before]:
        check_step("P-1", PARCEL_STEPS, before, after)
    else:
        with pytest.raises(TransitionError, match=f"P-1: no step leads from {before}"):
            check_step("P-1", PARCEL_STEPS, before, after)


@pytest.mark.parametrize("before", list(AssignmentState))
@pytest.mark.parametrize("after", list(AssignmentState))
def test_an_ended_assignment_never_opens(before: AssignmentState, after: AssignmentState) -> None:
    if may_follow(ASSIGNMENT_STEPS, before, after):
        assert before in OPEN_ASSIGNMENT


def reach(start: ParcelState) -> set[ParcelState]:
    seen, todo = {start}, [start]
    while todo:
        for after in PARCEL_STEPS[todo.pop()] - seen:
            seen.add(after)
            todo.append(after)
    return seen


def test_every_state_is_reached_and_leads_to_an_end() -> None:
    assert reach(ParcelState.SUBMITTED) == set(ParcelState)
    for state in ParcelState:
        assert reach(state) & FINAL_PARCEL


def test_a_recipient_never_gives_a_parcel_back() -> None:
    for state in (ParcelState.RELEASED, ParcelState.DELIVERED):
        assert all(CUSTODY[s] is CustodianKind.RECIPIENT for s in reach(state))


def test_delivered_is_reached_through_release_alone() -> None:
    befores = {s for s in ParcelState if ParcelState.DELIVERED in PARCEL_STEPS[s]}
    assert befores == {ParcelState.RELEASED}


def test_what_is_aboard_is_never_offered_to_another() -> None:
    for state in ABOARD:
        assert ParcelState.SUBMITTED not in PARCEL_STEPS[state]
        assert ParcelState.CANCELLED not in PARCEL_STEPS[state]


@given(st.lists(st.integers(0, 10), max_size=40))
def test_on_every_walk_exactly_one_has_the_parcel(choices: list[int]) -> None:
    state = ParcelState.SUBMITTED
    holder = HOLDER[CustodianKind.SITE]
    for choice in choices:
        steps = sorted(PARCEL_STEPS[state])
        if not steps:
            break
        state = steps[choice % len(steps)]
        kind = CUSTODY[state]
        holder = hand_over("P-1", holder, state, None if kind is holder.kind else HOLDER[kind])
        assert holder.kind is kind


@given(st.sampled_from(STATES), st.sampled_from(list(CustodianKind)), st.booleans())
def test_custody_by_the_wrong_kind_or_nobody_is_refused(
    state: ParcelState, kind: CustodianKind, named: bool
) -> None:
    to = Custodian(kind, "x" if named else "")
    if kind is CUSTODY[state] and named:
        assert hand_over("P-1", to, state) == to
    else:
        with pytest.raises(CustodyError, match="P-1"):
            hand_over("P-1", HOLDER[CustodianKind.SITE], state, to)
