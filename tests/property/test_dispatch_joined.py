"""Several parcels in one flight: what holds of every decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.dispatch.engine import Engine, dispatch
from controller.dispatch.feasibility import available_wh
from controller.dispatch.joining import trips_of
from controller.dispatch.model import DispatchSettings, Offer, VehicleFacts, World
from controller.dispatch.plans import Plans
from controller.dispatch.table import fill
from controller.domain.model import Priority
from geofence.frames import geodesic_m
from geofence.zones import VehicleClass
from missions.model import AirMission, DropDevice, ItemKind
from missions.validate import FlightChecks, validate_flight
from tests.unit.controller.dispatch_worlds import (
    NOW,
    at,
    drone,
    joined_world,
    numbered,
    parcel,
    world,
)
from vehicles.mavlink.items import translate

SEEDS = st.integers(0, 2**32 - 1)
FLYING = VehicleClass.MULTIROTOR


def flights(asked: World, seed: int) -> list[tuple[Offer, VehicleFacts, AirMission]]:
    vehicles = {v.vehicle_id: v for v in asked.vehicles}
    return [
        (offer, vehicles[offer.vehicle_id], offer.mission)
        for offer in dispatch(asked, ids=numbered(), seed=seed).offers
        if isinstance(offer.mission, AirMission)
    ]


def gripping(number: int = 1, slots: int = 2, **changes: object) -> VehicleFacts:
    made = drone(number, **changes)
    capability = replace(
        made.capability, parcel_slots=slots, drop_device=DropDevice.GRIPPER, usable_energy_wh=600.0
    )
    return replace(made, capability=capability)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_a_flight_never_has_more_than_the_drone_lets_go_or_lifts(seed):
    asked = joined_world(seed)
    parcels = {p.parcel.parcel_id: p.parcel for p in asked.parcels}
    taken: list[str] = []
    for offer, vehicle, mission in flights(asked, seed):
        capability = vehicle.capability
        load = [parcels[p] for p in offer.parcel_ids]
        assert 1 <= len(load) <= capability.parcel_slots
        assert sum(p.weight_kg for p in load) <= capability.max_payload_kg + 1e-6
        assert mission.parcel_ids == offer.parcel_ids
        assert set(offer.arrive_at) == set(offer.parcel_ids)
        times = [offer.arrive_at[p] for p in mission.parcel_ids]
        assert times == sorted(times)
        taken += offer.parcel_ids
    assert len(taken) == len(set(taken))


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_every_flight_offered_passes_the_check_of_the_whole_mission(seed):
    asked = joined_world(seed)
    loads = {p.parcel.parcel_id: p.parcel.weight_kg for p in asked.parcels}
    places = {p.parcel.parcel_id: p.parcel.destination.position for p in asked.parcels}
    for offer, vehicle, mission in flights(asked, seed):
        checks = FlightChecks(
            depart_at=asked.now + timedelta(seconds=asked.settings.preparation_s),
            loads=loads,
            max_payload_kg=vehicle.capability.max_payload_kg,
            usable_energy_wh=vehicle.capability.usable_energy_wh,
            available_energy_wh=available_wh(vehicle),
            speed_mps=vehicle.capability.cruise_speed_mps,
            rules=asked.settings.flight,
        )
        answer = validate_flight(mission, checks, asked.zones, asked.surroundings)
        assert answer.go, answer.reasons
        assert [r.parcel_id for r in translate(mission).releases] == list(offer.parcel_ids)
        place = mission.home
        for item in mission.items:
            place = item.position or place
            if item.kind is ItemKind.RELEASE:
                assert geodesic_m(place, places[item.parcel_id]) < 1.0


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_every_parcel_is_explained_with_every_vehicle_once(seed):
    asked = joined_world(seed)
    decision = dispatch(asked, ids=numbered(), seed=seed)
    everyone = sorted(v.vehicle_id for v in asked.vehicles)
    chosen = {p: offer for offer in decision.offers for p in offer.parcel_ids}
    assert set(decision.explanations) == {p.parcel.parcel_id for p in asked.parcels}
    for parcel_id, told in decision.explanations.items():
        named = [c.vehicle_id for c in told.candidates] + [r.vehicle_id for r in told.refusals]
        assert sorted(named) == everyone
        offer = chosen.get(parcel_id)
        assert told.chosen == (offer.vehicle_id if offer else "")
        for candidate in told.candidates:
            assert sum(candidate.breakdown.values()) == pytest.approx(candidate.cost)
        if offer is not None and isinstance(offer.mission, AirMission):
            others = [p for p in offer.parcel_ids if p != parcel_id]
            assert all(other in told.sentence for other in others)
            assert ("in one flight with" in told.sentence) is bool(others)


@settings(max_examples=10, deadline=None)
@given(SEEDS, st.randoms(use_true_random=False))
def test_the_same_seed_gives_the_same_flights_in_any_order(seed, rng):
    asked = joined_world(seed)
    vehicles, parcels = list(asked.vehicles), list(asked.parcels)
    rng.shuffle(vehicles)
    rng.shuffle(parcels)
    shuffled = replace(asked, vehicles=tuple(vehicles), parcels=tuple(parcels))
    engine = Engine()
    first = engine.dispatch(asked, ids=numbered(), seed=seed)
    assert dispatch(shuffled, ids=numbered(), seed=seed) == first
    assert engine.dispatch(shuffled, ids=numbered(), seed=seed) == first


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(100, 900), st.floats(-900, 900)), min_size=2, max_size=4))
def test_joined_parcels_cost_what_the_offer_says(places):
    """The sum of what each parcel added is the cost of the flight as planned."""
    waiting = tuple(parcel(n, at(*place), weight_kg=0.5) for n, place in enumerate(places))
    asked = world((gripping(slots=4),), waiting, streets=None)
    for offer, vehicle, mission in flights(asked, 1):
        weights = asked.settings
        cost = weights.drone_use + weights.energy_per_wh * mission.energy_wh
        for parcel_id in offer.parcel_ids:
            minutes = (offer.arrive_at[parcel_id] - asked.now).total_seconds() / 60.0
            cost += weights.waiting[Priority.NORMAL] * minutes
        assert offer.cost == pytest.approx(cost, abs=0.05)
        assert offer.reserve_pct >= 25.0
        assert vehicle.vehicle_id == "D-01"


def test_two_neighbours_fly_together_and_two_far_apart_do_not():
    near = (parcel(1, at(600.0, 0.0), weight_kg=0.5), parcel(2, at(640.0, 60.0), weight_kg=0.5))
    far = tuple(
        parcel(n, at(north, 0.0), weight_kg=0.5, priority=Priority.URGENT)
        for n, north in ((1, 1800.0), (2, -1800.0))
    )
    fleet = (gripping(1), at_other_pad(gripping(2)))
    (only,) = flights(world(fleet, near, streets=None), 1)
    assert sorted(only[0].parcel_ids) == ["P-001", "P-002"]
    apart = flights(world(fleet, far, streets=None), 1)
    assert sorted(len(offer.parcel_ids) for offer, _, _ in apart) == [1, 1]


def at_other_pad(vehicle: VehicleFacts) -> VehicleFacts:
    """Far enough from the first drone's pad that both may start at once."""
    home = at(-100.0, 60.0)
    return replace(vehicle, telemetry=replace(vehicle.telemetry, home=home, position=home))


def test_a_parcel_that_would_be_late_behind_another_gets_its_own_drone():
    near, beside = at(1500.0, 0.0), at(1500.0, 300.0)
    medical = {"weight_kg": 0.5, "priority": Priority.MEDICAL}
    fleet = (gripping(1), at_other_pad(gripping(2)))

    def carried(due_s: float) -> list[int]:
        due_at = NOW + timedelta(seconds=due_s)
        waiting = tuple(parcel(n, p, due_at=due_at, **medical) for n, p in ((1, near), (2, beside)))
        made = world(fleet, waiting, streets=None, settings=PATIENT)
        return sorted(len(offer.parcel_ids) for offer, _, _ in flights(made, 1))

    assert carried(3600.0) == [2]
    assert carried(270.0) == [1, 1]


PATIENT = DispatchSettings(waiting=dict.fromkeys(Priority, 0.1))


def test_what_does_not_fit_into_the_same_flight_is_told():
    waiting = (parcel(1, at(600.0, 0.0), weight_kg=1.5), parcel(2, at(640.0, 0.0), weight_kg=1.4))
    decision = dispatch(world((gripping(),), waiting, streets=None), ids=numbered())
    (offer,) = decision.offers
    (left,) = {"P-001", "P-002"} - set(offer.parcel_ids)
    (refusal,) = decision.explanations[left].refusals
    assert refusal.text == f"its load is full: {offer.parcel_ids[0]}"


def test_a_battery_that_is_too_low_for_both_carries_one_and_says_why():
    waiting = (
        parcel(1, at(1000.0, 0.0), weight_kg=0.5),
        parcel(2, at(900.0, 900.0), weight_kg=0.5),
    )
    one = gripping()
    full = flights(world((one,), waiting, streets=None), 1)
    assert len(full[0][0].parcel_ids) == 2
    single = max(
        flights(world((one,), (facts,), streets=None), 1)[0][2].energy_wh for facts in waiting
    )
    needed_pct = 100.0 * (single + 12.0) / one.capability.usable_energy_wh + 25.0
    low = replace(one, telemetry=replace(one.telemetry, battery_pct=needed_pct))
    decision = dispatch(world((low,), waiting, streets=None), ids=numbered())
    (offer,) = decision.offers
    assert len(offer.parcel_ids) == 1
    (left,) = {"P-001", "P-002"} - set(offer.parcel_ids)
    (refusal,) = decision.explanations[left].refusals
    assert "not both in one flight" in refusal.text
    assert "battery" in refusal.text


def test_at_landing_sites_a_gripper_lands_and_a_winch_does_not():
    waiting = tuple(
        replace(parcel(n, at(600.0, 100.0 * n), weight_kg=0.5), landing=n == 1) for n in (1, 2)
    )
    (flight,) = flights(world((gripping(),), waiting, streets=None), 1)
    lands = [item.position for item in flight[2].items if item.kind is ItemKind.LAND]
    assert lands == [at(600.0, 100.0), flight[2].home]
    winch = gripping()
    winch = replace(winch, capability=replace(winch.capability, drop_device=DropDevice.WINCH))
    (flight,) = flights(world((winch,), waiting, streets=None), 1)
    assert [i.kind for i in flight[2].items].count(ItemKind.LAND) == 1


def test_estimated_distances_are_near_the_real_ones():
    table, _ = fill(joined_world(7), Plans())
    trips, apart_m = trips_of(table)
    places = [facts.parcel.destination.position for facts in table.parcels]
    real = np.array([[geodesic_m(a, b) for b in places] for a in places])
    assert apart_m == pytest.approx(real, rel=0.005, abs=0.01)
    assert trips
    for row, trip in trips.items():
        home = table.drones[row].telemetry.home
        assert home is not None
        away = np.array([geodesic_m(home, place) for place in places])
        assert trip.flyer.away_m == pytest.approx(away, rel=0.005, abs=0.01)
