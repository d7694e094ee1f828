"""Admission: a new flight keeps away from those under way, and says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.dispatch.engine import dispatch
from controller.dispatch.model import ActiveFlight, DispatchSettings
from geofence.corridors import Corridor
from tests.unit.controller.dispatch_worlds import NOW, at, drone, numbered, parcel, world
from vehicles.port import Phase

THERE = at(600.0, 0.0)


@pytest.fixture
def other():
    """A flight to the same place that started as the new one would, at nearly the same height."""
    alone = world((drone(1),), (parcel(1, THERE),), streets=None)
    (offer,) = dispatch(alone, ids=numbered()).offers
    preparation = timedelta(seconds=alone.settings.preparation_s)
    return ActiveFlight("D-01", offer.mission, NOW, NOW + preparation)


def decide(active, settings=None, place=THERE, **changes):
    there = (replace(drone(1), assigned="A-1"), replace(drone(2), **changes))
    settings = settings or DispatchSettings()
    asked = world(there, (parcel(2, place),), streets=None, active=tuple(active), settings=settings)
    return dispatch(asked, ids=numbered())


def test_alone_it_flies_as_planned():
    (offer,) = decide([]).offers
    assert offer.mission.cruise_alt_home_m == 54.0
    assert offer.note == ""


def test_it_is_moved_to_another_level_and_says_why(other):
    ahead = replace(other, started_at=other.started_at - timedelta(seconds=20))
    settings = DispatchSettings(level_cost_s=1.0)
    decision = decide([ahead], settings, place=at(1_100.0, 0.0))
    (offer,) = decision.offers
    assert abs(offer.mission.cruise_alt_home_m - other.mission.cruise_alt_home_m) >= 15.0
    told = decision.explanations["P-002"]
    assert told.chosen == "D-02"
    assert "at 54 m it would come within" in told.sentence
    assert "of D-01" in told.sentence


def test_it_waits_where_that_costs_less_and_says_why(other):
    decision = decide([other], DispatchSettings(level_cost_s=1_000.0))
    assert not decision.offers
    (refusal,) = (r for r in decision.explanations["P-002"].refusals if r.vehicle_id == "D-02")
    assert refusal.code == "airspace"
    assert not refusal.permanent
    assert "of D-01 at" in refusal.text
    assert "it waits" in refusal.text
    assert not decision.unservable


def test_when_the_other_is_gone_it_flies(other):
    early = replace(other, started_at=NOW - timedelta(hours=1))
    (offer,) = decide([early]).offers
    assert offer.mission.cruise_alt_home_m == 54.0


def test_a_drone_that_holds_is_where_it_is(other):
    """Held over the destination, it bars the drop however long ago it should have been home."""
    held = replace(
        drone(1).telemetry, phase=Phase.HOLDING, armed=True, position=THERE, alt_amsl_m=64.0
    )
    blocked = world(
        (replace(drone(1), assigned="A-1", telemetry=held), drone(2)),
        (parcel(2, THERE),),
        streets=None,
        active=(replace(other, started_at=NOW - timedelta(hours=1)),),
        settings=DispatchSettings(level_cost_s=0.0),
    )
    decision = dispatch(blocked, ids=numbered())
    assert not decision.offers
    assert any(r.code == "airspace" for r in decision.explanations["P-002"].refusals)


def test_one_pad_is_used_by_one_at_a_time(other):
    """Two drones told to be at one place: the second waits for the pad, whatever its level."""
    shared = replace(drone(2).telemetry, home=other.mission.home, position=other.mission.home)
    decision = decide([other], telemetry=shared)
    assert not decision.offers
    (refusal,) = (r for r in decision.explanations["P-002"].refusals if r.vehicle_id == "D-02")
    assert "pad is taken" in refusal.text


def narrow(**changes) -> DispatchSettings:
    """A corridor on the way to THERE, outside of the hub."""
    line = (at(150.0, 0.0), at(450.0, 0.0))
    corridor = Corridor("Bridge", line, 40.0, **{"headway_s": 5.0, **changes})
    return DispatchSettings(corridors=(corridor,), level_cost_s=1_000.0, max_wait_s=900.0)


def corridor_words(decision) -> str:
    (refusal,) = (r for r in decision.explanations["P-002"].refusals if r.vehicle_id == "D-02")
    assert refusal.code == "corridor"
    assert not refusal.permanent
    assert not decision.unservable
    return refusal.text


def test_a_flight_waits_for_a_corridor_and_says_until_when(other):
    """On another level, so that only the corridor parts them."""
    settings = narrow()
    decision = decide([other], settings, cruise_alt_home_m=100.0)
    words = corridor_words(decision)
    assert "waits for corridor Bridge until" in words
    assert "D-01" in words
    assert words in decision.explanations["P-002"].sentence
    above = decide([other], narrow(low_amsl_m=200.0), cruise_alt_home_m=100.0)
    assert "corridor" not in above.explanations["P-002"].sentence
    assert decide([], settings, cruise_alt_home_m=100.0).offers


def test_a_flight_passes_over_a_corridor_that_it_would_wait_for(other):
    """The corridor ends at 80 m AMSL; from 10 m the new flight's 54 m are in it, 84 m are not."""
    ahead = replace(other, started_at=other.started_at - timedelta(seconds=20))
    decision = decide([ahead], narrow(high_amsl_m=80.0), place=at(1_100.0, 0.0))
    (offer,) = decision.offers
    assert offer.mission.cruise_alt_home_m == 84.0
    sentence = decision.explanations["P-002"].sentence
    assert "flown at 84 m: at 54 m it waits for corridor Bridge until" in sentence
    assert "D-01" in sentence


def test_it_passes_under_one_that_is_one_way(other):
    settings = narrow(one_way=True, low_amsl_m=50.0)
    (offer,) = decide([], settings).offers
    assert offer.mission.cruise_alt_home_m == 39.0
    assert "one-way" in offer.note


def test_where_no_level_is_out_of_the_corridor_it_waits(other):
    words = corridor_words(decide([other], narrow(high_amsl_m=125.0), cruise_alt_home_m=100.0))
    assert "waits for corridor Bridge until" in words


def test_one_comes_back_through_the_corridor_while_the_other_would_enter(other):
    # on its way back when the new flight would go in
    ahead = replace(other, started_at=other.started_at - timedelta(seconds=85))
    words = corridor_words(decide([ahead], narrow(capacity=5), cruise_alt_home_m=100.0))
    assert "D-01 comes the other way" in words


def test_a_one_way_corridor_is_not_flown_backwards():
    words = corridor_words(decide([], narrow(one_way=True)))
    assert "corridor Bridge is one-way" in words


def test_two_flights_of_one_decision_take_turns():
    fleet = (drone(1), drone(2, cruise_alt_home_m=100.0))
    asked = world(fleet, (parcel(1, THERE), parcel(2, THERE)), streets=None, settings=narrow())
    decision = dispatch(asked, ids=numbered())
    assert len(decision.offers) == 1
    texts = [r.text for e in decision.explanations.values() for r in e.refusals]
    assert any("waits for corridor Bridge until" in text for text in texts)
