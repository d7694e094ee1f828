"""Schedules of many zones, compiled so far that most are ruled out without asking them.

Owns the spans of whole days that were worked out before. Must not say that a zone holds: what is
not ruled out here is asked of the schedule itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from geofence.kernel import Bools, Ints
from geofence.schedule import ALWAYS, Calendar, Schedule, periods_of

DAY_S = 86_400.0

MAX_DAYS = 8
"""A longer time is not ruled out."""

MAX_KEPT = 20_000
"""Days of schedules kept before all are forgotten."""

ROUNDING_S = 1.0
"""Spans are taken this much longer: far more than a double leaves of the seconds since 1970."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Hours:
    """The schedules of zones by number. Immutable but for what it remembers of days."""

    __slots__ = ("_days", "_number", "_schedules", "timed")

    def __init__(self, schedules: Sequence[Schedule | Calendar]) -> None:
        """`timed` (n): which of them do not apply at all times."""
        known: dict[Schedule | Calendar, int] = {ALWAYS: 0}
        numbers = [
            0 if each is ALWAYS else known.setdefault(each, len(known)) for each in schedules
        ]
        self._schedules = tuple(known)
        self._number: Ints = np.array(numbers, dtype=np.intp)
        self.timed: Bools = self._number > 0
        self._days: dict[tuple[int, int], tuple[tuple[float, float], ...]] = {}

    def asleep(self, number: int, begin_s: float, end_s: float) -> bool:
        """Whether schedule `number` surely applies at no moment from begin to end, closed.

        Seconds since 1970. The spans of a day are all those that `active_during` looks at for any
        interval in it, and more, so that none of them meets means that it does not apply.
        """
        schedule = int(self._number[number])
        first, last = int(begin_s // DAY_S), int(end_s // DAY_S)
        if schedule == 0 or last - first >= MAX_DAYS:
            return False
        return not any(
            begin <= end_s and begin_s < end
            for day in range(first, last + 1)
            for begin, end in self._spans(schedule, day)
        )

    def _spans(self, schedule: int, day: int) -> tuple[tuple[float, float], ...]:
        known = self._days.get((schedule, day))
        if known is None:
            if len(self._days) >= MAX_KEPT:
                self._days.clear()
            start = _EPOCH + timedelta(days=day)
            found = {
                (begin.timestamp() - ROUNDING_S, end.timestamp() + ROUNDING_S)
                for period in periods_of(self._schedules[schedule])
                for begin, end in period.spans(start, start + timedelta(days=1), outer=True)
            }
            known = self._days[schedule, day] = tuple(sorted(found))
        return known
