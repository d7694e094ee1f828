"""What streets tell of themselves: file form, gates' hours, slopes, and whom they fit."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from geofence.frames import LatLon
from geofence.terrain import Grid
from missions.opening import HoursError, read_hours
from missions.roads import (
    Passage,
    StreetEdge,
    StreetFileError,
    StreetGraph,
    StreetNode,
    line_length_m,
)
from missions.roads_file import read_streets, write_streets
from missions.slopes import incline_pct, with_slopes
from missions.street_use import RobotFit, fit_in_common, unfit, unfit_edges

HELSINKI = "Europe/Helsinki"
MONDAY = datetime(2026, 6, 8, 0, 0, tzinfo=UTC)


def at(east_m: float, north_m: float = 0.0) -> LatLon:
    return LatLon(60.17 + north_m / 111_400.0, 24.94 + east_m / 55_500.0)


def street(edge_id: str = "e", length_m: float = 100.0, **known: object) -> StreetEdge:
    line = (at(0), at(length_m))
    return StreetEdge(edge_id, "a", "b", line_length_m(line), 1.5, line, "footway", **known)


def graph(*edges: StreetEdge) -> StreetGraph:
    places = (StreetNode("a", at(0), Passage.DOCK), StreetNode("b", edges[0].geometry[-1]))
    return StreetGraph(places, edges)


def during(hours, start_h: float, end_h: float) -> bool:
    """Open from one hour to another, counted from Monday 00:00 UTC (03:00 in Helsinki)."""
    return hours.active_throughout(
        MONDAY + timedelta(hours=start_h), MONDAY + timedelta(hours=end_h)
    )


def test_hours_of_a_gate_are_its_own_time_zones() -> None:
    hours = read_hours("Mo-Fr 06:00-22:00; Sa 08:00-12:00,13:00-20:00", HELSINKI)
    assert hours is not None
    assert during(hours, 3, 18)
    assert not during(hours, 2, 4)
    assert not during(hours, 18, 19.5)
    assert during(hours, 5 * 24 + 5, 5 * 24 + 8.9)
    assert not during(hours, 5 * 24 + 8, 5 * 24 + 11)
    assert not during(hours, 6 * 24 + 8, 6 * 24 + 9)


def test_hours_over_midnight_and_whole_days() -> None:
    night = read_hours("22:00-06:00", "UTC")
    assert night is not None
    assert during(night, 23, 29)
    assert not during(night, 5, 7)
    whole = read_hours("Mo 00:00-24:00; Tu off", "UTC")
    assert whole is not None
    assert during(whole, 0, 23)
    assert not during(whole, 23, 25)
    assert read_hours("24/7", "UTC") is None


@pytest.mark.parametrize(
    "text",
    ["PH off", "sunrise-sunset", "Mo-Fr", "Xx 08:00-09:00", "08:00-25:00", "off", "", "Mo off"],
)
def test_hours_that_are_not_understood_are_refused(text: str) -> None:
    with pytest.raises(HoursError):
        read_hours(text, "UTC")


def test_hours_need_a_time_zone() -> None:
    with pytest.raises(HoursError, match="IANA"):
        read_hours("08:00-09:00", "Nowhere/At_All")


def test_what_is_known_of_streets_is_written_and_read_again() -> None:
    known = street(
        width_m=1.2,
        incline_pct=-7.5,
        surface="asphalt",
        passage=Passage.CROSSING,
        hours=read_hours("Mo-Fr 06:00-22:00; Sa 08:00-20:00", HELSINKI),
    )
    text = json.dumps(write_streets(graph(known)))
    again = read_streets(text)
    assert again.nodes["a"].passage is Passage.DOCK
    edge = again.edges["e"]
    assert (edge.width_m, edge.incline_pct, edge.surface) == (1.2, -7.5, "asphalt")
    assert edge.passage is Passage.CROSSING
    assert json.dumps(write_streets(again)) == text
    for start in range(0, 7 * 24, 3):
        assert during(edge.hours, start, start + 1) == during(known.hours, start, start + 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width_m", -1.0),
        ("width_m", "wide"),
        ("incline_pct", 400),
        ("passage", "dock"),
        ("hours", "noon"),
        ("surface", ""),
    ],
)
def test_a_bad_property_is_named(field: str, value: object) -> None:
    body = write_streets(graph(street()))
    body["features"][0]["properties"] |= {field: value, "timezone": "UTC"}
    with pytest.raises(StreetFileError) as caught:
        read_streets(json.dumps(body))
    assert caught.value.errors[0].field == field


def test_a_place_must_be_a_node_of_a_street() -> None:
    body = write_streets(graph(street()))
    body["features"][1]["properties"]["node_id"] = "elsewhere"
    with pytest.raises(StreetFileError, match="no street starts or ends"):
        read_streets(json.dumps(body))
    body["features"][1]["properties"] = {"node_id": "b", "passage": "dock"}
    with pytest.raises(StreetFileError, match="m away"):
        read_streets(json.dumps(body))


def test_streets_that_a_robot_does_not_fit_are_told() -> None:
    robot = RobotFit(0.7, 10.0)
    noon = MONDAY + timedelta(hours=12)
    later = noon + timedelta(hours=1)
    narrow = unfit(street(width_m=0.6), robot, noon, later)
    assert narrow is not None
    assert narrow.lasting
    assert narrow.text == "is 0.6 m wide and the robot 0.7 m"
    steep = unfit(street(incline_pct=-12.5), robot, noon, later)
    assert steep is not None
    assert "slope of 12.5 %" in steep.text
    gate = street(hours=read_hours("Mo-Fr 06:00-15:30", HELSINKI))
    shut = unfit(gate, robot, noon, later)
    assert shut is not None
    assert not shut.lasting
    assert unfit(gate, robot, noon - timedelta(hours=2), noon - timedelta(hours=1)) is None
    assert unfit(street(), robot, noon, later) is None
    assert unfit(street(width_m=0.1, incline_pct=90.0), RobotFit(), noon, later) is None
    found = unfit_edges(graph(street(width_m=0.5)), robot, enter=noon, leave=later)
    assert list(found) == ["e"]


def test_a_street_is_open_to_all_as_to_the_most_bound() -> None:
    common = fit_in_common([RobotFit(0.6, 8.0), RobotFit(0.9, None), RobotFit(None, 12.0)])
    assert common == RobotFit(0.9, 8.0)
    assert fit_in_common([]) == RobotFit()


def ramp(per_m: float) -> Grid:
    posts = np.array([[c * 5.55 * per_m for c in range(60)] for _ in range(6)], dtype=np.float32)
    return Grid(
        west_deg=24.938, south_deg=60.1699, step_lon_deg=1e-4, step_lat_deg=1e-4, posts=posts
    )


def test_slopes_come_from_the_ground_where_no_tag_tells_them() -> None:
    terrain = ramp(0.08)
    line = street().geometry
    assert incline_pct(line, terrain) == pytest.approx(8.0, abs=0.1)
    assert incline_pct(line[::-1], terrain) == pytest.approx(-8.0, abs=0.1)
    assert incline_pct((at(0), at(1)), terrain) is None
    assert incline_pct((at(0), at(9_000)), terrain) is None
    sloped = with_slopes(graph(street(), street("told", incline_pct=1.0)), terrain)
    assert sloped.edges["e"].incline_pct == pytest.approx(8.0, abs=0.1)
    assert sloped.edges["told"].incline_pct == 1.0
