"""Every vehicle against every parcel: barred with a cause, or open with what it would take.

Owns the phases' order: feasibility, then cost. Must not place anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from controller.dispatch.alike import Alike
from controller.dispatch.cost import Weights, breakdown, weights_of
from controller.dispatch.feasibility import (
    No,
    absence,
    energy_spare_wh,
    flight_no,
    low_battery,
    misfit,
    waits,
)
from controller.dispatch.flights import FlightPlan
from controller.dispatch.insertion import Bools, Problem
from controller.dispatch.model import ParcelFacts, VehicleFacts, World
from controller.dispatch.plans import Plans
from controller.dispatch.rounds import Array, Jobs, Robot, Round, insertions
from controller.dispatch.stops import Stops
from controller.dispatch.windows import against, closed, windows_of
from controller.domain.model import Handling, Parcel
from geofence.zones import VehicleClass
from missions.validate_round import RoundRules
from vehicles.port import LinkState, Phase

BUSY = "busy"
AT_WORK = frozenset(
    {
        Phase.READY, Phase.ARMED, Phase.EN_ROUTE, Phase.AT_STOP, Phase.RELEASED, Phase.RETURNING,
        Phase.LANDING, Phase.LANDED,
    }
)  # fmt: skip
"""Phases of a drone that will be free again by itself."""
_DEFAULT_CYCLE_S = 600.0


@dataclass(slots=True)
class Table:
    """One decision's working data; rows follow `drones`, then `robots`."""

    world: World
    parcels: tuple[ParcelFacts, ...]
    drones: tuple[VehicleFacts, ...]
    robots: tuple[VehicleFacts, ...]
    weights: tuple[Weights, ...]
    noes: dict[tuple[str, str], No] = field(default_factory=dict)
    """By vehicle id and parcel id."""
    flights: dict[tuple[str, str], FlightPlan] = field(default_factory=dict)
    later: dict[tuple[str, str], FlightPlan] = field(default_factory=dict)
    """Flights of drones that are out now."""
    unjoined: dict[tuple[str, str], No] = field(default_factory=dict)
    """Why a parcel was not joined to a flight, by vehicle id and parcel id."""

    @property
    def vehicles(self) -> tuple[VehicleFacts, ...]:
        """In the order of rows."""
        return self.drones + self.robots


def fill(world: World, plans: Plans) -> tuple[Table, Problem]:
    """Judge every pair and set up the placing. Sorted by id, so the order given does not count."""
    parcels = tuple(sorted(world.parcels, key=lambda p: p.parcel.parcel_id))
    vehicles = sorted(world.vehicles, key=lambda v: v.vehicle_id)
    flying = VehicleClass.MULTIROTOR
    table = Table(
        world=world,
        parcels=parcels,
        drones=tuple(v for v in vehicles if v.capability.vehicle_class is flying),
        robots=tuple(v for v in vehicles if v.capability.vehicle_class is not flying),
        weights=tuple(weights_of(p.parcel, world.now, world.settings) for p in parcels),
    )
    here = [drone for drone in table.drones if absence(drone, world) is None]
    ready = [facts for facts in parcels if _waits(facts, world) is None]
    plans.prepare(world, ((d, p) for d in here for p in ready if misfit(d, p) is None))
    for drone in table.drones:
        gone = absence(drone, world)
        for facts in parcels:
            _judge_drone(table, plans, drone, facts, gone)
    problem = _problem(table, Stops(world, plans))
    _look_for_lasting(table, plans)
    return table, problem


def _judge_drone(
    table: Table, plans: Plans, drone: VehicleFacts, facts: ParcelFacts, gone: No | None
) -> None:
    world = table.world
    key = (drone.vehicle_id, facts.parcel.parcel_id)
    no = misfit(drone, facts)
    if no is None and gone is not None:
        known = plans.known_flight(world, drone, facts)
        if isinstance(known, FlightPlan) and gone.code == BUSY and _comes_back(drone, world):
            table.later[key] = known
        no = (flight_no(known) if known is not None else None) or gone
        no = no if no.permanent else gone
    # a parcel that is still to come is planned when it is there: zones may change until then
    no = no or _waits(facts, world)
    if no is None:
        plan = plans.flight(world, drone, facts)
        no = flight_no(plan)
        if isinstance(plan, FlightPlan):
            no = low_battery(drone, plan.energy_wh, world.settings.flight.reserve)
            no = no or against(
                facts.parcel,
                world,
                world.settings.preparation_s + plan.release_s,
                early_s=0.0,
                from_s=plan.release_s,
            )
            if no is None:
                table.flights[key] = plan
    if no is not None:
        table.noes[key] = no


def _waits(facts: ParcelFacts, world: World) -> No | None:
    return closed(facts.parcel, world.now) or waits(facts, world)


def _comes_back(drone: VehicleFacts, world: World) -> bool:
    """Whether a busy drone shows that it is on its way through its work."""
    telemetry = drone.telemetry
    if telemetry.link is not LinkState.ONLINE or telemetry.received_at is None:
        return False
    age_s = (world.now - telemetry.received_at).total_seconds()
    return age_s <= world.settings.max_telemetry_age_s and telemetry.phase in AT_WORK


def _look_for_lasting(table: Table, plans: Plans) -> None:
    """Whether absent drones could ever carry what nobody else can: only then is it worked out."""
    for facts in table.parcels:
        if _waits(facts, table.world) is not None:
            continue
        parcel_id = facts.parcel.parcel_id
        absent: list[VehicleFacts] = []
        for vehicle in table.vehicles:
            no = table.noes.get((vehicle.vehicle_id, parcel_id))
            if no is not None and no.permanent:
                continue
            if no is None or vehicle.capability.vehicle_class is not VehicleClass.MULTIROTOR:
                absent = []
                break
            absent.append(vehicle)
        for drone in absent:
            no = flight_no(plans.flight(table.world, drone, facts))
            if no is None or not no.permanent:
                break
            table.noes[drone.vehicle_id, parcel_id] = no


def drone_cost(table: Table, row: int, column: int) -> dict[str, float] | None:
    """The parts of a drone's cost, or None where it is barred."""
    key = (table.drones[row].vehicle_id, table.parcels[column].parcel.parcel_id)
    plan = table.flights.get(key)
    return None if plan is None else _flight_cost(table, plan, column)


def _flight_cost(table: Table, plan: FlightPlan, column: int) -> dict[str, float]:
    settings = table.world.settings
    arrive_s = settings.preparation_s + plan.release_s
    energy_wh = plan.mission.energy_wh
    parts = dict(
        breakdown(table.weights[column], arrive_s, energy_wh, settings.drone_use, settings)
    )
    parts["detour"] = settings.detour_per_km * plan.detour_m / 1000.0
    return parts


def _problem(table: Table, stops: Stops) -> Problem:
    world, settings = table.world, table.world.settings
    drones, parcels = len(table.drones), len(table.parcels)
    cost = np.full((drones, parcels), np.inf)
    arrive = np.full((drones, parcels), np.inf)
    detour = np.zeros((drones, parcels))
    later_cost = np.full(parcels, np.inf)
    later_count = np.zeros(parcels)
    cycles: list[float] = []
    for row, drone in enumerate(table.drones):
        for column, facts in enumerate(table.parcels):
            key = (drone.vehicle_id, facts.parcel.parcel_id)
            now, plan = table.flights.get(key), table.flights.get(key) or table.later.get(key)
            if plan is None:
                continue
            value = sum(_flight_cost(table, plan, column).values())
            later_cost[column] = min(later_cost[column], value)
            later_count[column] += 1.0
            cycles.append(plan.mission.duration_s)
            if now is not None:
                cost[row, column] = value
                arrive[row, column] = settings.preparation_s + now.release_s
                detour[row, column] = now.detour_m
    for column, facts in enumerate(table.parcels):
        parcel = facts.parcel
        timed = parcel.earliest_at is not None or parcel.latest_at is not None
        if timed or (world.now - parcel.ready_at).total_seconds() > settings.max_defer_s:
            later_count[column] = 0.0
    jobs = _jobs(table)
    rounds, robot_jobs, allowed, far = _robots(table, stops, jobs)
    return Problem(
        rank=np.array([w.rank for w in table.weights], dtype=np.intp),
        jobs=jobs,
        drone_cost=cost,
        drone_arrive_s=arrive,
        drone_detour_m=detour,
        rounds=rounds,
        robot_jobs=robot_jobs,
        robot_allowed=allowed,
        far=far,
        drone_later_cost=later_cost,
        drone_later_count=later_count,
        cycle_s=world.settings.preparation_s
        + (float(np.mean(cycles)) if cycles else _DEFAULT_CYCLE_S),
    )


def _jobs(table: Table) -> Jobs:
    rules = table.world.settings.round
    nowhere = np.full(len(table.parcels), -1, dtype=np.intp)
    parcels = [facts.parcel for facts in table.parcels]
    return Jobs(
        weight_kg=np.array([facts.parcel.weight_kg for facts in table.parcels]),
        origin=nowhere,
        goal=nowhere,
        dwell_s=np.array([_dwell_s(facts.parcel, rules) for facts in table.parcels]),
        waiting=np.array([w.waiting for w in table.weights]),
        lateness=np.array([w.lateness for w in table.weights]),
        due_s=np.array([w.due_s for w in table.weights]),
        windows=windows_of(parcels, table.world.now, table.world.settings.max_early_s),
    )


def _dwell_s(parcel: Parcel, rules: RoundRules) -> float:
    pin = parcel.handling is Handling.PIN
    return rules.hand_over_s(parcel.handover, pin=pin, service_s=parcel.service_s)


def _robots(
    table: Table, stops: Stops, jobs: Jobs
) -> tuple[tuple[Round, ...], tuple[Jobs, ...], Bools, Array]:
    ends: dict[tuple[str, str], tuple[str, str]] = {}
    anchors: dict[str, tuple[str, str]] = {}
    alike = Alike()
    for robot in table.robots:
        base, start = stops.base(robot), stops.start(robot)
        if base is not None:
            anchors[robot.vehicle_id] = (start or base, base)
        for facts, found in zip(
            table.parcels, alike.ends(robot, table.parcels, stops), strict=True
        ):
            key = (robot.vehicle_id, facts.parcel.parcel_id)
            if isinstance(found, No):
                table.noes[key] = found
            else:
                ends[key] = found
    nodes = [n for pair in (*ends.values(), *anchors.values()) for n in pair]
    rows, far = stops.matrix(nodes)
    rounds: list[Round] = []
    slow: dict[float, Array | None] = {}
    robot_jobs: list[Jobs] = []
    allowed = np.zeros((len(table.robots), len(table.parcels)), dtype=bool)
    for number, robot in enumerate(table.robots):
        start, base = anchors.get(robot.vehicle_id, ("", ""))
        own = alike.jobs(robot, jobs, rows)
        model = _robot(table, robot, rows.get(start, 0), rows.get(base, 0))
        if model.speed_mps not in slow:
            slow[model.speed_mps] = stops.late_s(rows, model.speed_mps)
        trip = Round(model, late_s=slow[model.speed_mps])
        rounds.append(trip)
        robot_jobs.append(own)
        ever = alike.ever(robot, trip, own, far, reserve=table.world.settings.round.reserve)
        allowed[number] = _judge_robot(table, robot, trip, own, far, ever=ever)
    return tuple(rounds), tuple(robot_jobs), allowed, far


def _robot(table: Table, vehicle: VehicleFacts, start: int, base: int) -> Robot:
    settings, capability = table.world.settings, vehicle.capability
    speed = capability.cruise_speed_mps
    power_w = settings.robot.drive_w(capability.max_payload_kg, speed)
    return Robot(
        start=start,
        base=base,
        speed_mps=speed,
        slots=capability.parcel_slots,
        payload_kg=capability.max_payload_kg,
        spare_wh=energy_spare_wh(vehicle, settings.round.reserve),
        wh_per_m=power_w / speed / 3600.0,
        idle_w=settings.robot.idle_w,
        pick_s=settings.round.pick_s,
        max_round_s=settings.round.max_round_s,
        prepare_s=settings.preparation_s,
        energy_per_wh=settings.energy_per_wh,
        detour_per_km=settings.detour_per_km,
        use=settings.robot_use,
    )


def _judge_robot(
    table: Table,
    vehicle: VehicleFacts,
    trip: Round,
    jobs: Jobs,
    far: Array,
    *,
    ever: Bools,
) -> Bools:
    """Causes of one robot against every parcel; gives the parcels that are open to it.

    `ever`: parcels that it could carry at its best.
    """
    world, model = table.world, trip.robot
    gone = absence(vehicle, world)
    # what a robot that is out could do now changes nothing
    now, arrive_s = ever, np.full(len(table.parcels), np.inf)
    if gone is None:
        everyone = np.ones(len(table.parcels), dtype=bool)
        alone = insertions(trip, replace(jobs, windows=None), everyone, far)
        now, arrive_s = np.isfinite(alone.cost), alone.arrive_s
    for column, facts in enumerate(table.parcels):
        key = (vehicle.vehicle_id, facts.parcel.parcel_id)
        if key in table.noes:
            continue
        no = gone or _waits(facts, world)
        late = closed(facts.parcel, world.now)
        if late is not None:
            no = late
        elif not ever[column]:
            no = No("range", _out_of_range(model, jobs, column, far), permanent=True)
        elif no is None and not now[column]:
            text = "its battery is too low now for the round and the reserve"
            no = No("battery", text, permanent=False)
        elif no is None:
            early_s = world.settings.max_early_s
            no = against(facts.parcel, world, float(arrive_s[column]), early_s=early_s)
        if no is not None:
            table.noes[key] = no
    open_to = [(vehicle.vehicle_id, f.parcel.parcel_id) not in table.noes for f in table.parcels]
    return np.array(open_to, dtype=bool)


def _out_of_range(model: Robot, jobs: Jobs, column: int, far: Array) -> str:
    origin, goal = int(jobs.origin[column]), int(jobs.goal[column])
    length_m = float(far[model.base, origin] + far[origin, goal] + far[goal, model.base])
    if not np.isfinite(length_m):
        return "no street leads there and back"
    minutes = length_m / model.speed_mps / 60.0
    return (
        f"out of range: the round is {length_m / 1000:.1f} km, {minutes:.0f} min of driving, over"
        " what its battery and the longest round allow"
    )
