"""The commands about zones: import, list, check, diff."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from controller.cli import output
from controller.cli.client import EXIT_INPUT, Client, CliError, Fault, at
from geofence.diff import Changed, ZoneSetDiff
from geofence.diff import diff as compare
from geofence.errors import GeofenceError, ZoneError, ZoneFileError
from geofence.formats import NOT_UNDERSTOOD, Unknown, read_any
from geofence.zones import Zone, ZoneKind
from geofence.zoneset import ZoneSet
from missions.zone_text import KINDS, heights, limit, times

COLUMNS = ("zone", "name", "kind", "heights", "times", "binds")


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


def _checked(file: Path, how: Reading, *, ending: str) -> tuple[bytes, ZoneSet]:
    """A file as the controller would take it; `ending` is what did not happen where it is not."""
    data = _read(file)
    try:
        return data, _zone_set(data, file.name, how)
    except ZoneFileError as error:
        raise _refused(file, error.errors, how, ending) from error
    except ZoneError as error:
        raise _refused(file, (error,), how, ending) from error
    except GeofenceError as error:
        raise CliError(
            f"{file}: {error}", status=EXIT_INPUT, next_step=f"correct the zone named; {ending}"
        ) from error
    except ValueError as error:
        raise CliError(
            str(error),
            status=EXIT_INPUT,
            next_step="name one of them with --format, --profile or --timezone",
        ) from error


def _zone_set(data: bytes, name: str, how: Reading) -> ZoneSet:
    zones = read_any(
        data,
        name,
        form=how.form,
        profile=how.profile,
        unknown=how.unknown,
        timezone=how.timezone,
    )
    return ZoneSet(zones)


def _refused(file: Path, errors: Sequence[ZoneError], how: Reading, ending: str) -> CliError:
    steps = "correct the features named, or have their areas forbidden with --unknown forbid"
    if _other_profile(errors) and how.profile == "waypost":
        steps = (
            "if the file is not written for Waypost, name how it is with --profile; else correct"
        )
        steps += " the features named"
    return CliError(
        f"{file}: {len(errors)} fault(s)",
        status=EXIT_INPUT,
        next_step=f"{steps}; {ending}",
        faults=tuple(Fault(e.field, e.reason, f"feature {e.feature}") for e in errors),
    )


def _other_profile(errors: Sequence[ZoneError]) -> bool:
    """Whether what is amiss is the same from feature to feature: then it is the way it is read."""
    same = Counter((e.field, e.reason) for e in errors)
    return len(errors) > 2 and len(same) * 2 < len(errors)


def _forbidden(zones: Iterable[Zone]) -> list[str]:
    return [zone.zone_id for zone in zones if zone.note.startswith(NOT_UNDERSTOOD)]


def _kinds(zones: Iterable[Zone]) -> dict[str, int]:
    counts = Counter(zone.kind for zone in zones)
    return {kind.value: counts[kind] for kind in ZoneKind if counts[kind]}


def _count(zones: ZoneSet) -> str:
    kinds = ", ".join(f"{n} {kind.replace('_', '-')}" for kind, n in _kinds(zones).items())
    words = f"{len(zones)} zone{'' if len(zones) == 1 else 's'}"
    return f"{words}: {kinds}" if kinds else words


def check(file: Path, *, how: Reading, as_json: bool) -> None:
    """Read a file as the controller would."""
    _, zones = _checked(file, how, ending="as it is, an import would refuse it")
    forbidden = _forbidden(zones)
    if as_json:
        output.print_json(
            {
                "file": str(file),
                "ok": True,
                "zones": len(zones),
                "kinds": _kinds(zones),
                "version": zones.version,
                "forbidden": forbidden,
            }
        )
        return
    typer.echo(f"{file}: {_count(zones)}; {'no fault' if not forbidden else 'some forbidden'}")
    _tell_forbidden(forbidden)


def _tell_forbidden(zone_ids: Iterable[str]) -> None:
    for zone_id in zone_ids:
        typer.echo(f"  {zone_id}: not understood, taken as forbidden")


def diff(old: Path, new: Path | None, *, how: Reading, url: str, as_json: bool) -> None:
    """Compare two files, zone by zone; with one, the zones in force with that file."""
    ending = "nothing was compared"
    if new is None:
        before, after = _in_force(url), _checked(old, how, ending=ending)[1]
    else:
        before, after = (_checked(file, how, ending=ending)[1] for file in (old, new))
    changes = compare(before, after)
    if as_json:
        output.print_json(_told(changes))
        return
    rows = [("+ added", zone.zone_id, zone.name, _short(zone)) for zone in changes.added]
    rows += [("- removed", zone.zone_id, zone.name, _short(zone)) for zone in changes.removed]
    rows += [
        ("~ changed", each.after.zone_id, each.after.name, _changed(each))
        for each in changes.changed
    ]
    if rows:
        output.console().print(output.table("", ("", "zone", "name", "what"), rows))
    typer.echo(
        f"{len(changes.added)} added, {len(changes.removed)} removed, "
        f"{len(changes.changed)} changed; version {changes.old.version} to {changes.new.version}"
    )


def _in_force(url: str) -> ZoneSet:
    with Client(url) as client:
        data = json.dumps(client.get(at("v1", "zones"))).encode()
    return _zone_set(data, "zones.geojson", Reading("geojson"))


def _short(zone: Zone) -> str:
    return f"{KINDS[zone.kind]}, {heights(zone)}"


def _changed(each: Changed) -> str:
    return "; ".join(_change(each, field) for field in each.fields)


def _change(each: Changed, field: str) -> str:
    """What has become of a field; shapes and notes only that they have changed."""
    before, after = getattr(each.before, field), getattr(each.after, field)
    match field:
        case "floor" | "ceiling":
            return f"{field} {limit(before)} to {limit(after)}"
        case "kind":
            return f"{KINDS[before]} to {KINDS[after]}"
        case "schedule":
            return f"{times(before)} to {times(after)}"
        case "name" | "permit" | "min_mass_kg" | "max_speed_mps" | "electric_exempt":
            return f"{field.replace('_', ' ')} {before or 'none'} to {after or 'none'}"
        case "area":
            return "outline"
        case _:
            return field


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
    data, zones = _checked(file, how, ending="nothing was imported")
    params = {"profile": how.profile, "format": how.form, "unknown": how.unknown}
    if how.timezone is not None:
        params["timezone"] = how.timezone
    with Client(url) as client:
        told = client.put(at("v1", "zones"), data, **params)
    if as_json:
        output.print_json(told)
        return
    typer.echo(f"in force now: {_count(zones)}; version {told['version']}")
    _tell_forbidden(_forbidden(zones))


def list_zones(file: Path | None, *, how: Reading, url: str, as_json: bool) -> None:
    """The zones of a file, or those in force, as a table; as JSON in the GeoJSON of the API."""
    if file is not None:
        zones = _checked(file, how, ending="nothing was listed")[1]
    else:
        zones = _in_force(url)
    if as_json:
        from geofence.formats.geojson import write_zones

        output.print_json(dict(write_zones(zones.zones)))
        return
    if len(zones):
        table = output.table("", COLUMNS, [_row(zone) for zone in zones])
        # an id that is broken over lines cannot be searched for
        table.columns[0].no_wrap = True
        output.console().print(table)
    typer.echo(f"{_count(zones)}; version {zones.version}")


def _row(zone: Zone) -> tuple[str, ...]:
    kind = KINDS[zone.kind]
    if zone.permit:
        kind += f", permit {zone.permit}"
    if zone.max_speed_mps:
        kind += f", at most {zone.max_speed_mps:g} m/s"
    binds = ", ".join(sorted(zone.classes)) or "all"
    if zone.surfaces:
        binds += f" on {', '.join(sorted(zone.surfaces))}"
    if zone.min_mass_kg:
        binds += f", from {zone.min_mass_kg:g} kg"
    if zone.electric_exempt:
        binds += ", not electric"
    return zone.zone_id, zone.name, kind, heights(zone), times(zone.schedule), binds
