"""Whether a robot, as it stands, can take an order: the reasons to refuse before sending.

Pure. Every answer is a reason in an operator's words; empty means go.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from geofence.frames import LatLon, geodesic_m
from vehicles.port import Capability, LinkState
from vehicles.vda5050.engine_model import OPEN, EngineState
from vehicles.vda5050.feasible import order_faults
from vehicles.vda5050.models import OrderBody, State
from vehicles.vda5050.orders import PreparedOrder
from vehicles.vda5050.profile import DEFAULT, Profile

MODES_WITH_ORDERS = frozenset({"AUTOMATIC", "SEMIAUTOMATIC"})


def away_from_home(state: State | None, here: LatLon | None, home: LatLon, at_base_m: float) -> str:
    """Why a robot does not count as returned; empty where it is idle at its base."""
    idle = state is not None and state.idle
    if idle and here is not None and geodesic_m(here, home) <= at_base_m:
        return ""
    return (
        "a robot returns on a checked round only: cancel its order with LAND if it has one, then "
        "give it a round to its base"
    )


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


def order_gate(
    engine: EngineState,
    order: PreparedOrder,
    profile: Profile = DEFAULT,
    capability: Capability | None = None,
    measure: Callable[[OrderBody], int] | None = None,
) -> str:
    """Why the robot cannot take this order."""
    if engine.state is None:
        return "robot told no state yet"
    fault = order_fault(order.body, engine.state)
    if fault or engine.factsheet is None:
        return fault
    return "; ".join(order_faults(order, engine.factsheet, profile, capability, measure))


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


def order_fault(body: OrderBody, state: State) -> str:
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
    return ""
