"""Routes of missions before launch: planned ones and files of other tools, seen and launched."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from controller.api import views
from controller.api.actor import CurrentActor
from controller.api.context import Ctx
from controller.api.idempotency import OptionalKey, fingerprint
from controller.api.models import LaunchIn
from controller.api.problems import ApiError, FieldError, not_found
from geofence.errors import GeofenceError
from missions.errors import MissionFileError, MissionsError
from missions.formats.picture_json import picture_json
from missions.inspect import FileChecks, read_mission

router = APIRouter(prefix="/v1/missions", tags=["missions"])

MissionId = Annotated[str, Path(max_length=128)]
Metres = Annotated[float, Query(ge=-500.0, le=9_000.0)]

MAX_NAME = 80
MAX_FILE_BYTES = 1_000_000
MAX_PAIRS = 1_000_000
"""Of leg and zone over a terrain grid, so that no request holds a thread for minutes: some 15 s at
worst."""


@router.get("", summary="List open missions")
async def list_missions(ctx: Ctx) -> list[views.MissionOut]:
    """Those planned, loaded or under way; `awaits_launch` where an operator is to launch."""
    return [views.mission(view) for view in ctx.desk.missions.all()]


@router.get("/{mission_id}/preview", summary="A planned mission drawn among the zones, as GeoJSON")
async def preview(mission_id: MissionId, ctx: Ctx) -> dict[str, Any]:
    """Judged at this moment: path, corridor, ways home, zones, violations, height profile.

    Each feature's `role` says what it is; verdict, violations and profile stand beside `features`.
    """
    try:
        found = await ctx.desk.missions.preview(mission_id)
    except (GeofenceError, MissionsError) as error:
        raise _not_judged(error, "the mission cannot be judged here") from error
    if found is None:
        raise not_found("open mission", mission_id, "GET /v1/missions")
    return {
        **picture_json(found.picture),
        "planned": views.mission(found.planned),
        "shut": found.shut,
    }


@router.post("/{mission_id}/launch", summary="Launch a mission that waits for an operator")
async def launch(
    mission_id: MissionId, body: LaunchIn, ctx: Ctx, actor: CurrentActor, key: OptionalKey = None
) -> dict[str, str]:
    """Done, or refused with the reason; `content_hash` is that of the mission that was seen."""
    if all(view.mission_id != mission_id for view in ctx.desk.missions.all()):
        raise not_found("open mission", mission_id, "GET /v1/missions")

    async def act() -> dict[str, str]:
        result = await ctx.desk.missions.launch(mission_id, body.content_hash, by=actor.name)
        return {
            "mission_id": mission_id,
            "outcome": result.outcome.value,
            "reason": result.reason,
        }

    print_ = fingerprint(["launch", mission_id, body.content_hash])
    answer, _ = await ctx.answers.once(key, print_, act)
    return dict(answer)


@router.post("/check", summary="Check a .plan or .waypoints file and draw it, as GeoJSON")
async def check(
    request: Request,
    ctx: Ctx,
    *,
    name: Annotated[str, Query(max_length=MAX_NAME, description="of the file")] = "mission",
    depart_at: Annotated[datetime | None, Query(description="with time zone; now")] = None,
    speed_mps: Annotated[float, Query(ge=0.1, le=60.0)] = 10.0,
    corridor_m: Annotated[float | None, Query(ge=0.0, le=5_000.0)] = None,
    rtl_alt_m: Annotated[float, Query(ge=0.0, le=500.0)] = 15.0,
    home_amsl_m: Metres | None = None,
    permit: Annotated[list[str] | None, Query(max_length=40)] = None,
    avoidance: Annotated[bool, Query(description="OA_TYPE 2 was verified")] = False,
) -> dict[str, Any]:
    """The file is the body, whatever its syntax, sent with Content-Type: application/json.

    It is checked against the zones in force as `waypost mission check` does; nothing is kept.
    """
    if depart_at is not None and depart_at.tzinfo is None:
        raise ApiError(
            422,
            "validation",
            "depart_at has no time zone",
            next_step="write it as 2026-06-01T12:00+03:00, with + sent as %2B",
            errors=[FieldError("depart_at", "has no time zone")],
        )
    asked = FileChecks(
        depart_at=depart_at or ctx.clock.now(),
        home_amsl_m=home_amsl_m,
        speed_mps=speed_mps,
        corridor_m=corridor_m,
        rtl_alt_m=rtl_alt_m,
        permits=frozenset(permit or ()),
        avoidance=avoidance,
        most_pairs=MAX_PAIRS,
    )
    title = re.sub(r"[^\w .()+-]", "_", name)
    try:
        mission = await asyncio.to_thread(read_mission, await _body(request), title)
        picture = await ctx.desk.missions.check(mission, asked, title)
    except MissionFileError as error:
        raise _not_judged(error, "the file cannot be understood") from error
    except (GeofenceError, MissionsError) as error:
        raise _not_judged(error, "the mission cannot be checked") from error
    return picture_json(picture)


async def _body(request: Request) -> bytes:
    data = await request.body()
    if len(data) > MAX_FILE_BYTES:
        raise ApiError(
            413,
            "too-large",
            f"the file is larger than {MAX_FILE_BYTES} bytes",
            next_step="cut the mission in parts: no autopilot holds so many items",
        )
    return data


def _not_judged(error: Exception, what: str) -> ApiError:
    field = getattr(error, "field", "") or getattr(error, "where", "") or "mission"
    return ApiError(
        422,
        "mission",
        f"{what}: {error}",
        next_step="correct the item named; nothing was checked",
        errors=[FieldError(str(field), str(error))],
    )
