"""The time that is left, and the choice of a reaction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.safety.reaction import Reaction, choose, seconds_until, stop_s
from geofence.check import Violation
from geofence.frames import LatLon, geodesic_m, offset
from geofence.zones import ZoneKind
from vehicles.port import Telemetry

HOME = LatLon(60.2, 24.9)
CORNER = offset(HOME, 0.0, 1000.0)
GOAL = offset(CORNER, 90.0, 1000.0)


def violation(entry: LatLon, leave: LatLon) -> Violation:
    return Violation("z", "Zone", ZoneKind.NO_FLY, 1, "leg", entry, leave, 5.0, "why")


def north(metres: float) -> LatLon:
    return offset(HOME, 0.0, metres)


def told(position: LatLon | None, speed_mps: float | None = None) -> Telemetry:
    return Telemetry("D-1", position=position, speed_mps=speed_mps)


def seconds(found: Violation, position: LatLon | None, *ahead: LatLon) -> float | None:
    return seconds_until(found, told(position), ahead, speed_mps=10.0, corridor_m=20.0)


def test_it_counts_along_the_way_and_round_its_corner() -> None:
    on_first = violation(north(700.0), north(800.0))
    assert seconds(on_first, north(200.0), north(200.0), CORNER, GOAL) == pytest.approx(50.0, 0.01)
    beyond = violation(offset(CORNER, 90.0, 300.0), offset(CORNER, 90.0, 400.0))
    assert seconds(beyond, HOME, HOME, CORNER, GOAL) == pytest.approx(130.0, 0.01)


def test_inside_there_is_no_time_left() -> None:
    assert seconds(violation(north(100.0), north(300.0)), north(200.0), north(200.0), CORNER) == 0.0


def test_on_the_way_back_the_far_side_comes_first() -> None:
    found = violation(north(300.0), north(400.0))
    assert seconds(found, north(900.0), north(900.0), HOME) == pytest.approx(50.0, 0.01)


def test_what_lies_behind_or_beside_or_of_a_vehicle_without_place_has_no_time() -> None:
    behind = violation(north(100.0), north(150.0))
    assert seconds(behind, north(500.0), north(500.0), CORNER) is None
    beside = violation(offset(HOME, 90.0, 500.0), offset(HOME, 90.0, 600.0))
    assert seconds(beside, HOME, HOME, CORNER) is None
    assert seconds(behind, None, HOME, CORNER) is None
    assert seconds(behind, north(500.0)) is None


@given(st.floats(0.0, 900.0), st.floats(50.0, 950.0), st.floats(0.0, 30.0))
def test_it_is_never_later_than_the_straight_line_at_the_faster_speed(
    at_m: float, entry_m: float, speed_mps: float
) -> None:
    found = violation(north(entry_m), north(entry_m + 40.0))
    here = north(at_m)
    left_s = seconds_until(
        found, told(here, speed_mps), (here, CORNER), speed_mps=10.0, corridor_m=20.0
    )
    if left_s is None:
        assert at_m > entry_m + 19.0
    else:
        assert 0.0 <= left_s <= geodesic_m(here, found.exit) / 10.0 + 0.5
        if speed_mps > 10.0 and left_s > 0.0:
            assert left_s <= geodesic_m(here, found.exit) / speed_mps + 0.5


def test_the_first_that_fits_is_chosen_and_the_others_say_why() -> None:
    against = {Reaction.RETURN: "its way is barred", Reaction.HOLD: "", Reaction.LAND: ""}
    chosen = choose([Reaction.RETURN, Reaction.HOLD], against.__getitem__, Reaction.LAND)
    assert chosen.reaction is Reaction.HOLD
    assert chosen.fits
    assert chosen.passed_over == {"return": "its way is barred"}
    nothing = choose([Reaction.RETURN], against.__getitem__, Reaction.HOLD)
    assert (nothing.reaction, nothing.fits) == (Reaction.HOLD, False)


def test_a_faster_vehicle_takes_longer_to_stop() -> None:
    assert stop_s(0.0) < stop_s(5.0) < stop_s(15.0)
