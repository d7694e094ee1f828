from __future__ import annotations

from dataclasses import replace

import pytest

from controller.dispatch.feasibility import absence, available_wh, low_battery, misfit
from controller.dispatch.model import DispatchSettings
from controller.dispatch.plans import Bounded, Plans
from controller.network.service import pick_up_bar
from geofence.zones import VehicleClass
from tests.unit.controller.dispatch_worlds import HUB, at, drone, no_fly, parcel, robot, world


def cap(vehicle, **changes):
    return replace(vehicle, capability=replace(vehicle.capability, **changes))


@pytest.mark.parametrize(
    ("size_m", "code"),
    [
        ((0.4, 0.3, 0.2), None),
        ((0.2, 0.4, 0.3), None),
        ((0.41, 0.1, 0.1), "size"),
        ((0.3, 0.3, 0.3), "size"),
    ],
)
def test_a_box_fits_if_it_fits_when_turned(size_m, code):
    no = misfit(drone(), parcel(1, at(500.0, 0.0), size_m=size_m))
    assert (no.code if no else None) == code


@pytest.mark.parametrize(
    ("vehicle", "changes", "code"),
    [
        (drone(), {"weight_kg": 2.5}, None),
        (drone(), {"weight_kg": 2.501}, "payload"),
        (cap(drone(), drop_device=None), {}, "device"),
        (cap(robot(), parcel_slots=0), {}, "slots"),
        (robot(), {"weight_kg": 19.0}, None),
    ],
)
def test_lasting_causes(vehicle, changes, code):
    no = misfit(vehicle, parcel(1, at(500.0, 0.0), **changes))
    assert (no.code if no else None) == code
    assert no is None or no.permanent


def test_the_reserve_is_kept_out_of_reach():
    vehicle = drone()
    half = replace(vehicle, telemetry=replace(vehicle.telemetry, battery_pct=50.0))
    assert available_wh(half) == pytest.approx(200.0)
    assert low_battery(half, 100.0, 0.25) is None
    no = low_battery(half, 101.0, 0.25)
    assert no is not None
    assert not no.permanent
    assert no.text == (
        "its battery is too low now: 101 Wh are needed, 100 Wh are left above the reserve of 25%"
    )


def test_drones_and_what_is_loaded_at_base_are_tied_to_it():
    other = replace(HUB, site_id="hub-b")
    assert pick_up_bar(VehicleClass.MULTIROTOR, HUB, HUB) == ""
    assert pick_up_bar(VehicleClass.ROBOT, HUB, other) == ""
    assert "hub-a, not at hub-b" in pick_up_bar(VehicleClass.MULTIROTOR, HUB, other)
    assert "hub-a, not at hub-b" in pick_up_bar(VehicleClass.ROBOT, HUB, other, loaded_at_base=True)
    assert pick_up_bar(VehicleClass.ROBOT, HUB, HUB, loaded_at_base=True) == ""


def test_the_cache_forgets_what_was_longest_unused():
    kept = Bounded(2)
    kept.put("a", 1)
    kept.put("b", 2)
    assert kept.get("a") == 1
    kept.put("c", 3)
    assert (len(kept), kept.get("b"), kept.get("a"), kept.get("c")) == (2, None, 1, 3)


def test_plans_are_kept_by_zones_height_and_place():
    plans = Plans()
    asked = world((drone(),), (parcel(1, at(500.0, 0.0)),))
    (vehicle,), (waiting,) = asked.vehicles, asked.parcels
    assert plans.known_flight(asked, vehicle, waiting) is None
    made = plans.flight(asked, vehicle, waiting)
    assert plans.known_flight(asked, vehicle, waiting) is made
    higher = replace(vehicle, cruise_alt_home_m=90.0)
    assert plans.known_flight(asked, higher, waiting) is None
    zone = no_fly("Z-1", at(-900.0, 0.0), 50.0)
    changed = replace(asked, zones=world((), (), (zone,)).zones)
    assert plans.known_flight(changed, vehicle, waiting) is None


def test_settings_that_make_no_sense_name_themselves():
    with pytest.raises(ValueError, match=r"dispatch\.at_base_m"):
        DispatchSettings(at_base_m=0.0)


@pytest.mark.parametrize(
    ("assigned", "text"),
    [
        ("assignment-9474ab", "it is out with another parcel"),
        ("parcel P-007 aboard", "it is busy: parcel P-007 aboard"),
    ],
)
def test_a_busy_vehicle_is_told_without_an_internal_id(assigned, text):
    vehicle = replace(drone(), assigned=assigned)
    no = absence(vehicle, world((vehicle,), ()))
    assert (no.code, no.text) == ("busy", text)
