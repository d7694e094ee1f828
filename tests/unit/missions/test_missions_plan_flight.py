from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from geofence.check import check
from geofence.frames import Altitude, Datum, geodesic_m, offset
from geofence.zones import Schedule
from geofence.zoneset import ZoneSet
from missions.errors import RequestError
from missions.model import AirMission, DropDevice, ItemKind
from missions.plan import NoGo, plan_flight
from missions.plan_flown import DEFAULT_FLIGHT_RULES
from missions.plan_paths import flight_path
from missions.validate import validate_flight, walk_flight
from tests.unit.missions.flights import FLAT, HOME, NOW, at, box, checks, circle, request

EMPTY = ZoneSet(())


def planned(destination, zones=EMPTY, **changes) -> AirMission:
    mission = plan_flight(request(destination, **changes), zones, FLAT)
    assert isinstance(mission, AirMission), mission
    return mission


def refused(destination, zones, **changes) -> NoGo:
    answer = plan_flight(request(destination, **changes), zones, FLAT)
    assert isinstance(answer, NoGo)
    return answer


def test_a_free_flight_goes_straight_there_and_back():
    drop = at(800.0, 600.0)
    mission = planned(drop)
    kinds = [item.kind for item in mission.items]
    assert kinds == [
        ItemKind.TAKEOFF,
        ItemKind.SPEED,
        ItemKind.WAYPOINT,
        ItemKind.WAYPOINT,
        ItemKind.DELAY,
        ItemKind.RELEASE,
        ItemKind.DELAY,
        ItemKind.RETURN_PATH,
        ItemKind.WAYPOINT,
        ItemKind.WAYPOINT,
        ItemKind.LAND,
    ]
    heights = [i.alt_home_m for i in mission.items if i.kind is ItemKind.WAYPOINT]
    assert heights == [60.0, 20.0, 60.0, 60.0]
    assert mission.items[-1].position == HOME
    assert mission.parcel_ids == ("P-1",)
    assert mission.zones_version == EMPTY.version
    assert mission.duration_s > 2 * 1000.0 / 12.0
    assert mission.energy_wh > 0.0
    assert validate_flight(mission, checks(), EMPTY, FLAT).go


@pytest.mark.parametrize(
    ("device", "height_m", "rope_m"),
    [(DropDevice.GRIPPER, 2.0, 0.0), (DropDevice.WINCH, 20.0, 21.0),
     (DropDevice.PAYLOAD_PLACE, 10.0, 15.0)],
)  # fmt: skip
def test_each_device_has_its_own_release(device, height_m, rope_m):
    mission = planned(at(500.0, 0.0), device=device)
    (release,) = [i for i in mission.items if i.kind is ItemKind.RELEASE]
    number = mission.items.index(release)
    descent = mission.items[number - 2]
    assert (release.device, release.winch_m) == (device, rope_m)
    assert (descent.kind, descent.alt_home_m) == (ItemKind.WAYPOINT, height_m)
    assert (release.position is not None) == (device is DropDevice.PAYLOAD_PLACE)
    if device is DropDevice.WINCH:
        assert mission.items[number + 1].delay_s >= rope_m + 3.0


def test_release_height_counts_from_the_ground_at_the_destination():
    mission = planned(at(500.0, 0.0), home_amsl_m=25.0)
    assert mission.items[3].alt_home_m == pytest.approx(10.0 - 25.0 + 20.0)
    mission = planned(at(500.0, 0.0), destination_ground_amsl_m=30.0)
    assert mission.items[3].alt_home_m == pytest.approx(30.0 - 10.0 + 20.0)
    no = refused(at(500.0, 0.0), EMPTY, destination_ground_amsl_m=60.0)
    assert "too near to the cruise height" in no.text


def test_the_way_round_a_zone_is_the_same_in_both_directions():
    zones = ZoneSet((circle("Z-1", at(500.0, 20.0), 150.0),))
    mission = planned(at(1000.0, 0.0), zones)
    way = [
        i.position for i in mission.items if i.kind is ItemKind.WAYPOINT and i.alt_home_m == 60.0
    ]
    half = len(way) // 2
    assert half >= 2
    assert [HOME, *way[:half]] == list(reversed(way[half:]))
    assert min(geodesic_m(p, at(500.0, 20.0)) for p in way) > 150.0
    assert validate_flight(mission, checks(), zones, FLAT).go


def test_a_destination_inside_a_zone_is_told_with_name_kind_heights_and_depth():
    zones = ZoneSet((circle("Z-4", at(900.0, 0.0), 75.0),))
    no = refused(at(900.0, 0.0), zones)
    assert no.text == "Z-4 Place Z-4 (no-fly 0-120 m AGL) covers the destination 85 m deep"
    assert no.permanent
    assert no.reasons[0].zone_id == "Z-4"
    assert no.reasons[0].depth_m == pytest.approx(85.0, abs=0.2)


def test_a_zone_that_comes_and_goes_refuses_for_now_only():
    schedule = Schedule(valid_from=NOW, valid_to=NOW + timedelta(hours=2))
    zones = ZoneSet((circle("Z-4", at(900.0, 0.0), 75.0, schedule=schedule),))
    assert not refused(at(900.0, 0.0), zones).permanent
    later = planned(at(900.0, 0.0), zones, depart_at=NOW + timedelta(hours=3))
    assert later.parcel_ids == ("P-1",)


def test_a_zone_below_the_cruise_height_bars_the_drop_but_not_the_passage():
    low = {"ceiling": Altitude(40.0, Datum.AGL)}
    passing = ZoneSet((circle("Z-1", at(500.0, 0.0), 100.0, **low),))
    mission = planned(at(1000.0, 0.0), passing)
    assert len([i for i in mission.items if i.kind is ItemKind.WAYPOINT]) == 4
    dropping = ZoneSet((circle("Z-1", at(1000.0, 0.0), 100.0, **low),))
    answer = plan_flight(request(at(1000.0, 0.0)), dropping, FLAT)
    assert isinstance(answer, AirMission)
    verdict = validate_flight(answer, checks(), dropping, FLAT)
    assert not verdict.go
    assert "covers the destination" in verdict.reasons[0].text


def test_a_narrow_gap_is_flown_slowly():
    half = 24.0
    zones = ZoneSet(
        (
            box("Z-W", (300.0, -4000.0), (500.0, -half)),
            box("Z-E", (300.0, half), (500.0, 4000.0)),
        )
    )
    mission = planned(at(900.0, 0.0), zones)
    speed = next(i.speed_mps for i in mission.items if i.kind is ItemKind.SPEED)
    assert speed == 8.0
    assert DEFAULT_FLIGHT_RULES.corridor_m(speed) < half
    assert validate_flight(mission, checks(), zones, FLAT).go


def test_no_way_out_names_the_wall():
    ring = (
        box("W-1", (300.0, -600.0), (400.0, 600.0)),
        box("W-2", (-400.0, -600.0), (-300.0, 600.0)),
        box("W-3", (-400.0, -600.0), (400.0, -500.0)),
        box("W-4", (-400.0, 500.0), (400.0, 600.0)),
    )
    no = refused(at(900.0, 0.0), ZoneSet(ring))
    assert no.reasons[0].code == "no_route"
    assert "W-1" in no.text
    assert no.permanent


def test_corridor_is_the_contingency_volume():
    stop = 10.0**2 / (2 * 9.80665 * math.tan(math.radians(30.0)))
    assert DEFAULT_FLIGHT_RULES.corridor_m(10.0) == pytest.approx(7.0 + 10.0 + stop)
    assert DEFAULT_FLIGHT_RULES.corridor_m(10.0) == pytest.approx(25.8, abs=0.1)
    assert DEFAULT_FLIGHT_RULES.corridor_m(20.0) == pytest.approx(62.3, abs=0.1)


def test_far_away_and_own_pad_are_refused():
    assert "over the limit of 20 km" in refused(at(21_000.0, 0.0), EMPTY).text
    assert "own pad" in refused(HOME, EMPTY).text
    assert "outside 20-120 m" in refused(at(500.0, 0.0), EMPTY, cruise_alt_home_m=150.0).text


@pytest.mark.parametrize(
    ("field", "value"),
    [("cruise_speed_mps", 0.0), ("cruise_alt_home_m", math.nan), ("weight_kg", -1.0),
     ("home_amsl_m", math.inf), ("depart_at", NOW.replace(tzinfo=None))],
)  # fmt: skip
def test_impossible_requests_name_their_field(field, value):
    with pytest.raises(RequestError) as caught:
        request(at(500.0, 0.0), **{field: value})
    assert caught.value.field == field


def test_corners_flown_through_are_checked_as_wide_as_their_turns():
    mission = planned(at(2_000.0, 0.0), ZoneSet([box("Z", (800.0, -200.0), (1_200.0, 250.0))]))
    legs = walk_flight(mission, checks(), FLAT).legs
    path = flight_path(
        mission, legs, depart_at=NOW, rules=DEFAULT_FLIGHT_RULES, permits=frozenset()
    )
    corridor_m = DEFAULT_FLIGHT_RULES.corridor_m(12.0)
    turns = [leg for leg in path.legs if leg.label.startswith("turn of")]
    corners = sum(item.label.startswith("out ") for item in mission.items)
    assert corners >= 2
    # both sides of each corner at three heights; the way back has the same
    assert len(turns) == 6 * corners
    assert all(corridor_m < leg.corridor_m <= corridor_m + 2.0 for leg in turns)
    fixed = replace(DEFAULT_FLIGHT_RULES, fixed_corridor_m=20.0)
    path = flight_path(mission, legs, depart_at=NOW, rules=fixed, permits=frozenset())
    assert {leg.corridor_m for leg in path.legs} == {20.0}


def test_a_zone_that_only_a_turn_reaches_is_found():
    """On the outside of a corner, a metre beyond the corridor of the straight legs."""
    mission = planned(at(2_000.0, 0.0), ZoneSet([box("Z", (800.0, -200.0), (1_200.0, 250.0))]))
    corner = next(item.position for item in mission.items if item.label == "out 1")
    legs = walk_flight(mission, checks(), FLAT).legs
    path = flight_path(
        mission, legs, depart_at=NOW, rules=DEFAULT_FLIGHT_RULES, permits=frozenset()
    )
    wide = next(leg for leg in path.legs if leg.label.startswith("turn") and leg.end == corner)
    room_m = (DEFAULT_FLIGHT_RULES.corridor_m(12.0) + wide.corridor_m) / 2.0
    east = corner.lon_deg > HOME.lon_deg
    beside = ZoneSet([circle("T", offset(corner, 90.0 if east else 270.0, room_m + 5.0), 5.0)])
    verdict = check(path, beside, FLAT)
    assert {v.label.split(" of ")[0] for v in verdict.violations} == {"turn"}
