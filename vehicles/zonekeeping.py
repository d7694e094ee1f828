"""What the controller tells vehicles that keep to zones by themselves, and answers them.

Owns the types between the controller and adapters for that: zones as an order to keep them,
passages that are used by turns, and requests to enter one. Must not compile or decide anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from geofence.frames import LatLon
from geofence.heights import Surroundings
from geofence.zoneset import ZoneSet


@dataclass(frozen=True, slots=True)
class Turn:
    """A passage that robots use by turns, as the lines that they drive through it.

    A line of one point is a place: a lift, a dock, a junction with no room to wait.
    `inset_m`: how much of each end is left out, so that a robot that waits there is not inside.
    """

    passage_id: str
    line: tuple[LatLon, ...]
    half_width_m: float = 1.0
    may_stop: bool = True
    """Whether a robot that loses its lease may stop there: not on a carriageway."""
    branches: tuple[tuple[LatLon, ...], ...] = ()
    """Further lines of the same passage."""
    inset_m: float = 0.0


@dataclass(frozen=True, slots=True)
class OwnZones:
    """The zones that a vehicle is to keep to by itself over a span of time."""

    zones: ZoneSet
    surroundings: Surroundings
    span: tuple[datetime, datetime]
    permits: frozenset[str] = frozenset()
    turns: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class PassageRequest:
    """A vehicle's wish to enter a passage, as its newest state has it.

    `passage_id` is empty where the zone that it names is no passage of its current zones.
    """

    request_id: str
    passage_id: str
    zone_id: str
    granted: bool
    """It shows our grant: it may be inside."""
    lapsed: bool = False
    """Its grant is over, and it is inside all the same."""


class Grant(StrEnum):
    """Answers to a request."""

    GRANTED = "GRANTED"
    QUEUED = "QUEUED"
    REJECTED = "REJECTED"


@runtime_checkable
class ZoneKeeping(Protocol):
    """A session whose vehicle may be able to keep to zones by itself."""

    @property
    def keeps_zones(self) -> bool:
        """Whether it can, as far as is known now."""

    def expect_zones(self) -> None:
        """Zones will come: until they are in force on board, the vehicle is not startable."""

    async def keep_zones(self, own: OwnZones) -> None:
        """Put these on board and in force; goes on behind the scenes until it is so."""

    @property
    def passage_requests(self) -> tuple[PassageRequest, ...]:
        """Those that its newest state has."""

    def answer(self, request_id: str, grant: Grant, lease_s: float | None = None) -> None:
        """Answer a request; `lease_s`: for how long from now a grant holds."""


@runtime_checkable
class Trailing(Protocol):
    """A session that remembers every place that its vehicle told."""

    def trail(self) -> tuple[tuple[datetime, LatLon], ...]:
        """Places since the last call, oldest first, each with the time of its receipt."""
