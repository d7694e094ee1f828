"""EUROCAE ED-318 (UAS geographical zones, second generation): read and write.

Owns the layout of its GeoJSON: the FeatureCollection and its metadata (Schema_GeoZones,
Schema_GeoZoneCollectionMetadata), layers and circles (Schema_LayeredGeoJSON: `layer`, `extent`),
GeometryCollections of stacked layers, and the properties of a zone (Schema_GeoZoneProperties).
The schema is that of UASGeoZones/ED-318. Must not know other formats.

A missing layer or limit, or an upper limit of 99999, is no limit. A circle's radius is metres; a
layer without `uom` is metres. The validity of the collection is checked and never switches a zone
off: old data forbids until it is replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from geofence.errors import ZoneFileError
from geofence.formats.applicability import read_periods, write_periods
from geofence.formats.authority import (
    FOOT_M,
    KINDS,
    Layer,
    Told,
    build_zones,
    check_identity,
    check_words,
    features_of,
    purpose,
    read_limits,
    source_of,
)
from geofence.formats.fields import Faults, check_timezone, read_moment
from geofence.formats.files import MAX_FEATURES, Gathering, Unknown, decode_json, refused
from geofence.formats.shapes import read_areas
from geofence.frames import Altitude, LatLon
from geofence.schedule import ALWAYS
from geofence.zones import Area, CircleArea, Zone

_WORDS = (
    "name", "variant", "restrictionConditions", "region", "reason", "otherReasonInfo",
    "regulationExemption", "message", "zoneAuthority", "dataSource", "extendedProperties",
)  # fmt: skip
_PROPERTIES = frozenset({"identifier", "country", "type", "limitedApplicability", *_WORDS})
_UNITS = {"m": 1.0, "ft": FOOT_M}
_MAX_LAYERS = 10_000


def read_zones(
    data: bytes | str, *, unknown: Unknown = "refuse", timezone: str | None = None
) -> tuple[Zone, ...]:
    """The zones of an ED-318 collection; a feature of several layers becomes `id#1`, `id#2` ...

    `timezone` (IANA) is of the times that have no offset; without it they are refused. Raises
    ZoneFileError with every fault found (identifier, field, reason), ValueError for a `timezone`
    that is none. With `unknown="forbid"` a feature whose area alone is understood becomes a
    no-fly zone there.
    """
    check_timezone(timezone)
    document = decode_json(data, strict=True)
    features = _features(document)
    gathering = Gathering(unknown)
    _check_metadata(document.get("metadata"), gathering, timezone)
    for number, feature in enumerate(features, start=1):
        if not isinstance(feature, Mapping) or feature.get("type") != "Feature":
            gathering.fault(f"#{number}", "type", "not a Feature object")
            continue
        properties = feature.get("properties")
        told = properties if isinstance(properties, Mapping) else {}
        identifier = told.get("identifier")
        zone_id = identifier if isinstance(identifier, str) and identifier else f"#{number}"
        geometry_faults, faults = Faults(), Faults()
        layers = _layers(zone_id, feature.get("geometry"), geometry_faults, faults)
        if not isinstance(properties, Mapping):
            faults.add(zone_id, "properties", "no properties object")
        zones = _zones(zone_id, told, layers, geometry_faults, faults, timezone=timezone)
        areas = [] if geometry_faults.found else [layer.area for layer in layers]
        faults.found = geometry_faults.found + faults.found
        gathering.add(number, zone_id, zones, areas, faults)
    return gathering.zones()


def _features(document: Any) -> list[Any]:
    if not isinstance(document, Mapping) or document.get("type") != "FeatureCollection":
        raise refused("type", "not a GeoJSON FeatureCollection, as ED-318 is")
    features = document.get("features")
    if "UASZoneList" in document:
        raise refused("UASZoneList", "it stands beside features: two lists in one file")
    if not isinstance(features, list):
        raise refused("features", "no list of features")
    if len(features) > MAX_FEATURES:
        raise refused("features", f"{len(features)} features, more than {MAX_FEATURES}: split it")
    return features


def _check_metadata(value: Any, gathering: Gathering, timezone: str | None) -> None:
    if value is None:
        return
    if not isinstance(value, Mapping):
        gathering.fault("file", "metadata", "not an object")
        return
    faults = Faults()
    for key in ("validFrom", "validTo", "issued"):
        read_moment("file", f"metadata.{key}", value.get(key), faults, timezone=timezone)
    for error in faults.found:
        gathering.fault(error.feature, error.field, error.reason)


def _zones(
    zone_id: str,
    told: Mapping[str, Any],
    layers: list[Layer],
    geometry_faults: Faults,
    faults: Faults,
    *,
    timezone: str | None,
) -> list[Zone]:
    for key in sorted(set(told) - _PROPERTIES):
        faults.add(zone_id, key, f"unknown property: ED-318 has {', '.join(sorted(_PROPERTIES))}")
    check_identity(zone_id, told.get("identifier"), told.get("country"), faults)
    kind = told.get("type")
    if not isinstance(kind, str) or kind not in KINDS:
        faults.add(zone_id, "type", f"{kind!r} is unknown: use one of {', '.join(KINDS)}")
    words = {key: told[key] for key in _WORDS if key in told}
    check_words(zone_id, words, faults)
    key = "limitedApplicability"
    schedule = read_periods(zone_id, key, told.get(key), faults, timezone=timezone)
    if faults.found or geometry_faults.found:
        return []
    return build_zones(source_of("ed318", told, str(kind), words), words, layers, schedule)


def _layers(zone_id: str, geometry: Any, shape: Faults, faults: Faults) -> list[Layer]:
    """Every layer; faults of the area go to `shape`, those of its limits to `faults`."""
    if not isinstance(geometry, Mapping):
        shape.add(zone_id, "geometry", "no geometry object")
        return []
    if geometry.get("type") != "GeometryCollection":
        return _layer(zone_id, "geometry", geometry, shape, faults, common=None)
    members = geometry.get("geometries")
    if not isinstance(members, list) or not 0 < len(members) <= _MAX_LAYERS:
        shape.add(zone_id, "geometry", f"not a collection of 1 to {_MAX_LAYERS} geometries")
        return []
    found: list[Layer] = []
    for number, member in enumerate(members):
        where = f"geometry.geometries[{number}]"
        if isinstance(member, Mapping):
            common = geometry.get("layer")
            found.extend(_layer(zone_id, where, member, shape, faults, common=common))
        else:
            shape.add(zone_id, where, "no geometry object")
    return found


def _layer(
    zone_id: str,
    where: str,
    geometry: Mapping[str, Any],
    shape: Faults,
    faults: Faults,
    *,
    common: Any,
) -> list[Layer]:
    known = {"type", "coordinates", "bbox", "layer", "extent"}
    for key in sorted(set(geometry) - known):
        faults.add(zone_id, f"{where}.{key}", "unknown key of a geometry")
    own = geometry.get("layer")
    if own is not None and common is not None:
        faults.add(zone_id, f"{where}.layer", "the collection has one as well: give one")
    areas = _areas(zone_id, where, geometry, shape)
    floor, ceiling = _limits(zone_id, f"{where}.layer", common if own is None else own, faults)
    return [Layer(area, floor, ceiling) for area in areas]


def _areas(zone_id: str, where: str, geometry: Mapping[str, Any], shape: Faults) -> list[Area]:
    extent = geometry.get("extent")
    if geometry.get("type") != "Point":
        if extent is not None:
            shape.add(zone_id, f"{where}.extent", "only a Point has one")
        return read_areas(zone_id, geometry, None, shape)
    if (
        not isinstance(extent, Mapping)
        or extent.get("subType") != "Circle"
        or set(extent) - {"subType", "radius"}
    ):
        shape.add(
            zone_id, f"{where}.extent", 'a Point needs {"subType": "Circle", "radius": metres}'
        )
        return []
    return read_areas(zone_id, geometry, extent.get("radius"), shape)


def _limits(
    zone_id: str, where: str, layer: Any, faults: Faults
) -> tuple[Altitude | None, Altitude | None]:
    if layer is None:
        return None, None
    if not isinstance(layer, Mapping):
        faults.add(zone_id, where, "not an object")
        return None, None
    for key in sorted(set(layer) - {"upper", "upperReference", "lower", "lowerReference", "uom"}):
        faults.add(zone_id, f"{where}.{key}", "unknown key of a layer")
    unit = layer.get("uom", "m")
    if not isinstance(unit, str) or unit not in _UNITS:
        faults.add(zone_id, f"{where}.uom", f"{unit!r} is unknown: use m or ft")
        return None, None
    return read_limits(
        zone_id,
        where,
        (layer.get("lower"), layer.get("upper")),
        (layer.get("lowerReference"), layer.get("upperReference")),
        faults,
        unit_m=_UNITS[unit],
    )


def write_zones(zones: Iterable[Zone], *, country: str = "") -> dict[str, Any]:
    """An ED-318 FeatureCollection that `read_zones` gives back, heights in metres.

    `country` (ISO 3166, three letters) is of the zones that no authority's file named one for.
    Raises ZoneFileError for every zone that ED-318 cannot say: keep-in, an identifier of more
    than 7 characters, local times with summer time, a rule that it does not have. A permit is
    written as the identifier, a restricted zone that no permit lifts as PROHIBITED.
    """
    faults = Faults()
    features: list[dict[str, Any]] = []
    for told in features_of(zones, country, faults):
        try:
            features.append(_write_feature(told, faults))
        except ValueError as error:
            faults.add(told.identifier, "schedule", str(getattr(error, "reason", error)))
    if faults.found:
        raise ZoneFileError(tuple(faults.found))
    return {"type": "FeatureCollection", "features": features}


def _write_feature(told: Told, faults: Faults) -> dict[str, Any]:
    check_identity(told.identifier, told.identifier, told.country, faults)
    words = dict(told.words)
    if "reason" in words:
        words["reason"] = [_REASON.get(reason, reason) for reason in words["reason"]]
    words["zoneAuthority"] = [
        {"purpose": purpose(KINDS[told.type]), **item} for item in words["zoneAuthority"]
    ]
    check_words(told.identifier, words, faults)
    properties = {
        "identifier": told.identifier, "country": told.country, "type": told.type, **words,
    }  # fmt: skip
    if told.schedule != ALWAYS:
        properties["limitedApplicability"] = write_periods(told.identifier, told.schedule)
    geometries = [_write_layer(layer) for layer in told.layers]
    geometry = (
        geometries[0]
        if len(geometries) == 1
        else {"type": "GeometryCollection", "geometries": geometries}
    )
    return {"type": "Feature", "geometry": geometry, "properties": properties}


_REASON = {"FOREIGN_TERRITORY": "OTHER"}


def _write_layer(layer: Layer) -> dict[str, Any]:
    area = layer.area
    geometry: dict[str, Any]
    if isinstance(area, CircleArea):
        geometry = {
            "type": "Point",
            "coordinates": write_position(area.center),
            "extent": {"subType": "Circle", "radius": area.radius_m},
        }
    else:
        rings = [[write_position(p) for p in (*r, r[0])] for r in (area.shell, *area.holes)]
        geometry = {"type": "Polygon", "coordinates": rings}
    limits: dict[str, Any] = {}
    for name, limit in (("upper", layer.ceiling), ("lower", layer.floor)):
        if limit is not None:
            limits[name] = limit.value_m
            limits[f"{name}Reference"] = str(limit.datum)
    if limits:
        geometry["layer"] = {**limits, "uom": "m"}
    return geometry


def write_position(position: LatLon) -> list[float]:
    """Longitude and latitude, as GeoJSON has them."""
    return [position.lon_deg, position.lat_deg]
