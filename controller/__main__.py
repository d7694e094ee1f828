"""`waypost`, or `python -m controller`: the command line joined to the controller that it runs.

Owns the joint alone. The controller is imported when a command starts one, so that help and the
commands that speak to a running controller are quick.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from controller.cli.main import main as command_line

if TYPE_CHECKING:
    from controller.config import Config


@asynccontextmanager
async def run_controller(config: Config, *, host: str, port: int) -> AsyncIterator[str]:
    """The command line's RunController. Raises CliError where the port is taken."""
    from controller import serving
    from controller.api.server import PortTakenError
    from controller.cli.client import EXIT_FAILED, CliError

    try:
        async with serving.running(config, host=host, port=port) as url:
            # what boot made stays for good: a collection that walks all of it, as those of the
            # oldest generation do, would stop links and operators' commands for 0.1 s and more
            gc.collect()
            gc.freeze()
            yield url
    except PortTakenError as error:
        raise CliError(
            f"port {port} of {host} cannot be listened on",
            status=EXIT_FAILED,
            next_step="choose another with --port (0 takes a free one), or stop the program "
            "that has it",
        ) from error


def main() -> None:
    """The console script."""
    command_line(run_controller)


if __name__ == "__main__":
    main()
