"""The way home from the middle of a mission."""

from __future__ import annotations

import pytest

from geofence.check import check
from geofence.zoneset import ZoneSet
from missions.energy import MultirotorModel
from missions.plan import plan_flight
from missions.plan_flown import DEFAULT_FLIGHT_RULES, flown_legs
from missions.way_home import way_home
from tests.unit.missions.flights import FLAT, NOW, at, circle, request
from tests.unit.missions.test_missions_contingency import DROP, detour

RULES = DEFAULT_FLIGHT_RULES


def legs_of(mission):
    return flown_legs(
        mission, loads={"P-1": 1.5}, speed_mps=12.0, model=MultirotorModel(), rules=RULES
    )


def home_from(position, alt_home_m=60.0, *, return_path=True):
    mission = detour(return_path=return_path)
    legs = legs_of(mission)
    return way_home(mission, legs, position, alt_home_m, now=NOW, rules=RULES)


def forbidden_by(path, zone) -> bool:
    return not check(path, ZoneSet((zone,)), FLAT).allowed


@pytest.mark.parametrize(
    ("zone_at", "position", "barred"),
    [
        (at(800.0, 400.0), DROP, True),
        (at(400.0, 0.0), DROP, True),
        (at(800.0, 700.0), at(800.0, 200.0), False),
        (at(400.0, 0.0), at(800.0, 200.0), True),
        (at(800.0, 400.0), at(300.0, 0.0), False),
        (at(700.0, 0.0), at(300.0, 0.0), False),
        (at(400.0, 400.0), DROP, False),
    ],
)
def test_what_lies_behind_does_not_bar_the_way_home(zone_at, position, barred):
    path = home_from(position)
    assert forbidden_by(path, circle("Z-1", zone_at, 20.0)) is barred


def test_a_vehicle_off_its_way_flies_straight_to_the_end_of_the_nearest_leg():
    # 150 m beside the leg that comes down from the corner: it joins at home's end of it
    path = home_from(at(500.0, 150.0))
    assert forbidden_by(path, circle("Z-1", at(250.0, 75.0), 10.0))
    assert not forbidden_by(path, circle("Z-1", at(650.0, 0.0), 10.0))


def test_where_two_legs_are_as_near_both_ways_must_be_clear():
    path = home_from(at(790.0, 10.0))
    ends = {(round(line.end.lat_deg, 6), round(line.end.lon_deg, 6)) for line in path.legs}
    assert len(ends) >= 2
    assert forbidden_by(path, circle("Z-1", at(400.0, 0.0), 10.0))


def test_low_over_the_drop_the_climb_is_part_of_it():
    path = home_from(DROP, 20.0)
    assert any(disc.high_amsl_m > 60.0 for disc in path.discs)


def test_a_mission_without_a_return_path_has_no_such_way():
    assert home_from(DROP, return_path=False) is None


def test_a_planned_flight_has_one():
    mission = plan_flight(request(at(700.0, 300.0)), ZoneSet(()), FLAT)
    path = way_home(mission, legs_of(mission), at(700.0, 300.0), 60.0, now=NOW, rules=RULES)
    assert path is not None
    assert all(leg.leave > NOW for leg in path.legs)


def test_a_corner_of_the_way_home_is_as_wide_as_its_turn():
    """The corner is at 800 m north; west of it only what comes from the drop turns."""
    whole = home_from(DROP)
    turns = [line for line in whole.legs if "turn of" in line.label]
    straight = max(line.corridor_m for line in whole.legs if line not in turns)
    wider_m = max(line.corridor_m for line in turns) - straight
    assert wider_m > 1.5
    beside = circle("Z-1", at(790.0, -(straight + wider_m / 2.0 + 20.0)), 20.0)
    assert forbidden_by(whole, beside)
    assert not forbidden_by(home_from(at(600.0, 0.0)), beside)
    far = circle("Z-1", at(790.0, -(straight + wider_m + 21.0)), 20.0)
    assert not forbidden_by(whole, far)
    # off its way it comes to the same corner from elsewhere, and turns there
    aside = home_from(at(820.0, 300.0))
    assert any("turn of" in line.label and line.end == turns[0].end for line in aside.legs)
