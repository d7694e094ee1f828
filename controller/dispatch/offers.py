"""From placings to checked missions.

Owns the making of offers. Must not offer what validation does not let go: what fails there is
taken out again, with its reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from controller.dispatch.airspace import Airspace
from controller.dispatch.failsafes import policy_of
from controller.dispatch.feasibility import No, available_wh, flight_no
from controller.dispatch.fencing import judge_flight, promised
from controller.dispatch.flights import FlightPlan
from controller.dispatch.insertion import Placed, Problem
from controller.dispatch.model import Offer, VehicleFacts, World
from controller.dispatch.plans import OpenStreets, Plans
from controller.dispatch.table import Table
from controller.dispatch.windows import against
from controller.domain.model import Parcel
from missions.model import AirMission, GroundMission, ItemKind
from missions.plan_reasons import GoNoGo, NoGo
from missions.plan_round import RoundParcel, RoundRequest, plan_round
from missions.street_use import RobotFit
from missions.validate import FlightChecks, RoundChecks, validate_round
from missions.validate_round import Driven, drive

Ids = Callable[[str], str]


@dataclass(slots=True)
class Made:
    """Offers, and placings that did not stand."""

    offers: list[Offer] = field(default_factory=list)
    undone: dict[str, tuple[str, No]] = field(default_factory=dict)
    """By parcel: the vehicle that would have taken it, and why not."""


def make_offers(
    table: Table,
    problem: Problem,
    placed: tuple[Placed, ...],
    streets: OpenStreets | None,
    ids: Ids,
    *,
    plans: Plans,
) -> Made:
    """One offer for every vehicle that was given something, in order of vehicle rows."""
    made = Made()
    by_row: dict[int, list[Placed]] = {}
    for turn in placed:
        if turn.vehicle >= 0:
            by_row.setdefault(turn.vehicle, []).append(turn)
    drones = len(table.drones)
    airspace = Airspace(table.world)
    for row, turns in sorted(by_row.items()):
        if row < drones:
            order = problem.trips[row].jobs if row in problem.trips else [turns[0].job]
            asked = _Asked(table, row, ids("mission"), airspace, plans)
            _offer_flight(asked, turns, order, made)
        elif streets is not None:
            order = list(problem.rounds[row - drones].drops)
            _offer_round(
                table, row - drones, turns, order=order, streets=streets, ids=ids, made=made
            )
    return made


@dataclass(frozen=True, slots=True)
class _Asked:
    """One drone's flight to be offered."""

    table: Table
    row: int
    mission_id: str
    airspace: Airspace
    plans: Plans

    @property
    def drone(self) -> VehicleFacts:
        """Whose it is."""
        return self.table.drones[self.row]


def _offer_flight(asked: _Asked, turns: list[Placed], order: list[int], made: Made) -> None:
    """One flight with everything that was placed; what makes it impossible is taken out again."""
    kept = list(turns)
    while kept:
        jobs = [job for job in order if any(turn.job == job for turn in kept)]
        cost = sum(float(turn.cost[asked.row]) for turn in kept)
        found = _flight(asked, jobs, cost)
        if isinstance(found, Offer):
            made.offers.append(found)
            return
        parcel_id = asked.table.parcels[kept.pop().job].parcel.parcel_id
        made.undone[parcel_id] = (asked.drone.vehicle_id, found)


def _flight(asked: _Asked, jobs: list[int], cost: float) -> Offer | No:
    table, drone, plans = asked.table, asked.drone, asked.plans
    world, settings = table.world, table.world.settings
    load = [table.parcels[job] for job in jobs]
    parcel_ids = tuple(facts.parcel.parcel_id for facts in load)
    plan = plans.flight(world, drone, *load)
    if not isinstance(plan, FlightPlan):
        return flight_no(plan) or No("plan", plan.text, permanent=False)

    def own(template: AirMission) -> AirMission:
        return _own(template, asked.mission_id, drone.vehicle_id, parcel_ids)

    mission = own(plan.mission)
    checks = FlightChecks(
        depart_at=world.now + timedelta(seconds=settings.preparation_s),
        loads={facts.parcel.parcel_id: facts.parcel.weight_kg for facts in load},
        max_payload_kg=drone.capability.max_payload_kg,
        usable_energy_wh=drone.capability.usable_energy_wh,
        available_energy_wh=available_wh(drone),
        speed_mps=drone.capability.cruise_speed_mps,
        rules=settings.flight,
        model=settings.multirotor,
        permits=world.held_permits(
            drone.vehicle_id, parcel_ids, for_s=settings.preparation_s + mission.duration_s
        ),
        traits=drone.capability.traits,
        policy=policy_of(drone.telemetry, world.zones.version, ""),
    )

    def judged(asked: AirMission) -> GoNoGo:
        avoids = promised(drone.telemetry)
        return judge_flight(asked, checks, world.zones, world.surroundings, avoidance=avoids)

    answer = judged(mission)
    if not answer.go:
        return _why(answer)
    releases_s = {mission.cruise_alt_home_m: plan.releases_s}

    def replan(level_m: float) -> AirMission | None:
        found = plans.flight(world, replace(drone, cruise_alt_home_m=level_m), *load)
        if not isinstance(found, FlightPlan):
            return None
        releases_s[level_m] = found.releases_s
        return own(found.mission)

    cleared = asked.airspace.clear(drone, mission, replan)
    if isinstance(cleared, No):
        return cleared
    if cleared.mission is not mission:
        answer = judged(cleared.mission)
        if not answer.go:
            return _why(answer)
    mission = cleared.mission
    arrive_s = [
        settings.preparation_s + release_s for release_s in releases_s[mission.cruise_alt_home_m]
    ]
    for facts, there_s in zip(load, arrive_s, strict=True):
        if (no := against(facts.parcel, world, there_s, early_s=0.0)) is not None:
            return no
    return Offer(
        vehicle_id=drone.vehicle_id,
        parcel_ids=parcel_ids,
        mission=mission,
        cost=cost,
        arrive_at={
            parcel_id: world.now + timedelta(seconds=there_s)
            for parcel_id, there_s in zip(parcel_ids, arrive_s, strict=True)
        },
        reserve_pct=_left_pct(drone, mission.energy_wh),
        note=cleared.words,
    )


def _own(
    template: AirMission, mission_id: str, vehicle_id: str, parcel_ids: tuple[str, ...]
) -> AirMission:
    """The mission with its ids: parcels leave in their order."""
    names = iter(parcel_ids)
    items = tuple(
        replace(item, parcel_id=next(names)) if item.kind is ItemKind.RELEASE else item
        for item in template.items
    )
    return replace(template, mission_id=mission_id, vehicle_id=vehicle_id, items=items)


def _offer_round(
    table: Table,
    number: int,
    turns: list[Placed],
    *,
    order: list[int],
    streets: OpenStreets,
    ids: Ids,
    made: Made,
) -> None:
    robot = table.robots[number]
    mission_id = ids("mission")
    row = len(table.drones) + number
    kept = list(turns)
    while kept:
        jobs = [job for job in order if any(turn.job == job for turn in kept)]
        found = _round(table, robot, jobs, streets, mission_id)
        if isinstance(found, GroundMission):
            cost = sum(float(turn.cost[row]) for turn in kept)
            made.offers.append(_round_offer(table, robot, found, jobs, cost))
            return
        parcel_id = table.parcels[kept.pop().job].parcel.parcel_id
        made.undone[parcel_id] = (robot.vehicle_id, found)


def _round(
    table: Table, robot: VehicleFacts, jobs: list[int], streets: OpenStreets, mission_id: str
) -> GroundMission | No:
    world, settings = table.world, table.world.settings
    facts = [table.parcels[job] for job in jobs]
    request = RoundRequest(
        mission_id=mission_id,
        vehicle_id=robot.vehicle_id,
        start=robot.telemetry.position or robot.base.position,
        base=robot.base.position,
        parcels=tuple(
            RoundParcel(
                parcel_id=f.parcel.parcel_id,
                weight_kg=f.parcel.weight_kg,
                origin=f.origin.position,
                destination=f.parcel.destination.position,
                pin_sha256=f.parcel.pin_sha256,
                handover=f.parcel.handover,
                service_s=f.parcel.service_s,
                earliest_s=_earliest_s(f.parcel, world),
            )
            for f in facts
        ),
        speed_mps=robot.capability.cruise_speed_mps,
        slots=robot.capability.parcel_slots,
        rules=settings.round,
        model=settings.robot,
    )
    mission = plan_round(request, world.zones, streets.graph, keep_order=True)
    if isinstance(mission, NoGo):
        return No("round", mission.text, permanent=False)
    if (late := _out_of_window(table, robot, mission, jobs)) is not None:
        return late
    checks = RoundChecks(
        depart_at=world.now + timedelta(seconds=settings.preparation_s),
        loads={f.parcel.parcel_id: f.parcel.weight_kg for f in facts},
        max_payload_kg=robot.capability.max_payload_kg,
        slots=robot.capability.parcel_slots,
        speed_mps=robot.capability.cruise_speed_mps,
        usable_energy_wh=robot.capability.usable_energy_wh,
        available_energy_wh=available_wh(robot),
        rules=settings.round,
        model=settings.robot,
        permits=world.held_permits(
            robot.vehicle_id,
            mission.parcel_ids,
            for_s=settings.preparation_s + mission.duration_s,
        ),
        traits=robot.capability.traits,
        streets=world.streets,
        fit=RobotFit(robot.capability.width_m, robot.capability.max_incline_pct),
    )
    answer = validate_round(mission, checks, world.zones, world.surroundings)
    return mission if answer.go else _why(answer)


def _out_of_window(
    table: Table, robot: VehicleFacts, mission: GroundMission, jobs: list[int]
) -> No | None:
    """Why the round as planned does not suit a window: the last word."""
    world = table.world
    begin_s = _driven(table, robot, mission, jobs).begin_s
    for job in jobs:
        parcel = table.parcels[job].parcel
        there_s = world.settings.preparation_s + begin_s[parcel.parcel_id]
        # planning puts it off until the window opens: what is a rounding short is not early
        if (no := against(parcel, world, there_s, early_s=1.0)) is not None:
            return no
    return None


def _driven(table: Table, robot: VehicleFacts, mission: GroundMission, jobs: list[int]) -> Driven:
    settings = table.world.settings
    return drive(
        mission,
        loads={table.parcels[j].parcel.parcel_id: table.parcels[j].parcel.weight_kg for j in jobs},
        speed_mps=robot.capability.cruise_speed_mps,
        model=settings.robot,
        rules=settings.round,
    )


def _earliest_s(parcel: Parcel, world: World) -> float | None:
    """From the start of a round that leaves as planned."""
    if parcel.earliest_at is None:
        return None
    early_s = (parcel.earliest_at - world.now).total_seconds() - world.settings.preparation_s
    return max(0.0, early_s)


def _round_offer(
    table: Table, robot: VehicleFacts, mission: GroundMission, jobs: list[int], cost: float
) -> Offer:
    world, settings = table.world, table.world.settings
    driven = _driven(table, robot, mission, jobs)
    arrive_at = {
        parcel_id: world.now + timedelta(seconds=settings.preparation_s + begin_s)
        for parcel_id, begin_s in driven.begin_s.items()
    }
    return Offer(
        vehicle_id=robot.vehicle_id,
        parcel_ids=mission.parcel_ids,
        mission=mission,
        cost=cost,
        arrive_at=arrive_at,
        reserve_pct=_left_pct(robot, mission.energy_wh),
    )


def _left_pct(vehicle: VehicleFacts, used_wh: float) -> float:
    usable_wh = vehicle.capability.usable_energy_wh
    return 100.0 * (available_wh(vehicle) - used_wh) / usable_wh if usable_wh > 0.0 else 0.0


def _why(answer: GoNoGo) -> No:
    reason = answer.reasons[0]
    text = "; ".join(r.text for r in answer.reasons)
    return No(reason.code, text, permanent=False)
