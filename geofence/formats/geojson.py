"""Zones as GeoJSON (RFC 7946).

Owns reading and writing of zone collections: the profile "waypost", whose properties are those
of `write_zones`, and the profile "finland-2019" of the Finnish aviation zones of that year. A
file is read whole or refused whole, with every fault of every feature named. Must not open files.

A Point with radius_m is a circle. A MultiPolygon becomes one zone a part, ids `id#1`, `id#2`. A
third number of a position (height) is checked and has no meaning: heights are floor and ceiling.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from geofence.errors import ZoneFileError
from geofence.formats.fields import (
    Faults,
    is_number,
    read_altitude,
    read_schedule,
    read_source,
    read_text,
)
from geofence.formats.files import MAX_FEATURES, Gathering, Unknown, decode_json, numbered, refused
from geofence.formats.shapes import read_areas
from geofence.frames import Altitude, Datum, LatLon
from geofence.schedule import ALWAYS, Calendar, Schedule, seen_from
from geofence.zones import (
    Area,
    CircleArea,
    Source,
    Surface,
    VehicleClass,
    Zone,
    ZoneKind,
    sun_places,
)

__all__ = ["ZoneFileError", "read_zones", "write_zones"]

_Names = TypeVar("_Names", bound=StrEnum)

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_PROPERTIES = frozenset(
    {
        "id", "name", "kind", "floor", "ceiling", "schedule", "classes", "permit", "note",
        "radius_m", "source", "surfaces", "min_mass_kg", "electric_exempt", "max_speed_mps",
    }
)  # fmt: skip


def read_zones(
    data: bytes | str, *, profile: str = "waypost", unknown: Unknown = "refuse"
) -> tuple[Zone, ...]:
    """The zones of a GeoJSON FeatureCollection.

    Raises ZoneFileError with every fault found (feature id, field, reason); nothing is half read.
    With `unknown="forbid"` a feature whose area alone is understood becomes a no-fly zone there.
    Raises ValueError for a profile that does not exist.
    """
    reader = _PROFILES.get(profile)
    if reader is None:
        raise ValueError(f"no zone profile {profile!r}: use one of {', '.join(sorted(_PROFILES))}")
    gathering = Gathering(unknown)
    for number, feature in enumerate(_features(data), start=1):
        if not isinstance(feature, Mapping):
            gathering.fault(f"#{number}", "type", "not a Feature object")
            continue
        faults = Faults()
        zone_id = _feature_id(feature, number, faults)
        zones = reader(zone_id, feature, faults)
        areas = [zone.area for zone in zones] if zones else _areas_alone(zone_id, feature)
        gathering.add(number, zone_id, zones, areas, faults)
    return gathering.zones()


def _areas_alone(zone_id: str, feature: Mapping[str, Any]) -> list[Area]:
    """The areas of a feature whose rules are not understood; none where they are not either."""
    faults = Faults()
    properties = feature.get("properties")
    radius_m = properties.get("radius_m") if isinstance(properties, Mapping) else None
    areas = read_areas(zone_id, feature.get("geometry"), radius_m, faults)
    return [] if faults.found else areas


def _features(data: bytes | str) -> list[Any]:
    document = decode_json(data)
    if not isinstance(document, Mapping) or document.get("type") != "FeatureCollection":
        raise refused("type", "not a GeoJSON FeatureCollection")
    features = document.get("features")
    if not isinstance(features, list):
        raise refused("features", "no list of features")
    if len(features) > MAX_FEATURES:
        raise refused("features", f"{len(features)} features, more than {MAX_FEATURES}: split it")
    return features


def _feature_id(feature: Mapping[str, Any], number: int, faults: Faults) -> str:
    properties = feature.get("properties")
    own = properties.get("id") if isinstance(properties, Mapping) else None
    outer = feature.get("id")
    for value in (own, outer):
        if value is not None and not _is_id(value):
            faults.add(f"#{number}", "id", f"{value!r} is not a text or a whole number")
            return f"#{number}"
    if own is not None and outer is not None and str(own) != str(outer):
        faults.add(str(outer), "id", f"the feature is {outer!r} but its properties say {own!r}")
    chosen = own if own is not None else outer
    if chosen is None:
        faults.add(f"#{number}", "id", f"feature {number} of the file has no id: give it one")
        return f"#{number}"
    return str(chosen).strip()


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        return 0 < len(value.strip()) <= 200
    return isinstance(value, int) and not isinstance(value, bool)


def _properties(zone_id: str, feature: Mapping[str, Any], faults: Faults) -> Mapping[str, Any]:
    if feature.get("type") != "Feature":
        faults.add(zone_id, "type", f"{feature.get('type')!r} is not 'Feature'")
    properties = feature.get("properties")
    if isinstance(properties, Mapping):
        return properties
    faults.add(zone_id, "properties", "no properties object")
    return {}


def _read_waypost(zone_id: str, feature: Mapping[str, Any], faults: Faults) -> list[Zone]:
    before = len(faults.found)
    properties = _properties(zone_id, feature, faults)
    for key in sorted(set(properties) - _PROPERTIES):
        faults.add(zone_id, key, f"unknown property: use {', '.join(sorted(_PROPERTIES))}")
    kind = _read_kind(zone_id, properties, faults)
    floor = read_altitude(zone_id, "floor", properties.get("floor"), faults)
    ceiling = read_altitude(zone_id, "ceiling", properties.get("ceiling"), faults)
    _check_order(zone_id, floor, ceiling, faults)
    schedule = read_schedule(zone_id, properties.get("schedule"), faults)
    classes = _read_names(zone_id, "classes", properties.get("classes"), VehicleClass, faults)
    surfaces = _read_names(zone_id, "surfaces", properties.get("surfaces"), Surface, faults)
    min_mass_kg = _read_positive(zone_id, "min_mass_kg", properties.get("min_mass_kg"), faults)
    max_speed = _read_positive(zone_id, "max_speed_mps", properties.get("max_speed_mps"), faults)
    electric_exempt = properties.get("electric_exempt", False)
    if not isinstance(electric_exempt, bool):
        faults.add(zone_id, "electric_exempt", f"{electric_exempt!r} is not true or false")
    permit = read_text(zone_id, "permit", properties.get("permit"), faults)
    if permit == "":
        faults.add(zone_id, "permit", "empty: leave it out where no permit can lift the zone")
    if permit is not None and kind is not None and kind is not ZoneKind.RESTRICTED:
        faults.add(zone_id, "permit", f"a {kind} zone has none: only a restricted zone has")
    name = read_text(zone_id, "name", properties.get("name"), faults) or ""
    note = read_text(zone_id, "note", properties.get("note"), faults) or ""
    source = read_source(zone_id, properties.get("source"), faults)
    areas = read_areas(zone_id, feature.get("geometry"), properties.get("radius_m"), faults)
    if kind is None or len(faults.found) > before:
        return []
    return [
        Zone(
            part_id,
            name,
            kind,
            area,
            floor,
            ceiling,
            seen_from(schedule, sun_places(area)),
            classes,
            permit,
            note,
            surfaces,
            min_mass_kg,
            electric_exempt,
            max_speed,
            source,
        )
        for part_id, area in numbered(zone_id, areas)
    ]


def _read_kind(zone_id: str, properties: Mapping[str, Any], faults: Faults) -> ZoneKind | None:
    value = properties.get("kind")
    if value in list(ZoneKind):
        return ZoneKind(value)
    kinds = ", ".join(ZoneKind)
    said = "missing" if value is None else f"{value!r} is unknown"
    faults.add(zone_id, "kind", f"{said}: use one of {kinds}")
    return None


def _check_order(
    zone_id: str, floor: Altitude | None, ceiling: Altitude | None, faults: Faults
) -> None:
    if floor is None or ceiling is None or floor.datum is not ceiling.datum:
        return
    if floor.value_m > ceiling.value_m:
        faults.add(
            zone_id, "floor", f"{floor.value_m:g} m is above the ceiling {ceiling.value_m:g} m"
        )


def _read_names(
    zone_id: str, field: str, value: Any, names: type[_Names], faults: Faults
) -> frozenset[_Names]:
    if value is None:
        return frozenset()
    known = list(names)
    if not isinstance(value, list) or not value:
        faults.add(zone_id, field, f"not a list of {', '.join(known)}: leave it out for all")
        return frozenset()
    for item in value:
        if item not in known:
            faults.add(zone_id, field, f"{item!r} is unknown: use {', '.join(known)}")
    return frozenset(names(item) for item in value if item in known)


def _read_positive(zone_id: str, field: str, value: Any, faults: Faults) -> float | None:
    if value is None:
        return None
    if not is_number(value) or not value > 0:
        faults.add(zone_id, field, f"{value!r} is not a number above 0")
        return None
    return float(value)


_FINNISH: Mapping[str, tuple[Altitude | None, str]] = {
    "R": (None, "no drone flight"),
    "R2": (None, "no drone flight except near fixed obstacles and below their height"),
    "L": (Altitude(50.0, Datum.AGL), "controlled airspace: at most 50 m above ground"),
}


def _read_finland(zone_id: str, feature: Mapping[str, Any], faults: Faults) -> list[Zone]:
    """Types: R no flight; R2 no flight but beside obstacles, taken as R; L from 50 m up."""
    before = len(faults.found)
    properties = _properties(zone_id, feature, faults)
    for key in sorted(set(properties) - {"name", "type"}):
        faults.add(zone_id, key, "unknown property: this profile has name and type")
    name = read_text(zone_id, "name", properties.get("name"), faults) or ""
    kind = properties.get("type")
    if not isinstance(kind, str) or kind not in _FINNISH:
        faults.add(zone_id, "type", f"{kind!r} is unknown: use one of {', '.join(_FINNISH)}")
    areas = read_areas(zone_id, feature.get("geometry"), None, faults)
    if len(faults.found) > before or not isinstance(kind, str):
        return []
    floor, note = _FINNISH[kind]
    drones = frozenset({VehicleClass.MULTIROTOR})
    return [
        Zone(part_id, name, ZoneKind.NO_FLY, area, floor, classes=drones, note=note)
        for part_id, area in numbered(zone_id, areas)
    ]


_PROFILES: Mapping[str, Callable[[str, Mapping[str, Any], Faults], list[Zone]]] = {
    "waypost": _read_waypost,
    "finland-2019": _read_finland,
}


def write_zones(zones: Iterable[Zone]) -> dict[str, Any]:
    """A FeatureCollection of the profile "waypost" that `read_zones` gives back unchanged."""
    return {"type": "FeatureCollection", "features": [_write_zone(zone) for zone in zones]}


def _write_zone(zone: Zone) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "id": zone.zone_id,
        "name": zone.name,
        "kind": str(zone.kind),
        "floor": _write_altitude(zone.floor),
        "ceiling": _write_altitude(zone.ceiling),
    }
    if zone.schedule != ALWAYS:
        properties["schedule"] = _write_schedule(zone.schedule)
    if zone.classes:
        properties["classes"] = sorted(zone.classes)
    if zone.permit is not None:
        properties["permit"] = zone.permit
    if zone.note:
        properties["note"] = zone.note
    if zone.source is not None:
        properties["source"] = _write_source(zone.source)
    if zone.surfaces:
        properties["surfaces"] = sorted(zone.surfaces)
    if zone.electric_exempt:
        properties["electric_exempt"] = True
    for name in ("min_mass_kg", "max_speed_mps"):
        value = getattr(zone, name)
        if value is not None:
            properties[name] = value
    area = zone.area
    if isinstance(area, CircleArea):
        properties["radius_m"] = area.radius_m
        geometry = {"type": "Point", "coordinates": _position(area.center)}
    else:
        rings = [[_position(p) for p in (*r, r[0])] for r in (area.shell, *area.holes)]
        geometry = {"type": "Polygon", "coordinates": rings}
    return {
        "type": "Feature",
        "id": zone.zone_id,
        "geometry": geometry,
        "properties": properties,
    }


def _position(position: LatLon) -> list[float]:
    return [position.lon_deg, position.lat_deg]


def _write_altitude(limit: Altitude | None) -> dict[str, Any] | None:
    return None if limit is None else {"value_m": limit.value_m, "datum": str(limit.datum)}


def _write_schedule(schedule: Schedule | Calendar) -> dict[str, Any]:
    if isinstance(schedule, Calendar):
        return {"periods": [_write_period(period) for period in schedule.periods]}
    return _write_period(schedule)


def _write_period(schedule: Schedule) -> dict[str, Any]:
    content: dict[str, Any] = {"timezone": schedule.timezone}
    if schedule.windows:
        content["windows"] = [
            {
                "days": [DAYS[day] for day in sorted(window.days)],
                "start": str(window.start),
                "end": str(window.end),
            }
            for window in schedule.windows
        ]
    for name in ("valid_from", "valid_to"):
        value = getattr(schedule, name)
        if value is not None:
            content[name] = value.isoformat()
    return content


def _write_source(source: Source) -> dict[str, Any]:
    return {
        "form": source.form,
        "identifier": source.identifier,
        "country": source.country,
        "type": source.type,
        "words": json.loads(source.words),
    }
