"""Passages as operators see them and take them back: the view, the API, the command line."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from typer.testing import CliRunner

from controller.api.app import create_app
from controller.api.context import Context
from controller.cli.main import app
from controller.delivery.passages import passage_views
from controller.domain.records import PassageRecord
from tests.support.clock import START, ManualClock
from tests.support.desk import FakeDesk, vehicle_view
from tests.support.server import DeskServer
from tests.unit.controller.test_delivery_turns import PLACES, Memory, Rig, streets
from vehicles.port import LinkState, Outcome


def met() -> Rig:
    """r1 has the lane and is lost in it; r2 waits before it."""
    rig = Rig()
    rig.assign("r1", "wambe")
    rig.assign("r2", "ebmaw")
    rig.owners["r1"].at = rig.owners["r2"].at = 1
    return rig


async def test_who_has_a_passage_and_who_waits_is_seen() -> None:
    rig = met()
    await rig.turns.look()
    (view,) = rig.turns.views()
    assert (view.passage_id, view.kind) == ("narrow:am", "narrow")
    assert view.holders == (("r1", "ahead"),)
    assert view.waiting == ("r2",)
    assert view.lines == ((PLACES["a"], PLACES["m"]), (PLACES["m"], PLACES["b"]))
    assert rig.turns.views(everyone=True) == [view]
    docks = Rig(docks="b")
    assert not docks.turns.views()
    every = passage_views(docks.turns.passages, docks.turns.book, streets("b"), everyone=True)
    assert [(v.passage_id, v.holders) for v in every] == [("dock:b", ()), ("narrow:am", ())]


async def test_a_lost_robots_passages_are_taken_back_by_word_alone() -> None:
    rig = met()
    await rig.turns.look()
    no = await rig.turns.take_back("r1", by="anna", reason="I see it")
    assert no.outcome is Outcome.REFUSED
    assert "tells where it is" in no.reason
    rig.owners["r1"].telemetry = rig.seen("r1", PLACES["m"], LinkState.OFFLINE)
    for _ in range(3):
        await rig.clock.advance(600.0)
        await rig.turns.look()
    assert rig.ends() == [4, 1], "no time ends a lease"
    done = await rig.turns.take_back("r1", by="anna", reason="carried to the shop")
    assert done.done
    (event,) = rig.memory.events
    assert (event.kind, event.vehicle_id) == ("passages.taken_back", "r1")
    assert event.data == {
        "passages": ["narrow:am"], "by": "anna", "reason": "carried to the shop",
    }  # fmt: skip
    await rig.turns.look()
    assert rig.ends()[1] == 4
    assert rig.memory.stored["r1"].body["absent"] is True
    again = Rig(memory=rig.memory)
    again.owners["r1"].telemetry = rig.owners["r1"].telemetry
    again.turns.restore(rig.memory.stored.values())
    assert list(again.turns.book.holders()["narrow:am"]) == ["r2"]


async def test_a_robot_that_was_thought_away_and_is_heard_in_the_lane_is_told() -> None:
    rig = met()
    await rig.turns.look()
    rig.owners["r1"].telemetry = rig.seen("r1", PLACES["m"], LinkState.STALE)
    assert (await rig.turns.take_back("r1", by="anna", reason="gone")).done
    await rig.turns.look()
    rig.owners["r1"].telemetry = rig.seen("r1", PLACES["m"])
    await rig.turns.look()
    (alarm,) = rig.board.alarms()
    assert alarm.cause == "r1 and r2 are both at narrow:am, where one may be"
    rig.owners["r1"].at = 3
    await rig.turns.look()
    assert not rig.board.alarms()


async def test_what_a_robot_had_that_is_no_longer_enrolled_is_given_back() -> None:
    body = {
        "route": "a-old",
        "granted": 1,
        "passed": 1,
        "rest": [],
        "held": [("narrow:am", "ahead")],
    }
    memory = Memory()
    memory.stored["old"] = PassageRecord("old", 7, body, START)
    rig = Rig(memory=memory)
    rig.turns.restore(list(memory.stored.values()))
    rig.assign("r1", "ambe")
    await rig.turns.look()
    assert rig.turns.book.end("r1") == 3
    assert not memory.stored["old"].body
    assert [(e.kind, e.vehicle_id) for e in memory.events] == [("passages.given_back", "old")]


@pytest.fixture
def desk() -> FakeDesk:
    desk = FakeDesk(ManualClock())
    for name in ("r1", "r2"):
        desk.put_vehicle(vehicle_view(name, START, PLACES["w"], robot=True))
    return desk


@pytest.fixture
async def client(desk: FakeDesk) -> AsyncIterator[httpx.AsyncClient]:
    numbers = iter(range(1, 1_000))
    context = Context(desk, desk.clock, lambda prefix: f"{prefix}-{next(numbers)}")
    transport = httpx.ASGITransport(create_app(context))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8080") as client:
        yield client


async def test_the_api_tells_them_and_takes_them_back(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    assert (await client.get("/v1/passages")).json() == []
    address = "/v1/vehicles/r1/passages/take-back"
    assert (await client.post(address, json={"reason": "x"})).status_code == 404
    rig = met()
    await rig.turns.look()
    desk.turns = rig.turns
    (told,) = (await client.get("/v1/passages")).json()
    assert told["id"] == "narrow:am"
    assert told["holders"] == [{"vehicle": "r1", "way": "ahead"}]
    assert told["waiting"] == ["r2"]
    assert len(told["lines"]) == 2
    assert (await client.post(address, json={})).status_code == 422
    rig.owners["r1"].telemetry = rig.seen("r1", PLACES["m"], LinkState.OFFLINE)
    answer = (await client.post(address, json={"reason": "seen at the shop"})).json()
    assert answer["outcome"] == "done"
    assert answer["reason"] == "free again: narrow:am"
    assert not rig.turns.book.held("r1")


def test_the_command_line_lists_them_and_takes_them_back() -> None:
    runner = CliRunner()
    with DeskServer() as server:
        url = ["--url", server.url]
        none = runner.invoke(app, ["passages", "list", *url])
        assert "Nobody has a passage" in none.stdout
        listed = runner.invoke(app, ["passages", "list", "--json", *url])
        assert json.loads(listed.stdout) == []
        lost = runner.invoke(app, ["passages", "take-back", "r1", "--reason", "x", *url])
        assert lost.exit_code != 0
