"""What the desk shows: snapshots for people and programs outside.

Owns the view types and the desk's errors. Must not compute anything.

    DeskError
    +-- IdempotencyConflictError   one key, two different requests
    +-- DuplicateParcelError       a parcel of that id exists
    +-- UnknownSiteError           a parcel names a site that is not configured
    +-- UnknownVehicleError        no vehicle of that id is enrolled
    +-- UnknownParcelError         no parcel of that id
    +-- UnknownAlarmError          no alarm of that id stands
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from controller.domain.alarms import Alarm, Severity
from controller.domain.model import Custodian, Event, Parcel, ParcelState, Proof, Site
from controller.domain.records import LastKnown
from geofence.frames import LatLon
from vehicles.port import Capability, Telemetry, Verb

__all__ = [
    "Alarm",
    "DeskError",
    "DoorView",
    "DuplicateParcelError",
    "Found",
    "HoldState",
    "IdempotencyConflictError",
    "LoggedEvent",
    "ParcelView",
    "Severity",
    "Submitted",
    "UnknownAlarmError",
    "UnknownParcelError",
    "UnknownSiteError",
    "UnknownVehicleError",
    "Update",
    "VehicleView",
]


class DeskError(Exception):
    """Anything that the desk raises on purpose."""


class IdempotencyConflictError(DeskError):
    """One key, two different requests."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"Idempotency-Key {key!r} was used for another request: send a new key with a new body"
        )
        self.key = key


class DuplicateParcelError(DeskError):
    """A parcel of that id exists."""

    def __init__(self, parcel_id: str) -> None:
        super().__init__(f"parcel {parcel_id!r} exists already: give the new one another id")
        self.parcel_id = parcel_id


class UnknownSiteError(DeskError):
    """A parcel names a site that is not configured."""

    def __init__(self, site_id: str, parcel_id: str = "") -> None:
        of = f"parcel {parcel_id!r}: " if parcel_id else ""
        super().__init__(f"{of}site {site_id!r} is not configured: see GET /v1/sites")
        self.site_id = site_id
        self.parcel_id = parcel_id


class UnknownVehicleError(DeskError):
    """No vehicle of that id is enrolled."""

    def __init__(self, vehicle_id: str) -> None:
        super().__init__(f"vehicle {vehicle_id!r} is not enrolled: see GET /v1/vehicles")
        self.vehicle_id = vehicle_id


class UnknownParcelError(DeskError):
    """No parcel of that id."""

    def __init__(self, parcel_id: str) -> None:
        super().__init__(f"parcel {parcel_id!r} is not known: see GET /v1/parcels")
        self.parcel_id = parcel_id


class UnknownAlarmError(DeskError):
    """No alarm of that id stands."""

    def __init__(self, alarm_id: str) -> None:
        super().__init__(f"alarm {alarm_id!r} does not stand: it ended or never was")
        self.alarm_id = alarm_id


class Found(StrEnum):
    """Where a person found a stranded parcel."""

    ABOARD = "aboard"
    """It never left the vehicle, and is at the vehicle's base now."""
    DELIVERED = "delivered"
    """The recipient has it."""


@dataclass(frozen=True, slots=True)
class DoorView:
    """A vehicle stands at a parcel's door and waits for the customer's word."""

    asks: Literal["pin", "word"]
    since: datetime
    until: datetime
    """Then it goes on with the parcel aboard."""
    tries_left: int


@dataclass(frozen=True, slots=True)
class ParcelView:
    """A parcel as it stands."""

    parcel: Parcel
    state: ParcelState
    custodian: Custodian
    vehicle_id: str
    assignment_id: str
    eta: datetime | None
    times: Mapping[str, datetime]
    """When each state was entered last, by state."""
    reasons: tuple[str, ...]
    """Why it waits, was refused, returned or stranded."""
    proof: Proof | None
    attempts: int
    door: DoorView | None = None
    resendable: bool = False
    """It came back from its door, and is sent again when somebody says so."""


@dataclass(frozen=True, slots=True)
class VehicleView:
    """A vehicle as it stands. `age_s` is the age of its telemetry; inf where it never spoke."""

    vehicle_id: str
    kind: Literal["drone", "robot"]
    capability: Capability
    telemetry: Telemetry
    age_s: float
    base: Site
    assignment_id: str
    parcel_ids: tuple[str, ...]
    sentence: str
    path: tuple[LatLon, ...]
    """Its mission's way ahead, from where it is."""
    alarms: int
    commands: tuple[Verb, ...] = ()
    """What may be demanded of it now; none of a vehicle at rest."""
    mission_id: str = ""
    awaits_launch: bool = False
    """It holds its mission, and an operator is to launch it."""
    battery_at_landing_pct: float | None = None
    """Forecast of the mission's end; None where there is none, or too little is known."""
    battery_if_returned_pct: float | None = None
    """Forecast of a return from where it is."""
    last_known: LastKnown | None = None
    """Where it was before a restart: only until it is heard again, and never as its state."""
    last_known_age_s: float | None = None
    charges: bool = False
    """It can be told to charge, or charges by itself."""
    kept: str = ""
    """Why dispatch does not have it although it is at rest."""


@dataclass(frozen=True, slots=True)
class HoldState:
    """Dispatch is frozen: nothing new starts."""

    by: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Submitted:
    """The answer to a submission; `replayed` where the same request had come before."""

    parcels: tuple[ParcelView, ...]
    replayed: bool


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event with its place in the log."""

    seq: int
    event: Event


@dataclass(frozen=True, slots=True)
class Update:
    """A change. "zones" carries the new version; "resync" means: read everything again."""

    topic: Literal["parcel", "vehicle", "alarm", "held", "zones", "resync"]
    view: ParcelView | VehicleView | Alarm | HoldState | str | None
