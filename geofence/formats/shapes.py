"""GeoJSON geometries to areas; every fault is collected, none raised.

Owns rings, positions and the rules that make a polygon one. Must not know properties.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import shapely

from geofence.formats.fields import Faults, is_number
from geofence.frames import MAX_FRAME_SPAN_M, LatLon
from geofence.zones import Area, CircleArea, PolygonArea

MAX_VERTICES = 100_000
"""Most corners of one polygon."""

MAX_PARTS = 10_000
"""Most polygons of one MultiPolygon."""


def read_areas(zone_id: str, geometry: Any, radius_m: Any, faults: Faults) -> list[Area]:
    """The areas of a Polygon, MultiPolygon, or Point with a radius in metres."""
    if not isinstance(geometry, Mapping):
        faults.add(zone_id, "geometry", "no geometry object")
        return []
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind != "Point" and radius_m is not None:
        faults.add(zone_id, "radius_m", f"only a Point has a radius, this is a {kind}")
    match kind:
        case "Point":
            circle = _circle(zone_id, coordinates, radius_m, faults)
            return [] if circle is None else [circle]
        case "Polygon":
            polygon = _polygon(zone_id, "geometry", coordinates, faults)
            return [] if polygon is None else [polygon]
        case "MultiPolygon":
            return _polygons(zone_id, coordinates, faults)
        case _:
            faults.add(
                zone_id, "geometry", f"{kind!r} is no area: use Polygon, MultiPolygon or Point"
            )
            return []


def _circle(zone_id: str, coordinates: Any, radius_m: Any, faults: Faults) -> CircleArea | None:
    center = _position(zone_id, "geometry", coordinates, faults)
    if not is_number(radius_m) or not 0.0 < radius_m <= MAX_FRAME_SPAN_M:
        faults.add(
            zone_id,
            "radius_m",
            f"{radius_m!r} is not a radius above 0 and up to {MAX_FRAME_SPAN_M:.0f} m, "
            "which a Point needs",
        )
        return None
    return None if center is None else CircleArea(center, float(radius_m))


def _polygons(zone_id: str, coordinates: Any, faults: Faults) -> list[Area]:
    if not isinstance(coordinates, list) or not 0 < len(coordinates) <= MAX_PARTS:
        faults.add(zone_id, "geometry", f"not a list of 1 to {MAX_PARTS} polygons")
        return []
    parts = [
        _polygon(zone_id, f"geometry, polygon {number}", part, faults)
        for number, part in enumerate(coordinates, start=1)
    ]
    return [part for part in parts if part is not None]


def _polygon(zone_id: str, where: str, coordinates: Any, faults: Faults) -> PolygonArea | None:
    if not isinstance(coordinates, list) or not coordinates:
        faults.add(zone_id, where, "it has no ring")
        return None
    size = sum(len(ring) for ring in coordinates if isinstance(ring, list))
    if size > MAX_VERTICES:
        faults.add(zone_id, where, f"{size} corners, more than {MAX_VERTICES}: simplify it")
        return None
    rings = [
        _ring(zone_id, where if number == 0 else f"{where}, hole {number}", ring, faults)
        for number, ring in enumerate(coordinates)
    ]
    good = [ring for ring in rings if ring is not None]
    if len(good) < len(rings):
        return None
    area = PolygonArea(good[0], tuple(good[1:]))
    fault = polygon_fault(area)
    if fault:
        faults.add(zone_id, where, fault)
        return None
    return area


def _ring(zone_id: str, where: str, ring: Any, faults: Faults) -> tuple[LatLon, ...] | None:
    """An open ring; corners that repeat the one before them are dropped."""
    if not isinstance(ring, list):
        faults.add(zone_id, where, "a ring is not a list of positions")
        return None
    if len(ring) < 4:
        faults.add(
            zone_id, where, f"a ring of {len(ring)} positions is too short: it needs at least 4"
        )
        return None
    positions = [_position(zone_id, where, item, faults) for item in ring]
    good = [position for position in positions if position is not None]
    if len(good) < len(positions):
        return None
    if good[0] != good[-1]:
        faults.add(zone_id, where, "the ring is open: repeat its first position as its last")
        return None
    corners = [p for p, before in zip(good[1:], good[:-1], strict=True) if p != before]
    if len(corners) < 3:
        faults.add(zone_id, where, "the ring has fewer than three different corners")
        return None
    # the first position stays first
    return (corners[-1], *corners[:-1])


def _position(zone_id: str, where: str, value: Any, faults: Faults) -> LatLon | None:
    if not isinstance(value, list) or not 2 <= len(value) <= 3:
        faults.add(zone_id, where, f"{_short(value)} is not a position [longitude, latitude]")
        return None
    if not all(is_number(number) for number in value):
        faults.add(zone_id, where, f"{_short(value)} has a number that is none or not finite")
        return None
    lon, lat = float(value[0]), float(value[1])
    if not (-180.0 <= lon <= 180.0 and -90.0 <= lat <= 90.0):
        faults.add(
            zone_id,
            where,
            f"{_short(value)} is out of range: longitude is -180 to 180, latitude -90 to 90",
        )
        return None
    return LatLon(lat, lon)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def polygon_fault(area: PolygonArea) -> str:
    """What makes the rings no polygon, or an empty text."""
    lons = [p.lon_deg for p in area.shell]
    if max(lons) - min(lons) >= 180.0:
        return (
            "it is wider than 180 degrees of longitude: where it crosses the antimeridian, cut it "
            "there into two polygons (RFC 7946, section 3.1.9)"
        )
    polygon = shapely.Polygon(
        [(p.lon_deg, p.lat_deg) for p in area.shell],
        [[(p.lon_deg, p.lat_deg) for p in hole] for hole in area.holes],
    )
    if polygon.is_valid:
        return ""
    if not shapely.convex_hull(polygon).area > 0.0:
        return "it has no area: its corners lie on one line"
    reason = shapely.is_valid_reason(polygon)
    if reason.startswith(("Self-intersection", "Ring Self-intersection")):
        place = reason.partition("[")[2].rstrip("]")
        return f"it crosses itself (a bow-tie) at {place}"
    return f"not a polygon: {reason}"
