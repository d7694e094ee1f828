"""`waypost passages ...`: the options of the commands about what robots use by turns.

Owns their words and options. Must not import what they need before one of them is run.
"""

from __future__ import annotations

from typing import Annotated

import typer

passage_app = typer.Typer(
    help="See who has which crossing, narrow street, lift or dock; free a lost robot's.",
    no_args_is_help=True,
)

Url = Annotated[str, typer.Option("--url", envvar="WAYPOST_URL", help="the controller's address")]
AsJson = Annotated[bool, typer.Option("--json", help="tell it as JSON")]
URL = "http://127.0.0.1:8080"


@passage_app.command("list")
def list_passages(
    *,
    everyone: Annotated[bool, typer.Option("--all", help="also those that nobody uses")] = False,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """List the passages that robots have or wait for."""
    from controller.cli import passages

    passages.list_passages(everyone=everyone, url=url, as_json=as_json)


@passage_app.command("take-back")
def take_back(
    vehicle: str,
    *,
    reason: Annotated[str, typer.Option("--reason", help="how you know; kept in the event log")],
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Free all that a robot has which is not heard any more: look where it is first."""
    from controller.cli import passages

    passages.take_back(vehicle, reason=reason, url=url, as_json=as_json)
