"""What is enrolled, and the figures that a session waits by.

Owns the settings types. Every time is in seconds of the injected clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from geofence.frames import LatLon
from vehicles.errors import ConfigurationError
from vehicles.mavlink.remote_id import RemoteId
from vehicles.mavlink.signing import SigningKey
from vehicles.port import Capability


@dataclass(frozen=True, slots=True)
class MavlinkVehicle:
    """One enrolled drone. Its identity is (link, sysid): a sysid may live on many links.

    `home` and `home_amsl_m` are the pad; the vehicle's own home must lie within the tolerances
    of `MavlinkSettings`. `cruise_alt_home_m` is what a plain RTL climbs to. Raises
    ConfigurationError naming the field.
    """

    vehicle_id: str
    link: str
    sysid: int
    capability: Capability
    home: LatLon
    home_amsl_m: float
    gcs_timeout_s: float = 5.0
    cruise_alt_home_m: float = 60.0
    component: int = 1
    profile: str = "arducopter"
    """What autopilot it is: a name of `profiles.PROFILES`."""
    remote_id: RemoteId | None = None
    """Where the drone wants its operator told; None: nothing is sent."""
    onboard_fence: bool = False
    """Every flight is given its own part of the zones as a fence, proven before the start."""
    signing_key: SigningKey | None = None
    """Where it is set, this vehicle is spoken to and believed by signed frames only."""

    def __post_init__(self) -> None:
        if not 1 <= self.sysid <= 254:
            raise ConfigurationError(
                self.vehicle_id,
                f"sysid {self.sysid} is out of range: 1 to 254 (255 is the ground station)",
            )
        if not 2.0 <= self.gcs_timeout_s <= 120.0:
            raise ConfigurationError(
                self.vehicle_id, f"gcs_timeout_s {self.gcs_timeout_s} is out of range: 2 to 120"
            )
        if not 5.0 <= self.cruise_alt_home_m <= 500.0:
            raise ConfigurationError(
                self.vehicle_id,
                f"cruise_alt_home_m {self.cruise_alt_home_m} is out of range: 5 to 500",
            )


@dataclass(frozen=True, slots=True)
class MavlinkSettings:
    """Figures that hold for every vehicle of a fleet."""

    tick_s: float = 0.25
    answer_s: float = 1.5
    """How long an answer may take before a request is sent again."""
    heartbeat_s: float = 1.0
    stale_after_s: float = 3.5
    offline_after_s: float = 10.0
    lost_after_s: float | None = None
    """An armed vehicle that is silent for longer is lost; None: once it can fly no longer."""
    home_tolerance_m: float = 10.0
    home_tolerance_vertical_m: float = 15.0
    apply_baseline: bool = True
    mode_timeout_s: float = 6.0
    divert_timeout_s: float = 20.0
    """How long a vehicle may take to brake, turn and be seen going to the point."""
    arm_timeout_s: float = 8.0
    takeoff_timeout_s: float = 25.0
    release_grace_s: float = 6.0
    """How long after the release item the vehicle's own word on it may still arrive."""
    load_attempts: int = 3
    adopt_timeout_s: float = 20.0
