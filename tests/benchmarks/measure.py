"""Rounds of a peer and of ours, one after the other in one run, and what they took."""

from __future__ import annotations

import gc
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROUNDS = 7


def rounds(
    peer: Callable[[], Any],
    ours: Callable[[], Any],
    *,
    count: int = ROUNDS,
    timer: Callable[[], float] = time.perf_counter,
) -> tuple[float, float, Any, Any]:
    """Median seconds of each, and what each gave last; a round before the first warms up.

    With `time.process_time` as timer they are seconds of CPU, for work that never waits.
    """
    spent: tuple[list[float], list[float]] = ([], [])
    given: list[Any] = [None, None]
    for number in range(count + 1):
        for which, work in enumerate((peer, ours)):
            gc.collect()
            begin = timer()
            given[which] = work()
            took = timer() - begin
            if number:
                spent[which].append(took)
    return statistics.median(spent[0]), statistics.median(spent[1]), given[0], given[1]


def peak_rss_mib() -> float:
    """The most memory this process has held since it started (Linux: VmHWM)."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024.0
    return float("nan")


def told(**fields: Any) -> None:
    """The last line of a benchmark."""
    print(json.dumps(fields))
