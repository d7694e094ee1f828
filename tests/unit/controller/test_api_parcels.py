"""Parcels in and out over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from controller.api.app import create_app
from controller.api.context import Context
from controller.delivery.views import DoorView, Found
from controller.domain.model import ParcelState
from tests.support.clock import ManualClock
from tests.support.desk import FakeDesk

BODY: dict[str, Any] = {
    "id": "P-1",
    "weight_kg": 1.2,
    "size_m": [0.3, 0.2, 0.1],
    "origin": "hub-north",
    "destination": {"lat_deg": 60.17, "lon_deg": 24.93, "address": "Kalevankatu 3"},
    "due_at": "2026-05-04T10:00:00Z",
}


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk(ManualClock())


@pytest.fixture
async def client(desk: FakeDesk) -> AsyncIterator[httpx.AsyncClient]:
    numbers = iter(range(1, 10_000))
    context = Context(desk, desk.clock, lambda prefix: f"{prefix}-{next(numbers)}")
    transport = httpx.ASGITransport(create_app(context))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


async def post(client: httpx.AsyncClient, body: Any, key: str = "k1") -> httpx.Response:
    return await client.post("/v1/parcels", json=body, headers={"Idempotency-Key": key})


async def test_a_parcel_is_stored_and_told_again(client: httpx.AsyncClient) -> None:
    created = await post(client, BODY)
    assert created.status_code == 201
    assert created.json()["state"] == "submitted"
    assert created.json()["ready_at"] == "2026-05-04T09:00:00+00:00"
    again = await client.get("/v1/parcels/P-1")
    assert again.json() == created.json()
    assert [p["id"] for p in (await client.get("/v1/parcels")).json()] == ["P-1"]


async def test_the_same_key_and_body_is_one_submission(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    nameless = {k: v for k, v in BODY.items() if k != "id"}
    first = await post(client, nameless)
    second = await post(client, nameless)
    assert second.status_code == 201
    assert second.json() == first.json()
    assert second.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert len(desk.parcels()) == 1


async def test_the_same_key_with_another_body_is_a_conflict(client: httpx.AsyncClient) -> None:
    await post(client, BODY)
    other = await post(client, {**BODY, "id": "P-2"})
    assert other.status_code == 409
    assert other.headers["content-type"] == "application/problem+json"
    assert other.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_a_taken_id_is_a_conflict(client: httpx.AsyncClient) -> None:
    await post(client, BODY)
    other = await post(client, BODY, key="k2")
    assert other.status_code == 409
    assert "P-1" in other.json()["detail"]


async def test_a_list_is_stored_whole_or_not_at_all(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    bad = await post(client, [BODY, {**BODY, "id": "P-2", "origin": "nowhere"}])
    assert bad.status_code == 422
    assert bad.json()["errors"] == [{"field": "[1].origin", "reason": "no site 'nowhere'"}]
    assert desk.parcels() == []
    good = await post(client, [BODY, {**BODY, "id": "P-2"}])
    assert [p["id"] for p in good.json()] == ["P-1", "P-2"]


async def test_without_a_key_nothing_is_stored(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    refused = await client.post("/v1/parcels", json=BODY)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "Idempotency-Key"
    assert desk.parcels() == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"weight_kg": -1}, "weight_kg"),
        ({"weight_kg": "heavy"}, "weight_kg"),
        ({"size_m": [0.1, 0.1]}, "size_m[2]"),
        ({"size_m": [0.1, 0.1, 0]}, "size_m[2]"),
        ({"due_at": "2026-05-04T10:00:00"}, "due_at"),
        ({"ready_at": "2026-05-04T11:00:00Z"}, "due_at"),
        ({"destination": {"lat_deg": 60.1}}, "destination"),
        ({"destination": {"lat_deg": 95, "lon_deg": 24}}, "destination.lat_deg"),
        ({"destination": {"site": "nowhere"}}, "destination.site"),
        ({"colour": "red"}, "colour"),
        ({"handling": "pin"}, "pin"),
        ({"pin": "1234"}, "pin"),
        ({"priority": "fast"}, "priority"),
        ({"id": "../etc"}, "id"),
    ],
)
async def test_an_impossible_field_is_named(
    client: httpx.AsyncClient, desk: FakeDesk, change: dict[str, Any], field: str
) -> None:
    refused = await post(client, {**BODY, **change})
    assert refused.status_code == 422
    problem = refused.json()
    assert field in {e["field"] for e in problem["errors"]}
    assert problem["next"]
    assert desk.parcels() == []


async def test_not_a_number_is_refused(client: httpx.AsyncClient) -> None:
    text = '{"weight_kg": NaN, "size_m": [1,1,1], "origin": "hub-north"}'
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    refused = await client.post("/v1/parcels", content=text, headers=headers)
    assert refused.status_code == 422


async def test_a_pin_never_leaves(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    created = await post(client, {**BODY, "handling": "pin", "pin": "4711"})
    stored = desk.parcels()[0].parcel.pin_sha256
    assert len(stored) == 64
    assert "4711" not in created.text
    assert stored not in created.text


async def test_a_destination_site_gives_its_place(client: httpx.AsyncClient) -> None:
    created = await post(client, {**BODY, "destination": {"site": "locker-1"}})
    assert created.json()["destination"] == {
        "lat_deg": 60.1677,
        "lon_deg": 24.9525,
        "site": "locker-1",
        "address": "Locker at the market",
    }


async def test_what_is_not_there_says_where_to_look(client: httpx.AsyncClient) -> None:
    for path in ("/v1/parcels/none", "/v1/parcels/none/explain", "/v1/vehicles/none"):
        missing = await client.get(path)
        assert missing.status_code == 404
        assert missing.json()["next"].startswith("GET /v1/")


async def test_cancel_is_done_or_refused_with_a_reason(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    await post(client, BODY)
    done = await client.post("/v1/parcels/P-1/cancel", json={"reason": "customer rang"})
    assert done.json()["outcome"] == "done"
    again = await client.post("/v1/parcels/P-1/cancel")
    assert again.json()["outcome"] == "refused"
    assert again.json()["reason"]


async def test_a_stranded_parcel_is_settled_once_and_no_other(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    await post(client, BODY)
    path, key = "/v1/parcels/P-1/settle", {"Idempotency-Key": "s1", "X-Operator": "anna"}
    body = {"found": "delivered", "reason": "the recipient rang"}
    early = await client.post(path, json=body)
    assert early.json()["outcome"] == "refused"
    assert "not stranded" in early.json()["reason"]
    desk.put_state("P-1", ParcelState.STRANDED)
    for _ in range(2):
        done = await client.post(path, json=body, headers=key)
        assert done.json() == {"parcel_id": "P-1", "outcome": "done", "reason": ""}
    assert desk.settled == [("P-1", Found.DELIVERED, "anna", "the recipient rang")]
    other = await client.post(path, json={**body, "found": "aboard"}, headers=key)
    assert other.status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"found": "aboard"}, "reason"),
        ({"found": "aboard", "reason": ""}, "reason"),
        ({"found": "lost", "reason": "x"}, "found"),
        ({"found": "aboard", "reason": "x", "by": "y"}, "by"),
    ],
)
async def test_settling_names_what_is_wrong_with_it(
    client: httpx.AsyncClient, body: dict[str, str], field: str
) -> None:
    await post(client, BODY)
    told = await client.post("/v1/parcels/P-1/settle", json=body)
    assert told.status_code == 422
    assert [e["field"] for e in told.json()["errors"]] == [field]
    gone = await client.post("/v1/parcels/P-9/settle", json={"found": "aboard", "reason": "x"})
    assert gone.status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"handover": "window"}, "handover"),
        ({"handover": "locker"}, "destination.site"),
        ({"handover": "locker", "destination": {"site": "hub-north"}}, "destination.site"),
        ({"handover": "drop", "handling": "pin", "pin": "1234"}, "handover"),
        ({"service_s": 0}, "service_s"),
        ({"service_s": 3601}, "service_s"),
        ({"earliest_at": "2026-05-04T09:30:00"}, "earliest_at"),
        ({"earliest_at": "2026-05-04T10:00:00Z"}, "earliest_at"),
        (
            {"earliest_at": "2026-05-04T09:30:00Z", "latest_at": "2026-05-04T09:30:00Z"},
            "latest_at",
        ),
        ({"ready_at": "2026-05-04T09:30:00Z", "latest_at": "2026-05-04T09:20:00Z"}, "latest_at"),
    ],
)
async def test_an_impossible_handover_is_named(
    client: httpx.AsyncClient, desk: FakeDesk, change: dict[str, Any], field: str
) -> None:
    refused = await post(client, {**BODY, **change})
    assert refused.status_code == 422
    assert field in {e["field"] for e in refused.json()["errors"]}
    assert desk.parcels() == []


async def test_how_a_parcel_is_handed_over_is_told(client: httpx.AsyncClient) -> None:
    plain = (await post(client, BODY)).json()
    assert (plain["handover"], plain["service_s"]) == ("drop", None)
    assert (plain["earliest_at"], plain["latest_at"], plain["door"]) == (None, None, None)
    change = {
        "id": "P-2", "destination": {"site": "locker-1"}, "handover": "locker", "service_s": 40,
        "earliest_at": "2026-05-04T09:30:00Z", "latest_at": "2026-05-04T09:50:00Z",
    }  # fmt: skip
    told = (await post(client, {**BODY, **change}, key="k2")).json()
    assert (told["handover"], told["service_s"]) == ("locker", 40.0)
    assert told["earliest_at"] == "2026-05-04T09:30:00+00:00"
    assert told["latest_at"] == "2026-05-04T09:50:00+00:00"
    pin = {"id": "P-3", "handling": "pin", "pin": "4711"}
    assert (await post(client, {**BODY, **pin}, key="k3")).json()["handover"] == "door"


async def test_a_customers_word_is_handed_on_once_for_a_key(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    await post(client, BODY)
    path, key = "/v1/parcels/P-1/trigger", {"Idempotency-Key": "t1", "X-Operator": "anna"}
    early = await client.post(path)
    assert early.json()["outcome"] == "refused"
    until = desk.clock.now() + timedelta(minutes=5)
    desk.put_state("P-1", ParcelState.IN_TRANSIT, door=DoorView("pin", desk.clock.now(), until, 3))
    told = (await client.get("/v1/parcels/P-1")).json()["door"]
    assert (told["asks"], told["tries_left"], told["until"]) == ("pin", 3, until.isoformat())
    for _ in range(2):
        done = await client.post(path, json={"pin": "4711"}, headers=key)
        assert done.json() == {"parcel_id": "P-1", "outcome": "done", "reason": "opened"}
    assert desk.triggered == [("P-1", None, "local"), ("P-1", "4711", "anna")]
    for body in ({"pin": "12"}, {"pin": "47110000x"}, {"word": "x"}):
        bad = await client.post(path, json=body)
        assert bad.status_code == 422
        assert str(next(iter(body.values()))) not in bad.text or body == {"word": "x"}
    assert (await client.post("/v1/parcels/none/trigger")).status_code == 404


async def test_what_came_back_is_sent_again_by_a_word(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    await post(client, BODY)
    path = "/v1/parcels/P-1/resend"
    assert (await client.post(path)).json()["outcome"] == "refused"
    desk.put_state("P-1", ParcelState.RETURNED, resendable=True)
    assert (await client.get("/v1/parcels/P-1")).json()["resendable"]
    assert (await client.post(path, json={"reason": "home"})).json()["outcome"] == "done"
    assert (await client.get("/v1/parcels/P-1")).json()["state"] == "submitted"
    assert (await client.post("/v1/parcels/none/resend")).status_code == 404
