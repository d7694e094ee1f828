"""DroneKit's connection as a link: threads in, frames out, and what is no vehicle refused."""

from __future__ import annotations

import asyncio
from queue import Queue
from types import SimpleNamespace
from typing import Any

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from vehicles.dronekit.link import MAX_WAITING, DroneKitLink, Listener
from vehicles.errors import LinkError
from vehicles.mavlink.post import Post
from vehicles.mavlink.wire import Frame


class Connected:
    """A stand-in for dronekit.Vehicle: its listeners are called by hand, in any thread."""

    def __init__(self) -> None:
        self._handler = SimpleNamespace(out_queue=Queue())
        self.listeners: list[Listener] = []

    def add_message_listener(self, name: str, fn: Listener) -> None:
        assert name == "*"
        self.listeners.append(fn)

    def remove_message_listener(self, name: str, fn: Listener) -> None:
        self.listeners.remove(fn)

    def hear(self, message: Any) -> None:
        for listener in list(self.listeners):
            listener(self, message.get_type(), message)


def heartbeat(sysid: int = 7) -> Any:
    sender = mav.MAVLink(None, srcSystem=sysid, srcComponent=1)
    message = mav.MAVLink_heartbeat_message(2, 3, 0, 0, 3, 3)
    return sender.decode(bytearray(message.pack(sender)))


async def test_frames_come_from_dronekits_thread_into_the_loop() -> None:
    vehicle, heard = Connected(), list[Frame]()
    link = DroneKitLink("dronekit:D-1", vehicle, Post(lambda _name, frame: heard.append(frame)))
    await link.open()
    await asyncio.to_thread(vehicle.hear, heartbeat())
    async with asyncio.timeout(5):
        while not heard:
            await asyncio.sleep(0)
    assert heard[0].system == 7
    assert link.send(7, b"frame")
    assert vehicle._handler.out_queue.get_nowait() == b"frame"
    link.close()
    assert not vehicle.listeners
    assert not link.send(7, b"frame")
    assert link.unsent == 1


async def test_a_stalled_loop_costs_frames_that_are_counted_never_memory() -> None:
    vehicle, heard = Connected(), list[Frame]()
    link = DroneKitLink("dronekit:D-1", vehicle, Post(lambda _name, frame: heard.append(frame)))
    await link.open()
    message = heartbeat()
    for _ in range(MAX_WAITING + 10):
        vehicle.hear(message)
    assert link.dropped == 10
    async with asyncio.timeout(5):
        while len(heard) < MAX_WAITING:
            await asyncio.sleep(0)
    link.close()


async def test_what_is_no_dronekit_vehicle_is_refused() -> None:
    link = DroneKitLink("dronekit:D-1", SimpleNamespace(), Post(lambda _name, _frame: None))  # type: ignore[arg-type]
    with pytest.raises(LinkError, match=r"dronekit\.connect"):
        await link.open()
