"""Routes of permits: leave for a vehicle, or for one parcel's flight, to be in a zone."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, Field, model_validator
from typing_extensions import TypedDict

from controller.api.actor import CurrentActor
from controller.api.context import Ctx
from controller.api.models import Body, Ident, Text
from controller.api.problems import ApiError, FieldError, not_found
from controller.delivery.permits import UnknownPermitError
from controller.domain.permits import Permit
from geofence.zoneset import ZoneSet

router = APIRouter(prefix="/v1", tags=["zones"])


class PermitIn(Body):
    """What is granted. Neither vehicle nor parcel: to everybody."""

    permit: Annotated[Text, Field(min_length=1)] | None = None
    """As zones name it."""
    zone: Annotated[Text, Field(min_length=1)] | None = None
    """Instead: a zone by its id. Every zone that names the same permit is lifted."""
    vehicle: Ident | None = None
    parcel: Ident | None = None
    """The flight or the round that carries it; may be one that is still to come."""
    until: AwareDatetime | None = None
    """Absent: until it is withdrawn."""
    reason: Text = ""

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.permit is None) == (self.zone is None):
            raise ValueError("give either permit or zone")
        return self


class PermitOut(TypedDict):
    """A permit that stands."""

    id: str
    permit: str
    vehicle: str
    parcel: str
    until: str | None
    by: str
    reason: str
    granted_at: str | None
    zones: list[str]
    """The zones in force that it lifts."""


def _out(permit: Permit, zones: ZoneSet) -> PermitOut:
    return {
        "id": permit.permit_id,
        "permit": permit.name,
        "vehicle": permit.vehicle_id,
        "parcel": permit.parcel_id,
        "until": permit.until.isoformat() if permit.until else None,
        "by": permit.by,
        "reason": permit.reason,
        "granted_at": permit.granted_at.isoformat() if permit.granted_at else None,
        "zones": [zone.zone_id for zone in zones if zone.permit == permit.name],
    }


def _refused(field: str, reason: str) -> ApiError:
    return ApiError(
        422,
        "permit",
        f"{field}: {reason}",
        next_step="GET /v1/zones names every zone's permit, GET /v1/permits what is granted",
        errors=[FieldError(field, reason)],
    )


@router.get("/permits", summary="The permits that stand")
async def list_permits(ctx: Ctx) -> list[PermitOut]:
    """Oldest first, those of the configuration included."""
    return [_out(permit, ctx.desk.zone_set) for permit in ctx.desk.permits()]


@router.post("/permits", summary="Grant a permit", status_code=201)
async def grant_permit(body: PermitIn, ctx: Ctx, actor: CurrentActor) -> PermitOut:
    """Counts from now on, for what is dispatched next; kept in the event log."""
    name = body.permit or _named_by(body.zone or "", ctx.desk.zone_set)
    try:
        permit = await ctx.desk.grant(
            name,
            vehicle_id=body.vehicle or "",
            parcel_id=body.parcel or "",
            until=body.until,
            by=actor.name,
            reason=body.reason,
        )
    except ValueError as error:
        field, _, reason = str(error).partition(": ")
        raise _refused(field, reason) from error
    return _out(permit, ctx.desk.zone_set)


def _named_by(zone_id: str, zones: ZoneSet) -> str:
    zone = zones.get(zone_id)
    if zone is None:
        raise _refused("zone", f"{zone_id!r} is not in force")
    if not zone.permit:
        raise _refused("zone", f"{zone_id!r} is one that no permit lifts")
    return zone.permit


@router.delete("/permits/{permit_id}", summary="Withdraw a permit")
async def withdraw_permit(
    permit_id: Annotated[str, Path(max_length=100)],
    ctx: Ctx,
    actor: CurrentActor,
    *,
    reason: Annotated[str, Query(max_length=200)] = "",
) -> PermitOut:
    """What is under way on it is judged anew, and reacted to as after a change of zones."""
    try:
        permit = await ctx.desk.withdraw(permit_id, by=actor.name, reason=reason)
    except UnknownPermitError as error:
        raise not_found("permit", permit_id, "GET /v1/permits") from error
    except ValueError as error:
        field, _, told = str(error).partition(": ")
        raise _refused(field, told) from error
    return _out(permit, ctx.desk.zone_set)
