"""The session's phases under random telemetry: only what the table allows, and always the end."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.frames import LatLon
from geofence.zones import VehicleClass
from missions.model import AirItem, AirMission, DropDevice, ItemKind
from tests.support.clock import ManualClock
from vehicles.mavlink import failsafe_words
from vehicles.mavlink.flight import Flight
from vehicles.mavlink.machine import TRANSITIONS, PhaseMachine, way
from vehicles.mavlink.messages import (
    ExtendedSysState,
    GlobalPositionInt,
    Heartbeat,
    Message,
    MissionCurrent,
    StatusText,
    SystemTime,
)
from vehicles.mavlink.phase import could_fly_s, lost, phase
from vehicles.mavlink.session import MavlinkSession
from vehicles.mavlink.settings import MavlinkSettings, MavlinkVehicle
from vehicles.mavlink.wire import Frame
from vehicles.port import Capability, FailsafeCause, Phase

HOME = LatLon(60.17, 24.94)
DRONE = Capability(
    VehicleClass.MULTIROTOR, 2.0, 1, 10.0, 100.0, (0.4, 0.4, 0.4), DropDevice.GRIPPER
)
P = Phase

NEVER = {
    (P.READY, P.EN_ROUTE),
    (P.READY, P.RELEASED),
    (P.NOT_READY, P.RETURNING),
    (P.BOOTING, P.AT_STOP),
    (P.ARMED, P.AT_STOP),
    (P.ARMED, P.RELEASED),
    (P.EN_ROUTE, P.RELEASED),
    (P.EN_ROUTE, P.READY),
    (P.RETURNING, P.AT_STOP),
    (P.RETURNING, P.RELEASED),
    (P.LANDED, P.RELEASED),
    (P.LANDED, P.RETURNING),
    (P.READY, P.LOST),
    (P.EN_ROUTE, P.OFFLINE),
    (P.OFFLINE, P.LOST),
    (P.LOST, P.OFFLINE),
    (P.EN_ROUTE, P.UNKNOWN),
}
"""Written down apart from the table: steps that a vehicle cannot take without one between."""


def mission() -> AirMission:
    kind = ItemKind
    drop = LatLon(60.17, 24.944)
    items = (
        AirItem(kind.TAKEOFF, HOME, 40.0),
        AirItem(kind.WAYPOINT, drop, 40.0),
        AirItem(kind.WAYPOINT, drop, 12.0),
        AirItem(kind.RELEASE, device=DropDevice.GRIPPER, parcel_id="P"),
        AirItem(kind.DELAY, delay_s=5.0),
        AirItem(kind.RETURN_PATH),
        AirItem(kind.WAYPOINT, drop, 40.0),
        AirItem(kind.LAND, HOME),
    )
    return AirMission("m", "d", HOME, 10.0, 40.0, items, "z")


class Vehicle:
    """A session that hears whatever it is told."""

    def __init__(self, limits: MavlinkSettings | None = None) -> None:
        self.clock = ManualClock()
        self.session = MavlinkSession(
            MavlinkVehicle("d", "udpin:127.0.0.1:0", 7, DRONE, HOME, 10.0),
            self.clock,
            limits or MavlinkSettings(),
            lambda _: True,
        )

    def hear(self, message: Message) -> None:
        self.session.receive(Frame(7, 1, 0, False, message))

    def fly(self) -> None:
        made = mission()
        plan = self.session.profile.translate(made)
        self.session.watch(Flight("d", made, plan, self.session.settings))

    def phase(self) -> Phase:
        return self.session.phase


MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        lambda mode, armed, status: Heartbeat(mode, 2, 3, 128 if armed else 0, status, 3),
        st.sampled_from([0, 3, 4, 5, 6, 9, 17, 27]),
        st.sampled_from([True, True, False]),
        st.sampled_from([3, 4, 4, 4, 5]),
    ),
    st.builds(lambda seq: MissionCurrent(seq, 10, 3, 1), st.integers(0, 10)),
    st.builds(ExtendedSysState, st.just(0), st.integers(0, 4)),
    st.builds(
        lambda alt_m: GlobalPositionInt(
            0, 601700000, 249400000, alt_m * 1000 + 10_000, alt_m * 1000, 0, 0, 0, 0
        ),
        st.integers(0, 60),
    ),
    st.builds(
        lambda text: StatusText(4, text, 0, 0),
        st.sampled_from(
            [
                "Gripper load releasing", "Return path started", "GCS Failsafe",
                "GCS Failsafe Cleared", "Battery Failsafe", "Polygon fence breached",
                "Dead Reckoning started", "EKF Failsafe: changed to LAND Mode",
            ]
        ),
    ),
    st.builds(lambda s: SystemTime(0, s * 1000), st.integers(0, 3000)),
)  # fmt: skip
STEPS = st.lists(
    st.one_of(MESSAGES, MESSAGES, st.sampled_from([0.3, 2.0, 15.0, 2000.0]), st.just("fly")),
    max_size=60,
)


@given(STEPS)
@settings(max_examples=300, deadline=None)
async def test_random_telemetry_never_takes_a_step_that_the_table_lacks(
    steps: list[object],
) -> None:
    vehicle = Vehicle()
    session = vehicle.session
    taken: list[tuple[Phase, Phase]] = []
    last = session.phase
    for step in steps:
        session.machine.trail.clear()
        if step == "fly":
            vehicle.fly()
        elif isinstance(step, float):
            await vehicle.clock.advance(step)
            session.tick()
        else:
            vehicle.hear(step)  # type: ignore[arg-type]
        found = session.phase
        shown = phase(session.state, session.flight, session.link, session.not_ready)
        gone = lost(session.state, DRONE, session.settings, vehicle.clock.monotonic_s())
        if gone:
            shown = P.LOST
        assert found is (last if shown is P.UNKNOWN else shown)
        trail = list(session.machine.trail)
        # one unbroken way from where it was to where it is
        assert [t.before for t in trail] + [found] == [last] + [t.after for t in trail]
        assert all(not t.inferred for t in trail[-1:])
        assert all(t.inferred for t in trail[:-1])
        taken += [(t.before, t.after) for t in trail]
        last = found
    for before, after in taken:
        assert after in TRANSITIONS[before], f"{before} to {after}"
        assert (before, after) not in NEVER


@given(st.lists(st.sampled_from([p for p in Phase if p is not P.UNKNOWN]), max_size=40))
def test_whatever_is_shown_the_machine_gets_there_by_the_table(shown: list[Phase]) -> None:
    machine = PhaseMachine()
    for number, each in enumerate(shown):
        assert machine.step(each, float(number)) is each
    steps = [P.UNKNOWN, *(t.after for t in machine.trail)]
    if len(machine.trail) < (machine.trail.maxlen or 0):
        assert all(after in TRANSITIONS[before] for before, after in pairwise(steps))


def test_the_table_names_every_phase_and_none_of_the_impossible_steps() -> None:
    assert set(TRANSITIONS) == set(Phase)
    assert all(before not in after for before, after in TRANSITIONS.items())
    assert not {(b, a) for b, following in TRANSITIONS.items() for a in following} & NEVER
    with pytest.raises(ValueError, match="no way"):
        way(P.READY, P.UNKNOWN)


def test_what_nobody_saw_is_marked_as_inferred() -> None:
    machine = PhaseMachine()
    machine.step(P.READY, 1.0)
    machine.step(P.AT_STOP, 2.0)
    machine.step(P.READY, 3.0)
    assert [(t.after, t.inferred) for t in machine.trail] == [
        (P.READY, False),
        (P.ARMED, True),
        (P.EN_ROUTE, True),
        (P.AT_STOP, False),
        (P.LANDED, True),
        (P.READY, False),
    ]


async def test_armed_and_silent_for_longer_than_it_could_fly_is_lost() -> None:
    vehicle = Vehicle()
    vehicle.hear(Heartbeat(3, 2, 3, 128, 4, 3))
    vehicle.hear(ExtendedSysState(0, 2))
    vehicle.session.state.battery_pct = 50.0
    limit_s = could_fly_s(DRONE, 50.0)
    assert 150.0 < limit_s < 600.0
    await vehicle.clock.advance(limit_s - 1.0)
    assert vehicle.phase() is P.EN_ROUTE
    await vehicle.clock.advance(2.0)
    assert vehicle.session.telemetry.phase is P.LOST
    vehicle.hear(Heartbeat(6, 2, 3, 128, 4, 3))
    assert vehicle.phase() is P.RETURNING


async def test_a_configured_time_may_count_it_as_lost_sooner_and_one_at_rest_is_offline() -> None:
    vehicle = Vehicle(MavlinkSettings(lost_after_s=60.0))
    vehicle.hear(Heartbeat(3, 2, 3, 128, 4, 3))
    await vehicle.clock.advance(61.0)
    assert vehicle.phase() is P.LOST
    vehicle.hear(Heartbeat(3, 2, 3, 0, 3, 3))
    assert vehicle.phase() is P.NOT_READY
    await vehicle.clock.advance(3600.0)
    assert vehicle.phase() is P.OFFLINE


@pytest.mark.parametrize(
    ("text", "begun"),
    [
        ("GCS Failsafe", {FailsafeCause.GROUND_LINK}),
        ("GCS Failsafe - Continuing Auto Mode", {FailsafeCause.GROUND_LINK}),
        (
            "GCS + Battery Failsafe - Continuing Landing",
            {FailsafeCause.GROUND_LINK, FailsafeCause.BATTERY},
        ),
        ("Radio Failsafe - Disarming", {FailsafeCause.RADIO}),
        ("Battery Failsafe", {FailsafeCause.BATTERY}),
        ("EKF Failsafe: changed to LAND Mode", {FailsafeCause.ESTIMATOR}),
        ("Failsafe: Terrain data missing", {FailsafeCause.TERRAIN}),
        ("Dead Reckoning started", {FailsafeCause.DEAD_RECKONING}),
        ("Dead Reckoning timeout", {FailsafeCause.DEAD_RECKONING}),
        ("Max Alt, Circle and Polygon fences breached", {FailsafeCause.FENCE}),
        ("Polygon fence breached", {FailsafeCause.FENCE}),
        ("Polygon fence enabled", set()),
        ("EKF variance", set()),
        ("GCS Failsafe Cleared", set()),
    ],
)
def test_the_words_of_each_failsafe(text: str, begun: set[FailsafeCause]) -> None:
    assert failsafe_words.read(text).begun == begun


async def test_a_failsafe_is_named_with_its_words_until_they_are_taken_back() -> None:
    vehicle = Vehicle()
    vehicle.hear(Heartbeat(3, 2, 3, 128, 4, 3))
    vehicle.hear(ExtendedSysState(0, 2))
    vehicle.hear(StatusText(4, "GCS Failsafe", 0, 0))
    vehicle.hear(Heartbeat(27, 2, 3, 128, 5, 3))
    telemetry = vehicle.session.telemetry
    assert telemetry.phase is P.FAILSAFE
    assert telemetry.failsafe == ("ground link: GCS Failsafe",)
    vehicle.hear(StatusText(4, "GCS Failsafe Cleared", 0, 0))
    vehicle.hear(Heartbeat(27, 2, 3, 128, 4, 3))
    assert vehicle.session.telemetry.failsafe == ()
    assert vehicle.phase() is P.RETURNING


async def test_a_fence_breach_is_a_failsafe_though_the_status_stays_active() -> None:
    vehicle = Vehicle()
    vehicle.hear(Heartbeat(3, 2, 3, 128, 4, 3))
    vehicle.hear(ExtendedSysState(0, 2))
    vehicle.hear(StatusText(5, "Polygon fence breached", 0, 0))
    assert vehicle.phase() is P.EN_ROUTE
    vehicle.hear(Heartbeat(6, 2, 3, 128, 4, 3))
    assert vehicle.phase() is P.FAILSAFE
    assert vehicle.session.telemetry.failsafe == ("fence: Polygon fence breached",)
