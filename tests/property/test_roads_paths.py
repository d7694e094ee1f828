"""Paths on random street graphs against a plain relaxation of every edge."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geofence.frames import LatLon, geodesic_m
from missions.roads import (
    StreetEdge,
    StreetGraph,
    StreetNode,
    line_length_m,
)
from missions.roads_file import read_streets, write_streets

places = st.tuples(st.integers(0, 40), st.integers(0, 40))


@st.composite
def graphs(draw: st.DrawFn) -> StreetGraph:
    spots = draw(st.lists(places, min_size=1, max_size=9, unique=True))
    nodes = [
        StreetNode(f"n{i}", LatLon(60.17 + y * 1e-4, 24.94 + x * 1e-4))
        for i, (x, y) in enumerate(spots)
    ]
    pairs = st.tuples(
        st.integers(0, len(nodes) - 1), st.integers(0, len(nodes) - 1), st.booleans()
    ).filter(lambda p: p[0] != p[1])
    ends = draw(st.lists(pairs, max_size=16)) if len(nodes) > 1 else []
    edges = []
    for number, (a, b, one_way) in enumerate(ends):
        line = (nodes[a].position, nodes[b].position)
        edges.append(
            StreetEdge(
                f"e{number}", f"n{a}", f"n{b}", line_length_m(line), 1.5, line, "path", one_way
            )
        )
    return StreetGraph(nodes, edges)


def relaxed(graph: StreetGraph, start: str, closed: frozenset[str]) -> dict[str, float]:
    best = {start: 0.0}
    for _ in graph.nodes:
        for edge in graph.edges.values():
            if edge.edge_id in closed:
                continue
            ways = [(edge.start_node_id, edge.end_node_id)]
            if not edge.one_way:
                ways.append((edge.end_node_id, edge.start_node_id))
            for a, b in ways:
                if a in best:
                    best[b] = min(best.get(b, float("inf")), best[a] + edge.length_m)
    return best


@given(graphs(), st.data())
def test_paths_are_shortest_connected_and_open(graph: StreetGraph, data: st.DataObject) -> None:
    names = sorted(graph.nodes)
    start, goal = data.draw(st.sampled_from(names)), data.draw(st.sampled_from(names))
    edges = sorted(graph.edges)
    closed = frozenset(data.draw(st.lists(st.sampled_from(edges))) if edges else ())
    best = relaxed(graph, start, closed)
    assert dict(graph.distances(start, closed)) == pytest.approx(best)
    way = graph.path(start, goal, closed)
    if goal not in best:
        assert way is None
        return
    assert way is not None
    assert sum(w.edge.length_m for w in way) == pytest.approx(best[goal])
    here = start
    for step in way:
        assert step.edge.edge_id not in closed
        assert step.start_node_id == here
        assert step.geometry[0] == graph.nodes[here].position
        here = step.end_node_id
    assert here == goal


@given(graphs())
def test_connected_means_there_and_back(graph: StreetGraph) -> None:
    reach = {name: set(graph.distances(name)) for name in graph.nodes}
    for a in graph.nodes:
        for b in graph.nodes:
            assert graph.connected(a, b) == (b in reach[a] and a in reach[b])


@given(graphs(), places)
def test_nearest_is_nearest(graph: StreetGraph, place: tuple[int, int]) -> None:
    here = LatLon(60.17 + place[1] * 1.3e-4, 24.94 + place[0] * 1.3e-4)
    _, distance_m = graph.nearest(here)
    assert distance_m == min(geodesic_m(here, n.position) for n in graph.nodes.values())


@given(graphs())
def test_file_round_trip_keeps_the_streets(graph: StreetGraph) -> None:
    again = read_streets(json.dumps(write_streets(graph)))
    assert set(again.edges) == set(graph.edges)
    for edge_id, edge in graph.edges.items():
        other = again.edges[edge_id]
        assert (other.start_node_id, other.end_node_id) == (edge.start_node_id, edge.end_node_id)
        assert other.one_way == edge.one_way
        assert other.length_m == pytest.approx(edge.length_m, abs=0.05)


@given(graphs(), st.data())
def test_lateness_is_what_slow_streets_cost_on_the_shortest_way(graph, data) -> None:
    speeds = st.sampled_from([0.4, 0.9, 1.5, 3.0])
    streets = StreetGraph(
        graph.nodes.values(),
        [replace(e, max_speed_mps=data.draw(speeds)) for e in graph.edges.values()],
    )
    speed_mps = data.draw(st.sampled_from([0.3, 1.0, 2.0]))
    for start in streets.nodes:
        late = streets.late_s(start, speed_mps)
        for goal in streets.distances(start):
            way = streets.path(start, goal, speed_mps=speed_mps)
            assert way is not None
            driven = sum(w.edge.length_m / min(speed_mps, w.edge.max_speed_mps) for w in way)
            even = sum(w.edge.length_m for w in way) / speed_mps
            assert late.get(goal, 0.0) == pytest.approx(driven - even, abs=0.02)
            assert sum(w.edge.length_m for w in way) == pytest.approx(
                streets.distances(start)[goal], abs=0.1
            )
