"""`python -m tests.drills.robot_orders [--count N] [--seed S] [--loss SHARE] [--json]`.

Orders of two parcels to ground robots, 5 % of the messages lost each way, others doubled or
overtaken; every second robot gets its base in pieces. One order in twenty meets a pressed
emergency stop that the master may not have heard of, one in twenty is cancelled on its way. Ends
with status 1 where an order got stuck, ended without a reason, or where a robot picked or dropped
a parcel twice or otherwise than the master told.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

import structlog

from missions.model import GroundMission
from tests.drills.robot_world import DrillRobot, Faults, World, round_of, world
from tests.drills.virtual import run_virtual
from vehicles.port import CommandResult, EventKind, Outcome, Verb
from vehicles.vda5050.session import Vda5050Session

ROBOTS, ORDERS_EACH = 5, 5
LIMIT_S = 3600.0
"""Simulated time after which an order counts as stuck; a round takes about six minutes."""
ENDS = frozenset({EventKind.COMPLETED, EventKind.ABORTED, EventKind.MISSION_LOST})


@dataclass(slots=True)
class Ended:
    """How one order ended."""

    name: str
    kind: str
    end: str = "stuck"
    reason: str = ""
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


def kind_of(rng: random.Random) -> str:
    """What befalls an order."""
    drawn = rng.random()
    return "stop" if drawn < 0.05 else "cancel" if drawn < 0.10 else "plain"


async def until(place: World, condition: Callable[[], bool], limit_s: float) -> bool:
    """Wait in simulated time."""
    end_s = place.clock.monotonic_s() + limit_s
    while not condition() and place.clock.monotonic_s() < end_s:
        await place.clock.sleep(0.5)
    return condition()


async def drive(place: World, robot: DrillRobot, mission: GroundMission, kind: str) -> Ended:
    """One order to its end, as a controller would: load, start, wait; cancel where unsure."""
    rng = random.Random(f"drive {mission.mission_id}")
    session = place.fleet.sessions[robot.vehicle_id]
    assert isinstance(session, Vda5050Session)
    out, began_s = Ended(mission.mission_id, kind), place.clock.monotonic_s()
    seen = len(place.events[robot.vehicle_id])

    def over() -> bool:
        return any(e.kind in ENDS for e in place.events[robot.vehicle_id][seen:])

    if not await until(place, lambda: session.telemetry.startable, LIMIT_S):
        out.reason = f"never startable: {session.telemetry.not_ready}"
        return out
    if kind == "stop":
        robot.core.set_e_stop("MANUAL")
    result = await session.load(mission)
    if result.done:
        result = await session.start(mission)
    if result.outcome is Outcome.UNCERTAIN and not (await session.adopt(mission)).holds:
        withdrawn = await session.execute(Verb.LAND)
        result = CommandResult(Outcome.REFUSED, f"{result.reason}; withdrawn: {withdrawn.reason}")
    if result.outcome is Outcome.REFUSED:
        out.end, out.reason = "refused", result.reason
    else:
        if kind == "cancel":
            await place.clock.sleep(rng.uniform(1.0, 150.0))
            landed = await session.execute(Verb.LAND)
            if not landed.done:
                out.faults.append(f"cancel: {landed.outcome.value} {landed.reason}")
        if await until(place, over, LIMIT_S):
            last = next(e for e in place.events[robot.vehicle_id][seen:] if e.kind in ENDS)
            out.end, out.reason = last.kind.value, last.detail
    if kind == "stop":
        robot.core.set_e_stop("NONE")
    out.seconds = round(place.clock.monotonic_s() - began_s, 1)
    return out


def judge(place: World, robot: DrillRobot, mission: GroundMission, out: Ended) -> None:
    """Hold what the robot did against what was told."""
    if out.end != "stuck" and out.end != "completed" and not out.reason:
        out.faults.append("ended without a reason")
    if out.end == "completed" and out.kind == "stop":
        out.faults.append("a stopped robot took an order")
    if out.end in {"refused", "aborted", "mission_lost"} and out.kind == "plain":
        out.faults.append(f"nothing befell it, but it ended {out.end}: {out.reason}")
    picks = place.told(robot.vehicle_id, EventKind.PICKED)
    releases = place.told(robot.vehicle_id, EventKind.RELEASED)
    for parcel in mission.parcel_ids:
        for deed, word, told in (("pick", "picked", picks), ("drop", "dropped", releases)):
            begun, done = robot.core.begun[deed, parcel], robot.truth[word, parcel]
            if begun > 1:
                out.faults.append(f"{parcel}: {deed} begun {begun} times")
            if done != told[parcel]:
                out.faults.append(f"{parcel}: {word} {done} times, told {told[parcel]} times")
            if out.end == "completed" and done != 1:
                out.faults.append(f"{parcel}: completed, but {word} {done} times")


async def orders_of(place: World, robot: DrillRobot, names: list[str]) -> list[Ended]:
    """One robot's orders, one after the other."""
    ended = []
    for name in names:
        rng = random.Random(name)
        kind, mission = kind_of(rng), round_of(name, robot.vehicle_id, rng)
        out = await drive(place, robot, mission, kind)
        await until(place, lambda: robot.core.idle, LIMIT_S)
        await place.clock.sleep(60.0)
        judge(place, robot, mission, out)
        robot.carried_home()
        await place.clock.sleep(20.0)
        ended.append(out)
    return ended


async def _block(seed: int, first: int, size: int, faults: Faults) -> dict[str, Any]:
    async with world(min(ROBOTS, size), f"{seed}:{first}", faults) as place:
        lots: dict[str, list[str]] = {name: [] for name in place.robots}
        for at, number in enumerate(range(first, first + size)):
            lots[f"r{at % len(lots)}"].append(f"s{seed}-{number}")
        ended: list[Ended] = []
        async with asyncio.TaskGroup() as tasks:
            jobs = [
                tasks.create_task(orders_of(place, place.robots[name], lot), name=name)
                for name, lot in lots.items()
            ]
        for job in jobs:
            ended += job.result()
        refusals: Counter[str] = Counter()
        alarms: Counter[str] = Counter()
        for robot in place.robots.values():
            refusals += robot.refusals
            told = place.events[robot.vehicle_id]
            alarms += Counter(e.detail for e in told if e.kind is EventKind.ALARM)
        return {
            "ended": ended,
            "messages": place.hop.counts,
            "robot_errors": refusals,
            "alarms": alarms,
        }


def block(work: tuple[int, int, int, Faults]) -> dict[str, Any]:
    """Orders first..first+size of a seed, in a world of their own."""
    quiet = structlog.make_filtering_bound_logger(logging.ERROR)
    with_logs = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=quiet)
    try:
        return run_virtual(_block(*work))
    finally:
        structlog.configure(wrapper_class=with_logs)


def campaign(seed: int, count: int, jobs: int, faults: Faults) -> list[dict[str, Any]]:
    """All blocks, in order; `jobs` 1 runs them here."""
    size = ROBOTS * ORDERS_EACH
    work = [(seed, at, min(size, count - at), faults) for at in range(0, count, size)]
    if jobs == 1:
        return [block(each) for each in work]
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(block, work))


def report(blocks: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """The figures."""
    ended: list[Ended] = [each for b in blocks for each in b["ended"]]
    sums: dict[str, Counter[str]] = {}
    for name in ("messages", "robot_errors", "alarms"):
        sums[name] = sum((b[name] for b in blocks), Counter())
    by_kind: dict[str, Counter[str]] = {}
    for out in ended:
        by_kind.setdefault(out.kind, Counter())[out.end] += 1
    took = sorted(out.seconds for out in ended if out.end == "completed")
    return {
        "drill": "robot_orders",
        **more,
        "orders": len(ended),
        "stuck": sum(out.end == "stuck" for out in ended),
        "twice": sum("begun" in fault for out in ended for fault in out.faults),
        "faulty": sum(bool(out.faults) for out in ended),
        "by_kind": {kind: dict(ends) for kind, ends in sorted(by_kind.items())},
        "longest_s": took[-1] if took else None,
        **{name: dict(sorted(counted.items())) for name, counted in sums.items()},
        "bad": [asdict(out) for out in ended if out.faults or out.end == "stuck"][:20],
    }


def passed(figures: dict[str, Any]) -> bool:
    """None stuck, nothing twice, nothing otherwise than told."""
    return bool(figures["orders"]) and not figures["stuck"] and not figures["faulty"]


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.drills.robot_orders", description=__doc__
    )
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--loss", type=float, default=Faults().loss, help="share lost each way")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    asked = parser.parse_args()
    began = time.monotonic()
    blocks = campaign(asked.seed, asked.count, asked.jobs, Faults(loss=asked.loss))
    took_s = round(time.monotonic() - began, 1)
    figures = report(blocks, seed=asked.seed, loss=asked.loss, seconds=took_s)
    if asked.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name}: {value}")
    return 0 if passed(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
