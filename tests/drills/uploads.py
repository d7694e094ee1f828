"""`python -m tests.drills.uploads [--count N] [--seed S] [--vehicle light|ardupilot] [--json]`.

Mission uploads under seeded faults: loss of 0 to 30 % each way, duplicates, reordering, delay,
broken bytes, a second station that writes, a reboot, power lost, the controller killed, at any
step. Ends with status 1 where a vehicle was ever seen to start what was not approved, or where
fewer than 99.9 % of the uploads at 20 % loss could be verified. `--case SEED:NUMBER` runs one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from tests.drills.cases import Outcome, draw, summary
from tests.drills.light_upload import drill

BAR_LOSS, BAR_SHARE = 0.20, 0.999


def one(seed: int, number: int) -> Outcome:
    """A case; what it raises is a fault of its own."""
    case = draw(seed, number)
    try:
        return drill(case)
    except Exception as error:
        return Outcome(case.name, case.loss, case.event, fault=f"{type(error).__name__}: {error}")


def block(work: tuple[int, int, int]) -> list[Outcome]:
    """Cases from..to of a seed."""
    seed, first, after = work
    return [one(seed, number) for number in range(first, after)]


def campaign(seed: int, count: int, jobs: int, *, quiet: bool) -> list[Outcome]:
    """All cases, in order."""
    size = 25
    work = [(seed, at, min(at + size, count)) for at in range(0, count, size)]
    outcomes: list[Outcome] = []
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=Console(stderr=True), disable=quiet) as bar,
        ProcessPoolExecutor(jobs) as pool,
    ):
        task = bar.add_task("uploads", total=count)
        for done in pool.map(block, work):
            outcomes += done
            bar.advance(task, len(done))
    return outcomes


def passed(figures: dict[str, Any]) -> bool:
    """Nothing unapproved started, nothing broke, and enough was verified at the bar's loss."""
    at_bar = figures["by_loss"].get(f"{BAR_LOSS:.2f}")
    enough = at_bar is None or at_bar["verified_share"] >= BAR_SHARE
    return not figures["started_unapproved"] and not figures["broken"] and enough


def report(outcomes: list[Outcome], **more: Any) -> dict[str, Any]:
    """The figures."""
    broken = sum(bool(o.fault) for o in outcomes)
    return {"drill": "uploads", **more, "broken": broken, **summary(outcomes)}


def show(figures: dict[str, Any]) -> None:
    """For a person."""
    for name, value in figures.items():
        if name in {"by_loss", "by_event"}:
            for key, line in value.items():
                print(f"  {name[3:]} {key}: " + ", ".join(f"{k} {v}" for k, v in line.items()))
        elif name in {"faults", "unverified"}:
            for each in value:
                print(f"{name}: {json.dumps(each)}")
        else:
            print(f"{name}: {value}")


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills.uploads", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--vehicle", choices=("light", "ardupilot"), default="light")
    parser.add_argument("--jobs", type=int, default=2, help="processes, or real copters at once")
    parser.add_argument("--minutes", type=float, help="of the real copters: stop after this long")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument("--case", help="run one case of the light copter, SEED:NUMBER")
    asked = parser.parse_args()
    if asked.case:
        seed, number = (int(part) for part in asked.case.split(":"))
        print(draw(seed, number))
        print(json.dumps(asdict(drill(draw(seed, number))), indent=1))
        return 0
    began = time.monotonic()
    if asked.vehicle == "light":
        outcomes = campaign(asked.seed, asked.count, asked.jobs, quiet=asked.json)
    else:
        from tests.drills.real_upload import campaign as real

        limit_s = asked.minutes * 60.0 if asked.minutes else None
        outcomes = real(asked.seed, asked.count, asked.jobs, quiet=asked.json, limit_s=limit_s)
    figures = report(
        outcomes, vehicle=asked.vehicle, seed=asked.seed, seconds=round(time.monotonic() - began, 1)
    )
    if asked.json:
        print(json.dumps(figures))
    else:
        show(figures)
    return 0 if passed(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
