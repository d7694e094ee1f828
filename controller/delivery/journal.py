"""What the journal of sent commands adds to what a vehicle shows after a restart.

Owns that one inference. Pure; must not send or keep anything.
"""

from __future__ import annotations

from dataclasses import replace

from controller.delivery.ledger import Ledger
from controller.domain.model import ParcelState
from controller.domain.records import AssignmentRecord, CommandKind
from vehicles.port import MissionProgress

IN_ORDER = frozenset({ParcelState.PREPARING, ParcelState.IN_TRANSIT})
"""States of a parcel whose mission nothing is known to have turned aside."""

TOUCHING = frozenset(CommandKind) - {CommandKind.LOAD, CommandKind.START, CommandKind.REROUTE}
"""Commands after which the order of a mission's items proves nothing."""


def by_journal(
    task: AssignmentRecord, progress: MissionProgress, ledger: Ledger
) -> MissionProgress:
    """Count what the vehicle passed as released where nobody ever touched its mission."""
    ident = task.assignment.assignment_id
    touched = any((ident, kind) in ledger.commands for kind in TOUCHING)
    aboard = {p for p in progress.passed if ledger.parcels[p].state in IN_ORDER}
    if touched or not aboard:
        return progress
    words = "in AUTO behind the release, and this controller never held it or sent it home"
    return replace(
        progress,
        released=progress.released | aboard,
        detail=f"{progress.detail}; {words}" if progress.detail else words,
    )
