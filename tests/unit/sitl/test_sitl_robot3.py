"""The lab's robot in version 3: words valid by the official schemas, zones kept by itself."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitl.robot import RobotMap, RobotSpec, words3
from sitl.robot.core import EPOCH, RobotCore

MAP = RobotMap("site", 60.17, 24.94)
HEAD = {
    "headerId": 0,
    "timestamp": "2026-01-01T00:00:00.000Z",
    "version": "3.0.0",
    "manufacturer": "ACME",
    "serialNumber": "R-1",
}


class Bench:
    """One robot of version 3 at the origin, all it says held against the schemas."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        figures = {
            "speed_mps": 2.0,
            "pick_duration_s": 3.0,
            "drop_duration_s": 4.0,
            "customer_delay_s": 10.0,
        }
        spec = RobotSpec("r1", "ACME", "R-1", 60.17, 24.94, version="3.0.0", **(figures | changes))
        self.core = RobotCore(spec, MAP, lambda *event: None, 0.0)
        self._folder = folder

    def valid(self, topic: str, body: dict[str, Any]) -> dict[str, Any]:
        schema = json.loads((self._folder / f"{topic}.schema").read_text("utf-8"))
        jsonschema.Draft202012Validator(schema).validate(HEAD | body)
        return body

    def send(self, topic: str, body: dict[str, Any]) -> None:
        self.core.receive(topic, json.dumps(HEAD | body).encode())

    def order(self, *points: tuple[float, float], **more: Any) -> None:
        self.send("order", self.valid("order", order(*points, **more)))

    def instant(self, action_type: str, ident: str = "i", **parameters: Any) -> None:
        action = {
            "actionId": ident,
            "actionType": action_type,
            "blockingType": "NONE",
            "actionParameters": [{"key": k, "value": v} for k, v in parameters.items()],
        }
        self.send("instantActions", self.valid("instantActions", {"actions": [action]}))

    def zones(self, *zones: dict[str, Any], ident: str = "z1", enable: bool = True) -> None:
        body = {"zoneSet": {"mapId": "site", "zoneSetId": ident, "zones": list(zones)}}
        self.send("zoneSet", self.valid("zoneSet", body))
        if enable:
            self.instant("enableZoneSet", f"enable-{ident}", zoneSetId=ident)

    def answer(self, word: str, until_s: float | None = None, ident: str = "release-1") -> None:
        entry: dict[str, Any] = {"requestId": ident, "grantType": word}
        if until_s is not None:
            entry["leaseExpiry"] = (EPOCH + timedelta(seconds=until_s)).isoformat()
        self.send("responses", self.valid("responses", {"responses": [entry]}))

    def until(self, t: float, step_s: float = 0.5) -> None:
        while self.core.t < t - 1e-9:
            self.core.advance(min(t, self.core.t + step_s))
            self.valid("state", self.state)

    @property
    def state(self) -> dict[str, Any]:
        return words3.state(self.core)

    @property
    def errors(self) -> list[tuple[str, str]]:
        return [(e["errorType"], e["errorLevel"]) for e in self.state["errors"]]

    @property
    def requests(self) -> list[tuple[str, str]]:
        return [(r["zoneId"], r["requestStatus"]) for r in self.state["zoneRequests"]]

    def status(self, ident: str) -> str:
        entries = (*self.state["actionStates"], *self.state["instantActionStates"])
        return next((e["actionStatus"] for e in reversed(entries) if e["actionId"] == ident), "")


def order(
    *points: tuple[float, float],
    order_id: str = "o1",
    actions: dict[int, list[dict[str, Any]]] | None = None,
    **edge: Any,
) -> dict[str, Any]:
    nodes = [
        {
            "nodeId": f"n{i}",
            "sequenceId": 2 * i,
            "released": True,
            "nodePosition": {
                "x": x,
                "y": y,
                "mapId": "site",
                "allowedDeviationXY": {"a": 5.0, "b": 5.0, "theta": 0.0},
            },
            "actions": (actions or {}).get(i, []),
        }
        for i, (x, y) in enumerate(points)
    ]
    edges = [
        {"edgeId": f"e{i}", "sequenceId": 2 * i + 1, "released": True, "actions": []} | edge
        for i in range(len(nodes) - 1)
    ]
    return {"orderId": order_id, "orderUpdateId": 0, "nodes": nodes, "edges": edges}


def square(x0: float, x1: float) -> list[dict[str, float]]:
    corners = ((x0, -5), (x1, -5), (x1, 5), (x0, 5))
    return [{"x": float(x), "y": float(y)} for x, y in corners]


def blocked(x0: float, x1: float, ident: str = "b") -> dict[str, Any]:
    return {"zoneId": ident, "zoneType": "BLOCKED", "vertices": square(x0, x1)}


def slow(x0: float, x1: float, speed: float) -> dict[str, Any]:
    kind = {"zoneId": "s", "zoneType": "SPEED_LIMIT", "maximumSpeed": speed}
    return kind | {"vertices": square(x0, x1)}


def release(x0: float, x1: float, on_loss: str = "STOP") -> dict[str, Any]:
    kind = {"zoneId": "r", "zoneType": "RELEASE", "releaseLossBehavior": on_loss}
    return kind | {"vertices": square(x0, x1)}


@pytest.fixture
def folder(shared_data: Path) -> Path:
    return shared_data / "vda5050" / "3.0.0"


@pytest.fixture
def bench(folder: Path) -> Bench:
    return Bench(folder)


def test_its_other_topics_are_valid(bench: Bench) -> None:
    for word in ("ONLINE", "OFFLINE", "CONNECTIONBROKEN"):
        bench.valid("connection", words3.connection(word))
    bench.valid("factsheet", words3.factsheet(bench.core.spec))
    for word in ("AUTOACK", "REMOTE"):
        bench.core.set_e_stop(word)
        bench.valid("state", bench.state)
    bench.core.set_mode("TEACHIN")
    bench.valid("state", bench.state)


def test_it_drives_by_the_words_of_version_3(bench: Bench) -> None:
    bench.order((0, 0), (20, 0), maximumSpeed=1.0)
    bench.until(10.0)
    assert bench.core.x == pytest.approx(10.0)
    bench.until(21.0)
    assert bench.core.idle
    assert bench.state["lastNodeSequenceId"] == 2


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"version": "2.1.0"}, "VALIDATION_FAILURE"),
        ({"edges": []}, "INVALID_ORDER"),
        ({"nodes": 7}, "VALIDATION_FAILURE"),
        ({"edges": [7]}, "VALIDATION_FAILURE"),
    ],
)
def test_bad_orders_are_refused_in_the_words_of_version_3(
    bench: Bench, change: dict[str, Any], word: str
) -> None:
    bench.send("order", order((0, 0), (20, 0)) | change)
    assert bench.errors == [(word, "WARNING")]
    assert bench.core.idle
    bench.valid("state", bench.state)


def test_deviations_must_be_ellipses_and_the_first_node_near(bench: Bench) -> None:
    flat = order((0, 0), (20, 0))
    flat["nodes"][0]["nodePosition"]["allowedDeviationXY"] = 5.0
    bench.send("order", flat)
    bench.order((40, 0), (60, 0))
    other = order((0, 0), (9, 0))
    other["nodes"][0]["nodePosition"]["mapId"] = "elsewhere"
    bench.send("order", other)
    assert [word for word, _ in bench.errors] == [
        "VALIDATION_FAILURE",
        "START_NODE_OUT_OF_RANGE",
        "UNKNOWN_MAP_ID",
    ]


def test_a_zone_set_is_disabled_until_it_is_enabled(bench: Bench) -> None:
    bench.zones(blocked(10, 15), enable=False)
    bench.zones(blocked(12, 15), ident="z2", enable=False)
    assert {z["zoneSetStatus"] for z in bench.state["zoneSets"]} == {"DISABLED"}
    bench.instant("enableZoneSet", "e1", zoneSetId="z1")
    bench.instant("enableZoneSet", "e2", zoneSetId="z2")
    shown = {z["zoneSetId"]: z["zoneSetStatus"] for z in bench.state["zoneSets"]}
    assert shown == {"z1": "DISABLED", "z2": "ENABLED"}
    bench.instant("deleteZoneSet", "d2", zoneSetId="z2")
    bench.instant("deleteZoneSet", "d1", zoneSetId="z1")
    assert (bench.status("d2"), bench.status("d1")) == ("FAILED", "FINISHED")
    assert [z["zoneSetId"] for z in bench.state["zoneSets"]] == ["z2"]
    bench.core.forget()
    assert bench.core.zones.enabled == "z2"
    bench.valid("state", bench.state)


def test_the_same_id_again_is_a_duplicate_and_changes_nothing(bench: Bench) -> None:
    bench.zones(blocked(10, 15))
    bench.zones(slow(10, 15, 1.0), enable=False)
    assert bench.errors == [("DUPLICATE_ZONE_SET", "WARNING")]
    assert [z.kind for z in bench.core.zones.zones] == ["BLOCKED"]


@pytest.mark.parametrize(
    "zone",
    [
        7,
        {"zoneId": "b", "zoneType": "BLOCKED", "vertices": square(0, 1)[:2]},
        {"zoneId": "b", "zoneType": "BLOCKED", "vertices": square(0, 1)[::-1]},
        {"zoneId": "b", "zoneType": "BLOCKED", "vertices": [{"x": 1, "y": "2"}] * 3},
        {"zoneId": "b", "zoneType": "BLOCKED", "vertices": [5, 6, 7]},
        {"zoneId": "s", "zoneType": "SPEED_LIMIT", "vertices": square(0, 1)},
        {"zoneId": "r", "zoneType": "RELEASE", "vertices": square(0, 1)},
        release(0, 1, "HURRY"),
        slow(0, 1, -1.0),
        {"zoneType": "BLOCKED", "vertices": square(0, 1)},
        {"zoneId": "l", "zoneType": "LINE_GUIDED", "vertices": square(0, 1)},
    ],
)
def test_a_wrong_zone_leaves_the_whole_set_out(bench: Bench, zone: Any) -> None:
    body = {"zoneSet": {"mapId": "site", "zoneSetId": "z", "zones": [blocked(3, 4, "ok"), zone]}}
    bench.send("zoneSet", body)
    assert bench.core.zones.sets == {}
    assert len(bench.errors) == 1
    bench.instant("enableZoneSet", "e", zoneSetId="z")
    assert bench.status("e") == "FAILED"


def test_a_set_for_another_map_or_without_end_is_not_taken(bench: Bench) -> None:
    body = {"mapId": "elsewhere", "zoneSetId": "z", "zones": []}
    bench.send("zoneSet", {"zoneSet": body})
    for n in range(20):
        bench.zones(ident=f"s{n}", enable=False)
    assert len(bench.core.zones.sets) == 16
    assert bench.errors[0] == ("UNKNOWN_MAP_ID", "WARNING")


def test_it_stops_before_a_blocked_zone_and_goes_on_when_that_is_gone(bench: Bench) -> None:
    bench.zones(blocked(10, 15))
    bench.order((0, 0), (20, 0))
    bench.until(30.0)
    assert bench.core.x == pytest.approx(10.0 - 0.5 - 0.05, abs=1e-3)
    assert not bench.state["driving"]
    assert bench.errors == [("NODE_UNREACHABLE", "CRITICAL")]
    bench.zones(ident="z2")
    bench.until(60.0)
    assert bench.core.x == pytest.approx(20.0)


def test_a_zone_that_falls_upon_it_stops_it_with_a_violation(bench: Bench) -> None:
    bench.order((0, 0), (40, 0))
    bench.until(6.0)
    bench.zones(blocked(10, 15))
    bench.until(20.0)
    assert bench.core.x == pytest.approx(12.0)
    assert ("BLOCKED_ZONE_VIOLATION", "CRITICAL") in bench.errors
    bench.zones(ident="z2")
    assert ("BLOCKED_ZONE_VIOLATION", "CRITICAL") not in bench.errors


def test_it_slows_down_in_a_speed_limit_and_only_there(bench: Bench) -> None:
    bench.zones(slow(10.5, 19.5, 0.5))
    bench.order((0, 0), (40, 0))
    bench.until(5.0)
    assert bench.core.x == pytest.approx(10.0)
    bench.until(15.0)
    assert bench.core.x == pytest.approx(15.0)
    bench.until(25.0)
    assert bench.core.x == pytest.approx(20.0)
    bench.until(35.0)
    assert bench.core.x == pytest.approx(40.0)


def test_it_asks_waits_at_the_border_goes_on_and_gives_back(bench: Bench) -> None:
    bench.zones(release(10, 15))
    bench.order((0, 0), (40, 0))
    bench.until(1.0)
    assert bench.requests == []
    bench.until(3.0)
    assert bench.requests == [("r", "REQUESTED")]
    bench.answer("QUEUED")
    bench.until(20.0)
    assert bench.core.x == pytest.approx(9.45, abs=1e-3)
    assert bench.requests == [("r", "REQUESTED")]
    bench.answer("GRANTED", until_s=200.0)
    bench.until(22.0)
    assert bench.requests == [("r", "GRANTED")]
    bench.until(30.0)
    assert bench.core.x > 20.0
    assert bench.requests == []
    assert bench.errors == []


@pytest.mark.parametrize(
    ("on_loss", "goes_on", "level"),
    [("STOP", False, "CRITICAL"), ("CONTINUE", True, "WARNING"), ("EVACUATE", True, "WARNING")],
)
def test_a_lease_that_ends_inside_does_what_the_zone_says(
    bench: Bench, on_loss: str, goes_on: bool, level: str
) -> None:
    bench.zones(release(10, 20, on_loss))
    bench.order((0, 0), (40, 0))
    bench.until(3.0)
    bench.answer("GRANTED", until_s=6.0)
    bench.until(6.5)
    assert bench.requests == [("r", "EXPIRED")]
    assert bench.errors == [("RELEASE_LOST", level)]
    bench.until(20.0)
    assert (bench.core.x > 20.0) is goes_on
    if not goes_on:
        bench.answer("GRANTED", until_s=100.0)
        bench.until(40.0)
    assert bench.core.idle
    assert bench.errors == []


def test_a_lease_is_prolonged_by_another_answer(bench: Bench) -> None:
    bench.zones(release(10, 20))
    bench.order((0, 0), (40, 0))
    bench.until(3.0)
    bench.answer("GRANTED", until_s=5.0)
    bench.answer("GRANTED", until_s=50.0)
    bench.until(30.0)
    assert bench.core.idle
    assert bench.errors == []


def test_a_lease_that_ends_before_the_border_is_asked_for_anew(bench: Bench) -> None:
    bench.zones(release(10, 15))
    bench.order((0, 0), (40, 0))
    bench.until(2.5)
    bench.answer("GRANTED", until_s=3.0)
    bench.until(10.0)
    assert bench.requests == [("r", "REQUESTED")]
    assert bench.state["zoneRequests"][0]["requestId"] == "release-2"
    assert bench.core.x < 10.0


def test_revoked_and_rejected_keep_it_out(bench: Bench) -> None:
    bench.zones(release(10, 15))
    bench.order((0, 0), (40, 0))
    bench.until(3.0)
    bench.answer("REJECTED")
    bench.until(8.0)
    assert bench.requests == []
    bench.until(14.0)
    assert bench.requests == [("r", "REQUESTED")]
    bench.answer("GRANTED", until_s=100.0, ident="release-2")
    bench.until(15.0)
    bench.answer("REVOKED", ident="release-2")
    assert bench.requests == [("r", "REVOKED")]
    x = bench.core.x
    bench.until(30.0)
    assert bench.core.x == x


@pytest.mark.parametrize(
    "entry",
    [
        7,
        {"requestId": "release-1"},
        {"requestId": "release-1", "grantType": "GRANTED", "leaseExpiry": "soon"},
        {"requestId": "release-1", "grantType": "GRANTED", "leaseExpiry": "2026-01-01T00:01:00"},
        {"requestId": "release-1", "grantType": "GRANTED", "leaseExpiry": 7},
    ],
)
def test_a_wrong_response_lets_nobody_in(bench: Bench, entry: Any) -> None:
    bench.zones(release(10, 15))
    bench.order((0, 0), (40, 0))
    bench.until(3.0)
    bench.send("responses", {"responses": [entry]})
    bench.until(20.0)
    assert bench.core.x < 10.0
    assert bench.errors == [("VALIDATION_FAILURE", "WARNING")]


def test_a_cancelled_order_gives_the_request_back(bench: Bench) -> None:
    bench.zones(release(10, 15))
    bench.order((0, 0), (40, 0))
    bench.until(3.0)
    assert bench.requests
    bench.instant("cancelOrder", "c")
    bench.until(5.0)
    assert bench.status("c") == "FINISHED"
    assert bench.requests == []


def deed(ident: str, kind: str, **more: Any) -> dict[str, Any]:
    parameters = [{"key": "loadId", "value": "p"}]
    if "trigger" in more:
        parameters = [{"key": "triggerType", "value": more.pop("trigger")}]
    action = {"actionId": ident, "actionType": kind, "blockingType": "SINGLE"}
    return action | {"actionParameters": parameters} | more


def test_it_waits_for_a_trigger_of_ours_or_of_the_customer(bench: Bench) -> None:
    ours = deed("w1", "waitForTrigger", trigger=["FLEET_CONTROL"])
    theirs = deed("w2", "waitForTrigger", trigger=["LOCAL"])
    bench.order((0, 0), (2, 0), actions={0: [ours], 1: [theirs]})
    bench.instant("trigger", "t0")
    bench.until(50.0)
    assert (bench.status("w1"), bench.status("t0")) == ("RUNNING", "FAILED")
    bench.instant("trigger", "t1")
    bench.until(60.0)
    assert (bench.status("w1"), bench.status("w2")) == ("FINISHED", "RUNNING")
    bench.until(62.0)
    assert bench.core.idle


def test_a_cancel_fails_what_waits_for_a_trigger(bench: Bench) -> None:
    wait = deed("w1", "waitForTrigger", trigger=["FLEET_CONTROL"])
    bench.order((0, 0), (2, 0), actions={0: [wait]})
    bench.until(5.0)
    bench.instant("cancelOrder", "c")
    bench.until(6.0)
    assert (bench.status("w1"), bench.status("c")) == ("FAILED", "FINISHED")


@pytest.mark.parametrize(("word", "end"), [("retry", "FINISHED"), ("skipRetry", "FAILED")])
def test_an_action_that_may_be_retried_waits_for_a_word(bench: Bench, word: str, end: str) -> None:
    actions = {0: [deed("d", "drop", retriable=True)]}
    bench.order((0, 0), (20, 0), actions=actions)
    bench.until(10.0)
    assert bench.status("d") == "RETRIABLE"
    assert bench.core.x == 0.0
    bench.core.aboard.add("p")
    bench.instant(word, "r0", actionId="nothing")
    bench.instant(word, "r1", actionId="d")
    assert (bench.status("r0"), bench.status("r1")) == ("FAILED", "FINISHED")
    bench.until(40.0)
    assert bench.status("d") == end
    assert bench.core.idle


def test_a_version_that_nobody_speaks_is_refused() -> None:
    with pytest.raises(ValueError, match="neither 2"):
        RobotSpec("r1", "ACME", "R-1", 60.17, 24.94, version="4.0.0")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(2, 60), st.floats(-9, 9), st.floats(1, 9)), max_size=4),
    st.lists(st.tuples(st.floats(-10, 70), st.floats(-10, 10)), min_size=1, max_size=4),
    st.sampled_from(["BLOCKED", "RELEASE"]),
    st.floats(0.3, 4.0),
)
def test_whatever_its_way_it_is_in_no_zone_that_is_shut(
    squares: list[tuple[float, float, float]],
    points: list[tuple[float, float]],
    kind: str,
    step_s: float,
) -> None:
    bench = Bench(Path())
    zones = []
    for number, (x, y, half) in enumerate(squares):
        corners = ((-half, -half), (half, -half), (half, half), (-half, half))
        ring = [{"x": x + half + 1.0 + dx, "y": y + dy} for dx, dy in corners]
        zone = {"zoneId": f"z{number}", "zoneType": kind, "vertices": ring}
        zones.append(zone | ({"releaseLossBehavior": "STOP"} if kind == "RELEASE" else {}))
    bench.send("zoneSet", {"zoneSet": {"mapId": "site", "zoneSetId": "z", "zones": zones}})
    assert bench.core.zones.act({"actionType": "enableZoneSet", "actionParameters": [
        {"key": "zoneSetId", "value": "z"}]}) == ""  # fmt: skip
    bench.send("order", order((0.0, 0.0), *points))
    for _ in range(60):
        bench.core.advance(bench.core.t + step_s)
        here = (bench.core.x, bench.core.y)
        assert not any(z.holds(here) for z in bench.core.zones.zones)
