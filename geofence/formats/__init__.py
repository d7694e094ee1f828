"""Zone files: each module reads and writes one format. Pure: text in, zones out.

Owns the front that tells the formats apart by what is in the file: `read_any`. A file of JSON is
ED-269 (UASZoneList, or features that are no GeoJSON), ED-318 (a FeatureCollection whose features
have an identifier, a variant or a zoneAuthority) or else our GeoJSON; XML is KML; lines that begin
with AC are OpenAir.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geofence.formats import ed269, ed318, geojson, kml, openair
from geofence.formats.fields import check_timezone
from geofence.formats.files import NOT_UNDERSTOOD, Unknown, decode_json, decode_text, refused
from geofence.zones import Zone

__all__ = ["FORMATS", "NOT_UNDERSTOOD", "Unknown", "format_of", "read_any"]

FORMATS = ("geojson", "ed269", "ed318", "openair", "kml")

_ED318_WORDS = frozenset({"identifier", "variant", "zoneAuthority", "limitedApplicability"})


def read_any(
    data: bytes | str,
    name: str = "",
    *,
    form: str = "auto",
    profile: str = "waypost",
    unknown: Unknown = "refuse",
    timezone: str | None = None,
) -> tuple[Zone, ...]:
    """The zones of a file in any of FORMATS; `form` names it where its content shall not tell.

    `name` (of the file) is for messages alone. `profile` is of GeoJSON. `timezone` (IANA) is of
    times without an offset in ED-269, ED-318 and KML; our GeoJSON names its own, OpenAir has none.
    Raises ZoneFileError with every fault found, ValueError for a format, profile or time zone
    that does not exist.
    """
    check_timezone(timezone)
    chosen = format_of(data, name) if form == "auto" else form
    match chosen:
        case "geojson":
            return geojson.read_zones(data, profile=profile, unknown=unknown)
        case "ed269":
            return ed269.read_zones(data, unknown=unknown, timezone=timezone)
        case "ed318":
            return ed318.read_zones(data, unknown=unknown, timezone=timezone)
        case "openair":
            return openair.read_zones(data, unknown=unknown)
        case "kml":
            return kml.read_zones(data, unknown=unknown, timezone=timezone)
        case _:
            raise ValueError(f"no zone format {form!r}: use auto or one of {', '.join(FORMATS)}")


def format_of(data: bytes | str, name: str = "") -> str:
    """Which of FORMATS a file is in, by its content. Raises ZoneFileError where none fits."""
    if isinstance(data, bytes) and data.startswith(b"PK"):
        return "kml"
    text = decode_text(data, latin=True).lstrip("\ufeff \t\r\n")
    if text.startswith(("{", "[")):
        return _json_format(decode_json(data))
    if text.startswith("<"):
        return "kml"
    for line in text.splitlines():
        words = line.split()
        if words and not words[0].startswith(("*", "#")):
            if words[0].upper() == "AC":
                return "openair"
            break
    said = f"{name}: " if name else ""
    raise refused(
        "format", f"{said}none of {', '.join(FORMATS)} by its content: name one with --format"
    )


def _json_format(document: Any) -> str:
    if not isinstance(document, Mapping):
        return "geojson"
    if document.get("type") != "FeatureCollection":
        return "ed269" if {"UASZoneList", "features"} & set(document) else "geojson"
    features = document.get("features")
    for feature in features if isinstance(features, list) else []:
        properties = feature.get("properties") if isinstance(feature, Mapping) else None
        if isinstance(properties, Mapping) and _ED318_WORDS & set(properties):
            return "ed318"
    return "geojson"
