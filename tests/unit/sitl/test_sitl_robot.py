"""The lab's robot keeps VDA 5050's rules by itself."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from typing import Any

import pytest

from sitl.robot import RobotFleet, RobotMap, RobotSpec, words
from sitl.robot.core import RobotCore
from sitl.world import LabClock

MAP = RobotMap("site", 60.17, 24.94)
PIN = "4711"
PIN_HASH = hashlib.sha256(PIN.encode()).hexdigest()
HEAD = {
    "headerId": 0,
    "timestamp": "2026-01-01T00:00:00.000Z",
    "version": "2.1.0",
    "manufacturer": "ACME",
    "serialNumber": "R-1",
}


class Bench:
    """One robot at the origin, with its truth."""

    def __init__(self, **changes: Any) -> None:
        figures = {
            "speed_mps": 2.0,
            "pick_duration_s": 3.0,
            "drop_duration_s": 4.0,
            "customer_delay_s": 10.0,
        }
        spec = RobotSpec("r1", "ACME", "R-1", 60.17, 24.94, **(figures | changes))
        self.truth: list[tuple[float, str, str]] = []
        self.core = RobotCore(spec, MAP, lambda *event: self.truth.append(event), 0.0)

    def send(self, topic: str, body: dict[str, Any]) -> None:
        self.core.receive(topic, json.dumps(HEAD | body).encode())

    def order(self, body: dict[str, Any]) -> None:
        self.send("order", body)

    def instant(self, action_type: str, action_id: str = "i") -> None:
        action = {"actionId": action_id, "actionType": action_type, "blockingType": "HARD"}
        self.send("instantActions", {"actions": [action]})

    @property
    def state(self) -> dict[str, Any]:
        return words.state(self.core)

    @property
    def errors(self) -> list[str]:
        return [e["errorType"] for e in self.state["errors"]]

    def status(self, action_id: str) -> str:
        found = [a for a in self.state["actionStates"] if a["actionId"] == action_id]
        return found[-1]["actionStatus"] if found else ""


def deed(action_id: str, kind: str, parcel: str, pin: str = "") -> dict[str, Any]:
    parameters = [{"key": "loadId", "value": parcel}]
    if pin:
        parameters.append({"key": "handoverPinSha256", "value": pin})
    return {
        "actionId": action_id,
        "actionType": kind,
        "blockingType": "HARD",
        "actionParameters": parameters,
    }


def order(
    order_id: str = "o1",
    update: int = 0,
    points: tuple[tuple[float, float], ...] = ((0, 0), (20, 0), (20, 10)),
    actions: dict[int, list[dict[str, Any]]] | None = None,
    first: int = 0,
    released: int = 99,
) -> dict[str, Any]:
    if actions is None:
        actions = {0: [deed("k", "pick", "p")], 1: [deed("d", "drop", "p")]}
    nodes = [
        {
            "nodeId": f"n{first // 2 + i}",
            "sequenceId": first + 2 * i,
            "released": i < released,
            "nodePosition": {"x": x, "y": y, "mapId": "site", "allowedDeviationXY": 5.0},
            "actions": actions.get(i, []),
        }
        for i, (x, y) in enumerate(points)
    ]
    edges = [
        {
            "edgeId": f"e{first // 2 + i}",
            "sequenceId": first + 2 * i + 1,
            "released": i + 1 < released,
            "startNodeId": nodes[i]["nodeId"],
            "endNodeId": nodes[i + 1]["nodeId"],
            "actions": [],
        }
        for i in range(len(nodes) - 1)
    ]
    return {"orderId": order_id, "orderUpdateId": update, "nodes": nodes, "edges": edges}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_drives_picks_and_drops_at_the_right_time(bench: Bench) -> None:
    bench.order(order())
    assert len(bench.state["nodeStates"]) == 3
    bench.core.advance(1000.0)
    assert bench.core.idle
    assert [(round(t, 6), w, p) for t, w, p in bench.truth] == [
        (3.0, "picked", "p"),
        (17.0, "dropped", "p"),
    ]
    assert (bench.core.x, bench.core.y) == pytest.approx((20, 10))
    assert bench.state["lastNodeId"] == "n2"
    assert bench.state["lastNodeSequenceId"] == 4
    assert bench.errors == []


@pytest.mark.parametrize("step_s", [0.1, 0.7, 3.0, 100.0])
def test_events_do_not_depend_on_the_step(step_s: float) -> None:
    bench = Bench()
    bench.order(order())
    t = 0.0
    while t < 60.0:
        t += step_s
        bench.core.advance(t)
    assert [round(at, 6) for at, _, _ in bench.truth] == [3.0, 17.0]


def test_a_resend_is_ignored_and_other_content_is_an_error(bench: Bench) -> None:
    bench.order(order())
    bench.core.advance(5.0)
    before = bench.state
    bench.order(order())
    assert bench.state == before
    bench.order(order(points=((0, 0), (30, 0), (20, 10))))
    assert bench.errors == ["orderUpdateError"]
    assert bench.core.m.nodes[-1]["nodePosition"]["x"] == 20


def test_another_order_while_busy_is_refused(bench: Bench) -> None:
    bench.order(order())
    bench.order(order("o2"))
    assert bench.errors == ["orderError"]
    assert bench.state["orderId"] == "o1"
    reference = bench.state["errors"][0]["errorReferences"]
    assert {"referenceKey": "orderId", "referenceValue": "o2"} in reference
    bench.core.advance(1000.0)
    again = order("o2", points=((20, 10), (0, 0)), actions={})
    bench.order(again)
    assert bench.state["orderId"] == "o2"
    assert bench.errors == []


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    body = order()
    target: Any = body
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return body


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (changed(("nodes",), "x"), "validationError"),
        (changed(("orderUpdateId",), "0"), "validationError"),
        (changed(("orderUpdateId",), -1), "validationError"),
        (changed(("nodes", 1, "sequenceId"), True), "validationError"),
        (changed(("nodes", 1, "nodePosition", "x"), "far"), "validationError"),
        (changed(("nodes", 1, "sequenceId"), 3), "orderError"),
        (changed(("nodes",), []), "orderError"),
        (changed(("edges",), []), "orderError"),
        (changed(("edges", 0, "endNodeId"), "n9"), "orderError"),
        (changed(("nodes", 0, "released"), False), "orderError"),
        (changed(("nodes", 1, "released"), False), "orderError"),
        (changed(("nodes", 1, "actions", 0, "actionType"), "fly"), "orderError"),
        (changed(("nodes", 1, "actions", 0, "actionParameters"), []), "orderError"),
        (changed(("nodes", 1, "nodePosition", "mapId"), "moon"), "noRouteError"),
        (changed(("nodes", 0, "nodePosition", "x"), 50.0), "noRouteError"),
        (changed(("version",), "3.0.0"), "validationError"),
        (changed(("serialNumber",), "R-2"), "validationError"),
    ],
)
def test_bad_orders_are_refused_with_the_right_word(body: dict[str, Any], word: str) -> None:
    bench = Bench()
    bench.order(body)
    assert bench.errors == [word]
    assert bench.core.idle
    assert bench.state["orderId"] == ""


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"\xff", b"[" * 50_000, b"9" * 2_000_000])
def test_nonsense_is_an_error_and_no_more(bench: Bench, payload: bytes) -> None:
    for topic in ("order", "instantActions"):
        bench.core.receive(topic, payload)
    assert set(bench.errors) == {"validationError"}
    assert bench.core.idle


def test_errors_are_kept_few(bench: Bench) -> None:
    for number in range(100):
        bench.order(order(f"o{number}", points=((90, 0), (0, 0)), actions={}))
    assert len(bench.errors) == 20


def test_horizon_waits_for_an_update_that_joins(bench: Bench) -> None:
    bench.order(order(actions={}, released=2))
    bench.core.advance(100.0)
    assert bench.state["lastNodeId"] == "n1"
    assert not bench.state["driving"]
    assert len(bench.state["nodeStates"]) == 1
    bench.order(order(update=1, first=4, points=((20, 10), (0, 0)), actions={}))
    assert bench.errors == ["orderUpdateError"]
    bench.order(order(update=1, first=2, points=((20, 0), (40, 0)), actions={}))
    bench.core.advance(200.0)
    assert (bench.core.x, bench.core.y) == pytest.approx((40, 0))
    assert bench.state["orderUpdateId"] == 1
    bench.order(order(update=0, first=2, points=((20, 0), (40, 0)), actions={}))
    assert bench.errors == ["orderUpdateError"] * 2


def test_trajectory_and_speed_limit_are_followed(bench: Bench) -> None:
    body = order(points=((0, 0), (20, 0)), actions={})
    body["edges"][0]["maxSpeed"] = 1.0
    body["edges"][0]["trajectory"] = {
        "degree": 1,
        "knotVector": [0, 0, 0.5, 1, 1],
        "controlPoints": [{"x": 0, "y": 0}, {"x": 10, "y": 10}, {"x": 20, "y": 0}],
    }
    bench.order(body)
    bench.core.advance(math.hypot(10, 10))
    assert (bench.core.x, bench.core.y) == pytest.approx((10, 10))
    bench.core.advance(2 * math.hypot(10, 10) + 0.01)
    assert bench.core.idle


def test_pause_and_resume(bench: Bench) -> None:
    bench.order(order(actions={}))
    bench.core.advance(2.0)
    bench.instant("startPause", "a")
    assert bench.status("a") == "FINISHED"
    assert bench.state["paused"]
    here = (bench.core.x, bench.core.y)
    bench.core.advance(50.0)
    assert (bench.core.x, bench.core.y) == here
    bench.instant("stopPause", "b")
    bench.core.advance(100.0)
    assert bench.core.idle


def test_cancel_lets_a_drop_run_out(bench: Bench) -> None:
    bench.order(order())
    bench.core.advance(14.0)
    assert bench.status("d") == "RUNNING"
    bench.instant("cancelOrder", "c")
    assert bench.status("c") == "RUNNING"
    bench.order(order("o2", points=((20, 0), (0, 0)), actions={}))
    assert bench.errors == ["orderError"]
    bench.core.advance(30.0)
    assert bench.status("c") == "FINISHED"
    assert bench.status("d") == "FINISHED"
    assert bench.state["orderId"] == "o1"
    assert bench.core.idle
    assert (bench.core.x, bench.core.y) == pytest.approx((20, 0))
    bench.order(order(update=1, first=2, points=((20, 0), (40, 0)), actions={}))
    assert bench.errors[-1] == "orderUpdateError"


def test_cancel_of_nothing(bench: Bench) -> None:
    bench.instant("cancelOrder", "c")
    assert bench.status("c") == "FAILED"
    assert bench.errors == ["noOrderToCancel"]


def test_unknown_instant_action_fails(bench: Bench) -> None:
    bench.instant("selfDestruct", "x")
    assert bench.status("x") == "FAILED"
    assert bench.errors == ["validationError"]


def test_the_same_instant_action_is_done_once(bench: Bench) -> None:
    bench.instant("startPause", "a")
    bench.instant("stopPause", "b")
    bench.instant("startPause", "a")
    assert not bench.core.m.paused


@pytest.mark.parametrize(
    ("typed", "status", "told"), [(PIN, "FINISHED", "accepted"), ("0000", "FAILED", "wrong")]
)
def test_hand_over_with_pin(typed: str, status: str, told: str) -> None:
    bench = Bench(pins={"p": typed})
    actions = {0: [deed("k", "pick", "p")], 1: [deed("d", "drop", "p", PIN_HASH)]}
    bench.order(order(actions=actions))
    bench.core.advance(20.0)
    assert bench.status("d") == "RUNNING"
    bench.core.advance(100.0)
    assert bench.status("d") == status
    found = [a for a in bench.state["actionStates"] if a["actionId"] == "d"]
    assert told in found[0]["resultDescription"]
    assert PIN not in json.dumps(bench.state)
    assert ("p" in bench.core.aboard) is (status == "FAILED")


def test_what_is_not_there_is_neither_picked_nor_dropped(bench: Bench) -> None:
    actions = {0: [deed("k1", "pick", "p"), deed("k2", "pick", "p")], 1: [deed("d", "drop", "q")]}
    bench.order(order(actions=actions))
    bench.core.advance(100.0)
    assert [bench.status(i) for i in ("k1", "k2", "d")] == ["FINISHED", "FAILED", "FAILED"]
    assert [w for _, w, _ in bench.truth] == ["picked"]


def test_a_restart_forgets_the_order_and_keeps_the_parcel(bench: Bench) -> None:
    bench.order(order())
    bench.core.advance(5.0)
    bench.core.forget()
    assert bench.state["orderId"] == ""
    assert bench.state["loads"] == [{"loadId": "p", "loadType": "PARCEL"}]
    assert bench.core.idle


def test_manual_mode_clears_and_refuses(bench: Bench) -> None:
    bench.order(order())
    bench.core.set_mode("MANUAL")
    assert bench.core.idle
    assert bench.state["orderId"] == "o1"
    bench.order(order("o2"))
    assert bench.errors == ["orderError"]


def test_emergency_stop_stops(bench: Bench) -> None:
    bench.order(order(actions={}))
    bench.core.advance(1.0)
    bench.core.set_e_stop("MANUAL")
    here = bench.core.x
    bench.core.advance(10.0)
    assert bench.core.x == here
    assert bench.state["safetyState"]["eStop"] == "MANUAL"
    bench.core.set_e_stop("NONE")
    bench.core.advance(100.0)
    assert bench.core.idle


def test_battery_drains_with_the_way_and_charges_at_home() -> None:
    bench = Bench(range_m=100.0, charge_pct_per_s=1.0)
    bench.order(order(points=((0, 0), (20, 0), (0, 0)), actions={}))
    bench.core.advance(10.0)
    assert bench.state["batteryState"]["batteryCharge"] == pytest.approx(80.0)
    bench.core.advance(30.0)
    assert bench.state["batteryState"]["charging"]
    assert bench.state["batteryState"]["batteryCharge"] == pytest.approx(70.0)
    bench.core.advance(100.0)
    assert bench.state["batteryState"] == {
        "batteryCharge": 100.0,
        "charging": False,
        "reach": 100,
    }


def test_empty_battery_is_fatal() -> None:
    bench = Bench(range_m=10.0)
    bench.order(order(actions={}))
    bench.core.advance(100.0)
    assert bench.core.x == pytest.approx(10.0)
    assert [e["errorLevel"] for e in bench.state["errors"]] == ["FATAL"]


def test_specs_and_fleets_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="speed_mps"):
        RobotSpec("r", "A", "1", 0.0, 0.0, speed_mps=0.0)
    spec = RobotSpec("r", "A", "1", 60.17, 24.94)
    clock = LabClock.starting_now()
    with pytest.raises(ValueError, match="share"):
        RobotFleet([spec, spec], host="127.0.0.1", port=1, robot_map=MAP, clock=clock)


class BugError(Exception):
    pass


async def test_a_robot_that_fails_ends_the_fleet_and_says_why() -> None:
    def fail(sample: object) -> None:
        raise BugError(sample)

    spec = RobotSpec("r", "A", "1", 60.17, 24.94)
    fleet = RobotFleet(
        [spec],
        host="127.0.0.1",
        port=1,
        robot_map=MAP,
        clock=LabClock.starting_now(speedup=100.0),
        on_truth=fail,
    )
    with pytest.raises(ExceptionGroup) as caught:
        async with fleet:
            await asyncio.Event().wait()
    assert caught.group_contains(BugError)


async def test_an_error_in_the_body_passes_as_it_is() -> None:
    spec = RobotSpec("r", "A", "1", 60.17, 24.94)
    clock = LabClock.starting_now()
    with pytest.raises(BugError):
        async with RobotFleet([spec], host="127.0.0.1", port=1, robot_map=MAP, clock=clock):
            raise BugError
