"""A profile: everything that an autopilot does its own way.

Owns the type and the lookup by name. Must not know a session.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pymavlink.dialects.v20 import ardupilotmega as mav

from missions.model import AirMission, DropDevice, Mission
from vehicles.errors import ConfigurationError
from vehicles.mavlink import baseline, commands, failsafes, items
from vehicles.mavlink.baseline import Requirement
from vehicles.mavlink.driver import Driver
from vehicles.mavlink.encoding import CAST, Encoding
from vehicles.mavlink.items import Plan
from vehicles.mavlink.mission_transfer import ITEMS_AHEAD
from vehicles.mavlink.modes import Modes
from vehicles.mavlink.profiles import (
    arducopter,
    ardurover,
    ardurover_rounds,
    px4,
    px4_items,
    px4_rules,
)
from vehicles.mavlink.settings import MavlinkVehicle
from vehicles.mavlink.words import ARDUPILOT, SILENT, Words
from vehicles.port import Failsafes, RallyPlace

if TYPE_CHECKING:
    from vehicles.mavlink.flight import Flight
    from vehicles.mavlink.state import VehicleState

_MULTIROTORS = frozenset({2, 3, 4, 13, 14, 15, 29, 35})
"""MAV_TYPE: quad, coaxial, helicopter, hexa, octo, tri, dodeca and deca rotor."""
_ROVERS = frozenset({10})
_ARDUPILOT, _PX4 = 3, 12
_GRIPPER = frozenset({DropDevice.GRIPPER})


@dataclass(frozen=True, slots=True)
class Reading:
    """How an autopilot tells what it does by itself: parameters, their meaning, rally points."""

    names: tuple[str, ...]
    meaning: Callable[[Mapping[str, float | None], Sequence[RallyPlace]], Failsafes | None]
    rally_total: str = ""
    """The parameter that counts the rally points; empty: there is none, the list is asked for."""
    rally_rules: tuple[str, ...] = ()
    """Parameters without which rally points mean nothing."""


_ARDUCOPTER_READING = Reading(
    failsafes.NAMES, failsafes.failsafes_of, failsafes.RALLY_TOTAL, failsafes.RALLY_RULES
)


def air_mission(mission: Mission) -> AirMission | None:
    """What flies: an air mission, as it stands."""
    return mission if isinstance(mission, AirMission) else None


async def set_current(driver: Driver, seq: int) -> None:
    """Make an item the current one by DO_SET_MISSION_CURRENT; MISSION_CURRENT shows whether."""
    await driver.command(commands.set_current(seq))


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
    reading: Reading = _ARDUCOPTER_READING
    encoding: Encoding = CAST
    """Of parameters on the wire."""
    rates: Mapping[int, float] = field(default_factory=lambda: commands.LEAN_RATES)
    """Message id to seconds between two."""
    rewind: Callable[[Driver, int], Awaitable[None]] = set_current
    """Makes an item the current one."""
    counts_all: bool = False
    """It has no home item that MISSION_CURRENT.total leaves out."""
    ground: bool = False
    """It drives: nothing of height is asked of it."""
    accept: Callable[[Mission], AirMission | None] = air_mission
    """A mission in the items that are watched; None: of another kind. Raises ValueError."""
    devices: frozenset[DropDevice] = frozenset(DropDevice)
    """The drop devices that it can work."""
    fences: bool = False
    """Fences can be put on board and proved."""
    shrugged: frozenset[int] = frozenset({mav.MAV_MISSION_INVALID_SEQUENCE})
    """MISSION_ACK results that do not end an upload."""
    packs: bool = False
    """It serves its parameters as one packed file by MAVLink FTP."""
    items_ahead: int = ITEMS_AHEAD
    """How many items of a transfer are under way at once; 1 where nothing else was tried."""
    words: Words = ARDUPILOT
    """The texts in which it tells what it has no message for."""
    over: Callable[[VehicleState, Flight | None, float], bool] | None = None
    """Whether it stands armed at the end of its mission; None: it disarms by itself."""

    def taken(self, mission: Mission) -> AirMission | str:
        """A mission that is of this profile's kind, or why it is not."""
        try:
            taken = self.accept(mission)
        except ValueError as error:
            return str(error)
        return taken or ("not a ground mission" if self.ground else "not an air mission")

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
            fences=True,
            packs=True,
        ),
        Profile(
            "px4",
            "a PX4 multicopter",
            _PX4,
            _MULTIROTORS,
            px4.MODES,
            px4_rules.requirements,
            px4_items.translate,
            Reading(px4_rules.FAILSAFE_NAMES, px4_rules.failsafes_of),
            px4_rules.ENCODING,
            px4.RATES,
            px4.rewind,
            counts_all=True,
            devices=_GRIPPER,
            shrugged=px4.SHRUGGED,
            words=SILENT,
            items_ahead=1,
        ),
        Profile(
            "ardurover",
            "an ArduPilot ground rover",
            _ARDUPILOT,
            _ROVERS,
            ardurover.MODES,
            ardurover.requirements,
            ardurover_rounds.translate,
            Reading((), ardurover.no_failsafes),
            ground=True,
            devices=_GRIPPER,
            accept=ardurover_rounds.accept,
            packs=True,
            over=ardurover.over,
        ),
    )
}


def find_profile(vehicle: MavlinkVehicle) -> Profile:
    """The profile that a vehicle is enrolled with.

    Raises ConfigurationError naming it, the drop device that its autopilot cannot work, or a fence.
    """
    profile = PROFILES.get(vehicle.profile)
    if profile is None:
        known = ", ".join(PROFILES)
        raise ConfigurationError(
            vehicle.vehicle_id, f"profile {vehicle.profile!r} is not known: use one of {known}"
        )
    device = vehicle.capability.drop_device
    if device is not None and device not in profile.devices:
        known = ", ".join(sorted(known.value for known in profile.devices))
        raise ConfigurationError(
            vehicle.vehicle_id,
            f"drop_device {device.value!r} is not for profile {vehicle.profile!r}: use {known}",
        )
    if vehicle.onboard_fence and not profile.fences:
        raise ConfigurationError(
            vehicle.vehicle_id,
            f"onboard_fence is not for profile {vehicle.profile!r}: leave it out",
        )
    return profile
