"""`waypost mission list | show | launch`: planned missions of a running controller."""

from __future__ import annotations

from typing import Any

import typer

from controller.cli import output
from controller.cli.client import EXIT_REFUSED, Client, at

COLUMNS = ("mission", "vehicle", "parcels", "state", "takes")


def list_missions(*, url: str, as_json: bool) -> None:
    """GET the open missions."""
    with Client(url) as client:
        found = client.get(at("v1", "missions"))
    if as_json:
        output.print_json(found)
        return
    if found:
        output.console().print(output.table("", COLUMNS, [_row(mission) for mission in found]))
    waiting = sum(mission["awaits_launch"] for mission in found)
    typer.echo(f"{len(found)} open mission(s)" + (f", {waiting} to launch" if waiting else ""))


def _row(mission: dict[str, Any]) -> tuple[str, ...]:
    state = "waits for launch" if mission["awaits_launch"] else mission["state"]
    minutes, seconds = divmod(round(mission["duration_s"]), 60)
    parcels = ", ".join(mission["parcel_ids"])
    return mission["id"], mission["vehicle_id"], parcels, state, f"{minutes} min {seconds} s"


def show(mission_id: str, *, url: str, as_json: bool) -> None:
    """GET a mission's preview; ends with exit status 1 where it is not allowed."""
    with Client(url) as client:
        seen = client.get(at("v1", "missions", mission_id, "preview"))
    if as_json:
        output.print_json(seen)
    else:
        _tell(seen)
    if not seen["allowed"]:
        raise typer.Exit(EXIT_REFUSED)


def _tell(seen: dict[str, Any]) -> None:
    typer.echo(f"{seen['title']}: {seen['subtitle']}")
    typer.echo("allowed" if seen["allowed"] else "NOT ALLOWED")
    for each in seen["violations"]:
        typer.echo(f"{each['number']:3}  {each['reason']}")
    if seen["violations_left_out"]:
        typer.echo(f"and {seen['violations_left_out']} more")
    for each in seen["reasons"]:
        typer.echo(f"  !  {each['text']}")
    if seen["shut"]:
        typer.echo(f"it would not be started now: {seen['shut']}")
    if seen["planned"]["awaits_launch"] and seen["allowed"] and not seen["shut"]:
        typer.echo(f"next: waypost mission launch {seen['planned']['id']}")


def launch(mission_id: str, *, url: str, as_json: bool) -> None:
    """Launch the mission as it is now; ends with exit status 1 where that is refused."""
    with Client(url) as client:
        seen = client.get(at("v1", "missions", mission_id, "preview"))
        body = {"content_hash": seen["planned"]["content_hash"]}
        told = client.post(at("v1", "missions", mission_id, "launch"), body).json()
    if as_json:
        output.print_json(told)
    elif told["outcome"] == "done":
        typer.echo(f"{seen['planned']['vehicle_id']}: launch given; it starts once it is ready")
    else:
        typer.echo(f"refused: {told['reason']}")
    if told["outcome"] != "done":
        raise typer.Exit(EXIT_REFUSED)
