"""Zones in words: heights and times, as an operator reads them.

Owns the words. Must not decide whether a zone applies.
"""

from __future__ import annotations

from datetime import UTC, datetime, time

from geofence.frames import Altitude
from geofence.schedule import ALWAYS, WHOLE_WEEK, Calendar, Schedule, Window, periods_of
from geofence.sun import SunEvent
from geofence.zones import Zone, ZoneKind

KINDS: dict[ZoneKind, str] = {
    ZoneKind.NO_FLY: "no-fly",
    ZoneKind.RESTRICTED: "restricted",
    ZoneKind.ADVISORY: "advisory",
    ZoneKind.KEEP_IN: "keep-in (stay inside)",
}

_SUN: dict[SunEvent, str] = {
    SunEvent.BMCT: "start of morning twilight",
    SunEvent.SR: "sunrise",
    SunEvent.SS: "sunset",
    SunEvent.EECT: "end of evening twilight",
}

SHORT = 30
"""Longest label, in characters, of id and name together."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def named(zone: Zone) -> str:
    """Id and name, where it has one of its own."""
    return f"{zone.zone_id} {zone.name}" if zone.name not in {"", zone.zone_id} else zone.zone_id


def short(zone_id: str, name: str) -> str:
    """Id and name, or the name alone where both are long."""
    both = f"{zone_id} {name}" if name not in {"", zone_id} else zone_id
    return both if len(both) <= SHORT else name or zone_id


def heights(zone: Zone) -> str:
    """Floor and ceiling in words."""
    if zone.floor is None and zone.ceiling is None:
        return "all heights"
    low = "ground" if zone.floor is None else f"{zone.floor.value_m:g} m {zone.floor.datum.value}"
    if zone.ceiling is None:
        return f"{low} and up"
    if zone.floor is not None and zone.floor.datum is zone.ceiling.datum:
        low = f"{zone.floor.value_m:g}"
    return f"{low} - {zone.ceiling.value_m:g} m {zone.ceiling.datum.value}"


def limit(value: Altitude | None) -> str:
    """One limit in words."""
    return "none" if value is None else f"{value.value_m:g} m {value.datum.value}"


def times(schedule: Schedule | Calendar) -> str:
    """When a zone applies, in words."""
    if schedule == ALWAYS:
        return "at all times"
    return "; ".join(_period(period) for period in periods_of(schedule)) or "never"


def _period(period: Schedule) -> str:
    parts = [", ".join(_window(window) for window in period.windows)] if period.windows else []
    if parts:
        parts[0] += f" {period.timezone}"
    if period.valid_from is not None:
        parts.append(f"from {_date(period.valid_from)}")
    if period.valid_to is not None:
        parts.append(f"until {_date(period.valid_to)}")
    return " ".join(parts) or "at all times"


def _window(window: Window) -> str:
    days = "daily" if window.days == WHOLE_WEEK else _days(sorted(window.days))
    if window.start == window.end and not isinstance(window.start, SunEvent):
        return f"{days} all day"
    return f"{days} {_side(window.start)} - {_side(window.end)}"


def _days(days: list[int]) -> str:
    if len(days) > 2 and days == list(range(days[0], days[-1] + 1)):
        return f"{_DAYS[days[0]]}-{_DAYS[days[-1]]}"
    return " ".join(_DAYS[day] for day in days)


def _side(side: time | SunEvent) -> str:
    if isinstance(side, SunEvent):
        return _SUN[side]
    return f"{side:%H:%M}"


def _date(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%MZ}" if (at.hour or at.minute) else f"{at:%Y-%m-%d}"
