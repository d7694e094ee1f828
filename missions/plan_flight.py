"""A delivery flight: the way out from stop to stop, and the same way back.

Owns the ways and speeds of air missions; their items are made in plan_items. Must not have the
last word: validate_flight has it.

The way back is the way out in reverse, over every stop: wherever a flight is called home, it
joins ground that was checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from geofence.check import Disc, FlightPath, PathLeg, Surroundings, check
from geofence.frames import LatLon, geodesic_m
from geofence.prepared import RouteCache
from geofence.route import NoRoute, Route, RouteRequest, find_route
from geofence.zones import VehicleClass
from geofence.zoneset import ZoneSet
from missions.model import AirMission
from missions.plan_flown import flown_legs, height_above_ground_m, total
from missions.plan_items import mission_items
from missions.plan_reasons import NoGo, Reason, outlasts_time, zone_reasons, zone_words
from missions.plan_stops import FlightRequest, FlightStop

__all__ = ["FlightRequest", "FlightStop", "plan_flight", "straight_flight"]

_MARGIN_SLACK = 1.01
_MARGIN_SLACK_M = 0.5
"""The route keeps a little more than the corridor, so that the check agrees by a clear margin."""

_MOST_LIMITS = 4
"""Speed limits obeyed in turn; each slower way may meet another."""

_LEAST_LEG_M = 1.0
"""Nearer than this to home is home: no flight."""


Points = tuple[LatLon, ...]


@dataclass(frozen=True, slots=True)
class _Ways:
    """The way to each stop from the one before, both ends included."""

    hops: tuple[Points, ...]
    length_m: float


def plan_flight(
    request: FlightRequest,
    zones: ZoneSet,
    surroundings: Surroundings,
    routes: RouteCache | None = None,
) -> AirMission | NoGo:
    """The mission, with its duration and energy, or the reasons why there is none.

    `routes` keeps prepared obstacles for further flights.
    """
    low_m = _lows_m(request, surroundings)
    reasons = tuple(_misfits(request, low_m, surroundings))
    if reasons:
        return NoGo(reasons)
    found = _find_way(request, zones, surroundings, routes)
    if isinstance(found, NoGo):
        # a zone over the pad or a destination is the better word than "no way"
        return _barred_places(request, zones, surroundings) or found
    ways, speed_mps = found
    return _mission(request, ways.hops, speed_mps, low_m, zones.version)


def straight_flight(
    request: FlightRequest, zones: ZoneSet, surroundings: Surroundings
) -> AirMission | NoGo:
    """The mission on straight lines at full speed, zones not regarded: for bulk checks."""
    low_m = _lows_m(request, surroundings)
    reasons = tuple(_misfits(request, low_m, surroundings))
    if reasons:
        return NoGo(reasons)
    speed_mps = min(request.cruise_speed_mps, request.rules.max_speed_mps)
    hops = tuple(pairwise(request.places))
    return _mission(request, hops, speed_mps, low_m, zones.version)


def _mission(
    request: FlightRequest,
    hops: tuple[Points, ...],
    speed_mps: float,
    low_m: tuple[float, ...],
    zones_version: str,
) -> AirMission:
    mission = AirMission(
        mission_id=request.mission_id,
        vehicle_id=request.vehicle_id,
        home=request.home,
        home_amsl_m=request.home_amsl_m,
        cruise_alt_home_m=request.cruise_alt_home_m,
        items=tuple(mission_items(request, hops, speed_mps, low_m)),
        zones_version=zones_version,
    )
    legs = flown_legs(
        mission,
        loads=request.loads,
        speed_mps=speed_mps,
        model=request.model,
        rules=request.rules,
    )
    effort = total(legs)
    return replace(mission, duration_s=effort.time_s, energy_wh=effort.energy_wh)


def _grounds_m(request: FlightRequest, surroundings: Surroundings) -> tuple[float, ...]:
    """Height of the ground at each stop, metres above home."""
    heights: list[float] = []
    for stop in request.stops:
        ground = stop.ground_amsl_m
        if ground is None:
            ground = surroundings.ground_at(stop.destination)
        heights.append(0.0 if ground is None else ground - request.home_amsl_m)
    return tuple(heights)


def _lows_m(request: FlightRequest, surroundings: Surroundings) -> tuple[float, ...]:
    """How low it comes at each stop, metres above home: to the release height or the ground."""
    release_m = request.rules.release_height_m(request.device)
    return tuple(
        ground_m if stop.landing else ground_m + release_m
        for stop, ground_m in zip(request.stops, _grounds_m(request, surroundings), strict=True)
    )


def _misfits(
    request: FlightRequest, low_m: tuple[float, ...], surroundings: Surroundings
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
    highest_m = max(low_m)
    if highest_m > height - rules.min_clear_below_cruise_m:
        yield Reason(
            "height",
            f"the drop needs {highest_m:.0f} m above home, too near to the cruise height "
            f"{height:g} m",
        )
    for stop in request.stops:
        if geodesic_m(request.home, stop.destination) < _LEAST_LEG_M:
            yield Reason("destination", "the destination is the vehicle's own pad")
    for start, end in pairwise(request.places):
        length_m = geodesic_m(start, end)
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
    stops = len(request.stops)
    way_m = 4.0 * request.direct_m
    up_s = 4.0 * stops * request.cruise_alt_home_m / request.model.climb_mps
    seconds = (way_m / slowest + up_s + 120.0 * stops) * (
        1.0 + rules.time_error
    ) + rules.start_slip_s
    return request.depart_at, request.depart_at + timedelta(seconds=seconds)


def _barred_places(
    request: FlightRequest, zones: ZoneSet, surroundings: Surroundings
) -> NoGo | None:
    """Zones over the pad or a destination: told as such, before any way is sought."""
    rules = request.rules
    enter, leave = _window(request)
    high_m = request.home_amsl_m + request.cruise_alt_home_m + rules.vertical_error_m
    places = (
        ("take-off", request.home, rules.pad_radius_m, 0.0),
        *(
            ("drop", stop.destination, rules.drop_radius_m, ground_m)
            for stop, ground_m in zip(request.stops, _grounds_m(request, surroundings), strict=True)
        ),
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
) -> tuple[_Ways, float] | NoGo:
    """The quickest way: slower flights need less room, and may find a shorter way between zones."""
    rules = request.rules
    fast_mps = min(request.cruise_speed_mps, rules.max_speed_mps)
    speeds = (fast_mps, *(slow for slow in rules.slow_speeds_mps if slow < fast_mps))
    direct_m = request.direct_m
    best: tuple[_Ways, float] | None = None
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
) -> _Ways | NoRoute:
    """From stop to stop, and not home again: the way back is the same."""
    hops: list[Points] = []
    length_m = 0.0
    for start, goal in pairwise(request.places):
        if geodesic_m(start, goal) < _LEAST_LEG_M:
            hops.append((start, goal))
            continue
        found = _hop_at(request, (start, goal), speed_mps, zones, surroundings, routes=routes)
        if isinstance(found, NoRoute):
            return found
        hops.append(found.points)
        length_m += found.length_m
    return _Ways(tuple(hops), length_m)


def _hop_at(
    request: FlightRequest,
    ends: tuple[LatLon, LatLon],
    speed_mps: float,
    zones: ZoneSet,
    surroundings: Surroundings,
    *,
    routes: RouteCache | None,
) -> Route | NoRoute:
    rules = request.rules
    enter, leave = _window(request)
    cruise_amsl_m = request.home_amsl_m + request.cruise_alt_home_m
    return find_route(
        RouteRequest(
            start=ends[0],
            goal=ends[1],
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
    found: tuple[_Ways, float],
    zones: ZoneSet,
    surroundings: Surroundings,
    routes: RouteCache | None,
) -> tuple[_Ways, float] | NoGo:
    """The way flown as slowly as the zones on it demand.

    All of it: an aborted mission that joins its way back anywhere is never too fast.
    """
    for _ in range(_MOST_LIMITS):
        ways, speed_mps = found
        limit_mps = _limit_mps(request, ways, speed_mps, zones, surroundings)
        if limit_mps is None:
            break
        answer = _way_at(request, limit_mps, zones, surroundings, routes)
        if isinstance(answer, NoRoute):
            return _no_way(answer, zones)
        found = answer, limit_mps
    return found


def _limit_mps(
    request: FlightRequest,
    ways: _Ways,
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
        for number, (start, end) in enumerate(pair for hop in ways.hops for pair in pairwise(hop))
        if start != end
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
