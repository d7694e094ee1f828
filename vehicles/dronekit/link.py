"""DroneKit's connection as a link.

Owns the way of frames between DroneKit's threads and the event loop. Must not know what a message
means.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from queue import Queue
from typing import Any, Protocol

from vehicles.errors import LinkError
from vehicles.mavlink.link import Post
from vehicles.mavlink.wire import Scanner

MAX_WAITING = 4096
"""Frames that DroneKit's thread may be ahead of the event loop; those beyond are dropped."""

Listener = Callable[[Any, str, Any], None]


class _Connection(Protocol):
    """DroneKit's MAVConnection, as far as it is used."""

    out_queue: Queue[bytes]


class Vehicle(Protocol):
    """`dronekit.Vehicle`, as far as it is used."""

    _handler: _Connection

    def add_message_listener(self, name: str, fn: Listener) -> None:
        """Call `fn(vehicle, name, message)` in DroneKit's own thread for every message."""

    def remove_message_listener(self, name: str, fn: Listener) -> None:
        """No longer."""


class DroneKitLink:
    """A Link over a connected `dronekit.Vehicle`, which stays the integrator's to close."""

    def __init__(self, name: str, vehicle: Vehicle, post: Post) -> None:
        self._name = name
        self._vehicle = vehicle
        self._receive = post.receive
        self._post = post
        self._scanner = Scanner()
        self._waiting: deque[bytes] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.dropped = 0
        self.unsent = 0

    async def open(self) -> None:
        """Listen to DroneKit. Raises LinkError where this is no DroneKit vehicle."""
        if not hasattr(getattr(self._vehicle, "_handler", None), "out_queue"):
            raise LinkError(self._name, "not a connected dronekit.Vehicle: use dronekit.connect()")
        self._loop = asyncio.get_running_loop()
        self._scanner = Scanner(self._post.admitting(self._hand_over))
        self._vehicle.add_message_listener("*", self._heard)

    async def run(self) -> None:
        """DroneKit's threads read the connection; nothing else is to be done."""
        await asyncio.Event().wait()

    def send(self, system: int, data: bytes) -> bool:
        """Hand a frame to DroneKit's writer; its connection leads to this one vehicle.

        The frame goes out as it is: `Vehicle.send_mavlink` would pack it again, in the dialect
        and protocol version that the process happens to have.
        """
        del system
        if self._loop is None:
            self.unsent += 1
            return False
        return self._hand_over(data)

    def close(self) -> None:
        """Stop listening."""
        if self._loop is None:
            return
        self._loop = None
        with contextlib.suppress(ValueError):
            self._vehicle.remove_message_listener("*", self._heard)
        self._waiting.clear()

    def _hand_over(self, data: bytes) -> bool:
        self._vehicle._handler.out_queue.put(data)  # noqa: SLF001 - the only way for whole frames
        return True

    def _heard(self, _vehicle: Any, name: str, message: Any) -> None:
        """In DroneKit's thread."""
        loop = self._loop
        if loop is None or name == "BAD_DATA":
            return
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
            return
        self._waiting.append(bytes(message.get_msgbuf()))
        with contextlib.suppress(RuntimeError):  # the loop closed meanwhile
            loop.call_soon_threadsafe(self._take)

    def _take(self) -> None:
        while self._waiting:
            for frame in self._scanner.feed(self._waiting.popleft()):
                self._receive(self._name, frame)
