"""Every message of both sides against the official schemas.

The schemas (VDA5050/VDA5050, MIT) are shared test data; the tests skip where they are absent.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sitl.robot import RobotMap, RobotSpec, words
from sitl.robot.core import RobotCore
from tests.unit.vehicles.vda5050_rounds import MAP, at, round_of
from vehicles.vda5050.codec import HeaderCounter
from vehicles.vda5050.codec2 import Codec2
from vehicles.vda5050.engine import step
from vehicles.vda5050.engine_model import Ask, EngineState, SendActions
from vehicles.vda5050.factsheet import Factsheet
from vehicles.vda5050.models import OrderBody
from vehicles.vda5050.orders import OrderSettings, build_order

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CODEC = Codec2()
ROBOT_MAP = RobotMap("site", 60.17, 24.94, 10.0, 25.0)


@pytest.fixture(params=["2.0.0", "2.1.0"])
def check(request, shared_data: Path):
    """Validate bytes as one topic of one version."""
    folder = shared_data / "vda5050" / request.param
    if not folder.is_dir():
        pytest.skip(f"no official schemas at {folder}: set WAYPOST_SHARED_DATA")

    def run(topic: str, payload: bytes) -> Any:
        path = folder / f"{topic}.schema"
        body = json.loads(payload)
        if not path.is_file():
            return body
        schema = json.loads(path.read_text(encoding="utf-8"))
        if topic == "instantActions" and request.param == "2.0.0":
            # the 2.0.0 schema asks for `actionName`, which its own document calls actionType
            required = schema["properties"]["actions"]["items"]["required"]
            required[required.index("actionName")] = "actionType"
        jsonschema.Draft202012Validator(schema).validate(body)
        return body

    return run


def headers() -> HeaderCounter:
    return HeaderCounter("ACME", "R-1", lambda: NOW)


def robot(**changes: Any) -> RobotCore:
    start = at(0, 0)
    spec = RobotSpec(
        "r1",
        "ACME",
        "R-1",
        start.lat_deg,
        start.lon_deg,
        speed_mps=5.0,
        pins={"p2": "0000"},
        **changes,
    )
    return RobotCore(spec, ROBOT_MAP, lambda *_: None, 0.0)


def order(factsheet: Factsheet | None = None) -> OrderBody:
    return build_order(round_of(), MAP, OrderSettings(), factsheet).body


def test_orders(check) -> None:
    core = robot()
    sheet = words.Voice(core.spec, lambda: NOW).say("factsheet", words.factsheet(core.spec))
    for factsheet in (None, CODEC.factsheet(sheet, "r1")):
        body = check("order", CODEC.order(order(factsheet), headers().next("order")))
        assert body["headerId"] == 0
        assert body["manufacturer"] == "ACME"
        assert bool(body["edges"][0].get("trajectory")) is (factsheet is not None)


@pytest.mark.parametrize(
    "action", ["startPause", "stopPause", "cancelOrder", "stateRequest", "factsheetRequest"]
)
def test_instant_actions(check, action: str) -> None:
    _, sends, _ = step(EngineState(), Ask(action, "a1"), 0.0)
    (send,) = sends
    assert isinstance(send, SendActions)
    head = headers().next("instantActions")
    body = check("instantActions", CODEC.instant_actions(send.actions, head))
    assert body["actions"][0]["actionType"] == action


def test_robot_connection_and_factsheet(check) -> None:
    core = robot()
    voice = words.Voice(core.spec, lambda: NOW)
    for word in ("ONLINE", "OFFLINE", "CONNECTIONBROKEN"):
        payload = voice.say("connection", words.connection(word))
        check("connection", payload)
        assert CODEC.connection(payload, "r1").connection_state == word
    payload = voice.say("factsheet", words.factsheet(core.spec))
    check("factsheet", payload)
    assert CODEC.factsheet(payload, "r1").understands("order.edges.trajectory")


def test_robot_states_through_a_whole_round(check) -> None:
    core = robot(trajectories=False)
    voice = words.Voice(core.spec, lambda: NOW)
    seen = set()

    def say() -> None:
        payload = voice.say("state", words.state(core))
        check("state", payload)
        state = CODEC.state(payload, "r1")
        seen.update(a.action_status for a in state.action_states)
        seen.update(e.error_type for e in state.errors)

    say()
    core.receive("order", CODEC.order(order(), headers().next("order")))
    count = headers()
    for topic, payload in (("order", b"{"), ("instantActions", b"[]")):
        core.receive(topic, payload)
    for second in range(1, 200):
        core.advance(float(second))
        if second == 3:
            for action in ("startPause", "stopPause", "factsheetRequest", "nonsense"):
                _, sends, _ = step(EngineState(), Ask(action, action), 0.0)
                head = count.next("instantActions")
                core.receive("instantActions", CODEC.instant_actions(sends[0].actions, head))
        say()
    assert core.idle
    assert {"WAITING", "RUNNING", "FINISHED", "FAILED"} <= seen
    assert {"validationError", "actionError"} <= seen
