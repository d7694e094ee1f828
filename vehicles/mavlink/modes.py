"""An autopilot's modes by number, and what they mean here; MAVLink's own state numbers.

Owns the names only. Sources: MAVLink common (MAV_STATE, MAV_LANDED_STATE); each `Modes` names its
own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

ARMED_BIT = 128
BOOTING_STATES = frozenset({0, 1, 2})
STATE_CRITICAL = 5
STATE_EMERGENCY = 6
FAILSAFE_STATES = frozenset({STATE_CRITICAL, STATE_EMERGENCY})

ON_GROUND = 1
IN_AIR = 2
TAKING_OFF = 3
LANDING = 4
AIRBORNE = frozenset({IN_AIR, TAKING_OFF, LANDING})


def whole_number(mode: int) -> tuple[float, ...]:
    """DO_SET_MODE's second parameter where a mode is one number, as ArduPilot has it."""
    return (float(mode),)


@dataclass(frozen=True, slots=True)
class Modes:
    """The modes of one autopilot: numbers as in HEARTBEAT.custom_mode."""

    names: Mapping[int, str]
    mission: int
    """It flies its mission."""
    return_path: int | None
    """It flies the mission's own return path; None: it has no such mode."""
    hold: tuple[int, ...]
    """Modes to hold in, the best first."""
    holding: frozenset[int]
    """Every mode that holds the place."""
    rtl: int
    """It flies home by its own way."""
    returning: frozenset[int]
    land: int
    """It lands where it is."""
    resting: int
    """For a vehicle on the ground that must not be on its mission while that is rewritten."""
    words: Callable[[int], tuple[float, ...]] = whole_number
    """DO_SET_MODE's parameters behind the first."""
    guided: int | None = None
    """It flies to a point that it is told by DO_REPOSITION; None: it has no such mode."""

    @property
    def on_mission(self) -> frozenset[int]:
        """The modes in which it follows the mission's items."""
        path = self.return_path
        return frozenset({self.mission} if path is None else {self.mission, path})

    @property
    def homeward(self) -> frozenset[int]:
        """The modes from which no release is reached any more."""
        return self.returning | {self.land}

    def name(self, mode: int | None) -> str:
        """A mode's name, its number where it has none, empty where it is unknown."""
        return "" if mode is None else self.names.get(mode, f"mode {mode}")
