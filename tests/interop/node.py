"""Programs of Node that tests speak to: independent robots, master control and broker.

Owns their processes and ends. Each tells one JSON object a line on its standard output; what it
says on its standard error is kept for whoever wonders why it ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

FOLDER = Path(__file__).parent
START_S = 60.0
LINE_LIMIT_BYTES = 1 << 20


def find_node() -> str | None:
    """The node program, where the packages of the lock file are installed as well."""
    node = shutil.which("node")
    return node if node and (FOLDER / "node_modules" / "vda-5050-lib").is_dir() else None


class NodeProgram:
    """One script of this folder as a process; entered when its first line `{"ready": ...}` came."""

    def __init__(
        self, script: str, options: dict[str, Any], hear: Callable[[dict[str, Any]], None]
    ) -> None:
        self._script = script
        self._options = options
        self._hear = hear
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed on leaving
        self.ready: Any = None

    async def __aenter__(self) -> Self:
        """Start it. Raises RuntimeError with its errors where it ends or tells nothing in time."""
        node = find_node()
        assert node is not None
        self._process = await asyncio.create_subprocess_exec(
            node,
            str(FOLDER / self._script),
            json.dumps(self._options),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._errors,
            limit=LINE_LIMIT_BYTES,
        )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(START_S):
                line = await self._process.stdout.readline()
        except BaseException:
            await self.kill()
            raise
        if not line:
            raise RuntimeError(f"{self._script} ended at once: {self.errors}")
        self.ready = json.loads(line)["ready"]
        self._reader = asyncio.create_task(self._read(), name=f"read-{self._script}")
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close its input, which ends it, and wait; kill what does not end."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            try:
                async with asyncio.timeout(15.0):
                    await self._process.wait()
            except TimeoutError:
                pass
        await self.kill()
        if self.errors:
            print(f"{self._script}: {self.errors}", file=sys.stderr)
        self._errors.close()

    @property
    def errors(self) -> str:
        """The end of what it said on its standard error."""
        self._errors.seek(0)
        return self._errors.read()[-2000:]

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None
        return self._process.pid

    async def kill(self) -> None:
        """SIGKILL: no goodbye. Harmless where it is over."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()
        if self._reader is not None:
            await self._reader
            self._reader = None

    def say(self, **words: Any) -> None:
        """One JSON object on its standard input."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words).encode() + b"\n")

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self._hear(json.loads(line))
