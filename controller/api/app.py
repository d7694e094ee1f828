"""The web application: routes, guard, errors and the console's files put together.

Owns the assembly of the HTTP side. Must not open sockets: `server.py` does.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import FastAPI

from controller.api import (
    baseline,
    charging,
    fleet,
    missions,
    parcels,
    passages,
    permits,
    problems,
    watch,
    zones,
)
from controller.api.context import Context
from controller.api.guard import LOOPBACK_NAMES, Guard
from controller.api.problems import Problem
from controller.console.pages import mount

TITLE = "Waypost"


def create_app(
    context: Context, *, allowed_hosts: Iterable[str] = (), console: bool = True
) -> FastAPI:
    """The application over one desk; answers for loopback names and `allowed_hosts` only."""
    app = FastAPI(
        title=TITLE,
        summary="Dispatch controller for delivery by drones and ground robots",
        version="0.1.0",
        responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}},
        docs_url=None,
        redoc_url=None,
    )
    app.state.context = context
    problems.install(app)
    for module in (
        parcels, fleet, charging, baseline, zones, missions, permits, passages, watch,
    ):  # fmt: skip
        app.include_router(module.router)
    if console:
        mount(app)
    hosts = LOOPBACK_NAMES | {h.lower() for h in allowed_hosts}
    app.add_middleware(Guard, allowed_hosts=frozenset(hosts))
    return app
