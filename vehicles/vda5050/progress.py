"""What one state says of one order.

Owns the reading of nodeStates, edgeStates and actionStates against an order. Pure; remembers
nothing.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from missions.model import StopAction
from vehicles.vda5050.models import TERMINAL, State
from vehicles.vda5050.orders import Gate, PreparedOrder, TrackedAction


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


def read(
    order: PreparedOrder,
    state: State,
    sent_end: int | None = None,
    ended: frozenset[str] = frozenset(),
) -> Reading:
    """How the order stands. A sequence id of the last node tells the end from the start.

    `sent_end`: sequence id of the last node that the robot was told of; an order that does not
    fit into one message goes on from there. None: not known. `ended`: ids of actions whose end an
    earlier state showed: robots are known that forget them with an update (vda-5050-lib 1.4.0).
    """
    if state.order_id != order.order_id:
        return Reading.OTHER
    if state.node_states or state.edge_states:
        return Reading.RUNNING
    shown = {a.action_id: state.action(a.action_id) for a in order.actions}
    if any(s is not None and s.action_status not in TERMINAL for s in shown.values()):
        return Reading.RUNNING
    at = state.last_node_sequence_id
    if at != order.last_sequence_id:
        more = order.window and (at == sent_end or (sent_end is None and at > 0))
        return Reading.RUNNING if more else Reading.CLEARED
    proven = all(s is not None or action_id in ended for action_id, s in shown.items())
    return Reading.DONE if proven else Reading.UNPROVEN


def parcels(order: PreparedOrder, state: State) -> tuple[frozenset[str], frozenset[str]]:
    """Parcel ids whose pick, and whose drop, the state shows as FINISHED."""
    picked: set[str] = set()
    released: set[str] = set()
    for action in order.actions:
        shown = state.action(action.action_id)
        if action.proves and shown is not None and shown.action_status == "FINISHED":
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


def reached(order: PreparedOrder, state: State) -> int | None:
    """Place in its round of the last node that the state shows as reached; None: another order."""
    if state.order_id != order.order_id:
        return None
    gone = 2 * passed(order, state)
    if not state.node_states and not state.edge_states:
        # at the end of what it was told of, which need not be the end of the order
        gone = state.last_node_sequence_id + 1
    return max(0, sum(each < gone for each in order.node_sequences) - 1)


def at_gate(order: PreparedOrder, gate: Gate, state: State) -> bool:
    """Whether the robot stands before a gate: its node is gone, or what waits there runs."""
    if state.order_id != order.order_id:
        return False
    here = 2 * passed(order, state) >= gate.sequence_id and not state.driving
    return here or any(
        a.waits
        and a.parcel_id == gate.parcel_id
        and (shown := state.action(a.action_id)) is not None
        and shown.action_status == "RUNNING"
        for a in order.actions
    )


def by_edges(state: State) -> State:
    """A state of a robot that takes edges from it when it has passed them, and leaves nodes.

    A node counts as passed when the edge that leads to it is gone; the first one, which none
    leads to, when any edge is gone or a node with a later number was reported last.
    """
    ahead = {e.sequence_id + 1 for e in state.edge_states}
    first = min((n.sequence_id for n in state.node_states), default=0)
    moved = first - 1 < 0 and state.last_node_sequence_id > 0
    left = tuple(
        n
        for n in state.node_states
        if n.sequence_id in ahead or (n.sequence_id == first and first == 0 and not moved)
    )
    last = max((n.sequence_id for n in state.node_states), default=0)
    if left or not state.node_states or state.edge_states or state.last_node_sequence_id == last:
        return msgspec.structs.replace(state, node_states=left)
    return state
