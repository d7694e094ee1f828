"""Transfers that are some items ahead of what the vehicle has asked for."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.test_mavlink_transfers import (
    US,
    VEHICLE,
    Air,
    Faults,
    Storage,
    drive,
    faults,
    mission,
)
from vehicles.mavlink.items import differences, translate
from vehicles.mavlink.messages import MissionAck, MissionCount, MissionRequest
from vehicles.mavlink.mission_transfer import LOST_AFTER_S, MissionDownload, MissionUpload


def numbers(messages: list) -> list[int]:
    return [message.seq for message in messages]


@settings(max_examples=150, deadline=None)
@given(
    faults,
    st.integers(0, 2**32),
    st.integers(0, 12),
    st.integers(0, 2),
    st.integers(2, 20),
    st.booleans(),
    st.sampled_from([None, "right", "wrong"]),
)
def test_a_read_back_never_passes_what_the_vehicle_does_not_hold(
    fault: Faults,
    seed: int,
    old_stops: int,
    refusals: int,
    ahead: int,
    unasked: bool,
    expects: str | None,
) -> None:
    old, new = translate(mission(50.0, old_stops)), translate(mission(30.0, 5))
    vehicle, air = Storage(list(old.items)), Air(fault, seed)
    vehicle.boot_refusals = refusals
    expected = {None: None, "right": new.count, "wrong": new.count + 3}[expects]
    items = new.messages(*VEHICLE)
    upload = drive(MissionUpload(items, *VEHICLE, ahead=ahead, unasked=unasked), vehicle, air)
    read = drive(MissionDownload(*VEHICLE, ahead=ahead, expected=expected), vehicle, air)
    if read.items is not None and not differences(new, read.items):
        assert not differences(new, tuple(vehicle.items))
    if read.items is not None:
        assert [item.seq for item in read.items] == list(range(len(read.items)))
    if upload.accepted and not upload.reason and fault.jitter_s == 0.0:
        assert not differences(new, tuple(vehicle.items))


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**32),
    st.floats(0.0, 0.2),
    st.floats(0.0, 0.2),
    st.integers(2, 20),
    st.booleans(),
)
def test_transfers_succeed_at_up_to_a_fifth_lost(
    seed: int, loss: float, duplicate: float, ahead: int, unasked: bool
) -> None:
    old, new = translate(mission(50.0, 9)), translate(mission(30.0, 5))
    vehicle, air = Storage(list(old.items)), Air(Faults(loss, duplicate, 0.05, 0.1), seed)
    items, expected = new.messages(*VEHICLE), new.count if unasked else None
    upload = drive(MissionUpload(items, *VEHICLE, ahead=ahead, unasked=unasked), vehicle, air)
    assert upload.accepted
    read = drive(MissionDownload(*VEHICLE, ahead=ahead, expected=expected), vehicle, air)
    assert read.items is not None, read.reason
    assert differences(new, read.items) == ()


def test_a_good_link_takes_a_few_round_trips() -> None:
    new = translate(mission(30.0, 9))

    def seconds(ahead: int, *, unasked: bool = False) -> float:
        vehicle, air = Storage([]), Air(Faults(delay_s=0.1), 1)
        items, expected = new.messages(*VEHICLE), new.count if unasked else None
        drive(MissionUpload(items, *VEHICLE, ahead=ahead, unasked=unasked), vehicle, air)
        drive(MissionDownload(*VEHICLE, ahead=ahead, expected=expected), vehicle, air)
        assert not differences(new, tuple(vehicle.items))
        return air.now_s

    assert seconds(6) < 0.45 * seconds(1)
    assert seconds(6, unasked=True) <= seconds(6) - 0.2


def test_what_was_sent_ahead_is_sent_again_only_where_it_is_asked_for_late() -> None:
    upload = MissionUpload(translate(mission(30.0, 9)).messages(*VEHICLE), *VEHICLE, ahead=3)
    upload.start(0.0)
    assert numbers(upload.receive(MissionRequest(0, *US, 0), 0.1)) == [0, 1, 2]
    assert numbers(upload.receive(MissionRequest(1, *US, 0), 0.2)) == [3]
    assert numbers(upload.receive(MissionRequest(1, *US, 0), 0.2)) == []
    assert upload.receive(MissionAck(*US, 13, 0), 0.3) == []
    late_s = 0.1 + LOST_AFTER_S
    assert numbers(upload.receive(MissionRequest(1, *US, 0), late_s)) == [1, 2, 3]
    assert upload.result is None


def test_an_acceptance_before_everything_was_sent_proves_nothing() -> None:
    items = translate(mission(30.0, 2)).messages(*VEHICLE)
    upload = MissionUpload(items, *VEHICLE, ahead=3)
    upload.start(0.0)
    upload.receive(MissionRequest(0, *US, 0), 0.1)
    upload.receive(MissionAck(*US, 0, 0), 0.1)
    assert upload.result is None
    for seq in range(1, len(items)):
        upload.receive(MissionRequest(seq, *US, 0), 0.2)
    upload.receive(MissionAck(*US, 0, 0), 0.3)
    assert upload.result is not None
    assert upload.result.accepted


def test_items_that_come_out_of_order_are_read_in_order() -> None:
    held = translate(mission(30.0, 3)).items
    read = MissionDownload(*VEHICLE, ahead=4)
    read.start(0.0)
    assert numbers(read.receive(MissionCount(len(held), *US, 0), 0.1)) == [0, 1, 2, 3]
    theirs = [item._replace(target_system=255, target_component=190) for item in held]
    assert read.receive(theirs[6], 0.2) == []
    # two at once: half of what may be under way
    assert read.receive(theirs[1], 0.2) == []
    assert read.receive(theirs[1], 0.2) == []
    assert numbers(read.receive(theirs[0], 0.2)) == [4, 5]
    assert numbers(read.tick(9.0)) == [2, 3, 4, 5]
    for item in reversed(theirs[2:6]):
        read.receive(item, 9.1)
    for item in theirs[6:]:
        read.receive(item, 9.2)
    assert read.result is not None
    assert read.result.items is not None
    assert [item.seq for item in read.result.items] == list(range(len(held)))


def test_the_first_items_may_go_with_the_count_and_are_not_sent_twice() -> None:
    items = translate(mission(30.0, 9)).messages(*VEHICLE)
    upload = MissionUpload(items, *VEHICLE, ahead=6, unasked=True)
    first = upload.start(0.0)
    assert first[0].get_type() == "MISSION_COUNT"
    assert numbers(first[1:]) == [0, 1, 2, 3, 4, 5]
    sent = [numbers(upload.receive(MissionRequest(seq, *US, 0), 0.1)) for seq in range(len(items))]
    assert sent[:4] == [[], [], [], [6, 7, 8]]
    assert sorted(n for some in sent for n in some) == list(range(6, len(items)))


def test_an_item_whose_count_was_lost_has_the_count_sent_again_and_costs_no_attempt() -> None:
    items = translate(mission(30.0, 2)).messages(*VEHICLE)
    upload = MissionUpload(items, *VEHICLE, attempts=1, ahead=6, unasked=True)
    upload.start(0.0)
    upload.receive(MissionAck(*US, 1, 0), 0.1)
    assert upload.result is None
    assert upload.tick(0.5) == []
    again = upload.tick(0.1 + LOST_AFTER_S)
    assert [message.get_type() for message in again] == ["MISSION_COUNT"]
    assert numbers(upload.receive(MissionRequest(0, *US, 0), 1.0)) == [0, 1, 2, 3, 4, 5]
    # once it has asked for an item, the same word is its own
    upload.receive(MissionAck(*US, 1, 0), 1.1)
    upload.tick(9.0)
    assert upload.result is not None
    assert not upload.result.accepted


def test_an_acceptance_of_what_was_never_asked_for_is_of_an_earlier_conversation() -> None:
    items = translate(mission(30.0, 0)).messages(*VEHICLE)
    upload = MissionUpload(items, *VEHICLE, ahead=20, unasked=True)
    assert len(upload.start(0.0)) == len(items) + 1
    upload.receive(MissionAck(*US, 0, 0), 0.1)
    assert upload.result is None
    # nor does its silence say that it has everything
    assert [message.get_type() for message in upload.tick(5.0)] == ["MISSION_COUNT"]
    assert upload.result is None


def test_what_was_expected_and_is_there_is_read_in_one_go() -> None:
    held = translate(mission(30.0, 9)).items
    theirs = [item._replace(target_system=255, target_component=190) for item in held]
    read = MissionDownload(*VEHICLE, ahead=6, expected=len(held))
    first = read.start(0.0)
    assert first[0].get_type() == "MISSION_REQUEST_LIST"
    assert numbers(first[1:]) == [0, 1, 2, 3, 4, 5]
    # the count may come late, or be asked for again
    assert read.receive(theirs[1], 0.1) == []
    assert read.receive(MissionCount(len(held), *US, 0), 0.2) == []
    assert read.receive(theirs[0], 0.2) == []
    assert numbers(read.receive(theirs[2], 0.2)) == [6, 7, 8]


def test_what_was_expected_and_is_not_there_is_read_as_it_is() -> None:
    held = translate(mission(30.0, 1)).items
    theirs = [item._replace(target_system=255, target_component=190) for item in held]
    read = MissionDownload(*VEHICLE, ahead=6, expected=len(held) + 9)
    read.start(0.0)
    read.receive(theirs[0], 0.1)
    read.receive(MissionAck(*US, 1, 0), 0.1)
    assert [message.get_type() for message in read.tick(9.0)] == ["MISSION_REQUEST_LIST"]
    assert numbers(read.receive(MissionCount(len(held), *US, 0), 9.1))[:6] == [0, 1, 2, 3, 4, 5]


def test_a_single_item_that_lacks_in_the_middle_is_asked_for_again() -> None:
    held = translate(mission(30.0, 3)).items
    theirs = [item._replace(target_system=255, target_component=190) for item in held]
    read = MissionDownload(*VEHICLE, ahead=6)
    read.start(0.0)
    read.receive(MissionCount(len(held), *US, 0), 0.1)
    for item in theirs:
        if item.seq != 3:
            read.receive(item, 0.2)
    assert numbers(read.tick(9.0)) == [3]
