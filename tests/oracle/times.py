"""When zones apply, in whole microseconds: the oracle's own reading of schedules.

A period is half open: it applies at its first moment and no longer at its last. An interval asked
about is closed. Weekly windows are read on dates without a change of clocks; daylight events are
not judged here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from geofence.zones import Calendar, Schedule

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EVER = 10**18

PASSAGE_SLACK_US = 10_000_000
PASSAGE_SHARE = Fraction(5, 100)
"""What the checker states that it asks before entry and after exit."""

ROUNDING_US = 5
"""Times of a passage are rounded to microseconds, at most this often."""

Interval = tuple[Fraction, Fraction]


def us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _periods(schedule: Schedule | Calendar) -> tuple[Schedule, ...]:
    return schedule.periods if isinstance(schedule, Calendar) else (schedule,)


def spans(schedule: Schedule | Calendar, start: Fraction, end: Fraction) -> list[tuple[int, int]]:
    """Half-open spans, in microseconds, of everything about the interval."""
    found: list[tuple[int, int]] = []
    for period in _periods(schedule):
        first = -_EVER if period.valid_from is None else us(period.valid_from)
        last = _EVER if period.valid_to is None else us(period.valid_to)
        whole = [(-_EVER, _EVER)] if not period.windows else _windows(period, start, end)
        for begin, finish in whole:
            begin, finish = max(begin, first), min(finish, last)
            if begin < finish:
                found.append((begin, finish))
    return sorted(found)


def _windows(period: Schedule, start: Fraction, end: Fraction) -> list[tuple[int, int]]:
    zone = ZoneInfo(period.timezone)
    found: list[tuple[int, int]] = []
    day = (_EPOCH + timedelta(microseconds=int(start)) - timedelta(days=3)).date()
    last = (_EPOCH + timedelta(microseconds=int(end)) + timedelta(days=2)).date()
    while day <= last:
        for window in period.windows:
            if day.weekday() in window.days:
                over = timedelta(days=1) if window.end <= window.start else timedelta(0)
                begin = datetime.combine(day, window.start, zone)
                finish = datetime.combine(day + over, window.end, zone)
                found.append((us(begin), us(finish)))
        day += timedelta(days=1)
    return found


def has_empty_period(schedule: Schedule | Calendar) -> bool:
    """Whether a period without windows ends no later than it begins."""
    return any(
        not p.windows and p.valid_from and p.valid_to and p.valid_from >= p.valid_to
        for p in _periods(schedule)
    )


def active_during(
    schedule: Schedule | Calendar, interval: Interval, *, doubtful: bool = False
) -> bool:
    """Whether it applies at any moment of the closed interval.

    A period that ends as it begins applies at no moment; with `doubtful` it may be told.
    """
    start, end = interval
    if start > end:
        return False
    if doubtful and has_empty_period(schedule):
        return True
    return any(begin <= end and start < finish for begin, finish in spans(schedule, start, end))


def active_throughout(schedule: Schedule | Calendar, interval: Interval) -> bool:
    """Whether it applies at every moment of the closed interval."""
    covered, end = interval
    for begin, finish in spans(schedule, *interval):
        if begin > covered:
            return False
        covered = max(covered, Fraction(finish))
        if covered > end:
            return True
    return False


def passage(
    enter: datetime, leave: datetime, part: tuple[Fraction, Fraction], *, outer: bool
) -> Interval:
    """When a part of an evenly moved leg is passed, stated slack included; outer: never shorter."""
    first, last = Fraction(us(enter)), Fraction(us(leave))
    span = last - first
    slack = PASSAGE_SLACK_US + PASSAGE_SHARE * span
    blur = ROUNDING_US if outer else -ROUNDING_US
    return (
        max(first, first + part[0] * span - slack - blur),
        min(last, first + part[1] * span + slack + blur),
    )
