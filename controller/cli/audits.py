"""The commands about baselines: audit and apply."""

from __future__ import annotations

from typing import Any

import typer

from controller.cli import output
from controller.cli.client import EXIT_REFUSED, Client, at

_COLUMNS = ("parameter", "holds", "must be", "what to do", "why")


def audit(vehicle: str, *, every_rule: bool, url: str, as_json: bool) -> None:
    """GET one audit or all; exit status 1 unless every rule of every vehicle asked holds."""
    with Client(url) as client:
        if vehicle:
            found = [client.get(at("v1", "vehicles", vehicle, "audit"))]
        else:
            found = client.get(at("v1", "fleet", "audit"))
    if as_json:
        output.print_json(found)
    else:
        for one in found:
            _show(one, every_rule=every_rule)
    # a vehicle without parameters has no rule to break
    if any(not one["holds"] and one["read_at"] is not None for one in found) or (
        vehicle and found[0]["read_at"] is None
    ):
        raise typer.Exit(EXIT_REFUSED)


def apply(vehicle: str, *, reason: str, url: str, as_json: bool) -> None:
    """POST apply; exit status 1 unless all of the baseline holds then."""
    with Client(url) as client:
        told = client.post(at("v1", "vehicles", vehicle, "apply"), {"reason": reason}).json()
    if as_json:
        output.print_json(told)
    else:
        typer.echo(f"{told['vehicle_id']}: apply {told['outcome']} {told['reason']}".rstrip())
    if told["outcome"] != "done":
        raise typer.Exit(EXIT_REFUSED)


def _show(one: dict[str, Any], *, every_rule: bool) -> None:
    if one["reason"]:
        typer.echo(f"{one['vehicle_id']}: not audited: {one['reason']}")
        return
    broken = [rule for rule in one["rules"] if not rule["holds"]]
    total = len(one["rules"])
    typer.echo(f"{one['vehicle_id']}: {total - len(broken)} of {total} rules hold")
    shown = one["rules"] if every_rule else broken
    if shown:
        output.console().print(output.table("", _COLUMNS, [_row(rule) for rule in shown]))
    for reason in one["blocks"]:
        typer.echo(f"  blocks: {reason}")
    if one["approved"]:
        typer.echo(f"  approved for the next start: {one['approved']['approved'][:16]}")


def _row(rule: dict[str, Any]) -> tuple[str, ...]:
    value = rule["value"]
    have = "no answer" if value is None else f"{value:g}"
    remedy = {
        "none": "nothing",
        "set": "",
        "fitter": "fit or set it, then reboot",
        "unknown": "the vehicle gives no answer",
    }[rule["remedy"]]
    if rule["would_set"] is not None:
        remedy = f"apply sets {rule['would_set']:g}"
    return (rule["name"], have, rule["wanted"], remedy, rule["why"])
