"""Parcels, sites, assignments and custody.

Owns the types that every other room of the controller speaks in. Must not do I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from geofence.frames import LatLon
from missions.model import Handover


class Priority(StrEnum):
    """How soon a parcel must go, in rising order of haste."""

    NORMAL = "normal"
    URGENT = "urgent"
    MEDICAL = "medical"


class Handling(StrEnum):
    """How a parcel is handed over."""

    CONTACTLESS = "contactless"
    PIN = "pin"


class SiteKind(StrEnum):
    """What a place is."""

    HUB = "hub"
    LOCKER = "locker"
    SITE = "site"


@dataclass(frozen=True, slots=True)
class Site:
    """A place with a name: a hub with pads, a locker, a service site."""

    site_id: str
    name: str
    kind: SiteKind
    position: LatLon
    ground_amsl_m: float = 0.0
    landing: bool = False
    """Drones land here to let a parcel go, where they are made for it."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a parcel goes: a site by id, or a point with an address."""

    position: LatLon
    site_id: str = ""
    address: str = ""


class ParcelState(StrEnum):
    """The life of a parcel; `transitions.py` says which step may follow which."""

    SUBMITTED = "submitted"
    ASSIGNED = "assigned"
    PREPARING = "preparing"
    """Its mission is being planned, checked, loaded; still at its origin."""
    IN_TRANSIT = "in_transit"
    RELEASED = "released"
    """Left the vehicle; proof is being put together."""
    DELIVERED = "delivered"
    RETURNING = "returning"
    """Still aboard after a failed release or an aborted mission."""
    RETURNED = "returned"
    REFUSED = "refused"
    """No vehicle can ever carry it; the reasons are kept."""
    STRANDED = "stranded"
    """Aboard a vehicle that cannot go on: a person must fetch it."""
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is carried."""

    parcel_id: str
    weight_kg: float
    size_m: tuple[float, float, float]
    origin_site_id: str
    destination: Destination
    ready_at: datetime
    due_at: datetime
    priority: Priority = Priority.NORMAL
    handling: Handling = Handling.CONTACTLESS
    pin_sha256: str = ""
    carrier: str = ""
    handover: Handover = Handover.DROP
    service_s: float = 0.0
    """What the hand-over takes; 0: what is usual for its kind."""
    earliest_at: datetime | None = None
    """The hand-over does not begin before this."""
    latest_at: datetime | None = None
    """It is dispatched only where the hand-over is expected to begin by this."""


class CustodianKind(StrEnum):
    """Who may have a parcel."""

    SITE = "site"
    VEHICLE = "vehicle"
    RECIPIENT = "recipient"


@dataclass(frozen=True, slots=True)
class Custodian:
    """Exactly one holds a parcel at every moment."""

    kind: CustodianKind
    ident: str


@dataclass(frozen=True, slots=True)
class Proof:
    """Proof of delivery."""

    at: datetime
    position: LatLon
    distance_m: float
    """From the destination."""
    evidence: tuple[str, ...]


class AssignmentState(StrEnum):
    """The life of an assignment."""

    OPEN = "open"
    LOADED = "loaded"
    """The vehicle provably holds the mission."""
    STARTED = "started"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Assignment:
    """One vehicle's task: at most one open per parcel and per vehicle slot."""

    assignment_id: str
    vehicle_id: str
    parcel_ids: tuple[str, ...]
    state: AssignmentState
    created_at: datetime
    mission_hash: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """A fact in the log. `data` holds JSON values only."""

    kind: str
    at: datetime
    parcel_id: str = ""
    vehicle_id: str = ""
    assignment_id: str = ""
    data: dict[str, object] = field(default_factory=dict)
