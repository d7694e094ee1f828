"""Rounds, states and factsheets for the tests of vehicles.vda5050."""

from __future__ import annotations

from typing import Any

from geofence.frames import LatLon
from missions.model import GroundMission, RouteAction, RouteEdge, RouteNode, StopAction
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.models import (
    ActionState,
    AgvPosition,
    BatteryState,
    EdgeState,
    ErrorEntry,
    ErrorReference,
    NodeState,
    SafetyState,
    State,
)
from vehicles.vda5050.orders import OrderSettings, PreparedOrder, build_order

MAP = SiteMap("site", LatLon(60.17, 24.94), 10.0, 25.0)
PIN_HASH = "03ac674216f3e15c761ee1a5e255f067953623c8b388b4459e13f978d7c846f4"


def at(x: float, y: float) -> LatLon:
    return MAP.to_latlon(x, y)


def deed(action_id: str, kind: StopAction, parcel: str, pin: str = "") -> RouteAction:
    return RouteAction(action_id, kind, parcel, pin)


def round_of(mission_id: str = "m1", pin: str = PIN_HASH) -> GroundMission:
    """Pick two at the hub, drop each at its door, come back. The first street has a bend."""
    hub, one, two = at(0, 0), at(60, 20), at(60, -20)
    return GroundMission(
        mission_id,
        "r1",
        (
            RouteNode(
                "hub",
                hub,
                (deed("k1", StopAction.PICK, "p1"), deed("k2", StopAction.PICK, "p2")),
            ),
            RouteNode("one", one, (deed("d1", StopAction.DROP, "p1"),)),
            RouteNode("two", two, (deed("d2", StopAction.DROP, "p2", pin),)),
            RouteNode("hub", hub),
        ),
        (
            RouteEdge("e1", "hub", "one", 70.0, 3.0, (hub, at(30, 30), one)),
            RouteEdge("e2", "one", "two", 40.0, 0.0, (one, two)),
            RouteEdge("e3", "two", "hub", 63.0, 3.0),
        ),
        "zones-1",
    )


def order(mission_id: str = "m1") -> PreparedOrder:
    return build_order(round_of(mission_id), MAP, OrderSettings())


def state(header_id: int = 1, **changes: Any) -> State:
    """An idle robot at the hub that never had an order; `changes` by field name."""
    fields: dict[str, Any] = {
        "header_id": header_id,
        "timestamp": f"2026-01-01T00:00:{header_id:06.3f}Z",
        "version": "2.1.0",
        "manufacturer": "ACME",
        "serial_number": "R-1",
        "order_id": "",
        "order_update_id": 0,
        "last_node_id": "",
        "last_node_sequence_id": 0,
        "node_states": (),
        "edge_states": (),
        "driving": False,
        "action_states": (),
        "battery_state": BatteryState(battery_charge=80.0, charging=False),
        "operating_mode": "AUTOMATIC",
        "errors": (),
        "safety_state": SafetyState(e_stop="NONE", field_violation=False),
        "agv_position": AgvPosition(
            x=0.0, y=0.0, theta=0.0, map_id="site", position_initialized=True
        ),
        "paused": False,
    }
    return State(**(fields | changes))


def on_order(prepared: PreparedOrder, header_id: int, passed: int = 0, **actions: str) -> State:
    """A robot on an order: nodes passed, and actions by id; the rest waits."""
    body = prepared.body
    return state(
        header_id,
        order_id=prepared.order_id,
        last_node_id=body.nodes[passed - 1].node_id if passed else "",
        last_node_sequence_id=body.nodes[passed - 1].sequence_id if passed else 0,
        node_states=tuple(
            NodeState(node_id=n.node_id, sequence_id=n.sequence_id, released=True)
            for n in body.nodes[passed:]
        ),
        edge_states=tuple(
            EdgeState(edge_id=e.edge_id, sequence_id=e.sequence_id, released=True)
            for e in body.edges[max(0, passed - 1) :]
        ),
        driving=passed < len(body.nodes),
        action_states=tuple(
            ActionState(action_id=a.action_id, action_status=actions.get(a.action_id, "WAITING"))
            for a in prepared.actions
        ),
    )


def error(word: str, order_id: str = "", level: str = "WARNING") -> ErrorEntry:
    references = (
        (ErrorReference(reference_key="orderId", reference_value=order_id),) if order_id else ()
    )
    return ErrorEntry(error_type=word, error_level=level, error_references=references)
