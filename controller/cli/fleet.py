"""The commands about vehicles: list, hold, resume, return, land."""

from __future__ import annotations

from typing import Any

import typer

from controller.cli import output
from controller.cli.client import EXIT_REFUSED, Client, CliError, at

EXIT_USAGE = 2


def vehicles(*, url: str, as_json: bool) -> None:
    """GET the vehicles."""
    with Client(url) as client:
        found = client.get(at("v1", "vehicles"))
    if as_json:
        output.print_json(found)
        return
    rows = [output.vehicle_row(v) for v in found]
    output.console().print(output.table("", output.VEHICLE_COLUMNS, rows))


def alarms(*, url: str, as_json: bool) -> None:
    """GET the alarms."""
    with Client(url) as client:
        found = client.get(at("v1", "alarms"))
    if as_json:
        output.print_json(found)
    elif not found:
        typer.echo("No alarms.")
    else:
        columns = ("severity", "since", "cause", "what to do", "acknowledged by")
        rows = [
            (
                a["severity"],
                output.clock(a["raised_at"]),
                a["cause"],
                a["advice"],
                a["acknowledged_by"] or "—",
            )
            for a in found
        ]
        output.console().print(output.table("", columns, rows))


def command(
    verb: str, vehicle: str | None, everyone: bool, *, reason: str, url: str, as_json: bool
) -> None:
    """POST a command for one vehicle or for all; exit status 1 unless every outcome is done."""
    if (vehicle is None) != everyone:
        raise CliError(
            f"{verb}: name one vehicle, or say --all",
            status=EXIT_USAGE,
            next_step=f"'waypost vehicles' lists them; 'waypost {verb} --all' takes every one",
        )
    body: dict[str, Any] = {"verb": verb, "reason": reason}
    with Client(url) as client:
        if vehicle is not None:
            told = [client.post(at("v1", "vehicles", vehicle, "commands"), body).json()]
        elif verb == "resume":
            client.post(at("v1", "fleet", "resume"), {"reason": reason})
            told = []
        else:
            told = client.post(at("v1", "fleet", "commands"), body).json()
    if as_json:
        output.print_json(told)
    elif verb == "resume" and everyone:
        typer.echo("Dispatch goes on. Vehicles that were held stay held until each is resumed.")
    else:
        for answer in told:
            line = f"{answer['vehicle_id']}: {verb} {answer['outcome']} {answer['reason']}"
            typer.echo(line.rstrip())
    if any(answer["outcome"] != "done" for answer in told):
        raise typer.Exit(EXIT_REFUSED)


def divert(vehicle: str, to: dict[str, float], *, reason: str, url: str, as_json: bool) -> None:
    """POST a point for one drone; exit status 1 unless the outcome is done."""
    _ask(vehicle, "divert", {**to, "reason": reason}, url, as_json)


def write_off(vehicle: str, *, removed: bool, reason: str, url: str, as_json: bool) -> None:
    """POST that a vehicle does not come back; exit status 1 unless the outcome is done."""
    _ask(vehicle, "write-off", {"removed": removed, "reason": reason}, url, as_json)


def charge(vehicle: str, *, on: bool, reason: str, url: str, as_json: bool) -> None:
    """POST that a robot is to charge, or to end it; exit status 1 unless the outcome is done."""
    _ask(vehicle, "charge", {"on": on, "reason": reason}, url, as_json)


def retry(vehicle: str, *, again: bool, reason: str, url: str, as_json: bool) -> None:
    """POST what becomes of a failed action; exit status 1 unless the outcome is done."""
    _ask(vehicle, "retry", {"again": again, "reason": reason}, url, as_json)


def _ask(vehicle: str, what: str, body: dict[str, Any], url: str, as_json: bool) -> None:
    with Client(url) as client:
        answer = client.post(at("v1", "vehicles", vehicle, what), body).json()
    if as_json:
        output.print_json(answer)
    else:
        line = f"{answer['vehicle_id']}: {what} {answer['outcome']} {answer['reason']}"
        typer.echo(line.rstrip())
    if answer["outcome"] != "done":
        raise typer.Exit(EXIT_REFUSED)
