"""The controller, its API and its console, running inside the caller's event loop.

Owns the order of starting and stopping: port first (a taken one costs nothing), then the
controller, then HTTP; backwards at the end. `controller.app` is the composition root and stands
above the command line, so it is taken by name, as an entry point would be.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from controller.cli.client import EXIT_FAILED, CliError

if TYPE_CHECKING:
    from controller.config import Config


def _module(name: str) -> Any:
    return importlib.import_module(f"controller.{name}")


def _streets(config: Config) -> bytes | None:
    return config.streets.file.read_bytes() if config.streets.file else None


@asynccontextmanager
async def controller(config: Config, *, host: str, port: int) -> AsyncIterator[str]:
    """Run a controller while the block runs; yields its URL. Raises CliError."""
    server, api, context = _module("api.server"), _module("api.app"), _module("api.context")
    try:
        sock = server.listen(host, port)
    except server.PortTakenError as error:
        raise CliError(
            f"port {port} of {host} cannot be listened on",
            status=EXIT_FAILED,
            next_step="choose another with --port (0 takes a free one), or stop the program "
            "that has it",
        ) from error
    with sock:
        async with _module("app").build(config) as app, asyncio.TaskGroup() as group:
            running = group.create_task(app.run(), name="controller")
            figures = getattr(app, "figures", None)
            made = context.Context(
                desk=app.desk,
                clock=app.clock,
                ids=server.random_ids,
                speedup=config.clock.speedup,
                streets_geojson=await asyncio.to_thread(_streets, config),
                figures=figures.registry if figures else None,
            )
            names = set() if host in {"0.0.0.0", "::"} else {host}  # noqa: S104 - compared only
            async with server.serving(api.create_app(made, allowed_hosts=names), sock) as url:
                yield url
            running.cancel()
