"""Fence and rally transfers under faults, against the light copter's side of the protocol."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mav

from geofence.formats.onboard import FenceItem, FenceKind
from geofence.frames import LatLon
from sitl.copter.items import Item
from sitl.copter.stores import FenceStore, RallyStore
from sitl.copter.transfer import ItemTransfer
from tests.property.test_mavlink_transfers import US, VEHICLE, Air, Faults, drive, faults
from vehicles.mavlink.lists import (
    FENCE,
    RALLY,
    fence_form,
    fence_items,
    list_differences,
    list_hash,
    messages,
    rally_form,
    rally_items,
)
from vehicles.mavlink.messages import (
    Message,
    MissionAck,
    MissionCount,
    MissionItemInt,
    MissionRequest,
)
from vehicles.mavlink.mission_transfer import MissionDownload, MissionUpload
from vehicles.port import RallyPlace


class Lists:
    """One store of the light copter behind its transfer, as `drive` takes a vehicle."""

    def __init__(self, mission_type: int) -> None:
        self.store: Any = (
            FenceStore(lambda *_: None, lambda _: None)
            if mission_type == FENCE
            else RallyStore(lambda _: None)
        )
        self._out: list[Any] = []
        self._transfer = ItemTransfer(self.store, self._out.append, lambda *_: None)

    def receive(self, message: Any, now_s: float) -> list[Message]:
        match message.get_type():
            case "MISSION_COUNT":
                self._transfer.on_count(message, US, now_s)
            case "MISSION_ITEM_INT":
                self._transfer.on_item(message, US, now_s)
            case "MISSION_REQUEST_LIST":
                self._transfer.on_request_list(US)
            case "MISSION_REQUEST_INT":
                self._transfer.on_request(message, US, as_float=False)
        return self._sent()

    def tick(self, now_s: float) -> list[Message]:
        self._transfer.tick(now_s)
        return self._sent()

    def held(self) -> tuple[MissionItemInt, ...]:
        return tuple(_item(n, i, self.store.mission_type) for n, i in enumerate(self.store.items))

    def _sent(self) -> list[Message]:
        out, self._out[:] = list(self._out), []
        return [_ours(message) for message in out]


def _item(seq: int, i: Item, kind: int) -> MissionItemInt:
    return MissionItemInt(
        i.p1, i.p2, i.p3, i.p4, i.x, i.y, i.z, seq, i.command, *US, i.frame, 0, 1, kind
    )


def _ours(m: Any) -> Message:
    match m.get_type():
        case "MISSION_REQUEST":
            return MissionRequest(m.seq, *US, m.mission_type)
        case "MISSION_ACK":
            return MissionAck(*US, m.type, m.mission_type)
        case "MISSION_COUNT":
            return MissionCount(m.count, *US, m.mission_type)
    return MissionItemInt(
        m.param1, m.param2, m.param3, m.param4, m.x, m.y, m.z, m.seq, m.command, *US, m.frame,
        0, 1, m.mission_type,
    )  # fmt: skip


places = st.builds(
    LatLon, st.floats(-80, 80, allow_nan=False), st.floats(-179, 179, allow_nan=False)
)
rings = st.lists(places, min_size=3, max_size=8).map(
    lambda ring: FenceItem(FenceKind.POLYGON_EXCLUSION, "z", tuple(ring))
)
circles = st.builds(
    lambda at, radius_m: FenceItem(
        FenceKind.CIRCLE_EXCLUSION, "z", center=at, radius_m=float(radius_m)
    ),
    places,
    st.integers(1, 5000),
)
fences = st.lists(st.one_of(rings, circles), max_size=5).map(fence_items)
rallies = st.lists(st.builds(RallyPlace, places, st.floats(-50, 300)), max_size=8).map(rally_items)


def put(items: tuple[MissionItemInt, ...], kind: int) -> MissionUpload:
    return MissionUpload(messages(items, *VEHICLE), *VEHICLE, mission_type=kind)


@settings(max_examples=80, deadline=None)
@given(faults, st.integers(0, 2**32), fences, fences)
def test_a_fence_is_the_old_one_or_the_new_one_and_reading_tells_which(
    fault: Faults, seed: int, old: Any, new: Any
) -> None:
    vehicle, air = Lists(FENCE), Air(Faults(), seed)
    assert drive(put(old, FENCE), vehicle, air).accepted  # type: ignore[arg-type]
    air.faults = fault
    upload = drive(put(new, FENCE), vehicle, air)  # type: ignore[arg-type]
    # what is still on its way arrives before it is judged
    air.faults = Faults()
    read = drive(MissionDownload(*VEHICLE, mission_type=FENCE), vehicle, air)  # type: ignore[arg-type]
    assert read.items is not None
    held = list_hash(vehicle.held(), fence_form)
    assert held in {list_hash(old, fence_form), list_hash(new, fence_form)}
    assert list_hash(read.items, fence_form) == held
    if upload.accepted and not upload.reason:
        assert list_differences(new, read.items, fence_form) == ()


@settings(max_examples=80, deadline=None)
@given(faults, st.integers(0, 2**32), rallies, rallies)
def test_a_rally_list_that_reads_back_is_the_one_that_was_sent(
    fault: Faults, seed: int, old: Any, new: Any
) -> None:
    vehicle, air = Lists(RALLY), Air(Faults(), seed)
    assert drive(put(old, RALLY), vehicle, air).accepted  # type: ignore[arg-type]
    air.faults = fault
    drive(put(new, RALLY), vehicle, air)  # type: ignore[arg-type]
    read = drive(MissionDownload(*VEHICLE, mission_type=RALLY), vehicle, air)  # type: ignore[arg-type]
    if read.items is not None and not list_differences(new, read.items, rally_form):
        assert list_hash(vehicle.held(), rally_form) == list_hash(new, rally_form)


def test_an_empty_list_is_taken_on_the_vehicles_word_only() -> None:
    upload = put((), FENCE)
    upload.start(0.0)
    assert [m.get_type() for m in upload.tick(5.0)] == ["MISSION_COUNT"]
    assert upload.result is None
    upload.receive(MissionAck(*US, mav.MAV_MISSION_ACCEPTED, RALLY), 5.1)
    assert upload.result is None
    upload.receive(MissionAck(*US, mav.MAV_MISSION_ACCEPTED, FENCE), 5.2)
    assert upload.result is not None
    assert upload.result.accepted
