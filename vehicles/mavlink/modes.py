"""ArduCopter's modes and states by number, and what they mean here.

Owns the names only. Source: ArduCopter/mode.h (Mode::Number), MAVLink common (MAV_STATE,
MAV_LANDED_STATE).
"""

from __future__ import annotations

AUTO = 3
GUIDED = 4
LOITER = 5
RTL = 6
LAND = 9
POSHOLD = 16
BRAKE = 17
SMART_RTL = 21
AUTO_RTL = 27

NAMES = {
    0: "STABILIZE", 1: "ACRO", 2: "ALT_HOLD", AUTO: "AUTO", GUIDED: "GUIDED", LOITER: "LOITER",
    RTL: "RTL", 7: "CIRCLE", LAND: "LAND", 11: "DRIFT", 13: "SPORT", 14: "FLIP", 15: "AUTOTUNE",
    POSHOLD: "POSHOLD", BRAKE: "BRAKE", 18: "THROW", 19: "AVOID_ADSB", 20: "GUIDED_NOGPS",
    SMART_RTL: "SMART_RTL", 22: "FLOWHOLD", 23: "FOLLOW", 24: "ZIGZAG", 25: "SYSTEMID",
    26: "AUTOROTATE", AUTO_RTL: "AUTO_RTL", 28: "TURTLE",
}  # fmt: skip

HOLDING = frozenset({BRAKE, LOITER, POSHOLD, GUIDED})
RETURNING = frozenset({RTL, SMART_RTL, AUTO_RTL})
ON_MISSION = frozenset({AUTO, AUTO_RTL})

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


def name(mode: int | None) -> str:
    """A mode's name, its number where it has none, empty where it is unknown."""
    return "" if mode is None else NAMES.get(mode, f"mode {mode}")
