"""An autopilot's words that prove something: texts for which it has no message.

Owns the texts that a flight and its session look for; failsafes have `failsafe_words`. Must not
say what they prove: `flight` does. Sources of ArduPilot's, 4.6: AP_Gripper_Servo.cpp,
AP_Gripper_EPM.cpp, AP_Winch (Winch.cpp), ArduCopter/mode_auto.cpp (PayloadPlace::run, "Return
path started"), AP_Mission.cpp, GCS_MAVLink/MissionItemProtocol.cpp.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from missions.model import DropDevice


@dataclass(frozen=True, slots=True)
class Words:
    """Texts, or beginnings of them; an empty one is never said."""

    releasing: Mapping[DropDevice, tuple[str, ...]] = field(default_factory=dict)
    """Of a device that lets go, anywhere in a text."""
    opening: str = ""
    """A gripper that lets go, whether asked to or not."""
    opened: str = ""
    """The last that it says of it."""
    not_placed: tuple[str, ...] = ()
    """A payload place that goes up again without letting go."""
    return_path: str = ""
    """The mission jumped to its return path."""
    mission_written: str = ""
    """Somebody ended an upload."""

    def releases(self, device: DropDevice, text: str) -> bool:
        """Whether a text says that a device lets go."""
        return any(words in text for words in self.releasing.get(device, ()))

    def opens(self, text: str) -> bool:
        """Whether a text says that a gripper lets go."""
        return bool(self.opening) and self.opening in text

    def has_opened(self, text: str) -> bool:
        """Whether a text is the last that a gripper says of letting go."""
        return bool(self.opened) and text.startswith(self.opened)

    def denies(self, text: str) -> bool:
        """Whether a text says that a payload place went up again without letting go."""
        return any(words in text for words in self.not_placed)

    def jumps(self, text: str) -> bool:
        """Whether a text says that the mission jumped to its return path."""
        return bool(self.return_path) and text.startswith(self.return_path)

    def writes(self, text: str) -> bool:
        """Whether a text says that a mission was written."""
        return bool(self.mission_written) and text.startswith(self.mission_written)


_OPENING = "Gripper load releas"
ARDUPILOT = Words(
    releasing={
        DropDevice.GRIPPER: (_OPENING,),
        DropDevice.PAYLOAD_PLACE: (_OPENING, "Releasing the gripper"),
        DropDevice.WINCH: ("Winch: lowering",),
    },
    opening=_OPENING,
    opened="Gripper load released",
    not_placed=("Reached maximum descent", "rangefinder not enabled"),
    return_path="Return path started",
    mission_written="Flight plan received",
)
SILENT = Words()
"""Of an autopilot that says nothing of these, as PX4."""
