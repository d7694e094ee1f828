"""Tasks that live as long as an `async with` block.

Owns the pairing of a TaskGroup with a resource of the lab. Must not know what the tasks do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self


class Background:
    """A task group that is cancelled on leaving.

    A task that fails cancels the block and raises an ExceptionGroup on leaving; the block's own
    errors pass as they are.
    """

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        return self

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Run `work` until it ends or the block is left. Raises RuntimeError outside of it."""
        if self._group is None:
            work.close()
            raise RuntimeError(f"{name}: the block is not entered")
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """Cancel and wait. Doing it twice is harmless."""
        group, self._group = self._group, None
        if group is None:
            return
        for task in tuple(self._tasks):
            task.cancel()
        cancelled = kind is not None and issubclass(kind, asyncio.CancelledError)
        await group.__aexit__(*((kind, error, trace) if cancelled else (None, None, None)))
