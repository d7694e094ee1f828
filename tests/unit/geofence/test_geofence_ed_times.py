"""Times of ED-318 and ED-269: whose they are, and what is refused where nobody knows."""

from __future__ import annotations

import json
from datetime import time

import pytest

from geofence.errors import ZoneFileError
from geofence.formats.ed318 import read_zones, write_zones
from geofence.schedule import Calendar, Schedule, Window
from tests.unit.geofence.test_geofence_ed318 import document, faults, feature, period, read

UTC_DAY = {"day": ["MON"], "startTime": "08:00:00Z", "endTime": "17:00:00Z"}
LOCAL_DAY = {"day": ["MON"], "startTime": "08:00:00", "endTime": "24:00"}
HELSINKI = "Europe/Helsinki"


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (
            [LOCAL_DAY],
            Schedule((Window(frozenset({0}), time(8), time(0)),), HELSINKI),
        ),
        ([{"day": ["SAT"]}], Schedule((Window(frozenset({5})),), HELSINKI)),
        (
            [LOCAL_DAY, UTC_DAY],
            Calendar(
                (
                    Schedule((Window(frozenset({0}), time(8), time(17)),)),
                    Schedule((Window(frozenset({0}), time(8), time(0)),), HELSINKI),
                )
            ),
        ),
        ([{"day": ["ANY"]}], Schedule((Window(),))),
    ],
)
def test_times_of_the_files_own_zone(days, expected) -> None:
    text = json.dumps(document(feature(limitedApplicability=period(*days))))
    (zone,) = read_zones(text, timezone=HELSINKI)
    assert zone.schedule == expected


@pytest.mark.parametrize(
    ("day", "window"),
    [
        # from eight in the evening to midnight there, which is one to five in UTC the day after
        (
            {"day": ["SUN"], "startTime": "20:00:00-05:00"},
            Window(frozenset({0}), time(1), time(5)),
        ),
        # from midnight there, which is the evening before in UTC
        (
            {"day": ["MON"], "endTime": "08:00:00+02:00"},
            Window(frozenset({6}), time(22), time(6)),
        ),
    ],
)
def test_a_side_left_out_is_midnight_by_the_other_ones_offset(day, window) -> None:
    zones = read(feature(limitedApplicability=period(day)))
    assert zones[0].schedule == Schedule((window,))


@pytest.mark.parametrize(
    ("day", "field"),
    [
        ({"day": ["SAT", "SUN"]}, ".day"),
        ({"day": ["SAT"], "startEvent": "SS"}, ".day"),
        (LOCAL_DAY, ".startTime"),
        ({"day": ["MON"], "endTime": "08:00:00"}, ".endTime"),
        ({"day": ["MON"], "startTime": "08:00:00Z", "endTime": "17:00:00"}, ""),
    ],
)
def test_nobody_knows_whose_time_it_is(day, field) -> None:
    bad = feature(limitedApplicability=period(day))
    assert faults(bad) == [("FIN0001", f"limitedApplicability[0].schedule[0]{field}")]


def test_a_whole_day_is_written_so_that_it_is_no_empty_one() -> None:
    day = {"day": ["SAT"], "startTime": "00:00:00Z", "endTime": "23:59:59Z"}
    zones = read(feature(limitedApplicability=period(day)))
    assert zones[0].schedule == Schedule((Window(frozenset({5})),))
    written = write_zones(zones)["features"][0]["properties"]["limitedApplicability"]
    assert written == [{"schedule": [day]}]
    assert read_zones(json.dumps(write_zones(zones))) == zones


def test_two_features_of_one_identifier_are_refused_by_name() -> None:
    with pytest.raises(ZoneFileError) as caught:
        read(feature(), feature(type="NO_RESTRICTION"))
    (error,) = caught.value.errors
    assert error.feature == "FIN0001"
    assert "features 1 and 2" in error.reason
