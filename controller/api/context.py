"""What the routes work with: the desk, the clock and the few settings of this server.

Owns nothing; it is handed to every route by FastAPI.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Path, Request
from prometheus_client import CollectorRegistry

from controller.api.idempotency import AnswerMemory
from vehicles.port import Clock

if TYPE_CHECKING:
    from controller.delivery.desk import Desk


@dataclass(slots=True)
class Context:
    """One server's dependencies."""

    desk: Desk
    clock: Clock
    ids: Callable[[str], str]
    speedup: float = 1.0
    streets_geojson: bytes | None = None
    max_streams: int = 64
    figures: CollectorRegistry | None = None
    """The controller's own counters, shown after the desk's figures."""
    answers: AnswerMemory = field(default_factory=AnswerMemory)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    streams: int = 0

    def clock_json(self) -> dict[str, Any]:
        """The present and how fast it runs, for clients that count down."""
        return {"now": self.clock.now().isoformat(), "speedup": self.speedup}


async def _context(request: Request) -> Context:
    context = request.app.state.context
    if not isinstance(context, Context):
        raise TypeError("the app was made without a Context: use create_app")
    return context


Ctx = Annotated[Context, Depends(_context)]
VehicleId = Annotated[str, Path(max_length=64)]
