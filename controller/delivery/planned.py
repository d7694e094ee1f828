"""Missions before they are launched: seen, checked, launched.

Owns what an operator sees of a planned mission or of a mission file of another tool, and the
launch. Must not start anything: the vehicle's process does, once the launch is given and its gate
says yes once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from controller.delivery.approvals import Approvals
from controller.delivery.gate import Gate
from controller.delivery.ledger import Ledger
from controller.delivery.matching import Matching
from controller.delivery.process import VehicleProcess
from controller.domain.model import AssignmentState, Event
from controller.domain.records import AssignmentRecord
from controller.store.changes import Changes
from geofence.zoneset import ZoneSet
from missions.inspect import FileChecks, inspect_file
from missions.model import AirMission
from missions.picture import Picture, picture_of
from vehicles.port import Clock, CommandResult, Outcome


@dataclass(frozen=True, slots=True)
class PlannedView:
    """A mission that a vehicle has, or is about to have."""

    mission_id: str
    vehicle_id: str
    parcel_ids: tuple[str, ...]
    state: AssignmentState
    awaits_launch: bool
    content_hash: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Preview:
    """A mission with its picture. `shut`: why it would not be started now; empty where it would."""

    planned: PlannedView
    picture: Picture
    shut: str


class PlannedMissions:
    """What an operator sees and does before a launch."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        processes: Mapping[str, VehicleProcess],
        gate: Gate,
        matching: Matching,
        approvals: Approvals,
        zones: Callable[[], ZoneSet],
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._processes = processes
        self._gate = gate
        self._matching = matching
        self._approvals = approvals
        self._zones = zones
        self._clock = clock

    def all(self) -> list[PlannedView]:
        """Every open mission, by vehicle."""
        return [self.view(record) for record in self._records()]

    def view(self, record: AssignmentRecord) -> PlannedView:
        """One mission as it stands."""
        task, mission = record.assignment, record.mission
        return PlannedView(
            mission_id=mission.mission_id,
            vehicle_id=task.vehicle_id,
            parcel_ids=task.parcel_ids,
            state=task.state,
            awaits_launch=self._approvals.awaits(record),
            content_hash=mission.content_hash,
            duration_s=mission.duration_s,
        )

    async def preview(self, mission_id: str) -> Preview | None:
        """A mission judged at this moment, drawn; None where there is no such open mission.

        Raises GeofenceError, MissionsError where it cannot be judged.
        """
        record = self._record(mission_id)
        if record is None:
            return None
        owner = self._processes[record.assignment.vehicle_id].owner
        seen = await self._gate.inspect(record, self._ledger.parcels, owner)
        title = f"{record.assignment.vehicle_id}: {', '.join(record.assignment.parcel_ids)}"
        picture = await asyncio.to_thread(picture_of, seen, title)
        shut = None
        if record.assignment.state is not AssignmentState.STARTED:
            shut = await self._gate.shut(record, self._ledger.parcels, owner)
        return Preview(self.view(record), picture, "" if shut is None else shut.reason)

    async def check(self, mission: AirMission, asked: FileChecks, name: str) -> Picture:
        """A mission of another tool against the zones in force. Raises as `preview` does."""
        zones, surroundings = self._zones(), self._gate.surroundings

        def look() -> Picture:
            return picture_of(inspect_file(mission, asked, zones, surroundings), name)

        return await asyncio.to_thread(look)

    async def launch(self, mission_id: str, content_hash: str, *, by: str) -> CommandResult:
        """Let a loaded mission start; refused where it is not the one seen, or not allowed now."""
        record = self._record(mission_id)
        if record is None:
            return CommandResult(Outcome.REFUSED, f"mission {mission_id} is not open any more")
        refusal = await self._refusal(record, content_hash)
        if refusal:
            return CommandResult(Outcome.REFUSED, refusal)
        task = record.assignment
        event = Event(
            "mission.launched",
            self._clock.now(),
            vehicle_id=task.vehicle_id,
            assignment_id=task.assignment_id,
            data={"by": by, "mission": mission_id, "hash": record.mission.content_hash},
        )
        await self._ledger.keep(Changes(events=(event,)))
        self._approvals.give(record)
        self._processes[task.vehicle_id].wake()
        return CommandResult(Outcome.DONE)

    async def _refusal(self, record: AssignmentRecord, content_hash: str) -> str:
        vehicle_id = record.assignment.vehicle_id
        if not self._approvals.awaits(record):
            if record.assignment.state is AssignmentState.OPEN:
                return f"{vehicle_id} does not hold the mission yet: wait until it is loaded"
            return f"{vehicle_id} does not wait for a launch"
        if content_hash and content_hash != record.mission.content_hash:
            return "the mission was planned anew since it was shown: look at it again"
        if self._ledger.hold is not None:
            return "dispatch is frozen: resume it first"
        owner = self._processes[vehicle_id].owner
        shut = await self._gate.shut(record, self._ledger.parcels, owner)
        if shut is not None:
            return shut.reason
        return await self._matching.in_the_way(record)

    def _records(self) -> Iterator[AssignmentRecord]:
        for vehicle_id, record in self._ledger.assignments.items():
            if vehicle_id in self._processes:
                yield record

    def _record(self, mission_id: str) -> AssignmentRecord | None:
        return next((r for r in self._records() if r.mission.mission_id == mission_id), None)
