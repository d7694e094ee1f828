"""Zones: where a vehicle may not be, or must stay, and when.

Owns the zone model alone. Must not read files or decide about paths.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from geofence.errors import ZoneError
from geofence.frames import Altitude, LatLon


class ZoneKind(StrEnum):
    """What a zone demands."""

    KEEP_IN = "keep_in"
    NO_FLY = "no_fly"
    RESTRICTED = "restricted"
    """Forbidden unless the flight holds the zone's permit."""
    ADVISORY = "advisory"
    """Being there is told, never enforced; a speed limit that it carries is."""


class VehicleClass(StrEnum):
    """The classes of vehicle that rules tell apart."""

    MULTIROTOR = "multirotor"
    ROBOT = "robot"


class Surface(StrEnum):
    """What a ground robot drives on."""

    ROAD = "road"
    PAVEMENT = "pavement"


@dataclass(frozen=True, slots=True)
class VehicleTraits:
    """What rules may ask of a vehicle. None is not known: then every rule that asks binds it."""

    vehicle_class: VehicleClass
    surface: Surface | None = None
    """Of a robot alone."""
    mass_kg: float | None = None
    """At take-off or start, the heaviest load included."""
    electric: bool | None = None

    def __post_init__(self) -> None:
        if self.mass_kg is not None and not (math.isfinite(self.mass_kg) and self.mass_kg > 0.0):
            raise ValueError(f"mass_kg {self.mass_kg} must be a positive number")


@dataclass(frozen=True, slots=True)
class PolygonArea:
    """A polygon with holes; every ring is open (first point not repeated), straight in lon/lat."""

    shell: tuple[LatLon, ...]
    holes: tuple[tuple[LatLon, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class CircleArea:
    """A disc of `radius_m` about `center`; stays analytic, is never made a polygon."""

    center: LatLon
    radius_m: float


Area = PolygonArea | CircleArea

WHOLE_WEEK = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class Window:
    """A weekly recurring time of day. `start` == `end` means the whole day; may pass midnight."""

    days: frozenset[int] = WHOLE_WEEK
    """0 is Monday, as datetime.weekday()."""
    start: time = time(0)
    end: time = time(0)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a zone applies: inside [valid_from, valid_to) and any window. No windows: always."""

    windows: tuple[Window, ...] = ()
    timezone: str = "UTC"
    valid_from: datetime | None = None
    valid_to: datetime | None = None

    def active_during(self, start: datetime, end: datetime) -> bool:
        """Whether it applies at any moment of the closed interval; both ends must be aware."""
        if start.tzinfo is None or end.tzinfo is None:
            raise ValueError("schedule asked with a time that has no time zone")
        if self.valid_from is not None and end < self.valid_from:
            return False
        if self.valid_to is not None and start >= self.valid_to:
            return False
        if not self.windows:
            return True
        start, end = start.astimezone(UTC), end.astimezone(UTC)
        return any(begin <= end and start < finish for begin, finish in self._spans(start, end))

    def active_throughout(self, start: datetime, end: datetime) -> bool:
        """Whether it applies at every moment of the closed interval; both ends must be aware."""
        if start.tzinfo is None or end.tzinfo is None:
            raise ValueError("schedule asked with a time that has no time zone")
        if self.valid_from is not None and start < self.valid_from:
            return False
        if self.valid_to is not None and end >= self.valid_to:
            return False
        if not self.windows:
            return True
        covered, end = start.astimezone(UTC), end.astimezone(UTC)
        for begin, finish in sorted(self._spans(covered, end, outer=False)):
            if begin > covered:
                return False
            covered = max(covered, finish)
            if covered > end:
                return True
        return False

    def _spans(
        self, start: datetime, end: datetime, *, outer: bool = True
    ) -> Iterable[tuple[datetime, datetime]]:
        """Windows about the interval, in UTC.

        Where the clock change makes a local time ambiguous or skips it, `outer` takes the longer
        reading and not `outer` the shorter.
        """
        zone = ZoneInfo(self.timezone)
        early, late = (min, max) if outer else (max, min)
        # two days back: a window that passes midnight may start a day before, and zones differ
        day = start.astimezone(zone).date() - timedelta(days=2)
        last = end.astimezone(zone).date() + timedelta(days=1)
        while day <= last:
            for window in self.windows:
                if day.weekday() in window.days:
                    over = timedelta(days=1 if window.end <= window.start else 0)
                    begins = _readings(day, window.start, zone)
                    finishes = _readings(day + over, window.end, zone)
                    yield early(begins), late(finishes)
            day += timedelta(days=1)


def _readings(day: date, at: time, zone: ZoneInfo) -> tuple[datetime, datetime]:
    local = datetime.combine(day, at, zone)
    return local.replace(fold=0).astimezone(UTC), local.replace(fold=1).astimezone(UTC)


ALWAYS = Schedule()


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone. `floor` or `ceiling` None means unlimited; both limits belong to the zone."""

    zone_id: str
    name: str
    kind: ZoneKind
    area: Area
    floor: Altitude | None = None
    ceiling: Altitude | None = None
    schedule: Schedule = ALWAYS
    classes: frozenset[VehicleClass] = field(default_factory=frozenset)
    """The vehicle classes that it binds; empty binds every class."""
    permit: str | None = None
    """For RESTRICTED: the permit that lifts it; None where no permit can."""
    note: str = ""
    surfaces: frozenset[Surface] = frozenset()
    """Of robots, only those on these surfaces are bound; empty: all. Says nothing of others."""
    min_mass_kg: float | None = None
    """Only vehicles of this mass and over are bound."""
    electric_exempt: bool = False
    """Electric vehicles are not bound: a low-emission zone."""
    max_speed_mps: float | None = None
    """Whoever is bound and may be here at all may be no faster over ground."""

    def binds(self, vehicle: VehicleTraits | VehicleClass) -> bool:
        """Whether the zone's rules apply to a vehicle; of a bare class nothing else is known."""
        if isinstance(vehicle, VehicleClass):
            return not self.classes or vehicle in self.classes
        if self.classes and vehicle.vehicle_class not in self.classes:
            return False
        if self.electric_exempt and vehicle.electric:
            return False
        # a gram is a rounding of kilograms: on the safe side
        least_kg = -math.inf if self.min_mass_kg is None else self.min_mass_kg - 1e-3
        if vehicle.mass_kg is not None and vehicle.mass_kg < least_kg:
            return False
        return not (
            self.surfaces
            and vehicle.vehicle_class is VehicleClass.ROBOT
            and vehicle.surface is not None
            and vehicle.surface not in self.surfaces
        )

    def __post_init__(self) -> None:
        if not self.zone_id:
            raise ZoneError("?", "id", "a zone needs an id")
        for name in ("min_mass_kg", "max_speed_mps"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0.0):
                raise ZoneError(self.zone_id, name, f"{value} is not a number above 0")
