"""Zones that change while vehicles are under way.

Owns what becomes of missions that were checked against other zones than those in force now: one
that touches a new zone is held, and a person decides. Must not plan.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import structlog

from controller.delivery.gate import Gate
from controller.delivery.ledger import Ledger
from controller.delivery.process import VehicleProcess
from controller.domain.alarms import Condition, Severity
from controller.domain.model import AssignmentState
from controller.domain.records import AssignmentRecord, ParcelRecord
from controller.safety.board import AlarmBoard
from controller.store.errors import StoreError
from geofence.check import FlightPath, Violation
from geofence.diff import diff
from geofence.errors import GeofenceError
from geofence.recheck import ActivePaths, Forbidden, recheck
from geofence.zoneset import ZoneSet
from missions.errors import MissionsError
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
        self._active = ActivePaths({})
        self._paths: dict[str, tuple[str, FlightPath]] = {}

    async def judge(self, before: ZoneSet) -> tuple[str, ...]:
        """Hold what the zones in force, since `before`, no longer allow; the vehicles told to."""
        under_way = {
            vehicle_id: record
            for vehicle_id, record in self._ledger.assignments.items()
            if record.assignment.state is AssignmentState.STARTED and vehicle_id in self._processes
        }
        found = await asyncio.to_thread(
            self._recheck, before, under_way, dict(self._ledger.parcels)
        )
        held: list[str] = []
        async with asyncio.TaskGroup() as group:
            for vehicle_id, forbidden in sorted(found.items(), key=lambda item: item[1].left):
                group.create_task(
                    self._hold(vehicle_id, forbidden.violations, forbidden.left, held),
                    name=f"rezone {vehicle_id}",
                )
        async with asyncio.TaskGroup() as group:
            for vehicle_id, record in under_way.items():
                if vehicle_id not in found:
                    group.create_task(
                        self._judge_one(vehicle_id, record, held), name=f"rezone {vehicle_id}"
                    )
        return tuple(sorted(held))

    def _recheck(
        self,
        before: ZoneSet,
        under_way: Mapping[str, AssignmentRecord],
        parcels: Mapping[str, ParcelRecord],
    ) -> dict[str, Forbidden]:
        """What the change forbids. A mission that has no path here is left to be judged whole."""
        paths: dict[str, FlightPath] = {}
        for vehicle_id, record in under_way.items():
            known = self._paths.get(vehicle_id)
            if known is not None and known[0] == record.assignment.assignment_id:
                paths[vehicle_id] = known[1]
                continue
            try:
                path = self._gate.path(
                    record, parcels, self._processes[vehicle_id].owner.capability
                )
            except (GeofenceError, MissionsError, KeyError) as error:
                log.warning("path not known", vehicle=vehicle_id, reason=str(error))
                continue
            if path is not None:
                paths[vehicle_id] = path
        self._active = ActivePaths(paths, known=self._active)
        self._paths = {
            vehicle_id: (under_way[vehicle_id].assignment.assignment_id, path)
            for vehicle_id, path in paths.items()
        }
        return recheck(
            diff(before, self._gate.zones),
            self._active,
            self._gate.surroundings,
            now=self._gate.now(),
        )

    async def _judge_one(self, vehicle_id: str, record: AssignmentRecord, held: list[str]) -> None:
        owner = self._processes[vehicle_id].owner
        found = await self._gate.violations(record, self._ledger.parcels, owner)
        if found:
            await self._hold(vehicle_id, found, None, held)

    async def _hold(
        self,
        vehicle_id: str,
        found: tuple[Violation, ...],
        left: timedelta | None,
        held: list[str],
    ) -> None:
        worst = max(found, key=lambda violation: violation.depth_m)
        cause = (
            f"{vehicle_id} is on a mission that {worst.zone_name or worst.zone_id}, now in force, "
            f"forbids: {worst.reason}{_left_text(left)}"
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
            await self._processes[vehicle_id].demand(Verb.HOLD, by="safety", reason=cause)
        except StoreError as error:
            log.warning("hold not sent", vehicle=vehicle_id, reason=str(error))


def _left_text(left: timedelta | None) -> str:
    """What the cause ends with; nothing where no time was predicted."""
    if left is None:
        return ""
    seconds = int(left.total_seconds())
    if seconds == 0:
        return "; it may be there already"
    minutes, seconds = divmod(seconds, 60)
    return f"; it is there in {minutes} min {seconds:02d} s at the earliest"
