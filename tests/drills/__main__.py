"""`python -m tests.drills [--vehicle light|ardupilot|both] [--seed S]`: every drill in full.

10,000 uploads and 200 flights of light copters; 200 uploads and 200 flights, 50 at once, of real
ArduCopters where the program is found. Prints each drill's figures as JSON and ends with status 1
where one did not pass.
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


def wanted(vehicle: str) -> list[str]:
    """The vehicles to drill; says where the real one is missing."""
    kinds = ["light", "ardupilot"] if vehicle == "both" else [vehicle]
    if "ardupilot" in kinds and find_ardupilot() is None:
        print("arducopter is not found: set WAYPOST_ARDUPILOT_BIN to its folder", file=sys.stderr)
        kinds.remove("ardupilot")
    return kinds


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__)
    parser.add_argument("--vehicle", choices=("light", "ardupilot", "both"), default="both")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    kinds = wanted(asked.vehicle)
    status = 0 if kinds else 2
    for kind in kinds:
        for name, *words in DRILLS[kind]:
            print(f"{name} with {kind} copters", file=sys.stderr)
            command = [sys.executable, "-m", f"tests.drills.{name}", *words]
            options = ["--vehicle", kind, "--seed", str(asked.seed)]
            if subprocess.run([*command, *options], check=False).returncode:
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
