"""Planning by surface, mass and drive, under speed limits, and over a terrain grid."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from geofence.check import Surroundings
from geofence.frames import Altitude, Datum
from geofence.terrain import Grid
from geofence.zones import Surface, VehicleClass, VehicleTraits, ZoneKind
from geofence.zoneset import ZoneSet
from missions.model import AirMission, GroundMission, ItemKind
from missions.plan import (
    RoundParcel,
    RoundRequest,
    closed_edges,
    open_streets,
    plan_flight,
    plan_round,
    slowed_edges,
)
from missions.validate import RoundChecks, validate_flight, validate_round
from tests.unit.controller.dispatch_worlds import CENTER, FLAT, NOW, at, grid, no_fly
from tests.unit.missions import flights

STREETS = grid()
SPAN = {"enter": NOW, "leave": NOW + timedelta(hours=1)}
ROBOTS = frozenset({VehicleClass.ROBOT})
ON_ROAD = VehicleTraits(VehicleClass.ROBOT, Surface.ROAD)
ON_PAVEMENT = VehicleTraits(VehicleClass.ROBOT, Surface.PAVEMENT)
WALKING = no_fly(
    "walk", at(375.0, 0.0), 60.0, kind=ZoneKind.ADVISORY, classes=ROBOTS,
    surfaces=frozenset({Surface.PAVEMENT}), max_speed_mps=0.5,
)  # fmt: skip
NO_ROAD = no_fly("road", at(375.0, 0.0), 60.0, classes=ROBOTS, surfaces=frozenset({Surface.ROAD}))
EDGE = "n5-4:n6-4"


def checks(traits, **changes) -> RoundChecks:
    return RoundChecks(
        depart_at=NOW,
        loads={"P-1": 2.0},
        max_payload_kg=20.0,
        slots=4,
        speed_mps=1.7,
        usable_energy_wh=1000.0,
        available_energy_wh=1000.0,
        traits=traits,
        **changes,
    )


def planned(streets, zones) -> GroundMission:
    parcel = RoundParcel("P-1", 2.0, CENTER, at(500.0, 0.0))
    request = RoundRequest("m-1", "R-01", CENTER, CENTER, (parcel,), speed_mps=1.7, slots=4)
    mission = plan_round(request, zones, streets)
    assert isinstance(mission, GroundMission), mission
    return mission


def test_a_pedestrian_street_closes_to_the_road_robot_and_slows_the_other() -> None:
    zones = ZoneSet((WALKING, NO_ROAD))
    assert closed_edges(STREETS, zones, FLAT, traits=ON_ROAD, **SPAN) == {EDGE: ("road",)}
    assert slowed_edges(STREETS, zones, FLAT, traits=ON_ROAD, **SPAN) == {}
    assert closed_edges(STREETS, zones, FLAT, traits=ON_PAVEMENT, **SPAN) == {}
    assert slowed_edges(STREETS, zones, FLAT, traits=ON_PAVEMENT, **SPAN) == {EDGE: 0.5}
    # who does not say what it drives on gets both
    assert closed_edges(STREETS, zones, FLAT, **SPAN) == {EDGE: ("road",)}
    assert slowed_edges(STREETS, zones, FLAT, **SPAN) == {EDGE: 0.5}


def test_a_slowed_round_is_planned_slow_and_a_fast_one_is_refused() -> None:
    zones = ZoneSet((WALKING,))
    fast = planned(STREETS, zones)
    answer = validate_round(fast, checks(ON_PAVEMENT), zones, FLAT)
    assert [(r.code, r.zone_id) for r in answer.reasons] == [("speed", "walk")]
    assert "moves at 1.7 m/s" in answer.reasons[0].text
    assert "which allows 0.5 m/s" in answer.reasons[0].text
    assert validate_round(fast, checks(ON_ROAD), zones, FLAT).go
    slowed = slowed_edges(STREETS, zones, FLAT, traits=ON_PAVEMENT, **SPAN)
    slow = planned(open_streets(STREETS, {}, slowed), zones)
    assert validate_round(slow, checks(ON_PAVEMENT), zones, FLAT).go
    speeds = {edge.edge_id: edge.max_speed_mps for edge in slow.edges}
    assert speeds[EDGE] == 0.5
    # 250 m there and back again at 0.5 instead of 1.7 m/s
    longer_s = 2 * 250.0 * (1 / 0.5 - 1 / 1.7)
    assert slow.duration_s - fast.duration_s == pytest.approx(longer_s, rel=0.01)


def test_a_road_for_electric_vehicles_alone() -> None:
    low = ZoneSet((no_fly("low", at(375.0, 0.0), 60.0, classes=ROBOTS, electric_exempt=True),))
    electric = VehicleTraits(VehicleClass.ROBOT, electric=True)
    assert closed_edges(STREETS, low, FLAT, traits=electric, **SPAN) == {}
    assert closed_edges(STREETS, low, FLAT, traits=ON_ROAD, **SPAN) == {EDGE: ("low",)}
    mission = planned(STREETS, low)
    assert validate_round(mission, checks(electric), low, FLAT).go
    assert not validate_round(mission, checks(None), low, FLAT).go


def test_a_flight_is_slowed_by_the_zones_on_its_way() -> None:
    limit = flights.circle(
        "calm", flights.at(500.0, 0.0), 200.0, kind=ZoneKind.ADVISORY, max_speed_mps=4.0
    )
    zones = ZoneSet((limit,))
    request = flights.request(flights.at(1000.0, 0.0))
    mission = plan_flight(request, zones, flights.FLAT)
    assert isinstance(mission, AirMission)
    assert [i.speed_mps for i in mission.items if i.kind is ItemKind.SPEED] == [4.0]
    assert validate_flight(mission, flights.checks(), zones, flights.FLAT).go
    fast = plan_flight(request, ZoneSet(()), flights.FLAT)
    assert isinstance(fast, AirMission)
    answer = validate_flight(fast, flights.checks(), zones, flights.FLAT)
    assert {(r.code, r.zone_id) for r in answer.reasons} == {("speed", "calm")}
    assert "moves at 12 m/s in advisory zone calm" in answer.reasons[0].text


def test_a_mass_limit_is_flown_round_only_by_the_heavy() -> None:
    heavy = flights.circle("heavy", flights.at(500.0, 0.0), 100.0, min_mass_kg=25.0)
    zones = ZoneSet((heavy,))

    def plan(mass_kg):
        traits = VehicleTraits(VehicleClass.MULTIROTOR, mass_kg=mass_kg)
        mission = plan_flight(
            flights.request(flights.at(1000.0, 0.0), traits=traits), zones, flights.FLAT
        )
        assert isinstance(mission, AirMission)
        assert validate_flight(mission, flights.checks(traits=traits), zones, flights.FLAT).go
        return sum(item.kind is ItemKind.WAYPOINT for item in mission.items)

    assert plan(30.0) == plan(None) > plan(10.0)


def relief(hill_m: float) -> Surroundings:
    """Ground at 10 m, about home; a ridge of `hill_m` 400 to 600 m north of it."""
    posts = np.full((41, 41), 10.0, dtype=np.float32)
    posts[24:26] += hill_m
    return Surroundings(terrain=Grid(24.90, 60.15, 0.002, 0.001, posts))


def test_a_hill_on_the_way_is_seen() -> None:
    request = flights.request(flights.at(1000.0, 0.0))
    for hill_m, said in ((0.0, ""), (40.0, ""), (50.0, "within 10 m of the ground and needs 15 m")):
        mission = plan_flight(request, ZoneSet(()), relief(hill_m))
        assert isinstance(mission, AirMission)
        answer = validate_flight(mission, flights.checks(), ZoneSet(()), relief(hill_m))
        assert answer.go == (not said)
        assert all(said in reason.text for reason in answer.reasons)


def test_a_valley_on_the_way_counts_against_the_height_limit() -> None:
    request = flights.request(flights.at(1000.0, 0.0), cruise_alt_home_m=100.0)
    mission = plan_flight(request, ZoneSet(()), relief(-30.0))
    assert isinstance(mission, AirMission)
    answer = validate_flight(mission, flights.checks(), ZoneSet(()), relief(-30.0))
    assert any("130 m above ground, over 120 m" in reason.text for reason in answer.reasons)


def test_a_way_off_the_grid_is_refused() -> None:
    request = flights.request(flights.at(5000.0, 0.0))
    mission = plan_flight(request, ZoneSet(()), relief(0.0))
    assert isinstance(mission, AirMission)
    checks_ = flights.checks(usable_energy_wh=5000.0, available_energy_wh=5000.0)
    answer = validate_flight(mission, checks_, ZoneSet(()), relief(0.0))
    assert {reason.code for reason in answer.reasons} == {"terrain"}
    assert "provide a larger grid" in answer.reasons[0].text


def test_the_drop_stands_on_the_ground_of_the_grid() -> None:
    posts = np.full((41, 41), 10.0, dtype=np.float32)
    posts[28:] = 25.0
    hill = Surroundings(terrain=Grid(24.90, 60.15, 0.002, 0.001, posts))
    mission = plan_flight(flights.request(flights.at(1000.0, 0.0)), ZoneSet(()), hill)
    assert isinstance(mission, AirMission)
    low_m = min(i.alt_home_m for i in mission.items if i.kind is ItemKind.WAYPOINT)
    assert low_m == 15.0 + 20.0


def test_robots_stand_on_the_ground_of_the_grid() -> None:
    """Zones above ground follow the ridge that a street goes over; others are left below it."""
    posts = np.full((41, 41), 10.0, dtype=np.float32)
    posts[22:25] += 60.0
    hill = Surroundings(terrain=Grid(24.90, 60.15, 0.002, 0.001, posts))
    low = no_fly("low", at(375.0, 0.0), 60.0, classes=ROBOTS, ceiling=Altitude(1.0, Datum.AGL))
    assert closed_edges(STREETS, ZoneSet((low,)), hill, **SPAN) == {EDGE: ("low",)}
    high = no_fly(
        "high", at(375.0, 0.0), 60.0, classes=ROBOTS,
        floor=Altitude(60.0, Datum.AGL), ceiling=None,
    )  # fmt: skip
    assert closed_edges(STREETS, ZoneSet((high,)), hill, **SPAN) == {}
    sea = no_fly(
        "sea", at(375.0, 0.0), 60.0, classes=ROBOTS,
        floor=Altitude(0.0, Datum.AMSL), ceiling=Altitude(30.0, Datum.AMSL),
    )  # fmt: skip
    assert closed_edges(STREETS, ZoneSet((sea,)), hill, **SPAN) == {}
    assert closed_edges(STREETS, ZoneSet((sea,)), relief(0.0), **SPAN) == {EDGE: ("sea",)}
