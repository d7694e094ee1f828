from __future__ import annotations

import math

import pytest

from missions.energy import CALM, MultirotorModel, RobotModel, Wind, run_time_s
from missions.errors import RequestError


def test_hover_power_follows_momentum_theory():
    model = MultirotorModel(avionics_w=0.0)
    light, heavy = model.hover_w(0.0), model.hover_w(model.empty_mass_kg)
    assert heavy / light == pytest.approx(2.0**1.5)
    weight_n = 7.0 * 9.80665
    ideal_w = weight_n * math.sqrt(weight_n / (2 * 1.225 * 0.985))
    assert light == pytest.approx(ideal_w / 0.55)
    assert 500.0 < light < 900.0


def test_cruise_is_hover_plus_drag_and_climb_costs_more_than_hover():
    model = MultirotorModel()
    assert model.cruise_w(1.0, 0.0) == pytest.approx(model.hover_w(1.0))
    assert model.cruise_w(1.0, 15.0) > model.cruise_w(1.0, 10.0) > model.hover_w(1.0)
    climb, down = model.climb(30.0, 1.0), model.descend(30.0, 1.0)
    assert climb.time_s == pytest.approx(12.0)
    lift_wh = 8.0 * 9.80665 * 30.0 / 0.55 / 3600.0
    assert climb.energy_wh - model.hover(12.0, 1.0).energy_wh == pytest.approx(lift_wh)
    assert down.energy_wh == pytest.approx(model.hover(20.0, 1.0).energy_wh)


def test_landing_slows_in_the_last_ten_metres():
    model = MultirotorModel()
    assert model.land(10.0, 0.0).time_s == pytest.approx(20.0)
    assert model.land(40.0, 0.0).time_s == pytest.approx(20.0 + 20.0)
    assert model.land(4.0, 0.0).time_s == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("from_deg", "course", "expected"), [(0.0, 0.0, 15.0), (0.0, 180.0, 5.0), (None, 77.0, 15.0)]
)
def test_wind_from_ahead_from_behind_and_unknown(from_deg, course, expected):
    assert Wind(5.0, from_deg).airspeed_mps(10.0, course) == pytest.approx(expected)


def test_crosswind_adds_as_a_vector():
    assert Wind(5.0, 90.0).airspeed_mps(10.0, 0.0) == pytest.approx(math.hypot(10.0, 5.0))
    assert CALM.airspeed_mps(10.0, 123.0) == pytest.approx(10.0)


def test_run_time_of_short_and_long_legs_join():
    assert run_time_s(0.0, 10.0, 2.5) == 0.0
    assert run_time_s(40.0, 10.0, 2.5) == pytest.approx(8.0)
    assert run_time_s(10.0, 10.0, 2.5) == pytest.approx(4.0)
    assert run_time_s(1000.0, 10.0, 2.5) == pytest.approx(104.0)


def test_robot_rolls_on_paving():
    model = RobotModel()
    force_n = 35.0 * 9.80665 * 0.03 + 0.5 * 1.225 * 0.35 * 1.5**2
    assert model.drive_w(0.0, 1.5) == pytest.approx(force_n * 1.5 / 0.65 + 40.0)
    assert model.drive(0.0, 1.5, 0.0).time_s == 0.0
    up, flat = model.drive(100.0, 1.5, 5.0, climb_m=5.0), model.drive(100.0, 1.5, 5.0)
    assert up.energy_wh > flat.energy_wh
    assert model.drive(100.0, 1.5, 5.0, climb_m=-50.0).energy_wh >= model.stand(66.6).energy_wh


@pytest.mark.parametrize("field", ["empty_mass_kg", "rotor_area_m2", "efficiency", "climb_mps"])
def test_impossible_parameters_name_their_field(field):
    with pytest.raises(RequestError, match=field) as caught:
        MultirotorModel(**{field: 0.0})
    assert caught.value.field == field
