"""Flights and streets that a decision may use, worked out once and kept.

Owns the bounded cache of flight plans and of street graphs as they are open to robots. Must not
choose between vehicles. Not shared between threads: whoever owns an Engine runs it in one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from controller.dispatch.model import ParcelFacts, VehicleFacts, World
from geofence.check import Surroundings
from geofence.frames import LatLon, geodesic_m
from geofence.zones import ALWAYS, VehicleClass
from geofence.zoneset import ZoneSet
from missions.model import AirMission, ItemKind
from missions.plan_flight import FlightRequest, plan_flight
from missions.plan_flown import flown_legs
from missions.plan_reasons import NoGo, Reason
from missions.plan_round import closed_edges, open_streets
from missions.roads import StreetGraph
from missions.validate import FlightChecks, energy_needed_wh, validate_flight

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_LATE_ROUND = 1.5


@dataclass(frozen=True, slots=True)
class FlightPlan:
    """A checked flight for no vehicle in particular; `mission` has neither ids nor parcel."""

    mission: AirMission
    energy_wh: float
    """Needed in the worst case: nothing let go."""
    release_s: float
    """From take-off to the release."""
    detour_m: float
    """How much longer the way out is than the straight line."""


@dataclass(frozen=True, slots=True)
class OpenStreets:
    """The street graph as robots may use it now, and with only the lasting closures."""

    graph: StreetGraph
    lasting: StreetGraph
    closed: Mapping[str, tuple[str, ...]]
    """Zones by edge id."""


class Bounded:
    """A mapping that forgets what was longest unused."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: OrderedDict[Hashable, object] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: Hashable) -> object | None:
        """The value, or None."""
        if key not in self._items:
            return None
        self._items.move_to_end(key)
        return self._items[key]

    def put(self, key: Hashable, value: object) -> None:
        """Keep a value; the oldest goes where there are too many."""
        self._items[key] = value
        self._items.move_to_end(key)
        while len(self._items) > self._size:
            self._items.popitem(last=False)


def home_of(vehicle: VehicleFacts) -> tuple[LatLon, float]:
    """Where a drone starts and lands, and its height AMSL: its own word, or else its base."""
    telemetry = vehicle.telemetry
    if telemetry.home is not None:
        amsl_m = telemetry.home_amsl_m
        return telemetry.home, vehicle.base.ground_amsl_m if amsl_m is None else amsl_m
    return vehicle.base.position, vehicle.base.ground_amsl_m


def timed(zones: ZoneSet, vehicle_class: VehicleClass) -> bool:
    """Whether any zone for this class comes and goes."""
    return any(z.schedule != ALWAYS for z in zones.zones if z.binds(vehicle_class))


class Plans:
    """The cache. `flights` and `distances` bound its size in entries."""

    def __init__(self, flights: int = 20_000, distances: int = 4_000) -> None:
        self._flights = Bounded(flights)
        self._streets = Bounded(4)
        self._distances = Bounded(distances)
        self._timed = Bounded(16)

    def flight(self, world: World, vehicle: VehicleFacts, facts: ParcelFacts) -> FlightPlan | NoGo:
        """The checked flight of a parcel by a drone with a full battery, or why there is none."""
        request = self._request(world, vehicle, facts)
        if request is None:
            return NoGo((Reason("device", "it has no drop device"),))
        key = _key(request, vehicle, world)
        known = self._flights.get(key)
        if isinstance(known, FlightPlan | NoGo):
            return known
        made = _make(request, vehicle, world.zones, world.surroundings)
        self._flights.put(key, made)
        return made

    def known_flight(
        self, world: World, vehicle: VehicleFacts, facts: ParcelFacts
    ) -> FlightPlan | NoGo | None:
        """What `flight` would answer without working, or None."""
        request = self._request(world, vehicle, facts)
        known = None if request is None else self._flights.get(_key(request, vehicle, world))
        return known if isinstance(known, FlightPlan | NoGo) else None

    def _request(
        self, world: World, vehicle: VehicleFacts, facts: ParcelFacts
    ) -> FlightRequest | None:
        device = vehicle.capability.drop_device
        if device is None:
            return None
        home, home_amsl_m = home_of(vehicle)
        settings = world.settings
        hold_s = settings.plan_hold_s
        depart_at = _EPOCH
        rules = settings.flight
        if self._comes_and_goes(world.zones, VehicleClass.MULTIROTOR):
            # one plan for a whole span of departures: checked from its begin to its end
            depart_at += (
                (world.now - _EPOCH) // timedelta(seconds=hold_s) * timedelta(seconds=hold_s)
            )
            late_s = hold_s + settings.preparation_s
            rules = replace(rules, start_slip_s=rules.start_slip_s + late_s)
        return FlightRequest(
            mission_id="",
            vehicle_id="",
            home=home,
            home_amsl_m=home_amsl_m,
            parcel_id="",
            weight_kg=facts.parcel.weight_kg,
            destination=facts.parcel.destination.position,
            device=device,
            cruise_alt_home_m=vehicle.cruise_alt_home_m,
            cruise_speed_mps=vehicle.capability.cruise_speed_mps,
            depart_at=depart_at,
            rules=rules,
            model=settings.multirotor,
            permits=settings.permits,
        )

    def _comes_and_goes(self, zones: ZoneSet, vehicle_class: VehicleClass) -> bool:
        key = (zones.version, vehicle_class)
        known = self._timed.get(key)
        if isinstance(known, bool):
            return known
        found = timed(zones, vehicle_class)
        self._timed.put(key, found)
        return found

    def streets(self, world: World) -> OpenStreets | None:
        """The open graph for rounds that start now, or None where there are no streets."""
        if world.streets is None:
            return None
        hold = timedelta(seconds=world.settings.plan_hold_s)
        span = (world.now - _EPOCH) // hold
        if not self._comes_and_goes(world.zones, VehicleClass.ROBOT):
            span = 0
        key = (id(world.streets), world.zones.version, world.surroundings, span)
        known = self._streets.get(key)
        # the graph itself is kept beside its id, so that the id cannot come to mean another
        if isinstance(known, tuple) and known[0] is world.streets:
            return _open(known[1])
        made = _open_now(world, world.streets, world.now)
        self._streets.put(key, (world.streets, made))
        return made

    def distances(self, graph: StreetGraph, node_id: str) -> Mapping[str, float]:
        """Driving distances from a node, kept."""
        key = (id(graph), node_id)
        known = self._distances.get(key)
        if isinstance(known, tuple) and known[0] is graph:
            kept: Mapping[str, float] = known[1]
            return kept
        made = graph.distances(node_id)
        self._distances.put(key, (graph, made))
        return made


def _key(request: FlightRequest, vehicle: VehicleFacts, world: World) -> Hashable:
    capability = vehicle.capability
    return (
        request,
        capability.usable_energy_wh,
        capability.max_payload_kg,
        world.zones.version,
        world.surroundings,
    )


def _open(value: object) -> OpenStreets | None:
    return value if isinstance(value, OpenStreets) else None


def _open_now(world: World, streets: StreetGraph, now: datetime) -> OpenStreets:
    settings = world.settings
    late_s = settings.plan_hold_s + settings.round.max_round_s * _LATE_ROUND
    closed = closed_edges(
        streets,
        world.zones,
        world.surroundings,
        enter=now - timedelta(seconds=settings.plan_hold_s),
        leave=now + timedelta(seconds=late_s),
        rules=settings.round,
        permits=settings.permits,
    )
    lasting = {
        edge_id: ids
        for edge_id, ids in closed.items()
        if any(_lasts(world.zones, zone_id) for zone_id in ids)
    }
    graph = open_streets(streets, closed)
    same = len(lasting) == len(closed)
    return OpenStreets(graph, graph if same else open_streets(streets, lasting), closed)


def _lasts(zones: ZoneSet, zone_id: str) -> bool:
    zone = zones.get(zone_id)
    return zone is not None and zone.schedule == ALWAYS


def _make(
    request: FlightRequest, vehicle: VehicleFacts, zones: ZoneSet, surroundings: Surroundings
) -> FlightPlan | NoGo:
    mission = plan_flight(request, zones, surroundings)
    if isinstance(mission, NoGo):
        return mission
    usable_wh = vehicle.capability.usable_energy_wh
    loads = {request.parcel_id: request.weight_kg}
    checks = FlightChecks(
        depart_at=request.depart_at,
        loads=loads,
        max_payload_kg=vehicle.capability.max_payload_kg,
        usable_energy_wh=usable_wh,
        available_energy_wh=usable_wh,
        speed_mps=request.cruise_speed_mps,
        rules=request.rules,
        model=request.model,
        permits=request.permits,
    )
    answer = validate_flight(mission, checks, zones, surroundings)
    if not answer.go:
        return NoGo(answer.reasons, answer.verdict)
    legs = flown_legs(
        mission,
        loads=loads,
        speed_mps=request.cruise_speed_mps,
        model=request.model,
        rules=request.rules,
    )
    release = next(i for i, item in enumerate(mission.items) if item.kind is ItemKind.RELEASE)
    out_m = sum(leg.length_m for leg in legs if not leg.returning)
    return FlightPlan(
        mission=mission,
        energy_wh=energy_needed_wh(legs),
        release_s=next(leg.end_s for leg in legs if leg.index == release),
        detour_m=max(0.0, out_m - geodesic_m(request.home, request.destination)),
    )
