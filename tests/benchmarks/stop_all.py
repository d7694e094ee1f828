"""STOP ALL for 1,000 robots under full telemetry, from the POST to the last pause on the wire.

Ours is a whole controller (`waypost serve`, its API and its database on disk) behind mosquitto,
hearing 1,000 states of 1.5 kB a second. Peer: a bare aiomqtt loop on the same broker under the
same telemetry, publishing 1,000 pauses that were encoded before; it hears nothing. Both are timed
to when the last of the pauses has arrived at the robots. Median of the rounds.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiomqtt
import httpx

from sitl.broker import Broker
from tests.benchmarks.measure import told
from tests.benchmarks.robot_traffic import MAKER, Process, robots, serial, topic, world

COUNT, ROUNDS = 1000, 5
SETTLE_S = 3.0


async def peer_round(broker: Broker, lab: Process, number: int) -> float:
    """Seconds of the bare loop."""
    pauses = [(topic(n, "instantActions"), pause(n, number)) for n in range(COUNT)]
    async with aiomqtt.Client(broker.host, broker.port) as client:
        await asyncio.sleep(SETTLE_S)
        begun_s = time.monotonic()
        for name, payload in pauses:
            await client.publish(name, payload)
        last = await lab.told("pauses")
    return float(last["at_s"]) - begun_s


def pause(robot: int, number: int) -> bytes:
    """A startPause."""
    body = {
        "headerId": number,
        "timestamp": "2026-06-01T08:00:00.000Z",
        "version": "2.1.0",
        "manufacturer": MAKER,
        "serialNumber": serial(robot),
        "actions": [
            {"actionType": "startPause", "actionId": f"peer-{number}", "blockingType": "HARD"}
        ],
    }
    return json.dumps(body).encode()


async def our_round(url: str, lab: Process, http: httpx.AsyncClient, number: int) -> float:
    """Seconds of the controller; and dispatch and robots go on after it."""
    body = {"verb": "hold", "reason": f"drill {number}"}
    await asyncio.sleep(SETTLE_S)
    begun_s = time.monotonic()
    answer = asyncio.create_task(http.post(f"{url}/v1/fleet/commands", json=body), name="stop")
    last = await lab.told("pauses")
    answered = await answer
    answered.raise_for_status()
    unstopped = [r for r in answered.json() if r["outcome"] != "done"]
    if unstopped:
        raise RuntimeError(f"{len(unstopped)} not stopped: {unstopped[:3]}; {last}, {begun_s}")
    print(f"all {COUNT} seen paused after {time.monotonic() - begun_s:.2f} s", file=sys.stderr)
    await http.post(f"{url}/v1/fleet/resume", json={"reason": "drill over"})
    return float(last["at_s"]) - begun_s


async def online(url: str, http: httpx.AsyncClient) -> None:
    """Wait until every robot is seen driving."""
    async with asyncio.timeout(120.0):
        while True:
            seen = (await http.get(f"{url}/v1/vehicles")).json()
            if sum(v["link"] == "online" and v["armed"] is True for v in seen) == COUNT:
                return
            await asyncio.sleep(0.5)


async def run() -> dict[str, Any]:
    """Rounds of the peer and of ours, in turn."""
    spent: dict[str, list[float]] = {"peer": [], "ours": []}
    with tempfile.TemporaryDirectory(prefix="waypost-bench-") as folder:
        async with (
            Broker(kind="mosquitto") as broker,
            robots(broker.port, COUNT) as lab,
            world(Path(folder), broker.port, COUNT) as served,
            httpx.AsyncClient(trust_env=False, timeout=120.0) as http,
        ):
            url = served.ready["url"]
            await online(url, http)
            for number in range(ROUNDS):
                spent["peer"].append(await peer_round(broker, lab, number))
                lab.say(go=True)
                spent["ours"].append(await our_round(url, lab, http, number))
                lab.say(go=True)
    print(spent, file=sys.stderr)
    peer_s, ours_s = statistics.median(spent["peer"]), statistics.median(spent["ours"])
    return {
        "bench": "stop_all",
        "robots": COUNT,
        "states_per_s": COUNT,
        "peer_ms": round(1e3 * peer_s, 1),
        "ours_ms": round(1e3 * ours_s, 1),
        "ours_worst_ms": round(1e3 * max(spent["ours"]), 1),
        "time_over_peer": round(ours_s / peer_s, 3),
    }


if __name__ == "__main__":
    told(**asyncio.run(run()))
