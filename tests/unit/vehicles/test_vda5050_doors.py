"""A robot at a customer's door: it waits at the end of its base until the word is given."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from missions.model import GroundMission, Handover, StopAction
from tests.unit.vehicles.test_vda5050_updates import Master, base
from tests.unit.vehicles.vda5050_rounds import MAP, round_of
from vehicles.vda5050.engine_model import Adopt, Settle, Stage
from vehicles.vda5050.models import ActionState
from vehicles.vda5050.orders import OrderSettings, PreparedOrder, build_order, without
from vehicles.vda5050.profile import DEFAULT, find_profile, profile_fault
from vehicles.vda5050.progress import Reading, at_gate, reached, read

DOOR = find_profile("pavement-door")
DOOR_3 = find_profile("pavement-door-3")


def doors(*parcels: str, timed: bool = False, pin: bool = True) -> GroundMission:
    """The round with these parcels handed over at the door."""
    mission = round_of()

    def at_door(action):
        if action.kind is not StopAction.DROP or action.parcel_id not in parcels:
            return action
        hash_ = action.handover_pin_sha256 if pin else ""
        handover = action.handover if timed else Handover.DOOR
        return replace(action, handover=handover, timed=timed, handover_pin_sha256=hash_)

    nodes = tuple(replace(n, actions=tuple(map(at_door, n.actions))) for n in mission.nodes)
    return replace(mission, nodes=nodes)


def made(mission: GroundMission, profile=DOOR) -> PreparedOrder:
    return build_order(mission, MAP, OrderSettings(), None, profile)


ORDER = made(doors("p2"))
(GATE,) = ORDER.gates
STOP = GATE.sequence_id - 2
(WAIT,) = [a.action_id for a in ORDER.actions if a.waits]


def running(action_id: str) -> ActionState:
    return ActionState(action_id=action_id, action_status="RUNNING")


def test_a_door_is_a_node_of_its_own_at_the_same_place() -> None:
    before, behind = (
        next(n for n in ORDER.body.nodes if n.sequence_id == s) for s in (STOP, STOP + 2)
    )
    assert before.node_position == behind.node_position
    assert [a.action_type for a in before.actions] == ["awaitRelease"]
    assert [a.action_type for a in behind.actions] == ["openLid", "awaitRemoval", "closeLid"]
    assert [e.sequence_id for e in ORDER.body.edges] == list(range(1, 2 * len(ORDER.body.edges), 2))
    assert len(ORDER.node_sequences) == len(round_of().nodes)


def test_no_pin_goes_to_a_robot_that_does_not_ask_for_it() -> None:
    sent = [p.value for n in ORDER.body.nodes for a in n.actions for p in a.action_parameters]
    assert all("03ac674216f3e15c" not in str(value) for value in sent)
    assert not ORDER.pin_keys


@pytest.mark.parametrize(
    ("mission", "profile", "gates"),
    [
        (doors("p2"), DEFAULT, 0),  # the robot asks for the PIN itself
        (doors("p2", pin=False), DEFAULT, 1),
        (doors("p1", "p2", timed=True), DEFAULT, 2),
        (doors("p1", "p2"), DOOR, 2),
        (round_of(), DOOR, 0),
    ],
)
def test_who_waits_where(mission: GroundMission, profile, gates: int) -> None:
    assert len(made(mission, profile).gates) == gates


def test_a_locker_has_steps_of_its_own() -> None:
    mission = doors("p1")
    nodes = tuple(
        replace(n, actions=tuple(replace(a, handover=Handover.LOCKER) for a in n.actions))
        for n in mission.nodes
    )
    order = made(replace(mission, nodes=nodes))
    one = next(n for n in order.body.nodes if n.node_id == "one")
    assert [a.action_type for a in one.actions] == ["openLocker", "drop", "closeLocker"]
    assert not order.gates


def test_the_base_ends_at_the_door_and_what_is_behind_it_is_horizon() -> None:
    master = Master(ORDER)
    master.begin()
    (first,) = master.bodies
    assert base(first)[-1] == STOP
    assert first.nodes[-1].sequence_id == ORDER.last_sequence_id
    assert master.engine.track.shut == GATE


def test_the_word_releases_the_rest_and_triggers_the_robot_once() -> None:
    master = Master(ORDER)
    master.begin()
    passed = STOP // 2 + 1
    master.shows(passed, STOP, 0, driving=False, action_states=(running(WAIT),))
    assert at_gate(ORDER, GATE, master.engine.state)
    assert not master.asked("release")
    for _ in range(2):
        master.feed(Settle(ORDER.order_id, "p2", True))
    assert base(master.bodies[-1]) == list(range(STOP, ORDER.last_sequence_id + 1, 2))
    assert len(set(master.asked("release"))) == 1
    assert master.bodies[-1].nodes[1].actions, "the hand-over is in what was released"
    master.shows(passed, ORDER.last_sequence_id, 1, action_states=(running(WAIT),))
    assert len(set(master.asked("release"))) == 1


def test_a_word_before_the_robot_is_there_is_kept() -> None:
    master = Master(ORDER)
    master.begin()
    master.shows(1, STOP, 0)
    master.feed(Settle(ORDER.order_id, "p2", True))
    assert base(master.bodies[-1])[-1] == ORDER.last_sequence_id
    assert not master.asked("release")
    passed = STOP // 2 + 1
    master.shows(passed, ORDER.last_sequence_id, 1, action_states=(running(WAIT),))
    assert len(set(master.asked("release"))) == 1


def test_what_is_left_out_never_opens_whatever_is_said_later() -> None:
    master = Master(ORDER)
    master.begin()
    passed = STOP // 2 + 1
    master.shows(passed, STOP, 0, driving=False, action_states=(running(WAIT),))
    master.feed(Settle(ORDER.order_id, "p2", False))
    master.feed(Settle(ORDER.order_id, "p2", True))
    update = master.bodies[-1]
    assert base(update)[-1] == ORDER.last_sequence_id
    assert not [a for n in update.nodes[1:] for a in n.actions]
    assert update.nodes[0] == master.bodies[0].nodes[STOP // 2], "the base is as it was"
    assert len(set(master.asked("release"))) == 1
    assert "p2" in master.engine.track.left_out


def test_the_round_is_done_without_what_was_left_out() -> None:
    order = without(ORDER, "p2")
    assert without(order, "p2") == order
    assert {a.parcel_id for a in order.actions if a.proves and a.kind is StopAction.DROP} == {"p1"}
    master = Master(ORDER)
    master.begin()
    master.shows(1, STOP, 0)
    master.feed(Settle(ORDER.order_id, "p2", False))
    done = tuple(
        ActionState(action_id=a.action_id, action_status="FINISHED") for a in order.actions
    )
    master.shows(len(ORDER.body.nodes), ORDER.last_sequence_id, 1, action_states=done,
                 driving=False)  # fmt: skip
    assert read(order, master.engine.state) is Reading.DONE
    assert master.engine.track.stage is Stage.COMPLETED
    assert master.engine.track.released == {"p1"}


def test_after_a_restart_a_shut_door_stays_shut() -> None:
    before = Master(ORDER)
    before.begin()
    after = Master(ORDER)
    passed = STOP // 2 + 1
    after.shows(passed, STOP, 0, driving=False, action_states=(running(WAIT),))
    after.feed(Adopt(ORDER))
    assert after.engine.track.stage is Stage.ACTIVE
    assert not after.bodies
    after.feed(Settle(ORDER.order_id, "p2", True))
    assert base(after.bodies[-1])[-1] == ORDER.last_sequence_id


def test_version_3_waits_in_its_own_action_for_its_own_trigger() -> None:
    order = made(doors("p2"), DOOR_3)
    (wait,) = [a for a in order.actions if a.waits]
    stop = order.gates[0].sequence_id - 2
    node = next(n for n in order.body.nodes if n.sequence_id == stop)
    assert node.actions[0].action_type == "waitForTrigger"
    assert node.actions[0].action_parameters[0].value == ["FLEET_CONTROL"]
    master = Master(order)
    master.begin()
    master.shows(stop // 2 + 1, stop, 0, driving=False, action_states=(running(wait.action_id),))
    master.feed(Settle(order.order_id, "p2", True))
    assert len(set(master.asked("trigger"))) == 1


def test_leases_bind_before_an_open_door() -> None:
    master = Master(ORDER)
    master.begin(granted=2)
    assert base(master.bodies[-1]) == [0, 2]
    master.feed(Settle(ORDER.order_id, "p2", True))
    assert base(master.bodies[-1])[-1] == 2


def test_a_robot_at_the_door_has_not_passed_the_stop() -> None:
    master = Master(ORDER)
    master.begin()
    master.shows(STOP // 2 + 1, STOP, 0, driving=False)
    assert reached(ORDER, master.engine.state) == 1
    master.shows(STOP // 2 + 2, STOP + 2, 0, driving=False)
    assert reached(ORDER, master.engine.state) == 2


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"pin_by": "robot"}, "pin_by"),
        ({"arrival": (DOOR.handover[1],)}, "arrival"),
        ({"locker": DOOR.locker[:1]}, "locker"),
        ({"arrival": DOOR_3.arrival}, "waitForTrigger"),
    ],
)
def test_a_bad_door_in_a_profile_is_named(change, names: str) -> None:
    assert names in profile_fault(msgspec.structs.replace(DOOR, **change))
