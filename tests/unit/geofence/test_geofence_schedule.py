"""When a zone applies."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from geofence.zones import Schedule, Window

HELSINKI = "Europe/Helsinki"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def both(schedule: Schedule, start: str, end: str) -> tuple[bool, bool]:
    return (
        schedule.active_during(at(start), at(end)),
        schedule.active_throughout(at(start), at(end)),
    )


GATE = Schedule((Window(frozenset({0, 1, 2, 3, 4}), time(8), time(22)),), HELSINKI)
NIGHT = Schedule((Window(start=time(22), end=time(6)),), HELSINKI)


@pytest.mark.parametrize(
    ("schedule", "start", "end", "during", "throughout"),
    [
        # Monday 1 June 2026, summer time: 08:00 is 05:00 UTC
        (GATE, "2026-06-01T04:59:59Z", "2026-06-01T04:59:59Z", False, False),
        (GATE, "2026-06-01T04:59:59Z", "2026-06-01T05:00:00Z", True, False),
        (GATE, "2026-06-01T05:00:00Z", "2026-06-01T18:59:59Z", True, True),
        (GATE, "2026-06-01T05:00:00Z", "2026-06-01T19:00:00Z", True, False),
        (GATE, "2026-06-01T19:00:00Z", "2026-06-01T20:00:00Z", False, False),
        (GATE, "2026-06-06T09:00:00Z", "2026-06-06T10:00:00Z", False, False),
        (GATE, "2026-06-05T12:00:00Z", "2026-06-08T12:00:00Z", True, False),
        (NIGHT, "2026-06-01T23:00:00+03:00", "2026-06-02T05:00:00+03:00", True, True),
        (NIGHT, "2026-06-01T01:00:00+03:00", "2026-06-01T01:00:00+03:00", True, True),
        (NIGHT, "2026-06-01T06:00:00+03:00", "2026-06-01T21:59:59+03:00", False, False),
        (Schedule(), "2026-06-01T00:00:00Z", "2036-06-01T00:00:00Z", True, True),
        (Schedule((Window(),)), "2026-06-01T00:00:00Z", "2026-06-09T00:00:00Z", True, True),
    ],
)
def test_windows(schedule, start, end, during, throughout) -> None:
    assert both(schedule, start, end) == (during, throughout)


def test_validity_is_half_open() -> None:
    schedule = Schedule(valid_from=at("2026-06-01T10:00Z"), valid_to=at("2026-06-01T12:00Z"))
    assert both(schedule, "2026-06-01T09:00Z", "2026-06-01T09:59Z") == (False, False)
    assert both(schedule, "2026-06-01T09:00Z", "2026-06-01T10:00Z") == (True, False)
    assert both(schedule, "2026-06-01T10:00Z", "2026-06-01T11:59Z") == (True, True)
    assert both(schedule, "2026-06-01T11:00Z", "2026-06-01T12:00Z") == (True, False)
    assert both(schedule, "2026-06-01T12:00Z", "2026-06-01T13:00Z") == (False, False)


def test_adjoining_windows_are_one() -> None:
    halves = Schedule((Window(start=time(8), end=time(12)), Window(start=time(12), end=time(18))))
    assert halves.active_throughout(at("2026-06-01T09:00Z"), at("2026-06-01T17:00Z"))
    gap = Schedule((Window(start=time(8), end=time(12)), Window(start=time(12, 1), end=time(18))))
    assert not gap.active_throughout(at("2026-06-01T09:00Z"), at("2026-06-01T17:00Z"))


def test_clock_change_takes_the_longer_reading_for_active() -> None:
    """25 October 2026: 03:00 to 04:00 happens twice in Helsinki, from 00:00 and 01:00 UTC."""
    until = Schedule((Window(start=time(1), end=time(3, 30)),), HELSINKI)
    assert until.active_during(at("2026-10-25T01:15Z"), at("2026-10-25T01:15Z"))
    assert not until.active_throughout(at("2026-10-25T00:45Z"), at("2026-10-25T00:45Z"))
    since = Schedule((Window(start=time(3, 30), end=time(5)),), HELSINKI)
    assert since.active_during(at("2026-10-25T00:45Z"), at("2026-10-25T00:45Z"))


def test_times_given_in_the_zone_itself_are_compared_as_moments() -> None:
    local = datetime(2026, 10, 25, 3, 45, fold=1, tzinfo=ZoneInfo(HELSINKI))
    early = Schedule((Window(start=time(3), end=time(3, 50)),), HELSINKI)
    assert early.active_during(local, local + timedelta(minutes=1))


def test_time_without_zone_is_refused() -> None:
    naive = datetime(2026, 6, 1)
    with pytest.raises(ValueError, match="time zone"):
        GATE.active_during(naive, datetime(2026, 6, 1, tzinfo=UTC))
    with pytest.raises(ValueError, match="time zone"):
        GATE.active_throughout(datetime(2026, 6, 1, tzinfo=UTC), naive)
