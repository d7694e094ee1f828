"""A delivery flight: the way out, the drop, the same way back.

Owns the making of air missions. Must not have the last word: validate_flight has it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

from geofence.check import Disc, FlightPath, PathLeg, Surroundings, check
from geofence.frames import LatLon, geodesic_m
from geofence.prepared import RouteCache
from geofence.route import NoRoute, Route, RouteRequest, find_route
from geofence.zones import VehicleClass, VehicleTraits
from geofence.zoneset import ZoneSet
from missions.energy import MultirotorModel
from missions.errors import RequestError
from missions.model import AirItem, AirMission, DropDevice, ItemKind
from missions.plan_flown import (
    DEFAULT_FLIGHT_RULES,
    FlightRules,
    flown_legs,
    height_above_ground_m,
    total,
)
from missions.plan_reasons import NoGo, Reason, outlasts_time, zone_reasons, zone_words

_MARGIN_SLACK = 1.01
_MARGIN_SLACK_M = 0.5
"""The route keeps a little more than the corridor, so that the check agrees by a clear margin."""

_MOST_LIMITS = 4
"""Speed limits obeyed in turn; each slower way may meet another."""

_LEAST_LEG_M = 1.0
"""Nearer than this to home is home: no flight."""


@dataclass(frozen=True, slots=True)
class FlightRequest:
    """One parcel, one flight. Raises RequestError for numbers that make no sense."""

    mission_id: str
    vehicle_id: str
    home: LatLon
    home_amsl_m: float
    parcel_id: str
    weight_kg: float
    destination: LatLon
    device: DropDevice
    cruise_alt_home_m: float
    cruise_speed_mps: float
    depart_at: datetime
    destination_ground_amsl_m: float | None = None
    """None: the ground of the surroundings, or else the height of home."""
    rules: FlightRules = DEFAULT_FLIGHT_RULES
    model: MultirotorModel = field(default_factory=MultirotorModel)
    permits: frozenset[str] = frozenset()
    traits: VehicleTraits | None = None
    """What more is known of the vehicle, for zones that bind by it."""

    def __post_init__(self) -> None:
        for name in ("cruise_alt_home_m", "cruise_speed_mps"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise RequestError(name, f"{value} must be a positive number")
        if not (math.isfinite(self.weight_kg) and self.weight_kg >= 0.0):
            raise RequestError("weight_kg", f"{self.weight_kg} must not be negative")
        if not math.isfinite(self.home_amsl_m):
            raise RequestError("home_amsl_m", f"{self.home_amsl_m} is not finite")
        if self.depart_at.tzinfo is None:
            raise RequestError("depart_at", "needs a time zone")


def plan_flight(
    request: FlightRequest,
    zones: ZoneSet,
    surroundings: Surroundings,
    routes: RouteCache | None = None,
) -> AirMission | NoGo:
    """The mission, with its duration and energy, or the reasons why there is none.

    `routes` keeps prepared obstacles for further flights.
    """
    ground_m = _drop_ground_home_m(request, surroundings)
    release_m = ground_m + request.rules.release_height_m(request.device)
    reasons = tuple(_misfits(request, release_m, surroundings))
    if reasons:
        return NoGo(reasons)
    found = _find_way(request, zones, surroundings, routes)
    if isinstance(found, NoGo):
        # a zone over the pad or the destination is the better word than "no way"
        return _barred_places(request, ground_m, zones, surroundings) or found
    route, speed_mps = found
    return _mission(request, route.points, speed_mps, release_m, zones.version)


def straight_flight(
    request: FlightRequest, zones: ZoneSet, surroundings: Surroundings
) -> AirMission | NoGo:
    """The mission on the straight line at full speed, zones not regarded: for bulk checks."""
    release_m = _drop_ground_home_m(request, surroundings) + request.rules.release_height_m(
        request.device
    )
    reasons = tuple(_misfits(request, release_m, surroundings))
    if reasons:
        return NoGo(reasons)
    speed_mps = min(request.cruise_speed_mps, request.rules.max_speed_mps)
    return _mission(
        request, (request.home, request.destination), speed_mps, release_m, zones.version
    )


def _mission(
    request: FlightRequest,
    points: tuple[LatLon, ...],
    speed_mps: float,
    release_m: float,
    zones_version: str,
) -> AirMission:
    mission = AirMission(
        mission_id=request.mission_id,
        vehicle_id=request.vehicle_id,
        home=request.home,
        home_amsl_m=request.home_amsl_m,
        cruise_alt_home_m=request.cruise_alt_home_m,
        items=tuple(_items(request, points, speed_mps, release_m)),
        zones_version=zones_version,
    )
    legs = flown_legs(
        mission,
        loads={request.parcel_id: request.weight_kg},
        speed_mps=speed_mps,
        model=request.model,
        rules=request.rules,
    )
    effort = total(legs)
    return replace(mission, duration_s=effort.time_s, energy_wh=effort.energy_wh)


def _drop_ground_home_m(request: FlightRequest, surroundings: Surroundings) -> float:
    ground = request.destination_ground_amsl_m
    if ground is None:
        ground = surroundings.ground_at(request.destination)
    return 0.0 if ground is None else ground - request.home_amsl_m


def _misfits(
    request: FlightRequest, release_m: float, surroundings: Surroundings
) -> Iterator[Reason]:
    rules = request.rules
    height = request.cruise_alt_home_m
    if not rules.min_cruise_alt_home_m <= height <= rules.max_cruise_alt_home_m:
        yield Reason(
            "height",
            f"cruise height {height:g} m above home is outside "
            f"{rules.min_cruise_alt_home_m:g}-{rules.max_cruise_alt_home_m:g} m",
        )
    above_m = height_above_ground_m(request.home_amsl_m, height, surroundings)
    if above_m > rules.max_cruise_alt_home_m:
        text = f"cruise is {above_m:.0f} m above ground, over {rules.max_cruise_alt_home_m:g} m"
        yield Reason("height", text)
    if release_m > height - rules.min_clear_below_cruise_m:
        yield Reason(
            "height",
            f"the drop needs {release_m:.0f} m above home, too near to the cruise height "
            f"{height:g} m",
        )
    length_m = geodesic_m(request.home, request.destination)
    if length_m < _LEAST_LEG_M:
        yield Reason("destination", "the destination is the vehicle's own pad")
    if length_m > rules.max_leg_m:
        yield Reason(
            "leg_length",
            f"the destination is {length_m / 1000:.1f} km away, over the limit of "
            f"{rules.max_leg_m / 1000:g} km",
        )


def _window(request: FlightRequest) -> tuple[datetime, datetime]:
    """From departure to a late end of a flight that goes twice the straight way."""
    rules = request.rules
    slowest = min((request.cruise_speed_mps, *rules.slow_speeds_mps))
    way_m = 4.0 * geodesic_m(request.home, request.destination)
    up_s = 4.0 * request.cruise_alt_home_m / request.model.climb_mps
    seconds = (way_m / slowest + up_s + 120.0) * (1.0 + rules.time_error) + rules.start_slip_s
    return request.depart_at, request.depart_at + timedelta(seconds=seconds)


def _barred_places(
    request: FlightRequest, ground_m: float, zones: ZoneSet, surroundings: Surroundings
) -> NoGo | None:
    """Zones over the pad or the destination: told as such, before any way is sought."""
    rules = request.rules
    enter, leave = _window(request)
    high_m = request.home_amsl_m + request.cruise_alt_home_m + rules.vertical_error_m
    places = (
        ("take-off", request.home, rules.pad_radius_m, 0.0),
        ("drop", request.destination, rules.drop_radius_m, ground_m),
    )
    discs = tuple(
        Disc(
            index=number,
            label=label,
            center=center,
            radius_m=radius_m,
            low_amsl_m=request.home_amsl_m + low_m - rules.vertical_error_m,
            high_amsl_m=high_m,
            enter=enter,
            leave=leave,
        )
        for number, (label, center, radius_m, low_m) in enumerate(places)
    )
    path = FlightPath(VehicleClass.MULTIROTOR, (), discs, request.permits, request.traits)
    verdict = check(path, zones, surroundings)
    if verdict.allowed:
        return None
    return NoGo(zone_reasons(verdict.violations, zones), verdict)


def _find_way(
    request: FlightRequest,
    zones: ZoneSet,
    surroundings: Surroundings,
    routes: RouteCache | None,
) -> tuple[Route, float] | NoGo:
    """The quickest way: slower flights need less room, and may find a shorter way between zones."""
    rules = request.rules
    fast_mps = min(request.cruise_speed_mps, rules.max_speed_mps)
    speeds = (fast_mps, *(slow for slow in rules.slow_speeds_mps if slow < fast_mps))
    direct_m = geodesic_m(request.home, request.destination)
    best: tuple[Route, float] | None = None
    why: NoRoute | None = None
    for speed_mps in speeds:
        if best is not None and direct_m / speed_mps >= best[0].length_m / best[1]:
            break
        answer = _way_at(request, speed_mps, zones, surroundings, routes)
        if isinstance(answer, NoRoute):
            why = answer
        elif best is None or answer.length_m / speed_mps < best[0].length_m / best[1]:
            best = answer, speed_mps
    if best is None:
        return _no_way(why, zones)
    return _slowed(request, best, zones, surroundings, routes)


def _way_at(
    request: FlightRequest,
    speed_mps: float,
    zones: ZoneSet,
    surroundings: Surroundings,
    routes: RouteCache | None,
) -> Route | NoRoute:
    rules = request.rules
    enter, leave = _window(request)
    cruise_amsl_m = request.home_amsl_m + request.cruise_alt_home_m
    return find_route(
        RouteRequest(
            start=request.home,
            goal=request.destination,
            vehicle_class=VehicleClass.MULTIROTOR,
            low_amsl_m=cruise_amsl_m - rules.vertical_error_m,
            high_amsl_m=cruise_amsl_m + rules.vertical_error_m,
            enter=enter,
            leave=leave,
            margin_m=rules.corridor_m(speed_mps) * _MARGIN_SLACK + _MARGIN_SLACK_M,
            permits=request.permits,
            traits=request.traits,
            turns=rules.turns(speed_mps),
        ),
        zones,
        surroundings,
        routes,
    )


def _slowed(
    request: FlightRequest,
    found: tuple[Route, float],
    zones: ZoneSet,
    surroundings: Surroundings,
    routes: RouteCache | None,
) -> tuple[Route, float] | NoGo:
    """The way flown as slowly as the zones on it demand.

    All of it: an aborted mission that joins its way back anywhere is never too fast.
    """
    for _ in range(_MOST_LIMITS):
        route, speed_mps = found
        limit_mps = _limit_mps(request, route, speed_mps, zones, surroundings)
        if limit_mps is None:
            break
        answer = _way_at(request, limit_mps, zones, surroundings, routes)
        if isinstance(answer, NoRoute):
            return _no_way(answer, zones)
        found = answer, limit_mps
    return found


def _limit_mps(
    request: FlightRequest,
    route: Route,
    speed_mps: float,
    zones: ZoneSet,
    surroundings: Surroundings,
) -> float | None:
    """The lowest speed limit that the way breaks at this speed, or None."""
    if not zones.speed_limits:
        return None
    rules = request.rules
    enter, leave = _window(request)
    cruise_amsl_m = request.home_amsl_m + request.cruise_alt_home_m
    legs = tuple(
        PathLeg(
            number,
            "way",
            start,
            end,
            cruise_amsl_m + error_m,
            cruise_amsl_m + error_m,
            enter,
            leave,
            rules.corridor_m(speed_mps),
            speed_mps,
        )
        for number, (start, end) in enumerate(pairwise(route.points))
        for error_m in (-rules.vertical_error_m, 0.0, rules.vertical_error_m)
    )
    path = FlightPath(VehicleClass.MULTIROTOR, legs, (), request.permits, request.traits)
    limits = ZoneSet(zones.speed_limits)
    broken = (v.max_speed_mps for v in check(path, limits, surroundings).violations)
    return min((limit for limit in broken if limit is not None), default=None)


def _no_way(why: NoRoute | None, zones: ZoneSet) -> NoGo:
    if why is None:
        return NoGo((Reason("no_route", "no speed is left to try"),))
    found = [zones.get(zone_id) for zone_id in why.zone_ids]
    names = ", ".join(zone_words(zone) for zone in found if zone is not None)
    text = f"no way round {names}: {why.reason}" if names else f"no way: {why.reason}"
    return NoGo(
        (
            Reason(
                code="no_route",
                text=text,
                permanent=outlasts_time(why.zone_ids, zones),
                zone_id=why.zone_ids[0] if why.zone_ids else "",
                leg="way out",
                depth_m=why.depth_m,
            ),
        )
    )


def _items(
    request: FlightRequest, points: tuple[LatLon, ...], speed_mps: float, release_m: float
) -> Iterator[AirItem]:
    rules, cruise_m = request.rules, request.cruise_alt_home_m
    drop = request.destination
    between = points[1:-1]
    yield AirItem(ItemKind.TAKEOFF, request.home, cruise_m, label="take-off")
    yield AirItem(ItemKind.SPEED, speed_mps=speed_mps, label="cruise speed")
    for number, point in enumerate(between, start=1):
        yield AirItem(ItemKind.WAYPOINT, point, cruise_m, label=f"out {number}")
    yield AirItem(ItemKind.WAYPOINT, drop, cruise_m, label="over the drop")
    yield AirItem(ItemKind.WAYPOINT, drop, release_m, label="down to the drop")
    yield AirItem(ItemKind.DELAY, delay_s=rules.settle_s, label="settle")
    yield _release(request, release_m)
    yield AirItem(ItemKind.DELAY, delay_s=_after_release_s(request), label="clear")
    # with its place at the foot of the climb, so that a return called for over the drop rises first
    yield AirItem(ItemKind.RETURN_PATH, drop, release_m, label="return path")
    yield AirItem(ItemKind.WAYPOINT, drop, cruise_m, label="up from the drop")
    for number, point in zip(range(len(between), 0, -1), reversed(between), strict=True):
        yield AirItem(ItemKind.WAYPOINT, point, cruise_m, label=f"back {number}")
    yield AirItem(ItemKind.WAYPOINT, request.home, cruise_m, label="over home")
    yield AirItem(ItemKind.LAND, request.home, 0.0, label="landing")


def _release(request: FlightRequest, release_m: float) -> AirItem:
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
        position=request.destination if place else None,
        alt_home_m=release_m if place else 0.0,
        device=request.device,
        parcel_id=request.parcel_id,
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
