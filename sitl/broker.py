"""An MQTT broker for the lab, on 127.0.0.1 and nowhere else.

Owns the broker's process and its end. `iotcore` is the embedded default; `mosquitto` is the
reference, where the program is installed.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Literal, Self

from iotcore import Broker as IotCore

HOST = "127.0.0.1"
MAX_PAYLOAD_BYTES = 4 * 1024 * 1024
"""An order over a few hundred nodes is longer than the embedded broker's default of 20 kB."""

_MOSQUITTO_PATHS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")


class BrokerError(Exception):
    """The broker did not come up."""


def find_mosquitto() -> str | None:
    """Path of the mosquitto program, None where it is not installed."""
    found = shutil.which("mosquitto")
    if found:
        return found
    places = (Path(directory) / "mosquitto" for directory in _MOSQUITTO_PATHS)
    return next((str(p) for p in places if p.is_file()), None)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Broker:
    """Async context manager: a broker that runs while it is entered.

    `port` 0 takes a free one. `config` is a mosquitto.conf that listens on `port`, instead of one
    that lets everybody in. Raises BrokerError where it does not listen in time.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        kind: Literal["iotcore", "mosquitto"] = "iotcore",
        config: Path | None = None,
    ) -> None:
        self.host = HOST
        self._config = config
        self.port = port
        self.kind = kind
        self._iotcore: IotCore | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def __aenter__(self) -> Self:
        """Start the broker and wait until it listens."""
        self.port = self.port or free_port()
        try:
            if self.kind == "iotcore":
                await asyncio.to_thread(self._start_iotcore)
            else:
                await self._start_mosquitto()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        """End the broker's process and wait for that."""
        await self._stop()

    def _start_iotcore(self) -> None:
        self._iotcore = IotCore(port=self.port, listen=HOST, max_payload_size=MAX_PAYLOAD_BYTES)
        try:
            self._iotcore.start()
        except (OSError, RuntimeError) as error:
            raise BrokerError(f"the embedded broker did not start: {error}") from error

    async def _start_mosquitto(self) -> None:
        program = find_mosquitto()
        if program is None:
            raise BrokerError("mosquitto is not installed: apt-get install mosquitto")
        config = self._config or self._open_config()
        self._process = await asyncio.create_subprocess_exec(
            program,
            "-c",
            str(config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(10.0):
                while not await self._listens():  # noqa: ASYNC110 - another process has no event
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise BrokerError(f"mosquitto did not listen on {HOST}:{self.port}") from None

    def _open_config(self) -> Path:
        self._folder = tempfile.TemporaryDirectory(prefix="waypost-broker-")
        config = Path(self._folder.name) / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} {HOST}\n"
            "allow_anonymous true\n"
            "persistence false\n"
            f"message_size_limit {MAX_PAYLOAD_BYTES}\n"
            "log_dest none\n",
            encoding="utf-8",
        )
        return config

    async def _listens(self) -> bool:
        if self._process is not None and self._process.returncode is not None:
            raise BrokerError(f"mosquitto ended with status {self._process.returncode}")
        try:
            _, writer = await asyncio.open_connection(HOST, self.port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    async def _stop(self) -> None:
        if self._iotcore is not None:
            await asyncio.to_thread(self._iotcore.stop)
            self._iotcore = None
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(5.0):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
