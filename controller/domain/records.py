"""What is kept of a parcel, an assignment and a command, between one step and the next.

Owns the records that the store writes and the delivery process works on. Must not do I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from controller.domain.model import Assignment, Custodian, Parcel, ParcelState, Proof
from geofence.frames import LatLon
from missions.model import Mission

RECALLED = "recalled"
DOOR_AT, DOOR_OPENED, DOOR_SHUT = "door_at", "door_opened", "door_shut"
"""At the stop with it; told to hand it over; not handed over there, so that it goes back."""
WRONG_PIN = "door_wrong_pin_{}"


@dataclass(frozen=True, slots=True)
class ParcelRecord:
    """A parcel with where it stands."""

    parcel: Parcel
    state: ParcelState
    custodian: Custodian
    times: Mapping[str, datetime] = field(default_factory=dict)
    """When each state was entered last, by state; when it was recalled, under RECALLED; and what
    happened at its door."""
    vehicle_id: str = ""
    """The vehicle of its latest assignment."""
    assignment_id: str = ""
    attempts: int = 0
    """Assignments that failed."""
    not_before: datetime | None = None
    """After a failed attempt: when it is offered again."""
    reasons: tuple[str, ...] = ()
    proof: Proof | None = None

    @property
    def recalled(self) -> bool:
        """Whether it was cancelled while a vehicle had it: at a site again, it is over."""
        return RECALLED in self.times

    @property
    def turned_away(self) -> bool:
        """Whether nobody took it at its door: it is sent again only when somebody says so."""
        shut_at = self.times.get(DOOR_SHUT)
        return shut_at is not None and shut_at > self.times.get("submitted", shut_at)

    def since(self, note: str, when: datetime) -> datetime | None:
        """When something was noted, unless that was before `when`."""
        at = self.times.get(note)
        return at if at is not None and at >= when else None


@dataclass(frozen=True, slots=True)
class AssignmentRecord:
    """An assignment with the mission that it approves."""

    assignment: Assignment
    mission: Mission
    epoch: int
    """The lease under which it was made."""
    arrive_at: Mapping[str, datetime] = field(default_factory=dict)
    """Expected arrival by parcel, as planned."""
    started_at: datetime | None = None
    ended_at: datetime | None = None


class CommandKind(StrEnum):
    """What the controller may send to a vehicle."""

    LOAD = "load"
    START = "start"
    HOLD = "hold"
    RESUME = "resume"
    RETURN = "return"
    LAND = "land"
    DIVERT = "divert"
    REROUTE = "reroute"
    """Another way for a round that is under way."""


class CommandState(StrEnum):
    """The life of a command in the journal."""

    PENDING = "pending"
    """Decided and kept; nothing was sent."""
    SENT = "sent"
    """Kept before the first byte leaves: after a restart its effect is in doubt."""
    DONE = "done"
    REFUSED = "refused"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """A command to a vehicle: kept before it is sent, its result kept after."""

    command_id: str
    vehicle_id: str
    epoch: int
    kind: CommandKind
    state: CommandState
    created_at: datetime
    assignment_id: str = ""
    body_hash: str = ""
    """Content hash of the mission that is loaded or started."""
    by: str = ""
    reason: str = ""
    tries: int = 0
    sent_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HoldRecord:
    """Dispatch frozen: by whom, why, since when."""

    by: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class PassageRecord:
    """What of the streets a robot has to itself, as the lease book writes it; empty: nothing."""

    vehicle_id: str
    epoch: int
    """Of the grant: rises with every one."""
    body: Mapping[str, object]
    at: datetime


@dataclass(frozen=True, slots=True)
class LastKnown:
    """Where a vehicle was when it was last heard: a memory, never its present state."""

    vehicle_id: str
    at: datetime
    """When it was heard, by our clock."""
    position: LatLon | None = None
    alt_amsl_m: float | None = None
    alt_home_m: float | None = None
    heading_deg: float | None = None
    battery_pct: float | None = None
    phase: str = ""
