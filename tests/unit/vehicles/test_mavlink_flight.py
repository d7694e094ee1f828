"""What a flight's states prove: events from messages, without a link."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.frames import LatLon, offset
from missions.model import AirItem, AirMission, DropDevice, ItemKind
from vehicles.mavlink import modes
from vehicles.mavlink.flight import Flight
from vehicles.mavlink.items import translate
from vehicles.mavlink.launch import proves
from vehicles.mavlink.messages import (
    ExtendedSysState,
    GlobalPositionInt,
    Heartbeat,
    Message,
    MissionCurrent,
    StatusText,
    SystemTime,
)
from vehicles.mavlink.phase import phase
from vehicles.mavlink.profiles import arducopter
from vehicles.mavlink.settings import MavlinkSettings
from vehicles.mavlink.state import VehicleState
from vehicles.port import EventKind, LinkState, Phase, VehicleEvent

START = datetime(2026, 1, 1, tzinfo=UTC)
HOME = LatLon(60.17, 24.94)
DROP = offset(HOME, 90.0, 200.0)
PLAIN = MavlinkSettings()
RELEASE_SEQ, DELAY_SEQ, CLIMB_SEQ, LAND_SEQ = 6, 7, 9, 11


def mission(device: DropDevice = DropDevice.GRIPPER) -> AirMission:
    kind = ItemKind
    release = AirItem(kind.RELEASE, DROP, 12.0, device=device, parcel_id="P", winch_m=5.0)
    items = (
        AirItem(kind.TAKEOFF, HOME, 40.0),
        AirItem(kind.WAYPOINT, DROP, 40.0),
        AirItem(kind.WAYPOINT, DROP, 12.0),
        release,
        AirItem(kind.DELAY, delay_s=5.0),
        AirItem(kind.RETURN_PATH),
        AirItem(kind.WAYPOINT, DROP, 40.0),
        AirItem(kind.WAYPOINT, HOME, 40.0),
        AirItem(kind.LAND, HOME),
    )
    return AirMission("m", "d", HOME, 10.0, 40.0, items, "z")


class Watch:
    """A state and its flight, fed one message at a time."""

    def __init__(
        self,
        device: DropDevice = DropDevice.GRIPPER,
        plan: AirMission | None = None,
        settings: MavlinkSettings = PLAIN,
    ) -> None:
        self.state = VehicleState("d")
        self.mission = plan or mission(device)
        self.plan = translate(self.mission)
        self.flight = Flight("d", self.mission, self.plan, settings)
        self.now_s = 100.0
        self.seen: list[VehicleEvent] = []
        self.mode, self.armed, self.status = arducopter.AUTO, True, 4

    def take(self, message: Message) -> None:
        self.now_s += 0.1
        now = START + timedelta(seconds=self.now_s)
        text = self.state.apply(message, self.now_s)
        if text is not None:
            self.seen += self.flight.hear(text, self.state, now)
        self.seen += self.flight.observe(self.state, self.now_s, now)

    def beat(self, mode: int | None = None, *, armed: bool | None = None, status: int = 4) -> None:
        self.mode = self.mode if mode is None else mode
        self.armed = self.armed if armed is None else armed
        self.take(Heartbeat(self.mode, 2, 3, 0x51 | (128 if self.armed else 0), status, 3))

    def at(self, seq: int, *, total: int | None = None) -> None:
        self.take(MissionCurrent(seq, self.plan.count - 1 if total is None else total, 3, 1))

    def landed(self, landed_state: int) -> None:
        self.take(ExtendedSysState(0, landed_state))

    def place(self, where: LatLon, alt_m: float = 40.0) -> None:
        lat, lon = round(where.lat_deg * 1e7), round(where.lon_deg * 1e7)
        boot_ms = round(self.now_s * 1000)
        alt_mm = round(alt_m * 1000)
        self.take(GlobalPositionInt(boot_ms, lat, lon, alt_mm + 10_000, alt_mm, 0, 0, 0, 0))

    def say(self, text: str) -> None:
        self.take(StatusText(6, text, 0, 0))

    def idle(self, seconds: float) -> None:
        self.now_s += seconds
        self.beat()

    def fly_out(self) -> None:
        self.place(HOME, 0.0)
        self.beat()
        self.at(1)
        self.landed(modes.IN_AIR)
        self.place(offset(HOME, 90.0, 100.0), 40.0)
        self.at(4)
        self.beat()

    def fly_to_drop(self) -> None:
        self.fly_out()
        self.at(5)
        self.beat()
        self.place(DROP, 12.0)

    def come_home(self, mode: int = arducopter.AUTO_RTL) -> None:
        """By the return path that the vehicle joined by itself."""
        assert self.plan.return_path_seq is not None
        self.at(self.plan.return_path_seq + 1)
        self.beat(mode)
        self.at(self.plan.land_seq)
        self.beat()
        self.place(HOME, 0.0)
        self.landed(modes.ON_GROUND)
        self.beat(arducopter.AUTO, armed=False)

    def fly_home(self) -> None:
        for seq in range(CLIMB_SEQ, LAND_SEQ + 1):
            self.at(seq)
            self.beat()
        self.place(HOME, 0.0)
        self.landed(modes.ON_GROUND)
        self.beat(armed=False)

    def kinds(self) -> list[EventKind]:
        return [e.kind for e in self.seen]

    def phase(self) -> Phase:
        return phase(self.state, self.flight, LinkState.ONLINE, ())


def test_a_whole_flight_tells_each_step_once() -> None:
    watch = Watch()
    watch.fly_to_drop()
    watch.say("Gripper load releasing")
    watch.say("Gripper Released")
    watch.at(DELAY_SEQ)
    watch.say("Gripper load released")
    watch.idle(6.0)
    watch.fly_home()
    assert watch.kinds() == [EventKind.STARTED, EventKind.RELEASED, EventKind.COMPLETED]
    released = watch.seen[1]
    assert (released.parcel_id, released.position) == ("P", watch.seen[1].position)
    assert released.evidence == ("Gripper load releasing",)
    assert watch.flight.finished


def test_phases_along_the_way() -> None:
    watch = Watch()
    watch.place(HOME, 0.0)
    watch.beat()
    watch.landed(modes.ON_GROUND)
    assert watch.phase() is Phase.ARMED
    watch.landed(modes.IN_AIR)
    found = []
    for seq in (1, *range(4, LAND_SEQ + 1)):
        watch.at(seq)
        found.append(watch.phase().value)
    assert found == [
        "en_route", "en_route", "at_stop", "at_stop", "at_stop", "at_stop",
        "returning", "returning", "landing",
    ]  # fmt: skip
    watch.beat(arducopter.BRAKE)
    assert watch.phase() is Phase.HOLDING
    watch.beat(arducopter.AUTO, status=modes.STATE_CRITICAL)
    assert watch.phase() is Phase.FAILSAFE


def test_a_vehicle_that_says_it_turned_home_is_returning_before_its_index_shows_it() -> None:
    watch = Watch()
    watch.fly_out()
    assert watch.phase() is Phase.EN_ROUTE
    watch.say("Return path started")
    watch.beat()
    assert watch.phase() is Phase.RETURNING


def test_a_gripper_whose_words_were_lost_counts_by_the_missions_progress() -> None:
    watch = Watch()
    watch.fly_to_drop()
    watch.at(DELAY_SEQ)
    watch.beat()
    watch.idle(1.0)
    assert EventKind.RELEASED not in watch.kinds()
    watch.idle(10.0)
    assert watch.kinds()[-1] is EventKind.RELEASED
    assert "release is item 6" in watch.seen[-1].evidence[0]


def test_a_missions_own_words_prove_nothing() -> None:
    watch = Watch()
    watch.fly_to_drop()
    watch.say("Gripper Released")
    assert EventKind.RELEASED not in watch.kinds()


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("PayloadPlace: Releasing the gripper", EventKind.RELEASED),
        ("PayloadPlace: Reached maximum descent", EventKind.RELEASE_FAILED),
        ("PayloadPlace: PLDP_RNG_MAX set and rangefinder not enabled", EventKind.RELEASE_FAILED),
        ("PayloadPlace: Abort: Gripper Open", EventKind.RELEASE_UNSURE),
        ("Delaying 5 sec", EventKind.RELEASE_UNSURE),
    ],
)
def test_payload_place_has_failed_only_where_it_says_so(words: str, kind: EventKind) -> None:
    watch = Watch(DropDevice.PAYLOAD_PLACE)
    watch.fly_to_drop()
    watch.at(RELEASE_SEQ)
    watch.beat()
    watch.say(words)
    watch.at(DELAY_SEQ)
    watch.beat()
    watch.idle(10.0)
    watch.fly_home()
    assert watch.kinds() == [EventKind.STARTED, kind, EventKind.COMPLETED]
    assert words in watch.seen[1].evidence


def test_a_winch_has_released_when_its_wait_is_over() -> None:
    watch = Watch(DropDevice.WINCH)
    watch.fly_to_drop()
    watch.say("Winch: lowering  5.0m to  5.0m")
    watch.at(DELAY_SEQ)
    watch.beat()
    watch.idle(3.0)
    assert EventKind.RELEASED not in watch.kinds()
    watch.at(watch.plan.releases[0].done_seq)
    watch.beat()
    watch.beat()
    assert watch.kinds()[-1] is EventKind.RELEASED


def test_returning_on_the_way_is_no_release_and_the_parcel_is_aboard() -> None:
    watch = Watch()
    watch.fly_out()
    watch.flight.expect(arducopter.AUTO_RTL)
    # the new item is told before the heartbeat that shows the mode
    watch.at(CLIMB_SEQ)
    watch.beat(arducopter.AUTO_RTL)
    watch.idle(30.0)
    watch.at(LAND_SEQ)
    watch.place(HOME, 0.0)
    watch.landed(modes.ON_GROUND)
    watch.beat(arducopter.AUTO, armed=False)
    assert watch.kinds() == [EventKind.STARTED, EventKind.ABORTED]
    assert "returned before the release of P" in watch.seen[-1].detail


def two_stops() -> AirMission:
    one = mission()
    further = (
        AirItem(ItemKind.WAYPOINT, DROP, 40.0),
        AirItem(ItemKind.WAYPOINT, offset(DROP, 0.0, 200.0), 40.0),
        AirItem(ItemKind.WAYPOINT, offset(DROP, 0.0, 200.0), 12.0),
        AirItem(ItemKind.RELEASE, device=DropDevice.GRIPPER, parcel_id="Q"),
        AirItem(ItemKind.DELAY, delay_s=5.0),
    )
    return replace(one, items=(*one.items[:5], *further, *one.items[5:]))


def called_home_in_between(*words: str) -> Watch:
    """The gripper opens for the first; called home; then it says these words."""
    watch = Watch(plan=two_stops())
    watch.fly_to_drop()
    watch.say("Gripper load releasing")
    watch.at(DELAY_SEQ)
    watch.flight.expect(arducopter.AUTO_RTL)
    watch.say("Return path started")
    watch.at((watch.plan.return_path_seq or 0) + 1)
    watch.beat(arducopter.AUTO_RTL)
    for each in words:
        watch.say(each)
    watch.come_home()
    return watch


def test_a_grippers_last_words_after_a_return_are_of_the_release_that_they_ended() -> None:
    watch = called_home_in_between("Gripper load released", "Gripper load grabbing")
    assert watch.kinds() == [EventKind.STARTED, EventKind.RELEASED, EventKind.ABORTED]
    assert "returned before the release of Q" in watch.seen[-1].detail


@pytest.mark.parametrize(
    "words",
    [
        ("Gripper load releasing",),
        ("Gripper load released", "Gripper load released"),
        ("Gripper load released", "Gripper load releasing"),
    ],
)
def test_a_gripper_that_opens_again_after_a_return_is_doubt(words: tuple[str, ...]) -> None:
    watch = called_home_in_between(*words)
    assert EventKind.ALARM in watch.kinds()
    assert [e.parcel_id for e in watch.seen if e.kind is EventKind.RELEASE_UNSURE] == ["Q"]


UNSURE = [EventKind.RELEASE_UNSURE, EventKind.ABORTED]


def endings(watch: Watch) -> list[EventKind]:
    return [k for k in watch.kinds() if k not in {EventKind.STARTED, EventKind.FAILSAFE}]


def test_a_winch_that_lowered_before_a_failsafe_may_have_released() -> None:
    watch = Watch(DropDevice.WINCH)
    watch.fly_to_drop()
    watch.say("Winch: lowering  5.0m to  5.0m")
    watch.at(DELAY_SEQ)
    watch.beat()
    watch.come_home()
    assert endings(watch) == UNSURE
    told = watch.seen[-2]
    assert told.parcel_id == "P"
    assert "Winch: lowering  5.0m to  5.0m" in told.evidence
    assert "the winch spoke" in told.detail
    assert "returned before" not in watch.seen[-1].detail
    assert "nothing shows whether P was released" in watch.seen[-1].detail


@pytest.mark.parametrize("device", list(DropDevice))
@pytest.mark.parametrize("seq", [5, RELEASE_SEQ, DELAY_SEQ])
def test_from_the_descent_on_a_release_may_have_begun(device: DropDevice, seq: int) -> None:
    watch = Watch(device)
    watch.fly_out()
    watch.at(seq)
    watch.beat()
    watch.come_home()
    assert endings(watch) == UNSURE
    assert f"item {seq} was reached, and item 5 leads to the release" in watch.seen[-2].detail


def test_words_after_a_jump_are_of_the_release_that_was_next() -> None:
    watch = Watch(DropDevice.WINCH)
    watch.fly_out()
    watch.flight.jumped = True
    watch.say("Winch: lowering  5.0m to  5.0m")
    watch.come_home()
    assert endings(watch) == UNSURE


@pytest.mark.parametrize("mode", [arducopter.AUTO, arducopter.BRAKE])
def test_a_gap_before_the_return_was_seen_is_doubt(mode: int) -> None:
    watch = Watch()
    watch.fly_out()
    watch.flight.expect(mode)
    watch.beat(mode)
    watch.now_s += 30.0
    watch.come_home()
    assert endings(watch) == UNSURE
    assert "nothing of its place in the mission was heard for 30 s" in watch.seen[-2].detail


@pytest.mark.parametrize(
    ("seq", "silent_s", "kinds"),
    [(4, 8.0, UNSURE), (4, 4.0, [EventKind.ABORTED]), (2, 8.0, [EventKind.ABORTED])],
)
def test_patience_with_a_link_is_none_with_a_release_that_was_next(
    seq: int, silent_s: float, kinds: list[EventKind]
) -> None:
    watch = Watch(settings=MavlinkSettings(stale_after_s=25.0))
    watch.place(HOME, 0.0)
    watch.beat()
    watch.landed(modes.IN_AIR)
    watch.at(seq)
    watch.beat()
    watch.now_s += silent_s
    watch.come_home()
    assert endings(watch) == kinds


def test_an_index_that_is_not_told_is_a_gap_though_it_beats() -> None:
    watch = Watch()
    watch.fly_out()
    for _ in range(10):
        watch.idle(1.0)
    watch.come_home()
    assert endings(watch) == UNSURE


def test_a_gap_is_over_once_it_is_seen_on_the_way_out_again() -> None:
    watch = Watch()
    watch.fly_out()
    watch.now_s += 30.0
    watch.at(4)
    watch.beat()
    watch.place(offset(HOME, 90.0, 150.0), 40.0)
    watch.beat()
    watch.come_home()
    assert endings(watch) == [EventKind.ABORTED]


def test_an_index_at_its_beginning_after_an_unseen_landing_ends_no_gap() -> None:
    watch = Watch()
    watch.place(HOME, 0.0)
    watch.beat()
    watch.at(1)
    watch.landed(modes.IN_AIR)
    watch.idle(60.0)
    watch.at(1)
    watch.place(HOME, 0.0)
    watch.beat()
    watch.landed(modes.ON_GROUND)
    watch.beat(armed=False)
    assert endings(watch) == UNSURE


def test_what_happens_after_it_was_seen_to_turn_home_is_no_doubt() -> None:
    watch = Watch()
    watch.fly_out()
    watch.at(CLIMB_SEQ)
    watch.beat(arducopter.AUTO_RTL)
    watch.now_s += 60.0
    watch.come_home()
    assert endings(watch) == [EventKind.ABORTED]
    assert "returned before the release of P" in watch.seen[-1].detail


def test_a_winch_whose_words_were_lost_is_no_failure() -> None:
    watch = Watch(DropDevice.WINCH)
    watch.fly_to_drop()
    watch.at(watch.plan.releases[0].done_seq)
    watch.beat()
    watch.idle(10.0)
    watch.fly_home()
    assert endings(watch) == [EventKind.RELEASE_UNSURE, EventKind.COMPLETED]


def test_a_gripper_that_opened_on_the_way_has_not_delivered() -> None:
    watch = Watch()
    watch.fly_out()
    watch.say("Gripper load releasing")
    watch.at(DELAY_SEQ)
    watch.beat()
    watch.idle(10.0)
    watch.fly_home()
    assert endings(watch) == [EventKind.ALARM, EventKind.RELEASE_UNSURE, EventKind.COMPLETED]


def test_a_reboot_on_the_way_loses_its_place() -> None:
    watch = Watch()
    watch.fly_out()
    watch.take(SystemTime(0, 500))
    watch.come_home()
    assert endings(watch) == UNSURE


@pytest.mark.parametrize(
    ("device", "seq", "proved"),
    [
        (DropDevice.GRIPPER, RELEASE_SEQ, False),
        (DropDevice.GRIPPER, DELAY_SEQ, True),
        (DropDevice.WINCH, DELAY_SEQ, False),
        (DropDevice.PAYLOAD_PLACE, DELAY_SEQ, False),
        (DropDevice.PAYLOAD_PLACE, LAND_SEQ, False),
    ],
)
def test_what_an_item_reached_in_order_proves(device: DropDevice, seq: int, proved: bool) -> None:
    (release,) = translate(mission(device)).releases
    assert proves(seq, release) is proved


def test_a_return_out_of_a_hold_that_shows_as_auto_is_no_release() -> None:
    watch = Watch()
    watch.fly_to_drop()
    watch.flight.settle(arducopter.BRAKE)
    watch.beat(arducopter.BRAKE)
    # the link was silent while a failsafe went through AUTO_RTL
    watch.at(CLIMB_SEQ)
    watch.beat(arducopter.AUTO)
    watch.idle(20.0)
    watch.idle(20.0)
    assert watch.kinds() == [EventKind.STARTED, EventKind.FAILSAFE]
    assert watch.flight.jumped


def test_a_resumed_mission_still_proves_its_progress() -> None:
    watch = Watch()
    watch.fly_to_drop()
    watch.flight.settle(arducopter.BRAKE)
    watch.beat(arducopter.BRAKE)
    watch.flight.resuming = True
    watch.flight.settle(arducopter.AUTO)
    watch.beat(arducopter.AUTO)
    watch.at(DELAY_SEQ)
    watch.beat()
    watch.idle(10.0)
    watch.idle(10.0)
    assert watch.kinds() == [EventKind.STARTED, EventKind.RELEASED]


def test_the_vehicles_word_on_a_jump_counts_before_its_mode() -> None:
    watch = Watch()
    watch.fly_to_drop()
    watch.say("Return path started")
    watch.at(CLIMB_SEQ)
    watch.beat()
    watch.idle(20.0)
    watch.idle(20.0)
    assert EventKind.RELEASED not in watch.kinds()


def test_returning_after_the_release_still_completes() -> None:
    watch = Watch()
    watch.fly_to_drop()
    watch.say("Gripper load releasing")
    watch.flight.expect(arducopter.AUTO_RTL)
    watch.beat(arducopter.AUTO_RTL)
    watch.fly_home()
    assert watch.kinds() == [EventKind.STARTED, EventKind.RELEASED, EventKind.COMPLETED]


def test_a_gripper_that_opens_on_the_way_is_an_alarm() -> None:
    watch = Watch()
    watch.place(HOME, 0.0)
    watch.beat()
    watch.at(2)
    watch.landed(modes.IN_AIR)
    watch.say("Gripper load releasing")
    assert watch.kinds() == [EventKind.STARTED, EventKind.ALARM]


def test_a_mode_that_is_not_ours_is_a_failsafe_with_its_words_once() -> None:
    watch = Watch()
    watch.fly_to_drop()
    watch.take(StatusText(4, "GCS Failsafe", 0, 0))
    watch.beat(arducopter.AUTO_RTL, status=modes.STATE_CRITICAL)
    watch.beat(status=modes.STATE_CRITICAL)
    assert watch.kinds() == [EventKind.STARTED, EventKind.FAILSAFE]
    assert "AUTO_RTL" in watch.seen[1].detail
    assert watch.seen[1].evidence == ("GCS Failsafe",)


def test_a_list_that_shrinks_in_flight_is_a_lost_mission() -> None:
    watch = Watch()
    watch.fly_to_drop()
    watch.at(5, total=1)
    watch.at(5, total=1)
    assert watch.kinds() == [EventKind.STARTED, EventKind.MISSION_LOST]


def test_landing_away_from_home_is_aborted_and_says_where() -> None:
    watch = Watch()
    watch.fly_to_drop()
    watch.flight.expect(arducopter.LAND)
    watch.beat(arducopter.LAND)
    watch.landed(modes.ON_GROUND)
    watch.beat(armed=False)
    assert watch.kinds() == [EventKind.STARTED, *UNSURE]
    assert "landed 200 m from home" in watch.seen[-1].detail
    assert "landed at item 5 of 11" in watch.seen[-1].detail


def test_an_ending_that_the_link_hid_completes_where_nothing_is_open() -> None:
    watch = Watch()
    watch.fly_to_drop()
    watch.say("Gripper load releasing")
    watch.idle(60.0)
    watch.at(1)
    watch.place(HOME, 0.0)
    watch.landed(modes.ON_GROUND)
    watch.beat(armed=False)
    assert watch.kinds() == [EventKind.STARTED, EventKind.RELEASED, EventKind.COMPLETED]


@pytest.mark.parametrize("unattended", [False, True])
def test_a_disarm_before_take_off_is_told_where_nobody_waits(unattended: bool) -> None:
    watch = Watch()
    watch.flight.unattended = unattended
    watch.place(HOME, 0.0)
    watch.beat()
    watch.at(1)
    watch.beat(armed=False)
    assert watch.kinds() == ([EventKind.ABORTED] if unattended else [])


def test_a_reboot_in_the_air_is_part_of_the_ending() -> None:
    watch = Watch()
    watch.fly_to_drop()
    watch.take(SystemTime(0, 500))
    watch.landed(modes.ON_GROUND)
    watch.beat(armed=False)
    assert "rebooted" in watch.seen[-1].detail


def test_an_acknowledged_start_without_take_off_is_nothing() -> None:
    watch = Watch()
    watch.place(HOME, 0.0)
    watch.landed(modes.ON_GROUND)
    watch.beat()
    watch.at(1)
    watch.idle(10.0)
    assert watch.kinds() == []


messages = st.one_of(
    st.builds(
        lambda mode, armed, status: Heartbeat(mode, 2, 3, 128 if armed else 0, status, 3),
        st.sampled_from([3, 3, 3, 27, 6, 9, 17]),
        st.booleans(),
        st.sampled_from([4, 4, 5]),
    ),
    st.builds(lambda seq: MissionCurrent(seq, 11, 3, 1), st.integers(0, 12)),
    st.builds(lambda state: ExtendedSysState(0, state), st.integers(0, 4)),
    st.builds(
        lambda text: StatusText(6, text, 0, 0),
        st.sampled_from(["Gripper load releasing", "Gripper load released", "Winch: lowering"]),
    ),
)


@settings(deadline=None)
@given(st.lists(messages, max_size=120), st.sampled_from(list(DropDevice)))
def test_whatever_comes_a_parcel_is_released_at_most_once_and_a_flight_ends_once(
    stream: list[Message], device: DropDevice
) -> None:
    watch = Watch(device)
    watch.place(HOME, 0.0)
    near = False
    for message in stream:
        there = isinstance(message, MissionCurrent) and 5 <= message.seq < CLIMB_SEQ
        near = near or (there and not watch.flight.finished)
        watch.take(message)
    kinds = watch.kinds()
    told = {EventKind.RELEASED, EventKind.RELEASE_FAILED, EventKind.RELEASE_UNSURE} & set(kinds)
    # a parcel that may have left is never told as aboard
    assert told or not watch.flight.finished or not near
    assert kinds.count(EventKind.STARTED) <= 1
    assert kinds.count(EventKind.RELEASED) + kinds.count(EventKind.RELEASE_FAILED) <= 1
    assert kinds.count(EventKind.COMPLETED) + kinds.count(EventKind.ABORTED) <= 1
    assert kinds.count(EventKind.MISSION_LOST) <= 1
    assert kinds.count(EventKind.RELEASE_UNSURE) <= 1
    if EventKind.RELEASED in kinds:
        assert kinds.index(EventKind.STARTED) < kinds.index(EventKind.RELEASED)


@settings(deadline=None)
@given(st.lists(st.integers(0, 12), max_size=30))
def test_progress_while_returning_never_proves_a_release(seqs: list[int]) -> None:
    watch = Watch()
    watch.place(HOME, 0.0)
    watch.beat()
    watch.landed(modes.IN_AIR)
    watch.beat(arducopter.AUTO_RTL)
    for seq in seqs:
        watch.at(seq)
        watch.idle(10.0)
    assert EventKind.RELEASED not in watch.kinds()
