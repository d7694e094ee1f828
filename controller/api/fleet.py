"""Routes of vehicles and of the fleet as a whole: state, hold, return, land, resume."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from controller.api import views
from controller.api.actor import CurrentActor
from controller.api.context import Ctx, VehicleId
from controller.api.idempotency import OptionalKey
from controller.api.models import CommandIn, DivertIn, ReasonIn, WriteOffIn
from controller.api.problems import ApiError, FieldError, not_found
from vehicles.port import Verb

router = APIRouter(prefix="/v1", tags=["vehicles"])


@router.get("/vehicles", summary="List vehicles")
async def list_vehicles(ctx: Ctx) -> list[views.VehicleOut]:
    """Every enrolled vehicle with its newest known state and that state's age."""
    return [views.vehicle(view) for view in ctx.desk.vehicles()]


@router.get("/vehicles/{vehicle_id}", summary="One vehicle")
async def get_vehicle(vehicle_id: VehicleId, ctx: Ctx) -> views.VehicleOut:
    """Its newest known state."""
    view = ctx.desk.vehicle(vehicle_id)
    if view is None:
        raise not_found("vehicle", vehicle_id, "GET /v1/vehicles")
    return views.vehicle(view)


@router.post("/vehicles/{vehicle_id}/commands", summary="Hold, resume, return or land a vehicle")
async def command_vehicle(
    *,
    vehicle_id: VehicleId,
    body: CommandIn,
    response: Response,
    ctx: Ctx,
    actor: CurrentActor,
    key: OptionalKey = None,
) -> views.CommandOut:
    """Answers when the vehicle's own state shows the effect, or says why it does not."""
    if ctx.desk.vehicle(vehicle_id) is None:
        raise not_found("vehicle", vehicle_id, "GET /v1/vehicles")

    async def act() -> views.CommandOut:
        result = await ctx.desk.command(vehicle_id, body.verb, by=actor.name, reason=body.reason)
        return views.command(vehicle_id, body.verb.value, result)

    said = [vehicle_id, body.model_dump(mode="json")]
    return await ctx.answers.marked(key, said, act, response)


@router.get("/vehicles/{vehicle_id}/refuges", summary="Where a drone may be sent now")
async def list_refuges(vehicle_id: VehicleId, ctx: Ctx) -> list[views.RefugeOut]:
    """Its rally points and the sites near it, the nearest first, each checked by the zones.

    Empty for what is not under way in the air. What is allowed now is checked again by the
    divert itself.
    """
    if ctx.desk.vehicle(vehicle_id) is None:
        raise not_found("vehicle", vehicle_id, "GET /v1/vehicles")
    return [views.refuge(place) for place in await ctx.desk.refuges(vehicle_id)]


@router.post("/vehicles/{vehicle_id}/divert", summary="Send a drone in the air to a point")
async def divert_vehicle(
    *,
    vehicle_id: VehicleId,
    body: DivertIn,
    response: Response,
    ctx: Ctx,
    actor: CurrentActor,
    key: OptionalKey = None,
) -> views.CommandOut:
    """By the straight line, where the zones allow it; it holds there until it is told more.

    Answers when it is seen going there, or says why it does not. Its mission is not resumed from
    there: return or land it.
    """
    if ctx.desk.vehicle(vehicle_id) is None:
        raise not_found("vehicle", vehicle_id, "GET /v1/vehicles")

    async def act() -> views.CommandOut:
        result = await ctx.desk.divert(vehicle_id, body.to(), by=actor.name, reason=body.reason)
        return views.command(vehicle_id, "divert", result)

    said = [vehicle_id, "divert", body.model_dump(mode="json")]
    return await ctx.answers.marked(key, said, act, response)


@router.post("/vehicles/{vehicle_id}/write-off", summary="End the round of a vehicle that is lost")
async def write_off_vehicle(
    vehicle_id: VehicleId, body: WriteOffIn, ctx: Ctx, actor: CurrentActor
) -> views.CommandOut:
    """Refused while it is heard. Its parcels are stranded with it until each is settled."""
    if ctx.desk.vehicle(vehicle_id) is None:
        raise not_found("vehicle", vehicle_id, "GET /v1/vehicles")
    result = await ctx.desk.write_off(
        vehicle_id, by=actor.name, reason=body.reason, removed=body.removed
    )
    return views.command(vehicle_id, "write-off", result)


@router.post("/fleet/commands", summary="Hold, return or land every vehicle")
async def command_fleet(
    body: CommandIn,
    response: Response,
    ctx: Ctx,
    actor: CurrentActor,
    key: OptionalKey = None,
) -> list[views.CommandOut]:
    """Dispatch is frozen first, and stays so until POST /v1/fleet/resume."""
    if body.verb is Verb.RESUME:
        raise ApiError(
            422,
            "validation",
            "verb: resume is not a fleet command",
            next_step="POST /v1/fleet/resume lets dispatch go on; resume vehicles one by one",
            errors=[FieldError("verb", "is not a fleet command: hold, return or land")],
        )

    async def act() -> list[views.CommandOut]:
        results = await ctx.desk.command_all(body.verb, by=actor.name, reason=body.reason)
        return [views.command(v, body.verb.value, r) for v, r in sorted(results.items())]

    said = ["fleet", body.model_dump(mode="json")]
    return await ctx.answers.marked(key, said, act, response)


@router.post("/fleet/resume", summary="Let dispatch go on after a fleet command")
async def resume_fleet(
    ctx: Ctx, actor: CurrentActor, body: ReasonIn | None = None
) -> dict[str, Any]:
    """Vehicles that were held stay held until each is resumed."""
    await ctx.desk.unfreeze(by=actor.name, reason=body.reason if body else "")
    return {"held": views.plain(ctx.desk.held)}


@router.get("/sites", summary="List hubs, lockers and sites", tags=["sites"])
async def list_sites(ctx: Ctx) -> list[views.SiteOut]:
    """Every place with a name."""
    return [views.site(site) for site in ctx.desk.sites()]
