"""The running lab: broker, copters and robots of a scenario, and the truth about them.

Owns the order in which they come up and go down. Must not know the controller, except the
address that vehicles call.

    LabError    the lab cannot start or go on: the reason says what to do
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

from sitl.ardupilot import ArduPilotFleet
from sitl.ardupilot import LabError as ProgramError
from sitl.background import Background
from sitl.broker import Broker
from sitl.copter import CopterFleet
from sitl.robot import RobotFleet
from sitl.scenario import Scenario
from sitl.truth import TruthLog, header_of
from sitl.world import LabClock, TruthSample

ONLINE_WALL_S = 30.0


class LabError(RuntimeError):
    """The lab cannot start or go on."""


@dataclass(frozen=True, slots=True)
class LabOptions:
    """What is run and where it is met."""

    scenario: Scenario
    clock: LabClock
    mavlink: tuple[str, int]
    mqtt_port: int
    truth: Path | None = None
    ardupilot: Path | None = None
    """The real ArduCopter program or its folder; None: light copters."""


async def run(options: LabOptions, say: Callable[[str], None] = print) -> None:
    """Run until SIGTERM, SIGINT or the end of standard input; say one JSON line when up.

    Raises LabError where something does not come up or ends by itself.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with AsyncExitStack() as stack:
            await _serve(options, stack, stop, say)
    except ProgramError as error:
        raise LabError(str(error)) from error
    except ExceptionGroup as several:
        while isinstance(several.exceptions[0], ExceptionGroup):
            several = several.exceptions[0]
        raise LabError(str(several.exceptions[0])) from several
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _serve(
    options: LabOptions, stack: AsyncExitStack, stop: asyncio.Event, say: Callable[[str], None]
) -> None:
    scenario = options.scenario
    log = stack.enter_context(TruthLog(options.truth, header_of(scenario), scenario.truth_period_s))
    broker = await stack.enter_async_context(Broker(options.mqtt_port))
    await stack.enter_async_context(_copters(options, log))
    robots = await stack.enter_async_context(
        RobotFleet(
            scenario.robots,
            host=broker.host,
            port=broker.port,
            prefix=scenario.mqtt_prefix,
            robot_map=scenario.robot_map,
            clock=options.clock,
            on_truth=log,
        )
    )
    try:
        async with asyncio.timeout(ONLINE_WALL_S):
            await robots.online()
    except TimeoutError as error:
        raise LabError(
            f"robots found no broker on {broker.host}:{broker.port} within "
            f"{ONLINE_WALL_S:.0f} s: is the port free?"
        ) from error
    say(json.dumps({"ready": True, "mqtt": {"host": broker.host, "port": broker.port}}))
    await _until_the_end(stop)


async def _until_the_end(stop: asyncio.Event) -> None:
    """Wait for a signal, or for the end of the input where somebody holds its other end."""
    async with Background() as background:
        if _piped(sys.stdin.fileno()):
            background.start(_input_end(stop), name="lab-input-end")
        await stop.wait()


def _copters(
    options: LabOptions, log: Callable[[TruthSample], None]
) -> AbstractAsyncContextManager[CopterFleet | ArduPilotFleet | None]:
    specs = options.scenario.copters
    if not specs:
        return nullcontext(None)
    if options.ardupilot is None:
        return CopterFleet(specs, controller=options.mavlink, clock=options.clock, on_truth=log)
    return ArduPilotFleet(
        specs,
        program=options.ardupilot,
        controller=options.mavlink,
        clock=options.clock,
        on_truth=log,
    )


def _piped(descriptor: int) -> bool:
    """Whether whoever started the lab holds the other end of its input."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


async def _input_end(stop: asyncio.Event) -> None:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    try:
        while await reader.read(4096):
            pass
    finally:
        transport.close()
    stop.set()
