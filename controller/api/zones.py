"""Routes of zones and of the street map under them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from controller.api.actor import CurrentActor
from controller.api.context import Ctx
from controller.api.problems import ApiError, FieldError
from geofence.errors import ZoneError, ZoneFileError
from geofence.formats import Unknown, read_any
from geofence.formats.geojson import write_zones

router = APIRouter(prefix="/v1", tags=["zones"])

VERSION = "X-Zones-Version"


@router.get("/zones", summary="The zones in force, as GeoJSON")
async def get_zones(ctx: Ctx, response: Response) -> dict[str, Any]:
    """A FeatureCollection; the header X-Zones-Version names the set."""
    zones = ctx.desk.zone_set
    response.headers[VERSION] = zones.version
    return dict(write_zones(zones.zones))


@router.put("/zones", summary="Replace the zones by those of a file")
async def put_zones(
    request: Request,
    ctx: Ctx,
    actor: CurrentActor,
    response: Response,
    *,
    profile: Annotated[str, Query(pattern=r"^[a-z0-9-]{1,40}$")] = "waypost",
    form: Annotated[str, Query(alias="format", pattern=r"^[a-z0-9]{1,20}$")] = "auto",
    unknown: Unknown = "refuse",
    timezone: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_+/-]{1,64}$")] = None,
) -> dict[str, Any]:
    """All or nothing: one bad feature and the old set stays; every bad one is listed.

    The body may be GeoJSON, ED-269, ED-318, OpenAir or KML; `format` names it where its content
    shall not tell. With `unknown=forbid` the area of what is not understood is forbidden instead.
    `timezone` (IANA) is of times that have no offset from UTC.
    """
    data = await request.body()
    try:
        zones = await asyncio.to_thread(
            read_any, data, form=form, profile=profile, unknown=unknown, timezone=timezone
        )
        stored = await ctx.desk.replace_zones(zones, by=actor.name)
    except ZoneFileError as error:
        raise _refused(error.errors) from error
    except ZoneError as error:
        raise _refused((error,)) from error
    except ValueError as error:
        raise ApiError(
            422,
            "validation",
            str(error),
            next_step="name a format, a profile and a timezone that exist, or leave them out",
            errors=[FieldError("profile", str(error))],
        ) from error
    response.headers[VERSION] = stored.version
    return {"version": stored.version, "zones": len(stored)}


def _refused(faults: Sequence[ZoneError]) -> ApiError:
    errors = [FieldError(e.field, e.reason, e.feature) for e in faults]
    return ApiError(
        422,
        "zones",
        f"{len(errors)} fault(s); the first: {faults[0] if faults else 'unknown'}",
        next_step="correct the features named in errors; the old zones stay in force",
        errors=errors,
    )


@router.get("/streets", summary="The street map that robots drive on, as GeoJSON")
async def get_streets(ctx: Ctx) -> Response:
    """An empty FeatureCollection where no street file is configured."""
    data = ctx.streets_geojson or b'{"type":"FeatureCollection","features":[]}'
    return Response(data, media_type="application/geo+json")
