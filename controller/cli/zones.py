"""The commands about zones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from controller.cli import output
from controller.cli.client import EXIT_INPUT, Client, CliError, Fault, at
from geofence.diff import ZoneSetDiff
from geofence.diff import diff as compare
from geofence.errors import GeofenceError, ZoneFileError
from geofence.formats import NOT_UNDERSTOOD, Unknown, read_any
from geofence.zones import Zone
from geofence.zoneset import ZoneSet


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CliError(
            f"{file}: {error.strerror}",
            status=EXIT_INPUT,
            next_step="name a file of zones that can be read",
        ) from error


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is to be read."""

    form: str = "auto"
    profile: str = "waypost"
    unknown: Unknown = "refuse"
    timezone: str | None = None
    """Of times without an offset."""


def _checked(file: Path, how: Reading) -> tuple[bytes, tuple[Zone, ...]]:
    data = _read(file)
    try:
        zones = read_any(
            data,
            file.name,
            form=how.form,
            profile=how.profile,
            unknown=how.unknown,
            timezone=how.timezone,
        )
    except ZoneFileError as error:
        faults = tuple(Fault(e.field, e.reason, f"feature {e.feature}") for e in error.errors)
        raise CliError(
            f"{file}: {len(faults)} fault(s)",
            status=EXIT_INPUT,
            next_step="correct the features named, or have their areas forbidden with "
            "--unknown forbid; nothing was imported",
            faults=faults,
        ) from error
    except ValueError as error:
        raise CliError(
            str(error),
            status=EXIT_INPUT,
            next_step="name one of them with --format, --profile or --timezone",
        ) from error
    return data, zones


def _forbidden(zones: tuple[Zone, ...]) -> list[str]:
    return [zone.zone_id for zone in zones if zone.note.startswith(NOT_UNDERSTOOD)]


def check(file: Path, *, how: Reading, as_json: bool) -> None:
    """Read a file as the controller would."""
    _, zones = _checked(file, how)
    forbidden = _forbidden(zones)
    if as_json:
        output.print_json(
            {"file": str(file), "zones": len(zones), "ok": True, "forbidden": forbidden}
        )
        return
    typer.echo(f"{file}: {len(zones)} zones, {'no fault' if not forbidden else 'some forbidden'}")
    for zone_id in forbidden:
        typer.echo(f"  {zone_id}: not understood, taken as forbidden")


def diff(old: Path, new: Path, *, profile: str, as_json: bool) -> None:
    """Compare two files, zone by zone."""
    changes = compare(_zone_set(old, profile), _zone_set(new, profile))
    if as_json:
        output.print_json(_told(changes))
        return
    rows = [("added", zone.zone_id, zone.name, "") for zone in changes.added]
    rows += [("removed", zone.zone_id, zone.name, "") for zone in changes.removed]
    rows += [
        ("changed", each.after.zone_id, each.after.name, ", ".join(each.fields))
        for each in changes.changed
    ]
    if rows:
        output.console().print(output.table("", ("", "zone", "name", "what"), rows))
    typer.echo(
        f"{len(changes.added)} added, {len(changes.removed)} removed, "
        f"{len(changes.changed)} changed; version {changes.old.version} to {changes.new.version}"
    )


def _zone_set(file: Path, profile: str) -> ZoneSet:
    _, zones = _checked(file, Reading(profile=profile))
    try:
        return ZoneSet(zones)
    except GeofenceError as error:
        raise CliError(
            f"{file}: {error}", status=EXIT_INPUT, next_step="correct the zone named"
        ) from error


def _told(changes: ZoneSetDiff) -> dict[str, Any]:
    return {
        "old": changes.old.version,
        "new": changes.new.version,
        "added": [zone.zone_id for zone in changes.added],
        "removed": [zone.zone_id for zone in changes.removed],
        "changed": [
            {"id": each.after.zone_id, "fields": list(each.fields)} for each in changes.changed
        ],
    }


def import_zones(file: Path, *, how: Reading, url: str, as_json: bool) -> None:
    """PUT a file's zones in the place of those in force."""
    data, zones = _checked(file, how)
    params: dict[str, str] = {
        "profile": how.profile,
        "format": how.form,
        "unknown": how.unknown,
    }
    if how.timezone is not None:
        params["timezone"] = how.timezone
    with Client(url) as client:
        told = client.put(at("v1", "zones"), data, **params)
    if as_json:
        output.print_json(told)
        return
    typer.echo(f"{told['zones']} zones are in force, version {told['version']}")
    for zone_id in _forbidden(zones):
        typer.echo(f"  {zone_id}: not understood, taken as forbidden")


def _limit(value: dict[str, Any] | None) -> str:
    return f"{value['value_m']:g} m {value['datum']}" if value else "—"


def list_zones(*, url: str, as_json: bool) -> None:
    """GET the zones in force."""
    with Client(url) as client:
        collection = client.get(at("v1", "zones"))
    if as_json:
        output.print_json(collection)
        return
    rows = []
    for feature in collection["features"]:
        p = feature["properties"]
        rows.append(
            (
                str(p.get("id") or feature.get("id", "")),
                str(p.get("name", "")),
                str(p["kind"]).replace("_", " "),
                _limit(p.get("floor")),
                _limit(p.get("ceiling")),
                ", ".join(p.get("classes") or ["all"]),
            )
        )
    columns = ("zone", "name", "kind", "floor", "ceiling", "binds")
    output.console().print(output.table("", columns, rows))
