"""A drone's flight as it grows, and what each waiting parcel would add to it.

Owns the arithmetic of joining parcels to one flight: an estimate on straight lines that ranks
them. Must not know zones or words, and is never the last word: what is estimated to be best is
planned and checked before it is taken (`Join`).

From stop to stop a drone takes the straight line at cruise speed, and at each what the parcel's
own flight takes beside its line: up, down and the release.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from controller.dispatch.rounds import Array, Ints, Jobs

_S_PER_MIN = 60.0
_TOLERANCE_KG = 1e-6


@dataclass(frozen=True, slots=True)
class Joined:
    """A flight that was planned and checked: its whole cost, and when each parcel is there."""

    cost: float
    arrive_s: tuple[float, ...]
    detour_m: float


Join = Callable[[int, tuple[int, ...], int], Joined | None]
"""Row of the drone, jobs in the order of their stops, and the one among them that is new ->
the flight, or None where there is none."""


@dataclass(frozen=True, slots=True, eq=False)
class Flyer:
    """What joining must know of a drone; arrays have one row for each job, inf where barred."""

    slots: int
    """Parcels that it lets go one by one."""
    payload_kg: float
    speed_mps: float
    prepare_s: float
    away_m: Array
    """From its pad to each destination."""
    arrive_s: Array
    """Of each parcel's own flight, from now."""
    end_s: Array
    """Its landing, likewise."""
    power_wh_s: Array
    """Mean of each parcel's own flight."""
    use: float
    energy_per_wh: float


@dataclass(slots=True)
class Trip:
    """The parcels so far, in the order of their stops, and what the flight costs as it stands."""

    flyer: Flyer
    jobs: list[int] = field(default_factory=list)
    cost: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Additions:
    """The best place for every job, one row each; cost inf where it does not fit."""

    cost: Array
    at: Ints
    arrive_s: Array


def additions(
    trip: Trip, jobs: Jobs, open_rows: npt.NDArray[np.bool_], apart_m: Array
) -> Additions:
    """What each open job would add to a trip that has at least one.

    `apart_m`: between destinations, straight.
    """
    count = len(jobs.weight_kg)
    out = Additions(
        cost=np.full(count, np.inf),
        at=np.zeros(count, dtype=np.intp),
        arrive_s=np.full(count, np.inf),
    )
    flyer = trip.flyer
    if len(trip.jobs) >= flyer.slots:
        return out
    load_kg = float(jobs.weight_kg[trip.jobs].sum())
    fits = open_rows & np.isfinite(flyer.arrive_s)
    fits &= jobs.weight_kg + load_kg <= flyer.payload_kg + _TOLERANCE_KG
    if jobs.windows is not None:
        # what has a window flies alone: another stop would move its time
        if jobs.windows.bind(trip.jobs):
            return out
        fits &= np.isinf(jobs.windows.opens_s) & np.isinf(jobs.windows.closes_s)
    rows = np.flatnonzero(fits)
    if rows.size == 0:
        return out
    for place in range(len(trip.jobs) + 1):
        order = [np.full(rows.size, job, dtype=np.intp) for job in trip.jobs]
        order.insert(place, rows)
        cost, arrive = _whole(flyer, jobs, np.array(order), apart_m)
        added = cost - trip.cost
        better = added < out.cost[rows]
        out.cost[rows] = np.where(better, added, out.cost[rows])
        out.at[rows] = np.where(better, place, out.at[rows])
        out.arrive_s[rows] = np.where(better, arrive[place], out.arrive_s[rows])
    return out


def _whole(flyer: Flyer, jobs: Jobs, order: Ints, apart_m: Array) -> tuple[Array, Array]:
    """The cost of whole flights, (n), and arrivals, (stops, n). `order`: (stops, n)."""
    work_s = flyer.arrive_s - flyer.prepare_s - flyer.away_m / flyer.speed_mps
    arrive = np.empty(order.shape)
    arrive[0] = flyer.arrive_s[order[0]]
    out_m = flyer.away_m[order[0]].copy()
    for stop in range(1, len(order)):
        hop_m = apart_m[order[stop - 1], order[stop]]
        out_m += hop_m
        arrive[stop] = arrive[stop - 1] + hop_m / flyer.speed_mps + work_s[order[stop]]
    last = order[-1]
    down_s = flyer.end_s[last] - flyer.arrive_s[last] - flyer.away_m[last] / flyer.speed_mps
    airborne_s = arrive[-1] - flyer.prepare_s + out_m / flyer.speed_mps + down_s
    energy_wh = airborne_s * flyer.power_wh_s[order].max(axis=0)
    late = np.maximum(0.0, arrive - jobs.due_s[order])
    waiting = (jobs.waiting[order] * arrive + jobs.lateness[order] * late).sum(axis=0)
    cost = waiting / _S_PER_MIN + flyer.use + flyer.energy_per_wh * energy_wh
    return np.asarray(cost), arrive
