"""A serial link on a pseudo-terminal of this machine: split frames, both ways, plugged in again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import tty
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from controller.clock import ScaledClock
from tests.support.clock import START
from tests.unit.vehicles.test_mavlink_link import heartbeat, until
from vehicles.errors import ConfigurationError
from vehicles.mavlink.link import SerialLink, make_link
from vehicles.mavlink.wire import Frame

pytest.importorskip("serialx", reason="the extra `serial` is not installed")


@contextlib.contextmanager
def radio(device: Path) -> Iterator[int]:
    """A pseudo-terminal, known by a name that stays; its far end as a file descriptor."""
    far, near = os.openpty()
    tty.setraw(near)
    os.set_blocking(far, False)
    device.unlink(missing_ok=True)
    device.symlink_to(os.ttyname(near))
    try:
        yield far
    finally:
        device.unlink()
        os.close(near)
        os.close(far)


@contextlib.asynccontextmanager
async def serving(device: Path) -> AsyncIterator[tuple[SerialLink, list[Frame]]]:
    heard: list[Frame] = []
    clock = ScaledClock(START, time.time(), 50.0)
    link = make_link(f"serial:{device}:57600", lambda _, frame: heard.append(frame), clock)
    assert isinstance(link, SerialLink)
    await link.open()
    running = asyncio.create_task(link.run(), name="link")
    try:
        yield link, heard
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def read(far: int) -> bytes:
    try:
        return os.read(far, 1000)
    except BlockingIOError:
        return b""


async def test_frames_come_and_go_over_a_serial_port(tmp_path: Path) -> None:
    device = tmp_path / "radio"
    with radio(device) as far:
        async with serving(device) as (link, heard):
            await until(lambda: link.send(1, b"hello"))
            told = b""

            def arrived() -> bool:
                nonlocal told
                told += read(far)
                return told == b"hello"

            await until(arrived)
            data = b"boot text\n" + heartbeat(1) + heartbeat(2)
            for at in range(0, len(data), 5):
                os.write(far, data[at : at + 5])
                await asyncio.sleep(0)
            await until(lambda: [f.system for f in heard] == [1, 2])


async def test_a_radio_that_is_unplugged_is_connected_again(tmp_path: Path) -> None:
    device = tmp_path / "radio"
    async with serving(device) as (link, heard):
        assert not link.send(1, b"nothing is plugged in yet")
        for times in (1, 2, 3):
            with radio(device) as far:
                await until(lambda: link.send(1, b"x"))
                os.write(far, heartbeat(1))
                await until(lambda n=times: len(heard) == n)
            await until(lambda: not link.send(1, b"it is gone"))
        assert link.unsent > 0


async def test_waits_between_attempts_grow_and_start_again_after_a_frame(tmp_path: Path) -> None:
    waits: list[float] = []

    class Counting(ScaledClock):
        async def sleep(self, duration_s: float) -> None:
            waits.append(duration_s)
            await asyncio.sleep(0)

    device = tmp_path / "radio"
    heard: list[Frame] = []
    clock = Counting(START, time.time(), 1.0)
    link = make_link(f"serial:{device}:57600", lambda _, frame: heard.append(frame), clock)
    await link.open()
    running = asyncio.create_task(link.run(), name="link")
    try:
        await until(lambda: len(waits) >= 8)
        assert waits[:7] == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
        with radio(device) as far:
            await until(lambda: link.send(1, b"x"))
            os.write(far, heartbeat(1))
            await until(lambda: len(heard) == 1)
            waits.clear()
        await until(lambda: len(waits) >= 2)
        assert waits[0] == 0.5
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_without_the_library_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "serialx", None)
    link = make_link("serial:/dev/ttyUSB0:57600", lambda *_: None, ScaledClock(START, 0.0, 1.0))
    with pytest.raises(ConfigurationError, match=r"waypost\[serial\]"):
        await link.open()
