"""Missions to look at: KML (OGC KML 2.2) and GeoJSON (RFC 7946).

Owns both syntaxes, out only: neither can hold a mission without loss.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from geofence.frames import LatLon
from missions.model import AirMission, GroundMission, ItemKind, Mission


def line_of(mission: Mission) -> tuple[tuple[LatLon, float], ...]:
    """The way with heights AMSL; a ground mission's height is 0."""
    return tuple(_air(mission) if isinstance(mission, AirMission) else _ground(mission))


def _air(mission: AirMission) -> Iterator[tuple[LatLon, float]]:
    place = mission.home
    yield place, mission.home_amsl_m
    for item in mission.items:
        if item.kind in {ItemKind.TAKEOFF, ItemKind.WAYPOINT, ItemKind.LAND}:
            place = item.position or place
            yield place, mission.home_amsl_m + item.alt_home_m


def _ground(mission: GroundMission) -> Iterator[tuple[LatLon, float]]:
    yield mission.nodes[0].position, 0.0
    for number, edge in enumerate(mission.edges, 1):
        points = edge.geometry[1:] or (mission.nodes[number].position,)
        yield from ((point, 0.0) for point in points)


def _stops(mission: Mission) -> Iterator[tuple[str, LatLon]]:
    if isinstance(mission, AirMission):
        yield "home", mission.home
        place = mission.home
        for item in mission.items:
            place = item.position or place
            if item.kind is ItemKind.RELEASE:
                yield f"release {item.parcel_id}", place
        return
    for node in mission.nodes:
        for action in node.actions:
            yield f"{action.kind.value} {action.parcel_id}", node.position


def write_geojson(mission: Mission) -> dict[str, object]:
    """A FeatureCollection: the way as a LineString, stops as Points. Heights are AMSL."""
    way: dict[str, object] = {
        "type": "Feature",
        "geometry": {
            "type": "LineString",
            "coordinates": [[p.lon_deg, p.lat_deg, alt] for p, alt in line_of(mission)],
        },
        "properties": {
            "mission_id": mission.mission_id,
            "vehicle_id": mission.vehicle_id,
            "duration_s": round(mission.duration_s, 1),
            "energy_wh": round(mission.energy_wh, 1),
        },
    }
    stops: list[dict[str, object]] = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [place.lon_deg, place.lat_deg]},
            "properties": {"name": name},
        }
        for name, place in _stops(mission)
    ]
    return {"type": "FeatureCollection", "features": [way, *stops]}


def write_kml(mission: Mission) -> str:
    """A KML document: the way with absolute heights (robots: on the ground), stops as points."""
    mode = "absolute" if isinstance(mission, AirMission) else "clampToGround"
    way = " ".join(f"{p.lon_deg:.7f},{p.lat_deg:.7f},{alt:.2f}" for p, alt in line_of(mission))
    stops = "\n".join(
        f"<Placemark><name>{escape(name)}</name><Point><coordinates>"
        f"{place.lon_deg:.7f},{place.lat_deg:.7f}</coordinates></Point></Placemark>"
        for name, place in _stops(mission)
    )
    name = escape(f"{mission.vehicle_id} {mission.mission_id}".strip())
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>\n'
        f"<name>{name}</name>\n"
        f"<Placemark><name>{name}</name><LineString><altitudeMode>{mode}</altitudeMode>"
        f"<coordinates>{way}</coordinates></LineString></Placemark>\n"
        f"{stops}\n</Document></kml>\n"
    )
