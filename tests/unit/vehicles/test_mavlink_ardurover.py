"""ArduRover's own: rounds as items, what is refused, when a round is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from geofence.frames import LatLon, offset
from geofence.zones import VehicleClass
from missions.model import (
    AirMission,
    DropDevice,
    GroundMission,
    RouteAction,
    RouteEdge,
    RouteNode,
    StopAction,
)
from vehicles.mavlink.baseline import audit
from vehicles.mavlink.flight import Flight
from vehicles.mavlink.items import differences
from vehicles.mavlink.messages import GlobalPositionInt, Heartbeat, HomePosition, MissionCurrent
from vehicles.mavlink.profiles import ardurover
from vehicles.mavlink.profiles.ardurover_rounds import accept, translate
from vehicles.mavlink.profiles.profile import PROFILES
from vehicles.mavlink.settings import MavlinkSettings, MavlinkVehicle
from vehicles.mavlink.state import VehicleState
from vehicles.port import Capability

BASE = LatLon(60.17, 24.94)
BEND = offset(BASE, 90.0, 40.0)
DOOR = offset(BEND, 0.0, 40.0)
DROP = RouteAction("a-2", StopAction.DROP, "P")
ROVER = PROFILES["ardurover"]
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def ground(*drops: RouteAction, mission_id: str = "g") -> GroundMission:
    def edge(start: str, end: str, speed_mps: float, *line: LatLon) -> RouteEdge:
        return RouteEdge("e", start, end, 80.0, speed_mps, line)

    return GroundMission(
        mission_id,
        "r",
        (
            RouteNode("base", BASE, (RouteAction("a-1", StopAction.PICK, "P"),)),
            RouteNode("door", DOOR, drops),
            RouteNode("base", BASE),
        ),
        (edge("base", "door", 1.5, BASE, BEND, DOOR), edge("door", "base", 1.5, DOOR, BEND, BASE)),
        "z",
    )


def test_a_round_follows_the_street_s_line_with_its_drop_and_its_wait() -> None:
    driven = accept(ground(DROP))
    assert driven is not None
    plan = translate(driven)
    told = [(item.seq, item.command) for item in plan.items]
    assert told == [
        (0, mav.MAV_CMD_NAV_WAYPOINT),
        (1, mav.MAV_CMD_JUMP_TAG),
        (2, mav.MAV_CMD_JUMP_TAG),
        (3, mav.MAV_CMD_DO_CHANGE_SPEED),
        (4, mav.MAV_CMD_NAV_WAYPOINT),
        (5, mav.MAV_CMD_NAV_WAYPOINT),
        (6, mav.MAV_CMD_DO_GRIPPER),
        (7, mav.MAV_CMD_NAV_DELAY),
        (8, mav.MAV_CMD_NAV_WAYPOINT),
        (9, mav.MAV_CMD_NAV_WAYPOINT),
        (10, mav.MAV_CMD_NAV_DELAY),
    ]
    places = [(i.x, i.y) for i in plan.items if i.command == mav.MAV_CMD_NAV_WAYPOINT]
    points = (BASE, BEND, DOOR, BEND, BASE)
    assert places == [(round(p.lat_deg * 1e7), round(p.lon_deg * 1e7)) for p in points]
    assert (plan.takeoff_seq, plan.land_seq) == (4, 10)
    assert [(r.parcel_id, r.seq, r.done_seq) for r in plan.releases] == [("P", 6, 8)]
    assert plan.items[3].param2 == 1.5


def test_what_was_approved_is_what_is_watched() -> None:
    mission = ground(DROP)
    driven = accept(mission)
    assert driven is not None
    assert driven.content_hash == mission.content_hash
    assert (driven.vehicle_id, driven.home) == ("r", BASE)
    other = accept(ground(DROP, mission_id="h"))
    assert other is not None
    found = differences(translate(driven), translate(other).items)
    assert found
    assert all("param1" in words for words in found)


@pytest.mark.parametrize(
    ("mission", "words"),
    [
        (ground(replace(DROP, handover_pin_sha256="ab")), "a rover asks for no PIN"),
        (ground(DROP, replace(DROP, parcel_id="Q")), "plan one drop a round"),
        (ground(replace(DROP, kind=StopAction.PICK)), "loaded at the start of its round only"),
        (replace(ground(DROP), edges=()), "at least two nodes"),
        (AirMission("m", "r", BASE, 0.0, 20.0, (), "z"), "not a ground mission"),
    ],
)
def test_what_a_rover_does_not_drive_is_said(
    mission: GroundMission | AirMission, words: str
) -> None:
    taken = ROVER.taken(mission)
    assert isinstance(taken, str)
    assert words in taken


def test_a_copter_takes_no_ground_mission_and_a_rover_is_no_copter() -> None:
    assert PROFILES["arducopter"].taken(ground(DROP)) == "not an air mission"
    assert ROVER.stranger(3, 10) == ""
    assert "not an ArduPilot ground rover" in ROVER.stranger(3, 2)


class Road:
    """A rover's state and its watched round, told message by message."""

    def __init__(self) -> None:
        driven = accept(ground(DROP))
        assert driven is not None
        self.state = VehicleState("r", ardurover.MODES, ground=True)
        self.flight = Flight(
            "r", driven, translate(driven), MavlinkSettings(), modes=ardurover.MODES
        )
        self.now_s = 0.0
        self.tell(HomePosition(*_e7(BASE), 0, *(0.0,) * 3, (0.0,) * 4, *(0.0,) * 3, 0))

    def tell(self, *messages: object, after_s: float = 1.0) -> list[str]:
        self.now_s += after_s
        kinds: list[str] = []
        for message in messages:
            self.state.apply(message, self.now_s)
            kinds += [e.kind.value for e in self.flight.observe(self.state, self.now_s, NOW)]
        return kinds

    @property
    def over(self) -> bool:
        return ardurover.over(self.state, self.flight, self.now_s)


def _e7(place: LatLon) -> tuple[int, int]:
    return round(place.lat_deg * 1e7), round(place.lon_deg * 1e7)


def _beat(mode: int, *, armed: bool = True, status: int = 4) -> Heartbeat:
    return Heartbeat(mode, 10, 3, 129 if armed else 1, status, 3)


def _at(place: LatLon, speed_mps: float = 0.0) -> GlobalPositionInt:
    return GlobalPositionInt(1000, *_e7(place), 0, 0, round(speed_mps * 100), 0, 0, 0)


def test_it_has_started_when_it_moves_armed_in_auto_and_not_before() -> None:
    road = Road()
    assert road.tell(_beat(10, armed=False), _at(BASE, 1.0), _beat(10), _at(BASE)) == []
    assert road.tell(_at(BASE, 1.0)) == ["started"]
    assert not road.over


def test_a_round_is_over_at_rest_at_its_end_and_completed_once_disarmed() -> None:
    road = Road()
    road.tell(_beat(10), _at(BASE, 1.4))
    for seq in (4, 5, 7, 8, 9, 10):
        told = road.tell(MissionCurrent(seq, 10, 3, 1), _beat(10), _at(DOOR, 1.4))
        assert "completed" not in told
    road.tell(MissionCurrent(10, 10, 5, 1), _at(BASE, 1.4))
    assert not road.over
    road.tell(_at(BASE))
    assert not road.over
    told = road.tell(_at(BASE), after_s=8.0)
    assert road.over
    assert [*told, *road.tell(_beat(10, armed=False))][-1] == "completed"


@pytest.mark.parametrize(
    ("mode", "place", "asked", "over"),
    [
        (12, BASE, False, True),
        (12, DOOR, False, False),
        (11, BASE, False, True),
        (4, DOOR, True, True),
        (4, DOOR, False, False),
        (5, BASE, False, False),
        (10, BASE, False, False),
    ],
)
def test_it_is_disarmed_only_where_its_round_has_ended(
    mode: int, place: LatLon, asked: bool, over: bool
) -> None:
    road = Road()
    road.tell(_beat(10), _at(BASE, 1.4), MissionCurrent(5, 10, 3, 1))
    if asked:
        road.flight.settle(mode)
    road.tell(_beat(mode), _at(place))
    road.tell(_at(place), after_s=3.0)
    assert road.over is over


GOOD: dict[str, float | None] = {
    "SYSID_MYGCS": 255, "FS_GCS_ENABLE": 1, "FS_THR_ENABLE": 1, "FS_ACTION": 2,
    "FS_EKF_ACTION": 1, "FS_CRASH_CHECK": 1, "BATT_FS_LOW_ACT": 2, "BATT_FS_CRT_ACT": 2,
    "MIS_OPTIONS": 0, "MIS_RESTART": 0, "MIS_DONE_BEHAVE": 0, "INITIAL_MODE": 4,
    "ARMING_CHECK": 1, "WP_RADIUS": 2, "FS_GCS_TIMEOUT": 5, "GRIP_ENABLE": 1, "GRIP_TYPE": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"), [("FS_ACTION", 1), ("FS_THR_ENABLE", 2), ("INITIAL_MODE", 0)]
)
def test_a_failsafe_that_cuts_across_or_drives_on_is_named(name: str, value: float) -> None:
    carries = Capability(
        VehicleClass.ROBOT, 20.0, 1, 2.0, 500.0, (0.5, 0.5, 0.5), DropDevice.GRIPPER
    )
    vehicle = MavlinkVehicle("r", "udpin:127.0.0.1:0", 3, carries, BASE, 10.0, profile="ardurover")
    rules = ardurover.requirements(vehicle)
    assert audit(rules, GOOD) == ()
    found = audit(rules, GOOD | {name: value})
    assert [finding.requirement.name for finding in found] == [name]
