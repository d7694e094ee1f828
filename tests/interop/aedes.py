"""aedes, a broker that is neither ours nor mosquitto's, as the lab's brokers are used."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from sitl.broker import HOST
from tests.interop.node import NodeProgram


class Aedes:
    """Runs while it is entered; entered again it is the same broker, empty, on its old port."""

    def __init__(self, cert: Path | None = None, key: Path | None = None) -> None:
        self.host, self.port = HOST, 0
        self._secret = {"cert": str(cert), "key": str(key)} if cert and key else {}
        self._program: NodeProgram | None = None

    async def __aenter__(self) -> Self:
        """Raises RuntimeError where it does not come up."""
        options = {"port": self.port, **self._secret}
        self._program = NodeProgram("broker.js", options, lambda words: None)
        await self._program.__aenter__()
        self.port = int(self._program.ready)
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Ends its process."""
        program, self._program = self._program, None
        if program is not None:
            await program.__aexit__(*exc)

    async def kill(self) -> None:
        """SIGKILL: every connection breaks at once."""
        assert self._program is not None
        await self._program.kill()
