"""Every parameter of a vehicle, whatever it speaks.

Owns the part of the port that the sessions keep whose vehicles have parameters: types and one
protocol. Must not open sockets or know a wire format.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable


class ParameterKind(StrEnum):
    """How wide a parameter is on its vehicle."""

    UINT8 = "uint8"
    INT8 = "int8"
    UINT16 = "uint16"
    INT16 = "int16"
    UINT32 = "uint32"
    INT32 = "int32"
    REAL32 = "real32"


@dataclass(frozen=True, slots=True)
class ParameterValue:
    """One parameter; an int where its kind is one, a 32-bit float's value otherwise."""

    name: str
    kind: ParameterKind
    value: float


class ParameterWay(StrEnum):
    """How everything was read. From a list, integers above 2^24 may be rounded."""

    FILE = "file"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class ParameterSet:
    """Every parameter of a vehicle, in its order; `system` and `component` are its address."""

    vehicle_id: str
    at: datetime
    way: ParameterWay
    values: tuple[ParameterValue, ...]
    system: int = 1
    component: int = 1


@runtime_checkable
class Parametrised(Protocol):
    """A session whose vehicle has parameters."""

    async def parameters(self) -> ParameterSet | str:
        """Read every one of them, or say why not. Nothing is set."""
