"""Many flights planned and checked together.

Owns the quick way through a fleet's many pairs of pad and destination: most straight lines are
free, and the check takes many paths at once. Must not refuse: what is not free straight on is
planned and told by plan_flight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise

from geofence.check import FlightPath, PathLeg, Surroundings, check_all
from geofence.zones import VehicleClass
from geofence.zoneset import ZoneSet
from missions.model import AirMission
from missions.plan_flight import FlightRequest, straight_flight
from missions.plan_reasons import GoNoGo
from missions.validate import FlightChecks, Walked, judge_walked, walk_flight

CHUNK = 256
"""Flights asked about at once; bounds the memory."""

Job = tuple[FlightRequest, FlightChecks]
Flight = tuple[AirMission, FlightChecks]


def straight_flights(
    jobs: Sequence[Job], zones: ZoneSet, surroundings: Surroundings
) -> list[tuple[AirMission, Walked] | None]:
    """For each job its flight on the straight line where nothing is against it, else None."""
    found: list[tuple[AirMission, Walked] | None] = [None] * len(jobs)
    for begin in range(0, len(jobs), CHUNK):
        made: dict[int, AirMission] = {}
        for number in range(begin, min(begin + CHUNK, len(jobs))):
            mission = straight_flight(jobs[number][0], zones, surroundings)
            if isinstance(mission, AirMission):
                made[number] = mission
        # a line that meets a zone needs no more: the whole of its flight would, too
        lines = check_all([_line(jobs[n][0]) for n in made], zones, surroundings)
        free = [n for n, line in zip(made, lines, strict=True) if line.allowed]
        flights = [(made[number], jobs[number][1]) for number in free]
        judged = judge_flights(flights, zones, surroundings)
        for number, (walked, answer) in zip(free, judged, strict=True):
            if walked is not None and answer.go:
                found[number] = made[number], walked
    return found


def judge_flights(
    flights: Sequence[Flight], zones: ZoneSet, surroundings: Surroundings
) -> Iterator[tuple[Walked | None, GoNoGo]]:
    """What validate_flight says of each, and the walk where the flight has one."""
    for begin in range(0, len(flights), CHUNK):
        some = flights[begin : begin + CHUNK]
        walks = [walk_flight(mission, checks, surroundings) for mission, checks in some]
        paths = [walked.path for walked in walks if isinstance(walked, Walked)]
        verdicts = iter(check_all(paths, zones, surroundings))
        for walked, (_, checks) in zip(walks, some, strict=True):
            if isinstance(walked, GoNoGo):
                yield None, walked
            else:
                yield walked, judge_walked(walked, checks, zones, next(verdicts))


def _line(request: FlightRequest) -> FlightPath:
    """Of the straight flight the way out alone, for the least of its times and heights."""
    rules = request.rules
    speed_mps = min(request.cruise_speed_mps, rules.max_speed_mps)
    amsl_m = request.home_amsl_m + request.cruise_alt_home_m
    enter = request.depart_at
    leave = enter + timedelta(seconds=rules.start_slip_s)
    wide_m = rules.corridor_m(speed_mps)
    legs = tuple(
        PathLeg(n, "way", start, end, amsl_m, amsl_m, enter, leave, wide_m, speed_mps)
        for n, (start, end) in enumerate(pairwise(request.places))
    )
    return FlightPath(VehicleClass.MULTIROTOR, legs, (), request.permits, request.traits)
