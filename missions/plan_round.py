"""A robot's round: to the origins, to every destination, back to base.

Owns the making of ground missions and the choice of stops on the street graph. Must not have the
last word: validate_round has it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

import numpy as np

from geofence.check import FlightPath, Surroundings, Violation, check
from geofence.frames import LatLon
from geofence.zones import VehicleClass, VehicleTraits, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from missions.energy import RobotModel
from missions.errors import RequestError
from missions.model import (
    GroundMission,
    Handover,
    RouteAction,
    RouteEdge,
    RouteNode,
    StopAction,
)
from missions.plan_paths import lines
from missions.plan_reasons import NoGo, Reason
from missions.roads import DirectedEdge, StreetGraph
from missions.validate_round import (
    DEFAULT_ROUND_RULES,
    Driven,
    RoundRules,
    drive,
    street_legs,
    waited,
)

_PAD_DEG = 0.002
"""At least 20 m at every latitude that has streets, far over a robot's corridor."""


@dataclass(frozen=True, slots=True)
class RoundParcel:
    """A parcel of the round."""

    parcel_id: str
    weight_kg: float
    origin: LatLon
    destination: LatLon
    pin_sha256: str = ""
    handover: Handover = Handover.DROP
    service_s: float = 0.0
    """What its hand-over takes; 0: the rules' own."""
    earliest_s: float | None = None
    """From the start of the round; its hand-over does not begin before."""


@dataclass(frozen=True, slots=True)
class RoundRequest:
    """A round by one robot. Raises RequestError for numbers that make no sense."""

    mission_id: str
    vehicle_id: str
    start: LatLon
    """Where the robot is."""
    base: LatLon
    parcels: tuple[RoundParcel, ...]
    speed_mps: float
    slots: int
    rules: RoundRules = DEFAULT_ROUND_RULES
    model: RobotModel = field(default_factory=RobotModel)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.speed_mps) and self.speed_mps > 0.0):
            raise RequestError("speed_mps", f"{self.speed_mps} must be a positive number")
        if not self.parcels:
            raise RequestError("parcels", "a round needs at least one parcel")
        ids = [parcel.parcel_id for parcel in self.parcels]
        if len(set(ids)) != len(ids):
            raise RequestError("parcels", "a parcel is named twice")


@dataclass(frozen=True, slots=True)
class _Stop:
    node_id: str
    actions: tuple[RouteAction, ...]


def plan_round(
    request: RoundRequest, zones: ZoneSet, streets: StreetGraph, *, keep_order: bool = False
) -> GroundMission | NoGo:
    """The mission, with its duration and energy, or the reasons why there is none.

    `streets` is the graph as it is open to the robot, see open_streets. Picks come first, then
    drops, each ordered by cheapest insertion unless `keep_order`.
    """
    if len(request.parcels) > request.slots:
        return NoGo((Reason("slots", f"{len(request.parcels)} parcels, {request.slots} slots"),))
    reasons: list[Reason] = []

    def node(place: LatLon, what: str, base: str) -> str:
        found = stop_node(place, streets, request.rules, base=base)
        if isinstance(found, float):
            reasons.append(Reason("street", far_words(what, found, request.rules)))
            return base
        return found

    base = node(request.base, "the base", "")
    start = node(request.start, "the robot", base)
    picks: dict[str, list[RoundParcel]] = {}
    drops: dict[str, list[RoundParcel]] = {}
    for parcel in request.parcels:
        origin = node(parcel.origin, "the origin", base)
        goal = node(parcel.destination, "the destination", base)
        picks.setdefault(origin, []).append(parcel)
        drops.setdefault(goal, []).append(parcel)
    if reasons:
        return NoGo(tuple(reasons))
    stops = _ordered(
        request, streets, (start, base), picks=picks, drops=drops, keep_order=keep_order
    )
    joined = _join(stops, streets, request.speed_mps)
    if isinstance(joined, NoGo):
        return joined
    nodes, edges = joined
    mission = GroundMission(
        mission_id=request.mission_id,
        vehicle_id=request.vehicle_id,
        nodes=nodes,
        edges=edges,
        zones_version=zones.version,
    )
    driven = _driven(request, mission)
    earliest_s = {p.parcel_id: p.earliest_s for p in request.parcels if p.earliest_s is not None}
    if earliest_s:
        mission = waited(mission, driven, earliest_s, request.rules)
        driven = _driven(request, mission)
    effort = driven.effort
    return replace(mission, duration_s=effort.time_s, energy_wh=effort.energy_wh)


def _driven(request: RoundRequest, mission: GroundMission) -> Driven:
    return drive(
        mission,
        loads={parcel.parcel_id: parcel.weight_kg for parcel in request.parcels},
        speed_mps=request.speed_mps,
        model=request.model,
        rules=request.rules,
    )


def stop_node(place: LatLon, streets: StreetGraph, rules: RoundRules, *, base: str) -> str | float:
    """The node where a robot from `base` stops for a place, or how many metres off it would be.

    With `base` "" any node will do, else only nodes that can be driven to from there and back.
    """
    if not len(streets):
        return math.inf
    node, away_m = streets.nearest(place, connected_to=base)
    return node.node_id if away_m <= rules.max_kerb_m else away_m


def far_words(what: str, away_m: float, rules: RoundRules) -> str:
    """Why a place is out of a robot's reach."""
    if not math.isfinite(away_m):
        return f"no street is open to robots near {what}"
    return (
        f"{what} is {away_m:.0f} m from the nearest street that a robot may use, over the limit "
        f"of {rules.max_kerb_m:g} m"
    )


def _ordered(
    request: RoundRequest,
    streets: StreetGraph,
    ends: tuple[str, str],
    *,
    picks: Mapping[str, Sequence[RoundParcel]],
    drops: Mapping[str, Sequence[RoundParcel]],
    keep_order: bool,
) -> list[_Stop]:
    start, base = ends
    pick_order, drop_order = list(picks), list(drops)
    if not keep_order:
        needed = {start, base, *pick_order, *drop_order}
        far = {node: streets.distances(node) for node in sorted(needed)}
        pick_order = cheapest_order(start, None, pick_order, far)
        drop_order = cheapest_order(pick_order[-1], base, drop_order, far)
    return [
        _Stop(start, ()),
        *(_Stop(n, _actions(request, n, StopAction.PICK, picks[n])) for n in pick_order),
        *(_Stop(n, _actions(request, n, StopAction.DROP, drops[n])) for n in drop_order),
        _Stop(base, ()),
    ]


def cheapest_order(
    first: str, last: str | None, stops: Sequence[str], far: Mapping[str, Mapping[str, float]]
) -> list[str]:
    """Stops between two nodes, each put where it adds least; ties go by position, then name."""
    tour = [first] if last is None else [first, last]
    fixed = 0 if last is None else 1
    left = sorted(stops)
    while left:
        _, at, stop = min(
            (_added(tour, at, stop, far), at, stop)
            for stop in left
            for at in range(1, len(tour) - fixed + 1)
        )
        tour.insert(at, stop)
        left.remove(stop)
    return tour[1 : len(tour) - fixed]


def _added(
    tour: Sequence[str], at: int, stop: str, far: Mapping[str, Mapping[str, float]]
) -> float:
    before = far[tour[at - 1]].get(stop, math.inf)
    if at == len(tour):
        return before
    after = far[stop].get(tour[at], math.inf)
    through = far[tour[at - 1]].get(tour[at], math.inf)
    return before + after - through if math.isfinite(before + after + through) else math.inf


def _actions(
    request: RoundRequest, node_id: str, kind: StopAction, parcels: Sequence[RoundParcel]
) -> tuple[RouteAction, ...]:
    return tuple(
        RouteAction(
            action_id=f"{request.mission_id}:{node_id}:{kind.value}:{parcel.parcel_id}",
            kind=kind,
            parcel_id=parcel.parcel_id,
        )
        if kind is StopAction.PICK
        else RouteAction(
            action_id=f"{request.mission_id}:{node_id}:{kind.value}:{parcel.parcel_id}",
            kind=kind,
            parcel_id=parcel.parcel_id,
            handover_pin_sha256=parcel.pin_sha256,
            handover=parcel.handover,
            timed=parcel.earliest_s is not None,
            service_s=parcel.service_s,
        )
        for parcel in parcels
    )


def _join(
    stops: Sequence[_Stop], streets: StreetGraph, speed_mps: float
) -> tuple[tuple[RouteNode, ...], tuple[RouteEdge, ...]] | NoGo:
    first = streets.nodes[stops[0].node_id]
    nodes = [RouteNode(first.node_id, first.position, stops[0].actions)]
    edges: list[RouteEdge] = []
    for stop in stops[1:]:
        way = streets.path(nodes[-1].node_id, stop.node_id, speed_mps=speed_mps)
        if way is None:
            text = f"no street leads from {nodes[-1].node_id} to {stop.node_id}"
            return NoGo((Reason("no_route", text),))
        for step in way:
            edges.append(_edge(step))
            node = streets.nodes[step.end_node_id]
            nodes.append(RouteNode(node.node_id, node.position))
        nodes[-1] = replace(nodes[-1], actions=nodes[-1].actions + stop.actions)
    return tuple(nodes), tuple(edges)


def _edge(step: DirectedEdge) -> RouteEdge:
    return RouteEdge(
        edge_id=step.edge.edge_id,
        start_node_id=step.start_node_id,
        end_node_id=step.end_node_id,
        length_m=step.edge.length_m,
        max_speed_mps=step.edge.max_speed_mps,
        geometry=step.geometry,
    )


def closed_edges(
    streets: StreetGraph,
    zones: ZoneSet,
    surroundings: Surroundings,
    *,
    enter: datetime,
    leave: datetime,
    rules: RoundRules = DEFAULT_ROUND_RULES,
    permits: frozenset[str] = frozenset(),
    traits: VehicleTraits | None = None,
) -> Mapping[str, tuple[str, ...]]:
    """Edges that a robot may not use at some moment of the span, with the zones that close them."""
    bound = tuple(zone for zone in zones.zones if zone.binds(traits or VehicleClass.ROBOT))
    found: dict[str, dict[str, None]] = {}
    times = (enter, leave)
    for edge_id, violation in _against(
        streets, bound, surroundings, times, rules=rules, permits=permits, traits=traits
    ):
        if violation.max_speed_mps is None:
            found.setdefault(edge_id, {})[violation.zone_id] = None
    return {edge_id: tuple(zone_ids) for edge_id, zone_ids in found.items()}


def slowed_edges(
    streets: StreetGraph,
    zones: ZoneSet,
    surroundings: Surroundings,
    *,
    enter: datetime,
    leave: datetime,
    rules: RoundRules = DEFAULT_ROUND_RULES,
    permits: frozenset[str] = frozenset(),
    traits: VehicleTraits | None = None,
) -> Mapping[str, float]:
    """Metres a second that zones leave of an edge's speed, at some moment of the span."""
    bound = tuple(zone for zone in zones.speed_limits if zone.binds(traits or VehicleClass.ROBOT))
    found: dict[str, float] = {}
    times = (enter, leave)
    for edge_id, violation in _against(
        streets, bound, surroundings, times, rules=rules, permits=permits, traits=traits
    ):
        limit_mps = violation.max_speed_mps
        if limit_mps is not None:
            found[edge_id] = min(limit_mps, found.get(edge_id, limit_mps))
    return found


def _against(
    streets: StreetGraph,
    bound: tuple[Zone, ...],
    surroundings: Surroundings,
    span: tuple[datetime, datetime],
    *,
    rules: RoundRules,
    permits: frozenset[str],
    traits: VehicleTraits | None,
) -> Iterator[tuple[str, Violation]]:
    """Edges driven at their full speed, and what these zones have against it."""
    if not bound:
        return
    times = (span[0], span[1] + timedelta(seconds=rules.start_slip_s))
    edge_ids = _edges_near(streets, ZoneSet(bound))
    legs = tuple(
        leg
        for index, edge_id in enumerate(edge_ids)
        for line in lines(streets.edges[edge_id].geometry)
        for leg in street_legs(
            index,
            edge_id,
            line,
            times,
            surroundings=surroundings,
            rules=rules,
            speed_mps=streets.edges[edge_id].max_speed_mps,
        )
    )
    path = FlightPath(VehicleClass.ROBOT, legs, (), permits, traits)
    for violation in check(path, ZoneSet(bound), surroundings).violations:
        yield edge_ids[violation.index], violation


def _edges_near(streets: StreetGraph, bound: ZoneSet) -> list[str]:
    """Edges whose bounds, widely padded, meet those of a zone; all where a zone must be kept in."""
    edge_ids = list(streets.edges)
    if not edge_ids or any(zone.kind is ZoneKind.KEEP_IN for zone in bound.zones):
        return edge_ids
    lines_ = [streets.edges[edge_id].geometry for edge_id in edge_ids]
    pad = np.array([-_PAD_DEG, -_PAD_DEG, _PAD_DEG, _PAD_DEG])
    boxes = np.array(
        [
            (
                min(p.lon_deg for p in line),
                min(p.lat_deg for p in line),
                max(p.lon_deg for p in line),
                max(p.lat_deg for p in line),
            )
            for line in lines_
        ]
    )
    numbers, _, _ = bound.near(boxes + pad)
    return [edge_ids[number] for number in sorted(set(numbers.tolist()))]


def open_streets(
    streets: StreetGraph,
    closed: Mapping[str, object],
    slowed: Mapping[str, float] = MappingProxyType({}),
) -> StreetGraph:
    """The graph without closed edges and without the nodes that no open edge touches.

    `slowed`: metres a second by edge, see slowed_edges.
    """
    if not closed and not slowed:
        return streets
    edges = [
        replace(edge, max_speed_mps=min(edge.max_speed_mps, slowed.get(edge_id, math.inf)))
        if edge_id in slowed
        else edge
        for edge_id, edge in streets.edges.items()
        if edge_id not in closed
    ]
    kept = {node_id for edge in edges for node_id in (edge.start_node_id, edge.end_node_id)}
    return StreetGraph((n for node_id, n in streets.nodes.items() if node_id in kept), edges)
