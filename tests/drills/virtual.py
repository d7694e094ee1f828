"""An event loop whose time jumps: from timer to timer, no wait lasts.

Only for things that live wholly in one loop, without sockets, threads or processes: then nothing
can happen while it waits, and an hour of retries takes as long as its work.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from controller.clock import ScaledClock

ResultT = TypeVar("ResultT")

START = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)


class _Jumps:
    """A selector that never waits: what would have been the wait passes at once."""

    def __init__(self, inner: selectors.BaseSelector, loop: VirtualLoop) -> None:
        self._inner, self._loop = inner, loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def select(self, timeout: float | None = None) -> Any:
        if timeout == 0.0:
            return ()
        if timeout is None:
            raise RuntimeError("nothing is due and everybody waits: the drill stands still")
        if timeout > 0.0:
            self._loop.now_s += timeout
        return ()


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time is what its timers have used up."""

    def __init__(self) -> None:
        self.now_s = 0.0
        super().__init__()
        self._selector = _Jumps(self._selector, self)

    def time(self) -> float:
        """Seconds since it was made."""
        return self.now_s


class VirtualClock(ScaledClock):
    """The controller's clock by the running virtual loop."""

    def __init__(self) -> None:
        super().__init__(START, 0.0, 1.0)
        self._loop = asyncio.get_running_loop()

    def now(self) -> datetime:
        """Simulated UTC."""
        return START + timedelta(seconds=self._loop.time())

    def monotonic_s(self) -> float:
        """Seconds of the loop."""
        return self._loop.time()


def run_virtual(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run to the end in simulated time."""
    with asyncio.Runner(loop_factory=VirtualLoop, debug=False) as runner:
        return runner.run(work)
