"""`python -m tests.drills [--vehicle light|ardupilot|both] [--seed S]`: every drill in full.

10,000 uploads and 200 flights of light copters; 200 uploads and 200 flights, 50 at once, of real
ArduCopters where the program is found; 1,000 orders to ground robots and the controller's death at
every step of one in any case. Prints each drill's figures as JSON and ends with status 1 where one
did not pass.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from sitl.ardupilot import find_ardupilot

DRILLS = {
    "light": (
        ("uploads", "--count", "10000"),
        ("flights", "--count", "200", "--copters", "20"),
    ),
    "ardupilot": (
        ("uploads", "--count", "200", "--jobs", "4"),
        ("flights", "--count", "200", "--copters", "50"),
    ),
}
ROBOTS = (("robot_orders", "--count", "1000"), ("robot_kill",))


def wanted(vehicle: str) -> list[str]:
    """The vehicles to drill; says where the real one is missing."""
    kinds = ["light", "ardupilot"] if vehicle == "both" else [vehicle]
    if "ardupilot" in kinds and find_ardupilot() is None:
        print("arducopter is not found: set WAYPOST_ARDUPILOT_BIN to its folder", file=sys.stderr)
        kinds.remove("ardupilot")
    return kinds


def drill(words: tuple[str, ...], seed: int) -> int:
    """Run one; its status."""
    name, *options = words
    command = [sys.executable, "-m", f"tests.drills.{name}", *options, "--seed", str(seed)]
    return subprocess.run(command, check=False).returncode


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__)
    parser.add_argument("--vehicle", choices=("light", "ardupilot", "both"), default="both")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    kinds = wanted(asked.vehicle)
    status = 0 if kinds else 2
    for words in ROBOTS:
        print(f"{words[0]} with ground robots", file=sys.stderr)
        if drill(words, asked.seed):
            status = 1
    for kind in kinds:
        for name, *words in DRILLS[kind]:
            print(f"{name} with {kind} copters", file=sys.stderr)
            if drill((name, *words, "--vehicle", kind), asked.seed):
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
