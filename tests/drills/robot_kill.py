"""`python -m tests.drills.robot_kill [--seed S] [--point NAME] [--broker KIND] [--json]`.

The controller, a process of its own, is killed by SIGKILL before and after every step of the
protocol (`robot_points.POINTS`), a new one is started on its store, and the round goes on, over a
real broker. Each time the robots' own record is held against what the controller says in the end.

Ends with status 1 where a parcel was lost or delivered twice, custody is not where the parcel is,
a robot got a second order before the first was over, a base that was sent was altered, or a step
was never come to.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, cast

import aiomqtt
import httpx

from controller.cli.scenario import to_toml
from sitl.broker import Broker
from sitl.robot import RobotFleet, RobotMap, RobotSpec
from sitl.world import LabClock, TruthSample
from tests.drills.robot_points import POINTS, Point

ROOT = Path(__file__).resolve().parents[2]
SPEEDUP = 8.0
MAP = RobotMap("site", 60.17, 24.94)
LINE_M = (0.0, 14.0, 26.0, 40.0, 54.0)
"""The street: pavement, a narrow lane, pavement."""
PARCELS = ("P-1", "P-2")
LIMIT_S = 150.0
"""Wall seconds of one case, on a busy machine too."""
ROUND = frozenset({"delivered", "stranded", "refused", "cancelled"})
Kind = Literal["iotcore", "mosquitto"]


@dataclass(slots=True)
class Case:
    """One death and what came of it."""

    point: str
    after: bool
    seed: int
    reached: bool = False
    parcels: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    unpicked_stranded: int = 0
    """Parcels that nobody picked and that a person must settle all the same."""
    up_s: float = 0.0
    """Wall seconds from the start of the new controller to its API."""
    seconds: float = 0.0

    @property
    def name(self) -> str:
        return f"{'after' if self.after else 'before'} {self.point}"


def street() -> dict[str, Any]:
    places = [MAP.to_latlon(x, 0.0) for x in LINE_M]
    features = [
        {
            "type": "Feature",
            "properties": {
                "edge_id": f"e{n}",
                "kind": "footway",
                "max_speed_mps": 2.0,
                "one_way": False,
                "start_node": f"n{n}",
                "end_node": f"n{n + 1}",
                "width_m": 1.2 if n == 1 else 3.0,
            },
            "geometry": {
                "type": "LineString",
                "coordinates": [[lon, lat] for lat, lon in places[n : n + 2]],
            },
        }
        for n in range(len(places) - 1)
    ]
    return {"type": "FeatureCollection", "features": features}


def configure(folder: Path, broker: Broker, clock: LabClock) -> Path:
    """The controller's files."""
    shipped = (ROOT / "vehicles/vda5050/profiles/default.toml").read_text()
    profile = folder / "pieces.toml"
    profile.write_text(shipped.replace('name = "default"', 'name = "pieces"\nbase_nodes_ahead = 2'))
    (folder / "streets.geojson").write_text(json.dumps(street()))
    time_ = {"speedup": clock.speedup, "start": clock.start, "wall_epoch": clock.wall_epoch_s}
    hub = {"id": "hub", "kind": "hub", "lat_deg": MAP.lat0, "lon_deg": MAP.lon0}
    config = folder / "waypost.toml"
    config.write_text(
        to_toml(
            {
                "clock": time_,
                "store": {"url": "sqlite+aiosqlite:///w.db"},
                "terrain": {"ground_amsl_m": 0.0, "geoid_m": 18.0},
                "streets": {"file": "streets.geojson"},
                "dispatch": {"period_s": 1.0, "preparation_s": 1.0},
                # the street is short: where a cancel stops it, it is not at its base
                "delivery": {"home_tolerance_m": 3.0},
                "mqtt": {
                    "host": broker.host,
                    "port": broker.port,
                    "map_id": MAP.map_id,
                    "map_lat0": MAP.lat0,
                    "map_lon0": MAP.lon0,
                },
                "sites": [hub],
                "robots": [
                    {
                        "id": "R-1",
                        "manufacturer": "ACME",
                        "serial": "1",
                        "base": "hub",
                        "profile": str(profile),
                        "cruise_speed_mps": 2.0,
                    }
                ],
            }
        )
    )
    return config


class Controller:
    """The process."""

    def __init__(self, config: Path, log: Path) -> None:
        self._config, self._log = config, log
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def start(self, point: Point | None = None, *, after: bool = False) -> None:
        """Up, or dead before it was: both are starts."""
        serve = ["serve", "--config", str(self._config), "--port", "0", "--json"]
        when = "after" if after else "before"
        mortal = ["tests.drills.robot_points", point.name, when] if point else ["controller"]
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *mortal,
                *serve,
                cwd=ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if line:
            self.url = json.loads(line)["url"]

    @property
    def dead(self) -> bool:
        return self._process is None or self._process.returncode is not None

    async def killed(self) -> bool:
        """Wait for its end; whether it was by SIGKILL."""
        assert self._process is not None
        return await self._process.wait() == -signal.SIGKILL

    async def kill(self) -> None:
        """By SIGKILL, where it is not over."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def call(self, method: str, path: str, **more: Any) -> Any:
        """An answer of its API, None where it did not live to give one."""
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=60.0) as client:
                answer = await client.request(method, self.url + path, **more)
        except httpx.HTTPError:
            return None
        return answer.json() if answer.is_success else None


@dataclass(slots=True)
class World:
    """A robot, a broker, who listens, and the controller."""

    robots: RobotFleet
    controller: Controller
    clock: LabClock
    case: Case
    truth: Counter[tuple[str, str]] = field(default_factory=Counter)
    sent: dict[str, dict[int, str]] = field(default_factory=dict)
    """By order, the released nodes and edges that were published, by sequence id."""

    @property
    def core(self) -> Any:
        return self.robots["R-1"].core

    def fault(self, words: str) -> None:
        self.case.faults.append(words)

    def published(self, payload: bytes) -> None:
        """Watch that a base is never altered."""
        order = json.loads(payload)
        known = self.sent.setdefault(order["orderId"], {})
        for part in (*order["nodes"], *order["edges"]):
            number, body = part["sequenceId"], json.dumps(part, sort_keys=True)
            if part["released"] and known.setdefault(number, body) != body:
                self.fault(f"base of {order['orderId']} altered at {number}")
            if not part["released"] and number in known:
                self.fault(f"base of {order['orderId']} taken back at {number}")

    def watch_orders(self) -> None:
        """Watch that no second order reaches a robot that is on one."""
        core, receive = self.core, self.core.receive

        def received(topic: str, payload: bytes) -> None:
            if topic == "order":
                order_id = json.loads(payload)["orderId"]
                if not core.idle and order_id != core.m.order_id:
                    self.fault(f"{order_id} sent while {core.m.order_id} was not over")
            receive(topic, payload)

        core.receive = received


@asynccontextmanager
async def world(case: Case, kind: Kind, folder: Path) -> AsyncIterator[World]:
    """Everything but the controller runs."""
    rng = random.Random(f"{case.name} {case.seed}")
    clock = LabClock(datetime(2026, 6, 1, 9, tzinfo=UTC), SPEEDUP, time.time())
    spec = RobotSpec(
        "R-1",
        "ACME",
        "1",
        MAP.lat0,
        MAP.lon0,
        speed_mps=rng.uniform(1.8, 3.0),
        pick_duration_s=rng.uniform(3.0, 8.0),
        drop_duration_s=rng.uniform(3.0, 8.0),
        state_interval_s=rng.uniform(2.0, 5.0),
    )
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(Broker(kind=kind))
        truth: Counter[tuple[str, str]] = Counter()

        def told(sample: TruthSample) -> None:
            if sample.event in {"picked", "dropped"}:
                truth[sample.event, sample.detail] += 1

        at = {"host": broker.host, "port": broker.port, "seed": case.seed}
        robots = RobotFleet([spec], robot_map=MAP, clock=clock, on_truth=told, **at)
        await stack.enter_async_context(robots)
        controller = Controller(configure(folder, broker, clock), folder / "controller.log")
        stack.push_async_callback(controller.kill)
        here = World(robots, controller, clock, case, truth)
        here.watch_orders()
        ear = await stack.enter_async_context(aiomqtt.Client(broker.host, broker.port))
        await ear.subscribe("uagv/v2/+/+/order")

        async def listen() -> None:
            async for message in ear.messages:
                here.published(cast("bytes", message.payload))

        task = asyncio.create_task(listen(), name="ear")
        try:
            yield here
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it; the case's limit ends the wait."""
    while not condition():
        await asyncio.sleep(0.02)


async def submit(here: World) -> bool:
    """The parcels, under a key that makes a second try harmless."""
    rng = random.Random(f"parcels {here.case.name} {here.case.seed}")
    due = here.clock.start + timedelta(hours=3)
    bodies = []
    for name in PARCELS:
        lat, lon = MAP.to_latlon(rng.uniform(30.0, 52.0), 0.0)
        to = {"lat_deg": lat, "lon_deg": lon, "address": name}
        size = {"weight_kg": 3.0, "size_m": [0.2, 0.2, 0.1]}
        where = {"origin": "hub", "destination": to, "due_at": due.isoformat()}
        bodies.append({"id": name, **size, **where})
    headers = {"Idempotency-Key": "both"}
    told = await here.controller.call("POST", "/v1/parcels", json=bodies, headers=headers)
    return told is not None


def away(core: Any) -> bool:
    """On its way with both parcels, clear of its base."""
    return core.driving and len(core.aboard) == 2 and core.x > 6.0


async def act(here: World, story: str) -> None:
    """What the operator and the air do, until it is done; again by whoever comes after a death."""
    robot, core, controller = here.robots["R-1"], here.core, here.controller

    async def demand(verb: str) -> None:
        body = {"verb": verb, "reason": "drill"}
        await controller.call("POST", "/v1/vehicles/R-1/commands", json=body)

    if story == "lost order":
        robot.lose_incoming("order", 1)
    elif story == "lost update":
        await until(lambda: bool(core.m.order_id))
        robot.lose_incoming("order", 1)
    elif story in {"pause", "resume"}:
        await until(lambda: away(core))
        await demand("hold")
        if story == "resume" and core.m.paused and not controller.dead:
            await demand("resume")
    elif story in {"cancel", "lost cancel"}:
        await until(lambda: away(core))
        if story == "lost cancel":
            robot.lose_incoming("instantActions", 1)
        await demand("land")
    elif story == "cancel at a stop":
        await until(lambda: any(d.kind == "drop" and d.status == "RUNNING" for d in core.m.deeds))
        await demand("land")


async def again(here: World, story: str) -> None:
    """What the operator asks for once more where the first demand had no effect."""
    core, controller = here.core, here.controller
    verb = ""
    if story in {"pause", "resume"} and core.m.paused:
        verb = "resume"
    elif "cancel" in story and not core.idle and core.m.cancel is None:
        verb = "land"
    if verb:
        body = {"verb": verb, "reason": "drill, again"}
        await controller.call("POST", "/v1/vehicles/R-1/commands", json=body)


async def over(here: World) -> list[dict[str, Any]]:
    """The parcels once all are over and the robot has nothing to do."""
    while True:
        parcels = await here.controller.call("GET", "/v1/parcels")
        robot = await here.controller.call("GET", "/v1/vehicles/R-1")
        ended = parcels and all(p["state"] in ROUND for p in parcels)
        if ended and robot and not robot["assignment_id"] and here.core.idle:
            return cast("list[dict[str, Any]]", parcels)
        await again(here, POINTS[here.case.point].story if here.case.reached else "")
        await asyncio.sleep(0.1)


async def judge(here: World, parcels: list[dict[str, Any]]) -> None:
    """Hold what the controller says against what the robot did."""
    alarms = await here.controller.call("GET", "/v1/alarms") or []
    told = {a["parcel_id"] for a in alarms}
    by_id = {p["id"]: p for p in parcels}
    for name in PARCELS:
        picked, dropped = here.truth["picked", name], here.truth["dropped", name]
        parcel = by_id.get(name)
        if parcel is None:
            here.fault(f"{name} is lost")
            continue
        state, holder = parcel["state"], parcel["custodian"]["kind"]
        here.case.parcels[name] = state
        if dropped > 1 or picked > 1:
            here.fault(f"{name} was picked {picked} times and dropped {dropped} times")
        if (state == "delivered") is not (dropped == 1):
            here.fault(f"{name} is {state}, and was dropped {dropped} times")
        if name in here.core.aboard and holder != "vehicle":
            here.fault(f"{name} is aboard, and a {holder} has it by the record")
        if state == "stranded":
            here.case.unpicked_stranded += not picked
            if name not in told:
                here.fault(f"{name} is stranded and nobody is told")


def tail(folder: Path) -> str:
    """The end of what the controllers said."""
    log = folder / "controller.log"
    return log.read_text(errors="replace")[-1500:] if log.exists() else ""


async def drill(case: Case, kind: Kind = "iotcore") -> Case:
    """One case."""
    began_s = time.monotonic()
    point = POINTS[case.point]
    with tempfile.TemporaryDirectory(prefix="waypost-drill-") as name:
        try:
            async with asyncio.timeout(LIMIT_S), world(case, kind, Path(name)) as here:
                await _live(here, point)
        except TimeoutError:
            case.faults.append(f"not over in {LIMIT_S:.0f} s\n{tail(Path(name))}")
    case.seconds = round(time.monotonic() - began_s, 1)
    return case


async def _live(here: World, point: Point) -> None:
    controller, case = here.controller, here.case
    await controller.start(point, after=case.after)
    story = asyncio.create_task(act(here, point.story), name="story")
    try:
        submitted = not controller.dead and await submit(here)
        ends = asyncio.create_task(controller.killed(), name="death")
        done = asyncio.create_task(over(here), name="over")
        await asyncio.wait({ends, done}, return_when=asyncio.FIRST_COMPLETED)
        done.cancel()
        await asyncio.gather(done, return_exceptions=True)
        case.reached = ends.done() and ends.result()
        if not case.reached:
            here.fault("the step was never come to")
            ends.cancel()
            await asyncio.gather(ends, return_exceptions=True)
            await controller.kill()
        began_s = time.monotonic()
        await controller.start()
        case.up_s = round(time.monotonic() - began_s, 2)
        if not submitted:
            await submit(here)
        await judge(here, await over(here))
    finally:
        story.cancel()
        await asyncio.gather(story, return_exceptions=True)


def cases(seed: int, names: list[str] | None = None) -> list[Case]:
    """Every step, before and after it."""
    wanted = names or list(POINTS)
    return [Case(name, after, seed) for name in wanted for after in (False, True)]


async def campaign(work: list[Case], jobs: int, kind: Kind) -> list[Case]:
    """All of them, `jobs` at once."""
    turn = asyncio.Semaphore(jobs)

    async def one(case: Case) -> Case:
        async with turn:
            ended = await drill(case, kind)
        words = "; ".join(case.faults) or " ".join(f"{p} {s}" for p, s in case.parcels.items())
        print(f"{case.seconds:6.1f} s  {case.name}: {words}", file=sys.stderr)
        return ended

    return list(await asyncio.gather(*(one(case) for case in work)))


def report(ended: list[Case], **more: Any) -> dict[str, Any]:
    """The figures."""
    up = sorted(case.up_s for case in ended)
    states: Counter[str] = Counter()
    for case in ended:
        states.update(case.parcels.values())
    return {
        "drill": "robot_kill",
        **more,
        "steps": len({case.point for case in ended}),
        "deaths": sum(case.reached for case in ended),
        "cases": len(ended),
        "faulty": sum(bool(case.faults) for case in ended),
        "parcels": dict(sorted(states.items())),
        "unpicked_stranded": sum(case.unpicked_stranded for case in ended),
        "restart_s": {"median": up[len(up) // 2], "longest": up[-1]} if up else {},
        "bad": [asdict(case) for case in ended if case.faults],
    }


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills.robot_kill", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--point", action="append", choices=sorted(POINTS), help="only this one")
    parser.add_argument("--broker", choices=("iotcore", "mosquitto"), default="iotcore")
    parser.add_argument("--jobs", type=int, default=2, help="cases at once")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    asked = parser.parse_args()
    began_s = time.monotonic()
    ended = asyncio.run(campaign(cases(asked.seed, asked.point), asked.jobs, asked.broker))
    took_s = round(time.monotonic() - began_s, 1)
    figures = report(ended, seed=asked.seed, broker=asked.broker, seconds=took_s)
    if asked.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name}: {value}")
    return 1 if figures["faulty"] or not figures["cases"] else 0


if __name__ == "__main__":
    sys.exit(main())
