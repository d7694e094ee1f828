"""A round of a few nodes, driven by real ArduRover.

The light fleet has no MAVLink rover: without the program these tests are skipped.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from geofence.frames import LatLon, geodesic_m, offset
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
from sitl.ardupilot import ROVER, ArduPilotFleet, find_ardupilot
from sitl.copter.spec import CopterSpec
from sitl.world import TruthSample
from tests.integration.mavlink_rig import PATIENT, UDP, Watched, serving, wall_clocks
from vehicles.mavlink.fleet import MavlinkFleet
from vehicles.mavlink.settings import MavlinkVehicle
from vehicles.port import Capability, EventKind, Outcome, Phase, Verb

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.ardupilot,
    pytest.mark.skipif(
        find_ardupilot(kind=ROVER) is None,
        reason="ardurover not found: set WAYPOST_ARDUPILOT_BIN to the directory that holds it",
    ),
]

BASE = LatLon(60.1700, 24.9400)
CORNER = offset(BASE, 90.0, 60.0)
BEND = offset(CORNER, 45.0, 20.0)
DOOR = offset(BEND, 0.0, 40.0)
SPEED_MPS = 4.0
CAPABILITY = Capability(
    VehicleClass.ROBOT, 20.0, 1, 4.0, 500.0, (0.5, 0.5, 0.5), DropDevice.GRIPPER
)


def edge(name: str, start: str, end: str, *line: LatLon) -> RouteEdge:
    length_m = sum(geodesic_m(a, b) for a, b in itertools.pairwise(line))
    return RouteEdge(name, start, end, length_m, SPEED_MPS, line)


def round_trip(mission_id: str = "G-1") -> GroundMission:
    """Out along a street with a bend, a drop at the door, and back the same way."""
    pick = RouteAction("a-1", StopAction.PICK, "P-1")
    drop = RouteAction("a-2", StopAction.DROP, "P-1")
    return GroundMission(
        mission_id,
        "R-0",
        (
            RouteNode("base", BASE, (pick,)),
            RouteNode("corner", CORNER),
            RouteNode("door", DOOR, (drop,)),
            RouteNode("corner", CORNER),
            RouteNode("base", BASE),
        ),
        (
            edge("e-1", "base", "corner", BASE, CORNER),
            edge("e-2", "corner", "door", CORNER, BEND, DOOR),
            edge("e-2", "door", "corner", DOOR, BEND, CORNER),
            edge("e-1", "corner", "base", CORNER, BASE),
        ),
        "test",
    )


@contextlib.asynccontextmanager
async def rover() -> AsyncIterator[tuple[Watched, list[TruthSample]]]:
    clock, theirs = wall_clocks(6.0)
    truth: list[TruthSample] = []
    spec = CopterSpec("R-0", 1, BASE.lat_deg, BASE.lon_deg, 10.0, heading_deg=90.0)
    enrolled = MavlinkVehicle(
        "R-0", UDP, 1, CAPABILITY, BASE, 10.0, gcs_timeout_s=60.0, profile="ardurover"
    )
    async with MavlinkFleet([enrolled], clock, PATIENT) as fleet:
        program = ArduPilotFleet(
            [spec],
            controller=fleet.udp_address(UDP),
            clock=theirs,
            on_truth=truth.append,
            kind=ROVER,
        )
        async with program, serving(fleet, clock, 110.0) as watched:
            yield watched["R-0"], truth


async def driving(one: Watched, mission: GroundMission) -> None:
    await one.ready()
    loaded = await one.session.load(mission)
    assert loaded.done, loaded
    assert one.session.telemetry.mission_hash == mission.content_hash
    assert one.session.telemetry.armed is False
    started = await one.session.start(mission)
    assert started.done, (started, one.session.telemetry)


async def test_a_round_is_driven_dropped_once_and_completed() -> None:
    async with rover() as (one, truth):
        mission = round_trip()
        await driving(one, mission)
        await one.ended()
        assert one.kinds() == [EventKind.STARTED, EventKind.RELEASED, EventKind.COMPLETED]
        released = one.first(EventKind.RELEASED)
        assert (released.parcel_id, released.mission_hash) == ("P-1", mission.content_hash)
        assert released.position is not None
        assert geodesic_m(released.position, DOOR) < 5.0
        dropped = [t for t in truth if t.event == "released"]
        assert len(dropped) == 1
        assert geodesic_m(LatLon(dropped[0].lat_deg, dropped[0].lon_deg), DOOR) < 5.0
        assert geodesic_m(LatLon(truth[-1].lat_deg, truth[-1].lon_deg), BASE) < 5.0
        assert one.session.telemetry.armed is False
        assert one.session.telemetry.mission_hash is None


async def test_hold_resume_and_a_return_on_its_own_track() -> None:
    async with rover() as (one, truth):
        assert (await one.session.execute(Verb.HOLD)).outcome is Outcome.REFUSED
        await driving(one, round_trip())
        await one.until(lambda: _off(truth) > 30.0, "on its way")
        held = await one.session.execute(Verb.HOLD)
        assert held.done, held
        assert one.session.telemetry.phase is Phase.HOLDING
        assert (await one.session.execute(Verb.RESUME)).done
        await one.until(lambda: _off(truth) > 65.0, "beyond the corner")
        back = await one.session.execute(Verb.RETURN)
        assert back.done, back
        assert one.session.telemetry.mode == "SMART_RTL"
        await one.ended()
        assert one.kinds() == [EventKind.STARTED, EventKind.ABORTED]
        assert [t for t in truth if t.event == "released"] == []
        assert "before the release of P-1" in one.first(EventKind.ABORTED).detail
        assert _off(truth) < 8.0


async def test_stopped_where_it_is_the_round_ends_there() -> None:
    async with rover() as (one, truth):
        await driving(one, round_trip())
        await one.until(lambda: _off(truth) > 45.0, "on its way")
        assert (await one.session.execute(Verb.LAND)).done
        await one.ended()
        assert "m from home" in one.first(EventKind.ABORTED).detail
        assert one.session.telemetry.armed is False


async def test_what_a_rover_does_not_drive_is_refused() -> None:
    async with rover() as (one, _):
        await one.ready()
        air = AirMission("m", "R-0", BASE, 10.0, 20.0, (), "test")
        assert (await one.session.load(air)).reason == "not a ground mission"
        mission = round_trip()
        nodes = list(mission.nodes)
        nodes[2] = replace(nodes[2], actions=(RouteAction("a", StopAction.DROP, "P-1", "ab"),))
        refused = await one.session.load(replace(mission, nodes=tuple(nodes)))
        assert "asks for no PIN" in refused.reason


def _off(truth: list[TruthSample]) -> float:
    return geodesic_m(LatLon(truth[-1].lat_deg, truth[-1].lon_deg), BASE) if truth else 0.0
