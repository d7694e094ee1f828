"""A picture of a mission as GeoJSON (RFC 7946), for a map in a browser.

Owns that syntax, out only. Every feature says in `role` what it is: corridor, spare (air that a
failsafe may use), way_home, zone, disc, path, violation, waypoint, home. What is no shape (verdict,
tallies, profile) stands beside `features`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import shapely

from geofence.check import Violation
from geofence.frames import Altitude, LatLon
from geofence.zones import CircleArea, Zone
from missions.picture import Fault, Picture, ZoneShape, near_lonlat
from missions.picture_profile import Profile
from missions.zone_text import heights, named, short, times

_DIGITS = 7


def picture_json(picture: Picture) -> dict[str, Any]:
    """The FeatureCollection. Heights are metres AMSL where not named otherwise."""
    seen = picture.seen
    return {
        "type": "FeatureCollection",
        "mission_id": seen.mission.mission_id,
        "vehicle_id": seen.mission.vehicle_id,
        "title": picture.title,
        "subtitle": picture.subtitle,
        "allowed": picture.allowed,
        "zones_version": seen.verdict.zones_version,
        "clearance_m": seen.verdict.clearance_m,
        "nearest_zone_id": seen.verdict.nearest_zone_id,
        "violations": [fault_json(fault) for fault in picture.faults],
        "violations_left_out": picture.faults_left_out,
        "advisories": [violation_json(each) for each in picture.advisories],
        "reasons": [{"code": r.code, "text": r.text} for r in seen.reasons],
        "tallies": [
            {"what": t.what, "violated": t.violated, "note": t.note} for t in picture.tallies
        ],
        "zones_left_out": picture.zones_left_out,
        "profile": None if picture.profile is None else _profile(picture.profile),
        "features": list(_features(picture)),
    }


def violation_json(violation: Violation) -> dict[str, Any]:
    """A violation as data: leg, zone, where in and out, how deep, and why."""
    return {
        "zone_id": violation.zone_id,
        "zone_name": violation.zone_name,
        "zone": short(violation.zone_id, violation.zone_name),
        "kind": violation.kind.value,
        "item": violation.index,
        "leg": violation.label,
        "entry": _place(violation.entry),
        "exit": _place(violation.exit),
        "depth_m": round(violation.depth_m, 2),
        "max_speed_mps": violation.max_speed_mps,
        "reason": violation.reason,
    }


def fault_json(fault: Fault) -> dict[str, Any]:
    """The same with its number in the picture and its place in the mission."""
    return {
        "number": fault.number,
        "where": fault.where,
        "contingency": not fault.own,
        **violation_json(fault.violation),
    }


def _features(picture: Picture) -> Iterator[dict[str, Any]]:
    for zone in picture.zones:
        yield _feature(zone.shape, "zone", _zone(zone))
    if not picture.spare.is_empty:
        yield _feature(picture.spare, "spare", {})
    yield _feature(picture.corridor, "corridor", {})
    for way in picture.ways_home:
        yield _feature(shapely.LineString(way.points), "way_home", {"label": way.label})
    for disc in picture.discs:
        told = {
            "label": disc.label,
            "radius_m": round(disc.radius_m, 1),
            "low_amsl_m": round(disc.low_amsl_m, 1),
            "high_amsl_m": round(disc.high_amsl_m, 1),
        }
        yield _feature(_point(picture, disc.center), "disc", told)
    for leg in picture.stretches:
        told = {
            "label": leg.label,
            "item": leg.index,
            "start_amsl_m": round(leg.start_amsl_m, 1),
            "end_amsl_m": round(leg.end_amsl_m, 1),
            "returning": leg.returning,
        }
        yield _feature(shapely.LineString(leg.points), "path", told)
    for fault in picture.faults:
        yield _feature(_span(picture, fault.violation), "violation", fault_json(fault))
    for mark in picture.marks:
        told = {
            "numbers": list(mark.numbers),
            "alt_home_m": mark.alt_home_m,
            "words": mark.words,
        }
        yield _feature(_point(picture, mark.position), "waypoint", told)
    if picture.home is not None:
        yield _feature(_point(picture, picture.home), "home", {})


def _feature(shape: shapely.Geometry, role: str, properties: dict[str, Any]) -> dict[str, Any]:
    geometry = json.loads(
        shapely.to_geojson(shapely.set_precision(shape, 10.0**-_DIGITS, mode="pointwise"))
    )
    return {"type": "Feature", "geometry": geometry, "properties": {"role": role, **properties}}


def _point(picture: Picture, place: LatLon) -> shapely.Geometry:
    return shapely.Point(near_lonlat(place, picture.anchor))


def _span(picture: Picture, violation: Violation) -> shapely.Geometry:
    begin, end = (near_lonlat(p, picture.anchor) for p in (violation.entry, violation.exit))
    return shapely.Point(begin) if begin == end else shapely.LineString([begin, end])


def _zone(each: ZoneShape) -> dict[str, Any]:
    zone: Zone = each.zone
    told: dict[str, Any] = {
        "id": zone.zone_id,
        "name": zone.name,
        "named": named(zone),
        "label": short(zone.zone_id, zone.name),
        "kind": zone.kind.value,
        "heights": heights(zone),
        "floor": _limit(zone.floor),
        "ceiling": _limit(zone.ceiling),
        "times": times(zone.schedule),
        "permit": zone.permit,
        "max_speed_mps": zone.max_speed_mps,
        "hit": each.hit,
    }
    if isinstance(zone.area, CircleArea):
        told |= {"center": _place(zone.area.center), "radius_m": zone.area.radius_m}
    return told


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "length_m": round(profile.length_m, 1),
        "way": _pairs(profile.way),
        "ground": _pairs(profile.ground),
        "turns": [
            {"along_m": round(along_m, 1), "label": label} for along_m, label in profile.turns
        ],
        "bands": [
            {
                "zone_id": band.zone.zone_id,
                "kind": band.zone.kind.value,
                "begin_m": round(band.begin_m, 1),
                "end_m": round(band.end_m, 1),
                "low_amsl_m": band.low_amsl_m,
                "high_amsl_m": band.high_amsl_m,
                "hit": band.hit,
            }
            for band in profile.bands
        ],
    }


def _pairs(points: tuple[tuple[float, float], ...]) -> list[list[float]]:
    return [[round(along_m, 1), round(amsl_m, 1)] for along_m, amsl_m in points]


def _limit(limit: Altitude | None) -> dict[str, Any] | None:
    return None if limit is None else {"value_m": limit.value_m, "datum": limit.datum.value}


def _place(place: LatLon) -> dict[str, float]:
    return {"lat_deg": place.lat_deg, "lon_deg": place.lon_deg}
