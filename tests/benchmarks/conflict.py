"""Conflicts between own flights: `python -m tests.benchmarks.conflict`.

1,000 flights of about five minutes from 100 hubs to their surroundings, about half of them in
the air at once: all pairs, from scratch. Then one more flight with 60 delays at once. Peer: every
pair that is in the air at the same time, sampled every 0.2 s, positions of all flights laid on the
grid once and compared in numpy, pair by pair. Both are measured in full; nothing is extrapolated.

`missed`: pairs that sampling finds and we do not. `extra`: pairs of ours that neither sampling at
0.2 s nor at 1 ms about our instant shows; `sampling_missed` are those that only the finer one does.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from geofence.conflict import (
    Conflict,
    Separation,
    Track,
    TrackIndex,
    Uncertainty,
    conflicts,
    first_free,
)
from geofence.frames import Array, LatLon, LocalFrame

ROUNDS = 5
STEP_S = 0.2
LIMITS = Separation(50.0, 15.0)
UNSURE = Uncertainty(radius_m=3.0, growth_mps=0.01)
# the frame that an index of flights below 60.5 degrees takes
FRAME = LocalFrame(LatLon(60.5, 24.9))
DELAYS = [float(10 * i) for i in range(60)]
T = TypeVar("T")


def make_flights(count: int, seed: int) -> list[Track]:
    rng = np.random.default_rng(seed)
    hubs = rng.uniform(-12_000.0, 12_000.0, (100, 2)) - (0.0, 20_000.0)
    flights = []
    for number in range(count):
        level = 40.0 + 10.0 * rng.integers(0, 8)
        turn, far = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(1_000.0, 3_000.0)
        pad = hubs[rng.integers(0, 100)] + rng.uniform(-100.0, 100.0, 2)
        goal = pad + far * np.array([np.cos(turn), np.sin(turn)])
        bend = (pad + goal) / 2.0 + rng.uniform(-200.0, 200.0, 2)
        xy = np.array([pad, pad, bend, goal, goal, goal, goal, bend, pad, pad])
        z = np.array([0.0, 1.0, 1.0, 1.0, 0.2, 0.2, 1.0, 1.0, 1.0, 0.0]) * level
        away = np.hypot(*np.diff(xy, axis=0).T) / 15.0
        climb = np.abs(np.diff(z)) / 3.0
        wait = np.array([0.0, 0.0, 0.0, 0.0, 8.0, 0.0, 0.0, 0.0, 0.0])
        t = rng.uniform(0.0, 600.0) + np.concatenate(([0.0], np.cumsum(away + climb + wait)))
        flights.append(Track(f"F{number:04}", FRAME.to_lonlat(xy), z, t, UNSURE))
    return flights


def sampled_pairs(flights: list[Track]) -> set[tuple[str, str]]:
    """Every pair of flights nearer than the limits at one of the samples."""
    grids = []
    for flight in flights:
        first, last = np.ceil(flight.t_s[0] / STEP_S), np.floor(flight.t_s[-1] / STEP_S)
        t = np.arange(first, last + 1.0) * STEP_S
        xy = FRAME.to_xy(flight.lonlat)
        values = [np.interp(t, flight.t_s, v) for v in (xy[:, 0], xy[:, 1], flight.amsl_m)]
        unsure = flight.uncertainty
        radius = unsure.radius_m + unsure.growth_mps * (t - flight.t_s[0])
        grids.append((int(first), int(last) + 1, *values, radius))
    found = set()
    for i, (first_a, last_a, xa, ya, za, ra) in enumerate(grids):
        for j in range(i + 1, len(grids)):
            first_b, last_b, xb, yb, zb, rb = grids[j]
            first, last = max(first_a, first_b), min(last_a, last_b)
            if first >= last:
                continue
            a, b = slice(first - first_a, last - first_a), slice(first - first_b, last - first_b)
            limit = LIMITS.horizontal_m + ra[a] + rb[b]
            near = (xa[a] - xb[b]) ** 2 + (ya[a] - yb[b]) ** 2 < limit * limit
            if (near & (np.abs(za[a] - zb[b]) < LIMITS.vertical_m)).any():
                found.add((flights[i].track_id, flights[j].track_id))
    return found


def at(flight: Track, t: Array) -> Array:
    xy = FRAME.to_xy(flight.lonlat)
    return np.stack(
        [np.interp(t, flight.t_s, v) for v in (xy[:, 0], xy[:, 1], flight.amsl_m)], axis=-1
    )


def confirmed(conflict: Conflict, flights: dict[str, Track]) -> bool:
    """Whether sampling at 1 ms in the half second from our instant on shows it."""
    one, other = flights[conflict.one], flights[conflict.other]
    t = conflict.begin_s + np.arange(0.0, 0.5, 0.001)
    t = t[(t <= one.t_s[-1]) & (t <= other.t_s[-1])]
    gap = at(one, t) - at(other, t)
    radius = sum(
        f.uncertainty.radius_m + f.uncertainty.growth_mps * (t - f.t_s[0]) for f in (one, other)
    )
    # a nanometre for the rounding of positions
    near = np.hypot(gap[:, 0], gap[:, 1]) < LIMITS.horizontal_m + radius + 1e-9
    return bool((near & (np.abs(gap[:, 2]) < LIMITS.vertical_m + 1e-9)).any())


def timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    done = work()
    return time.perf_counter() - began, done


def main() -> None:
    flights, new = make_flights(1_000, 1), make_flights(120, 2)
    by_id = {flight.track_id: flight for flight in flights}
    index = TrackIndex(flights, LIMITS)
    theirs_s, ours_s, one_s, delays_s = [], [], [], []
    theirs: set[tuple[str, str]] = set()
    ours: tuple[Conflict, ...] = ()
    slots: list[float | None] = []
    for number in range(ROUNDS):
        seconds, theirs = timed(lambda: sampled_pairs(flights))
        theirs_s.append(seconds)
        seconds, ours = timed(lambda: conflicts(TrackIndex(flights, LIMITS)))
        ours_s.append(seconds)
        for flight in new[20 * number : 20 * number + 20]:
            one_s.append(timed(lambda flight=flight: first_free(flight, index, [0.0]))[0])
            seconds, delay = timed(lambda flight=flight: first_free(flight, index, DELAYS))
            delays_s.append(seconds)
            slots.append(delay)
    pairs = {(c.one, c.other): c for c in ours}
    only_ours = [conflict for pair, conflict in pairs.items() if pair not in theirs]
    unconfirmed = sum(not confirmed(conflict, by_id) for conflict in only_ours)
    middle = float(np.median([flight.t_s[[0, -1]] for flight in flights]))
    free = [delay for delay in slots if delay is not None]
    result = {
        "bench": "conflict",
        "unit": "s",
        "peer": float(np.median(theirs_s)),
        "ours": float(np.median(ours_s)),
        "ratio": float(np.median(theirs_s) / np.median(ours_s)),
        "missed": len(theirs - set(pairs)),
        "extra": unconfirmed,
        "sampling_missed": len(only_ours) - unconfirmed,
        "pairs": len(pairs),
        "flights": len(flights),
        "in_the_air": sum(bool(f.t_s[0] <= middle <= f.t_s[-1]) for f in flights),
        "one_more_ms": 1e3 * float(np.median(one_s)),
        "sixty_delays_ms": 1e3 * float(np.median(delays_s)),
        "found_a_slot": f"{len(free)} of {len(slots)}",
        "mean_delay_s": float(np.mean(free)) if free else 0.0,
    }
    for name, value in result.items():
        print(f"{name:>16}: {value:.6g}" if isinstance(value, float) else f"{name:>16}: {value}")
    print(json.dumps(result))


if __name__ == "__main__":
    sys.exit(main())
