"""A small ground station and one copter, light or real, for the tests that compare the two."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from sitl.ardupilot import ArduPilotFleet, find_ardupilot
from sitl.copter import CopterFleet, CopterSpec
from sitl.world import LabClock, TruthSample
from tests.support.steady import steady_clocks

SPEEDUP = 16.0
HOME = (60.17, 24.94, 20.0)
GCS = (255, 190)
NAN = float("nan")

Item = tuple[int, float, float, float, float, float, float, float, int]


def item(command, p1=0.0, p2=0.0, p3=0.0, p4=0.0, *, at=(0.0, 0.0), alt=0.0, frame=3) -> Item:
    return (command, p1, p2, p3, p4, at[0], at[1], alt, frame)


def waypoint(lat, lon, alt, **kwargs) -> Item:
    return item(16, at=(lat, lon), alt=alt, **kwargs)


DELIVERY = [
    item(22, alt=30),
    item(178, 1, 8, -1),
    waypoint(60.171, 24.94, 30),
    waypoint(60.171, 24.942, 30),
    waypoint(60.171, 24.942, 12),
    item(93, 2, -1, -1, -1, frame=0),
    item(211, 1, 0, frame=0),
    item(93, 3, -1, -1, -1, frame=0),
    item(188),
    waypoint(60.171, 24.942, 30),
    waypoint(60.171, 24.94, 30),
    item(21, at=HOME[:2]),
]


@dataclass
class Ground:
    """A small ground station on one TCP link."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    truth: list[TruthSample]
    seen: list[Any] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    mode: int = -1
    armed: bool = False
    status: int = 1
    prearm_ok: bool = False
    position_ok: bool = False
    quiet: bool = False
    speedup: float = SPEEDUP

    def __post_init__(self) -> None:
        self.wire = mav.MAVLink(None, *GCS)
        self.wire.robust_parsing = True

    async def listen(self) -> None:
        while data := await self.reader.read(4096):
            for message in self.wire.parse_buffer(data) or ():
                self._take(message)
            self.arrived.set()

    def _take(self, message: Any) -> None:
        kind = message.get_type()
        if kind == "HEARTBEAT":
            self.mode, self.status = message.custom_mode, message.system_status
            self.armed = bool(message.base_mode & 128)
        elif kind == "SYS_STATUS":
            bits = message.onboard_control_sensors_health & message.onboard_control_sensors_enabled
            self.prearm_ok = bool(bits & mav.MAV_SYS_STATUS_PREARM_CHECK)
        elif kind == "EKF_STATUS_REPORT":
            self.position_ok = bool(message.flags & 16)
        elif kind != "BAD_DATA":
            self.seen.append(message)

    async def heartbeats(self) -> None:
        while True:
            if not self.quiet:
                self.send(mav.MAVLink_heartbeat_message(6, 8, 0, 0, 0, 3))
            await asyncio.sleep(0.5 / self.speedup)

    def send(self, message: Any, *, source: tuple[int, int] = GCS) -> None:
        self.wire.srcSystem, self.wire.srcComponent = source
        self.writer.write(message.pack(self.wire))
        self.wire.srcSystem, self.wire.srcComponent = GCS

    async def until(self, test: Callable[[], Any], what: str, wall_s: float = 10.0) -> Any:
        now_s = asyncio.get_running_loop().time
        deadline = now_s() + wall_s
        while not (result := test()):
            left = deadline - now_s()
            assert left > 0, f"no {what}; texts {self.texts()[-8:]}"
            self.arrived.clear()
            try:
                async with asyncio.timeout(left):
                    await self.arrived.wait()
            except TimeoutError:
                pass
        return result

    def find(self, kind: str, since: int = 0, **fields: Any) -> Any:
        for message in self.seen[since:]:
            if message.get_type() == kind and all(
                getattr(message, name) == value for name, value in fields.items()
            ):
                return message
        return None

    async def expect(self, kind: str, since: int = 0, wall_s: float = 10.0, **fields: Any) -> Any:
        return await self.until(
            lambda: self.find(kind, since, **fields), f"{kind} {fields}", wall_s
        )

    async def command(self, number: int, *params: float) -> int:
        since = len(self.seen)
        filled = [*params, *[0.0] * (7 - len(params))]
        self.send(mav.MAVLink_command_long_message(1, 1, number, 0, *filled))
        return int((await self.expect("COMMAND_ACK", since, command=number)).result)

    async def reposition(self, lat: float, lon: float, alt: float, *, change_mode: bool) -> int:
        since = len(self.seen)
        self.send(
            mav.MAVLink_command_int_message(
                1, 1, 3, 192, 0, 0, -1, float(change_mode), 0, NAN,
                round(lat * 1e7), round(lon * 1e7), alt,
            )
        )  # fmt: skip
        return int((await self.expect("COMMAND_ACK", since, command=192)).result)

    def last(self, kind: str) -> Any:
        return next(m for m in reversed(self.seen) if m.get_type() == kind)

    def speed(self) -> float:
        """Of the newest position, m/s; NaN before the first, so that nothing is read into it."""
        for message in reversed(self.seen):
            if message.get_type() == "GLOBAL_POSITION_INT":
                return math.hypot(message.vx, message.vy) / 100
        return NAN

    async def set_param(self, name: str, value: float) -> None:
        since = len(self.seen)
        self.send(mav.MAVLink_param_set_message(1, 1, name.encode(), value, 9))
        await self.until(lambda: self.find("PARAM_VALUE", since, param_id=name), name)

    def texts(self, since: int = 0) -> list[str]:
        return [m.text for m in self.seen[since:] if m.get_type() == "STATUSTEXT"]

    def send_item(self, seq: int, it: Item, *, source: tuple[int, int] = GCS) -> None:
        command, p1, p2, p3, p4, lat, lon, alt, frame = it
        self.send(
            mav.MAVLink_mission_item_int_message(
                1, 1, seq, frame, command, 0, 1, p1, p2, p3, p4,
                round(lat * 1e7), round(lon * 1e7), alt, 0,
            ),
            source=source,
        )  # fmt: skip

    def count(self, count: int, *, source: tuple[int, int] = GCS) -> None:
        self.send(mav.MAVLink_mission_count_message(1, 1, count, 0), source=source)

    async def upload(self, items: list[Item], stop_before: int | None = None) -> int:
        """Items from seq 1 on, home in seq 0; the ACK's type, or -1 when abandoned."""
        everything = [waypoint(0, 0, 0, frame=0), *items]
        since = len(self.seen)
        self.count(len(everything))
        for seq, it in enumerate(everything):
            await self.until(
                lambda seq=seq: (
                    self.find("MISSION_REQUEST", since, seq=seq) or self.find("MISSION_ACK", since)
                ),
                f"request for {seq}",
            )
            if self.find("MISSION_ACK", since):
                break
            if seq == stop_before:
                return -1
            self.send_item(seq, it)
        return int((await self.expect("MISSION_ACK", since)).type)

    async def download(self) -> list[Any]:
        since = len(self.seen)
        self.send(mav.MAVLink_mission_request_list_message(1, 1, 0))
        count = (await self.expect("MISSION_COUNT", since)).count
        items = []
        for seq in range(count):
            since = len(self.seen)
            self.send(mav.MAVLink_mission_request_int_message(1, 1, seq, 0))
            items.append(await self.expect("MISSION_ITEM_INT", since, seq=seq))
        return items

    async def ready(self) -> None:
        await self.until(lambda: self.status == 3, "end of boot")
        assert await self.command(511, 1, 500_000) == 0
        assert await self.command(511, 193, 500_000) == 0
        await self.until(lambda: self.prearm_ok and self.position_ok, "pre-arm OK", 18.0)


@asynccontextmanager
async def ground_to(
    kind: str,
    device: str = "gripper",
    *,
    home: tuple[float, float, float] = HOME,
    speedup: float = SPEEDUP,
    **params: float,
) -> AsyncIterator[Ground]:
    """A ground station of one copter, light or real, that is torn down with it."""
    truth: list[TruthSample] = []
    spec = CopterSpec("c1", 1, *home, drop_device=device, param_overrides=params)
    start = datetime(2026, 6, 1, 9, tzinfo=UTC)
    if kind == "light":
        clock: LabClock = steady_clocks(speedup, start, pace=8.0)[1]
        fleet: Any = CopterFleet([spec], tcp=True, clock=clock, on_truth=truth.append, boot_s=5.0)
    else:
        if find_ardupilot() is None:
            pytest.skip("arducopter not found: set WAYPOST_ARDUPILOT_BIN to its directory")
        clock = LabClock.starting_now(speedup=speedup, start=start)
        fleet = ArduPilotFleet([spec], tcp=True, clock=clock, on_truth=truth.append)
    async with fleet:
        reader, writer = await _connect(fleet.ports["c1"])
        ground = Ground(reader, writer, truth, speedup=speedup)
        running = [
            asyncio.create_task(ground.listen(), name="listen"),
            asyncio.create_task(ground.heartbeats(), name="heartbeats"),
        ]
        try:
            yield ground
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            writer.close()
            await writer.wait_closed()


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    deadline = time.monotonic() + 10
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            assert time.monotonic() < deadline, f"nobody listens on {port}"
            await asyncio.sleep(0.05)
