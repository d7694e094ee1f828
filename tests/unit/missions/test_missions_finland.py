"""Flights among the real Finnish zones of 2019: outdated, not for flight."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from geofence.check import Surroundings
from geofence.formats.geojson import read_zones
from geofence.frames import LatLon, offset
from geofence.zoneset import ZoneSet
from missions.model import AirMission
from missions.plan import NoGo, plan_flight
from missions.validate import validate_flight
from tests.unit.missions.flights import checks, request

DATA = Path(os.environ.get("WAYPOST_SHARED_DATA", "../shared/data")) / "helsinki"
FILES = ("lentokentat.geojson", "rajoitukset.geojson", "valvottu.geojson")
AREA = Surroundings(ground_amsl_m=15.0, geoid_m=18.0)
NOON = datetime(2026, 6, 3, 9, 0, tzinfo=UTC)
RAILWAY_STATION = LatLon(60.1719, 24.9414)
PRESIDENT = LatLon(60.1683, 24.9563)
STRAIGHT = 11
"""Items of a flight without a turn."""


@pytest.fixture(scope="module")
def zones() -> ZoneSet:
    if not DATA.is_dir():
        pytest.skip(f"no shared test data at {DATA}: set WAYPOST_SHARED_DATA")
    found = [
        zone
        for name in FILES
        for zone in read_zones((DATA / name).read_bytes(), profile="finland-2019")
    ]
    return ZoneSet(found)


def ask(home: LatLon, place: LatLon, zones: ZoneSet, height_m: float):
    asked = request(place, home=home, home_amsl_m=15.0, cruise_alt_home_m=height_m, depart_at=NOON)
    return plan_flight(asked, zones, AREA)


def test_flights_in_the_city_go_round_the_government_quarter(zones):
    home = offset(RAILWAY_STATION, 45.0, 200.0)
    turns = {}
    for course in range(0, 360, 45):
        mission = ask(home, offset(home, float(course), 2500.0), zones, 60.0)
        assert isinstance(mission, AirMission)
        assert validate_flight(mission, checks(depart_at=NOON), zones, AREA).go
        turns[course] = len(mission.items) - STRAIGHT
    assert {course for course, extra in turns.items() if extra} == {90, 135}


def test_the_president_is_not_delivered_to_by_air(zones):
    no = ask(offset(RAILWAY_STATION, 45.0, 200.0), PRESIDENT, zones, 60.0)
    assert isinstance(no, NoGo)
    (reason,) = no.reasons
    assert reason.zone_id == "EFP50"
    assert reason.text.startswith("EFP50 Kruununhaka (no-fly")
    assert reason.text.endswith("m deep")
    assert reason.permanent


def test_controlled_airspace_lets_low_flights_pass_and_bars_high_ones(zones):
    home, place = LatLon(60.225, 25.02), LatLon(60.2546, 25.0428)
    low = ask(home, place, zones, 40.0)
    assert isinstance(low, AirMission)
    assert validate_flight(low, checks(depart_at=NOON), zones, AREA).go
    high = ask(home, place, zones, 110.0)
    assert isinstance(high, NoGo)
    assert "EFHK_CTR_S" in {reason.zone_id for reason in high.reasons}


def test_the_airport_names_every_zone_over_it_the_deepest_first(zones):
    no = ask(LatLon(60.27, 24.96), LatLon(60.317, 24.963), zones, 40.0)
    assert isinstance(no, NoGo)
    assert {"EFHK-R", "EFHK-R-R2"} <= {reason.zone_id for reason in no.reasons}
    depths = [reason.depth_m for reason in no.reasons]
    assert depths == sorted(depths, reverse=True)
