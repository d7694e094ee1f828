"""The referee on narrow streets and crossings: made-up meetings are found, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sitl.referee import RefereeError, Report, judge
from sitl.referee.lanes import read_stretches
from tests.unit.sitl.referee_lab import Lab, at

BOTS = {"bot": "robot", "bot-2": "robot"}
Y = 500.0
"""North of the hub."""


def street(name: str, start: str, end: str, west: float, east: float, **told: object):
    return {
        "type": "Feature",
        "properties": {"edge_id": name, "start_node": start, "end_node": end, **told},
        "geometry": {"type": "LineString", "coordinates": [at(west, Y), at(east, Y)]},
    }


STREETS = [
    street("wide", "n0", "n1", 0, 100, width_m=3.0),
    street("lane-1", "n1", "n2", 100, 140, width_m=1.0),
    street("lane-2", "n3", "n2", 200, 140, width_m=1.0),
    street("cross", "n3", "n4", 200, 220, passage="crossing"),
    street("unknown", "n4", "n5", 220, 300),
]


class Meeting(Lab):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder, vehicles=dict(BOTS))

    def drive_east(self, name: str, t: float, west: float = 0.0, east: float = 300.0) -> None:
        self.move(name, (west, Y, 15.0), (east, Y, 15.0), t, t + (east - west) / 1.5)

    def drive_west(self, name: str, t: float) -> None:
        self.move(name, (300.0, Y, 15.0), (0.0, Y, 15.0), t, t + 200.0)

    def judged(self, *, streets: bool = True) -> Report:
        file = self.folder / "streets.geojson"
        file.write_text(json.dumps({"type": "FeatureCollection", "features": STREETS}))
        return judge(*self.write(), streets_file=file if streets else None)

    def told(self) -> list[tuple[str, str]]:
        return [(f.rule, f.text) for f in self.judged().findings]


def test_stretches_are_joined_where_they_follow_each_other(tmp_path: Path) -> None:
    file = tmp_path / "s"
    file.write_text(json.dumps({"features": STREETS}))
    found = {s.name: (s.alone, len(s.line)) for s in read_stretches(file)}
    assert found == {"lane-1": (False, 3), "cross": (True, 2)}


def test_two_that_go_against_each_other_in_a_lane_are_found(tmp_path: Path) -> None:
    lab = Meeting(tmp_path)
    lab.drive_east("bot", 0.0)
    lab.drive_west("bot-2", 0.0)
    ((rule, text),) = lab.told()
    assert rule == "lanes"
    assert text.startswith("bot and bot-2 were in one narrow stretch")
    assert "under the least of 2 m" in text


def test_one_that_turns_back_in_a_lane_is_found_before_they_are_near(tmp_path: Path) -> None:
    lab = Meeting(tmp_path)
    lab.drive_east("bot", 0.0, 0.0, 180.0)
    lab.move("bot", (180.0, Y, 15.0), (160.0, Y, 15.0), 120.0, 133.0)
    lab.drive_east("bot-2", 40.0, 0.0, 130.0)
    lab.sample("bot-2", 133.0, 131.0, Y)
    told = lab.told()
    assert [rule for rule, _ in told] == ["lanes"]
    assert "under the least" not in told[0][1]


def test_one_after_the_other_and_on_a_wide_street_is_no_finding(tmp_path: Path) -> None:
    lab = Meeting(tmp_path)
    lab.drive_east("bot", 0.0, 0.0, 90.0)
    lab.move("bot", (90.0, Y, 15.0), (90.0, Y, 15.0), 60.0, 150.0)
    lab.drive_west("bot-2", 0.0)
    lab.drive_east("bot", 150.0, 90.0, 300.0)
    report = lab.judged()
    assert not report.findings
    assert report.stretches == 2


def test_two_that_follow_each_other_through_a_lane_are_none(tmp_path: Path) -> None:
    lab = Meeting(tmp_path)
    lab.drive_east("bot", 0.0)
    lab.drive_east("bot-2", 20.0)
    assert lab.told() == []


def test_two_on_one_crossing_are_found_whichever_way_they_go(tmp_path: Path) -> None:
    lab = Meeting(tmp_path)
    lab.drive_east("bot", 0.0)
    lab.drive_east("bot-2", 5.0)
    ((rule, text),) = lab.told()
    assert rule == "lanes"
    assert "on one crossing at cross" in text


def test_without_streets_nothing_of_it_is_judged(tmp_path: Path) -> None:
    lab = Meeting(tmp_path)
    lab.drive_east("bot", 0.0)
    lab.drive_west("bot-2", 0.0)
    report = lab.judged(streets=False)
    assert not report.findings
    assert report.stretches == 0


def test_a_street_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "s"
    file.write_text(json.dumps({"features": [street("", "a", "b", 0, 1)]}))
    with pytest.raises(RefereeError, match="edge_id"):
        read_stretches(file)
