"""The street graph: paths, closed edges, components, and its file."""

from __future__ import annotations

import json
import math

import pytest

from geofence.frames import LatLon, geodesic_m
from missions.roads import (
    StreetEdge,
    StreetError,
    StreetFileError,
    StreetGraph,
    StreetNode,
    line_length_m,
)
from missions.roads_file import read_streets, write_streets

LAT, LON = 60.17, 24.94


def node(name: str, east: float, north: float) -> StreetNode:
    return StreetNode(name, LatLon(round(LAT + north * 1e-3, 6), round(LON + east * 1e-3, 6)))


NODES = {
    n.node_id: n
    for n in (
        node("a", 0, 0),
        node("b", 1, 0),
        node("c", 2, 0),
        node("d", 1, 1),
        node("x", 9, 9),
        node("y", 10, 9),
    )
}


def street(
    name: str, start: str, end: str, *, one_way: bool = False, via: tuple[LatLon, ...] = ()
) -> StreetEdge:
    line = (NODES[start].position, *via, NODES[end].position)
    return StreetEdge(name, start, end, line_length_m(line), 1.5, line, "footway", one_way)


@pytest.fixture
def graph() -> StreetGraph:
    return StreetGraph(
        NODES.values(),
        [
            street("ab", "a", "b"),
            street("bc", "b", "c"),
            street("ad", "a", "d"),
            street("dc", "d", "c"),
            street("xy", "x", "y"),
        ],
    )


def test_path_takes_the_shorter_way_in_driving_direction(graph: StreetGraph) -> None:
    there = graph.path("a", "c")
    back = graph.path("c", "a")
    assert there is not None
    assert back is not None
    assert [way.edge.edge_id for way in there] == ["ab", "bc"]
    assert [way.edge.edge_id for way in back] == ["bc", "ab"]
    assert back[0].start_node_id == "c"
    assert back[0].end_node_id == "b"
    assert back[0].geometry[0] == NODES["c"].position
    assert back[0].geometry[-1] == NODES["b"].position


def test_closed_edges_are_driven_round(graph: StreetGraph) -> None:
    way = graph.path("a", "c", frozenset({"bc"}))
    assert way is not None
    assert [w.edge.edge_id for w in way] == ["ad", "dc"]
    assert graph.path("a", "c", frozenset({"bc", "dc"})) is None
    assert "c" not in graph.distances("a", frozenset({"bc", "dc"}))


def test_one_way_street_is_driven_one_way() -> None:
    graph = StreetGraph([NODES["a"], NODES["b"]], [street("ab", "a", "b", one_way=True)])
    assert graph.path("a", "b") is not None
    assert graph.path("b", "a") is None
    assert not graph.connected("a", "b")


def test_start_is_goal_and_other_component(graph: StreetGraph) -> None:
    assert graph.path("a", "a") == ()
    assert graph.path("a", "x") is None
    assert graph.connected("a", "d")
    assert not graph.connected("a", "x")
    assert set(graph.distances("a")) == {"a", "b", "c", "d"}
    assert graph.distances("a")["c"] == pytest.approx(
        geodesic_m(NODES["a"].position, NODES["c"].position), abs=0.01
    )


def test_the_shorter_of_two_parallel_streets_is_taken() -> None:
    detour = LatLon(LAT + 0.002, LON)
    graph = StreetGraph(
        [NODES["a"], NODES["b"]],
        [street("long", "a", "b", via=(detour,)), street("short", "a", "b")],
    )
    way = graph.path("a", "b")
    assert way is not None
    assert [w.edge.edge_id for w in way] == ["short"]


def test_nearest_may_be_held_to_a_component(graph: StreetGraph) -> None:
    far = LatLon(LAT + 9e-3, LON + 9e-3)
    found, distance_m = graph.nearest(far)
    assert found.node_id == "x"
    assert distance_m == pytest.approx(0.0, abs=1e-6)
    held, held_m = graph.nearest(far, connected_to="a")
    assert held.node_id in {"c", "d"}
    assert held_m > 500.0


def test_largest_component_drops_the_island(graph: StreetGraph) -> None:
    kept = graph.largest_component()
    assert set(kept.nodes) == {"a", "b", "c", "d"}
    assert "xy" not in kept.edges


def test_unknown_node_and_empty_graph_are_named(graph: StreetGraph) -> None:
    with pytest.raises(StreetError, match="nowhere"):
        graph.path("a", "nowhere")
    with pytest.raises(StreetError, match="import streets"):
        StreetGraph([], []).nearest(LatLon(LAT, LON))
    with pytest.raises(StreetError, match="end_node"):
        StreetGraph([NODES["a"]], [street("ab", "a", "b")])


def test_file_round_trip(graph: StreetGraph) -> None:
    again = read_streets(json.dumps(write_streets(graph)))
    assert dict(again.nodes) == dict(graph.nodes)
    assert set(again.edges) == set(graph.edges)
    for edge_id, edge in graph.edges.items():
        assert again.edges[edge_id].length_m == pytest.approx(edge.length_m, abs=0.05)
        assert again.edges[edge_id].geometry[0] == edge.geometry[0]


def feature(**changes: object) -> dict[str, object]:
    properties: dict[str, object] = {
        "edge_id": "e1",
        "kind": "footway",
        "max_speed_mps": 1.5,
        "one_way": False,
        "start_node": "a",
        "end_node": "b",
    }
    geometry = changes.pop("geometry", None) or {
        "type": "LineString",
        "coordinates": [[LON, LAT], [LON + 0.001, LAT]],
    }
    return {"type": "Feature", "properties": properties | changes, "geometry": geometry}


def collection(*features: object) -> str:
    return json.dumps({"type": "FeatureCollection", "features": list(features)})


def line(*positions: object) -> dict[str, object]:
    return {"type": "LineString", "coordinates": list(positions)}


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (feature(edge_id=""), "edge_id"),
        (feature(kind=3), "kind"),
        (feature(max_speed_mps=0), "max_speed_mps"),
        (feature(max_speed_mps=math.nan), "max_speed_mps"),
        (feature(max_speed_mps=True), "max_speed_mps"),
        (feature(one_way="yes"), "one_way"),
        (feature(start_node=None), "start_node"),
        (feature(geometry={"type": "Point", "coordinates": [LON, LAT]}), "geometry"),
        (feature(geometry=line([LON, LAT])), "geometry"),
        (feature(geometry=line([LON, LAT], [LON, 95.0])), "geometry"),
        (feature(geometry=line([LON, LAT], [math.nan, LAT])), "geometry"),
        (feature(geometry=line([LON, LAT], ["x", LAT])), "geometry"),
        ("no object", "feature"),
        ({"type": "Feature"}, "properties"),
    ],
)
def test_bad_feature_is_named_with_its_field(bad: object, field: str) -> None:
    with pytest.raises(StreetFileError) as caught:
        read_streets(collection(bad))
    assert caught.value.errors[0].field == field


def test_every_bad_feature_is_told_at_once() -> None:
    with pytest.raises(StreetFileError) as caught:
        read_streets(collection(feature(kind=""), feature(), feature(edge_id="e3", one_way=0)))
    assert [error.field for error in caught.value.errors] == ["kind", "one_way"]
    assert "e3" in str(caught.value)


def test_node_in_two_places_and_twin_edges_are_refused() -> None:
    moved = feature(edge_id="e2", geometry=line([LON + 0.01, LAT], [LON + 0.001, LAT]))
    with pytest.raises(StreetFileError, match="does not end at node 'a'"):
        read_streets(collection(feature(), moved))
    with pytest.raises(StreetFileError, match="two edges share"):
        read_streets(collection(feature(), feature()))


@pytest.mark.parametrize("text", ["", "[]", '{"type": "Feature"}', '{"type": "FeatureCollection"}'])
def test_what_is_no_street_file_is_refused(text: str) -> None:
    with pytest.raises(StreetFileError):
        read_streets(text)


def test_streets_across_the_antimeridian_meet_at_their_nodes_and_are_as_long_as_elsewhere() -> None:
    """A node may be told as 180 by one street and as -180 by another; both are one place."""

    def street(edge_id: str, ends: tuple[str, str], *lonlat: tuple[float, float]) -> dict:
        return {
            "type": "Feature",
            "geometry": {"type": "LineString", "coordinates": [list(p) for p in lonlat]},
            "properties": {
                "edge_id": edge_id, "kind": "service", "max_speed_mps": 2.0, "one_way": False,
                "start_node": ends[0], "end_node": ends[1],
            },
        }  # fmt: skip

    def town(middle: float) -> StreetGraph:
        west, east = ((middle + d + 180.0) % 360.0 - 180.0 for d in (-0.004, 0.006))
        other = -180.0 if middle == 180.0 else middle
        features = [
            street("w", ("a", "b"), (west, -16.8), (middle, -16.8)),
            street("e", ("b", "c"), (other, -16.8), (east, -16.8)),
            street("d", ("a", "c"), (west, -16.8), (middle, -16.79), (east, -16.8)),
        ]
        body = json.dumps({"type": "FeatureCollection", "features": features})
        return read_streets(body.encode())

    across, elsewhere = town(180.0), town(20.0)
    for graph in (across, elsewhere):
        way = graph.path("a", "c")
        assert way is not None
        assert [step.edge.edge_id for step in way] == ["w", "e"]
    for edge_id, edge in across.edges.items():
        assert edge.length_m == pytest.approx(elsewhere.edges[edge_id].length_m, abs=1e-6)
    spot = LatLon(-16.8, -179.9995)
    node, away_m = across.nearest(spot)
    assert node.node_id == "b"
    assert away_m == pytest.approx(elsewhere.nearest(LatLon(-16.8, 20.0005))[1], abs=1e-6)
    apart = json.loads(json.dumps(
        {"type": "FeatureCollection", "features": [
            street("w", ("a", "b"), (179.99, -16.8), (179.99999, -16.8)),
            street("e", ("b", "c"), (-179.99999, -16.8), (-179.99, -16.8)),
        ]}
    ))  # fmt: skip
    with pytest.raises(StreetFileError, match=r"does not end at node 'b'.* 2\.1 m away"):
        read_streets(json.dumps(apart).encode())
