"""The commands about what robots use by turns: who has what, and freeing a lost robot's."""

from __future__ import annotations

import typer

from controller.cli import output
from controller.cli.client import EXIT_REFUSED, Client, at

_WAYS = {"ahead": "drives through", "back": "drives through", "both": "has it alone"}


def list_passages(*, everyone: bool, url: str, as_json: bool) -> None:
    """GET the passages and print them."""
    with Client(url) as client:
        found = client.get("/v1/passages", all=everyone)
    if as_json:
        output.print_json(found)
        return
    if not found:
        typer.echo("Nobody has a passage or waits for one.")
        return
    rows = [
        (
            one["id"],
            ", ".join(f"{h['vehicle']} ({_WAYS[h['way']]})" for h in one["holders"]),
            ", ".join(one["waiting"]),
        )
        for one in found
    ]
    output.console().print(output.table("Passages", ("passage", "had by", "waiting"), rows))


def take_back(vehicle: str, *, reason: str, url: str, as_json: bool) -> None:
    """POST it; exit status 1 unless the outcome is done."""
    with Client(url) as client:
        address = at("v1", "vehicles", vehicle, "passages", "take-back")
        answer = client.post(address, {"reason": reason}).json()
    if as_json:
        output.print_json(answer)
    else:
        line = f"{answer['vehicle_id']}: take-back {answer['outcome']}: {answer['reason']}"
        typer.echo(line)
    if answer["outcome"] != "done":
        raise typer.Exit(EXIT_REFUSED)
