"""Links: sockets that many vehicles share.

Owns the UDP server, one scanner per peer, and the route to every vehicle. A frame for a vehicle
goes only to the address that this vehicle last spoke from; nothing is ever sent to all. Must not
know what a message means. Waits are in seconds of the injected clock.

Link specifications: "udpin:HOST:PORT" (a server; vehicles speak first; port 0 takes a free one),
"tcp:HOST:PORT" (a client; connects again with backoff), "serial:DEVICE:BAUD" (the same; `streams`).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from collections import OrderedDict
from typing import Protocol

from vehicles.errors import LinkError
from vehicles.mavlink.datagrams import BATCH, Address, Source, source_of
from vehicles.mavlink.pace import Pace
from vehicles.mavlink.post import LinkSpec, Post, Receiver
from vehicles.mavlink.routes import Routes
from vehicles.mavlink.streams import SerialLink, TcpLink
from vehicles.mavlink.wire import Scanner, is_unread, read_frame
from vehicles.port import Clock

__all__ = ["AnyLink", "Link", "LinkSpec", "Post", "SerialLink", "TcpLink", "UdpLink", "make_link"]

DRAIN_DATAGRAMS = 256
"""About so many datagrams are read before other tasks run again."""
MAX_PEERS = 4096
"""Addresses remembered; the one longest silent is forgotten first."""
RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024


class Link(Protocol):
    """One transport."""

    async def open(self) -> None:
        """Bind what can be bound now. Raises LinkError."""

    async def run(self) -> None:
        """Serve until cancelled."""

    def send(self, system: int, data: bytes) -> bool:
        """A frame for one vehicle; False where it could not be sent (no route, no room)."""

    def close(self) -> None:
        """Close the socket."""


class UdpLink:
    """A UDP server socket with many vehicles behind it."""

    def __init__(self, name: str, spec: LinkSpec, post: Post, clock: Clock) -> None:
        self._name = name
        self._spec = spec
        self._post = post
        self._receive = post.receive
        self._guards = post.guards
        self._socket: socket.socket | None = None
        self._peers: OrderedDict[Address, Scanner] = OrderedDict()
        self.routes = Routes(clock.monotonic_s, post.contested)
        self._pace = Pace()
        self._turn: asyncio.TimerHandle | None = None
        self.unsent = 0
        self.skipped = 0

    @property
    def address(self) -> Address:
        """Host and port bound; the port is the real one where 0 was asked for."""
        if self._socket is None:
            raise LinkError(self._name, "not open")
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    async def open(self) -> None:
        """Bind. Raises LinkError where the port is taken or the host is not ours."""
        family = socket.AF_INET6 if ":" in self._spec.host else socket.AF_INET
        server = socket.socket(family, socket.SOCK_DGRAM)
        try:
            server.settimeout(0.0)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            server.bind((self._spec.host, self._spec.port))
        except OSError as error:
            server.close()
            raise LinkError(
                self._name, f"cannot listen: {error.strerror}. Choose a free port of this machine"
            ) from error
        self._socket = server
        asyncio.get_running_loop().add_reader(
            server.fileno(), self._readable, server, source_of(server)
        )

    async def run(self) -> None:
        """The event loop reads the socket; nothing else is to be done."""
        await asyncio.Event().wait()

    def send(self, system: int, data: bytes) -> bool:
        """To the last address that this vehicle spoke from."""
        address = self.routes.by_system.get(system)
        return address is not None and self._send_to(address, data)

    def close(self) -> None:
        """Stop reading and close the socket."""
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        if self._socket is not None:
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _send_to(self, address: Address, data: bytes) -> bool:
        if self._socket is None:
            return False
        try:
            self._socket.sendto(data, address)
        except OSError:
            # UDP may lose a frame anywhere; what matters is sent again by its protocol
            self.unsent += 1
            return False
        return True

    def _readable(self, server: socket.socket, source: Source) -> None:
        """A wake-up by the socket; where they come too fast, a timer takes over."""
        loop = asyncio.get_running_loop()
        self._pace.count(self._drain(source), loop.time())
        if self._pace.turn_s and self._socket is server:
            loop.remove_reader(server.fileno())
            self._await_turn(loop, server, source)

    def _await_turn(
        self, loop: asyncio.AbstractEventLoop, server: socket.socket, source: Source
    ) -> None:
        when_s = self._pace.next_s(loop.time())
        self._turn = loop.call_at(when_s, self._take_turn, server, source)

    def _take_turn(self, server: socket.socket, source: Source) -> None:
        """A turn of the timer; where little came of late, back to wake-ups."""
        loop = asyncio.get_running_loop()
        self._pace.count(self._drain(source), loop.time())
        if self._socket is not server:
            return
        if self._pace.turn_s:
            self._await_turn(loop, server, source)
        else:
            self._turn = None
            loop.add_reader(server.fileno(), self._readable, server, source)

    def _drain(self, source: Source) -> int:
        """Read until nothing waits, one turn of the event loop for many; how many there were."""
        # local names: this is the way of every message of the fleet
        receive, name = self._receive, self._name
        by_system, contested = self.routes.by_system, self.routes.contested
        guards = self._guards
        total = 0
        while total < DRAIN_DATAGRAMS:
            batch = source.read()
            total += len(batch)
            for data, address in batch:
                frame = read_frame(data)
                if frame is None:
                    self._odd(data, address)
                    continue
                system = frame.system
                if system in guards and not self._post.admit(frame, data, None):
                    continue
                known = by_system.get(system) == address and system not in contested
                if known or self.routes.claim(system, address):
                    receive(name, frame)
            if len(batch) < BATCH:
                break
        return total

    def _odd(self, data: bytes, address: Address) -> None:
        """A datagram that is not one unsigned frame of an id that is read."""
        if is_unread(data):
            self.skipped += 1
            return
        for frame in self._scanner(address).feed(data):
            if self.routes.claim(frame.system, address):
                self._receive(self._name, frame)

    def _scanner(self, address: Address) -> Scanner:
        scanner = self._peers.get(address)
        if scanner is None:
            answer = functools.partial(self._send_to, address)
            scanner = self._peers[address] = Scanner(self._post.admitting(answer))
            if len(self._peers) > MAX_PEERS:
                self._peers.popitem(last=False)
        else:
            self._peers.move_to_end(address)
        return scanner


AnyLink = UdpLink | TcpLink | SerialLink


def make_link(name: str, post: Post | Receiver, clock: Clock) -> AnyLink:
    """The link that a specification names. Raises ConfigurationError."""
    spec = LinkSpec.parse(name)
    if not isinstance(post, Post):
        post = Post(post)
    if spec.kind == "udpin":
        return UdpLink(name, spec, post, clock)
    if spec.kind == "serial":
        return SerialLink(name, spec, post, clock)
    return TcpLink(name, spec, post, clock)
