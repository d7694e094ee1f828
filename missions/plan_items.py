"""The items of a delivery flight: out from stop to stop, and the same way back.

Owns the order of items and what they do for each drop device. Must not look for ways.

Called home, ArduCopter joins the leg behind a RETURN_PATH mark that is nearest in three
dimensions, and a mark's own place is the first end of the first of them (AP_Mission.cpp,
jump_to_closest_mission_leg, distance_to_mission_leg). So every stop has a mark at the foot of its
column: a drone called home while it is low over any of them rises first. On the way back over an
earlier stop it passes that stop's mark without effect, and halts there for a moment, so that no
corner is flown through.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from geofence.frames import LatLon
from missions.model import AirItem, DropDevice, ItemKind
from missions.plan_stops import FlightRequest, FlightStop

GROUND_WAIT_S = 3.0
"""On the ground at a stop: DISARM_DELAY, which is 5 s at least, would end the flight."""
_HALT_S = 1.0


def mission_items(
    request: FlightRequest,
    hops: tuple[tuple[LatLon, ...], ...],
    speed_mps: float,
    low_m: tuple[float, ...],
) -> Iterator[AirItem]:
    """Every item from take-off to landing.

    `hops`: for each stop the way from the place before it, both ends included; `low_m`: how low
    it comes there, metres above home.
    """
    cruise_m = request.cruise_alt_home_m
    yield AirItem(ItemKind.TAKEOFF, request.home, cruise_m, label="take-off")
    yield _speed(speed_mps)
    number = 0
    for index, (stop, low) in enumerate(zip(request.stops, low_m, strict=True)):
        last = index == len(low_m) - 1
        for point in hops[index][1:-1]:
            number += 1
            yield AirItem(ItemKind.WAYPOINT, point, cruise_m, label=f"out {number}")
        yield AirItem(ItemKind.WAYPOINT, stop.destination, cruise_m, label="over the drop")
        yield from _let_go(request, stop, low, speed_mps)
        if last:
            yield _mark(stop, low)
        if last or not stop.landing:
            yield _up(stop, cruise_m)
    yield from _back(request, hops, low_m, number)


def _back(
    request: FlightRequest,
    hops: tuple[tuple[LatLon, ...], ...],
    low_m: tuple[float, ...],
    number: int,
) -> Iterator[AirItem]:
    cruise_m = request.cruise_alt_home_m
    passed = list(zip(request.stops, low_m, strict=True))
    for index in range(len(hops) - 1, -1, -1):
        for point in reversed(hops[index][1:-1]):
            yield AirItem(ItemKind.WAYPOINT, point, cruise_m, label=f"back {number}")
            number -= 1
        if index == 0:
            break
        (stop, low), (behind, low_behind) = passed[index - 1], passed[index]
        if (stop.destination, low) == (behind.destination, low_behind):
            continue
        over = AirItem(
            ItemKind.WAYPOINT, stop.destination, cruise_m, delay_s=_HALT_S, label="back over a drop"
        )
        yield over
        yield _mark(stop, low)
        yield _up(stop, cruise_m)
    yield AirItem(ItemKind.WAYPOINT, request.home, cruise_m, label="over home")
    yield AirItem(ItemKind.LAND, request.home, 0.0, label="landing")


def _speed(speed_mps: float) -> AirItem:
    return AirItem(ItemKind.SPEED, speed_mps=speed_mps, label="cruise speed")


def _mark(stop: FlightStop, low_m: float) -> AirItem:
    # with its place at the foot of the climb, so that a return called for over the drop rises first
    return AirItem(ItemKind.RETURN_PATH, stop.destination, low_m, label="return path")


def _up(stop: FlightStop, cruise_m: float) -> AirItem:
    return AirItem(ItemKind.WAYPOINT, stop.destination, cruise_m, label="up from the drop")


def _let_go(
    request: FlightRequest, stop: FlightStop, low_m: float, speed_mps: float
) -> Iterator[AirItem]:
    rules = request.rules
    if stop.landing:
        yield AirItem(ItemKind.LAND, stop.destination, low_m, label="landing at the stop")
        yield _release(request, stop, low_m)
        wait_s = min(GROUND_WAIT_S, rules.settle_s)
        yield AirItem(ItemKind.DELAY, delay_s=wait_s, label="clear")
        up_m = request.cruise_alt_home_m
        yield AirItem(ItemKind.TAKEOFF, stop.destination, up_m, label="take-off from the stop")
        yield _speed(speed_mps)
        return
    yield AirItem(ItemKind.WAYPOINT, stop.destination, low_m, label="down to the drop")
    yield AirItem(ItemKind.DELAY, delay_s=rules.settle_s, label="settle")
    yield _release(request, stop, low_m)
    yield AirItem(ItemKind.DELAY, delay_s=_after_release_s(request), label="clear")


def _release(request: FlightRequest, stop: FlightStop, release_m: float) -> AirItem:
    rules = request.rules
    place = request.device is DropDevice.PAYLOAD_PLACE
    rope_m = 0.0
    if place:
        rope_m = rules.place_height_m + rules.place_margin_m
    elif request.device is DropDevice.WINCH:
        rope_m = rules.winch_height_m + rules.rope_margin_m
    return AirItem(
        ItemKind.RELEASE,
        # a gripper and a winch act where the vehicle is; payload place flies to its own point
        position=stop.destination if place else None,
        alt_home_m=release_m if place else 0.0,
        device=request.device,
        parcel_id=stop.parcel_id,
        winch_m=rope_m,
        label="release",
    )


def _after_release_s(request: FlightRequest) -> float:
    rules = request.rules
    if request.device is DropDevice.WINCH:
        # the command ends at once in the autopilot; the rope needs its time to the ground
        rope_m = rules.winch_height_m + rules.rope_margin_m
        return math.ceil(rope_m / rules.winch_mps + rules.settle_s)
    return rules.settle_s
