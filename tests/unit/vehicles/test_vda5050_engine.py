"""The order engine, rule by rule."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from tests.unit.vehicles.vda5050_rounds import MAP, error, on_order, order, state
from vehicles.port import EventKind, LinkState, Phase
from vehicles.vda5050.engine import step
from vehicles.vda5050.engine_model import (
    Adopt,
    Ask,
    Begin,
    BrokerDown,
    BrokerUp,
    EngineSettings,
    EngineState,
    GotConnection,
    GotState,
    Prepare,
    SendActions,
    SendOrder,
    Stage,
    Tick,
)
from vehicles.vda5050.models import ActionState, Connection, SafetyState
from vehicles.vda5050.progress import passed
from vehicles.vda5050.telemetry import telemetry_of

ALL_DONE = {"k1": "FINISHED", "k2": "FINISHED", "d1": "FINISHED", "d2": "FINISHED"}
ORDER = order()
END = len(ORDER.body.nodes)


class Master:
    """Feeds the engine and keeps what it says."""

    def __init__(self) -> None:
        self.engine = EngineState(tag="t")
        self.now = 0.0
        self.sends = []
        self.notices = []
        self.feed(BrokerUp())
        self.feed(GotState(state(1)))

    def feed(self, event) -> None:
        self.engine, sends, notices = step(self.engine, event, self.now)
        self.sends += sends
        self.notices += notices

    def wait(self, seconds: float, step_s: float = 1.0) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + step_s)
            self.feed(Tick())

    def begin(self) -> None:
        self.feed(Prepare(ORDER))
        self.feed(Begin())

    def shown(self, header_id: int, passed: int = 0, **actions: str) -> None:
        self.feed(GotState(on_order(ORDER, header_id, passed, **actions)))

    @property
    def orders(self) -> int:
        return sum(isinstance(s, SendOrder) for s in self.sends)

    def actions(self, action_type: str) -> list[str]:
        return [
            a.action_id
            for s in self.sends
            if isinstance(s, SendActions)
            for a in s.actions
            if a.action_type == action_type
        ]

    @property
    def kinds(self) -> list[EventKind]:
        return [n.kind for n in self.notices]

    @property
    def stage(self) -> Stage:
        assert self.engine.track is not None
        return self.engine.track.stage


def connection(word: str) -> GotConnection:
    return GotConnection(
        Connection(
            header_id=0,
            timestamp="1970-01-01T00:00:00.000Z",
            version="2.1.0",
            manufacturer="ACME",
            serial_number="R-1",
            connection_state=word,
        )
    )


def test_nothing_is_sent_before_begin() -> None:
    master = Master()
    master.feed(Prepare(ORDER))
    master.wait(30)
    assert master.orders == 0
    assert master.stage is Stage.PREPARED


def test_resent_with_backoff_until_reflected() -> None:
    master = Master()
    master.begin()
    assert master.orders == 1
    master.wait(1.5)
    assert master.orders == 1
    master.wait(0.5)
    assert master.orders == 2
    master.wait(4)
    assert master.orders == 3
    bodies = {repr(s.body) for s in master.sends if isinstance(s, SendOrder)}
    assert len(bodies) == 1
    master.shown(2)
    assert master.stage is Stage.ACTIVE
    assert master.kinds == [EventKind.STARTED]
    master.wait(20)
    assert master.orders == 3


def test_silence_ends_the_resending_but_not_the_watching() -> None:
    master = Master()
    master.begin()
    for second in range(1, 70):
        master.now = float(second)
        master.feed(GotState(state(1 + second)))
        master.feed(Tick())
    assert master.stage is Stage.SILENT
    count = master.orders
    master.wait(20)
    assert master.orders == count
    master.shown(100)
    assert master.stage is Stage.ACTIVE
    assert EventKind.STARTED in master.kinds


def test_rejected_by_an_error_that_names_the_order() -> None:
    master = Master()
    master.begin()
    master.feed(GotState(state(2, errors=(error("orderError", "another"),))))
    assert master.stage is Stage.SENT
    master.feed(GotState(state(3, errors=(error("noRouteError", ORDER.order_id),))))
    assert master.stage is Stage.REJECTED
    assert "noRouteError" in master.engine.track.reason
    count = master.orders
    master.wait(30)
    assert master.orders == count


def test_an_error_from_before_is_no_rejection() -> None:
    master = Master()
    old = error("orderError", ORDER.order_id)
    master.feed(GotState(state(2, errors=(old,))))
    master.begin()
    master.feed(GotState(state(3, errors=(old,))))
    assert master.stage is Stage.SENT


def test_a_round_to_its_end() -> None:
    master = Master()
    master.begin()
    master.shown(2)
    master.shown(3, 1, k1="RUNNING")
    master.shown(4, 1, k1="FINISHED", k2="RUNNING")
    master.shown(5, 1, k1="FINISHED", k2="FINISHED")
    done = {"k1": "FINISHED", "k2": "FINISHED"}
    master.shown(6, 3, **done, d1="RUNNING")
    master.shown(7, 3, **done, d1="FINISHED")
    master.shown(7, 3, **done, d1="FINISHED")
    master.shown(8, 4, **ALL_DONE)
    assert EventKind.COMPLETED not in master.kinds
    master.shown(9, END, **ALL_DONE)
    assert [(n.kind, n.parcel_id) for n in master.notices] == [
        (EventKind.STARTED, ""),
        (EventKind.PICKED, "p1"),
        (EventKind.PICKED, "p2"),
        (EventKind.RELEASED, "p1"),
        (EventKind.RELEASED, "p2"),
        (EventKind.COMPLETED, ""),
    ]
    assert all(n.mission_hash == ORDER.mission_hash for n in master.notices)


def test_last_node_alone_proves_nothing() -> None:
    """The last action still runs although every node is gone."""
    master = Master()
    master.begin()
    master.shown(2, END, k1="FINISHED", k2="FINISHED", d1="FINISHED", d2="RUNNING")
    assert EventKind.COMPLETED not in master.kinds
    assert master.stage is Stage.ACTIVE


def test_failed_drop_is_told_with_its_reason() -> None:
    master = Master()
    master.begin()
    failed = on_order(ORDER, 2, 3, k1="FINISHED", k2="FINISHED", d1="FAILED")
    shown = tuple(
        ActionState(action_id="d1", action_status="FAILED", result_description="nobody came")
        if a.action_id == "d1"
        else a
        for a in failed.action_states
    )
    master.feed(GotState(msgspec.structs.replace(failed, action_states=shown)))
    told = [n for n in master.notices if n.kind is EventKind.RELEASE_FAILED]
    assert [(n.parcel_id, n.detail) for n in told] == [("p1", "drop failed: nobody came")]
    master.shown(3, END, **ALL_DONE | {"d1": "FAILED"})
    assert master.kinds.count(EventKind.RELEASE_FAILED) == 1
    assert master.notices[-1].kind is EventKind.COMPLETED
    assert "failed actions" in master.notices[-1].detail


def test_one_odd_state_is_doubt_two_are_loss() -> None:
    master = Master()
    master.begin()
    master.shown(2)
    requests = len(master.actions("stateRequest"))
    master.feed(GotState(state(3)))
    assert master.stage is Stage.ACTIVE
    master.shown(4)
    master.feed(GotState(state(5)))
    assert master.stage is Stage.ACTIVE
    assert len(master.actions("stateRequest")) >= requests
    master.feed(GotState(state(6)))
    assert master.stage is Stage.LOST
    assert master.notices[-1].kind is EventKind.MISSION_LOST
    assert "no order" in master.notices[-1].detail


def test_a_cleared_order_is_lost_and_not_done() -> None:
    master = Master()
    master.begin()
    master.shown(2, 1, k1="FINISHED")
    for header in (3, 4):
        master.feed(GotState(state(header, order_id=ORDER.order_id, operating_mode="MANUAL")))
    assert master.stage is Stage.LOST
    assert "MANUAL" in master.notices[-1].detail


def test_at_the_end_without_results_is_not_done() -> None:
    master = Master()
    master.begin()
    master.shown(2)
    last = ORDER.last_sequence_id
    for header in (3, 4):
        master.feed(GotState(state(header, order_id=ORDER.order_id, last_node_sequence_id=last)))
    assert EventKind.COMPLETED not in master.kinds
    assert EventKind.MISSION_LOST in master.kinds


def test_overtaken_and_doubled_states_change_nothing() -> None:
    master = Master()
    master.begin()
    master.shown(5)
    master.feed(GotState(state(3)))
    master.feed(GotState(state(4)))
    master.shown(5)
    assert master.stage is Stage.ACTIVE
    assert master.engine.state.header_id == 5


def test_a_reboot_is_seen_by_its_counts() -> None:
    master = Master()
    master.feed(GotState(state(50)))
    master.feed(connection("CONNECTIONBROKEN"))
    assert master.kinds == [EventKind.CONNECTION_LOST]
    master.feed(connection("ONLINE"))
    master.feed(GotState(state(0)))
    assert master.kinds == [
        EventKind.CONNECTION_LOST,
        EventKind.CONNECTION_BACK,
        EventKind.REBOOTED,
    ]


def test_counts_from_the_start_are_believed_after_three() -> None:
    """A robot whose clock and counts both went back, and whose ONLINE nobody heard."""
    master = Master()
    master.feed(GotState(state(50)))
    for header in (0, 1):
        master.wait(10)
        master.feed(GotState(state(header)))
        assert master.engine.state.header_id == 50
    master.feed(GotState(state(2)))
    assert master.engine.state.header_id == 2
    assert EventKind.LINK_LOST not in master.kinds


def test_three_overtaken_states_in_a_row_are_no_robot_that_restarted() -> None:
    """Else it would stand again where it waited for an update long ago: a cleared order."""
    master = Master()
    master.feed(Prepare(replace(ORDER, window=2)))
    master.feed(Begin())
    waits = {"node_states": (), "edge_states": (), "action_states": (), "driving": False}
    shown = on_order(ORDER, 20, 2)
    master.feed(GotState(msgspec.structs.replace(shown, **waits)))
    shown = on_order(ORDER, 40, 3)
    master.feed(GotState(msgspec.structs.replace(shown, **waits | {"order_update_id": 1})))
    for header in range(30, 36):
        old = msgspec.structs.replace(on_order(ORDER, header, 2), **waits)
        master.feed(GotState(old))
        master.wait(1)
    assert master.stage is Stage.ACTIVE
    assert master.engine.state.header_id == 40


def test_last_will_and_staleness_are_two_things() -> None:
    master = Master()
    master.wait(34)
    assert master.engine.link(master.now) is LinkState.ONLINE
    master.wait(2)
    assert master.engine.link(master.now) is LinkState.STALE
    assert "no state for 35 s" in master.notices[-1].detail
    master.feed(connection("CONNECTIONBROKEN"))
    assert master.engine.link(master.now) is LinkState.OFFLINE
    assert master.notices[-1].kind is EventKind.CONNECTION_LOST
    assert "last will" in master.notices[-1].detail
    assert master.kinds == [EventKind.LINK_LOST, EventKind.CONNECTION_LOST]
    master.feed(connection("OFFLINE"))
    assert master.notices[-1].detail == "robot signed off"
    master.feed(connection("ONLINE"))
    assert master.notices[-1].kind is EventKind.CONNECTION_BACK
    assert master.engine.silent(master.now)
    master.feed(GotState(state(2)))
    assert master.notices[-1].kind is EventKind.LINK_BACK


def test_silence_ends_by_a_state_and_the_last_will_by_online_in_either_order() -> None:
    master = Master()
    master.feed(GotState(state(1)))
    master.feed(connection("CONNECTIONBROKEN"))
    assert master.kinds == [EventKind.CONNECTION_LOST]
    master.wait(36)
    assert master.kinds == [EventKind.CONNECTION_LOST, EventKind.LINK_LOST]
    master.feed(GotState(state(2)))
    assert master.kinds[2:] == [EventKind.LINK_BACK]
    assert master.engine.broken == "last will: connection broken"
    assert master.engine.link(master.now) is LinkState.ONLINE
    master.feed(connection("ONLINE"))
    assert master.kinds[3:] == [EventKind.CONNECTION_BACK]
    assert master.engine.broken == ""


def test_a_state_takes_a_will_back_where_the_word_online_may_get_lost() -> None:
    master = Master()
    shy = msgspec.structs.replace(master.engine, settings=EngineSettings(trusts_connection=False))
    master.engine = shy
    master.feed(GotState(state(1)))
    master.feed(connection("CONNECTIONBROKEN"))
    master.feed(GotState(state(2)))
    assert master.kinds == [EventKind.CONNECTION_LOST, EventKind.CONNECTION_BACK]


def test_what_was_off_before_it_was_ever_heard_is_no_loss() -> None:
    master = Master()
    master.engine = EngineState(tag="t", broker=True)
    master.feed(connection("OFFLINE"))
    master.feed(connection("ONLINE"))
    assert master.kinds == []


def test_a_state_after_the_will_shows_that_the_robot_lives() -> None:
    master = Master()
    master.feed(connection("CONNECTIONBROKEN"))
    master.feed(GotState(state(2)))
    assert master.engine.link(master.now) is LinkState.ONLINE


def test_online_asks_for_state_and_factsheet() -> None:
    master = Master()
    master.sends.clear()
    master.engine = EngineState(tag="t", broker=True)
    master.feed(connection("ONLINE"))
    assert len(master.actions("stateRequest")) == 1
    assert len(master.actions("factsheetRequest")) == 1
    master.wait(2)
    assert len(set(master.actions("stateRequest"))) == 1
    assert len(master.actions("stateRequest")) == 2


def test_broker_loss_is_told_and_its_return_hurries_the_resend() -> None:
    master = Master()
    master.begin()
    master.feed(BrokerDown())
    assert master.notices[-1].detail == "broker connection lost"
    count = master.orders
    master.now += 0.5
    master.feed(BrokerUp())
    assert master.orders == count + 1
    assert master.notices[-1].kind is EventKind.LINK_BACK


def test_cancel_waits_for_its_terminal_state() -> None:
    master = Master()
    master.begin()
    master.shown(2, 1, k1="FINISHED", k2="RUNNING")
    master.feed(Ask("cancelOrder", "c"))
    master.wait(2)
    assert master.actions("cancelOrder") == ["c", "c"]
    running = on_order(ORDER, 3, 1, k1="FINISHED", k2="RUNNING", d1="FAILED", d2="FAILED")

    def with_cancel(shown, status: str):
        entry = ActionState(action_id="c", action_status=status)
        return GotState(msgspec.structs.replace(shown, action_states=(*shown.action_states, entry)))

    master.feed(with_cancel(running, "RUNNING"))
    assert master.stage is Stage.ACTIVE
    master.wait(100)
    assert master.actions("cancelOrder") == ["c", "c"]
    master.feed(Prepare(order("m2")))
    assert master.engine.track.prepared is ORDER
    over = on_order(ORDER, 4, 1, k1="FINISHED", k2="FINISHED", d1="FAILED", d2="FAILED")
    cleared = msgspec.structs.replace(over, node_states=(), edge_states=(), driving=False)
    master.feed(with_cancel(cleared, "FINISHED"))
    assert master.stage is Stage.CANCELLED
    ours = [k for k in master.kinds if k not in {EventKind.LINK_LOST, EventKind.LINK_BACK}]
    assert ours == [
        EventKind.STARTED,
        EventKind.PICKED,
        EventKind.PICKED,
        EventKind.ABORTED,
    ]


def test_cancel_of_an_order_that_never_arrived() -> None:
    master = Master()
    master.begin()
    master.feed(Ask("cancelOrder", "c"))
    count = master.orders
    failed = ActionState(action_id="c", action_status="FAILED")
    master.feed(GotState(state(2, action_states=(failed,))))
    assert master.stage is Stage.CANCELLED
    assert EventKind.ABORTED not in master.kinds
    master.wait(20)
    assert master.orders == count


def test_a_resume_ends_the_resending_of_a_pause() -> None:
    master = Master()
    master.feed(Ask("startPause", "p"))
    master.feed(Ask("stopPause", "r"))
    master.sends.clear()
    master.wait(10)
    assert not master.actions("startPause")
    assert master.actions("stopPause")


def test_an_order_that_was_over_and_runs_again_is_cancelled() -> None:
    master = Master()
    master.begin()
    master.shown(2)
    for header in (3, 4):
        master.feed(GotState(state(header)))
    assert master.stage is Stage.LOST
    for header in (5, 6):
        master.shown(header)
    assert "runs again" in master.notices[-1].detail
    assert len(master.actions("cancelOrder")) == 1


def test_a_foreign_order_is_an_alarm_once() -> None:
    master = Master()
    foreign = order("x")
    shown = on_order(foreign, 2)
    for header in (2, 3):
        master.feed(GotState(msgspec.structs.replace(shown, order_id="theirs", header_id=header)))
    assert [n.kind for n in master.notices] == [EventKind.ALARM]
    assert "'theirs' of another master" in master.notices[0].detail


def test_an_own_order_waits_for_adoption_before_it_alarms() -> None:
    master = Master()
    master.shown(2)
    assert master.notices == []
    master.now = 61.0
    master.shown(3)
    assert "adopt or cancel" in master.notices[-1].detail
    master.feed(Adopt(ORDER))
    assert master.stage is Stage.ACTIVE


def test_adoption_tells_nothing_again() -> None:
    master = Master()
    master.shown(2, 3, k1="FINISHED", k2="FINISHED", d1="FINISHED")
    master.feed(Adopt(ORDER))
    master.shown(3, END, **ALL_DONE)
    assert [(n.kind, n.parcel_id) for n in master.notices] == [
        (EventKind.RELEASED, "p2"),
        (EventKind.COMPLETED, ""),
    ]


def test_adoption_of_what_is_not_there_ends_the_resending() -> None:
    master = Master()
    master.begin()
    master.feed(Adopt(ORDER))
    assert master.engine.track is None
    count = master.orders
    master.wait(20)
    assert master.orders == count


def test_emergency_stop_and_fatal_errors_are_told_when_they_begin() -> None:
    master = Master()
    stop = SafetyState(e_stop="MANUAL", field_violation=False)
    for header in (2, 3):
        master.feed(
            GotState(state(header, safety_state=stop, errors=(error("motor", level="FATAL"),)))
        )
    assert [n.detail for n in master.notices] == ["emergency stop MANUAL", "fatal error motor"]
    master.feed(GotState(state(4)))
    master.feed(GotState(state(5, safety_state=stop)))
    assert len(master.notices) == 3


@pytest.mark.parametrize(
    ("shown", "phase", "item"),
    [
        (on_order(ORDER, 2), Phase.EN_ROUTE, 0),
        (on_order(ORDER, 2, 1, k1="RUNNING"), Phase.AT_STOP, 1),
        (on_order(ORDER, 2, 4, **ALL_DONE), Phase.RETURNING, 4),
        (on_order(ORDER, 2, END, **ALL_DONE), Phase.READY, 0),
    ],
)
def test_telemetry_phases(shown, phase: Phase, item: int) -> None:
    master = Master()
    master.begin()
    master.feed(GotState(shown))
    told = telemetry_of("r1", master.engine, master.now, None, MAP)
    assert told.phase is phase
    assert told.item == item
    assert told.armed is (phase is not Phase.READY)
    assert told.battery_pct == 80.0
    assert told.heading_deg == pytest.approx(115.0, abs=0.01)


def test_a_paused_robot_holds_whether_it_has_an_order_or_not() -> None:
    master = Master()
    master.feed(GotState(state(2, paused=True)))
    told = telemetry_of("r1", master.engine, master.now, None, MAP)
    assert told.phase is Phase.HOLDING
    assert not told.startable


def test_telemetry_before_any_word() -> None:
    told = telemetry_of("r1", EngineState(), 0.0, None, MAP)
    assert told.link is LinkState.UNKNOWN
    assert told.phase is Phase.UNKNOWN
    assert told.armed is None


def test_passed_needs_node_and_edge_gone() -> None:
    half = on_order(ORDER, 2, 2)
    assert passed(ORDER, half) == 2
    edge_left = msgspec.structs.replace(half, edge_states=on_order(ORDER, 2, 1).edge_states)
    assert passed(ORDER, edge_left) == 1
