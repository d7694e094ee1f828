"""Flights with several stops: their way, their marks, their checks and what they take."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.frames import geodesic_m
from geofence.zoneset import ZoneSet
from missions.errors import RequestError
from missions.model import AirMission, DropDevice, ItemKind
from missions.plan_flight import plan_flight
from missions.plan_flown import FlownLeg, flown_legs
from missions.plan_paths import uncovered_ways_out
from missions.plan_reasons import NoGo
from missions.plan_stops import FlightRequest, FlightStop
from missions.validate import validate_flight
from missions.way_home import way_home
from tests.unit.missions.flights import FLAT, HOME, NOW, at, checks, circle, request
from vehicles.mavlink.items import translate

NO_ZONES = ZoneSet(())
FIRST, SECOND = at(400.0, 0.0), at(500.0, 700.0)
K = ItemKind


def two(**changes: object) -> FlightRequest:
    made = request(
        FIRST,
        weight_kg=1.0,
        device=DropDevice.GRIPPER,
        further=(FlightStop("P-2", 0.5, SECOND),),
    )
    return replace(made, **changes)


def landing(**changes: object) -> FlightRequest:
    return two(landing=True, further=(FlightStop("P-2", 0.5, SECOND, landing=True),), **changes)


def planned(asked: FlightRequest, zones: ZoneSet = NO_ZONES) -> AirMission:
    mission = plan_flight(asked, zones, FLAT)
    assert isinstance(mission, AirMission), mission
    return mission


def legs_of(mission: AirMission, asked: FlightRequest) -> tuple[FlownLeg, ...]:
    return flown_legs(
        mission,
        loads=asked.loads,
        speed_mps=asked.cruise_speed_mps,
        model=asked.model,
        rules=asked.rules,
    )


BOTH = pytest.mark.parametrize("asked", [two(), landing()], ids=["dropping", "landing"])


@BOTH
def test_each_parcel_leaves_at_its_own_place_and_the_flight_ends_at_home(asked):
    mission = planned(asked)
    assert mission.parcel_ids == ("P-1", "P-2")
    place, places = None, {}
    for item in mission.items:
        place = item.position or place
        if item.kind is K.RELEASE:
            places[item.parcel_id] = place
    assert places == {"P-1": FIRST, "P-2": SECOND}
    assert mission.items[-1].position == HOME
    assert len(translate(mission).releases) == 2


@BOTH
def test_every_leg_out_is_covered_by_the_way_back_and_the_flight_may_go(asked):
    mission = planned(asked)
    assert uncovered_ways_out(mission, legs_of(mission, asked)) == ()
    answer = validate_flight(mission, checks(loads=asked.loads), NO_ZONES, FLAT)
    assert answer.go, answer.reasons


@BOTH
def test_a_stop_without_a_mark_of_its_own_is_not_covered(asked):
    mission = planned(asked)
    marks = [n for n, item in enumerate(mission.items) if item.kind is K.RETURN_PATH]
    assert len(marks) == 2
    bare = replace(mission, items=mission.items[: marks[1]] + mission.items[marks[1] + 1 :])
    found = uncovered_ways_out(bare, legs_of(bare, asked))
    assert found
    assert all(leg.vertical and geodesic_m(leg.start, FIRST) < 1.0 for leg in found)


@BOTH
def test_called_home_low_over_the_first_stop_it_rises_first(asked):
    mission = planned(asked)
    legs = legs_of(mission, asked)
    path = way_home(mission, legs, FIRST, 4.0, now=NOW, rules=asked.rules)
    assert path is not None
    # no line begins low: the climb is a disc over the stop
    assert min(leg.start_amsl_m for leg in path.legs) > 10.0 + 60.0 - 5.0
    columns = [disc for disc in path.discs if geodesic_m(disc.center, FIRST) < 1.0]
    assert columns
    assert min(disc.low_amsl_m for disc in columns) <= 10.0 + 4.0


@BOTH
def test_the_load_gets_less_at_each_stop(asked):
    mission = planned(asked)
    legs = [leg for leg in legs_of(mission, asked) if not leg.vertical]
    shares = [leg.energy_wh / leg.loaded_energy_wh for leg in legs]
    out, between, back, home = shares
    assert out == pytest.approx(1.0)
    assert 1.0 > between > back
    assert back == pytest.approx(home, rel=0.02)
    assert mission.energy_wh == pytest.approx(sum(leg.energy_wh for leg in legs_of(mission, asked)))
    light = planned(replace(asked, weight_kg=0.1))
    assert light.energy_wh < mission.energy_wh


def test_the_whole_load_and_the_whole_way_are_judged():
    asked = two()
    mission = planned(asked)
    heavy = validate_flight(mission, checks(loads=asked.loads, max_payload_kg=1.4), NO_ZONES, FLAT)
    assert [r.code for r in heavy.reasons] == ["payload"]
    needed = sum(leg.loaded_energy_wh for leg in legs_of(mission, asked))
    spare = {"usable_energy_wh": 500.0, "available_energy_wh": 125.0 + needed - 0.5}
    low = validate_flight(mission, checks(loads=asked.loads, **spare), NO_ZONES, FLAT)
    assert [r.code for r in low.reasons] == ["battery"]


def test_a_zone_between_the_stops_is_flown_round_there_and_back():
    zone = circle("Z-1", at(450.0, 350.0), 60.0)
    zones = ZoneSet((zone,))
    asked = two()
    mission = planned(asked, zones)
    straight = planned(asked)
    assert len(mission.items) > len(straight.items)
    answer = validate_flight(mission, checks(loads=asked.loads), zones, FLAT)
    assert answer.go, answer.reasons
    forbidden = validate_flight(straight, checks(loads=asked.loads), zones, FLAT)
    assert {r.zone_id for r in forbidden.reasons} == {"Z-1"}


def test_a_zone_over_the_second_stop_is_named():
    zones = ZoneSet((circle("Z-1", SECOND, 60.0),))
    found = plan_flight(two(), zones, FLAT)
    assert isinstance(found, NoGo)
    assert "Z-1" in found.text
    assert "covers the destination" in found.text


def test_two_parcels_for_one_place_are_two_drops_with_a_climb_between():
    asked = two(further=(FlightStop("P-2", 0.5, FIRST),))
    mission = planned(asked)
    one, other = translate(mission).releases
    assert other.seq > one.done_seq
    assert uncovered_ways_out(mission, legs_of(mission, asked)) == ()
    assert validate_flight(mission, checks(loads=asked.loads), NO_ZONES, FLAT).go


def test_requests_that_make_no_sense_are_refused():
    with pytest.raises(RequestError, match="same parcel"):
        two(further=(FlightStop("P-1", 0.5, SECOND),))
    with pytest.raises(RequestError, match="lets nothing go on the ground"):
        two(device=DropDevice.WINCH, landing=True)
    with pytest.raises(RequestError, match="weight_kg"):
        FlightStop("P-2", -1.0, SECOND)


PLACES = st.tuples(st.floats(-900.0, 900.0), st.floats(-900.0, 900.0)).filter(
    lambda p: max(map(abs, p)) > 30.0
)


@settings(max_examples=30, deadline=None)
@given(st.lists(PLACES, min_size=2, max_size=4), st.booleans(), st.sampled_from(list(DropDevice)))
def test_any_flight_planned_is_one_that_may_go(places, on_ground, device):
    lands = on_ground and device is DropDevice.GRIPPER
    further = tuple(
        FlightStop(f"P-{n}", 0.2, at(*place), landing=lands)
        for n, place in enumerate(places[1:], start=2)
    )
    asked = two(
        destination=at(*places[0]), weight_kg=0.2, device=device, landing=lands, further=further
    )
    zones = ZoneSet((circle("Z-1", at(300.0, 300.0), 80.0), circle("Z-2", at(-300.0, 100.0), 50.0)))
    mission = plan_flight(asked, zones, FLAT)
    if isinstance(mission, NoGo):
        return
    plan = translate(mission)
    assert [r.parcel_id for r in plan.releases] == [s.parcel_id for s in asked.stops]
    assert uncovered_ways_out(mission, legs_of(mission, asked)) == ()
    full = checks(loads=asked.loads, usable_energy_wh=2000.0, available_energy_wh=2000.0)
    answer = validate_flight(mission, full, zones, FLAT)
    assert answer.go, answer.reasons
