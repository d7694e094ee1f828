"""Whether a mission may be started: zones, envelope, energy and the way home, with every reason.

Owns the last word before a mission is loaded. Must not plan: a mission from anywhere is judged
the same. The zone predicates themselves belong to geofence.check.

The way home. A drone that fails is sent to the mission's own RETURN_PATH or straight home.
With RETURN_PATH, ArduPilot joins the nearest leg behind the mark, measured in three dimensions
from the mark's own place on, and flies straight to that leg's end (AP_Mission.cpp,
jump_to_closest_mission_leg, distance_to_mission_leg). Where every leg out is a leg back in
reverse, the join lies on a leg that is checked anyhow; that is verified leg by leg. Any other
way out needs the whole triangle swept by straight returns to be clear, at the higher of the
leg's height and RTL_ALT, or the ways to the rally points; and landing in place to be clear from
the ground up (contingency.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from geofence.check import FlightPath, PathLeg, Surroundings, Verdict, check
from geofence.frames import geodesic_m
from geofence.zones import VehicleTraits
from geofence.zoneset import ZoneSet
from missions.contingency import (
    DEFAULT_POLICY,
    LANDING_LABEL,
    RALLY_LABEL,
    RETURN_LABEL,
    Answer,
    ContingencyPolicy,
    contingency_air,
    returns_over_terrain,
)
from missions.energy import MultirotorModel
from missions.errors import RequestError
from missions.model import AirMission
from missions.plan_flown import (
    DEFAULT_FLIGHT_RULES,
    FlightRules,
    FlownLeg,
    flown_legs,
    height_above_ground_m,
    total,
)
from missions.plan_paths import flight_path
from missions.plan_reasons import GoNoGo, Reason, zone_reasons
from missions.validate_round import WEIGHT_TOLERANCE_KG, RoundChecks, validate_round

__all__ = ["FlightChecks", "GoNoGo", "Reason", "RoundChecks", "validate_flight", "validate_round"]

_CLOSE_M = 1.0
_CENTIMETRE_M = 0.01


@dataclass(frozen=True, slots=True)
class FlightChecks:
    """What a flight is judged by, beside the zones."""

    depart_at: datetime
    loads: Mapping[str, float]
    """Kilograms by parcel id."""
    max_payload_kg: float
    usable_energy_wh: float
    """Of a full battery."""
    available_energy_wh: float
    """Of the battery as it is now."""
    speed_mps: float
    """Flown until the first SPEED item."""
    rules: FlightRules = DEFAULT_FLIGHT_RULES
    model: MultirotorModel = field(default_factory=MultirotorModel)
    permits: frozenset[str] = frozenset()
    policy: ContingencyPolicy = DEFAULT_POLICY
    """What the vehicle's failsafe parameters can cause."""
    traits: VehicleTraits | None = None
    """What more is known of the vehicle, for zones that bind by it."""


def validate_flight(
    mission: AirMission, checks: FlightChecks, zones: ZoneSet, surroundings: Surroundings
) -> GoNoGo:
    """GoNoGo with every reason found; the verdict covers the mission and its ways home."""
    walked = walk_flight(mission, checks, surroundings)
    if isinstance(walked, GoNoGo):
        return walked
    return judge_walked(walked, checks, zones, check(walked.path, zones, surroundings))


def judge_walked(walked: Walked, checks: FlightChecks, zones: ZoneSet, verdict: Verdict) -> GoNoGo:
    """What validate_flight says, where its walk and the verdict on its path are there already."""
    found = zone_reasons(verdict.violations, zones)
    reasons = (*(_with_cause(reason, checks.policy) for reason in found), *walked.reasons)
    if not verdict.allowed and not reasons:
        reasons = (Reason("zone", "the zone check says no without naming a zone"),)
    return GoNoGo(go=not reasons, reasons=reasons, verdict=verdict)


def _with_cause(reason: Reason, policy: ContingencyPolicy) -> Reason:
    """For a contingency: which failure causes it, and what may be done."""
    if reason.leg.startswith((RETURN_LABEL, RALLY_LABEL)):
        causes = policy.causes(Answer.STRAIGHT_RETURN, Answer.RETURN_PATH)
        remedy = (
            "let the mission carry a return path that covers this leg (DO_RETURN_PATH_START), or "
            "verify the vehicle's avoidance on (OA_TYPE 2)"
        )
    elif reason.leg.startswith(LANDING_LABEL):
        causes = policy.causes(Answer.LAND_HERE)
        remedy = "lead the leg round the zone, or let the mission carry a return path"
    else:
        return reason
    return replace(reason, text=f"{reason.text} (on {causes}): {remedy}")


@dataclass(frozen=True, slots=True)
class Walked:
    """A flight as flown: what it uses of the air, and what is against it beside zones."""

    legs: tuple[FlownLeg, ...]
    path: FlightPath
    reasons: tuple[Reason, ...]


def walk_flight(
    mission: AirMission, checks: FlightChecks, surroundings: Surroundings
) -> Walked | GoNoGo:
    """Everything about a flight but the zones' word, or the no to a mission that has no form."""
    try:
        legs = flown_legs(
            mission,
            loads=checks.loads,
            speed_mps=checks.speed_mps,
            model=checks.model,
            rules=checks.rules,
        )
    except RequestError as error:
        return GoNoGo(go=False, reasons=(Reason("envelope", str(error)),), verdict=None)
    own, spare = air_used(mission, legs, checks, surroundings)
    path = replace(own, legs=own.legs + spare.legs, discs=own.discs + spare.discs)
    reasons = (
        *_heights(mission, legs, checks.rules, surroundings),
        *_returns(spare.legs, checks, surroundings),
        *_envelope(mission, legs, checks),
        *_energy(legs, checks),
    )
    return Walked(legs, path, reasons)


def air_used(
    mission: AirMission,
    legs: tuple[FlownLeg, ...],
    checks: FlightChecks,
    surroundings: Surroundings,
) -> tuple[FlightPath, FlightPath]:
    """What the mission uses of the air, and what its contingencies may use beside."""
    own = flight_path(
        mission,
        legs,
        depart_at=checks.depart_at,
        rules=checks.rules,
        permits=checks.permits,
        traits=checks.traits,
    )
    lines, discs = contingency_air(
        mission,
        legs,
        checks.policy,
        depart_at=checks.depart_at,
        rules=checks.rules,
        surroundings=surroundings,
    )
    return own, replace(own, legs=lines, discs=discs)


def _heights(
    mission: AirMission,
    legs: tuple[FlownLeg, ...],
    rules: FlightRules,
    surroundings: Surroundings,
) -> Iterator[Reason]:
    cruise_m, most_m = mission.cruise_alt_home_m, rules.max_cruise_alt_home_m
    if not rules.min_cruise_alt_home_m <= cruise_m <= most_m:
        yield Reason(
            "height",
            f"cruise height {cruise_m:g} m above home is outside "
            f"{rules.min_cruise_alt_home_m:g}-{most_m:g} m",
        )
    above_m = height_above_ground_m(mission.home_amsl_m, cruise_m, surroundings)
    if above_m > most_m + _CENTIMETRE_M:
        yield Reason("height", f"cruise is {above_m:.0f} m above ground, over {most_m:g} m")
    yield from _over_terrain(mission, legs, rules, surroundings)
    for leg in legs:
        if max(leg.start_alt_home_m, leg.end_alt_home_m) > most_m + _CENTIMETRE_M:
            yield Reason("height", f"{leg.label} is above {most_m:g} m")
        low_m = min(leg.start_alt_home_m, leg.end_alt_home_m)
        if not leg.vertical and low_m < cruise_m - _CENTIMETRE_M:
            yield Reason("height", f"{leg.label} is flown below the cruise height {cruise_m:g} m")


def _over_terrain(
    mission: AirMission,
    legs: tuple[FlownLeg, ...],
    rules: FlightRules,
    surroundings: Surroundings,
) -> Iterator[Reason]:
    """Level legs against the ground below all of them, where a terrain grid tells it."""
    if surroundings.terrain is None:
        return
    most_m, least_m = rules.max_cruise_alt_home_m, rules.min_ground_clearance_m
    for leg in legs:
        if leg.vertical:
            continue
        profile = surroundings.terrain.profile(leg.start, leg.end)
        if profile is None:
            yield Reason(
                "terrain",
                f"{leg.label} leaves the terrain grid, so that its height above ground is not "
                "known: provide a larger grid",
            )
            continue
        low_m, high_m = profile.above(
            mission.home_amsl_m + leg.start_alt_home_m, mission.home_amsl_m + leg.end_alt_home_m
        )
        if high_m > most_m + _CENTIMETRE_M:
            yield Reason("height", f"{leg.label} is {high_m:.0f} m above ground, over {most_m:g} m")
        if low_m < least_m - _CENTIMETRE_M:
            yield Reason(
                "height",
                f"{leg.label} comes within {low_m:.0f} m of the ground and needs {least_m:g} m: "
                "raise the cruise height",
            )


def _returns(
    lines: tuple[PathLeg, ...], checks: FlightChecks, surroundings: Surroundings
) -> Iterator[Reason]:
    """Straight returns against the ground below them."""
    for label, why in returns_over_terrain(lines, checks.rules, surroundings):
        yield _with_cause(Reason("terrain", f"{label} {why}", leg=label), checks.policy)


def _envelope(
    mission: AirMission, legs: tuple[FlownLeg, ...], checks: FlightChecks
) -> Iterator[Reason]:
    rules = checks.rules
    for leg in legs:
        if leg.length_m > rules.max_leg_m:
            yield Reason(
                "leg_length",
                f"{leg.label} is {leg.length_m / 1000:.1f} km long, over the limit of "
                f"{rules.max_leg_m / 1000:g} km",
            )
        if not leg.vertical and leg.speed_mps > rules.max_speed_mps:
            yield Reason(
                "speed",
                f"{leg.label} is flown at {leg.speed_mps:g} m/s, over the limit of "
                f"{rules.max_speed_mps:g} m/s",
            )
    payload_kg = sum(checks.loads.get(parcel, 0.0) for parcel in mission.parcel_ids)
    if payload_kg > checks.max_payload_kg + WEIGHT_TOLERANCE_KG:
        yield Reason(
            "payload",
            f"payload {payload_kg:.2f} kg is over the vehicle's {checks.max_payload_kg:g} kg",
        )
    for parcel in mission.parcel_ids:
        if parcel not in checks.loads:
            yield Reason("payload", f"the weight of parcel {parcel} is not known")
    if legs and (
        geodesic_m(legs[-1].end, mission.home) > _CLOSE_M or abs(legs[-1].end_alt_home_m) > _CLOSE_M
    ):
        yield Reason("landing", "the mission does not end at home")


def energy_needed_wh(legs: tuple[FlownLeg, ...]) -> float:
    """The larger of the mission as planned and the mission with nothing let go.

    The second is what a failed release costs: the load comes home from the farthest point.
    """
    return max(total(legs).energy_wh, sum(leg.loaded_energy_wh for leg in legs))


def _energy(legs: tuple[FlownLeg, ...], checks: FlightChecks) -> Iterator[Reason]:
    needed_wh = energy_needed_wh(legs)
    reserve_wh = checks.rules.reserve * checks.usable_energy_wh
    if needed_wh > checks.usable_energy_wh - reserve_wh:
        yield Reason(
            "range",
            f"out of range: out and back takes {needed_wh:.0f} Wh, a full battery gives "
            f"{checks.usable_energy_wh - reserve_wh:.0f} Wh above the reserve of "
            f"{checks.rules.reserve:.0%}",
        )
    elif needed_wh > checks.available_energy_wh - reserve_wh:
        spare_wh = max(0.0, checks.available_energy_wh - reserve_wh)
        yield Reason(
            "battery",
            f"battery too low now: out and back takes {needed_wh:.0f} Wh, {spare_wh:.0f} Wh are "
            f"left above the reserve of {checks.rules.reserve:.0%}",
            permanent=False,
        )
