"""Leases: no two meet in a narrow place, nobody waits for ever, and rings are undone."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.network.leases import LeaseBook
from controller.network.unlock import Detour, unlock
from geofence.frames import LatLon
from missions.passages import Claim, PassageRules, Passages, Way, find_passages
from missions.roads import Passage, StreetEdge, StreetGraph, StreetNode

SIZE = 4


def grid(draw_kind, docks: set[tuple[int, int]] = frozenset()) -> StreetGraph:
    """A square of streets; `draw_kind(name)` says what each is."""
    nodes = {
        (x, y): StreetNode(
            f"{x}{y}",
            LatLon(60.0 + 1e-3 * y, 24.0 + 1e-3 * x),
            Passage.DOCK if (x, y) in docks else None,
        )
        for x in range(SIZE)
        for y in range(SIZE)
    }
    edges = []
    for (x, y), node in nodes.items():
        for dx, dy in ((1, 0), (0, 1)):
            other = nodes.get((x + dx, y + dy))
            if other is None:
                continue
            name = f"{node.node_id}-{other.node_id}"
            kind = draw_kind(name)
            if kind == "none":
                continue
            edges.append(
                StreetEdge(
                    name,
                    node.node_id,
                    other.node_id,
                    100.0,
                    1.5,
                    (node.position, other.position),
                    "footway",
                    width_m=1.0 if kind == "narrow" else 3.0,
                    passage=Passage.CROSSING if kind == "crossing" else None,
                )
            )
    return StreetGraph(nodes.values(), edges).largest_component()


@dataclass
class Mover:
    """A robot as it truly is; what it reports comes late."""

    name: str
    nodes: list[str]
    edges: list[tuple[str, str]]
    at: int = 0
    on_edge: bool = False
    told: int = 0
    done: bool = False

    @property
    def last(self) -> int:
        return len(self.nodes) - 1


@dataclass
class World:
    graph: StreetGraph
    passages: Passages
    book: LeaseBook = field(default_factory=LeaseBook)
    movers: dict[str, Mover] = field(default_factory=dict)
    rng: random.Random = field(default_factory=random.Random)

    def add(self, name: str, stops: list[str]) -> Mover:
        nodes, edges = [stops[0]], []
        for stop in stops[1:]:
            for step in self.graph.path(nodes[-1], stop) or ():
                edges.append((step.edge.edge_id, step.start_node_id))
                nodes.append(step.end_node_id)
        mover = Mover(name, nodes, edges)
        self.movers[name] = mover
        self.book.stand(name, self.passages.at(nodes[0]))
        self.book.enter(name, name, self.passages.claims_of(nodes, edges), mover.last)
        return mover

    def step(self) -> None:
        alive = [m for m in self.movers.values() if not m.done]
        mover = self.rng.choice(alive)
        deed = self.rng.random()
        if deed < 0.6:
            if mover.on_edge:
                mover.on_edge, mover.at = False, mover.at + 1
            elif mover.at < self.book.end(mover.name):
                mover.on_edge = True
        elif deed < 0.8 and mover.told < mover.at:
            mover.told = self.rng.randint(mover.told + 1, mover.at)
            self.book.passed(mover.name, mover.told)
        else:
            self.book.want(mover.name, mover.told + self.rng.randint(0, 3))
        if mover.told == mover.last and not mover.on_edge:
            mover.done = True
            self.book.leave(mover.name, self.passages.at(mover.nodes[-1]))
        self.book.grant()
        self.check()

    def check(self) -> None:
        inside: dict[str, list[tuple[str, Way]]] = {}
        for mover in self.movers.values():
            if mover.on_edge:
                edge_id, start = mover.edges[mover.at]
                passage, ahead_from = self.passages.edges.get(edge_id, ("", ""))
                if passage:
                    way = Way.AHEAD if start == ahead_from else Way.BACK
                    way = Way.BOTH if passage in self.passages.alone else way
                    inside.setdefault(passage, []).append((mover.name, way))
            elif mover.nodes[mover.at] in self.passages.nodes:
                passage = self.passages.nodes[mover.nodes[mover.at]]
                inside.setdefault(passage, []).append((mover.name, Way.BOTH))
        holders = self.book.holders()
        for passage, robots in inside.items():
            for name, _ in robots:
                assert name in holders[passage], (passage, name)
            ways = [way for _, way in robots]
            assert len(ways) == 1 or all(ways[0].together(way) for way in ways[1:]), inside
        for who in holders.values():
            ways = [(v, way) for v, each in who.items() for way in each]
            for v, way in ways:
                assert all(way.together(other) for u, other in ways if u != v), holders

    def settle(self, most: int) -> int:
        """Steps until all are done."""
        for number in range(most):
            if all(m.done for m in self.movers.values()):
                return number
            self.step()
        stuck = {m.name: (m.at, m.nodes, self.book.end(m.name)) for m in self.movers.values()}
        raise AssertionError(f"not done: {stuck} {self.book.waits()} {self.book.holders()}")


KINDS = ("narrow", "narrow", "wide", "crossing", "none")


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(2, 7))
def test_nobody_meets_head_on_and_all_arrive(seed: int, robots: int) -> None:
    rng = random.Random(seed)
    graph = grid(lambda name: rng.choice(KINDS))
    passages = find_passages(graph, PassageRules())
    waiting = sorted(passages.waiting)
    if len(waiting) < 2:
        return
    world = World(graph, passages, rng=rng)
    for number in range(robots):
        world.add(f"r{number}", [rng.choice(waiting) for _ in range(3)])
    world.book.grant()
    world.check()
    world.settle(20_000)
    assert not world.book.holders()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32))
def test_who_passes_through_docks_arrives_too(seed: int) -> None:
    rng = random.Random(seed)
    docks = {(1, 1), (2, 2), (1, 2)}
    graph = grid(lambda name: rng.choice(("narrow", "wide", "wide")), docks)
    passages = find_passages(graph)
    plain = sorted(passages.waiting - {"11", "22", "12"})
    world = World(graph, passages, rng=rng)
    for number in range(5):
        world.add(f"r{number}", [rng.choice(plain), rng.choice(["11", "22", "12"]), plain[number]])
    world.settle(20_000)
    assert not world.book.holders()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32))
def test_the_same_requests_are_granted_in_the_same_order(seed: int) -> None:
    def run() -> list[object]:
        rng = random.Random(seed)
        graph = grid(lambda name: rng.choice(("narrow", "wide")))
        world = World(graph, find_passages(graph), rng=rng)
        waiting = sorted(world.passages.waiting)
        if not waiting:
            return []
        for number in range(4):
            world.add(f"r{number}", [rng.choice(waiting), rng.choice(waiting)])
        told: list[object] = list(world.book.grant())
        for _ in range(200):
            if all(m.done for m in world.movers.values()):
                break
            world.step()
            told.append(world.book.holders())
        return told

    assert run() == run()


LANES = {"00-10": "narrow", "10-20": "narrow", "20-30": "narrow"} | dict.fromkeys(
    ("10-11", "20-21"), "none"
)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32))
def test_robots_that_want_each_others_docks_give_way(seed: int) -> None:
    """A dock at each end of a lane, each robot bound for the other's: one must go round."""
    rng = random.Random(seed)
    names = ["00", "30"]
    graph = grid(lambda name: LANES.get(name, "wide"), {(0, 0), (3, 0)})
    passages = find_passages(graph)
    world = World(graph, passages, rng=rng)
    plain = sorted(passages.waiting - set(names))
    for number, name in enumerate(names):
        goal = names[(number + 1) % len(names)]
        world.add(f"r{number}", [name, goal, rng.choice(plain)])
    others = rng.sample(plain, 3)
    world.add("bystander", others)
    world.book.grant()
    while not all(m.done for v, m in world.movers.items() if v == "bystander"):
        world.step()
    for _ in range(30):
        world.step()
    rings = world.book.deadlocks()
    assert rings == [("r0", "r1")]
    assert world.book.able() == frozenset()
    goals = {m.name: m.nodes[m.at :] for m in world.movers.values()}

    def aside(vehicle_id: str, avoid: frozenset[str]) -> list[Detour]:
        mover = world.movers[vehicle_id]
        here = mover.nodes[mover.at]
        closed = passages.edges_of(avoid)
        near = [n for n in plain if graph.path(here, n, closed) is not None]
        found = []
        for node in sorted(near, key=lambda n: len(graph.path(here, n, closed) or ())):
            made = detour_of(vehicle_id, here, node, goals[vehicle_id])
            found.append(made[0])
        return found

    def detour_of(vehicle_id: str, here: str, aside_at: str, rest: list[str]):
        nodes, edges = [here], []
        for stop in (aside_at, *rest[1:]):
            for step in graph.path(nodes[-1], stop) or ():
                edges.append((step.edge.edge_id, step.start_node_id))
                nodes.append(step.end_node_id)
        claims = passages.claims_of(nodes, edges)
        name = f"{vehicle_id}:round:{aside_at}"
        return Detour(name, claims, len(nodes) - 1), Mover(vehicle_id, nodes, edges)

    for ring in rings:
        found = unlock(world.book, ring, aside)
        assert found is not None
        mover = world.movers[found.vehicle_id]
        assert not mover.on_edge
        here, rest = mover.nodes[mover.at], goals[found.vehicle_id]
        _, again = detour_of(found.vehicle_id, here, found.detour.route.split(":")[2], rest)
        world.movers[found.vehicle_id] = again
        world.book.reroute(found.vehicle_id, found.detour.route, found.detour.claims, again.last)
    world.settle(20_000)


def test_a_lost_robot_keeps_what_it_has_and_only_that() -> None:
    graph = grid(lambda name: "narrow" if name == "00-10" else "wide")
    world = World(graph, find_passages(graph))
    passages = world.passages
    for name, ways in (("east", ["00", "10"]), ("west", ["10", "00"]), ("free", ["33", "32"])):
        edges = [(f"{min(ways)}-{max(ways)}", ways[0])] if name != "free" else [("32-33", "33")]
        world.book.enter(name, name, passages.claims_of(ways, edges), 1)
    world.book.grant()
    assert world.book.end("east") == 1
    assert world.book.end("west") == 0
    assert world.book.end("free") == 1
    for _ in range(5):
        assert not world.book.grant(stalled={"east"})
    assert world.book.waits() == {"west": ("east",)}
    assert not world.book.deadlocks(stalled={"east"})
    world.book.passed("east", 1)
    assert [g.vehicle_id for g in world.book.grant()] == ["west"]


@pytest.mark.parametrize("kept", [True, False])
def test_a_restart_knows_the_leases_again(kept: bool) -> None:
    graph = grid(lambda name: "narrow" if name == "00-10" else "wide")
    passages = find_passages(graph)
    claims = passages.claims_of(["00", "10"], [("00-10", "00")])
    book = LeaseBook()
    book.enter("east", "m1", claims, 1)
    book.grant()
    record = book.kept("east")
    again = LeaseBook()
    if kept:
        again.restore(record, claims, 1)
    back = passages.claims_of(["10", "00"], [("00-10", "10")])
    again.enter("west", "m2", back, 1)
    granted = [g.vehicle_id for g in again.grant()]
    assert granted == ([] if kept else ["west"])
    if kept:
        again.passed("east", 1)
        (grant,) = again.grant()
        assert grant.epoch > record.epoch


def test_who_waits_behind_one_that_cannot_go_may_pass_when_nobody_moves() -> None:
    graph = grid(lambda name: "narrow" if name == "00-10" else "wide", {(1, 0)})
    passages = find_passages(graph)
    book = LeaseBook()
    book.stand("parked", passages.at("10"))
    book.enter("blocked", "m1", passages.claims_of(["00", "10"], [("00-10", "00")]), 1)
    lane = tuple(n for n in passages.claims_of(["10", "00"], [("00-10", "10")])[0].needs)
    claim = Claim(0, 1, tuple(n for n in lane if n.passage_id.startswith("narrow")))
    book.enter("passer", "m2", (claim,), 1)
    assert [g.vehicle_id for g in book.grant()] == ["passer"]
    assert book.waits()["blocked"] == ("parked", "passer")
    assert not book.deadlocks()
