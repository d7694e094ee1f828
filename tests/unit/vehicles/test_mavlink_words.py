"""Words that prove something are the autopilot's own."""

from __future__ import annotations

import pytest

from missions.model import DropDevice
from vehicles.mavlink.profiles.profile import PROFILES
from vehicles.mavlink.words import ARDUPILOT, SILENT

SAID = (
    "Gripper load releasing",
    "Gripper load released",
    "Releasing the gripper",
    "Winch: lowering to 5.0 m",
    "Reached maximum descent",
    "Return path started",
    "Flight plan received",
)


@pytest.mark.parametrize(
    ("device", "text", "lets_go"),
    [
        (DropDevice.GRIPPER, "Gripper load releasing", True),
        (DropDevice.GRIPPER, "Gripper Released", False),
        (DropDevice.GRIPPER, "Releasing the gripper", False),
        (DropDevice.PAYLOAD_PLACE, "payload place: Releasing the gripper", True),
        (DropDevice.WINCH, "Winch: lowering to 5.0 m", True),
        (DropDevice.WINCH, "Winch: raising", False),
    ],
)
def test_a_device_is_believed_by_its_driver(device: DropDevice, text: str, lets_go: bool) -> None:
    assert ARDUPILOT.releases(device, text) is lets_go


def test_one_that_says_nothing_is_believed_in_nothing() -> None:
    words = PROFILES["px4"].words
    assert words is SILENT
    for text in (*SAID, ""):
        believed = [words.opens, words.has_opened, words.denies, words.jumps, words.writes]
        assert not any(believe(text) for believe in believed)
        assert not any(words.releases(device, text) for device in DropDevice)


def test_the_rover_speaks_as_ardupilot_does() -> None:
    assert PROFILES["ardurover"].words is ARDUPILOT
    assert ARDUPILOT.writes("Flight plan received")
    assert not ARDUPILOT.writes("No Flight plan received")
