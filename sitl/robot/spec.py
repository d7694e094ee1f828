"""What a simulated robot is: figures only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sitl.robot.door import Customer


@dataclass(frozen=True, slots=True)
class RobotSpec:
    """One robot. Times in simulated seconds.

    `pins` holds what the customer of a parcel types at a hand-over with PIN; a customer who is
    not listed knows the right one. `customer_delay_s` is how long customers take to come.
    """

    vehicle_id: str
    manufacturer: str
    serial: str
    start_lat_deg: float
    start_lon_deg: float
    speed_mps: float = 1.6
    customer_delay_s: float = 20.0
    pick_duration_s: float = 15.0
    drop_duration_s: float = 15.0
    battery_pct: float = 100.0
    range_m: float = 20_000.0
    charge_pct_per_s: float = 0.05
    charge_radius_m: float = 60.0
    state_interval_s: float = 5.0
    charges_when_told: bool = False
    """It wants startCharging and stopCharging, and takes no order while it charges."""
    heading_rad: float = 0.0
    pins: Mapping[str, str] = field(default_factory=dict)
    customers: Mapping[str, Customer] = field(default_factory=dict)
    """By parcel, of robots that have a door; who is not listed comes in time and knows the PIN."""
    trajectories: bool = True
    """Whether it says that it follows trajectories."""
    version: str = "2.1.0"
    """What it speaks: 2.0 and 2.1 with the same words, or 3.0."""
    zone_types: tuple[str, ...] = ("BLOCKED", "SPEED_LIMIT", "RELEASE")
    """Zones that it keeps to; of version 3 alone."""

    @property
    def three(self) -> bool:
        """Whether it speaks version 3."""
        return self.version.startswith("3.")

    def __post_init__(self) -> None:
        if not self.version.startswith(("2.", "3.")):
            raise ValueError(f"{self.vehicle_id}: version {self.version!r} is neither 2.x nor 3.x")
        if self.speed_mps <= 0 or self.range_m <= 0 or self.state_interval_s <= 0:
            raise ValueError(
                f"{self.vehicle_id}: speed_mps, range_m and state_interval_s must be positive"
            )
