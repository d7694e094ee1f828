"""The snapshot of zones: identity, index, and what it refuses."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from geofence.errors import ZoneError
from geofence.frames import Altitude, Datum, LatLon
from geofence.zones import CircleArea, PolygonArea, Schedule, Zone, ZoneKind
from geofence.zoneset import ZoneSet


def box(west: float, south: float, east: float, north: float) -> PolygonArea:
    return PolygonArea(
        (LatLon(south, west), LatLon(south, east), LatLon(north, east), LatLon(north, west))
    )


def zone(zone_id: str, area=None, **more) -> Zone:
    return Zone(zone_id, "", ZoneKind.NO_FLY, area or box(24.0, 60.0, 25.0, 61.0), **more)


def test_lookup() -> None:
    zones = ZoneSet([zone("a"), zone("b", CircleArea(LatLon(60.0, 24.0), 5.0))])
    assert len(zones) == 2
    assert [z.zone_id for z in zones] == ["a", "b"]
    assert zones.get("b") is zones.zones[1]
    assert zones.get("c") is None
    assert zones.index_of("b") == 1


def test_version_is_of_the_content_alone() -> None:
    one, two = zone("a"), zone("b")
    version = ZoneSet([one, two]).version
    assert len(version) == 16
    assert int(version, 16) >= 0
    assert ZoneSet([two, one]).version == version
    assert ZoneSet([one]).version != version
    assert ZoneSet([zone("a", note="new"), two]).version != version
    assert ZoneSet([zone("a", ceiling=Altitude(5.0, Datum.AGL)), two]).version != version
    assert ZoneSet([]).version != version


def test_empty_set_has_nothing_near() -> None:
    box_, zone_, turn = ZoneSet([]).near(np.array([[24.0, 60.0, 25.0, 61.0]]))
    assert (len(box_), len(zone_), len(turn)) == (0, 0, 0)


def test_near_across_the_antimeridian() -> None:
    east = zone("east", box(179.9, 0.0, 180.0, 1.0))
    west = zone("west", box(-180.0, 0.0, -179.9, 1.0))
    round_ = zone("round", CircleArea(LatLon(0.5, 179.999), 1_000.0))
    zones = ZoneSet([east, west, round_])
    _, found, turn = zones.near(np.array([[179.95, 0.4, 180.05, 0.6]]))
    assert sorted(zip(found.tolist(), turn.tolist(), strict=True)) == [
        (0, 0.0),
        (1, 360.0),
        (2, 0.0),
    ]
    _, found, turn = zones.near(np.array([[-180.001, 0.5, -179.999, 0.5]]))
    assert sorted(zip(found.tolist(), turn.tolist(), strict=True)) == [
        (0, -360.0),
        (1, 0.0),
        (2, -360.0),
    ]


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (
            zone("z", PolygonArea((LatLon(0, 0), LatLon(1, 1), LatLon(1, 0), LatLon(0, 1)))),
            "geometry",
        ),
        (zone("z", PolygonArea((LatLon(0, 0), LatLon(1, 1)))), "geometry"),
        (zone("z", box(-179.0, 0.0, 179.0, 1.0)), "geometry"),
        (zone("z", CircleArea(LatLon(0.0, 0.0), 0.0)), "radius_m"),
        (zone("z", CircleArea(LatLon(0.0, 0.0), float("nan"))), "radius_m"),
        (zone("z", CircleArea(LatLon(0.0, 0.0), float("inf"))), "radius_m"),
        (zone("z", CircleArea(LatLon(89.5, 0.0), 500.0)), "geometry"),
        (zone("z", floor=Altitude(5.0, Datum.HOME)), "floor"),
        (zone("z", ceiling=Altitude(5.0, Datum.HOME)), "ceiling"),
        (zone("z", floor=Altitude(9.0, Datum.AGL), ceiling=Altitude(5.0, Datum.AGL)), "floor"),
        (zone("z", schedule=Schedule(timezone="Mars/Olympus")), "schedule.timezone"),
        (zone("z", schedule=Schedule(valid_to=datetime(2026, 1, 1))), "schedule.valid_to"),
    ],
)
def test_what_is_no_zone(bad, field) -> None:
    with pytest.raises(ZoneError) as caught:
        ZoneSet([zone("good"), bad])
    assert (caught.value.feature, caught.value.field) == ("z", field)


def test_duplicate_id() -> None:
    with pytest.raises(ZoneError, match="another zone has this id"):
        ZoneSet([zone("a"), zone("a")])
    with pytest.raises(ZoneError, match="needs an id"):
        zone("")
