"""Flights and streets that a decision may use, worked out once and kept.

Owns the bounded cache of flight plans and of street graphs as they are open to robots. Must not
choose between vehicles. Not shared between threads: whoever owns an Engine runs it in one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypedDict

from controller.dispatch.flights import (
    NO_DEVICE,
    FlightPlan,
    FlightQuestion,
    answer,
    answers,
    question,
)
from controller.dispatch.model import ParcelFacts, VehicleFacts, World
from geofence.prepared import RouteCache
from geofence.zones import ALWAYS, VehicleClass, VehicleTraits
from geofence.zoneset import ZoneSet
from missions.plan_reasons import NoGo
from missions.plan_round import closed_edges, open_streets, slowed_edges
from missions.roads import StreetGraph
from missions.street_use import RobotFit, Unfit, fit_in_common, unfit_edges
from missions.validate_round import RoundRules

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_LATE_ROUND = 1.5


@dataclass(frozen=True, slots=True)
class OpenStreets:
    """The street graph as robots may use it now, and with only the lasting closures."""

    graph: StreetGraph
    lasting: StreetGraph
    closed: Mapping[str, tuple[str, ...]]
    """Zones by edge id."""
    unfit: Mapping[str, Unfit] = field(default_factory=dict)
    """Streets that are too narrow, too steep, or behind a gate, by edge id."""


class _Asked(TypedDict):
    enter: datetime
    leave: datetime
    rules: RoundRules
    permits: frozenset[str]
    traits: VehicleTraits


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
        # one world for each cruise height and speed
        self._routes = RouteCache(64)

    def flight(self, world: World, vehicle: VehicleFacts, *load: ParcelFacts) -> FlightPlan | NoGo:
        """The checked flight of a load, in this order, or why there is none.

        By a drone with a full battery.
        """
        asked = self._question(world, vehicle, *load)
        if asked is None:
            return NO_DEVICE
        known = self._known(asked, world)
        if known is None:
            known = answer(asked, world, self._routes)
            self._flights.put(_key(asked, world), known)
        return known

    def known_flight(
        self, world: World, vehicle: VehicleFacts, facts: ParcelFacts
    ) -> FlightPlan | NoGo | None:
        """What `flight` would answer without working, or None."""
        asked = self._question(world, vehicle, facts)
        return None if asked is None else self._known(asked, world)

    def prepare(self, world: World, pairs: Iterable[tuple[VehicleFacts, ParcelFacts]]) -> None:
        """Work out the flights of these pairs together."""
        asked: dict[FlightQuestion, None] = {}
        for vehicle, facts in pairs:
            one = self._question(world, vehicle, facts)
            if one is not None and self._known(one, world) is None:
                asked[one] = None
        for one, plan in zip(asked, answers(list(asked), world, self._routes), strict=True):
            self._flights.put(_key(one, world), plan)

    def _known(self, asked: FlightQuestion, world: World) -> FlightPlan | NoGo | None:
        known = self._flights.get(_key(asked, world))
        return known if isinstance(known, FlightPlan | NoGo) else None

    def _question(
        self, world: World, vehicle: VehicleFacts, *load: ParcelFacts
    ) -> FlightQuestion | None:
        settings = world.settings
        depart_at, rules = _EPOCH, settings.flight
        if self._comes_and_goes(world.zones, VehicleClass.MULTIROTOR):
            # one plan for a whole span of departures: checked from its begin to its end
            hold = timedelta(seconds=settings.plan_hold_s)
            depart_at += (world.now - _EPOCH) // hold * hold
            late_s = settings.plan_hold_s + settings.preparation_s
            rules = replace(rules, start_slip_s=rules.start_slip_s + late_s)
        return question(world, vehicle, *load, depart_at=depart_at, rules=rules)

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
        gated = any(edge.hours is not None for edge in world.streets.edges.values())
        if not gated and not self._comes_and_goes(world.zones, VehicleClass.ROBOT):
            span = 0
        traits, fit = robots_in_common(world.vehicles), fit_of(world.vehicles)
        held = world.held_permits(for_s=_late_s(world))
        key = (id(world.streets), world.zones.version, world.surroundings, span, traits, held, fit)
        known = self._streets.get(key)
        # the graph itself is kept beside its id, so that the id cannot come to mean another
        if isinstance(known, tuple) and known[0] is world.streets:
            return _open(known[1])
        made = _open_now(world, world.streets, traits, fit)
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

    def late_s(self, graph: StreetGraph, node_id: str, speed_mps: float) -> Mapping[str, float]:
        """What slow streets cost a robot of this speed from a node, kept; see StreetGraph."""
        key = (id(graph), node_id, speed_mps)
        known = self._distances.get(key)
        if isinstance(known, tuple) and known[0] is graph:
            kept: Mapping[str, float] = known[1]
            return kept
        made = graph.late_s(node_id, speed_mps)
        self._distances.put(key, (graph, made))
        return made


def _key(asked: FlightQuestion, world: World) -> Hashable:
    return asked, world.zones.version, world.surroundings


def _open(value: object) -> OpenStreets | None:
    return value if isinstance(value, OpenStreets) else None


def robots_in_common(vehicles: Iterable[VehicleFacts]) -> VehicleTraits:
    """What is true of every robot of the fleet: streets are open to them as to the most bound."""
    found = {v.capability.traits for v in vehicles}
    robots = [traits for traits in found if traits.vehicle_class is VehicleClass.ROBOT]
    surfaces = {traits.surface for traits in robots}
    masses = [traits.mass_kg for traits in robots if traits.mass_kg is not None]
    return VehicleTraits(
        VehicleClass.ROBOT,
        surfaces.pop() if len(surfaces) == 1 else None,
        max(masses) if masses and len(masses) == len(robots) else None,
        bool(robots) and all(traits.electric for traits in robots),
    )


def fit_of(vehicles: Iterable[VehicleFacts]) -> RobotFit:
    """What streets must offer to every robot of the fleet."""
    return fit_in_common(
        RobotFit(v.capability.width_m, v.capability.max_incline_pct)
        for v in vehicles
        if v.capability.vehicle_class is VehicleClass.ROBOT
    )


def _late_s(world: World) -> float:
    """Until when from now a street must be open for a round that starts now."""
    return world.settings.plan_hold_s + world.settings.round.max_round_s * _LATE_ROUND


def _open_now(
    world: World, streets: StreetGraph, traits: VehicleTraits, fit: RobotFit
) -> OpenStreets:
    settings, now = world.settings, world.now
    late_s = _late_s(world)
    asked: _Asked = {
        "enter": now - timedelta(seconds=settings.plan_hold_s),
        "leave": now + timedelta(seconds=late_s),
        "rules": settings.round,
        "permits": world.held_permits(for_s=late_s),
        "traits": traits,
    }
    closed = closed_edges(streets, world.zones, world.surroundings, **asked)
    slowed = slowed_edges(streets, world.zones, world.surroundings, **asked)
    unfit = unfit_edges(streets, fit, enter=asked["enter"], leave=asked["leave"])
    lasting = {
        *(e for e, ids in closed.items() if any(_lasts(world.zones, z) for z in ids)),
        *(e for e, why in unfit.items() if why.lasting),
    }
    shut = closed.keys() | unfit.keys()
    graph = open_streets(streets, dict.fromkeys(shut), slowed)
    same = len(lasting) == len(shut)
    whole = graph if same else open_streets(streets, dict.fromkeys(lasting), slowed)
    return OpenStreets(graph, whole, closed, unfit)


def _lasts(zones: ZoneSet, zone_id: str) -> bool:
    zone = zones.get(zone_id)
    return zone is not None and zone.schedule == ALWAYS
