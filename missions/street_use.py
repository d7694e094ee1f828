"""Which streets a robot fits: its width, the slopes it climbs, the gates that are open.

Owns those three answers with their words. Zones are `plan_round`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from missions.roads import StreetEdge, StreetGraph


@dataclass(frozen=True, slots=True)
class RobotFit:
    """What a robot needs of a street. None: it is not asked for."""

    width_m: float | None = None
    max_incline_pct: float | None = None


ANY_STREET = RobotFit()


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a street is closed to a robot. `lasting`: no hour of the day changes it."""

    text: str
    lasting: bool


def fit_in_common(fits: Iterable[RobotFit]) -> RobotFit:
    """What a street must offer to be open to every one of these robots."""
    found = tuple(fits)
    widths = [f.width_m for f in found if f.width_m is not None]
    inclines = [f.max_incline_pct for f in found if f.max_incline_pct is not None]
    return RobotFit(max(widths, default=None), min(inclines, default=None))


def unfit(edge: StreetEdge, robot: RobotFit, enter: datetime, leave: datetime) -> Unfit | None:
    """Why a robot may not use a street at some moment of a span; None where it may.

    What is not known of a street is not held against it.
    """
    if edge.width_m is not None and robot.width_m is not None and edge.width_m < robot.width_m:
        return Unfit(f"is {edge.width_m:g} m wide and the robot {robot.width_m:g} m", lasting=True)
    steepest, limit = edge.incline_pct, robot.max_incline_pct
    if steepest is not None and limit is not None and abs(steepest) > limit:
        return Unfit(
            f"has a slope of {abs(steepest):g} % and the robot's limit is {limit:g} %", lasting=True
        )
    if edge.hours is not None and not edge.hours.active_throughout(enter, leave):
        return Unfit("has a gate that is not open all that time", lasting=False)
    return None


def unfit_edges(
    streets: StreetGraph, robot: RobotFit, *, enter: datetime, leave: datetime
) -> Mapping[str, Unfit]:
    """Streets that a robot may not use at some moment of the span, by edge id."""
    return {
        edge_id: found
        for edge_id, edge in streets.edges.items()
        if (found := unfit(edge, robot, enter, leave)) is not None
    }
