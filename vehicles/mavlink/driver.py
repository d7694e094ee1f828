"""Runs the sans-IO protocols of one vehicle against its link and the clock.

Owns which exchanges are open and who waits for a change of state. Must not know what a command or
a mission means. At most one exchange per command id is open at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from vehicles.mavlink.command import Answer, Command, CommandExchange
from vehicles.mavlink.exchange import Exchange
from vehicles.mavlink.messages import Message
from vehicles.port import Clock

ResultT = TypeVar("ResultT")

_LEAST_WAIT_S = 0.02


class Driver:
    """Open exchanges with one vehicle; `send` takes pymavlink messages that go together."""

    def __init__(
        self,
        send: Callable[[list[Any]], None],
        clock: Clock,
        system: int,
        component: int,
        answer_s: float = 1.5,
    ) -> None:
        self._send = send
        self._clock = clock
        self.system = system
        self.component = component
        self.answer_s = answer_s
        self._open: list[tuple[Exchange[Any], asyncio.Event]] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._commands: dict[int, asyncio.Lock] = {}

    def receive(self, message: Message) -> None:
        """A message from the vehicle: every open exchange sees it, then everybody who waits."""
        if self._open:
            now_s = self._clock.monotonic_s()
            for exchange, wake in tuple(self._open):
                self._send_all(exchange.receive(message, now_s))
                if exchange.result is not None:
                    wake.set()
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    async def run(self, exchange: Exchange[ResultT]) -> ResultT:
        """Drive an exchange to its result. It ends by itself: every exchange has a last attempt."""
        wake = asyncio.Event()
        entry = (exchange, wake)
        self._open.append(entry)
        try:
            self._send_all(exchange.start(self._clock.monotonic_s()))
            while (result := exchange.result) is None:
                wait_s = exchange.deadline_s - self._clock.monotonic_s()
                try:
                    async with self._clock.timeout(max(wait_s, _LEAST_WAIT_S)):
                        await wake.wait()
                except TimeoutError:
                    self._send_all(exchange.tick(self._clock.monotonic_s()))
            return result
        finally:
            self._open.remove(entry)

    async def command(self, command: Command, attempts: int = 4) -> Answer:
        """Send a command and wait for its acknowledgement; a second one of its id queues."""
        lock = self._commands.setdefault(command.command, asyncio.Lock())
        async with lock:
            return await self.run(
                CommandExchange(
                    command,
                    self.system,
                    self.component,
                    resend_s=self.answer_s,
                    attempts=attempts,
                )
            )

    async def until(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until something holds, asking after every message; False at the timeout."""
        try:
            async with self._clock.timeout(timeout_s):
                while not holds():
                    future = asyncio.get_running_loop().create_future()
                    self._waiting.append(future)
                    await future
        except TimeoutError:
            return holds()
        return True

    def _send_all(self, messages: list[Any]) -> None:
        if messages:
            self._send(messages)
