"""Profiles: what a vehicle is enrolled as must be what answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from geofence.frames import LatLon
from geofence.zones import VehicleClass
from missions.model import DropDevice
from vehicles.errors import ConfigurationError
from vehicles.mavlink.profiles.profile import PROFILES, find_profile
from vehicles.mavlink.settings import MavlinkVehicle
from vehicles.port import Capability

VEHICLE = MavlinkVehicle(
    "D-1",
    "udpin:127.0.0.1:0",
    1,
    Capability(VehicleClass.MULTIROTOR, 2.0, 1, 10.0, 300.0, (0.4, 0.4, 0.4)),
    LatLon(60.0, 25.0),
    10.0,
)


@pytest.mark.parametrize(
    ("autopilot", "vehicle_type", "words"),
    [
        (3, 2, ""),
        (None, None, ""),
        (12, 2, r"not an ArduPilot multirotor (autopilot 12, type 2)"),
        (3, 10, r"not an ArduPilot multirotor (autopilot 3, type 10)"),
    ],
)
def test_a_copter_is_told_from_what_is_none(
    autopilot: int | None, vehicle_type: int | None, words: str
) -> None:
    assert PROFILES["arducopter"].stranger(autopilot, vehicle_type) == words


def test_a_profile_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(ConfigurationError, match=r"'ardusub' is not known: use one of .*px4"):
        find_profile(replace(VEHICLE, profile="ardusub"))


@pytest.mark.parametrize("profile", ["px4", "ardurover"])
def test_a_drop_device_that_an_autopilot_cannot_work_is_named(profile: str) -> None:
    fitted = replace(VEHICLE.capability, drop_device=DropDevice.WINCH)
    with pytest.raises(ConfigurationError, match=r"'winch' is not for profile .*: use gripper"):
        find_profile(replace(VEHICLE, profile=profile, capability=fitted))
    assert find_profile(replace(VEHICLE, capability=fitted)).name == "arducopter"


@pytest.mark.parametrize("profile", ["px4", "ardurover"])
def test_a_fence_on_board_is_for_arducopter_alone(profile: str) -> None:
    with pytest.raises(ConfigurationError, match="onboard_fence is not for profile"):
        find_profile(replace(VEHICLE, profile=profile, onboard_fence=True))
    assert find_profile(replace(VEHICLE, onboard_fence=True)).name == "arducopter"


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda p: p.name)
def test_the_modes_of_a_profile_are_named_and_make_sense(profile) -> None:
    modes = profile.modes
    used = {modes.mission, modes.rtl, modes.land, modes.resting, *modes.hold}
    used |= modes.holding | modes.returning
    assert used <= set(modes.names)
    assert set(modes.hold) <= modes.holding
    assert not modes.holding & modes.returning
    assert modes.mission not in modes.holding | modes.returning
