from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.dispatch.engine import Engine, dispatch
from controller.dispatch.feasibility import available_wh
from controller.domain.model import Handling
from geofence.frames import geodesic_m
from geofence.zones import VehicleClass
from missions.model import AirMission, ItemKind
from missions.validate import FlightChecks, RoundChecks, validate_flight, validate_round
from tests.unit.controller.dispatch_worlds import numbered, random_world

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_a_decision_keeps_the_rules(seed):
    world = random_world(seed)
    decision = dispatch(world, ids=numbered(), seed=seed)
    vehicles = {v.vehicle_id: v for v in world.vehicles}
    parcels = {p.parcel.parcel_id: p.parcel for p in world.parcels}
    given_out = Counter(p for offer in decision.offers for p in offer.parcel_ids)
    assert all(count == 1 for count in given_out.values())
    assert len({o.vehicle_id for o in decision.offers}) == len(decision.offers)
    assert len({o.mission.mission_id for o in decision.offers}) == len(decision.offers)
    for offer in decision.offers:
        vehicle = vehicles[offer.vehicle_id]
        capability = vehicle.capability
        load = [parcels[p] for p in offer.parcel_ids]
        assert not vehicle.assigned
        assert len(load) <= capability.parcel_slots
        assert sum(p.weight_kg for p in load) <= capability.max_payload_kg + 1e-6
        assert all(p.ready_at <= world.now for p in load)
        assert all(p.handling is not Handling.PIN or capability.handover_pin for p in load)
        assert set(offer.arrive_at) == set(offer.parcel_ids) == set(offer.mission.parcel_ids)
        assert offer.mission.vehicle_id == offer.vehicle_id
        assert offer.mission.zones_version == world.zones.version
        assert offer.reserve_pct >= 25.0 - 1e-6


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_every_vehicle_is_in_every_explanation_exactly_once(seed):
    world = random_world(seed)
    decision = dispatch(world, ids=numbered(), seed=seed)
    everyone = sorted(v.vehicle_id for v in world.vehicles)
    assert set(decision.explanations) == {p.parcel.parcel_id for p in world.parcels}
    chosen = {p: offer.vehicle_id for offer in decision.offers for p in offer.parcel_ids}
    for parcel_id, told in decision.explanations.items():
        named = [c.vehicle_id for c in told.candidates] + [r.vehicle_id for r in told.refusals]
        assert sorted(named) == everyone
        assert told.chosen == chosen.get(parcel_id, "")
        assert told.sentence
        assert all(r.text and r.code for r in told.refusals)
        if told.chosen:
            assert told.chosen in {c.vehicle_id for c in told.candidates}
    for parcel_id, reasons in decision.unservable.items():
        assert parcel_id not in chosen
        assert all(r.permanent for r in reasons)


@settings(max_examples=10, deadline=None)
@given(SEEDS, st.randoms(use_true_random=False))
def test_the_same_seed_gives_the_same_answer_in_any_order(seed, rng):
    world = random_world(seed)
    vehicles, parcels = list(world.vehicles), list(world.parcels)
    rng.shuffle(vehicles)
    rng.shuffle(parcels)
    shuffled = replace(world, vehicles=tuple(vehicles), parcels=tuple(parcels))
    engine = Engine()
    first = engine.dispatch(world, ids=numbered(), seed=seed)
    assert dispatch(shuffled, ids=numbered(), seed=seed) == first
    assert engine.dispatch(shuffled, ids=numbered(), seed=seed) == first


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_refusals_are_true(seed):
    world = random_world(seed)
    decision = dispatch(world, ids=numbered(), seed=seed)
    vehicles = {v.vehicle_id: v for v in world.vehicles}
    parcels = {p.parcel.parcel_id: p.parcel for p in world.parcels}
    taken = {o.vehicle_id: o for o in decision.offers}
    for parcel_id, told in decision.explanations.items():
        parcel = parcels[parcel_id]
        for no in told.refusals:
            vehicle = vehicles[no.vehicle_id]
            match no.code:
                case "payload":
                    assert parcel.weight_kg > vehicle.capability.max_payload_kg
                case "pin":
                    assert parcel.handling is Handling.PIN
                    assert not vehicle.capability.handover_pin
                case "busy":
                    assert vehicle.assigned
                case "not_ready":
                    assert parcel.ready_at > world.now
                case "taken":
                    if no.text == "it is meant for a parcel that waits for it":
                        assert no.vehicle_id not in taken
                        continue
                    assert taken[no.vehicle_id].parcel_ids
                    assert parcel_id not in taken[no.vehicle_id].parcel_ids
                case "zone":
                    zone_ids = {z.zone_id for z in world.zones.zones if z.zone_id in no.text}
                    assert zone_ids
                    if "covers the destination" in no.text:
                        zone = next(z for z in world.zones.zones if no.text.startswith(z.zone_id))
                        away = geodesic_m(zone.area.center, parcel.destination.position)
                        assert away <= zone.area.radius_m + 10.5
                case "street":
                    _, away = world.streets.nearest(parcel.destination.position)
                    closing = any(z.binds(VehicleClass.ROBOT) for z in world.zones.zones)
                    assert away > 60.0 or closing
                case "no_route":
                    assert "no way" in no.text
                case "airspace":
                    assert "it would come within" in no.text
                    assert not no.permanent
                case other:
                    raise AssertionError(f"unexpected code {other}: {no.text}")


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_offered_missions_start_and_end_at_home_and_pass_validation(seed):
    world = random_world(seed)
    rules = world.settings
    loads = {p.parcel.parcel_id: p.parcel.weight_kg for p in world.parcels}
    for offer in dispatch(world, ids=numbered(), seed=seed).offers:
        vehicle = next(v for v in world.vehicles if v.vehicle_id == offer.vehicle_id)
        capability = vehicle.capability
        common = {
            "depart_at": world.now,
            "loads": loads,
            "max_payload_kg": capability.max_payload_kg,
            "speed_mps": capability.cruise_speed_mps,
            "usable_energy_wh": capability.usable_energy_wh,
            "available_energy_wh": available_wh(vehicle),
        }
        mission = offer.mission
        if isinstance(mission, AirMission):
            assert mission.items[0].kind is ItemKind.TAKEOFF
            assert mission.items[-1].kind is ItemKind.LAND
            assert mission.items[-1].position == mission.home == vehicle.telemetry.home
            answer = validate_flight(
                mission, FlightChecks(**common, rules=rules.flight), world.zones, world.surroundings
            )
        else:
            base, _ = world.streets.nearest(vehicle.base.position)
            assert mission.nodes[0].node_id == mission.nodes[-1].node_id == base.node_id
            answer = validate_round(
                mission,
                RoundChecks(**common, slots=capability.parcel_slots, rules=rules.round),
                world.zones,
                world.surroundings,
            )
        assert answer.go, answer.reasons
