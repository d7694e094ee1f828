"""What dispatch does with one mission and one vehicle, as the upload drills need it.

Owns the order: wait until it is ready, load until proven, start once; and the counting of it. What
the vehicle really does is told by whoever derives from it.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod

from missions.model import AirMission
from tests.drills.cases import Case, Outcome
from vehicles.port import Clock, VehicleSession

MOST_LOADS, MOST_STARTS = 6, 3
READY_S = 150.0


class Dispatch(ABC):
    """One case from the controller's side; `killed` ends a controller's life."""

    ready_s = READY_S

    def __init__(self, case: Case, *, start: bool = True) -> None:
        self.case = case
        self.start = start
        self.outcome = Outcome(case.name, case.loss, case.event)
        self.killed = asyncio.Event()
        self.began_s = -1.0

    @abstractmethod
    def begin(self) -> None:
        """The order to load is given: from now on the radio is bad."""

    @property
    @abstractmethod
    def started(self) -> bool:
        """Whether the vehicle was seen to run a mission armed."""

    async def life(self, session: VehicleSession, clock: Clock, approved: AirMission) -> bool:
        """One controller's life; False where it was killed."""
        work = asyncio.create_task(self._work(session, clock, approved), name="work")
        end = asyncio.create_task(self.killed.wait(), name="killed")
        await asyncio.wait({work, end}, return_when=asyncio.FIRST_COMPLETED)
        whole = work.done()
        for task in (work, end):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self.killed.clear()
        return whole

    async def _work(self, session: VehicleSession, clock: Clock, approved: AirMission) -> None:
        """What dispatch does: wait until it is ready, load until proven, start once."""
        if self.began_s >= 0.0:
            # a new controller starts nothing that it did not prove itself
            await self._start(session, approved)
        starts = 0
        while self.outcome.loads < MOST_LOADS and starts < MOST_STARTS and not self.started:
            if not await self._ready(session, clock):
                self.outcome.refusals.append("; ".join(session.telemetry.not_ready)[:200])
                return
            if self.began_s < 0.0:
                self.began_s = clock.monotonic_s()
                self.begin()
            self.outcome.loads += 1
            loaded = await session.load(approved)
            if not loaded.done:
                self.outcome.refusals.append(loaded.reason[:200])
                continue
            if not self.outcome.verified:
                self.outcome.verified = True
                self.outcome.verified_s = round(clock.monotonic_s() - self.began_s, 2)
            if not self.start:
                return
            starts += 1
            if await self._start(session, approved):
                return

    async def _start(self, session: VehicleSession, approved: AirMission) -> bool:
        result = await session.start(approved)
        if not result.done:
            self.outcome.refusals.append(result.reason[:200])
        return result.done

    async def _ready(self, session: VehicleSession, clock: Clock) -> bool:
        deadline_s = clock.monotonic_s() + self.ready_s
        while not session.telemetry.startable:
            if clock.monotonic_s() > deadline_s or self.started:
                return False
            await clock.sleep(0.2)
        return True
