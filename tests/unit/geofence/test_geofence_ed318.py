"""ED-318: the standard's own examples, what is written validates, nonsense is refused by name."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path

import jsonschema
import pytest
from referencing import Registry, Resource

from geofence.errors import ZoneFileError
from geofence.formats.ed318 import read_zones, write_zones
from geofence.frames import Altitude, Datum, LatLon
from geofence.schedule import Calendar, Schedule, Window
from geofence.sun import SunEvent
from geofence.zones import CircleArea, PolygonArea, VehicleClass, Zone, ZoneKind

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("WAYPOST_SHARED_DATA", ROOT / "../shared/data")) / "ed318"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no ED-318 schema at {DATA}")

RING = [[24.90, 60.10], [24.95, 60.10], [24.95, 60.15], [24.90, 60.15], [24.90, 60.10]]
FINLAND = {"country": "FIN"}


def schema_faults(document: dict) -> list[str]:
    files = {path.name: json.loads(path.read_text()) for path in (DATA / "schema").glob("*.json")}
    registry = Registry().with_resources(
        [
            (f"{prefix}{name}", Resource.from_contents(content))
            for name, content in files.items()
            for prefix in ("", "./")
        ]
    )
    validator = jsonschema.Draft7Validator(
        files["Schema_GeoZones.json"],
        registry=registry,
        format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER,
    )
    return [error.message for error in validator.iter_errors(document)]


def feature(identifier: str = "FIN0001", geometry: dict | None = None, **changes) -> dict:
    properties = {
        "identifier": identifier,
        "country": "FIN",
        "name": [{"text": "Satama", "lang": "fi-FI"}, {"text": "Harbour", "lang": "en-GB"}],
        "type": "PROHIBITED",
        "variant": "COMMON",
        "reason": ["SENSITIVE"],
        "message": [{"text": "Ships", "lang": "en-GB"}],
        "zoneAuthority": [{"purpose": "INFORMATION", "email": "zones@example.org"}],
    } | changes
    return {
        "type": "Feature",
        "geometry": geometry or {"type": "Polygon", "coordinates": [RING]},
        "properties": {key: value for key, value in properties.items() if value is not None},
    }


def document(*features: dict, **changes) -> dict:
    return {"type": "FeatureCollection", "features": list(features)} | changes


def read(*features: dict, **options) -> tuple[Zone, ...]:
    return read_zones(json.dumps(document(*features)), **options)


def faults(*features: dict, **changes) -> list[tuple[str, str]]:
    with pytest.raises(ZoneFileError) as caught:
        read_zones(json.dumps(document(*features, **changes)))
    assert all(error.reason for error in caught.value.errors)
    return [(error.feature, error.field) for error in caught.value.errors]


@needs_data
@pytest.mark.parametrize("name", ["Circle", "2_Layers", "with_extension", "Collection"])
def test_the_examples_come_back_and_validate(name) -> None:
    (path,) = (DATA / "examples").glob(f"Example*{name}.json")
    original = json.loads(path.read_text())
    zones = read_zones(path.read_bytes())
    written = write_zones(zones)
    assert schema_faults(written) == []
    assert read_zones(json.dumps(written)) == zones
    for before, after in zip(original["features"], written["features"], strict=True):
        assert after["properties"] == before["properties"]
        assert after["geometry"] == before["geometry"]


@needs_data
def test_the_invalid_example_is_refused() -> None:
    data = (DATA / "examples/InvalidExample_GeoZone_2_Layers.json").read_bytes()
    assert schema_faults(json.loads(data))
    with pytest.raises(ZoneFileError) as caught:
        read_zones(data)
    named = {(error.feature, error.field) for error in caught.value.errors}
    assert named == {("file", "metadata.validFrom"), ("NFZ6547", "type"), ("NFZ6547", "name")}


def test_a_zone_is_what_it_says() -> None:
    (zone,) = read(feature())
    assert (zone.zone_id, zone.name, zone.note) == ("FIN0001", "Harbour", "Ships")
    assert (zone.kind, zone.permit) == (ZoneKind.NO_FLY, None)
    assert (zone.floor, zone.ceiling) == (None, None)
    assert zone.classes == {VehicleClass.MULTIROTOR}
    assert zone.source is not None
    assert (zone.source.form, zone.source.country, zone.source.type) == (
        "ed318", "FIN", "PROHIBITED",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("word", "kind", "permit"),
    [
        ("PROHIBITED", ZoneKind.NO_FLY, None),
        ("REQ_AUTHORIZATION", ZoneKind.RESTRICTED, "FIN0001"),
        ("CONDITIONAL", ZoneKind.RESTRICTED, "FIN0001"),
        ("USPACE", ZoneKind.RESTRICTED, "FIN0001"),
        ("NO_RESTRICTION", ZoneKind.ADVISORY, None),
    ],
)
def test_types(word, kind, permit) -> None:
    zones = read(feature(type=word))
    assert [(zone.kind, zone.permit) for zone in zones] == [(kind, permit)]
    assert write_zones(zones)["features"][0]["properties"]["type"] == word


def layered(**layer) -> dict:
    return {"type": "Polygon", "coordinates": [RING], "layer": layer}


@pytest.mark.parametrize(
    ("layer", "floor", "ceiling"),
    [
        ({}, None, None),
        ({"upper": 99999, "upperReference": "AGL"}, None, None),
        ({"upper": 99999}, None, None),
        ({"upper": 120, "upperReference": "AGL"}, None, Altitude(120.0, Datum.AGL)),
        (
            {"upper": 400, "upperReference": "AMSL", "uom": "ft"},
            None,
            Altitude(121.92, Datum.AMSL),
        ),
        (
            {"lower": -20, "lowerReference": "WGS84", "upper": 99999, "upperReference": "AGL"},
            Altitude(-20.0, Datum.WGS84),
            None,
        ),
    ],
)
def test_layers(layer, floor, ceiling) -> None:
    zones = read(feature(geometry=layered(**layer)))
    assert [(zone.floor, zone.ceiling) for zone in zones] == [(floor, ceiling)]
    assert read_zones(json.dumps(write_zones(zones))) == zones


@pytest.mark.parametrize(
    ("layer", "field"),
    [
        ({"upper": 120}, "upper"),
        ({"upper": "120", "upperReference": "AGL"}, "upper"),
        ({"upper": 120, "upperReference": "FL"}, "upper"),
        ({"lower": 99999, "lowerReference": "AGL"}, "lower"),
        ({"lower": -99999, "lowerReference": "AGL"}, "lower"),
        ({"lower": 9, "lowerReference": "AGL", "upper": 8, "upperReference": "AGL"}, "lower"),
        ({"upper": 120, "upperReference": "AGL", "uom": "km"}, "uom"),
        ({"top": 120}, "top"),
    ],
)
def test_layers_that_mean_nothing(layer, field) -> None:
    bad = feature(geometry=layered(**layer))
    assert faults(bad) == [("FIN0001", f"geometry.layer.{field}")]
    (zone,) = read(bad, unknown="forbid")
    assert (zone.kind, zone.floor, zone.ceiling) == (ZoneKind.NO_FLY, None, None)
    assert zone.classes == frozenset()
    assert field in zone.note


def test_a_circle_stays_a_circle_and_layers_are_numbered() -> None:
    circle = {
        "type": "Point",
        "coordinates": [24.9, 60.1],
        "extent": {"subType": "Circle", "radius": 350.5},
        "layer": {"lower": 50, "lowerReference": "AGL"},
    }
    plain = {"type": "Polygon", "coordinates": [RING]}
    stacked = {"type": "GeometryCollection", "geometries": [circle, plain]}
    zones = read(feature(geometry=stacked))
    assert [zone.zone_id for zone in zones] == ["FIN0001#1", "FIN0001#2"]
    assert zones[0].area == CircleArea(LatLon(60.1, 24.9), 350.5)
    assert zones[0].floor == Altitude(50.0, Datum.AGL)
    assert isinstance(zones[1].area, PolygonArea)
    assert zones[1].floor is None
    assert {zone.permit for zone in zones} == {None}
    assert read_zones(json.dumps(write_zones(zones))) == zones


@pytest.mark.parametrize(
    ("geometry", "field"),
    [
        ({"type": "Point", "coordinates": [24.9, 60.1]}, "geometry.extent"),
        (
            {
                "type": "Point",
                "coordinates": [24.9, 60.1],
                "extent": {"subType": "Circle", "radius": 0},
            },
            "radius_m",
        ),
        (
            {
                "type": "Point",
                "coordinates": [24.9, 60.1],
                "extent": {"subType": "Ellipse", "radius": 10},
            },
            "geometry.extent",
        ),
        ({"type": "LineString", "coordinates": RING}, "geometry"),
        ({"type": "GeometryCollection", "geometries": []}, "geometry"),
        ({"type": "GeometryCollection", "geometries": [None]}, "geometry.geometries[0]"),
        ({"type": "Polygon", "coordinates": [[RING[0], RING[2], RING[1], RING[3], RING[0]]]},
         "geometry"),
    ],
)  # fmt: skip
def test_an_area_that_is_none_is_refused_whatever_the_operator_says(geometry, field) -> None:
    bad = feature(geometry=geometry)
    assert faults(bad) == [("FIN0001", field)]
    with pytest.raises(ZoneFileError):
        read(bad, unknown="forbid")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"identifier": "TOOLONG8"}, "identifier"),
        ({"identifier": ""}, "identifier"),
        ({"country": "FI"}, "country"),
        ({"type": "REQ_AUTHORISATION"}, "type"),
        ({"type": ["PROHIBITED"]}, "type"),
        ({"variant": None}, "variant"),
        ({"zoneAuthority": None}, "zoneAuthority"),
        ({"zoneAuthority": []}, "zoneAuthority"),
        ({"zoneAuthority": [{}]}, "zoneAuthority[0].purpose"),
        ({"zoneAuthority": [{"purpose": "INFORMATION", "email": "none"}]},
         "zoneAuthority[0].email"),
        ({"zoneAuthority": [{"purpose": "INFORMATION", "intervalBefore": "soon"}]},
         "zoneAuthority[0].intervalBefore"),
        ({"reason": ["NOISY"]}, "reason"),
        ({"reason": "NOISE"}, "reason"),
        ({"name": "Harbour"}, "name"),
        ({"name": [{"text": "x" * 201, "lang": "en"}]}, "name"),
        ({"region": 1.5}, "region"),
        ({"regulationExemption": True}, "regulationExemption"),
        ({"extendedProperties": 7}, "extendedProperties"),
        ({"dataSource": 7}, "dataSource"),
        ({"colour": "red"}, "colour"),
        ({"limitedApplicability": {}}, "limitedApplicability"),
    ],
)  # fmt: skip
def test_properties_that_are_not_understood(change, field) -> None:
    bad = feature(**change)
    assert [f for _, f in faults(bad)] == [field]
    (zone,) = read(bad, unknown="forbid")
    assert (zone.kind, zone.schedule) == (ZoneKind.NO_FLY, Schedule())
    assert zone.note.startswith("not understood, taken as forbidden")


def test_every_fault_of_every_feature_is_told() -> None:
    found = faults(
        feature("A", type="X", country="Y"),
        feature("B"),
        feature("B"),
        feature("C", geometry={"type": "Point", "coordinates": [1, 2]}, reason="Z"),
    )
    assert found == [
        ("A", "country"),
        ("A", "type"),
        ("B", "id"),
        ("C", "geometry.extent"),
        ("C", "reason"),
    ]


def test_two_features_of_one_id_are_both_forbidden_if_so_told() -> None:
    zones = read(feature("B", type="NO_RESTRICTION"), feature("B"), unknown="forbid")
    assert [(z.zone_id, z.kind) for z in zones] == [
        ("B", ZoneKind.ADVISORY),
        ("B~2", ZoneKind.NO_FLY),
    ]


@pytest.mark.parametrize("data", ["", "[]", "{", '{"type": "FeatureCollection"}', "null", "[NaN]"])
def test_a_file_that_is_none(data) -> None:
    for unknown in ("refuse", "forbid"):
        with pytest.raises(ZoneFileError) as caught:
            read_zones(data, unknown=unknown)
        assert caught.value.errors[0].feature == "file"


def period(*days: dict, **changes) -> list[dict]:
    return [{"schedule": list(days), **changes}]


@pytest.mark.parametrize(
    ("applicability", "expected"),
    [
        ([], Schedule()),
        ([{}], Schedule()),
        (period({"day": ["ANY"]}), Schedule((Window(),))),
        (
            period({"day": ["MON", "SUN"], "startTime": "08:00:00Z", "endTime": "17:30:00Z"}),
            Schedule((Window(frozenset({0, 6}), time(8), time(17, 30)),)),
        ),
        (
            # half past midnight in Helsinki is still the day before in UTC
            period({"day": ["MON"], "startTime": "00:30:00+02:00", "endTime": "08:00:00+02:00"}),
            Schedule((Window(frozenset({6}), time(22, 30), time(6)),)),
        ),
        (
            period({"day": ["SUN"], "startTime": "20:00:00-05:00", "endTime": "23:59:59-05:00"}),
            Schedule((Window(frozenset({0}), time(1), time(5)),)),
        ),
        (
            [
                {"startDateTime": "2026-01-01T00:00:00Z", "endDateTime": "2026-02-01T00:00:00Z"},
                {"startDateTime": "2026-06-01T00:00:00+02:00"},
            ],
            Calendar(
                (
                    Schedule(
                        (),
                        "UTC",
                        datetime(2026, 1, 1, tzinfo=UTC),
                        datetime(2026, 2, 1, tzinfo=UTC),
                    ),
                    Schedule((), "UTC", datetime(2026, 5, 31, 22, tzinfo=UTC)),
                )
            ),
        ),
    ],
)
def test_periods(applicability, expected) -> None:
    zones = read(feature(limitedApplicability=applicability))
    assert zones[0].schedule == expected
    assert read_zones(json.dumps(write_zones(zones))) == zones


def test_daylight_events_know_the_zones_place() -> None:
    day = {"day": ["ANY"], "startEvent": "SS", "endEvent": "SR"}
    (zone,) = zones = read(feature(limitedApplicability=period(day)))
    assert zone.schedule.periods if isinstance(zone.schedule, Calendar) else zone.schedule.places
    midnight = datetime(2026, 12, 1, 22, tzinfo=UTC)
    noon = datetime(2026, 12, 1, 10, tzinfo=UTC)
    assert zone.schedule.active_throughout(midnight, midnight)
    assert not zone.schedule.active_during(noon, noon)
    assert read_zones(json.dumps(write_zones(zones))) == zones


@pytest.mark.parametrize(
    ("day", "field"),
    [
        ({}, "day"),
        ({"day": []}, "day"),
        ({"day": "MON"}, "day"),
        ({"day": ["mon"]}, "day"),
        ({"day": ["MON"], "startTime": "08:00"}, "startTime"),
        ({"day": ["MON"], "startTime": "25:00:00Z"}, "startTime"),
        ({"day": ["MON"], "startTime": 8}, "startTime"),
        ({"day": ["MON"], "endTime": "08:60:00Z"}, "endTime"),
        ({"day": ["MON"], "endTime": "08:00:00Z", "endEvent": "SS"}, "endEvent"),
        ({"day": ["MON"], "startEvent": "NOON"}, "startEvent"),
        ({"day": ["MON"], "start": "08:00:00Z"}, "start"),
    ],
)
def test_daily_periods_that_are_not_understood(day, field) -> None:
    bad = feature(limitedApplicability=period(day))
    assert faults(bad) == [("FIN0001", f"limitedApplicability[0].schedule[0].{field}")]


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"startDateTime": "2026-01-01T00:00:00"}, "startDateTime"),
        ({"startDateTime": "Monday"}, "startDateTime"),
        ({"endDateTime": 5}, "endDateTime"),
        (
            {"startDateTime": "2026-01-02T00:00:00Z", "endDateTime": "2026-01-01T00:00:00Z"},
            "endDateTime",
        ),
        ({"schedule": {}}, "schedule"),
        ({"until": "2026-01-01T00:00:00Z"}, "until"),
    ],
)
def test_periods_that_are_not_understood(item, field) -> None:
    bad = feature(limitedApplicability=[item])
    assert faults(bad) == [("FIN0001", f"limitedApplicability[0].{field}")]


def test_an_old_collection_still_forbids() -> None:
    text = json.dumps(document(feature(), metadata={"validTo": "2001-01-01T00:00:00Z"}))
    (zone,) = read_zones(text)
    assert zone.schedule == Schedule()


SQUARE = PolygonArea(tuple(LatLon(lat, lon) for lon, lat in RING[:4]))


@pytest.mark.parametrize(
    ("zone", "field"),
    [
        (Zone("A", "", ZoneKind.KEEP_IN, SQUARE), "kind"),
        (Zone("TOOLONG8", "", ZoneKind.NO_FLY, SQUARE), "identifier"),
        (Zone("A", "x" * 201, ZoneKind.NO_FLY, SQUARE), "name"),
        (
            Zone("A", "", ZoneKind.NO_FLY, SQUARE, classes=frozenset({VehicleClass.ROBOT})),
            "classes",
        ),
        (
            Zone(
                "A",
                "",
                ZoneKind.NO_FLY,
                SQUARE,
                schedule=Schedule((Window(),), "Europe/Helsinki"),
            ),
            "schedule",
        ),
    ],
)
def test_what_cannot_be_said_is_not_written(zone, field) -> None:
    with pytest.raises(ZoneFileError) as caught:
        write_zones([zone], **FINLAND)
    assert [error.field for error in caught.value.errors] == [field]


def test_a_country_is_needed() -> None:
    zone = Zone("A", "", ZoneKind.NO_FLY, SQUARE)
    with pytest.raises(ZoneFileError, match="country"):
        write_zones([zone])


@needs_data
def test_our_own_zones_validate_too() -> None:
    zone = Zone(
        "GATE",
        "Gate",
        ZoneKind.RESTRICTED,
        CircleArea(LatLon(60.0, 25.0), 12.5),
        Altitude(0.1, Datum.AMSL),
        Altitude(30.0, Datum.AGL),
        Schedule((Window(frozenset({1}), SunEvent.BMCT, time(9, 0, 0, 5)),)),
        permit="GATE",
        note="ask the warden",
    )
    written = write_zones([zone], **FINLAND)
    assert schema_faults(written) == []
    properties = written["features"][0]["properties"]
    assert properties["type"] == "REQ_AUTHORIZATION"
    assert properties["zoneAuthority"] == [{"purpose": "AUTHORIZATION"}]
    (again,) = read_zones(json.dumps(written))
    assert (again.note, again.permit, again.area) == (zone.note, zone.permit, zone.area)


def test_one_layer_changed_by_hand_does_not_hide_in_its_feature() -> None:
    stacked = {
        "type": "GeometryCollection",
        "geometries": [{"type": "Polygon", "coordinates": [RING]}, layered(upper=99999)],
    }
    first, second = read(feature(geometry=stacked))
    changed = replace(second, kind=ZoneKind.ADVISORY)
    with pytest.raises(ZoneFileError, match="other rules"):
        write_zones([first, changed])
