"""What the lab reads of a real vehicle's truth, without the vehicle."""

from __future__ import annotations

import asyncio

from pymavlink.dialects.v20 import ardupilotmega as mav

from sitl.ardupilot import _Probe
from sitl.copter.spec import CopterSpec
from sitl.world import LabClock, TruthSample


async def test_the_truth_goes_on_when_a_vehicle_has_booted_anew() -> None:
    said = mav.MAVLink(None, srcSystem=7, srcComponent=1)
    still = mav.MAVLink_sim_state_message(
        *[0.0] * 13, lat=60.17, lon=24.94, alt=12.0, std_dev_horz=0.0, std_dev_vert=0.0,
        vn=0.0, ve=0.0, vd=0.0, lat_int=601700000, lon_int=249400000,
    ).pack(said)  # fmt: skip
    awake = mav.MAVLink_heartbeat_message(2, 3, 81, 0, mav.MAV_STATE_STANDBY, 3).pack(said)
    asked: asyncio.Queue[int] = asyncio.Queue(maxsize=10)
    seen: asyncio.Queue[TruthSample] = asyncio.Queue(maxsize=10)

    async def vehicle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(awake)
        await asked.put(len(await reader.read(512)))
        writer.write(still)
        writer.close()
        await writer.wait_closed()

    spec = CopterSpec("D-7", 7, 60.17, 24.94, 10.0)
    probe = _Probe(spec, LabClock.starting_now(), seen.put_nowait)
    async with await asyncio.start_server(vehicle, "127.0.0.1", 0) as server:
        port = int(server.sockets[0].getsockname()[1])
        reading = asyncio.create_task(probe.run(port), name="truth")
        for _ in range(2):
            assert await asked.get() > 0
            assert (await seen.get()).alt_amsl_m == 12.0
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
