"""What an audit of a vehicle's parameter baseline found: the port's values for it.

Owns the types alone. Must not know which parameters there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Remedy(StrEnum):
    """What becomes of a rule that does not hold."""

    NONE = "none"
    """It holds."""
    SET = "set"
    """`apply` sets it."""
    FITTER = "fitter"
    """A person must fit or set it, and reboot the vehicle."""
    UNKNOWN = "unknown"
    """The vehicle does not answer for it."""


@dataclass(frozen=True, slots=True)
class RuleState:
    """One rule of a vehicle's baseline, and what the vehicle holds."""

    name: str
    wanted: str
    why: str
    value: float | None
    remedy: Remedy
    would_set: float | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """What must hold of a vehicle before it is dispatched, read from it now."""

    vehicle_id: str
    at: datetime
    rules: tuple[RuleState, ...]
    blocks: tuple[str, ...] = ()
    """Why it is not startable, its own words among them."""
    approved: Mapping[str, str] = field(default_factory=dict)
    """Hashes of what was proven for the next start: the whole first, then its parts."""

    @property
    def broken(self) -> tuple[RuleState, ...]:
        """The rules that do not hold."""
        return tuple(rule for rule in self.rules if rule.remedy is not Remedy.NONE)
