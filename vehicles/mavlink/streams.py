"""Links that are one stream of bytes: TCP and serial ports.

Owns connecting, connecting again with backoff, and the scanner of the stream. Everything that is
sent goes to the one other end, which routes by target system. Must not know what a message means.
Waits are in seconds of the injected clock.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod

from vehicles.errors import ConfigurationError
from vehicles.mavlink.post import LinkSpec, Post
from vehicles.mavlink.wire import Scanner
from vehicles.port import Clock

READ_BYTES = 65536
WRITE_LIMIT_BYTES = 256 * 1024
SERIAL_WRITE_LIMIT_BYTES = 4096
"""Less than a second of a 57,600 baud radio: what waits longer is better sent anew."""
BACKOFF_FIRST_S = 0.5
BACKOFF_MOST_S = 15.0


class StreamLink(ABC):
    """A stream to one other end; connects again when it goes away."""

    _faults: tuple[type[Exception], ...] = (OSError,)
    _write_limit_bytes = WRITE_LIMIT_BYTES

    def __init__(self, name: str, spec: LinkSpec, post: Post, clock: Clock) -> None:
        self._name = name
        self._spec = spec
        self._post = post
        self._clock = clock
        self._writer: asyncio.StreamWriter | None = None
        self.unsent = 0

    @abstractmethod
    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises one of `_faults` where there is nobody."""

    async def open(self) -> None:  # noqa: B027 - most have nothing to do
        """Nothing: the other end may come up later; `run` connects."""

    async def run(self) -> None:
        """Connect, read to the end, wait, connect again."""
        backoff_s = BACKOFF_FIRST_S
        while True:
            if await self._session():
                backoff_s = BACKOFF_FIRST_S
            await self._clock.sleep(backoff_s)
            backoff_s = min(backoff_s * 2.0, BACKOFF_MOST_S)

    async def _session(self) -> bool:
        """One connection from connect to its end; whether anything was read."""
        try:
            reader, writer = await self._connect()
        except self._faults:
            return False
        scanner = Scanner(self._post.admitting(self._write))
        heard = False
        self._writer = writer
        try:
            while data := await reader.read(READ_BYTES):
                for frame in scanner.feed(data):
                    heard = True
                    self._post.receive(self._name, frame)
        except self._faults:
            pass
        finally:
            self._writer = None
            writer.close()
            with contextlib.suppress(*self._faults):
                await writer.wait_closed()
        return heard

    def send(self, system: int, data: bytes) -> bool:
        """To the other end, which routes by target system; False while not connected."""
        del system
        return self._write(data)

    def _write(self, data: bytes) -> bool:
        writer = self._writer
        if writer is None or writer.transport.get_write_buffer_size() > self._write_limit_bytes:
            self.unsent += 1
            return False
        writer.write(data)
        return True

    def close(self) -> None:
        """Drop the connection."""
        if self._writer is not None:
            self._writer.close()


class TcpLink(StreamLink):
    """A TCP client."""

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._spec.host, self._spec.port)


class SerialLink(StreamLink):
    """A serial port, as of a telemetry radio. Needs the extra `serial`."""

    _write_limit_bytes = SERIAL_WRITE_LIMIT_BYTES

    async def open(self) -> None:
        """Raises ConfigurationError where the library is not installed.

        The port itself may be plugged in later.
        """
        try:
            import serialx  # noqa: PLC0415 - an extra that most do not need
        except ImportError as error:
            raise ConfigurationError(
                f"link {self._name!r}", "serial ports need: pip install 'waypost[serial]'"
            ) from error
        self._faults = (OSError, serialx.SerialException)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        import serialx  # noqa: PLC0415 - the same

        return await serialx.open_serial_connection(self._spec.host, self._spec.port)
