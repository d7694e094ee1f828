"""A controller with its API and its console, served inside the caller's event loop.

Owns the order of starting and stopping: port first (a taken one costs nothing), then the
controller, then HTTP; backwards at the end. Must not know how it was asked for: neither command
line nor signals.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from controller.api.app import create_app
from controller.api.context import Context
from controller.api.server import listen, random_ids, serving
from controller.app import build
from controller.config import Config
from geofence.sieve import make_ready

EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared only


def answered_hosts(config: Config, host: str) -> frozenset[str]:
    """The names, beside those of the loopback, that requests may be addressed to."""
    return frozenset({*config.server.allowed_hosts, host} - EVERY_ADDRESS)


def _streets(config: Config) -> bytes | None:
    return config.streets.file.read_bytes() if config.streets.file else None


def _worth_telling(record: logging.LogRecord) -> bool:
    return record.getMessage() != "socket.send() raised exception."


@contextmanager
def _quiet_partings() -> Iterator[None]:
    """A browser that is closed in the middle of a stream is no warning: asyncio makes it one."""
    log = logging.getLogger("asyncio")
    log.addFilter(_worth_telling)
    try:
        yield
    finally:
        log.removeFilter(_worth_telling)


@asynccontextmanager
async def running(config: Config, *, host: str, port: int) -> AsyncIterator[str]:
    """Run a controller while the block runs; yields its URL. Port 0 takes a free one.

    Raises PortTakenError, and what `controller.app.build` raises.
    """
    with listen(host, port) as sock, _quiet_partings():
        # before any link is up: where nothing is kept yet it takes seconds
        await asyncio.to_thread(make_ready)
        async with build(config) as app, asyncio.TaskGroup() as group:
            task = group.create_task(app.run(), name="controller")
            context = Context(
                desk=app.desk,
                clock=app.clock,
                ids=random_ids,
                speedup=config.clock.speedup,
                streets_geojson=await asyncio.to_thread(_streets, config),
                figures=app.figures.registry,
            )
            web = create_app(context, allowed_hosts=answered_hosts(config, host))
            async with serving(web, sock) as url:
                yield url
            task.cancel()
