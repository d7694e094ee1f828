"""Two robots on a narrow street, head-on, over a real broker: one waits until the other is out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from controller.delivery.turns import Turns
from controller.domain.model import AssignmentState
from controller.fleet.owner import VehicleOwner
from controller.safety.board import AlarmBoard
from controller.safety.monitors import EnergyLimits
from controller.safety.watch import Watch, Watched
from geofence.frames import LatLon
from geofence.heights import Surroundings
from geofence.zones import PolygonArea, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from missions.model import GroundMission, RouteEdge, RouteNode
from missions.roads import StreetEdge, StreetGraph, StreetNode, line_length_m
from sitl.broker import Broker as LabBroker
from sitl.robot import RobotFleet, RobotMap, RobotSpec
from sitl.world import TruthSample
from tests.support.steady import steady_clocks
from vehicles.port import Capability, EventKind, Phase, Verb
from vehicles.vda5050.fleet import Broker, Vda5050Fleet, Vda5050Vehicle
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.settings import Vda5050Settings

pytestmark = pytest.mark.timeout(120)

SPEEDUP = 10.0
MAP = SiteMap("site", LatLon(60.17, 24.94), 10.0)
ROBOTS = RobotMap("site", 60.17, 24.94, 10.0, 0.0)
PLACES = {"west": 0.0, "a": 30.0, "m": 60.0, "b": 90.0, "east": 120.0}
LANE = (30.0, 90.0)


def at(east_m: float, north_m: float = 0.0) -> LatLon:
    return MAP.to_latlon(east_m, north_m)


def streets() -> StreetGraph:
    """A lane of 60 m between two pavements that are wide enough for two."""
    nodes = [StreetNode(name, at(east)) for name, east in PLACES.items()]
    names = list(PLACES)
    edges = []
    for start, end in pairwise(names):
        line = (at(PLACES[start]), at(PLACES[end]))
        width_m = 1.0 if {start, end} & {"m"} else 3.0
        edges.append(
            StreetEdge(
                f"{start}-{end}", start, end, line_length_m(line), 2.0, line, "footway",
                width_m=width_m,
            )
        )  # fmt: skip
    return StreetGraph(nodes, edges)


def round_of(vehicle_id: str, names: list[str]) -> GroundMission:
    nodes = tuple(RouteNode(n, at(PLACES[n])) for n in names)
    edges = tuple(
        RouteEdge("-".join(sorted((a, b), key=list(PLACES).index)), a, b, 30.0, 2.0)
        for a, b in pairwise(names)
    )
    return GroundMission(f"m-{vehicle_id}", vehicle_id, nodes, edges, "v1")


@dataclass
class Memory:
    """What Turns asks of a ledger."""

    assignments: dict[str, object] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=lambda: {"r1": 1, "r2": 1})
    stored: dict[str, object] = field(default_factory=dict)
    listener: object = None

    def listen(self, listener) -> None:
        self.listener = listener

    async def keep(self, changes) -> None:
        for record in changes.passages:
            self.stored[record.vehicle_id] = record

    def assign(self, mission: GroundMission) -> None:
        task = SimpleNamespace(
            assignment=SimpleNamespace(
                assignment_id=f"a-{mission.vehicle_id}",
                vehicle_id=mission.vehicle_id,
                state=AssignmentState.STARTED,
            ),
            mission=mission,
        )
        self.assignments[mission.vehicle_id] = task
        step = SimpleNamespace(before=None, after=task)
        self.listener(SimpleNamespace(assignments=(step,)))


class World:
    """Two robots at the ends of the lane, a master, and what truly happened."""

    def __init__(self, broker: LabBroker, clock, robots: RobotFleet, truth: list) -> None:
        self.broker, self.clock, self.robots, self.truth = broker, clock, robots, truth
        self.memory = Memory()
        self.done: set[str] = set()
        self.board = AlarmBoard(clock, lambda kind: kind, lambda alarm: None)

    @contextlib.asynccontextmanager
    async def master(self) -> AsyncIterator[Vda5050Fleet]:
        capability = Capability(
            VehicleClass.ROBOT, 20.0, 3, 2.0, 1200.0, (0.6, 0.5, 0.5), handover_pin=True
        )
        vehicles = [
            Vda5050Vehicle(v, "ACME", v.upper(), capability, at(0, 0)) for v in ("r1", "r2")
        ]
        fleet = Vda5050Fleet(
            vehicles,
            Broker(self.broker.host, self.broker.port),
            MAP,
            self.clock,
            Vda5050Settings.for_speedup(SPEEDUP),
        )

        async def listen(session) -> None:
            async for event in session.events():
                if event.kind is EventKind.COMPLETED:
                    self.done.add(event.vehicle_id)
                    self.memory.assignments.pop(event.vehicle_id, None)

        async with fleet:
            tasks = [asyncio.create_task(fleet.run(), name="master")]
            tasks += [
                asyncio.create_task(listen(s), name=f"listen-{v}")
                for v, s in fleet.sessions.items()
            ]
            try:
                yield fleet
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def turns(self, fleet: Vda5050Fleet) -> Turns:
        processes = {
            v: SimpleNamespace(
                owner=VehicleOwner(s, epoch=1, clock=self.clock, command_timeout_s=60.0)
            )
            for v, s in fleet.sessions.items()
        }
        return Turns(
            streets(),
            ledger=self.memory,
            processes=processes,
            homes={},
            board=self.board,
            clock=self.clock,
        )

    def apart_m(self) -> float:
        """The nearest that the two came, by the truth, on one grid of time."""
        tracks = {}
        for v in ("r1", "r2"):
            mine = [s for s in self.truth if s.vehicle_id == v and not s.event]
            t = np.array([s.t.timestamp() for s in mine])
            x, y = np.array([ROBOTS.to_xy(s.lat_deg, s.lon_deg) for s in mine]).T
            tracks[v] = (t, x, y)
        begin = max(t[0] for t, _, _ in tracks.values())
        end = min(t[-1] for t, _, _ in tracks.values())
        grid = np.arange(begin, end, 0.2)
        one, other = (
            np.stack([np.interp(grid, t, x), np.interp(grid, t, y)]) for t, x, y in tracks.values()
        )
        return float(np.hypot(*(one - other)).min())

    def in_lane_together(self) -> bool:
        inside: dict[str, bool] = {}
        for sample in sorted(self.truth, key=lambda s: s.t):
            x, _ = ROBOTS.to_xy(sample.lat_deg, sample.lon_deg)
            inside[sample.vehicle_id] = LANE[0] + 0.5 < x < LANE[1] - 0.5
            if sum(inside.values()) > 1:
                return True
        return False


async def until(condition, wall_s: float = 60.0) -> None:
    async with asyncio.timeout(wall_s):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture(params=["iotcore", pytest.param("mosquitto", marks=pytest.mark.broker)])
async def world(request) -> AsyncIterator[World]:
    clock, lab_clock = steady_clocks(SPEEDUP)
    specs = [
        RobotSpec(v, "ACME", v.upper(), at(x, y).lat_deg, at(x, y).lon_deg, state_interval_s=2.0)
        for v, x, y in (("r1", 0.0, 0.0), ("r2", 120.0, 0.0))
    ]
    async with LabBroker(kind=request.param) as broker:
        truth: list[TruthSample] = []
        robots = RobotFleet(
            specs, host=broker.host, port=broker.port, robot_map=ROBOTS, clock=lab_clock,
            on_truth=truth.append,
        )  # fmt: skip
        async with robots:
            yield World(broker, clock, robots, truth)


async def drive(world: World, fleet: Vda5050Fleet, turns: Turns | None, *, first: int = 0) -> None:
    """Both rounds through the lane, from the end of the street or from the mouth of the lane."""
    rounds = {
        "r1": round_of("r1", ["west", "a", "m", "b", "east"][first:]),
        "r2": round_of("r2", ["east", "b", "m", "a", "west"][first:]),
    }
    await until(lambda: all(s.telemetry.startable for s in fleet.sessions.values()))
    for v, mission in rounds.items():
        if turns is not None:
            world.memory.assign(mission)
        assert (await fleet.sessions[v].load(mission)).done
    for v, mission in rounds.items():
        assert (await fleet.sessions[v].start(mission)).done


async def test_without_turns_they_meet_head_on(world: World) -> None:
    async with world.master() as fleet:
        await drive(world, fleet, None)
        await until(lambda: world.done == {"r1", "r2"})
    assert world.in_lane_together()
    assert world.apart_m() < 2.0


async def test_one_waits_until_the_other_has_left_the_lane(world: World) -> None:
    async with world.master() as fleet:
        turns = world.turns(fleet)
        task = asyncio.create_task(turns.run(0.5), name="turns")
        await drive(world, fleet, turns)
        await until(lambda: any("narrow" in p for p in turns.book.holders()))
        kept = dict(world.memory.stored)
        assert any(record.body["held"] for record in kept.values())
        await until(lambda: world.done == {"r1", "r2"})
        await until(lambda: not turns.book.holders())
        await until(lambda: not any(r.body for r in world.memory.stored.values()))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert not world.in_lane_together()
    updates = {v: world.robots[v].core.m.update_id for v in ("r1", "r2")}
    assert sum(n > 0 for n in updates.values()) >= 1


async def test_a_round_that_begins_at_the_lane_waits_at_its_first_node(world: World) -> None:
    async with world.master() as fleet:
        turns = world.turns(fleet)
        task = asyncio.create_task(turns.run(0.5), name="turns")
        await drive(world, fleet, turns, first=1)
        await until(lambda: world.done == {"r1", "r2"})
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert not world.in_lane_together()
    assert all(world.robots[v].core.m.update_id > 0 for v in ("r1", "r2"))


async def test_a_lost_robot_keeps_the_lane_until_it_is_heard_again(world: World) -> None:
    async with world.master() as fleet:
        turns = world.turns(fleet)
        task = asyncio.create_task(turns.run(0.5), name="turns")
        await drive(world, fleet, turns)
        await until(lambda: "r1" in str(turns.book.holders()) or "r2" in str(turns.book.holders()))
        (holders,) = turns.book.holders().values()
        (first,) = holders
        other = "r2" if first == "r1" else "r1"
        world.robots[first].kill()
        core = world.robots[other].core
        await until(lambda: turns.book.waits() == {other: (first,)} and not core.driving)
        before = world.clock.monotonic_s()
        await until(lambda: world.clock.monotonic_s() > before + 70.0)
        assert list(turns.book.holders().values()) == [holders]
        x, _ = ROBOTS.to_xy(*ROBOTS.to_latlon(core.x, core.y))
        assert not LANE[0] < x < LANE[1]
        assert any(f"waits for {first}" in a.cause for a in world.board.alarms())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_robot_that_drives_into_a_zone_is_paused_and_told(world: World) -> None:
    """A zone that came after the start: what planning could not know, the watch sees."""
    zones: list[Zone] = []
    async with world.master() as fleet:
        session = fleet.sessions["r1"]

        async def hold(vehicle_id: str, cause: str) -> None:
            assert (await fleet.sessions[vehicle_id].execute(Verb.HOLD)).done

        watch = Watch(
            board=world.board,
            clock=world.clock,
            surroundings=Surroundings(10.0, 18.0),
            limits=EnergyLimits(20.0, 10.0),
            track_limit_m={"robot": 50.0},
            fleet=lambda: [Watched(session.capability, session.telemetry, at(0), working=True)],
            zones=lambda: ZoneSet(zones),
            hold=hold,
        )
        task = asyncio.create_task(watch.run(1.0), name="watch")
        await until(lambda: session.telemetry.startable)
        mission = round_of("r1", ["west", "a", "m", "b", "east"])
        assert (await session.load(mission)).done
        assert (await session.start(mission)).done
        core = world.robots["r1"].core
        await until(lambda: core.driving)
        ring = tuple(at(x, y) for x, y in ((50, -20), (200, -20), (200, 20), (50, 20)))
        zones.append(Zone("market", "Market", ZoneKind.NO_FLY, PolygonArea(ring)))
        await until(lambda: session.telemetry.phase is Phase.HOLDING)
        assert core.m.paused
        assert not core.driving
        x, _ = ROBOTS.to_xy(*ROBOTS.to_latlon(core.x, core.y))
        assert 50.0 <= x < 80.0
        assert any("r1 is inside Market" in a.cause for a in world.board.alarms())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_robot_that_strays_into_a_zone_is_paused_until_a_person_resumes_it(
    world: World,
) -> None:
    """Its round was checked and leads past the zone: what it drives, the watch sees."""
    ring = tuple(at(x, y) for x, y in ((40, 8), (80, 8), (80, 40), (40, 40)))
    market = Zone(
        "market", "Market", ZoneKind.NO_FLY, PolygonArea(ring),
        classes=frozenset({VehicleClass.ROBOT}),
    )  # fmt: skip
    async with world.master() as fleet:
        session = fleet.sessions["r1"]
        held: list[str] = []

        async def hold(vehicle_id: str, cause: str) -> None:
            held.append(cause)
            assert (await fleet.sessions[vehicle_id].execute(Verb.HOLD)).done

        mission = round_of("r1", ["west", "a", "m", "b", "east"])
        track = tuple(node.position for node in mission.nodes)
        watch = Watch(
            board=world.board,
            clock=world.clock,
            surroundings=Surroundings(10.0, 18.0),
            limits=EnergyLimits(20.0, 10.0),
            track_limit_m={"robot": 50.0},
            fleet=lambda: [
                Watched(
                    session.capability, session.telemetry, at(0), working=True, track=track,
                    trail=session.trail(),
                )
            ],
            zones=lambda: ZoneSet([market]),
            hold=hold,
        )  # fmt: skip
        task = asyncio.create_task(watch.run(1.0), name="watch")
        await until(lambda: session.telemetry.startable)
        assert (await session.load(mission)).done
        assert (await session.start(mission)).done
        core = world.robots["r1"].core
        await until(lambda: core.driving and core.x > 35.0)
        assert held == []
        world.robots["r1"].stray(60.0, 30.0)
        await until(lambda: session.telemetry.phase is Phase.HOLDING)
        assert core.y > 8.0
        (cause,) = held
        assert cause.startswith("r1 is inside Market at 60.17")
        # it stays where it is until somebody resumes it, and is not paused again for that
        before = world.clock.monotonic_s()
        await until(lambda: world.clock.monotonic_s() > before + 10.0)
        assert core.m.paused
        assert (await session.execute(Verb.RESUME)).done
        await until(lambda: world.board.alarms() == [])
        assert len(held) == 1
        assert core.driving
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
