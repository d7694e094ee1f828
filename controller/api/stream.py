"""The live stream: a snapshot, then every change, as server-sent events.

Owns the order (subscribe first, then the snapshot, then changes, so that nothing falls between)
and the wire form. Bounds are the desk's: a subscriber too slow is told to start afresh.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from fastapi import Response
from starlette.types import Receive, Scope, Send

from controller.api import views

if TYPE_CHECKING:
    from controller.api.context import Context
    from controller.delivery.views import Update

Emit = Callable[[bytes], Awaitable[None]]

CLOCK_PERIOD_S = 5.0
"""Wall seconds between `clock` events: they keep the link open and clients' clocks right."""


def event(name: str, data: Any) -> bytes:
    """One server-sent event (WHATWG HTML, section 9.2)."""
    body = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return f"event: {name}\ndata: {body}\n\n".encode()


def snapshot(ctx: Context) -> dict[str, Any]:
    """Everything that a console shows, at once."""
    desk = ctx.desk
    return {
        **ctx.clock_json(),
        "parcels": [views.parcel(p) for p in desk.parcels()],
        "vehicles": [views.vehicle(v) for v in desk.vehicles()],
        "sites": [views.site(s) for s in desk.sites()],
        "alarms": [views.alarm(a) for a in desk.alarms()],
        "held": views.plain(desk.held),
        "zones_version": desk.zone_set.version,
    }


def told(ctx: Context, update: Update) -> bytes:
    """One change as an event."""
    view: Any = update.view
    match update.topic:
        case "parcel":
            return event("parcel", views.parcel(view))
        case "vehicle":
            return event("vehicle", views.vehicle(view))
        case "alarm":
            return event("alarms", [views.alarm(a) for a in ctx.desk.alarms()])
        case "held":
            return event("held", views.plain(ctx.desk.held))
        case "zones":
            return event("zones", {"version": ctx.desk.zone_set.version})
        case _:
            return event("snapshot", snapshot(ctx))


class _OverError(Exception):
    """The client left, or the server closes."""


async def follow(ctx: Context, emit: Emit, left: Awaitable[object]) -> None:
    """Tell one client everything until it has left or the server closes."""
    ctx.streams += 1
    try:
        async with ctx.desk.updates() as updates:
            await emit(event("snapshot", snapshot(ctx)))
            async with asyncio.TaskGroup() as group:
                group.create_task(_changes(ctx, updates, emit), name="stream-changes")
                group.create_task(_clock(ctx, emit), name="stream-clock")
                group.create_task(_over(left), name="stream-left")
                group.create_task(_over(ctx.closing.wait()), name="stream-closing")
    except* _OverError:
        pass
    finally:
        ctx.streams -= 1


async def _changes(ctx: Context, updates: AsyncIterator[Update], emit: Emit) -> None:
    async for update in updates:
        await emit(told(ctx, update))
    raise _OverError


async def _clock(ctx: Context, emit: Emit) -> None:
    while True:
        await asyncio.sleep(CLOCK_PERIOD_S)
        await emit(event("clock", ctx.clock_json()))


async def _over(end: Awaitable[object]) -> None:
    await end
    raise _OverError


class LiveStream(Response):
    """The stream as a response (Server-sent events: WHATWG HTML, section 9.2)."""

    media_type = "text/event-stream"

    def __init__(self, ctx: Context) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._ctx = ctx
        # the length of a stream is not known
        self.raw_headers = [h for h in self.raw_headers if h[0] != b"content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the client leaves or the server closes."""
        del scope
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})

        async def emit(chunk: bytes) -> None:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

        async def left() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        await follow(self._ctx, emit, left())
        await send({"type": "http.response.body", "body": b"", "more_body": False})
