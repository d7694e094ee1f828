"""From POST /v1/parcels to the order on the broker: idle, and behind a burst of 1,000 states.

A whole controller (`waypost serve`, its database on disk) behind mosquitto. Fifty-five
robots are enrolled, few so that dispatch is quick and a wait behind states would show; fifty drive
and are silent while it is idle, five wait at the hub. For each figure one parcel is posted; behind
a burst, 1,000 states of 1.5 kB, twenty of each driving robot, are handed to the broker immediately
before. Idle and burst in turn, so that the machine's moods fall on both.

Dispatch waits SETTLE_S after a parcel came for others that come with it, behind a burst as in
idleness, which makes the ratio of the two look small: both are told without that wait too. Where
dispatch had been woken before, a parcel waited for less, and its figure without the wait is too
small by as much.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from controller.delivery.matching import SETTLE_S
from sitl.broker import Broker
from tests.benchmarks.measure import told
from tests.benchmarks.robot_traffic import LAT, LON, Process, robots, world

BURST, BUSY, FREE, EACH = 1000, 50, 5, 40
PAUSE_S = 0.3


def body(number: int) -> dict[str, Any]:
    """A parcel to a door on the street."""
    now = datetime.now(UTC)
    return {
        "id": f"P-{number}",
        "weight_kg": 1.0,
        "size_m": [0.2, 0.2, 0.1],
        "origin": "hub",
        "destination": {"lat_deg": LAT, "lon_deg": LON + 0.0007, "address": "Door"},
        "ready_at": now.isoformat(),
        "due_at": (now + timedelta(hours=2)).isoformat(),
    }


async def one(
    url: str, lab: Process, http: httpx.AsyncClient, number: int, *, burst: bool
) -> float:
    """Seconds from the POST to the order at the robot."""
    if burst:
        lab.say(burst=BURST)
        await lab.told("burst")
    begun_s = time.monotonic()
    answer = await http.post(
        f"{url}/v1/parcels", json=body(number), headers={"Idempotency-Key": f"k-{number}"}
    )
    if answer.status_code != 201:
        raise RuntimeError(answer.text)
    try:
        order = await lab.told("order", within_s=15.0)
    except TimeoutError:
        why = (await http.get(f"{url}/v1/parcels/P-{number}/why")).text
        raise RuntimeError(f"no order for P-{number}: {why[:2000]}") from None
    await asyncio.sleep(PAUSE_S)
    return float(order["at_s"]) - begun_s


def p99(seconds: list[float]) -> float:
    """The 99th percentile, by the nearest rank."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


async def run() -> dict[str, Any]:
    """Idle and burst in turn."""
    idle: list[float] = []
    behind: list[float] = []
    with tempfile.TemporaryDirectory(prefix="waypost-bench-") as folder:
        async with (
            Broker(kind="mosquitto") as broker,
            robots(broker.port, FREE + BUSY, free=FREE, interval_s=10.0) as lab,
            world(Path(folder), broker.port, FREE + BUSY) as served,
            httpx.AsyncClient(trust_env=False, timeout=120.0) as http,
        ):
            url = served.ready["url"]
            async with asyncio.timeout(120.0):
                while (
                    sum(
                        v["link"] == "online" for v in (await http.get(f"{url}/v1/vehicles")).json()
                    )
                    < FREE + BUSY
                ):
                    await asyncio.sleep(0.5)
            lab.say(calm=True)
            await asyncio.sleep(3.0)
            for number in range(3):
                await one(url, lab, http, number, burst=False)
            for number in range(EACH):
                idle.append(await one(url, lab, http, 1000 + number, burst=False))
                behind.append(await one(url, lab, http, 2000 + number, burst=True))
    print("idle", sorted(idle)[-5:], "burst", sorted(behind)[-5:], file=sys.stderr)
    return {
        "bench": "order_latency",
        "burst": BURST,
        "orders": EACH,
        "idle_p50_ms": round(1e3 * sorted(idle)[EACH // 2], 1),
        "idle_p99_ms": round(1e3 * p99(idle), 1),
        "burst_p50_ms": round(1e3 * sorted(behind)[EACH // 2], 1),
        "burst_p99_ms": round(1e3 * p99(behind), 1),
        "p99_burst_over_idle": round(p99(behind) / p99(idle), 3),
        "settle_ms": round(1e3 * SETTLE_S, 1),
        "idle_p99_without_settling_ms": round(1e3 * (p99(idle) - SETTLE_S), 1),
        "burst_p99_without_settling_ms": round(1e3 * (p99(behind) - SETTLE_S), 1),
        "p99_burst_over_idle_without_settling": round(
            (p99(behind) - SETTLE_S) / (p99(idle) - SETTLE_S), 3
        ),
    }


if __name__ == "__main__":
    told(**asyncio.run(run()))
