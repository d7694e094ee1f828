"""A mission of 12 items uploaded to the light copter, by ours and by both peers in one run.

The copters live in a second process, on UDP; behind a proxy that loses datagrams both ways where
there is loss. At no loss the time of ours runs to the end of reading back and comparing; DroneKit's
and pymavlink's to where they say that they are done. At 10 % and 20 % loss each gets LIMIT_S, and
what the vehicle then holds is read in its own process. `verified_at_20_percent_loss`: the share of
MANY loads by the whole session that were proven by reading back, in simulated time (see
`tests.drills`). `far_ratio` is `ratio` at a round trip of FAR_S, as over a mobile network.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import msgspec

from controller.clock import SystemClock
from sitl.copter.fleet import CopterFleet
from sitl.copter.spec import CopterSpec
from sitl.netfault import Faults, UdpProxy
from sitl.world import LabClock
from tests.benchmarks.measure import told
from tests.drills.air import held_items
from tests.drills.cases import HOME, HOME_AMSL_M, LOSSES, draw, mission
from tests.drills.light_upload import VEHICLE, drill
from vehicles.mavlink.fleet import MavlinkFleet
from vehicles.mavlink.items import Plan, differences, translate
from vehicles.mavlink.messages import MissionItemInt
from vehicles.mavlink.mission_transfer import ITEMS_AHEAD, MissionDownload, MissionUpload
from vehicles.mavlink.session import MavlinkSession
from vehicles.port import VehicleSession

NAMES = ("ours", "dronekit", "mavwp")
ITEMS = 12
ROUNDS, LOSSY_ROUNDS = 15, 3
LIMIT_S = 30.0
FAR_S, FAR_ROUNDS = 0.1, 5
"""A round trip by a mobile network."""
MANY = 1_000

PLANS = (
    translate(mission(1, alt_m=30.0)),
    translate(mission(1, alt_m=32.0, parcel="P-2")),
)
"""In turn, so that every upload changes what is held."""


async def lab(ports: list[int], *, proxied: bool) -> None:
    """The second process: a copter for each, behind a proxy if so; told a line at a time."""
    clock = LabClock.starting_now()
    async with contextlib.AsyncExitStack() as stack:
        proxies: list[UdpProxy] = []
        fleets: dict[str, CopterFleet] = {}
        for number, (name, port) in enumerate(zip(NAMES, ports, strict=True)):
            where = ("127.0.0.1", port)
            if proxied:
                proxy = UdpProxy(where, Faults(), seed=number)
                proxies.append(await stack.enter_async_context(proxy))
                where = proxy.address
            spec = CopterSpec("D-0", 1, HOME.lat_deg, HOME.lon_deg, HOME_AMSL_M)
            fleets[name] = await stack.enter_async_context(
                CopterFleet(
                    [spec], controller=where, clock=clock, on_truth=lambda _: None,
                    boot_s=1.0,
                )
            )  # fmt: skip
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            word, value = line.split()
            if word in {"drop", "delay_s"}:
                for proxy in proxies:
                    proxy.faults = Faults(**{word: float(value)})
                print("done", flush=True)
            else:
                held = held_items(fleets[value].copter("D-0"))
                print(json.dumps([msgspec.structs.astuple(item) for item in held]), flush=True)


class Lab:
    """The second process, from here."""

    def __init__(self, ports: list[int], kind: str) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.upload", kind, *map(str, ports)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._read()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def ask(self, line: str) -> str:
        """Say a line, read a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._read()

    def holds(self, name: str, plan: Plan) -> bool:
        """Whether a copter holds a plan, whole."""
        held = tuple(MissionItemInt(*item) for item in json.loads(self.ask(f"held {name}")))
        return not differences(plan, held)

    def close(self) -> None:
        """End it by its closed input."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


async def ours(session: MavlinkSession, plan: Plan) -> bool:
    """Upload, read back, compare."""
    driver = session.driver
    address = (driver.system, driver.component)
    sent = await driver.run(
        MissionUpload(plan.messages(*address), *address, ahead=ITEMS_AHEAD, unasked=True)
    )
    read = await driver.run(MissionDownload(*address, ahead=ITEMS_AHEAD, expected=plan.count))
    return sent.accepted and read.items is not None and not differences(plan, read.items)


async def timed(work: Callable[[], Any]) -> tuple[float, bool]:
    """Seconds and whether it said done."""
    begin_s = time.perf_counter()
    done = await work()
    return time.perf_counter() - begin_s, bool(done)


def free_port() -> int:
    """A UDP port that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def ready(session: VehicleSession) -> None:
    """Until it may be loaded."""
    async with asyncio.timeout(60.0):
        while not session.telemetry.startable:
            await asyncio.sleep(0.05)


async def measured(kind: str) -> dict[str, Any]:
    """All that has sockets: on a good link, or through the proxies that lose."""
    from tests.benchmarks.peers.upload import DroneKit, Mavwp

    theirs_ports = [free_port(), free_port()]
    async with MavlinkFleet([VEHICLE], SystemClock()) as fleet:
        run = asyncio.create_task(fleet.run(), name="fleet")
        world = Lab([fleet.udp_address(VEHICLE.link)[1], *theirs_ports], kind)
        where = [f"udpin:127.0.0.1:{port}" for port in theirs_ports]
        dronekit = await asyncio.to_thread(DroneKit, where[0])
        mavwp = await asyncio.to_thread(Mavwp, where[1])
        session = fleet.sessions["D-0"]
        assert isinstance(session, MavlinkSession)

        def work(name: str, plan: Plan) -> Callable[[], Any]:
            if name == "ours":
                return lambda: ours(session, plan)
            peer = dronekit if name == "dronekit" else mavwp
            return lambda: asyncio.to_thread(peer.upload, plan.messages(1, 1), LIMIT_S)

        try:
            await ready(session)
            return await (good if kind == "direct" else lossy)(work, world)
        finally:
            dronekit.close()
            mavwp.close()
            world.close()
            run.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await run


Work = Callable[[str, Plan], Callable[[], Any]]


async def good(work: Work, world: Lab, rounds: int = ROUNDS) -> dict[str, Any]:
    """Medians at no loss, one after the other in turn."""
    spent: dict[str, list[float]] = {name: [] for name in NAMES}
    for number in range(rounds + 1):
        plan = PLANS[number % 2]
        for name in NAMES:
            took_s, done = await timed(work(name, plan))
            assert done, f"{name} failed without loss"
            # DroneKit is done when its last item is sent, not when it has arrived
            await asyncio.sleep(2.0 * FAR_S)
            assert world.holds(name, plan), f"{name} said done and it is not"
            if number:
                spent[name].append(took_s * 1e3)
    medians = {name: statistics.median(values) for name, values in spent.items()}
    return {f"{name}_ms": round(value, 2) for name, value in medians.items()} | {
        "ratio": round(min(medians["dronekit"], medians["mavwp"]) / medians["ours"], 3)
    }


async def lossy(work: Work, world: Lab) -> dict[str, Any]:
    """Far away; then what each does at 10 % and 20 %, all at once."""
    world.ask(f"delay_s {FAR_S / 2.0}")
    far = await good(work, world, rounds=FAR_ROUNDS)
    found: dict[str, Any] = {f"far_{name}": value for name, value in far.items()}
    for loss in (0.1, 0.2):
        world.ask(f"drop {loss}")
        said = dict.fromkeys(NAMES, 0)
        held = dict.fromkeys(NAMES, 0)
        spent: dict[str, list[float]] = {name: [] for name in NAMES}
        for number in range(LOSSY_ROUNDS):
            plan = PLANS[(FAR_ROUNDS + 1 + number) % 2]
            results = await asyncio.gather(*(timed(work(name, plan)) for name in NAMES))
            for name, (took_s, done) in zip(NAMES, results, strict=True):
                said[name] += done
                held[name] += world.holds(name, plan)
                spent[name].append(took_s)
        found |= {
            f"at_{loss:.0%}_loss".replace("%", "_percent"): {
                name: {
                    "uploads": LOSSY_ROUNDS,
                    "said_done": said[name],
                    "held": held[name],
                    "median_s": round(statistics.median(spent[name]), 2),
                }
                for name in NAMES
            }
        }
    return found


def verified(number: int) -> tuple[bool, int]:
    """One load at a fifth lost each way, and how many loads it took."""
    outcome = drill(draw(20, number * len(LOSSES) + LOSSES.index(0.20), ("none",)), start=False)
    return outcome.verified, outcome.loads


def main() -> None:
    """Run it."""
    assert all(plan.count == ITEMS for plan in PLANS)
    found = {**asyncio.run(measured("direct")), **asyncio.run(measured("proxied"))}
    print(json.dumps(found, indent=1))
    with ProcessPoolExecutor(2) as pool:
        many = list(pool.map(verified, range(MANY), chunksize=25))
    told(
        bench="upload",
        items=ITEMS,
        **found,
        simulated_loads=MANY,
        verified_at_20_percent_loss=sum(done for done, _ in many) / MANY,
        verified_by_the_first_load=sum(done and loads == 1 for done, loads in many) / MANY,
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        ports = [int(port) for port in sys.argv[2:]]
        asyncio.run(lab(ports, proxied=sys.argv[1] == "proxied"))
    else:
        main()
