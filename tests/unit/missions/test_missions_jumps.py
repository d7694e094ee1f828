from __future__ import annotations

import json

import pytest

from missions.errors import MissionFileError
from missions.formats.qgc_plan import read_plan
from missions.formats.waypoints import read_waypoints
from missions.model import ItemKind
from tests.unit.missions.flights import HOME, at

IDS = {"mission_id": "m", "vehicle_id": "D"}
WP, LAND, TAKEOFF, RTL, LOITER, JUMP, MARK = 16, 21, 22, 20, 19, 177, 188
A, B = at(100.0, 0.0), at(200.0, 0.0)


def row(command, place=None, alt=50.0, frame=3, p=(0.0, 0.0, 0.0, 0.0)):
    lat, lon = (0.0, 0.0) if place is None else (place.lat_deg, place.lon_deg)
    return command, frame, p, lat, lon, alt


def jump(target, times):
    return row(JUMP, None, 0.0, 2, (float(target), float(times), 0.0, 0.0))


def waypoints(*rows, home_alt=10.0) -> str:
    lines = ["QGC WPL 110"]
    for seq, (command, frame, p, lat, lon, alt) in enumerate((row(WP, HOME, home_alt, 0), *rows)):
        cells = [seq, int(seq == 0), frame, command, *p, lat, lon, alt, 1]
        lines.append("\t".join(map(str, cells)))
    return "\n".join(lines)


def plan(*rows, ids=None) -> str:
    items = [
        {
            "type": "SimpleItem",
            "command": command,
            "frame": frame,
            "doJumpId": (ids or range(1, 100))[number],
            "params": [*p, lat, lon, alt],
        }
        for number, (command, frame, p, lat, lon, alt) in enumerate(rows)
    ]
    home = [HOME.lat_deg, HOME.lon_deg, 10.0]
    return json.dumps(
        {"fileType": "Plan", "mission": {"plannedHomePosition": home, "items": items}}
    )


def shape(mission):
    return [(i.kind.value, i.label) for i in mission.items]


ROUND = (row(TAKEOFF, HOME), row(WP, A), row(WP, B), jump(2, 2), row(LAND, HOME, 0.0))


def test_a_bounded_jump_is_flown_as_often_as_it_says():
    mission = read_waypoints(waypoints(*ROUND), **IDS)
    assert [i.position for i in mission.items if i.kind is ItemKind.WAYPOINT] == [A, B] * 3
    assert mission.items[-1].label == "line 7"
    assert shape(mission)[:3] == [
        ("takeoff", "line 3"), ("waypoint", "line 4"), ("waypoint", "line 5"),
    ]  # fmt: skip


def test_a_plan_jumps_to_an_item_id():
    ids = [1, 7, 8, 9, 10]
    rows = (*ROUND[:3], jump(7, 1), ROUND[4])
    mission = read_plan(plan(*rows, ids=ids), **IDS)
    assert len([i for i in mission.items if i.kind is ItemKind.WAYPOINT]) == 4
    with pytest.raises(MissionFileError, match="item 4: jumps to doJumpId 2"):
        read_plan(plan(*ROUND, ids=ids), **IDS)


def test_nested_jumps_count_for_themselves_over_the_whole_flight():
    rows = (
        row(TAKEOFF, HOME), row(WP, A), jump(2, 1), row(WP, B), jump(2, 1), row(LAND, HOME, 0.0),
    )  # fmt: skip
    mission = read_waypoints(waypoints(*rows), **IDS)
    places = [i.position for i in mission.items if i.kind is ItemKind.WAYPOINT]
    assert places == [A, A, B, A, B]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ((*ROUND[:3], jump(2, -1), ROUND[4]), "line 6: jumps back for ever"),
        ((*ROUND[:3], jump(9, 1), ROUND[4]), "line 6: jumps to item 9"),
        ((*ROUND[:3], jump(0, 1), ROUND[4]), "line 6: jumps to item 0"),
        ((*ROUND[:3], jump(1.5, 1), ROUND[4]), "line 6: a jump needs whole numbers"),
        ((*ROUND[:3], jump(2, 30_000), ROUND[4]), "more than 5000 items"),
        ((*ROUND[:2], row(MARK), *ROUND[2:3], jump(2, 1), ROUND[4]), "DO_RETURN_PATH_START"),
        ((*ROUND[:3], row(RTL), row(WP, A)), "line 7: stands after RTL"),
        ((*ROUND[:2], row(WP, B, frame=10), ROUND[4]), "line 5: frame 10"),
    ],
)
def test_what_cannot_be_flown_to_an_end_is_refused_by_line(rows, words):
    with pytest.raises(MissionFileError, match=words):
        read_waypoints(waypoints(*rows), **IDS)


def test_rtl_loiter_amsl_and_camera_items_of_other_tools():
    rows = (
        row(TAKEOFF, None, 10.0),
        row(LOITER, A, 30.0, 0, (5.0, 0.0, 0.0, 0.0)),
        row(206, None, 0.0, 2, (25.0, 0.0, 0.0, 0.0)),
        row(WP, None, 5.0),
        row(RTL, None, 0.0, 2),
    )
    mission = read_waypoints(waypoints(*rows), **IDS)
    assert [(i.kind, i.alt_home_m) for i in mission.items] == [
        (ItemKind.TAKEOFF, 10.0),
        (ItemKind.WAYPOINT, 20.0),
        (ItemKind.WAYPOINT, 5.0),
        (ItemKind.WAYPOINT, 15.0),
        (ItemKind.WAYPOINT, 15.0),
        (ItemKind.LAND, 0.0),
    ]
    assert [i.position for i in mission.items[1:]] == [A, A, A, HOME, HOME]
    assert mission.items[1].delay_s == 5.0
