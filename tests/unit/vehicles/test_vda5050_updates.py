"""Base and horizon, updates, rejections and a robot's ways, rule by rule."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from tests.unit.vehicles.vda5050_rounds import MAP, error, on_order, order, round_of, state
from vehicles.port import EventKind, LinkState
from vehicles.vda5050.engine import step
from vehicles.vda5050.engine_model import (
    Adopt,
    Ask,
    Begin,
    BrokerUp,
    EngineSettings,
    EngineState,
    GotConnection,
    GotState,
    Grant,
    Prepare,
    SendActions,
    SendOrder,
    Stage,
    Tick,
)
from vehicles.vda5050.gate import robot_gate
from vehicles.vda5050.models import ActionState, Connection, ErrorEntry, ErrorReference, State
from vehicles.vda5050.orders import OrderSettings, build_order
from vehicles.vda5050.profile import find_profile
from vehicles.vda5050.progress import by_edges

ORDER = order()
END = ORDER.last_sequence_id


class Master:
    def __init__(self, prepared=ORDER, **settings) -> None:
        self.engine = EngineState(EngineSettings(**settings), tag="t")
        self.order = prepared
        self.now, self.header = 0.0, 1
        self.sends, self.notices = [], []
        self.feed(BrokerUp())
        self.feed(GotState(state(1)))

    def feed(self, event) -> None:
        self.engine, sends, notices = step(self.engine, event, self.now)
        self.sends += sends
        self.notices += notices

    def begin(self, granted: int | None = None) -> None:
        self.feed(Prepare(self.order, granted))
        self.feed(Begin())

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1.0
            self.feed(Tick())

    def shows(self, passed: int, base: int, update: int, **changes) -> None:
        """The robot: nodes passed, sequence id where its base ends, update id."""
        self.header += 1
        shown = on_order(self.order, self.header, passed)
        fields = {
            "order_update_id": update,
            "node_states": tuple(
                msgspec.structs.replace(n, released=n.sequence_id <= base)
                for n in shown.node_states
            ),
            "edge_states": tuple(
                msgspec.structs.replace(e, released=e.sequence_id < base) for e in shown.edge_states
            ),
        }
        self.feed(GotState(msgspec.structs.replace(shown, **fields | changes)))

    @property
    def bodies(self):
        return [s.body for s in self.sends if isinstance(s, SendOrder)]

    def asked(self, word: str) -> list[str]:
        asked = [a for s in self.sends if isinstance(s, SendActions) for a in s.actions]
        return [a.action_id for a in asked if a.action_type == word]

    @property
    def alarms(self) -> list[str]:
        return [n.detail for n in self.notices if n.kind is EventKind.ALARM]


def refusal(word: str, update: int | None, text: str = "", level: str = "WARNING") -> ErrorEntry:
    pairs = [("orderId", ORDER.order_id)]
    pairs += [("orderUpdateId", str(update))] if update is not None else []
    return ErrorEntry(
        error_type=word,
        error_level=level,
        error_description=text or None,
        error_references=tuple(
            ErrorReference(reference_key=k, reference_value=v) for k, v in pairs
        ),
    )


def base(body) -> list[int]:
    return [n.sequence_id for n in body.nodes if n.released]


def test_the_base_reaches_so_many_nodes_ahead_and_the_rest_is_horizon() -> None:
    master = Master(base_nodes_ahead=2)
    master.begin()
    (first,) = master.bodies
    assert base(first) == [0, 2, 4]
    assert [n.sequence_id for n in first.nodes] == [0, 2, 4, 6, 8]
    assert [e.released for e in first.edges] == [True, True, False, False]


def test_an_update_joins_at_the_decision_point_and_repeats_it() -> None:
    master = Master(base_nodes_ahead=2)
    master.begin()
    master.shows(1, 4, 0)
    assert len(master.bodies) == 1, "two nodes of the base are left"
    master.shows(2, 4, 0)
    first, update = master.bodies
    assert (update.order_id, update.order_update_id) == (first.order_id, 1)
    assert update.nodes[0] == first.nodes[2]
    assert base(update) == [4, 6]
    assert [n.sequence_id for n in update.nodes] == [4, 6, 8]
    assert [e.sequence_id for e in update.edges] == [5, 7]


def test_a_robot_that_would_repeat_actions_gets_the_decision_point_without() -> None:
    master = Master(base_nodes_ahead=2, resend_stitch_actions=False)
    master.begin()
    master.shows(2, 4, 0)
    assert master.bodies[0].nodes[2].actions
    assert master.bodies[1].nodes[0].actions == ()


def test_one_update_at_a_time_resent_until_it_is_reflected() -> None:
    master = Master(base_nodes_ahead=2)
    master.begin()
    master.shows(2, 4, 0)
    master.shows(3, 4, 0, new_base_request=True)
    master.wait(8)
    updates = master.bodies[1:]
    assert len(updates) > 2
    assert len({repr(u) for u in updates}) == 1
    master.shows(3, 6, 1)
    assert master.bodies[-1].order_update_id == 2
    assert base(master.bodies[-1]) == [6, 8]


def test_the_robot_asks_for_more_base() -> None:
    master = Master(base_nodes_ahead=3)
    master.begin()
    master.shows(1, 6, 0)
    assert len(master.bodies) == 1
    master.shows(2, 6, 0, new_base_request=True)
    assert base(master.bodies[-1]) == [6, 8]


def test_leases_hold_the_base_back() -> None:
    master = Master()
    master.begin(granted=3)
    assert base(master.bodies[0]) == [0, 2], "an edge alone is no place to stop"
    master.shows(2, 2, 0, new_base_request=True)
    assert len(master.bodies) == 1
    master.feed(Grant("another", None))
    assert len(master.bodies) == 1
    master.feed(Grant(ORDER.order_id, 6))
    assert base(master.bodies[-1]) == [2, 4, 6]
    master.shows(2, 6, 1)
    master.feed(Grant(ORDER.order_id, 2))
    master.feed(Grant(ORDER.order_id, None))
    assert base(master.bodies[-1]) == [6, 8]


def test_a_long_order_goes_in_pieces() -> None:
    master = Master(replace(ORDER, window=3))
    master.begin()
    assert [n.sequence_id for n in master.bodies[0].nodes] == [0, 2, 4]
    assert base(master.bodies[0]) == [0, 2]
    ahead = msgspec.structs.replace(on_order(ORDER, 0, 2).node_states[0], released=False)
    master.shows(2, 2, 0, node_states=(ahead,), edge_states=())
    assert master.engine.track.stage is Stage.ACTIVE
    assert [n.sequence_id for n in master.bodies[1].nodes] == [2, 4, 6]


def test_actions_that_a_robot_forgets_with_an_update_are_still_known() -> None:
    """vda-5050-lib 1.4.0 takes an update after its end as new: the old actionStates are gone."""
    master = Master(replace(ORDER, window=2))
    master.begin()
    kinds = {a.action_id: a.kind.value for a in ORDER.actions}

    def over(*names: str) -> tuple[ActionState, ...]:
        return tuple(
            ActionState(action_id=n, action_type=kinds[n], action_status="FINISHED") for n in names
        )

    for update, node in enumerate(ORDER.body.nodes[1:]):
        at = [*ORDER.body.nodes[:1], node] if update == 0 else [node]
        shown = over(*(a.action_id for n in at for a in n.actions))
        end = node.sequence_id
        master.shows(update + 2, end, update, node_states=(), edge_states=(), action_states=shown)
    assert master.engine.track.stage is Stage.COMPLETED
    assert [n.kind for n in master.notices if n.parcel_id] == [
        EventKind.PICKED, EventKind.PICKED, EventKind.RELEASED, EventKind.RELEASED,
    ]  # fmt: skip
    assert not master.alarms


def test_no_update_after_a_cancel() -> None:
    master = Master(base_nodes_ahead=2)
    master.begin()
    master.shows(2, 4, 0)
    master.feed(Ask("cancelOrder", "c"))
    sent = len(master.bodies)
    master.shows(3, 4, 0, new_base_request=True)
    master.wait(30)
    assert len(master.bodies) == sent


@pytest.mark.parametrize(
    "word",
    ["orderUpdateError", "validationError", "noRouteError", "SAME_ORDER_UPDATE_ID",
     "ORDER_UPDATE_FOLLOWING_CANCEL", "INSUFFICIENT_MEMORY"],
)  # fmt: skip
def test_a_rejected_update_is_told_once_and_ends_at_the_end_of_the_base(word: str) -> None:
    master = Master(base_nodes_ahead=2)
    master.begin()
    master.shows(2, 4, 0)
    no = (refusal(word, 1),)
    master.shows(2, 4, 0, errors=no)
    sent = len(master.bodies)
    assert [a for a in master.alarms if word in a and "stops at one" in a]
    master.wait(60)
    assert len(master.bodies) == sent
    assert not master.asked("cancelOrder"), "it still drives what it was released"
    master.shows(3, 4, 0, errors=no, driving=False)
    assert len(set(master.asked("cancelOrder"))) == 1
    (cancel,) = set(master.asked("cancelOrder"))
    over = tuple(ActionState(action_id=a.action_id, action_status="FAILED") for a in ORDER.actions)
    done = ActionState(action_id=cancel, action_status="FINISHED")
    master.shows(
        3, 4, 0, node_states=(), edge_states=(), driving=False, action_states=(*over, done)
    )
    assert master.notices[-1].kind is EventKind.ABORTED
    assert word in master.notices[-1].detail


def test_no_to_an_older_update_is_no_no_to_this_one() -> None:
    master = Master(base_nodes_ahead=2)
    master.begin()
    master.shows(2, 4, 0)
    master.shows(2, 4, 0, errors=(refusal("OUTDATED_ORDER_UPDATE", 0),))
    assert master.alarms == []
    master.shows(3, 6, 1, errors=(refusal("OUTDATED_ORDER_UPDATE", 0),))
    assert master.bodies[-1].order_update_id == 2


def test_errors_that_pile_up_answer_nothing_new() -> None:
    master = Master(base_nodes_ahead=2)
    master.begin()
    old = (refusal("orderUpdateError", None, "of before"),)
    master.shows(2, 4, 0, errors=old)
    master.shows(2, 4, 0, errors=old)
    assert not any("rejected" in a for a in master.alarms)


def test_a_no_without_references_must_stay() -> None:
    master = Master()
    master.begin()
    vague = ErrorEntry(error_type="validationError", error_level="WARNING")
    master.feed(GotState(state(2, errors=(vague,))))
    assert master.engine.track.stage is Stage.SENT
    master.feed(GotState(state(3)))
    master.feed(GotState(state(4, errors=(vague,))))
    assert master.engine.track.stage is Stage.SENT
    master.feed(GotState(state(5, errors=(vague,))))
    assert master.engine.track.stage is Stage.REJECTED


def test_a_profile_may_pass_over_rejections_for_a_while() -> None:
    master = Master(rejection_tolerance=2)
    master.begin()
    no = (error("orderError", ORDER.order_id),)
    for header in (2, 3):
        master.feed(GotState(state(header, errors=no)))
        assert master.engine.track.stage is Stage.SENT
    master.feed(GotState(state(4, errors=no)))
    assert master.engine.track.stage is Stage.REJECTED


def test_a_restarted_master_goes_on_from_what_the_robot_shows() -> None:
    master = Master(base_nodes_ahead=2)
    master.shows(3, 6, 4)
    master.feed(Adopt(ORDER))
    assert master.bodies[-1].order_update_id == 5
    assert base(master.bodies[-1]) == [6, 8]
    # a late update of before the restart wins the race: its base is the robot's now
    master.shows(3, 8, 5)
    assert master.engine.track.base_end == END
    sent = len(master.bodies)
    master.wait(30)
    assert len(master.bodies) == sent
    assert master.alarms == []


def test_an_update_of_another_master_is_told() -> None:
    master = Master()
    master.begin()
    master.shows(1, END, 0)
    master.shows(1, END, 7)
    assert "another master updated the order to 7" in master.alarms


def test_a_running_action_that_vanishes_is_given_up() -> None:
    master = Master()
    master.begin()
    master.shows(2, END, 0)
    master.feed(Ask("cancelOrder", "c"))
    running = ActionState(action_id="c", action_status="RUNNING")
    master.shows(2, END, 0, action_states=(running,))
    for _ in range(3):
        master.shows(2, END, 0, node_states=(), edge_states=(), driving=False, action_states=())
    assert master.engine.instant("c").over
    assert master.engine.track.stage in {Stage.CANCELLED, Stage.LOST}


def test_two_robots_under_one_name_are_told() -> None:
    master = Master()
    for count in range(5):
        master.feed(GotState(state(100 + count, timestamp=f"2026-01-01T01:00:{10 + count}Z")))
        master.feed(GotState(state(10 + count, timestamp=f"2026-01-01T01:00:{10 + count}.5Z")))
    assert any("two robots" in a for a in master.alarms)
    assert "two robots" in robot_gate(master.engine, master.now, "site")


def test_a_cancel_of_an_earlier_start_is_waited_for() -> None:
    running = ActionState(action_id="old", action_type="cancelOrder", action_status="RUNNING")
    master = Master()
    master.feed(GotState(state(2, action_states=(running,))))
    assert "still cancelling" in robot_gate(master.engine, master.now, "site")


def test_nobody_at_the_door_ends_the_order_in_time() -> None:
    prepared = build_order(round_of(), MAP, OrderSettings(), None, find_profile("pavement-trigger"))
    master = Master(prepared)
    master.begin()
    (wait,) = [a.action_id for a in prepared.actions if a.timeout_s]
    waiting = (ActionState(action_id=wait, action_status="RUNNING"),)
    last = len(prepared.body.nodes) - 1
    master.shows(last, END, 0, action_states=waiting, driving=False)
    master.wait(299)
    assert not master.asked("cancelOrder")
    master.wait(2)
    assert len(set(master.asked("cancelOrder"))) == 1
    assert any("waited for 300 s" in a for a in master.alarms)


def test_critical_errors_are_told_and_hold_the_base() -> None:
    master = Master(base_nodes_ahead=2)
    master.begin()
    bad = ErrorEntry(error_type="NODE_UNREACHABLE", error_level="CRITICAL")
    master.shows(2, 4, 0, errors=(bad,))
    assert len(master.bodies) == 1
    assert "this order cannot go on: NODE_UNREACHABLE" in master.alarms


def test_a_hibernating_robot_is_offline() -> None:
    master = Master()
    word = Connection(
        header_id=0, timestamp="", version="3.0.0", manufacturer="ACME",
        serial_number="R-1", connection_state="HIBERNATING",
    )  # fmt: skip
    master.feed(GotConnection(word))
    assert master.engine.link(master.now) is LinkState.OFFLINE
    assert master.notices[-1].detail == "robot hibernates"


def left(shown: State) -> list[int]:
    return [n.sequence_id for n in by_edges(shown).node_states]


def test_nodes_that_stay_in_the_state_are_passed_with_their_edge() -> None:
    start = on_order(ORDER, 1, 0)
    nodes = start.node_states
    assert left(start) == [0, 2, 4, 6, 8]
    driven = msgspec.structs.replace(
        on_order(ORDER, 1, 3), node_states=nodes, edge_states=start.edge_states[2:]
    )
    assert left(driven) == [6, 8]
    done = msgspec.structs.replace(on_order(ORDER, 1, 5), node_states=nodes, edge_states=())
    assert left(done) == []
    master = Master(edges_only=True)
    master.begin()
    ended = dict.fromkeys(("k1", "k2", "d1", "d2"), "FINISHED")
    arrived = msgspec.structs.replace(on_order(ORDER, 2, 5, **ended), node_states=nodes)
    master.feed(GotState(msgspec.structs.replace(arrived, edge_states=())))
    assert master.engine.track.stage is Stage.COMPLETED


def test_what_an_order_does_that_was_refused_and_runs_again_is_told() -> None:
    """A late copy reaches a robot that refused the order: the pick ends before the cancel."""
    master = Master()
    master.begin()
    master.feed(GotState(state(2, errors=(error("orderError", ORDER.order_id),))))
    assert master.engine.track.stage is Stage.REJECTED
    for header in (3, 4):
        master.feed(GotState(on_order(ORDER, header, 0, k1="RUNNING")))
    assert "runs again" in master.notices[-1].detail
    ended = {"k1": "FINISHED", "k2": "FAILED", "d1": "FAILED", "d2": "FAILED"}
    for header in (5, 6):
        shown = on_order(ORDER, header, 0, **ended)
        master.feed(GotState(msgspec.structs.replace(shown, node_states=(), edge_states=())))
    told = [(n.kind, n.parcel_id) for n in master.notices if n.parcel_id]
    assert told == [(EventKind.PICKED, "p1")]
    # its second end is told once, so that nobody waits for it
    assert [n.kind for n in master.notices].count(EventKind.ABORTED) == 1
    assert "ran again and was cancelled" in master.notices[-1].detail
    assert master.notices[-1].mission_hash == ORDER.mission_hash
    assert master.engine.track.stage is Stage.REJECTED


def test_a_robot_that_waits_at_the_end_of_a_short_message_has_not_cleared_its_order() -> None:
    """Two nodes a message: an update that got lost leaves it with nothing ahead."""
    master = Master(replace(ORDER, window=2))
    master.begin()
    assert base(master.bodies[-1]) == [0, 2]
    for _ in range(4):
        master.shows(2, 2, 0, node_states=(), edge_states=(), action_states=())
        master.wait(3)
    assert master.engine.track.stage is Stage.ACTIVE
    assert base(master.bodies[-1]) == [2, 4]


def cleared(at: int, **actions: str) -> dict[str, object]:
    """A robot with nothing ahead of it that last passed that sequence id."""
    return {
        "node_states": (),
        "edge_states": (),
        "driving": False,
        "last_node_sequence_id": at,
        "action_states": tuple(
            ActionState(action_id=a.replace("_", "-"), action_status=s) for a, s in actions.items()
        ),
    }


@pytest.mark.parametrize("word", ["FINISHED", "FAILED"])
@pytest.mark.parametrize("window", [2, 3])
def test_a_cancel_that_arrives_after_it_expired_ends_the_order(window: int, word: str) -> None:
    master = Master(replace(ORDER, window=window))
    master.begin()
    master.feed(Ask("cancelOrder", "c1"))
    master.wait(50)
    for _ in range(2):
        master.shows(0, 0, 0, **cleared(0, k1="FAILED", k2="FAILED", c1=word))
    assert master.engine.track.stage is Stage.CANCELLED
    assert [n.kind for n in master.notices].count(EventKind.ABORTED) == 1


def test_a_cancelled_robot_that_stands_where_it_would_wait_for_an_update_is_not_waiting() -> None:
    master = Master(replace(ORDER, window=2))
    master.begin()
    master.shows(2, 2, 0, **cleared(2))
    assert base(master.bodies[-1]) == [2, 4]
    master.feed(Ask("cancelOrder", "c1"))
    master.shows(2, 2, 1, **cleared(2, d2="FAILED", c1="FINISHED"))
    assert master.engine.track.stage is Stage.CANCELLED


@pytest.mark.parametrize("window", [2, 3, 5])
def test_an_order_that_was_cleared_where_it_began_is_lost_and_gets_no_more(window: int) -> None:
    master = Master(replace(ORDER, window=window))
    master.begin()
    for _ in range(2):
        master.shows(0, 0, 0, **cleared(0, k1="FAILED", k2="FAILED"))
    assert master.engine.track.stage is Stage.LOST
    assert {b.order_update_id for b in master.bodies} == {0}


def test_a_cancel_that_never_arrived_is_asked_for_again_where_the_base_ends() -> None:
    """Nothing more is released after it, so that the order would have no end."""
    master = Master(base_nodes_ahead=2)
    master.begin()
    master.feed(Ask("cancelOrder", "c1"))
    for passed in (1, 2, 3):
        master.shows(passed, 4, 0)
        master.wait(12)
    assert set(master.asked("cancelOrder")) == {"c1"}
    assert len(master.bodies) == 1
    for _ in range(2):
        master.shows(3, 4, 0, driving=False)
    again = set(master.asked("cancelOrder")) - {"c1"}
    assert len(again) == 1
    master.shows(3, 4, 0, **cleared(4, d2="FAILED", **{again.pop().replace("-", "_"): "FINISHED"}))
    assert master.engine.track.stage is Stage.CANCELLED
