"""Simulated time and simulator truth: what every part of the lab agrees on.

Owns the lab's clock and the record of where a vehicle really was. Must not know any
vehicle type, protocol or scenario.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EVENTS = ("", "released", "landed", "crashed", "swapped", "picked", "dropped")


@dataclass(frozen=True, slots=True)
class LabClock:
    """Simulated time as a function of wall time, the same in every process of the lab.

    ``start`` is the simulated instant at wall time ``wall_epoch_s`` (``time.time()`` seconds);
    simulated time runs ``speedup`` times as fast as the wall. Processes that are given the
    same three figures agree without talking to each other.
    """

    start: datetime
    speedup: float
    wall_epoch_s: float

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            raise ValueError("LabClock.start needs a time zone: pass an aware datetime in UTC")
        if not 0.0 < self.speedup <= 1000.0:
            raise ValueError(f"LabClock.speedup must be in (0, 1000], got {self.speedup}")

    @classmethod
    def starting_now(cls, *, speedup: float = 1.0, start: datetime | None = None) -> LabClock:
        """A clock whose simulated time is ``start`` (default: wall time, UTC) at this moment."""
        wall_s = time.time()
        return cls(start or datetime.fromtimestamp(wall_s, UTC), speedup, wall_s)

    def monotonic_s(self) -> float:
        """Simulated seconds since ``start``."""
        return (time.time() - self.wall_epoch_s) * self.speedup

    def now(self) -> datetime:
        """The simulated instant, UTC."""
        return self.at(self.monotonic_s())

    def at(self, elapsed_s: float) -> datetime:
        """The simulated instant ``elapsed_s`` simulated seconds after ``start``."""
        return self.start + timedelta(seconds=elapsed_s)

    async def sleep(self, duration_s: float) -> None:
        """Sleep for ``duration_s`` simulated seconds."""
        await asyncio.sleep(max(0.0, duration_s) / self.speedup)


@dataclass(frozen=True, slots=True)
class TruthSample:
    """Where a vehicle really is, whatever it reports.

    ``t`` is simulated UTC; position WGS84 degrees, altitude metres AMSL, heading degrees
    clockwise from true north. ``event`` is one of ``EVENTS``: a release, a touchdown, a
    crash or a pack swap that happened at this sample; ``detail`` says which (drop device,
    reason). A sample without event is a position of the track.
    """

    vehicle_id: str
    t: datetime
    lat_deg: float
    lon_deg: float
    alt_amsl_m: float
    heading_deg: float
    armed: bool
    on_ground: bool
    event: str = ""
    detail: str = ""
