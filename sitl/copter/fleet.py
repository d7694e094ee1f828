"""Many light copters in one process: sockets, the clock and the truth log.

Owns every socket of the light copters and the one task that lets time pass for all. Each
copter is a UDP client of the controller (as ArduPilot's ``--serial0 udpclient:``), a TCP
listener of its own (as port 5760), or both: then two ground stations share it as behind a
router, and each hears everything. Protocol and flight are ``vehicle.Copter``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from sitl.background import Background
from sitl.copter.spec import CopterSpec
from sitl.copter.vehicle import Copter, Truth
from sitl.world import LabClock, TruthSample

TICK_S = 0.1
MIN_WALL_TICK_S = 0.02
PER_TURN = 25


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, station: _Station) -> None:
        self._station = station

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002
        self._station.received(data)

    def error_received(self, exc: Exception) -> None:
        """A refused datagram: the controller is not up, which a radio would not know either."""


class _Station:
    """One copter with its link."""

    def __init__(
        self, copter: Copter, clock: LabClock, on_truth: Callable[[TruthSample], None]
    ) -> None:
        self.copter = copter
        self._clock = clock
        self._on_truth = on_truth
        self._udp: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.muted_until_s = 0.0

    async def connect(self, host: str, port: int) -> None:
        """Be a UDP client."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Udp(self), remote_addr=(host, port)
        )
        self._udp = transport

    async def listen(self) -> int:
        """Be a TCP listener on a free port of 127.0.0.1."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Close every socket."""
        if self._udp is not None:
            self._udp.close()
        if self._server is not None:
            self._server.close()
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()

    def received(self, data: bytes) -> None:
        """Bytes from the controller."""
        if self._clock.monotonic_s() >= self.muted_until_s:
            self.copter.receive(data, self._clock.monotonic_s())
            self.flush()

    def tick(self, now_s: float) -> None:
        """Let time pass."""
        self.copter.advance(now_s)
        self.flush()
        for truth in self.copter.take_truth():
            self._on_truth(self._sample(truth))

    def flush(self) -> None:
        """Send what is queued: one datagram a frame."""
        frames = self.copter.take_output()
        if not frames or self._clock.monotonic_s() < self.muted_until_s:
            return
        if self._udp is not None and not self._udp.is_closing():
            for frame in frames:
                self._udp.sendto(frame)
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(b"".join(frames))

    def _sample(self, truth: Truth) -> TruthSample:
        return TruthSample(
            self.copter.spec.vehicle_id, self._clock.at(truth.t_s), truth.lat_deg, truth.lon_deg,
            truth.alt_amsl_m, truth.heading_deg, truth.armed, truth.on_ground, truth.event,
            truth.detail,
        )  # fmt: skip

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = writer
        try:
            while data := await reader.read(4096):
                self.received(data)
        except ConnectionError:
            pass
        finally:
            writer.close()
            if self._writer is writer:
                self._writer = None


class CopterFleet:
    """Light copters as an async context manager.

    With ``controller`` (host, port) every copter sends to it over UDP from a port of its own;
    with ``tcp`` each listens on a free port of 127.0.0.1, told in ``ports`` by vehicle id; with
    both, a second station may watch.
    ``on_truth`` is called in the event loop: five samples a simulated second of a flying
    copter whatever the speed-up; ``boot_s`` is simulated seconds from entering to pre-arm OK.

    Raises:
        ValueError: neither ``controller`` nor ``tcp``, or a vehicle id twice.
    """

    def __init__(
        self,
        specs: Sequence[CopterSpec],
        *,
        controller: tuple[str, int] | None = None,
        tcp: bool = False,
        clock: LabClock,
        on_truth: Callable[[TruthSample], None],
        boot_s: float = 41.0,
    ) -> None:
        if controller is None and not tcp:
            raise ValueError("CopterFleet: give controller=(host, port), tcp=True, or both")
        if len({spec.vehicle_id for spec in specs}) != len(specs):
            raise ValueError("CopterFleet: a vehicle_id occurs twice in specs")
        self.ports: dict[str, int] = {}
        self._specs = tuple(specs)
        self._controller = controller
        self._tcp = tcp
        self._clock = clock
        self._on_truth = on_truth
        self._boot_s = boot_s
        self._stations: dict[str, _Station] = {}
        self._background = Background()

    async def __aenter__(self) -> Self:
        try:
            for spec in self._specs:
                await self._add(spec)
        except BaseException:
            await self._close()
            raise
        await self._background.__aenter__()
        self._background.start(self._run(), name="copter-fleet-ticker")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._background.__aexit__(kind, error, trace)
        finally:
            await self._close()

    def copter(self, vehicle_id: str) -> Copter:
        """A copter's core, for tests and drills."""
        return self._stations[vehicle_id].copter

    def reboot(self, vehicle_id: str) -> None:
        """Fault: the autopilot restarts; in the air it falls."""
        self.copter(vehicle_id).reboot()

    def kill(self, vehicle_id: str) -> None:
        """Fault: power is gone for good (``reboot`` brings it back)."""
        self.copter(vehicle_id).kill()

    def mute(self, vehicle_id: str, duration_s: float) -> None:
        """Fault: the radio is silent both ways for ``duration_s`` simulated seconds."""
        self._stations[vehicle_id].muted_until_s = self._clock.monotonic_s() + duration_s

    async def _add(self, spec: CopterSpec) -> None:
        copter = Copter(
            spec,
            now_s=self._clock.monotonic_s(),
            unix_at_zero_s=self._clock.start.timestamp(),
            boot_s=self._boot_s,
        )
        station = _Station(copter, self._clock, self._on_truth)
        self._stations[spec.vehicle_id] = station
        if self._controller is not None:
            await station.connect(*self._controller)
        if self._tcp:
            self.ports[spec.vehicle_id] = await station.listen()

    async def _run(self) -> None:
        wall_s = max(TICK_S / self._clock.speedup, MIN_WALL_TICK_S)
        stations = list(self._stations.values())
        # in turns, or hundreds of datagrams at once overrun the receiver's socket buffer
        turns = [stations[i : i + PER_TURN] for i in range(0, len(stations), PER_TURN)]
        while turns:
            for turn in turns:
                await asyncio.sleep(wall_s / len(turns))
                for station in turn:
                    station.tick(self._clock.monotonic_s())

    async def _close(self) -> None:
        for station in self._stations.values():
            await station.close()
