"""Whatever is sent is valid by the official schemas of its version, and is read back as it was.

The schemas (VDA5050/VDA5050, MIT) are shared test data; the tests skip where they are absent.
"""

from __future__ import annotations

import contextlib
import json
import math
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.vda5050_robot import LittleRobot
from vehicles.errors import ProtocolError
from vehicles.vda5050.codec import HeaderCounter
from vehicles.vda5050.codec3 import Codec3
from vehicles.vda5050.dialect import VERSIONS, Dialect
from vehicles.vda5050.models import (
    Action,
    ActionParameter,
    ControlPoint,
    Edge,
    Node,
    NodePosition,
    OrderBody,
    Trajectory,
)
from vehicles.vda5050.zonesets import Response, ZoneSet, blocked, release, speed_limit

NOW = datetime(2026, 1, 1, tzinfo=UTC)
IDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=20)
METRES = st.floats(-1e6, 1e6)
VALUES = st.one_of(
    st.text(max_size=20), st.booleans(), st.integers(-1000, 1000), st.floats(-1e6, 1e6),
    st.lists(st.text(max_size=5), max_size=3), st.dictionaries(IDS, st.integers(), max_size=2),
)  # fmt: skip
ACTIONS = st.builds(
    Action,
    action_type=IDS,
    action_id=IDS,
    blocking_type=st.sampled_from(["NONE", "SOFT", "SINGLE", "HARD"]),
    action_description=st.none() | IDS,
    action_parameters=st.lists(st.builds(ActionParameter, key=IDS, value=VALUES), max_size=3).map(
        tuple
    ),
)
POSITIONS = st.builds(
    NodePosition,
    x=METRES,
    y=METRES,
    map_id=IDS,
    theta=st.none() | st.floats(-math.pi, math.pi),
    allowed_deviation_xy=st.none() | st.floats(0, 100),
    allowed_deviation_theta=st.none() | st.floats(-math.pi, math.pi),
)
CURVES = st.builds(
    Trajectory,
    degree=st.integers(1, 3),
    knot_vector=st.lists(st.floats(0, 1), min_size=4, max_size=6).map(lambda k: tuple(sorted(k))),
    control_points=st.lists(
        st.builds(ControlPoint, x=METRES, y=METRES), min_size=2, max_size=4
    ).map(tuple),
)


@st.composite
def orders(draw: st.DrawFn) -> OrderBody:
    count, start = draw(st.integers(1, 5)), 2 * draw(st.integers(0, 50))
    base = draw(st.integers(1, count))
    few = st.lists(ACTIONS, max_size=2).map(tuple)
    names = [draw(IDS) for _ in range(count)]
    nodes = tuple(
        Node(
            node_id=name,
            sequence_id=start + 2 * index,
            released=index < base,
            actions=draw(few),
            node_description=draw(st.none() | IDS),
            node_position=draw(st.none() | POSITIONS),
        )
        for index, name in enumerate(names)
    )
    edges = tuple(
        Edge(
            edge_id=draw(IDS),
            sequence_id=start + 2 * index + 1,
            released=index + 1 < base,
            start_node_id=names[index],
            end_node_id=names[index + 1],
            actions=draw(few),
            max_speed=draw(st.none() | st.floats(0.1, 10)),
            length=draw(st.none() | st.floats(0, 1e4)),
            trajectory=draw(st.none() | CURVES),
        )
        for index in range(count - 1)
    )
    number = draw(st.integers(0, 2**31))
    return OrderBody(order_id=draw(IDS), order_update_id=number, nodes=nodes, edges=edges)


@cache
def validator(folder: Path, topic: str) -> Any:
    schema = json.loads((folder / f"{topic}.schema").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture(params=VERSIONS)
def spoken(request: pytest.FixtureRequest, shared_data: Path) -> tuple[Dialect, Path]:
    folder = shared_data / "vda5050" / request.param
    if not folder.is_dir():
        pytest.skip(f"no official schemas at {folder}: set WAYPOST_SHARED_DATA")
    return Dialect("ACME", "R-1", lambda: NOW, version=request.param), folder


MANY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def plain(actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """Without parameters that are objects: 2.0.0 has none, and no profile for it may."""
    return tuple(
        msgspec.structs.replace(
            a,
            action_parameters=tuple(
                p for p in a.action_parameters if not isinstance(p.value, dict)
            ),
        )
        for a in actions
    )


def fit_for(version: str, body: OrderBody) -> OrderBody:
    if version != "2.0.0":
        return body
    change = msgspec.structs.replace
    return change(
        body,
        nodes=tuple(change(n, actions=plain(n.actions)) for n in body.nodes),
        edges=tuple(change(e, actions=plain(e.actions)) for e in body.edges),
    )


@given(body=orders())
@MANY
def test_orders_and_updates(spoken: tuple[Dialect, Path], body: OrderBody) -> None:
    dialect, folder = spoken
    body = fit_for(folder.name, body)
    sent = json.loads(dialect.order(body))
    validator(folder, "order").validate(sent)
    assert sent["version"] == folder.name
    assert [n["nodeId"] for n in sent["nodes"]] == [n.node_id for n in body.nodes]
    assert [n["released"] for n in sent["nodes"]] == [n.released for n in body.nodes]
    for node, source in zip(sent["nodes"], body.nodes, strict=True):
        values = [p["value"] for a in node["actions"] for p in a.get("actionParameters", ())]
        assert values == [p.value for a in source.actions for p in a.action_parameters]


@given(actions=st.lists(ACTIONS, min_size=1, max_size=3).map(tuple))
@MANY
def test_instant_actions(spoken: tuple[Dialect, Path], actions: tuple[Action, ...]) -> None:
    """By the schema as published, the one of 2.0.0 with its slip included."""
    dialect, folder = spoken
    actions = plain(actions) if folder.name == "2.0.0" else actions
    sent = json.loads(dialect.instant_actions(actions))
    validator(folder, "instantActions").validate(sent)
    assert [a["actionType"] for a in sent["actions"]] == [a.action_type for a in actions]


RINGS = st.lists(st.tuples(METRES, METRES), min_size=3, max_size=6, unique=True).map(tuple)


@given(ring=RINGS, speed=st.floats(0.1, 10))
@MANY
def test_zone_sets(shared_data: Path, ring: tuple[tuple[float, float], ...], speed: float) -> None:
    folder = shared_data / "vda5050" / "3.0.0"
    if not folder.is_dir():
        pytest.skip(f"no official schemas at {folder}: set WAYPOST_SHARED_DATA")
    zones = (blocked("a", ring), speed_limit("b", ring, speed), release("c", ring, "EVACUATE"))
    made = ZoneSet(map_id="site", zone_set_id="z1", zones=zones)
    codec, headers = Codec3(), HeaderCounter("ACME", "R-1", lambda: NOW)
    headers.answer("3.0.0")
    payload = codec.zone_set(made, headers.next("zoneSet"))
    validator(folder, "zoneSet").validate(json.loads(payload))
    assert codec.read_zone_set(payload, "r").zone_set == made
    answers = (
        Response(request_id="q1", grant_type="GRANTED", lease_expiry="2026-01-01T00:01:00.000Z"),
        Response(request_id="q2", grant_type="REJECTED"),
    )
    payload = codec.responses(answers, headers.next("responses"))
    validator(folder, "responses").validate(json.loads(payload))
    assert codec.read_responses(payload, "r").responses == answers


def test_only_version_3_has_zones() -> None:
    for version in VERSIONS:
        dialect = Dialect("ACME", "R-1", lambda: NOW, version=version)
        made = ZoneSet(map_id="m", zone_set_id="z", zones=())
        if dialect.speaks_zones:
            assert json.loads(dialect.zone_set(made))["zoneSet"]["mapId"] == "m"
        else:
            with pytest.raises(ValueError, match="no zoneSet"):
                dialect.zone_set(made)
            with pytest.raises(ValueError, match="no responses"):
                dialect.responses(())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(key=st.text(max_size=12), value=JSON, version=st.sampled_from(["2.1.0", "3.0.0", "x"]))
@settings(max_examples=150, deadline=None)
def test_whatever_a_robot_says_is_a_state_or_a_protocol_error(
    key: str, value: Any, version: str
) -> None:
    robot = LittleRobot()
    body = json.loads(robot.state(0.0, "3.0.0" if version == "3.0.0" else "2.1.0"))
    keys = sorted(body)
    body[keys[len(key) % len(keys)]] = value
    dialect = Dialect("ACME", "R", lambda: NOW)
    state = None
    with contextlib.suppress(ProtocolError):
        state = dialect.state(json.dumps(body).encode(), "r")
    if state is not None:
        assert state.version.startswith(("2.", "3."))
        spot = state.agv_position
        assert spot is None or (math.isfinite(spot.x) and math.isfinite(spot.y))
