"""The radio between a fleet and light copters' cores inside one loop, with faults and no sockets.

Owns delivery, the passing of time in the copter, and the watch over the moment that it starts. A
second station hears and is heard without faults: the worst of neighbours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sitl.copter.items import Item
from sitl.copter.vehicle import Copter
from sitl.netfault import FaultModel, Faults
from vehicles.mavlink.items import Plan, differences
from vehicles.mavlink.link import Link
from vehicles.mavlink.messages import MissionItemInt
from vehicles.mavlink.post import Post
from vehicles.mavlink.wire import Scanner
from vehicles.port import Clock

STEP_S = 0.1
MODE_AUTO = 3
GOOD = Faults(delay_s=0.01)


def held_items(copter: Copter) -> tuple[MissionItemInt, ...]:
    """What the copter holds, as it would be read from it."""
    found = [copter.mission.get(seq) for seq in range(copter.mission.count())]
    return tuple(_read(seq, item) for seq, item in enumerate(found) if item is not None)


def _read(seq: int, item: Item) -> MissionItemInt:
    return MissionItemInt(
        item.p1, item.p2, item.p3, item.p4, item.x, item.y, item.z, seq, item.command, 0, 0,
        item.frame, 0, 1, 0,
    )  # fmt: skip


class Air:
    """One copter's radio. `steps` counts frames sent by either side since `count_from_now`."""

    def __init__(self, copter: Copter, seed: int) -> None:
        self.copter = copter
        self.steps = 0
        self.at_step: tuple[int, Callable[[], None]] | None = None
        self.seed = seed
        self._up, self._down = FaultModel(GOOD, seed), FaultModel(GOOD, seed + 1)
        self._post: Post | None = None
        self._name = ""
        self._scanner = Scanner()
        self.overheard: list[Callable[[Any], None]] = []
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(STEP_S, self._pass)
        self.approved: Plan | None = None
        self.armed_other = self.started_other = ""
        self.started = False
        self._armed = False

    def close(self) -> None:
        """No more time passes."""
        self._timer.cancel()

    def fault(self, up: Faults, down: Faults) -> None:
        """From now on."""
        self._up, self._down = FaultModel(up, self.seed), FaultModel(down, self.seed + 1)

    def open_link(self, name: str, post: Post, _clock: Clock) -> Link:
        """For MavlinkFleet: the controller's side. The newest controller has the radio."""
        self._name, self._post = name, post
        return _AirLink(self, post)

    def from_controller(self, post: Post, data: bytes) -> None:
        """A frame of the controller, if it still has the radio."""
        if post is not self._post:
            return
        self._step()
        for delay_s, copy in self._up.fate(data):
            self._loop.call_later(delay_s, self.to_copter, copy)

    def to_copter(self, data: bytes) -> None:
        """Bytes that arrive at the vehicle."""
        self.copter.receive(data, self._loop.time())
        self._after()

    def power(self, off_s: float) -> None:
        """Its power goes, and comes back."""
        self.copter.kill()
        self._loop.call_later(off_s, self.copter.reboot)

    def _pass(self) -> None:
        self.copter.advance(self._loop.time())
        self._after()
        self._timer = self._loop.call_later(STEP_S, self._pass)

    def _after(self) -> None:
        self._judge()
        for frame in self.copter.take_output():
            self._step()
            for heard in self.overheard:
                self._loop.call_later(0.01, heard, frame)
            for delay_s, copy in self._down.fate(frame):
                self._loop.call_later(delay_s, self._to_controller, copy)
        self.copter.take_truth()

    def _to_controller(self, data: bytes) -> None:
        if self._post is not None:
            for frame in self._scanner.feed(data):
                self._post.receive(self._name, frame)

    def _step(self) -> None:
        self.steps += 1
        if self.at_step is not None and self.steps >= self.at_step[0]:
            what = self.at_step[1]
            self.at_step = None
            self._loop.call_soon(what)

    def _judge(self) -> None:
        """Look at the first moment armed and the first moment that it runs a mission armed."""
        copter = self.copter
        if copter.armed and not self._armed and copter.mode_number == MODE_AUTO:
            self.armed_other = self.armed_other or self.other()
        self._armed = copter.armed
        if copter.armed and copter.auto_armed and not self.started:
            self.started = True
            self.started_other = self.other()

    def other(self) -> str:
        """How what the vehicle holds differs from what was approved; empty: it is the same."""
        if self.approved is None:
            return "nothing was approved"
        return "; ".join(differences(self.approved, held_items(self.copter))[:3])


class _AirLink:
    """What MavlinkFleet sends by."""

    def __init__(self, air: Air, post: Post) -> None:
        self._air, self._post = air, post

    async def open(self) -> None:
        """Nothing to bind."""

    async def run(self) -> None:
        """Frames come by themselves."""
        await asyncio.Event().wait()

    def send(self, _system: int, data: bytes) -> bool:
        """Into the air."""
        self._air.from_controller(self._post, data)
        return True

    def close(self) -> None:
        """Nothing is held."""
