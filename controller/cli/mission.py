"""`waypost mission check`: a mission of another tool against a file of zones.

Owns what is read, what is told and the exit status. The check itself is geofence's, the air that a
mission and its contingencies use is missions'.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from controller.cli import output
from controller.cli.client import EXIT_INPUT, EXIT_REFUSED, CliError, Fault
from geofence.check import Surroundings, Violation
from geofence.errors import GeofenceError, ZoneFileError
from geofence.formats import read_any
from geofence.frames import LatLon
from geofence.zones import Zone
from geofence.zoneset import ZoneSet
from missions.errors import MissionFileError, RequestError
from missions.formats.picture_json import fault_json, violation_json
from missions.inspect import FileChecks, Inspection, inspect_file, read_mission
from missions.model import AirMission
from missions.picture import Fault as Drawn
from missions.picture import Picture, picture_of
from missions.zone_text import heights, times


@dataclass(frozen=True, slots=True)
class Asked:
    """The command's options; heights in metres, `depart_at` ISO or empty for now."""

    file: Path
    zones: Path
    more_zones: tuple[Path, ...] = ()
    """Further files of zones, read with the same profile."""
    profile: str = "waypost"
    timezone: str | None = None
    """Of times in the zones that have no offset."""
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


def check_file(asked: Asked) -> None:
    """Check, tell, draw; ends with exit status 1 where the mission is not allowed."""
    picture = picture_of(judge(asked), asked.file.name)
    if asked.png is not None:
        _draw(asked.png, picture)
    if asked.as_json:
        output.print_json(_as_json(asked, picture))
    else:
        _tell(asked, picture)
    if not picture.allowed:
        raise typer.Exit(EXIT_REFUSED)


def judge(asked: Asked) -> Inspection:
    """Read both files and check the mission. Raises CliError where one cannot be understood."""
    zones = ZoneSet(_zones(asked))
    mission = _mission(asked.file)
    checks = FileChecks(
        depart_at=_departure(asked.depart_at),
        home_amsl_m=asked.home_amsl_m,
        speed_mps=asked.speed_mps,
        corridor_m=asked.corridor_m,
        rtl_alt_m=asked.rtl_alt_m,
        permits=asked.permits,
        avoidance=asked.avoidance,
    )
    try:
        surroundings = Surroundings(asked.ground_amsl_m, asked.geoid_m)
        return inspect_file(mission, checks, zones, surroundings)
    except (GeofenceError, RequestError) as error:
        raise CliError(
            f"{asked.file}: {error}",
            status=EXIT_INPUT,
            next_step="correct the item named; nothing was checked",
        ) from error


def _bytes(file: Path, what: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CliError(
            f"{file}: {error.strerror}",
            status=EXIT_INPUT,
            next_step=f"name {what} that can be read",
        ) from error


def _zones(asked: Asked) -> list[Zone]:
    found: list[Zone] = []
    for file in (asked.zones, *asked.more_zones):
        found.extend(_zones_of(file, asked))
    return found


def _zones_of(file: Path, asked: Asked) -> tuple[Zone, ...]:
    data = _bytes(file, "a file of zones")
    try:
        return read_any(data, file.name, profile=asked.profile, timezone=asked.timezone)
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
            str(error), status=EXIT_INPUT, next_step="name one of them with --profile or --timezone"
        ) from error


def _mission(file: Path) -> AirMission:
    try:
        return read_mission(_bytes(file, "a .plan or .waypoints file"), file.stem)
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


def _place(place: LatLon) -> str:
    return f"{place.lat_deg:.6f}, {place.lon_deg:.6f}"


def _tell(asked: Asked, picture: Picture) -> None:
    verdict = picture.seen.verdict
    typer.echo(f"{asked.file}: {picture.subtitle}")
    if picture.allowed:
        near = ""
        if verdict.clearance_m is not None:
            near = f"; the line passes {verdict.nearest_zone_id} at {verdict.clearance_m:.1f} m"
        typer.echo(f"allowed{near}")
    else:
        count = len(picture.faults) + picture.faults_left_out
        typer.echo(f"NOT ALLOWED: {count} violation(s)")
        for fault in picture.faults:
            _tell_fault(picture, fault)
        if picture.faults_left_out:
            typer.echo(f"and {picture.faults_left_out} more, on these legs and later ones")
        _advise(picture)
    for violation in picture.advisories:
        typer.echo(f"advisory: {violation.label} {_reason(violation)}")
    if asked.png is not None:
        typer.echo(f"drawn into {asked.png}")


def _tell_fault(picture: Picture, fault: Drawn) -> None:
    violation = fault.violation
    zone = picture.seen.zones.get(violation.zone_id)
    where = f" ({fault.where} of the file)" if fault.where else ""
    typer.echo(f"{fault.number:3}  {violation.label}{where}")
    limits = "" if zone is None else f"; it applies {times(zone.schedule)}, {heights(zone)}"
    typer.echo(f"     {_reason(violation)}{limits}")
    typer.echo(f"     in at {_place(violation.entry)}, out at {_place(violation.exit)}")


def _reason(violation: Violation) -> str:
    """The reason without the leg that it begins with."""
    _, mark, rest = violation.reason.partition(f"({violation.label}) ")
    return rest if mark else violation.reason


def _advise(picture: Picture) -> None:
    if any(not fault.own for fault in picture.faults):
        typer.echo(
            "next: let the mission carry a return path of its own (DO_RETURN_PATH_START, then the "
            "way out in reverse), or verify the vehicle's avoidance and say --avoidance"
        )
    elif picture.faults:
        typer.echo(
            "next: lead the legs named round their zones or over them, or fly when the zones do "
            "not apply (--at); a permit that is held is named with --permit"
        )


def _draw(file: Path, picture: Picture) -> None:
    from controller.cli.draw import draw

    try:
        draw(picture, file)
    except OSError as error:
        raise CliError(
            f"{file}: {error.strerror or error}",
            status=EXIT_INPUT,
            next_step="name a file that can be written with --png",
        ) from error


def _as_json(asked: Asked, picture: Picture) -> dict[str, Any]:
    seen, verdict = picture.seen, picture.seen.verdict
    return {
        "file": str(asked.file),
        "allowed": picture.allowed,
        "zones_version": verdict.zones_version,
        "clearance_m": verdict.clearance_m,
        "nearest_zone_id": verdict.nearest_zone_id,
        "length_m": round(sum(leg.length_m for leg in seen.legs), 1),
        "duration_s": round(seen.legs[-1].end_s, 1),
        "violations": [fault_json(fault) for fault in picture.faults],
        "violations_left_out": picture.faults_left_out,
        "advisories": [violation_json(each) for each in picture.advisories],
        "png": None if asked.png is None else str(asked.png),
    }
