"""What a flight is asked for: one stop or several, and by which drone.

Owns the planning request of air missions. Must not plan.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from geofence.frames import LatLon, geodesic_m
from geofence.zones import VehicleTraits
from missions.energy import MultirotorModel
from missions.errors import RequestError
from missions.model import DropDevice
from missions.plan_flown import DEFAULT_FLIGHT_RULES, FlightRules


@dataclass(frozen=True, slots=True)
class FlightStop:
    """Where one parcel leaves the drone. `landing`: on the ground, not from the air."""

    parcel_id: str
    weight_kg: float
    destination: LatLon
    ground_amsl_m: float | None = None
    """None: the ground of the surroundings, or else the height of home."""
    landing: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight_kg) and self.weight_kg >= 0.0):
            raise RequestError("weight_kg", f"{self.weight_kg} must not be negative")


@dataclass(frozen=True, slots=True)
class FlightRequest:
    """One flight: one parcel, and `further` ones behind it in this order.

    Raises RequestError for numbers that make no sense.
    """

    mission_id: str
    vehicle_id: str
    home: LatLon
    home_amsl_m: float
    parcel_id: str
    weight_kg: float
    destination: LatLon
    device: DropDevice
    cruise_alt_home_m: float
    cruise_speed_mps: float
    depart_at: datetime
    destination_ground_amsl_m: float | None = None
    """None: the ground of the surroundings, or else the height of home."""
    rules: FlightRules = DEFAULT_FLIGHT_RULES
    model: MultirotorModel = field(default_factory=MultirotorModel)
    permits: frozenset[str] = frozenset()
    traits: VehicleTraits | None = None
    """What more is known of the vehicle, for zones that bind by it."""
    landing: bool = False
    """Whether the first parcel leaves on the ground."""
    further: tuple[FlightStop, ...] = ()

    def __post_init__(self) -> None:
        for name in ("cruise_alt_home_m", "cruise_speed_mps"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise RequestError(name, f"{value} must be a positive number")
        stops = self.stops
        if not math.isfinite(self.home_amsl_m):
            raise RequestError("home_amsl_m", f"{self.home_amsl_m} is not finite")
        if self.depart_at.tzinfo is None:
            raise RequestError("depart_at", "needs a time zone")
        if len({stop.parcel_id for stop in stops}) < len(stops):
            raise RequestError("further", "two stops are of the same parcel")
        if self.device is not DropDevice.GRIPPER and any(stop.landing for stop in stops):
            raise RequestError("landing", f"a {self.device.value} lets nothing go on the ground")

    @property
    def stops(self) -> tuple[FlightStop, ...]:
        """All of them, in order."""
        first = FlightStop(
            self.parcel_id,
            self.weight_kg,
            self.destination,
            self.destination_ground_amsl_m,
            self.landing,
        )
        return (first, *self.further)

    @property
    def places(self) -> tuple[LatLon, ...]:
        """Home, then every stop."""
        return (self.home, *(stop.destination for stop in self.stops))

    @property
    def loads(self) -> dict[str, float]:
        """Kilograms by parcel id."""
        return {stop.parcel_id: stop.weight_kg for stop in self.stops}

    @property
    def direct_m(self) -> float:
        """The way out over all stops on straight lines."""
        return sum(geodesic_m(start, end) for start, end in pairwise(self.places))
