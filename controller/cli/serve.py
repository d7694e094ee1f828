"""`waypost serve`: the controller for real use, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import typer

from controller.cli.client import EXIT_FAILED, EXIT_INPUT, CliError
from controller.cli.running import RunController
from controller.config import Config, ConfigError, load
from controller.observe import configure_logging
from vehicles.errors import VehicleError


def load_config(file: Path) -> Config:
    """The configuration of a file. Raises CliError naming every key that is wrong."""
    try:
        return load(file)
    except ConfigError as error:
        raise CliError(
            f"{file}: the configuration cannot be used: {'; '.join(error.problems)}",
            status=EXIT_INPUT,
            next_step="correct the keys named; nothing was started",
        ) from error


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set; a second one ends the process at once."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def asked(number: signal.Signals) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked, number)
    return stop


async def _serve(run: RunController, config: Config, port: int, *, as_json: bool) -> None:
    stop = stop_on_signals()
    async with run(config, host=config.server.host, port=port) as url:
        told = json.dumps({"ready": True, "url": url}) if as_json else f"Waypost at {url}"
        typer.echo(told)
        await stop.wait()


def serve(run: RunController, file: Path, *, port: int | None, as_json: bool) -> None:
    """Run until told to stop."""
    config = load_config(file)
    configure_logging(form=config.log.format, level=config.log.level)
    chosen = config.server.port if port is None else port
    try:
        asyncio.run(_serve(run, config, chosen, as_json=as_json))
    except VehicleError as error:
        raise _link_failed(error) from error
    except ConfigError as error:
        raise CliError(
            f"a file that the configuration names cannot be used: {error}",
            status=EXIT_INPUT,
            next_step="correct the file; nothing was started",
        ) from error
    except ExceptionGroup as group:
        cause = first(group)
        if isinstance(cause, CliError):
            raise cause from group
        if isinstance(cause, VehicleError):
            raise _link_failed(cause) from group
        raise


def _link_failed(error: VehicleError) -> CliError:
    return CliError(
        f"a vehicle link failed: {error}",
        status=EXIT_FAILED,
        next_step="check [mqtt] and the drones' links in the configuration",
    )


def first(group: ExceptionGroup[Exception]) -> Exception:
    """The first error in a group, however deep."""
    error: Exception = group
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
