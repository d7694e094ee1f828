"""A flight judged with the fence that its vehicle would be given.

Owns the question whether a vehicle's own avoidance may count, and the fence for one flight. Must
not talk to a vehicle: what it holds in the end is proven elsewhere.

Avoidance (OA_TYPE 2) plans a return round the fence on board. So it counts only where that fence
holds every zone that a return could meet: none may be left out for want of room or because the
flight passes it at another height or time, and no return may climb above the flight's heights,
which the fence was made for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from geofence.check import Surroundings
from geofence.formats.onboard import FenceItem, FenceRefused, onboard_fence
from geofence.zoneset import ZoneSet
from missions.model import AirMission
from missions.plan_reasons import GoNoGo, Reason
from missions.validate import FlightChecks, validate_flight, walk_flight
from vehicles.port import Telemetry

KEPT_FREE = 0.8
"""Share of a corridor that the fence must leave free.

A route passes a zone as near as its corridor allows, and a fence is coarser than the zone: a
circle grows by the difference of ArduPilot's sphere to WGS84. A drone in the outer fifth of its
corridor is beyond all that its flight was checked to need, and is brought back before the zone.
"""


@dataclass(frozen=True, slots=True)
class Fenced:
    """A flight's fence; `reason` says why there is none, `left_out` which zones are not in it."""

    items: tuple[FenceItem, ...] = ()
    reason: str = ""
    left_out: tuple[str, ...] = ()


def promised(telemetry: Telemetry) -> bool:
    """Whether the vehicle avoids, and is given a fence of its own for every flight."""
    told = telemetry.failsafes
    return told is not None and told.avoidance and told.fenced


def judge_flight(
    mission: AirMission,
    checks: FlightChecks,
    zones: ZoneSet,
    surroundings: Surroundings,
    *,
    avoidance: bool,
) -> GoNoGo:
    """validate_flight; with `avoidance` a flight that only lacks a straight way home may go too.

    Then its fence must be such that avoidance counts; else the answer says what is against it.
    """
    answer = validate_flight(mission, checks, zones, surroundings)
    if answer.go or not avoidance:
        return answer
    avoiding = _avoiding(checks)
    verdict = validate_flight(mission, avoiding, zones, surroundings)
    if not verdict.go:
        return answer
    fence = fence_of(mission, avoiding, zones, surroundings)
    if not fence.reason:
        return verdict
    why = Reason("fence", f"its avoidance (OA_TYPE) does not count: {fence.reason}")
    return GoNoGo(go=False, reasons=(*answer.reasons, why), verdict=answer.verdict)


def flight_fence(
    mission: AirMission, checks: FlightChecks, zones: ZoneSet, surroundings: Surroundings
) -> tuple[bool, Fenced]:
    """Whether the flight needs its vehicle's avoidance, and the fence to put on board."""
    needed = not validate_flight(mission, checks, zones, surroundings).go
    judged = _avoiding(checks) if needed else checks
    return needed, fence_of(mission, judged, zones, surroundings)


def fence_of(
    mission: AirMission, checks: FlightChecks, zones: ZoneSet, surroundings: Surroundings
) -> Fenced:
    """The fence for a flight as the checks see it, its contingencies among them."""
    walked = walk_flight(mission, checks, surroundings)
    if isinstance(walked, GoNoGo):
        return Fenced(reason="; ".join(reason.text for reason in walked.reasons))
    legs = tuple(replace(leg, corridor_m=KEPT_FREE * leg.corridor_m) for leg in walked.path.legs)
    made = onboard_fence(replace(walked.path, legs=legs), zones, surroundings)
    if isinstance(made, FenceRefused):
        return Fenced(reason=made.reason)
    left_out = tuple(f"{each.zone_id}: {each.reason}" for each in made.left_out)
    reason = ""
    if checks.policy.avoidance_verified:
        reason = _not_counting(mission, checks, left_out)
    return Fenced(made.items, reason, left_out)


def _not_counting(mission: AirMission, checks: FlightChecks, left_out: tuple[str, ...]) -> str:
    if left_out:
        return f"the fence cannot hold {'; '.join(left_out[:3])}"
    told_m = checks.policy.rtl_alt_home_m
    return_m = checks.rules.rtl_alt_home_m if told_m is None else told_m
    if return_m > mission.cruise_alt_home_m + checks.rules.vertical_error_m:
        return (
            f"a return climbs to {return_m:g} m, above the {mission.cruise_alt_home_m:g} m that "
            "the flight's fence is made for: lower RTL_ALT"
        )
    return ""


def _avoiding(checks: FlightChecks) -> FlightChecks:
    return replace(checks, policy=replace(checks.policy, avoidance_verified=True))
