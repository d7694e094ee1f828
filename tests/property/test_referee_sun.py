"""The referee's sun and hours against those of the checker, which share nothing with them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from geofence.frames import LatLon
from geofence.schedule import Calendar, Schedule, Window
from geofence.sun import SunEvent, sun_moment
from sitl.referee import RefereeError
from sitl.referee.hours import Hours, Period, active_spans
from sitl.referee.sun import event_s, height_deg

EXAMPLES = settings(max_examples=300, deadline=None)
days = st.dates(date(2000, 1, 1), date(2049, 12, 31))
lats, lons = st.floats(-66.0, 66.0), st.floats(-180.0, 180.0)
clocks = st.times().map(lambda t: t.replace(second=0, microsecond=0))


@EXAMPLES
@given(st.sampled_from(SunEvent), days, lats, lons)
def test_events_agree_to_two_minutes(event, day, lat, lon) -> None:
    ours = event_s(str(event), day, lon, lat)
    theirs = sun_moment(event, day, LatLon(lat, lon))
    if ours is None or theirs is None:
        # near the latitude and season of no event either may miss it
        assert abs(lat) > 58.0
        return
    # where the sun only grazes the height a hundredth of a degree is minutes
    before, after = (height_deg(ours + d, lon, lat) for d in (-300.0, 300.0))
    assume(abs(after - before) > 0.5)
    assert ours == pytest.approx(theirs.timestamp(), abs=120.0)


@pytest.mark.parametrize(("month", "up"), [(6, True), (12, False)])
def test_at_the_north_cape_the_sun_is_up_all_day_or_none(month, up) -> None:
    noon = datetime(2026, month, 21, 10, tzinfo=UTC).timestamp()
    place = (25.78, 71.17)
    bright = (Period(hours=(Hours(frozenset(range(7)), "SR", "SS"),)),)
    dark = (Period(hours=(Hours(frozenset(range(7)), "SS", "SR"),)),)
    for periods, expected in ((bright, up), (dark, not up)):
        spans = active_spans(periods, place, noon, noon + 3600.0)
        assert spans == ([(noon, noon + 3600.0)] if expected else [])
    riddle = (Period(hours=(Hours(frozenset(range(7)), "SR", time(17)),)),)
    with pytest.raises(RefereeError, match="the sun has no SR"):
        active_spans(riddle, place, noon, noon + 3600.0)


windows = st.tuples(st.frozensets(st.integers(0, 6), min_size=1), clocks, clocks)
zones = st.sampled_from(["UTC", "Europe/Helsinki", "America/New_York", "Asia/Kathmandu"])


@EXAMPLES
@given(
    st.lists(st.tuples(st.lists(windows, max_size=2), zones), min_size=1, max_size=2),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
)
def test_hours_agree_with_the_checkers(periods, moment) -> None:
    """But for the two clock changes a year, where the checker takes the longer reading."""
    calendar = Calendar(tuple(Schedule(tuple(Window(*w) for w in ws), z) for ws, z in periods))
    ours = tuple(Period(z, tuple(Hours(*w) for w in ws)) for ws, z in periods)
    moment = moment.replace(microsecond=500_000)
    at_s = moment.timestamp()
    spans = active_spans(ours, (0.0, 0.0), at_s, at_s)
    active = calendar.active_during(moment, moment)
    if calendar.active_throughout(moment, moment) is active:
        assert bool(spans) is active
    near = moment - timedelta(days=1), moment + timedelta(days=1)
    for begin, finish in active_spans(ours, (0.0, 0.0), near[0].timestamp(), near[1].timestamp()):
        middle = datetime.fromtimestamp((begin + finish) / 2.0, UTC)
        assert calendar.active_during(middle, middle)
