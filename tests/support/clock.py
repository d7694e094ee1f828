"""A clock that tests move by hand."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta

START = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)


class ManualClock:
    """Stands still until `advance`; then wakes sleepers in order of their time."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._now_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._now_s)

    def monotonic_s(self) -> float:
        return self._now_s

    async def sleep(self, delay_s: float) -> None:
        if delay_s <= 0.0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_s + delay_s, next(self._order), future))
        await future

    def timeout(self, delay_s: float) -> AbstractAsyncContextManager[object]:
        return self._timeout(delay_s)

    @asynccontextmanager
    async def _timeout(self, delay_s: float) -> AsyncIterator[object]:
        async with asyncio.timeout(None) as scope:
            alarm = asyncio.create_task(self._expire(scope, delay_s), name="manual-timeout")
            try:
                yield scope
            finally:
                alarm.cancel()

    async def _expire(self, scope: asyncio.Timeout, delay_s: float) -> None:
        await self.sleep(delay_s)
        scope.reschedule(asyncio.get_running_loop().time())

    async def settle(self, turns: int = 50) -> None:
        """Let everything that can run now run."""
        for _ in range(turns):
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        """Move time on, waking each sleeper at its own moment."""
        target_s = self._now_s + seconds
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= target_s:
            due_s, _, future = heapq.heappop(self._sleepers)
            self._now_s = max(self._now_s, due_s)
            if not future.done():
                future.set_result(None)
            await self.settle()
        self._now_s = target_s
        await self.settle()
