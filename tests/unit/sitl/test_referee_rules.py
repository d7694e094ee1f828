"""The referee on speed limits, several periods, daylight, and rules that ask for traits."""

from __future__ import annotations

from pathlib import Path

import pytest

from sitl.referee import RefereeError
from tests.unit.sitl.referee_lab import START, Lab, at, square

SLOW = {"kind": "advisory", "max_speed_mps": 5.0}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def through(lab: Lab, mps: float, *, step: float = 0.5, **zone: object) -> None:
    """Drone 1 through a zone of 200 m at an even speed, 400 m in all."""
    lab.zones = [square("school", 400, 200, 600, 400, **zone)]
    lab.move("drone-1", (300, 300, 70.0), (700, 300, 70.0), 0, 400 / mps, step)


@pytest.mark.parametrize("step", [0.1, 0.5, 3.0])
def test_who_is_too_fast_in_a_zone_is_found_with_speed_place_and_time(
    lab: Lab, step: float
) -> None:
    through(lab, 10.0, step=step, **SLOW)
    (finding,) = lab.judge().findings
    assert (finding.rule, finding.vehicle_id, finding.zone_id) == ("speed", "drone-1", "school")
    assert finding.text == "drone-1 moved at 10.0 m/s in school, which allows 5 m/s"
    assert finding.t_s == pytest.approx(START.timestamp() + 10.0, abs=0.1)
    assert finding.until_s == pytest.approx(START.timestamp() + 30.0, abs=0.1)
    assert finding.lon_deg == pytest.approx(at(400, 300)[0], abs=1e-5)


@pytest.mark.parametrize(
    ("mps", "zone", "found"),
    [
        (5.0, SLOW, False),
        (5.3, SLOW, False),
        (5.5, SLOW, True),
        (10.0, SLOW | {"classes": ["robot"]}, False),
        (10.0, SLOW | {"ceiling": {"value_m": 60, "datum": "AMSL"}}, False),
        (10.0, SLOW | {"schedule": {"windows": [{"start": "22:00", "end": "06:00"}]}}, False),
        (10.0, SLOW | {"kind": "restricted", "permit": "port"}, True),
        (10.0, SLOW | {"kind": "keep_in", "max_speed_mps": 50.0}, False),
        (10.0, {"kind": "advisory"}, False),
    ],
)
def test_limits_bind_who_is_bound_where_and_when(
    lab: Lab, mps: float, zone: dict[str, object], found: bool
) -> None:
    through(lab, mps, **zone)
    lab.permits = {"drone-1": ["port"]}
    assert ("speed" in lab.rules()) is found


def test_who_may_not_be_there_at_all_is_not_told_of_speed(lab: Lab) -> None:
    through(lab, 10.0, kind="no_fly", max_speed_mps=5.0)
    assert lab.rules() == ["zone"]


def test_a_fast_passage_through_a_narrow_zone_is_found(lab: Lab) -> None:
    lab.zones = [square("crossing", 498, 200, 502, 400, **SLOW)]
    lab.move("drone-1", (300, 300, 70.0), (700, 300, 70.0), 0, 20)
    assert lab.rules() == ["speed"]


def test_two_samples_of_one_moment_tell_no_speed(lab: Lab) -> None:
    """An event stands beside the sample of its moment, a rounding off."""
    lab.zones = [square("school", 400, 200, 600, 400, **SLOW)]
    lab.move("drone-1", (450, 300, 70.0), (550, 300, 70.0), 0, 25)
    lab.sample("drone-1", 12.5, 500.4, 300, 70.0, event="released")
    lab.sample("drone-1", 12.5, 500.0, 300, 70.0)
    assert "speed" not in lab.rules()


def test_slowing_down_to_the_border_is_in_time(lab: Lab) -> None:
    """From 10 m/s by 2.5 m/s^2, at 5 m/s when the zone begins."""
    lab.zones = [square("school", 400, 200, 600, 400, **SLOW)]
    for i in range(21):
        t = i / 10.0
        lab.sample("drone-1", t, 385.0 + 10.0 * t - 1.25 * t * t, 300, 70.0)
    lab.move("drone-1", (400.0, 300, 70.0), (500.0, 300, 70.0), 2.0, 22.0)
    assert lab.rules() == []


WINTER = {"valid_to": "2026-05-01T00:00:00Z", "windows": [{"start": "00:00", "end": "24:00"}]}
MORNING = {"timezone": "Europe/Helsinki", "windows": [{"start": "09:59", "end": "10:30"}]}
NIGHT = {"windows": [{"start": "22:00", "end": "05:00"}]}


@pytest.mark.parametrize(
    ("schedule", "found"),
    [
        ({"periods": [WINTER, MORNING]}, True),
        ({"periods": [WINTER, NIGHT]}, False),
        ({"periods": [MORNING, {"windows": [{"start": "07:00", "end": "08:00"}]}]}, True),
        ({"windows": [{"start": "SR", "end": "SS"}]}, True),
        ({"windows": [{"start": "SS", "end": "SR"}]}, False),
        ({"windows": [{"start": "BMCT", "end": "07:10"}]}, True),
        ({"windows": [{"start": "EECT", "end": "BMCT"}]}, False),
        ({"periods": [NIGHT, {"windows": [{"days": ["wed"], "start": "SR", "end": "SS"}]}]}, True),
        ({"periods": [NIGHT, {"windows": [{"days": ["thu"], "start": "SR", "end": "SS"}]}]}, False),
    ],
)
def test_periods_and_daylight(lab: Lab, schedule: dict[str, object], found: bool) -> None:
    """Ten o'clock on a Wednesday in June at Helsinki."""
    through(lab, 10.0, schedule=schedule)
    assert lab.rules() == (["zone"] if found else [])


def test_overlapping_periods_make_one_visit(lab: Lab) -> None:
    lab.zones = [
        square("school", 400, 200, 600, 400, schedule={"periods": [MORNING, {"windows": []}]})
    ]
    lab.move("drone-1", (500, 300, 70.0), (500, 300, 70.0), 0, 10)
    (finding,) = lab.judge().findings
    assert finding.until_s is not None
    assert finding.t_s is not None
    assert finding.until_s - finding.t_s == pytest.approx(10.0)


def test_sunset_binds_from_its_minute_on(lab: Lab) -> None:
    """On 10 June 2026 the sun sets at Helsinki at about 22:42 summer time."""
    lab.zones = [square("park", 400, 200, 600, 400, schedule={"windows": [
        {"start": "SS", "end": "SR"},
    ]})]  # fmt: skip
    begin = (22 - 10) * 3600.0
    lab.move("drone-1", (500, 300, 70.0), (510, 300, 70.0), begin, begin + 3600, step=10.0)
    (finding,) = lab.judge().findings
    assert finding.t_s == pytest.approx(START.timestamp() + begin + 42 * 60, abs=90.0)


@pytest.mark.parametrize(
    ("traits", "zone", "found"),
    [
        ({}, {"surfaces": ["road"]}, True),
        ({"surface": "road"}, {"surfaces": ["road"]}, True),
        ({"surface": "pavement"}, {"surfaces": ["road"]}, False),
        ({}, {"min_mass_kg": 50}, True),
        ({"mass_kg": 60}, {"min_mass_kg": 50}, True),
        ({"mass_kg": 40}, {"min_mass_kg": 50}, False),
        ({}, {"electric_exempt": True}, True),
        ({"electric": False}, {"electric_exempt": True}, True),
        ({"electric": True}, {"electric_exempt": True}, False),
    ],
)
def test_what_a_rule_asks_and_is_not_known_binds(
    lab: Lab, traits: dict[str, object], zone: dict[str, object], found: bool
) -> None:
    lab.zones = [square("street", 100, -50, 200, 50, classes=["robot"], **zone)]
    lab.traits = {"bot": traits}
    lab.drive((400, 0), "P1")
    lab.expect("P1", (400, 0), "bot")
    assert lab.rules() == (["zone"] if found else [])


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"colour": "red"}, "colour"),
        ({"surfaces": ["ice"]}, "surfaces"),
        ({"max_speed_mps": 0}, "max_speed_mps"),
        ({"min_mass_kg": "heavy"}, "min_mass_kg"),
        ({"schedule": {"periods": {}}}, "schedule.periods"),
        ({"schedule": {"periods": [], "timezone": "UTC"}}, "schedule"),
        ({"schedule": {"season": "winter"}}, "schedule"),
        ({"schedule": {"windows": [{"start": "NOON"}]}}, "windows"),
    ],
)
def test_a_rule_that_cannot_be_judged_is_refused(
    lab: Lab, change: dict[str, object], key: str
) -> None:
    lab.zones = [square("palace", 0, 0, 1, 1, **change)]
    with pytest.raises(RefereeError, match="palace") as caught:
        lab.judge()
    assert caught.value.key == key


@pytest.mark.parametrize(
    "traits", [{"ghost": {}}, {"bot": {"surface": "ice"}}, {"bot": {"electric": 1}}, {"bot": 3}]
)
def test_traits_that_are_none_are_refused(lab: Lab, traits: dict[str, dict[str, object]]) -> None:
    lab.traits = traits
    with pytest.raises(RefereeError, match=r"header\.traits"):
        lab.judge()


def test_what_crosses_the_antimeridian_is_not_judged(lab: Lab) -> None:
    lab.sample("drone-1", 0.0, 0.0, 0.0, 70.0)
    lab.sample("drone-1", 1.0, 0.0, 0.0, 70.0)
    first, second = lab.lines
    first["lon_deg"], second["lon_deg"] = 179.999, -179.999
    with pytest.raises(RefereeError, match="drone-1 crosses the antimeridian"):
        lab.judge()
    second["lon_deg"] = 179.998
    assert lab.judge().zones == len(lab.zones)
    zone = square("atoll", 0, 0, 1, 1, radius_m=500.0)
    zone["geometry"] = {"type": "Point", "coordinates": [179.999, 60.0]}
    lab.zones = [zone]
    with pytest.raises(RefereeError, match="atoll"):
        lab.judge()
