"""A second station on a real vehicle's own clean port, which watches and reads what it holds.

Owns a TCP link to one ArduCopter: armed, mode, height, and the mission as read the moment it arms.
It speaks pymavlink, so that nothing of the controller judges the controller.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from vehicles.mavlink.messages import MissionItemInt

ME = (252, 191)
AUTO, LAND = 3, 9
STARTED_M = 1.0
STEP_S = 0.05


class Observer:
    """Use `run` as a task; it connects again after a reboot."""

    def __init__(self, port: int, speedup: float, system: int = 1) -> None:
        self._port, self._speedup, self._system = port, speedup, system
        self._mav = mav.MAVLink(None, *ME)
        self._writer: asyncio.StreamWriter | None = None
        self._inbox: list[Any] = []
        self._arrived = asyncio.Event()
        self.overheard: list[Callable[[bytes], None]] = []
        self.armed = False
        self.mode = -1
        self.height_m = 0.0
        self.flew = False
        self.at_arming: list[tuple[MissionItemInt, ...]] = []
        """What it held each time that it armed in AUTO."""
        self.reading = 0

    def forget(self) -> None:
        """A new case begins."""
        self.flew = False
        self.at_arming.clear()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                with contextlib.suppress(OSError):
                    reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
                    asking = group.create_task(self._ask_rates(), name="rates")
                    try:
                        await self._listen(reader, group)
                    finally:
                        asking.cancel()
                        self._writer.close()
                        self._writer = None
                await asyncio.sleep(0.2)

    async def _ask_rates(self) -> None:
        while True:
            self.command(mav.MAV_CMD_SET_MESSAGE_INTERVAL, 33.0, 200_000.0)
            await asyncio.sleep(10.0 / self._speedup)

    async def _listen(self, reader: asyncio.StreamReader, group: asyncio.TaskGroup) -> None:
        ears = mav.MAVLink(None)
        ears.robust_parsing = True
        while data := await reader.read(4096):
            for heard in self.overheard:
                heard(data)
            for message in ears.parse_buffer(data) or ():
                if message.get_srcSystem() == self._system:
                    self._take(message, group)

    def _take(self, message: Any, group: asyncio.TaskGroup) -> None:
        kind = message.get_type()
        if kind == "HEARTBEAT":
            armed = bool(message.base_mode & mav.MAV_MODE_FLAG_SAFETY_ARMED)
            self.mode = message.custom_mode
            if armed and not self.armed and self.mode == AUTO:
                group.create_task(self._read_at_arming(), name="read at arming")
            self.armed = armed
        elif kind == "GLOBAL_POSITION_INT":
            self.height_m = message.relative_alt / 1000.0
            self.flew |= self.armed and self.height_m > STARTED_M
        elif kind.startswith("MISSION_") and getattr(message, "target_system", 0) == ME[0]:
            self._inbox.append(message)
            self._arrived.set()

    async def _read_at_arming(self) -> None:
        self.reading += 1
        try:
            held = await self.held()
            if held is not None:
                self.at_arming.append(held)
        finally:
            self.reading -= 1

    async def held(self, tries: int = 60) -> tuple[MissionItemInt, ...] | None:
        """The mission on board, read item by item; None where it cannot be read."""
        for _ in range(tries):
            count = await self._asked(
                mav.MAVLink_mission_request_list_message(self._system, 1, 0),
                lambda m: m.get_type() == "MISSION_COUNT",
            )
            if count is None:
                continue
            items = []
            for seq in range(count.count):
                item = await self._asked(
                    mav.MAVLink_mission_request_int_message(self._system, 1, seq, 0),
                    lambda m, seq=seq: m.get_type() == "MISSION_ITEM_INT" and m.seq == seq,
                )
                if item is None:
                    break
                items.append(_plain(item))
            else:
                return tuple(items)
        return None

    async def _asked(self, question: Any, fits: Callable[[Any], bool]) -> Any:
        self._inbox.clear()
        self.send(bytes(question.pack(self._mav)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(4.0 / self._speedup):
                while True:
                    self._arrived.clear()
                    await self._arrived.wait()
                    for message in self._inbox:
                        if fits(message):
                            return message
        return None

    def command(self, number: int, *params: float) -> None:
        """A COMMAND_LONG, its answer not awaited."""
        values = [*params, *[0.0] * (7 - len(params))]
        order = mav.MAVLink_command_long_message(self._system, 1, number, 0, *values)
        self.send(bytes(order.pack(self._mav)))

    def send(self, data: bytes) -> None:
        """Bytes to the vehicle; lost while it reboots."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(data)

    async def put_down(self, limit_s: float) -> bool:
        """Land and wait until it is disarmed; wall seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while self.armed:
                    if self.mode != LAND:
                        self.command(mav.MAV_CMD_DO_SET_MODE, 1.0, float(LAND))
                    await asyncio.sleep(0.5)
        return not self.armed


def _plain(m: Any) -> MissionItemInt:
    return MissionItemInt(
        m.param1, m.param2, m.param3, m.param4, m.x, m.y, m.z, m.seq, m.command,
        m.target_system, m.target_component, m.frame, m.current, m.autocontinue, m.mission_type,
    )  # fmt: skip
