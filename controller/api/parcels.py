"""Routes of parcels: in, out, why, cancel, and settle."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from controller.api import views
from controller.api.actor import CurrentActor
from controller.api.context import Context, Ctx
from controller.api.idempotency import REPLAYED, Key, OptionalKey, fingerprint
from controller.api.models import DoorWordIn, ReasonIn, SettleIn, Submission
from controller.api.problems import ApiError, FieldError, duplicate, not_found
from controller.delivery.views import DuplicateParcelError
from controller.domain.model import ParcelState
from vehicles.port import CommandResult

router = APIRouter(prefix="/v1/parcels", tags=["parcels"])

ParcelId = Annotated[str, Path(max_length=64)]


@router.post("", status_code=201, summary="Submit one parcel or a list of them")
async def submit(
    body: Submission, key: Key, response: Response, ctx: Ctx
) -> views.ParcelOut | list[views.ParcelOut]:
    """All are stored or none. The same key and body again gives the same answer."""
    many = body if isinstance(body, list) else [body]
    sites = {s.site_id: s for s in ctx.desk.sites()}
    now = ctx.clock.now()
    parcels = []
    errors = []
    for index, item in enumerate(many):
        where = f"[{index}]." if isinstance(body, list) else ""
        if item.origin not in sites:
            errors.append(FieldError(f"{where}origin", f"no site {item.origin!r}"))
        if fault := item.locker_fault(sites):
            errors.append(FieldError(f"{where}destination.site", fault))
        try:
            parcels.append(item.to_parcel(sites, now=now, ids=ctx.ids))
        except KeyError:
            site = item.destination.site
            errors.append(FieldError(f"{where}destination.site", f"no site {site!r}"))
    if errors:
        raise ApiError(
            422,
            "unknown-site",
            "; ".join(f"{e.field}: {e.reason}" for e in errors[:5]),
            next_step="GET /v1/sites lists the sites; nothing was stored",
            errors=errors,
        )
    print_ = fingerprint([item.printed() for item in many])
    try:
        submitted = await ctx.desk.submit(parcels, key=key, fingerprint=print_)
    except DuplicateParcelError as error:
        index = max(i for i, p in enumerate(parcels) if p.parcel_id == error.parcel_id)
        where = f"[{index}].id" if isinstance(body, list) else "id"
        raise duplicate(error, where) from error
    if submitted.replayed:
        response.headers[REPLAYED] = "true"
    told = [views.parcel(view) for view in submitted.parcels]
    return told if isinstance(body, list) else told[0]


@router.get("", summary="List parcels")
async def list_parcels(
    ctx: Ctx,
    state: Annotated[list[ParcelState] | None, Query(description="only these states")] = None,
    vehicle: Annotated[str, Query(max_length=64, description="only those of this vehicle")] = "",
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
) -> list[views.ParcelOut]:
    """In the order of submission."""
    chosen = [
        view
        for view in ctx.desk.parcels()
        if (not state or view.state in state) and (not vehicle or view.vehicle_id == vehicle)
    ]
    return [views.parcel(view) for view in chosen[:limit]]


@router.get("/{parcel_id}", summary="One parcel")
async def get_parcel(parcel_id: ParcelId, ctx: Ctx) -> views.ParcelOut:
    """Its state, custodian, times, reasons and proof."""
    view = ctx.desk.parcel(parcel_id)
    if view is None:
        raise not_found("parcel", parcel_id, "GET /v1/parcels")
    return views.parcel(view)


@router.get("/{parcel_id}/explain", summary="Why this vehicle, and why not the others")
async def explain(parcel_id: ParcelId, ctx: Ctx) -> dict[str, Any]:
    """The newest decision about this parcel, vehicle by vehicle."""
    if ctx.desk.parcel(parcel_id) is None:
        raise not_found("parcel", parcel_id, "GET /v1/parcels")
    told = ctx.desk.explain(parcel_id)
    if told is None:
        return views.unexplained(parcel_id)
    return views.explanation(told)


@router.post("/{parcel_id}/cancel", summary="Cancel a parcel")
async def cancel(
    parcel_id: ParcelId,
    ctx: Ctx,
    actor: CurrentActor,
    key: OptionalKey = None,
    body: ReasonIn | None = None,
) -> dict[str, str]:
    """Done, or refused with the reason. What a drone has aboard comes home: the reason says how."""
    reason = body.reason if body else ""
    return await _demand(
        ctx, parcel_id, key, ["cancel", parcel_id, reason],
        lambda: ctx.desk.cancel(parcel_id, by=actor.name, reason=reason),
    )  # fmt: skip


@router.post("/{parcel_id}/trigger", summary="A customer's word at the door")
async def trigger(
    parcel_id: ParcelId,
    ctx: Ctx,
    actor: CurrentActor,
    key: OptionalKey = None,
    body: DoorWordIn | None = None,
) -> dict[str, str]:
    """The robot that waits there hands over, once: the same word again changes nothing.

    Refused with the reason for a wrong PIN, where nobody waits, and once the wait was over. After
    some wrong PINs the parcel goes back.
    """
    pin = body.pin if body else None
    return await _demand(
        ctx, parcel_id, key, ["trigger", parcel_id, pin],
        lambda: ctx.desk.trigger(parcel_id, pin=pin, by=actor.name),
    )  # fmt: skip


@router.post("/{parcel_id}/resend", summary="Send a parcel again that came back")
async def resend(
    parcel_id: ParcelId,
    ctx: Ctx,
    actor: CurrentActor,
    key: OptionalKey = None,
    body: ReasonIn | None = None,
) -> dict[str, str]:
    """Done, or refused with the reason: only a parcel that is back at its origin is sent again."""
    reason = body.reason if body else ""
    return await _demand(
        ctx, parcel_id, key, ["resend", parcel_id, reason],
        lambda: ctx.desk.resend(parcel_id, by=actor.name, reason=reason),
    )  # fmt: skip


async def _demand(
    ctx: Context,
    parcel_id: str,
    key: str | None,
    said: list[str | None],
    demand: Callable[[], Awaitable[CommandResult]],
) -> dict[str, str]:
    """What came of a demand about a parcel that is known, made once for its key."""
    if ctx.desk.parcel(parcel_id) is None:
        raise not_found("parcel", parcel_id, "GET /v1/parcels")

    async def act() -> dict[str, str]:
        result = await demand()
        return {"parcel_id": parcel_id, "outcome": result.outcome.value, "reason": result.reason}

    answer, _ = await ctx.answers.once(key, fingerprint(said), act)
    return dict(answer)


@router.post("/{parcel_id}/settle", summary="Say where a stranded parcel was found")
async def settle(
    parcel_id: ParcelId, body: SettleIn, ctx: Ctx, actor: CurrentActor, key: OptionalKey = None
) -> dict[str, str]:
    """Done, or refused with the reason: only a stranded parcel is settled.

    Found aboard it is at its vehicle's base and may be sent again; found delivered it is
    delivered, with a proof that names who says so.
    """
    return await _demand(
        ctx, parcel_id, key, ["settle", parcel_id, body.found.value, body.reason],
        lambda: ctx.desk.settle(parcel_id, found=body.found, by=actor.name, reason=body.reason),
    )  # fmt: skip
