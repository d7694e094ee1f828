"""Surveyed points: what is refused, and in which words."""

from __future__ import annotations

import math

import pytest

from geofence.frames import LatLon, geodesic_m
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.survey import RigidTransform, Surveyed, SurveyError, fit_rigid

SQUARE = {"A": (0.0, 0.0), "B": (50.0, 0.0), "C": (50.0, 40.0), "D": (0.0, 40.0)}
LAID = RigidTransform(math.radians(30.0), 1_000.0, -500.0)


def surveyed(places: dict[str, tuple[float, float]], **moved: tuple[float, float]):
    found = []
    for name, spot in places.items():
        x, y = LAID.forward(*spot)
        dx, dy = moved.get(name, (0.0, 0.0))
        found.append(Surveyed(name, spot, (x + dx, y + dy)))
    return found


def refusal(points: list[Surveyed], limit_m: float = 0.25) -> str:
    with pytest.raises(SurveyError) as caught:
        fit_rigid(points, limit_m)
    return caught.value.reason


def test_three_points_are_enough() -> None:
    fit = fit_rigid(surveyed({k: SQUARE[k] for k in "ABC"}))
    assert math.degrees(fit.transform.turn_rad) == pytest.approx(30.0)
    assert fit.transform.forward(0.0, 0.0) == pytest.approx((1_000.0, -500.0))
    assert fit.rms_m < 1e-9


def test_two_places_are_too_few_however_often_they_are_named() -> None:
    assert "2 different places" in refusal(surveyed({"A": (0.0, 0.0), "B": (9.0, 0.0)}))
    twice = surveyed({"A": (0.0, 0.0), "B": (9.0, 0.0), "B2": (9.0, 0.0), "B3": (9.001, 0.0)})
    assert "2 different places" in refusal(twice)


def test_points_on_a_line_are_refused() -> None:
    line = {"A": (0.0, 0.0), "B": (20.0, 10.0), "C": (40.0, 20.1)}
    assert "on a line on the site map" in refusal(surveyed(line))


def test_a_mirrored_map_is_refused() -> None:
    swapped = [Surveyed(n, (x, y), (y, x)) for n, (x, y) in SQUARE.items()]
    assert "mirrored" in refusal(swapped)
    down = [Surveyed(n, (x, y), (x, -y)) for n, (x, y) in SQUARE.items()]
    assert "mirrored" in refusal(down)


def test_other_units_are_refused_by_their_scale() -> None:
    feet = [Surveyed(n, (x, y), (x * 3.2808, y * 3.2808)) for n, (x, y) in SQUARE.items()]
    assert "3.2808 for a metre" in refusal(feet)


def test_a_bad_point_is_named() -> None:
    reason = refusal(surveyed(SQUARE, C=(0.0, 3.0)))
    assert "over the limit of 0.25 m" in reason
    assert "without C the others fit within 0.000 m, survey it again" in reason
    three = surveyed({k: SQUARE[k] for k in "ABC"}, C=(0.0, 3.0))
    assert "a fourth point" in refusal(three)
    assert fit_rigid(surveyed(SQUARE, C=(0.0, 3.0)), 5.0).worst.off_m > 0.5


def test_names_and_numbers_must_be_sound() -> None:
    points = surveyed(SQUARE)
    assert "named twice" in refusal([*points, points[0]])
    assert "no finite number" in refusal([*points, Surveyed("E", (math.nan, 0.0), (0.0, 0.0))])


def test_a_robots_frame_turns_its_heading_and_its_places() -> None:
    origin = LatLon(60.17, 24.94)
    plain = SiteMap("site", origin, heading_deg=25.0)
    own = SiteMap("site", origin, heading_deg=25.0, frame=LAID)
    place = plain.to_latlon(120.0, -30.0)
    assert own.to_map(place) == pytest.approx(LAID.forward(120.0, -30.0), abs=1e-6)
    assert geodesic_m(own.to_latlon(*own.to_map(place)), place) < 1e-6
    x, y = own.to_map(place)
    # theta 30 degrees on the robot's map is theta 0 on the site's, whose x axis is azimuth 115
    assert own.heading_true_deg(x, y, math.radians(30.0)) == pytest.approx(115.0, abs=0.01)
