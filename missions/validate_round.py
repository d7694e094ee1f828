"""Whether a robot's round may be started: zones on the street, form, load and energy.

Owns the walk over a round that planning, checking and costing share. Must not plan.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from geofence.check import Disc, FlightPath, PathLeg, Surroundings, check
from geofence.frames import LatLon
from geofence.zones import VehicleClass, VehicleTraits
from geofence.zoneset import ZoneSet
from missions.energy import Effort, RobotModel
from missions.model import GroundMission, Handover, RouteAction, RouteNode, StopAction
from missions.plan_paths import lines
from missions.plan_reasons import GoNoGo, Reason, zone_reasons
from missions.roads import StreetGraph
from missions.street_use import ANY_STREET, RobotFit, unfit

_LEVEL_M = 0.01
"""A street that swells less than this from its chord is level."""

WEIGHT_TOLERANCE_KG = 1e-6
"""Sums of weights may be off by rounding."""


@dataclass(frozen=True, slots=True)
class RoundRules:
    """What every round is planned and checked by."""

    corridor_m: float = 1.5
    """Half width that a robot needs on the street."""
    low_m: float = -1.0
    high_m: float = 1.5
    """Extent of a robot below and above the ground, ground error included."""
    max_kerb_m: float = 60.0
    """Farthest that a stop may be from the street; people walk the rest."""
    pick_s: float = 30.0
    drop_s: float = 45.0
    pin_s: float = 90.0
    """A hand-over takes longer: the recipient comes out and types."""
    reserve: float = 0.25
    time_error: float = 0.25
    start_slip_s: float = 300.0
    max_round_s: float = 7200.0

    def hand_over_s(
        self, handover: Handover, *, pin: bool = False, service_s: float = 0.0
    ) -> float:
        """What a drop takes; `service_s`: as ordered, 0: what is usual for its kind."""
        if service_s > 0.0:
            return service_s
        return self.pin_s if pin or handover is Handover.DOOR else self.drop_s

    def dwell_s(self, action: RouteAction) -> float:
        """What a pick or drop takes, without waiting for its time."""
        if action.kind is StopAction.PICK:
            return self.pick_s
        pin = bool(action.handover_pin_sha256)
        return self.hand_over_s(action.handover, pin=pin, service_s=action.service_s)


DEFAULT_ROUND_RULES = RoundRules()


@dataclass(frozen=True, slots=True)
class RoundChecks:
    """What a round is judged by, beside the zones."""

    depart_at: datetime
    loads: Mapping[str, float]
    max_payload_kg: float
    slots: int
    speed_mps: float
    usable_energy_wh: float
    available_energy_wh: float
    rules: RoundRules = DEFAULT_ROUND_RULES
    model: RobotModel = field(default_factory=RobotModel)
    permits: frozenset[str] = frozenset()
    traits: VehicleTraits | None = None
    """What more is known of the vehicle, for zones that bind by it."""
    streets: StreetGraph | None = None
    """Where widths, slopes and gates of the streets are known from; None: they are not asked."""
    fit: RobotFit = ANY_STREET


@dataclass(frozen=True, slots=True)
class Driven:
    """A round as it will be driven, seconds from its start."""

    arrive_s: tuple[float, ...]
    """At each node."""
    leave_s: tuple[float, ...]
    effort: Effort
    most_kg: float
    most_parcels: int
    begin_s: Mapping[str, float] = field(default_factory=dict)
    """When the hand-over of each parcel begins, by parcel."""


def drive(
    mission: GroundMission,
    *,
    loads: Mapping[str, float],
    speed_mps: float,
    model: RobotModel,
    rules: RoundRules,
) -> Driven:
    """Times at nodes, total effort and the greatest load."""
    effort, load_kg, aboard = Effort(), 0.0, 0
    most_kg, most = 0.0, 0
    arrive: list[float] = []
    leave: list[float] = []
    begin: dict[str, float] = {}
    for number, node in enumerate(mission.nodes):
        if number:
            edge = mission.edges[number - 1]
            speed = min(speed_mps, edge.max_speed_mps)
            effort = effort + model.drive(edge.length_m, speed, load_kg)
        arrive.append(effort.time_s)
        for action in node.actions:
            sign = 1 if action.kind is StopAction.PICK else -1
            load_kg += sign * loads.get(action.parcel_id, 0.0)
            aboard += sign
            most_kg, most = max(most_kg, load_kg), max(most, aboard)
            if action.wait_s > 0.0:
                effort = effort + model.stand(action.wait_s)
            if sign < 0:
                begin[action.parcel_id] = effort.time_s
            effort = effort + model.stand(rules.dwell_s(action))
        leave.append(effort.time_s)
    return Driven(tuple(arrive), tuple(leave), effort, most_kg, most, begin)


def waited(
    mission: GroundMission, driven: Driven, earliest_s: Mapping[str, float], rules: RoundRules
) -> GroundMission:
    """The round with the waits that it takes so that no hand-over begins before its time.

    `driven`: without any wait. `earliest_s`: by parcel, seconds from the start of the round.
    """
    late_s = 0.0
    nodes: list[RouteNode] = []
    for number, node in enumerate(mission.nodes):
        now_s = driven.arrive_s[number] + late_s
        actions: list[RouteAction] = []
        for action in node.actions:
            due_s = earliest_s.get(action.parcel_id, now_s)
            wait_s = max(0.0, due_s - now_s) if action.kind is StopAction.DROP else 0.0
            actions.append(replace(action, wait_s=wait_s) if wait_s else action)
            late_s += wait_s
            now_s += wait_s + rules.dwell_s(action)
        nodes.append(replace(node, actions=tuple(actions)))
    return replace(mission, nodes=tuple(nodes))


def street_path(
    mission: GroundMission,
    driven: Driven,
    *,
    depart_at: datetime,
    rules: RoundRules,
    surroundings: Surroundings,
    permits: frozenset[str] = frozenset(),
    speed_mps: float = math.inf,
    traits: VehicleTraits | None = None,
) -> FlightPath:
    """The corridors of the edges and the discs of the stops, at street level.

    `speed_mps` is the most that the robot drives; no more than the street allows.
    """
    legs: list[PathLeg] = []
    for number, edge in enumerate(mission.edges):
        enter = depart_at + timedelta(seconds=driven.leave_s[number])
        leave = _late(depart_at, driven.arrive_s[number + 1], rules)
        points = edge.geometry or (
            mission.nodes[number].position,
            mission.nodes[number + 1].position,
        )
        legs.extend(
            leg
            for pair in lines(points)
            for leg in street_legs(
                number,
                edge.edge_id,
                pair,
                (enter, leave),
                surroundings=surroundings,
                rules=rules,
                speed_mps=min(speed_mps, edge.max_speed_mps),
            )
        )
    discs = tuple(
        Disc(
            index=number,
            label=f"stop at {node.node_id}",
            center=node.position,
            radius_m=rules.corridor_m,
            low_amsl_m=ground_m(node.position, surroundings) + rules.low_m,
            high_amsl_m=ground_m(node.position, surroundings) + rules.high_m,
            enter=depart_at + timedelta(seconds=driven.arrive_s[number]),
            leave=_late(depart_at, driven.leave_s[number], rules),
            height_known=surroundings.ground_at(node.position) is not None,
        )
        for number, node in enumerate(mission.nodes)
    )
    return FlightPath(VehicleClass.ROBOT, tuple(legs), discs, permits, traits)


def street_legs(
    index: int,
    edge_id: str,
    line: tuple[LatLon, LatLon],
    times: tuple[datetime, datetime],
    *,
    surroundings: Surroundings,
    rules: RoundRules,
    speed_mps: float,
) -> Iterator[PathLeg]:
    """One piece of street, at ground level and at the robot's height.

    Over a terrain grid it follows the ground from cell to cell; what the ground swells between,
    legs are stacked through, no farther apart than on flat ground.
    """
    for start, end in _over_cells(line, surroundings):
        start_m, end_m = ground_m(start, surroundings), ground_m(end, surroundings)
        known = _is_known(start, end, surroundings)
        for height_m in _heights((start, end), (start_m, end_m), surroundings, rules):
            yield PathLeg(
                index=index,
                label=f"street {edge_id}",
                start=start,
                end=end,
                start_amsl_m=start_m + height_m,
                end_amsl_m=end_m + height_m,
                enter=times[0],
                leave=times[1],
                corridor_m=rules.corridor_m,
                speed_mps=speed_mps,
                height_known=known,
            )


def _over_cells(
    line: tuple[LatLon, LatLon], surroundings: Surroundings
) -> Iterator[tuple[LatLon, LatLon]]:
    if surroundings.terrain is None:
        yield line
        return
    start, end = line
    dlon = (end.lon_deg - start.lon_deg + 180.0) % 360.0 - 180.0
    dlat = end.lat_deg - start.lat_deg
    inner = [
        LatLon(start.lat_deg + t * dlat, (start.lon_deg + t * dlon + 180.0) % 360.0 - 180.0)
        for t in surroundings.terrain.knots(start, end)[1:-1].tolist()
    ]
    yield from lines((start, *inner, end))


def ground_m(place: LatLon, surroundings: Surroundings) -> float:
    """Height of the street in metres AMSL; where nobody knows it, the flat ground's, or 0.

    That stands for a height that is not known: legs and discs there say so to the check.
    """
    known = surroundings.ground_at(place)
    return (surroundings.ground_amsl_m or 0.0) if known is None else known


def _heights(
    line: tuple[LatLon, LatLon],
    ends_m: tuple[float, float],
    surroundings: Surroundings,
    rules: RoundRules,
) -> tuple[float, ...]:
    flat = (rules.low_m, 0.0, rules.high_m)
    profile = surroundings.terrain.profile(*line) if surroundings.terrain else None
    if profile is None:
        return flat
    below_m, above_m = profile.above(*ends_m)
    swell_m = max(-below_m, above_m)
    if swell_m < _LEVEL_M:
        return flat
    low_m, high_m = rules.low_m - swell_m, rules.high_m + swell_m
    step_m = max(rules.high_m, -rules.low_m, _LEVEL_M)
    count = math.ceil((high_m - low_m) / step_m)
    return tuple(low_m + (high_m - low_m) * number / count for number in range(count + 1))


def _is_known(start: LatLon, end: LatLon, surroundings: Surroundings) -> bool:
    if surroundings.terrain is None:
        return surroundings.ground_amsl_m is not None
    return surroundings.terrain.profile(start, end) is not None


def _late(depart_at: datetime, at_s: float, rules: RoundRules) -> datetime:
    return depart_at + timedelta(seconds=at_s * (1.0 + rules.time_error) + rules.start_slip_s)


def validate_round(
    mission: GroundMission, checks: RoundChecks, zones: ZoneSet, surroundings: Surroundings
) -> GoNoGo:
    """GoNoGo with every reason found."""
    malformed = tuple(_form(mission))
    if malformed:
        return GoNoGo(go=False, reasons=malformed, verdict=None)
    driven = drive(
        mission,
        loads=checks.loads,
        speed_mps=checks.speed_mps,
        model=checks.model,
        rules=checks.rules,
    )
    path = street_path(
        mission,
        driven,
        depart_at=checks.depart_at,
        rules=checks.rules,
        surroundings=surroundings,
        permits=checks.permits,
        speed_mps=checks.speed_mps,
        traits=checks.traits,
    )
    verdict = check(path, zones, surroundings)
    reasons = (
        *zone_reasons(verdict.violations, zones),
        *_streets(mission, driven, checks),
        *_load(mission, driven, checks),
        *_round_energy(driven, checks),
    )
    if not verdict.allowed and not reasons:
        reasons = (Reason("zone", "the zone check says no without naming a zone"),)
    return GoNoGo(go=not reasons, reasons=reasons, verdict=verdict)


def _form(mission: GroundMission) -> Iterator[Reason]:
    if not mission.nodes or len(mission.edges) != len(mission.nodes) - 1:
        yield Reason("form", "a round needs one edge between any two nodes that follow each other")
        return
    for number, edge in enumerate(mission.edges):
        ends = (mission.nodes[number].node_id, mission.nodes[number + 1].node_id)
        if (edge.start_node_id, edge.end_node_id) != ends:
            yield Reason("form", f"street {edge.edge_id} does not join {ends[0]} and {ends[1]}")
        if not edge.max_speed_mps > 0.0:
            yield Reason("form", f"street {edge.edge_id} has no speed")
    aboard: set[str] = set()
    for node in mission.nodes:
        for action in node.actions:
            if action.kind is StopAction.PICK:
                aboard.add(action.parcel_id)
            elif action.parcel_id not in aboard:
                yield Reason("form", f"parcel {action.parcel_id} is dropped before it is picked")
            else:
                aboard.remove(action.parcel_id)
    for parcel in sorted(aboard):
        yield Reason("form", f"parcel {parcel} is picked and never dropped")


def _streets(mission: GroundMission, driven: Driven, checks: RoundChecks) -> Iterator[Reason]:
    """Streets that the robot does not fit at the time that it is on them."""
    if checks.streets is None:
        return
    told: set[str] = set()
    for number, edge in enumerate(mission.edges):
        known = checks.streets.edges.get(edge.edge_id)
        if known is None or edge.edge_id in told:
            continue
        enter = checks.depart_at + timedelta(seconds=driven.leave_s[number])
        leave = _late(checks.depart_at, driven.arrive_s[number + 1], checks.rules)
        why = unfit(known, checks.fit, enter, leave)
        if why is not None:
            told.add(edge.edge_id)
            text = f"street {edge.edge_id} {why.text}"
            yield Reason("street", text, permanent=why.lasting)


def _load(mission: GroundMission, driven: Driven, checks: RoundChecks) -> Iterator[Reason]:
    for parcel in mission.parcel_ids:
        if parcel not in checks.loads:
            yield Reason("payload", f"the weight of parcel {parcel} is not known")
    if driven.most_kg > checks.max_payload_kg + WEIGHT_TOLERANCE_KG:
        yield Reason(
            "payload",
            f"load {driven.most_kg:.2f} kg is over the vehicle's {checks.max_payload_kg:g} kg",
        )
    if driven.most_parcels > checks.slots:
        yield Reason("slots", f"{driven.most_parcels} parcels for {checks.slots} slots")


def _round_energy(driven: Driven, checks: RoundChecks) -> Iterator[Reason]:
    needed_wh = driven.effort.energy_wh
    reserve_wh = checks.rules.reserve * checks.usable_energy_wh
    if needed_wh > checks.usable_energy_wh - reserve_wh:
        yield Reason(
            "range",
            f"out of range: the round takes {needed_wh:.0f} Wh, a full battery gives "
            f"{checks.usable_energy_wh - reserve_wh:.0f} Wh above the reserve of "
            f"{checks.rules.reserve:.0%}",
        )
    elif needed_wh > checks.available_energy_wh - reserve_wh:
        spare_wh = max(0.0, checks.available_energy_wh - reserve_wh)
        yield Reason(
            "battery",
            f"battery too low now: the round takes {needed_wh:.0f} Wh, {spare_wh:.0f} Wh are "
            f"left above the reserve of {checks.rules.reserve:.0%}",
            permanent=False,
        )
    if driven.effort.time_s > checks.rules.max_round_s:
        yield Reason(
            "duration",
            f"the round takes {driven.effort.time_s / 60:.0f} min, over the limit of "
            f"{checks.rules.max_round_s / 60:.0f} min",
        )


def round_path(
    mission: GroundMission, checks: RoundChecks, surroundings: Surroundings
) -> FlightPath | None:
    """What a round uses of the street, and when; None for a mission that is no round."""
    if any(_form(mission)):
        return None
    driven = drive(
        mission,
        loads=checks.loads,
        speed_mps=checks.speed_mps,
        model=checks.model,
        rules=checks.rules,
    )
    return street_path(
        mission,
        driven,
        depart_at=checks.depart_at,
        rules=checks.rules,
        surroundings=surroundings,
        permits=checks.permits,
    )
