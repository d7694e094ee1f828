"""Whole zone files of our own, one of everything that each format can say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

OPENAIR = """* our own
AC R
AN Harbour
AY R
AI 17
AF 122.8
AG Harbour control
AL GND
AH 1500ft AGL
SP 0,1,255,0,0
V X=60:10:00 N 024:55:00 E
DC 0.5
AC P
AN Dam
AL 100 ft AMSL
AH FL65
DP 60:00:00 N 024:00:00 E
DP 60:00:00 N 024:30:00 E
DP 60:15.5 N 024:30.0 E
DP 60.25N 24E
AC CTR
AN Field
V X=60:19:00 N 024:58:00 E
V D=-
DA 3,200,10
AC D
AN Sector
V X=60:10:00 N 024:00:00 E
DP 60:10:00 N 024:00:00 E
DB 60:15:00 N 024:00:00 E, 60:10:00 N 024:10:02 E
AC W
AN Gliders
V X=61:00:00 N 025:00:00 E
DC 2
DC 1
TO Coast
DP 60:00:00 N 024:00:00 E
AC Q
AN Rifles
AA 2026-01-01T00:00Z/NONE
DP 61:00:00 N 026:00:00 E
DP 61:00:00 N 026:30:00 E
DP 61:15:00 N 026:30:00 E
"""

_RING = "24.90,60.10,80 24.95,60.10,80 24.95,60.15,90 24.90,60.10,80"
_HOLE = "24.93,60.11 24.94,60.11 24.94,60.12 24.93,60.11"

KML = f"""<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2">
<Document>
<Style id="x"/>
<Folder>
<Placemark id="P1">
<name>Park</name>
<TimeSpan>
<begin>2026-01-01T00:00:00Z</begin>
<end>2027-01-01T00:00:00Z</end>
</TimeSpan>
<ExtendedData>
<Data name="kind"><value>restricted</value></Data>
<Data name="permit"><value>K1</value></Data>
<Data name="ceiling"><value>120 m AGL</value></Data>
<Data name="classes"><value>multirotor, robot</value></Data>
</ExtendedData>
<Polygon>
<outerBoundaryIs><LinearRing><coordinates>{_RING}</coordinates></LinearRing></outerBoundaryIs>
<innerBoundaryIs><LinearRing><coordinates>{_HOLE}</coordinates></LinearRing></innerBoundaryIs>
</Polygon>
</Placemark>
</Folder>
<Placemark>
<name>Mast</name>
<ExtendedData>
<Data name="kind"><value>no_fly</value></Data>
</ExtendedData>
<MultiGeometry>
<Polygon>
<extrude>1</extrude>
<altitudeMode>absolute</altitudeMode>
<outerBoundaryIs><LinearRing><coordinates>{_RING}</coordinates></LinearRing></outerBoundaryIs>
</Polygon>
<Polygon>
<outerBoundaryIs><LinearRing><coordinates>{_RING}</coordinates></LinearRing></outerBoundaryIs>
</Polygon>
</MultiGeometry>
</Placemark>
</Document>
</kml>
"""


def community() -> bytes:
    """The example file of the documentation: schedules, surfaces, speeds, permits."""
    return (Path(__file__).resolve().parents[2] / "docs" / "community-zones.geojson").read_bytes()


_SQUARE = [[24.90, 60.10], [24.95, 60.10], [24.95, 60.15], [24.90, 60.15], [24.90, 60.10]]
_PERIODS: list[dict[str, Any]] = [
    {
        "startDateTime": "2026-01-01T00:00:00Z",
        "endDateTime": "2026-12-31T23:59:59+02:00",
        "schedule": [
            {"day": ["MON", "FRI"], "startTime": "08:00:00Z", "endTime": "17:30:00Z"},
            {"day": ["SUN"], "startTime": "20:00:00-05:00", "endTime": "23:59:59-05:00"},
            {"day": ["ANY"], "startEvent": "SS", "endEvent": "SR"},
        ],
    },
    {"startDateTime": "2027-06-01T00:00:00+02:00"},
]


def timed(form: str) -> dict[str, Any]:
    """Stacked layers, a circle, periods, authorities, texts in two languages."""
    words: dict[str, Any] = {
        "identifier": "FIN0001",
        "country": "FIN",
        "region": 1,
        "reason": ["SENSITIVE", "NOISE"],
        "regulationExemption": "NO",
        "restrictionConditions": "Ask first",
    }
    if form == "ed318":
        circle = {"subType": "Circle", "radius": 500.0}
        limits = {"upper": 120, "upperReference": "AGL", "lower": 0, "lowerReference": "AGL"}
        top = {"upper": 99999, "upperReference": "AMSL", "lower": 400, "lowerReference": "WGS84"}
        geometry = {
            "type": "GeometryCollection",
            "geometries": [
                {"type": "Polygon", "coordinates": [_SQUARE], "layer": {**limits, "uom": "m"}},
                {"type": "Polygon", "coordinates": [_SQUARE], "layer": {**top, "uom": "ft"}},
                {"type": "Point", "coordinates": [24.7, 60.2], "extent": circle},
            ],
        }
        more = {
            "type": "CONDITIONAL",
            "variant": "COMMON",
            "name": [{"text": "Satama", "lang": "fi-FI"}, {"text": "Harbour", "lang": "en-GB"}],
            "zoneAuthority": [{"purpose": "AUTHORIZATION", "email": "a@example.org"}],
            "limitedApplicability": _PERIODS,
        }
        feature = {"type": "Feature", "geometry": geometry, "properties": {**words, **more}}
        valid = {"validFrom": "2026-01-01T00:00:00Z"}
        return {"type": "FeatureCollection", "metadata": valid, "features": [feature]}
    volume = {
        "uomDimensions": "M", "lowerLimit": "0", "lowerVerticalReference": "AGL",
        "upperLimit": "120", "upperVerticalReference": "AGL",
        "horizontalProjection": {"type": "Polygon", "coordinates": [_SQUARE]},
    }  # fmt: skip
    round_one = {"type": "Circle", "center": [24.7, 60.2], "radius": 500}
    upper = {**volume, "uomDimensions": "FT", "upperLimit": None, "lowerLimit": 400}
    zone = {
        **words,
        "type": "COMMON",
        "restriction": "REQ_AUTHORISATION",
        "name": "Harbour",
        "message": "Ships",
        "uSpaceClass": "EUROCAE",
        "applicability": [{"permanent": "NO", **period} for period in _PERIODS],
        "zoneAuthority": [{"name": "Harbour master", "phone": "+3585", "purpose": "AUTHORIZATION"}],
        "geometry": [volume, upper, {**volume, "horizontalProjection": round_one}],
    }
    return {"formatVersion": "1.0.0", "UASZoneList": [zone]}
