"""Turns: leases are kept before robots hear of them, outlive a restart, and waits are told."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace

import pytest

from controller.delivery.draft import Draft
from controller.delivery.turns import Turns
from controller.domain.model import AssignmentState
from controller.safety.board import AlarmBoard
from controller.store.errors import StoreError
from geofence.frames import LatLon, offset
from geofence.zones import VehicleClass
from missions.model import GroundMission, RouteEdge, RouteNode
from missions.roads import Passage, StreetEdge, StreetGraph, StreetNode, line_length_m
from tests.support.clock import START, ManualClock
from vehicles.port import Capability, LinkState, Phase, Telemetry

WEST = LatLon(60.17, 24.94)
EAST_M = {"w": 0.0, "a": 200.0, "m": 230.0, "b": 260.0, "e": 460.0}
PLACES = {name: offset(WEST, 90.0, max(0.01, east)) for name, east in EAST_M.items()}
ROBOT = Capability(VehicleClass.ROBOT, 20.0, 3, 1.6, 1200.0, (0.6, 0.5, 0.5))


def streets(docks: str = "") -> StreetGraph:
    edges = []
    for start, end in pairwise(EAST_M):
        line = (PLACES[start], PLACES[end])
        wide = "m" not in (start, end)
        edges.append(
            StreetEdge(
                start + end, start, end, line_length_m(line), 2.0, line, "footway",
                width_m=3.0 if wide else 1.0,
            )
        )  # fmt: skip
    return StreetGraph(
        [StreetNode(n, p, Passage.DOCK if n in docks else None) for n, p in PLACES.items()], edges
    )


def round_of(vehicle_id: str, names: str) -> GroundMission:
    nodes = tuple(RouteNode(n, PLACES[n]) for n in names)
    edges = tuple(
        RouteEdge("".join(sorted((a, b), key=list(EAST_M).index)), a, b, 1.0, 2.0)
        for a, b in pairwise(names)
    )
    return GroundMission(f"m-{vehicle_id}", vehicle_id, nodes, edges, "v1")


@dataclass
class Owner:
    """A robot that can be let go on, as its owner shows it."""

    vehicle_id: str
    telemetry: Telemetry
    capability: Capability = ROBOT
    paced: bool = True
    at: int | None = None
    told: list[int] = field(default_factory=list)

    def pace(self, mission: GroundMission, node: int) -> None:
        self.told.append(node)

    def reached(self, mission: GroundMission) -> int | None:
        return self.at


@dataclass
class Memory:
    """What Turns asks of a ledger."""

    assignments: dict[str, object] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=lambda: {"r1": 1, "r2": 1})
    stored: dict[str, object] = field(default_factory=dict)
    fails: bool = False
    events: list[object] = field(default_factory=list)

    def listen(self, listener) -> None:
        self.listener = listener

    def draft(self) -> Draft:
        return Draft({}, now=START, ids=str)

    async def keep_draft(self, draft: Draft, vehicle_id: str = "") -> None:
        await self.keep(draft.changes())

    async def keep(self, changes) -> None:
        if self.fails:
            raise StoreError("the disk is full")
        enrolled = [r.vehicle_id for r in changes.passages if r.vehicle_id in self.epochs]
        assert changes.epochs == dict.fromkeys(enrolled, 1)
        self.stored |= {r.vehicle_id: r for r in changes.passages}
        self.events += changes.events


class Rig:
    def __init__(self, docks: str = "", memory: Memory | None = None) -> None:
        self.clock = ManualClock()
        self.board = AlarmBoard(self.clock, lambda kind: kind, lambda alarm: None)
        self.memory = memory or Memory()
        self.owners = {v: Owner(v, self.seen(v, PLACES["w"])) for v in ("r1", "r2")}
        self.turns = Turns(
            streets(docks),
            ledger=self.memory,
            processes={v: SimpleNamespace(owner=o) for v, o in self.owners.items()},
            homes={},
            board=self.board,
            clock=self.clock,
        )

    def seen(self, vehicle_id: str, place: LatLon, link: LinkState = LinkState.ONLINE) -> Telemetry:
        return Telemetry(vehicle_id, self.clock.now(), link, Phase.EN_ROUTE, place)

    def assign(self, vehicle_id: str, names: str, state=AssignmentState.STARTED) -> None:
        task = SimpleNamespace(
            assignment=SimpleNamespace(
                assignment_id=f"a-{vehicle_id}", vehicle_id=vehicle_id, state=state
            ),
            mission=round_of(vehicle_id, names),
        )
        self.memory.assignments[vehicle_id] = task
        step = SimpleNamespace(before=None, after=task)
        self.memory.listener(SimpleNamespace(assignments=(step,)))

    def ends(self) -> list[int]:
        return [self.turns.book.end(v) for v in ("r1", "r2")]


async def test_nobody_is_let_into_the_lane_before_it_is_near_and_alone() -> None:
    rig = Rig()
    rig.assign("r1", "wambe")
    rig.assign("r2", "ebmaw")
    assert [o.told for o in rig.owners.values()] == [[1], [1]]
    await rig.turns.look()
    assert rig.ends() == [1, 1]
    rig.owners["r1"].at = rig.owners["r2"].at = 1
    await rig.turns.look()
    assert rig.ends() == [4, 1]
    assert rig.owners["r1"].told == [1, 4]
    assert rig.owners["r2"].told == [1]
    rig.owners["r1"].at = 3
    await rig.turns.look()
    assert rig.ends() == [4, 4]
    assert list(rig.turns.book.holders()) == ["narrow:am"]


async def test_a_round_that_has_not_started_asks_for_nothing() -> None:
    rig = Rig()
    rig.assign("r1", "ambe", AssignmentState.LOADED)
    await rig.turns.look()
    assert rig.turns.book.end("r1") == 0
    assert not rig.turns.book.holders()


async def test_a_lease_that_is_not_kept_is_not_told() -> None:
    rig = Rig()
    rig.assign("r1", "ambe")
    rig.memory.fails = True
    with pytest.raises(StoreError):
        await rig.turns.look()
    assert rig.owners["r1"].told == [0]
    rig.memory.fails = False
    await rig.turns.look()
    assert rig.owners["r1"].told == [0, 3]
    assert rig.memory.stored["r1"].body["held"] == [("narrow:am", "ahead")]


async def test_a_restart_goes_on_with_the_same_leases() -> None:
    rig = Rig()
    rig.assign("r1", "ambe")
    rig.assign("r2", "bmaw")
    rig.owners["r1"].at = 1
    await rig.turns.look()
    assert rig.ends() == [3, 0]
    again = Rig(memory=rig.memory)
    again.turns.restore(rig.memory.stored.values())
    assert again.owners["r1"].told == [3]
    assert again.owners["r2"].told == [0]
    await again.turns.look()
    assert again.ends() == [3, 0]
    again.owners["r1"].at = 2
    await again.turns.look()
    assert again.ends() == [3, 3]


async def test_a_robot_that_stands_in_the_lane_without_a_round_has_it() -> None:
    rig = Rig()
    rig.owners["r2"].telemetry = rig.seen("r2", PLACES["m"])
    rig.assign("r1", "ambe")
    await rig.turns.look()
    assert rig.turns.book.end("r1") == 0
    rig.owners["r2"].telemetry = rig.seen("r2", PLACES["m"], LinkState.OFFLINE)
    await rig.turns.look()
    assert rig.turns.book.end("r1") == 0
    await rig.clock.advance(61.0)
    await rig.turns.look()
    assert [a.cause for a in rig.board.alarms()] == ["r1 waits for r2 to leave narrow:am"]
    rig.owners["r2"].telemetry = rig.seen("r2", PLACES["e"])
    await rig.turns.look()
    assert rig.turns.book.end("r1") == 3
    assert not rig.board.alarms()


async def test_a_ring_is_told_with_who_gives_way() -> None:
    rig = Rig(docks="ab")
    rig.owners["r1"].telemetry = rig.seen("r1", PLACES["a"])
    rig.owners["r2"].telemetry = rig.seen("r2", PLACES["b"])
    await rig.turns.look()
    assert set(rig.turns.book.holders()) == {"dock:a", "dock:b"}
    rig.assign("r1", "amb")
    rig.assign("r2", "bma")
    await rig.turns.look()
    (alarm,) = rig.board.alarms()
    assert (
        alarm.cause
        == "r1 and r2 wait for each other at dock:a, dock:b, narrow:am and none can go on"
    )
    assert "waypost land r1" in alarm.advice


async def test_a_vehicle_that_cannot_be_let_go_on_in_pieces_takes_no_part() -> None:
    rig = Rig()
    rig.owners["r1"].paced = False
    rig.assign("r1", "wambe")
    await rig.turns.look()
    assert not rig.turns.book.route("r1")
    assert rig.owners["r1"].told == []


async def lost_in_the_lane() -> Rig:
    """r1 is let into the lane and lost there; r2 waits for it."""
    rig = Rig()
    rig.assign("r1", "ambe")
    rig.assign("r2", "bmaw")
    rig.owners["r1"].at = 1
    await rig.turns.look()
    assert rig.ends() == [3, 0]
    rig.owners["r2"].at = 0
    place = PLACES["m"]
    rig.owners["r1"].telemetry = rig.seen("r1", place, LinkState.OFFLINE)
    await rig.clock.advance(600.0)
    await rig.turns.look()
    assert rig.ends() == [3, 0]
    assert rig.turns.waiting("r2") == "r1 to leave narrow:am"
    assert rig.turns.waiting("r1") == ""
    return rig


async def test_a_lost_robot_that_comes_back_goes_on_and_gives_back_what_it_left() -> None:
    rig = await lost_in_the_lane()
    rig.owners["r1"].telemetry = rig.seen("r1", PLACES["b"])
    rig.owners["r1"].at = 2
    await rig.turns.look()
    assert rig.ends() == [3, 3]


async def test_a_lost_robot_that_comes_back_elsewhere_without_its_round_frees_the_lane() -> None:
    rig = await lost_in_the_lane()
    rig.memory.assignments.pop("r1")
    await rig.turns.look()
    assert rig.turns.book.end("r2") == 0
    rig.owners["r1"].telemetry = rig.seen("r1", PLACES["e"])
    await rig.turns.look()
    assert rig.turns.book.end("r2") == 3


async def test_a_robot_that_is_written_off_has_the_lane_until_it_was_taken_away() -> None:
    rig = await lost_in_the_lane()
    assert not rig.turns.removed("r1")
    rig.memory.assignments.pop("r1")
    for _ in range(3):
        await rig.clock.advance(600.0)
        await rig.turns.look()
    assert "narrow:am" in rig.turns.book.holders()
    assert rig.turns.book.end("r2") == 0
    assert rig.turns.removed("r1")
    assert not rig.turns.removed("r1")
    await rig.turns.look()
    assert rig.turns.book.end("r2") == 3
    assert rig.memory.stored["r1"].body == {}
