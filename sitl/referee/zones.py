"""Zones as the referee reads them from GeoJSON: areas, heights, hours, and whom they bind.

Owns its own reading of the zone file: what it does not know it refuses to judge by. Must not
decide about vehicles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sitl.referee.earth import Disc, Rings
from sitl.referee.hours import ALWAYS, Period, active_spans, read_periods
from sitl.referee.reading import (
    RefereeError,
    listing,
    load_json,
    mapping,
    number,
    text,
)

KINDS = ("keep_in", "no_fly", "restricted", "advisory")
CLASSES = ("multirotor", "robot")
SURFACES = ("road", "pavement")
_KNOWN = frozenset(
    {
        "id", "name", "kind", "floor", "ceiling", "classes", "permit", "schedule", "note", "source",
        "radius_m", "surfaces", "min_mass_kg", "electric_exempt", "max_speed_mps",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Traits:
    """What is known of a vehicle beside its class; None: not known."""

    surface: str | None = None
    mass_kg: float | None = None
    electric: bool | None = None


@dataclass(frozen=True, slots=True)
class RefZone:
    """One zone; heights are metres AMSL, None unlimited; both limits belong to the zone."""

    zone_id: str
    name: str
    kind: str
    areas: tuple[Disc | Rings, ...]
    floor_amsl_m: float | None
    ceiling_amsl_m: float | None
    classes: frozenset[str]
    permit: str
    periods: tuple[Period, ...] = ALWAYS
    surfaces: frozenset[str] = frozenset()
    min_mass_kg: float | None = None
    electric_exempt: bool = False
    max_speed_mps: float | None = None

    @property
    def has_hours(self) -> bool:
        """Whether it is not always in force."""
        return not any(period.is_always for period in self.periods)

    def binds(self, vehicle_class: str, traits: Traits | None = None) -> bool:
        """Whether it says anything to a vehicle; what is not known of that binds it."""
        traits = traits or Traits()
        if self.classes and vehicle_class not in self.classes:
            return False
        if self.electric_exempt and traits.electric is True:
            return False
        if None not in {self.min_mass_kg, traits.mass_kg} and _less(
            traits.mass_kg, self.min_mass_kg
        ):
            return False
        on = traits.surface
        return not (self.surfaces and vehicle_class == "robot" and on and on not in self.surfaces)

    def active_spans(self, first_s: float, last_s: float) -> list[tuple[float, float]]:
        """When it applies between two instants (seconds since 1970), as spans."""
        west, south, east, north = self.areas[0].box()
        place = ((west + east) / 2.0, (south + north) / 2.0)
        try:
            return active_spans(self.periods, place, first_s, last_s)
        except RefereeError as error:
            raise RefereeError(f"zone {self.zone_id}", error.key, error.reason) from error


def _less(mass_kg: float | None, least_kg: float | None) -> bool:
    return mass_kg is not None and least_kg is not None and mass_kg < least_kg


def read_zones(
    path: Path, *, ground_amsl_m: float | None, geoid_m: float | None
) -> tuple[RefZone, ...]:
    """Every zone of a file. Raises RefereeError naming feature and key."""
    body = mapping(path.name, "file", load_json(path))
    zones: list[RefZone] = []
    for index, item in enumerate(listing(path.name, "features", body.get("features"))):
        feature = mapping(path.name, f"features[{index}]", item)
        zones.append(_zone(index, feature, ground_amsl_m, geoid_m))
    if len({zone.zone_id for zone in zones}) != len(zones):
        raise RefereeError(path.name, "id", "two zones share one id")
    return tuple(zones)


def _zone(
    index: int, feature: Mapping[str, Any], ground_m: float | None, geoid_m: float | None
) -> RefZone:
    properties = mapping(f"zone #{index}", "properties", feature.get("properties"))
    zone_id = text(f"zone #{index}", "id", properties.get("id", feature.get("id")))
    where = f"zone {zone_id}"
    kind = properties.get("kind")
    if kind not in KINDS:
        raise RefereeError(where, "kind", f"must be one of {', '.join(KINDS)}, not {kind!r}")
    strange = sorted(set(properties) - _KNOWN)
    if strange:
        raise RefereeError(where, strange[0], "is a rule that is not known: it cannot be judged")
    classes = _names(where, "classes", properties, CLASSES)
    return RefZone(
        zone_id=zone_id,
        name=str(properties.get("name") or zone_id),
        kind=kind,
        areas=_areas(where, mapping(where, "geometry", feature.get("geometry")), properties),
        floor_amsl_m=_height(where, "floor", properties.get("floor"), ground_m, geoid_m),
        ceiling_amsl_m=_height(where, "ceiling", properties.get("ceiling"), ground_m, geoid_m),
        classes=classes,
        permit=str(properties.get("permit") or ""),
        periods=read_periods(where, properties.get("schedule")),
        surfaces=_names(where, "surfaces", properties, SURFACES),
        min_mass_kg=_positive(where, properties, "min_mass_kg"),
        electric_exempt=properties.get("electric_exempt") is True,
        max_speed_mps=_positive(where, properties, "max_speed_mps"),
    )


def _names(
    where: str, key: str, properties: Mapping[str, Any], known: tuple[str, ...]
) -> frozenset[str]:
    found = listing(where, key, properties.get(key) or [])
    if not set(found) <= set(known):
        raise RefereeError(where, key, f"must be of {', '.join(known)}")
    return frozenset(found)


def _positive(where: str, properties: Mapping[str, Any], key: str) -> float | None:
    value = properties.get(key)
    if value is None:
        return None
    found = number(where, key, value)
    if found <= 0.0:
        raise RefereeError(where, key, f"must be above 0, not {found:g}")
    return found


def _height(
    where: str, key: str, value: object, ground_m: float | None, geoid_m: float | None
) -> float | None:
    if value is None:
        return None
    limit = mapping(where, key, value)
    height_m = number(where, f"{key}.value_m", limit.get("value_m"))
    datum = limit.get("datum")
    if datum == "AMSL":
        return height_m
    if datum == "AGL" and ground_m is not None:
        return height_m + ground_m
    if datum == "WGS84" and geoid_m is not None:
        return height_m - geoid_m
    raise RefereeError(where, f"{key}.datum", f"cannot be judged here: {datum!r}")


def _areas(
    where: str, geometry: Mapping[str, Any], properties: Mapping[str, Any]
) -> tuple[Disc | Rings, ...]:
    coordinates = listing(where, "coordinates", geometry.get("coordinates"))
    match geometry.get("type"):
        case "Point":
            lon, lat = (number(where, "coordinates", v) for v in coordinates[:2])
            disc = Disc(lon, lat, number(where, "radius_m", properties.get("radius_m")))
            west, _, east, _ = disc.box()
            if west < -180.0 or east > 180.0:
                raise RefereeError(
                    where, "radius_m", "the circle crosses the antimeridian, which is not judged"
                )
            return (disc,)
        case "Polygon":
            return (_rings(where, coordinates),)
        case "MultiPolygon":
            return tuple(_rings(where, polygon) for polygon in coordinates)
        case other:
            raise RefereeError(where, "geometry", f"type {other!r} is no area")


def _rings(where: str, value: object) -> Rings:
    rings = []
    for ring in listing(where, "coordinates", value):
        points = [
            [number(where, "coordinates", v) for v in listing(where, "coordinates", point)[:2]]
            for point in listing(where, "coordinates", ring)
        ]
        if points and points[0] == points[-1]:
            points.pop()
        if len(points) < 3 or any(len(point) != 2 for point in points):
            raise RefereeError(where, "coordinates", "a ring needs three positions")
        rings.append(np.array(points))
    if not rings:
        raise RefereeError(where, "coordinates", "a polygon needs a ring")
    return Rings(tuple(rings))
