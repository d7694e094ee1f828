"""How a robot says no to an order or an update.

Owns the reading of errors (version 2, section 6.10.5; version 3, table 9). Pure.

An error counts as an answer where it is new since the message was first sent and names the order,
and names no other update of it. A robot that gives no references is believed only where its error
is of a type that says so and stays for one state more. Errors accumulate on some robots until the
next order is accepted, so that old ones say nothing.
"""

from __future__ import annotations

from vehicles.vda5050.models import ErrorEntry, State

REJECTIONS = frozenset(
    {
        "validationError",
        "orderError",
        "orderUpdateError",
        "noRouteError",
        "VALIDATION_FAILURE",
        "INVALID_ORDER",
        "INVALID_ORDER_ACTION",
        "UNSUPPORTED_PARAMETER",
        "OUTDATED_ORDER_UPDATE",
        "SAME_ORDER_UPDATE_ID",
        "ORDER_UPDATE_FOLLOWING_CANCEL",
        "INSUFFICIENT_MEMORY",
        "NO_ROUTE_TO_TARGET",
        "OTHER_ORDER_ACTIVE",
        "START_NODE_OUT_OF_RANGE",
        "MOBILE_ROBOT_NOT_AVAILABLE",
        "UNKNOWN_MAP_ID",
    }
)
"""Types that answer an order or an update."""

_ABOUT_OTHERS = frozenset({"actionId", "nodeId", "edgeId", "zoneId", "zoneSetId", "mapId"})


def error_key(error: ErrorEntry) -> str:
    """What tells one error from another."""
    references = sorted(f"{r.reference_key}={r.reference_value}" for r in error.error_references)
    return f"{error.error_type}|{'|'.join(references)}|{error.error_description or ''}"


def error_keys(state: State | None) -> frozenset[str]:
    """Of all errors of a state."""
    return frozenset(error_key(e) for e in state.errors) if state else frozenset()


def rejection(
    state: State, order_id: str, update_id: int, before: frozenset[str]
) -> tuple[ErrorEntry, int] | None:
    """The error that answers this message, and how many states more it must stay."""
    vague: ErrorEntry | None = None
    for error in state.errors:
        if error_key(error) in before:
            continue
        references = {r.reference_key: r.reference_value for r in error.error_references}
        told_order, told_update = references.get("orderId"), references.get("orderUpdateId")
        if told_order == order_id and told_update in {None, str(update_id)}:
            if update_id == 0 or told_update is not None or error.error_type in REJECTIONS:
                return error, 0
        elif (
            told_order is None
            and error.error_type in REJECTIONS
            and references.get("topic", "order") == "order"
            and not _ABOUT_OTHERS & references.keys()
        ):
            vague = error
    return (vague, 1) if vague is not None else None
