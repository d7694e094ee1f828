"""The master control of vda-5050-lib drives our robots: a check of the lab by others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from sitl.broker import Broker as LabBroker
from sitl.robot import RobotFleet, RobotMap, RobotSpec
from sitl.world import TruthSample
from tests.interop.node import NodeProgram
from tests.support.steady import steady_clocks

pytestmark = [pytest.mark.interop, pytest.mark.broker, pytest.mark.timeout(120)]
MAP = RobotMap("site", 60.17, 24.94)


def order(order_id: str, *, far_m: float = 20.0, update: int = 0, horizon: bool = False) -> Any:
    """Pick at home, drop so far to the east, and back; `horizon` releases up to the door only."""

    def node(sequence: int, name: str, x: float, *deeds: str, released: bool = True) -> Any:
        return {
            "nodeId": name,
            "sequenceId": sequence,
            "released": released,
            "nodePosition": {
                "x": x,
                "y": 0.0,
                "mapId": "site",
                "allowedDeviationXY": 5.0,
            },
            "actions": [
                {
                    "actionId": f"{order_id}-{deed}",
                    "actionType": deed,
                    "blockingType": "HARD",
                    "actionParameters": [{"key": "loadId", "value": f"p-{order_id}"}],
                }
                for deed in deeds
            ],
        }

    def edge(sequence: int, start: str, end: str, *, released: bool = True) -> Any:
        return {
            "edgeId": f"{start}-{end}",
            "sequenceId": sequence,
            "released": released,
            "startNodeId": start,
            "endNodeId": end,
            "actions": [],
        }

    nodes = [
        node(0, "home", 0.0, "pick"),
        node(2, "door", far_m, "drop"),
        node(4, "home", 0.0, released=not horizon),
    ]
    edges = [edge(1, "home", "door"), edge(3, "door", "home", released=not horizon)]
    if update:
        nodes, edges = nodes[1:], edges[1:]
    return {"orderId": order_id, "orderUpdateId": update, "nodes": nodes, "edges": edges}


class Scene:
    """Our robot, their master, and what each of them told."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.truth: list[TruthSample] = []
        self.robots: RobotFleet
        self.master: NodeProgram

    def send(self, **words: Any) -> None:
        self.master.say(serial="R-1", **words)

    async def until(self, what: str, condition: Callable[[], Any]) -> None:
        try:
            async with asyncio.timeout(20.0):
                while not condition():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"never: {what}; {self.heard[-10:]}") from None

    async def told(self, **words: Any) -> None:
        """Wait until the master has told a line that holds these words."""
        await self.until(str(words), lambda: any(words.items() <= h.items() for h in self.heard))

    def did(self) -> list[tuple[str, str]]:
        return [(s.event, s.detail) for s in self.truth if s.event]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    clock = steady_clocks(5.0)[1]
    spec = RobotSpec(
        "r1", "ACME", "R-1", 60.17, 24.94, pick_duration_s=3.0, drop_duration_s=3.0, version="2.0.0"
    )
    async with contextlib.AsyncExitStack() as stack:
        broker = await stack.enter_async_context(LabBroker(kind="mosquitto"))
        options = {"url": f"mqtt://{broker.host}:{broker.port}", "manufacturer": "ACME"}
        scene.master = await stack.enter_async_context(
            NodeProgram("master.js", options, scene.heard.append)
        )
        scene.robots = await stack.enter_async_context(
            RobotFleet(
                [spec],
                host=broker.host,
                port=broker.port,
                robot_map=MAP,
                clock=clock,
                on_truth=scene.truth.append,
            )
        )
        await scene.told(serial="R-1", connection="ONLINE")
        yield scene


async def test_it_sees_a_whole_round(scene: Scene) -> None:
    scene.send(order=order("a"))
    await scene.told(order="a", event="processed", cancelled=False, active=False)
    assert scene.did() == [("picked", "p-a"), ("dropped", "p-a")]
    told = [(h.get("node"), h.get("edge"), h.get("id")) for h in scene.heard if "order" in h]
    assert ("door", None, None) in told
    assert (None, "home-door", None) in told
    assert (None, "door-home", None) in told
    finished = [h["id"] for h in scene.heard if h.get("status") == "FINISHED"]
    assert finished == ["a-pick", "a-drop"]
    assert not [h for h in scene.heard if h.get("error")]


async def test_it_pauses_and_resumes(scene: Scene) -> None:
    scene.send(order=order("a", far_m=60.0))
    await scene.told(order="a", id="a-pick", status="FINISHED")
    scene.send(instant="startPause", id="hold")
    await scene.told(action="hold", status="FINISHED")
    assert not scene.robots["r1"].core.driving
    scene.send(instant="stopPause", id="go")
    await scene.told(action="go", status="FINISHED")
    await scene.told(order="a", event="processed", cancelled=False, active=False)


async def test_it_cancels(scene: Scene) -> None:
    scene.send(order=order("a", far_m=60.0))
    await scene.told(order="a", id="a-pick", status="FINISHED")
    scene.send(instant="cancelOrder", id="stop")
    await scene.told(action="stop", status="FINISHED")
    await scene.told(order="a", event="processed", cancelled=True)
    assert scene.robots["r1"].core.idle
    assert scene.did() == [("picked", "p-a")]
    scene.send(instant="cancelOrder", id="again")
    await scene.told(action="again", status="FAILED")


async def test_it_extends_an_order_at_its_decision_point(scene: Scene) -> None:
    scene.send(order=order("a", horizon=True))
    await scene.told(order="a", id="a-drop", status="FINISHED")
    await scene.until("standing at the door", lambda: not scene.robots["r1"].core.driving)
    assert scene.robots["r1"].core.m.last_node_id == "door"
    scene.send(order=order("a", update=1))
    await scene.until("home", lambda: scene.robots["r1"].core.idle)
    assert scene.robots["r1"].core.m.last_sequence_id == 4
    assert scene.did() == [("picked", "p-a"), ("dropped", "p-a")]


async def test_its_second_order_is_refused_while_the_first_runs(scene: Scene) -> None:
    scene.send(order=order("a", far_m=60.0))
    await scene.told(order="a", id="a-pick", status="FINISHED")
    scene.send(order=order("b"))
    await scene.told(order="b", event="processed", error="orderError")
    assert scene.robots["r1"].core.m.order_id == "a"


async def test_it_sees_a_robot_break_off_and_come_back(scene: Scene) -> None:
    scene.robots["r1"].kill()
    await scene.told(serial="R-1", connection="CONNECTIONBROKEN")
    scene.heard.clear()
    scene.robots["r1"].restart()
    await scene.told(serial="R-1", connection="ONLINE")
