"""EUROCAE ED-269 (geo-awareness): read and write UAS zone lists.

Owns the layout of chapter 8's UASZoneVersion: `restriction` and `type` (what ED-318 calls type
and variant), `applicability` with `permanent`, and `geometry`, a list of airspace volumes with
`horizontalProjection` (Polygon, or Circle with center and radius), limits that are texts, numbers
or null, and their unit, `uomDimensions`, M or FT. Reads lists named `UASZoneList` or `features`.
Must not know other formats.

The text of ED-269 is not public. Names, types and enumerations are those of InterUSS
(uas_standards, eurocae_ed269.py: radius a number above 0, uomDimensions M or FT) and of FOCA's
model UASGeographicalZone_V1; positions are [longitude, latitude], as in every published file.
Whether uomDimensions is the unit of a radius too, public readers do not agree: OpenUTM's
flight-blender takes metres whatever it says, others convert feet. So a radius beside M is metres,
and a circle beside FT is refused, or, where the operator has what is not understood forbidden,
forbidden to the larger of the two, in metres. Volumes of polygons may be in feet.

What is null is absent. A limit that is absent, or an upper one of 99999, is none. Texts have no
language here: they are kept as of an undetermined one, and of several languages the English is
written, or the first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from geofence.errors import ZoneError, ZoneFileError
from geofence.formats.applicability import read_periods, write_periods
from geofence.formats.authority import (
    FOOT_M,
    MAX_SHORT,
    Layer,
    Told,
    build_zones,
    check_identity,
    check_words,
    features_of,
    plain,
    read_limits,
    source_of,
)
from geofence.formats.fields import Faults, check_timezone
from geofence.formats.files import MAX_FEATURES, Gathering, Unknown, decode_json, refused
from geofence.formats.shapes import read_areas
from geofence.schedule import ALWAYS
from geofence.zones import Area, CircleArea, Zone

_RESTRICTIONS = {"REQ_AUTHORISATION": "REQ_AUTHORIZATION"} | {
    name: name for name in ("PROHIBITED", "CONDITIONAL", "NO_RESTRICTION")
}
_UNITS = {"M": 1.0, "FT": FOOT_M}
_SAME = ("restrictionConditions", "region", "reason", "regulationExemption", "extendedProperties")
_TEXTS = ("name", "otherReasonInfo", "message")
_AUTHORITY_TEXTS = ("name", "service", "contactName")
_KNOWN = frozenset(
    {
        "identifier", "country", "type", "restriction", "uSpaceClass", "zoneAuthority",
        "applicability", "geometry", *_SAME, *_TEXTS,
    }
)  # fmt: skip
_VOLUME = frozenset(
    {
        "uomDimensions", "lowerLimit", "lowerVerticalReference", "upperLimit",
        "upperVerticalReference", "horizontalProjection",
    }
)  # fmt: skip
_NUMBER = re.compile(r"[+-]?\d{1,9}(\.\d{1,20})?", re.ASCII)
_MAX_VOLUMES = 10_000
_NO_LANGUAGE = "und"


def read_zones(
    data: bytes | str, *, unknown: Unknown = "refuse", timezone: str | None = None
) -> tuple[Zone, ...]:
    """The zones of an ED-269 list; a zone of several volumes becomes `id#1`, `id#2` ...

    `timezone` (IANA) is of the times that have no offset; without it they are refused. Raises
    ZoneFileError with every fault found (identifier, field, reason), ValueError for a `timezone`
    that is none. With `unknown="forbid"` a zone whose area alone is understood becomes a no-fly
    zone there.
    """
    check_timezone(timezone)
    gathering = Gathering(unknown)
    for number, item in enumerate(_list(decode_json(data, strict=True)), start=1):
        if not isinstance(item, Mapping):
            gathering.fault(f"#{number}", "type", "not a zone object")
            continue
        told = _without_null(item)
        identifier = told.get("identifier")
        zone_id = identifier if isinstance(identifier, str) and identifier else f"#{number}"
        shape, faults = Faults(), Faults()
        layers = _layers(zone_id, told.get("geometry"), shape, faults)
        zones = _zones(zone_id, told, layers, faults, timezone)
        areas = [] if shape.found else [layer.area for layer in layers]
        faults.found = shape.found + faults.found
        gathering.add(number, zone_id, zones, areas, faults)
    return gathering.zones()


def _list(document: Any) -> list[Any]:
    if not isinstance(document, Mapping) or document.get("type") == "FeatureCollection":
        raise refused("UASZoneList", "not an ED-269 object with a UASZoneList")
    if {"UASZoneList", "features"} <= set(document):
        raise refused("UASZoneList", "it stands beside features: two lists in one file")
    found = document.get("UASZoneList", document.get("features"))
    if not isinstance(found, list):
        raise refused("UASZoneList", "no list of zones")
    if len(found) > MAX_FEATURES:
        raise refused("UASZoneList", f"{len(found)} zones, more than {MAX_FEATURES}: split it")
    return found


def _without_null(value: Any) -> Any:
    """Objects without their null members, all the way down; ED-269 files write null for absent."""
    if isinstance(value, Mapping):
        return {key: _without_null(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_null(item) for item in value]
    return value


def _zones(
    zone_id: str,
    told: Mapping[str, Any],
    layers: list[Layer],
    faults: Faults,
    timezone: str | None,
) -> list[Zone]:
    for key in sorted(set(told) - _KNOWN):
        faults.add(zone_id, key, f"unknown property: ED-269 has {', '.join(sorted(_KNOWN))}")
    check_identity(zone_id, told.get("identifier"), told.get("country"), faults)
    restriction = told.get("restriction")
    if not isinstance(restriction, str) or restriction not in _RESTRICTIONS:
        known = ", ".join(_RESTRICTIONS)
        faults.add(zone_id, "restriction", f"{restriction!r} is unknown: use one of {known}")
    words = _words(zone_id, told, faults)
    schedule = read_periods(
        zone_id, "applicability", told.get("applicability"), faults, timezone=timezone
    )
    if faults.found or not layers:
        return []
    kind = _RESTRICTIONS[str(restriction)]
    return build_zones(source_of("ed269", told, kind, words), words, layers, schedule)


def _words(zone_id: str, told: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    """The properties in the terms of ED-318."""
    words = {key: told[key] for key in _SAME if key in told}
    for key in _TEXTS:
        if key in told:
            words[key] = _texts(zone_id, key, told[key], faults)
    words["variant"] = told.get("type")
    if "uSpaceClass" in told:
        more = told.get("extendedProperties", {})
        words["extendedProperties"] = {
            **(more if isinstance(more, Mapping) else {}), "uSpaceClass": told["uSpaceClass"],
        }  # fmt: skip
    authorities = told.get("zoneAuthority")
    kept: list[Any] = []
    for number, item in enumerate(authorities if isinstance(authorities, list) else []):
        where = f"zoneAuthority[{number}]"
        if not isinstance(item, Mapping):
            faults.add(zone_id, where, "not an object")
            continue
        own = {key: value for key, value in item.items() if key not in _AUTHORITY_TEXTS}
        for key in _AUTHORITY_TEXTS:
            if key in item:
                own[key] = _texts(zone_id, f"{where}.{key}", item[key], faults)
        kept.append(own)
    # the purpose of an authority is optional here
    checked = [{"purpose": "INFORMATION", **item} for item in kept]
    check_words(zone_id, {**words, "zoneAuthority": checked or authorities}, faults)
    return {**words, "zoneAuthority": kept}


def _texts(zone_id: str, field: str, value: Any, faults: Faults) -> list[dict[str, str]]:
    if not isinstance(value, str) or len(value) > MAX_SHORT:
        faults.add(zone_id, field, f"not a text of at most {MAX_SHORT} characters")
        return []
    return [{"text": value, "lang": _NO_LANGUAGE}]


def _layers(zone_id: str, geometry: Any, shape: Faults, faults: Faults) -> list[Layer]:
    if not isinstance(geometry, list) or not 0 < len(geometry) <= _MAX_VOLUMES:
        shape.add(zone_id, "geometry", f"not a list of 1 to {_MAX_VOLUMES} airspace volumes")
        return []
    found: list[Layer] = []
    for number, volume in enumerate(geometry):
        where = f"geometry[{number}]"
        if isinstance(volume, Mapping):
            found.extend(_volume(zone_id, where, volume, shape, faults))
        else:
            shape.add(zone_id, where, "not an airspace volume object")
    return found


def _volume(
    zone_id: str, where: str, volume: Mapping[str, Any], shape: Faults, faults: Faults
) -> list[Layer]:
    for key in sorted(set(volume) - _VOLUME):
        faults.add(zone_id, f"{where}.{key}", f"unknown key: use {', '.join(sorted(_VOLUME))}")
    unit = volume.get("uomDimensions")
    projection = volume.get("horizontalProjection")
    circle = isinstance(projection, Mapping) and projection.get("type") == "Circle"
    if not isinstance(unit, str) or unit not in _UNITS:
        # a radius without its unit is no area
        into = shape if circle else faults
        into.add(zone_id, f"{where}.uomDimensions", f"{unit!r} is unknown: use M or FT")
        unit = "M"
    elif circle and unit != "M":
        faults.add(
            zone_id,
            f"{where}.uomDimensions",
            "readers of ED-269 do not agree whether the radius is in feet here or in metres: "
            "give the volume of a circle in M",
        )
    areas = _areas(zone_id, f"{where}.horizontalProjection", projection, shape)
    floor, ceiling = read_limits(
        zone_id,
        where,
        (
            _number(zone_id, f"{where}.lowerLimit", volume.get("lowerLimit"), faults),
            _number(zone_id, f"{where}.upperLimit", volume.get("upperLimit"), faults),
        ),
        (volume.get("lowerVerticalReference"), volume.get("upperVerticalReference")),
        faults,
        unit_m=_UNITS[unit],
    )
    return [Layer(area, floor, ceiling) for area in areas]


def _number(zone_id: str, field: str, value: Any, faults: Faults) -> Any:
    """A limit as a number; a text that is none is a fault."""
    if not isinstance(value, str):
        return value
    if _NUMBER.fullmatch(value.strip()):
        return float(value)
    faults.add(zone_id, field, f"{value!r} is not a number")
    return None


def _areas(zone_id: str, where: str, value: Any, shape: Faults) -> list[Area]:
    if not isinstance(value, Mapping):
        shape.add(zone_id, where, "no object with type and coordinates or center")
        return []
    match value.get("type"):
        case "Circle":
            point = {"type": "Point", "coordinates": value.get("center")}
            return read_areas(zone_id, point, value.get("radius"), shape)
        case "Polygon":
            return read_areas(zone_id, value, None, shape)
        case kind:
            shape.add(zone_id, where, f"{kind!r} is no area: use Polygon or Circle")
            return []


def write_zones(
    zones: Iterable[Zone], *, country: str = "", created_at: datetime | None = None
) -> dict[str, Any]:
    """A UASZoneList that `read_zones` gives back, in metres.

    `country` (three letters) is of the zones that no authority's file named one for. USPACE, which
    ED-269 does not have, is written as REQ_AUTHORISATION. Raises ZoneFileError for every zone
    that ED-269 cannot say, as ed318.write_zones does.
    """
    faults = Faults()
    found: list[dict[str, Any]] = []
    for told in features_of(zones, country, faults):
        try:
            found.append(_write_zone(told, faults))
        except ZoneError as error:
            faults.found.append(error)
    if faults.found:
        raise ZoneFileError(tuple(faults.found))
    head: dict[str, Any] = {"formatVersion": "1.0.0"}
    if created_at is not None:
        head["createdAt"] = created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {**head, "UASZoneList": found}


def _write_zone(told: Told, faults: Faults) -> dict[str, Any]:
    words = told.words
    check_identity(told.identifier, told.identifier, told.country, faults)
    checked = [{"purpose": "INFORMATION", **item} for item in words["zoneAuthority"]]
    check_words(told.identifier, {**words, "zoneAuthority": checked}, faults)
    restriction = {"REQ_AUTHORIZATION": "REQ_AUTHORISATION", "USPACE": "REQ_AUTHORISATION"}
    properties: dict[str, Any] = {
        "identifier": told.identifier,
        "country": told.country,
        "type": words["variant"],
        "restriction": restriction.get(told.type, told.type),
    }
    properties |= {key: words[key] for key in _SAME if key in words}
    if "reason" in properties:
        properties["reason"] = [_REASON.get(reason, reason) for reason in words["reason"]]
    properties |= {key: plain(words[key]) for key in _TEXTS if words.get(key)}
    properties["zoneAuthority"] = [
        {key: plain(value) if key in _AUTHORITY_TEXTS else value for key, value in item.items()}
        for item in words["zoneAuthority"]
    ]
    periods = write_periods(told.identifier, told.schedule)
    properties["applicability"] = (
        [{"permanent": "YES"}]
        if told.schedule == ALWAYS
        else [{"permanent": "NO", **period} for period in periods]
    )
    properties["geometry"] = [_write_volume(layer) for layer in told.layers]
    return properties


_REASON = {"DAR": "OTHER"}


def _write_volume(layer: Layer) -> dict[str, Any]:
    area = layer.area
    projection: dict[str, Any]
    if isinstance(area, CircleArea):
        center = [area.center.lon_deg, area.center.lat_deg]
        projection = {"type": "Circle", "center": center, "radius": area.radius_m}
    else:
        rings = [
            [[p.lon_deg, p.lat_deg] for p in (*ring, ring[0])] for ring in (area.shell, *area.holes)
        ]
        projection = {"type": "Polygon", "coordinates": rings}
    volume: dict[str, Any] = {"uomDimensions": "M"}
    for name, limit in (("lower", layer.floor), ("upper", layer.ceiling)):
        volume[f"{name}Limit"] = None if limit is None else _decimal(limit.value_m)
        volume[f"{name}VerticalReference"] = "AGL" if limit is None else str(limit.datum)
    return {**volume, "horizontalProjection": projection}


def _decimal(value_m: float) -> str:
    """The shortest decimal text that reads back as the same number."""
    text = repr(value_m)
    if "e" in text:
        # far below a millimetre: written out, never as a power of ten
        text = f"{value_m:.9f}" if math.isfinite(value_m) else text
    return text.removesuffix(".0")
