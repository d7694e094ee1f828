"""The real Finnish zones of 2019, from the shared test data."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from geofence.check import FlightPath, PathLeg, Surroundings, check
from geofence.errors import ZoneFileError
from geofence.formats import ed269, ed318, read_any
from geofence.formats.geojson import read_zones, write_zones
from geofence.frames import LatLon, geodesic_m, offset
from geofence.route import NoRoute, Route, RouteRequest, find_route
from geofence.zones import VehicleClass, Zone
from geofence.zoneset import ZoneSet

NOON = datetime(2026, 6, 1, 9, tzinfo=UTC)
FLAT = Surroundings(ground_amsl_m=20.0, geoid_m=17.0)
AIRPORT = LatLon(60.3172, 24.9633)
FILES = {"lentokentat": 48, "rajoitukset": 51, "valvottu": 28}


@pytest.fixture(scope="module")
def finland(shared_data) -> ZoneSet:
    zones = []
    for name, count in FILES.items():
        data = (shared_data / "helsinki" / f"{name}.geojson").read_bytes()
        read = read_zones(data, profile="finland-2019")
        assert len(read) == count
        zones.extend(read)
    return ZoneSet(zones)


def fly(finland, *corners, height=60.0, corridor=30.0, surroundings=FLAT):
    legs = tuple(
        PathLeg(i, f"leg {i}", a, b, height, height, NOON, NOON + timedelta(minutes=10), corridor)
        for i, (a, b) in enumerate(itertools.pairwise(corners))
    )
    return check(FlightPath(VehicleClass.MULTIROTOR, legs), finland, surroundings)


def ids(verdict) -> set[str]:
    return {violation.zone_id for violation in verdict.violations}


def test_all_are_read_and_come_back(finland) -> None:
    assert len(finland) == 127
    assert len({zone.zone_id for zone in finland}) == 127
    again = read_zones(json.dumps(write_zones(finland)))
    assert again == finland.zones
    assert ZoneSet(reversed(again)).version == finland.version


def test_airport_forbids_a_leg_through_it(finland) -> None:
    west = LatLon(AIRPORT.lat_deg, AIRPORT.lon_deg - 0.1)
    east = LatLon(AIRPORT.lat_deg, AIRPORT.lon_deg + 0.1)
    verdict = fly(finland, west, east, height=60.0)
    assert not verdict.allowed
    assert {"EFHK-R", "EFHK-R-R2"} <= ids(verdict)
    assert "EFHK_CTR_N" not in ids(verdict)
    (runway,) = [v for v in verdict.violations if v.zone_id == "EFHK-R"]
    assert "Helsinki-Vantaa" in runway.reason
    assert 100.0 < runway.depth_m < 10_000.0
    assert west.lon_deg < runway.entry.lon_deg < runway.exit.lon_deg < east.lon_deg


@pytest.mark.parametrize(("height", "allowed"), [(69.9, True), (70.0, False), (300.0, False)])
def test_controlled_airspace_begins_at_50_m_above_ground(finland, height, allowed) -> None:
    a, b = LatLon(60.213, 24.945), LatLon(60.214, 24.950)
    verdict = fly(finland, a, b, height=height)
    assert verdict.allowed is allowed
    assert ids(verdict) == (set() if allowed else {"EFHK_CTR_N"})


def test_controlled_airspace_without_ground_is_a_violation(finland) -> None:
    a, b = LatLon(60.213, 24.945), LatLon(60.214, 24.950)
    verdict = fly(finland, a, b, height=30.0, surroundings=Surroundings())
    assert ids(verdict) == {"EFHK_CTR_N"}
    assert "ground_amsl_m" in verdict.violations[0].reason


@pytest.mark.parametrize("zone_id", ["EFP20", "EFP35"])
def test_restriction_areas_forbid(finland, zone_id) -> None:
    zone = finland.get(zone_id)
    corners = zone.area.shell
    middle = LatLon(
        sum(p.lat_deg for p in corners) / len(corners),
        sum(p.lon_deg for p in corners) / len(corners),
    )
    assert zone_id in ids(fly(finland, middle, middle, height=40.0))


def test_robots_are_not_bound(finland) -> None:
    leg = PathLeg(0, "street", AIRPORT, AIRPORT, 20.0, 20.0, NOON, NOON, 1.0)
    assert check(FlightPath(VehicleClass.ROBOT, (leg,)), finland, FLAT).allowed


def test_whole_country_in_one_path(finland) -> None:
    """Twelve legs from Helsinki to Lapland: each in a frame of its own."""
    stops = [LatLon(60.0 + 0.65 * i, 24.9 + 0.1 * i) for i in range(13)]
    verdict = fly(finland, *stops, height=2_000.0)
    assert {violation.index for violation in verdict.violations} >= {0}
    assert all(violation.depth_m > 0.0 for violation in verdict.violations)
    # the same from the far end
    back = fly(finland, *reversed(stops), height=2_000.0)
    assert ids(back) == ids(verdict)


def test_route_round_meilahti(finland) -> None:
    """EFP35 lies between the two places; the way round is checked and little longer."""
    start, goal = LatLon(60.184, 24.880), LatLon(60.184, 24.925)
    request = RouteRequest(
        start, goal, VehicleClass.MULTIROTOR, 50.0, 65.0, NOON, NOON + timedelta(minutes=5), 30.0
    )
    found = find_route(request, finland, FLAT)
    assert isinstance(found, Route)
    assert len(found.points) > 2
    assert found.length_m < 1.5 * geodesic_m(start, goal)
    assert fly(finland, *found.points, height=65.0).allowed


def test_no_route_into_the_airport(finland) -> None:
    request = RouteRequest(
        LatLon(60.2, 24.9), AIRPORT, VehicleClass.MULTIROTOR, 30.0, 60.0, NOON, NOON, 30.0
    )
    found = find_route(request, finland, FLAT)
    assert isinstance(found, NoRoute)
    assert "EFHK-R" in found.zone_ids
    assert found.depth_m > 100.0
    assert "goal" in found.reason


def test_the_index_finds_what_each_zone_alone_would(finland) -> None:
    """Random legs over the whole country: all zones at once against zone by zone."""
    random_ = random.Random(5)
    alone = [(zone.zone_id, ZoneSet([zone])) for zone in finland]
    hits = 0
    for _ in range(12):
        near = random_.choice(finland.zones).area.shell[0]
        start = offset(near, random_.uniform(0.0, 360.0), random_.uniform(0.0, 15_000.0))
        end = offset(start, random_.uniform(0.0, 360.0), random_.uniform(100.0, 40_000.0))
        verdict = fly(finland, start, end, height=500.0, corridor=200.0)
        expected = {
            zone_id
            for zone_id, one in alone
            if ids(fly(one, start, end, height=500.0, corridor=200.0))
        }
        assert ids(verdict) == expected
        hits += len(expected)
    assert hits >= 8


def shortened(zones) -> list[Zone]:
    """With identifiers that the authorities' formats can hold: seven characters at most."""
    return [replace(zone, zone_id=f"FI{number:03}") for number, zone in enumerate(zones)]


@pytest.mark.parametrize("form", ["ed318", "ed269"])
def test_all_come_back_through_the_authorities_formats(finland, form) -> None:
    writer = {"ed318": ed318, "ed269": ed269}[form]
    zones = shortened(finland)
    text = json.dumps(writer.write_zones(zones, country="FIN"))
    read = read_any(text)
    assert len(read) == 127
    for before, after in zip(zones, read, strict=True):
        # the source is what such a file says besides; all that rules read is as it was
        assert replace(after, source=None) == before
    assert ZoneSet(replace(z, source=None) for z in read).version == ZoneSet(zones).version
    # and from there through each of the others, and home
    again = read_any(json.dumps(ed318.write_zones(read)))
    again = read_any(json.dumps(write_zones(again)))
    again = read_any(json.dumps(ed269.write_zones(again)))
    assert [replace(zone, source=None) for zone in again] == zones


@pytest.mark.parametrize("writer", [ed318.write_zones, ed269.write_zones])
def test_names_that_are_too_long_are_refused_each_by_name(finland, writer) -> None:
    with pytest.raises(ZoneFileError) as caught:
        writer(finland, country="FIN")
    long = {zone.zone_id for zone in finland if len(zone.zone_id) > 7}
    assert {error.feature for error in caught.value.errors} == long
    assert {error.field for error in caught.value.errors} == {"identifier"}
