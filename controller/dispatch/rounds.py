"""A robot's round as it grows, and what each waiting parcel would add to it.

Owns the arithmetic of insertion: vectorised over parcels and places in the round. Must not know
zones or words. Picks come first, in the order in which their origins came in, then drops.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from controller.dispatch.windows import Walk, Windows, walk

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

_S_PER_MIN = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Jobs:
    """Parcels as arrays, one row each."""

    weight_kg: Array
    origin: Ints
    """Row of the distance matrix; -1 where no robot can stop."""
    goal: Ints
    dwell_s: Array
    waiting: Array
    lateness: Array
    due_s: Array
    windows: Windows | None = None


@dataclass(frozen=True, slots=True)
class Robot:
    """What insertion must know of a robot."""

    start: int
    base: int
    speed_mps: float
    slots: int
    payload_kg: float
    spare_wh: float
    wh_per_m: float
    """At full load: on the safe side."""
    idle_w: float
    pick_s: float
    max_round_s: float
    prepare_s: float
    energy_per_wh: float
    detour_per_km: float
    use: float


@dataclass(slots=True)
class Round:
    """The stops so far."""

    robot: Robot
    picks: list[int] = field(default_factory=list)
    """Origins, rows of the distance matrix."""
    drops: list[int] = field(default_factory=list)
    """Jobs in the order of their drops."""
    late_s: Array | None = None
    """Seconds that streets slower than the robot cost between rows of the distance matrix; None:
    no street is."""

    def seconds(self, far: Array) -> Array:
        """Driving times between the rows of the distance matrix."""
        even = far / self.robot.speed_mps
        return even if self.late_s is None else even + self.late_s

    def drive_wh(self, far: Array) -> Array:
        """Energy between the rows: slow streets cost what the robot draws at rest, and longer."""
        even = far * self.robot.wh_per_m
        if self.late_s is None:
            return even
        return np.asarray(even + self.late_s * self.robot.idle_w / 3600.0)


@dataclass(frozen=True, slots=True, eq=False)
class Insertions:
    """The best place for every job, one row each; cost inf where it does not fit."""

    cost: Array
    at: Ints
    arrive_s: Array
    added_m: Array
    added_wh: Array


def insertions(trip: Round, jobs: Jobs, open_rows: npt.NDArray[np.bool_], far: Array) -> Insertions:
    """What each job of `open_rows` would add to the round at its best place."""
    count = len(jobs.weight_kg)
    out = Insertions(
        cost=np.full(count, np.inf),
        at=np.zeros(count, dtype=np.intp),
        arrive_s=np.full(count, np.inf),
        added_m=np.full(count, np.inf),
        added_wh=np.full(count, np.inf),
    )
    robot = trip.robot
    load_kg = float(jobs.weight_kg[trip.drops].sum())
    if len(trip.drops) >= robot.slots:
        return out
    fits = open_rows & (jobs.weight_kg + load_kg <= robot.payload_kg + 1e-6)
    fits &= (jobs.origin >= 0) & (jobs.goal >= 0)
    for origin in np.unique(jobs.origin[fits]):
        rows = np.flatnonzero(fits & (jobs.origin == origin))
        _insert_group(trip, jobs, rows, far, out)
    return out


def _insert_group(trip: Round, jobs: Jobs, rows: Ints, far: Array, out: Insertions) -> None:
    """Jobs of one origin at every place of the round."""
    robot = trip.robot
    origin = int(jobs.origin[rows[0]])
    picks = trip.picks if origin in trip.picks else [*trip.picks, origin]
    times_s, powers_wh = trip.seconds(far), trip.drive_wh(far)
    before = _Timeline(trip, trip.picks, len(trip.drops), jobs, (far, times_s, powers_wh))
    after = _Timeline(trip, picks, len(trip.drops) + 1, jobs, (far, times_s, powers_wh))
    goals = jobs.goal[rows][:, None]
    detour = after.detour(goals, far)
    arrive = after.leave_s[None, :] + times_s[after.previous[None, :], goals]
    later_s = after.detour(goals, times_s) + jobs.dwell_s[rows][:, None]
    cost = _price(jobs, rows, arrive)
    if trip.drops:
        cost = cost + _delay_cost(trip, jobs, before, after, later_s)
    added_m = detour + after.length_m - before.length_m
    dwell_s = jobs.dwell_s[rows][:, None] + robot.pick_s
    added_wh = after.detour(goals, powers_wh) + after.drive_wh - before.drive_wh
    added_wh = added_wh + dwell_s * robot.idle_w / 3600.0
    end_s, waited_wh = after.end_s + later_s, 0.0
    if jobs.windows is not None and jobs.windows.bind([*trip.drops, *rows]):
        timed = _timed(trip, jobs, rows, (before, after), times_s)
        arrive, end_s, cost = timed.begin_s, timed.end_s, timed.cost
        added_wh = added_wh + timed.wait_s * robot.idle_w / 3600.0
        waited_wh = timed.was_wait_s * robot.idle_w / 3600.0
    cost = cost + robot.energy_per_wh * added_wh + robot.detour_per_km * added_m / 1000.0
    cost = cost + (0.0 if trip.drops else robot.use)
    energy_wh = before.energy_wh + waited_wh + added_wh
    too_much = (energy_wh > robot.spare_wh) | (end_s > robot.max_round_s)
    cost = np.where(np.isfinite(cost) & ~too_much, cost, np.inf)
    best = np.argmin(cost, axis=1)
    pick = (np.arange(len(rows)), best)
    out.cost[rows] = cost[pick]
    out.at[rows] = best
    out.arrive_s[rows] = arrive[pick]
    out.added_m[rows] = added_m[pick]
    out.added_wh[rows] = added_wh[pick]


@dataclass(frozen=True, slots=True, eq=False)
class _Timed:
    """Rounds with windows, (n, places); cost inf where a window is missed. Without energy."""

    begin_s: Array
    end_s: Array
    wait_s: Array
    """Added to that of the round before."""
    was_wait_s: float
    cost: Array


def _timed(
    trip: Round, jobs: Jobs, rows: Ints, lines: tuple[_Timeline, _Timeline], times_s: Array
) -> _Timed:
    """Every place walked with its waits: what comes behind a wait is not just shifted."""
    windows, robot = jobs.windows, trip.robot
    if windows is None:
        raise ValueError("no parcel has a window")
    before, after = lines

    def walked(line: _Timeline, put: Ints, place: int, drops: list[int]) -> Walk:
        return walk(
            windows, drops, put, place, begin=(int(line.previous[0]), float(line.leave_s[0])),
            base=robot.base, goal=jobs.goal, dwell_s=jobs.dwell_s, times_s=times_s,
        )  # fmt: skip

    was_s, was_wait_s = np.empty(0), 0.0
    if trip.drops:
        first = np.array(trip.drops[:1], dtype=np.intp)
        known = walked(before, first, 0, trip.drops[1:])
        was_s = np.concatenate((known.begin_s, known.others_s[0]))
        was_wait_s = float(known.wait_s[0])
    drops = np.array(trip.drops, dtype=np.intp)
    walks = [walked(after, rows, place, trip.drops) for place in range(len(trip.drops) + 1)]
    begin = np.stack([w.begin_s for w in walks], axis=1)
    lost = np.zeros_like(begin)
    for place, each in enumerate(walks):
        late = np.maximum(0.0, each.others_s - jobs.due_s[drops])
        was_late = np.maximum(0.0, was_s - jobs.due_s[drops])
        parts = jobs.waiting[drops] * (each.others_s - was_s)
        parts = parts + jobs.lateness[drops] * (late - was_late)
        lost[:, place] = parts.sum(axis=1) / _S_PER_MIN
    ok = np.stack([w.ok for w in walks], axis=1)
    with np.errstate(invalid="ignore"):
        cost = np.where(ok, _price(jobs, rows, begin) + lost, np.inf)
    return _Timed(
        begin_s=begin,
        end_s=np.stack([w.end_s for w in walks], axis=1),
        wait_s=np.stack([w.wait_s for w in walks], axis=1) - was_wait_s,
        was_wait_s=was_wait_s,
        cost=cost,
    )


class _Timeline:
    """The round with these picks: where one comes from and goes to at each place, and when."""

    def __init__(
        self,
        trip: Round,
        picks: list[int],
        parcels: int,
        jobs: Jobs,
        ways: tuple[Array, Array, Array],
    ) -> None:
        """`ways`: metres, seconds and watt-hours between rows."""
        robot = trip.robot
        far, times_s, powers_wh = ways
        way = [robot.start, *picks]
        legs = list(pairwise(way))
        goals = jobs.goal[trip.drops] if trip.drops else np.empty(0, dtype=np.intp)
        self.previous: Ints = np.concatenate(([way[-1]], goals)).astype(np.intp)
        self.following: Ints = np.concatenate((goals, [robot.base])).astype(np.intp)
        steps_s = times_s[self.previous, self.following]
        dwell = jobs.dwell_s[trip.drops] if trip.drops else np.empty(0)
        pick_s = float(sum(times_s[a, b] for a, b in legs))
        picked_s = robot.prepare_s + pick_s + robot.pick_s * parcels
        self.arrive_s: Array = (
            picked_s
            + np.cumsum(steps_s[:-1])
            + np.concatenate(([0.0], np.cumsum(dwell)))[: len(dwell)]
        )
        self.leave_s: Array = np.concatenate(([picked_s], self.arrive_s + dwell))
        self.length_m = self._along(legs, far)
        self.drive_wh = self._along(legs, powers_wh)
        self.end_s = float(self.leave_s[-1] + steps_s[-1])
        standing_s = robot.pick_s * parcels + float(dwell.sum())
        self.energy_wh = self.drive_wh + standing_s * robot.idle_w / 3600.0

    def _along(self, legs: list[tuple[int, int]], far: Array) -> float:
        return float(sum(far[a, b] for a, b in legs)) + float(
            far[self.previous, self.following].sum()
        )

    def detour(self, goals: Ints, far: Array) -> Array:
        """What goals (n, 1) add at every place (n, places), in what `far` counts; inf: no way."""
        reach = far[self.previous[None, :], goals]
        onward = far[goals, self.following[None, :]]
        through = far[self.previous, self.following][None, :]
        with np.errstate(invalid="ignore"):
            return np.where(np.isfinite(reach + onward), reach + onward - through, np.inf)


def _price(jobs: Jobs, rows: Ints, arrive_s: Array) -> Array:
    """Waiting and lateness of jobs (n) at times (n, places)."""
    late = np.maximum(0.0, arrive_s - jobs.due_s[rows][:, None])
    return np.asarray(
        (jobs.waiting[rows][:, None] * arrive_s + jobs.lateness[rows][:, None] * late) / _S_PER_MIN
    )


def _delay_cost(
    trip: Round, jobs: Jobs, before: _Timeline, after: _Timeline, later_s: Array
) -> Array:
    """What the parcels already in the round lose, (n, places)."""
    drops = np.array(trip.drops, dtype=np.intp)
    places = np.arange(len(drops) + 1)
    behind = places[:, None] <= np.arange(len(drops))[None, :]
    arrive = after.arrive_s + np.where(behind[None, :, :], later_s[:, :, None], 0.0)
    late = np.maximum(0.0, arrive - jobs.due_s[drops])
    was_late = np.maximum(0.0, before.arrive_s - jobs.due_s[drops])
    lost = jobs.waiting[drops] * (arrive - before.arrive_s)
    lost = lost + jobs.lateness[drops] * (late - was_late)
    return np.asarray(lost.sum(axis=-1) / _S_PER_MIN)


def insert(trip: Round, job: int, at: int, origin: int) -> None:
    """Put a job into the round."""
    if origin not in trip.picks:
        trip.picks.append(origin)
    trip.drops.insert(at, job)
