"""Daylight events: against published tables, and schedules that use them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta

import pytest

from geofence.errors import ZoneError
from geofence.formats.geojson import read_zones, write_zones
from geofence.frames import LatLon
from geofence.schedule import ALWAYS, Calendar, Schedule, Window, joined
from geofence.sun import SUN_SLACK, SunEvent, sun_moment
from geofence.zones import CircleArea, Zone, ZoneKind, sun_places
from geofence.zoneset import ZoneSet

HELSINKI = LatLon(60.17, 24.94)
AUCKLAND = LatLon(-36.85, 174.76)
TROMSO = LatLon(69.65, 18.96)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("place", "day", "event", "expected"),
    [
        # Almanac times, local offset as published
        (HELSINKI, date(2024, 6, 20), SunEvent.SR, "2024-06-20T03:54+03:00"),
        (HELSINKI, date(2024, 6, 20), SunEvent.SS, "2024-06-20T22:50+03:00"),
        (HELSINKI, date(2024, 12, 21), SunEvent.SR, "2024-12-21T09:24+02:00"),
        (HELSINKI, date(2024, 12, 21), SunEvent.SS, "2024-12-21T15:13+02:00"),
        (AUCKLAND, date(2024, 12, 21), SunEvent.SR, "2024-12-21T05:58+13:00"),
        (AUCKLAND, date(2024, 12, 21), SunEvent.SS, "2024-12-21T20:39+13:00"),
    ],
)
def test_against_the_almanac(place, day, event, expected) -> None:
    found = sun_moment(event, day, place)
    assert found is not None
    assert abs(found - at(expected)) <= SUN_SLACK


def test_the_order_of_a_day() -> None:
    events = [sun_moment(event, date(2026, 3, 1), HELSINKI) for event in SunEvent]
    assert None not in events
    assert events == sorted(events, key=lambda e: e or datetime.max.replace(tzinfo=UTC))
    assert [event.value for event in SunEvent] == ["BMCT", "SR", "SS", "EECT"]


def test_a_sun_that_does_not_set_has_no_sunset() -> None:
    assert sun_moment(SunEvent.SS, date(2026, 6, 21), TROMSO) is None
    assert sun_moment(SunEvent.SR, date(2026, 12, 21), TROMSO) is None
    assert sun_moment(SunEvent.BMCT, date(2026, 12, 21), TROMSO) is not None


def scheduled(place: LatLon, *windows: Window, timezone: str = "UTC") -> Schedule:
    return Schedule(windows, timezone, places=sun_places(CircleArea(place, 1000.0)))


DAY = Window(start=SunEvent.SR, end=SunEvent.SS)
NIGHT = Window(start=SunEvent.SS, end=SunEvent.SR)
TWILIGHT = Window(start=SunEvent.EECT, end=SunEvent.BMCT)


@pytest.mark.parametrize(
    ("schedule", "moment", "expected"),
    [
        (scheduled(HELSINKI, DAY), "2026-12-21T10:00Z", True),
        (scheduled(HELSINKI, DAY), "2026-12-21T16:00Z", False),
        (scheduled(HELSINKI, NIGHT), "2026-12-21T10:00Z", False),
        (scheduled(HELSINKI, NIGHT), "2026-12-21T23:00Z", True),
        (scheduled(HELSINKI, NIGHT), "2026-12-21T03:00Z", True),
        (scheduled(HELSINKI, TWILIGHT), "2026-12-21T13:40Z", False),
        (scheduled(HELSINKI, TWILIGHT), "2026-12-21T15:00Z", True),
        (scheduled(HELSINKI, Window(start=SunEvent.SR, end=time(12))), "2026-06-21T02:00Z", True),
        (scheduled(HELSINKI, Window(start=SunEvent.SR, end=time(12))), "2026-06-21T13:00Z", False),
        (scheduled(HELSINKI, Window(start=time(22), end=SunEvent.SR)), "2026-01-02T03:00Z", True),
        (scheduled(HELSINKI, Window(start=time(22), end=SunEvent.SR)), "2026-01-02T12:00Z", False),
        (scheduled(AUCKLAND, DAY), "2026-12-21T00:00Z", True),
        (scheduled(AUCKLAND, DAY), "2026-12-21T12:00Z", False),
        # Monday in Auckland begins on Sunday in UTC
        (scheduled(AUCKLAND, Window(frozenset({0}), SunEvent.SR, SunEvent.SS)),
         "2026-12-20T20:00Z", True),
        (scheduled(AUCKLAND, Window(frozenset({0}), SunEvent.SR, SunEvent.SS)),
         "2026-12-21T20:00Z", False),
    ],
)  # fmt: skip
def test_windows_of_daylight(schedule, moment, expected) -> None:
    when = at(moment)
    assert schedule.active_during(when, when) is expected
    assert schedule.active_throughout(when, when) is expected


@pytest.mark.parametrize("window", [DAY, NIGHT, TWILIGHT])
@pytest.mark.parametrize("day", ["2026-06-21", "2026-12-21"])
def test_where_the_sun_gives_no_event_both_answers_forbid(window, day) -> None:
    schedule = scheduled(TROMSO, window)
    if window is TWILIGHT and day == "2026-12-21":
        assert not schedule.active_during(at(f"{day}T11:00Z"), at(f"{day}T11:00Z"))
        return
    for hour in (0, 6, 12, 18):
        when = at(f"{day}T{hour:02}:00Z")
        assert schedule.active_during(when, when)
        assert not schedule.active_throughout(when, when)


def test_near_the_event_both_answers_forbid() -> None:
    schedule = scheduled(HELSINKI, DAY)
    rise = sun_moment(SunEvent.SR, date(2026, 3, 1), HELSINKI)
    assert rise is not None
    for shift in (timedelta(seconds=-60), timedelta(seconds=60)):
        assert schedule.active_during(rise + shift, rise + shift)
        assert not schedule.active_throughout(rise + shift, rise + shift)
    for shift, active in ((timedelta(minutes=-10), False), (timedelta(minutes=10), True)):
        assert schedule.active_during(rise + shift, rise + shift) is active
        assert schedule.active_throughout(rise + shift, rise + shift) is active


def test_several_periods_are_joined() -> None:
    morning = Schedule((Window(start=time(6), end=time(12)),))
    noon = Schedule((Window(start=time(12), end=time(18)),), valid_from=at("2026-06-01T00:00Z"))
    calendar = joined([morning, noon])
    assert isinstance(calendar, Calendar)
    assert calendar.active_throughout(at("2026-06-02T07:00Z"), at("2026-06-02T17:00Z"))
    assert not calendar.active_throughout(at("2026-05-02T07:00Z"), at("2026-05-02T17:00Z"))
    assert calendar.active_during(at("2026-05-02T07:00Z"), at("2026-05-02T17:00Z"))
    assert not calendar.active_during(at("2026-05-02T13:00Z"), at("2026-05-02T17:00Z"))


def test_the_plainest_schedule() -> None:
    period = Schedule((Window(),))
    assert joined([]) is ALWAYS
    assert joined([period]) is period
    assert joined([period, ALWAYS]) is ALWAYS


def test_events_need_a_place() -> None:
    bare = Schedule((DAY,))
    with pytest.raises(ValueError, match="places"):
        bare.active_during(at("2026-06-02T07:00Z"), at("2026-06-02T07:00Z"))
    zone = Zone("A", "", ZoneKind.NO_FLY, CircleArea(HELSINKI, 5.0), schedule=bare)
    with pytest.raises(ZoneError, match="places"):
        ZoneSet([zone])


def test_a_calendar_comes_back_from_geojson() -> None:
    area = CircleArea(HELSINKI, 500.0)
    schedule = Calendar(
        (
            Schedule((Window(), NIGHT), "Europe/Helsinki", places=sun_places(area)),
            Schedule((), "UTC", at("2026-06-01T00:00Z"), at("2026-07-01T00:00Z")),
        )
    )
    zone = Zone("A", "", ZoneKind.NO_FLY, area, schedule=schedule)
    assert read_zones(json.dumps(write_zones([zone]))) == (zone,)


def test_places_lie_round_the_zone() -> None:
    places = sun_places(CircleArea(LatLon(10.0, 179.9), 100_000.0))
    assert len(places) == 4
    assert {place.lat_deg > 10.0 for place in places} == {True, False}
    assert any(place.lon_deg < -178.0 for place in places)


FIJI = "Pacific/Fiji"
TAVEUNI = CircleArea(LatLon(-16.85, -179.99), 5_000.0)


@pytest.mark.parametrize("center", [LatLon(-16.85, 179.99), LatLon(-16.85, -179.99)])
@pytest.mark.parametrize(
    ("timezone", "days"), [("UTC", frozenset(range(7))), (FIJI, frozenset(range(7)))]
)
def test_a_day_about_the_antimeridian_is_no_longer_than_elsewhere(center, timezone, days) -> None:
    places = sun_places(CircleArea(center, 5_000.0))
    schedule = Schedule((Window(days, SunEvent.SR, SunEvent.SS),), timezone, places=places)
    # about half past six in the morning and half past five in the afternoon, twelve ahead of UTC
    for moment, expected in (
        ("2026-06-01T17:50Z", False),
        ("2026-06-01T19:00Z", True),
        ("2026-06-02T05:00Z", True),
        ("2026-06-02T06:10Z", False),
    ):
        when = at(moment)
        assert schedule.active_during(when, when) is expected
        assert schedule.active_throughout(when, when) is expected


def test_the_days_of_a_clock_zone_are_its_own_beyond_the_antimeridian() -> None:
    """Monday 1 June at Taveuni, which keeps the time of Fiji, begins on Sunday in UTC."""
    monday = frozenset({0})
    schedule = Schedule(
        (Window(monday, SunEvent.SR, SunEvent.SS),), FIJI, places=sun_places(TAVEUNI)
    )
    for moment, expected in (("2026-05-31T23:00Z", True), ("2026-06-01T23:00Z", False)):
        when = at(moment)
        assert schedule.active_during(when, when) is expected
    half = Schedule((Window(monday, SunEvent.SR, time(12)),), FIJI, places=sun_places(TAVEUNI))
    for moment, expected in (("2026-05-31T23:00Z", True), ("2026-06-01T23:00Z", False)):
        when = at(moment)
        assert half.active_throughout(when, when) is expected


def test_a_day_in_utc_that_may_be_either_forbids_on_both_and_keeps_on_neither() -> None:
    window = Window(frozenset({0}), SunEvent.SR, SunEvent.SS)
    schedule = Schedule((window,), places=sun_places(TAVEUNI))
    for moment, during in (
        ("2026-05-31T23:00Z", True),
        ("2026-06-01T23:00Z", True),
        ("2026-06-02T23:00Z", False),
    ):
        when = at(moment)
        assert schedule.active_during(when, when) is during
        assert not schedule.active_throughout(when, when)
