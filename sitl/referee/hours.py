"""When a zone applies, as the referee reads it: periods of hours, days, dates and daylight.

Owns its own reading of schedules. Must not know areas. Times are seconds since 1970 UTC.

A daylight event is taken at the middle of the zone, as it is: no slack either way. Where the sun
gives none that day, hours between two events of one height are all day or none; any other hours
cannot be judged, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sitl.referee.reading import RefereeError, listing, mapping, moment
from sitl.referee.sun import DAY_S, EVENTS, event_s, height_deg

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ONE_DAY = timedelta(days=1)
_OPPOSITE = {("SR", "SS"), ("SS", "SR"), ("BMCT", "EECT"), ("EECT", "BMCT")}

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Hours:
    """A window of the week: local days and times, or daylight events; equal times: all day."""

    days: frozenset[int]
    start: time | str
    end: time | str


@dataclass(frozen=True, slots=True)
class Period:
    """One period of a schedule. No hours: all of its dates."""

    timezone: str = "UTC"
    hours: tuple[Hours, ...] = ()
    valid_from_s: float | None = None
    valid_to_s: float | None = None

    @property
    def is_always(self) -> bool:
        """Whether it has no end, no beginning and no hours."""
        return not self.hours and self.valid_from_s is None and self.valid_to_s is None


ALWAYS = (Period(),)


def read_periods(where: str, value: object) -> tuple[Period, ...]:
    """A schedule {"timezone", "windows", "valid_from", "valid_to"} or {"periods": [of these]}."""
    schedule = mapping(where, "schedule", value or {})
    if "periods" not in schedule:
        return (_period(where, schedule),)
    if set(schedule) != {"periods"}:
        raise RefereeError(where, "schedule", "has more than its periods")
    items = listing(where, "schedule.periods", schedule["periods"])
    return tuple(_period(where, mapping(where, "schedule.periods", item)) for item in items)


def _period(where: str, schedule: Mapping[str, object]) -> Period:
    strange = set(schedule) - {"timezone", "windows", "valid_from", "valid_to"}
    if strange:
        raise RefereeError(where, "schedule", f"is not understood: {', '.join(sorted(strange))}")
    zone = schedule.get("timezone") or "UTC"
    try:
        ZoneInfo(str(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise RefereeError(where, "timezone", f"is unknown: {zone!r}") from error
    valid = [
        None if schedule.get(key) is None else moment(where, key, schedule[key])
        for key in ("valid_from", "valid_to")
    ]
    windows = listing(where, "windows", schedule.get("windows") or [])
    return Period(str(zone), tuple(_hours(where, window) for window in windows), *valid)


def _hours(where: str, value: object) -> Hours:
    window = mapping(where, "windows", value)
    days = listing(where, "days", window.get("days") or list(_DAYS))
    if not set(days) <= set(_DAYS):
        raise RefereeError(where, "days", f"must be of {', '.join(_DAYS)}")
    start, end = (_side(where, window, key) for key in ("start", "end"))
    return Hours(frozenset(_DAYS.index(day) for day in days), start, end)


def _side(where: str, window: Mapping[str, object], key: str) -> time | str:
    value = str(window.get(key, "00:00"))
    if value in EVENTS:
        return value
    try:
        return time.fromisoformat("00:00" if value in {"24:00", "24:00:00"} else value)
    except ValueError as error:
        raise RefereeError(where, "windows", f"has no time of day: {dict(window)!r}") from error


def active_spans(
    periods: Iterable[Period], place: tuple[float, float], first_s: float, last_s: float
) -> list[Span]:
    """When any of the periods applies between two instants, as spans that do not overlap.

    `place` is the longitude and latitude that daylight is seen from. Raises RefereeError where
    the sun does not tell.
    """
    found = sorted(span for period in periods for span in _spans(period, place, first_s, last_s))
    joined: list[Span] = []
    for begin, finish in found:
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(finish, joined[-1][1]))
        else:
            joined.append((begin, finish))
    return joined


def _spans(
    period: Period, place: tuple[float, float], first_s: float, last_s: float
) -> Iterator[Span]:
    low = first_s if period.valid_from_s is None else max(first_s, period.valid_from_s)
    high = last_s if period.valid_to_s is None else min(last_s, period.valid_to_s)
    if low > high:
        return
    if not period.hours:
        yield low, high
        return
    zone = ZoneInfo(period.timezone)
    # a window that passes midnight may have begun the day before; the sun's day may be another
    day = datetime.fromtimestamp(low, UTC).astimezone(zone).date() - 2 * _ONE_DAY
    last = datetime.fromtimestamp(high, UTC).astimezone(zone).date() + _ONE_DAY
    while day <= last:
        for hours in period.hours:
            if day.weekday() in hours.days:
                span = _window(hours, day, zone, place)
                if span is not None and span[0] <= high and span[1] >= low:
                    yield max(span[0], low), min(span[1], high)
        day += _ONE_DAY


def _window(hours: Hours, day: date, zone: ZoneInfo, place: tuple[float, float]) -> Span | None:
    begin = _moment(hours.start, day, zone, place)
    finish = _moment(hours.end, day, zone, place)
    if begin is not None and finish is not None and finish <= begin:
        finish = _moment(hours.end, day + _ONE_DAY, zone, place)
    if begin is not None and finish is not None:
        return begin, finish
    if (hours.start, hours.end) not in _OPPOSITE:
        raise RefereeError(
            "schedule", "windows", f"the sun has no {hours.start} or {hours.end} there on {day}"
        )
    noon_s = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()
    midnight_s = noon_s - DAY_S / 2.0 - place[0] * 240.0
    limit_deg, morning = EVENTS[str(hours.start)]
    is_up = height_deg(midnight_s + DAY_S / 2.0, *place) > limit_deg
    return (midnight_s, midnight_s + DAY_S) if is_up is morning else None


def _moment(
    side: time | str, day: date, zone: ZoneInfo, place: tuple[float, float]
) -> float | None:
    if isinstance(side, str):
        if zone.key not in {"UTC", "Etc/UTC"}:
            # the solar day that holds the noon of this date: across the antimeridian it is another
            noon_s = datetime.combine(day, time(12), zone).timestamp() + place[0] * 240.0
            day = datetime.fromtimestamp(noon_s, UTC).date()
        return event_s(side, day, *place)
    return datetime.combine(day, side, zone).timestamp()
