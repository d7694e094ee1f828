"""Records to rows and back.

Owns the JSON shapes inside columns. Must not touch a connection.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import RowMapping

from controller.domain.model import (
    Assignment,
    AssignmentState,
    Custodian,
    CustodianKind,
    Event,
    Parcel,
    ParcelState,
    Proof,
)
from controller.domain.records import (
    AssignmentRecord,
    CommandKind,
    CommandRecord,
    CommandState,
    LastKnown,
    ParcelRecord,
)
from geofence.frames import LatLon
from missions.model import AirMission, GroundMission, Mission

Row = RowMapping


def to_json(value: object) -> Any:
    """JSON values of a dataclass, enum, tuple, datetime or mapping."""
    return msgspec.to_builtins(value, str_keys=True)


def parcel_row(record: ParcelRecord, *, explanation: object = None) -> dict[str, Any]:
    """Column values of a parcel; the explanation is left alone where it is None."""
    row = {
        "parcel_id": record.parcel.parcel_id,
        "body": to_json(record.parcel),
        "state": record.state.value,
        "custodian_kind": record.custodian.kind.value,
        "custodian_id": record.custodian.ident,
        "times": to_json(record.times),
        "vehicle_id": record.vehicle_id,
        "assignment_id": record.assignment_id,
        "attempts": record.attempts,
        "not_before": record.not_before,
        "reasons": list(record.reasons),
        "proof": None if record.proof is None else to_json(record.proof),
    }
    if explanation is not None:
        row["explanation"] = to_json(explanation)
    return row


def parcel_of(row: Row) -> ParcelRecord:
    """A parcel from its row."""
    return ParcelRecord(
        parcel=msgspec.convert(row["body"], Parcel),
        state=ParcelState(row["state"]),
        custodian=Custodian(CustodianKind(row["custodian_kind"]), row["custodian_id"]),
        times=msgspec.convert(row["times"], dict[str, datetime]),
        vehicle_id=row["vehicle_id"],
        assignment_id=row["assignment_id"],
        attempts=row["attempts"],
        not_before=row["not_before"],
        reasons=tuple(row["reasons"]),
        proof=None if row["proof"] is None else msgspec.convert(row["proof"], Proof),
    )


def mission_kind(mission: Mission) -> str:
    """What the mission column holds: air or ground."""
    return "air" if isinstance(mission, AirMission) else "ground"


def assignment_row(record: AssignmentRecord) -> dict[str, Any]:
    """Column values of an assignment."""
    task = record.assignment
    return {
        "assignment_id": task.assignment_id,
        "vehicle_id": task.vehicle_id,
        "epoch": record.epoch,
        "state": task.state.value,
        "mission_kind": mission_kind(record.mission),
        "mission": to_json(record.mission),
        "mission_hash": task.mission_hash,
        "arrive_at": to_json(record.arrive_at),
        "created_at": task.created_at,
        "started_at": record.started_at,
        "ended_at": record.ended_at,
        "reason": task.reason,
    }


def assignment_of(row: Row, parcel_ids: tuple[str, ...]) -> AssignmentRecord:
    """An assignment from its row."""
    mission: Mission
    if row["mission_kind"] == "air":
        mission = msgspec.convert(row["mission"], AirMission)
    else:
        mission = msgspec.convert(row["mission"], GroundMission)
    return AssignmentRecord(
        assignment=Assignment(
            assignment_id=row["assignment_id"],
            vehicle_id=row["vehicle_id"],
            parcel_ids=parcel_ids,
            state=AssignmentState(row["state"]),
            created_at=row["created_at"],
            mission_hash=row["mission_hash"],
            reason=row["reason"],
        ),
        mission=mission,
        epoch=row["epoch"],
        arrive_at=msgspec.convert(row["arrive_at"], dict[str, datetime]),
        started_at=row["started_at"],
        ended_at=row["ended_at"],
    )


def command_row(record: CommandRecord) -> dict[str, Any]:
    """Column values of a command."""
    return {
        "command_id": record.command_id,
        "vehicle_id": record.vehicle_id,
        "epoch": record.epoch,
        "kind": record.kind.value,
        "state": record.state.value,
        "assignment_id": record.assignment_id,
        "body_hash": record.body_hash,
        "by": record.by,
        "reason": record.reason,
        "tries": record.tries,
        "created_at": record.created_at,
        "sent_at": record.sent_at,
        "ended_at": record.ended_at,
    }


def command_of(row: Row) -> CommandRecord:
    """A command from its row."""
    values = {str(key): value for key, value in row.items()}
    values["kind"] = CommandKind(values["kind"])
    values["state"] = CommandState(values["state"])
    return CommandRecord(**values)


def last_known_row(record: LastKnown) -> dict[str, Any]:
    """Column values of where a vehicle was last."""
    place = record.position
    return {
        "vehicle_id": record.vehicle_id,
        "at": record.at,
        "lat_deg": None if place is None else place.lat_deg,
        "lon_deg": None if place is None else place.lon_deg,
        "alt_amsl_m": record.alt_amsl_m,
        "alt_home_m": record.alt_home_m,
        "heading_deg": record.heading_deg,
        "battery_pct": record.battery_pct,
        "phase": record.phase,
    }


def last_known_of(row: Row) -> LastKnown:
    """Where a vehicle was last, from its row."""
    values = {str(key): value for key, value in row.items()}
    lat_deg, lon_deg = values.pop("lat_deg"), values.pop("lon_deg")
    place = None if lat_deg is None or lon_deg is None else LatLon(lat_deg, lon_deg)
    return LastKnown(position=place, **values)


def event_row(event: Event) -> dict[str, Any]:
    """Column values of an event, without its place."""
    return {
        "kind": event.kind,
        "at": event.at,
        "parcel_id": event.parcel_id,
        "vehicle_id": event.vehicle_id,
        "assignment_id": event.assignment_id,
        "data": to_json(event.data),
    }


def event_of(row: Row) -> tuple[int, Event]:
    """An event and its place in the log."""
    return row["seq"], Event(
        kind=row["kind"],
        at=row["at"],
        parcel_id=row["parcel_id"],
        vehicle_id=row["vehicle_id"],
        assignment_id=row["assignment_id"],
        data=row["data"],
    )
