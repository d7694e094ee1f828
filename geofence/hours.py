"""Schedules of many zones, compiled so far that most are ruled out without asking them.

Owns the spans of whole days that were worked out before. Must not say that a zone holds: what is
not ruled out here is asked of the schedule itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from geofence.kernel import Bools, Ints
from geofence.schedule import ALWAYS, Calendar, Schedule, periods_of

DAY_S = 86_400.0

MAX_DAYS = 8
"""A longer time is not ruled out."""

MAX_KEPT = 20_000
"""Days of schedules kept before all are forgotten."""

WINDOW_S = 900.0
"""Times are taken to whole windows outward, so that checks of about the same time share them."""

MAX_WINDOWS = 64
"""Times kept before all are forgotten."""

ROUNDING_S = 1.0
"""Spans are taken this much longer: far more than a double leaves of the seconds since 1970."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_AWAKE, _ASLEEP = 1, 2


class Hours:
    """The schedules of zones by number. Immutable but for what it remembers of days."""

    __slots__ = ("_any", "_days", "_number", "_schedules", "_windows", "timed")

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
        self._any = len(known) > 1
        self._windows: dict[tuple[float, float], npt.NDArray[np.int8]] = {}

    def awake(self, zones: Ints, begin_s: float, end_s: float) -> Ints:
        """Those of some zones (n), by number, that may apply at some moment from begin to end.

        Seconds since 1970. A superset: the others are surely asleep, the more so in less time.
        """
        if not self._any:
            return zones
        window = begin_s // WINDOW_S, end_s // WINDOW_S + 1.0
        known = self._windows.get(window)
        if known is None:
            if len(self._windows) >= MAX_WINDOWS:
                self._windows.clear()
            known = self._windows[window] = np.zeros(len(self._schedules), dtype=np.int8)
            known[0] = _AWAKE
        schedule = self._number.take(zones)
        state = known.take(schedule)
        if np.count_nonzero(state) < len(state):
            begin_s, end_s = window[0] * WINDOW_S, window[1] * WINDOW_S
            for number in set(schedule[state == 0].tolist()):
                asleep = self._sleeps(number, begin_s, end_s)
                known[number] = _ASLEEP if asleep else _AWAKE
            state = known.take(schedule)
        return zones.compress(state == _AWAKE)

    def asleep(self, number: int, begin_s: float, end_s: float) -> bool:
        """Whether zone `number` surely applies at no moment from begin to end, closed.

        Seconds since 1970. The spans of a day are all those that `active_during` looks at for any
        interval in it, and more, so that none of them meets means that it does not apply.
        """
        return self._sleeps(int(self._number[number]), begin_s, end_s)

    def _sleeps(self, schedule: int, begin_s: float, end_s: float) -> bool:
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
