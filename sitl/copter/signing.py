"""MAVLink 2 signing as ArduCopter does it on any link but its first serial port.

Owns the key and the signing timestamp of one copter over its reboots. With a key it signs what it
sends and ignores what is unsigned or wrongly signed. Rules from GCS_MAVLink/GCS_Signing.cpp: the
key comes by SETUP_SIGNING while disarmed and is kept; after a boot the timestamp starts a minute
after the one kept, and GPS time brings it up.
"""

from __future__ import annotations

from typing import Any

KEY_BYTES = 32
UNITS_PER_S = 100_000
EPOCH_UNIX_S = 1_420_070_400
_AFTER_BOOT = 60 * UNITS_PER_S


class LinkSigning:
    """The key in force, empty for none."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._kept = 0
        self._state: Any = None

    def power_up(self, mavlink: Any) -> None:
        """A boot: ``mavlink`` is the codec that speaks from now on."""
        if self._state is not None:
            self._kept = max(self._kept, self._state.timestamp)
        self._state = mavlink.signing
        self._start(self._kept + _AFTER_BOOT)

    def set_up(self, key: bytes, timestamp: int) -> None:
        """SETUP_SIGNING; zeros and timestamp 0 turn signing off."""
        off = not any(key) and timestamp == 0
        self._key = b"" if off else key
        self._start(timestamp + _AFTER_BOOT)

    def gps_time(self, unix_s: float) -> None:
        """GPS has told the time."""
        stamp = round((unix_s - EPOCH_UNIX_S) * UNITS_PER_S)
        self._state.timestamp = max(self._state.timestamp, stamp)

    def _start(self, timestamp: int) -> None:
        state = self._state
        state.secret_key = self._key or None
        state.sign_outgoing = bool(self._key)
        state.timestamp = max(state.timestamp, timestamp)
