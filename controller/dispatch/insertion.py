"""Regret insertion: who takes what, one parcel after another.

Owns the order of placing and its ties. Pure arithmetic on arrays: must not know words or zones.

In each priority the parcel goes next that would lose most by not getting its best vehicle (the
regret: second-best cost less best cost), to its best vehicle. Ties go by an order drawn from the
seed. A drone with several slots that has taken one may take another into the same flight: what
that adds is estimated, and planned and checked before it is taken. A parcel whose best way is a
robot's round is left waiting where a drone that is out now would cost less, its return included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from controller.dispatch.rounds import Array, Insertions, Jobs, Round, insert, insertions
from controller.dispatch.trips import Join, Trip, additions

Bools = npt.NDArray[np.bool_]

TIE = 1e-9
_ALONE = 1e6
"""Regret of a parcel that only one vehicle can take, before its cost counts."""


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Rows of drones first, then of robots; columns are parcels."""

    rank: npt.NDArray[np.intp]
    """Of each parcel: lower is placed first."""
    jobs: Jobs
    """For the weights; stops are each robot's own."""
    drone_cost: Array
    """(drones, parcels); inf where barred."""
    drone_arrive_s: Array
    drone_detour_m: Array
    rounds: tuple[Round, ...]
    robot_jobs: tuple[Jobs, ...]
    robot_allowed: Bools
    """(robots, parcels)."""
    far: Array
    drone_later_cost: Array
    """(parcels): the best cost by a drone that is out now or will be, were it here; inf: none."""
    drone_later_count: Array
    """(parcels): how many such drones there are."""
    cycle_s: float
    """From one start of a drone to its next."""
    trips: Mapping[int, Trip] = field(default_factory=dict)
    """The flights, empty at first, of drones with several slots, by row."""
    apart_m: Array | None = None
    """(parcels, parcels): between destinations, straight."""
    join: Join | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """One parcel's turn: the costs of every vehicle at that moment, and who got it."""

    job: int
    vehicle: int
    """Row; -1 where it waits."""
    cost: Array
    arrive_s: Array
    detour_m: Array
    later_s: float = 0.0
    """Expected wait where it is left for a drone; 0 where it is not."""


@dataclass(slots=True)
class _State:
    problem: Problem
    cost: Array
    arrive_s: Array
    detour_m: Array
    at: npt.NDArray[np.intp]
    open_: Bools
    joins: dict[int, npt.NDArray[np.intp]] = field(default_factory=dict)
    """By row of a drone under way to several stops: the best place for each parcel."""
    deferred: int = 0
    done: list[Placed] = field(default_factory=list)


def place(problem: Problem, *, seed: int) -> tuple[Placed, ...]:
    """Every parcel exactly once. The rounds and trips of `problem` grow; its arrays stay."""
    drones, parcels = problem.drone_cost.shape
    robots = len(problem.rounds)
    state = _State(
        problem=problem,
        cost=np.full((drones + robots, parcels), np.inf),
        arrive_s=np.full((drones + robots, parcels), np.inf),
        detour_m=np.zeros((drones + robots, parcels)),
        at=np.zeros((robots, parcels), dtype=np.intp),
        open_=np.ones(parcels, dtype=bool),
    )
    state.cost[:drones] = problem.drone_cost
    state.arrive_s[:drones] = problem.drone_arrive_s
    state.detour_m[:drones] = problem.drone_detour_m
    for robot in range(robots):
        _renew(state, robot)
    rng = np.random.default_rng(seed)
    vehicle_order = rng.permutation(drones + robots)
    parcel_order = rng.permutation(parcels)
    for rank in np.unique(problem.rank):
        while (job := _next(state, int(rank), parcel_order)) is not None:
            _take_turn(state, job, vehicle_order)
    return tuple(state.done)


def _renew(state: _State, robot: int) -> None:
    problem = state.problem
    allowed = problem.robot_allowed[robot] & state.open_
    jobs = problem.robot_jobs[robot]
    found: Insertions = insertions(problem.rounds[robot], jobs, allowed, problem.far)
    row = problem.drone_cost.shape[0] + robot
    state.cost[row] = found.cost
    state.arrive_s[row] = found.arrive_s
    state.detour_m[row] = found.added_m
    state.at[robot] = found.at


def _next(state: _State, rank: int, parcel_order: npt.NDArray[np.intp]) -> int | None:
    rows = parcel_order[(state.open_ & (state.problem.rank == rank))[parcel_order]]
    if rows.size == 0:
        return None
    if state.cost.shape[0] == 0:
        return int(rows[0])
    cost = state.cost[:, rows]
    if cost.shape[0] == 1:
        cost = np.vstack((cost, np.full_like(cost, np.inf)))
    two = np.partition(cost, 1, axis=0)[:2]
    alone = ~np.isfinite(two[1])
    with np.errstate(invalid="ignore"):
        regret = np.where(alone, _ALONE - two[0], two[1] - two[0])
    # parcels that nobody can take any more end the rank
    regret = np.where(np.isfinite(two[0]), regret, -np.inf)
    return int(rows[np.flatnonzero(regret >= regret.max() - TIE)[0]])


def _take_turn(state: _State, job: int, vehicle_order: npt.NDArray[np.intp]) -> None:
    problem = state.problem
    row = _best(state, job, vehicle_order)
    state.open_[job] = False
    cost = state.cost[:, job].copy()
    record = (cost, state.arrive_s[:, job].copy(), state.detour_m[:, job].copy())
    if row is None:
        state.done.append(Placed(job, -1, *record))
        return
    drones = problem.drone_cost.shape[0]
    if row < drones:
        state.done.append(Placed(job, row, *record))
        _board(state, row, job)
        return
    wait_s = _better_later(state, job, float(cost[row]))
    if wait_s > 0.0:
        state.deferred += 1
        state.done.append(Placed(job, -1, *record, later_s=wait_s))
        return
    robot = row - drones
    origin = int(problem.robot_jobs[robot].origin[job])
    insert(problem.rounds[robot], job, int(state.at[robot, job]), origin)
    state.done.append(Placed(job, row, *record))
    _renew(state, robot)


def _best(state: _State, job: int, vehicle_order: npt.NDArray[np.intp]) -> int | None:
    """The cheapest row; None where nobody can. An estimate is planned before it counts."""
    planned: set[int] = set()
    while True:
        cost = state.cost[:, job]
        if cost.size == 0 or not np.isfinite(cost).any():
            return None
        ordered = cost[vehicle_order]
        row = int(vehicle_order[np.flatnonzero(ordered <= ordered.min() + TIE)[0]])
        if row not in state.joins or row in planned:
            return row
        _plan_joined(state, row, job)
        planned.add(row)


def _plan_joined(state: _State, row: int, job: int) -> None:
    """Put the figures of a planned flight in the place of an estimate; inf: there is none."""
    problem = state.problem
    trip, order = problem.trips[row], _with(state, row, job)
    joined = None if problem.join is None else problem.join(row, order, job)
    if joined is None:
        state.cost[row, job] = state.arrive_s[row, job] = np.inf
        return
    state.cost[row, job] = joined.cost - trip.cost
    state.arrive_s[row, job] = joined.arrive_s[order.index(job)]
    state.detour_m[row, job] = joined.detour_m


def _with(state: _State, row: int, job: int) -> tuple[int, ...]:
    order = list(state.problem.trips[row].jobs)
    order.insert(int(state.joins[row][job]), job)
    return tuple(order)


def _board(state: _State, row: int, job: int) -> None:
    """A drone takes a parcel; what more it could take into the same flight is estimated."""
    problem = state.problem
    trip = problem.trips.get(row)
    if trip is None or problem.apart_m is None:
        state.cost[row] = np.inf
        return
    trip.cost += float(state.cost[row, job])
    trip.jobs = list(_with(state, row, job)) if trip.jobs else [job]
    found = additions(trip, problem.jobs, state.open_, problem.apart_m)
    state.cost[row] = found.cost
    state.arrive_s[row] = found.arrive_s
    state.detour_m[row] = 0.0
    state.joins[row] = found.at


def _better_later(state: _State, job: int, cost_now: float) -> float:
    """Seconds until a drone is expected, where waiting for it costs less than a round; else 0."""
    problem = state.problem
    count = float(problem.drone_later_count[job])
    if count < 1.0:
        return 0.0
    wait_s = problem.cycle_s * (1.0 + state.deferred // count)
    jobs = problem.jobs
    minutes = wait_s / 60.0
    cost = problem.drone_later_cost[job] + jobs.waiting[job] * minutes
    cost += jobs.lateness[job] * max(0.0, wait_s - max(0.0, float(jobs.due_s[job]))) / 60.0
    return wait_s if cost < cost_now else 0.0
