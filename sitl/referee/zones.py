"""Zones as the referee reads them from GeoJSON: areas, heights, classes and hours.

Owns its own reading of the zone file. Must not decide about vehicles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from sitl.referee.earth import Disc, Rings
from sitl.referee.reading import (
    RefereeError,
    listing,
    load_json,
    mapping,
    moment,
    number,
    text,
)

KINDS = ("keep_in", "no_fly", "restricted", "advisory")
CLASSES = ("multirotor", "robot")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Hours:
    """A window of the week: local days and times; equal times mean the whole day."""

    days: frozenset[int]
    start: time
    end: time


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
    timezone: str = "UTC"
    hours: tuple[Hours, ...] = ()
    valid_from_s: float | None = None
    valid_to_s: float | None = None

    def binds(self, vehicle_class: str) -> bool:
        """Whether it says anything to vehicles of a class."""
        return not self.classes or vehicle_class in self.classes

    def active_spans(self, first_s: float, last_s: float) -> list[tuple[float, float]]:
        """When it applies between two instants (seconds since 1970), as spans."""
        low = max(first_s, self.valid_from_s if self.valid_from_s is not None else first_s)
        high = min(last_s, self.valid_to_s if self.valid_to_s is not None else last_s)
        if low > high:
            return []
        if not self.hours:
            return [(low, high)]
        zone = ZoneInfo(self.timezone)
        day = datetime.fromtimestamp(low, UTC).astimezone(zone).date() - timedelta(days=1)
        last = datetime.fromtimestamp(high, UTC).astimezone(zone).date()
        spans: list[tuple[float, float]] = []
        while day <= last:
            for hours in self.hours:
                if day.weekday() in hours.days:
                    over = timedelta(days=1 if hours.end <= hours.start else 0)
                    begin = datetime.combine(day, hours.start, zone).timestamp()
                    finish = datetime.combine(day + over, hours.end, zone).timestamp()
                    if begin <= high and finish >= low:
                        spans.append((max(begin, low), min(finish, high)))
            day += timedelta(days=1)
        return sorted(spans)


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
    classes = frozenset(listing(where, "classes", properties.get("classes") or []))
    if not classes <= set(CLASSES):
        raise RefereeError(where, "classes", f"must be of {', '.join(CLASSES)}")
    schedule = mapping(where, "schedule", properties.get("schedule") or {})
    zone_name = schedule.get("timezone") or "UTC"
    try:
        ZoneInfo(zone_name)
    except (ZoneInfoNotFoundError, ValueError, TypeError) as error:
        raise RefereeError(where, "timezone", f"is unknown: {zone_name!r}") from error
    return RefZone(
        zone_id=zone_id,
        name=str(properties.get("name") or zone_id),
        kind=kind,
        areas=_areas(where, mapping(where, "geometry", feature.get("geometry")), properties),
        floor_amsl_m=_height(where, "floor", properties.get("floor"), ground_m, geoid_m),
        ceiling_amsl_m=_height(where, "ceiling", properties.get("ceiling"), ground_m, geoid_m),
        classes=classes,
        permit=str(properties.get("permit") or ""),
        timezone=zone_name,
        hours=tuple(_hours(where, h) for h in schedule.get("windows") or ()),
        valid_from_s=_moment(where, schedule, "valid_from"),
        valid_to_s=_moment(where, schedule, "valid_to"),
    )


def _moment(where: str, schedule: Mapping[str, Any], key: str) -> float | None:
    value = schedule.get(key)
    return None if value is None else moment(where, key, value)


def _hours(where: str, value: object) -> Hours:
    window = mapping(where, "windows", value)
    days = listing(where, "days", window.get("days") or list(_DAYS))
    if not set(days) <= set(_DAYS):
        raise RefereeError(where, "days", f"must be of {', '.join(_DAYS)}")
    try:
        start = time.fromisoformat(str(window.get("start", "00:00")))
        end = time.fromisoformat(str(window.get("end", "00:00")))
    except ValueError as error:
        raise RefereeError(where, "windows", f"has no time of day: {window!r}") from error
    return Hours(frozenset(_DAYS.index(day) for day in days), start, end)


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
            return (Disc(lon, lat, number(where, "radius_m", properties.get("radius_m"))),)
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
