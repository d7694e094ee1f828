"""OpenAir: records, heights in words, and arcs whose corners hold all of the airspace."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely

from geofence.errors import ZoneFileError
from geofence.formats.arcs import Arc, outline
from geofence.formats.heights import parse_height
from geofence.formats.openair import read_zones
from geofence.frames import Altitude, Datum, LatLon, geodesic_m, offset
from geofence.zones import CircleArea, PolygonArea, VehicleClass, ZoneKind

SQUARE = """DP 60:00:00 N 024:00:00 E
DP 60:00:00 N 024:30:00 E
DP 60:15.5 N 024:30.0 E
DP 60.25N 24E"""


def airspace(shape: str = SQUARE, ac: str = "R", **records: str) -> str:
    lines = [f"AC {ac}", f"AN {records.pop('AN', 'Area 51')}"]
    lines += [f"{key} {value}" for key, value in records.items()]
    return "\n".join(lines) + "\n" + shape + "\n"


def faults(text: str, **options) -> list[tuple[str, str]]:
    with pytest.raises(ZoneFileError) as caught:
        read_zones(text, **options)
    return [(error.feature, error.field) for error in caught.value.errors]


def test_an_airspace_is_what_it_says() -> None:
    (zone,) = read_zones("* a comment\n\n" + airspace(AL="GND", AH="1500ft AGL", AF="122.8"))
    assert (zone.zone_id, zone.name, zone.kind) == ("Area 51", "Area 51", ZoneKind.RESTRICTED)
    assert (zone.permit, zone.note) == ("Area 51", "frequency 122.8")
    assert (zone.floor, zone.ceiling) == (None, Altitude(1500 * 0.3048, Datum.AGL))
    assert zone.classes == {VehicleClass.MULTIROTOR}
    assert isinstance(zone.area, PolygonArea)
    assert zone.area.shell == (
        LatLon(60.0, 24.0),
        LatLon(60.0, 24.5),
        LatLon(60.0 + 15.5 / 60.0, 24.5),
        LatLon(60.25, 24.0),
    )


@pytest.mark.parametrize(
    ("ac", "records", "kind"),
    [
        ("P", {}, ZoneKind.NO_FLY),
        ("GP", {}, ZoneKind.NO_FLY),
        ("R", {}, ZoneKind.RESTRICTED),
        ("Q", {}, ZoneKind.RESTRICTED),
        ("CTR", {}, ZoneKind.RESTRICTED),
        ("D", {}, ZoneKind.RESTRICTED),
        ("W", {}, ZoneKind.ADVISORY),
        ("G", {}, ZoneKind.ADVISORY),
        ("UNCLASSIFIED", {"AY": "PROHIBITED"}, ZoneKind.NO_FLY),
        ("R", {"AY": "VFR_SECTOR"}, ZoneKind.RESTRICTED),
    ],
)
def test_classes(ac, records, kind) -> None:
    (zone,) = read_zones(airspace(ac=ac, **records))
    assert zone.kind is kind
    assert (zone.permit is not None) == (kind is ZoneKind.RESTRICTED)


def test_a_circle_stays_a_circle_and_names_are_numbered() -> None:
    circle = "V X=60:10:00 N 024:50:00 E\nDC 2.5"
    zones = read_zones(airspace(circle) + airspace() + airspace(AN="Other"))
    assert [zone.zone_id for zone in zones] == ["Area 51#1", "Area 51#2", "Other"]
    assert [zone.permit for zone in zones] == ["Area 51", "Area 51", "Other"]
    assert zones[0].area == CircleArea(LatLon(60.0 + 10 / 60, 24.0 + 50 / 60), 4630.0)


def test_terrain_and_drawing_are_passed_over() -> None:
    text = "SP 0,1,0,0,255\nTO River\nDP 1:00:00 N 2:00:00 E\n" + airspace(
        "AT 60:00:00 N 024:00:00 E\n" + SQUARE
    )
    assert len(read_zones(text)) == 1


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (airspace(ac="X"), "AC"),
        (airspace(AY="SECRET"), "AY"),
        (airspace(AL="ask the tower"), "AL (line 3)"),
        (airspace(AL="UNL"), "AL (line 3)"),
        (airspace(AL="3000ft MSL", AH="1000ft MSL"), "AL"),
        (airspace(AZ="1"), "AZ (line 3)"),
    ],
)
def test_rules_that_are_not_understood_are_refused_or_forbidden(text, field) -> None:
    assert faults(text) == [("Area 51", field)]
    (zone,) = read_zones(text, unknown="forbid")
    assert (zone.kind, zone.floor, zone.ceiling) == (ZoneKind.NO_FLY, None, None)


@pytest.mark.parametrize(
    ("shape", "record"),
    [
        ("DP 60:00:00 N", "DP"),
        ("DP 60:60:00 N 024:00:00 E", "DP"),
        ("DP 91:00:00 N 024:00:00 E", "DP"),
        ("DC 1", "DC"),
        ("V X=60:10:00 N 024:50:00 E\nDC -1", "DC"),
        ("V X=60:10:00 N 024:50:00 E\nDC 1000", "DC"),
        ("V X=60:10:00 N 024:50:00 E\nDC 1\nDP 60:00:00 N 024:00:00 E", "DC"),
        ("V W=2\n" + SQUARE, "V"),
        ("V D=left\n" + SQUARE, "V"),
        ("DY 60:00:00 N 024:00:00 E\n" + SQUARE, "DY"),
        ("V X=60:10:00 N 024:50:00 E\nDA 1,0", "DA"),
        ("V X=60:10:00 N 024:50:00 E\nDA 1,0,400", "DA"),
        ("V X=60:10:00 N 024:50:00 E\nDB 60:00:00 N 024:00:00 E", "DB"),
        ("V X=60:00:00 N 024:00:00 E\nDB 60:01:00 N 024:00:00 E, 60:09:00 N 024:00:00 E", "DB"),
        ("DP 60:00:00 N 024:00:00 E\nDP 60:00:00 N 024:10:00 E", "DP"),
        ("", "DP"),
    ],
)  # fmt: skip
def test_an_area_that_is_none_is_refused(shape, record) -> None:
    assert {field.split(" ")[0] for _, field in faults(airspace(shape))} == {record}


def test_what_only_the_shape_record_misses_is_never_forbidden_in_part() -> None:
    text = airspace("V W=2\n" + SQUARE)
    assert faults(text, unknown="forbid")[0][0] == "Area 51"


@pytest.mark.parametrize("data", ["", "hello", "AN before\nAC R", b"\xff\xfe"])
def test_a_file_that_is_none(data) -> None:
    for unknown in ("refuse", "forbid"):
        with pytest.raises(ZoneFileError):
            read_zones(data, unknown=unknown)


def test_old_files_in_a_western_code_page_are_read() -> None:
    (zone,) = read_zones(airspace(AN="Älvsjö").encode("cp1252"))
    assert zone.name == "Älvsjö"


@pytest.mark.parametrize(
    ("text", "lower", "upper"),
    [
        ("GND", None, Altitude(0.0, Datum.AGL)),
        ("sfc", None, Altitude(0.0, Datum.AGL)),
        ("1500", Altitude(457.2, Datum.AMSL), Altitude(457.2, Datum.AMSL)),
        ("1500 ft MSL", Altitude(457.2, Datum.AMSL), Altitude(457.2, Datum.AMSL)),
        ("450m AMSL", Altitude(450.0, Datum.AMSL), Altitude(450.0, Datum.AMSL)),
        ("1000 GND", Altitude(304.8, Datum.AGL), Altitude(304.8, Datum.AGL)),
        ("120 m AGL", Altitude(120.0, Datum.AGL), Altitude(120.0, Datum.AGL)),
    ],
)
def test_heights(text, lower, upper) -> None:
    for found, expected in (
        (parse_height(text, upper=False), lower),
        (parse_height(text, upper=True), upper),
    ):
        if expected is None or found is None:
            assert found is expected
        else:
            assert found.datum is expected.datum
            assert found.value_m == pytest.approx(expected.value_m)


def test_a_flight_level_is_the_widest_that_weather_makes_of_it() -> None:
    low, high = parse_height("FL 65", upper=False), parse_height("FL65", upper=True)
    assert low is not None
    assert high is not None
    standard_m = 6500 * 0.3048
    assert low.value_m < standard_m - 500.0
    assert high.value_m > standard_m + 300.0


@pytest.mark.parametrize(
    "text", ["", "high", "FL", "12 km", "FL65 STD", "1e3 ft", "NaN", "99999999"]
)
def test_what_is_no_height(text) -> None:
    with pytest.raises(ValueError, match="height"):
        parse_height(text, upper=True)


def plane(points, origin: LatLon) -> np.ndarray:
    scale = math.cos(math.radians(origin.lat_deg))
    return np.array(
        [((p.lon_deg - origin.lon_deg) * scale, p.lat_deg - origin.lat_deg) for p in points]
    )


@pytest.mark.parametrize("radius_m", [30.0, 1852.0, 40_000.0])
@pytest.mark.parametrize("clockwise", [True, False])
@pytest.mark.parametrize("lat", [0.0, -45.0, 68.0])
def test_an_arc_that_bulges_out_lies_inside_its_corners(radius_m, clockwise, lat) -> None:
    center = LatLon(lat, 25.0)
    arc = Arc(center, radius_m, radius_m, 20.0, 200.0, clockwise)
    ring = outline((arc.at(0.0, radius_m), arc, arc.at(1.0, radius_m)))
    polygon = shapely.Polygon(plane(ring, center))
    assert polygon.is_valid
    inside = [arc.at(share, radius_m - 0.01) for share in np.linspace(0.001, 0.999, 997)]
    assert shapely.contains_xy(polygon, *plane(inside, center).T).all()
    assert max(geodesic_m(center, corner) for corner in ring) < radius_m + 1.5


@pytest.mark.parametrize("radius_m", [30.0, 1852.0, 40_000.0])
@pytest.mark.parametrize("clockwise", [True, False])
def test_an_arc_that_bites_in_takes_no_more_than_it_says(radius_m, clockwise) -> None:
    center = LatLon(60.0, 25.0)
    arc = Arc(center, radius_m, radius_m, 90.0, 270.0, clockwise)
    # the zone lies outside of the half circle: all round it a box on the arc's side
    side = 180.0 if clockwise else 0.0
    far = [offset(LatLon(60.0, 25.0), azimuth, 3 * radius_m) for azimuth in (270.0, 90.0)]
    tip = offset(center, side, 4 * radius_m)
    ring = outline((arc.at(0.0, radius_m), arc, arc.at(1.0, radius_m), far[0], tip, far[1]))
    polygon = shapely.Polygon(plane(ring, center))
    assert polygon.is_valid
    outside = [arc.at(share, radius_m + 0.01) for share in np.linspace(0.01, 0.99, 997)]
    assert shapely.contains_xy(polygon, *plane(outside, center).T).all()


def test_a_full_turn_is_a_disc() -> None:
    (zone,) = read_zones(airspace("V X=60:00:00 N 025:00:00 E\nV D=-\nDA 1,0,360"))
    assert isinstance(zone.area, PolygonArea)
    center = LatLon(60.0, 25.0)
    assert {round(geodesic_m(center, p) / 1852.0, 3) for p in zone.area.shell} <= {1.0, 1.001}


@pytest.mark.parametrize("record", ["AL GND", "AH 5000 ft", "AY P", "AI 7", "AN Other"])
def test_a_record_that_stands_there_twice_is_not_passed_over(record) -> None:
    text = airspace(f"{record}\n{record}\n{SQUARE}")
    ((_, field),) = {*faults(text)} if not record.startswith("AN") else {*faults(text)[:1]}
    assert field.startswith(record[:2])


def test_every_activation_time_is_told() -> None:
    (zone,) = read_zones(airspace(f"AA 2026-01-01/NONE\nAA 2026-02-01/NONE\n{SQUARE}"))
    assert zone.note == "active 2026-01-01/NONE, 2026-02-01/NONE"
