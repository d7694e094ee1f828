"""`waypost fleet ...`: the options of the commands about vehicles' baselines and parameters.

Owns their words and options. Must not import what they need before one of them is run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

fleet_app = typer.Typer(
    help="Audit what must hold of vehicles, set it, and read their parameters.",
    no_args_is_help=True,
)

Url = Annotated[str, typer.Option("--url", envvar="WAYPOST_URL", help="the controller's address")]
AsJson = Annotated[bool, typer.Option("--json", help="tell it as JSON")]
Reason = Annotated[str, typer.Option("--reason", help="why; kept in the event log")]
URL = "http://127.0.0.1:8080"


@fleet_app.command("audit")
def audit(
    vehicle: Annotated[str, typer.Argument(metavar="[VEHICLE]", help="one only")] = "",
    *,
    every_rule: Annotated[bool, typer.Option("--all", help="also the rules that hold")] = False,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Read every vehicle's baseline: what holds, what does not, what would be set."""
    from controller.cli import audits

    audits.audit(vehicle, every_rule=every_rule, url=url, as_json=as_json)


@fleet_app.command("apply")
def apply(vehicle: str, reason: Reason = "", url: Url = URL, as_json: AsJson = False) -> None:
    """Set what a vehicle's baseline demands, while it is disarmed."""
    from controller.cli import audits

    audits.apply(vehicle, reason=reason, url=url, as_json=as_json)


@fleet_app.command("params")
def params(
    vehicle: str,
    *,
    out: Annotated[
        Path | None,
        typer.Option(help="write them: .params for QGroundControl, .param or .parm for others"),
    ] = None,
    diff: Annotated[Path | None, typer.Option(help="show what differs from this file")] = None,
    diff_vehicle: Annotated[
        str, typer.Option(metavar="VEHICLE", help="show what differs from this vehicle")
    ] = "",
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Read every parameter of a disarmed vehicle; status 1 where something differs."""
    from controller.cli import parameters

    parameters.params(
        vehicle, out=out, diff=diff, diff_vehicle=diff_vehicle, url=url, as_json=as_json
    )
