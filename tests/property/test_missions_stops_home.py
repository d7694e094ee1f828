"""Called home anywhere on a flight with several stops: it stays on ground that was checked.

The oracle joins the mission as ArduCopter does (AP_Mission.cpp, jump_to_closest_mission_leg and
distance_to_mission_leg), told here once more from those rules alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.frames import LocalFrame
from geofence.zoneset import ZoneSet
from missions.model import AirItem, AirMission, DropDevice, ItemKind
from missions.plan_flight import plan_flight
from missions.plan_flown import FlownLeg, flown_legs
from missions.plan_reasons import NoGo
from missions.plan_stops import FlightRequest, FlightStop
from tests.unit.missions.flights import FLAT, HOME, at, circle, request

Point = npt.NDArray[np.float64]
FRAME = LocalFrame(HOME)
NEAR_M = 0.3
NAV_ERROR_M = 5.0
PLACED = {ItemKind.RETURN_PATH, ItemKind.WAYPOINT, ItemKind.LAND}


def place(item: AirItem) -> Point | None:
    if item.kind not in PLACED or item.position is None:
        return None
    return np.array([*FRAME.xy(item.position), item.alt_home_m])


def from_segment_m(point: Point, a: Point, b: Point) -> float:
    way = b - a
    length2 = float(way @ way)
    t = 0.0 if length2 == 0.0 else min(1.0, max(0.0, float((point - a) @ way) / length2))
    return float(np.linalg.norm(a + t * way - point))


def joined(mission: AirMission, point: Point) -> int:
    """The item that a return from a point goes to first."""
    best: tuple[float, int] | None = None
    marks = [n for n, item in enumerate(mission.items) if item.kind is ItemKind.RETURN_PATH]
    for mark in marks:
        before, near_m, index = None, -1.0, -1
        for number in range(mark, len(mission.items)):
            here = place(mission.items[number])
            if here is not None and before is None:
                before, near_m, index = here, float(np.linalg.norm(here - point)), number
            elif here is not None and before is not None and np.any(here != before):
                away_m = from_segment_m(point, before, here)
                before = here
                if away_m < near_m:
                    near_m, index = away_m, number
            if mission.items[number].kind is ItemKind.LAND:
                break
        if best is None or near_m <= best[0]:
            best = near_m, index
    assert best is not None
    index = best[1]
    # a mark is no place to fly to: what follows is
    while mission.items[index].kind is ItemKind.RETURN_PATH:
        index += 1
    return index


def ends(leg: FlownLeg) -> tuple[Point, Point]:
    return (
        np.array([*FRAME.xy(leg.start), leg.start_alt_home_m]),
        np.array([*FRAME.xy(leg.end), leg.end_alt_home_m]),
    )


def on_checked_ground(
    legs: tuple[FlownLeg, ...], start: Point, goal: Point, off_m: float = 0.0
) -> bool:
    """Whether a line from within `off_m` of its place lies along a leg, or in one column."""
    near_m = NEAR_M + off_m
    for leg in legs:
        a, b = ends(leg)
        if from_segment_m(start, a, b) < near_m and from_segment_m(goal, a, b) < near_m:
            return True
    across_m = float(np.linalg.norm(start[:2] - goal[:2]))
    return across_m < near_m and any(
        leg.vertical and float(np.linalg.norm(ends(leg)[0][:2] - start[:2])) < near_m
        for leg in legs
    )


PLACES = st.tuples(st.floats(-900.0, 900.0), st.floats(-900.0, 900.0)).filter(
    lambda p: max(map(abs, p)) > 40.0
)


def drawn(
    places: list[tuple[float, float]], device: DropDevice, lands: list[bool]
) -> tuple[FlightRequest, AirMission | NoGo]:
    gripper = device is DropDevice.GRIPPER
    first, *further = (
        FlightStop(f"P-{n}", 0.2, at(*where), landing=gripper and down)
        for n, (where, down) in enumerate(zip(places, lands, strict=False), start=1)
    )
    asked = request(
        first.destination,
        weight_kg=0.2,
        device=device,
        landing=first.landing,
        further=tuple(further),
    )
    zones = ZoneSet((circle("Z-1", at(250.0, 250.0), 90.0), circle("Z-2", at(-200.0, 300.0), 60.0)))
    return asked, plan_flight(asked, zones, FLAT)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(PLACES, min_size=1, max_size=4),
    st.sampled_from(list(DropDevice)),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.floats(0.0, 360.0),
)
def test_a_return_from_anywhere_stays_on_what_was_checked(places, device, lands, bearing):
    asked, mission = drawn(places, device, lands)
    if isinstance(mission, NoGo):
        return
    legs = flown_legs(
        mission, loads=asked.loads, speed_mps=12.0, model=asked.model, rules=asked.rules
    )
    turn = np.radians(bearing)
    off = NAV_ERROR_M * np.array([np.sin(turn), np.cos(turn), 0.0])
    for leg in legs:
        a, b = ends(leg)
        for share, by_m in ((s, m) for s in (0.0, 0.25, 0.5, 0.9, 1.0) for m in (0.0, 1.0)):
            point = a + share * (b - a) + by_m * off
            first = mission.items[joined(mission, point)]
            goal = place(first)
            assert goal is not None
            if first.kind is ItemKind.LAND:
                # to the pad at its height, then down
                goal = np.array([goal[0], goal[1], point[2]])
            near = on_checked_ground(legs, point, goal, by_m * NAV_ERROR_M)
            assert near, (leg.label, share, by_m, point, goal)


def test_without_the_mark_of_the_first_stop_it_would_fly_off_low():
    """Two metres off the column, towards home: the nearest leg then is the one over its head."""
    asked, mission = drawn([(400.0, 0.0), (500.0, 700.0)], DropDevice.GRIPPER, [False] * 4)
    assert isinstance(mission, AirMission)
    legs = flown_legs(
        mission, loads=asked.loads, speed_mps=12.0, model=asked.model, rules=asked.rules
    )
    marks = [n for n, item in enumerate(mission.items) if item.kind is ItemKind.RETURN_PATH]
    kept = tuple(item for n, item in enumerate(mission.items) if n != marks[1])
    bare = replace(mission, items=kept)
    stop = np.array([*FRAME.xy(at(400.0, 0.0)), 60.0])
    low = np.array([*FRAME.xy(at(398.0, 0.0)), 3.0])
    up, off = place(mission.items[joined(mission, low)]), place(bare.items[joined(bare, low)])
    assert up is not None
    assert off is not None
    assert np.allclose(up, stop, atol=0.01)
    assert np.allclose(off, [0.0, 0.0, 60.0], atol=0.01)
    assert not on_checked_ground(legs, low, off, NAV_ERROR_M)
