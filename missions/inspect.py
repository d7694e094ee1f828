"""A mission looked at before it is flown: what it uses, what is against it, in one value.

Owns the question that the command line, the API and the console put alike to a mission of another
tool or to one that dispatch has planned. Must not draw, and must not judge by rules of its own:
validate.py and geofence.check do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from geofence.check import CLEARANCE_HORIZON_M, FlightPath, Surroundings, Verdict, Violation, check
from geofence.contact import boxes_about
from geofence.track import pieces_of
from geofence.zoneset import ZoneSet
from missions.contingency import ContingencyPolicy
from missions.errors import RequestError
from missions.formats.qgc_plan import read_plan
from missions.formats.waypoints import read_waypoints
from missions.model import AirMission, GroundMission, Mission
from missions.plan_flown import DEFAULT_FLIGHT_RULES, FlightRules, FlownLeg, flown_legs
from missions.plan_reasons import Reason
from missions.validate import FlightChecks, RoundChecks, air_used, validate_flight, validate_round
from missions.validate_round import round_path

_ENOUGH = 1e9


@dataclass(frozen=True, slots=True)
class Inspection:
    """A mission as it was looked at. `legs` is empty for a ground mission."""

    mission: Mission
    legs: tuple[FlownLeg, ...]
    own: FlightPath
    """What the mission itself uses."""
    spare: FlightPath
    """What its contingencies may use beside."""
    zones: ZoneSet
    surroundings: Surroundings
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    """What is against it beside zones: envelope, energy, load."""

    @property
    def allowed(self) -> bool:
        """Whether nothing is against it."""
        return self.verdict.allowed and not self.reasons

    @property
    def told(self) -> tuple[Violation, ...]:
        """One violation a leg and zone."""
        return told_once(self.verdict.violations)


@dataclass(frozen=True, slots=True)
class FileChecks:
    """What is asked of a mission file beside the zones; heights in metres, speeds in m/s."""

    depart_at: datetime
    home_amsl_m: float | None = None
    """In the place of the file's."""
    speed_mps: float = 10.0
    corridor_m: float | None = None
    rtl_alt_m: float = 15.0
    permits: frozenset[str] = frozenset()
    avoidance: bool = False
    most_pairs: int | None = None
    """Most pairs of leg and zone near each other that are checked over a terrain or geoid grid."""

    @property
    def rules(self) -> FlightRules:
        """The flight rules that these settings mean."""
        return replace(
            DEFAULT_FLIGHT_RULES,
            fixed_corridor_m=self.corridor_m,
            rtl_alt_home_m=self.rtl_alt_m,
        )

    @property
    def flight(self) -> FlightChecks:
        """The same for the flight; load and energy are not asked, for a file tells neither."""
        return FlightChecks(
            depart_at=self.depart_at,
            loads={},
            max_payload_kg=_ENOUGH,
            usable_energy_wh=_ENOUGH,
            available_energy_wh=_ENOUGH,
            speed_mps=self.speed_mps,
            rules=self.rules,
            permits=self.permits,
            policy=ContingencyPolicy(avoidance_verified=self.avoidance),
        )


def read_mission(data: bytes, name: str) -> AirMission:
    """A .plan or .waypoints file, told apart by its content. Raises MissionFileError."""
    read = read_waypoints if data.lstrip().startswith(b"QGC WPL") else read_plan
    return read(data, mission_id=name, vehicle_id="")


def inspect_file(
    mission: AirMission, asked: FileChecks, zones: ZoneSet, surroundings: Surroundings
) -> Inspection:
    """A mission of another tool against the zones. Raises RequestError, GeofenceError."""
    if asked.home_amsl_m is not None:
        mission = replace(mission, home_amsl_m=asked.home_amsl_m)
    return _flight(mission, asked.flight, zones, surroundings, most_pairs=asked.most_pairs)


def inspect_flight(
    mission: AirMission, checks: FlightChecks, zones: ZoneSet, surroundings: Surroundings
) -> Inspection:
    """A planned flight against zones, envelope and energy. Raises RequestError, GeofenceError."""
    seen = _flight(mission, checks, zones, surroundings)
    found = validate_flight(mission, checks, zones, surroundings)
    return replace(seen, reasons=tuple(r for r in found.reasons if not r.zone_id))


def inspect_round(
    mission: GroundMission, checks: RoundChecks, zones: ZoneSet, surroundings: Surroundings
) -> Inspection:
    """A planned round against zones, load and energy. Raises RequestError where it has no form."""
    path = round_path(mission, checks, surroundings)
    if path is None:
        raise RequestError("edges", f"mission {mission.mission_id} is no round on the street graph")
    found = validate_round(mission, checks, zones, surroundings)
    return Inspection(
        mission=mission,
        legs=(),
        own=path,
        spare=replace(path, legs=(), discs=()),
        zones=zones,
        surroundings=surroundings,
        verdict=found.verdict or check(path, zones, surroundings),
        reasons=tuple(r for r in found.reasons if not r.zone_id),
    )


def _flight(
    mission: AirMission,
    checks: FlightChecks,
    zones: ZoneSet,
    surroundings: Surroundings,
    *,
    most_pairs: int | None = None,
) -> Inspection:
    legs = flown_legs(
        mission,
        loads=checks.loads,
        speed_mps=checks.speed_mps,
        model=checks.model,
        rules=checks.rules,
    )
    own, spare = air_used(mission, legs, checks, surroundings)
    everything = replace(own, legs=own.legs + spare.legs, discs=own.discs + spare.discs)
    if most_pairs is not None:
        _refuse_more(everything, zones, surroundings, most_pairs)
    verdict = check(everything, zones, surroundings)
    return Inspection(mission, legs, own, spare, zones, surroundings, verdict)


def _refuse_more(
    path: FlightPath, zones: ZoneSet, surroundings: Surroundings, most_pairs: int
) -> None:
    """Over a grid each leg is looked at piece by piece for each zone: bound it, flat is quick."""
    if surroundings.terrain is None and surroundings.geoid is None:
        return
    pieces = pieces_of(path)
    far_m = np.maximum(pieces.reach_m, CLEARANCE_HORIZON_M)
    pairs = len(zones.near(boxes_about(pieces, far_m))[0])
    if pairs > most_pairs:
        raise RequestError(
            "mission",
            f"{pairs} pairs of leg and zone lie near each other over the terrain grid, over the "
            f"limit of {most_pairs}: check the mission in parts, give it a return path of its own, "
            "or use `waypost mission check` with a flat ground",
        )


def told_once(violations: Iterable[Violation]) -> tuple[Violation, ...]:
    """One violation for each leg and zone, at its deepest, in the order of the flight."""
    return tuple(deepest(each) for each in by_leg_and_zone(violations))


def by_leg_and_zone(violations: Iterable[Violation]) -> list[list[Violation]]:
    """Violations of one leg and zone together, in the order of the flight; reads no more of them.

    How deep each is may take a while to work out where there are thousands.
    """
    found: dict[tuple[int, str, str], list[Violation]] = {}
    for violation in violations:
        key = violation.index, violation.label, violation.zone_id
        found.setdefault(key, []).append(violation)
    return sorted(found.values(), key=lambda each: each[0].index)


def deepest(violations: Sequence[Violation]) -> Violation:
    """The first of the deepest."""
    return max(violations, key=lambda each: each.depth_m)
