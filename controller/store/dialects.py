"""What SQLite and PostgreSQL each need, so that the rest of the store may forget which it has.

Owns the opening of an engine, and how a transaction begins: writers one after another, readers
in one view of the whole. Must not know the tables.

SQLite does both by itself once told which kind of transaction is wanted. PostgreSQL would let
writers overlap: a controller whose lease is taken amid its commit would be kept, and the event
log would be read past a place that is filled in later. A lock that ends with the transaction
lets one writer in at a time there too (PostgreSQL manual, 13.3.5, Advisory Locks).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Insert, Table, make_url, text
from sqlalchemy import event as sa_event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

log = structlog.get_logger(__name__)

BUSY_MS = 5000
"""The longest that a writer waits for another."""
FROZEN_MS = 15_000
"""A node that stands still amid its transaction for longer loses it: others wait."""
AWAY_S = 30.0
"""How long a server may be away amid a commit; a restart of it takes a few seconds."""
ASK_AGAIN_S = 0.2
WRITER_LOCK = 0x7761_7970_6F73_7400
"""Any number that nobody else uses in the same database."""
_DATA_CLASS = "22"
"""SQLSTATE class "data exception": a text too long, a character that cannot be kept."""


def open_engine(url: str) -> AsyncEngine:
    """An engine for the database. Raises sqlalchemy.exc.ArgumentError for a URL without sense."""
    kind = make_url(url)
    if kind.get_backend_name() == "sqlite":
        engine = create_async_engine(kind)
        sa_event.listen(engine.sync_engine, "connect", _pragmas)
        sa_event.listen(engine.sync_engine, "begin", _begin)
        return engine
    arguments: dict[str, Any] = {}
    if kind.drivername == "postgresql+asyncpg":
        arguments["server_settings"] = {
            "lock_timeout": str(BUSY_MS),
            "idle_in_transaction_session_timeout": str(FROZEN_MS),
        }
    return create_async_engine(kind, connect_args=arguments, pool_pre_ping=True)


@asynccontextmanager
async def writer(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection for `writing`."""
    async with engine.connect() as opened:
        yield await opened.execution_options(waypost_write=True)


@dataclass(slots=True)
class Writing:
    """A transaction under way; `name` is what a server remembers it by."""

    name: str = ""


@asynccontextmanager
async def writing(
    connection: AsyncConnection, under_way: Writing | None = None
) -> AsyncIterator[None]:
    """A transaction that no other writer overlaps, of a connection from `writer`."""
    async with connection.begin():
        if connection.dialect.name == "postgresql":
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})"))
            if under_way is not None:
                asked = text("SELECT pg_current_xact_id()::text")
                under_way.name = str(await connection.scalar(asked))
        yield


async def was_kept(engine: AsyncEngine, under_way: Writing, error: SQLAlchemyError) -> bool:
    """Whether a transaction that ended in an error was kept: its answer may be what was lost.

    Asks the server until it answers (PostgreSQL manual, 9.26.8, pg_xact_status). Raises
    TimeoutError where it does not within AWAY_S.
    """
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    if not lost or not under_way.name:
        return False
    asked = text("SELECT pg_xact_status(CAST(CAST(:name AS text) AS xid8))")
    async with asyncio.timeout(AWAY_S):
        while True:
            try:
                async with engine.connect() as connection:
                    status = await connection.scalar(asked, {"name": under_way.name})
                if status != "in progress":
                    return bool(status == "committed")
            except (SQLAlchemyError, OSError):
                log.warning("the database is away amid a commit")
            await asyncio.sleep(ASK_AGAIN_S)


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection that sees one state of the whole database, however many reads it takes."""
    async with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        yield connection


def upsert(connection: AsyncConnection, table: Table) -> Insert:
    """An INSERT that takes the place of the row with the same key, where there is one."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table)
    keys = [column.name for column in table.primary_key]
    rest = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=rest)


def is_bad_data(error: DBAPIError) -> bool:
    """Whether the values are at fault, not the database: the rest of a batch may be kept."""
    return str(getattr(error.orig, "sqlstate", None) or "").startswith(_DATA_CLASS)


def _pragmas(connection: Any, record: object) -> None:
    del record
    # the driver must not open transactions of its own: `_begin` says which kind
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_MS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Any) -> None:
    write = connection.get_execution_options().get("waypost_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
