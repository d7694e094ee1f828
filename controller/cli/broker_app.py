"""`waypost broker`: what the robots' broker is told.

Owns the commands. Must not write a file itself: `broker` does, and is loaded when it is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

broker_app = typer.Typer(help="The robots' MQTT broker.", no_args_is_help=True)


@broker_app.callback()
def _broker() -> None:
    """The robots' MQTT broker."""


@broker_app.command("config")
def broker_config(
    config: Annotated[Path, typer.Option("--config", "-c", help="TOML file of the fleet")],
    out: Annotated[Path, typer.Option("--out", help="folder of the broker")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="that it listens on")] = 8883,
    names: Annotated[
        Literal["vehicle", "serial"],
        typer.Option(
            help="what robots' certificates are named by: the vehicle's id, or its serial"
        ),
    ] = "vehicle",
    controller: Annotated[
        list[str] | None,
        typer.Option(
            help="name of a controller's certificate; one each where several share a fleet"
        ),
    ] = None,
) -> None:
    """Write mosquitto.conf and the access list of the fleet's robots.

    Beside them belong ca.pem, broker.pem and broker.key.
    """
    from controller.cli import broker
    from controller.cli.client import EXIT_INPUT, CliError
    from controller.config import ConfigError, load

    try:
        fleet = load(config)
    except ConfigError as error:
        raise CliError(
            str(error), status=EXIT_INPUT, next_step="correct the configuration"
        ) from error
    controllers = tuple(controller or (broker.CONTROLLER,))
    broker.write(fleet, out, port=port, names=broker.Names(names), controllers=controllers)
    typer.echo(f"{out}/mosquitto.conf and {out}/acl: {len(fleet.robots)} robots; put ca.pem,")
    typer.echo(f"broker.pem and broker.key beside them, then: mosquitto -c {out}/mosquitto.conf")
