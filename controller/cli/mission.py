"""`waypost mission check`: a mission of another tool against a file of zones.

Owns what is read, what is told and the exit status. The check itself is geofence's, the air that a
mission and its contingencies use is missions'.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from controller.cli import output
from controller.cli.client import EXIT_INPUT, EXIT_REFUSED, CliError, Fault
from geofence.check import FlightPath, Surroundings, Verdict, Violation, check
from geofence.errors import GeofenceError, ZoneFileError
from geofence.formats import read_any
from geofence.frames import LatLon
from geofence.zones import ZoneKind
from geofence.zoneset import ZoneSet
from missions.contingency import ContingencyPolicy
from missions.errors import MissionFileError, RequestError
from missions.formats.qgc_plan import read_plan
from missions.formats.waypoints import read_waypoints
from missions.model import AirMission
from missions.plan_flown import DEFAULT_FLIGHT_RULES, FlightRules, FlownLeg, flown_legs
from missions.plan_reasons import zone_words
from missions.validate import FlightChecks, air_used

_ENOUGH = 1e9


@dataclass(frozen=True, slots=True)
class Asked:
    """The command's options; heights in metres, `depart_at` ISO or empty for now."""

    file: Path
    zones: Path
    profile: str = "waypost"
    home_amsl_m: float | None = None
    ground_amsl_m: float | None = None
    geoid_m: float | None = None
    speed_mps: float = 10.0
    corridor_m: float | None = None
    rtl_alt_m: float = 15.0
    depart_at: str = ""
    permits: frozenset[str] = frozenset()
    avoidance: bool = False
    png: Path | None = None
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """A mission as it was checked."""

    mission: AirMission
    legs: tuple[FlownLeg, ...]
    own: FlightPath
    spare: FlightPath
    rules: FlightRules
    zones: ZoneSet
    surroundings: Surroundings
    verdict: Verdict


def check_file(asked: Asked) -> None:
    """Check, tell, draw; ends with exit status 1 where the mission is not allowed."""
    checked = judge(asked)
    told = told_once(checked.verdict.violations)
    if asked.png is not None:
        _draw(asked, asked.png, checked, told)
    if asked.as_json:
        output.print_json(_as_json(asked, checked, told))
    else:
        _tell(asked, checked, told)
    if not checked.verdict.allowed:
        raise typer.Exit(EXIT_REFUSED)


def judge(asked: Asked) -> Checked:
    """Read both files and check the mission. Raises CliError where one cannot be understood."""
    zones = ZoneSet(_zones(asked.zones, asked.profile))
    mission = _mission(asked.file)
    if asked.home_amsl_m is not None:
        mission = replace(mission, home_amsl_m=asked.home_amsl_m)
    rules = replace(
        DEFAULT_FLIGHT_RULES,
        fixed_corridor_m=asked.corridor_m,
        rtl_alt_home_m=asked.rtl_alt_m,
    )
    checks = FlightChecks(
        depart_at=_departure(asked.depart_at),
        loads={},
        max_payload_kg=_ENOUGH,
        usable_energy_wh=_ENOUGH,
        available_energy_wh=_ENOUGH,
        speed_mps=asked.speed_mps,
        rules=rules,
        permits=asked.permits,
        policy=ContingencyPolicy(avoidance_verified=asked.avoidance),
    )
    try:
        surroundings = Surroundings(asked.ground_amsl_m, asked.geoid_m)
        legs = flown_legs(
            mission, loads={}, speed_mps=checks.speed_mps, model=checks.model, rules=rules
        )
        own, spare = air_used(mission, legs, checks, surroundings)
        everything = replace(own, legs=own.legs + spare.legs, discs=own.discs + spare.discs)
        verdict = check(everything, zones, surroundings)
    except (GeofenceError, RequestError) as error:
        raise CliError(
            f"{asked.file}: {error}",
            status=EXIT_INPUT,
            next_step="correct the item named; nothing was checked",
        ) from error
    return Checked(mission, legs, own, spare, rules, zones, surroundings, verdict)


def told_once(violations: Iterable[Violation]) -> tuple[Violation, ...]:
    """One violation for each leg and zone, at its deepest, in the order of the flight."""
    deepest: dict[tuple[int, str, str], Violation] = {}
    for violation in violations:
        key = violation.index, violation.label, violation.zone_id
        known = deepest.get(key)
        if known is None or violation.depth_m > known.depth_m:
            deepest[key] = violation
    return tuple(sorted(deepest.values(), key=lambda each: each.index))


def _bytes(file: Path, what: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CliError(
            f"{file}: {error.strerror}",
            status=EXIT_INPUT,
            next_step=f"name {what} that can be read",
        ) from error


def _zones(file: Path, profile: str) -> Any:
    data = _bytes(file, "a file of zones")
    try:
        return read_any(data, file.name, profile=profile)
    except ZoneFileError as error:
        faults = tuple(Fault(e.field, e.reason, f"feature {e.feature}") for e in error.errors)
        raise CliError(
            f"{file}: {len(faults)} fault(s)",
            status=EXIT_INPUT,
            next_step="correct the features named; nothing was checked",
            faults=faults,
        ) from error
    except ValueError as error:
        raise CliError(
            str(error), status=EXIT_INPUT, next_step="name one of them with --profile"
        ) from error


def _mission(file: Path) -> AirMission:
    data = _bytes(file, "a .plan or .waypoints file")
    read = read_waypoints if data.lstrip().startswith(b"QGC WPL") else read_plan
    try:
        return read(data, mission_id=file.stem, vehicle_id="")
    except MissionFileError as error:
        raise CliError(
            f"{file}: {error}",
            status=EXIT_INPUT,
            next_step="correct the item named; nothing was checked",
        ) from error


def _departure(text: str) -> datetime:
    if not text:
        return datetime.now(UTC)
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise CliError(
            f"--at {text}: not an ISO time",
            status=EXIT_INPUT,
            next_step="write it as 2026-06-01T12:00+03:00",
        ) from error
    if at.tzinfo is None:
        raise CliError(
            f"--at {text}: it has no time zone",
            status=EXIT_INPUT,
            next_step="add the offset from UTC, as in 2026-06-01T12:00+03:00",
        )
    return at


def _subtitle(checked: Checked) -> str:
    length_m = sum(leg.length_m for leg in checked.legs)
    widths = sorted({round(leg.corridor_m, 1) for leg in checked.own.legs})
    corridor = (
        " to ".join(f"{w:g}" for w in dict.fromkeys((widths[0], widths[-1]))) if widths else "0"
    )
    minutes, seconds = divmod(round(checked.legs[-1].end_s), 60)
    return (
        f"{len(checked.mission.items)} items, {length_m / 1000:.2f} km, {minutes} min {seconds} s; "
        f"corridor {corridor} m either side; {len(checked.zones)} zones, "
        f"version {checked.zones.version}"
    )


def _where(mission: AirMission, violation: Violation) -> str:
    return mission.items[violation.index].label


def _place(place: LatLon) -> str:
    return f"{place.lat_deg:.6f}, {place.lon_deg:.6f}"


def _tell(asked: Asked, checked: Checked, told: tuple[Violation, ...]) -> None:
    typer.echo(f"{asked.file}: {_subtitle(checked)}")
    if checked.verdict.allowed:
        near = ""
        if checked.verdict.clearance_m is not None:
            near = (
                f"; the line passes {checked.verdict.nearest_zone_id} "
                f"at {checked.verdict.clearance_m:.1f} m"
            )
        typer.echo(f"allowed{near}")
    else:
        typer.echo(f"not allowed: {len(told)} violation(s)")
        rows = [
            (
                str(number),
                v.label,
                _where(checked.mission, v),
                _zone_words(checked.zones, v),
                _place(v.entry),
                _place(v.exit),
                f"{v.depth_m:.1f} m",
            )
            for number, v in enumerate(told, 1)
        ]
        columns = ("", "leg", "in the file", "zone", "entry", "exit", "depth")
        output.console().print(output.table("", columns, rows))
        for number, violation in enumerate(told, 1):
            typer.echo(f"{number}: {violation.reason}")
        _advise(told)
    for violation in told_once(checked.verdict.advisories):
        typer.echo(f"advisory: {violation.reason}")
    if asked.png is not None:
        typer.echo(f"drawn into {asked.png}")


def _advise(told: tuple[Violation, ...]) -> None:
    if any(v.label.startswith(("straight return", "landing in place", "return to")) for v in told):
        typer.echo(
            "next: let the mission carry a return path of its own (DO_RETURN_PATH_START, then the "
            "way out in reverse), or verify the vehicle's avoidance and say --avoidance"
        )


def _zone_words(zones: ZoneSet, violation: Violation) -> str:
    zone = zones.get(violation.zone_id)
    return violation.zone_id if zone is None else zone_words(zone)


def _draw(asked: Asked, file: Path, checked: Checked, told: tuple[Violation, ...]) -> None:
    from controller.cli.draw import draw
    from controller.cli.draw_scene import Scene

    scene = Scene(
        title=asked.file.name,
        subtitle=_subtitle(checked),
        mission=checked.mission,
        own=checked.own,
        spare=checked.spare,
        zones=checked.zones,
        surroundings=checked.surroundings,
        verdict=checked.verdict,
        violations=told,
    )
    try:
        draw(scene, file)
    except OSError as error:
        raise CliError(
            f"{file}: {error.strerror or error}",
            status=EXIT_INPUT,
            next_step="name a file that can be written with --png",
        ) from error


def _as_json(asked: Asked, checked: Checked, told: tuple[Violation, ...]) -> dict[str, Any]:
    verdict = checked.verdict
    return {
        "file": str(asked.file),
        "allowed": verdict.allowed,
        "zones_version": verdict.zones_version,
        "clearance_m": verdict.clearance_m,
        "nearest_zone_id": verdict.nearest_zone_id,
        "length_m": round(sum(leg.length_m for leg in checked.legs), 1),
        "duration_s": round(checked.legs[-1].end_s, 1),
        "violations": [_violation_json(checked.mission, v) for v in told],
        "advisories": [_violation_json(checked.mission, v) for v in told_once(verdict.advisories)],
        "png": None if asked.png is None else str(asked.png),
    }


def _violation_json(mission: AirMission, violation: Violation) -> dict[str, Any]:
    kind: ZoneKind = violation.kind
    return {
        "zone_id": violation.zone_id,
        "zone_name": violation.zone_name,
        "kind": kind.value,
        "item": violation.index,
        "where": _where(mission, violation),
        "leg": violation.label,
        "entry": {"lat_deg": violation.entry.lat_deg, "lon_deg": violation.entry.lon_deg},
        "exit": {"lat_deg": violation.exit.lat_deg, "lon_deg": violation.exit.lon_deg},
        "depth_m": round(violation.depth_m, 2),
        "reason": violation.reason,
    }
