"""When a zone applies: weekly windows, daylight events, dates.

Owns the two questions that a check asks: does it apply at any moment of an interval, does it
apply at every one. Must not know areas or paths.

Where a time is in doubt (a clock change that skips or doubles it, a sunrise that differs over the
zone or from the published table, a sun that does not set) the first question takes the longer
reading and the second the shorter, so both err on the side of forbidding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from geofence.frames import LatLon
from geofence.sun import SUN_SLACK, SunEvent, mean_time, solar_midnight, sun_moment

WHOLE_WEEK = frozenset(range(7))
ONE_DAY = timedelta(days=1)

_EVER = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))

_UTC_NAMES = frozenset({"UTC", "Etc/UTC"})

_FAR_DEG = 90.0
"""Places on both sides of it lie about the antimeridian: zones are narrower than half the globe."""

Span = tuple[datetime, datetime]
"""A half-open interval [begin, end)."""


@dataclass(frozen=True, slots=True)
class Window:
    """A weekly recurring time of day. `start` == `end` means the whole day; may pass midnight.

    A side may be a daylight event; its schedule then names the places that it is seen from.
    """

    days: frozenset[int] = WHOLE_WEEK
    """0 is Monday, as datetime.weekday(). A daylight event is of the solar day of that date, by a
    clock zone of the one that holds the date's noon there."""
    start: time | SunEvent = time(0)
    end: time | SunEvent = time(0)

    @property
    def has_sun(self) -> bool:
        """Whether a side is a daylight event."""
        return isinstance(self.start, SunEvent) or isinstance(self.end, SunEvent)


@dataclass(frozen=True, slots=True)
class Schedule:
    """One period: inside [valid_from, valid_to) and any window. No windows: all of it."""

    windows: tuple[Window, ...] = ()
    timezone: str = "UTC"
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    places: tuple[LatLon, ...] = ()
    """Where daylight events are seen from: the corners of the zone, see zones.sun_places."""

    def active_during(self, start: datetime, end: datetime) -> bool:
        """Whether it applies at any moment of the closed interval; both ends must be aware."""
        start, end = _aware(start, end)
        if not self.windows:
            # the most common schedule by far: no span is made
            return (self.valid_from is None or end >= self.valid_from) and (
                self.valid_to is None or start < self.valid_to
            )
        return any(_meets(span, start, end) for span in self.spans(start, end, outer=True))

    def active_throughout(self, start: datetime, end: datetime) -> bool:
        """Whether it applies at every moment of the closed interval; both ends must be aware."""
        start, end = _aware(start, end)
        return _covers(self.spans(start, end, outer=False), start, end)

    def spans(self, start: datetime, end: datetime, *, outer: bool) -> Iterator[Span]:
        """The spans about an interval, all in UTC; `outer` takes the longer reading."""
        first = _EVER[0] if self.valid_from is None else self.valid_from
        last = _EVER[1] if self.valid_to is None else self.valid_to
        if end < first or start >= last:
            return
        for begin, finish in self._windows(start, end, outer=outer):
            clipped = max(begin, first), min(finish, last)
            if clipped[0] < clipped[1]:
                yield clipped

    def _windows(self, start: datetime, end: datetime, *, outer: bool) -> Iterator[Span]:
        if not self.windows:
            yield _EVER
            return
        zone = ZoneInfo(self.timezone)
        # two days back: a window that passes midnight may start a day before, and zones differ
        day = start.astimezone(zone).date() - timedelta(days=2)
        last = end.astimezone(zone).date() + ONE_DAY
        while day <= last:
            for window in self.windows:
                if day.weekday() in window.days:
                    if window.has_sun:
                        spans = [
                            self._sun_span(window, day, days, outer=outer)
                            for days in self._solar_days(window, day, outer=outer)
                        ]
                    else:
                        spans = [_clock_span(window, day, zone, outer=outer)]
                    yield from (span for span in spans if span is not None)
            day += ONE_DAY

    def _solar_days(self, window: Window, day: date, *, outer: bool) -> list[tuple[date, ...]]:
        """The solar day that a date means, at each of the places; several where it may mean two.

        By a clock zone it is the one that holds the zone's noon. By UTC it is the one of the same
        date; across the antimeridian that is one or another a day apart.
        """
        if self.timezone not in _UTC_NAMES:
            noon = datetime.combine(day, time(12), ZoneInfo(self.timezone)).astimezone(UTC)
            return [tuple((noon + mean_time(place)).date() for place in self.places)]
        east = [place.lon_deg > 0.0 for place in self.places]
        across = any(abs(place.lon_deg) > _FAR_DEG for place in self.places)
        if not across or all(east) or not any(east):
            return [(day,) * len(self.places)]
        before = tuple(day if is_east else day - ONE_DAY for is_east in east)
        if window.days == WHOLE_WEEK:
            return [before]
        # shorter than either is neither
        return [before, tuple(each + ONE_DAY for each in before)] if outer else []

    def _sun_span(
        self, window: Window, day: date, days: tuple[date, ...], *, outer: bool
    ) -> Span | None:
        zone = ZoneInfo(self.timezone)
        starts = self._moments(window.start, day, days)
        ends = self._moments(window.end, day, days)
        next_days = tuple(each + ONE_DAY for each in days)
        if outer:
            if ends is not None and starts is not None and ends[0] <= starts[-1]:
                ends = self._moments(window.end, day + ONE_DAY, next_days)
            if starts is None or ends is None:
                midnights = [
                    solar_midnight(each, place)
                    for each, place in zip(days, self.places, strict=True)
                ]
                midnights += _readings(day, time(0), zone)
                return min(midnights), max(midnights) + (1 + _is_night(window)) * ONE_DAY
            return starts[0], ends[-1]
        if _is_night(window):
            ends = self._moments(window.end, day + ONE_DAY, next_days)
        if starts is None or ends is None or ends[0] <= starts[-1]:
            return None
        return starts[-1], ends[0]

    def _moments(
        self, side: time | SunEvent, day: date, days: tuple[date, ...]
    ) -> list[datetime] | None:
        """Every reading of a side in order; None where the sun gives none."""
        if not isinstance(side, SunEvent):
            return sorted(_readings(day, side, ZoneInfo(self.timezone)))
        if not self.places:
            raise ValueError("a schedule with daylight events needs the places they are seen from")
        seen = [
            sun_moment(side, each, place) for each, place in zip(days, self.places, strict=True)
        ]
        found = [moment for moment in seen if moment is not None]
        # one corner without the event is doubt for the whole zone
        if len(found) < len(seen):
            return None
        return [min(found) - SUN_SLACK, max(found) + SUN_SLACK]


@dataclass(frozen=True, slots=True)
class Calendar:
    """Several periods; it applies while any of them does."""

    periods: tuple[Schedule, ...]

    def active_during(self, start: datetime, end: datetime) -> bool:
        """Whether it applies at any moment of the closed interval; both ends must be aware."""
        return any(period.active_during(start, end) for period in self.periods)

    def active_throughout(self, start: datetime, end: datetime) -> bool:
        """Whether it applies at every moment of the closed interval; both ends must be aware."""
        start, end = _aware(start, end)
        spans = [s for period in self.periods for s in period.spans(start, end, outer=False)]
        return _covers(spans, start, end)


ALWAYS = Schedule()


def joined(periods: Iterable[Schedule]) -> Schedule | Calendar:
    """The plainest schedule of these periods: none is always, one is itself."""
    found = tuple(periods)
    if not found or ALWAYS in found:
        return ALWAYS
    return found[0] if len(found) == 1 else Calendar(found)


def seen_from(schedule: Schedule | Calendar, places: tuple[LatLon, ...]) -> Schedule | Calendar:
    """The schedule with the places of its daylight events; the same where it has none."""
    return joined(
        replace(period, places=places if any(w.has_sun for w in period.windows) else ())
        for period in periods_of(schedule)
    )


def periods_of(schedule: Schedule | Calendar) -> tuple[Schedule, ...]:
    """The periods of a schedule of either type."""
    return schedule.periods if isinstance(schedule, Calendar) else (schedule,)


def _aware(start: datetime, end: datetime) -> Span:
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("schedule asked with a time that has no time zone")
    return start.astimezone(UTC), end.astimezone(UTC)


def _meets(span: Span, start: datetime, end: datetime) -> bool:
    return span[0] <= end and start < span[1]


def _covers(spans: Iterable[Span], start: datetime, end: datetime) -> bool:
    covered = start
    for begin, finish in sorted(spans):
        if begin > covered:
            return False
        covered = max(covered, finish)
        if covered > end:
            return True
    return False


def _clock_span(window: Window, day: date, zone: ZoneInfo, *, outer: bool) -> Span | None:
    start, end = window.start, window.end
    if isinstance(start, SunEvent) or isinstance(end, SunEvent):
        return None
    over = ONE_DAY if end <= start else timedelta()
    early, late = (min, max) if outer else (max, min)
    return early(_readings(day, start, zone)), late(_readings(day + over, end, zone))


def _readings(day: date, at: time, zone: ZoneInfo) -> tuple[datetime, datetime]:
    local = datetime.combine(day, at, zone)
    return local.replace(fold=0).astimezone(UTC), local.replace(fold=1).astimezone(UTC)


def _is_night(window: Window) -> bool:
    """Whether it begins in the second half of the day and ends in the first."""
    late = (
        window.start in (SunEvent.SS, SunEvent.EECT)
        if isinstance(window.start, SunEvent)
        else window.start >= time(12)
    )
    early = (
        window.end in (SunEvent.BMCT, SunEvent.SR)
        if isinstance(window.end, SunEvent)
        else window.end <= time(12)
    )
    return late and early
