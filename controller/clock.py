"""The controller's clock: simulated time that may run faster than the wall.

Owns the two clocks of a running controller; both keep `vehicles.port.Clock`. Must not be read
by pure code, which takes time as a value.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta


class ScaledClock:
    """now = start + (time.time() - wall_epoch) * speedup: equal in every process told the same."""

    def __init__(self, start: datetime, wall_epoch_s: float, speedup: float) -> None:
        if start.tzinfo is None:
            raise ValueError("clock.start has no time zone: write it as 2026-01-31T08:00:00Z")
        if not speedup > 0.0:
            raise ValueError(f"clock.speedup is {speedup}: it must be above 0")
        self._start = start.astimezone(UTC)
        self._wall_epoch_s = wall_epoch_s
        self._monotonic_epoch_s = time.monotonic()
        self.speedup = speedup

    def now(self) -> datetime:
        """The present, UTC and aware."""
        elapsed_s = (time.time() - self._wall_epoch_s) * self.speedup
        return self._start + timedelta(seconds=elapsed_s)

    def monotonic_s(self) -> float:
        """Seconds of this clock since it was made; wall clock steps do not move it."""
        return (time.monotonic() - self._monotonic_epoch_s) * self.speedup

    async def sleep(self, delay_s: float) -> None:
        """Wait `delay_s` seconds of this clock."""
        await asyncio.sleep(max(0.0, delay_s) / self.speedup)

    def timeout(self, delay_s: float) -> AbstractAsyncContextManager[object]:
        """asyncio.timeout over `delay_s` seconds of this clock; raises TimeoutError."""
        return asyncio.timeout(max(0.0, delay_s) / self.speedup)


class SystemClock(ScaledClock):
    """Wall time."""

    def __init__(self) -> None:
        super().__init__(datetime.fromtimestamp(0.0, UTC), 0.0, 1.0)
