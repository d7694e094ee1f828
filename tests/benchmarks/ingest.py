"""MAVLink over UDP on loopback, one message a datagram, sent by a second process.

250 vehicles on 50 sockets send 30,000 messages of 7 types at 10,000 a second, in bursts of one
each as ticking autopilots do. Peer: asyncio's DatagramProtocol with one pymavlink parser; ours:
`UdpLink` with everything it does (reassembly, routes, contests, guards). Both read the same fields
of every message by the same functions. The measure is the CPU of this process for a message
received. `same`: both received everything that was sent, and the sums of what was read are equal;
on a machine that is too busy the peer loses some, which is told as `lost_peer`.
"""

from __future__ import annotations

import asyncio
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from controller.clock import ScaledClock
from tests.benchmarks.decode import READ as READ_MANY
from tests.benchmarks.decode import make
from tests.benchmarks.measure import told
from vehicles.mavlink.link import UdpLink, make_link
from vehicles.mavlink.messages import LAYOUTS
from vehicles.mavlink.wire import Frame

SYSTEMS, SOCKETS, MESSAGES, RATE_HZ, BURST = 250, 50, 30_000, 10_000, 250
ROUNDS = 5
NAMES = (
    "HEARTBEAT", "GLOBAL_POSITION_INT", "SYS_STATUS", "GPS_RAW_INT", "BATTERY_STATUS",
    "MISSION_CURRENT", "EXTENDED_SYS_STATE",
)  # fmt: skip
READ: dict[str, Callable[[Any], float]] = {
    **READ_MANY,
    "MISSION_CURRENT": lambda m: m.seq + m.total,
    "EXTENDED_SYS_STATE": lambda m: m.landed_state,
}
RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
"""As `UdpLink` has it; the peer gets the same."""


def one_of(name: str, rng: random.Random, now_ms: int) -> Any:
    """A message of a type that the controller reads."""
    if name == "MISSION_CURRENT":
        return mav.MAVLink_mission_current_message(rng.randrange(20), 20, 3, 1)
    if name == "EXTENDED_SYS_STATE":
        return mav.MAVLink_extended_sys_state_message(0, rng.choice((1, 2, 3, 4)))
    return make(name, rng, now_ms)


def send(host: str, port: int) -> None:
    """The second process: everything at a steady rate, then its end."""
    rng = random.Random(5)
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOCKETS)]
    for each in sockets:
        each.connect((host, port))
    senders = [mav.MAVLink(None, srcSystem=n + 1, srcComponent=1) for n in range(SYSTEMS)]
    mix = NAMES[:1] + NAMES[1:] * 4
    frames = []
    for number in range(MESSAGES):
        sender = senders[number % SYSTEMS]
        message = one_of(mix[number // SYSTEMS % len(mix)], rng, number)
        frames.append((sockets[number % SYSTEMS % SOCKETS], bytes(message.pack(sender))))
        sender.seq = (sender.seq + 1) % 256
    print("ready", flush=True)
    sys.stdin.readline()
    begin = time.perf_counter()
    for at in range(0, MESSAGES, BURST):
        ahead_s = at / RATE_HZ - (time.perf_counter() - begin)
        if ahead_s > 0.0:
            time.sleep(ahead_s)
        for where, data in frames[at : at + BURST]:
            where.send(data)
    print("sent", flush=True)


@dataclass(slots=True)
class Heard:
    """What a receiver has read."""

    messages: int = 0
    systems: int = 0
    total: float = 0.0


class Theirs(asyncio.DatagramProtocol):
    """The peer: asyncio's way to receive and pymavlink's to parse."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._mav = mav.MAVLink(None)
        self._mav.robust_parsing = True
        self._routes: dict[int, Any] = {}
        self._read = {getattr(mav, f"MAVLink_{name.lower()}_message"): READ[name] for name in NAMES}

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        heard = self._heard
        for message in self._mav.parse_buffer(data) or ():
            system = message.get_srcSystem()
            self._routes[system] = addr
            heard.messages += 1
            heard.systems += system
            heard.total += self._read[type(message)](message)


async def peer(heard: Heard) -> tuple[tuple[str, int], Callable[[], None]]:
    """Open the peer; its address and how to close it."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: Theirs(heard), local_addr=("127.0.0.1", 0)
    )
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    return transport.get_extra_info("sockname"), transport.close


async def ours(heard: Heard) -> tuple[tuple[str, int], Callable[[], None]]:
    """Open ours; its address and how to close it."""
    read = {layout.kind: READ[layout.name] for layout in LAYOUTS.values() if layout.name in READ}

    def receive(_link: str, frame: Frame) -> None:
        message = frame.message
        heard.messages += 1
        heard.systems += frame.system
        heard.total += read[type(message)](message)

    clock = ScaledClock(datetime.now(UTC), time.time(), 1.0)
    link = make_link("udpin:127.0.0.1:0", receive, clock)
    assert isinstance(link, UdpLink)
    await link.open()
    return link.address, link.close


async def measured(receiver: Callable[[Heard], Any]) -> tuple[float, Heard]:
    """CPU seconds for one run of the sender, and what was heard."""
    heard = Heard()
    (host, port), close = await receiver(heard)
    sender = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.ingest", "send", host, str(port),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert sender.stdin is not None
    assert sender.stdout is not None
    try:
        await sender.stdout.readline()
        begin_s = time.process_time()
        sender.stdin.write(b"go\n")
        await sender.stdout.readline()
        before = -1
        while heard.messages < MESSAGES and heard.messages != before:
            before = heard.messages
            await asyncio.sleep(0.2)
        spent_s = time.process_time() - begin_s
        await sender.wait()
    finally:
        close()
    return spent_s, heard


def main() -> None:
    """Run it."""
    spent: dict[str, list[float]] = {"peer": [], "ours": []}
    seen: dict[str, Heard] = {}
    lost = {"peer": 0, "ours": 0}
    for number in range(ROUNDS + 1):
        for name, receiver in (("peer", peer), ("ours", ours)):
            cpu_s, heard = asyncio.run(measured(receiver))
            seen[name] = heard
            lost[name] += MESSAGES - heard.messages
            if number:
                spent[name].append(cpu_s / max(heard.messages, 1) * 1e6)
    peer_us, ours_us = (statistics.median(spent[name]) for name in ("peer", "ours"))
    print(f"{MESSAGES} messages at {RATE_HZ}/s: peer {peer_us:.2f} us, ours {ours_us:.2f} us")
    print(f"rounds: {[[round(v, 2) for v in spent[name]] for name in ('peer', 'ours')]}")
    told(
        bench="ingest",
        peer=round(peer_us, 3),
        ours=round(ours_us, 3),
        ratio=round(peer_us / ours_us, 2),
        same=seen["peer"] == seen["ours"] and seen["ours"].messages == MESSAGES,
        lost_peer=lost["peer"],
        lost_ours=lost["ours"],
        rate_hz=RATE_HZ,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["send"]:
        send(sys.argv[2], int(sys.argv[3]))
    else:
        main()
