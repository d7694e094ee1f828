"""The lab's clock, the fleet's sockets and the search for the real program."""

import asyncio
import itertools
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from sitl.ardupilot import BIN_VARIABLE, ArduPilotFleet, LabError, find_ardupilot, parameter_file
from sitl.copter import CopterFleet, CopterSpec
from sitl.copter.items import Item
from sitl.world import LabClock

START = datetime(2026, 6, 1, 9, tzinfo=UTC)


def clock(speedup=50.0):
    return LabClock.starting_now(speedup=speedup, start=START)


def specs(n, **changes):
    return [CopterSpec(f"d{i}", i + 1, 60.17 + i / 1000, 24.94, 20.0, **changes) for i in range(n)]


async def until(test, what, wall_s=10.0):
    deadline = time.monotonic() + wall_s
    while not test():
        assert time.monotonic() < deadline, f"no {what}"
        await asyncio.sleep(0.01)


class Receiver(asyncio.DatagramProtocol):
    def __init__(self):
        self.wire = mav.MAVLink(None, 255, 190)
        self.wire.robust_parsing = True
        self.by_peer = {}

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        messages = self.wire.parse_buffer(data) or ()
        self.by_peer.setdefault(addr, []).extend(m for m in messages if m.get_type() != "BAD_DATA")


@pytest.fixture
async def ground():
    loop = asyncio.get_running_loop()
    transport, receiver = await loop.create_datagram_endpoint(Receiver, local_addr=("127.0.0.1", 0))
    yield receiver
    transport.close()
    await asyncio.sleep(0)


def test_clock_is_the_same_in_every_process():
    wall = time.time()
    one, other = LabClock(START, 10.0, wall - 5.0), LabClock(START, 10.0, wall - 5.0)
    assert 50.0 <= one.monotonic_s() <= other.monotonic_s() < 60.0
    assert one.now() - START == pytest.approx(timedelta(seconds=50), abs=timedelta(seconds=10))
    assert one.at(90.0) == START + timedelta(seconds=90)


@pytest.mark.parametrize("speedup", [0.0, -1.0, 1001.0])
def test_clock_refuses_a_senseless_speedup(speedup):
    with pytest.raises(ValueError, match="speedup"):
        LabClock(START, speedup, 0.0)


def test_clock_refuses_a_naive_start():
    with pytest.raises(ValueError, match="time zone"):
        LabClock(START.replace(tzinfo=None), 1.0, 0.0)
    assert LabClock(START.astimezone(timezone(timedelta(hours=3))), 1.0, 0.0).at(0) == START


async def test_clock_sleeps_in_simulated_time():
    lab = clock(speedup=100.0)
    before = lab.monotonic_s()
    await lab.sleep(5.0)
    assert 5.0 <= lab.monotonic_s() - before < 200.0


async def test_every_copter_speaks_from_its_own_port(ground):
    truth = []
    address = ground.transport.get_extra_info("sockname")
    async with CopterFleet(specs(5), controller=address, clock=clock(), on_truth=truth.append):
        await until(lambda: sum(len(m) > 1 for m in ground.by_peer.values()) == 5, "five peers")
        for messages in ground.by_peer.values():
            assert len({m.get_srcSystem() for m in messages}) == 1
        await until(lambda: {sample.vehicle_id for sample in truth} == {f"d{i}" for i in range(5)},
                    "truth of all")  # fmt: skip
        assert all(sample.on_ground and not sample.armed for sample in truth)
        assert truth[0].t >= START


async def test_copters_survive_a_controller_that_is_not_there(ground):
    address = ground.transport.get_extra_info("sockname")
    ground.transport.close()
    await asyncio.sleep(0)
    async with CopterFleet(
        specs(2), controller=address, clock=clock(), on_truth=lambda _: None
    ) as f:
        await until(lambda: f.copter("d1").boot_ms > 5000, "five seconds")


async def test_flight_over_tcp_leaves_its_track_and_a_new_client_takes_over():
    truth = []
    fleet = CopterFleet(
        specs(1, param_overrides={"AUTO_OPTIONS": 3}), tcp=True, clock=clock(), boot_s=1.0,
        on_truth=truth.append,
    )  # fmt: skip
    wire = mav.MAVLink(None, 255, 190)
    wire.robust_parsing = True

    def order(number, *params):
        filled = [*params, *[0.0] * (7 - len(params))]
        return mav.MAVLink_command_long_message(1, 1, number, 0, *filled).pack(wire)

    async with fleet:
        reader, writer = await asyncio.open_connection("127.0.0.1", fleet.ports["d0"])
        copter = fleet.copter("d0")
        await until(lambda: copter.ready, "ready")
        copter.mission.items = [
            Item(16), Item(22, z=10.0, frame=3),
            Item(16, x=601_702_000, y=249_400_000, z=10.0, frame=3), Item(211), Item(20),
        ]  # fmt: skip
        writer.write(order(176, 1, 3) + order(400, 1))
        await until(lambda: copter.armed, "arming")
        assert await reader.read(100)
        again, replacement = await asyncio.open_connection("127.0.0.1", fleet.ports["d0"])
        await until(lambda: any(sample.event == "landed" for sample in truth), "landing")
        await until(lambda: not copter.armed, "disarming")
        assert await again.read(100) != b""
        for one in (writer, replacement):
            one.close()
            await one.wait_closed()
    events = [(sample.event, sample.detail) for sample in truth if sample.event]
    assert events == [("released", "gripper"), ("landed", "AUTO")]
    track = [sample for sample in truth if sample.armed and not sample.on_ground]
    assert len(track) > 200
    for before, after in itertools.pairwise(track):
        if not after.event and not before.event:
            assert after.t > before.t
        assert abs(after.alt_amsl_m - before.alt_amsl_m) < 1.0
    assert max(sample.alt_amsl_m for sample in track) == pytest.approx(35.0, abs=0.5)


async def test_faults_by_name(ground):
    address = ground.transport.get_extra_info("sockname")
    async with CopterFleet(
        specs(2), controller=address, clock=clock(), on_truth=lambda _: None, boot_s=1.0
    ) as fleet:
        await until(lambda: fleet.copter("d0").ready and len(ground.by_peer) == 2, "ready")
        fleet.kill("d0")
        assert not fleet.copter("d0").alive
        fleet.reboot("d0")
        assert fleet.copter("d0").alive
        await until(lambda: fleet.copter("d0").ready, "ready again")
        fleet.mute("d1", 1e6)
        heard = {peer: len(messages) for peer, messages in ground.by_peer.items()}
        await until(
            lambda: any(len(m) > heard[peer] + 20 for peer, m in ground.by_peer.items()), "d0"
        )
        grown = [len(m) - heard[peer] for peer, m in ground.by_peer.items()]
        assert min(grown) < 5, "only what was on its way"


@pytest.mark.parametrize("kind", [CopterFleet, ArduPilotFleet])
def test_a_fleet_needs_a_link(kind):
    with pytest.raises(ValueError, match="or both"):
        kind(specs(1), clock=clock(), on_truth=print)


def test_vehicle_ids_are_unique():
    with pytest.raises(ValueError, match="twice"):
        CopterFleet(specs(1) * 2, tcp=True, clock=clock(), on_truth=print)


def test_real_program_is_looked_for_where_it_is_said_to_be(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(BIN_VARIABLE, raising=False)
    assert find_ardupilot() is None
    with pytest.raises(LabError, match=BIN_VARIABLE):
        ArduPilotFleet(specs(1), tcp=True, clock=clock(), on_truth=print)
    places = [tmp_path / "ardupilot/build/sitl/bin", tmp_path / "named", tmp_path / "given"]
    for place in places:
        place.mkdir(parents=True)
        (place / "arducopter").write_text("#!/bin/sh\n")
        assert find_ardupilot(places[2]) is None or place != places[0]
        (place / "arducopter").chmod(0o755)
    assert find_ardupilot() == places[0] / "arducopter"
    monkeypatch.setenv(BIN_VARIABLE, str(places[1]))
    assert find_ardupilot() == places[1] / "arducopter"
    assert find_ardupilot(places[2]) == places[2] / "arducopter"
    assert find_ardupilot(places[2] / "arducopter") == places[2] / "arducopter"


def test_parameter_file_fits_the_drop_device():
    text = parameter_file(specs(1, param_overrides={"RTL_ALT": 4000})[0])
    assert "GRIP_ENABLE 1\n" in text
    assert "RTL_ALT 4000\n" in text
    assert "SYSID_THISMAV 1\n" in text
    assert "WINCH_TYPE 1\n" in parameter_file(specs(1, drop_device="winch")[0])
