"""What a factsheet's limits make of instant actions.

Owns the judgement of their ids, names, parameters and messages (version 2.1, section 7, version 3,
7.10: protocolLimits). Pure. That every action has a message of its own keeps any limit on how many
one may hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from vehicles.vda5050.factsheet import Factsheet
from vehicles.vda5050.models import Action

STOPS = ("startPause", "cancelOrder")
"""Sent whatever a factsheet says: a robot that does not take them is no worse off. One that could
not be sent them by its factsheet is given no round."""
NEEDED = ("startPause", "stopPause", "cancelOrder")
_DIGITS = 18


def fitted_id(ident: str, sheet: Factsheet | None) -> str:
    """An action id as long as the robot takes; what fits is left as it is."""
    if sheet is None:
        return ident
    longest = sheet.length("idLen")
    numerical = bool(sheet.length("idNumericalOnly"))
    short = not longest or len(ident) <= longest
    if short and not (numerical and not (ident.isascii() and ident.isdigit())):
        return ident
    digest = _digest(ident)
    return str(int(digest, 16))[: longest or _DIGITS] if numerical else digest[:longest]


def _digest(ident: str) -> str:
    return hashlib.sha256(ident.encode()).hexdigest()


def instant_fault(
    action: Action, sheet: Factsheet | None, measure: Callable[[tuple[Action, ...]], int]
) -> str:
    """Why this robot cannot be sent the action, by the factsheet's field; empty where it can.

    `measure`: bytes of a message with these actions.
    """
    if sheet is None:
        return ""
    most, sent = sheet.limit("actions.actionsParameters"), len(action.action_parameters)
    if most and sent > most:
        return (
            f"protocolLimits.maxArrayLens actions.actionsParameters is {most}: "
            f"{action.action_type} has {sent}"
        )
    longest = sheet.length("enumLen")
    if longest and len(action.action_type) > longest:
        return (
            f"protocolLimits.maxStringLens enumLen is {longest}: {action.action_type!r} has "
            f"{len(action.action_type)}"
        )
    longest = sheet.length("msgLen")
    if longest and (length := measure((action,))) > longest:
        return (
            f"protocolLimits.maxStringLens msgLen is {longest}: {action.action_type} has "
            f"{length} bytes"
        )
    return ""


def stop_fault(sheet: Factsheet | None, measure: Callable[[tuple[Action, ...]], int]) -> str:
    """Why a robot could not be paused, resumed or cancelled; then it must not be sent out."""
    longest = (sheet.length("idLen") if sheet is not None else 0) or 44
    for action_type in NEEDED:
        action = Action(action_type=action_type, action_id="0" * longest, blocking_type="HARD")
        if fault := instant_fault(action, sheet, measure):
            return fault
    return ""
