"""The controller's memory: what the store holds, readable at once.

Owns the parcels, open assignments, commands and the hold of a running controller. It changes
only after the store has kept the change, and in the order of the commits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from controller.delivery.draft import Draft
from controller.dispatch.model import Explanation
from controller.domain.model import Event
from controller.domain.records import (
    AssignmentRecord,
    CommandKind,
    CommandRecord,
    HoldRecord,
    ParcelRecord,
)
from controller.domain.transitions import ABOARD, OPEN_ASSIGNMENT
from controller.store.changes import Changes
from controller.store.database import Kept, Store
from controller.store.errors import FencedError, StoreError
from vehicles.port import Clock

log = structlog.get_logger(__name__)

MAX_NOTES = 10_000

Listener = Callable[[Changes], None]


class Ledger:
    """Memory over a store. Listeners hear every change that was kept."""

    def __init__(self, store: Store, clock: Clock, ids: Callable[[str], str]) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._notes: asyncio.Queue[Event] = asyncio.Queue(MAX_NOTES)
        self._listeners: list[Listener] = []
        self.parcels: dict[str, ParcelRecord] = {}
        self.assignments: dict[str, AssignmentRecord] = {}
        """Open ones, by vehicle."""
        self.commands: dict[tuple[str, CommandKind], CommandRecord] = {}
        """The latest of each kind for each open assignment."""
        self.explanations: dict[str, Explanation] = {}
        self._fenced: FencedError | None = None
        self._is_fenced = asyncio.Event()
        self._aboard: dict[str, set[str]] = {}
        self.former: dict[str, frozenset[str]] = {}
        """Hashes of the missions that open assignments had before, by assignment."""
        self.hold: HoldRecord | None = None
        self.epochs: dict[str, int] = {}

    def restore(self, kept: Kept, explanations: dict[str, Explanation]) -> None:
        """Take over what the store held at start-up."""
        first = sorted(kept.parcels, key=_submitted_at)
        self.parcels = {p.parcel.parcel_id: p for p in first}
        self.assignments = {a.assignment.vehicle_id: a for a in kept.assignments}
        for command in kept.commands:
            self.commands[command.assignment_id, command.kind] = command
        self.explanations = explanations
        self.hold = kept.hold
        for record in first:
            self._place(None, record)

    def listen(self, listener: Listener) -> None:
        """Hear every change that is kept from now on."""
        self._listeners.append(listener)

    def draft(self) -> Draft:
        """A step that starts from what is known now."""
        return Draft(self.parcels, now=self._clock.now(), ids=self._ids)

    async def keep(self, changes: Changes, *, ahead: bool = False) -> tuple[int, ...]:
        """Write, then remember. Raises StoreError, and then nothing has changed.

        `ahead`: before all that waits to be written, for a stop.
        """
        try:
            return await self._store.keep(
                changes, on_kept=lambda _: self._remember(changes), ahead=ahead
            )
        except FencedError as error:
            self._fenced = error
            self._is_fenced.set()
            raise

    async def guard_leases(self, wall_period_s: float) -> None:
        """Look after the leases; raises FencedError once another controller has one of them.

        Whoever met the fence first, in an API call or in a step: this ends the whole controller.
        """
        while self._fenced is None:
            try:
                async with asyncio.timeout(wall_period_s):
                    await self._is_fenced.wait()
            except TimeoutError:
                await self._look_at_leases()
        raise self._fenced

    async def keep_draft(self, draft: Draft, vehicle_id: str = "", *, ahead: bool = False) -> None:
        """Write a step under the vehicle's lease; an empty one costs nothing."""
        if not draft.empty:
            epochs = {vehicle_id: self.epochs[vehicle_id]} if vehicle_id else {}
            await self.keep(draft.changes(epochs), ahead=ahead)

    def note(self, event: Event) -> None:
        """Put a fact into the log soon, without waiting for it."""
        try:
            self._notes.put_nowait(event)
        except asyncio.QueueFull:
            log.warning("event log is behind: a note is dropped", kind=event.kind)

    async def write_notes(self) -> None:
        """Write noted facts, as many as wait in one unit, until cancelled."""
        while True:
            events = [await self._notes.get()]
            while not self._notes.empty():
                events.append(self._notes.get_nowait())
            try:
                await self.keep(Changes(events=tuple(events)))
            except StoreError as error:
                log.warning("notes not kept", count=len(events), reason=str(error))

    async def _look_at_leases(self) -> None:
        try:
            await self.keep(Changes(epochs=self.epochs))
        except FencedError:
            log.warning("another controller has taken over")
        except StoreError as error:
            log.warning("leases not read", reason=str(error))

    def aboard(self, vehicle_id: str) -> tuple[str, ...]:
        """Parcels that the vehicle has."""
        return tuple(sorted(self._aboard.get(vehicle_id, ())))

    def _remember(self, changes: Changes) -> None:
        for step in changes.parcels:
            ident = step.after.parcel.parcel_id
            self._place(self.parcels.get(ident), step.after)
            self.parcels[ident] = step.after
        for task in changes.assignments:
            record = task.after
            vehicle_id = record.assignment.vehicle_id
            if task.remade and vehicle_id in self.assignments:
                before = self.assignments[vehicle_id].assignment
                known = self.former.get(before.assignment_id, frozenset())
                self.former[before.assignment_id] = known | {before.mission_hash}
            if record.assignment.state in OPEN_ASSIGNMENT:
                self.assignments[vehicle_id] = record
            else:
                self.former.pop(record.assignment.assignment_id, None)
                self.assignments.pop(vehicle_id, None)
                for kind in CommandKind:
                    self.commands.pop((record.assignment.assignment_id, kind), None)
        open_ids = {a.assignment.assignment_id for a in self.assignments.values()}
        for command in changes.commands:
            if command.assignment_id in open_ids:
                self.commands[command.assignment_id, command.kind] = command
        if changes.hold is not None:
            self.hold = changes.hold.after
        for listener in self._listeners:
            listener(changes)

    def _place(self, before: ParcelRecord | None, after: ParcelRecord) -> None:
        ident = after.parcel.parcel_id
        if before is not None and before.state in ABOARD:
            self._aboard.get(before.custodian.ident, set()).discard(ident)
        if after.state in ABOARD:
            self._aboard.setdefault(after.custodian.ident, set()).add(ident)


def _submitted_at(record: ParcelRecord) -> tuple[datetime, str]:
    first = min(record.times.values(), default=record.parcel.ready_at)
    return first, record.parcel.parcel_id
