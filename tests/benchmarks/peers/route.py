"""The peer of the route benchmark, run by the Python of its own environment.

Reads one JSON line {"boundary", "holes", "queries"}, prepares, prints {"prepared_s"}; then answers
every further line with {"seconds": [...], "lengths": [...]} for all queries. Imports nothing of
ours, and ours nothing of it.
"""

from __future__ import annotations

import json
import sys
import time

from extremitypathfinder import PolygonEnvironment


def main() -> None:
    task = json.loads(sys.stdin.readline())
    environment = PolygonEnvironment()
    began = time.perf_counter()
    # prepares as well
    environment.store(task["boundary"], task["holes"], validate=False)
    print(json.dumps({"prepared_s": time.perf_counter() - began}), flush=True)
    for _ in sys.stdin:
        seconds, lengths = [], []
        for start, goal in task["queries"]:
            began = time.perf_counter()
            _, length = environment.find_shortest_path(tuple(start), tuple(goal))
            seconds.append(time.perf_counter() - began)
            lengths.append(length)
        print(json.dumps({"seconds": seconds, "lengths": lengths}), flush=True)


if __name__ == "__main__":
    main()
