"""How an autopilot puts a parameter's value into the float of PARAM_VALUE and PARAM_SET.

Owns the two encodings of the MAVLink parameter protocol. Must not send.

ArduPilot converts every value to a float, whatever its type ("C cast"). PX4 puts the four bytes of
an integer where the float stands ("bytewise"): 2 then reads as 2.8e-45, and -1 as not a number.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Protocol

from pymavlink.dialects.v20 import ardupilotmega as mav

from vehicles.mavlink.messages import ParamValue

_INTEGERS = {mav.MAV_PARAM_TYPE_INT32: "<i", mav.MAV_PARAM_TYPE_UINT32: "<I"}


class Encoding(Protocol):
    """Values to and from the wire."""

    def value_of(self, message: ParamValue) -> float:
        """The value that a PARAM_VALUE tells."""

    def wire(self, name: str, value: float) -> tuple[float, int]:
        """The float and the MAV_PARAM_TYPE that a PARAM_SET carries."""


@dataclass(frozen=True, slots=True)
class CastEncoding:
    """ArduPilot: the number itself, told as a 32-bit float."""

    def value_of(self, message: ParamValue) -> float:
        """The float as it stands."""
        return message.param_value

    def wire(self, name: str, value: float) -> tuple[float, int]:
        """The float as it stands; ArduPilot converts it to the parameter's own type."""
        del name
        return value, mav.MAV_PARAM_TYPE_REAL32


@dataclass(frozen=True, slots=True)
class BytewiseEncoding:
    """PX4: the bytes of an integer. `integers` names those among the parameters that are set.

    PX4 does not take a PARAM_SET of another type than the parameter's (mavlink_parameters.cpp).
    """

    integers: frozenset[str]

    def value_of(self, message: ParamValue) -> float:
        """By the type that the message names."""
        form = _INTEGERS.get(message.param_type)
        if form is None:
            return message.param_value
        return float(struct.unpack(form, struct.pack("<f", message.param_value))[0])

    def wire(self, name: str, value: float) -> tuple[float, int]:
        """The bytes of an integer for those that are one."""
        if name not in self.integers:
            return value, mav.MAV_PARAM_TYPE_REAL32
        bits = struct.unpack("<f", struct.pack("<i", round(value)))[0]
        return bits, mav.MAV_PARAM_TYPE_INT32


CAST = CastEncoding()
