"""Leases: no two meet in a narrow place, nobody waits for ever, and rings are undone."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from controller.network.leases import LeaseBook
from controller.network.unlock import Detour, Unlocked, unlock
from geofence.frames import LatLon
from missions import detour as detour_module
from missions.detour import detours, rest_of
from missions.model import GroundMission, RouteAction, RouteEdge, RouteNode, StopAction
from missions.passages import Claim, Need, PassageRules, Passages, Way, find_passages
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
    mission: GroundMission | None = None

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
    made: dict[str, GroundMission] = field(default_factory=dict)

    def add(self, name: str, stops: list[str], *, by=None, stands=None) -> Mover:
        """`by`: the streets between, where not the shortest; `stands`: what it has at its first."""
        nodes, edges, ends = [stops[0]], [], [0]
        for stop in stops[1:]:
            steps = by or [
                (s.edge.edge_id, s.start_node_id) for s in self.graph.path(nodes[-1], stop) or ()
            ]
            for edge_id, start in steps:
                edge = self.graph.edges[edge_id]
                edges.append((edge_id, start))
                nodes.append(
                    edge.end_node_id if start == edge.start_node_id else edge.start_node_id
                )
            ends.append(len(nodes) - 1)
        mover = Mover(name, nodes, edges)
        mover.mission = self.mission_of(mover, ends[1:])
        self.movers[name] = mover
        self.book.stand(name, self.passages.at(nodes[0]) if stands is None else stands)
        self.book.enter(name, name, self.passages.claims_of(nodes, edges), mover.last)
        return mover

    def mission_of(self, mover: Mover, stops: list[int]) -> GroundMission:
        def deeds(index: int) -> tuple[RouteAction, ...]:
            if index not in stops:
                return ()
            return (RouteAction(f"{mover.name}:{index}", StopAction.DROP, f"{mover.name}{index}"),)

        nodes = tuple(
            RouteNode(n, self.graph.nodes[n].position, deeds(i)) for i, n in enumerate(mover.nodes)
        )
        edges = tuple(
            RouteEdge(edge_id, start, mover.nodes[i + 1], 100.0, 1.5)
            for i, (edge_id, start) in enumerate(mover.edges)
        )
        return GroundMission(mover.name, mover.name, nodes, edges, "z")

    def ways(self, vehicle_id: str, avoid: frozenset[str]) -> list[Detour]:
        """As the controller asks for them: of one that waits, and of nobody else."""
        if not self.book.stuck(vehicle_id):
            return []
        mission = self.movers[vehicle_id].mission
        at = self.book.passed_by(vehicle_id)
        return [
            self.detour(made) for made in detours(mission, at, self.graph, self.passages, avoid)
        ]

    def all_ways(self, vehicle_id: str, avoid: frozenset[str]) -> list[Detour]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(detour_module, "MOST_ASIDE", 1_000)
            patch.setattr(detour_module, "ASIDE_M", 1e9)
            return self.ways(vehicle_id, avoid)

    def detour(self, made: GroundMission) -> Detour:
        self.made[made.content_hash] = made
        claims = self.passages.claims(made)
        return Detour(made.content_hash, claims, len(made.nodes) - 1)

    def turn(self, found: Unlocked) -> None:
        """What was driven stays as it was; every deed is still to be done, once."""
        mover, made = self.movers[found.vehicle_id], self.made[found.detour.route]
        at, before = mover.at, mover.mission
        assert made.nodes[: at + 1] == before.nodes[: at + 1]
        assert [a for n in made.nodes for a in n.actions] == [
            a for n in before.nodes for a in n.actions
        ]
        assert not [r for r in rest_of(made, at).edges[:1] if r.start_node_id != mover.nodes[at]]
        mover.mission = made
        mover.nodes = [n.node_id for n in made.nodes]
        mover.edges = [(e.edge_id, e.start_node_id) for e in made.edges]
        held = self.book.held(found.vehicle_id)
        self.book.reroute(found.vehicle_id, found.detour.claims, found.detour.last)
        assert self.book.held(found.vehicle_id) == held

    def told_stuck(self) -> str:
        stuck = {m.name: (m.at, m.nodes, self.book.end(m.name)) for m in self.movers.values()}
        return f"{stuck} {self.book.waits()} {self.book.holders()}"

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
        raise AssertionError(f"not done: {self.told_stuck()}")


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
    for ring in rings:
        (found,) = unlock(world.book, ring, world.ways)
        assert not world.movers[found.vehicle_id].on_edge
        world.turn(found)
    world.settle(20_000)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(2, 6))
def test_every_ring_that_can_be_undone_ends(seed: int, robots: int) -> None:
    """Robots that stood in each other's way before they began; see `unlock` for the measure."""
    rng = random.Random(seed)
    squares = [(x, y) for x in range(SIZE) for y in range(SIZE)]
    docks = set(rng.sample(squares, robots))
    graph = grid(lambda name: rng.choice(("narrow", "narrow", "wide", "crossing", "none")), docks)
    passages = find_passages(graph)
    plain = sorted(passages.waiting - set(passages.nodes))
    busy = sorted(n for n in passages.nodes if n in passages.waiting)
    if len(busy) < 2 or not plain:
        return
    world = World(graph, passages, rng=rng)
    for number, start in enumerate(busy):
        # each is bound for the place where another stands
        world.add(f"r{number}", [start, busy[(number + 1) % len(busy)], rng.choice(plain)])
    world.book.grant()
    changes = undone = 0
    for _ in range(1_500):
        if all(m.done for m in world.movers.values()):
            break
        world.step()
        if rng.random() < 0.1:
            for ring in world.book.deadlocks():
                before = world.book.able()
                found = unlock(world.book, ring, world.ways)
                if not found:
                    # nor with any place in all the streets to draw aside to
                    assert not unlock(world.book, ring, world.all_ways, most_changes=1)
                    undone += 1
                    break
                for each in found:
                    world.turn(each)
                changes += len(found)
                world.check()
                # the measure: it only grows, so that changes are bounded and nothing goes round
                assert before < world.book.able()
            if undone:
                break
    event(f"changes {changes}, for a person {undone}")
    assert changes <= robots
    if not undone:
        assert all(m.done for m in world.movers.values()), world.told_stuck()


def test_a_robot_that_began_in_a_lane_backs_out_of_it() -> None:
    """Its base ends in the stretch: the hard case. Nothing of its base can be altered, and no
    horizon lies behind a waiting place; it leaves by the end that is free."""
    graph = grid(lambda name: "narrow" if name in {"00-10", "10-20"} else "wide", {(2, 0)})
    graph = StreetGraph(
        graph.nodes.values(), [e for e in graph.edges.values() if "10-11" not in e.edge_id]
    )
    passages = find_passages(graph)
    assert "10" not in passages.waiting
    world = World(graph, passages)
    lane = passages.edges["00-10"][0]
    world.book.stand("inside", (Need(lane, Way.BOTH),))
    world.add("inside", ["10", "20", "33"], stands=(Need(lane, Way.BOTH),))
    world.add("docked", ["20", "00"], by=[("10-20", "20"), ("00-10", "10")])
    world.book.grant()
    (ring,) = world.book.deadlocks()
    (found,) = unlock(world.book, ring, world.ways)
    world.turn(found)
    world.settle(5_000)


def test_two_that_stand_in_one_lane_are_for_a_person() -> None:
    graph = grid(lambda name: "narrow" if name[1] == name[4] == "0" else "wide")
    keep = [e for e in graph.edges.values() if e.edge_id not in {"10-11", "20-21"}]
    graph = StreetGraph(graph.nodes.values(), keep)
    passages = find_passages(graph)
    lane = passages.edges["10-20"][0]
    world = World(graph, passages)
    both = (Need(lane, Way.BOTH),)
    world.add("east", ["10", "30"], by=[("10-20", "10"), ("20-30", "20")], stands=both)
    world.add("west", ["20", "00"], by=[("10-20", "20"), ("00-10", "10")], stands=both)
    assert world.book.clashes() == [(lane, ("east", "west"))]
    world.book.grant()
    assert world.book.deadlocks() == [("east", "west")]
    assert not unlock(world.book, ("east", "west"), world.ways)
    # one of them is carried away, and somebody says so
    assert world.book.take_back("west") == both
    assert [g.vehicle_id for g in world.book.grant()] == ["east"]
    world.book.heard("west")
    assert world.book.clashes()


def test_what_was_taken_back_outlives_a_restart() -> None:
    graph = grid(lambda name: "narrow" if name == "00-10" else "wide")
    claims = find_passages(graph).claims_of(["00", "10"], [("00-10", "00")])
    book = LeaseBook()
    book.enter("east", "m1", claims, 1)
    book.grant()
    book.take_back("east")
    again = LeaseBook()
    again.restore(book.kept("east"), claims, 1)
    assert not again.holders()
    assert again.end("east") == 1
    assert not again.grant()
    again.heard("east")
    assert again.holders()


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
