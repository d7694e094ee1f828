"""Where robots may only be by turns: crossings, narrow stretches, lifts and docks of the streets.

Owns which parts of a street graph these are, and what of them a way needs, in order. Must not
grant anything: the lease book does.

A robot waits only where another can pass it: at a node that is no passage itself and that touches
a street which is none. From one such place to the next it needs everything at once, so that it
never stands where somebody must come through.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from missions.model import GroundMission
from missions.roads import Passage, StreetEdge, StreetError, StreetGraph


class Way(StrEnum):
    """How a passage is used. Two may share it only where both go the same way, and not BOTH."""

    AHEAD = "ahead"
    BACK = "back"
    BOTH = "both"
    """Alone: a crossing, a lift, a dock, or a stretch that is driven in and out again."""

    def together(self, other: Way) -> bool:
        """Whether two robots may use one passage so at the same time."""
        return self is other and self is not Way.BOTH


@dataclass(frozen=True, slots=True)
class Need:
    """A passage and how it is used."""

    passage_id: str
    way: Way


@dataclass(frozen=True, slots=True)
class Claim:
    """What a way needs from one waiting place to the next, all or nothing.

    `hold` and `clear` are places in the way's list of nodes: it goes no farther than `hold` before
    it has this, and has left it all when it has passed `clear`.
    """

    hold: int
    clear: int
    needs: tuple[Need, ...]
    stays: tuple[Need, ...] = ()
    """Of these, what it has until it leaves `clear`: the dock that it waits in."""

    def held(self, passed: int) -> tuple[Need, ...]:
        """What of it a robot still has that has reached the node `passed`."""
        if passed < self.clear:
            return self.needs
        return self.stays if passed == self.clear else ()


@dataclass(frozen=True, slots=True)
class PassageRules:
    """What counts as narrow."""

    two_way_width_m: float = 1.8
    """Streets that are known to be narrower let two robots not pass each other."""


@dataclass(frozen=True, slots=True)
class Passages:
    """The passages of one graph."""

    edges: Mapping[str, tuple[str, str]]
    """By edge id: the passage that it is part of, and the node that it is driven AHEAD from."""
    alone: frozenset[str]
    """Passages for one robot at a time, whichever way."""
    nodes: Mapping[str, str]
    """Passages that are nodes, by node id."""
    waiting: frozenset[str]
    """Nodes where a robot may wait."""
    kinds: Mapping[str, Passage]
    ends: Mapping[str, tuple[str, str]]
    """Start and end node of every street."""

    def claims(self, mission: GroundMission) -> tuple[Claim, ...]:
        """What a round needs, in order."""
        return self.claims_of(
            [n.node_id for n in mission.nodes],
            [(e.edge_id, e.start_node_id) for e in mission.edges],
        )

    def claims_of(
        self, node_ids: Sequence[str], edges: Sequence[tuple[str, str]]
    ) -> tuple[Claim, ...]:
        """The same of nodes and (edge id, start node) between them."""
        found: list[Claim] = []
        begin = 0
        for index in range(1, len(node_ids)):
            last = index == len(node_ids) - 1
            if not last and node_ids[index] not in self.waiting:
                continue
            # where it stands at the begin it has already, but for the very first place
            nodes = node_ids[begin + (begin > 0) : index + 1]
            needs = self._needs(nodes, edges[begin:index])
            if needs:
                found.append(Claim(begin, index, needs, self.at(node_ids[index])))
            begin = index
        if len(node_ids) == 1 and node_ids[0] in self.nodes:
            found.append(Claim(0, 0, self.at(node_ids[0]), self.at(node_ids[0])))
        return tuple(found)

    def at(self, node_id: str) -> tuple[Need, ...]:
        """What a robot has that stands at a node."""
        passage = self.nodes.get(node_id)
        return () if passage is None else (Need(passage, Way.BOTH),)

    def edges_of(self, passage_ids: Iterable[str]) -> frozenset[str]:
        """Streets that are part of one of these; those that meet at a passage that is a node."""
        wanted = set(passage_ids)
        nodes = {node_id for node_id, passage in self.nodes.items() if passage in wanted}
        return frozenset(
            edge_id
            for edge_id, ends in self.ends.items()
            if self.edges.get(edge_id, ("", ""))[0] in wanted or not nodes.isdisjoint(ends)
        )

    def _needs(self, node_ids: Sequence[str], edges: Sequence[tuple[str, str]]) -> tuple[Need, ...]:
        ways = {self.nodes[node_id]: Way.BOTH for node_id in node_ids if node_id in self.nodes}
        for edge_id, start_id in edges:
            passage, ahead_from = self.edges.get(edge_id, ("", ""))
            if not passage:
                continue
            way = Way.AHEAD if start_id == ahead_from else Way.BACK
            if passage in self.alone or ways.get(passage, way) is not way:
                way = Way.BOTH
            ways[passage] = way
        return tuple(Need(passage, way) for passage, way in sorted(ways.items()))


def with_passages(graph: StreetGraph, kinds: Mapping[str, Passage]) -> StreetGraph:
    """The graph with what more of it is used by turns, by id of a street or a node.

    Raises StreetError for an id that is neither, and for a dock that is no node.
    """
    for name, kind in kinds.items():
        if name in graph.nodes:
            continue
        if name not in graph.edges:
            reason = "names neither a street nor a node of the street file"
            raise StreetError(name, "streets.passages", reason)
        if kind is Passage.DOCK:
            raise StreetError(name, "streets.passages", "a dock is a node, and this is a street")
    if not kinds:
        return graph
    nodes = [replace(n, passage=kinds.get(i, n.passage)) for i, n in graph.nodes.items()]
    edges = [replace(e, passage=kinds.get(i, e.passage)) for i, e in graph.edges.items()]
    return StreetGraph(nodes, edges)


def find_passages(graph: StreetGraph, rules: PassageRules = PassageRules()) -> Passages:
    """The passages of a graph: tagged ones, narrow ones, and junctions with no room to wait."""
    kinds = {
        edge_id: kind
        for edge_id, edge in graph.edges.items()
        if (kind := _kind(edge, rules)) is not None
    }
    touching: dict[str, list[str]] = {node_id: [] for node_id in graph.nodes}
    for edge in graph.edges.values():
        touching[edge.start_node_id].append(edge.edge_id)
        touching[edge.end_node_id].append(edge.edge_id)
    edges: dict[str, tuple[str, str]] = {}
    alone: set[str] = set()
    names: dict[str, Passage] = {}
    for chain in _chains(graph, kinds, touching):
        kind = kinds[chain[0][0]]
        name = f"{kind.value}:{min(edge_id for edge_id, _ in chain)}"
        names[name] = kind
        if kind is not Passage.NARROW:
            alone.add(name)
        edges |= {edge_id: (name, start) for edge_id, start in chain}
    nodes: dict[str, str] = {}
    waiting: set[str] = set()
    for node_id, node in graph.nodes.items():
        roomy = any(edge_id not in kinds for edge_id in touching[node_id])
        if node.passage is not None:
            nodes[node_id] = f"{node.passage.value}:{node_id}"
            names[nodes[node_id]] = node.passage
        elif roomy:
            waiting.add(node_id)
        elif len(touching[node_id]) > 2:
            nodes[node_id] = f"{Passage.NARROW.value}:{node_id}"
            names[nodes[node_id]] = Passage.NARROW
        # a dock is a place to stand, too, for the one that has it
        if node.passage is Passage.DOCK and roomy:
            waiting.add(node_id)
    alone |= set(nodes.values())
    ends = {e.edge_id: (e.start_node_id, e.end_node_id) for e in graph.edges.values()}
    return Passages(edges, frozenset(alone), nodes, frozenset(waiting), names, ends)


def _kind(edge: StreetEdge, rules: PassageRules) -> Passage | None:
    if edge.passage is not None:
        return edge.passage
    narrow = edge.width_m is not None and edge.width_m < rules.two_way_width_m
    return Passage.NARROW if narrow else None


def _chains(
    graph: StreetGraph, kinds: Mapping[str, Passage], touching: Mapping[str, Sequence[str]]
) -> Iterator[list[tuple[str, str]]]:
    """Passage edges of one kind that follow each other, each with the node it is driven from."""
    links: dict[str, list[str]] = defaultdict(list)
    for node_id, ids in touching.items():
        inner = len(ids) == 2 and ids[0] != ids[1] and graph.nodes[node_id].passage is None
        if inner and ids[0] in kinds and kinds[ids[0]] is kinds.get(ids[1]):
            for edge_id in ids:
                links[edge_id].append(node_id)
    left = dict.fromkeys(sorted(kinds))
    while left:
        first = next((e for e in left if len(links[e]) < 2), next(iter(left)))
        edge = graph.edges[first]
        # begin at the end that nothing follows, so that the chain runs one way
        start = edge.start_node_id
        if links[first] and start in links[first] and edge.end_node_id not in links[first]:
            start = edge.end_node_id
        chain: list[tuple[str, str]] = []
        at: str | None = first
        while at is not None and at in left:
            del left[at]
            chain.append((at, start))
            edge = graph.edges[at]
            start = edge.end_node_id if start == edge.start_node_id else edge.start_node_id
            follows = touching[start] if start in links[at] else ()
            at = next((e for e in follows if e in left), None)
        yield chain
