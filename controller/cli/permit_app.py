"""`waypost zones permit ...`: the options of the commands about permits.

Owns their words and options. Must not import what they need before one of them is run.
"""

from __future__ import annotations

from typing import Annotated

import typer

permit_app = typer.Typer(help="Grant, list and withdraw permits of zones.", no_args_is_help=True)

Url = Annotated[str, typer.Option("--url", envvar="WAYPOST_URL", help="the controller's address")]
AsJson = Annotated[bool, typer.Option("--json", help="tell it as JSON")]
Reason = Annotated[str, typer.Option("--reason", help="why; kept in the event log")]
URL = "http://127.0.0.1:8080"


@permit_app.command("grant")
def grant(
    name: Annotated[str, typer.Argument(metavar="[PERMIT]", help="as zones name it")] = "",
    *,
    zone: Annotated[str, typer.Option("--zone", help="instead: a zone by its id")] = "",
    vehicle: Annotated[str, typer.Option("--vehicle", help="whose [everybody's]")] = "",
    parcel: Annotated[str, typer.Option("--parcel", help="for the flight that carries it")] = "",
    until: Annotated[str, typer.Option("--until", help="ISO time with zone")] = "",
    reason: Reason = "",
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Grant a permit: leave to be in every zone that names it."""
    from controller.cli import permits

    asked = permits.Grant(name, zone, vehicle, parcel, until, reason)
    permits.grant(asked, url=url, as_json=as_json)


@permit_app.command("list")
def list_permits(url: Url = URL, as_json: AsJson = False) -> None:
    """List the permits that stand."""
    from controller.cli import permits

    permits.list_permits(url=url, as_json=as_json)


@permit_app.command("withdraw")
def withdraw(permit_id: str, reason: Reason = "", url: Url = URL, as_json: AsJson = False) -> None:
    """Withdraw a permit; what is under way on it is judged anew."""
    from controller.cli import permits

    permits.withdraw(permit_id, reason=reason, url=url, as_json=as_json)
