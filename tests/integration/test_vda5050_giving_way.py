"""A ring of two robots over a real broker: one is given another way, and both end their rounds."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from controller.delivery.gate import Gate
from controller.delivery.ledger import Ledger
from controller.delivery.turns import Turns
from controller.dispatch.model import DispatchSettings
from controller.domain.model import Assignment, AssignmentState
from controller.domain.records import AssignmentRecord
from controller.fleet.owner import VehicleOwner
from controller.safety.board import AlarmBoard
from controller.store.changes import AssignmentStep, Changes
from controller.store.database import Store
from geofence.heights import Surroundings
from geofence.zones import PolygonArea, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from missions.model import GroundMission, RouteEdge, RouteNode
from missions.roads import Passage, StreetEdge, StreetGraph, StreetNode, line_length_m
from sitl.broker import Broker as LabBroker
from sitl.robot import RobotFleet, RobotSpec
from tests.integration.test_vda5050_turns import MAP, ROBOTS, at, until
from tests.support.steady import steady_clocks
from vehicles.port import Capability, EventKind
from vehicles.vda5050.fleet import Broker, Vda5050Fleet, Vda5050Vehicle
from vehicles.vda5050.settings import Vda5050Settings

pytestmark = pytest.mark.timeout(120)

SPEEDUP = 10.0
PLACES = {
    "west": (0.0, 0.0), "bay": (30.0, 20.0), "a": (30.0, 0.0), "m": (60.0, 0.0),
    "b": (90.0, 0.0), "east": (120.0, 0.0),
}  # fmt: skip
STREETS = (("west", "a"), ("bay", "a"), ("a", "m"), ("m", "b"), ("b", "east"))
IDS = ("r1", "r2")
ROBOT = Capability(VehicleClass.ROBOT, 20.0, 3, 2.0, 1200.0, (0.6, 0.5, 0.5))


def streets() -> StreetGraph:
    """A lane with a dock at each end, and a bay beside the western one."""
    nodes = [
        StreetNode(name, at(*xy), Passage.DOCK if name in "ab" else None)
        for name, xy in PLACES.items()
    ]
    edges = []
    for start, end in STREETS:
        line = (at(*PLACES[start]), at(*PLACES[end]))
        edges.append(
            StreetEdge(
                f"{start}-{end}", start, end, line_length_m(line), 2.0, line, "footway",
                width_m=1.0 if "m" in (start, end) else 3.0,
            )
        )  # fmt: skip
    return StreetGraph(nodes, edges)


def round_of(vehicle_id: str, names: list[str], version: str) -> GroundMission:
    known = {frozenset(pair): "-".join(pair) for pair in STREETS}
    nodes = tuple(RouteNode(n, at(*PLACES[n])) for n in names)
    edges = tuple(
        RouteEdge(known[frozenset(pair)], *pair, 30.0, 2.0) for pair in itertools.pairwise(names)
    )
    return GroundMission(f"m-{vehicle_id}", vehicle_id, nodes, edges, version)


class Master:
    """A controller's part: ledger, gate, turns, and the fleet's sessions."""

    def __init__(self, store: Store, broker: LabBroker, clock, zones: ZoneSet) -> None:
        self.store, self.broker, self.clock, self.zones = store, broker, clock, zones
        self.numbers = itertools.count()
        self.board = AlarmBoard(clock, self.ids, lambda alarm: None)
        self.done: set[str] = set()

    def ids(self, kind: str) -> str:
        return f"{kind}-{next(self.numbers)}"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Master]:
        self.ledger = Ledger(self.store, self.clock, self.ids)
        self.ledger.epochs = await self.store.take_leases(IDS, "one", self.clock.now())
        kept = await self.store.read()
        self.ledger.restore(kept, {})
        vehicles = [Vda5050Vehicle(v, "ACME", v.upper(), ROBOT, at(0, 0)) for v in IDS]
        self.fleet = Vda5050Fleet(
            vehicles,
            Broker(self.broker.host, self.broker.port),
            MAP,
            self.clock,
            Vda5050Settings.for_speedup(SPEEDUP),
        )
        async with self.fleet:
            self.turns = self._turns()
            self.turns.restore(kept.passages)
            tasks = [
                asyncio.create_task(self.store.run(), name="store"),
                asyncio.create_task(self.fleet.run(), name="fleet"),
                *(asyncio.create_task(self._hear(s), name=f"hear-{v}") for v, s in self.sessions()),
            ]
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def sessions(self):
        return self.fleet.sessions.items()

    async def _hear(self, session) -> None:
        async for event in session.events():
            if event.kind is EventKind.COMPLETED:
                self.done.add(event.vehicle_id)
                self.ledger.assignments.pop(event.vehicle_id, None)

    def _turns(self) -> Turns:
        gate = Gate(
            settings=DispatchSettings(),
            surroundings=Surroundings(10.0, 18.0),
            zones=lambda: self.zones,
            clock=self.clock,
            max_age_s=45.0,
            streets=streets(),
        )
        self.owners = {
            v: VehicleOwner(
                s, epoch=self.ledger.epochs[v], clock=self.clock, command_timeout_s=60.0
            )
            for v, s in self.sessions()
        }
        return Turns(
            streets(),
            ledger=self.ledger,
            processes={v: SimpleNamespace(owner=o) for v, o in self.owners.items()},
            homes={},
            board=self.board,
            clock=self.clock,
            gate=gate,
            ids=self.ids,
        )

    async def assign(self, mission: GroundMission) -> None:
        record = AssignmentRecord(
            Assignment(
                f"a-{mission.vehicle_id}", mission.vehicle_id, (), AssignmentState.STARTED,
                self.clock.now(), mission.content_hash,
            ),
            mission,
            epoch=1,
            started_at=self.clock.now(),
        )  # fmt: skip
        await self.ledger.keep(Changes(assignments=(AssignmentStep(None, record),)))

    async def begin(self) -> None:
        """Each at its dock, each bound for the other's."""
        await until(lambda: all(s.telemetry.startable for _, s in self.sessions()))
        await self.turns.look()
        assert set(self.turns.book.holders()) == {"dock:a", "dock:b"}
        rounds = {"r1": ["a", "m", "b", "east"], "r2": ["b", "m", "a", "west"]}
        for v, names in rounds.items():
            mission = round_of(v, names, self.zones.version)
            await self.assign(mission)
            assert (await self.fleet.sessions[v].load(mission)).done
            assert (await self.fleet.sessions[v].start(mission)).done

    async def drive(self) -> None:
        task = asyncio.create_task(self.turns.run(0.5), name="turns")
        try:
            await until(lambda: self.done == set(IDS) or task.done(), 90.0)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert self.done == set(IDS)


@pytest.fixture(params=["iotcore", pytest.param("mosquitto", marks=pytest.mark.broker)])
async def lab(request, tmp_path):
    clock, lab_clock = steady_clocks(SPEEDUP)
    specs = [
        RobotSpec(v, "ACME", v.upper(), *_deg(name), state_interval_s=2.0)
        for v, name in (("r1", "a"), ("r2", "b"))
    ]
    async with (
        LabBroker(kind=request.param) as broker,
        Store(f"sqlite+aiosqlite:///{tmp_path / 'w.db'}") as store,
        RobotFleet(
            specs, host=broker.host, port=broker.port, robot_map=ROBOTS, clock=lab_clock
        ) as robots,
    ):
        yield SimpleNamespace(clock=clock, broker=broker, store=store, robots=robots)


def _deg(name: str) -> tuple[float, float]:
    place = at(*PLACES[name])
    return place.lat_deg, place.lon_deg


async def test_one_of_a_ring_draws_aside_and_both_arrive(lab) -> None:
    async with Master(lab.store, lab.broker, lab.clock, ZoneSet(())).running() as master:
        await master.begin()
        await master.drive()
        updates = {v: lab.robots[v].core.m.update_id for v in IDS}
        assert updates["r1"] >= 2
        assert not master.board.alarms()
        kinds = ("assignment.rerouted", "command.sent", "command.done")
        events = await lab.store.events_of(kinds)
    (told,) = [e for e in events if e.kind == "assignment.rerouted"]
    assert told.vehicle_id == "r1"
    assert told.data["robots"] == ["r1", "r2"]
    wants = ["dock:a", "dock:b", "narrow:a-m"]
    assert told.data["wants"] == {"r1": wants, "r2": wants}
    ended = [e for e in events if e.kind == "command.done" and e.data["kind"] == "reroute"]
    # what was approved is what was sent, and what the robot showed
    assert [e.data["hash"] for e in ended] == [told.data["hash"]]


async def test_a_controller_that_stops_before_it_tells_the_way_tells_it_after(lab) -> None:
    first = Master(lab.store, lab.broker, lab.clock, ZoneSet(()))
    async with first.running() as master:
        await master.begin()

        def stop(mission: GroundMission) -> str:
            raise asyncio.CancelledError

        master.owners["r1"].reroute = stop  # type: ignore[method-assign]
        with contextlib.suppress(asyncio.CancelledError):
            await master.turns.look()
    again = Master(lab.store, lab.broker, lab.clock, ZoneSet(()))
    async with again.running() as master:
        record = master.ledger.assignments["r1"]
        assert [n.node_id for n in record.mission.nodes][:2] == ["a", "bay"]
        assert record.mission.content_hash == record.assignment.mission_hash
        for v, session in master.sessions():
            progress = await session.adopt(master.ledger.assignments[v].mission)
            assert progress.holds
        await master.drive()


async def test_where_zones_shut_every_other_way_a_person_is_told(lab) -> None:
    areas = {
        "park": ((-8, -8), (20, -8), (20, 8), (-8, 8)),
        "square": ((22, 12), (40, 12), (40, 28), (22, 28)),
        "yard": ((100, -8), (130, -8), (130, 8), (100, 8)),
    }
    zones = ZoneSet(
        [
            Zone(n, n, ZoneKind.NO_FLY, PolygonArea(tuple(at(x, y) for x, y in area)))
            for n, area in areas.items()
        ]
    )
    async with Master(lab.store, lab.broker, lab.clock, zones).running() as master:
        await master.begin()
        await master.turns.look()
        (alarm,) = master.board.alarms()
        assert alarm.cause.startswith("r1 and r2 wait for each other at dock:a, dock:b, narrow:a-m")
        assert "waypost land r1" in alarm.advice
        events = await lab.store.events_of(("assignment.rerouted",))
        assert not list(events)
        assert not master.done
