"""Routes by which a person has a robot charge, or says what becomes of an action that failed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field

from controller.api import views
from controller.api.actor import CurrentActor
from controller.api.context import Ctx, VehicleId
from controller.api.idempotency import OptionalKey
from controller.api.models import ReasonIn
from controller.api.problems import not_found

router = APIRouter(prefix="/v1", tags=["vehicles"])


class ChargeIn(ReasonIn):
    """Whether to begin, or to end."""

    on: Annotated[bool, Field(description="false: end it, dispatch may have the robot")] = True


@router.post("/vehicles/{vehicle_id}/charge", summary="Have a robot charge at its base, or end it")
async def charge_vehicle(
    *,
    vehicle_id: VehicleId,
    body: ChargeIn,
    response: Response,
    ctx: Ctx,
    actor: CurrentActor,
    key: OptionalKey = None,
) -> views.CommandOut:
    """Answers when the robot's own state shows it. Dispatch does not assign it meanwhile."""
    if ctx.desk.vehicle(vehicle_id) is None:
        raise not_found("vehicle", vehicle_id, "GET /v1/vehicles")

    async def act() -> views.CommandOut:
        result = await ctx.desk.charge(vehicle_id, on=body.on, by=actor.name, reason=body.reason)
        return views.command(vehicle_id, "charge" if body.on else "end charging", result)

    said = [vehicle_id, "charge", body.model_dump(mode="json")]
    return await ctx.answers.marked(key, said, act, response)


class RetryRequest(ReasonIn):
    """What becomes of the action that failed."""

    again: Annotated[bool, Field(description="false: the robot goes on without it")]


@router.post("/vehicles/{vehicle_id}/retry", summary="Have a robot try a failed action again")
async def retry_action(
    *,
    vehicle_id: VehicleId,
    body: RetryRequest,
    response: Response,
    ctx: Ctx,
    actor: CurrentActor,
    key: OptionalKey = None,
) -> views.CommandOut:
    """Or go on without it: a drop that is skipped has failed, and its parcel is still aboard."""
    if ctx.desk.vehicle(vehicle_id) is None:
        raise not_found("vehicle", vehicle_id, "GET /v1/vehicles")

    async def act() -> views.CommandOut:
        result = await ctx.desk.failed_actions.answer(
            vehicle_id, again=body.again, by=actor.name, reason=body.reason
        )
        return views.command(vehicle_id, "retry" if body.again else "skip", result)

    said = [vehicle_id, "retry", body.model_dump(mode="json")]
    return await ctx.answers.marked(key, said, act, response)
