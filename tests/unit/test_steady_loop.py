"""The loop that tests run in: waiting is time, what the machine takes is none."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.support.steady import TURN_S, SteadyLoop, steady_clocks

STOP_S = 0.3


def stop() -> None:
    """The machine does something else."""
    time.sleep(STOP_S)


async def test_a_stop_of_the_machine_is_hardly_any_time() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SteadyLoop)
    began_s = loop.time()
    stop()
    assert loop.time() - began_s <= TURN_S
    await asyncio.sleep(0)
    assert loop.time() - began_s <= 2 * TURN_S


async def test_a_wait_is_its_full_time_and_no_less() -> None:
    loop = asyncio.get_running_loop()
    began_s, wall_s = loop.time(), time.monotonic()
    await asyncio.sleep(0.2)
    assert loop.time() - began_s >= 0.2 - TURN_S
    assert time.monotonic() - wall_s >= 0.2 - TURN_S


async def test_nothing_comes_due_before_what_was_ready_is_done() -> None:
    """An answer that lies in the socket while the machine stops is read before the timeout."""
    here, there = await asyncio.open_connection(sock=(pair := _pair())[0]), pair[1]
    try:
        async with asyncio.timeout(STOP_S / 2):
            there.send(b"answer")
            stop()
            assert await here[0].read(6) == b"answer"
    finally:
        here[1].close()
        await here[1].wait_closed()
        there.close()


async def test_both_clocks_tell_the_same_and_stop_together() -> None:
    ours, lab = steady_clocks(1000.0)
    began, lab_began = ours.now(), lab.now()
    stop()
    assert (ours.now() - began).total_seconds() <= 1000.0 * TURN_S
    assert (lab.now() - lab_began).total_seconds() <= 1000.0 * TURN_S
    await ours.sleep(100.0)
    assert (lab.now() - lab_began).total_seconds() == pytest.approx(
        (ours.now() - began).total_seconds(), abs=1000.0 * TURN_S
    )
    with pytest.raises(TimeoutError):
        async with ours.timeout(50.0):
            await asyncio.Event().wait()


def _pair():
    import socket

    return socket.socketpair()


async def test_a_wait_is_shorter_by_the_pace_and_counts_in_full() -> None:
    loop = asyncio.get_running_loop()
    steady_clocks(1.0, pace=10.0)
    began_s, wall_s = loop.time(), time.monotonic()
    for _ in range(10):
        await asyncio.sleep(0.5)
    assert loop.time() - began_s >= 5.0 - 10 * TURN_S
    assert time.monotonic() - wall_s < 4.0
