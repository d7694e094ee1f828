"""What one step writes: everything of it, or nothing.

Owns the changes and how each becomes SQL. Must not open transactions: `database.py` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from controller.domain.model import AssignmentState, Event, ParcelState
from controller.domain.records import (
    AssignmentRecord,
    CommandRecord,
    HoldRecord,
    LastKnown,
    ParcelRecord,
    PassageRecord,
)
from controller.domain.transitions import OPEN_ASSIGNMENT
from controller.store import codec, schema
from controller.store.dialects import upsert
from controller.store.errors import FencedError, StaleStepError

HOLD_SCOPE = "all"
ZONE_SCOPE = "active"
FEW = 16
"""More rows than this go to the database together."""


@dataclass(frozen=True, slots=True)
class ParcelStep:
    """A parcel before and after; `before` None where it is new."""

    before: ParcelState | None
    after: ParcelRecord
    explanation: object = None


@dataclass(frozen=True, slots=True)
class AssignmentStep:
    """An assignment before and after; `before` None where it is new."""

    before: AssignmentState | None
    after: AssignmentRecord
    remade: bool = False
    """Its mission is another one than before."""


@dataclass(frozen=True, slots=True)
class SubmissionKey:
    """An idempotency key with what it was used for."""

    key: str
    fingerprint: str
    parcel_ids: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class ZonesChange:
    """The zone set in force, and the version of the configured files it stands over."""

    version: str
    source_version: str
    body: Mapping[str, object]
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class HoldChange:
    """Dispatch frozen, or free again where `after` is None."""

    after: HoldRecord | None


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything that one step writes, in one transaction."""

    parcels: tuple[ParcelStep, ...] = ()
    assignments: tuple[AssignmentStep, ...] = ()
    commands: tuple[CommandRecord, ...] = ()
    events: tuple[Event, ...] = ()
    key: SubmissionKey | None = None
    hold: HoldChange | None = None
    zones: ZonesChange | None = None
    passages: tuple[PassageRecord, ...] = ()
    last_known: tuple[LastKnown, ...] = ()
    epochs: Mapping[str, int] = field(default_factory=dict)
    """Leases that must be held, by vehicle."""


@dataclass(slots=True)
class Pending:
    """Changes with who is told, in commit order, once they are kept."""

    changes: Changes
    on_kept: Callable[[tuple[int, ...]], None] | None = None
    seqs: tuple[int, ...] = ()


async def apply(connection: AsyncConnection, changes: Changes) -> tuple[int, ...]:
    """Write the changes; the places of their events in the log.

    Raises StaleStepError where a row has moved on, FencedError where a lease was lost.
    """
    await _require_epochs(connection, changes.epochs)
    if changes.key is not None:
        await connection.execute(
            insert(schema.idempotency).values(
                key=changes.key.key,
                fingerprint=changes.key.fingerprint,
                parcel_ids=list(changes.key.parcel_ids),
                at=changes.key.at,
            )
        )
    for step in changes.parcels:
        await _parcel(connection, step)
    for task in changes.assignments:
        await _assignment(connection, task)
    await _commands(connection, changes.commands)
    if changes.hold is not None:
        await _hold(connection, changes.hold.after)
    if changes.zones is not None:
        await _zones(connection, changes.zones)
    for record in changes.passages:
        await _passage(connection, record)
    if changes.last_known:
        places = [codec.last_known_row(record) for record in changes.last_known]
        await connection.execute(upsert(connection, schema.last_known), places)
    return await _events(connection, changes.events)


async def _passage(connection: AsyncConnection, record: PassageRecord) -> None:
    table = schema.passage_lease
    await connection.execute(delete(table).where(table.c.vehicle_id == record.vehicle_id))
    if record.body:
        await connection.execute(
            insert(table).values(
                vehicle_id=record.vehicle_id,
                epoch=record.epoch,
                body=dict(record.body),
                at=record.at,
            )
        )


async def _require_epochs(connection: AsyncConnection, epochs: Mapping[str, int]) -> None:
    """One question, however many vehicles a step is for."""
    if not epochs:
        return
    table = schema.lease
    asked = select(table.c.vehicle_id, table.c.epoch)
    if len(epochs) <= FEW:
        asked = asked.where(table.c.vehicle_id.in_(sorted(epochs)))
    found = {row[0]: row[1] for row in await connection.execute(asked)}
    for vehicle_id, epoch in epochs.items():
        if found.get(vehicle_id) != epoch:
            raise FencedError(vehicle_id, epoch)


async def _parcel(connection: AsyncConnection, step: ParcelStep) -> None:
    table = schema.parcel
    row = codec.parcel_row(step.after, explanation=step.explanation)
    if step.before is None:
        await connection.execute(insert(table).values(**row))
        return
    ident = row.pop("parcel_id")
    result = await connection.execute(
        update(table)
        .where(table.c.parcel_id == ident, table.c.state == step.before.value)
        .values(**row)
    )
    if result.rowcount != 1:
        raise StaleStepError(f"parcel {ident} is no longer {step.before.value}")


async def _assignment(connection: AsyncConnection, step: AssignmentStep) -> None:
    table, link = schema.assignment, schema.assignment_parcel
    row = codec.assignment_row(step.after)
    ident = row["assignment_id"]
    is_open = step.after.assignment.state in OPEN_ASSIGNMENT
    if step.before is None:
        await connection.execute(insert(table).values(**row))
        for place, parcel_id in enumerate(step.after.assignment.parcel_ids):
            await connection.execute(
                insert(link).values(
                    assignment_id=ident, parcel_id=parcel_id, place=place, open=is_open
                )
            )
        return
    names = ["state", "started_at", "ended_at", "reason"]
    if step.remade:
        names += ["mission", "mission_hash"]
    result = await connection.execute(
        update(table)
        .where(table.c.assignment_id == ident, table.c.state == step.before.value)
        .values(**{name: row[name] for name in names})
    )
    if result.rowcount != 1:
        raise StaleStepError(f"assignment {ident} is no longer {step.before.value}")
    if not is_open:
        await connection.execute(
            update(link).where(link.c.assignment_id == ident).values(open=False)
        )


async def _commands(connection: AsyncConnection, records: tuple[CommandRecord, ...]) -> None:
    """As they stand at the end of the step, in one statement however many they are."""
    if records:
        rows = [codec.command_row(r) for r in {r.command_id: r for r in records}.values()]
        await connection.execute(upsert(connection, schema.outbox), rows)


async def _hold(connection: AsyncConnection, after: HoldRecord | None) -> None:
    table = schema.hold
    await connection.execute(delete(table).where(table.c.scope == HOLD_SCOPE))
    if after is not None:
        await connection.execute(
            insert(table).values(
                scope=HOLD_SCOPE, by=after.by, reason=after.reason, since=after.since
            )
        )


async def _zones(connection: AsyncConnection, change: ZonesChange) -> None:
    table = schema.zone_set
    await connection.execute(delete(table).where(table.c.scope == ZONE_SCOPE))
    await connection.execute(
        insert(table).values(
            scope=ZONE_SCOPE,
            version=change.version,
            source_version=change.source_version,
            body=dict(change.body),
            by=change.by,
            at=change.at,
        )
    )


async def _events(connection: AsyncConnection, events: tuple[Event, ...]) -> tuple[int, ...]:
    """Their places, one after the other: there is no second writer to take one in between."""
    if not events:
        return ()
    table = schema.event
    await connection.execute(insert(table), [codec.event_row(event) for event in events])
    last = int(await connection.scalar(select(func.max(table.c.seq))) or 0)
    return tuple(range(last - len(events) + 1, last + 1))
