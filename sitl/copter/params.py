"""ArduPilot parameters of the light copter.

Owns the table of names, MAVLink types and defaults (read from ArduCopter 4.6.2 by
PARAM_REQUEST_LIST) and the values set over it. Only parameters that this copter obeys, or
that a ground station audits before flight, are here; the real program has about 1,400.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping

INT8, INT16, INT32, REAL32 = 2, 4, 6, 9
"""MAV_PARAM_TYPE values."""

_TABLE: tuple[tuple[str, float, int], ...] = (
    ("AHRS_EKF_TYPE", 3, INT8),
    ("ANGLE_MAX", 3000, INT16),
    ("ARMING_CHECK", 1, INT32),
    ("ARMING_MIS_ITEMS", 0, INT32),
    ("ARMING_NEED_LOC", 0, INT8),
    ("ARMING_OPTIONS", 0, INT32),
    ("ARMING_RUDDER", 2, INT8),
    ("AUTO_OPTIONS", 0, INT32),
    ("AVD_ENABLE", 0, INT8),
    ("BATT_ARM_MAH", 0, INT32),
    ("BATT_ARM_VOLT", 0, REAL32),
    ("BATT_CAPACITY", 3300, INT32),
    ("BATT_CRT_MAH", 0, REAL32),
    ("BATT_CRT_VOLT", 0, REAL32),
    ("BATT_FS_CRT_ACT", 0, INT8),
    ("BATT_FS_LOW_ACT", 0, INT8),
    ("BATT_FS_VOLTSRC", 0, INT8),
    ("BATT_LOW_MAH", 0, REAL32),
    ("BATT_LOW_TIMER", 10, INT8),
    ("BATT_LOW_VOLT", 10.5, REAL32),
    ("BATT_MONITOR", 4, INT8),
    ("BATT_OPTIONS", 0, INT32),
    ("BATT_SERIAL_NUM", -1, INT32),
    ("DISARM_DELAY", 10, INT8),
    ("FENCE_ACTION", 1, INT8),
    ("FENCE_ALT_MAX", 100, REAL32),
    ("FENCE_ALT_MIN", -10, REAL32),
    ("FENCE_AUTOENABLE", 0, INT8),
    ("FENCE_ENABLE", 0, INT8),
    ("FENCE_MARGIN", 2, REAL32),
    ("FENCE_OPTIONS", 0, INT16),
    ("FENCE_RADIUS", 300, REAL32),
    ("FENCE_TOTAL", 0, INT8),
    ("FENCE_TYPE", 7, INT8),
    ("FLTMODE_GCSBLOCK", 0, INT32),
    ("FORMAT_VERSION", 120, INT16),
    ("FRAME_CLASS", 1, INT8),
    ("FRAME_TYPE", 0, INT8),
    ("FS_CRASH_CHECK", 1, INT8),
    ("FS_DR_ENABLE", 2, INT8),
    ("FS_DR_TIMEOUT", 30, INT16),
    ("FS_EKF_ACTION", 1, INT8),
    ("FS_EKF_FILT", 5, REAL32),
    ("FS_EKF_THRESH", 0.8, REAL32),
    ("FS_GCS_ENABLE", 0, INT8),
    ("FS_GCS_TIMEOUT", 5, REAL32),
    ("FS_OPTIONS", 16, INT32),
    ("FS_THR_ENABLE", 1, INT8),
    ("FS_THR_VALUE", 975, INT16),
    ("FS_VIBE_ENABLE", 1, INT8),
    ("GRIP_AUTOCLOSE", 0, REAL32),
    ("GRIP_ENABLE", 0, INT8),
    ("GRIP_GRAB", 1900, INT16),
    ("GRIP_NEUTRAL", 1500, INT16),
    ("GRIP_RELEASE", 1100, INT16),
    ("GRIP_TYPE", 0, INT8),
    ("GUID_OPTIONS", 0, INT32),
    ("GUID_TIMEOUT", 3, REAL32),
    ("INITIAL_MODE", 0, INT8),
    ("LAND_ALT_LOW", 1000, INT16),
    ("LAND_REPOSITION", 1, INT8),
    ("LAND_SPEED", 50, INT16),
    ("LAND_SPEED_HIGH", 0, INT16),
    ("LOG_BACKEND_TYPE", 1, INT8),
    ("MIS_OPTIONS", 0, INT16),
    ("MIS_RESTART", 0, INT8),
    ("MIS_TOTAL", 0, INT16),
    ("MOT_SPOOL_TIME", 0.5, REAL32),
    ("OA_MARGIN_MAX", 5, REAL32),
    ("OA_TYPE", 0, INT8),
    ("PLDP_DELAY", 0, REAL32),
    ("PLDP_RNG_MAX", 0, REAL32),
    ("PLDP_SPEED_DN", 0, REAL32),
    ("PLDP_THRESH", 0.9, REAL32),
    ("RALLY_INCL_HOME", 1, INT8),
    ("RALLY_LIMIT_KM", 0.3, REAL32),
    ("RALLY_TOTAL", 0, INT8),
    ("RTL_ALT", 1500, INT32),
    ("RTL_ALT_FINAL", 0, INT16),
    ("RTL_ALT_TYPE", 0, INT8),
    ("RTL_CLIMB_MIN", 0, INT16),
    ("RTL_CONE_SLOPE", 3, REAL32),
    ("RTL_LOIT_TIME", 5000, INT32),
    ("RTL_OPTIONS", 0, INT32),
    ("RTL_SPEED", 0, INT16),
    ("SCHED_LOOP_RATE", 400, INT16),
    ("SERVO9_FUNCTION", 0, INT16),
    ("SR0_ADSB", 0, INT16),
    ("SR0_EXTRA1", 0, INT16),
    ("SR0_EXTRA2", 0, INT16),
    ("SR0_EXTRA3", 0, INT16),
    ("SR0_EXT_STAT", 0, INT16),
    ("SR0_PARAMS", 0, INT16),
    ("SR0_POSITION", 0, INT16),
    ("SR0_RAW_CTRL", 0, INT16),
    ("SR0_RAW_SENS", 0, INT16),
    ("SR0_RC_CHAN", 0, INT16),
    ("STAT_BOOTCNT", 1, INT16),
    ("SYSID_ENFORCE", 0, INT8),
    ("SYSID_MYGCS", 255, INT16),
    ("SYSID_THISMAV", 1, INT16),
    ("TELEM_DELAY", 0, INT8),
    ("TERRAIN_ENABLE", 1, INT8),
    ("WINCH_OPTIONS", 7, INT16),
    ("WINCH_POS_P", 1, REAL32),
    ("WINCH_RATE_MAX", 1, REAL32),
    ("WINCH_TYPE", 0, INT8),
    ("WPNAV_ACCEL", 250, REAL32),
    ("WPNAV_ACCEL_C", 0, REAL32),
    ("WPNAV_ACCEL_Z", 100, REAL32),
    ("WPNAV_JERK", 1, REAL32),
    ("WPNAV_RADIUS", 200, REAL32),
    ("WPNAV_RFND_USE", 1, INT8),
    ("WPNAV_SPEED", 1000, REAL32),
    ("WPNAV_SPEED_DN", 150, REAL32),
    ("WPNAV_SPEED_UP", 250, REAL32),
    ("WPNAV_TER_MARGIN", 10, REAL32),
    ("WP_YAW_BEHAVIOR", 2, INT8),
)

_GROUPS: tuple[tuple[str, str], ...] = (
    ("GRIP_", "GRIP_ENABLE"),
    ("WINCH_", "WINCH_TYPE"),
    ("BATT_", "BATT_MONITOR"),
)
"""Prefixes hidden while their enabling parameter is zero (AP_PARAM_FLAG_ENABLE)."""

_READ_ONLY = frozenset({"MIS_TOTAL", "FENCE_TOTAL", "RALLY_TOTAL"})

_LIMITS = {INT8: (-128, 127), INT16: (-32768, 32767), INT32: (-(2**31), 2**31 - 1)}


class Params:
    """Values by ArduPilot's names; unknown names raise ``KeyError`` on construction."""

    def __init__(self, overrides: Mapping[str, float]) -> None:
        self._types = {name: kind for name, _, kind in _TABLE}
        self._values = {name: default for name, default, _ in _TABLE}
        for name, value in overrides.items():
            if name not in self._types:
                raise KeyError(f"{name} is not a parameter of the light copter")
            self._values[name] = self._cast(name, float(value))
        self._defaults = dict(self._values)
        self.changes = 0

    def __getitem__(self, name: str) -> float:
        return self._values[name]

    def integer(self, name: str) -> int:
        """The value as an integer (bit masks, enumerations)."""
        return int(self._values[name])

    def default(self, name: str) -> float:
        """What it was made with, as a ``--defaults`` file makes a default of what it names."""
        return self._defaults[name]

    def kind(self, name: str) -> int:
        """The MAV_PARAM_TYPE."""
        return self._types[name]

    def visible(self) -> list[str]:
        """Names in list order, without groups that are switched off."""
        return [name for name in self._values if self.has(name)]

    def has(self, name: str) -> bool:
        """Whether a ground station can see the parameter now."""
        if name not in self._values:
            return False
        return all(
            name == enable or not name.startswith(prefix) or self._values[enable] != 0
            for prefix, enable in _GROUPS
        )

    def write(self, name: str, value: float) -> bool:
        """Set as PARAM_SET does: rounded to its type; False if unknown or not finite."""
        if not self.has(name) or not math.isfinite(value):
            return False
        if name not in _READ_ONLY:
            self.changes += 1
            self._values[name] = self._cast(name, value)
        return True

    def count(self, name: str, value: int) -> None:
        """Keep one of the read-only totals."""
        self.changes += 1
        self._values[name] = float(value)

    def _cast(self, name: str, value: float) -> float:
        kind = self._types[name]
        if kind == REAL32:
            packed: float = struct.unpack("<f", struct.pack("<f", value))[0]
            return packed
        low, high = _LIMITS[kind]
        return float(min(max(round(value), low), high))
