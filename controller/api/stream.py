"""The live stream: a snapshot, then every change, as server-sent events.

Owns the order (subscribe first, then the snapshot, then changes, so that nothing falls between)
and the wire form. Bounds are the desk's: a subscriber too slow is told to start afresh.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from controller.api import views

if TYPE_CHECKING:
    from controller.api.context import Context
    from controller.delivery.views import Update

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


async def live(ctx: Context) -> AsyncIterator[bytes]:
    """The stream of one client, until it leaves or the server closes."""
    ctx.streams += 1
    try:
        async with ctx.desk.updates() as updates:
            yield event("snapshot", snapshot(ctx))
            async for chunk in _changes(ctx, updates):
                yield chunk
    finally:
        ctx.streams -= 1


async def _changes(ctx: Context, updates: AsyncIterator[Update]) -> AsyncIterator[bytes]:
    async def following() -> Update | None:
        return await anext(updates, None)

    closing = asyncio.create_task(ctx.closing.wait(), name="stream-closing")
    pending = asyncio.create_task(following(), name="stream-update")
    try:
        while not closing.done():
            done, _ = await asyncio.wait(
                {pending, closing}, timeout=CLOCK_PERIOD_S, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                yield event("clock", ctx.clock_json())
            elif pending in done:
                update = pending.result()
                if update is None:
                    return
                pending = asyncio.create_task(following(), name="stream-update")
                yield told(ctx, update)
    finally:
        for task in (closing, pending):
            task.cancel()
        await asyncio.gather(closing, pending, return_exceptions=True)
