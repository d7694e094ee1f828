"""What it costs that a vehicle carries a parcel, in minutes of an ordinary parcel's waiting.

Owns the weights' meaning. Must not know why a vehicle might be barred.

cost = waiting x minutes until delivery + lateness x minutes after the due time + energy + the
vehicle kind's own price. A drone's price is what keeps it for parcels that only a drone can bring,
or bring in time: a robot is chosen where it is not later by more than that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from controller.dispatch.model import DispatchSettings
from controller.domain.model import Parcel

RANK = {"medical": 0, "urgent": 1, "normal": 2}
"""Medical parcels are placed before urgent ones, urgent before normal ones."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A parcel's weights and due time, ready for arithmetic."""

    waiting: float
    lateness: float
    due_s: float
    """Seconds from the decision until due; negative: overdue."""
    rank: int


def weights_of(parcel: Parcel, now: datetime, settings: DispatchSettings) -> Weights:
    """The parcel's part of the cost."""
    return Weights(
        waiting=settings.waiting[parcel.priority],
        lateness=settings.lateness[parcel.priority],
        due_s=(parcel.due_at - now).total_seconds(),
        rank=RANK[parcel.priority.value],
    )


def breakdown(
    weights: Weights, arrive_s: float, energy_wh: float, use: float, settings: DispatchSettings
) -> Mapping[str, float]:
    """The cost by its parts; the sum is the cost."""
    return {
        "time": weights.waiting * arrive_s / 60.0,
        "lateness": weights.lateness * max(0.0, arrive_s - weights.due_s) / 60.0,
        "energy": settings.energy_per_wh * energy_wh,
        "vehicle": use,
    }
