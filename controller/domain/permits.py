"""Permits: leave to be in a restricted zone, for whom and until when.

Owns the type and whom a permit covers. Must not know zones: a permit lifts every zone that names
it, and no other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Permit:
    """One grant. `vehicle_id`, `parcel_id` empty: of any; both given: of both.

    A parcel stands for the flight or the round that carries it. Raises ValueError for an `until`
    without time zone.
    """

    permit_id: str
    name: str
    """As zones name it."""
    vehicle_id: str = ""
    parcel_id: str = ""
    until: datetime | None = None
    """The last moment that it covers; None: until it is withdrawn."""
    by: str = ""
    reason: str = ""
    granted_at: datetime | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("permit: name is empty: give the one that the zone names")
        if self.until is not None and self.until.tzinfo is None:
            raise ValueError("until: has no time zone: write it as 2026-01-31T08:00:00Z")

    def covers(self, vehicle_id: str, parcel_ids: Collection[str], leave: datetime) -> bool:
        """Whether it stands for this vehicle with these parcels up to `leave`."""
        return (
            (not self.vehicle_id or self.vehicle_id == vehicle_id)
            and (not self.parcel_id or self.parcel_id in parcel_ids)
            and (self.until is None or leave <= self.until)
        )


def names_held(
    permits: Iterable[Permit], vehicle_id: str, parcel_ids: Collection[str], leave: datetime
) -> frozenset[str]:
    """The names of the permits that a vehicle holds up to `leave`."""
    return frozenset(p.name for p in permits if p.covers(vehicle_id, parcel_ids, leave))
