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
    """Told, never enforced."""


class VehicleClass(StrEnum):
    """The classes of vehicle that rules tell apart."""

    MULTIROTOR = "multirotor"
    ROBOT = "robot"


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
    source: Source | None = None
    """What the authority wrote besides; no rule reads it."""

    def binds(self, vehicle_class: VehicleClass) -> bool:
        """Whether the zone's rules apply to a vehicle of this class."""
        return not self.classes or vehicle_class in self.classes

    def __post_init__(self) -> None:
        if not self.zone_id:
            raise ZoneError("?", "id", "a zone needs an id")
