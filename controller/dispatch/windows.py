"""Time windows of hand-overs: when each begins in a round or flight, and why one cannot.

Owns the walk over a round whose stops have times, exact and vectorised over the parcels that might
be put in. Must not know zones; the words are those of feasibility.

A vehicle that is early waits at the stop, no longer than `max_early_s` at each; what is early by
more is not sent yet. Waiting counts as time, as energy at rest, and for every parcel behind it.
A drone does not wait in the air: it is not sent before it would be there in the window even if it
started at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from controller.dispatch.feasibility import No
from controller.dispatch.model import World
from controller.domain.model import Parcel

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Of every parcel, seconds from the decision; -inf and inf where there is none."""

    opens_s: Array
    closes_s: Array
    max_early_s: float

    def bind(self, jobs: Sequence[int] | Ints) -> bool:
        """Whether any of these parcels has one."""
        rows = np.asarray(jobs, dtype=np.intp)
        return bool(np.isfinite(self.opens_s[rows]).any() or np.isfinite(self.closes_s[rows]).any())


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Rounds with one parcel put in at one place: (n) each, and (n, drops) for those before it."""

    begin_s: Array
    """When the hand-over of the new parcel begins."""
    others_s: Array
    """When those of the others begin."""
    end_s: Array
    wait_s: Array
    ok: npt.NDArray[np.bool_]
    """Every hand-over begins in its window, and no wait is too long."""


def windows_of(parcels: Sequence[Parcel], now: datetime, max_early_s: float) -> Windows | None:
    """The windows of these parcels; None where none has any."""
    opens = np.array([_seconds(p.earliest_at, now, -np.inf) for p in parcels])
    closes = np.array([_seconds(p.latest_at, now, np.inf) for p in parcels])
    if not (np.isfinite(opens).any() or np.isfinite(closes).any()):
        return None
    return Windows(opens, closes, max_early_s)


def _seconds(at: datetime | None, now: datetime, otherwise: float) -> float:
    return otherwise if at is None else (at - now).total_seconds()


def walk(
    windows: Windows,
    drops: Sequence[int],
    rows: Ints,
    place: int,
    *,
    begin: tuple[int, float],
    base: int,
    goal: Ints,
    dwell_s: Array,
    times_s: Array,
) -> Walk:
    """Jobs `rows` put before place `place` of `drops`. `begin`: node and time after all picks."""
    count = len(rows)
    ok = np.ones(count, dtype=bool)
    wait = np.zeros(count)
    others = np.zeros((count, len(drops)))
    new = np.zeros(count)
    node = np.full(count, begin[0], dtype=np.intp)
    now = np.full(count, begin[1])
    order = [(drop, False) for drop in drops]
    order.insert(place, (-1, True))
    seen = 0
    for job, is_new in order:
        jobs = rows if is_new else np.full(count, job, dtype=np.intp)
        there = now + times_s[node, goal[jobs]]
        starts = np.maximum(there, windows.opens_s[jobs])
        ok &= np.isfinite(there) & (starts <= windows.closes_s[jobs])
        ok &= ~(starts - there > windows.max_early_s)
        wait += np.where(np.isfinite(there), starts - there, 0.0)
        if is_new:
            new = starts
        else:
            others[:, seen] = starts
            seen += 1
        node, now = goal[jobs], starts + dwell_s[jobs]
    return Walk(new, others, now + times_s[node, base], wait, ok)


def closed(parcel: Parcel, now: datetime) -> No | None:
    """Why nobody can hand a parcel over in its window any more."""
    if parcel.latest_at is None or parcel.latest_at > now:
        return None
    text = f"its window closed at {_clock(parcel.latest_at)}"
    return No("window", text, permanent=True)


def against(
    parcel: Parcel, world: World, there_s: float, *, early_s: float, from_s: float | None = None
) -> No | None:
    """Why a vehicle that would be there in `there_s` does not go now; None: the window allows it.

    `early_s`: how long it may wait there. `from_s`: where it may be there sooner, the soonest.
    """
    soonest = world.now + timedelta(seconds=there_s if from_s is None else from_s)
    there = world.now + timedelta(seconds=there_s)
    if parcel.latest_at is not None and there > parcel.latest_at:
        return No(
            "window",
            f"it would be there at {_clock(there)}, after the window closes at "
            f"{_clock(parcel.latest_at)}",
            permanent=False,
        )
    if parcel.earliest_at is None:
        return None
    ahead = parcel.earliest_at - soonest - timedelta(seconds=early_s)
    if ahead <= timedelta():
        return None
    return No(
        "early",
        f"the window opens at {_clock(parcel.earliest_at)}: it leaves at about "
        f"{_clock(world.now + ahead)}",
        permanent=False,
    )


def _clock(at: datetime) -> str:
    return f"{at:%H:%M} UTC" if at.utcoffset() == timedelta() else at.isoformat("T", "minutes")
