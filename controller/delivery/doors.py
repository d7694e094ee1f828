"""Doors: robots that stand at a stop until its time has come or its customer is there.

Owns the word that opens a hand-over or ends the wait for it, and the customer's PIN. Every word is
kept before a robot hears of it, and said again until the robot shows it; the first word about a
parcel counts, so that nothing is handed over after its time was up. Must not move robots.

A PIN is compared by its hash and stands in no log, event or answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from controller.delivery import steps
from controller.delivery.ledger import Ledger
from controller.delivery.looking import keep_looking
from controller.delivery.process import VehicleProcess
from controller.delivery.views import DoorView, UnknownParcelError
from controller.domain.alarms import Condition, Severity
from controller.domain.model import AssignmentState, ParcelState
from controller.domain.records import (
    DOOR_AT,
    DOOR_OPENED,
    DOOR_SHUT,
    WRONG_PIN,
    AssignmentRecord,
    ParcelRecord,
)
from controller.safety.board import AlarmBoard
from controller.store.errors import StaleStepError
from missions.model import GroundMission, Handover, StopAction
from vehicles.port import Clock, CommandResult, Outcome

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DoorRules:
    """How long a customer is waited for, in seconds of the controller's clock.

    `pin_tries`: wrong PINs after which the parcel goes back.
    """

    wait_s: float = 300.0
    pin_tries: int = 3


@dataclass(frozen=True, slots=True)
class _Stop:
    """A parcel's hand-over in the round that is under way."""

    task: AssignmentRecord
    mission: GroundMission
    record: ParcelRecord

    @property
    def ident(self) -> str:
        """The parcel's id."""
        return self.record.parcel.parcel_id

    def at(self, note: str) -> datetime | None:
        """When something was noted in this round."""
        return self.record.since(note, self.task.assignment.created_at)

    @property
    def wrong(self) -> int:
        """Wrong PINs in this round."""
        return sum(self.at(WRONG_PIN.format(n)) is not None for n in range(1, 10))


class Doors:
    """Says the words. `run` serves the robots until cancelled."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        processes: Mapping[str, VehicleProcess],
        board: AlarmBoard,
        clock: Clock,
        rules: DoorRules,
    ) -> None:
        self._ledger = ledger
        self._processes = processes
        self._board = board
        self._clock = clock
        self._rules = rules
        self._lock = asyncio.Lock()
        # before any robot is read: what was left out is no longer part of its order
        self._say_words()

    async def run(self, period_s: float) -> None:
        """Look once a period until cancelled."""
        await keep_looking(
            self.look, period_s, self._clock, not_kept="doors not kept: nothing is opened"
        )

    async def look(self) -> None:
        """Say again what was decided, and decide what is due."""
        self._say_words()
        for task in list(self._ledger.assignments.values()):
            process = self._processes.get(task.assignment.vehicle_id)
            mission = task.mission
            if process is None or not isinstance(mission, GroundMission):
                continue
            if task.assignment.state is not AssignmentState.STARTED:
                continue
            parcel_id = process.owner.waits_for(mission)
            if parcel_id:
                async with self._lock:
                    await self._decide(process, parcel_id)

    async def trigger(self, parcel_id: str, *, pin: str | None, by: str) -> CommandResult:
        """A customer's word at the door; the same again changes nothing. UnknownParcelError."""
        if parcel_id not in self._ledger.parcels:
            raise UnknownParcelError(parcel_id)
        async with self._lock:
            try:
                return await self._trigger(parcel_id, pin, by)
            except StaleStepError:
                return _no(f"{parcel_id} moved on at this moment: look again")

    async def resend(self, parcel_id: str, *, by: str, reason: str) -> CommandResult:
        """Send again what came back to its origin. Raises UnknownParcelError."""
        record = self._ledger.parcels.get(parcel_id)
        if record is None:
            raise UnknownParcelError(parcel_id)
        if fault := steps.resend_fault(record):
            return _no(fault)
        draft = self._ledger.draft()
        words = f"sent again by {by}: {reason}" if reason else f"sent again by {by}"
        steps.resend(draft, parcel_id, {"by": by, "reason": reason}, words)
        try:
            await self._ledger.keep_draft(draft)
        except StaleStepError:
            return _no(f"{parcel_id} moved on at this moment: look again")
        return CommandResult(Outcome.DONE)

    def view(self, record: ParcelRecord) -> DoorView | None:
        """What is waited for at a parcel's door; None where nothing is."""
        stop = self._stop(record.parcel.parcel_id)
        if stop is None or record.state is not ParcelState.IN_TRANSIT:
            return None
        process = self._processes[record.vehicle_id]
        at = stop.at(DOOR_AT)
        asked = _asked(stop, process)
        if at is None or stop.at(DOOR_OPENED) or not asked:
            return None
        return DoorView(
            asks="pin" if record.parcel.pin_sha256 else "word",
            since=at,
            until=self._until(stop, at),
            tries_left=max(0, self._rules.pin_tries - stop.wrong),
        )

    # --- deciding --------------------------------------------------------------------------

    async def _decide(self, process: VehicleProcess, parcel_id: str) -> None:
        stop = self._stop(parcel_id)
        if stop is None or stop.at(DOOR_OPENED):
            return
        if stop.record.state is not ParcelState.IN_TRANSIT:
            # it is not aboard, or goes back already: the robot must not wait for ever
            if stop.record.state is ParcelState.RETURNING:
                process.owner.settle(stop.mission, parcel_id, opens=False)
            return
        at = stop.at(DOOR_AT)
        try:
            if at is None:
                at = await self._note(stop, DOOR_AT, {})
            now = self._clock.now()
            if _asked(stop, process):
                if now >= self._until(stop, at):
                    words = f"nobody came to the door in {self._rules.wait_s:.0f} s"
                    await self._shut(process, stop, words)
            elif now >= (stop.record.parcel.earliest_at or now):
                await self._open(process, stop, {"by": "time"})
        except StaleStepError as error:
            log.info("door came too late", parcel=parcel_id, reason=str(error))

    async def _trigger(self, parcel_id: str, pin: str | None, by: str) -> CommandResult:
        stop = self._stop(parcel_id)
        record = self._ledger.parcels[parcel_id]
        words = record.state.value.replace("_", " ")
        if stop is None:
            return _no(f"{parcel_id} is {words}: no vehicle waits for its customer")
        process = self._processes[record.vehicle_id]
        if stop.at(DOOR_OPENED):
            return CommandResult(Outcome.DONE, "it was opened before")
        if record.state is not ParcelState.IN_TRANSIT:
            return _no(f"{parcel_id} is {words}: it is not handed over any more")
        if not _asked(stop, process):
            at_robot = record.parcel.handover is Handover.DOOR
            return _no(
                f"{record.vehicle_id} asks for the PIN itself: type it there"
                if at_robot
                else f"{parcel_id} is handed over without a customer's word"
            )
        if process.owner.waits_for(stop.mission) != parcel_id:
            return _no(f"{record.vehicle_id} is not at the door of {parcel_id} yet")
        wanted = record.parcel.pin_sha256
        if wanted and pin is None:
            return _no(f"{parcel_id} needs its PIN")
        if wanted and not _same(pin or "", wanted):
            return await self._wrong(process, stop)
        await self._open(process, stop, {"by": by})
        return CommandResult(Outcome.DONE, f"{record.vehicle_id} hands {parcel_id} over")

    async def _wrong(self, process: VehicleProcess, stop: _Stop) -> CommandResult:
        tries = stop.wrong + 1
        await self._note(stop, WRONG_PIN.format(tries), {"tries": tries})
        left = self._rules.pin_tries - tries
        if left > 0:
            return _no(f"wrong PIN: {left} {'try is' if left == 1 else 'tries are'} left")
        told = f"the PIN was wrong {tries} times"
        await self._shut(process, stop, told)
        return _no(f"{told}: {stop.ident} goes back")

    async def _open(self, process: VehicleProcess, stop: _Stop, told: Mapping[str, object]) -> None:
        await self._note(stop, DOOR_OPENED, told)
        process.owner.settle(stop.mission, stop.ident, opens=True)

    async def _shut(self, process: VehicleProcess, stop: _Stop, reason: str) -> None:
        vehicle_id = process.owner.vehicle_id
        draft = self._ledger.draft()
        steps.coming_back(draft, stop.task, (stop.ident,), reason, turned_away=True)
        await self._ledger.keep_draft(draft, vehicle_id)
        process.owner.settle(stop.mission, stop.ident, opens=False)
        self._board.happen(
            Condition(
                f"door:{stop.ident}:{stop.task.assignment.assignment_id}",
                Severity.CAUTION,
                f"{stop.ident} was not handed over by {vehicle_id}: {reason}",
                "Call the recipient; it comes back and is sent again when you say so",
                vehicle_id,
                stop.ident,
            )
        )

    async def _note(self, stop: _Stop, note: str, told: Mapping[str, object]) -> datetime:
        draft = self._ledger.draft()
        draft.note(stop.ident, note, told)
        await self._ledger.keep_draft(draft, stop.task.assignment.vehicle_id)
        return draft.now

    # --- what is known ---------------------------------------------------------------------

    def _say_words(self) -> None:
        for stop in self._stops():
            process = self._processes.get(stop.task.assignment.vehicle_id)
            if process is None:
                continue
            shut = stop.at(DOOR_SHUT)
            if shut or stop.at(DOOR_OPENED):
                process.owner.settle(stop.mission, stop.ident, opens=not shut)

    def _stops(self) -> Iterator[_Stop]:
        for task in self._ledger.assignments.values():
            if isinstance(task.mission, GroundMission):
                for parcel_id in task.mission.parcel_ids:
                    yield _Stop(task, task.mission, self._ledger.parcels[parcel_id])

    def _stop(self, parcel_id: str) -> _Stop | None:
        record = self._ledger.parcels[parcel_id]
        task = self._ledger.assignments.get(record.vehicle_id)
        if task is None or task.assignment.assignment_id != record.assignment_id:
            return None
        mission = task.mission
        if not isinstance(mission, GroundMission) or record.vehicle_id not in self._processes:
            return None
        return _Stop(task, mission, record)

    def _until(self, stop: _Stop, at: datetime) -> datetime:
        begins = max(at, stop.record.parcel.earliest_at or at)
        return begins + timedelta(seconds=self._rules.wait_s)


def _asked(stop: _Stop, process: VehicleProcess) -> bool:
    """Whether a customer's word is waited for here, and not by the robot itself."""
    at_door = any(
        a.handover is Handover.DOOR
        for n in stop.mission.nodes
        for a in n.actions
        if a.parcel_id == stop.ident and a.kind is StopAction.DROP
    )
    return at_door and not process.owner.judges(stop.mission, stop.ident)


def _same(pin: str, wanted_sha256: str) -> bool:
    return hmac.compare_digest(hashlib.sha256(pin.encode()).hexdigest(), wanted_sha256)


def _no(reason: str) -> CommandResult:
    return CommandResult(Outcome.REFUSED, reason)
