"""One writer, many units in one commit, and the reads of start-up.

Owns connections and transactions. SQLite runs in WAL with synchronous=FULL: a start that was
sent must still be known after a power cut, and because all that waits is committed together the
price is one flush a batch, not one a step.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import structlog
from sqlalchemy import select
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from controller.domain.model import Event
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
from controller.store.changes import Changes, Pending, SubmissionKey, apply
from controller.store.dialects import (
    Writing,
    is_bad_data,
    open_engine,
    reading,
    was_kept,
    writer,
    writing,
)
from controller.store.errors import ConflictError, StoreClosedError, StoreError, UnfitError
from controller.store.migrate import upgrade

log = structlog.get_logger(__name__)

MAX_WAITING = 10_000
MAX_BATCH = 200


@dataclass(frozen=True, slots=True)
class Kept:
    """What a database holds when a controller starts on it."""

    parcels: tuple[ParcelRecord, ...]
    assignments: tuple[AssignmentRecord, ...]
    """The open ones."""
    commands: tuple[CommandRecord, ...]
    """Those of open assignments."""
    explanations: dict[str, Any]
    hold: HoldRecord | None
    zones: tuple[str, dict[str, Any]] | None
    """Version of the configured files that it stands over, and the set as GeoJSON."""
    passages: tuple[PassageRecord, ...] = ()
    last_known: tuple[LastKnown, ...] = ()
    """One of every vehicle that was ever heard."""


@dataclass(slots=True)
class _Waiting:
    pending: Pending
    done: asyncio.Future[tuple[int, ...]]


class Store:
    """A database. `async with` opens it and brings it to the schema; `run` serves writes."""

    def __init__(self, url: str, *, on_commit: Callable[[float], None] | None = None) -> None:
        self._url = url
        self._on_commit = on_commit
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(MAX_WAITING)
        self._ahead: asyncio.Queue[_Waiting] = asyncio.Queue(MAX_WAITING)
        self._work = asyncio.Event()
        self._stack = AsyncExitStack()
        self._engine: AsyncEngine | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        """Open the database and bring it to the schema."""
        try:
            engine = open_engine(self._url)
        except ArgumentError as error:
            raise StoreError(
                'store.url is no database URL: write "sqlite+aiosqlite:///waypost.db" or '
                '"postgresql+asyncpg://user@host/waypost"'
            ) from error
        except ModuleNotFoundError as error:
            raise StoreError(f"store.url needs {error.name}: install waypost[postgres]") from error
        self._stack.push_async_callback(engine.dispose)
        try:
            async with writer(engine) as connection, writing(connection):
                await connection.run_sync(upgrade)
        except (SQLAlchemyError, OSError) as error:
            await self._stack.aclose()
            shown = engine.url.render_as_string(hide_password=True)
            raise StoreError(f"the database {shown} cannot be opened: {error}") from error
        self._engine = engine
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Refuse what still waits and close."""
        self._closed = True
        for queue in (self._ahead, self._queue):
            while not queue.empty():
                _answer(queue.get_nowait(), StoreClosedError("the store is closed"))
        await self._stack.aclose()

    async def keep(
        self,
        changes: Changes,
        on_kept: Callable[[tuple[int, ...]], None] | None = None,
        *,
        ahead: bool = False,
    ) -> tuple[int, ...]:
        """Write all of the changes or none; the places of their events.

        `ahead`: before everything that waits, for what nobody may wait for: a stop. `on_kept` is
        called in commit order, before this returns. A caller that is cancelled does not take its
        changes back. Raises StoreError.
        """
        if self._closed:
            raise StoreClosedError("the store is closed")
        done: asyncio.Future[tuple[int, ...]] = asyncio.get_running_loop().create_future()
        queue = self._ahead if ahead else self._queue
        await queue.put(_Waiting(Pending(changes, on_kept), done))
        self._work.set()
        return await asyncio.shield(done)

    async def run(self) -> None:
        """Write what comes, in order, as much as waits in one commit, until cancelled."""
        async with writer(self._connection()) as connection:
            while True:
                await self._work.wait()
                self._work.clear()
                while not (self._ahead.empty() and self._queue.empty()):
                    await self._commit(connection)

    async def _commit(self, connection: AsyncConnection) -> None:
        began = time.perf_counter()
        batch: list[_Waiting] = []
        failed: dict[int, Exception] = {}
        under_way = Writing()
        try:
            async with writing(connection, under_way):
                for waiting in self._taken():
                    batch.append(waiting)
                    error = await self._try(connection, waiting.pending)
                    if error is not None:
                        failed[len(batch) - 1] = error
        except SQLAlchemyError as error:
            if not batch:
                batch.extend(self._taken())  # it could not even begin: nobody waits for nothing
            if not await self._kept_after_all(under_way, error, batch):
                log.exception("commit failed", units=len(batch))
                reason = StoreError(f"nothing was kept: {error}")
                failed = dict.fromkeys(range(len(batch)), reason)
        finally:
            if self._on_commit is not None:
                self._on_commit(time.perf_counter() - began)
        for index, waiting in enumerate(batch):
            _answer(waiting, failed.get(index))

    def _taken(self) -> Iterator[_Waiting]:
        """The units of one commit: what waits now, or up to a stop that comes meanwhile."""
        for _ in range(min(MAX_BATCH, self._queue.qsize())):
            if not self._ahead.empty():
                break
            yield self._queue.get_nowait()
        while not self._ahead.empty():
            yield self._ahead.get_nowait()

    async def _kept_after_all(
        self, under_way: Writing, error: SQLAlchemyError, batch: list[_Waiting]
    ) -> bool:
        """Raises StoreError, which ends the writer, where nobody can tell: memory may be wrong."""
        try:
            return await was_kept(self._connection(), under_way, error)
        except TimeoutError:
            reason = StoreError(
                "the database went away amid a commit and did not come back, so what it holds is "
                "not known: start again once it is up"
            )
            for waiting in batch:
                _answer(waiting, reason)
            raise reason from error

    async def _try(self, connection: AsyncConnection, pending: Pending) -> Exception | None:
        try:
            async with connection.begin_nested():
                pending.seqs = await apply(connection, pending.changes)
        except IntegrityError as error:
            return ConflictError(str(error.orig))
        except StoreError as error:
            return error
        except DBAPIError as error:
            if not is_bad_data(error):
                raise
            return UnfitError(f"this database cannot hold a value: {error.orig}")
        return None

    async def keep_at_once(self, changes: Changes) -> None:
        """Write in a transaction of its own: at the end, when nobody serves `keep`.

        Raises StoreError.
        """
        try:
            async with writer(self._connection()) as connection, writing(connection):
                await apply(connection, changes)
        except SQLAlchemyError as error:
            raise StoreError(f"nothing was kept: {error}") from error

    def _connection(self) -> AsyncEngine:
        if self._engine is None:
            raise StoreClosedError("the store is not open: use it in `async with`")
        return self._engine

    async def take_leases(
        self, vehicle_ids: tuple[str, ...], owner: str, at: datetime
    ) -> dict[str, int]:
        """Take every vehicle, raising its epoch: whoever had it is fenced from now on."""
        table = schema.lease
        epochs: dict[str, int] = {}
        async with writer(self._connection()) as connection, writing(connection):
            for vehicle_id in vehicle_ids:
                found = await connection.scalar(
                    select(table.c.epoch).where(table.c.vehicle_id == vehicle_id)
                )
                epoch = (found or 0) + 1
                values = {"owner": owner, "epoch": epoch, "taken_at": at}
                if found is None:
                    await connection.execute(table.insert().values(vehicle_id=vehicle_id, **values))
                else:
                    await connection.execute(
                        table.update().where(table.c.vehicle_id == vehicle_id).values(**values)
                    )
                epochs[vehicle_id] = epoch
        return epochs

    async def read(self) -> Kept:
        """Everything that a controller goes on from."""
        open_states = sorted(s.value for s in OPEN_ASSIGNMENT)
        async with reading(self._connection()) as connection:
            parcels = (
                (await connection.execute(select(schema.parcel).order_by("parcel_id")))
                .mappings()
                .all()
            )
            tasks = (
                (
                    await connection.execute(
                        select(schema.assignment).where(schema.assignment.c.state.in_(open_states))
                    )
                )
                .mappings()
                .all()
            )
            link = schema.assignment_parcel
            members: dict[str, list[str]] = {}
            for row in await connection.execute(
                select(link.c.assignment_id, link.c.parcel_id)
                .where(link.c.open.is_(True))
                .order_by(link.c.place)
            ):
                members.setdefault(row[0], []).append(row[1])
            idents = [row["assignment_id"] for row in tasks]
            commands = (
                (
                    await connection.execute(
                        select(schema.outbox)
                        .where(schema.outbox.c.assignment_id.in_(idents))
                        .order_by(schema.outbox.c.created_at)
                    )
                )
                .mappings()
                .all()
            )
            hold = (await connection.execute(select(schema.hold))).mappings().first()
            zones = (await connection.execute(select(schema.zone_set))).mappings().first()
            passages = (await connection.execute(select(schema.passage_lease))).mappings().all()
            places = (await connection.execute(select(schema.last_known))).mappings().all()
        return Kept(
            parcels=tuple(codec.parcel_of(row) for row in parcels),
            assignments=tuple(
                codec.assignment_of(row, tuple(members.get(row["assignment_id"], ())))
                for row in tasks
            ),
            commands=tuple(codec.command_of(row) for row in commands),
            explanations={
                row["parcel_id"]: row["explanation"]
                for row in parcels
                if row["explanation"] is not None
            },
            hold=HoldRecord(hold["by"], hold["reason"], hold["since"]) if hold else None,
            zones=(zones["source_version"], zones["body"]) if zones else None,
            passages=tuple(PassageRecord(**row) for row in passages),
            last_known=tuple(codec.last_known_of(row) for row in places),
        )

    async def submission(self, key: str) -> SubmissionKey | None:
        """What an idempotency key was used for."""
        table = schema.idempotency
        async with self._connection().connect() as connection:
            row = (
                (await connection.execute(select(table).where(table.c.key == key)))
                .mappings()
                .first()
            )
        if row is None:
            return None
        return SubmissionKey(row["key"], row["fingerprint"], tuple(row["parcel_ids"]), row["at"])

    async def events_of(self, kinds: tuple[str, ...]) -> list[Event]:
        """Every event of these kinds, oldest first."""
        table = schema.event
        async with self._connection().connect() as connection:
            rows = await connection.execute(
                select(table).where(table.c.kind.in_(kinds)).order_by(table.c.seq)
            )
            return [codec.event_of(row)[1] for row in rows.mappings()]

    async def events_after(self, seq: int, limit: int) -> list[tuple[int, Event]]:
        """Up to `limit` events that follow place `seq` in the log."""
        table = schema.event
        async with self._connection().connect() as connection:
            rows = await connection.execute(
                select(table).where(table.c.seq > seq).order_by(table.c.seq).limit(limit)
            )
            return [codec.event_of(row) for row in rows.mappings()]


def _answer(waiting: _Waiting, error: Exception | None) -> None:
    if error is None and waiting.pending.on_kept is not None:
        waiting.pending.on_kept(waiting.pending.seqs)
    if waiting.done.done():
        return
    if error is None:
        waiting.done.set_result(waiting.pending.seqs)
    else:
        waiting.done.set_exception(error)
