"""Reading an OpenStreetMap extract into a street graph.

Owns which ways a sidewalk robot may use, and how ways become edges. Must not decide about
missions: the graph is `missions.roads`'s.

Tags as in the OpenStreetMap wiki: Key:highway, Key:access, Key:foot, Key:oneway.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from geofence.frames import LatLon, geodesic_m
from missions.roads import (
    StreetEdge,
    StreetError,
    StreetFileError,
    StreetGraph,
    StreetNode,
    line_length_m,
    write_streets,
)

_DECIMALS = 6

SPEED_MPS: Mapping[str, float] = {
    "footway": 1.7,
    "pedestrian": 1.7,
    "path": 1.4,
    "cycleway": 2.0,
    "living_street": 1.7,
    "residential": 2.0,
    "service": 1.7,
    "unclassified": 2.0,
}
"""The kinds of street that a sidewalk robot may use, with the most that it may drive there."""

_CLOSED_ACCESS = frozenset({"no", "private"})
_YES = frozenset({"yes", "designated", "permissive", "official"})


@dataclass(frozen=True, slots=True)
class Bounds:
    """A box in degrees; the west edge is less than the east edge."""

    south_deg: float
    west_deg: float
    north_deg: float
    east_deg: float

    def __post_init__(self) -> None:
        if not (self.south_deg < self.north_deg and self.west_deg < self.east_deg):
            raise StreetError(
                "?", "bounds", "give south, west, north, east in degrees, the smaller ones first"
            )

    def contains(self, position: LatLon) -> bool:
        """Whether a position lies in the box."""
        return (
            self.south_deg <= position.lat_deg <= self.north_deg
            and self.west_deg <= position.lon_deg <= self.east_deg
        )


@dataclass(frozen=True, slots=True)
class OsmWay:
    """A way that a robot may use: (node reference, position) in the way's order."""

    way_id: int
    kind: str
    points: tuple[tuple[int, LatLon], ...]


def streets_from_osm(
    path: Path,
    bounds: Bounds | None = None,
    *,
    join_chains: bool = True,
    longest_edge_m: float = 0.0,
    simplify_m: float = 0.0,
    spurs_m: float = 0.0,
) -> StreetGraph:
    """The largest connected street graph of an OpenStreetMap extract.

    `bounds` keeps ways inside a box; `join_chains` joins edges that meet at a node of no other
    street; `longest_edge_m` above 0 splits longer edges evenly, so that robots may stop along
    them; `simplify_m` above 0 drops points that lie nearer than this to the line of the rest;
    `spurs_m` above 0 drops dead ends shorter than this.
    Raises StreetFileError where the file is absent, broken or holds no street.
    """
    ways = tuple(_clipped(read_ways(path), bounds))
    if not ways:
        raise _unreadable(path, "holds no street that a robot may use inside the bounds")
    graph = graph_of(ways)
    if join_chains:
        graph = joined(graph)
    graph = graph.largest_component()
    if spurs_m > 0.0:
        graph = without_spurs(graph, spurs_m)
    if simplify_m > 0.0:
        graph = StreetGraph(
            graph.nodes.values(), (_simplified(e, simplify_m) for e in graph.edges.values())
        )
    if longest_edge_m > 0.0:
        graph = split(graph, longest_edge_m)
    return graph.largest_component()


def streets_text(graph: StreetGraph) -> str:
    """The graph as GeoJSON with a feature a line, positions to 0.1 m."""
    body = write_streets(graph, decimals=_DECIMALS)
    lines = ",\n".join(json.dumps(f, separators=(",", ":")) for f in body["features"])
    return f'{{"type":"FeatureCollection","features":[\n{lines}\n]}}\n'


def read_ways(path: Path) -> Iterator[OsmWay]:
    """Every usable way of an extract (.osm.pbf, .osm.bz2, .osm), in file order."""
    try:
        import osmium  # an extra: the rest of the command line works without
    except ImportError as error:
        raise _unreadable(
            path, "reading it needs osmium: install the extra with pip install 'waypost[osm]'"
        ) from error
    if not path.is_file():
        raise _unreadable(path, "no such file")
    try:
        for item in osmium.FileProcessor(
            str(path), osmium.osm.NODE | osmium.osm.WAY
        ).with_locations():
            if not isinstance(item, osmium.osm.Way):
                continue
            kind = usable_kind({tag.k: tag.v for tag in item.tags})
            if kind:
                points = tuple(
                    (node.ref, LatLon(node.location.lat, node.location.lon))
                    for node in item.nodes
                    if node.location.valid()
                )
                yield OsmWay(item.id, kind, points)
    except (RuntimeError, ValueError) as error:
        raise _unreadable(path, f"is not a readable OpenStreetMap extract: {error}") from error


def usable_kind(tags: Mapping[str, str]) -> str:
    """The kind of street if a sidewalk robot may use it, else ''."""
    kind = tags.get("highway", "")
    if kind not in SPEED_MPS or tags.get("area") == "yes":
        return ""
    foot = tags.get("foot", "")
    if foot in _CLOSED_ACCESS or (tags.get("access") in _CLOSED_ACCESS and foot not in _YES):
        return ""
    if (
        tags.get("indoor") == "yes"
        or tags.get("conveying")
        or tags.get("tunnel") == "building_passage"
    ):
        return ""
    if tags.get("level", "0") not in {"0", ""} or tags.get("covered") == "yes":
        return ""
    return kind


def graph_of(ways: Iterable[OsmWay]) -> StreetGraph:
    """Ways split at the nodes that they share, and at their ends. Every edge is two-way."""
    kept = [way for way in ways if len(way.points) >= 2]
    uses = Counter(ref for way in kept for ref, _ in way.points)
    for way in kept:
        uses[way.points[0][0]] += 1
        uses[way.points[-1][0]] += 1
    nodes: dict[str, StreetNode] = {}
    edges: list[StreetEdge] = []
    pieces: Counter[int] = Counter()
    for way in kept:
        piece: list[tuple[int, LatLon]] = []
        for point in way.points:
            piece.append(point)
            if len(piece) > 1 and uses[point[0]] > 1:
                pieces[way.way_id] += 1
                name = f"w{way.way_id}.{pieces[way.way_id]}"
                _add_piece(nodes, edges, name, way.kind, piece)
                piece = [point]
    return StreetGraph(nodes.values(), edges)


def joined(graph: StreetGraph) -> StreetGraph:
    """Chains of two-way edges of one kind through nodes of degree two, joined into one edge."""
    touching: dict[str, list[str]] = {node_id: [] for node_id in graph.nodes}
    for edge in graph.edges.values():
        touching[edge.start_node_id].append(edge.edge_id)
        touching[edge.end_node_id].append(edge.edge_id)
    edges = dict(graph.edges)
    for node_id, ids in touching.items():
        if len(ids) != 2 or ids[0] == ids[1]:
            continue
        one, other = edges[ids[0]], edges[ids[1]]
        ends = {one.start_node_id, one.end_node_id, other.start_node_id, other.end_node_id}
        if one.kind != other.kind or one.one_way or other.one_way or len(ends) < 3:
            continue
        longer = _through(one, other, node_id)
        edges[one.edge_id] = longer
        del edges[other.edge_id]
        far = longer.end_node_id
        touching[far] = [one.edge_id if own == other.edge_id else own for own in touching[far]]
        touching[node_id] = []
    nodes = [node for node_id, node in graph.nodes.items() if touching[node_id]]
    return StreetGraph(nodes, edges.values())


def without_spurs(graph: StreetGraph, shorter_than_m: float) -> StreetGraph:
    """The graph without its short dead ends; chains that they had cut are joined again."""
    while True:
        degree = Counter(
            node for e in graph.edges.values() for node in (e.start_node_id, e.end_node_id)
        )
        kept = [
            edge
            for edge in graph.edges.values()
            if edge.length_m >= shorter_than_m
            or (degree[edge.start_node_id] > 1 and degree[edge.end_node_id] > 1)
        ]
        if len(kept) == len(graph.edges):
            return graph
        used = {node for edge in kept for node in (edge.start_node_id, edge.end_node_id)}
        graph = joined(StreetGraph((n for n in graph.nodes.values() if n.node_id in used), kept))


def renumbered(graph: StreetGraph) -> StreetGraph:
    """The graph with short ids, s1, s2... for streets and n1, n2... for nodes, in order."""
    names = {node_id: f"n{number}" for number, node_id in enumerate(graph.nodes, 1)}
    return StreetGraph(
        (StreetNode(names[n.node_id], n.position) for n in graph.nodes.values()),
        (
            replace(
                edge,
                edge_id=f"s{number}",
                start_node_id=names[edge.start_node_id],
                end_node_id=names[edge.end_node_id],
            )
            for number, edge in enumerate(graph.edges.values(), 1)
        ),
    )


def split(graph: StreetGraph, longest_edge_m: float) -> StreetGraph:
    """Edges longer than `longest_edge_m` cut into equal pieces with nodes between."""
    nodes = dict(graph.nodes)
    edges: list[StreetEdge] = []
    for edge in graph.edges.values():
        pieces = max(1, math.ceil(edge.length_m / longest_edge_m))
        last = edge.start_node_id
        for number, geometry in enumerate(_cut(edge.geometry, edge.length_m / pieces, pieces), 1):
            end = edge.end_node_id if number == pieces else f"{edge.edge_id}:{number}"
            nodes.setdefault(end, StreetNode(end, geometry[-1]))
            name = edge.edge_id if pieces == 1 else f"{edge.edge_id}/{number}"
            edges.append(
                replace(
                    edge,
                    edge_id=name,
                    start_node_id=last,
                    end_node_id=end,
                    geometry=geometry,
                    length_m=line_length_m(geometry),
                )
            )
            last = end
    return StreetGraph(nodes.values(), edges)


def _add_piece(
    nodes: dict[str, StreetNode],
    edges: list[StreetEdge],
    edge_id: str,
    kind: str,
    piece: list[tuple[int, LatLon]],
) -> None:
    geometry = tuple(position for _, position in piece)
    length_m = line_length_m(geometry)
    start, end = f"n{piece[0][0]}", f"n{piece[-1][0]}"
    if start == end or length_m == 0.0:
        return
    nodes.setdefault(start, StreetNode(start, geometry[0]))
    nodes.setdefault(end, StreetNode(end, geometry[-1]))
    edges.append(StreetEdge(edge_id, start, end, length_m, SPEED_MPS[kind], geometry, kind))


def _through(one: StreetEdge, other: StreetEdge, node_id: str) -> StreetEdge:
    """`one` and `other` as one edge through `node_id`, from the far end of `one`."""
    ahead = one.geometry if one.end_node_id == node_id else one.geometry[::-1]
    start = one.start_node_id if one.end_node_id == node_id else one.end_node_id
    beyond = other.geometry if other.start_node_id == node_id else other.geometry[::-1]
    end = other.end_node_id if other.start_node_id == node_id else other.start_node_id
    return replace(
        one,
        start_node_id=start,
        end_node_id=end,
        geometry=ahead + beyond[1:],
        length_m=one.length_m + other.length_m,
        max_speed_mps=min(one.max_speed_mps, other.max_speed_mps),
    )


def _cut(geometry: tuple[LatLon, ...], piece_m: float, pieces: int) -> Iterator[tuple[LatLon, ...]]:
    """A line cut into `pieces` pieces of `piece_m`; the last takes what is left."""
    piece, left_m, made = [geometry[0]], piece_m, 1
    for start, end in pairwise(geometry):
        here, rest_m = start, geodesic_m(start, end)
        while made < pieces and rest_m > left_m:
            share = left_m / rest_m
            here = LatLon(
                here.lat_deg + (end.lat_deg - here.lat_deg) * share,
                here.lon_deg + (end.lon_deg - here.lon_deg) * share,
            )
            yield (*piece, here)
            piece, rest_m, left_m, made = [here], rest_m - left_m, piece_m, made + 1
        piece.append(end)
        left_m -= rest_m
    yield tuple(piece)


def _clipped(ways: Iterable[OsmWay], bounds: Bounds | None) -> Iterator[OsmWay]:
    """Ways cut to the runs of their points that lie in the box."""
    for way in ways:
        if bounds is None:
            yield way
            continue
        run: list[tuple[int, LatLon]] = []
        for point in (*way.points, None):
            if point is not None and bounds.contains(point[1]):
                run.append(point)
                continue
            if len(run) >= 2:
                yield replace(way, points=tuple(run))
            run = []


def _simplified(edge: StreetEdge, tolerance_m: float) -> StreetEdge:
    """The edge without the points that the rest tells within `tolerance_m` (Douglas-Peucker)."""
    east = math.cos(math.radians(edge.geometry[0].lat_deg)) * 111_320.0
    flat = [(p.lon_deg * east, p.lat_deg * 111_320.0) for p in edge.geometry]
    keep = {0, len(flat) - 1}
    spans = [(0, len(flat) - 1)]
    while spans:
        low, high = spans.pop()
        if high - low < 2:
            continue
        far, row = max((_off_line(flat[i], flat[low], flat[high]), i) for i in range(low + 1, high))
        if far > tolerance_m:
            keep.add(row)
            spans += [(low, row), (row, high)]
    geometry = tuple(edge.geometry[i] for i in sorted(keep))
    return replace(edge, geometry=geometry, length_m=line_length_m(geometry))


def _off_line(
    point: tuple[float, float], start: tuple[float, float], end: tuple[float, float]
) -> float:
    dx, dy = end[0] - start[0], end[1] - start[1]
    px, py = point[0] - start[0], point[1] - start[1]
    squared = dx * dx + dy * dy
    share = 0.0 if squared == 0.0 else min(1.0, max(0.0, (px * dx + py * dy) / squared))
    return math.hypot(px - share * dx, py - share * dy)


def _unreadable(path: Path, reason: str) -> StreetFileError:
    return StreetFileError((StreetError(path.name, "file", reason),))


def main(arguments: list[str] | None = None) -> int:
    """Derive a street graph file: `python -m controller.cli.streets SOURCE TARGET`."""
    parser = argparse.ArgumentParser(prog="streets", description=main.__doc__)
    parser.add_argument("source", type=Path, help="OpenStreetMap extract, e.g. .osm.pbf")
    parser.add_argument("target", type=Path, help="GeoJSON file to write")
    parser.add_argument("--longest-edge-m", type=float, default=0.0)
    parser.add_argument("--simplify-m", type=float, default=0.0)
    parser.add_argument("--spurs-m", type=float, default=0.0)
    parser.add_argument("--short-ids", action="store_true")
    given = parser.parse_args(arguments)
    try:
        graph = streets_from_osm(
            given.source,
            longest_edge_m=given.longest_edge_m,
            simplify_m=given.simplify_m,
            spurs_m=given.spurs_m,
        )
    except StreetError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    text = streets_text(renumbered(graph) if given.short_ids else graph)
    given.target.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
