"""Alarms: a condition that someone must act on, and what to do about it.

Owns the types that fleet, safety and delivery tell conditions in. Must not decide when a
condition holds; `controller.safety.board` keeps the alarms that stand.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """How soon someone must act (after 14 CFR 25.1322)."""

    WARNING = "warning"
    """Immediate awareness and immediate response."""
    CAUTION = "caution"
    """Immediate awareness, later response."""
    ADVISORY = "advisory"
    """Awareness."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something wrong now. Two conditions with one key are the same condition."""

    key: str
    severity: Severity
    cause: str
    advice: str
    """What to do, in words."""
    vehicle_id: str = ""
    parcel_id: str = ""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A condition that stands, or stood: `cleared_at` is set once it ended."""

    alarm_id: str
    severity: Severity
    cause: str
    advice: str
    raised_at: datetime
    vehicle_id: str = ""
    parcel_id: str = ""
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    cleared_at: datetime | None = None
