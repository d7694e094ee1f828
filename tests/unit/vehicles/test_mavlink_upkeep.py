"""What a session does of itself: when it is looked at, and what goes together on the way."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from geofence.frames import LatLon
from geofence.zones import VehicleClass
from missions.model import DropDevice
from tests.support.clock import ManualClock
from vehicles.mavlink.messages import GlobalPositionInt, Heartbeat, Message
from vehicles.mavlink.session import MOST_JOINED_BYTES, MavlinkSession
from vehicles.mavlink.settings import MavlinkSettings, MavlinkVehicle
from vehicles.mavlink.wire import Frame, Scanner
from vehicles.port import Capability, EventKind, LinkState, VehicleEvent

HOME = LatLon(60.17, 24.94)
DRONE = Capability(
    VehicleClass.MULTIROTOR, 2.0, 1, 10.0, 300.0, (0.4, 0.4, 0.4), DropDevice.GRIPPER
)
HEARTBEAT = Heartbeat(0, 2, 3, 0, 4, 3)
POSITION = GlobalPositionInt(90_000, 601_700_000, 249_400_000, 10_000, 0, 0, 0, 0, 0)
STEP_S = 0.25


class Desk:
    """A session that is ticked as a fleet does, and what it sent and told."""

    def __init__(self, newcomers: asyncio.Semaphore | None = None) -> None:
        self.clock = ManualClock()
        self.datagrams: list[bytes] = []
        vehicle = MavlinkVehicle("d", "udpin:127.0.0.1:0", 7, DRONE, HOME, 10.0)
        self.session = MavlinkSession(
            vehicle, self.clock, MavlinkSettings(), self._transmit, newcomers=newcomers
        )
        self._events = self.session.events()
        self.ticks = 0

    def _transmit(self, data: bytes) -> bool:
        self.datagrams.append(data)
        return True

    def hear(self, *messages: Message) -> None:
        for message in messages:
            self.session.receive(Frame(7, 1, 0, False, message))

    async def passes(self, seconds: float, *hearing: Message) -> None:
        for step in range(round(seconds / STEP_S)):
            if step % 4 == 0:
                self.hear(*hearing)
            if self.session.due_s <= self.clock.monotonic_s():
                self.session.tick()
                self.ticks += 1
            await self.clock.advance(STEP_S)

    async def told(self) -> list[VehicleEvent]:
        found = []
        queue = self.session._events
        assert queue is not None
        while not queue.empty():
            found.append(await anext(self._events))
        return found

    def sent(self) -> list[str]:
        parser = mav.MAVLink(None)
        data = b"".join(self.datagrams)
        return [message.get_type() for message in parser.parse_buffer(bytearray(data)) or ()]


async def test_a_vehicle_at_rest_is_ticked_once_a_second_and_beats_as_often() -> None:
    desk = Desk()
    await desk.passes(5.0)
    assert desk.sent() == []
    desk.hear(HEARTBEAT)
    # the first beat does not wait for the second that a silent vehicle is left alone
    await desk.passes(STEP_S)
    assert desk.sent() == ["HEARTBEAT"]
    before = desk.ticks
    await desk.passes(10.0, HEARTBEAT, POSITION)
    assert desk.sent().count("HEARTBEAT") == 11
    assert desk.ticks - before <= 12


async def test_a_lost_link_is_told_at_the_tick_after_its_time() -> None:
    desk = Desk()
    await desk.passes(2.1, HEARTBEAT)
    heard_s = desk.session.state.received_s
    assert heard_s is not None
    stale_s = heard_s + desk.session.settings.stale_after_s
    lost_s = heard_s + desk.session.settings.offline_after_s
    seen: dict[LinkState, float] = {}
    while desk.clock.monotonic_s() < lost_s + 2 * STEP_S:
        await desk.passes(STEP_S)
        seen.setdefault(desk.session._link, desk.clock.monotonic_s())
    assert stale_s <= seen[LinkState.STALE] <= stale_s + 2 * STEP_S
    assert lost_s <= seen[LinkState.OFFLINE] <= lost_s + 2 * STEP_S
    assert [event.kind for event in await desk.told()] == [EventKind.LINK_LOST]
    desk.hear(HEARTBEAT)
    assert [event.kind for event in await desk.told()] == [EventKind.LINK_BACK]


async def test_when_it_was_heard_does_not_depend_on_who_asks_when() -> None:
    desk = Desk()
    assert desk.session.telemetry.received_at is None
    heard_at = desk.clock.now()
    desk.hear(HEARTBEAT)
    await desk.clock.advance(3.0)
    assert desk.session.telemetry.received_at == heard_at
    await desk.clock.advance(3.0)
    assert desk.session.telemetry.received_at == heard_at
    desk.hear(POSITION)
    assert desk.session.telemetry.received_at == heard_at + timedelta(seconds=6.0)


async def test_frames_that_go_together_share_datagrams_and_keep_their_order() -> None:
    desk = Desk()
    requests: list[Any] = [
        mav.MAVLink_mission_request_int_message(7, 1, n, 0) for n in range(1, 60)
    ]
    desk.session._send(requests)
    desk.session._send([])
    frames = [Scanner().feed(data) for data in desk.datagrams]
    assert [frame.message.seq for some in frames for frame in some] == list(range(1, 60))
    assert [frame.sequence for some in frames for frame in some] == list(range(59))
    assert len(desk.datagrams) == 2
    assert max(map(len, desk.datagrams)) <= MOST_JOINED_BYTES


async def test_the_duties_are_woken_where_something_is_due_and_only_then() -> None:
    desk = Desk()
    upkeep = desk.session.upkeep
    looks: list[float] = []

    async def duties() -> None:
        looks.append(desk.clock.monotonic_s())

    upkeep._duties = duties  # type: ignore[method-assign]
    running = asyncio.create_task(upkeep.run(), name="upkeep")
    try:
        await desk.passes(3.0)
        assert looks == []
        await desk.passes(4.0, HEARTBEAT)
        assert len(looks) in {3, 4}
        # all that is wanted is there
        upkeep._rates = dict(desk.session.profile.rates)
        upkeep._rated_s = desk.clock.monotonic_s()
        upkeep._baseline = ()
        desk.session.state.home = HOME
        await desk.passes(1.0, HEARTBEAT, POSITION)
        before = len(looks)
        await desk.passes(8.0, HEARTBEAT, POSITION)
        assert len(looks) == before
        # and streams that stop are noticed
        await desk.passes(6.0, HEARTBEAT)
        assert len(looks) > before
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_only_so_many_are_set_up_at_once_and_what_flies_waits_for_none() -> None:
    door = asyncio.Semaphore(1)
    desks = [Desk(newcomers=door) for _ in range(3)]
    inside: list[int] = []
    go_on = asyncio.Event()

    async def duties(number: int) -> None:
        inside.append(number)
        await go_on.wait()

    tasks = []
    for number, desk in enumerate(desks):
        upkeep = desk.session.upkeep
        upkeep._duties = lambda n=number: duties(n)  # type: ignore[method-assign]
        tasks.append(asyncio.create_task(upkeep.run(), name=f"upkeep {number}"))
    try:
        for desk in desks[:2]:
            await desk.passes(1.0, HEARTBEAT)
        assert inside == [0]
        await desks[2].passes(1.0, Heartbeat(0, 2, 3, 128, 4, 3))
        assert inside == [0, 2]
        go_on.set()
        await desks[1].passes(0.5, HEARTBEAT)
        assert inside[:3] == [0, 2, 1]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
