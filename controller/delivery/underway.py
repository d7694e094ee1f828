"""What is under way, with the air and the street that it uses.

Owns the paths of missions that have started or are being started, worked out when they start, so
that a change of zones finds them ready. Must not judge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from controller.delivery.gate import Gate
from controller.delivery.ledger import Ledger
from controller.domain.model import AssignmentState
from controller.domain.records import AssignmentRecord, CommandKind, CommandState, ParcelRecord
from controller.fleet.owner import VehicleOwner
from geofence.check import FlightPath
from geofence.errors import GeofenceError
from geofence.recheck import ActivePaths
from missions.errors import MissionsError

log = structlog.get_logger(__name__)

IN_FLIGHT = frozenset({CommandState.SENT, CommandState.UNCERTAIN})
"""A start in one of these states may have been carried out."""


@dataclass(frozen=True, slots=True)
class Mission:
    """One assignment under way. `path` None: it has no form, and `why` says so."""

    record: AssignmentRecord
    path: FlightPath | None
    why: str = ""

    @property
    def vehicle_id(self) -> str:
        """Whose it is."""
        return self.record.assignment.vehicle_id


class UnderWay:
    """The missions under way and the index over their paths, both immutable and swapped whole."""

    def __init__(
        self, ledger: Ledger, gate: Gate, owner: Callable[[str], VehicleOwner | None]
    ) -> None:
        self._ledger = ledger
        self._gate = gate
        self._owner = owner
        self._missions: dict[str, Mission] = {}
        self._index = ActivePaths({})

    @property
    def index(self) -> ActivePaths:
        """Over all the paths of `missions`, by vehicle."""
        return self._index

    @property
    def missions(self) -> Mapping[str, Mission]:
        """By vehicle, as of the last `follow`."""
        return self._missions

    def records(self) -> dict[str, AssignmentRecord]:
        """The assignments under way now, by vehicle: started, or with a start that was sent."""
        return {
            vehicle_id: record
            for vehicle_id, record in self._ledger.assignments.items()
            if self._away(record) and self._owner(vehicle_id) is not None
        }

    def _away(self, record: AssignmentRecord) -> bool:
        state = record.assignment.state
        if state is not AssignmentState.LOADED:
            return state is AssignmentState.STARTED
        start = self._ledger.commands.get((record.assignment.assignment_id, CommandKind.START))
        return start is not None and start.state in IN_FLIGHT

    async def follow(self, records: Mapping[str, AssignmentRecord]) -> None:
        """Bring missions and index to these records; what is known already costs nothing.

        A path is worked out anew where its mission has started since, or lost a permit.
        """
        now = self._gate.now()
        wanted: dict[str, tuple[AssignmentRecord, frozenset[str]]] = {}
        kept: dict[str, Mission] = {}
        for vehicle_id, record in records.items():
            known = self._missions.get(vehicle_id)
            if known is not None and _same(known.record, record):
                held = self._gate.permits(record, leave=now)
                lost = known.path is not None and not known.path.permits <= held
                if not lost:
                    kept[vehicle_id] = known
                    continue
                wanted[vehicle_id] = record, held & known.path.permits if known.path else held
                continue
            wanted[vehicle_id] = record, self._gate.permits(record)
        if not wanted and len(kept) == len(self._missions):
            return
        made, index = await asyncio.to_thread(
            self._work_out, wanted, kept, dict(self._ledger.parcels), self._index
        )
        self._missions, self._index = made, index

    def _work_out(
        self,
        wanted: Mapping[str, tuple[AssignmentRecord, frozenset[str]]],
        kept: Mapping[str, Mission],
        parcels: Mapping[str, ParcelRecord],
        index: ActivePaths,
    ) -> tuple[dict[str, Mission], ActivePaths]:
        made = dict(kept)
        for vehicle_id, (record, held) in wanted.items():
            made[vehicle_id] = self._path(vehicle_id, record, held, parcels)
        paths = {ident: each.path for ident, each in made.items() if each.path is not None}
        return made, ActivePaths(paths, known=index)

    def _path(
        self,
        vehicle_id: str,
        record: AssignmentRecord,
        held: frozenset[str],
        parcels: Mapping[str, ParcelRecord],
    ) -> Mission:
        owner = self._owner(vehicle_id)
        why = "it has no form that can be checked"
        path = None
        if owner is not None:
            try:
                path = self._gate.path(record, parcels, owner, held)
            except (GeofenceError, MissionsError, KeyError) as error:
                why = f"it cannot be checked: {error}"
        if path is None:
            log.warning("path not known", vehicle=vehicle_id, reason=why)
            return Mission(record, None, why)
        return Mission(record, path)


def _same(known: AssignmentRecord, now: AssignmentRecord) -> bool:
    """Whether a path still tells this record's times."""
    return (
        known.assignment.assignment_id == now.assignment.assignment_id
        and known.started_at == now.started_at
    )
