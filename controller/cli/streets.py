"""Reading an OpenStreetMap extract into a street graph.

Owns how ways become edges; which ways, and what their tags say, is `osm`'s. Must not decide about
missions: the graph is `missions.roads`'s.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from controller.cli.osm import (
    PLAIN,
    SPEED_MPS,
    NodeTraits,
    OsmWay,
    WayTraits,
    incline_pct,
    length_m,
    node_traits,
    read_ways,
    unreadable,
    usable_kind,
    way_traits,
)
from geofence.errors import GridError
from geofence.frames import LatLon, geodesic_m
from geofence.terrain import Grid, read_esri_ascii
from missions.roads import (
    Passage,
    StreetEdge,
    StreetError,
    StreetGraph,
    StreetNode,
    line_length_m,
)
from missions.roads_file import write_streets
from missions.slopes import with_slopes

__all__ = [
    "PLAIN", "SPEED_MPS", "Bounds", "NodeTraits", "OsmWay", "WayTraits", "counts", "graph_of",
    "incline_pct", "joined", "length_m", "main", "node_traits", "read_terrain", "read_ways",
    "renumbered", "split", "streets_from_osm", "streets_text", "usable_kind", "way_traits",
    "without_spurs",
]  # fmt: skip

_DECIMALS = 6


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


def streets_from_osm(
    path: Path,
    bounds: Bounds | None = None,
    *,
    join_chains: bool = True,
    longest_edge_m: float = 0.0,
    simplify_m: float = 0.0,
    spurs_m: float = 0.0,
    terrain: Grid | None = None,
    timezone: str = "",
    bare: bool = False,
) -> StreetGraph:
    """The largest connected street graph of an OpenStreetMap extract.

    `bounds` keeps ways inside a box; `join_chains` joins edges that meet at a node of no other
    street; `longest_edge_m` above 0 splits longer edges evenly, so that robots may stop along
    them; `simplify_m` above 0 drops points that lie nearer than this to the line of the rest;
    `spurs_m` above 0 drops dead ends shorter than this; `terrain` gives edges without an incline
    tag theirs; `timezone` is of the gates' hours; `bare` takes the kinds alone, without one-way
    streets, widths, slopes, crossings, gates and lifts.
    Raises StreetFileError where the file is absent, broken or holds no street.
    """
    ways = tuple(_clipped(read_ways(path, timezone), bounds))
    if bare:
        ways = tuple(OsmWay(w.way_id, w.kind, w.points) for w in ways if w.kind != "elevator")
    if not ways:
        raise unreadable(path, "holds no street that a robot may use inside the bounds")
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
    graph = graph.largest_component()
    return graph if terrain is None else with_slopes(graph, terrain)


def streets_text(graph: StreetGraph) -> str:
    """The graph as GeoJSON with a feature a line, positions to 0.1 m."""
    body = write_streets(graph, decimals=_DECIMALS)
    lines = ",\n".join(json.dumps(f, separators=(",", ":")) for f in body["features"])
    return f'{{"type":"FeatureCollection","features":[\n{lines}\n]}}\n'


def graph_of(ways: Iterable[OsmWay]) -> StreetGraph:
    """Ways split at the nodes that they share, at gates and lifts, and at their ends.

    A way ends on both sides of what no robot passes.
    """
    kept = [way for way in ways if len(way.points) >= 2]
    uses = Counter(ref for way in kept for ref, _ in way.points)
    told: dict[int, NodeTraits] = {}
    for way in kept:
        uses[way.points[0][0]] += 1
        uses[way.points[-1][0]] += 1
        told |= way.nodes
    for ref in told:
        uses[ref] += 1
    nodes: dict[str, StreetNode] = {}
    edges: list[StreetEdge] = []
    pieces: Counter[int] = Counter()
    for way in kept:
        piece: list[tuple[int, LatLon]] = []
        for point in way.points:
            traits = told.get(point[0])
            if traits is not None and traits.blocked:
                piece = []
                continue
            piece.append(point)
            if len(piece) > 1 and uses[point[0]] > 1:
                pieces[way.way_id] += 1
                name = f"w{way.way_id}.{pieces[way.way_id]}"
                _add_piece(nodes, edges, name, way, piece)
                piece = [point]
    return StreetGraph(nodes.values(), edges)


def joined(graph: StreetGraph) -> StreetGraph:
    """Chains of alike two-way edges through plain nodes of degree two, joined into one edge."""
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
        if one.one_way or other.one_way or len(ends) < 3 or graph.nodes[node_id].passage:
            continue
        if _alike(one) != _alike(other):
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
        (replace(n, node_id=names[n.node_id]) for n in graph.nodes.values()),
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
    way: OsmWay,
    piece: list[tuple[int, LatLon]],
) -> None:
    traits = way.traits
    piece = piece[::-1] if traits.one_way < 0 else piece
    geometry = tuple(position for _, position in piece)
    line_length = line_length_m(geometry)
    start, end = f"n{piece[0][0]}", f"n{piece[-1][0]}"
    if start == end or line_length == 0.0:
        return
    ends = [way.nodes.get(ref) or NodeTraits() for ref in (piece[0][0], piece[-1][0])]
    for name, place, known in zip((start, end), (geometry[0], geometry[-1]), ends, strict=True):
        nodes.setdefault(name, StreetNode(name, place, known.passage))
    widths = [w for w in (traits.width_m, *(known.width_m for known in ends)) if w is not None]
    incline = traits.incline_pct
    edges.append(
        StreetEdge(
            edge_id,
            start,
            end,
            line_length,
            SPEED_MPS[way.kind],
            geometry,
            way.kind,
            one_way=traits.one_way != 0,
            width_m=min(widths, default=None),
            incline_pct=-incline if incline is not None and traits.one_way < 0 else incline,
            surface=traits.surface,
            passage=traits.passage,
            hours=traits.hours or ends[0].hours or ends[1].hours,
        )
    )


def _alike(edge: StreetEdge) -> tuple[object, ...]:
    steep = None if edge.incline_pct is None else abs(edge.incline_pct)
    return edge.kind, edge.width_m, steep, edge.surface, edge.passage, edge.hours


def _through(one: StreetEdge, other: StreetEdge, node_id: str) -> StreetEdge:
    """`one` and `other` as one edge through `node_id`, from the far end of `one`."""
    ahead = one.geometry if one.end_node_id == node_id else one.geometry[::-1]
    start = one.start_node_id if one.end_node_id == node_id else one.end_node_id
    beyond = other.geometry if other.start_node_id == node_id else other.geometry[::-1]
    end = other.end_node_id if other.start_node_id == node_id else other.start_node_id
    incline = one.incline_pct
    return replace(
        one,
        incline_pct=-incline if incline is not None and ahead is not one.geometry else incline,
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


def counts(graph: StreetGraph) -> dict[str, int]:
    """How much of what there is in a graph."""
    edges = graph.edges.values()
    return {
        "nodes": len(graph.nodes),
        "edges": len(edges),
        "one-way": sum(e.one_way for e in edges),
        "crossings": sum(e.passage is Passage.CROSSING for e in edges),
        "lifts": sum(e.passage is Passage.LIFT for e in edges)
        + sum(n.passage is Passage.LIFT for n in graph.nodes.values()),
        "gates with hours": sum(e.hours is not None for e in edges),
        "of known width": sum(e.width_m is not None for e in edges),
        "of known slope": sum(e.incline_pct is not None for e in edges),
    }


def read_terrain(path: Path | None) -> Grid | None:
    """A grid of heights; None where no file is named. Raises StreetFileError."""
    if path is None:
        return None
    try:
        return read_esri_ascii(path.read_text(encoding="ascii"))
    except (GridError, UnicodeDecodeError) as error:
        raise unreadable(path, f"is no Esri ASCII grid: {error}") from error
    except OSError as error:
        raise unreadable(path, f"cannot be read: {error.strerror}") from error


def main(arguments: list[str] | None = None) -> int:
    """Derive a street graph file: `python -m controller.cli.streets SOURCE TARGET`."""
    parser = argparse.ArgumentParser(prog="streets", description=main.__doc__)
    parser.add_argument("source", type=Path, help="OpenStreetMap extract, e.g. .osm.pbf")
    parser.add_argument("target", type=Path, help="GeoJSON file to write")
    parser.add_argument("--longest-edge-m", type=float, default=0.0)
    parser.add_argument("--simplify-m", type=float, default=0.0)
    parser.add_argument("--spurs-m", type=float, default=0.0)
    parser.add_argument("--short-ids", action="store_true")
    parser.add_argument("--bare", action="store_true", help="kinds of streets alone")
    parser.add_argument("--timezone", default="", help="IANA, of gates' opening hours")
    parser.add_argument("--terrain", type=Path, help="Esri ASCII grid of heights, for slopes")
    given = parser.parse_args(arguments)
    try:
        graph = streets_from_osm(
            given.source,
            longest_edge_m=given.longest_edge_m,
            simplify_m=given.simplify_m,
            spurs_m=given.spurs_m,
            timezone=given.timezone,
            bare=given.bare,
            terrain=read_terrain(given.terrain),
        )
    except StreetError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    text = streets_text(renumbered(graph) if given.short_ids else graph)
    given.target.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
