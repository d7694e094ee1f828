"""A delivery across the antimeridian is planned, checked and refused as it is anywhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from geofence.frames import LatLon, offset
from geofence.zones import CircleArea, PolygonArea
from geofence.zoneset import ZoneSet
from missions.contingency import ContingencyPolicy
from missions.model import AirMission
from missions.plan_flight import plan_flight
from missions.validate import validate_flight
from tests.unit.missions import flights

FAR = LatLon(-16.85, 20.0)
SEAM = (LatLon(-16.85, 179.995), LatLon(-16.85, -179.995), LatLon(-16.85, 180.0))


def at(home: LatLon, north_m: float, east_m: float) -> LatLon:
    return offset(offset(home, 0.0, north_m), 90.0, east_m)


def zones(home: LatLon, *places: tuple[float, float, float]) -> ZoneSet:
    made = [
        flights.circle(f"Z{number}", at(home, north_m, east_m), radius_m)
        for number, (north_m, east_m, radius_m) in enumerate(places)
    ]
    return ZoneSet(made)


def outcome(home: LatLon, east_m: float, *places: tuple[float, float, float]):
    """What is planned, and what the check says of it and of the same plan without zones."""
    request = flights.request(at(home, 0.0, east_m), home=home)
    there = zones(home, *places)
    planned = plan_flight(request, there, flights.FLAT)
    free = plan_flight(request, ZoneSet(()), flights.FLAT)
    assert isinstance(free, AirMission)
    told = []
    for mission in (planned, free):
        if not isinstance(mission, AirMission):
            told.append({reason.zone_id for reason in mission.reasons})
            continue
        answer = validate_flight(
            mission, flights.checks(policy=ContingencyPolicy()), there, flights.FLAT
        )
        reasons = {(reason.code, reason.zone_id, reason.leg) for reason in answer.reasons}
        told.append((len(mission.items), round(mission.duration_s), reasons))
    return told


@pytest.mark.parametrize("home", SEAM)
@pytest.mark.parametrize("east_m", [1200.0, -1200.0])
@pytest.mark.parametrize(
    "places",
    [
        (),
        ((0.0, 600.0, 150.0), (0.0, -600.0, 150.0)),
        ((0.0, 1200.0, 50.0), (0.0, -1200.0, 50.0)),
        ((120.0, 700.0, 60.0), (-120.0, -700.0, 60.0)),
    ],
)
def test_it_is_as_elsewhere(home, east_m, places) -> None:
    assert outcome(home, east_m, *places) == outcome(FAR, east_m, *places)


@pytest.mark.parametrize("home", SEAM)
def test_a_zone_cut_at_the_antimeridian_is_flown_round_whole(home) -> None:
    """A wall 400 m wide across it, in two halves."""
    west, east = 180.0 - 0.002, -180.0 + 0.002
    south, north = home.lat_deg - 0.004, home.lat_deg + 0.001

    def half(zone_id: str, lon_a: float, lon_b: float):
        ring = ((south, lon_a), (south, lon_b), (north, lon_b), (north, lon_a))
        area = PolygonArea(tuple(LatLon(*corner) for corner in ring))
        return replace(flights.circle(zone_id, home, 1.0), area=area)

    wall = ZoneSet([half("W1", west, 180.0), half("W2", -180.0, east)])
    start = LatLon(home.lat_deg, 179.99)
    goal = LatLon(home.lat_deg, -179.99)
    request = flights.request(goal, home=start)
    free = plan_flight(request, ZoneSet(()), flights.FLAT)
    assert isinstance(free, AirMission)
    answer = validate_flight(free, flights.checks(), wall, flights.FLAT)
    assert {reason.zone_id for reason in answer.reasons} == {"W1", "W2"}
    planned = plan_flight(request, wall, flights.FLAT)
    assert isinstance(planned, AirMission), planned
    assert len(planned.items) > len(free.items)
    answer = validate_flight(planned, flights.checks(), wall, flights.FLAT)
    assert answer.go, answer.reasons


@pytest.mark.parametrize("lat_deg", [84.5, -86.0, 89.9])
def test_beyond_84_degrees_nothing_is_planned(lat_deg) -> None:
    home = LatLon(lat_deg, 10.0)
    there = ZoneSet([replace(flights.circle("Z", FAR, 5.0), area=CircleArea(FAR, 5.0))])
    with pytest.raises(ValueError, match="latitude"):
        plan_flight(flights.request(at(home, 0.0, 100.0), home=home), there, flights.FLAT)
