"""Rounds to orders, and the gate before them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from missions.model import RouteEdge, RouteNode, StopAction
from tests.unit.vehicles.vda5050_rounds import (
    MAP,
    PIN_HASH,
    at,
    deed,
    error,
    on_order,
    order,
    round_of,
    state,
)
from vehicles.port import LinkState
from vehicles.vda5050.engine import step
from vehicles.vda5050.engine_model import (
    Ask,
    Begin,
    BrokerUp,
    EngineState,
    GotState,
    Prepare,
)
from vehicles.vda5050.factsheet import (
    Factsheet,
    FactsheetAction,
    FactsheetParameter,
    OptionalParameter,
    ProtocolFeatures,
    ProtocolLimits,
)
from vehicles.vda5050.feasible import fitted, order_faults
from vehicles.vda5050.gate import order_fault, order_gate, robot_faults, robot_gate
from vehicles.vda5050.models import AgvPosition, SafetyState
from vehicles.vda5050.orders import OrderSettings, build_order, mission_fault
from vehicles.vda5050.profile import DEFAULT, find_profile
from vehicles.vda5050.release import body_of


def factsheet(*, curves: bool = False, pin: bool = True, drop: bool = True, nodes: int = 0):
    keys = ["loadId", "loadType"] + (["handoverPinSha256"] if pin else [])
    actions = [FactsheetAction(action_type="pick", action_scopes=("NODE",))]
    if drop:
        actions.append(
            FactsheetAction(
                action_type="drop",
                action_scopes=("NODE",),
                action_parameters=tuple(
                    FactsheetParameter(key=k, value_data_type="STRING") for k in keys
                ),
            )
        )
    optional = (
        (OptionalParameter(parameter="order.edges.trajectory", support="SUPPORTED"),)
        if curves
        else ()
    )
    return Factsheet(
        header_id=0,
        timestamp="2026-01-01T00:00:00.000Z",
        version="2.1.0",
        manufacturer="ACME",
        serial_number="R-1",
        protocol_limits=ProtocolLimits(max_array_lens={"order.nodes": nodes}),
        protocol_features=ProtocolFeatures(
            optional_parameters=optional, agv_actions=tuple(actions)
        ),
    )


def test_sequence_ids_are_continuous_and_edges_join() -> None:
    body = order().body
    nodes = [(n.sequence_id, "node") for n in body.nodes]
    sequence = sorted(nodes + [(e.sequence_id, "edge") for e in body.edges])
    assert [s for s, _ in sequence] == list(range(len(sequence)))
    assert [k for _, k in sequence] == ["node", "edge"] * len(body.edges) + ["node"]
    for index, edge in enumerate(body.edges):
        assert edge.start_node_id == body.nodes[index].node_id
        assert edge.end_node_id == body.nodes[index + 1].node_id
    assert all(n.released for n in body.nodes)
    assert all(e.released for e in body.edges)


def test_a_bend_becomes_a_node_where_curves_are_not_known() -> None:
    body = order().body
    assert [n.node_id for n in body.nodes] == ["hub", "e1~hub~1", "one", "two", "hub"]
    shape = body.nodes[1]
    assert shape.actions == ()
    assert shape.node_position is not None
    assert math.dist((shape.node_position.x, shape.node_position.y), (30, 30)) < 1e-3
    assert all(e.trajectory is None for e in body.edges)
    assert [e.max_speed for e in body.edges] == [3.0, 3.0, None, 3.0]


def test_a_bend_becomes_a_trajectory_where_they_are() -> None:
    body = build_order(round_of(), MAP, OrderSettings(), factsheet(curves=True)).body
    assert [n.node_id for n in body.nodes] == ["hub", "one", "two", "hub"]
    curve = body.edges[0].trajectory
    assert curve is not None
    assert len(curve.knot_vector) == len(curve.control_points) + curve.degree + 1
    assert list(curve.knot_vector) == sorted(curve.knot_vector)
    assert math.dist((curve.control_points[1].x, curve.control_points[1].y), (30, 30)) < 1e-3
    assert body.edges[1].trajectory is None


def test_actions_name_parcel_and_pin() -> None:
    body = order().body
    picks, drop = body.nodes[0].actions, body.nodes[3].actions[0]
    assert [(a.action_type, a.action_id, a.blocking_type) for a in picks] == [
        ("pick", "k1", "HARD"),
        ("pick", "k2", "HARD"),
    ]
    assert {p.key: p.value for p in drop.action_parameters} == {
        "loadId": "p2",
        "loadType": "PARCEL",
        "handoverPinSha256": PIN_HASH,
    }


def test_station_type_is_sent_where_it_is_set() -> None:
    settings = OrderSettings(load_type="EPAL", station_type="floor")
    ours = build_order(round_of(), MAP, OrderSettings(), None, find_profile("vda-5050-lib"))
    assert ours.body.nodes[0].actions[0].action_type == "pick"
    action = build_order(round_of(), MAP, settings).body.nodes[0].actions[0]
    values = {p.key: p.value for p in action.action_parameters}
    assert values == {"loadId": "p1", "loadType": "EPAL", "stationType": "floor"}


def test_the_same_mission_gives_the_same_order() -> None:
    assert order() == order()
    assert order().order_id == "waypost-m1"
    assert order("m2").order_id != order().order_id


def test_only_the_base_is_released_where_asked() -> None:
    body = body_of(order(), 0, 0, 4)
    assert [n.released for n in body.nodes] == [True, True, True, False, False]
    assert [e.released for e in body.edges] == [True, True, False, False]


def broken(**changes):
    return replace(round_of(), **changes)


@pytest.mark.parametrize(
    ("mission", "names"),
    [
        (broken(nodes=(), edges=()), "no nodes"),
        (broken(edges=()), "need 3 edges"),
        (
            broken(
                edges=(
                    RouteEdge("e1", "hub", "two", 1, 1),
                    *round_of().edges[1:],
                )
            ),
            "e1 joins hub to two",
        ),
        (
            broken(
                nodes=(RouteNode("hub", at(0, 0), (deed("k", StopAction.PICK, "p"),) * 2),),
                edges=(),
            ),
            "not unique",
        ),
        (round_of(pin="1234"), "PIN hash"),
    ],
)
def test_rounds_that_are_no_graph(mission, names: str) -> None:
    assert names in mission_fault(mission)


def test_a_good_round_has_no_fault() -> None:
    assert mission_fault(round_of()) == ""


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"operating_mode": "MANUAL"}, "AUTOMATIC"),
        ({"safety_state": SafetyState(e_stop="MANUAL", field_violation=False)}, "emergency"),
        ({"safety_state": SafetyState(e_stop="NONE", field_violation=True)}, "field"),
        ({"errors": (error("motor", level="FATAL"),)}, "motor"),
        ({"agv_position": None}, "not initialised"),
        (
            {
                "agv_position": AgvPosition(
                    x=0, y=0, theta=0, map_id="other", position_initialized=True
                )
            },
            "other",
        ),
        ({"paused": True}, "resume"),
    ],
)
def test_robots_that_can_take_nothing(change, names: str) -> None:
    assert any(names in fault for fault in robot_faults(state(**change), "site"))


def test_a_warning_is_no_reason_to_refuse() -> None:
    assert robot_faults(state(errors=(error("dust"),)), "site") == ()


def sheet_fault(sheet: Factsheet) -> str:
    prepared = fitted(build_order(round_of(), MAP, OrderSettings(), sheet), sheet, lambda body: 100)
    return "; ".join(order_faults(prepared, sheet, DEFAULT))


def test_orders_that_this_robot_cannot_take() -> None:
    body = order().body
    assert order_fault(body, state()) == ""
    assert sheet_fault(factsheet()) == ""
    assert "busy" in order_fault(body, on_order(order("m0"), 1))
    assert "plan a new" in order_fault(body, state(order_id="waypost-m1"))
    far = AgvPosition(x=100, y=0, theta=0, map_id="site", position_initialized=True)
    assert "100 m" in order_fault(body, state(agv_position=far))
    assert "PIN" in sheet_fault(factsheet(pin=False))
    assert "'drop'" in sheet_fault(factsheet(drop=False))
    assert sheet_fault(factsheet(nodes=3)) == ""
    assert "order.nodes is 1" in sheet_fault(factsheet(nodes=1))


def engine(*events, now: float = 0.0) -> EngineState:
    current = EngineState()
    for event in events:
        current, _, _ = step(current, event, now)
    return current


def test_the_gate_wants_a_fresh_state_and_nothing_open() -> None:
    up = engine(BrokerUp())
    assert up.link(0.0) is LinkState.UNKNOWN
    assert "unknown" in robot_gate(up, 0.0, "site")
    assert order_gate(up, order()) != ""
    ready = engine(BrokerUp(), GotState(state()))
    assert robot_gate(ready, 1.0, "site") == ""
    assert order_gate(ready, order()) == ""
    assert "stale" in robot_gate(ready, 36.0, "site")
    sent = engine(BrokerUp(), GotState(state()), Prepare(order()), Begin())
    assert "not over" in robot_gate(sent, 1.0, "site")
    cancelling = engine(BrokerUp(), GotState(state()), Ask("cancelOrder", "c"))
    assert "cancelOrder" in robot_gate(cancelling, 1.0, "site")
