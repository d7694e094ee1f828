"""ED-269: lists of zones with limits as texts or null, and their way to ED-318 and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time

import pytest

from geofence.errors import ZoneFileError
from geofence.formats import ed318
from geofence.formats.ed269 import read_zones, write_zones
from geofence.frames import Altitude, Datum, LatLon
from geofence.schedule import Schedule, Window
from geofence.zones import CircleArea, VehicleClass, Zone, ZoneKind

RING = [[6.16, 46.21], [6.17, 46.21], [6.17, 46.22], [6.16, 46.22], [6.16, 46.21]]


def volume(**changes) -> dict:
    return {
        "uomDimensions": "M",
        "lowerLimit": "0",
        "lowerVerticalReference": "AGL",
        "upperLimit": None,
        "upperVerticalReference": "AGL",
        "horizontalProjection": {"type": "Polygon", "coordinates": [RING]},
    } | changes


def item(identifier: str = "LS01", **changes) -> dict:
    return {
        "identifier": identifier,
        "country": "CHE",
        "name": "Lake",
        "type": "COMMON",
        "restriction": "REQ_AUTHORISATION",
        "restrictionConditions": "RST02",
        "reason": ["AIR_TRAFFIC", "FOREIGN_TERRITORY"],
        "message": "MSG01",
        "uSpaceClass": "EUROCAE",
        "applicability": [
            {
                "permanent": "YES",
                "startDateTime": None,
                "endDateTime": None,
                "dailyPeriod": [{"day": [], "startTime": None, "endTime": None}],
            }
        ],
        "zoneAuthority": [
            {"name": "Tower", "service": "Supervisor", "contactName": None, "phone": "0041221"}
        ],
        "geometry": [volume()],
    } | changes


def text(*items: dict, key: str = "UASZoneList") -> str:
    return json.dumps({"formatVersion": "1.0.0", key: list(items)})


def faults(*items: dict) -> list[tuple[str, str]]:
    with pytest.raises(ZoneFileError) as caught:
        read_zones(text(*items))
    return [(error.feature, error.field) for error in caught.value.errors]


@pytest.mark.parametrize("key", ["UASZoneList", "features"])
def test_a_zone_is_what_it_says(key) -> None:
    (zone,) = zones = read_zones(text(item(), key=key))
    assert (zone.zone_id, zone.name, zone.note) == ("LS01", "Lake", "RST02")
    assert (zone.kind, zone.permit) == (ZoneKind.RESTRICTED, "LS01")
    assert (zone.floor, zone.ceiling) == (Altitude(0.0, Datum.AGL), None)
    assert (zone.schedule, zone.classes) == (Schedule(), {VehicleClass.MULTIROTOR})
    assert read_zones(json.dumps(write_zones(zones))) == zones


def test_what_is_written_is_ed_269() -> None:
    written = write_zones(read_zones(text(item())), created_at=datetime(2026, 5, 1, 12, tzinfo=UTC))
    assert written["createdAt"] == "2026-05-01T12:00:00Z"
    (zone,) = written["UASZoneList"]
    assert zone["restriction"] == "REQ_AUTHORISATION"
    assert zone["applicability"] == [{"permanent": "YES"}]
    assert zone["geometry"] == [volume()]
    assert zone["name"] == "Lake"
    assert zone["reason"] == ["AIR_TRAFFIC", "FOREIGN_TERRITORY"]
    assert zone["zoneAuthority"][0]["service"] == "Supervisor"


def test_the_way_to_ed_318_and_back() -> None:
    zones = read_zones(text(item()))
    newer = ed318.write_zones(zones)
    properties = newer["features"][0]["properties"]
    assert properties["type"] == "REQ_AUTHORIZATION"
    assert properties["reason"] == ["AIR_TRAFFIC", "OTHER"]
    assert properties["zoneAuthority"][0]["purpose"] == "AUTHORIZATION"
    (again,) = ed318.read_zones(json.dumps(newer))
    assert (again.kind, again.permit, again.area, again.floor, again.note) == (
        zones[0].kind, "LS01", zones[0].area, zones[0].floor, "RST02",
    )  # fmt: skip
    assert write_zones([again])["UASZoneList"][0]["zoneAuthority"][0]["name"] == "Tower"


def test_feet_are_the_unit_of_the_limits() -> None:
    (zone,) = read_zones(text(item(geometry=[volume(uomDimensions="FT", upperLimit="400")])))
    assert zone.ceiling == Altitude(400 * 0.3048, Datum.AGL)


def test_a_circle_beside_feet_is_refused_or_forbidden_to_the_larger_reading() -> None:
    circle = {"type": "Circle", "center": [6.16, 46.21], "radius": 1000}
    metres = item(geometry=[volume(horizontalProjection=circle)])
    (zone,) = read_zones(text(metres))
    assert zone.area == CircleArea(LatLon(46.21, 6.16), 1000.0)
    feet = item(
        geometry=[volume(uomDimensions="FT", upperLimit="400", horizontalProjection=circle)]
    )
    assert faults(feet) == [("LS01", "geometry[0].uomDimensions")]
    (zone,) = read_zones(text(feet), unknown="forbid")
    assert zone.area == CircleArea(LatLon(46.21, 6.16), 1000.0)
    assert (zone.kind, zone.ceiling) == (ZoneKind.NO_FLY, None)


def test_two_zones_of_one_identifier_are_refused_by_name() -> None:
    bad = text(item("LS01"), item("LS02"), item("LS01", restriction="NO_RESTRICTION"))
    with pytest.raises(ZoneFileError) as caught:
        read_zones(bad)
    (error,) = caught.value.errors
    assert error.feature == "LS01"
    assert "features 1 and 3" in error.reason
    found = {zone.zone_id: zone.kind for zone in read_zones(bad, unknown="forbid")}
    assert found == {
        "LS01": ZoneKind.RESTRICTED, "LS02": ZoneKind.RESTRICTED, "LS01~3": ZoneKind.NO_FLY,
    }  # fmt: skip


def test_two_lists_in_one_file_are_refused() -> None:
    both = json.dumps({"UASZoneList": [item("A")], "features": [item("B")]})
    with pytest.raises(ZoneFileError, match="UASZoneList"):
        read_zones(both)


def test_times_of_the_files_own_zone() -> None:
    day = {"day": ["MON"], "startTime": "08:00", "endTime": "17:00"}
    local = item(
        applicability=[
            {
                "permanent": "NO",
                "startDateTime": "2026-10-25T03:30:00",
                "endDateTime": "2026-10-25T03:30:00",
                "schedule": [day],
            }
        ]
    )
    assert {field.rpartition(".")[2] for _, field in faults(local)} == {
        "startDateTime", "endDateTime", "startTime",
    }  # fmt: skip
    (zone,) = read_zones(text(local), timezone="Europe/Helsinki")
    # half past three comes twice that night: the zone applies from the first to the second
    assert zone.schedule == Schedule(
        (Window(frozenset({0}), time(8), time(17)),),
        "Europe/Helsinki",
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
    )
    with pytest.raises(ValueError, match="--timezone"):
        read_zones(text(local), timezone="Helsinki")


def test_volumes_are_layers() -> None:
    upper = volume(lowerLimit=50, upperLimit="99999", lowerVerticalReference="AMSL")
    zones = read_zones(text(item(geometry=[volume(), upper])))
    assert [zone.zone_id for zone in zones] == ["LS01#1", "LS01#2"]
    assert [zone.floor for zone in zones] == [Altitude(0.0, Datum.AGL), Altitude(50.0, Datum.AMSL)]
    assert {zone.permit for zone in zones} == {"LS01"}
    assert read_zones(json.dumps(write_zones(zones))) == zones


def test_daily_periods() -> None:
    zones = read_zones(
        text(
            item(
                applicability=[
                    {
                        "permanent": "NO",
                        "startDateTime": "2026-01-01T00:00:00Z",
                        "schedule": [
                            {"day": ["MON"], "startTime": "06:00:00Z", "endTime": "23:59:00Z"}
                        ],
                    }
                ]
            )
        )
    )
    assert zones[0].schedule == Schedule(
        (Window(frozenset({0}), time(6), time(0)),), "UTC", datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert read_zones(json.dumps(write_zones(zones))) == zones


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"restriction": "REQ_AUTHORIZATION"}, "restriction"),
        ({"restriction": None}, "restriction"),
        ({"identifier": "TOOLONG8"}, "identifier"),
        ({"country": None}, "country"),
        ({"type": "PROHIBITED"}, "variant"),
        ({"name": 7}, "name"),
        ({"message": "x" * 201}, "message"),
        ({"zoneAuthority": None}, "zoneAuthority"),
        ({"zoneAuthority": [7]}, "zoneAuthority[0]"),
        ({"zoneAuthority": [{"name": []}]}, "zoneAuthority[0].name"),
        ({"height": 3}, "height"),
        ({"applicability": [{"permanent": "MAYBE"}]}, "applicability[0].permanent"),
        ({"geometry": [volume(lowerLimit="ground")]}, "geometry[0].lowerLimit"),
        ({"geometry": [volume(upperLimit=True)]}, "geometry[0].upper"),
        ({"geometry": [volume(lowerVerticalReference=None)]}, "geometry[0].lower"),
        ({"geometry": [volume(uomDimensions="KM")]}, "geometry[0].uomDimensions"),
        ({"geometry": [volume(floor=1)]}, "geometry[0].floor"),
    ],
)
def test_what_is_not_understood_is_refused_or_forbidden(change, field) -> None:
    bad = item(**change)
    assert field in {f for _, f in faults(bad)}
    (zone,) = read_zones(text(bad), unknown="forbid")
    assert (zone.kind, zone.floor, zone.ceiling) == (ZoneKind.NO_FLY, None, None)


@pytest.mark.parametrize(
    "geometry",
    [
        None,
        [],
        [7],
        [volume(horizontalProjection=None)],
        [volume(horizontalProjection={"type": "Circle", "center": [6.1, 46.2]})],
        [volume(horizontalProjection={"type": "Circle", "center": [6.1, 460], "radius": 5})],
        [volume(horizontalProjection={"type": "Line", "coordinates": [RING]})],
        [
            volume(
                uomDimensions=None,
                horizontalProjection={"type": "Circle", "center": [6.1, 46.2], "radius": 5},
            )
        ],
        [volume(), volume(horizontalProjection={"type": "Polygon", "coordinates": [RING[:2]]})],
    ],
)
def test_an_area_that_is_none_is_always_refused(geometry) -> None:
    for unknown in ("refuse", "forbid"):
        with pytest.raises(ZoneFileError) as caught:
            read_zones(text(item(geometry=geometry)), unknown=unknown)
        assert {error.feature for error in caught.value.errors} == {"LS01"}


@pytest.mark.parametrize("data", ["", "[]", "{}", '{"UASZoneList": {}}', '{"UASZoneList": [1]}'])
def test_a_file_that_is_none(data) -> None:
    with pytest.raises(ZoneFileError):
        read_zones(data)


def test_a_tiny_height_is_written_out() -> None:
    zone = Zone(
        "A", "", ZoneKind.NO_FLY, CircleArea(LatLon(1.0, 2.0), 3.0), Altitude(1e-7, Datum.AGL)
    )
    (volume_,) = write_zones([zone], country="FIN")["UASZoneList"][0]["geometry"]
    assert volume_["lowerLimit"] == "0.000000100"
