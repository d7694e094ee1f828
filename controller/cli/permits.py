"""The commands about permits: leave for a vehicle, or for one parcel's flight, to be in a zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import typer

from controller.cli import output
from controller.cli.client import EXIT_INPUT, Client, CliError, at


@dataclass(frozen=True, slots=True)
class Grant:
    """What is to be granted. `until` is ISO text; empty: until it is withdrawn."""

    name: str = ""
    zone: str = ""
    vehicle: str = ""
    parcel: str = ""
    until: str = ""
    reason: str = ""

    def body(self) -> dict[str, Any]:
        """As the API takes it. Raises CliError."""
        if bool(self.name) == bool(self.zone):
            raise CliError(
                "name the permit, or a zone with --zone",
                status=EXIT_INPUT,
                next_step="'waypost zones list --json' tells every zone's permit",
            )
        fields = {
            "permit": self.name,
            "zone": self.zone,
            "vehicle": self.vehicle,
            "parcel": self.parcel,
            "until": _time(self.until),
            "reason": self.reason,
        }
        return {key: value for key, value in fields.items() if value}


def _time(text: str) -> str:
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise CliError(
            f"--until {text}: is not a time with its zone",
            status=EXIT_INPUT,
            next_step="write it as 2026-01-31T08:00:00Z",
        )
    return text


def grant(asked: Grant, *, url: str, as_json: bool) -> None:
    """POST a permit."""
    body = asked.body()
    with Client(url) as client:
        told = client.post(at("v1", "permits"), body).json()
    if as_json:
        output.print_json(told)
        return
    typer.echo(f"{told['id']}: {told['permit']} for {_whom(told)}, {_until(told)}")
    typer.echo(f"  lifts {', '.join(told['zones'])}")


def withdraw(permit_id: str, *, reason: str, url: str, as_json: bool) -> None:
    """DELETE a permit."""
    with Client(url) as client:
        told = client.delete(at("v1", "permits", permit_id), reason=reason)
    if as_json:
        output.print_json(told)
        return
    typer.echo(f"{told['id']}: {told['permit']} for {_whom(told)} is withdrawn")


def list_permits(*, url: str, as_json: bool) -> None:
    """GET the permits that stand."""
    with Client(url) as client:
        told = client.get(at("v1", "permits"))
    if as_json:
        output.print_json(told)
        return
    rows = [
        (p["id"], p["permit"], _whom(p), _until(p), ", ".join(p["zones"]) or "—", p["by"])
        for p in told
    ]
    columns = ("id", "permit", "for", "until", "lifts", "by")
    output.console().print(output.table("", columns, rows))


def _whom(permit: dict[str, Any]) -> str:
    parts = [permit["vehicle"], f"parcel {permit['parcel']}" if permit["parcel"] else ""]
    return " with ".join(part for part in parts if part) or "everybody"


def _until(permit: dict[str, Any]) -> str:
    return f"until {permit['until']}" if permit["until"] else "until withdrawn"
