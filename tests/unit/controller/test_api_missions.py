"""Missions before launch over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from controller.api.app import create_app
from controller.api.context import Context
from geofence.frames import LatLon
from missions.formats.qgc_plan import write_plan
from missions.formats.waypoints import write_waypoints
from missions.model import AirItem, AirMission, ItemKind
from tests.support.clock import START, ManualClock
from tests.support.desk import FakeDesk, vehicle_view

PAD = LatLon(60.1985, 24.9330)
NEAR, THROUGH = LatLon(60.1960, 24.9250), LatLon(60.1890, 24.9050)
JSON = {"Content-Type": "application/json"}


def mission(to: LatLon, *, return_path: bool = True) -> AirMission:
    mark = [AirItem(ItemKind.RETURN_PATH, to, 60.0)] if return_path else []
    items = (
        AirItem(ItemKind.TAKEOFF, PAD, 60.0),
        AirItem(ItemKind.WAYPOINT, to, 60.0),
        *mark,
        AirItem(ItemKind.WAYPOINT, PAD, 60.0),
        AirItem(ItemKind.LAND, PAD),
    )
    return AirMission("m-1", "D-01", PAD, 20.0, 60.0, items, "")


@pytest.fixture
def desk() -> FakeDesk:
    desk = FakeDesk(ManualClock())
    desk.put_vehicle(vehicle_view("D-01", START, PAD))
    return desk


@pytest.fixture
async def client(desk: FakeDesk) -> AsyncIterator[httpx.AsyncClient]:
    context = Context(desk, desk.clock, lambda prefix: f"{prefix}-1")
    transport = httpx.ASGITransport(create_app(context))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8080") as client:
        yield client


async def check(client: httpx.AsyncClient, body: str, **params: object) -> httpx.Response:
    return await client.post("/v1/missions/check", content=body, headers=JSON, params=params)  # type: ignore[arg-type]


@pytest.mark.parametrize("write", [write_plan, write_waypoints])
async def test_a_file_is_checked_and_drawn(client: httpx.AsyncClient, write) -> None:
    clear = (await check(client, write(mission(NEAR)), name="near.plan")).json()
    assert clear["allowed"] is True
    assert clear["violations"] == []
    assert clear["title"] == "near.plan"
    through = (await check(client, write(mission(THROUGH)))).json()
    assert through["allowed"] is False
    first = through["violations"][0]
    assert (first["zone_id"], first["kind"]) == ("heliport", "no_fly")
    assert first["leg"].startswith("leg 1")
    assert first["depth_m"] > 400.0
    assert "heliport" in first["reason"]
    roles = [feature["properties"]["role"] for feature in through["features"]]
    assert roles.count("violation") == len(through["violations"])
    zone = next(f for f in through["features"] if f["properties"].get("id") == "heliport")
    assert zone["properties"]["hit"] is True
    assert zone["properties"]["radius_m"] == 450.0
    assert zone["properties"]["times"] == "at all times"
    bands = {band["zone_id"]: band for band in through["profile"]["bands"]}
    assert bands["heliport"]["low_amsl_m"] is None


async def test_what_is_asked_reaches_the_check(client: httpx.AsyncClient) -> None:
    own = write_plan(mission(NEAR, return_path=False))
    told = (await check(client, own)).json()
    roles = {feature["properties"]["role"] for feature in told["features"]}
    assert {"spare", "way_home"} <= roles
    wide = (await check(client, own, corridor_m=2000.0)).json()
    assert wide["allowed"] is False
    calm = (await check(client, own, avoidance=True, home_amsl_m=50.0)).json()
    assert "way_home" not in {f["properties"]["role"] for f in calm["features"]}
    assert max(height for _, height in calm["profile"]["way"]) == 110.0


@pytest.mark.parametrize(
    ("body", "params", "status", "words"),
    [
        ("{}", {}, 422, "fileType"),
        ("QGC WPL 110\n0\t1\n", {}, 422, "line 2"),
        (write_plan(mission(NEAR)), {"depart_at": "2026-06-01T12:00"}, 422, "time zone"),
        (write_plan(mission(NEAR)), {"speed_mps": -1}, 422, "speed_mps"),
        (" " * 1_000_001, {}, 413, "larger"),
    ],
)
async def test_what_cannot_be_checked_is_told_with_what_is_next(
    client: httpx.AsyncClient, body: str, params: dict[str, object], status: int, words: str
) -> None:
    answer = await check(client, body, **params)
    assert answer.status_code == status
    problem = answer.json()
    assert words in json.dumps(problem)
    assert problem["next"]


async def test_a_planned_mission_is_shown_and_launched(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    planned = mission(NEAR)
    desk.missions.put(planned, ("P-1",))
    listed = (await client.get("/v1/missions")).json()
    assert [(m["id"], m["awaits_launch"], m["state"]) for m in listed] == [("m-1", True, "loaded")]
    seen = (await client.get("/v1/missions/m-1/preview")).json()
    assert seen["planned"] == listed[0]
    assert (seen["allowed"], seen["shut"]) == (True, "")
    refused = await client.post("/v1/missions/m-1/launch", json={"content_hash": "other"})
    assert refused.json()["outcome"] == "refused"
    body = {"content_hash": seen["planned"]["content_hash"]}
    headers = {"Idempotency-Key": "once", "X-Operator": "kim"}
    for _ in range(2):
        done = await client.post("/v1/missions/m-1/launch", json=body, headers=headers)
        assert done.json() == {"mission_id": "m-1", "outcome": "done", "reason": ""}
    assert desk.missions.launched == [("m-1", planned.content_hash, "kim")]
    missing = await client.get("/v1/missions/none/preview")
    assert missing.status_code == 404
    assert "GET /v1/missions" in missing.json()["next"]
