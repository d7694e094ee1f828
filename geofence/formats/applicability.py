"""Time periods as ED-269 (applicability) and ED-318 (limitedApplicability) write them.

Owns the timePeriod and dailyPeriod objects of the two (ED-318 Schema_GeoZoneTimePeriod): dates
with offset, days of the week, a side of a daily period as a time with offset or as a daylight
event. Must not know the rest of a feature.

Times with an offset become UTC, their days moved with them; a side that is left out is midnight
by the offset of the other. Times without one are local to the time zone that the operator names,
or else refused, and so are days without any time: nobody knows whose days they are. A day that
ends at 23:59 or 23:59:59 ends at midnight: a gap of a second in a prohibition is nobody's
intention. No period is always.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
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
    r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6})\d*)?)?(Z|[+-](?:0\d|1[0-4]):[0-5]\d)?", re.ASCII
)
_LAST_MINUTE = time(23, 59)
_NO_OFFSET = "no offset from UTC: add Z or +hh:mm, or name the file's own zone with --timezone"


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of a daily period; `offset` None is of local time, or of a daylight event."""

    at: time | SunEvent
    offset: timedelta | None = None

    @property
    def is_clock(self) -> bool:
        return isinstance(self.at, time)


def read_periods(
    zone_id: str, field: str, value: Any, faults: Faults, *, timezone: str | None = None
) -> Schedule | Calendar:
    """A list of time periods; None or an empty list is always, as is a `permanent` one.

    `timezone` (IANA) is of the times that have no offset.
    """
    if value is None:
        return ALWAYS
    if not isinstance(value, list) or len(value) > MAX_PERIODS:
        faults.add(zone_id, field, f"not a list of at most {MAX_PERIODS} time periods")
        return ALWAYS
    found: list[Schedule] = []
    for number, item in enumerate(value):
        where = f"{field}[{number}]"
        if isinstance(item, Mapping):
            found.extend(_period(zone_id, where, item, faults, timezone))
        else:
            faults.add(zone_id, where, "not a time period object")
    return joined(found)


def _period(
    zone_id: str, where: str, item: Mapping[str, Any], faults: Faults, timezone: str | None
) -> list[Schedule]:
    """One schedule; two where some daily periods are of UTC and some of local time."""
    known = {"permanent", "startDateTime", "endDateTime", "schedule", "dailyPeriod"}
    for key in sorted(set(item) - known):
        faults.add(zone_id, f"{where}.{key}", f"unknown key: use {', '.join(sorted(known))}")
    permanent = item.get("permanent")
    if permanent not in (None, "YES", "NO"):
        faults.add(zone_id, f"{where}.permanent", f"{permanent!r} is neither YES nor NO")
    if permanent == "YES":
        return [ALWAYS]
    begin, end = (
        read_moment(zone_id, f"{where}.{key}", item.get(key), faults, timezone=timezone, late=late)
        for key, late in (("startDateTime", False), ("endDateTime", True))
    )
    if begin is not None and end is not None and end <= begin:
        faults.add(zone_id, f"{where}.endDateTime", "not after startDateTime: it never applies")
    days = [item[key] for key in ("schedule", "dailyPeriod") if item.get(key) is not None]
    if len(days) > 1:
        faults.add(zone_id, f"{where}.schedule", "it stands beside a dailyPeriod: give one")
    windows = _windows(zone_id, f"{where}.schedule", days[0] if days else None, faults, timezone)
    if not windows:
        return [Schedule((), "UTC", begin, end)]
    zones = [zone for zone in ("UTC", timezone) if zone in windows]
    return [Schedule(tuple(windows[zone]), zone or "UTC", begin, end) for zone in zones]


def _windows(
    zone_id: str, where: str, value: Any, faults: Faults, timezone: str | None
) -> dict[str, list[Window]]:
    """Windows by the time zone that they are of."""
    found: dict[str, list[Window]] = {}
    if value is None:
        return found
    if not isinstance(value, list) or len(value) > MAX_PERIODS:
        faults.add(zone_id, where, f"not a list of at most {MAX_PERIODS} daily periods")
        return found
    for number, item in enumerate(value):
        at = f"{where}[{number}]"
        if isinstance(item, Mapping):
            window = _window(zone_id, at, item, faults, timezone)
            if window is not None:
                found.setdefault(window[0], []).append(window[1])
        else:
            faults.add(zone_id, at, "not a daily period object")
    return found


def _window(
    zone_id: str, at: str, item: Mapping[str, Any], faults: Faults, timezone: str | None
) -> tuple[str, Window] | None:
    """The time zone of a daily period, and its window there."""
    before = len(faults.found)
    known = {"day", "startTime", "startEvent", "endTime", "endEvent"}
    for key in sorted(set(item) - known):
        faults.add(zone_id, f"{at}.{key}", f"unknown key: use {', '.join(sorted(known))}")
    days = _days(zone_id, f"{at}.day", item.get("day"), faults)
    start = _side(zone_id, at, item, "start", faults)
    end = _side(zone_id, at, item, "end", faults)
    if len(faults.found) > before:
        return None
    told = [side for side in (start, end) if side is not None]
    offsets = {side.offset for side in told if side.is_clock}
    if len(offsets) == 2 and None in offsets:
        faults.add(zone_id, at, "one time has an offset and the other none: give both or neither")
        return None
    if not told and days == WHOLE_WEEK:
        return "UTC", Window()
    midnight = _Side(time(0), next(iter(offsets), None))
    start, end = start or midnight, end or midnight
    if all(side.offset is not None or not side.is_clock for side in (start, end)):
        return "UTC", _in_utc(days, start, end)
    if timezone is None:
        clocks = [key for key in ("startTime", "endTime") if item.get(key) is not None]
        field = clocks[0] if clocks else "day"
        said = repr(item[field]) if clocks else "days without a time"
        faults.add(zone_id, f"{at}.{field}", f"{said}: {_NO_OFFSET}")
        return None
    return timezone, Window(days, start.at, end.at)


def _in_utc(days: frozenset[int], start: _Side, end: _Side) -> Window:
    first, moved = _utc(start)
    last, _ = _utc(end)
    return Window(frozenset((day + moved) % 7 for day in days), first, last)


def _utc(side: _Side) -> tuple[time | SunEvent, int]:
    """The side in UTC, and the days (-1, 0, 1) that its offset moves it by."""
    if side.offset is None or isinstance(side.at, SunEvent):
        return side.at, 0
    base = datetime(2000, 1, 3, tzinfo=UTC)
    moved = datetime.combine(base.date(), side.at, UTC) - side.offset
    return moved.time(), (moved.date() - base.date()).days


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
) -> _Side | None:
    """One side, None where it is left out or not understood."""
    clock, event = item.get(f"{side}Time"), item.get(f"{side}Event")
    if event is not None:
        if clock is not None:
            faults.add(zone_id, f"{at}.{side}Event", f"it stands beside {side}Time: give one")
        elif isinstance(event, str) and event in list(SunEvent):
            return _Side(SunEvent(event))
        else:
            known = ", ".join(SunEvent)
            faults.add(zone_id, f"{at}.{side}Event", f"{event!r} is unknown: use {known}")
        return None
    if clock is None:
        return None
    found = _TIME.fullmatch(clock) if isinstance(clock, str) else None
    if found is None or (read := _clock(found, end=side == "end")) is None:
        faults.add(
            zone_id, f"{at}.{side}Time", f"{clock!r} is not a time with its offset, as 08:00:00Z"
        )
        return None
    return read


def _clock(found: re.Match[str], *, end: bool) -> _Side | None:
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    micro = int((found[4] or "0").ljust(6, "0"))
    if (hour, minute, second, micro) == (24, 0, 0, 0):
        hour = 0
    if hour > 23 or minute > 59 or second > 59:
        return None
    local = time(hour, minute, second, micro)
    if end and local >= _LAST_MINUTE and second in (0, 59):
        local = time(0)
    if found[5] is None:
        return _Side(local)
    if found[5] == "Z":
        return _Side(local, timedelta())
    sign = -1 if found[5][0] == "-" else 1
    return _Side(local, sign * timedelta(hours=int(found[5][1:3]), minutes=int(found[5][4:6])))


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
    whole = window.start == window.end == time(0)
    if whole and every:
        return content
    # from midnight to midnight would be nothing to other readers
    last = time(23, 59, 59) if whole else window.end
    for side, value in (("start", window.start), ("end", last)):
        if isinstance(value, SunEvent):
            content[f"{side}Event"] = str(value)
        else:
            content[f"{side}Time"] = f"{value.isoformat()}Z"
    return content
