"""Zone files and schedules: what is written is read back, and nonsense is refused politely."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.errors import ZoneFileError
from geofence.formats.geojson import read_zones, write_zones
from geofence.frames import Altitude, Datum, LatLon
from geofence.zones import (
    Area,
    CircleArea,
    PolygonArea,
    Schedule,
    VehicleClass,
    Window,
    Zone,
    ZoneKind,
)
from geofence.zoneset import ZoneSet

EXAMPLES = settings(max_examples=200, deadline=None)
TIMEZONES = ["UTC", "Europe/Helsinki", "America/St_Johns", "Pacific/Chatham", "Australia/Lord_Howe"]

limits = st.none() | st.builds(
    Altitude, st.floats(-500.0, 20_000.0), st.sampled_from([Datum.AMSL, Datum.AGL, Datum.WGS84])
)
times = st.times().map(lambda t: t.replace(tzinfo=None))
windows = st.builds(Window, st.frozensets(st.integers(0, 6), min_size=1), times, times)
moments = st.datetimes(
    datetime(2000, 1, 1),
    datetime(2060, 1, 1),
    timezones=st.just(UTC),
)


@st.composite
def schedules(draw) -> Schedule:
    begin = draw(st.none() | moments)
    end = draw(st.none() | moments)
    if begin is not None and end is not None and end <= begin:
        end = begin + timedelta(seconds=1)
    found = draw(st.lists(windows, max_size=3))
    return Schedule(tuple(found), draw(st.sampled_from(TIMEZONES)), begin, end)


@st.composite
def areas(draw) -> Area:
    lat, lon = draw(st.floats(-80.0, 80.0)), draw(st.floats(-170.0, 170.0))
    if draw(st.booleans()):
        return CircleArea(LatLon(lat, lon), draw(st.floats(0.001, 100_000.0)))
    w, h = draw(st.floats(1e-6, 5.0)), draw(st.floats(1e-6, 5.0))
    ring = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    shell = tuple(LatLon(lat + y * h, lon + x * w) for x, y in ring)
    hole = tuple(LatLon(lat + (0.25 + y / 2) * h, lon + (0.25 + x / 2) * w) for x, y in ring)
    return PolygonArea(shell, (hole,) if draw(st.booleans()) else ())


@st.composite
def zones(draw) -> Zone:
    kind = draw(st.sampled_from(ZoneKind))
    floor, ceiling = draw(limits), draw(limits)
    if floor and ceiling and floor.datum == ceiling.datum and floor.value_m > ceiling.value_m:
        floor, ceiling = ceiling, floor
    return Zone(
        draw(st.text(min_size=1, max_size=20).map(str.strip).filter(bool)),
        draw(st.text(max_size=20)),
        kind,
        draw(areas()),
        floor,
        ceiling,
        draw(schedules()),
        draw(st.frozensets(st.sampled_from(VehicleClass))),
        draw(st.none() | st.text(min_size=1, max_size=9)) if kind is ZoneKind.RESTRICTED else None,
        draw(st.text(max_size=20)),
    )


many = st.lists(zones(), max_size=4, unique_by=lambda zone: zone.zone_id)


@EXAMPLES
@given(many)
def test_what_is_written_is_read_back(written) -> None:
    read = read_zones(json.dumps(write_zones(written)))
    assert read == tuple(written)
    assert ZoneSet(read).version == ZoneSet(written).version


nonsense = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def _places(node, path=()):
    yield path
    items = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    for key, value in items:
        yield from _places(value, (*path, key))


@EXAMPLES
@given(zones(), st.data())
def test_nonsense_anywhere_is_refused_or_read_but_never_breaks(zone, data) -> None:
    """One value of a good file replaced by anything JSON can hold."""
    document = copy.deepcopy(write_zones([zone]))
    *way, last = data.draw(st.sampled_from([p for p in _places(document) if p]))
    node = document
    for key in way:
        node = node[key]
    node[last] = data.draw(nonsense)
    try:
        read = read_zones(json.dumps(document))
    except ZoneFileError as refused:
        faults = refused.errors
    else:
        ZoneSet(read)
        return
    assert faults
    assert all(error.feature and error.field and error.reason for error in faults)


@EXAMPLES
@given(st.binary(max_size=200) | nonsense.map(json.dumps))
def test_any_bytes_are_refused(data) -> None:
    try:
        answered = read_zones(data) == ()
    except ZoneFileError as refused:
        answered = bool(refused.errors)
    assert answered


def _active_at(schedule: Schedule, moment: datetime) -> bool:
    """By the clock on the wall, told from the definition of a window."""
    if schedule.valid_from is not None and moment < schedule.valid_from:
        return False
    if schedule.valid_to is not None and moment >= schedule.valid_to:
        return False
    if not schedule.windows:
        return True
    local = moment.astimezone(ZoneInfo(schedule.timezone))
    clock, today, yesterday = local.time(), local.weekday(), (local.weekday() - 1) % 7
    for window in schedule.windows:
        if window.start < window.end:
            if today in window.days and window.start <= clock < window.end:
                return True
        elif (today in window.days and clock >= window.start) or (
            yesterday in window.days and clock < window.end
        ):
            return True
    return False


@EXAMPLES
@given(schedules(), moments, st.integers(0, 40))
def test_schedule_holds_what_the_clock_shows(schedule, start, hours) -> None:
    """Never inactive while the clock shows it active, nor throughout while it shows it is not."""
    end = start + timedelta(hours=hours)
    shown = [_active_at(schedule, start + (end - start) * i / 96) for i in range(97)]
    if any(shown):
        assert schedule.active_during(start, end)
    if not all(shown):
        assert not schedule.active_throughout(start, end)
    if schedule.active_throughout(start, end):
        assert schedule.active_during(start, end)


@EXAMPLES
@given(schedules(), moments)
def test_a_moment_is_during_and_throughout_alike_but_at_clock_changes(schedule, moment) -> None:
    during = schedule.active_during(moment, moment)
    throughout = schedule.active_throughout(moment, moment)
    if during != throughout:
        zone = ZoneInfo(schedule.timezone)
        offsets = {
            (moment + timedelta(days=d)).astimezone(zone).utcoffset()
            for d in (-3, -2, -1, 0, 1, 2, 3)
        }
        assert len(offsets) > 1
    else:
        assert during == _active_at(schedule, moment)
