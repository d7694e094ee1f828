"""Two drops in one flight, heard with losses: nobody is told a release that was none."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.frames import LatLon, offset
from missions.model import AirItem, AirMission, DropDevice, ItemKind
from vehicles.mavlink import modes
from vehicles.mavlink.flight import Flight
from vehicles.mavlink.items import Plan, is_navigation, translate
from vehicles.mavlink.messages import (
    ExtendedSysState,
    GlobalPositionInt,
    Heartbeat,
    Message,
    MissionCurrent,
    StatusText,
)
from vehicles.mavlink.profiles import arducopter
from vehicles.mavlink.settings import MavlinkSettings
from vehicles.mavlink.state import VehicleState
from vehicles.port import EventKind, VehicleEvent

START = datetime(2026, 1, 1, tzinfo=UTC)
HOME = LatLon(60.17, 24.94)
K = ItemKind
AUTO, RETURN_PATH = arducopter.AUTO, arducopter.AUTO_RTL


def drop(parcel_id: str, place: LatLon) -> list[AirItem]:
    return [
        AirItem(K.WAYPOINT, place, 40.0),
        AirItem(K.WAYPOINT, place, 12.0),
        AirItem(K.RELEASE, device=DropDevice.GRIPPER, parcel_id=parcel_id),
        AirItem(K.DELAY, delay_s=5.0),
        AirItem(K.WAYPOINT, place, 40.0),
    ]


def landing(parcel_id: str, place: LatLon) -> list[AirItem]:
    return [
        AirItem(K.WAYPOINT, place, 40.0),
        AirItem(K.LAND, place),
        AirItem(K.RELEASE, device=DropDevice.GRIPPER, parcel_id=parcel_id),
        AirItem(K.DELAY, delay_s=3.0),
        AirItem(K.TAKEOFF, place, 40.0),
    ]


def mission(*, lands: bool) -> AirMission:
    stop = landing if lands else drop
    one, two = offset(HOME, 90.0, 200.0), offset(HOME, 90.0, 400.0)
    items = (
        AirItem(K.TAKEOFF, HOME, 40.0), *stop("A", one), *stop("B", two), AirItem(K.RETURN_PATH),
        AirItem(K.WAYPOINT, two, 40.0), AirItem(K.WAYPOINT, HOME, 40.0), AirItem(K.LAND, HOME),
    )  # fmt: skip
    return AirMission("m", "d", HOME, 10.0, 40.0, items, "z")


def place(where: LatLon, alt_m: float, at_ms: int) -> GlobalPositionInt:
    lat, lon = round(where.lat_deg * 1e7), round(where.lon_deg * 1e7)
    return GlobalPositionInt(
        at_ms, lat, lon, round(alt_m * 1000) + 10_000, round(alt_m * 1000), 0, 0, 0, 0
    )


def told(plan: Plan, turn_at: int) -> Iterator[tuple[Message, str]]:
    """What a copter says along its items until it turns home; the parcel that has left, too.

    A DO item runs while the navigation item before it is still shown as current.
    """
    count, shown, ms = plan.count - 1, 1, 0

    def beat(mode: int = AUTO, *, armed: bool = True) -> Message:
        return Heartbeat(mode, 2, 3, 128 if armed else 0, 4, 3)

    yield place(HOME, 0.0, ms), ""
    yield beat(), ""
    yield ExtendedSysState(0, modes.IN_AIR), ""
    path = plan.return_path_seq or 0
    for item in plan.items[1:]:
        if item.seq == turn_at and item.seq < path:
            yield StatusText(6, "Return path started", 0, 0), ""
            shown = path + 1
            break
        if is_navigation(item.command):
            shown = item.seq
        release = next((r for r in plan.releases if r.seq == item.seq), None)
        if release is not None:
            yield StatusText(6, "Gripper load releasing", 0, 0), release.parcel_id
            yield StatusText(6, "Gripper Released", 0, 0), ""
            yield StatusText(6, "Gripper load released", 0, 0), ""
        for _ in range(3):
            ms += 1000
            yield MissionCurrent(shown, count, 3, 1), ""
            yield beat(), ""
    for seq in range(max(shown, path + 1), plan.land_seq + 1):
        yield MissionCurrent(seq, count, 3, 1), ""
        yield beat(RETURN_PATH if turn_at < path else AUTO), ""
    yield place(HOME, 0.0, ms), ""
    yield ExtendedSysState(0, modes.ON_GROUND), ""
    for _ in range(3):
        yield beat(armed=False), ""


class Watch:
    """The flight's watch over what was heard, one message a third of a second."""

    def __init__(self, made: AirMission) -> None:
        self.plan = translate(made)
        self.state = VehicleState("d")
        self.flight = Flight("d", made, self.plan, MavlinkSettings())
        self.now_s = 100.0
        self.seen: list[VehicleEvent] = []

    def take(self, message: Message | None) -> None:
        self.now_s += 0.34
        now = START + timedelta(seconds=self.now_s)
        if message is not None:
            text = self.state.apply(message, self.now_s)
            if text is not None:
                self.seen += self.flight.hear(text, self.state, now)
        self.seen += self.flight.observe(self.state, self.now_s, now)

    def parcels(self, kind: EventKind) -> list[str]:
        return [e.parcel_id for e in self.seen if e.kind is kind]


@pytest.mark.parametrize("lands", [False, True])
def test_heard_whole_each_parcel_is_told_once_and_in_order(lands: bool) -> None:
    watch = Watch(mission(lands=lands))
    for message, _ in told(watch.plan, turn_at=99):
        watch.take(message)
    assert watch.parcels(EventKind.RELEASED) == ["A", "B"]
    assert watch.seen[-1].kind is EventKind.COMPLETED


@settings(max_examples=300, deadline=None)
@given(
    lands=st.booleans(),
    turn_at=st.one_of(st.just(99), st.integers(2, 18)),
    loss=st.sampled_from([0.0, 0.1, 0.3, 0.6]),
    dice=st.randoms(use_true_random=False),
)
def test_what_is_told_of_a_parcel_is_never_the_opposite_of_what_happened(
    lands: bool, turn_at: int, loss: float, dice: random.Random
) -> None:
    watch = Watch(mission(lands=lands))
    left: set[str] = set()
    for message, parcel_id in told(watch.plan, turn_at):
        if parcel_id:
            left.add(parcel_id)
        lost = dice.random() < loss
        watch.take(None if lost else message)
        assert set(watch.parcels(EventKind.RELEASED)) <= left
    for kind in (EventKind.RELEASED, EventKind.RELEASE_UNSURE):
        assert len(watch.parcels(kind)) == len(set(watch.parcels(kind)))
    assert watch.parcels(EventKind.RELEASE_FAILED) == []
    if watch.flight.finished:
        known = left == set(watch.parcels(EventKind.RELEASED))
        doubted = left - set(watch.parcels(EventKind.RELEASED))
        # what left and was not seen is doubt, never said to be aboard
        assert known or doubted <= set(watch.parcels(EventKind.RELEASE_UNSURE))
