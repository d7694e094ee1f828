"""Vehicles, zones, alarms, guard, metrics and the live stream over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from controller.api.app import create_app
from controller.api.context import Context
from controller.api.stream import follow
from controller.delivery.refuges import Refuge
from controller.domain.model import ParcelState
from geofence.frames import LatLon
from tests.support.clock import START, ManualClock
from tests.support.desk import FakeDesk, alarm, parcel, vehicle_view
from vehicles.port import Divert, LinkState

SOMEWHERE = LatLon(60.18, 24.93)


def make_context(desk: FakeDesk) -> Context:
    numbers = iter(range(1, 1_000_000))
    return Context(desk, desk.clock, lambda prefix: f"{prefix}-{next(numbers)}")


@pytest.fixture
def desk() -> FakeDesk:
    desk = FakeDesk(ManualClock())
    desk.put_vehicle(vehicle_view("D-01", START, SOMEWHERE))
    desk.put_vehicle(vehicle_view("D-02", START, SOMEWHERE, link=LinkState.OFFLINE))
    desk.put_vehicle(vehicle_view("R-01", None, SOMEWHERE, robot=True))
    return desk


@pytest.fixture
async def client(desk: FakeDesk) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(make_context(desk)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8080") as client:
        yield client


async def test_a_vehicle_that_never_spoke_has_no_age(client: httpx.AsyncClient) -> None:
    told = {v["id"]: v for v in (await client.get("/v1/vehicles")).json()}
    assert told["R-01"]["age_s"] is None
    assert told["D-01"]["age_s"] == 0.0
    assert (await client.get("/v1/vehicles/D-01")).json() == told["D-01"]


async def test_a_command_tells_its_outcome_and_is_logged_with_its_author(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    body = {"verb": "hold", "reason": "crane"}
    done = await client.post(
        "/v1/vehicles/D-01/commands", json=body, headers={"X-Operator": "anna"}
    )
    assert done.json()["outcome"] == "done"
    assert desk.commands == [("D-01", "hold", "anna", "crane")]
    doubtful = await client.post("/v1/vehicles/D-02/commands", json=body)
    assert (doubtful.json()["outcome"], doubtful.json()["reason"]) == ("uncertain", "no link")
    log = (await client.get("/v1/log")).json()
    assert [e["seq"] for e in log] == [1, 2]
    assert (await client.get("/v1/log", params={"after": 1})).json() == log[1:]


async def test_a_command_with_a_key_is_done_once(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    headers = {"Idempotency-Key": "k"}
    address = "/v1/vehicles/D-01/commands"
    first = await client.post(address, json={"verb": "hold"}, headers=headers)
    again = await client.post(address, json={"verb": "hold"}, headers=headers)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(desk.commands) == 1
    other = await client.post(address, json={"verb": "land"}, headers=headers)
    assert other.status_code == 409
    assert len(desk.commands) == 1


async def test_only_a_vehicle_that_is_not_heard_is_written_off(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    body = {"reason": "in the canal", "removed": True}
    heard = await client.post("/v1/vehicles/D-01/write-off", json=body)
    assert (heard.json()["outcome"], heard.json()["reason"]) == ("refused", "D-01 is heard")
    lost = await client.post(
        "/v1/vehicles/D-02/write-off", json=body, headers={"X-Operator": "anna"}
    )
    assert (lost.json()["outcome"], lost.json()["reason"]) == ("done", "settle P-1")
    assert desk.written_off == [("D-02", "anna", "in the canal", True)]
    assert (await client.post("/v1/vehicles/D-99/write-off", json=body)).status_code == 404


async def test_a_robot_is_sent_to_charge_and_a_drone_is_not(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    address = "/v1/vehicles/{}/charge"
    robot = next(v for v in desk.vehicles() if v.kind == "robot").vehicle_id
    drone = next(v for v in desk.vehicles() if v.kind == "drone").vehicle_id
    headers = {"Idempotency-Key": "once"}
    for _ in range(2):
        sent = await client.post(address.format(robot), json={"reason": "quiet"}, headers=headers)
        assert sent.json()["outcome"] == "done"
    ended = await client.post(address.format(robot), json={"on": False})
    assert ended.json()["verb"] == "end charging"
    assert [(v, on) for v, on, _, _ in desk.charged] == [(robot, True), (robot, False)]
    refused = await client.post(address.format(drone), json={})
    assert refused.json()["outcome"] == "refused"
    assert (await client.post(address.format("nobody"), json={})).status_code == 404


async def test_a_person_says_what_becomes_of_an_action_that_failed(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    address = "/v1/vehicles/{}/retry"
    robot = next(v for v in desk.vehicles() if v.kind == "robot").vehicle_id
    again = await client.post(address.format(robot), json={"again": True, "reason": "lid freed"})
    assert again.json()["outcome"] == "done"
    assert (await client.post(address.format(robot), json={"again": False})).json()[
        "verb"
    ] == "skip"
    assert [(v, a) for v, a, _, _ in desk.answered] == [(robot, True), (robot, False)]
    assert (await client.post(address.format(robot), json={})).status_code == 422


async def test_a_divert_names_its_point_and_is_done_once_a_key(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    body = {"lat_deg": 60.21, "lon_deg": 24.91, "alt_home_m": 60.0, "reason": "helicopter"}
    address, headers = "/v1/vehicles/D-01/divert", {"Idempotency-Key": "k", "X-Operator": "anna"}
    first = await client.post(address, json=body, headers=headers)
    assert (first.json()["verb"], first.json()["outcome"]) == ("divert", "done")
    again = await client.post(address, json=body, headers=headers)
    assert again.headers["Idempotency-Replayed"] == "true"
    to = Divert(LatLon(60.21, 24.91), 60.0)
    assert desk.diverts == [("D-01", to, "anna", "helicopter")]
    high = await client.post(address, json={**body, "alt_home_m": 200.0})
    assert high.json()["outcome"] == "refused"
    assert (await client.post(address, json={"lat_deg": 60.0})).status_code == 422
    unknown = await client.post("/v1/vehicles/D-99/divert", json=body)
    assert unknown.status_code == 404


async def test_places_to_divert_to_are_told_with_what_is_against_them(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    clear = Divert(LatLon(60.21, 24.91), 60.0)
    desk.places = [
        Refuge("rally point 1", "rally", clear, 412.34, ""),
        Refuge("Harbour", "site", clear, 900.0, "the way there is not allowed: Stadium: inside"),
    ]
    told = (await client.get("/v1/vehicles/D-01/refuges")).json()
    assert [(p["name"], p["allowed"]) for p in told] == [
        ("rally point 1", True),
        ("Harbour", False),
    ]
    assert told[0]["position"] == {"lat_deg": 60.21, "lon_deg": 24.91}
    assert (told[0]["alt_home_m"], told[0]["away_m"], told[0]["reason"]) == (60.0, 412.3, "")
    assert "Stadium" in told[1]["reason"]
    assert (await client.get("/v1/vehicles/D-99/refuges")).status_code == 404


async def test_fleet_commands_freeze_and_resume_thaws(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    told = (await client.post("/v1/fleet/commands", json={"verb": "return"})).json()
    assert {a["vehicle_id"]: a["outcome"] for a in told} == {
        "D-01": "done",
        "D-02": "uncertain",
        "R-01": "uncertain",
    }
    assert (await client.get("/healthz")).json()["held"] is True
    assert (await client.post("/v1/fleet/resume")).json() == {"held": None}
    refused = await client.post("/v1/fleet/commands", json={"verb": "resume"})
    assert refused.status_code == 422


async def test_zones_are_replaced_all_or_nothing(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    before = await client.get("/v1/zones")
    collection = before.json()
    bow_tie = {
        "type": "Feature",
        "properties": {"id": "bow", "name": "", "kind": "no_fly"},
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[24, 60], [25, 61], [25, 60], [24, 61], [24, 60]]],
        },
    }
    bad = {**collection, "features": [*collection["features"][:1], bow_tie]}
    refused = await client.put("/v1/zones", json=bad)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["feature"] == "bow"
    assert desk.zone_set.version == before.headers["X-Zones-Version"]
    fewer = {**collection, "features": collection["features"][:2]}
    done = await client.put("/v1/zones", json=fewer)
    assert done.json()["zones"] == 2
    assert done.json()["version"] == desk.zone_set.version != before.headers["X-Zones-Version"]


async def test_zones_of_another_format_keep_what_their_authority_said(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    circle = {"type": "Circle", "center": [24.9, 60.1], "radius": 100}
    volume = {"uomDimensions": "M", "horizontalProjection": circle}
    dusk = {"day": ["ANY"], "startEvent": "SS", "endEvent": "SR"}
    zone = {
        "identifier": "FIN1",
        "country": "FIN",
        "type": "COMMON",
        "restriction": "REQ_AUTHORISATION",
        "zoneAuthority": [{"name": "Harbour master"}],
        "applicability": [{"permanent": "NO", "schedule": [dusk]}],
        "geometry": [volume],
    }
    body = {"UASZoneList": [zone]}
    assert (await client.put("/v1/zones", json=body, params={"format": "none"})).status_code == 422
    done = await client.put("/v1/zones", json=body)
    assert done.status_code == 200, done.text
    (feature,) = (await client.get("/v1/zones")).json()["features"]
    properties = feature["properties"]
    assert properties["permit"] == "FIN1"
    assert properties["schedule"]["windows"][0]["start"] == "SS"
    assert properties["source"]["words"]["zoneAuthority"][0]["name"][0]["text"] == "Harbour master"


async def test_alarms_are_acknowledged_by_name(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    desk.put_alarm(alarm("A-1", START))
    assert (await client.get("/v1/alarms")).json()[0]["acknowledged_by"] == ""
    await client.post("/v1/alarms/A-1/ack", headers={"X-Operator": "anna"})
    assert (await client.get("/v1/alarms")).json()[0]["acknowledged_by"] == "anna"
    assert (await client.post("/v1/alarms/A-9/ack")).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example:8080"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:9999"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Origin": "http://localhost:8080", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Host": "[::1]:8080"}, 200),
    ],
)
async def test_only_its_own_pages_and_plain_clients_may_act(
    client: httpx.AsyncClient, desk: FakeDesk, headers: dict[str, str], status: int
) -> None:
    sent = {"Content-Type": "application/json", **headers}
    answer = await client.post(
        "/v1/vehicles/D-01/commands", content='{"verb": "hold"}', headers=sent
    )
    assert answer.status_code == status
    assert len(desk.commands) == (1 if status == 200 else 0)
    if status != 200:
        assert answer.json()["next"]


async def test_a_body_without_end_is_cut_off(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 1_000_000

    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    answer = await client.post("/v1/parcels", content=endless(), headers=headers)
    assert answer.status_code == 413


async def test_metrics_count_what_the_desk_holds(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    await desk.submit([parcel("P-1", START, SOMEWHERE)], key="k", fingerprint="f")
    text = (await client.get("/metrics")).text
    assert 'waypost_parcels{state="submitted"} 1.0' in text
    assert 'waypost_vehicles{link="online"} 1.0' in text
    assert 'waypost_vehicle_battery_percent{vehicle="D-01"} 87.0' in text


def parse(chunk: bytes) -> tuple[str, Any]:
    lines = chunk.decode().splitlines()
    return lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: "))


@asynccontextmanager
async def listening(context: Context) -> AsyncIterator[Callable[[], Awaitable[tuple[str, Any]]]]:
    """A client of the stream; call it for the next event."""
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    gone = asyncio.Event()

    async def following() -> tuple[str, Any]:
        async with asyncio.timeout(5):
            return parse(await chunks.get())

    async with asyncio.TaskGroup() as group:
        group.create_task(follow(context, chunks.put, gone.wait()), name="client")
        yield following
        gone.set()


async def test_the_stream_tells_a_snapshot_and_then_every_change(desk: FakeDesk) -> None:
    context = make_context(desk)
    async with listening(context) as following:
        name, snapshot = await following()
        assert name == "snapshot"
        assert {v["id"] for v in snapshot["vehicles"]} == {"D-01", "D-02", "R-01"}
        assert context.streams == 1
        await desk.submit([parcel("P-1", START, SOMEWHERE)], key="k", fingerprint="f")
        desk.put_state("P-1", ParcelState.IN_TRANSIT, vehicle_id="D-01")
        told = [await following() for _ in range(2)]
        assert [(n, p["state"]) for n, p in told] == [
            ("parcel", "submitted"),
            ("parcel", "in_transit"),
        ]
        desk.put_alarm(alarm("A-1", START))
        assert (await following())[0] == "alarms"
    assert context.streams == 0


async def test_a_closing_server_ends_its_streams(desk: FakeDesk) -> None:
    context = make_context(desk)
    async with listening(context) as following:
        await following()
        context.closing.set()
        async with asyncio.timeout(5):
            while context.streams:
                await asyncio.sleep(0)


async def test_a_slow_reader_gets_a_fresh_snapshot(desk: FakeDesk) -> None:
    async with listening(make_context(desk)) as following:
        await following()
        for _ in range(1000):
            desk.put_vehicle(vehicle_view("D-01", START, SOMEWHERE))
        while (await following())[0] != "snapshot":
            pass


async def test_streams_are_bounded(desk: FakeDesk) -> None:
    context = make_context(desk)
    context.streams = context.max_streams
    transport = httpx.ASGITransport(create_app(context))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/v1/stream")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"


def bounded_app() -> Any:
    desk = FakeDesk(ManualClock())
    desk.put_vehicle(vehicle_view("D-01", START, SOMEWHERE))
    return create_app(make_context(desk), allowed_hosts=["testserver"])


schema = schemathesis.openapi.from_asgi("/openapi.json", bounded_app()).exclude(path="/v1/stream")


@schema.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_request_breaks_the_server(case: schemathesis.Case) -> None:
    response = case.call()
    assert response.status_code < 500, response.text
    if response.status_code >= 400 and case.method != "OPTIONS":
        assert response.headers["content-type"] == ["application/problem+json"]


TOWER = {
    "type": "Feature",
    "id": "z-tower",
    "geometry": {"type": "Point", "coordinates": [24.93, 60.18]},
    "properties": {"name": "Tower", "kind": "restricted", "permit": "tower", "radius_m": 100.0},
}


async def test_permits_are_granted_listed_and_withdrawn(client: httpx.AsyncClient) -> None:
    zones = {"type": "FeatureCollection", "features": [TOWER]}
    assert (await client.put("/v1/zones", json=zones)).status_code == 200
    body = {"zone": "z-tower", "vehicle": "D-01", "until": "2026-05-04T12:00:00Z", "reason": "ok"}
    answer = await client.post("/v1/permits", json=body, headers={"X-Operator": "anna"})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["permit"], made["vehicle"], made["by"]) == ("tower", "D-01", "anna")
    assert made["zones"] == ["z-tower"]
    assert (await client.get("/v1/permits")).json() == [made]
    gone = await client.delete(f"/v1/permits/{made['id']}", params={"reason": "over"})
    assert gone.json()["id"] == made["id"]
    assert (await client.get("/v1/permits")).json() == []
    assert (await client.delete(f"/v1/permits/{made['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"permit": "tour"}, "permit"),
        ({"zone": "z-nowhere"}, "zone"),
        ({}, "body"),
        ({"permit": "tower", "zone": "z-tower"}, "body"),
        ({"permit": "tower", "until": "2026-05-04T12:00:00"}, "until"),
        ({"permit": "tower", "until": "2020-05-04T12:00:00Z"}, "until"),
    ],
)
async def test_a_permit_that_cannot_be_names_its_field(
    client: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    zones = {"type": "FeatureCollection", "features": [TOWER]}
    await client.put("/v1/zones", json=zones)
    answer = await client.post("/v1/permits", json=body)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [field]


async def test_a_permit_for_a_vehicle_that_is_not_there_is_refused(
    client: httpx.AsyncClient,
) -> None:
    await client.put("/v1/zones", json={"type": "FeatureCollection", "features": [TOWER]})
    answer = await client.post("/v1/permits", json={"permit": "tower", "vehicle": "D-99"})
    assert answer.status_code == 404
