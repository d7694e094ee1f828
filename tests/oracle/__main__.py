"""`python -m tests.oracle [--cases N] [--seed S] [--jobs J] [--json] [--case NAME]`.

Puts N random and adversarial cases to the checker and to an oracle in exact rational arithmetic.
Ends with status 1 on any fault, and prints the least case that still has it. `--case` runs one
case by its name (seed:family:number), as faults are printed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from tests.oracle.campaign import (
    FAMILIES,
    Subject,
    Sum,
    case_name,
    draw_case,
    run_block,
    run_case,
    shares,
    smaller,
)
from tests.oracle.cases import Case

BLOCK = 50
MOST_SHOWN = 5


def blocks(seed: int, cases: int, families: list[str]) -> Iterator[tuple[int, str, range]]:
    """Work in even portions, the families mixed."""
    wanted = {family: count for family, count in shares(cases).items() if family in families}
    for begin in range(0, max(wanted.values(), default=0), BLOCK):
        for family, count in wanted.items():
            if begin < count:
                yield seed, family, range(begin, min(begin + BLOCK, count))


def campaign(seed: int, cases: int, jobs: int, families: list[str], *, quiet: bool) -> Sum:
    """Run all of it."""
    work = list(blocks(seed, cases, families))
    total = Sum()
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=Console(stderr=True), disable=quiet) as bar,
        ProcessPoolExecutor(jobs) as pool,
    ):
        task = bar.add_task("", total=sum(len(numbers) for _, _, numbers in work))
        try:
            for found in pool.map(run_block, *zip(*work, strict=True)):
                total.add(found)
                bar.advance(task, sum(found.cases.values()))
        except KeyboardInterrupt:
            # what was judged so far is told; the count says how much it is
            pool.shutdown(cancel_futures=True)
    return total


def report(total: Sum, seed: int, seconds: float) -> dict[str, Any]:
    """The figures."""
    kinds = [fault.kind for _, fault in total.faults]
    worst = {
        family: {"metres": round(metres, 6), "stated_m": round(stated, 6), "case": name}
        for family, (metres, stated, name) in sorted(total.excess_m.items())
    }
    return {
        "campaign": "oracle",
        "seed": seed,
        "cases": sum(total.cases.values()),
        "cases_by_family": dict(sorted(total.cases.items())),
        "pairs": total.pairs,
        "seconds": round(seconds, 1),
        "false_allowed": kinds.count("false allowed"),
        "missed": kinds.count("missed"),
        "false_forbidden_over_tolerance": kinds.count("false forbidden"),
        "false_forbidden_within_tolerance": total.tolerated,
        "forbidden_and_proved": total.forbidden,
        "forbidden_undecided": total.undecided,
        "clear_and_proved": total.clear,
        "clear_undecided": total.open,
        "largest_false_forbidden": worst,
        "faulty_cases": sorted({name for name, _ in total.faults}),
        "largest_share_of_tolerance": max((s for s, _ in total.share.values()), default=0.0),
    }


def faults(total: Sum) -> list[dict[str, Any]]:
    """The first faults of each kind, made small."""
    shown: list[dict[str, Any]] = []
    for kind in sorted({fault.kind for _, fault in total.faults}):
        mine = [(name, fault) for name, fault in total.faults if fault.kind == kind]
        for name, fault in mine[:MOST_SHOWN]:
            least = smaller(draw_case(name), kind, Subject())
            shown.append(
                {"case": name, "kind": kind, "what": fault.text, "least": plain(least)}
            )  # fmt: skip
    return shown


def plain(value: Any) -> Any:
    """A case as JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        whole = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {name: plain(each) for name, each in whole.items() if each not in (None, (), "")}
    if isinstance(value, (tuple, list)):
        return [plain(each) for each in value]
    if isinstance(value, (set, frozenset)):
        return sorted(plain(each) for each in value)
    return value if isinstance(value, (int, float, bool, type(None))) else _text(value)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def one_case(name: str) -> Sum:
    """Run one case by its name, and print it."""
    case: Case = draw_case(name)
    print(json.dumps(plain(case), indent=1))
    return run_case(case, Subject(), name)


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("--cases", type=int, default=120_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument("--family", action="append", choices=sorted(FAMILIES))
    parser.add_argument("--case", help=f"run one alone, as {case_name(1, 'edge', 7)}")
    asked = parser.parse_args()
    started = time.monotonic()
    if asked.case:
        total = one_case(asked.case)
    else:
        families = asked.family or list(FAMILIES)
        total = campaign(asked.seed, asked.cases, asked.jobs, families, quiet=asked.json)
    figures = report(total, asked.seed, time.monotonic() - started)
    shown = faults(total)
    if asked.json:
        print(json.dumps({**figures, "faults": shown}))
    else:
        for name, value in figures.items():
            lines = value.items() if isinstance(value, dict) else ()
            print(f"{name}: {'' if lines else value}")
            for key, each in lines:
                print(f"  {key}: {each}")
        for fault in shown:
            print(f"FAULT {fault['kind']} in {fault['case']}: {fault['what']}; at its least:")
            print(json.dumps(fault["least"], indent=1))
    return 1 if total.faults else 0


if __name__ == "__main__":
    sys.exit(main())
