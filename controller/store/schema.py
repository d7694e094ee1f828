"""The tables, and the rules that the database itself keeps.

Owns the schema as SQLAlchemy metadata; `migrations/` brings a database to it. Times are ISO 8601
text in UTC, so that SQLite and PostgreSQL order and show them alike.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.engine.interfaces import Dialect

from controller.domain.transitions import OPEN_ASSIGNMENT


class UtcText(TypeDecorator[datetime]):
    """An aware datetime as sortable ISO text."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """To text; a time without zone is a programming error."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"time {value} has no time zone")
        return value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """From text."""
        del dialect
        return None if value is None else datetime.fromisoformat(value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BIG = BigInteger().with_variant(Integer, "sqlite")

parcel = Table(
    "parcel",
    metadata,
    Column("parcel_id", String(64), primary_key=True),
    Column("body", JSON, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("custodian_kind", String(16), nullable=False),
    Column("custodian_id", String(64), nullable=False),
    Column("times", JSON, nullable=False),
    Column("vehicle_id", String(64), nullable=False),
    Column("assignment_id", String(64), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before", UtcText),
    Column("reasons", JSON, nullable=False),
    Column("proof", JSON),
    Column("explanation", JSON),
)

assignment = Table(
    "assignment",
    metadata,
    Column("assignment_id", String(64), primary_key=True),
    Column("vehicle_id", String(64), nullable=False),
    Column("epoch", BIG, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("mission_kind", String(8), nullable=False),
    Column("mission", JSON, nullable=False),
    Column("mission_hash", String(64), nullable=False),
    Column("arrive_at", JSON, nullable=False),
    Column("created_at", UtcText, nullable=False),
    Column("started_at", UtcText),
    Column("ended_at", UtcText),
    Column("reason", Text, nullable=False),
)

_OPEN = assignment.c.state.in_(sorted(s.value for s in OPEN_ASSIGNMENT))
Index(
    "uq_assignment_open_vehicle",
    assignment.c.vehicle_id,
    unique=True,
    sqlite_where=_OPEN,
    postgresql_where=_OPEN,
)

assignment_parcel = Table(
    "assignment_parcel",
    metadata,
    Column("assignment_id", ForeignKey("assignment.assignment_id"), primary_key=True),
    Column("parcel_id", ForeignKey("parcel.parcel_id"), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("open", Boolean, nullable=False),
)
Index(
    "uq_assignment_open_parcel",
    assignment_parcel.c.parcel_id,
    unique=True,
    sqlite_where=assignment_parcel.c.open.is_(True),
    postgresql_where=assignment_parcel.c.open.is_(True),
)

outbox = Table(
    "outbox",
    metadata,
    Column("command_id", String(64), primary_key=True),
    Column("vehicle_id", String(64), nullable=False, index=True),
    Column("epoch", BIG, nullable=False),
    Column("kind", String(8), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("assignment_id", String(64), nullable=False, index=True),
    Column("body_hash", String(64), nullable=False),
    Column("by", String(128), nullable=False),
    Column("reason", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("created_at", UtcText, nullable=False),
    Column("sent_at", UtcText),
    Column("ended_at", UtcText),
)

event = Table(
    "event",
    metadata,
    Column("seq", BIG, primary_key=True, autoincrement=True),
    Column("kind", String(64), nullable=False),
    Column("at", UtcText, nullable=False),
    Column("parcel_id", String(64), nullable=False, index=True),
    Column("vehicle_id", String(64), nullable=False),
    Column("assignment_id", String(64), nullable=False),
    Column("data", JSON, nullable=False),
    sqlite_autoincrement=True,
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(128), nullable=False),
    Column("parcel_ids", JSON, nullable=False),
    Column("at", UtcText, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    Column("vehicle_id", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("epoch", BIG, nullable=False),
    Column("taken_at", UtcText, nullable=False),
)

hold = Table(
    "hold",
    metadata,
    Column("scope", String(16), primary_key=True),
    Column("by", String(128), nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", UtcText, nullable=False),
)

zone_set = Table(
    "zone_set",
    metadata,
    Column("scope", String(16), primary_key=True),
    Column("version", String(64), nullable=False),
    Column("source_version", String(64), nullable=False),
    Column("body", JSON, nullable=False),
    Column("by", String(128), nullable=False),
    Column("at", UtcText, nullable=False),
)

passage_lease = Table(
    "passage_lease",
    metadata,
    Column("vehicle_id", String(64), primary_key=True),
    Column("epoch", BIG, nullable=False),
    Column("body", JSON, nullable=False),
    Column("at", UtcText, nullable=False),
)

last_known = Table(
    "last_known",
    metadata,
    Column("vehicle_id", String(64), primary_key=True),
    Column("at", UtcText, nullable=False),
    Column("lat_deg", Double),
    Column("lon_deg", Double),
    Column("alt_amsl_m", Double),
    Column("alt_home_m", Double),
    Column("heading_deg", Double),
    Column("battery_pct", Double),
    Column("phase", String(16), nullable=False),
)
