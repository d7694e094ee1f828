"""Upload and download against PX4's mission store, under loss, duplication, reordering and delay.

The store here is a small model of mavlink_mission.cpp: a list is received beside the old one and
taken over when it is whole, a COUNT in between is answered with ERROR and changes nothing, an item
out of turn is not answered, a request out of turn ends a download with ERROR; 5 s of silence end
either.
"""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.test_mavlink_transfers import (
    US,
    VEHICLE,
    Air,
    Faults,
    drive,
    faults,
    mission,
)
from vehicles.mavlink.items import Plan, differences
from vehicles.mavlink.messages import (
    Message,
    MissionAck,
    MissionCount,
    MissionItemInt,
    MissionRequestInt,
)
from vehicles.mavlink.mission_transfer import MissionDownload, MissionUpload
from vehicles.mavlink.profiles.px4 import SHRUGGED
from vehicles.mavlink.profiles.px4_items import translate

ACCEPTED, ERROR = 0, 1
TIMEOUT_S, AGAIN_S = 5.0, 0.5


class Px4Store:
    """PX4's two lists and its one conversation: nothing, receiving or sending."""

    def __init__(self, items: tuple[MissionItemInt, ...]) -> None:
        self.items = [_kept(item) for item in items]
        self.state = "idle"
        self.coming: list[MissionItemInt] = []
        self.seq = self.count = 0
        self.heard_s = self.said_s = 0.0
        self.takeovers = 0

    def receive(self, message: Any, now_s: float) -> list[Message]:
        match message.get_type():
            case "MISSION_COUNT":
                return self._counted(message.count, now_s)
            case "MISSION_ITEM_INT":
                return self._item(message, now_s)
            case "MISSION_REQUEST_LIST":
                return self._list(now_s)
            case "MISSION_REQUEST_INT":
                return self._requested(message.seq, now_s)
            case "MISSION_ACK" if self.state == "sending":
                self.state = "idle"
        return []

    def _counted(self, count: int, now_s: float) -> list[Message]:
        if self.state == "sending" or (self.state == "receiving" and self.seq):
            if self.state == "receiving":
                self.heard_s = now_s
            return [MissionAck(*US, ERROR, 0)]
        if self.state == "idle":
            self.state, self.seq, self.count, self.coming = "receiving", 0, count, []
        self.heard_s = now_s
        return self._ask(now_s)

    def _ask(self, now_s: float) -> list[Message]:
        self.said_s = now_s
        return [MissionRequestInt(self.seq, *US, 0)]

    def _item(self, message: Any, now_s: float) -> list[Message]:
        if self.state != "receiving":
            again = self.state == "idle" and self.seq == message.seq + 1
            return [MissionAck(*US, ACCEPTED if again else ERROR, 0)]
        self.heard_s = now_s
        if message.seq != self.seq:
            return []
        fields = [getattr(message, name) for name in MissionItemInt.__struct_fields__]
        self.coming.append(_kept(MissionItemInt(*fields)))
        self.seq += 1
        if self.seq < self.count:
            return self._ask(now_s)
        self.items, self.state = self.coming, "idle"
        self.takeovers += 1
        return [MissionAck(*US, ACCEPTED, 0)]

    def _list(self, now_s: float) -> list[Message]:
        if self.state == "receiving":
            return []
        self.state, self.seq, self.heard_s = "sending", 0, now_s
        return [MissionCount(len(self.items), *US, 0)]

    def _requested(self, seq: int, now_s: float) -> list[Message]:
        if self.state != "sending":
            return []
        self.heard_s = now_s
        if seq not in {self.seq, self.seq - 1} or seq >= len(self.items):
            self.state = "idle"
            return [MissionAck(*US, ERROR, 0)]
        self.seq = max(self.seq, seq + 1)
        item = self.items[seq]
        frame = 6 if item.frame == 3 else item.frame
        return [item._replace(frame=frame, target_system=255, target_component=190)]

    def tick(self, now_s: float) -> list[Message]:
        if self.state != "idle" and now_s - self.heard_s > TIMEOUT_S:
            self.state = "idle"
        if self.state == "receiving" and now_s - self.said_s > AGAIN_S:
            return self._ask(now_s)
        return []


def _kept(item: MissionItemInt) -> MissionItemInt:
    """Heights and parameters as 32-bit floats."""
    names = ("param1", "param2", "param3", "param4", "z")
    return item._replace(
        **{n: struct.unpack("<f", struct.pack("<f", getattr(item, n)))[0] for n in names}
    )


def upload(plan: Plan) -> MissionUpload:
    return MissionUpload(plan.messages(*VEHICLE), *VEHICLE, shrugged=SHRUGGED)


@settings(max_examples=150, deadline=None)
@given(faults, st.integers(0, 2**32), st.integers(0, 12))
def test_what_it_holds_is_the_old_list_or_the_new_one_and_read_back_tells_which(
    fault: Faults, seed: int, old_stops: int
) -> None:
    old, new = translate(mission(50.0, old_stops)), translate(mission(30.1, 5))
    vehicle, air = Px4Store(old.items), Air(fault, seed)
    sent = drive(upload(new), vehicle, air)
    whole = tuple(vehicle.items)
    assert not differences(new, whole) or not differences(old, whole)
    if sent.accepted and not sent.reason:
        assert vehicle.takeovers
    read = drive(MissionDownload(*VEHICLE), vehicle, air)
    if read.items is not None:
        assert differences(new, read.items) == differences(new, tuple(vehicle.items))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.0, 0.2), st.floats(0.0, 0.2), st.floats(0.0, 0.6))
def test_uploads_succeed_at_up_to_a_fifth_lost_and_doubled(
    seed: int, loss: float, duplicate: float, jitter_s: float
) -> None:
    old, new = translate(mission(50.0, 9)), translate(mission(30.1, 5))
    vehicle, air = Px4Store(old.items), Air(Faults(loss, duplicate, 0.05, jitter_s), seed)
    sent = drive(upload(new), vehicle, air)
    assert sent.accepted, sent.reason
    read = drive(MissionDownload(*VEHICLE), vehicle, air)
    assert read.items is not None, read.reason
    assert differences(new, read.items) == ()


def test_a_count_that_comes_twice_is_called_an_error_and_ends_nothing() -> None:
    new = translate(mission(30.1, 2))
    begun = upload(new)
    begun.start(0.0)
    begun.receive(MissionRequestInt(0, *US, 0), 0.1)
    begun.receive(MissionAck(*US, ERROR, 0), 0.2)
    assert begun.result is None
    for seq in range(1, new.count):
        (sent,) = begun.receive(MissionRequestInt(seq, *US, 0), 0.3)
        assert sent.seq == seq
    begun.receive(MissionAck(*US, ACCEPTED, 0), 0.4)
    assert begun.result is not None
    assert begun.result.accepted
