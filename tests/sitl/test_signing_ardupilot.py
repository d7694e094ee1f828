"""Real ArduCopter with a signing key: what it believes of ours, and we of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from sitl.ardupilot import _connect, _free_instance, _free_port, find_ardupilot, parameter_file
from tests.integration.mavlink_rig import PATIENT, UDP, serving, spec, vehicle, wall_clocks
from vehicles.mavlink.fleet import MavlinkFleet
from vehicles.mavlink.signing import Guard, Signer, SigningClock, SigningKey, Verdict
from vehicles.mavlink.wire import Encoder, Scanner
from vehicles.port import LinkState

pytestmark = [pytest.mark.ardupilot, pytest.mark.timeout(120)]
KEY, OTHER = SigningKey(b"k" * 32), SigningKey(b"o" * 32)
SPEEDUP = 6.0


@contextlib.asynccontextmanager
async def arducopter(
    where: Path, controller: tuple[str, int], key: SigningKey
) -> AsyncIterator[None]:
    """One process whose second serial port speaks to `controller`, and which holds the key.

    The key is given over the first port, which believes everybody (GCS_Signing.cpp).
    """
    program = find_ardupilot()
    if program is None:
        pytest.skip("arducopter is not installed: set WAYPOST_ARDUPILOT_BIN")
    (where / "copter.parm").write_text(parameter_file(spec(0)))
    port, home = _free_port(), spec(0)
    place = f"{home.home_lat_deg:.7f},{home.home_lon_deg:.7f},{home.home_alt_amsl_m:.2f},0"
    with (where / "out.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            str(program), "--model", "+", "-I", str(_free_instance(60 + os.getpid() % 100)),
            "--speedup", f"{SPEEDUP:g}", "--home", place, "--defaults", "copter.parm",
            "--sysid", "1", "-w", "--serial0", f"tcp:{port}",
            "--serial1", f"udpclient:{controller[0]}:{controller[1]}",
            stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL, cwd=where,
        )  # fmt: skip
    try:
        async with asyncio.timeout(30.0):
            reader, writer = await _connect(port)
            link = mav.MAVLink(None, 255, 190)
            link.robust_parsing = True
            await _set_up(reader, writer, link, key)
        writer.close()
        yield
    finally:
        process.kill()
        await process.wait()


async def _set_up(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: Any, key: SigningKey
) -> None:
    """Give the key until the vehicle's own frames come signed."""
    while data := await reader.read(4096):
        for message in link.parse_buffer(data) or ():
            if message.get_type() != "HEARTBEAT" or message.get_srcSystem() != 1:
                continue
            if message.get_msgbuf()[2] & 1:
                return
            if message.system_status != mav.MAV_STATE_BOOT:
                writer.write(key.setup_message(1, 1, 0).pack(link))


async def test_ours_is_believed_and_nobody_elses(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as station:
        station.bind(("127.0.0.1", 0))
        station.settimeout(0.0)
        async with arducopter(tmp_path, station.getsockname(), KEY):
            # a clock of long ago, as the vehicle's before its GPS has told the time
            clock = SigningClock(lambda: datetime(2015, 1, 1, 0, 1, tzinfo=UTC))
            guard, stranger = Guard(KEY, clock), Guard(OTHER, clock)
            ours = Encoder(sign=Signer(KEY, 7, clock).sign)
            wrong = Encoder(sign=Signer(OTHER, 8, clock).sign)
            peer: list[Any] = []

            async def answers(encoder: Encoder, name: bytes, wall_s: float) -> bool:
                """Whether a parameter is told after it was asked for."""
                heard: list[str] = []
                scanner = Scanner(
                    lambda _, raw: (stranger.judge(raw), guard.judge(raw))[1] is Verdict.GOOD
                )
                deadline, asked_s = time.monotonic() + wall_s, 0.0
                while time.monotonic() < deadline:
                    if peer and time.monotonic() - asked_s > 0.3:
                        asked_s = time.monotonic()
                        ask = mav.MAVLink_param_request_read_message(1, 1, name, -1)
                        station.sendto(encoder.encode(ask), peer[0])
                    try:
                        data, address = station.recvfrom(2048)
                    except BlockingIOError:
                        await asyncio.sleep(0.01)
                        continue
                    peer[:] = [address]
                    heard += [getattr(f.message, "param_id", "") for f in scanner.feed(data)]
                    if name.decode() in heard:
                        return True
                return False

            assert await answers(ours, b"SYSID_THISMAV", 20.0)
            assert not await answers(Encoder(), b"WPNAV_SPEED", 2.0)
            assert not await answers(wrong, b"WPNAV_ACCEL", 2.0)
            assert await answers(ours, b"RTL_ALT", 10.0)
            assert guard.counts[Verdict.GOOD] > 3
            assert not guard.counts[Verdict.WRONG]
            assert not stranger.counts[Verdict.GOOD]


async def test_a_fleet_with_a_key_reaches_a_vehicle_whose_clock_stood_still(tmp_path: Path) -> None:
    clock, _ = wall_clocks(SPEEDUP)
    enrolled = replace(vehicle(0), signing_key=KEY)
    async with (
        MavlinkFleet([enrolled], clock, PATIENT) as fleet,
        arducopter(tmp_path, fleet.udp_address(UDP), KEY),
        serving(fleet, clock, 90.0) as watched,
    ):
        one = watched["D-0"]
        await one.until(lambda: one.session.telemetry.link is LinkState.ONLINE, "online")
        await one.ready()
        counts = fleet.signing_counts("D-0")
        assert counts["good"] > 20
        assert "wrong signature" not in counts
        assert "replayed" not in counts
