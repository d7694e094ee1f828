"""1,000 light copters on the lean profile, through links, sessions and state, for 60 s.

The copters live in a second process, 250 sysids on each of four UDP links: every sysid stands for
four vehicles. Measured is this process alone, from when the fleet has settled (rates set, baseline
applied, ready): CPU as a share of one core, the age of each vehicle's newest position looked at
every half second, and memory. Peer: the same sessions, but asyncio's DatagramProtocol and
pymavlink's `parse_buffer` before them, and its messages brought into the sessions' types.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import operator
import resource
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from controller.clock import SystemClock
from geofence.frames import LatLon, offset
from geofence.zones import VehicleClass
from missions.model import DropDevice
from sitl.copter.fleet import CopterFleet
from sitl.copter.spec import CopterSpec
from sitl.world import LabClock
from tests.benchmarks.measure import told
from vehicles.mavlink.fleet import MavlinkFleet
from vehicles.mavlink.link import Link, make_link
from vehicles.mavlink.messages import LAYOUTS
from vehicles.mavlink.post import LinkSpec, Post
from vehicles.mavlink.session import MavlinkSession
from vehicles.mavlink.settings import MavlinkVehicle
from vehicles.mavlink.wire import Frame
from vehicles.port import Capability, Clock, LinkState

LINKS, PER_LINK = 4, 250
COUNT = LINKS * PER_LINK
MEASURED_S, SETTLE_S, LOOK_S = 60.0, 150.0, 0.5
SETTLED_SHARE = 0.995
BOOT_S = 5.0
ORIGIN = LatLon(60.10, 24.80)
RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
CAPABILITY = Capability(
    VehicleClass.MULTIROTOR, 2.0, 1, 10.0, 300.0, (0.4, 0.4, 0.4), DropDevice.GRIPPER
)


def pad(number: int) -> LatLon:
    """A field of pads, 40 m apart."""
    return offset(offset(ORIGIN, 0.0, 40.0 * (number // 40)), 90.0, 40.0 * (number % 40))


async def copters(ports: list[int]) -> None:
    """The second process: until its input is closed."""
    clock = LabClock.starting_now()
    async with contextlib.AsyncExitStack() as stack:
        for link, port in enumerate(ports):
            specs = []
            for at in range(PER_LINK):
                place = pad(link * PER_LINK + at)
                specs.append(CopterSpec(f"{link}-{at}", at + 1, place.lat_deg, place.lon_deg, 10.0))
            await stack.enter_async_context(
                CopterFleet(
                    specs, controller=("127.0.0.1", port), clock=clock,
                    on_truth=lambda _: None, boot_s=BOOT_S,
                )
            )  # fmt: skip
        await asyncio.to_thread(sys.stdin.readline)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"copters: {used.ru_utime + used.ru_stime:.1f} s of CPU", file=sys.stderr)


class PeerLink:
    """asyncio's way to receive, pymavlink's to parse; sends as `UdpLink` does."""

    def __init__(self, name: str, post: Post, _clock: Clock) -> None:
        self._name = name
        self._post = post
        self._spec = LinkSpec.parse(name)
        self._routes: dict[int, tuple[str, int]] = {}
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        """Bind."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Peer(self._name, self._post, self._routes),
            local_addr=(self._spec.host, self._spec.port),
        )
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)

    async def run(self) -> None:
        """The protocol is called by itself."""
        await asyncio.Event().wait()

    def send(self, system: int, data: bytes) -> bool:
        """To where the vehicle spoke from."""
        address = self._routes.get(system)
        if address is None or self._transport is None:
            return False
        self._transport.sendto(data, address)
        return True

    def close(self) -> None:
        """Close."""
        if self._transport is not None:
            self._transport.close()


class _Peer(asyncio.DatagramProtocol):
    def __init__(self, name: str, post: Post, routes: dict[int, tuple[str, int]]) -> None:
        self._name, self._receive, self._routes = name, post.receive, routes
        self._mav = mav.MAVLink(None)
        self._mav.robust_parsing = True
        self._ours: dict[int, Callable[[Any], Any]] = {
            number: _converter(layout.kind) for number, layout in LAYOUTS.items()
        }

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for message in self._mav.parse_buffer(data) or ():
            convert = self._ours.get(message.get_msgId())
            if convert is None:
                continue
            system = message.get_srcSystem()
            self._routes[system] = addr
            self._receive(
                self._name,
                Frame(
                    system, message.get_srcComponent(), message.get_seq(), False, convert(message)
                ),
            )


def _converter(kind: type[Any]) -> Callable[[Any], Any]:
    names = kind.__struct_fields__
    values = operator.attrgetter(*names)
    single = len(names) == 1
    return lambda message: kind(values(message)) if single else kind(*values(message))


def rss_kib() -> float:
    """What this process holds now."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1])
    return float("nan")


def free_ports(count: int) -> list[int]:
    """UDP ports that nobody has."""
    probes = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


async def settled(sessions: list[MavlinkSession]) -> float:
    """Until nearly all may be loaded; the share that is, in the end."""
    begin_s = time.monotonic()
    share = 0.0
    while time.monotonic() - begin_s < SETTLE_S and share < SETTLED_SHARE:
        await asyncio.sleep(2.0)
        share = sum(s.telemetry.startable for s in sessions) / len(sessions)
    return share


async def measured(open_link: Callable[[str, Post, Clock], Link]) -> dict[str, Any]:
    """One run with one way to receive."""
    gc.collect()
    before_kib = rss_kib()
    ports = free_ports(LINKS)
    vehicles = [
        MavlinkVehicle(
            f"{link}-{at}", f"udpin:127.0.0.1:{port}", at + 1, CAPABILITY,
            pad(link * PER_LINK + at), 10.0,
        )
        for link, port in enumerate(ports)
        for at in range(PER_LINK)
    ]  # fmt: skip
    clock = SystemClock()
    async with MavlinkFleet(vehicles, clock, open_link=open_link) as fleet:
        run = asyncio.create_task(fleet.run(), name="fleet")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.benchmarks.fleet", "copters", *map(str, ports),
            stdin=asyncio.subprocess.PIPE,
        )  # fmt: skip
        sessions = [s for s in fleet.sessions.values() if isinstance(s, MavlinkSession)]
        try:
            share = await settled(sessions)
            return {"settled": round(share, 4), **await watched(sessions, clock, before_kib)}
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()
            run.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await run


async def watched(
    sessions: list[MavlinkSession], clock: SystemClock, before_kib: float
) -> dict[str, Any]:
    """What the settled fleet costs, and how old its positions are."""
    ages: list[float] = []
    looks_s = 0.0
    cpu_s, begin_s = time.process_time(), time.monotonic()
    while time.monotonic() - begin_s < MEASURED_S:
        await asyncio.sleep(LOOK_S)
        look_s = time.process_time()
        now_s = clock.monotonic_s()
        ages += [now_s - (s.state.position_s or -1e9) for s in sessions]
        looks_s += time.process_time() - look_s
    wall_s = time.monotonic() - begin_s
    spent_s = time.process_time() - cpu_s - looks_s
    ages.sort()
    return {
        "cpu_share": round(spent_s / wall_s, 4),
        "age_p50_s": round(ages[len(ages) // 2], 3),
        "age_p99_s": round(ages[int(len(ages) * 0.99)], 3),
        "age_max_s": round(ages[-1], 2),
        "rss_kib_per_vehicle": round((rss_kib() - before_kib) / len(sessions), 1),
        "online": sum(s.link is LinkState.ONLINE for s in sessions),
    }


def main() -> None:
    """Run it: ours, then the peer."""
    ours = asyncio.run(measured(make_link))
    print("ours", ours, flush=True)
    peer = asyncio.run(measured(PeerLink))
    print("peer", peer, flush=True)
    told(
        bench="fleet",
        vehicles=COUNT,
        links=LINKS,
        seconds=MEASURED_S,
        **ours,
        peer_cpu_share=peer["cpu_share"],
        peer_age_p99_s=peer["age_p99_s"],
        ratio=round(peer["cpu_share"] / ours["cpu_share"], 2),
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["copters"]:
        asyncio.run(copters([int(port) for port in sys.argv[2:]]))
    else:
        main()
