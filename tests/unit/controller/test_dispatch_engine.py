from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.dispatch.engine import Engine, dispatch
from controller.dispatch.explain import vehicle_sentences
from controller.dispatch.insertion import place
from controller.dispatch.plans import Plans
from controller.dispatch.table import fill
from controller.domain.model import Handling, Priority, Site, SiteKind
from geofence.zones import Schedule, VehicleClass, ZoneKind
from geofence.zoneset import ZoneSet
from missions.model import AirMission, GroundMission
from tests.unit.controller.dispatch_worlds import (
    NOW,
    at,
    drone,
    no_fly,
    numbered,
    parcel,
    robot,
    world,
)
from vehicles.port import LinkState, Phase


def decide(*args, seed=0, **changes):
    return dispatch(world(*args, **changes), ids=numbered(), seed=seed)


def refusal(decision, parcel_id, vehicle_id):
    (found,) = [r for r in decision.explanations[parcel_id].refusals if r.vehicle_id == vehicle_id]
    return found


def told(vehicle, **changes):
    return replace(vehicle, telemetry=replace(vehicle.telemetry, **changes))


def test_a_parcel_goes_to_the_drone_where_the_robot_is_far_slower():
    decision = decide((drone(), robot()), (parcel(1, at(1000.0, 1000.0)),))
    (offer,) = decision.offers
    assert (offer.vehicle_id, offer.parcel_ids) == ("D-01", ("P-001",))
    assert isinstance(offer.mission, AirMission)
    assert offer.mission.mission_id == "mission-1"
    assert offer.mission.vehicle_id == "D-01"
    assert offer.mission.parcel_ids == ("P-001",)
    assert NOW < offer.arrive_at["P-001"] < NOW + timedelta(minutes=8)
    assert 25.0 < offer.reserve_pct < 100.0
    explanation = decision.explanations["P-001"]
    assert explanation.chosen == "D-01"
    assert explanation.sentence.startswith("D-01 carries P-001: there at 09:0")
    assert [c.vehicle_id for c in explanation.candidates] == ["D-01", "R-01"]
    first = explanation.candidates[0]
    assert sum(first.breakdown.values()) == pytest.approx(first.cost)


def test_a_near_parcel_goes_to_the_robot_and_the_drone_is_kept():
    decision = decide((drone(), robot()), (parcel(1, at(250.0, 0.0)),))
    (offer,) = decision.offers
    assert offer.vehicle_id == "R-01"
    assert isinstance(offer.mission, GroundMission)


def test_what_only_a_robot_can_carry_and_what_only_a_drone_can_reach():
    heavy = parcel(1, at(500.0, 500.0), weight_kg=9.0)
    pin = parcel(2, at(500.0, 250.0), handling=Handling.PIN, pin_sha256="ab")
    off_street = parcel(3, at(1400.0, 0.0))
    decision = decide((drone(), robot()), (heavy, pin, off_street))
    by_vehicle = {offer.vehicle_id: set(offer.parcel_ids) for offer in decision.offers}
    assert by_vehicle == {"D-01": {"P-003"}, "R-01": {"P-001", "P-002"}}
    assert refusal(decision, "P-001", "D-01").text == "9 kg is over its payload of 2.5 kg"
    assert refusal(decision, "P-002", "D-01").code == "pin"
    assert refusal(decision, "P-003", "R-01").code == "street"
    assert refusal(decision, "P-003", "R-01").permanent


def test_a_parcel_under_a_no_fly_zone_goes_by_robot_and_the_zone_is_named():
    zone = no_fly("Z-4", at(500.0, 500.0), 75.0, name="Presidential Palace")
    decision = decide((drone(3), robot()), (parcel(1, at(500.0, 500.0)),), (zone,))
    assert decision.offers[0].vehicle_id == "R-01"
    lines = vehicle_sentences(decision.explanations["P-001"])
    assert (
        "D-03 was not chosen: Z-4 Presidential Palace (no-fly 0-120 m AGL) covers the destination "
        "85 m deep" in lines
    )


def test_what_nobody_can_ever_carry_is_unservable_with_every_reason():
    zone = no_fly("Z-4", at(500.0, 500.0), 75.0, classes=frozenset())
    vehicles = (drone(1), drone(2, assigned="A-7"), robot())
    parcels = (parcel(1, at(500.0, 500.0)), parcel(2, at(250.0, 0.0), weight_kg=40.0))
    decision = decide(vehicles, parcels, (zone,))
    assert decision.offers == ()
    assert set(decision.unservable) == {"P-001", "P-002"}
    for reasons in decision.unservable.values():
        assert [r.vehicle_id for r in reasons] == ["D-01", "D-02", "R-01"]
        assert all(r.permanent for r in reasons)
    assert "Z-4" in refusal(decision, "P-001", "R-01").text
    assert "cannot be carried by any vehicle" in decision.explanations["P-001"].sentence


def test_a_zone_with_hours_makes_a_parcel_wait_not_unservable():
    hours = Schedule(valid_from=NOW - timedelta(hours=1), valid_to=NOW + timedelta(hours=4))
    zone = no_fly("Z-4", at(500.0, 500.0), 75.0, classes=frozenset(), schedule=hours)
    vehicles = (drone(), robot())
    parcels = (parcel(1, at(500.0, 500.0)),)
    decision = decide(vehicles, parcels, (zone,))
    assert decision.offers == ()
    assert decision.unservable == {}
    later = world(vehicles, parcels, (zone,), now=NOW + timedelta(hours=5))
    fresh = tuple(told(v, received_at=later.now) for v in vehicles)
    assert dispatch(replace(later, vehicles=fresh), ids=numbered()).offers != ()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda v: replace(v, assigned="A-1"), "busy"),
        (lambda v: replace(v, integration="maintenance"), "integration"),
        (lambda v: told(v, link=LinkState.STALE), "link"),
        (lambda v: told(v, received_at=NOW - timedelta(seconds=16)), "link"),
        (lambda v: told(v, received_at=None), "link"),
        (lambda v: told(v, phase=Phase.NOT_READY, not_ready=("GPS has no fix",)), "phase"),
        (lambda v: told(v, phase=Phase.UNKNOWN), "phase"),
        (lambda v: told(v, battery_pct=None), "battery"),
        (lambda v: told(v, battery_pct=27.0), "battery"),
        (lambda v: told(v, position=at(600.0, 0.0)), "away"),
        (lambda v: told(v, home=at(600.0, 0.0)), "away"),
    ],
)
def test_states_that_pass_make_a_parcel_wait(change, code):
    decision = decide((change(drone()),), (parcel(1, at(900.0, 0.0)),))
    assert decision.offers == ()
    assert decision.unservable == {}
    no = refusal(decision, "P-001", "D-01")
    assert (no.code, no.permanent) == (code, False)
    assert decision.explanations["P-001"].sentence.startswith("P-001 waits: D-01: ")


def test_a_drone_picks_up_only_at_its_base_but_a_robot_drives_to_the_origin():
    other = Site("hub-b", "Hub B", SiteKind.HUB, at(500.0, 0.0), 10.0)
    waiting = replace(parcel(1, at(750.0, 250.0)), origin=other)
    decision = decide((drone(), robot()), (waiting,))
    (offer,) = decision.offers
    assert offer.vehicle_id == "R-01"
    assert refusal(decision, "P-001", "D-01").code == "origin"
    nodes = [n.node_id for n in offer.mission.nodes if n.actions]
    assert nodes == ["n6-4", "n7-5"]


def test_a_parcel_that_is_not_ready_waits():
    late = parcel(1, at(500.0, 0.0), ready_at=NOW + timedelta(minutes=12))
    decision = decide((drone(), robot()), (late,))
    assert decision.offers == ()
    assert "the parcel is ready in 12 min" in decision.explanations["P-001"].sentence


def test_medical_before_urgent_before_normal():
    parcels = tuple(
        parcel(i, at(900.0, 100.0 * i), priority=p)
        for i, p in enumerate((Priority.NORMAL, Priority.URGENT, Priority.MEDICAL))
    )
    for seed in range(5):
        decision = decide((drone(),), parcels, seed=seed)
        assert decision.offers[0].parcel_ids == ("P-002",)
        no = refusal(decision, "P-001", "D-01")
        assert (no.code, no.text) == ("taken", "it takes P-002 in this decision")


def test_held_offers_nothing_and_says_so():
    decision = decide((drone(), robot()), (parcel(1, at(500.0, 0.0)),), held=True)
    assert decision.offers == ()
    assert "stopped by an operator" in decision.explanations["P-001"].sentence


def test_no_fleet_no_streets_no_parcels():
    assert decide((), ()).offers == ()
    assert (
        "no vehicle is enrolled"
        in decide((), (parcel(1, at(1, 1)),)).explanations["P-001"].sentence
    )
    decision = decide((robot(),), (parcel(1, at(250.0, 0.0)),), streets=None)
    assert "import streets" in decision.unservable["P-001"][0].text


def test_a_parcel_waits_for_a_drone_rather_than_for_a_long_round():
    parcels = tuple(parcel(i, at(1000.0, 1000.0 + i)) for i in range(2))
    decision = decide((drone(), robot()), parcels)
    (offer,) = decision.offers
    assert offer.vehicle_id == "D-01"
    (left,) = {"P-000", "P-001"} - set(offer.parcel_ids)
    sentence = decision.explanations[left].sentence
    assert sentence.startswith(f"{left} waits for a drone, expected in about")
    assert "better than R-01" in sentence


@pytest.mark.parametrize(
    ("phase", "link", "waited_min", "waits"),
    [
        (Phase.RETURNING, LinkState.ONLINE, 0, True),
        (Phase.HOLDING, LinkState.ONLINE, 0, False),
        (Phase.RETURNING, LinkState.OFFLINE, 0, False),
        (Phase.RETURNING, LinkState.ONLINE, 25, False),
    ],
)
def test_nobody_waits_for_ever_for_a_drone_that_is_out(phase, link, waited_min, waits):
    engine = Engine()
    place = at(1000.0, 1000.0)
    ready_at = NOW - timedelta(minutes=waited_min)
    asked = world((drone(), robot()), (parcel(1, place, ready_at=ready_at),))
    engine.dispatch(asked, ids=numbered())
    out = told(drone(assigned="A-1"), phase=phase, link=link)
    decision = engine.dispatch(replace(asked, vehicles=(out, robot())), ids=numbered())
    assert [o.vehicle_id for o in decision.offers] == ([] if waits else ["R-01"])


def test_a_round_is_filled_up_to_its_slots_and_no_further():
    parcels = tuple(parcel(i, at(250.0, 250.0 * (i % 3)), weight_kg=3.0) for i in range(6))
    decision = decide((robot(),), parcels)
    (offer,) = decision.offers
    assert len(offer.parcel_ids) == 4
    left = {p.parcel.parcel_id for p in parcels} - set(offer.parcel_ids)
    for parcel_id in left:
        assert refusal(decision, parcel_id, "R-01").text.startswith("its 4 slots are full: P-")


def test_a_repeated_decision_uses_kept_plans_and_agrees_with_a_fresh_one():
    zones = tuple(no_fly(f"Z-{i}", at(400.0, 300.0 * i), 60.0) for i in range(4))
    asked = world(
        (drone(1), drone(2), robot()), tuple(parcel(i, at(900, 90 * i)) for i in range(8)), zones
    )
    engine = Engine()
    first = engine.dispatch(asked, ids=numbered(), seed=3)
    assert engine.dispatch(asked, ids=numbered(), seed=3) == first
    assert dispatch(asked, ids=numbered(), seed=3) == first


def test_new_zones_are_seen_by_an_engine_that_remembers():
    engine = Engine()
    asked = world((drone(),), (parcel(1, at(900.0, 0.0)),))
    assert engine.dispatch(asked, ids=numbered()).offers
    zone = no_fly("Z-1", at(900.0, 0.0), 80.0, classes=frozenset({VehicleClass.MULTIROTOR}))
    barred = replace(asked, zones=world((), (), (zone,)).zones)
    assert set(engine.dispatch(barred, ids=numbered()).unservable) == {"P-001"}


def test_a_street_slowed_by_a_zone_is_counted_before_the_round_is_planned():
    """What insertion expects is what the mission will take."""
    slow = no_fly(
        "slow",
        at(400.0, 0.0),
        350.0,
        kind=ZoneKind.ADVISORY,
        classes=frozenset({VehicleClass.ROBOT}),
        max_speed_mps=0.5,
    )
    asked = world((robot(),), (parcel(1, at(1000.0, 0.0)), parcel(2, at(750.0, 0.0))), (slow,))
    table, problem = fill(asked, Plans())
    placed = place(problem, seed=0)
    (offer,) = dispatch(asked, ids=numbered()).offers
    last = placed[-1]
    parcel_id = table.parcels[last.job].parcel.parcel_id
    expected = NOW + timedelta(seconds=float(last.arrive_s[last.vehicle]))
    assert abs((offer.arrive_at[parcel_id] - expected).total_seconds()) < 0.1
    (free,) = dispatch(replace(asked, zones=ZoneSet(())), ids=numbered()).offers
    assert (offer.arrive_at["P-001"] - free.arrive_at["P-001"]).total_seconds() > 300.0
