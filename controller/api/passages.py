"""Routes of passages: who has a crossing, narrow street, lift or dock, and taking it back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field
from typing_extensions import TypedDict

from controller.api import views
from controller.api.actor import CurrentActor
from controller.api.context import Ctx, VehicleId
from controller.api.idempotency import OptionalKey
from controller.api.models import Body, Text
from controller.api.problems import not_found
from controller.delivery.passages import PassageView

router = APIRouter(prefix="/v1", tags=["passages"])


class HolderOut(TypedDict):
    """A robot that has a passage."""

    vehicle: str
    way: str
    """ahead or back: others may follow it; both: it has the passage to itself."""


class PassageOut(TypedDict):
    """A passage now."""

    id: str
    kind: str
    holders: list[HolderOut]
    waiting: list[str]
    lines: list[list[list[float]]]
    """Its streets as longitude and latitude; a place is a line of one position."""


class TakeBackIn(Body):
    """Why a robot's passages are free although it has not shown that it left them."""

    reason: Annotated[Text, Field(min_length=1)]


def _out(view: PassageView) -> PassageOut:
    return {
        "id": view.passage_id,
        "kind": view.kind,
        "holders": [{"vehicle": v, "way": way} for v, way in view.holders],
        "waiting": list(view.waiting),
        "lines": [[[p.lon_deg, p.lat_deg] for p in line] for line in view.lines],
    }


@router.get("/passages", summary="Who has or waits for crossings, narrow streets, lifts, docks")
async def list_passages(
    ctx: Ctx, *, everyone: Annotated[bool, Query(alias="all")] = False
) -> list[PassageOut]:
    """Those in use, by name; with `all` every one of the streets."""
    turns = ctx.desk.turns
    return [] if turns is None else [_out(view) for view in turns.views(everyone=everyone)]


@router.post(
    "/vehicles/{vehicle_id}/passages/take-back", summary="Free the passages of a lost robot"
)
async def take_back(
    *,
    vehicle_id: VehicleId,
    body: TakeBackIn,
    response: Response,
    ctx: Ctx,
    actor: CurrentActor,
    key: OptionalKey = None,
) -> views.CommandOut:
    """By the word of somebody who knows where it is; refused for a robot that tells so itself.

    A robot that is not heard drives on to the end of what it was let go to: look before this.
    """
    turns = ctx.desk.turns
    if turns is None or ctx.desk.vehicle(vehicle_id) is None:
        raise not_found("vehicle", vehicle_id, "GET /v1/vehicles")

    async def act() -> views.CommandOut:
        result = await turns.take_back(vehicle_id, by=actor.name, reason=body.reason)
        return views.command(vehicle_id, "take-back", result)

    said = [vehicle_id, "take-back", body.model_dump(mode="json")]
    return await ctx.answers.marked(key, said, act, response)
