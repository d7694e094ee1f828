"""KML polygons as zones, and the front that tells the formats apart."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from geofence.errors import ZoneFileError
from geofence.formats import format_of, read_any
from geofence.formats.kml import read_zones
from geofence.frames import Altitude, Datum
from geofence.schedule import Schedule
from geofence.zones import PolygonArea, VehicleClass, ZoneKind

RING = "24.90,60.10,80 24.95,60.10,80 24.95,60.15,90 24.90,60.10,80"
HOLE = "24.93,60.11 24.94,60.11 24.94,60.12 24.93,60.11"


def polygon(extra: str = "", hole: str = "", ring: str = RING) -> str:
    inner = (
        f"<innerBoundaryIs><LinearRing><coordinates>{hole}</coordinates></LinearRing>"
        "</innerBoundaryIs>"
        if hole
        else ""
    )
    return (
        f"<Polygon>{extra}<outerBoundaryIs><LinearRing><coordinates>{ring}</coordinates>"
        f"</LinearRing></outerBoundaryIs>{inner}</Polygon>"
    )


def data(**values: str) -> str:
    items = "".join(f'<Data name="{k}"><value>{v}</value></Data>' for k, v in values.items())
    return f"<ExtendedData>{items}</ExtendedData>"


def kml(*parts: str, name: str = "Park") -> str:
    marks = "".join(f"<Placemark><name>{name}</name>{part}</Placemark>" for part in parts)
    return (
        '<?xml version="1.0" encoding="UTF-8"?><kml xmlns="http://www.opengis.net/kml/2.2">'
        f"<Document><Style id='x'/><Folder>{marks}</Folder></Document></kml>"
    )


def faults(text: str | bytes, **options) -> list[tuple[str, str]]:
    with pytest.raises(ZoneFileError) as caught:
        read_zones(text, **options)
    return [(error.feature, error.field) for error in caught.value.errors]


def test_a_placemark_is_a_zone() -> None:
    told = data(
        kind="restricted", permit="K1", ceiling="120 m AGL", classes="multirotor, robot", note="Ask"
    )
    (zone,) = read_zones(kml(told + polygon(hole=HOLE)))
    assert (zone.zone_id, zone.name, zone.note) == ("Park", "Park", "Ask")
    assert (zone.kind, zone.permit) == (ZoneKind.RESTRICTED, "K1")
    assert (zone.floor, zone.ceiling) == (None, Altitude(120.0, Datum.AGL))
    assert zone.classes == set(VehicleClass)
    assert isinstance(zone.area, PolygonArea)
    assert len(zone.area.holes) == 1


@pytest.mark.parametrize(
    ("extra", "ceiling"),
    [
        ("", None),
        ("<altitudeMode>relativeToGround</altitudeMode>", None),
        (
            "<extrude>1</extrude><altitudeMode>relativeToGround</altitudeMode>",
            Altitude(90.0, Datum.AGL),
        ),
        ("<extrude>1</extrude><altitudeMode>absolute</altitudeMode>", Altitude(90.0, Datum.AMSL)),
        ("<extrude>1</extrude><altitudeMode>clampToGround</altitudeMode>", None),
    ],
)
def test_altitude_modes(extra, ceiling) -> None:
    (zone,) = read_zones(kml(data(kind="no_fly") + polygon(extra)))
    assert (zone.floor, zone.ceiling) == (None, ceiling)


def test_several_polygons_are_numbered() -> None:
    both = f"<MultiGeometry>{polygon()}{polygon()}</MultiGeometry>"
    zones = read_zones(kml(data(kind="advisory") + both))
    assert [zone.zone_id for zone in zones] == ["Park#1", "Park#2"]


@pytest.mark.parametrize(
    ("part", "field"),
    [
        (polygon(), "ExtendedData.kind"),
        (data(kind="forbidden") + polygon(), "ExtendedData.kind"),
        (data(kind="no_fly", buffer_m="3") + polygon(), "ExtendedData.buffer_m"),
        (data(kind="no_fly", floor="high") + polygon(), "ExtendedData.floor"),
        (data(kind="no_fly", floor="9m AGL", ceiling="8m AGL") + polygon(), "floor"),
        (data(kind="no_fly", classes="balloon") + polygon(), "ExtendedData.classes"),
        (data(kind="no_fly") + polygon("<altitudeMode>up</altitudeMode>"), "altitudeMode"),
        (data(kind="no_fly") + "<TimeSpan><begin>1997</begin></TimeSpan>" + polygon(),
         "TimeSpan.begin"),
        (data(kind="no_fly") + "<TimeStamp/>" + polygon(), "TimeStamp"),
    ],
)  # fmt: skip
def test_rules_that_are_not_understood_are_refused_or_forbidden(part, field) -> None:
    assert faults(kml(part)) == [("Park", field)]
    (zone,) = read_zones(kml(part), unknown="forbid")
    assert (zone.kind, zone.floor, zone.ceiling) == (ZoneKind.NO_FLY, None, None)


@pytest.mark.parametrize(
    ("shape", "field"),
    [
        ("", "Polygon"),
        ("<Point><coordinates>1,2</coordinates></Point>", "Point"),
        (polygon() + "<LineString/>", "LineString"),
        (polygon(ring="1,2 3,4"), "geometry"),
        (polygon(ring="1;2 3;4"), "coordinates"),
        (polygon(ring=RING.replace("60.15", "95")), "geometry"),
        ("<Polygon/>", "outerBoundaryIs"),
    ],
)
def test_an_area_that_is_none_is_refused(shape, field) -> None:
    for unknown in ("refuse", "forbid"):
        assert faults(kml(data(kind="no_fly") + shape), unknown=unknown) == [("Park", field)]


def test_what_is_elsewhere_is_not_ignored() -> None:
    link = "<NetworkLink><name>more</name></NetworkLink>"
    text = kml(data(kind="no_fly") + polygon()).replace("<Folder>", f"<Folder>{link}")
    assert faults(text) == [("more", "NetworkLink")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<kml>",
        "<gpx/>",
        b"PK\x03\x04",
        '<!DOCTYPE kml [<!ENTITY a "b">]><kml>&a;</kml>',
        "<kml>" + "<Folder>" * 200 + "</Folder>" * 200 + "</kml>",
        b'<?xml version="1.0" encoding="klingon"?><kml/>',
    ],
)
def test_a_file_that_is_none(text) -> None:
    assert faults(text)[0][0] == "file"


def collection(**properties) -> str:
    return json.dumps(
        {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": properties}]}
    )


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (collection(kind="no_fly", id="A"), "geojson"),
        (collection(identifier="A"), "ed318"),
        (collection(zoneAuthority=[]), "ed318"),
        ('{"UASZoneList": []}', "ed269"),
        ('{"features": [{"identifier": "A"}]}', "ed269"),
        ("[]", "geojson"),
        ("\ufeff<kml/>", "kml"),
        ("* comment\r\n\r\nAC R\r\n", "openair"),
    ],
)
def test_the_content_tells_the_format(text, form) -> None:
    assert format_of(text) == form
    assert format_of(text.encode()) == form


@pytest.mark.parametrize("text", ["", "hello", "* only a comment", "{"])
def test_no_format_fits(text) -> None:
    with pytest.raises(ZoneFileError):
        read_any(text, "zones.bin")


def test_a_format_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="aixm"):
        read_any("{}", form="aixm")
    with pytest.raises(ValueError, match="ignore"):
        read_any(kml(), unknown="ignore")


def test_an_empty_kml_has_no_zones() -> None:
    assert read_any(kml()) == ()


@pytest.mark.parametrize(
    ("inside", "field"),
    [
        (f"<Wrapper>{polygon()}</Wrapper>{polygon()}", "Polygon"),
        (f"{polygon()}<Placemark><name>Q</name>{polygon()}</Placemark>", "Polygon"),
        ("<TimeSpan><end>2026-01-01T00:00:00</end></TimeSpan>" + polygon(), "TimeSpan.end"),
        ("<TimeSpan/><TimeSpan/>" + polygon(), "TimeSpan"),
    ],
)
def test_nothing_of_a_placemark_is_passed_over(inside, field) -> None:
    assert faults(kml(data(kind="no_fly") + inside)) == [("Park", field)]


def test_a_placemark_in_a_strange_place_is_not_passed_over() -> None:
    text = kml(data(kind="no_fly") + polygon()).replace("Folder>", "Update>")
    assert faults(text) == [("Update", "Update")]
    # nor a polygon that is in no Placemark at all
    assert faults(kml().replace("<Folder>", f"<Folder><Region>{polygon()}</Region>")) == [
        ("Region", "Region")
    ]


def test_a_span_of_local_time() -> None:
    span = "<TimeSpan><begin>2026-06-01T08:00:00</begin></TimeSpan>"
    text = kml(data(kind="no_fly") + span + polygon())
    (zone,) = read_zones(text, timezone="Europe/Helsinki")
    assert zone.schedule == Schedule((), "UTC", datetime(2026, 6, 1, 5, tzinfo=UTC))
