"""What will be left in the battery, from where it is on its legs and what it used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geofence.frames import LatLon, offset
from missions.battery import (
    LEAST_FACTOR,
    MOST_FACTOR,
    Place,
    forecast,
    left_wh,
    place_on,
    return_wh,
    use_factor,
)
from missions.energy import MultirotorModel
from missions.model import AirItem, AirMission, DropDevice, ItemKind
from missions.plan_flown import DEFAULT_FLIGHT_RULES, FlownLeg, flown_legs, total

HOME = LatLon(60.17, 24.94)
DROP = offset(HOME, 90.0, 1000.0)
MODEL = MultirotorModel()
KG = 2.0


def legs(*, path: bool = True) -> tuple[FlownLeg, ...]:
    kind = ItemKind
    items = [
        AirItem(kind.TAKEOFF, HOME, 50.0),
        AirItem(kind.SPEED, speed_mps=10.0),
        AirItem(kind.WAYPOINT, DROP, 50.0),
        AirItem(kind.WAYPOINT, DROP, 12.0),
        AirItem(kind.RELEASE, device=DropDevice.GRIPPER, parcel_id="P"),
        AirItem(kind.DELAY, delay_s=3.0),
        *([AirItem(kind.RETURN_PATH)] if path else []),
        AirItem(kind.WAYPOINT, DROP, 50.0),
        AirItem(kind.WAYPOINT, HOME, 50.0),
        AirItem(kind.LAND, HOME),
    ]
    mission = AirMission("m", "d", HOME, 10.0, 50.0, tuple(items), "z")
    return flown_legs(
        mission, loads={"P": KG}, speed_mps=10.0, model=MODEL, rules=DEFAULT_FLIGHT_RULES
    )


def back_wh(flown: tuple[FlownLeg, ...], at: LatLon, alt_m: float, kg: float) -> float:
    return return_wh(flown, at, alt_m, payload_kg=kg, model=MODEL, rules=DEFAULT_FLIGHT_RULES)


def test_before_the_first_metre_everything_is_ahead() -> None:
    flown = legs()
    place = place_on(flown, HOME, 0.0, returning=False, from_leg=0)
    assert place == Place(0, 1.0)
    assert left_wh(flown, place, loaded=False) == pytest.approx(total(flown).energy_wh)
    assert left_wh(flown, place, loaded=True) > total(flown).energy_wh


@given(st.floats(0.02, 0.98))
def test_on_the_way_out_what_is_left_falls_and_the_return_grows(share: float) -> None:
    flown = legs()
    here, farther = offset(HOME, 90.0, 990.0 * share), offset(HOME, 90.0, 990.0 * share + 10.0)
    found = [place_on(flown, p, 50.0, returning=False, from_leg=0) for p in (here, farther)]
    assert found[0] is not None
    assert found[1] is not None
    assert not flown[found[0].leg].returning
    left = [left_wh(flown, p, loaded=False) for p in found if p is not None]
    assert left[0] > left[1]
    assert back_wh(flown, here, 50.0, KG) < back_wh(flown, farther, 50.0, KG)
    assert back_wh(flown, here, 50.0, KG) < left[0]


def test_the_same_ground_counts_by_the_side_of_the_mark_that_it_is_on() -> None:
    flown = legs()
    middle = offset(HOME, 90.0, 500.0)
    out = place_on(flown, middle, 50.0, returning=False, from_leg=0)
    back = place_on(flown, middle, 50.0, returning=True, from_leg=0)
    assert out is not None
    assert back is not None
    assert left_wh(flown, out, loaded=False) > left_wh(flown, back, loaded=False)


def test_without_a_return_path_it_comes_straight_home_with_a_climb() -> None:
    flown = legs(path=False)
    low, high = back_wh(flown, DROP, 5.0, KG), back_wh(flown, DROP, 15.0, KG)
    assert low > high
    straight = MODEL.level(1000.0, 10.0, KG, 10.0).energy_wh + MODEL.land(15.0, KG).energy_wh
    assert high == pytest.approx(straight, rel=0.01)


def test_a_load_costs_on_the_way_home() -> None:
    flown = legs()
    assert back_wh(flown, DROP, 12.0, KG) > back_wh(flown, DROP, 12.0, 0.0)


@given(st.floats(0.0, 400.0), st.floats(0.0, 400.0))
def test_the_factor_is_bounded_and_follows_what_was_measured(used: float, planned: float) -> None:
    factor = use_factor(used, planned, 300.0)
    assert LEAST_FACTOR <= factor <= MOST_FACTOR
    if abs(used - planned) > 1e-6:
        # nearer than that the sums with the prior are the same number
        assert (factor > 1.0) == (used > planned)
    else:
        assert factor == pytest.approx(1.0)
    assert use_factor(1.0, 0.0, 300.0) < 1.2


def test_a_battery_that_drains_faster_than_planned_lands_with_less() -> None:
    plain = forecast(90.0, 300.0, 1.0, landing_wh=150.0, returned_wh=60.0)
    hungry = forecast(90.0, 300.0, 1.8, landing_wh=150.0, returned_wh=60.0)
    assert (plain.at_landing_pct, plain.if_returned_pct) == (40.0, 70.0)
    assert hungry.at_landing_pct == pytest.approx(0.0)
    assert hungry.if_returned_pct == pytest.approx(54.0)
