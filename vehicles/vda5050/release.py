"""How much of an order the robot may drive: base and horizon (version 2, section 6.6; 3, 6.1).

Owns what each message of an order holds: which nodes, and which of them are released. Pure.

The base is what the robot may drive; once sent it never changes. The horizon is what is planned
behind it. An update has the same order id and the next update id, begins with the last node of
the base (the decision point), repeated as it was, and numbers its nodes on. How far the base may
reach is the least of four: what the leases grant, the first gate that is not settled, how many
nodes are to lie ahead of the robot, and how many nodes one message may hold.
"""

from __future__ import annotations

from msgspec.structs import replace

from vehicles.vda5050.engine_model import EngineSettings, OrderTrack
from vehicles.vda5050.models import Node, OrderBody, State
from vehicles.vda5050.orders import PreparedOrder
from vehicles.vda5050.progress import passed


def begun(track: OrderTrack, settings: EngineSettings) -> OrderTrack:
    """With the first message of its order to send."""
    order = track.prepared
    end = _reach(track, 0, 0, settings)
    body = body_of(order, 0, 0, end)
    return replace(track, body=body, base_end=end, sent_end=body.nodes[-1].sequence_id)


def extended(track: OrderTrack, state: State, settings: EngineSettings) -> OrderTrack:
    """With the next update to send, or as it is where none is due."""
    order, last = track.prepared, track.body
    if last is None or track.base_end >= order.last_sequence_id:
        return track
    here = max(0, 2 * (passed(order, state) - 1))
    end = _reach(track, here, track.base_end, settings)
    if end <= track.base_end:
        return track
    ahead = settings.base_nodes_ahead
    left = sum(node.released for node in state.node_states)
    if ahead and left > ahead // 2 and not state.new_base_request:
        return track
    body = body_of(
        order,
        last.order_update_id + 1,
        track.base_end,
        end,
        stitch_actions=settings.resend_stitch_actions,
    )
    return replace(
        track,
        body=body,
        base_end=end,
        sent_end=body.nodes[-1].sequence_id,
        reflected=False,
        attempts=0,
    )


def body_of(
    order: PreparedOrder, update_id: int, start: int, base_end: int, *, stitch_actions: bool = True
) -> OrderBody:
    """The message that starts at sequence id `start` and releases up to `base_end`."""
    end = order.last_sequence_id
    if order.window:
        end = min(end, start + 2 * (order.window - 1))
    nodes = [
        _released(n, released=n.sequence_id <= base_end)
        for n in order.body.nodes
        if start <= n.sequence_id <= end
    ]
    if update_id and not stitch_actions:
        nodes[0] = replace(nodes[0], actions=())
    edges = tuple(
        e if e.sequence_id < base_end else replace(e, released=False)
        for e in order.body.edges
        if start < e.sequence_id < end
    )
    return replace(order.body, order_update_id=update_id, nodes=tuple(nodes), edges=edges)


def shown_base(state: State) -> int:
    """Sequence id of the last released node, as a state of this order shows it."""
    return max(
        (n.sequence_id for n in state.node_states if n.released),
        default=state.last_node_sequence_id,
    )


def on_route(order: PreparedOrder, state: State) -> bool:
    """Whether what the robot still has to pass is a part of this order."""
    ids = {n.sequence_id: n.node_id for n in order.body.nodes}
    return all(ids.get(n.sequence_id) == n.node_id for n in state.node_states)


def _reach(track: OrderTrack, here: int, start: int, settings: EngineSettings) -> int:
    order = track.prepared
    last = order.last_sequence_id
    end = last if track.granted is None else min(last, track.granted)
    shut = track.shut
    if shut is not None:
        end = min(end, shut.sequence_id - 2)
    if settings.base_nodes_ahead:
        end = min(end, here + 2 * settings.base_nodes_ahead)
    if order.window:
        # a node of horizon tells the robot that the order goes on
        most = start + 2 * (order.window - 1)
        if most < last and order.window > 2:
            most -= 2
        end = min(end, most)
    return max(start, end - end % 2)


def _released(node: Node, *, released: bool) -> Node:
    return node if node.released is released else replace(node, released=released)
