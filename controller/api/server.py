"""The HTTP server inside our own task group.

    PortTakenError      the address cannot be bound: somebody else has it

Owns the listening socket and uvicorn's life. Signals stay with whoever runs the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from controller.api.context import Context

GRACE_S = 2


class PortTakenError(OSError):
    """The address cannot be bound."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"{host}:{port} cannot be listened on ({reason}): choose another with --port, "
            "or stop the program that has it"
        )
        self.host = host
        self.port = port


class _Server(uvicorn.Server):
    """uvicorn that leaves the process's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises PortTakenError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(128)
    except OSError as error:
        sock.close()
        name = errno.errorcode.get(error.errno or 0, "")
        reason = "the port is taken" if name == "EADDRINUSE" else (error.strerror or str(error))
        raise PortTakenError(host, port, reason) from error
    sock.setblocking(False)  # noqa: FBT003 - the standard library's signature
    return sock


def random_ids(prefix: str) -> str:
    """A fresh id that nobody can guess; for composition, never for logic."""
    return f"{prefix}-{secrets.token_hex(6)}"


@asynccontextmanager
async def serving(app: FastAPI, sock: socket.socket) -> AsyncIterator[str]:
    """Serve while the block runs; yields the server's address as a URL."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
    )
    server = _Server(config)
    host, port = sock.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    context: Context = app.state.context
    async with asyncio.TaskGroup() as group:
        task = group.create_task(server.serve(sockets=[sock]), name="http-server")
        try:
            while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has no event
                await asyncio.sleep(0.01)
            yield f"http://{shown}:{port}"
        finally:
            context.closing.set()
            server.should_exit = True
