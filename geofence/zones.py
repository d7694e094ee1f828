"""Zones: where a vehicle may not be, or must stay, and when.

Owns the zone model alone. Must not read files or decide about paths.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

from geofence.errors import ZoneError
from geofence.frames import Altitude, LatLon
from geofence.schedule import ALWAYS, WHOLE_WEEK, Calendar, Schedule, Window
from geofence.sun import SunEvent

__all__ = [
    "ALWAYS", "WHOLE_WEEK", "Area", "Calendar", "CircleArea", "PolygonArea", "Schedule", "Source",
    "SunEvent", "VehicleClass", "Window", "Zone", "ZoneKind", "sun_places",
]  # fmt: skip


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

# how far round a zone daylight is looked at: a quarter of a degree is what refraction varies by
_SUN_MARGIN_DEG = 0.25


def sun_places(area: Area) -> tuple[LatLon, ...]:
    """Four corners round an area, between which its daylight events lie."""
    if isinstance(area, CircleArea):
        center = area.center
        high = math.degrees(area.radius_m / 6_335_000.0)
        wide = high / max(0.01, math.cos(math.radians(center.lat_deg)))
        lats = [center.lat_deg - high, center.lat_deg + high]
        lons = [center.lon_deg - wide, center.lon_deg + wide]
    else:
        lats = [p.lat_deg for p in area.shell]
        lons = [p.lon_deg for p in area.shell]
    south, north = (max(-89.9, min(lats) - _SUN_MARGIN_DEG), min(89.9, max(lats) + _SUN_MARGIN_DEG))
    west, east = min(lons) - _SUN_MARGIN_DEG, max(lons) + _SUN_MARGIN_DEG
    return tuple(
        LatLon(lat, (lon + 180.0) % 360.0 - 180.0) for lat in (south, north) for lon in (west, east)
    )


@dataclass(frozen=True, slots=True)
class Source:
    """What an authority's file says of a zone that no rule uses, kept so that it can be written.

    `words` is a canonical JSON object in the terms of ED-318 (names, reason, authorities, ...).
    """

    form: str
    """The format it was read from: "ed318", "ed269", "openair", "kml"."""
    identifier: str = ""
    country: str = ""
    """Three letters, ISO 3166."""
    type: str = ""
    """The authority's own type, as PROHIBITED."""
    words: str = "{}"


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone. `floor` or `ceiling` None means unlimited; both limits belong to the zone."""

    zone_id: str
    name: str
    kind: ZoneKind
    area: Area
    floor: Altitude | None = None
    ceiling: Altitude | None = None
    schedule: Schedule | Calendar = ALWAYS
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
    source: Source | None = None
    """What the authority wrote besides; no rule reads it."""

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
