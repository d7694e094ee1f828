"""Going on after a restart: what the store holds becomes memory again.

Owns the first moments of a controller. Vehicles are read afterwards by each one's process:
every open assignment starts in doubt, and nothing is sent to its vehicle before it was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import structlog

from controller.delivery.ledger import Ledger
from controller.dispatch.model import Explanation
from controller.domain.alarms import Condition, Severity
from controller.domain.model import Event, ParcelState
from controller.safety.board import AlarmBoard
from controller.store.database import Kept
from vehicles.port import Clock

log = structlog.get_logger(__name__)


def restore(kept: Kept, ledger: Ledger, epochs: Mapping[str, int], clock: Clock) -> None:
    """Fill the ledger; the log says what was found."""
    ledger.restore(kept, _explanations(kept.explanations))
    ledger.epochs = dict(epochs)
    ledger.note(
        Event(
            "controller.started",
            clock.now(),
            data={
                "parcels": len(kept.parcels),
                "open_assignments": [a.assignment.assignment_id for a in kept.assignments],
                "epochs": dict(epochs),
            },
        )
    )
    if kept.assignments:
        log.info("open assignments found", count=len(kept.assignments))


def tell_orphans(
    kept: Kept, known: Mapping[str, object], sites: Mapping[str, object], board: AlarmBoard
) -> None:
    """Alarms for what the configuration no longer knows: vehicles at work, sites with parcels."""
    for parcel in kept.parcels:
        site_id = parcel.parcel.origin_site_id
        if parcel.state is ParcelState.SUBMITTED and site_id not in sites:
            board.happen(
                Condition(
                    f"site:{site_id}",
                    Severity.CAUTION,
                    f"parcels wait at {site_id}, which is no longer configured",
                    "Put the site back into the configuration and restart, or cancel them",
                )
            )
    for record in kept.assignments:
        task = record.assignment
        if task.vehicle_id not in known:
            board.happen(
                Condition(
                    f"orphan:{task.assignment_id}",
                    Severity.WARNING,
                    f"{task.vehicle_id} has an open assignment and is no longer configured",
                    "Put it back into the configuration and restart: its parcels wait for it",
                    task.vehicle_id,
                )
            )


def _explanations(kept: Mapping[str, Any]) -> dict[str, Explanation]:
    found = {}
    for parcel_id, body in kept.items():
        try:
            found[parcel_id] = msgspec.convert(body, Explanation)
        except msgspec.ValidationError as error:
            # written by another version: a lost explanation is no reason not to start
            log.warning("explanation not read", parcel=parcel_id, reason=str(error))
    return found
