"""The lab as another process: simulated vehicles, broker and referee.

Owns the process and its ready line. Must not import the lab: it is started as a user would.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from controller.cli.client import EXIT_FAILED, EXIT_INPUT, CliError

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
JUDGE_TIMEOUT_S = 120.0


def scenario_folder(name: str) -> Path:
    """A scenario's folder: a path, or a name that ships with the lab. Raises CliError."""
    given = Path(name)
    if (given / "waypost.toml").is_file():
        return given
    spec = importlib.util.find_spec("sitl")
    places = spec.submodule_search_locations if spec else None
    shipped = Path(places[0]) / "scenarios" if places else None
    if shipped is not None and (shipped / name / "waypost.toml").is_file():
        return shipped / name
    known = sorted(p.parent.name for p in shipped.glob("*/waypost.toml")) if shipped else []
    raise CliError(
        f"no scenario {name!r}",
        status=EXIT_INPUT,
        next_step=f"name a folder with a waypost.toml, or one of: {', '.join(known)}",
    )


def passthrough(arguments: list[str]) -> None:
    """`waypost sim ...` as `python -m sitl run ...`, with this terminal."""
    asked = arguments or ["--help"]
    try:
        done = subprocess.run([sys.executable, "-m", "sitl", "run", *asked], check=False)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    raise typer.Exit(done.returncode)


@dataclass(slots=True)
class Lab:
    """A running lab."""

    process: asyncio.subprocess.Process
    ready: dict[str, Any]
    log: Path

    def check(self) -> None:
        """Raises CliError where the lab has ended by itself."""
        if self.process.returncode is not None:
            raise _ended(self.process.returncode, self.log)


def _ended(status: int | None, log: Path) -> CliError:
    with contextlib.suppress(OSError):
        tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-8:]
        if tail:
            return CliError(
                f"the lab ended with status {status}: " + "\n    ".join(tail),
                status=EXIT_FAILED,
                next_step=f"see {log}",
            )
    return CliError(f"the lab ended with status {status}", status=EXIT_FAILED, next_step=str(log))


async def _ready_line(process: asyncio.subprocess.Process, log: Path) -> dict[str, Any]:
    stdout = process.stdout
    if stdout is None:
        raise _ended(process.returncode, log)
    async with asyncio.timeout(READY_TIMEOUT_S):
        async for line in stdout:
            with contextlib.suppress(ValueError):
                told = json.loads(line)
                if isinstance(told, dict) and told.get("ready"):
                    return told
    raise _ended(await process.wait(), log)


async def _drain(stream: asyncio.StreamReader | None) -> None:
    if stream is not None:
        async for _ in stream:
            pass


@asynccontextmanager
async def running_lab(arguments: list[str], log: Path) -> AsyncIterator[Lab]:
    """The lab while the block runs. Raises CliError where it does not come up."""
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "sitl",
            "run",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=sink,
            # Ctrl-C is for the demo, which ends the lab after the controller
            start_new_session=True,
        )
    try:
        try:
            ready = await _ready_line(process, log)
        except TimeoutError as error:
            raise CliError(
                f"the lab was not up within {READY_TIMEOUT_S:.0f} s",
                status=EXIT_FAILED,
                next_step=f"see {log}",
            ) from error
        async with asyncio.TaskGroup() as group:
            drain = group.create_task(_drain(process.stdout), name="lab-output")
            yield Lab(process, ready, log)
            drain.cancel()
    finally:
        await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def judge(
    *, truth: Path, zones: Path, expect: Path, submitted: Path, out: Path, streets: Path | None
) -> dict[str, Any]:
    """The referee's report. Raises CliError where the referee itself fails."""
    files = ["--truth", truth, "--zones", zones, "--expect", expect]
    files += ["--parcels", submitted, "--out", out]
    if streets is not None:
        files += ["--streets", streets]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sitl",
        "judge",
        *map(str, files),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(JUDGE_TIMEOUT_S):
            _, told = await process.communicate()
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise CliError("the referee gave no verdict in time", status=EXIT_FAILED) from error
    if process.returncode not in {0, 1}:
        raise CliError(
            f"the referee failed: {told.decode(errors='replace').strip()[-1000:]}",
            status=EXIT_FAILED,
        )
    report = json.loads(await asyncio.to_thread(out.read_text, encoding="utf-8"))
    return dict(report)
