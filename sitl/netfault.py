"""A bad radio between vehicles and controller: datagrams lost, late, doubled, broken.

Owns the fault model (pure, seeded) and a UDP proxy that applies it. Must not know what the
datagrams mean: it breaks MAVLink and anything else alike.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sitl.background import Background

MAX_WAITING = 10_000

_Waiting = tuple[float, int, asyncio.DatagramTransport, bytes, tuple[str, int] | None]


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares of datagrams (0..1) and delays in wall seconds, each way.

    A delay drawn evenly from ``delay_s`` .. ``delay_s + jitter_s`` reorders whatever is sent
    closer together than the jitter.

    Raises:
        ValueError: a share outside 0..1, or a negative delay.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("drop", "duplicate", "corrupt"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"Faults.{name} is a share: give 0..1")
        if self.delay_s < 0.0 or self.jitter_s < 0.0:
            raise ValueError("Faults.delay_s and jitter_s must not be negative")


class FaultModel:
    """What becomes of each datagram; the same seed gives the same fate."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self.faults = faults
        self._random = random.Random(seed)

    def fate(self, data: bytes) -> list[tuple[float, bytes]]:
        """Copies to deliver, each with its delay in seconds; none if lost."""
        faults, draw = self.faults, self._random
        if draw.random() < faults.drop:
            return []
        copies = 2 if draw.random() < faults.duplicate else 1
        return [
            (faults.delay_s + draw.random() * faults.jitter_s, self._maybe_broken(data))
            for _ in range(copies)
        ]

    def _maybe_broken(self, data: bytes) -> bytes:
        if not data or self._random.random() >= self.faults.corrupt:
            return data
        broken = bytearray(data)
        broken[self._random.randrange(len(broken))] ^= self._random.randrange(1, 256)
        return bytes(broken)


class UdpProxy:
    """A UDP proxy with faults: clients send to ``address``, it sends on to ``target``.

    Every client gets a socket of its own towards the target, so that the target sees as many
    peers as there are. ``faults`` may be replaced while it runs. More than ``MAX_WAITING``
    delayed datagrams are dropped, newest first.
    """

    def __init__(self, target: tuple[str, int], faults: Faults, *, seed: int = 0) -> None:
        self.address = ("", 0)
        self.delivered = self.lost = 0
        self._target = target
        self._model = FaultModel(faults, seed)
        self._down: asyncio.DatagramTransport | None = None
        self._up: dict[tuple[str, int], asyncio.DatagramTransport] = {}
        self._waiting: list[_Waiting] = []
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._opening: set[tuple[str, int]] = set()
        self._background = Background()

    @property
    def faults(self) -> Faults:
        """The faults in force."""
        return self._model.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._model.faults = faults

    async def __aenter__(self) -> Self:
        await self._background.__aenter__()
        loop = asyncio.get_running_loop()
        self._down, _ = await loop.create_datagram_endpoint(
            lambda: _Side(self._from_client), local_addr=("127.0.0.1", 0)
        )
        self.address = self._down.get_extra_info("sockname")[:2]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._background.__aexit__(kind, error, trace)
        if self._timer is not None:
            self._timer.cancel()
        for transport in (self._down, *self._up.values()):
            if transport is not None:
                transport.close()

    def _from_client(self, data: bytes, client: tuple[str, int]) -> None:
        transport = self._up.get(client)
        if transport is not None:
            self._submit(data, transport, None)
        elif client not in self._opening:
            self._opening.add(client)
            self._background.start(self._open(client, data), name=f"netfault-{client[1]}")
        else:
            self.lost += 1

    async def _open(self, client: tuple[str, int], first: bytes) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Side(lambda data, _addr: self._to_client(data, client)),
            remote_addr=self._target,
        )
        self._up[client] = transport
        self._opening.discard(client)
        self._submit(first, transport, None)

    def _to_client(self, data: bytes, client: tuple[str, int]) -> None:
        if self._down is not None:
            self._submit(data, self._down, client)

    def _submit(
        self, data: bytes, transport: asyncio.DatagramTransport, to: tuple[str, int] | None
    ) -> None:
        now_s = asyncio.get_running_loop().time()
        copies = self._model.fate(data)
        if not copies or len(self._waiting) + len(copies) > MAX_WAITING:
            self.lost += 1
            return
        for delay_s, copy in copies:
            self._count += 1
            heapq.heappush(self._waiting, (now_s + delay_s, self._count, transport, copy, to))
        self._deliver()

    def _deliver(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and self._waiting[0][0] <= loop.time():
            _, _, transport, data, to = heapq.heappop(self._waiting)
            if not transport.is_closing():
                transport.sendto(data, to)
                self.delivered += 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            self._timer = loop.call_at(self._waiting[0][0], self._deliver)


class _Side(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._received(data, addr[:2])

    def error_received(self, exc: Exception) -> None:
        """A refused datagram is one more that is lost."""
