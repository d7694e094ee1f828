"""Another way behind the base: stitched at the decision point, the base as it was."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from missions.model import GroundMission, RouteEdge, RouteNode
from tests.unit.vehicles.test_vda5050_doors import doors, made
from tests.unit.vehicles.test_vda5050_updates import Master, base
from tests.unit.vehicles.vda5050_rounds import MAP, at, on_order, order, round_of
from vehicles.vda5050.engine_model import Adopt, Ask, GotState, Grant, Settle, Stage, Swap
from vehicles.vda5050.models import NodeState
from vehicles.vda5050.orders import OrderSettings, PreparedOrder, build_order, without
from vehicles.vda5050.swap import as_settled, has_other_horizon, same_base, swap_fault

ORDER = order()
ONE = ORDER.node_sequences[1]
"""Where the base ends in these tests: at the first door."""


def aside() -> GroundMission:
    """The round with a detour by a bay between the first and the second door."""
    way = round_of()
    bay = RouteNode("bay", at(80, 0))
    nodes = (*way.nodes[:2], bay, *way.nodes[2:])
    edges = (
        way.edges[0],
        RouteEdge("e4", "one", "bay", 30.0, 2.0),
        RouteEdge("e5", "bay", "two", 30.0, 2.0),
        way.edges[2],
    )
    return replace(way, nodes=nodes, edges=edges)


OTHER: PreparedOrder = build_order(aside(), MAP, OrderSettings())


def standing() -> Master:
    """A robot that stands at the end of its base and was told no more."""
    master = Master()
    master.begin(ONE)
    master.shows(0, ONE, 0)
    master.shows(ONE // 2 + 1, ONE, 0)
    return master


def test_the_new_horizon_is_stitched_at_the_decision_point() -> None:
    master = standing()
    before = len(master.bodies)
    master.feed(Swap(OTHER, ONE))
    (body,) = master.bodies[before:]
    assert (body.order_id, body.order_update_id) == (ORDER.order_id, 1)
    assert base(body) == [ONE]
    assert body.nodes[0] == ORDER.body.nodes[ONE // 2]
    assert [n.node_id for n in body.nodes] == ["one", "bay", "two", "hub"]
    assert master.engine.track.prepared.mission_hash == aside().content_hash
    # nothing is let go on before the robot shows the new way
    master.feed(Grant(ORDER.order_id, OTHER.last_sequence_id))
    assert len(master.bodies) == before + 1
    master.order = OTHER
    master.shows(ONE // 2 + 1, ONE, 1)
    assert base(master.bodies[-1])[-1] == OTHER.last_sequence_id
    assert not master.alarms


def test_a_lost_update_is_sent_again_as_it_was() -> None:
    master = standing()
    before = len(master.bodies)
    master.feed(Swap(OTHER, ONE))
    master.wait(5)
    master.shows(ONE // 2 + 1, ONE, 0)
    sent = master.bodies[before:]
    assert len(sent) > 1
    assert all(body == sent[0] for body in sent)
    assert not master.alarms


def test_a_base_that_was_sent_is_never_altered() -> None:
    master = Master()
    master.begin(None)
    master.shows(0, ORDER.last_sequence_id, 0)
    before = list(master.bodies)
    assert "beyond the place" in swap_fault(master.engine.track, OTHER, master.engine.state)
    master.feed(Swap(OTHER, ONE))
    assert master.bodies == before
    assert master.engine.track.prepared == ORDER
    assert not same_base(ORDER, OTHER, ONE + 2)


@pytest.mark.parametrize(
    ("how", "why"),
    [("cancel", "cancelled"), ("unshown", "last update"), ("manual", "by itself")],
)
def test_when_no_other_way_is_taken(how: str, why: str) -> None:
    master = standing()
    if how == "cancel":
        master.feed(Ask("cancelOrder", "c1"))
    elif how == "unshown":
        master.feed(Grant(ORDER.order_id, ORDER.last_sequence_id))
    else:
        master.shows(ONE // 2 + 1, ONE, 0, operating_mode="MANUAL")
    assert why in swap_fault(master.engine.track, OTHER, master.engine.state)
    before = list(master.bodies)
    master.feed(Swap(OTHER, ONE))
    assert master.bodies == before


def test_a_master_that_stopped_before_it_told_the_way_tells_it_now() -> None:
    master = Master()
    shown = on_order(ORDER, 5, ONE // 2 + 1)
    horizon = tuple(
        NodeState(node_id=n.node_id, sequence_id=n.sequence_id, released=False)
        for n in shown.node_states
    )
    edges = tuple(msgspec.structs.replace(e, released=False) for e in shown.edge_states)
    shown = msgspec.structs.replace(shown, node_states=horizon, edge_states=edges)
    master.feed(GotState(shown))
    assert has_other_horizon(OTHER, master.engine.state)
    assert not has_other_horizon(ORDER, master.engine.state)
    master.feed(Adopt(OTHER, ONE))
    (body,) = master.bodies
    assert body.order_update_id == 1
    assert [n.node_id for n in body.nodes] == ["one", "bay", "two", "hub"]
    assert base(body) == [ONE]
    assert master.engine.track.stage is Stage.ACTIVE
    assert not master.engine.track.halted


def test_another_way_leaves_out_what_was_left_out_before() -> None:
    shut = made(doors("p2"))
    master = Master(shut)
    master.begin()
    master.feed(Settle(shut.order_id, "p2", False))
    assert as_settled(shut, master.engine.track) == without(shut, "p2")
