"""A PX4 that answers from a written exchange, and a session that talks to it.

The exchange (`px4/exchange.json`) says message by message who sends what; it was written from
PX4's sources and documents. The peer knows nothing of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from controller.clock import ScaledClock
from geofence.frames import LatLon
from geofence.zones import VehicleClass
from missions.model import AirItem, AirMission, DropDevice, ItemKind
from tests.integration.mavlink_rig import PACE, Watched
from tests.support.steady import steady_clocks
from vehicles.mavlink.session import MavlinkSession
from vehicles.mavlink.settings import MavlinkSettings, MavlinkVehicle
from vehicles.mavlink.wire import Scanner
from vehicles.port import Capability

SYSID = 9
HOME = LatLon(60.17, 24.94)
HOME_AMSL_M = 10.0
CRUISE_M = 25.0
DROP = LatLon(60.17, 24.941)
MIDDLE = LatLon(60.17, 24.9405)
EXCHANGE = Path(__file__).with_name("px4") / "exchange.json"

_K = ItemKind
MISSION = AirMission(
    "M-1",
    "D-9",
    HOME,
    HOME_AMSL_M,
    CRUISE_M,
    (
        AirItem(_K.TAKEOFF, HOME, CRUISE_M),
        AirItem(_K.SPEED, speed_mps=8.0),
        AirItem(_K.WAYPOINT, MIDDLE, CRUISE_M),
        AirItem(_K.WAYPOINT, DROP, CRUISE_M),
        AirItem(_K.WAYPOINT, DROP, 12.0),
        AirItem(_K.RELEASE, device=DropDevice.GRIPPER, parcel_id="P-1"),
        AirItem(_K.DELAY, delay_s=5.0),
        AirItem(_K.RETURN_PATH),
        AirItem(_K.WAYPOINT, DROP, CRUISE_M),
        AirItem(_K.WAYPOINT, MIDDLE, CRUISE_M),
        AirItem(_K.WAYPOINT, HOME, CRUISE_M),
        AirItem(_K.LAND, HOME),
    ),
    "test",
)
CAPABILITY = Capability(
    VehicleClass.MULTIROTOR, 2.0, 1, 10.0, 300.0, (0.4, 0.4, 0.4), DropDevice.GRIPPER
)
VEHICLE = MavlinkVehicle(
    "D-9", "", SYSID, CAPABILITY, HOME, HOME_AMSL_M, gcs_timeout_s=20.0,
    cruise_alt_home_m=CRUISE_M, profile="px4",
)  # fmt: skip


class Px4Peer:
    """Plays the chapters that it is told, in order; `deliver` takes its bytes."""

    def __init__(self, clock: ScaledClock) -> None:
        record = json.loads(EXCHANGE.read_text())
        self._chapters: dict[str, list[dict[str, Any]]] = record["chapters"]
        self._standing: list[dict[str, Any]] = record["standing"]
        self.parameters: dict[str, dict[str, Any]] = record["parameters"]
        self.deliver: Callable[[bytes], None] = lambda _: None
        self.unexpected: list[str] = []
        """What it was sent and the exchange does not know."""
        self._clock = clock
        self._story: deque[dict[str, Any]] = deque()
        self._again: dict[str, dict[str, Any]] = {}
        self._wire = mav.MAVLink(None, srcSystem=SYSID, srcComponent=1)
        self._ears = mav.MAVLink(None)
        self._turn = asyncio.Event()

    @property
    def finished(self) -> bool:
        """Whether every line of the chapters so far was played."""
        return not self._story

    @property
    def stuck_at(self) -> str:
        """The line that is next, for a failing test."""
        return str(self._story[0]) if self._story else "the end"

    def play(self, *chapters: str) -> None:
        """Append chapters to what is played."""
        for chapter in chapters:
            self._story.extend(self._chapters[chapter])
        self._turn.set()

    def hear(self, data: bytes) -> bool:
        """Bytes from the ground."""
        for message in self._ears.parse_buffer(bytearray(data)) or ():
            asyncio.get_running_loop().call_soon(self._take, message)
        return True

    async def run(self) -> None:
        """Play until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tell(), name="px4 story")
            group.create_task(self._beat(), name="px4 beat")

    async def _tell(self) -> None:
        while True:
            while self._story and self._story[0]["from"] == "px4":
                line = self._story[0]
                if "after_s" in line:
                    await self._clock.sleep(line["after_s"])
                self._story.popleft()
                self._say(line)
            self._turn.clear()
            await self._turn.wait()

    async def _beat(self) -> None:
        while True:
            for line in tuple(self._again.values()):
                self._send(line)
            self._send({"message": "SYSTEM_TIME"})
            await self._clock.sleep(1.0)

    def _take(self, message: Any) -> None:
        name = message.get_type()
        if self._story and _matches(self._story[0], "ground", message):
            self._story.popleft()
            self._turn.set()
        elif name == "PARAM_REQUEST_READ":
            self._value(message.param_id)
        elif name == "PARAM_SET":
            self._set(message)
        else:
            self._stand(message)

    def _stand(self, message: Any) -> None:
        for rule in self._standing:
            if _matches(rule["hear"], "ground", message):
                for line in rule["say"]:
                    self._say(line)
                return
        self.unexpected.append(str(message))

    def _set(self, message: Any) -> None:
        held = self.parameters.get(message.param_id)
        raw = struct.pack("<f", message.param_value).hex()
        if held is None or held["type"] != message.param_type:
            # mavlink_parameters.cpp: a set of another type is not taken
            self.unexpected.append(f"{message} for a parameter that is {held}")
            return
        held["bytes"] = raw
        self._value(message.param_id)

    def _value(self, name: str) -> None:
        held = self.parameters.get(name)
        if held is not None:
            line = {"message": "PARAM_VALUE", "param_id": name, "param_type": held["type"]}
            self._send(line, raw=bytes.fromhex(held["bytes"]))

    def _say(self, line: dict[str, Any]) -> None:
        if line.get("again"):
            self._again[line["message"]] = line
        self._send(line)

    def _send(self, line: dict[str, Any], raw: bytes = b"") -> None:
        kind = getattr(mav, f"MAVLink_{line['message'].lower()}_message")
        given = dict.fromkeys(kind.fieldnames, 0)
        if "target_system" in given:
            given |= {"target_system": 255, "target_component": 190}
        if "time_boot_ms" in given:
            given["time_boot_ms"] = int(self._clock.monotonic_s() * 1000) + 60_000
        if "q" in given:
            given["q"] = (1.0, 0.0, 0.0, 0.0)
        given |= {name: _value_of(v) for name, v in line.items() if name in given}
        message = kind(**given)
        if raw:
            (message.param_value,) = struct.unpack("<f", raw)
        asyncio.get_running_loop().call_soon(self.deliver, bytes(message.pack(self._wire)))


def _value_of(value: Any) -> Any:
    if value == "nan":
        return math.nan
    return value.encode() if isinstance(value, str) else value


def _matches(line: dict[str, Any], sender: str, message: Any) -> bool:
    if line["from"] != sender or line["message"] != message.get_type():
        return False
    for name in message.get_fieldnames():
        if name not in line:
            continue
        wanted, had = _value_of(line[name]), getattr(message, name)
        both_none = isinstance(wanted, float) and math.isnan(wanted) and math.isnan(had)
        if not both_none and not math.isclose(wanted, had, rel_tol=1e-6, abs_tol=1e-6):
            return False
    return True


@contextlib.asynccontextmanager
async def px4() -> AsyncIterator[tuple[Watched, Px4Peer]]:
    """A session and the peer that it talks to; at the end nothing unexpected was said."""
    clock, _ = steady_clocks(20.0, pace=PACE)
    peer = Px4Peer(clock)
    settings = MavlinkSettings()
    session = MavlinkSession(VEHICLE, clock, settings, peer.hear)
    scanner = Scanner()

    def deliver(data: bytes) -> None:
        for frame in scanner.feed(data):
            session.receive(frame)

    peer.deliver = deliver
    one = Watched(session, clock, 15.0)

    async def listen() -> None:
        async for event in session.events():
            one.seen.append(event)

    async def tick() -> None:
        while True:
            session.tick()
            await clock.sleep(settings.tick_s)

    duties = (listen(), tick(), peer.run(), session.upkeep.run())
    tasks = [asyncio.create_task(duty, name=f"px4 {n}") for n, duty in enumerate(duties)]
    await asyncio.sleep(0)
    try:
        yield one, peer
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends
    assert peer.unexpected == []
