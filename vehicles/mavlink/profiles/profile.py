"""A profile: everything that an autopilot does its own way.

Owns the type and the lookup by name. Must not know a session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from missions.model import AirMission
from vehicles.errors import ConfigurationError
from vehicles.mavlink import baseline, items
from vehicles.mavlink.baseline import Requirement
from vehicles.mavlink.items import Plan
from vehicles.mavlink.modes import Modes
from vehicles.mavlink.profiles import arducopter
from vehicles.mavlink.settings import MavlinkVehicle

_MULTIROTORS = frozenset({2, 3, 4, 13, 14, 15, 29, 35})
"""MAV_TYPE: quad, coaxial, helicopter, hexa, octo, tri, dodeca and deca rotor."""
_ARDUPILOT = 3


@dataclass(frozen=True, slots=True)
class Profile:
    """One autopilot. `what` names it in a reason; `autopilot` is MAV_AUTOPILOT."""

    name: str
    what: str
    autopilot: int
    vehicle_types: frozenset[int]
    modes: Modes
    requirements: Callable[[MavlinkVehicle], tuple[Requirement, ...]]
    translate: Callable[[AirMission], Plan]
    """Raises ValueError naming the item that cannot be flown."""

    def stranger(self, autopilot: int | None, vehicle_type: int | None) -> str:
        """Why the vehicle that answers is not of this profile; empty where it is or is unknown."""
        if autopilot is None or vehicle_type is None:
            return ""
        if autopilot == self.autopilot and vehicle_type in self.vehicle_types:
            return ""
        return f"not {self.what} (autopilot {autopilot}, type {vehicle_type})"


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            "arducopter",
            "an ArduPilot multirotor",
            _ARDUPILOT,
            _MULTIROTORS,
            arducopter.MODES,
            baseline.requirements,
            items.translate,
        ),
    )
}


def find_profile(vehicle: MavlinkVehicle) -> Profile:
    """The profile that a vehicle is enrolled with. Raises ConfigurationError naming it."""
    profile = PROFILES.get(vehicle.profile)
    if profile is None:
        known = ", ".join(PROFILES)
        raise ConfigurationError(
            vehicle.vehicle_id, f"profile {vehicle.profile!r} is not known: use one of {known}"
        )
    return profile
