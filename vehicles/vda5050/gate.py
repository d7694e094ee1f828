"""Whether a robot, as it stands, can take an order: the reasons to refuse before sending.

Pure. Every answer is a reason in an operator's words; empty means go.
"""

from __future__ import annotations

import math

from vehicles.port import LinkState
from vehicles.vda5050.engine_model import OPEN, EngineState
from vehicles.vda5050.factsheet import Factsheet
from vehicles.vda5050.models import OrderBody, State
from vehicles.vda5050.orders import PIN_PARAMETER, PreparedOrder

MODES_WITH_ORDERS = frozenset({"AUTOMATIC", "SEMIAUTOMATIC"})


def robot_gate(engine: EngineState, now_s: float, map_id: str) -> str:
    """Why the robot can take no order at all now."""
    link = engine.link(now_s)
    state = engine.state
    if link is not LinkState.ONLINE or state is None:
        return f"robot is {link.value}: no order is sent on an old state"
    track = engine.track
    if track is not None and track.stage in OPEN:
        return f"order {track.prepared.order_id!r} is not over ({track.stage.value})"
    if any(i.action.action_type == "cancelOrder" and not i.over for i in engine.instants):
        return "a cancelOrder is not over"
    if state.cancelling:
        return "the robot is still cancelling an order"
    if engine.twins(now_s):
        return "two robots seem to publish under its name: take one off the broker"
    return "; ".join(robot_faults(state, map_id))


def order_gate(engine: EngineState, order: PreparedOrder) -> str:
    """Why the robot cannot take this order."""
    if engine.state is None:
        return "robot told no state yet"
    return order_fault(order.body, engine.state, engine.factsheet)


def robot_faults(state: State, map_id: str) -> tuple[str, ...]:
    """The robot's own reasons why it can take no order now, in an operator's words."""
    faults: list[str] = []
    if state.operating_mode not in MODES_WITH_ORDERS:
        faults.append(f"operating mode is {state.operating_mode}: set it to AUTOMATIC")
    if state.safety_state.e_stop != "NONE":
        faults.append(f"emergency stop is active ({state.safety_state.e_stop})")
    if state.safety_state.field_violation:
        faults.append("protective field is violated")
    faults += [f"fatal error {error}" for error in state.fatal]
    position = state.agv_position
    if position is None or not position.position_initialized:
        faults.append("position is not initialised")
    elif position.map_id != map_id:
        faults.append(f"robot is on map {position.map_id!r}, orders are on {map_id!r}")
    if state.paused:
        faults.append("robot is paused: resume it")
    return tuple(faults)


def order_fault(body: OrderBody, state: State, factsheet: Factsheet | None) -> str:
    """Why this robot, as it stands, cannot take this order; empty where it can."""
    if not state.idle:
        return f"robot is busy with order {state.order_id!r}"
    if state.order_id == body.order_id:
        return f"robot already had order {body.order_id!r}: plan a new mission"
    first, position = body.nodes[0].node_position, state.agv_position
    if first is not None and position is not None:
        away_m = math.hypot(position.x - first.x, position.y - first.y)
        if away_m > (first.allowed_deviation_xy or 0.0):
            return (
                f"robot stands {away_m:.0f} m from the first node {body.nodes[0].node_id}: "
                f"it must be within {first.allowed_deviation_xy or 0.0:.0f} m"
            )
    return _factsheet_fault(body, factsheet) if factsheet is not None else ""


def _factsheet_fault(body: OrderBody, factsheet: Factsheet) -> str:
    """What the robot's own data sheet rules out (document, section 7)."""
    for array, length in (("order.nodes", len(body.nodes)), ("order.edges", len(body.edges))):
        limit = factsheet.limit(array)
        if limit and length > limit:
            return f"{array}: {length} are more than the robot's limit of {limit}"
    features = factsheet.protocol_features
    if features is None or not features.agv_actions:
        return ""
    for node in body.nodes:
        for action in node.actions:
            known = factsheet.action(action.action_type)
            if known is None:
                return f"robot does not do {action.action_type!r} at a node"
            keys = {p.key for p in known.action_parameters}
            sent = {p.key for p in action.action_parameters}
            if PIN_PARAMETER in sent and PIN_PARAMETER not in keys:
                return f"robot cannot check a PIN at {action.action_type!r}"
    return ""
