"""Zones that change while vehicles are under way.

Owns what becomes of missions that were checked against other zones than those in force now: one
that touches a new zone is held, and a person decides. Must not plan.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from controller.delivery.gate import Gate
from controller.delivery.ledger import Ledger
from controller.delivery.process import VehicleProcess
from controller.domain.alarms import Condition, Severity
from controller.domain.model import AssignmentState
from controller.domain.records import AssignmentRecord
from controller.safety.board import AlarmBoard
from controller.store.errors import StoreError
from vehicles.port import Verb

log = structlog.get_logger(__name__)


class Rezoning:
    """Judges every mission under way against the zones in force."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        processes: Mapping[str, VehicleProcess],
        gate: Gate,
        board: AlarmBoard,
    ) -> None:
        self._ledger = ledger
        self._processes = processes
        self._gate = gate
        self._board = board

    async def judge(self) -> tuple[str, ...]:
        """Hold what is no longer allowed; the vehicles that were told to."""
        held: list[str] = []
        async with asyncio.TaskGroup() as group:
            for vehicle_id, record in list(self._ledger.assignments.items()):
                if record.assignment.state is AssignmentState.STARTED:
                    group.create_task(
                        self._judge_one(vehicle_id, record, held), name=f"rezone {vehicle_id}"
                    )
        return tuple(sorted(held))

    async def _judge_one(self, vehicle_id: str, record: AssignmentRecord, held: list[str]) -> None:
        process = self._processes.get(vehicle_id)
        if process is None:
            return
        found = await self._gate.violations(record, self._ledger.parcels, process.owner)
        if not found:
            return
        worst = max(found, key=lambda violation: violation.depth_m)
        cause = (
            f"{vehicle_id} is on a mission that {worst.zone_name or worst.zone_id}, now in force, "
            f"forbids: {worst.reason}"
        )
        self._board.happen(
            Condition(
                f"rezoned:{vehicle_id}:{worst.zone_id}",
                Severity.WARNING,
                cause,
                "It was told to hold: return it by a way that is clear, or land it",
                vehicle_id,
            )
        )
        held.append(vehicle_id)
        try:
            await process.demand(Verb.HOLD, by="safety", reason=cause)
        except StoreError as error:
            log.warning("hold not sent", vehicle=vehicle_id, reason=str(error))
