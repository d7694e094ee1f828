from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from controller.clock import ScaledClock, SystemClock
from tests.support.clock import START, ManualClock


def test_processes_told_the_same_agree() -> None:
    epoch = time.time()
    one, two = (ScaledClock(START, epoch, 100.0) for _ in range(2))
    assert abs((one.now() - two.now()).total_seconds()) < 5.0
    assert one.now() >= START


async def test_waiting_is_scaled() -> None:
    clock = ScaledClock(START, time.time(), 1000.0)
    began = time.monotonic()
    await clock.sleep(20.0)
    with pytest.raises(TimeoutError):
        async with clock.timeout(20.0):
            await asyncio.Event().wait()
    assert time.monotonic() - began < 5.0
    assert clock.monotonic_s() >= 40.0


def test_the_system_clock_tells_wall_time_in_utc() -> None:
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize(("start", "speedup"), [(datetime(2026, 1, 1), 1.0), (START, 0.0)])
def test_a_clock_without_sense_is_refused(start: datetime, speedup: float) -> None:
    with pytest.raises(ValueError, match=r"clock\."):
        ScaledClock(start, 0.0, speedup)


async def test_the_manual_clock_wakes_sleepers_in_order() -> None:
    clock = ManualClock()
    woken: list[float] = []

    async def sleeper(delay_s: float) -> None:
        await clock.sleep(delay_s)
        woken.append(clock.monotonic_s())

    async with asyncio.TaskGroup() as group:
        for delay_s in (3.0, 1.0, 2.0):
            group.create_task(sleeper(delay_s), name=f"sleep {delay_s}")
        await clock.advance(2.5)
        assert woken == [1.0, 2.0]
        await clock.advance(1.0)
    assert woken == [1.0, 2.0, 3.0]


async def test_the_manual_clock_times_out() -> None:
    clock = ManualClock()

    async def wait() -> str:
        try:
            async with clock.timeout(5.0):
                await asyncio.Event().wait()
        except TimeoutError:
            return "late"
        return "never"

    async with asyncio.TaskGroup() as group:
        task = group.create_task(wait(), name="wait")
        await clock.advance(6.0)
    assert task.result() == "late"
