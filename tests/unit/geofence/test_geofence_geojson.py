"""Zone files: what is read, what is refused, and that nothing is half read."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, time

import pytest

from geofence.errors import ZoneFileError
from geofence.formats import files, geojson
from geofence.formats.geojson import read_zones, write_zones
from geofence.frames import Altitude, Datum, LatLon
from geofence.zones import (
    ALWAYS,
    CircleArea,
    PolygonArea,
    Schedule,
    VehicleClass,
    Window,
    Zone,
    ZoneKind,
)

SQUARE = [[24.9, 60.1], [25.0, 60.1], [25.0, 60.2], [24.9, 60.2], [24.9, 60.1]]


def feature(zone_id="Z1", geometry=None, **properties) -> dict:
    return {
        "type": "Feature",
        "id": zone_id,
        "geometry": geometry or {"type": "Polygon", "coordinates": [SQUARE]},
        "properties": {"kind": "no_fly"} | properties,
    }


def document(*features) -> str:
    return json.dumps({"type": "FeatureCollection", "features": list(features)})


def refused(text: str | bytes, **options) -> list[tuple[str, str, str]]:
    with pytest.raises(ZoneFileError) as caught:
        read_zones(text, **options)
    assert caught.value.errors
    return [(error.feature, error.field, error.reason) for error in caught.value.errors]


def polygon(*rings) -> dict:
    return {"type": "Polygon", "coordinates": list(rings)}


def test_least_zone() -> None:
    (zone,) = read_zones(document(feature()))
    corners = tuple(LatLon(lat, lon) for lon, lat in SQUARE[:-1])
    assert zone == Zone("Z1", "", ZoneKind.NO_FLY, PolygonArea(corners))
    assert zone.schedule == ALWAYS
    assert zone.binds(VehicleClass.ROBOT)


def test_whole_zone() -> None:
    (zone,) = read_zones(
        document(
            feature(
                name="Stadium",
                kind="restricted",
                geometry={"type": "Point", "coordinates": [24.93, 60.19, 12.0]},
                radius_m=250,
                floor={"value_m": 0, "datum": "AGL"},
                ceiling={"value_m": 120.5, "datum": "AMSL"},
                schedule={
                    "timezone": "Europe/Helsinki",
                    "windows": [{"days": ["sat", "sun"], "start": "16:00", "end": "24:00"}],
                    "valid_from": "2026-01-01T00:00:00Z",
                    "valid_to": "2027-01-01T00:00:00+02:00",
                },
                classes=["multirotor"],
                permit="stadium-desk",
                note="match days",
            )
        )
    )
    assert zone.area == CircleArea(LatLon(60.19, 24.93), 250.0)
    assert zone.floor == Altitude(0.0, Datum.AGL)
    assert zone.ceiling == Altitude(120.5, Datum.AMSL)
    assert zone.schedule.windows == (Window(frozenset({5, 6}), time(16), time(0)),)
    assert zone.schedule.valid_from == datetime(2026, 1, 1, tzinfo=UTC)
    assert zone.schedule.timezone == "Europe/Helsinki"
    assert zone.classes == {VehicleClass.MULTIROTOR}
    assert (zone.permit, zone.note, zone.name) == ("stadium-desk", "match days", "Stadium")
    assert read_zones(json.dumps(write_zones([zone]))) == (zone,)


def test_holes_bytes_and_byte_order_mark() -> None:
    hole = [[24.92, 60.12], [24.94, 60.12], [24.94, 60.14], [24.92, 60.12]]
    text = document(feature(geometry=polygon(SQUARE, hole)))
    (zone,) = read_zones(b"\xef\xbb\xbf" + text.encode())
    assert isinstance(zone.area, PolygonArea)
    assert len(zone.area.holes[0]) == 3
    assert read_zones(json.dumps(write_zones([zone]))) == (zone,)


def test_multipolygon_becomes_one_zone_a_part() -> None:
    other = [[lon + 1.0, lat] for lon, lat in SQUARE]
    geometry = {"type": "MultiPolygon", "coordinates": [[SQUARE], [other]]}
    zones = read_zones(document(feature(geometry=geometry, name="Isles")))
    assert [(z.zone_id, z.name) for z in zones] == [("Z1#1", "Isles"), ("Z1#2", "Isles")]
    single = {"type": "MultiPolygon", "coordinates": [[SQUARE]]}
    assert [z.zone_id for z in read_zones(document(feature(geometry=single)))] == ["Z1"]


def test_id_from_properties_or_number() -> None:
    loose = feature()
    del loose["id"]
    loose["properties"]["id"] = "P"
    assert [z.zone_id for z in read_zones(document(loose, feature(17)))] == ["P", "17"]


def test_repeated_corners_are_dropped() -> None:
    twice = [point for point in SQUARE for _ in range(2)]
    (zone,) = read_zones(document(feature(geometry=polygon(twice))))
    assert isinstance(zone.area, PolygonArea)
    assert len(zone.area.shell) == 4


BOW_TIE = [[24.9, 60.1], [25.0, 60.2], [25.0, 60.1], [24.9, 60.2], [24.9, 60.1]]


@pytest.mark.parametrize(
    ("geometry", "reason"),
    [
        (polygon(BOW_TIE), "bow-tie"),
        (polygon(SQUARE[:-1]), "open"),
        (polygon(SQUARE[:3]), "too short"),
        (polygon([SQUARE[0]] * 5), "fewer than three"),
        (polygon([[24.0, 60.0], [25.0, 60.0], [26.0, 60.0], [24.0, 60.0]]), "no area"),
        (polygon(), "no ring"),
        (polygon([]), "too short"),
        (polygon("ring"), "not a list"),
        (polygon([[24.9, 60.1], None, [25.0, 60.2], [24.9, 60.1]]), "not a position"),
        (polygon([[24.9, 60.1], [25.0], [25.0, 60.2], [24.9, 60.1]]), "not a position"),
        (polygon([[24.9, 60.1], [25.0, True], [25.0, 60.2], [24.9, 60.1]]), "none or not finite"),
        (polygon([[24.9, 60.1], ["25", 60], [25.0, 60.2], [24.9, 60.1]]), "none or not finite"),
        (polygon([[24.9, 60.1], [25.0, 91.0], [25.0, 60.2], [24.9, 60.1]]), "out of range"),
        (polygon([[24.9, 60.1], [190.0, 60], [25.0, 60.2], [24.9, 60.1]]), "out of range"),
        (polygon([[24.9, 60.1], [10**400, 60], [25.0, 60.2], [24.9, 60.1]]), "not finite"),
        (polygon([[-179, 0], [179, 0], [179, 1], [-179, 0]]), "antimeridian"),
        (polygon(SQUARE, [[30, 60], [31, 60], [31, 61], [30, 60]]), "not a polygon"),
        ({"type": "LineString", "coordinates": SQUARE}, "is no area"),
        ({"type": "GeometryCollection", "geometries": []}, "is no area"),
        ({"type": "MultiPolygon", "coordinates": []}, "polygons"),
        ({"type": "MultiPolygon", "coordinates": [[SQUARE], [BOW_TIE]]}, "bow-tie"),
        ("here", "no geometry"),
    ],
)
def test_bad_geometry_is_refused_with_its_feature(geometry, reason) -> None:
    found = refused(document(feature("good"), feature("bad", geometry=geometry)))
    assert [(name, field.partition(",")[0]) for name, field, _ in found] == [("bad", "geometry")]
    assert reason in found[0][2]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none(number) -> None:
    found = refused(document(feature()).replace("60.2", number))
    assert {(name, field) for name, field, _ in found} == {("Z1", "geometry")}
    assert "not finite" in found[0][2]
    found = refused(
        document(feature(floor={"value_m": 5.5, "datum": "AMSL"})).replace("5.5", number)
    )
    assert [(name, field) for name, field, _ in found] == [("Z1", "floor.value_m")]


@pytest.mark.parametrize(
    ("properties", "field"),
    [
        ({"kind": "forbidden"}, "kind"),
        ({"kind": None}, "kind"),
        ({"kind": ["no_fly"]}, "kind"),
        ({"colour": "red"}, "colour"),
        ({"name": 5}, "name"),
        ({"note": ["x"]}, "note"),
        ({"note": "x" * 10_001}, "note"),
        ({"permit": "p"}, "permit"),
        ({"kind": "restricted", "permit": ""}, "permit"),
        ({"kind": "restricted", "permit": 4}, "permit"),
        ({"radius_m": 5}, "radius_m"),
        ({"floor": 50}, "floor"),
        ({"floor": {"value_m": 50}}, "floor.datum"),
        ({"floor": {"value_m": 50, "datum": "HOME"}}, "floor.datum"),
        ({"floor": {"value_m": 50, "datum": ["AGL"]}}, "floor.datum"),
        ({"ceiling": {"value_m": "50", "datum": "AGL"}}, "ceiling.value_m"),
        ({"ceiling": {"value_m": True, "datum": "AGL"}}, "ceiling.value_m"),
        ({"ceiling": {"value_m": 50, "datum": "AGL", "unit": "ft"}}, "ceiling.unit"),
        (
            {
                "floor": {"value_m": 60, "datum": "AGL"},
                "ceiling": {"value_m": 50, "datum": "AGL"},
            },
            "floor",
        ),
        ({"classes": []}, "classes"),
        ({"classes": "multirotor"}, "classes"),
        ({"classes": ["plane"]}, "classes"),
        ({"classes": [{}]}, "classes"),
        ({"schedule": []}, "schedule"),
        ({"schedule": {"zone": "UTC"}}, "schedule.zone"),
        ({"schedule": {"timezone": "Europe/Atlantis"}}, "schedule.timezone"),
        ({"schedule": {"timezone": "../zones"}}, "schedule.timezone"),
        ({"schedule": {"timezone": 3}}, "schedule.timezone"),
        ({"schedule": {"windows": []}}, "schedule.windows"),
        ({"schedule": {"windows": [7]}}, "schedule.windows[0]"),
        (
            {"schedule": {"windows": [{"days": ["mo"], "start": "08:00", "end": "09:00"}]}},
            "schedule.windows[0].days",
        ),
        (
            {"schedule": {"windows": [{"days": [], "start": "08:00", "end": "09:00"}]}},
            "schedule.windows[0].days",
        ),
        (
            {"schedule": {"windows": [{"start": "8", "end": "09:00"}]}},
            "schedule.windows[0].start",
        ),
        (
            {"schedule": {"windows": [{"start": "08:00", "end": "25:00"}]}},
            "schedule.windows[0].end",
        ),
        ({"schedule": {"windows": [{"start": "08:00"}]}}, "schedule.windows[0].end"),
        (
            {"schedule": {"windows": [{"start": "08:00", "end": "09:00", "tz": "UTC"}]}},
            "schedule.windows[0].tz",
        ),
        ({"schedule": {"valid_from": "soon"}}, "schedule.valid_from"),
        ({"schedule": {"valid_from": "2026-01-01T00:00:00"}}, "schedule.valid_from"),
        (
            {"schedule": {"valid_from": "2026-01-02T00:00Z", "valid_to": "2026-01-01T00:00Z"}},
            "schedule.valid_to",
        ),
    ],
)
def test_bad_property_is_refused_with_its_field(properties, field) -> None:
    found = refused(document(feature("good"), feature("bad", **properties)))
    assert [(name, where) for name, where, _ in found] == [("bad", field)]
    assert len(found[0][2]) > 10


@pytest.mark.parametrize("radius", [None, 0, -5, "10", True, 1e9])
def test_point_needs_a_radius(radius) -> None:
    point = {"type": "Point", "coordinates": [25.0, 60.0]}
    found = refused(document(feature(geometry=point, radius_m=radius)))
    assert [field for _, field, _ in found] == ["radius_m"]


def test_every_fault_of_every_feature_is_named() -> None:
    bad = feature(
        "two",
        geometry=polygon(BOW_TIE),
        kind="x",
        floor={"value_m": None, "datum": "QNH"},
        colour="red",
    )
    found = refused(document(feature("one"), bad, feature("one"), {"type": "Thing"}, 5))
    assert {(name, field) for name, field, _ in found} == {
        ("two", "colour"), ("two", "kind"), ("two", "floor.value_m"), ("two", "floor.datum"),
        ("two", "geometry"), ("one", "id"), ("#4", "id"), ("#4", "type"), ("#4", "properties"),
        ("#4", "kind"), ("#4", "geometry"), ("#5", "type"),
    }  # fmt: skip


def test_ids() -> None:
    assert refused(document(feature("a"), feature("a")))[0][:2] == ("a", "id")
    odd = feature("a")
    odd["properties"]["id"] = "b"
    assert refused(document(odd))[0][:2] == ("a", "id")
    for bad in (True, "", "  ", [], "x" * 201, 1.5):
        assert refused(document(feature(bad)))[0][1] == "id"
    nothing = feature()
    del nothing["id"]
    assert refused(document(nothing))[0][:2] == ("#1", "id")
    split = {"type": "MultiPolygon", "coordinates": [[SQUARE], [SQUARE]]}
    assert refused(document(feature("a", geometry=split), feature("a#2")))[0][:2] == ("a#2", "id")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "json"),
        ("{", "json"),
        ("[]", "type"),
        ("null", "type"),
        ('{"type": "Feature"}', "type"),
        ('{"type": "FeatureCollection"}', "features"),
        ('{"type": "FeatureCollection", "features": {}}', "features"),
        (b"\xff\xfe\x00", "encoding"),
        ('{"type": "a", "type": "FeatureCollection", "features": []}', "json"),
        ("[" * 200_000, "json"),
        ("9" * 10_000, "json"),
    ],
)
def test_what_is_no_zone_file(text, field) -> None:
    assert [(name, where) for name, where, _ in refused(text)] == [("file", field)]


def test_too_much_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 1_000)
    assert refused(" " * 1_001)[0][1] == "size"
    monkeypatch.setattr(geojson, "MAX_FEATURES", 1)
    monkeypatch.setattr(files, "MAX_BYTES", 100_000)
    assert refused(document(feature("a"), feature("b")))[0][1] == "features"
    monkeypatch.setattr("geofence.formats.shapes.MAX_VERTICES", 4)
    assert "simplify" in refused(document(feature("a")))[0][2]


def test_empty_collection_and_unknown_profile() -> None:
    assert read_zones(document()) == ()
    with pytest.raises(ValueError, match="finland-2019, waypost"):
        read_zones(document(), profile="norway")


def test_input_is_not_changed() -> None:
    zones = read_zones(document(feature(name="A"), feature("Z2", kind="advisory")))
    written = write_zones(zones)
    again = copy.deepcopy(written)
    assert read_zones(json.dumps(written)) == zones
    assert written == again


def test_writing_keeps_every_schedule() -> None:
    zone = Zone(
        "S", "", ZoneKind.KEEP_IN, CircleArea(LatLon(-45.0, -179.999), 12.5),
        schedule=Schedule((Window(), Window(frozenset({0}), time(22, 30, 5), time(1))), "Japan"),
    )  # fmt: skip
    assert read_zones(json.dumps(write_zones([zone]))) == (zone,)


def finnish(kind="R", **more) -> dict:
    found = feature("EF1")
    found["properties"] = {"name": "Field", "type": kind} | more
    return found


def test_finnish_types() -> None:
    read = {
        kind: read_zones(document(finnish(kind)), profile="finland-2019")[0]
        for kind in ("R", "R2", "L")
    }
    assert {zone.kind for zone in read.values()} == {ZoneKind.NO_FLY}
    assert read["L"].floor == Altitude(50.0, Datum.AGL)
    assert read["R"].floor is None
    assert "obstacles" in read["R2"].note
    assert not read["R"].binds(VehicleClass.ROBOT)


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (finnish("Q"), "type"),
        (finnish(None), "type"),
        (finnish(["R"]), "type"),
        (finnish(kind2=1), "kind2"),
    ],
)
def test_finnish_faults(bad, field) -> None:
    assert [f for _, f, _ in refused(document(bad), profile="finland-2019")] == [field]
