"""The light copter is judged by the real one: the same exchanges, the same assertions."""

import asyncio
import math
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from sitl.ardupilot import ArduPilotFleet, LabError, find_ardupilot
from sitl.copter import CopterFleet, CopterSpec
from sitl.world import LabClock, TruthSample

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
            await asyncio.sleep(0.5 / SPEEDUP)

    def send(self, message: Any, *, source: tuple[int, int] = GCS) -> None:
        self.wire.srcSystem, self.wire.srcComponent = source
        self.writer.write(message.pack(self.wire))
        self.wire.srcSystem, self.wire.srcComponent = GCS

    async def until(self, test: Callable[[], Any], what: str, wall_s: float = 10.0) -> Any:
        deadline = time.monotonic() + wall_s
        while not (result := test()):
            left = deadline - time.monotonic()
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
        found = [m for m in self.seen[-50:] if m.get_type() == "GLOBAL_POSITION_INT"]
        return math.hypot(found[-1].vx, found[-1].vy) / 100 if found else 0.0

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
async def ground_to(kind: str, device: str = "gripper", **params: float) -> AsyncIterator[Ground]:
    truth: list[TruthSample] = []
    spec = CopterSpec("c1", 1, *HOME, drop_device=device, param_overrides=params)
    clock = LabClock.starting_now(speedup=SPEEDUP, start=datetime(2026, 6, 1, 9, tzinfo=UTC))
    if kind == "light":
        fleet: Any = CopterFleet([spec], tcp=True, clock=clock, on_truth=truth.append, boot_s=5.0)
    else:
        if find_ardupilot() is None:
            pytest.skip("arducopter not found: set WAYPOST_ARDUPILOT_BIN to its directory")
        fleet = ArduPilotFleet([spec], tcp=True, clock=clock, on_truth=truth.append)
    async with fleet:
        reader, writer = await _connect(fleet.ports["c1"])
        ground = Ground(reader, writer, truth)
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


@pytest.fixture(
    params=["light", pytest.param("ardupilot", marks=[pytest.mark.ardupilot])],
)
def kind(request):
    return request.param


STORED = [
    # sent -> (frame, p1, p2, p3, p4, x, y, z) as read back
    (
        waypoint(60.1712345, 24.9412345, 30.127, p1=1.7, p2=2.5, p3=0.5, p4=45.0, frame=6),
        (3, 1, 0, 0, 0, 601712345, 249412345, 30.12),
    ),
    (waypoint(60.1, 24.9, 45.5, frame=5), (0, 0, 0, 0, 0, 601000000, 249000000, 45.5)),
    (waypoint(60.1, 24.9, 45.5, frame=11), (10, 0, 0, 0, 0, 601000000, 249000000, 45.5)),
    (waypoint(60.1, 24.9, 10, p4=NAN), (3, 0, 0, 0, 0, 601000000, 249000000, 10)),
    # 20.05 m is 2004.9999 cm as a float
    (item(22, 15.9, 0, 0, NAN, alt=20.05), (3, 15, 0, 0, 0, 0, 0, 20.04)),
    (
        item(19, 4.9, 0, -30, 0, at=(60.1, 24.9), alt=5),
        (3, 4, 0, -1, 0, 601000000, 249000000, 5),
    ),
    (item(21, 3.2, at=(60.1, 24.9)), (3, 3, 0, 0, 1, 601000000, 249000000, 0)),
    (item(21, 0, 0, 0, -2, at=(60.1, 24.9)), (3, 0, 0, 0, -1, 601000000, 249000000, 0)),
    (item(94, 12.345, at=(60.1, 24.9)), (3, 12.34, 0, 0, 0, 601000000, 249000000, 0)),
    (item(93, 2.5, 7.9, -1, 3, frame=0), (0, 2.5, 7, -1, 3, 0, 0, 0)),
    (item(178, 1.6, 7.5, 55, 9), (0, 1, 7.5, 55, 0, 0, 0, 0)),
    (item(211, 1, 1, 4, 5), (0, 1, 1, 0, 0, 0, 0, 0)),
    (item(42600, 1, 1, -3.5, 0.75), (0, 1, 1, -3.5, 0.75, 0, 0, 0)),
    (item(177, 2, -1), (0, 2, -1, 0, 0, 0, 0, 0)),
    (item(188, 5), (3, 0, 0, 0, 0, 0, 0, 0)),
    (item(189, at=(60.1, 24.9), alt=7), (3, 0, 0, 0, 0, 601000000, 249000000, 7)),
    (item(20), (0, 0, 0, 0, 0, 0, 0, 0)),
    (item(183, 9.5, 1500.7), (0, 9, 1500, 0, 0, 0, 0, 0)),
    (item(112, 4.25), (0, 4.25, 0, 0, 0, 0, 0, 0)),
    (item(17, 0, 0, -20.7, 0, at=(60.1, 24.9), alt=9), (3, 0, 0, -20, 0, 601000000, 249000000, 9)),
]

REFUSED = [
    (item(4242), 3),
    (item(0), 5),
    (item(1), 5),
    (waypoint(91, 24, 10), 10),
    (waypoint(60, 181, 10), 11),
    (waypoint(60, 24, NAN), 12),
    (waypoint(60, 24, 84000.0), 12),
    (waypoint(60, 24, 10, frame=1), 2),
    (waypoint(60, 24, 10, p1=NAN), 6),
    (waypoint(60, 24, 10, p2=float("inf")), 7),
    (waypoint(60, 24, 10, p4=float("inf")), 9),
    (item(19, 1, p4=NAN, at=(60, 24)), 9),
    (item(177, 40, 1), 1),
    (item(177, 0, 1), 1),
]


async def settled(ground: Ground) -> None:
    """Past boot, when storage answers; home is set later."""
    await ground.until(lambda: ground.status == 3, "end of boot")
    await ground.until(lambda: ground.find("HOME_POSITION"), "home")


@pytest.mark.timeout(60)
async def test_mission_comes_back_in_canonical_form(kind):
    async with ground_to(kind) as ground:
        await settled(ground)
        assert await ground.upload([sent for sent, _ in STORED]) == 0
        home, *items = await ground.download()
        assert (home.command, home.frame) == (16, 0)
        assert (home.x / 1e7, home.y / 1e7) == pytest.approx(HOME[:2], abs=2e-6)
        for (sent, stored), m in zip(STORED, items, strict=True):
            got = (m.frame, m.param1, m.param2, m.param3, m.param4, m.x, m.y, m.z)
            assert m.command == sent[0]
            assert got == pytest.approx(stored, abs=1e-5), sent
            assert m.autocontinue == 1


@pytest.mark.timeout(60)
async def test_bad_items_are_refused_with_the_same_result(kind):
    async with ground_to(kind) as ground:
        await settled(ground)
        for bad, result in REFUSED:
            assert await ground.upload([waypoint(60, 24, 10), bad, item(20)]) == result, bad
        assert await ground.upload([waypoint(60, 24, 10)] * 700) == 4


@pytest.mark.timeout(60)
async def test_duplicate_item_gets_ack_13_and_the_upload_goes_on(kind):
    async with ground_to(kind) as ground:
        await settled(ground)
        since = len(ground.seen)
        ground.count(3)
        await ground.expect("MISSION_REQUEST", since, seq=0)
        ground.send_item(0, waypoint(0, 0, 0, frame=0))
        await ground.expect("MISSION_REQUEST", since, seq=1)
        ground.send_item(1, item(22, alt=10))
        ground.send_item(1, item(22, alt=10))
        await ground.expect("MISSION_ACK", since, type=13)
        await ground.expect("MISSION_REQUEST", since, seq=2)
        ground.send_item(2, item(20))
        await ground.expect("MISSION_ACK", since, type=0)
        acks = [m.type for m in ground.seen[since:] if m.get_type() == "MISSION_ACK"]
        assert acks == [13, 0]
        assert "Flight plan received" in await ground.until(lambda: ground.texts(since), "text")


@pytest.mark.timeout(60)
async def test_abandoned_upload_leaves_a_hybrid(kind):
    old = [waypoint(60.1, 24.9, 30)] * 10
    new = [waypoint(60.2, 24.8, 50)] * 8
    async with ground_to(kind) as ground:
        await settled(ground)
        assert await ground.upload(old) == 0
        since = len(ground.seen)
        assert await ground.upload(new, stop_before=5) == -1
        again = [m for m in ground.seen[since:] if m.get_type() == "MISSION_REQUEST" and m.seq == 5]
        assert len(again) >= 1
        ground.count(2, source=(77, 1))
        await ground.expect("MISSION_ACK", since, target_system=77, type=14)
        await ground.expect("MISSION_ACK", since, type=15, target_system=GCS[0])
        asked = [m for m in ground.seen[since:] if m.get_type() == "MISSION_REQUEST" and m.seq == 5]
        assert len(asked) in range(5, 10)
        assert "Mission upload timeout" in ground.texts(since)
        items = await ground.download()
        assert [m.z for m in items[1:]] == [50, 50, 50, 50, 30, 30, 30, 30]


@pytest.mark.timeout(60)
async def test_mission_start_and_arming_when_disarmed(kind):
    async with ground_to(kind) as ground:
        await ground.ready()
        assert await ground.upload(DELIVERY) == 0
        assert await ground.command(300) == 0
        await ground.until(lambda: ground.mode == 3, "AUTO")
        assert not ground.armed
        assert await ground.command(512, 42) == 0
        current = await ground.expect("MISSION_CURRENT")
        assert (current.seq, current.total, current.mission_state) == (1, len(DELIVERY), 3)
        since = len(ground.seen)
        assert await ground.command(400, 1) == 4
        await ground.until(
            lambda: "Arm: AUTO mode not armable" in ground.texts(since), "arming refusal"
        )
        assert await ground.command(193, 0) == 4
        await ground.until(lambda: "Failed to pause" in ground.texts(since), "pause refusal")
        assert await ground.command(31_000) == 3
        assert await ground.command(192, -1, 1, 0, 0, *HOME) == 3
        assert await ground.command(511, 9_999, 1_000) == 2
        assert await ground.command(512, 9_999) == 4
        assert await ground.command(176, 1, 99) == 4
        assert await ground.command(401) == 0
        assert await ground.command(211, 1, 0) == 0
        assert await ground.command(42600, 1, 1, 5, 0.5) == 4
        assert await ground.command(42651, 1, 50) == 0


@pytest.mark.timeout(120)
async def test_whole_delivery(kind):
    async with ground_to(kind, AUTO_OPTIONS=3) as ground:
        await ground.ready()
        assert await ground.command(511, 33, 200_000) == 0
        assert await ground.command(511, 42, 200_000) == 0
        assert await ground.upload(DELIVERY) == 0
        since = len(ground.seen)
        assert await ground.command(176, 1, 3) == 0
        assert await ground.command(400, 1) == 0
        assert await ground.command(300) == 0
        await ground.until(
            lambda: "Disarming motors" in ground.texts(since), "landing and disarming", 60.0
        )
        await ground.until(lambda: not ground.armed, "disarmed heartbeat")
        reached = [m.seq for m in ground.seen[since:] if m.get_type() == "MISSION_ITEM_REACHED"]
        assert reached == [2, 3, 4, 5, 6, 9, 10, 11]
        wanted = (
            "Mission: ", "Reached command", "Gripper", "Arming", "Disarming", "Delaying"
        )  # fmt: skip
        texts = [text for text in ground.texts(since) if text.startswith(wanted)]
        assert texts[: texts.index("Disarming motors") + 1] == [
            "Mission: 1 Takeoff", "Arming motors",
            "Mission: 2 ChangeSpeed", "Mission: 3 WP", "Reached command #3",
            "Mission: 4 WP", "Reached command #4", "Mission: 5 WP", "Reached command #5",
            "Mission: 6 Delay", "Delaying 2 sec",
            "Mission: 7 Gripper", "Gripper load releasing", "Gripper Released",
            "Mission: 8 Delay", "Delaying 3 sec", "Gripper load released",
            "Mission: 9 ReturnPathStart", "Mission: 10 WP",
            "Gripper load grabbing", "Gripper load grabbed", "Reached command #10",
            "Mission: 11 WP", "Reached command #11", "Mission: 12 Land", "Disarming motors",
        ]  # fmt: skip
        # disarmed in AUTO, the mission begins again, without motors
        await ground.until(lambda: ground.find("MISSION_CURRENT", since, seq=12), "last item")
        states = {m.mission_state for m in ground.seen if m.get_type() == "MISSION_CURRENT"}
        assert mav.MISSION_STATE_COMPLETE not in states
        flown = [m for m in ground.seen[since:] if m.get_type() == "GLOBAL_POSITION_INT"]
        assert max(m.relative_alt for m in flown) / 1000 == pytest.approx(30, abs=1)
        released = [sample for sample in ground.truth if sample.event == "released"]
        assert len(released) == 1
        assert released[0].lat_deg == pytest.approx(60.171, abs=2e-5)
        assert released[0].lon_deg == pytest.approx(24.942, abs=4e-5)
        assert released[0].alt_amsl_m == pytest.approx(HOME[2] + 12, abs=1)
        assert [sample.event for sample in ground.truth if sample.event == "landed"] == ["landed"]


FAR = [item(22, alt=20), *[waypoint(60.17 + 0.004 * n, 24.94, 20) for n in (1, 2)], item(20)]


async def airborne(ground: Ground, items: list[Item]) -> int:
    """Fly to the first waypoint after take-off; the mark of where the flight began."""
    await ground.ready()
    assert await ground.command(511, 33, 100_000) == 0
    assert await ground.upload(items) == 0
    since = len(ground.seen)
    assert await ground.command(176, 1, 3) == 0
    assert await ground.command(400, 1) == 0
    await ground.until(
        lambda: any(text.endswith(" WP") for text in ground.texts(since)), "first leg", 20.0
    )
    await ground.until(lambda: ground.speed() > 5.0, "speed")
    return since


@pytest.mark.timeout(90)
async def test_pause_divert_hold_and_return(kind):
    async with ground_to(kind, AUTO_OPTIONS=3) as ground:
        since = await airborne(ground, FAR)
        assert await ground.command(193, 0) == 0
        await ground.until(lambda: ground.speed() < 0.3, "standstill")
        assert await ground.command(512, 42) == 0
        await ground.expect("MISSION_CURRENT", since, mission_state=mav.MISSION_STATE_PAUSED)
        assert await ground.command(193, 1) == 0
        await ground.until(lambda: ground.speed() > 5.0, "speed after the pause")

        assert await ground.reposition(60.172, 24.942, 25, change_mode=False) == 2
        assert await ground.reposition(60.172, 24.942, 25, change_mode=True) == 0
        await ground.until(lambda: ground.mode == 4, "GUIDED")
        await ground.until(
            lambda: abs(ground.last("GLOBAL_POSITION_INT").lon - 249420000) < 300, "divert", 20.0
        )
        assert await ground.command(193, 0) == 0
        assert await ground.command(193, 1) == 0
        assert await ground.command(176, 1, 17) == 0
        await ground.until(lambda: ground.mode == 17 and ground.speed() < 0.3, "BRAKE")
        assert await ground.command(193, 0) == 4
        assert await ground.command(400, 0) == 4
        assert await ground.command(20) == 0
        await ground.until(lambda: ground.mode == 6, "RTL")
        await ground.until(lambda: not ground.armed, "landing after RTL", 40.0)
        end = ground.last("GLOBAL_POSITION_INT")
        assert (end.lat / 1e7, end.lon / 1e7) == pytest.approx(HOME[:2], abs=2e-5)


@pytest.mark.timeout(90)
async def test_lost_ground_station_and_the_checked_way_home(kind):
    home = [*FAR[:2], item(188), waypoint(60.171, 24.94, 25), item(21, at=HOME[:2])]
    async with ground_to(kind, AUTO_OPTIONS=3, FS_GCS_ENABLE=6) as ground:
        since = await airborne(ground, home)
        ground.quiet = True
        await ground.until(lambda: "GCS Failsafe" in ground.texts(since), "failsafe")
        await ground.until(lambda: ground.mode == 27, "AUTO RTL")
        await ground.until(lambda: ground.status == 5, "CRITICAL")
        assert "Return path started" in ground.texts(since)
        ground.quiet = False
        await ground.until(lambda: "GCS Failsafe Cleared" in ground.texts(since), "cleared")
        assert ground.mode == 27
        await ground.until(lambda: not ground.armed, "landing", 40.0)
        assert "Mission: 5 Land" in ground.texts(since)


@pytest.mark.timeout(90)
@pytest.mark.parametrize(("wanted", "flown"), [(5.0, 5.0), (12.0, 12.0)])
async def test_speed_change_before_the_first_leg(kind, wanted, flown):
    items = [item(22, alt=10), item(178, 1, wanted, -1), waypoint(60.174, 24.94, 10)]
    async with ground_to(kind, AUTO_OPTIONS=3) as ground:
        since = (
            await airborne(ground, items) if wanted > 5.5 else await airborne_slowly(ground, items)
        )
        await ground.until(lambda: "Reached command #3" in ground.texts(since), "waypoint", 20.0)
        fastest = max(m.vx for m in ground.seen[since:] if m.get_type() == "GLOBAL_POSITION_INT")
        assert fastest / 100 == pytest.approx(flown, abs=0.4)


async def airborne_slowly(ground: Ground, items: list[Item]) -> int:
    await ground.ready()
    assert await ground.command(511, 33, 100_000) == 0
    assert await ground.upload(items) == 0
    since = len(ground.seen)
    assert await ground.command(176, 1, 3) == 0
    assert await ground.command(400, 1) == 0
    return since


WINCH_DROP = [
    item(22, alt=8),
    waypoint(60.1703, 24.94, 8),
    item(42600, 1, 1, 6, 1),
    item(93, 9, -1, -1, -1, frame=0),
    item(42600, 1, 1, -6, 1),
    item(93, 8, -1, -1, -1, frame=0),
    item(20),
]
PLACE_DROP = [item(22, alt=8), item(94, 12, at=(60.1703, 24.94), alt=0), item(20)]


@pytest.mark.timeout(90)
async def test_winch_lowers_and_raises(kind):
    async with ground_to(kind, device="winch", AUTO_OPTIONS=3) as ground:
        since = await airborne_slowly(ground, WINCH_DROP)
        await ground.until(lambda: "Mission: 7 RTL" in ground.texts(since), "return", 30.0)
        texts = [text for text in ground.texts(since) if text.startswith(("Mission", "Winch"))]
        assert texts == [
            "Mission: 1 Takeoff", "Mission: 2 WP",
            "Mission: 3 Winch", "Winch: lowering  6.0m to  6.0m", "Mission: 4 Delay",
            "Mission: 5 Winch", texts[6], "Mission: 6 Delay", "Mission: 7 RTL",
        ]  # fmt: skip
        assert texts[6].startswith("Winch: raising  6.0m to ")
        released = [sample for sample in ground.truth if sample.event == "released"]
        assert [sample.detail for sample in released] == ["winch"]
        assert released[0].lat_deg == pytest.approx(60.1703, abs=2e-5)


@pytest.mark.timeout(90)
async def test_payload_is_placed_on_the_ground(kind):
    async with ground_to(kind, device="payload_place", AUTO_OPTIONS=3) as ground:
        since = await airborne_slowly(ground, PLACE_DROP)
        await ground.until(lambda: "Mission: 3 RTL" in ground.texts(since), "return", 30.0)
        texts = [text[:24] for text in ground.texts(since) if text.startswith(("Pay", "Grip"))]
        assert texts[:4] == [
            "PayloadPlace: payload re", "PayloadPlace: Releasing ",
            "Gripper load releasing", "Gripper load released",
        ]  # fmt: skip
        await ground.expect("MISSION_ITEM_REACHED", since, seq=2)
        released = [sample for sample in ground.truth if sample.event == "released"]
        assert len(released) == 1
        assert released[0].alt_amsl_m == pytest.approx(HOME[2], abs=1.0)
        assert ground.armed


@pytest.mark.timeout(90)
async def test_mission_cut_in_flight_is_flown_on_and_then_hovers(kind):
    async with ground_to(kind, AUTO_OPTIONS=3) as ground:
        since = await airborne(ground, FAR)
        ground.count(2)
        await ground.until(lambda: "Reached command #2" in ground.texts(since), "waypoint", 20.0)
        await ground.until(lambda: ground.speed() < 0.3, "hover", 20.0)
        assert "Auto mission changed but failed to restart command" in ground.texts(since)
        # past the last waypoint that is left, to the end of the leg that was loaded after it
        end = ground.last("GLOBAL_POSITION_INT")
        assert end.lat / 1e7 == pytest.approx(60.178, abs=3e-5)
        assert (ground.mode, ground.armed) == (3, True)


@pytest.mark.ardupilot
@pytest.mark.timeout(60)
async def test_a_process_that_ends_by_itself_is_named():
    clock = LabClock.starting_now(speedup=4.0)
    specs = [CopterSpec(f"c{n}", n, *HOME) for n in (1, 2)]
    pids = []
    with pytest.RaisesGroup(pytest.RaisesExc(LabError, match=r"arducopter of c2 ended \(-9\)")):
        async with ArduPilotFleet(specs, tcp=True, clock=clock, on_truth=lambda _: None) as fleet:
            pids = [fleet.pid("c1"), fleet.pid("c2")]
            os.kill(fleet.pid("c2"), signal.SIGKILL)
            await asyncio.Event().wait()
    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
