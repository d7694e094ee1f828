"""What a way is asked for by, and what is answered.

Owns plain data. Must not search.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from geofence.errors import PathError
from geofence.frames import LatLon
from geofence.turns import Turns
from geofence.zones import VehicleClass, VehicleTraits


@dataclass(frozen=True, slots=True)
class RouteRequest:
    """From start to goal between two heights, any time from enter to leave."""

    start: LatLon
    goal: LatLon
    vehicle_class: VehicleClass
    low_amsl_m: float
    high_amsl_m: float
    enter: datetime
    leave: datetime
    margin_m: float
    permits: frozenset[str] = frozenset()
    traits: VehicleTraits | None = None
    """What more is known of the vehicle, as in FlightPath."""
    turns: Turns | None = None
    """How it flies through corners; None: it stops there."""

    def __post_init__(self) -> None:
        if not self.low_amsl_m <= self.high_amsl_m:
            raise PathError(
                f"route: low_amsl_m {self.low_amsl_m} is above high_amsl_m {self.high_amsl_m}"
            )


@dataclass(frozen=True, slots=True)
class Route:
    """The way: start, turning points, goal. Length in metres along geodesics."""

    points: tuple[LatLon, ...]
    length_m: float


@dataclass(frozen=True, slots=True)
class NoRoute:
    """Why there is none.

    `depth_m` is how deep in metres the margin of an end, or of the straight line where zones close
    the way, reaches into the worst of `zone_ids`. `reason` says it all.
    """

    reason: str
    zone_ids: tuple[str, ...]
    depth_m: float
