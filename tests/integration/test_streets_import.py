"""OpenStreetMap extracts, real and made by hand, become street graphs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from controller.cli.streets import (
    SPEED_MPS,
    Bounds,
    OsmWay,
    counts,
    graph_of,
    joined,
    main,
    read_ways,
    renumbered,
    split,
    streets_from_osm,
    usable_kind,
    without_spurs,
)
from geofence.frames import LatLon, geodesic_m
from missions.roads import Passage, StreetError, StreetFileError
from missions.roads_file import read_streets, write_streets

pytest.importorskip("osmium", reason="osmium is not installed: it comes with the extra osm")

SCENARIO = Path(__file__).resolve().parents[2] / "sitl" / "scenarios" / "helsinki"

OSM = """<osm version="0.6">
<node id="1" lat="60.1700" lon="24.9400" version="1"/>
<node id="2" lat="60.1710" lon="24.9400" version="1"/>
<node id="3" lat="60.1720" lon="24.9400" version="1"/>
<node id="4" lat="60.1710" lon="24.9420" version="1"/>
<node id="5" lat="60.1800" lon="24.9600" version="1"/>
<node id="6" lat="60.1801" lon="24.9600" version="1"/>
<way id="10" version="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/><tag k="highway" v="footway"/></way>
<way id="11" version="1"><nd ref="2"/><nd ref="4"/><tag k="highway" v="residential"/></way>
<way id="12" version="1"><nd ref="3"/><nd ref="4"/><tag k="highway" v="motorway"/></way>
<way id="13" version="1"><nd ref="5"/><nd ref="6"/><tag k="highway" v="path"/></way>
</osm>
"""


def at(east: float, north: float) -> LatLon:
    return LatLon(60.17 + north * 1e-3, 24.94 + east * 1e-3)


def test_ways_are_split_where_they_meet_and_islands_dropped(tmp_path: Path) -> None:
    file = tmp_path / "town.osm"
    file.write_text(OSM)
    graph = streets_from_osm(file)
    assert {(e.start_node_id, e.end_node_id) for e in graph.edges.values()} == {
        ("n1", "n2"),
        ("n2", "n3"),
        ("n2", "n4"),
    }
    assert graph.edges["w11.1"].max_speed_mps == SPEED_MPS["residential"]


def test_bounds_cut_ways(tmp_path: Path) -> None:
    file = tmp_path / "town.osm"
    file.write_text(OSM)
    graph = streets_from_osm(file, Bounds(60.1695, 24.939, 60.1715, 24.941))
    assert set(graph.nodes) == {"n1", "n2"}
    with pytest.raises(StreetFileError, match="no street"):
        streets_from_osm(file, Bounds(10.0, 10.0, 11.0, 11.0))
    with pytest.raises(StreetError, match="bounds"):
        Bounds(61.0, 24.0, 60.0, 25.0)


def test_absent_or_broken_extract_is_named(tmp_path: Path) -> None:
    with pytest.raises(StreetFileError, match="no such file"):
        list(read_ways(tmp_path / "none.osm.pbf"))
    broken = tmp_path / "broken.osm.pbf"
    broken.write_bytes(b"no extract at all")
    with pytest.raises(StreetFileError, match=r"broken\.osm\.pbf"):
        list(read_ways(broken))


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ({"highway": "footway"}, "footway"),
        ({"highway": "steps"}, ""),
        ({"highway": "primary"}, ""),
        ({"highway": "service", "access": "private"}, ""),
        ({"highway": "service", "access": "private", "foot": "yes"}, "service"),
        ({"highway": "pedestrian", "area": "yes"}, ""),
        ({"highway": "footway", "level": "-1"}, ""),
        ({"highway": "cycleway", "foot": "no"}, ""),
        ({}, ""),
    ],
)
def test_which_streets_a_sidewalk_robot_uses(tags: dict[str, str], kind: str) -> None:
    assert usable_kind(tags) == kind


def test_chains_join_and_edges_split_without_changing_length() -> None:
    ways = [
        OsmWay(1, "path", ((1, at(0, 0)), (2, at(1, 0)))),
        OsmWay(2, "path", ((3, at(2, 0)), (2, at(1, 0)))),
        OsmWay(3, "path", ((3, at(2, 0)), (4, at(2, 1)), (5, at(3, 2)))),
    ]
    graph = graph_of(ways)
    total_m = sum(e.length_m for e in graph.edges.values())
    one = joined(graph)
    assert len(one.edges) == 1
    edge = next(iter(one.edges.values()))
    assert {edge.start_node_id, edge.end_node_id} == {"n1", "n5"}
    assert len(edge.geometry) == 5
    assert edge.length_m == pytest.approx(total_m)
    parts = split(one, 40.0)
    assert sum(e.length_m for e in parts.edges.values()) == pytest.approx(total_m, abs=0.01)
    assert max(e.length_m for e in parts.edges.values()) <= 40.01
    way = parts.path("n1", "n5")
    assert way is not None
    assert len(way) == len(parts.edges)


def test_a_ring_of_one_way_stays_a_ring() -> None:
    ring = OsmWay(1, "path", ((1, at(0, 0)), (2, at(1, 0)), (3, at(1, 1)), (1, at(0, 0))))
    tail = OsmWay(2, "path", ((2, at(1, 0)), (9, at(2, 0))))
    graph = joined(graph_of([ring, tail]))
    assert graph.distances("n1")["n9"] == pytest.approx(geodesic_m(at(0, 0), at(2, 0)), abs=0.01)
    assert graph.path("n9", "n1") is not None


def test_short_dead_ends_go() -> None:
    ways = [
        OsmWay(1, "path", ((1, at(0, 0)), (2, at(3, 0)), (3, at(6, 0)))),
        OsmWay(2, "path", ((2, at(3, 0)), (4, at(3, 0.1)))),
    ]
    graph = without_spurs(graph_of(ways), 30.0)
    assert set(graph.nodes) == {"n1", "n3"}


@pytest.mark.streets
def test_the_real_extract_becomes_one_connected_graph(shared_data: Path) -> None:
    graph = streets_from_osm(shared_data / "helsinki" / "helsinki.osm.pbf")
    assert len(graph.nodes) > 1500
    assert 50_000 < sum(e.length_m for e in graph.edges.values()) < 100_000
    assert len(graph.distances(next(iter(graph.nodes)))) == len(graph.nodes)
    station, distance_m = graph.nearest(LatLon(60.1719, 24.9414))
    senate, _ = graph.nearest(LatLon(60.1695, 24.9522))
    assert distance_m < 60.0
    driven_m = graph.distances(station.node_id)[senate.node_id]
    straight_m = geodesic_m(station.position, senate.position)
    assert straight_m <= driven_m < 2.5 * straight_m


@pytest.mark.streets
def _bare(file: Path) -> Any:
    """A street file without what the notice says was taken over or made up afterwards."""
    told = json.loads(file.read_text())
    for feature in told["features"]:
        for key in ("passage", "width_m"):
            feature["properties"].pop(key, None)
    return told


def test_the_scenario_is_what_its_notice_says(shared_data: Path, tmp_path: Path) -> None:
    target = tmp_path / "streets.geojson"
    source = shared_data / "helsinki" / "helsinki.osm.pbf"
    options = "--simplify-m 0.7 --longest-edge-m 80 --spurs-m 25 --short-ids --bare"
    assert options in (SCENARIO / "LICENSE-ODbL.txt").read_text()
    assert main([str(source), str(target), *options.split()]) == 0
    assert _bare(target) == _bare(SCENARIO / "streets.geojson")
    graph = read_streets(target.read_bytes())
    assert renumbered(graph).nodes.keys() == graph.nodes.keys()


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.osm"), str(tmp_path / "out.geojson")]) == 1
    assert "no such file" in capsys.readouterr().err
    assert not (tmp_path / "out.geojson").exists()


def test_missing_reader_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "osmium", None)
    with pytest.raises(StreetFileError, match=r"waypost\[osm\]"):
        list(read_ways(tmp_path / "town.osm.pbf"))


TAGGED = """<osm version="0.6">
<node id="1" lat="60.1700" lon="24.9400" version="1"/>
<node id="2" lat="60.1710" lon="24.9400" version="1"/>
<node id="3" lat="60.1720" lon="24.9400" version="1"/>
<node id="4" lat="60.1730" lon="24.9400" version="1"><tag k="barrier" v="gate"/>
<tag k="opening_hours" v="Mo-Su 06:00-22:00"/></node>
<node id="5" lat="60.1740" lon="24.9400" version="1"/>
<node id="6" lat="60.1740" lon="24.9410" version="1"><tag k="barrier" v="stile"/></node>
<node id="7" lat="60.1740" lon="24.9420" version="1"/>
<node id="8" lat="60.1700" lon="24.9420" version="1"><tag k="highway" v="elevator"/></node>
<way id="10" version="1"><nd ref="1"/><nd ref="2"/><tag k="highway" v="footway"/>
<tag k="width" v="0.9 m"/><tag k="incline" v="-6%"/><tag k="surface" v="asphalt"/></way>
<way id="11" version="1"><nd ref="2"/><nd ref="3"/><tag k="highway" v="footway"/>
<tag k="footway" v="crossing"/></way>
<way id="12" version="1"><nd ref="3"/><nd ref="4"/><nd ref="5"/><tag k="highway" v="footway"/></way>
<way id="13" version="1"><nd ref="5"/><nd ref="6"/><nd ref="7"/><tag k="highway" v="path"/></way>
<way id="14" version="1"><nd ref="1"/><nd ref="8"/><tag k="highway" v="residential"/>
<tag k="oneway" v="-1"/></way>
<way id="15" version="1"><nd ref="8"/><nd ref="1"/><tag k="highway" v="footway"/>
<tag k="oneway" v="yes"/></way>
<way id="16" version="1"><nd ref="5"/><nd ref="7"/><tag k="highway" v="steps"/></way>
</osm>
"""


def test_tags_become_what_is_known_of_streets(tmp_path: Path) -> None:
    file = tmp_path / "tagged.osm"
    file.write_text(TAGGED)
    graph = streets_from_osm(file, timezone="Europe/Helsinki")
    ramp = graph.edges["w10.1"]
    assert (ramp.width_m, ramp.incline_pct, ramp.surface) == (0.9, -6.0, "asphalt")
    assert graph.edges["w11.1"].passage is Passage.CROSSING
    gated = [e for e in graph.edges.values() if e.hours is not None]
    assert {e.edge_id for e in gated} == {"w12.1"}
    assert gated[0].length_m == pytest.approx(222.8, abs=1.0)
    assert "n7" not in graph.nodes
    assert graph.nodes["n8"].passage is Passage.LIFT
    against = graph.edges["w14.1"]
    assert against.one_way
    assert (against.start_node_id, against.end_node_id) == ("n8", "n1")
    assert not graph.edges["w15.1"].one_way
    told = counts(graph)
    assert (told["crossings"], told["lifts"], told["gates with hours"]) == (1, 1, 1)
    plain = streets_from_osm(file, bare=True)
    assert all(e.passage is None and not e.one_way for e in plain.edges.values())


def test_a_gate_whose_hours_nobody_can_read_stays_shut(tmp_path: Path) -> None:
    file = tmp_path / "tagged.osm"
    file.write_text(TAGGED)
    assert "n5" not in streets_from_osm(file).nodes
    file.write_text(TAGGED.replace("Mo-Su 06:00-22:00", "PH off"))
    assert "n5" not in streets_from_osm(file, timezone="Europe/Helsinki").nodes


@pytest.mark.streets
def test_the_real_extract_has_crossings_lifts_and_widths(shared_data: Path) -> None:
    graph = streets_from_osm(shared_data / "helsinki" / "helsinki.osm.pbf")
    told = counts(graph)
    assert told["crossings"] > 100
    assert told["one-way"] > 20
    assert told["of known width"] > 10
    again = read_streets(json.dumps(write_streets(graph)))
    assert counts(again) == told
