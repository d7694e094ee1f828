"""Routes for watching: alarms, the event log, health, metrics and the live stream."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from controller.api import metrics, views
from controller.api.actor import CurrentActor
from controller.api.context import Ctx
from controller.api.problems import ApiError, not_found
from controller.api.stream import LiveStream

router = APIRouter(tags=["watching"])


@router.get("/v1/alarms", summary="List alarms")
async def list_alarms(ctx: Ctx) -> list[views.AlarmOut]:
    """Those that stand and those not yet acknowledged."""
    return [views.alarm(a) for a in ctx.desk.alarms()]


@router.post("/v1/alarms/{alarm_id}/ack", summary="Acknowledge an alarm")
async def acknowledge(
    alarm_id: Annotated[str, Path(max_length=64)], ctx: Ctx, actor: CurrentActor
) -> dict[str, Any]:
    """Somebody has seen it; it stays until its cause is gone."""
    if alarm_id not in {a.alarm_id for a in ctx.desk.alarms()}:
        raise not_found("alarm", alarm_id, "GET /v1/alarms")
    await ctx.desk.acknowledge(alarm_id, by=actor.name)
    return {"id": alarm_id, "acknowledged_by": actor.name}


@router.get("/v1/log", summary="The event log")
async def log(
    ctx: Ctx,
    after: Annotated[int, Query(ge=0, le=2**53, description="events after this number")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> list[dict[str, Any]]:
    """Every fact in order, each with its number `seq`."""
    events = await ctx.desk.log_after(after, limit)
    return [{"seq": e.seq, **views.plain(e.event)} for e in events]


@router.get(
    "/v1/stream",
    summary="Everything as it happens, as server-sent events",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def stream(ctx: Ctx) -> LiveStream:
    """First `snapshot`, then `parcel`, `vehicle`, `alarm`, `held`, `zones`, `clock`."""
    if ctx.streams >= ctx.max_streams:
        raise ApiError(
            503,
            "too-many-streams",
            f"{ctx.streams} streams are open",
            next_step="close one and try again",
            headers={"Retry-After": "5"},
        )
    return LiveStream(ctx)


@router.get("/healthz", summary="Whether the controller serves")
async def health(ctx: Ctx) -> dict[str, Any]:
    """The present of its clock and what it looks after."""
    return {
        "status": "ok",
        **ctx.clock_json(),
        "vehicles": len(ctx.desk.vehicles()),
        "parcels": len(ctx.desk.parcels()),
        "zones_version": ctx.desk.zone_set.version,
        "held": ctx.desk.held is not None,
    }


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
async def prometheus(ctx: Ctx) -> Response:
    """Parcels by state, vehicles by link and phase, alarms, open streams."""
    return Response(metrics.exposition(ctx), media_type=metrics.CONTENT_TYPE)
