"""A session without a socket: what ends a proof, when it speaks, what it refuses."""

from __future__ import annotations

import asyncio

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from geofence.frames import LatLon
from geofence.zones import VehicleClass
from missions.model import AirItem, AirMission, DropDevice, GroundMission, ItemKind
from tests.support.clock import ManualClock
from vehicles.mavlink.messages import (
    CommandAck,
    Heartbeat,
    Message,
    MissionCurrent,
    StatusText,
    SystemTime,
)
from vehicles.mavlink.session import MavlinkSession
from vehicles.mavlink.settings import MavlinkSettings, MavlinkVehicle
from vehicles.mavlink.wire import Frame
from vehicles.port import Capability, EventKind, LinkState, Outcome, Phase, VehicleEvent, Verb

HOME = LatLon(60.17, 24.94)
DRONE = Capability(
    VehicleClass.MULTIROTOR, 2.0, 1, 10.0, 300.0, (0.4, 0.4, 0.4), DropDevice.GRIPPER
)


class Desk:
    """A session with what it sent, decoded, and what it told."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.sent: list[str] = []
        vehicle = MavlinkVehicle("d", "udpin:127.0.0.1:0", 7, DRONE, HOME, 10.0)
        self.session = MavlinkSession(vehicle, self.clock, MavlinkSettings(), self._transmit)
        self._events = self.session.events()

    def _transmit(self, data: bytes) -> bool:
        message = mav.MAVLink(None).decode(bytearray(data))
        self.sent.append(message.get_type())
        return True

    def hear(self, message: Message, component: int = 1) -> None:
        self.session.receive(Frame(7, component, 0, False, message))

    async def told(self) -> list[VehicleEvent]:
        found = []
        queue = self.session._events
        assert queue is not None
        while not queue.empty():
            found.append(await anext(self._events))
        return found


def heartbeat(mode: int = 0, *, armed: bool = False, autopilot: int = 3) -> Heartbeat:
    return Heartbeat(mode, 2, autopilot, 128 if armed else 0, 4, 3)


def air_mission(vehicle_id: str = "d") -> AirMission:
    items = (AirItem(ItemKind.TAKEOFF, HOME, 20.0), AirItem(ItemKind.LAND, HOME))
    return AirMission("m", vehicle_id, HOME, 10.0, 20.0, items, "z")


async def test_it_is_silent_until_the_vehicle_was_heard_and_then_beats_once_a_second() -> None:
    desk = Desk()
    for _ in range(8):
        desk.session.tick()
        await desk.clock.advance(0.25)
    assert desk.sent == []
    desk.hear(heartbeat())
    for _ in range(40):
        desk.session.tick()
        await desk.clock.advance(0.25)
    assert desk.sent == ["HEARTBEAT"] * 10


async def test_a_mission_written_by_somebody_else_ends_the_proof() -> None:
    desk = Desk()
    desk.hear(heartbeat())
    desk.session.mission_hash, desk.session.held_count = "x", 5
    with desk.session.uploading():
        desk.hear(StatusText(6, "Flight plan received", 0, 0))
    assert desk.session.mission_hash == "x"
    await desk.clock.advance(5.0)
    desk.hear(StatusText(6, "Flight plan received", 0, 0))
    assert desk.session.telemetry.mission_hash is None
    (event,) = await desk.told()
    assert (event.kind, "another ground station" in event.detail) == (EventKind.ALARM, True)


async def test_another_count_ends_the_proof_and_an_unknown_one_does_not() -> None:
    desk = Desk()
    desk.session.mission_hash, desk.session.held_count = "x", 5
    for message in (MissionCurrent(0, 4, 2, 0), MissionCurrent(0, 0, 0, 0)):
        desk.hear(message)
        assert desk.session.mission_hash == "x"
    desk.hear(MissionCurrent(0, 9, 2, 0))
    assert desk.session.mission_hash is None
    assert [e.kind for e in await desk.told()] == [EventKind.ALARM]


async def test_a_reboot_ends_the_proof_and_is_told_once() -> None:
    desk = Desk()
    desk.session.mission_hash = "x"
    for boot_ms in (50_000, 51_000, 900, 1900):
        desk.hear(SystemTime(0, boot_ms))
    assert desk.session.mission_hash is None
    assert [e.kind for e in await desk.told()] == [EventKind.REBOOTED]


async def test_the_link_is_lost_and_comes_back_as_events() -> None:
    desk = Desk()
    desk.hear(heartbeat())
    assert desk.session.telemetry.link is LinkState.ONLINE
    await desk.clock.advance(4.0)
    desk.session.tick()
    assert desk.session.telemetry.link is LinkState.STALE
    await desk.clock.advance(7.0)
    desk.session.tick()
    desk.hear(heartbeat())
    assert [e.kind for e in await desk.told()] == [EventKind.LINK_LOST, EventKind.LINK_BACK]


async def test_another_component_of_the_same_system_is_not_the_autopilot() -> None:
    desk = Desk()
    desk.hear(heartbeat(armed=True), component=154)
    assert desk.session.telemetry.armed is None
    assert desk.session.telemetry.phase is Phase.UNKNOWN


async def test_the_same_nonsense_is_an_alarm_only_now_and_then() -> None:
    desk = Desk()
    for _ in range(50):
        desk.session.alarm("battery says 120 % remaining")
    assert len(await desk.told()) == 1
    await desk.clock.advance(31.0)
    desk.session.alarm("battery says 120 % remaining")
    assert len(await desk.told()) == 1


async def test_what_it_cannot_do_is_refused_with_the_reason() -> None:
    desk = Desk()
    session = desk.session
    ground = GroundMission("g", "d", (), (), "z")
    for demand in (session.load, session.start):
        assert (await demand(ground)).reason == "not an air mission"
        assert "mission is for e" in (await demand(air_mission("e"))).reason
    assert "the link is unknown" in (await session.load(air_mission())).reason
    assert "load it first" in (await session.start(air_mission())).reason
    assert "does not answer" in (await session.execute(Verb.HOLD)).reason
    desk.hear(heartbeat())
    assert "not ready: " in (await session.load(air_mission())).reason
    assert "not armed" in (await session.execute(Verb.RETURN)).reason
    desk.hear(heartbeat(armed=True))
    assert "armed" in (await session.load(air_mission())).reason
    assert "on no mission" in (await session.execute(Verb.RESUME)).reason
    assert desk.sent == []


@pytest.mark.parametrize(
    ("result", "mode", "outcome"),
    [
        (0, 9, Outcome.DONE),
        (0, 3, Outcome.UNCERTAIN),
        (None, 3, Outcome.UNCERTAIN),
        (None, 9, Outcome.DONE),
        (4, 3, Outcome.REFUSED),
    ],
)
async def test_landing_is_done_when_the_mode_shows_it_whatever_was_acknowledged(
    result: int | None, mode: int, outcome: Outcome
) -> None:
    desk = Desk()
    desk.hear(heartbeat(3, armed=True))
    demand = asyncio.create_task(desk.session.execute(Verb.LAND), name="land")
    await desk.clock.settle()
    assert desk.sent[-1] == "COMMAND_LONG"
    if result is not None:
        desk.hear(CommandAck(176, result, 0, 0, 255, 190))
    desk.hear(StatusText(4, "Mode change to LAND failed: because", 0, 0))
    for _ in range(20):
        await desk.clock.advance(1.0)
        desk.hear(heartbeat(mode, armed=True))
    ended = await demand
    assert ended.outcome is outcome
    if outcome is Outcome.REFUSED:
        assert "failed; Mode change to LAND failed: because" in ended.reason


@pytest.mark.parametrize("has_path", [True, False])
async def test_returning_from_an_unknown_flight_asks_for_its_return_path_before_rtl(
    has_path: bool,
) -> None:
    desk = Desk()
    desk.hear(heartbeat(3, armed=True))
    demand = asyncio.create_task(desk.session.execute(Verb.RETURN), name="return")
    await desk.clock.settle()
    assert desk.sent == ["COMMAND_INT"]
    desk.hear(CommandAck(188, 0 if has_path else 4, 0, 0, 255, 190))
    await desk.clock.settle()
    assert desk.sent[1:] == ([] if has_path else ["COMMAND_LONG"])
    if not has_path:
        desk.hear(CommandAck(176, 0, 0, 0, 255, 190))
    await desk.clock.settle()
    desk.hear(heartbeat(27 if has_path else 6, armed=True))
    assert (await demand).done


async def test_a_return_is_done_only_with_a_heartbeat_that_was_sent_after_the_turn() -> None:
    """One that was on its way when the order came still shows AUTO, and proves nothing."""
    desk = Desk()
    desk.hear(heartbeat(3, armed=True))
    demand = asyncio.create_task(desk.session.execute(Verb.RETURN), name="return")
    await desk.clock.settle()
    await desk.clock.advance(0.1)
    desk.hear(heartbeat(3, armed=True))
    desk.hear(CommandAck(188, 0, 0, 0, 255, 190))
    await desk.clock.advance(0.1)
    desk.hear(StatusText(6, "Return path started", 0, 0))
    await desk.clock.settle()
    assert not demand.done()
    await desk.clock.advance(0.1)
    desk.hear(heartbeat(27, armed=True))
    assert (await demand).done
    assert desk.session.telemetry.mode == "AUTO_RTL"
