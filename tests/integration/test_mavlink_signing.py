"""A fleet with signing keys over real sockets: who is heard, who is not, and what is told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from sitl.copter.fleet import CopterFleet
from tests.integration.mavlink_rig import (
    PATIENT,
    UDP,
    Watched,
    delivery,
    serving,
    spec,
    vehicle,
)
from tests.support.steady import steady_clocks
from vehicles.mavlink.fleet import MavlinkFleet
from vehicles.mavlink.signing import FloorFile, SigningKey
from vehicles.port import EventKind, LinkState

pytestmark = pytest.mark.timeout(60)
SECRET, OTHER = b"k" * 32, b"o" * 32


@contextlib.asynccontextmanager
async def signed_lab(
    theirs: bytes, ours: bytes, floors: FloorFile | None = None
) -> AsyncIterator[tuple[Watched, CopterFleet, MavlinkFleet]]:
    clock, lab = steady_clocks(25.0)
    enrolled = replace(vehicle(0), signing_key=SigningKey(ours) if ours else None)
    async with (
        MavlinkFleet([enrolled], clock, PATIENT, floors) as fleet,
        CopterFleet(
            [replace(spec(0), signing_key=theirs)], controller=fleet.udp_address(UDP), clock=lab,
            on_truth=lambda _: None, boot_s=5.0,
        ) as copters,
        serving(fleet, clock, 18.0) as watched,
    ):  # fmt: skip
        yield watched["D-0"], copters, fleet


async def test_a_delivery_with_every_frame_signed(tmp_path: Path) -> None:
    floors = FloorFile(tmp_path / "floor")
    async with signed_lab(SECRET, SECRET, floors) as (one, _, fleet):
        await one.ready()
        mission = delivery()
        loaded = await one.session.load(mission)
        assert loaded.done, loaded
        assert (await one.session.start(mission)).done
        await one.ended()
        assert one.kinds() == [EventKind.STARTED, EventKind.RELEASED, EventKind.COMPLETED]
        counts = fleet.signing_counts("D-0")
        assert counts["good"] > 50
        # before its GPS told the time it was behind, and was brought up without being asked
        assert set(counts) <= {"good", "stale"}
        assert floors.load() > 0


async def test_a_wrong_key_is_heard_by_neither_and_told() -> None:
    async with signed_lab(SECRET, OTHER) as (one, copters, fleet):
        await one.until(lambda: EventKind.ALARM in one.kinds(), "an alarm")
        assert "wrong signature" in one.first(EventKind.ALARM).detail
        assert one.session.telemetry.link is LinkState.UNKNOWN
        assert set(fleet.signing_counts("D-0")) == {"wrong signature"}
        assert not copters.copter("D-0").armed


async def test_an_unsigned_vehicle_is_refused_where_a_key_is_set() -> None:
    async with signed_lab(b"", SECRET) as (one, _, fleet):
        await one.until(lambda: EventKind.ALARM in one.kinds(), "an alarm")
        assert "unsigned" in one.first(EventKind.ALARM).detail
        assert one.session.telemetry.link is LinkState.UNKNOWN
        assert set(fleet.signing_counts("D-0")) == {"unsigned"}


async def test_a_forger_and_a_replay_change_neither_state_nor_route() -> None:
    async with signed_lab(SECRET, SECRET) as (one, _, fleet):
        await one.ready()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
            forger.connect(fleet.udp_address(UDP))
            forger.settimeout(0.0)
            plain: Any = mav.MAVLink(None, srcSystem=1, srcComponent=1)
            wrong: Any = mav.MAVLink(None, srcSystem=1, srcComponent=1)
            wrong.signing.secret_key, wrong.signing.sign_outgoing = OTHER, True
            wrong.signing.timestamp = 2**47
            there = mav.MAVLink_global_position_int_message(1, 10, 10, 0, 0, 0, 0, 0, 0)
            for sender in (plain, wrong):
                for _ in range(20):
                    forger.send(bytes(there.pack(sender)))
            counted = fleet.signing_counts
            await one.until(lambda: counted("D-0").get("wrong signature") == 20, "refused")
            assert counted("D-0")["unsigned"] == 20
            position = one.session.telemetry.position
            assert position is not None
            assert position.lat_deg > 60.0
            # what is said to the vehicle still goes to the vehicle
            loaded = await one.session.load(delivery())
            assert loaded.done, loaded
            with pytest.raises(BlockingIOError):
                forger.recv(300)


async def test_signing_set_up_over_mavlink_holds_over_a_reboot() -> None:
    async with signed_lab(b"", b"") as (one, copters, fleet):
        await one.ready()
        copter = copters.copter("D-0")
        set_up = SigningKey(SECRET).setup_message(1, 1, 0)
        copter.receive(bytes(set_up.pack(mav.MAVLink(None, 255, 190))), copter.now_s)
        copter.reboot()
        heard = copter._mav.total_receive_errors
        await one.until(lambda: copter._mav.total_receive_errors > heard, "unsigned refused")
        assert fleet.signing_counts("D-0") == {}
        await asyncio.sleep(0)
