"""Remote ID towards a vehicle: heard on the wire, and by an ArduCopter that insists on it.

Plain builds of ArduPilot have no Remote ID (AP_OPENDRONEID_ENABLED 0): the second test needs one
configured with --enable-opendroneid, in the folder that WAYPOST_ARDUPILOT_DID_BIN names.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from geofence.frames import LatLon
from sitl.ardupilot import ArduPilotFleet, find_ardupilot
from tests.integration.mavlink_rig import (
    PATIENT,
    UDP,
    Watched,
    serving,
    spec,
    vehicle,
    wall_clocks,
)
from tests.support.steady import steady_clocks
from vehicles.mavlink.fleet import MavlinkFleet
from vehicles.mavlink.remote_id import EuCategory, RemoteId

OPERATOR = RemoteId(
    "FIN87astrdge12k8", LatLon(60.18, 24.95), 40.0, EuCategory.SPECIFIC, 3, "parcels", "1581F4XYZ"
)
DID_BIN = os.environ.get("WAYPOST_ARDUPILOT_DID_BIN", "")
INSISTS = {"DID_ENABLE": 1, "DID_OPTIONS": 1, "DID_MAVPORT": 2}
"""Enforce it at arming; the transmitter is on the third serial port."""
TRANSMITTER = 236


class Transmitter:
    """The drone's Remote ID transmitter, as far as the autopilot sees it: good to arm."""

    def __init__(self, sysid: int) -> None:
        self._mav = mav.MAVLink(None, srcSystem=sysid, srcComponent=TRANSMITTER)
        self._mav.robust_parsing = True
        self.heard: dict[str, Any] = {}

    async def run(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._tell(writer), name="transmitter tells")
                group.create_task(self._hear(reader), name="transmitter hears")
        finally:
            writer.close()

    async def _tell(self, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(mav.MAVLink_heartbeat_message(34, 8, 0, 0, 4, 3).pack(self._mav))
            writer.write(mav.MAVLink_open_drone_id_arm_status_message(0, b"").pack(self._mav))
            await asyncio.sleep(0.05)

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(4096):
            for message in self._mav.parse_buffer(data) or []:
                self.heard[message.get_type()] = message


@contextlib.asynccontextmanager
async def insisting(remote_id: RemoteId | None) -> AsyncIterator[tuple[Watched, Transmitter]]:
    """A real copter that arms only with Remote ID, and its transmitter."""
    clock, theirs = wall_clocks(6.0)
    async with contextlib.AsyncExitStack() as stack:
        enrolled = replace(vehicle(link=UDP), remote_id=remote_id)
        fleet = await stack.enter_async_context(MavlinkFleet([enrolled], clock, PATIENT))
        lab = await stack.enter_async_context(
            ArduPilotFleet(
                [replace(spec(), param_overrides=INSISTS)],
                controller=fleet.udp_address(UDP),
                tcp=True,
                clock=theirs,
                on_truth=lambda sample: None,
                program=find_ardupilot(Path(DID_BIN)),
            )
        )
        ours = (await stack.enter_async_context(serving(fleet, clock, 60.0)))["D-0"]
        transmitter = Transmitter(1)
        task = asyncio.create_task(transmitter.run(lab.ports["D-0"]), name="transmitter")
        try:
            yield ours, transmitter
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.mark.ardupilot
@pytest.mark.timeout(180)
@pytest.mark.skipif(not DID_BIN, reason="WAYPOST_ARDUPILOT_DID_BIN names no folder")
async def test_a_drone_that_insists_on_remote_id_gets_it() -> None:
    async with insisting(OPERATOR) as (ours, transmitter):
        await ours.ready()
        await ours.until(lambda: "OPEN_DRONE_ID_OPERATOR_ID" in transmitter.heard, "operator")
        system = transmitter.heard["OPEN_DRONE_ID_SYSTEM"]
        assert system.operator_latitude == 601_800_000
        assert system.operator_altitude_geo == 40.0
        assert transmitter.heard["OPEN_DRONE_ID_OPERATOR_ID"].operator_id == OPERATOR.operator_id


@pytest.mark.ardupilot
@pytest.mark.timeout(180)
@pytest.mark.skipif(not DID_BIN, reason="WAYPOST_ARDUPILOT_DID_BIN names no folder")
async def test_without_it_the_drone_says_what_is_missing() -> None:
    async with insisting(None) as (ours, _):
        await ours.until(
            lambda: any("OpenDroneID" in why for why in ours.session.telemetry.not_ready),
            "its own words on Remote ID",
        )
        assert not ours.session.telemetry.startable


async def test_it_is_on_the_wire_at_its_pace() -> None:
    """A light copter's link, read by pymavlink in between."""
    clock, _ = steady_clocks(25.0)
    heard: list[tuple[float, str]] = []
    enrolled = replace(vehicle(link=UDP), remote_id=OPERATOR)
    async with MavlinkFleet([enrolled], clock, PATIENT) as fleet:
        parser = mav.MAVLink(None, srcSystem=1, srcComponent=1)
        parser.robust_parsing = True

        class Drone(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                now_s = clock.monotonic_s()
                heard.extend((now_s, m.get_type()) for m in parser.parse_buffer(data) or [])

        transport, _protocol = await asyncio.get_running_loop().create_datagram_endpoint(
            Drone, remote_addr=fleet.udp_address(UDP)
        )
        try:
            async with serving(fleet, clock, 15.0) as sessions:
                beat = mav.MAVLink_heartbeat_message(2, 3, 0, 0, 3, 3)
                transport.sendto(beat.pack(parser))
                await sessions["D-0"].until(
                    lambda: sum(k == "OPEN_DRONE_ID_SYSTEM" for _, k in heard) >= 10, "ten of them"
                )
        finally:
            transport.close()
    kinds = [kind for _, kind in heard]
    assert kinds.count("OPEN_DRONE_ID_OPERATOR_ID") >= 3
    assert kinds.count("OPEN_DRONE_ID_BASIC_ID") == kinds.count("OPEN_DRONE_ID_OPERATOR_ID")
