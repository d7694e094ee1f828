"""The street graph that ground robots drive on.

Owns nodes, edges, shortest paths and components; its file form is `roads_file`'s. Must not know
which zones close an edge: whoever asks for a path names the closed edges. Paths and components
are rustworkx's: a multigraph with callable weights, in compiled code.

Positions are WGS84; lengths are geodesic metres along the street's line.

    StreetError         a feature or reference that cannot be understood: feature, field, reason
    +-- StreetFileError the file as a whole: carries every StreetError found in it
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import rustworkx as rx

from geofence.frames import WGS84, LatLon, geodesic_m
from geofence.schedule import Calendar, Schedule

NO_EDGES: frozenset[str] = frozenset()

_METRES_PER_S = 1e-5
"""What a second counts in the choice of the way: seven centimetres in a round of two hours. Two
sums of metres differ by it, and their rounding by a ten-thousandth of it."""

_TELLING_S = 0.01

_NEAREST_CANDIDATES = 8


class StreetError(ValueError):
    """A street, or a reference to one, that cannot be understood."""

    def __init__(self, feature: str, field: str, reason: str) -> None:
        super().__init__(f"street {feature}: {field}: {reason}")
        self.feature = feature
        self.field = field
        self.reason = reason


class StreetFileError(StreetError):
    """A street file with one or more bad features; nothing of it may be used."""

    def __init__(self, errors: tuple[StreetError, ...]) -> None:
        first = errors[0]
        super().__init__(first.feature, first.field, first.reason)
        self.errors = errors
        self.args = ("; ".join(str(error) for error in errors),)


class Passage(StrEnum):
    """What robots may only use by turns."""

    CROSSING = "crossing"
    """Of a carriageway: one robot at a time, and none waits on it."""
    NARROW = "narrow"
    """Too narrow for two that meet; they may follow each other."""
    LIFT = "lift"
    DOCK = "dock"
    """Where one robot stands to load, charge or hand over. Of a node alone."""


@dataclass(frozen=True, slots=True)
class StreetNode:
    """A junction, an end, or a place on a long street where a robot may stop."""

    node_id: str
    position: LatLon
    passage: Passage | None = None


@dataclass(frozen=True, slots=True)
class StreetEdge:
    """A street between two nodes. `geometry` runs from start to end, both included."""

    edge_id: str
    start_node_id: str
    end_node_id: str
    length_m: float
    max_speed_mps: float
    geometry: tuple[LatLon, ...]
    kind: str
    one_way: bool = False
    width_m: float | None = None
    """Of the part that robots may use, where it is narrowest; None: not known."""
    incline_pct: float | None = None
    """Where it is steepest, metres for a hundred; above 0 rises from start to end. None: not
    known."""
    surface: str = ""
    """As OpenStreetMap's Key:surface; empty: not known."""
    passage: Passage | None = None
    hours: Schedule | Calendar | None = None
    """When its gate is open; None: there is no gate, or it is never locked."""


@dataclass(frozen=True, slots=True)
class DirectedEdge:
    """An edge as it is driven; `geometry` runs in driving direction."""

    edge: StreetEdge
    start_node_id: str
    end_node_id: str
    geometry: tuple[LatLon, ...]


def line_length_m(geometry: tuple[LatLon, ...]) -> float:
    """Geodesic length in metres of a line of positions."""
    return float(WGS84.line_length([p.lon_deg for p in geometry], [p.lat_deg for p in geometry]))


class StreetGraph:
    """An immutable street graph. Raises StreetError where an edge names an unknown node."""

    __slots__ = ("_component", "_graph", "_index", "_lonlat", "_order", "edges", "nodes")

    nodes: Mapping[str, StreetNode]
    edges: Mapping[str, StreetEdge]

    def __init__(self, nodes: Iterable[StreetNode], edges: Iterable[StreetEdge]) -> None:
        self._order = tuple(nodes)
        self.nodes = MappingProxyType({node.node_id: node for node in self._order})
        if len(self.nodes) != len(self._order):
            raise StreetError("?", "node_id", "two nodes share one id")
        self.edges = MappingProxyType(_edges_by_id(edges, self.nodes))
        self._index = {node.node_id: i for i, node in enumerate(self._order)}
        self._lonlat = np.array(
            [(n.position.lon_deg, n.position.lat_deg) for n in self._order], dtype=np.float64
        ).reshape(-1, 2)
        self._graph = self._build(NO_EDGES)
        self._component = _components(self._graph)

    def __len__(self) -> int:
        return len(self._order)

    def nearest(self, position: LatLon, *, connected_to: str = "") -> tuple[StreetNode, float]:
        """The node nearest to a position, and its geodesic distance in metres.

        With `connected_to`, only nodes that can be driven to from that node and back. Raises
        StreetError where the graph has no node, or none by that name.
        """
        rows = np.arange(len(self._order))
        if connected_to:
            rows = np.flatnonzero(self._component == self._component[self._row(connected_to)])
        if rows.size == 0:
            raise StreetError("?", "nodes", "the street graph is empty: import streets first")
        lon = (self._lonlat[rows, 0] - position.lon_deg + 180.0) % 360.0 - 180.0
        lat = self._lonlat[rows, 1] - position.lat_deg
        squared = (lon * math.cos(math.radians(position.lat_deg))) ** 2 + lat**2
        few = min(_NEAREST_CANDIDATES, rows.size)
        picked = rows[np.argpartition(squared, few - 1)[:few]]
        found = [
            (geodesic_m(position, self._order[row].position), int(row)) for row in picked.tolist()
        ]
        distance_m, row = min(found)
        return self._order[row], distance_m

    def connected(self, one_node_id: str, other_node_id: str) -> bool:
        """Whether each of two nodes can be driven to from the other, all edges open."""
        one, other = self._row(one_node_id), self._row(other_node_id)
        return bool(self._component[one] == self._component[other])

    def path(
        self,
        start_id: str,
        goal_id: str,
        closed_edges: frozenset[str] = NO_EDGES,
        *,
        speed_mps: float = math.inf,
    ) -> tuple[DirectedEdge, ...] | None:
        """The shortest way by length: () where start is goal, None where there is no way.

        Of ways as long as each other the one that is driven sooner at up to `speed_mps`.
        """
        start, goal = self._row(start_id), self._row(goal_id)
        if start == goal:
            return ()
        graph = self._open(closed_edges)
        weight = _weight(speed_mps)
        ways = rx.digraph_dijkstra_shortest_paths(graph, start, goal, weight_fn=weight)
        if goal not in ways:
            return None
        rows = list(ways[goal])
        return tuple(min(graph.get_all_edge_data(a, b), key=weight) for a, b in pairwise(rows))

    def distances(
        self, start_id: str, closed_edges: frozenset[str] = NO_EDGES
    ) -> Mapping[str, float]:
        """Driving distance in metres to every node that can be reached, the start included."""
        start = self._row(start_id)
        lengths = rx.digraph_dijkstra_shortest_path_lengths(
            self._open(closed_edges), start, _length_m
        )
        found = {self._order[row].node_id: float(length) for row, length in lengths.items()}
        found[start_id] = 0.0
        return found

    def late_s(self, start_id: str, speed_mps: float) -> Mapping[str, float]:
        """Seconds that streets slower than `speed_mps` cost on the shortest way to every node.

        To a hundredth of a second; nothing is said of nodes that no slow street is on the way to.
        """
        if all(edge.max_speed_mps >= speed_mps for edge in self.edges.values()):
            return {}
        start, weight = self._row(start_id), _weight(speed_mps)
        short = rx.digraph_dijkstra_shortest_path_lengths(self._graph, start, _length_m)
        both = rx.digraph_dijkstra_shortest_path_lengths(self._graph, start, weight)
        found: dict[str, float] = {}
        for row, length_m in short.items():
            late = (both[row] - length_m) / _METRES_PER_S - length_m / speed_mps
            if late > _TELLING_S:
                found[self._order[row].node_id] = late
        return found

    def largest_component(self) -> StreetGraph:
        """The greatest part in which every node can be reached from every other."""
        if not self._order:
            return self
        greatest = int(np.bincount(self._component).argmax())
        kept = {self._order[row].node_id for row in np.flatnonzero(self._component == greatest)}
        return StreetGraph(
            (node for node in self._order if node.node_id in kept),
            (e for e in self.edges.values() if {e.start_node_id, e.end_node_id} <= kept),
        )

    def _row(self, node_id: str) -> int:
        row = self._index.get(node_id)
        if row is None:
            raise StreetError(node_id, "node_id", "no such node in the street graph")
        return row

    def _open(self, closed_edges: frozenset[str]) -> rx.PyDiGraph[str, DirectedEdge]:
        return self._build(closed_edges) if closed_edges else self._graph

    def _build(self, closed_edges: frozenset[str]) -> rx.PyDiGraph[str, DirectedEdge]:
        graph: rx.PyDiGraph[str, DirectedEdge] = rx.PyDiGraph(multigraph=True)
        graph.add_nodes_from([node.node_id for node in self._order])
        graph.add_edges_from(
            [
                (self._index[way.start_node_id], self._index[way.end_node_id], way)
                for edge in self.edges.values()
                if edge.edge_id not in closed_edges
                for way in directions(edge)
            ]
        )
        return graph


def directions(edge: StreetEdge) -> tuple[DirectedEdge, ...]:
    """The ways an edge may be driven: one for a one-way street, else both."""
    ahead = DirectedEdge(edge, edge.start_node_id, edge.end_node_id, edge.geometry)
    if edge.one_way:
        return (ahead,)
    return ahead, DirectedEdge(edge, edge.end_node_id, edge.start_node_id, edge.geometry[::-1])


def _edges_by_id(
    edges: Iterable[StreetEdge], nodes: Mapping[str, StreetNode]
) -> dict[str, StreetEdge]:
    found: dict[str, StreetEdge] = {}
    for edge in edges:
        if edge.edge_id in found:
            raise StreetError(edge.edge_id, "edge_id", "two edges share this id")
        for name, node_id in (("start_node", edge.start_node_id), ("end_node", edge.end_node_id)):
            if node_id not in nodes:
                raise StreetError(edge.edge_id, name, f"names no node: {node_id!r}")
        if len(edge.geometry) < 2:
            raise StreetError(edge.edge_id, "geometry", "needs at least two positions")
        if not (math.isfinite(edge.length_m) and edge.length_m >= 0.0):
            raise StreetError(edge.edge_id, "length_m", f"{edge.length_m} is no length")
        found[edge.edge_id] = edge
    return found


def _components(graph: rx.PyDiGraph[str, DirectedEdge]) -> npt.NDArray[np.int64]:
    component = np.zeros(graph.num_nodes(), dtype=np.int64)
    for number, rows in enumerate(rx.strongly_connected_components(graph)):
        component[list(rows)] = number
    return component


def _length_m(way: DirectedEdge) -> float:
    return way.edge.length_m


def _weight(speed_mps: float) -> Callable[[DirectedEdge], float]:
    """Metres, and so little of the seconds that they only choose between equals."""

    def weight(way: DirectedEdge) -> float:
        seconds = way.edge.length_m / min(speed_mps, way.edge.max_speed_mps)
        return way.edge.length_m + _METRES_PER_S * seconds

    return weight
