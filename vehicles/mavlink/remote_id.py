"""Remote ID: what the ground station owes a drone that broadcasts who flies it.

Owns the operator's part of ASTM F3411 / ASD-STAN EN 4709-002 as MAVLink's OPEN_DRONE_ID messages,
and when they are due. Must not know what the drone's own transmitter sends: its faults come back
as the drone's pre-arm words. ArduPilot (AP_OpenDroneID.cpp) refuses to arm, where DID_OPTIONS
bit 0 says so, when SYSTEM is older than 3 s or the operator's place was never told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from geofence.frames import LatLon
from vehicles.errors import ConfigurationError

SYSTEM_EVERY_S = 1.0
STATIC_EVERY_S = 3.0
"""ASTM F3411: static messages at least every 3 s."""
_EPOCH = datetime(2019, 1, 1, tzinfo=UTC)
"""Of the SYSTEM message's timestamp."""
_UNKNOWN_ALT_M = -1000.0
_EU_NUMBER = re.compile(r"[A-Z]{3}[0-9a-z]{13}")
_EU_SECRET = re.compile(r"[A-Z]{3}[0-9a-z]{13}-[0-9a-z]{3}")
_ANY = [0] * 20


class EuCategory(Enum):
    """Category of the operation in the EU."""

    UNDECLARED = mav.MAV_ODID_CATEGORY_EU_UNDECLARED
    OPEN = mav.MAV_ODID_CATEGORY_EU_OPEN
    SPECIFIC = mav.MAV_ODID_CATEGORY_EU_SPECIFIC
    CERTIFIED = mav.MAV_ODID_CATEGORY_EU_CERTIFIED


@dataclass(frozen=True, slots=True)
class RemoteId:
    """Who flies a drone, and from where.

    `operator_id` is the registration number, at most 20 characters of ASCII; in the EU the 16
    public ones: the three after the dash are secret (EN 4709-002) and are refused here.
    `operator` is where the controller's people are, `operator_alt_wgs84_m` its height above the
    ellipsoid; None: not known. `eu_class` is the C label, 0 to 6; None: undeclared. `serial` is
    the drone's serial number (CTA-2063-A) where its own transmitter does not tell it. Raises
    ConfigurationError naming the field.
    """

    operator_id: str
    operator: LatLon
    operator_alt_wgs84_m: float | None = None
    eu_category: EuCategory = EuCategory.UNDECLARED
    eu_class: int | None = None
    description: str = ""
    serial: str = ""

    def __post_init__(self) -> None:
        if _EU_SECRET.fullmatch(self.operator_id):
            raise ConfigurationError(
                "remote_id.operator_id",
                "the three characters after the dash are secret and must not be broadcast: give "
                f"{self.operator_id[:16]}",
            )
        declared = self.eu_category is not EuCategory.UNDECLARED
        if declared and not _EU_NUMBER.fullmatch(self.operator_id):
            raise ConfigurationError(
                "remote_id.operator_id",
                f"{self.operator_id!r} is not an EU operator number: three capitals of the "
                "country, then 13 digits or small letters",
            )
        if self.eu_class is not None and not (declared and 0 <= self.eu_class <= 6):
            raise ConfigurationError(
                "remote_id.eu_class", f"{self.eu_class} is no class: 0 to 6, with an eu_category"
            )
        for name, most in (("operator_id", 20), ("description", 23), ("serial", 20)):
            text = getattr(self, name)
            if not text.isascii() or len(text) > most:
                raise ConfigurationError(
                    f"remote_id.{name}", f"{text!r} is not at most {most} characters of ASCII"
                )
        if not self.operator_id:
            raise ConfigurationError("remote_id.operator_id", "is empty")


class RemoteIdSender:
    """When which message is due: SYSTEM every second, the others in turn. Time in, messages out."""

    def __init__(self, remote_id: RemoteId, system: int, component: int) -> None:
        self._remote_id = remote_id
        self._address = (system, component)
        self._system_s = self._static_s = -1e9

    def due(self, now_s: float, now: datetime) -> Iterator[Any]:
        """Messages to send at monotonic `now_s`, wall clock `now` (UTC)."""
        if now_s - self._system_s >= SYSTEM_EVERY_S:
            self._system_s = now_s
            yield self._system(now)
        if now_s - self._static_s >= STATIC_EVERY_S:
            self._static_s = now_s
            yield from self._static()

    def _system(self, now: datetime) -> Any:
        told = self._remote_id
        eu = told.eu_category is not EuCategory.UNDECLARED
        alt_m = told.operator_alt_wgs84_m
        return mav.MAVLink_open_drone_id_system_message(
            *self._address,
            _ANY,
            mav.MAV_ODID_OPERATOR_LOCATION_TYPE_FIXED,
            mav.MAV_ODID_CLASSIFICATION_TYPE_EU if eu else 0,
            round(told.operator.lat_deg * 1e7),
            round(told.operator.lon_deg * 1e7),
            1,
            0,
            _UNKNOWN_ALT_M,
            _UNKNOWN_ALT_M,
            told.eu_category.value,
            0 if told.eu_class is None else told.eu_class + 1,
            _UNKNOWN_ALT_M if alt_m is None else alt_m,
            int((now - _EPOCH).total_seconds()),
        )

    def _static(self) -> Iterator[Any]:
        told = self._remote_id
        yield mav.MAVLink_open_drone_id_operator_id_message(
            *self._address, _ANY, mav.MAV_ODID_OPERATOR_ID_TYPE_CAA, told.operator_id.encode()
        )
        if told.description:
            yield mav.MAVLink_open_drone_id_self_id_message(
                *self._address, _ANY, 0, told.description.encode()
            )
        if told.serial:
            yield mav.MAVLink_open_drone_id_basic_id_message(
                *self._address,
                _ANY,
                mav.MAV_ODID_ID_TYPE_SERIAL_NUMBER,
                mav.MAV_ODID_UA_TYPE_HELICOPTER_OR_MULTIROTOR,
                told.serial.encode().ljust(20, b"\0"),
            )
