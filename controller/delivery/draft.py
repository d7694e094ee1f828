"""A step being put together: checked against the transition tables, kept as one unit.

Owns the building of `Changes`. Must not decide what happens; `steps.py` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from controller.domain.model import (
    AssignmentState,
    Custodian,
    Event,
    ParcelState,
)
from controller.domain.records import (
    AssignmentRecord,
    CommandKind,
    CommandRecord,
    CommandState,
    HoldRecord,
    ParcelRecord,
)
from controller.domain.transitions import (
    ASSIGNMENT_STEPS,
    PARCEL_STEPS,
    check_step,
    hand_over,
)
from controller.store.changes import AssignmentStep, Changes, HoldChange, ParcelStep
from missions.model import GroundMission


class Draft:
    """One step. Parcels that it changes twice are changed in order."""

    def __init__(
        self, parcels: Mapping[str, ParcelRecord], *, now: datetime, ids: Callable[[str], str]
    ) -> None:
        self._parcels = parcels
        self._changed: dict[str, ParcelRecord] = {}
        self._parcel_steps: list[ParcelStep] = []
        self._assignment_steps: list[AssignmentStep] = []
        self._commands: list[CommandRecord] = []
        self._events: list[Event] = []
        self._hold: HoldRecord | None = None
        self._ids = ids
        self.now = now

    def parcel(self, parcel_id: str) -> ParcelRecord:
        """The parcel as this step has left it so far."""
        return self._changed.get(parcel_id) or self._parcels[parcel_id]

    def move(
        self,
        parcel_id: str,
        after: ParcelState,
        *,
        to: Custodian | None = None,
        explanation: object = None,
        data: Mapping[str, object] | None = None,
        note: str = "",
        **fields: Any,
    ) -> ParcelRecord:
        """Bring a parcel into a state. Raises TransitionError, CustodyError.

        `note`: what is to stand among its times beside the state.
        """
        before = self.parcel(parcel_id)
        check_step(parcel_id, PARCEL_STEPS, before.state, after)
        record = replace(
            before,
            state=after,
            custodian=hand_over(parcel_id, before.custodian, after, to),
            times={**before.times, after.value: self.now, **({note: self.now} if note else {})},
            **fields,
        )
        self._changed[parcel_id] = record
        self._parcel_steps.append(ParcelStep(before.state, record, explanation))
        self.event(
            f"parcel.{after.value}",
            parcel_id=parcel_id,
            vehicle_id=record.vehicle_id,
            assignment_id=record.assignment_id,
            data={
                "custodian": f"{record.custodian.kind.value}:{record.custodian.ident}",
                **(data or {}),
            },
        )
        return record

    def note(
        self, parcel_id: str, note: str, data: Mapping[str, object] | None = None
    ) -> ParcelRecord:
        """Keep that something happened to a parcel which leaves its state as it is."""
        before = self.parcel(parcel_id)
        record = replace(before, times={**before.times, note: self.now})
        self._changed[parcel_id] = record
        self._parcel_steps.append(ParcelStep(before.state, record))
        self.event(
            f"parcel.{note}",
            parcel_id=parcel_id,
            vehicle_id=record.vehicle_id,
            assignment_id=record.assignment_id,
            data=data,
        )
        return record

    def assign(self, record: AssignmentRecord) -> None:
        """A new assignment."""
        self._assignment_steps.append(AssignmentStep(None, record))
        self._assignment_event(record, {"parcels": list(record.assignment.parcel_ids)})

    def advance(
        self, record: AssignmentRecord, after: AssignmentState, reason: str = ""
    ) -> AssignmentRecord:
        """Bring an assignment into a state. Raises TransitionError."""
        task = record.assignment
        check_step(task.assignment_id, ASSIGNMENT_STEPS, task.state, after)
        started = self.now if after is AssignmentState.STARTED else record.started_at
        ended = self.now if not ASSIGNMENT_STEPS[after] else None
        changed = replace(
            record,
            assignment=replace(task, state=after, reason=reason or task.reason),
            started_at=started,
            ended_at=ended,
        )
        self._assignment_steps.append(AssignmentStep(task.state, changed))
        self._assignment_event(changed, {"reason": reason} if reason else {})
        return changed

    def remake(
        self, record: AssignmentRecord, mission: GroundMission, data: Mapping[str, object]
    ) -> AssignmentRecord:
        """Give an assignment that is under way another mission; its state stays."""
        task = replace(record.assignment, mission_hash=mission.content_hash)
        changed = replace(record, assignment=task, mission=mission)
        self._assignment_steps.append(AssignmentStep(task.state, changed, remade=True))
        self.event(
            "assignment.rerouted",
            vehicle_id=task.vehicle_id,
            assignment_id=task.assignment_id,
            data={"before": record.assignment.mission_hash, "hash": task.mission_hash, **data},
        )
        return changed

    def freeze(self, hold: HoldRecord) -> None:
        """Hold dispatch."""
        self._hold = hold
        self.event("dispatch.held", data={"by": hold.by, "reason": hold.reason})

    def command(self, record: CommandRecord) -> None:
        """Keep a command as it stands."""
        self._commands.append(record)
        self.event(
            f"command.{record.state.value}",
            vehicle_id=record.vehicle_id,
            assignment_id=record.assignment_id,
            data={
                "id": record.command_id,
                "kind": record.kind.value,
                "epoch": record.epoch,
                "by": record.by,
                "reason": record.reason,
                "hash": record.body_hash,
            },
        )

    def decide(self, record: AssignmentRecord, kind: CommandKind) -> CommandRecord:
        """A new command of an assignment, to be sent by the vehicle's process."""
        command = CommandRecord(
            command_id=self._ids("command"),
            vehicle_id=record.assignment.vehicle_id,
            epoch=record.epoch,
            kind=kind,
            state=CommandState.PENDING,
            created_at=self.now,
            assignment_id=record.assignment.assignment_id,
            body_hash=record.assignment.mission_hash,
        )
        self.command(command)
        return command

    def event(
        self,
        kind: str,
        *,
        parcel_id: str = "",
        vehicle_id: str = "",
        assignment_id: str = "",
        data: Mapping[str, object] | None = None,
    ) -> None:
        """A fact for the log."""
        self._events.append(
            Event(kind, self.now, parcel_id, vehicle_id, assignment_id, dict(data or {}))
        )

    def changes(self, epochs: Mapping[str, int] | None = None) -> Changes:
        """Everything of this step."""
        return Changes(
            parcels=tuple(self._parcel_steps),
            assignments=tuple(self._assignment_steps),
            commands=tuple(self._commands),
            events=tuple(self._events),
            hold=HoldChange(self._hold) if self._hold else None,
            epochs=dict(epochs or {}),
        )

    @property
    def empty(self) -> bool:
        """Whether nothing was put into it."""
        return not (self._parcel_steps or self._assignment_steps or self._commands or self._events)

    def _assignment_event(self, record: AssignmentRecord, data: Mapping[str, object]) -> None:
        task = record.assignment
        self.event(
            f"assignment.{task.state.value}",
            vehicle_id=task.vehicle_id,
            assignment_id=task.assignment_id,
            data={
                "mission": record.mission.mission_id,
                "hash": task.mission_hash,
                "zones": record.mission.zones_version,
                "epoch": record.epoch,
                **data,
            },
        )
