"""`python -m tests.benchmarks [NAME ...]`: run all benchmarks in this folder, or those named.

Each runs in a process of its own, so that none pays for another's memory. Prints one JSON line
each; ends with status 1 where one did not end well.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def benchmarks() -> tuple[str, ...]:
    """The modules here that are run as a program."""
    return tuple(
        sorted(
            path.stem
            for path in FOLDER.glob("*.py")
            if path != Path(__file__) and 'if __name__ == "__main__":' in path.read_text("utf-8")
        )
    )


def run(name: str) -> bool:
    """Run one and print its last line; what it said otherwise, where it failed."""
    command = [sys.executable, "-m", f"tests.benchmarks.{name}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    if done.returncode or not lines:
        print(f"{name}: ended with status {done.returncode}\n{done.stderr}", file=sys.stderr)
        return False
    print(lines[-1], flush=True)
    return True


def main(wanted: list[str]) -> int:
    """Run those wanted, or all."""
    known = benchmarks()
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    ended_well = [run(name) for name in wanted or known]
    return 0 if all(ended_well) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
