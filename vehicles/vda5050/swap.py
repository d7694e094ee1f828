"""Another way behind the base of an order that is being driven (version 2, section 6.6.2; 3, 6.1).

Owns when a horizon may be swapped and the message that does it. The base is never altered: the new
horizon is stitched at the decision point, the last node of the base, under the same order id. Pure.
"""

from __future__ import annotations

from msgspec.structs import replace

from vehicles.vda5050.engine_model import EngineSettings, OrderTrack, Stage
from vehicles.vda5050.models import State
from vehicles.vda5050.orders import PreparedOrder, without
from vehicles.vda5050.release import body_of, shown_base


def same_base(before: PreparedOrder, after: PreparedOrder, end: int) -> bool:
    """Whether two orders have the same nodes, edges and actions up to sequence id `end`."""
    one, other = before.body, after.body
    return (
        one.order_id == other.order_id
        and after.last_sequence_id > end
        and [n for n in one.nodes if n.sequence_id <= end]
        == [n for n in other.nodes if n.sequence_id <= end]
        and [e for e in one.edges if e.sequence_id < end]
        == [e for e in other.edges if e.sequence_id < end]
    )


def as_settled(order: PreparedOrder, track: OrderTrack) -> PreparedOrder:
    """The order without the hand-overs that were left out of the one that is driven."""
    for parcel_id in sorted(track.left_out):
        order = without(order, parcel_id)
    return order


def swap_fault(track: OrderTrack | None, order: PreparedOrder, state: State | None) -> str:
    """Why the horizon of the order that is driven cannot become that of `order` now."""
    if track is None or state is None or track.prepared.order_id != order.order_id:
        return "the robot is not on this order"
    if track.stage is not Stage.ACTIVE or state.order_id != order.order_id:
        return f"the order is not being driven ({track.stage.value})"
    if track.cancel_id or track.halted or state.cancelling:
        return "the order is being cancelled"
    if not track.reflected:
        return "the robot has not shown the last update yet"
    if state.operating_mode not in {"AUTOMATIC", "SEMIAUTOMATIC"} or state.fatal or state.critical:
        return "the robot cannot go on by itself"
    if not same_base(track.prepared, as_settled(order, track), track.base_end):
        return "the way was let go on beyond the place where the new one leaves it"
    return ""


def swapped(
    track: OrderTrack, order: PreparedOrder, granted: int | None, settings: EngineSettings
) -> OrderTrack:
    """With the update to send that has the new horizon; the base ends where it did."""
    order = as_settled(order, track)
    number = track.body.order_update_id + 1 if track.body is not None else 1
    body = body_of(
        order,
        number,
        track.base_end,
        track.base_end,
        stitch_actions=settings.resend_stitch_actions,
    )
    return replace(
        track,
        prepared=order,
        granted=granted,
        body=body,
        sent_end=body.nodes[-1].sequence_id,
        reflected=False,
        attempts=0,
    )


def has_other_horizon(order: PreparedOrder, state: State) -> bool:
    """Whether a robot shows the base of this order and behind it another way.

    A master that was stopped between keeping another way and sending it finds this.
    """
    nodes = {n.sequence_id: n.node_id for n in order.body.nodes}
    edges = {e.sequence_id: e.edge_id for e in order.body.edges}
    shown = [(nodes.get(n.sequence_id) == n.node_id, n.released) for n in state.node_states]
    shown += [(edges.get(e.sequence_id) == e.edge_id, e.released) for e in state.edge_states]
    base = all(same for same, released in shown if released)
    joins = shown_base(state) in nodes and shown_base(state) < order.last_sequence_id
    return base and joins and any(not same for same, released in shown if not released)
