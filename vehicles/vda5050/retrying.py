"""Actions that failed and may be tried again, and maps that robots have (version 3; 2.1 for maps).

Owns the reading of both from a state. Pure.
"""

from __future__ import annotations

from vehicles.vda5050.models import State
from vehicles.vda5050.orders import PreparedOrder, TrackedAction

RETRIABLE = "RETRIABLE"


def retriable(order: PreparedOrder, state: State) -> TrackedAction | None:
    """The action of an order that waits for a word: it failed (version 3, 6.2 and 6.6)."""
    waits = {a.action_id for a in state.action_states if a.action_status == RETRIABLE}
    if not waits or state.order_id != order.order_id:
        return None
    return next((a for a in order.actions if a.action_id in waits), None)


def retriable_words(action: TrackedAction) -> str:
    """What a person is told."""
    what = f"{action.kind.value} of {action.parcel_id}" if action.proves else action.action_id
    return f"{what} failed, and the robot waits to be told: try it again, or go on without it"


def map_fault(state: State, map_id: str, version: str) -> str:
    """Why the robot's own map is not the one that orders are made on; empty where it is.

    A robot that tells of no maps (2.0), or a site whose version nobody gave, rules nothing out.
    """
    told = [m for m in state.maps if m.map_id == map_id]
    if not state.maps or not version:
        return ""
    if not told:
        return f"robot has no map {map_id!r}: load it on the robot"
    enabled = [m.map_version for m in told if m.map_status == "ENABLED"]
    if not enabled:
        return f"robot has map {map_id!r} and has not enabled it: enable it on the robot"
    if version not in enabled:
        return (
            f"robot drives on version {enabled[0]!r} of map {map_id!r}, orders are made on "
            f"{version!r}: load that on the robot, or correct the configuration"
        )
    return ""
