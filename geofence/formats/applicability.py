"""Time periods as ED-269 (applicability) and ED-318 (limitedApplicability) write them.

Owns the timePeriod and dailyPeriod objects of the two (ED-318 Schema_GeoZoneTimePeriod): dates
with offset, days of the week, a side of a daily period as a time with offset or as a daylight
event. Must not know the rest of a feature.

Times with an offset become UTC, their days moved with them. A day that ends at 23:59 or 23:59:59
ends at midnight: a gap of a second in a prohibition is nobody's intention. No period is always.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

from geofence.errors import ZoneError
from geofence.formats.fields import MAX_PERIODS, Faults, read_moment
from geofence.schedule import (
    ALWAYS,
    WHOLE_WEEK,
    Calendar,
    Schedule,
    Window,
    joined,
    periods_of,
)
from geofence.sun import SunEvent

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")

_TIME = re.compile(
    r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6})\d*)?)?(Z|[+-](?:0\d|1[0-4]):[0-5]\d)", re.ASCII
)
_LAST_MINUTE = time(23, 59)


def read_periods(zone_id: str, field: str, value: Any, faults: Faults) -> Schedule | Calendar:
    """A list of time periods; None or an empty list is always, as is a `permanent` one."""
    if value is None:
        return ALWAYS
    if not isinstance(value, list) or len(value) > MAX_PERIODS:
        faults.add(zone_id, field, f"not a list of at most {MAX_PERIODS} time periods")
        return ALWAYS
    found: list[Schedule] = []
    for number, item in enumerate(value):
        where = f"{field}[{number}]"
        if isinstance(item, Mapping):
            found.append(_period(zone_id, where, item, faults))
        else:
            faults.add(zone_id, where, "not a time period object")
    return joined(found)


def _period(zone_id: str, where: str, item: Mapping[str, Any], faults: Faults) -> Schedule:
    known = {"permanent", "startDateTime", "endDateTime", "schedule", "dailyPeriod"}
    for key in sorted(set(item) - known):
        faults.add(zone_id, f"{where}.{key}", f"unknown key: use {', '.join(sorted(known))}")
    permanent = item.get("permanent")
    if permanent not in (None, "YES", "NO"):
        faults.add(zone_id, f"{where}.permanent", f"{permanent!r} is neither YES nor NO")
    if permanent == "YES":
        return ALWAYS
    begin = read_moment(zone_id, f"{where}.startDateTime", item.get("startDateTime"), faults)
    end = read_moment(zone_id, f"{where}.endDateTime", item.get("endDateTime"), faults)
    if begin is not None and end is not None and end <= begin:
        faults.add(zone_id, f"{where}.endDateTime", "not after startDateTime: it never applies")
    days = [item[key] for key in ("schedule", "dailyPeriod") if item.get(key) is not None]
    if len(days) > 1:
        faults.add(zone_id, f"{where}.schedule", "it stands beside a dailyPeriod: give one")
    windows = _windows(zone_id, f"{where}.schedule", days[0] if days else None, faults)
    return Schedule(windows, "UTC", begin, end)


def _windows(zone_id: str, where: str, value: Any, faults: Faults) -> tuple[Window, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_PERIODS:
        faults.add(zone_id, where, f"not a list of at most {MAX_PERIODS} daily periods")
        return ()
    found: list[Window] = []
    for number, item in enumerate(value):
        at = f"{where}[{number}]"
        if isinstance(item, Mapping):
            window = _window(zone_id, at, item, faults)
            if window is not None:
                found.append(window)
        else:
            faults.add(zone_id, at, "not a daily period object")
    return tuple(found)


def _window(zone_id: str, at: str, item: Mapping[str, Any], faults: Faults) -> Window | None:
    known = {"day", "startTime", "startEvent", "endTime", "endEvent"}
    for key in sorted(set(item) - known):
        faults.add(zone_id, f"{at}.{key}", f"unknown key: use {', '.join(sorted(known))}")
    before = len(faults.found)
    days = _days(zone_id, f"{at}.day", item.get("day"), faults)
    start = _side(zone_id, at, item, "start", faults)
    end = _side(zone_id, at, item, "end", faults)
    if len(faults.found) > before:
        return None
    first = start[0] if isinstance(start, tuple) else start
    last = end[0] if isinstance(end, tuple) else end
    if isinstance(start, tuple) and start[1]:
        days = frozenset((day + start[1]) % 7 for day in days)
    return Window(days, first, last)


def _days(zone_id: str, field: str, value: Any, faults: Faults) -> frozenset[int]:
    if not isinstance(value, list) or not value:
        faults.add(zone_id, field, f"not a list of {', '.join(DAYS)} or ANY")
        return WHOLE_WEEK
    for day in value:
        if day != "ANY" and day not in DAYS:
            faults.add(zone_id, field, f"{day!r} is unknown: use {', '.join(DAYS)} or ANY")
    if "ANY" in value:
        return WHOLE_WEEK
    return frozenset(DAYS.index(day) for day in value if day in DAYS)


def _side(
    zone_id: str, at: str, item: Mapping[str, Any], side: str, faults: Faults
) -> SunEvent | tuple[time, int]:
    """An event, or a UTC time of day with the days (-1, 0, 1) that its offset moves it by."""
    clock, event = item.get(f"{side}Time"), item.get(f"{side}Event")
    midnight = (time(0), 0)
    if event is not None:
        if clock is not None:
            faults.add(zone_id, f"{at}.{side}Event", f"it stands beside {side}Time: give one")
        elif isinstance(event, str) and event in list(SunEvent):
            return SunEvent(event)
        else:
            known = ", ".join(SunEvent)
            faults.add(zone_id, f"{at}.{side}Event", f"{event!r} is unknown: use {known}")
        return midnight
    if clock is None:
        return midnight
    found = _TIME.fullmatch(clock) if isinstance(clock, str) else None
    if found is None or (read := _utc(found, end=side == "end")) is None:
        faults.add(
            zone_id, f"{at}.{side}Time", f"{clock!r} is not a time with its offset, as 08:00:00Z"
        )
        return midnight
    return read


def _utc(found: re.Match[str], *, end: bool) -> tuple[time, int] | None:
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    micro = int((found[4] or "0").ljust(6, "0"))
    if (hour, minute, second, micro) == (24, 0, 0, 0):
        hour = 0
    if hour > 23 or minute > 59 or second > 59:
        return None
    local = time(hour, minute, second, micro)
    if end and local >= _LAST_MINUTE and second in (0, 59):
        local = time(0)
    if found[5] == "Z":
        return local, 0
    sign = -1 if found[5][0] == "-" else 1
    offset = sign * timedelta(hours=int(found[5][1:3]), minutes=int(found[5][4:6]))
    base = datetime(2000, 1, 3, tzinfo=UTC)
    moved = datetime.combine(base.date(), local, UTC) - offset
    return moved.time(), (moved.date() - base.date()).days


def write_periods(zone_id: str, schedule: Schedule | Calendar) -> list[dict[str, Any]]:
    """Time periods, each with startDateTime, endDateTime and schedule where it has them.

    Raises ZoneError for local times whose offset changes over the year.
    """
    return [_write_period(zone_id, period) for period in periods_of(schedule)]


def _write_period(zone_id: str, period: Schedule) -> dict[str, Any]:
    if period.windows and period.timezone not in {"UTC", "Etc/UTC"}:
        raise ZoneError(
            zone_id,
            "schedule.timezone",
            f"times in {period.timezone} cannot be told: this format takes a fixed offset alone",
        )
    content: dict[str, Any] = {}
    if period.valid_from is not None:
        content["startDateTime"] = _stamp(period.valid_from)
    if period.valid_to is not None:
        content["endDateTime"] = _stamp(period.valid_to)
    if period.windows:
        content["schedule"] = [_write_window(window) for window in period.windows]
    return content


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def _write_window(window: Window) -> dict[str, Any]:
    every = window.days == WHOLE_WEEK
    content: dict[str, Any] = {"day": ["ANY"] if every else [DAYS[d] for d in sorted(window.days)]}
    if window.start == window.end == time(0):
        return content
    for side, value in (("start", window.start), ("end", window.end)):
        if isinstance(value, SunEvent):
            content[f"{side}Event"] = str(value)
        else:
            content[f"{side}Time"] = f"{value.isoformat()}Z"
    return content
