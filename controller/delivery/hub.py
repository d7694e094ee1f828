"""Updates to whoever watches: bounded per subscriber, newest state wins.

Owns the subscribers. Must not let a slow one hold up anybody: what it has not read is replaced
by newer state of the same thing, and where even that grows too much it is told to start afresh.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from controller.delivery.views import Update

MAX_PENDING = 2_000

Key = tuple[str, str]


class _Subscriber(AsyncIterator[Update]):
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pending: dict[Key, Update] = {}
        self._ready = asyncio.Event()

    def put(self, key: Key, update: Update) -> None:
        if key not in self._pending and len(self._pending) >= self._limit:
            self._pending.clear()
            key, update = ("resync", ""), Update("resync", None)
        self._pending[key] = update
        self._ready.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Update:
        while not self._pending:
            self._ready.clear()
            await self._ready.wait()
        key = next(iter(self._pending))
        return self._pending.pop(key)


class Hub:
    """Fans updates out."""

    def __init__(self, limit: int = MAX_PENDING) -> None:
        self._limit = limit
        self._subscribers: set[_Subscriber] = set()

    @property
    def watched(self) -> bool:
        """Whether anybody listens at all."""
        return bool(self._subscribers)

    def publish(self, ident: str, update: Update) -> None:
        """Tell every subscriber; an unread update of the same thing is replaced."""
        for subscriber in self._subscribers:
            subscriber.put((update.topic, ident), update)

    @asynccontextmanager
    async def updates(self) -> AsyncIterator[AsyncIterator[Update]]:
        """Updates from now on, while the block runs."""
        subscriber = _Subscriber(self._limit)
        self._subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)
