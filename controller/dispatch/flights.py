"""One drone's flight for one parcel or several, planned and checked, for no vehicle in particular.

Owns the translation of a decision's facts to planning requests. Must not keep anything: see plans.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from controller.dispatch.failsafes import policy_of
from controller.dispatch.fencing import judge_flight, promised
from controller.dispatch.model import ParcelFacts, VehicleFacts, World
from geofence.frames import LatLon, geodesic_m
from geofence.prepared import RouteCache
from missions.contingency import DEFAULT_POLICY, ContingencyPolicy
from missions.model import AirMission, DropDevice, ItemKind
from missions.plan_bulk import judge_flights, straight_flights
from missions.plan_flight import plan_flight
from missions.plan_flown import FlightRules, FlownLeg
from missions.plan_reasons import NoGo, Reason
from missions.plan_stops import FlightRequest, FlightStop
from missions.validate import FlightChecks, energy_needed_wh

WAY_ROUND = 1.3
"""How much longer than the straight line a flight is taken to be."""
AT_ENDS_S = 240.0
"""For take-off, drop and landing."""

NO_DEVICE = NoGo((Reason("device", "it has no drop device"),))


@dataclass(frozen=True, slots=True)
class FlightPlan:
    """A checked flight; `mission` has neither ids nor parcel."""

    mission: AirMission
    energy_wh: float
    """Needed in the worst case: nothing let go."""
    releases_s: tuple[float, ...]
    """From take-off to each release, in order."""
    detour_m: float
    """How much longer the way out is than straight lines over its stops."""

    @property
    def release_s(self) -> float:
        """From take-off to the first release."""
        return self.releases_s[0]


@dataclass(frozen=True, slots=True)
class FlightQuestion:
    """What a flight plan depends on, the zones apart: hashable, so that answers can be kept."""

    request: FlightRequest
    max_payload_kg: float
    usable_energy_wh: float
    policy: ContingencyPolicy = DEFAULT_POLICY
    avoidance: bool = False
    """Its avoidance may count, once the flight's fence is on board."""

    def checks(self) -> FlightChecks:
        """The checks with a full battery."""
        return FlightChecks(
            depart_at=self.request.depart_at,
            loads=self.request.loads,
            max_payload_kg=self.max_payload_kg,
            usable_energy_wh=self.usable_energy_wh,
            available_energy_wh=self.usable_energy_wh,
            speed_mps=self.request.cruise_speed_mps,
            rules=self.request.rules,
            model=self.request.model,
            permits=self.request.permits,
            traits=self.request.traits,
            policy=self.policy,
        )


def home_of(vehicle: VehicleFacts) -> tuple[LatLon, float]:
    """Where a drone starts and lands, and its height AMSL: its own word, or else its base."""
    telemetry = vehicle.telemetry
    if telemetry.home is not None:
        amsl_m = telemetry.home_amsl_m
        return telemetry.home, vehicle.base.ground_amsl_m if amsl_m is None else amsl_m
    return vehicle.base.position, vehicle.base.ground_amsl_m


def question(
    world: World,
    vehicle: VehicleFacts,
    *load: ParcelFacts,
    depart_at: datetime,
    rules: FlightRules,
) -> FlightQuestion | None:
    """What is to be planned, stops in the order of `load`; None without a drop device.

    Its parcels are named by their places in the load: two flights over the same ground with the
    same weights are one question.
    """
    device = vehicle.capability.drop_device
    if device is None:
        return None
    home, home_amsl_m = home_of(vehicle)
    first, *further = load
    return FlightQuestion(
        request=FlightRequest(
            mission_id="",
            vehicle_id="",
            home=home,
            home_amsl_m=home_amsl_m,
            parcel_id="",
            weight_kg=first.parcel.weight_kg,
            destination=first.parcel.destination.position,
            device=device,
            cruise_alt_home_m=vehicle.cruise_alt_home_m,
            cruise_speed_mps=vehicle.capability.cruise_speed_mps,
            depart_at=depart_at,
            rules=rules,
            model=world.settings.multirotor,
            permits=world.held_permits(
                vehicle.vehicle_id,
                tuple(facts.parcel.parcel_id for facts in load),
                for_s=_long_s(world, home, vehicle, load),
            ),
            traits=vehicle.capability.traits,
            landing=lands(vehicle, first),
            further=tuple(
                FlightStop(
                    parcel_id=f"#{number}",
                    weight_kg=facts.parcel.weight_kg,
                    destination=facts.parcel.destination.position,
                    landing=lands(vehicle, facts),
                )
                for number, facts in enumerate(further, start=2)
            ),
        ),
        max_payload_kg=vehicle.capability.max_payload_kg,
        usable_energy_wh=vehicle.capability.usable_energy_wh,
        policy=policy_of(vehicle.telemetry, world.zones.version, ""),
        avoidance=promised(vehicle.telemetry),
    )


def lands(vehicle: VehicleFacts, facts: ParcelFacts) -> bool:
    """Whether a parcel is let go on the ground: at a landing site, by a drone made for that.

    Only a gripper lets go on the ground, and only drones with several slots must be set to go on
    after a landing (MIS_OPTIONS of their baseline).
    """
    capability = vehicle.capability
    return (
        facts.landing
        and capability.drop_device is DropDevice.GRIPPER
        and capability.parcel_slots >= 2
    )


def _long_s(
    world: World, home: LatLon, vehicle: VehicleFacts, load: Sequence[ParcelFacts]
) -> float:
    """How long from now the flight may take, roundly: a permit must last until it is over.

    The gate before the start asks again, for as long as the planned mission may really take.
    """
    if not world.permits:
        return 0.0
    rules = world.settings.flight
    places = (home, *(facts.parcel.destination.position for facts in load))
    away_m = sum(geodesic_m(a, b) for a, b in pairwise(places))
    at_ends_s = AT_ENDS_S * len(load)
    flown_s = WAY_ROUND * 2.0 * away_m / vehicle.capability.cruise_speed_mps + at_ends_s
    return world.settings.preparation_s + rules.start_slip_s + flown_s * (1.0 + rules.time_error)


def answer(
    asked: FlightQuestion, world: World, routes: RouteCache | None = None
) -> FlightPlan | NoGo:
    """The checked flight, round zones where need be, or why there is none."""
    mission = plan_flight(asked.request, world.zones, world.surroundings, routes)
    (found,) = _judged([(asked, mission)], world)
    return found


def answers(
    asked: Sequence[FlightQuestion], world: World, routes: RouteCache | None = None
) -> list[FlightPlan | NoGo]:
    """The same of many: they are checked together, straight lines first."""
    jobs = [(one.request, one.checks()) for one in asked]
    straight = straight_flights(jobs, world.zones, world.surroundings)
    rest = [one for one, flight in zip(asked, straight, strict=True) if flight is None]
    planned = (
        (one, plan_flight(one.request, world.zones, world.surroundings, routes)) for one in rest
    )
    others = _judged(planned, world)
    return [
        next(others) if flight is None else plan_of(one.request, flight[0], flight[1].legs)
        for one, flight in zip(asked, straight, strict=True)
    ]


def _judged(
    planned: Iterable[tuple[FlightQuestion, AirMission | NoGo]], world: World
) -> Iterator[FlightPlan | NoGo]:
    zones, over = world.zones, world.surroundings
    pairs = list(planned)
    flights = [(m, asked.checks()) for asked, m in pairs if isinstance(m, AirMission)]
    judged = judge_flights(flights, zones, over)
    for asked, mission in pairs:
        if isinstance(mission, NoGo):
            yield mission
            continue
        walked, answer = next(judged)
        if not answer.go and asked.avoidance:
            checks = asked.checks()
            answer = judge_flight(mission, checks, zones, over, avoidance=True)
        if walked is not None and answer.go:
            yield plan_of(asked.request, mission, walked.legs)
        else:
            yield NoGo(answer.reasons, answer.verdict)


def plan_of(request: FlightRequest, mission: AirMission, legs: tuple[FlownLeg, ...]) -> FlightPlan:
    """The plan of a mission that was checked, from its legs as flown."""
    releases = [i for i, item in enumerate(mission.items) if item.kind is ItemKind.RELEASE]
    out_m = sum(leg.length_m for leg in legs if not leg.returning)
    return FlightPlan(
        mission=mission,
        energy_wh=energy_needed_wh(legs),
        releases_s=tuple(
            next(leg.end_s for leg in legs if leg.index == release) for release in releases
        ),
        detour_m=max(0.0, out_m - request.direct_m),
    )
