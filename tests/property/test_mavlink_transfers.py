"""Mission, command and parameter protocols under loss, duplication, reordering and delay.

The vehicle here is a small model of ArduPilot's side (MissionItemProtocol.cpp): items overwrite
the list in place, a late item is answered with ACK 13, silence for 8 s ends an upload.
"""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.frames import LatLon
from missions.model import AirItem, AirMission, DropDevice, ItemKind
from vehicles.mavlink.command import Command, CommandExchange
from vehicles.mavlink.items import differences, translate
from vehicles.mavlink.messages import (
    CommandAck,
    Message,
    MissionAck,
    MissionCount,
    MissionItemInt,
    MissionRequest,
    MissionRequestInt,
    ParamValue,
)
from vehicles.mavlink.mission_transfer import MissionDownload, MissionUpload
from vehicles.mavlink.parameters import ParameterRead, ParameterWrite

US, VEHICLE = (255, 190), (1, 1)
HOME = LatLon(60.17, 24.94)


def mission(alt_m: float, stops: int) -> AirMission:
    middle = tuple(
        AirItem(ItemKind.WAYPOINT, LatLon(60.17 + n * 0.001, 24.94), alt_m) for n in range(stops)
    )
    release = AirItem(ItemKind.RELEASE, device=DropDevice.GRIPPER, parcel_id="p")
    items = (AirItem(ItemKind.TAKEOFF, HOME, alt_m), *middle, release, AirItem(ItemKind.LAND, HOME))
    return AirMission("m", "d", HOME, 5.0, alt_m, items, "z")


@dataclass
class Faults:
    loss: float = 0.0
    duplicate: float = 0.0
    delay_s: float = 0.05
    jitter_s: float = 0.0


@dataclass
class Air:
    """Carries messages both ways with faults; time moves from delivery to delivery."""

    faults: Faults
    seed: int
    queue: list[tuple[float, int, bool, Any]] = field(default_factory=list)
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.order = itertools.count()

    def send(self, to_vehicle: bool, messages: list[Any]) -> None:
        for message in messages:
            copies = 1 + (self.random.random() < self.faults.duplicate)
            for _ in range(copies):
                if self.random.random() < self.faults.loss:
                    continue
                at = self.now_s + self.faults.delay_s + self.random.random() * self.faults.jitter_s
                heapq.heappush(self.queue, (at, next(self.order), to_vehicle, message))


class Storage:
    """ArduPilot's mission list and its receiver."""

    def __init__(self, items: list[MissionItemInt]) -> None:
        self.items = items
        self.receiving: tuple[int, int] | None = None
        self.heard_s = self.asked_s = 0.0
        self.boot_refusals = 0
        self.params: dict[str, float] = {}
        self.effects: list[int] = []

    def receive(self, message: Any, now_s: float) -> list[Message]:
        match message.get_type():
            case "MISSION_COUNT":
                if self.boot_refusals:
                    self.boot_refusals -= 1
                    return [MissionAck(*US, 4, 0)]
                self.items = self.items[: message.count]
                self.receiving = (0, message.count)
                self.heard_s = now_s
                return self.ask(now_s)
            case "MISSION_ITEM_INT":
                return self.take(message, now_s)
            case "MISSION_REQUEST_LIST":
                if self.receiving:
                    return [MissionAck(*US, 14, 0)]
                return [MissionCount(len(self.items), *US, 0)]
            case "MISSION_REQUEST_INT":
                if self.receiving:
                    return [MissionAck(*US, 14, 0)]
                if message.seq >= len(self.items):
                    return [MissionAck(*US, 1, 0)]
                return [self.items[message.seq]._replace(target_system=255, target_component=190)]
            case "PARAM_REQUEST_READ":
                return self.parameter(message.param_id)
            case "PARAM_SET":
                if message.param_id in self.params:
                    self.params[message.param_id] = float(message.param_value)
                return self.parameter(message.param_id)
            case "COMMAND_LONG":
                self.effects.append(message.command)
                return [CommandAck(message.command, 0, 0, 0, *US)]
        return []

    def parameter(self, name: str) -> list[Message]:
        if name not in self.params:
            return []
        return [ParamValue(self.params[name], 2, 0, name, 9)]

    def take(self, message: Any, now_s: float) -> list[Message]:
        if self.receiving is None:
            return []
        wanted, count = self.receiving
        if message.seq != wanted:
            return [MissionAck(*US, 13, 0)]
        item = MissionItemInt(
            message.param1, message.param2, message.param3, message.param4, message.x, message.y,
            message.z, message.seq, message.command, 0, 0, message.frame, 0, 1, 0,
        )  # fmt: skip
        self.items[wanted : wanted + 1] = [item]
        self.heard_s = now_s
        if wanted + 1 == count:
            self.receiving = None
            return [MissionAck(*US, 0, 0)]
        self.receiving = (wanted + 1, count)
        return self.ask(now_s)

    def ask(self, now_s: float) -> list[Message]:
        assert self.receiving
        self.asked_s = now_s
        return [MissionRequest(self.receiving[0], *US, 0)]

    def tick(self, now_s: float) -> list[Message]:
        if self.receiving is None:
            return []
        if now_s - self.heard_s > 8.0:
            self.receiving = None
            return [MissionAck(*US, 15, 0)]
        return self.ask(now_s) if now_s - self.asked_s > 1.0 else []


def drive(exchange: Any, vehicle: Storage, air: Air, limit_s: float = 600.0) -> Any:
    """Run an exchange against the vehicle until it has a result."""
    air.send(True, exchange.start(air.now_s))
    end_s = air.now_s + limit_s
    while exchange.result is None:
        assert air.now_s < end_s, "the exchange never ends"
        step_s = air.now_s + 0.1
        while air.queue and air.queue[0][0] <= step_s and exchange.result is None:
            air.now_s, _, to_vehicle, message = heapq.heappop(air.queue)
            if to_vehicle:
                air.send(False, list(vehicle.receive(message, air.now_s)))
            else:
                air.send(True, exchange.receive(message, air.now_s))
        air.now_s = max(air.now_s, step_s)
        air.send(False, list(vehicle.tick(air.now_s)))
        if exchange.deadline_s <= air.now_s:
            air.send(True, exchange.tick(air.now_s))
    return exchange.result


faults = st.builds(
    Faults,
    loss=st.floats(0.0, 0.3),
    duplicate=st.floats(0.0, 0.3),
    delay_s=st.floats(0.0, 0.3),
    jitter_s=st.floats(0.0, 0.6),
)


@settings(max_examples=150, deadline=None)
@given(faults, st.integers(0, 2**32), st.integers(0, 12), st.integers(0, 2), st.booleans())
def test_a_read_back_never_passes_what_the_vehicle_does_not_hold(
    fault: Faults, seed: int, old_stops: int, refusals: int, foreign: bool
) -> None:
    old, new = translate(mission(50.0, old_stops)), translate(mission(30.0, 5))
    vehicle, air = Storage(list(old.items)), Air(fault, seed)
    vehicle.boot_refusals = refusals
    upload = drive(MissionUpload(new.messages(*VEHICLE), *VEHICLE), vehicle, air)
    if foreign:
        vehicle.items[2:3] = [old.items[1]]
    read = drive(MissionDownload(*VEHICLE), vehicle, air)
    if read.items is not None and not differences(new, read.items):
        assert not differences(new, tuple(vehicle.items))
        assert not foreign
    if upload.accepted and not upload.reason and not foreign:
        assert not differences(new, tuple(vehicle.items))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.0, 0.2), st.floats(0.0, 0.2))
def test_uploads_succeed_at_up_to_a_fifth_lost(seed: int, loss: float, duplicate: float) -> None:
    old, new = translate(mission(50.0, 9)), translate(mission(30.0, 5))
    vehicle, air = Storage(list(old.items)), Air(Faults(loss, duplicate, 0.05, 0.1), seed)
    assert drive(MissionUpload(new.messages(*VEHICLE), *VEHICLE), vehicle, air).accepted
    read = drive(MissionDownload(*VEHICLE), vehicle, air)
    assert read.items is not None, read.reason
    assert differences(new, read.items) == ()


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_a_dead_link_ends_every_exchange_with_a_reason(seed: int) -> None:
    vehicle, air = Storage([]), Air(Faults(loss=1.0), seed)
    new = translate(mission(30.0, 2))
    upload = drive(MissionUpload(new.messages(*VEHICLE), *VEHICLE), vehicle, air)
    assert (upload.accepted, "no answer" in upload.reason) == (False, True)
    assert drive(MissionDownload(*VEHICLE), vehicle, air).items is None
    assert drive(CommandExchange(Command(400), *VEHICLE), vehicle, air).result is None
    assert drive(ParameterRead(("A",), *VEHICLE), vehicle, air) == {"A": None}
    assert drive(ParameterWrite({"A": 1.0}, *VEHICLE), vehicle, air) == {"A": None}


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.floats(0.0, 0.15),
    st.dictionaries(
        st.text("ABCDEFGH_", min_size=1, max_size=16),
        st.floats(-1000, 1000, width=32),
        min_size=1,
        max_size=30,
    ),
)
def test_parameters_read_are_the_vehicles_and_missing_ones_are_none(
    seed: int, loss: float, values: dict[str, float]
) -> None:
    vehicle, air = Storage([]), Air(Faults(loss, 0.1, 0.05, 0.3), seed)
    vehicle.params = dict(values)
    names = (*values, "ZZZ")
    read = drive(ParameterRead(names, *VEHICLE, attempts=20), vehicle, air)
    assert read == {**values, "ZZZ": None}
    written = drive(ParameterWrite(dict.fromkeys(values, 7.0), *VEHICLE, attempts=20), vehicle, air)
    assert written == dict.fromkeys(values, 7.0) == vehicle.params


@settings(max_examples=100, deadline=None)
@given(faults, st.integers(0, 2**32), st.integers(0, 0xFFFF))
def test_a_command_is_answered_by_its_own_acknowledgement_only(
    fault: Faults, seed: int, other: int
) -> None:
    vehicle, air = Storage([]), Air(fault, seed)
    exchange = CommandExchange(Command(400, (1.0,)), *VEHICLE)
    exchange.start(0.0)
    exchange.receive(CommandAck(other if other != 400 else 401, 0, 0, 0, *US), 0.0)
    exchange.receive(CommandAck(400, 0, 0, 0, 254, 190), 0.0)
    assert exchange.result is None
    answer = drive(CommandExchange(Command(400, (1.0,)), *VEHICLE), vehicle, air)
    assert answer.result in {0, None}
    assert len(vehicle.effects) <= 8


def test_a_duplicate_item_answered_with_13_does_not_end_the_upload() -> None:
    new = translate(mission(30.0, 2))
    upload = MissionUpload(new.messages(*VEHICLE), *VEHICLE)
    upload.start(0.0)
    upload.receive(MissionRequest(0, *US, 0), 0.1)
    upload.receive(MissionAck(*US, 13, 0), 0.2)
    assert upload.result is None
    for seq in range(1, new.count):
        (sent,) = upload.receive(MissionRequestInt(seq, *US, 0), 0.3)
        assert sent.seq == seq
    upload.receive(MissionAck(*US, 0, 0), 0.4)
    assert upload.result is not None
    assert upload.result.accepted


def test_an_acknowledgement_for_another_station_or_too_early_proves_nothing() -> None:
    upload = MissionUpload(translate(mission(30.0, 2)).messages(*VEHICLE), *VEHICLE)
    upload.start(0.0)
    upload.receive(MissionAck(*US, 0, 0), 0.1)
    upload.receive(MissionRequest(0, *US, 0), 0.1)
    upload.receive(MissionAck(254, 190, 0, 0), 0.2)
    upload.receive(MissionAck(*US, 0, 2), 0.2)
    assert upload.result is None


def test_a_refusal_that_will_not_pass_ends_the_upload_and_says_why() -> None:
    upload = MissionUpload(translate(mission(30.0, 2)).messages(*VEHICLE), *VEHICLE)
    upload.start(0.0)
    upload.receive(MissionAck(*US, 3, 0), 0.1)
    assert upload.result is not None
    assert "command not supported" in upload.result.reason


def test_denied_and_no_space_begin_again_with_a_count() -> None:
    upload = MissionUpload(translate(mission(30.0, 2)).messages(*VEHICLE), *VEHICLE)
    upload.start(0.0)
    for number, result in enumerate((4, 14, 15), start=1):
        upload.receive(MissionAck(*US, result, 0), 10.0 * number)
        assert upload.result is None
        (count,) = upload.tick(10.0 * number + 2.0)
        assert count.get_type() == "MISSION_COUNT"


def test_a_command_in_progress_is_waited_for_and_not_sent_again() -> None:
    exchange = CommandExchange(Command(400), *VEHICLE)
    (first,) = exchange.start(0.0)
    (second,) = exchange.tick(1.5)
    assert (first.confirmation, second.confirmation) == (0, 1)
    exchange.receive(CommandAck(400, 5, 0, 0, *US), 2.0)
    assert exchange.tick(10.0) == []
    exchange.receive(CommandAck(400, 0, 0, 0, *US), 11.0)
    assert exchange.result is not None
    assert exchange.result.accepted
