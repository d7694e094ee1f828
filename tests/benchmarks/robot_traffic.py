"""Robots for benchmarks: nothing but their messages, in a process of its own.

One MQTT connection speaks for all of them: it says every robot's state of about 1.5 kB once in
`interval_s`, hears every order and instant action, and answers it by a state as a robot would.
Takes one JSON object a line, {"burst": N}, {"calm": true} or {"full": true}, and tells
{"ready": N}, {"orders": [...]} and {"pauses": {"count", "last_s"}}; seconds are of CLOCK_MONOTONIC,
which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import aiomqtt

ROOT = Path(__file__).resolve().parents[2]
MAP_ID, LAT, LON = "site", 60.17, 24.94
MAKER = "ACME"
SLICE_S = 0.05


def serial(robot: int) -> str:
    """R-7 is vehicle r7."""
    return f"R-{robot}"


def topic(robot: int, name: str) -> str:
    """Of one robot."""
    return f"uagv/v2/{MAKER}/{serial(robot)}/{name}"


class Robot:
    """What one robot says."""

    def __init__(self, number: int, *, busy: bool) -> None:
        self.number = number
        self.busy = busy
        self.headers = 0
        self.order_id = "job-0" if busy else ""
        self.nodes: list[dict[str, Any]] = []
        self.actions: list[dict[str, Any]] = []
        self.paused = False
        self.last: dict[str, Any] = {"nodeId": "node-0", "sequenceId": 0}
        if busy:
            self.nodes = [
                {"nodeId": f"node-{k}", "sequenceId": 2 * k, "released": True} for k in range(1, 11)
            ]

    def state(self) -> bytes:
        """The next state: ten nodes and edges ahead of a busy robot make 1.5 kB."""
        self.headers += 1
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        edges = [
            {"edgeId": f"edge-{n['sequenceId'] - 1}", "sequenceId": n["sequenceId"] - 1,
             "released": True}
            for n in self.nodes if n["sequenceId"]
        ]  # fmt: skip
        body = {
            "headerId": self.headers,
            "timestamp": now,
            "version": "2.1.0",
            "manufacturer": MAKER,
            "serialNumber": serial(self.number),
            "orderId": self.order_id,
            "orderUpdateId": 0,
            "lastNodeId": self.last["nodeId"],
            "lastNodeSequenceId": self.last["sequenceId"],
            "driving": self.busy and not self.paused,
            "paused": self.paused,
            "operatingMode": "AUTOMATIC",
            "nodeStates": self.nodes,
            "edgeStates": edges,
            "actionStates": self.actions,
            "agvPosition": {
                "x": 0.0,
                "y": 0.0,
                "theta": 0.0,
                "mapId": MAP_ID,
                "positionInitialized": True,
            },
            "batteryState": {"batteryCharge": 90.0, "charging": False},
            "errors": [],
            "information": [
                {"infoType": "load", "infoLevel": "INFO", "infoDescription": "x" * 250}
            ],
            "safetyState": {"eStop": "NONE", "fieldViolation": False},
        }
        return json.dumps(body, separators=(",", ":")).encode()

    def take_actions(self, message: dict[str, Any]) -> bool:
        """Whether a pause was among them; all end at once."""
        known = {a["actionId"] for a in self.actions}
        pause = False
        for action in message["actions"]:
            if action["actionId"] in known:
                continue
            pause = pause or action["actionType"] == "startPause"
            if action["actionType"] in {"startPause", "stopPause"}:
                self.paused = action["actionType"] == "startPause"
            ended = {k: action[k] for k in ("actionId", "actionType")}
            self.actions = [*self.actions[-4:], ended | {"actionStatus": "FINISHED"}]
        return pause


class Traffic:
    """All robots and what came in for them."""

    def __init__(self, count: int, *, free: int, interval_s: float) -> None:
        self.robots = [Robot(n, busy=n >= free) for n in range(count)]
        self.interval_s = interval_s
        self.pauses = 0
        self.orders: list[tuple[str, float]] = []
        self.full = True

    async def run(self, client: aiomqtt.Client) -> None:
        """Until the input ends."""
        for robot in self.robots:
            word = connection(robot.number)
            await client.publish(topic(robot.number, "connection"), word, qos=1, retain=True)
        for name in ("order", "instantActions"):
            await client.subscribe(f"uagv/v2/{MAKER}/+/{name}")
        tell(ready=len(self.robots))
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self.speak(client), name="speak"),
                group.create_task(self.listen(client), name="listen"),
            ]
            while line := await asyncio.to_thread(sys.stdin.readline):
                await self.obey(client, json.loads(line))
            for task in tasks:
                task.cancel()

    async def obey(self, client: aiomqtt.Client, asked: dict[str, Any]) -> None:
        """A word of the benchmark's."""
        self.full = self.full if "calm" not in asked and "full" not in asked else "full" in asked
        if "go" in asked:
            for robot in self.robots:
                robot.paused = False
        if "burst" in asked:
            count = asked["burst"]
            busy = [robot for robot in self.robots if robot.busy]
            said = [(r := busy[k % len(busy)], r.state()) for k in range(count)]
            for robot, state in said:
                client._client.publish(topic(robot.number, "state"), state)
            tell(burst=count)

    async def speak(self, client: aiomqtt.Client) -> None:
        """Every robot's state once in an interval, spread evenly."""
        begun_s, said = time.monotonic(), 0
        while True:
            await asyncio.sleep(SLICE_S)
            due = int((time.monotonic() - begun_s) / self.interval_s * len(self.robots))
            if not self.full:
                said = due
            while said < due:
                robot = self.robots[said % len(self.robots)]
                said += 1
                client._client.publish(topic(robot.number, "state"), robot.state())

    async def listen(self, client: aiomqtt.Client) -> None:
        """Orders and instant actions."""
        async for message in client.messages:
            at_s = time.monotonic()
            _, _, _, name, kind = message.topic.value.split("/")
            robot = self.robots[int(name.removeprefix("R-"))]
            body = json.loads(message.payload)
            if kind == "order":
                self.orders.append((body["orderId"], at_s))
                tell(order=body["orderId"], at_s=at_s)
                robot.order_id, robot.last = body["orderId"], body["nodes"][-1]
                # driven in no time: the benchmark wants the next one
                robot.actions = [
                    {"actionId": a["actionId"], "actionType": a["actionType"],
                     "actionStatus": "FINISHED"}
                    for node in body["nodes"] for a in node["actions"]
                ]  # fmt: skip
            elif robot.take_actions(body):
                self.pauses += 1
                if self.pauses == len(self.robots):
                    tell(pauses=self.pauses, at_s=at_s)
                    self.pauses = 0
            client._client.publish(topic(robot.number, "state"), robot.state())


def connection(robot: int) -> bytes:
    """ONLINE."""
    body = {
        "headerId": 0,
        "timestamp": "2026-06-01T08:00:00.000Z",
        "version": "2.1.0",
        "manufacturer": MAKER,
        "serialNumber": serial(robot),
        "connectionState": "ONLINE",
    }
    return json.dumps(body).encode()


def tell(**words: Any) -> None:
    """To the benchmark."""
    print(json.dumps(words), flush=True)


async def serve(options: dict[str, Any]) -> None:
    """The process."""
    port = options.pop("port")
    async with aiomqtt.Client("127.0.0.1", port, max_queued_incoming_messages=0) as client:
        await Traffic(**options).run(client)


class Process:
    """A process that tells JSON lines; entered when it is ready."""

    def __init__(self, *command: str) -> None:
        self._command = command
        self._lines: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.ready: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *self._command, cwd=ROOT,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 22,
        )  # fmt: skip
        self._reader = asyncio.create_task(self._read(), name="read")
        self.ready = await self.told("ready", "url")
        return self

    async def __aexit__(self, *exc: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        await self._process.wait()
        await self._reader

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def say(self, **words: Any) -> None:
        """A line to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words).encode() + b"\n")

    async def told(self, *keys: str, within_s: float = 120.0) -> dict[str, Any]:
        """The next line with one of these keys; others are passed over."""
        async with asyncio.timeout(within_s):
            while True:
                line = await self._lines.get()
                if not line:
                    raise RuntimeError(f"{self._command} ended")
                if any(key in line for key in keys):
                    return line

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            if line.startswith(b"{"):
                self._lines.put_nowait(json.loads(line))
        self._lines.put_nowait({})


def robots(port: int, count: int, **more: Any) -> Process:
    """The robots' process."""
    options = {"port": port, "count": count, "free": 0, "interval_s": 1.0}
    code = "import asyncio, json, sys; from tests.benchmarks import robot_traffic as t; "
    code += "asyncio.run(t.serve(json.loads(sys.argv[1])))"
    return Process("-c", code, json.dumps(options | more))


def controller(config: Path) -> Process:
    """`waypost serve`."""
    code = "from controller.__main__ import main; main()"
    return Process("-c", code, "serve", "--config", str(config), "--port", "0", "--json")


@contextlib.asynccontextmanager
async def world(folder: Path, port: int, count: int, **more: Any) -> AsyncIterator[Process]:
    """A real controller with so many robots enrolled, on a street of its own."""
    from controller.cli.scenario import to_toml
    from geofence.frames import LatLon, offset

    hub = LatLon(LAT, LON)
    points = [hub, offset(hub, 90.0, 40.0), offset(hub, 90.0, 80.0)]
    street = {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {
                    "edge_id": f"e-{k}", "kind": "footway", "max_speed_mps": 2.0,
                    "one_way": False, "start_node": f"n-{k}", "end_node": f"n-{k + 1}",
                },
                "geometry": {
                    "type": "LineString",
                    "coordinates": [[p.lon_deg, p.lat_deg] for p in points[k : k + 2]],
                },
            }
            for k in range(2)
        ],
    }  # fmt: skip
    (folder / "streets.geojson").write_text(json.dumps(street))
    config = {
        "store": {"url": f"sqlite+aiosqlite:///{folder}/w.db"},
        "terrain": {"ground_amsl_m": 10.0, "geoid_m": 18.0},
        "streets": {"file": "streets.geojson"},
        "log": {"level": "error"},
        "mqtt": {
            "host": "127.0.0.1", "port": port, "map_id": MAP_ID, "map_lat0": LAT, "map_lon0": LON,
        },
        "sites": [{"id": "hub", "kind": "hub", "lat_deg": LAT, "lon_deg": LON}],
        "robots": [
            {"id": f"r{n}", "manufacturer": MAKER, "serial": serial(n), "base": "hub"}
            for n in range(count)
        ],
        **more,
    }  # fmt: skip
    file = folder / "waypost.toml"
    file.write_text(to_toml(config))
    async with controller(file) as served:
        yield served
