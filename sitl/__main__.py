"""`python -m sitl`: run a scenario's lab, or judge what it saw.

Owns the command line. Exit status: 0 well, 1 findings or a lab that failed, 2 wrong input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from sitl import lab, scenario
from sitl.broker import BrokerError
from sitl.referee import RefereeError, judge
from sitl.world import LabClock

OK, FAILED, WRONG = 0, 1, 2


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    given = _parser().parse_args(arguments)
    try:
        return _judge(given) if given.command == "judge" else _run(given)
    except (scenario.ScenarioError, RefereeError) as error:
        sys.stderr.write(f"sitl: {error}\n")
        return WRONG
    except (lab.LabError, BrokerError, OSError) as error:
        sys.stderr.write(f"sitl: {error}\n")
        return FAILED


def _run(given: argparse.Namespace) -> int:
    read = scenario.load(given.scenario).limited(given.drones, given.robots)
    wall_epoch_s = time.time() if given.wall_epoch is None else given.wall_epoch
    start = given.start or datetime.fromtimestamp(wall_epoch_s, UTC)
    options = lab.LabOptions(
        scenario=read,
        clock=LabClock(start, given.speedup, wall_epoch_s),
        mavlink=given.mavlink,
        mqtt_port=given.mqtt_port,
        truth=given.truth,
        ardupilot=given.ardupilot,
    )
    asyncio.run(lab.run(options, say=_say))
    return OK


def _judge(given: argparse.Namespace) -> int:
    report = judge(
        given.truth, given.zones, given.expect, given.parcels, streets_file=given.streets
    )
    text = json.dumps(report.as_json(), ensure_ascii=False)
    if given.out is not None:
        given.out.write_text(text + "\n", encoding="utf-8")
    for finding in report.findings:
        sys.stderr.write(f"{finding.rule}: {finding.text}\n")
    _say(
        f"{len(report.findings)} findings in {report.truth.samples} samples of "
        f"{len(report.truth.tracks)} vehicles, {len(report.releases)} releases"
    )
    return OK if report.ok else FAILED


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sitl", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="simulate a scenario's vehicles and broker")
    run.add_argument("scenario", type=Path, help="folder with a lab.toml")
    run.add_argument(
        "--mavlink",
        type=_address,
        default=("127.0.0.1", 14550),
        metavar="HOST:PORT",
        help="where the controller listens for drones (UDP); default 127.0.0.1:14550",
    )
    run.add_argument("--mqtt-port", type=_port, default=1883, metavar="N", help="0: a free one")
    run.add_argument("--start", type=_moment, metavar="ISO", help="simulated start; default: now")
    run.add_argument(
        "--wall-epoch",
        type=float,
        metavar="F",
        help="wall time (seconds since 1970) of the simulated start; default: now",
    )
    run.add_argument("--speedup", type=_speedup, default=1.0, metavar="S")
    run.add_argument("--truth", type=Path, metavar="FILE", help="JSON lines of what really was")
    run.add_argument("--drones", type=_count, metavar="N", help="no more than the first N")
    run.add_argument("--robots", type=_count, metavar="N", help="no more than the first N")
    run.add_argument(
        "--ardupilot", type=Path, metavar="PATH", help="fly real ArduCopter: program or folder"
    )
    referee = commands.add_parser("judge", help="judge a truth; exit status 1 on findings")
    referee.add_argument("--truth", type=Path, required=True, metavar="FILE")
    referee.add_argument("--zones", type=Path, required=True, metavar="FILE")
    referee.add_argument("--expect", type=Path, required=True, metavar="FILE")
    referee.add_argument(
        "--parcels", type=Path, metavar="FILE", help="what was submitted: none may be missing"
    )
    referee.add_argument(
        "--streets", type=Path, metavar="FILE", help="where robots may only be by turns"
    )
    referee.add_argument("--out", type=Path, metavar="FILE", help="the report as JSON")
    return parser


def _address(text: str) -> tuple[str, int]:
    host, mark, port = text.rpartition(":")
    if not mark or not host:
        raise argparse.ArgumentTypeError(f"{text!r}: write HOST:PORT, as 127.0.0.1:14550")
    return host, _port(port)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of vehicles")
    return int(text)


def _speedup(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value <= 1000.0:
        raise argparse.ArgumentTypeError(f"{text!r}: must be above 0 and up to 1000")
    return value


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r}: write 2026-06-10T07:00:00Z, with time zone")
    return moment


if __name__ == "__main__":
    sys.exit(main())
