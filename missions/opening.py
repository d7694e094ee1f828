"""Opening hours of gates, in a plain part of OpenStreetMap's Key:opening_hours.

Owns the words that are understood: "24/7", and rules such as "Mo-Fr 06:00-22:00; Sa,Su
08:00-12:00,13:00-20:00". Everything else is refused, not guessed: holidays, months, weeks,
comments, sunrise.

    HoursError   hours that are not understood
"""

from __future__ import annotations

import re
from datetime import time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from geofence.schedule import WHOLE_WEEK, Calendar, Schedule, Window, periods_of
from geofence.sun import SunEvent

_DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_RULE = re.compile(r"(?:([A-Z][A-Za-z,\- ]*?)\s+)?(\d.*)")
_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")


class HoursError(ValueError):
    """Opening hours that cannot be understood."""


def read_hours(text: str, timezone: str) -> Schedule | None:
    """The schedule of opening hours; None for always. Raises HoursError."""
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise HoursError(f"{timezone!r} is not an IANA time zone, as Europe/Helsinki") from error
    if text.strip() == "24/7":
        return None
    windows: dict[int, tuple[Window, ...]] = {}
    for rule in text.split(";"):
        if not rule.strip():
            continue
        days, spans = _rule(rule.strip())
        # of rules for one day the later one stands (Key:opening_hours)
        windows |= {day: tuple(Window(frozenset({day}), *span) for span in spans) for day in days}
    if not windows:
        raise HoursError(f"{text!r} names no hours")
    if not any(windows.values()):
        raise HoursError(f"{text!r} is never open")
    merged: dict[tuple[time | SunEvent, time | SunEvent], set[int]] = {}
    for day, each in sorted(windows.items()):
        for window in each:
            merged.setdefault((window.start, window.end), set()).add(day)
    return Schedule(tuple(Window(frozenset(d), *span) for span, d in merged.items()), timezone)


def write_hours(hours: Schedule | Calendar) -> tuple[str, str]:
    """Opening hours in words, and their time zone: what read_hours takes. Raises HoursError."""
    periods = periods_of(hours)
    schedule = periods[0]
    if len(periods) != 1 or schedule.valid_from or schedule.valid_to or not schedule.windows:
        raise HoursError("hours with dates or several periods have no words here")
    rules: dict[frozenset[int], list[str]] = {}
    for window in schedule.windows:
        if isinstance(window.start, SunEvent) or isinstance(window.end, SunEvent):
            raise HoursError("hours by daylight have no words here")
        end = "24:00" if window.end == time(0) else f"{window.end:%H:%M}"
        rules.setdefault(window.days, []).append(f"{window.start:%H:%M}-{end}")
    by_day: dict[str, list[int]] = {}
    for day in sorted(set().union(*rules)):
        spans = sorted(span for days, each in rules.items() if day in days for span in each)
        by_day.setdefault(",".join(spans), []).append(day)
    words = [f"{','.join(_DAYS[d] for d in days)} {spans}" for spans, days in by_day.items()]
    return "; ".join(words), schedule.timezone


def _rule(text: str) -> tuple[frozenset[int], list[tuple[time, time]]]:
    if text in {"off", "closed"}:
        raise HoursError(f"{text!r} without days says nothing")
    off = re.fullmatch(r"([A-Z][A-Za-z,\- ]*?)\s+(?:off|closed)", text)
    if off is not None:
        return _days(off.group(1)), []
    found = _RULE.fullmatch(text)
    if found is None:
        raise HoursError(f"{text!r} is not understood: write it as Mo-Fr 06:00-22:00")
    days = _days(found.group(1)) if found.group(1) else WHOLE_WEEK
    return days, [_span(part.strip()) for part in found.group(2).split(",")]


def _days(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        if first not in _DAYS or (last and last not in _DAYS):
            raise HoursError(f"{part!r} is no day or days: write Mo, Tu, We, Th, Fr, Sa, Su")
        start = _DAYS.index(first)
        end = _DAYS.index(last) if last else start
        found |= {(start + n) % 7 for n in range((end - start) % 7 + 1)}
    return frozenset(found)


def _span(text: str) -> tuple[time, time]:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise HoursError(f"{text!r} is not understood: write it as 06:00-22:00")
    numbers = [int(n) for n in found.groups()]
    start, end = _time(text, *numbers[:2]), _time(text, *numbers[2:])
    return start, end


def _time(text: str, hour: int, minute: int) -> time:
    if (hour, minute) == (24, 0):
        return time(0)
    if hour > 23 or minute > 59:
        raise HoursError(f"{text!r} has no such time of day")
    return time(hour, minute)
