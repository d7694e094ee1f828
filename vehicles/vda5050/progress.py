"""What one state says of one order.

Owns the reading of nodeStates, edgeStates and actionStates against an order. Pure; remembers
nothing.
"""

from __future__ import annotations

from enum import StrEnum

from missions.model import StopAction
from vehicles.vda5050.models import TERMINAL, State
from vehicles.vda5050.orders import PreparedOrder, TrackedAction


class Reading(StrEnum):
    """How an order stands by one state."""

    OTHER = "other"
    """The state shows another order or none."""
    RUNNING = "running"
    DONE = "done"
    """All nodes and edges gone, at the last node, every action terminal."""
    UNPROVEN = "unproven"
    """At the end, but the state no longer shows how an action ended."""
    CLEARED = "cleared"
    """Nodes and edges gone without the last node reached."""


def read(order: PreparedOrder, state: State) -> Reading:
    """How the order stands. A sequence id of the last node tells the end from the start."""
    if state.order_id != order.order_id:
        return Reading.OTHER
    if state.node_states or state.edge_states:
        return Reading.RUNNING
    shown = [state.action(a.action_id) for a in order.actions]
    if any(s is not None and s.action_status not in TERMINAL for s in shown):
        return Reading.RUNNING
    if state.last_node_sequence_id != order.last_sequence_id:
        return Reading.CLEARED
    return Reading.DONE if all(s is not None for s in shown) else Reading.UNPROVEN


def parcels(order: PreparedOrder, state: State) -> tuple[frozenset[str], frozenset[str]]:
    """Parcel ids whose pick, and whose drop, the state shows as FINISHED."""
    picked: set[str] = set()
    released: set[str] = set()
    for action in order.actions:
        shown = state.action(action.action_id)
        if shown is not None and shown.action_status == "FINISHED":
            (picked if action.kind is StopAction.PICK else released).add(action.parcel_id)
    return frozenset(picked), frozenset(released)


def failures(order: PreparedOrder, state: State) -> tuple[TrackedAction, ...]:
    """Actions that the state shows as FAILED."""
    return tuple(
        a
        for a in order.actions
        if (shown := state.action(a.action_id)) is not None and shown.action_status == "FAILED"
    )


def passed(order: PreparedOrder, state: State) -> int:
    """Nodes of the order that are behind the robot: gone, with the edge before them."""
    if state.order_id != order.order_id:
        return 0
    left = {n.sequence_id for n in state.node_states} | {
        e.sequence_id + 1 for e in state.edge_states
    }
    first_left = min(left, default=order.last_sequence_id + 2)
    return min(first_left // 2, len(order.body.nodes))
