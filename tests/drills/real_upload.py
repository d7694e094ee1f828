"""Upload drills against real ArduCopters, through a proxy with the case's faults.

Owns one copter for each job and what happens to it; the controller's side is as against the light
copter. A copter keeps what the case before left on board. Power that goes shows as a reboot here.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from sitl.ardupilot import ArduPilotFleet
from sitl.netfault import Faults, UdpProxy
from tests.drills.cases import Case, Outcome, draw, mission
from tests.drills.dispatch import Dispatch
from tests.drills.light_upload import AFTER_S, SPEC, VEHICLE
from tests.drills.observer import Observer
from tests.drills.writer import Writer
from tests.integration.mavlink_rig import PATIENT, wall_clocks
from vehicles.mavlink.fleet import MavlinkFleet
from vehicles.mavlink.items import differences, translate
from vehicles.port import Clock, VehicleSession

SPEEDUP = 6.0
SETTINGS = replace(PATIENT, answer_s=2.0)
CASE_S, LAND_S = 240.0, 60.0
"""Wall seconds that a case, and a landing after it, may take."""
REBOOT = 246


def slower(faults: Faults) -> Faults:
    """The same delays in simulated time."""
    return replace(faults, delay_s=faults.delay_s / SPEEDUP, jitter_s=faults.jitter_s / SPEEDUP)


class _RealDrill(Dispatch):
    """One case on one copter."""

    # a busy machine runs the vehicle slower than the controller's clock
    ready_s = 600.0

    def __init__(self, case: Case, link: str, proxy: UdpProxy, observer: Observer) -> None:
        super().__init__(case)
        self._vehicle = replace(VEHICLE, link=link)
        self._proxy, self._observer = proxy, observer
        self._count_from = 0
        self._watch: asyncio.Task[None] | None = None

    @property
    def started(self) -> bool:
        return self._observer.flew

    def begin(self) -> None:
        case = self.case
        both = replace(
            slower(case.up), jitter_s=max(slower(case.up).jitter_s, slower(case.down).jitter_s)
        )
        self._proxy.faults = both
        self._count_from = self._proxy.delivered + self._proxy.lost
        if case.event != "none":
            self._watch = asyncio.create_task(self._wait_for_step(), name="step")

    async def _wait_for_step(self) -> None:
        proxy = self._proxy
        while proxy.delivered + proxy.lost - self._count_from < self.case.step:
            await asyncio.sleep(0.005)
        self._happen()

    def _happen(self) -> None:
        case, observer = self.case, self._observer
        match case.event:
            case "writer":
                writer = Writer(case)

                def heard(data: bytes) -> None:
                    for answer in writer.hear(data):
                        observer.send(answer)

                observer.overheard.append(heard)
                observer.send(writer.begin())
            case "reboot" | "power":
                observer.command(REBOOT, 1.0)
            case "controller":
                self.killed.set()

    async def run(self, clock: Clock) -> Outcome:
        """The case, and the copter down again."""
        observer, outcome = self._observer, self.outcome
        observer.forget()
        self._proxy.faults = Faults()
        approved = mission(self.case.stops)
        plan = translate(approved)
        try:
            async with asyncio.timeout(CASE_S):
                async with self._controller(clock) as session:
                    whole = await self.life(session, clock, approved)
                if not whole:
                    async with self._controller(clock) as session:
                        await self.life(session, clock, approved)
                await clock.sleep(AFTER_S)
        except TimeoutError:
            outcome.refusals.append(f"not over after {CASE_S:g} s")
        finally:
            if self._watch is not None:
                self._watch.cancel()
            observer.overheard.clear()
            self._proxy.faults = Faults()
        while observer.reading:
            await asyncio.sleep(0.05)
        outcome.started = observer.flew
        others = ["; ".join(differences(plan, held)[:3]) for held in observer.at_arming]
        outcome.armed_other = next((other for other in others if other), "")
        outcome.started_other = others[-1] if others and observer.flew else ""
        if observer.flew and not others:
            outcome.fault = "it flew, and what it held could not be read"
        held = await observer.held()
        same = held is not None and not differences(plan, held)
        outcome.holds = "approved" if same else "something else"
        if not await observer.put_down(LAND_S):
            outcome.fault = outcome.fault or "it did not come down again"
        return outcome

    @contextlib.asynccontextmanager
    async def _controller(self, clock: Clock) -> AsyncIterator[VehicleSession]:
        async with MavlinkFleet([self._vehicle], clock, SETTINGS) as fleet:
            task = asyncio.create_task(fleet.run(), name="fleet")
            try:
                yield fleet.sessions[self._vehicle.vehicle_id]
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _job(cases: list[Case], done: Callable[[Outcome], None]) -> None:
    """One copter and its cases."""
    clock, lab = wall_clocks(SPEEDUP)
    port = _free_port()
    async with (
        UdpProxy(("127.0.0.1", port), Faults(), seed=port) as proxy,
        ArduPilotFleet(
            [SPEC], controller=proxy.address, tcp=True, clock=lab, on_truth=lambda _: None
        ) as copters,
    ):
        observer = Observer(copters.ports[SPEC.vehicle_id], SPEEDUP)
        watching = asyncio.create_task(observer.run(), name="observer")
        try:
            for case in cases:
                drill = _RealDrill(case, f"udpin:127.0.0.1:{port}", proxy, observer)
                done(await drill.run(clock))
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching


async def _all(
    seed: int, count: int, jobs: int, done: Callable[[Outcome], None], limit_s: float | None
) -> None:
    cases = [draw(seed, number) for number in range(count)]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s), asyncio.TaskGroup() as group:
            for job in range(jobs):
                group.create_task(_job(cases[job::jobs], done), name=f"copter {job}")


def campaign(
    seed: int, count: int, jobs: int, *, quiet: bool, limit_s: float | None = None
) -> list[Outcome]:
    """All cases, `jobs` copters at once; those that were over within `limit_s`."""
    outcomes: list[Outcome] = []
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bar:
        task = bar.add_task("uploads", total=count)

        def done(outcome: Outcome) -> None:
            outcomes.append(outcome)
            bar.advance(task)

        asyncio.run(_all(seed, count, jobs, done, limit_s))
    return outcomes
