from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.zoneset import ZoneSet
from missions.errors import MissionFileError
from missions.formats.drawings import write_geojson, write_kml
from missions.formats.qgc_plan import read_plan, write_plan
from missions.formats.waypoints import read_waypoints, write_waypoints
from missions.model import AirMission, DropDevice
from missions.plan import RoundParcel, RoundRequest, plan_flight, plan_round
from tests.unit.controller.dispatch_worlds import grid
from tests.unit.missions.flights import FLAT, HOME, at, circle, request

IDS = {"mission_id": "m-1", "vehicle_id": "D-01", "parcel_ids": ("P-1",)}
WAYS = [(write_plan, read_plan), (write_waypoints, read_waypoints)]


def mission(device=DropDevice.WINCH) -> AirMission:
    zones = ZoneSet((circle("Z-1", at(500.0, 20.0), 100.0),))
    made = plan_flight(request(at(1000.0, 0.0), device=device), zones, FLAT)
    assert isinstance(made, AirMission)
    return made


@pytest.mark.parametrize("device", list(DropDevice))
@pytest.mark.parametrize(("write", "read"), WAYS)
def test_a_mission_comes_back_with_the_same_hash(write, read, device):
    made = mission(device)
    text = write(made)
    assert read(text, **IDS).content_hash == made.content_hash
    assert read(text.encode(), **IDS).content_hash == made.content_hash
    assert read(text, **IDS).zones_version == ""
    assert read(text, **{**IDS, "parcel_ids": ()}).parcel_ids == ("",)


def test_the_plan_file_has_what_ground_control_asks_for():
    body = json.loads(write_plan(mission()))
    assert (body["fileType"], body["version"]) == ("Plan", 1)
    assert {"geoFence", "rallyPoints", "mission", "groundStation"} <= set(body)
    items = body["mission"]["items"]
    assert [i["doJumpId"] for i in items] == list(range(1, len(items) + 1))
    assert all(len(i["params"]) == 7 for i in items)
    assert [i["command"] for i in items if i["command"] > 100] == [178, 42600, 42600, 188]
    out, back = (i["params"][2] for i in items if i["command"] == 42600)
    assert (out, back) == (21.0, -21.0)


def test_the_waypoint_file_starts_with_home():
    lines = write_waypoints(mission()).splitlines()
    assert lines[0] == "QGC WPL 110"
    home = lines[1].split("\t")
    assert (len(home), home[0], home[2], home[3]) == (12, "0", "0", "16")
    assert float(home[8]) == pytest.approx(HOME.lat_deg, abs=1e-9)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda b: b.update(fileType="x"), "fileType"),
        (lambda b: b.pop("mission"), "mission"),
        (lambda b: b["mission"].update(plannedHomePosition=[1.0]), "plannedHomePosition"),
        (lambda b: b["mission"].update(items=3), "items"),
        (lambda b: b["mission"]["items"][0].update(type="ComplexItem"), "item 1"),
        (lambda b: b["mission"]["items"][2].update(command=999), "item 3: command 999"),
        (lambda b: b["mission"]["items"][2].update(frame=10), "item 3: frame 10"),
        (lambda b: b["mission"]["items"][2]["params"].__setitem__(4, 95.0), "item 3"),
        (lambda b: b["mission"]["items"][2]["params"].__setitem__(6, "high"), "item 3"),
        (lambda b: b["mission"]["items"][2]["params"].__setitem__(6, 1e400), "item 3"),
        (lambda b: b["mission"]["items"].pop(), "end with a landing"),
    ],
)
def test_a_bad_plan_names_what_is_wrong(change, words):
    body = json.loads(write_plan(mission()))
    change(body)
    with pytest.raises(MissionFileError, match=words):
        read_plan(json.dumps(body), **IDS)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("QGC WPL 110", "QGC WPL 120", "line 1"),
        ("\t1\n2\t", "\n2\t", "line 3: has 11 columns"),
        ("\n2\t0", "\n7\t0", "line 4: seq 7 should be 2"),
        ("\n2\t0", "\n2\tx", "line 4: holds something that is no number"),
    ],
)
def test_a_bad_waypoint_file_names_the_line(old, new, words):
    text = write_waypoints(mission())
    assert old in text
    with pytest.raises(MissionFileError, match=words):
        read_waypoints(text.replace(old, new, 1), **IDS)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_rubbish_is_refused_by_name(data):
    for _, read in WAYS:
        with pytest.raises(MissionFileError):
            read(data, **IDS)


def test_drawings_of_flights_and_rounds():
    flight = replace(mission(), vehicle_id="D<1>")
    parcel = RoundParcel("P-1", 1.0, HOME, at(500.0, 250.0))
    round_ = plan_round(
        RoundRequest("m-2", "R-01", HOME, HOME, (parcel,), 1.7, 4), ZoneSet(()), grid()
    )
    for made, stops in ((flight, 2), (round_, 2)):
        body = write_geojson(made)
        assert len(body["features"]) == 1 + stops
        way = body["features"][0]["geometry"]["coordinates"]
        assert way[0][:2] == pytest.approx(way[-1][:2])
        tree = ET.fromstring(write_kml(made))
        space = {"k": "http://www.opengis.net/kml/2.2"}
        assert len(tree.findall(".//k:Point", space)) == stops
        (line,) = tree.findall(".//k:LineString/k:coordinates", space)
        assert len(line.text.split()) == len(way)
    assert max(c[2] for c in write_geojson(flight)["features"][0]["geometry"]["coordinates"]) == 70
