"""Turns flown step by step stay within what their allowance widens."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.check import FlightPath, PathLeg, Surroundings, check
from geofence.errors import PathError
from geofence.frames import LatLon, LocalFrame
from geofence.route import NoRoute, Route, RouteRequest, find_route
from geofence.turns import Turns, corner_angle_rad, widened
from geofence.zones import PolygonArea, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
FLAT = Surroundings(0.0, 0.0)
FRAME = LocalFrame(LatLon(60.0, 24.0))
LEG_M = 5_000.0


def flown_over(turns: Turns, angle: float) -> np.ndarray:
    """A turn to the left at the origin, from the east-going leg: one circle, then an S back."""
    r, d, step = turns.radius_m, turns.waypoint_radius_m, 0.5
    heading, x, y = 0.0, -d, 0.0
    points = [(-LEG_M, 0.0), (x, y)]

    def circle(by: float, side: float) -> None:
        nonlocal heading, x, y
        count = max(1, math.ceil(abs(by) * r / step))
        for _ in range(count):
            middle = heading + side * by / count / 2.0
            chord = 2.0 * r * math.sin(by / count / 2.0)
            x, y = x + chord * math.cos(middle), y + chord * math.sin(middle)
            heading += side * by / count
            points.append((x, y))

    circle(angle, 1.0)
    off = -x * math.sin(angle) + y * math.cos(angle)
    # back to the leg: the same angle one way and the other, straight between where it is far
    back = math.acos(max(0.0, 1.0 - abs(off) / (2.0 * r)))
    side = 1.0 if off < 0.0 else -1.0
    circle(back, side)
    between = max(0.0, abs(off) - 2.0 * r)
    x, y = x + between * math.cos(heading), y + between * math.sin(heading)
    points.append((x, y))
    circle(back, -side)
    points.append((x + 1_000.0 * math.cos(angle), y + 1_000.0 * math.sin(angle)))
    return np.array(points)


def blended(turns: Turns, angle: float) -> np.ndarray:
    """Braking evenly on one leg while speeding up evenly on the next, half way at the radius."""
    rest = turns.waypoint_radius_m / (2.0 * math.sin(angle / 2.0))
    full = min(4.0 * rest, turns.speed_mps**2 / (2.0 * turns.accel_mps2))
    share = np.linspace(0.0, 1.0, 201)
    left, gone = full * (1.0 - share) ** 2, full * share**2
    on = np.array([math.cos(angle), math.sin(angle)])
    curve = -left[:, None] * np.array([1.0, 0.0]) + gone[:, None] * on
    return np.vstack(([[-LEG_M, 0.0]], curve, [LEG_M * on]))


@settings(max_examples=200, deadline=None)
@given(
    st.floats(3.0, 25.0), st.floats(1.0, 6.0), st.floats(0.5, 40.0), st.floats(0.01, math.pi),
    st.booleans(),
)  # fmt: skip
def test_the_flown_turn_stays_within_its_allowance(speed, accel, radius, angle, slows) -> None:
    turns = Turns(speed, accel, radius, slows)
    corner, far = (0.0, 0.0), (LEG_M * math.cos(angle), LEG_M * math.sin(angle))
    points = [FRAME.latlon(*xy) for xy in ((-LEG_M, 0.0), corner, far)]
    assert corner_angle_rad(*points) == pytest.approx(angle, abs=1e-6)
    allowed = [
        shapely.LineString([FRAME.xy(part.start), FRAME.xy(part.end)]).buffer(
            part.width_m + 0.02, quad_segs=64
        )
        for part in widened(points, turns)
    ]
    line = shapely.LineString([(-LEG_M, 0.0), corner, far])
    flown = shapely.LineString((blended if slows else flown_over)(turns, angle))
    outside = shapely.difference(flown, shapely.union_all([*allowed, line.buffer(0.05)]))
    assert outside.length < 0.1


def box(x: float, y: float, half_x: float, half_y: float, name: str) -> Zone:
    ring = ((-half_x, -half_y), (half_x, -half_y), (half_x, half_y), (-half_x, half_y))
    area = PolygonArea(tuple(FRAME.latlon(x + dx, y + dy) for dx, dy in ring))
    return Zone(name, "", ZoneKind.NO_FLY, area)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(5, 35), st.integers(-12, 12), st.integers(50, 500), st.integers(50, 500)
        ),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from([8.0, 15.0]),
    st.booleans(),
)
def test_every_turn_of_a_route_is_clear(boxes, speed, slows) -> None:
    """Whatever zones are near, and no longer than amid zones that are larger by the widest turn."""
    zones = ZoneSet(box(x * 100.0, y * 100.0, a, b, str(i)) for i, (x, y, a, b) in enumerate(boxes))
    turns, margin = Turns(speed, 2.5, 2.0, slows), 20.0
    request = RouteRequest(
        FRAME.latlon(0.0, 0.0), FRAME.latlon(4_500.0, 3.0), VehicleClass.MULTIROTOR, 50.0, 60.0,
        NOON, NOON, margin, turns=turns,
    )  # fmt: skip
    found = find_route(request, zones, FLAT)
    if isinstance(found, NoRoute):
        assert found.reason
        return
    legs = [(a, b, margin) for a, b in itertools.pairwise(found.points)]
    legs += [(w.start, w.end, margin + w.width_m) for w in widened(found.points, turns)]
    path = FlightPath(
        VehicleClass.MULTIROTOR,
        tuple(
            PathLeg(i, "", a, b, 50.0, 60.0, NOON, NOON, wide)
            for i, (a, b, wide) in enumerate(legs)
        ),
    )
    assert check(path, zones, FLAT).allowed


def test_a_turn_that_would_overshoot_into_a_second_zone_keeps_farther_from_the_first() -> None:
    first, beyond = box(1_000.0, 0.0, 300.0, 300.0, "first"), box(1_360.0, 500.0, 40.0, 60.0, "b")
    ends = (FRAME.latlon(0.0, 0.0), FRAME.latlon(2_500.0, 0.0))
    answers = []
    for turns in (None, Turns(15.0, 2.5, 2.0), Turns(15.0, 2.5, 2.0, slows=False)):
        request = RouteRequest(
            *ends, VehicleClass.MULTIROTOR, 50.0, 60.0, NOON, NOON, 20.0, turns=turns
        )
        found = find_route(request, ZoneSet([first, beyond]), FLAT)
        assert isinstance(found, Route)
        answers.append(found.length_m)
    assert answers[0] < answers[1] < answers[2]


@pytest.mark.parametrize("field", ["speed_mps", "accel_mps2", "waypoint_radius_m"])
def test_numbers_that_make_no_turn_are_named(field) -> None:
    with pytest.raises(PathError, match=field):
        Turns(**{"speed_mps": 10.0, "accel_mps2": 2.5, "waypoint_radius_m": 2.0, field: 0.0})
