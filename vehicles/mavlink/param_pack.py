"""ArduPilot's `@PARAM/param.pck`: every parameter in one file, decoded strictly.

Owns the format. Must not fetch it. Source: ArduPilot 4.6.2, AP_Filesystem/AP_Filesystem_Param.cpp.

A header of three 16-bit numbers (magic, parameters in the file, parameters of the vehicle), then
for each parameter: type and flags (4 bits each), how many letters its name begins with of the one
before, how many follow less one (4 bits each), those letters, the value, and its default where the
flag says so. Numbers are little-endian and as wide as their type. Up to three zeros stand before a
parameter whose value would lie across two of the blocks that the file is read in.

Values are exact: an integer above 2^24, which a PARAM_VALUE rounds, is whole here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum
from struct import Struct

from pymavlink.dialects.v20 import ardupilotmega as mav

MAGIC, MAGIC_WITH_DEFAULTS = 0x671B, 0x671C
HEADER = Struct("<HHH")
MAX_NAME = 16
_PADS = 3
_HAS_DEFAULT = 1
_TYPES: dict[int, tuple[int, Struct]] = {
    1: (mav.MAV_PARAM_TYPE_INT8, Struct("<b")),
    2: (mav.MAV_PARAM_TYPE_INT16, Struct("<h")),
    3: (mav.MAV_PARAM_TYPE_INT32, Struct("<i")),
    4: (mav.MAV_PARAM_TYPE_REAL32, Struct("<f")),
}


class PackFault(StrEnum):
    """What is wrong with a file."""

    MAGIC = "it does not begin as a parameter file does"
    COUNT = "its header counts more parameters than the vehicle has"
    CUT = "it ends within a parameter"
    PADDING = "more than three zeros stand before a parameter"
    TYPE = "a parameter has a type that is not known"
    FLAGS = "a parameter has flags that are not known"
    PREFIX = "a name begins with more letters than the name before it has"
    NAME = "a name is longer than 16 letters, or has other signs than letters, digits and _"
    TWICE = "a name stands twice"
    TRAILING = "something follows after the last parameter"


class ParamPackError(ValueError):
    """A file that is broken, with its fault and the place in bytes."""

    def __init__(self, fault: PackFault, at: int) -> None:
        super().__init__(f"{fault.value} (byte {at})")
        self.fault = fault
        self.at = at


@dataclass(frozen=True, slots=True)
class PackedParam:
    """One parameter; `kind` is its MAV_PARAM_TYPE. `default` is there where the file tells it."""

    name: str
    kind: int
    value: float
    default: float | None = None

    @property
    def told(self) -> float:
        """The value as a PARAM_VALUE tells it: in a 32-bit float."""
        return as_float32(self.value)


@dataclass(frozen=True, slots=True)
class ParamPack:
    """A whole file: its parameters in the vehicle's order, and how many the vehicle has."""

    params: tuple[PackedParam, ...]
    total: int
    with_defaults: bool = False


def as_float32(value: float) -> float:
    """The nearest 32-bit float."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def decode(data: bytes) -> ParamPack:
    """A file's bytes to its parameters. Raises ParamPackError."""
    if len(data) < HEADER.size:
        raise ParamPackError(PackFault.CUT, len(data))
    magic, count, total = HEADER.unpack_from(data)
    if magic not in (MAGIC, MAGIC_WITH_DEFAULTS):
        raise ParamPackError(PackFault.MAGIC, 0)
    if count > total:
        raise ParamPackError(PackFault.COUNT, 2)
    with_defaults = magic == MAGIC_WITH_DEFAULTS
    params: dict[str, PackedParam] = {}
    at, before = HEADER.size, b""
    for _ in range(count):
        at = _after_pads(data, at)
        begin, name, at = at, *_name(data, at, before)
        param, at = _param(data, begin, at, name, with_defaults=with_defaults)
        if param.name in params:
            raise ParamPackError(PackFault.TWICE, begin)
        params[param.name] = param
        before = name
    if at != len(data):
        raise ParamPackError(PackFault.TRAILING, at)
    return ParamPack(tuple(params.values()), total, with_defaults)


def _after_pads(data: bytes, at: int) -> int:
    for pads in range(_PADS + 1):
        if data[at + pads : at + pads + 1] != b"\0":
            return at + pads
    raise ParamPackError(PackFault.PADDING, at)


def _name(data: bytes, at: int, before: bytes) -> tuple[bytes, int]:
    """The name of the parameter at `at`, and where its value begins."""
    if at + 2 > len(data):
        raise ParamPackError(PackFault.CUT, len(data))
    common, more = data[at + 1] & 0xF, (data[at + 1] >> 4) + 1
    end = at + 2 + more
    if end > len(data):
        raise ParamPackError(PackFault.CUT, len(data))
    if common > len(before):
        raise ParamPackError(PackFault.PREFIX, at + 1)
    name = before[:common] + data[at + 2 : end]
    if len(name) > MAX_NAME or not name.replace(b"_", b"A").isalnum():
        raise ParamPackError(PackFault.NAME, at + 2)
    return name, end


def _param(
    data: bytes, begin: int, at: int, name: bytes, *, with_defaults: bool
) -> tuple[PackedParam, int]:
    """The parameter whose value begins at `at`, and where the next one may begin."""
    known = _TYPES.get(data[begin] & 0xF)
    if known is None:
        raise ParamPackError(PackFault.TYPE, begin)
    flags = data[begin] >> 4
    if flags & ~_HAS_DEFAULT or (flags and not with_defaults):
        raise ParamPackError(PackFault.FLAGS, begin)
    kind, form = known
    end = at + form.size * (1 + flags)
    if end > len(data):
        raise ParamPackError(PackFault.CUT, len(data))
    (value,) = form.unpack_from(data, at)
    default = form.unpack_from(data, at + form.size)[0] if flags else None
    return PackedParam(name.decode("ascii"), kind, value, default), end
