"""Robots that differ in nothing but where they are and how full they are, judged once.

Owns what is true of every robot of one make at one base. Must not know what a robot does now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from controller.dispatch.feasibility import No, misfit
from controller.dispatch.insertion import Bools
from controller.dispatch.model import ParcelFacts, VehicleFacts
from controller.dispatch.rounds import Array, Jobs, Round, insertions
from controller.dispatch.stops import Stops
from controller.domain.model import Site
from vehicles.port import Capability

Ends = tuple[str, str] | No
"""The nodes of a parcel's origin and destination, or why there are none."""
_Kind = tuple[Capability, Site]


@dataclass(slots=True)
class Alike:
    """One decision's; all questions are about the same parcels."""

    _ends: dict[_Kind, list[Ends]] = field(default_factory=dict)
    _jobs: dict[_Kind, Jobs] = field(default_factory=dict)
    _ever: dict[_Kind, Bools] = field(default_factory=dict)

    def ends(
        self, robot: VehicleFacts, parcels: Sequence[ParcelFacts], stops: Stops
    ) -> Sequence[Ends]:
        """Of every parcel for a robot."""
        kind = _kind(robot)
        known = self._ends.get(kind)
        if known is None:
            known = [misfit(robot, facts) or stops.ends(robot, facts) for facts in parcels]
            self._ends[kind] = known
        return known

    def jobs(self, robot: VehicleFacts, jobs: Jobs, rows: Mapping[str, int]) -> Jobs:
        """The parcels with their stops as this robot goes to them; `ends` was asked before."""
        kind = _kind(robot)
        known = self._jobs.get(kind)
        if known is None:
            ends = [(-1, -1) if isinstance(e, No) else (rows[e[0]], rows[e[1]])
                    for e in self._ends[kind]]  # fmt: skip
            both = np.array(ends, dtype=np.intp).reshape(-1, 2)
            known = replace(jobs, origin=both[:, 0].copy(), goal=both[:, 1].copy())
            self._jobs[kind] = known
        return known

    def ever(
        self, robot: VehicleFacts, trip: Round, jobs: Jobs, far: Array, *, reserve: float
    ) -> Bools:
        """The parcels that such a robot could carry from its base at any hour, its battery full."""
        kind = _kind(robot)
        known = self._ever.get(kind)
        if known is None:
            model = trip.robot
            full_wh = robot.capability.usable_energy_wh * (1.0 - reserve)
            rested = Round(replace(model, start=model.base, spare_wh=full_wh), late_s=trip.late_s)
            everyone = np.ones(len(jobs.weight_kg), dtype=bool)
            free = replace(jobs, windows=None)
            known = np.isfinite(insertions(rested, free, everyone, far).cost)
            self._ever[kind] = known
        return known


def _kind(robot: VehicleFacts) -> _Kind:
    return robot.capability, robot.base
