"""Many datagrams from a UDP socket for one call of the system.

Owns the way from a socket to bytes and addresses. Must not know what they mean. On Linux they are
read by recvmmsg(2), which Python has no word for: half of what each costs by recvfrom. Anywhere
else, and where the system does not know it, by recvfrom.
"""

from __future__ import annotations

import ctypes
import socket
import sys
from collections.abc import Callable
from typing import Protocol

Address = tuple[str, int]

MAX_DATAGRAM_BYTES = 2048
"""What is longer is cut: no frame of MAVLink is, and no Ethernet carries it whole."""
BATCH = 64
"""Most datagrams of one call."""
_ADDRESSES_KEPT = 4096
_NAME_BYTES = 16
_PORT_AT, _HOST_AT, _HOST_END = 2, 4, 8


class Source(Protocol):
    """Reads a socket that does not block."""

    def read(self) -> list[tuple[bytes, Address]]:
        """At most BATCH datagrams with where they came from; none where nothing waits."""


class OneByOne:
    """By recvfrom, from any socket."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server

    def read(self) -> list[tuple[bytes, Address]]:
        """As `Source` says."""
        found: list[tuple[bytes, Address]] = []
        for _ in range(BATCH):
            try:
                data, address = self._server.recvfrom(MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                break
            except OSError:
                # an ICMP answer to something sent earlier concerns that peer only
                if self._server.fileno() < 0:
                    break
                continue
            found.append((data, address))
        return found


class _Iovec(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """struct mmsghdr, its struct msghdr laid out flat."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("parts", ctypes.c_void_p),
        ("part_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("end", ctypes.c_void_p * 0),
        ("length", ctypes.c_uint32),
    )


class Batched:
    """By recvmmsg, from an IPv4 socket; `call` is the function of the C library."""

    def __init__(self, server: socket.socket, call: Callable[..., int]) -> None:
        self._server = server
        self._call = call
        self._room = (ctypes.c_char * (BATCH * MAX_DATAGRAM_BYTES))()
        self._senders = (ctypes.c_char * (BATCH * _NAME_BYTES))()
        self._parts = (_Iovec * BATCH)()
        self._headers = (_Header * BATCH)()
        for n, (header, part) in enumerate(zip(self._headers, self._parts, strict=True)):
            part.base = ctypes.addressof(self._room) + n * MAX_DATAGRAM_BYTES
            part.length = MAX_DATAGRAM_BYTES
            header.name = ctypes.addressof(self._senders) + n * _NAME_BYTES
            header.name_length = _NAME_BYTES
            header.parts = ctypes.addressof(part)
            header.part_count = 1
        self._headers_at = ctypes.addressof(self._headers)
        words = ctypes.sizeof(_Header) // 4
        first = _Header.length.offset // 4
        self._data = memoryview(self._room).cast("B")
        self._lengths = memoryview(self._headers).cast("B").cast("I")[first::words]
        # family, port and host of a sockaddr_in are eight bytes: one number for each peer
        self._peers = memoryview(self._senders).cast("B").cast("Q")[::2]
        self._addresses: dict[int, Address] = {}

    def read(self) -> list[tuple[bytes, Address]]:
        """As `Source` says."""
        count = self._call(self._server.fileno(), self._headers_at, BATCH, 0, None)
        if count <= 0:
            return []
        # local names: this is the way of every message of the fleet
        data, addresses, at = self._data, self._addresses, 0
        found = []
        for length, peer in zip(
            self._lengths[:count].tolist(), self._peers[:count].tolist(), strict=True
        ):
            address = addresses.get(peer)
            if address is None:
                address = self._address(peer)
            found.append((data[at : at + length].tobytes(), address))
            at += MAX_DATAGRAM_BYTES
        return found

    def _address(self, peer: int) -> Address:
        """Host and port of a sockaddr_in, kept for the next datagram of the same peer."""
        name = peer.to_bytes(8, sys.byteorder)
        port = int.from_bytes(name[_PORT_AT:_HOST_AT], "big")
        address = (socket.inet_ntoa(name[_HOST_AT:_HOST_END]), port)
        if len(self._addresses) >= _ADDRESSES_KEPT:
            self._addresses.clear()
        self._addresses[peer] = address
        return address


def source_of(server: socket.socket) -> Source:
    """The quickest way to read a socket that does not block, on this machine."""
    call = _recvmmsg() if server.family == socket.AF_INET else None
    if call is None or call(server.fileno(), None, 0, 0, None) < 0:
        return OneByOne(server)
    return Batched(server, call)


def _recvmmsg() -> Callable[..., int] | None:
    """The function of the C library, where there is one."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        call = ctypes.CDLL(None).recvmmsg
    except (OSError, AttributeError):
        return None
    call.argtypes = (
        ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p,
    )  # fmt: skip
    call.restype = ctypes.c_int
    found: Callable[..., int] = call
    return found
