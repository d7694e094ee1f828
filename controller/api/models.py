"""What callers send: strict, finite and bounded, with unknown fields refused.

Owns the bodies of requests and how they become domain values. Must not look anything up
except through what it is handed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from controller.delivery.views import Found
from controller.domain.model import Destination, Handling, Parcel, Priority, Site, SiteKind
from geofence.frames import LatLon
from missions.model import Handover
from vehicles.port import Divert, Verb

MAX_PARCELS = 1000
MAX_SERVICE_S = 3600.0

Ident = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$")]
Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Side = Annotated[float, Field(gt=0, le=5, allow_inf_nan=False)]


class Body(BaseModel):
    """Base of every body."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DestinationIn(Body):
    """Either a site by id, or a point with an address."""

    site: Ident | None = None
    lat_deg: Annotated[float, Field(ge=-84, le=84)] | None = None
    lon_deg: Annotated[float, Field(ge=-180, le=180)] | None = None
    address: Text = ""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        point = self.lat_deg is not None and self.lon_deg is not None
        half = (self.lat_deg is None) != (self.lon_deg is None)
        if half or (self.site is None) == (not point):
            raise ValueError("give either site, or both lat_deg and lon_deg")
        return self


class ParcelIn(Body):
    """A parcel to be delivered."""

    id: Ident | None = None
    weight_kg: Annotated[float, Field(gt=0, le=500)]
    size_m: tuple[Side, Side, Side]
    origin: Ident
    destination: DestinationIn
    ready_at: AwareDatetime | None = None
    """Absent: ready now."""
    due_at: AwareDatetime
    priority: Priority = Priority.NORMAL
    handling: Handling = Handling.CONTACTLESS
    pin: Annotated[
        Annotated[str, Field(pattern=r"^[0-9]{4,8}$")] | None, Field(validate_default=True)
    ] = None
    carrier: Text = ""
    handover: Annotated[Handover | None, Field(validate_default=True)] = None
    """Absent: at the door where there is a PIN, else a drop."""
    service_s: Annotated[float, Field(gt=0, le=MAX_SERVICE_S)] | None = None
    """What the hand-over takes; absent: what is usual."""
    earliest_at: AwareDatetime | None = None
    """The hand-over does not begin before this."""
    latest_at: Annotated[AwareDatetime | None, Field(validate_default=True)] = None
    """The hand-over begins by this, or the parcel is not sent."""

    @field_validator("due_at")
    @classmethod
    def _after_ready(cls, due_at: datetime, info: ValidationInfo) -> datetime:
        ready_at = info.data.get("ready_at")
        if ready_at is not None and due_at <= ready_at:
            raise ValueError("must be after ready_at")
        return due_at

    @field_validator("pin")
    @classmethod
    def _goes_with_handling(cls, pin: str | None, info: ValidationInfo) -> str | None:
        if "handling" in info.data and (info.data["handling"] is Handling.PIN) != (pin is not None):
            raise ValueError("goes with handling 'pin', and only with it: 4 to 8 digits")
        return pin

    @field_validator("handover")
    @classmethod
    def _asks_for_pin_at_door(
        cls, handover: Handover | None, info: ValidationInfo
    ) -> Handover | None:
        with_pin = info.data.get("handling") is Handling.PIN
        if with_pin and handover not in {None, Handover.DOOR}:
            raise ValueError("a PIN is asked for at the door: use 'door', or leave the PIN out")
        return handover

    @field_validator("earliest_at")
    @classmethod
    def _opens_before_due(
        cls, earliest_at: datetime | None, info: ValidationInfo
    ) -> datetime | None:
        due_at = info.data.get("due_at")
        if earliest_at is not None and due_at is not None and earliest_at >= due_at:
            raise ValueError("must be before due_at")
        return earliest_at

    @field_validator("latest_at")
    @classmethod
    def _opens_before_it_closes(
        cls, latest_at: datetime | None, info: ValidationInfo
    ) -> datetime | None:
        earliest_at, ready_at = info.data.get("earliest_at"), info.data.get("ready_at")
        if latest_at is not None and earliest_at is not None and latest_at <= earliest_at:
            raise ValueError("must be after earliest_at")
        if latest_at is not None and ready_at is not None and latest_at <= ready_at:
            raise ValueError("must be after ready_at")
        return latest_at

    def printed(self) -> dict[str, object]:
        """As it counts for a repeated submission: what later fields leave open does not."""
        later = ("handover", "service_s", "earliest_at", "latest_at")
        return self.model_dump(
            mode="json", exclude={name for name in later if getattr(self, name) is None}
        )

    def locker_fault(self, sites: Mapping[str, Site]) -> str:
        """Why its destination is no locker although it goes into one; empty where all is well."""
        if self.handover is not Handover.LOCKER:
            return ""
        site = sites.get(self.destination.site or "")
        if site is not None and site.kind is SiteKind.LOCKER:
            return ""
        return "handover 'locker' goes to a site of kind 'locker'"

    def to_parcel(
        self, sites: Mapping[str, Site], *, now: datetime, ids: Callable[[str], str]
    ) -> Parcel:
        """The domain value. Raises KeyError with the id of a destination site not in `sites`."""
        to = self.destination
        if to.site is not None:
            site = sites[to.site]
            destination = Destination(site.position, site.site_id, to.address or site.name)
        else:
            position = LatLon(to.lat_deg or 0.0, to.lon_deg or 0.0)
            destination = Destination(position, address=to.address)
        return Parcel(
            parcel_id=self.id or ids("parcel"),
            weight_kg=self.weight_kg,
            size_m=self.size_m,
            origin_site_id=self.origin,
            destination=destination,
            ready_at=self.ready_at or now,
            due_at=self.due_at,
            priority=self.priority,
            handling=self.handling,
            pin_sha256=hashlib.sha256(self.pin.encode()).hexdigest() if self.pin else "",
            carrier=self.carrier,
            handover=self.handover
            or (Handover.DOOR if self.handling is Handling.PIN else Handover.DROP),
            service_s=self.service_s or 0.0,
            earliest_at=self.earliest_at,
            latest_at=self.latest_at,
        )


ONE, MANY = "one parcel", "list of parcels"

Submission = Annotated[
    Annotated[ParcelIn, Tag(ONE)]
    | Annotated[list[ParcelIn], Field(min_length=1, max_length=MAX_PARCELS), Tag(MANY)],
    Discriminator(lambda body: MANY if isinstance(body, list) else ONE),
]
"""One parcel or a list of them, told apart by form so that errors name the caller's fields."""


class CommandIn(Body):
    """What an operator demands of a vehicle."""

    verb: Verb
    reason: Text = ""


class DivertIn(Body):
    """A point in the air, height above the vehicle's home."""

    lat_deg: Annotated[float, Field(ge=-84, le=84)]
    lon_deg: Annotated[float, Field(ge=-180, le=180)]
    alt_home_m: Annotated[float, Field(gt=0, le=500)]
    reason: Text = ""

    def to(self) -> Divert:
        """As the port has it."""
        return Divert(LatLon(self.lat_deg, self.lon_deg), self.alt_home_m)


class ReasonIn(Body):
    """Why something is done; kept in the event log."""

    reason: Text = ""


class WriteOffIn(ReasonIn):
    """A vehicle that does not come back."""

    removed: bool = False
    """It was taken off the streets: its right of way is free."""


class LaunchIn(Body):
    """Which mission an operator has seen; empty: whichever the vehicle holds."""

    content_hash: Annotated[str, Field(max_length=64)] = ""


class DoorWordIn(Body):
    """A customer's word at the door: the PIN, or nothing where none was agreed."""

    pin: Annotated[str, Field(pattern=r"^[0-9]{4,8}$")] | None = None


class SettleIn(Body):
    """A person's word on a stranded parcel; kept in the event log."""

    found: Found
    reason: Annotated[Text, Field(min_length=1)]
