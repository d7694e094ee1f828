"""Time for tests of things that run in one event loop: what the machine takes is not counted.

A busy machine stops a process for a second; at twenty-five times the pace of the wall a flight
then goes on for half a minute that neither side has seen. Here a stop is no time at all: the
loop's time passes in full while the loop waits for its next timer, and by TURN_S at most while
it works. Timers, timeouts and the clocks below all go by it, so that nothing can come due
before what is ready has been done.

Where all parties live in the one loop, nothing happens while it waits, and a wait need not last:
`pace` says how many times shorter it is than the time that it counts as. What a thread or another
process does in the meantime would come late by as much: such tests keep pace 1.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.clock import ScaledClock
from sitl.world import LabClock

TURN_S = 0.02
"""The most that one turn of callbacks may take of the loop's time, however long it takes."""


class _Waits:
    """A selector that tells how long a wait was by the timer that it was for."""

    def __init__(self, inner: selectors.BaseSelector, loop: SteadyLoop) -> None:
        self._inner, self._loop = inner, loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def select(self, timeout: float | None = None) -> Any:
        loop = self._loop
        loop.turn_ends()
        began_s = time.monotonic()
        events = self._inner.select(timeout if timeout is None else timeout / loop.pace)
        waited_s = time.monotonic() - began_s
        if timeout is not None:
            waited_s = min(waited_s * loop.pace, max(0.0, timeout))
        loop.turn_begins(waited_s)
        return events


class SteadyLoop(asyncio.SelectorEventLoop):
    """An event loop whose time stands still while the machine does something else."""

    def __init__(self) -> None:
        self.pace = 1.0
        self._passed_s = 0.0
        self._turn_began_s = time.monotonic()
        super().__init__()
        self._selector = _Waits(self._selector, self)

    def time(self) -> float:
        """Seconds of waiting and of turns, each turn by TURN_S at most."""
        return self._passed_s + min(TURN_S, time.monotonic() - self._turn_began_s)

    def turn_ends(self) -> None:
        self._passed_s = self.time()
        self._turn_began_s = time.monotonic()

    def turn_begins(self, waited_s: float) -> None:
        self._passed_s += waited_s
        self._turn_began_s = time.monotonic()


FACTORIES: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"steady": SteadyLoop}


class SteadyClock(ScaledClock):
    """The controller's clock by the time of the running loop."""

    def __init__(self, start: datetime, speedup: float, epoch_s: float | None = None) -> None:
        super().__init__(start, 0.0, speedup)
        self._loop = asyncio.get_running_loop()
        self._epoch_s = self._loop.time() if epoch_s is None else epoch_s

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic_s())

    def monotonic_s(self) -> float:
        return (self._loop.time() - self._epoch_s) * self.speedup


class SteadyLab(LabClock):
    """The lab's clock by the time of the running loop, in which its epoch is."""

    __slots__ = ()

    def monotonic_s(self) -> float:
        return (asyncio.get_running_loop().time() - self.wall_epoch_s) * self.speedup


def steady_clocks(
    speedup: float,
    start: datetime = datetime(2026, 6, 1, 9, 0, tzinfo=UTC),
    *,
    pace: float = 1.0,
) -> tuple[SteadyClock, SteadyLab]:
    """The controller's clock and the lab's, of the same simulated time; `pace` of the loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SteadyLoop)
    loop.pace = pace
    epoch_s = loop.time()
    return SteadyClock(start, speedup, epoch_s), SteadyLab(start, speedup, epoch_s)
