"""Many straight flights checked in one question.

Owns the quick way through a fleet's many pairs of pad and destination: most straight lines are
free. Must not refuse: what is not free straight on is planned and told by plan_flight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from geofence.check import Disc, FlightPath, PathLeg, Surroundings, check
from geofence.zones import VehicleClass
from geofence.zoneset import ZoneSet
from missions.model import AirMission
from missions.plan_flight import FlightRequest, straight_flight
from missions.plan_reasons import NoGo
from missions.validate import FlightChecks, Walked, walk_flight

CHUNK = 256
"""Flights asked about at once; bounds the memory."""

Job = tuple[FlightRequest, FlightChecks]


def straight_flights(
    jobs: Sequence[Job], zones: ZoneSet, surroundings: Surroundings
) -> list[tuple[AirMission, Walked] | None]:
    """For each job its flight on the straight line where nothing is against it, else None.

    All jobs must hold the same permits.
    """
    found: list[tuple[AirMission, Walked] | None] = []
    for begin in range(0, len(jobs), CHUNK):
        found.extend(_chunk(jobs[begin : begin + CHUNK], zones, surroundings))
    return found


def _chunk(
    jobs: Sequence[Job], zones: ZoneSet, surroundings: Surroundings
) -> list[tuple[AirMission, Walked] | None]:
    flights = [_walked(request, checks, zones, surroundings) for request, checks in jobs]
    legs: list[PathLeg] = []
    discs: list[Disc] = []
    for number, flight in enumerate(flights):
        if flight is not None:
            legs.extend(replace(leg, index=number) for leg in flight[1].path.legs)
            discs.extend(replace(disc, index=number) for disc in flight[1].path.discs)
    if not legs:
        return flights
    permits = jobs[0][0].permits
    traits = {request.traits for request, _ in jobs}
    # of different vehicles nothing but the class is common: then more zones bind, never fewer
    common = traits.pop() if len(traits) == 1 else None
    path = FlightPath(VehicleClass.MULTIROTOR, tuple(legs), tuple(discs), permits, common)
    for violation in check(path, zones, surroundings).violations:
        flights[violation.index] = None
    return flights


def _walked(
    request: FlightRequest, checks: FlightChecks, zones: ZoneSet, surroundings: Surroundings
) -> tuple[AirMission, Walked] | None:
    mission = straight_flight(request, zones, surroundings)
    if isinstance(mission, NoGo):
        return None
    walked = walk_flight(mission, checks, surroundings)
    return (mission, walked) if isinstance(walked, Walked) and not walked.reasons else None
