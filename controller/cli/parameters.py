"""`waypost fleet params`: every parameter of a vehicle, to a file or against another.

Owns the command. Forms and comparison are `param_files`'.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from controller.cli import output, param_files
from controller.cli.client import EXIT_INPUT, EXIT_REFUSED, Client, CliError, Fault, at
from controller.cli.param_files import Difference, Held, Number

EXIT_USAGE = 2
MAX_FILE_BYTES = 4_000_000


def params(
    vehicle: str,
    *,
    out: Path | None,
    diff: Path | None,
    diff_vehicle: str,
    url: str,
    as_json: bool,
) -> None:
    """GET the parameters; exit status 1 where they could not be read or something differs."""
    if diff is not None and diff_vehicle:
        raise CliError(
            "params: compare with a file or with a vehicle, not with both",
            status=EXIT_USAGE,
            next_step="leave out --diff or --diff-vehicle",
        )
    # a file that cannot be read is told before the vehicle is asked
    text = _text(diff) if diff is not None else ""
    with Client(url) as client:
        read = _get(client, vehicle)
        other = _get(client, diff_vehicle) if diff_vehicle else None
    if diff is not None:
        there: dict[str, Number | None] = dict(_values(diff, text, read["component"]))
    else:
        there = {p["name"]: p["value"] for p in other["parameters"]} if other else {}
    if out is not None:
        _write(out, read)
    against = diff_vehicle or (str(diff) if diff else "")
    if against:
        _compare(read, against, there, as_json=as_json)
    elif as_json:
        output.print_json(read)
    elif out is None:
        typer.echo(_file(".param", read), nl=False)
    else:
        typer.echo(f"{vehicle}: {len(read['parameters'])} parameters in {out}")


def _get(client: Client, vehicle: str) -> dict[str, Any]:
    read: dict[str, Any] = client.get(at("v1", "vehicles", vehicle, "parameters"))
    if read["read_at"] is None:
        raise CliError(
            f"{vehicle}: not read: {read['reason']}",
            status=EXIT_REFUSED,
            next_step="'waypost vehicles' shows its link and phase",
        )
    return read


def _file(form: str, read: dict[str, Any]) -> str:
    held = [Held(p["name"], p["kind"], p["value"]) for p in read["parameters"]]
    title = f"{read['vehicle_id']}, read {read['read_at']}"
    address = {"system": read["system"], "component": read["component"]}
    return param_files.write(form, held, title=title, **address)


def _write(out: Path, read: dict[str, Any]) -> None:
    try:
        out.write_text(_file(out.suffix, read), encoding="utf-8")
    except OSError as error:
        raise CliError(
            f"{out}: {error.strerror}", status=EXIT_INPUT, next_step="name a file to write"
        ) from error


def _text(file: Path) -> str:
    try:
        data = file.read_bytes()
        if len(data) > MAX_FILE_BYTES:
            raise CliError(
                f"{file}: {len(data)} bytes are too many for a parameter file",
                status=EXIT_INPUT,
                next_step="name a file of parameters",
            )
        return data.decode("utf-8-sig")
    except OSError as error:
        raise CliError(
            f"{file}: {error.strerror}", status=EXIT_INPUT, next_step="name a parameter file"
        ) from error
    except UnicodeDecodeError as error:
        raise CliError(
            f"{file}: is not UTF-8 at byte {error.start}",
            status=EXIT_INPUT,
            next_step="name a parameter file",
        ) from error


def _values(file: Path, text: str, component: int) -> dict[str, Number]:
    values, bad = param_files.read(text, component=component)
    if bad:
        raise CliError(
            f"{file}: {len(bad)} lines are no parameters",
            status=EXIT_INPUT,
            next_step="mend them: a name and a value, or QGroundControl's five columns",
            faults=tuple(Fault(f"line {line.line}", line.reason) for line in bad),
        )
    return values


def _compare(
    read: dict[str, Any], against: str, there: dict[str, Number | None], *, as_json: bool
) -> None:
    here = {p["name"]: p["value"] for p in read["parameters"]}
    found = param_files.differences(here, there)
    vehicle = read["vehicle_id"]
    if as_json:
        told = [{"name": d.name, "here": d.here, "there": d.there} for d in found]
        output.print_json(
            {
                "vehicle_id": vehicle,
                "read_at": read["read_at"],
                "against": against,
                "same": len((here.keys() & there.keys()) - {d.name for d in found}),
                "differences": told,
            }
        )
    elif found:
        columns = ("parameter", vehicle, against)
        rows = [_row(d, here, there) for d in found]
        output.console().print(output.table("", columns, rows))
        typer.echo(f"{len(found)} parameters differ")
    else:
        typer.echo(f"{vehicle} and {against}: all {len(here)} parameters are the same")
    if found:
        raise typer.Exit(EXIT_REFUSED)


def _row(
    found: Difference, here: dict[str, Number | None], there: dict[str, Number | None]
) -> tuple[str, str, str]:
    sides = ((found.here, here), (found.there, there))
    first, second = (
        param_files.text_of(value) if found.name in held else "—" for value, held in sides
    )
    return found.name, first, second
