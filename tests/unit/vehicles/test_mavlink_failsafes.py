"""What parameters and rally lists mean."""

from __future__ import annotations

import pytest

from sitl.copter.params import Params
from vehicles.mavlink.failsafes import NAMES, failsafes_of, rally_places
from vehicles.mavlink.messages import MissionItemInt
from vehicles.port import FailsafeAction, RallyPlace


def values(**changes: float | None) -> dict[str, float | None]:
    """ArduCopter's defaults, changed."""
    factory = Params({})
    return {name: factory[name] for name in NAMES} | changes


def test_factory_values_are_understood() -> None:
    told = failsafes_of(values())
    assert told is not None
    assert told.lost_link is FailsafeAction.CONTINUE
    assert told.estimator is FailsafeAction.LAND
    assert told.dead_reckoning is FailsafeAction.RETURN
    assert told.return_alt_home_m == 15.0
    assert told.rally_limit_m == pytest.approx(300.0)
    assert not told.avoidance


@pytest.mark.parametrize(
    ("value", "action"),
    [
        (0, "continue"), (1, "return"), (2, "continue"), (3, "return"), (4, "land"),
        (5, "land"), (6, "return_path"), (7, "land"),
    ],
)  # fmt: skip
def test_the_lost_link_has_numbers_of_its_own(value: float, action: str) -> None:
    told = failsafes_of(values(FS_GCS_ENABLE=value))
    assert told is not None
    assert told.lost_link.value == action


@pytest.mark.parametrize(("value", "action"), [(1, "land"), (2, "return"), (5, "land")])
def test_a_battery_has_others(value: float, action: str) -> None:
    told = failsafes_of(values(BATT_FS_LOW_ACT=value))
    assert told is not None
    assert told.battery_low.value == action


@pytest.mark.parametrize(
    "changes",
    [{"FS_GCS_ENABLE": None}, {"FS_GCS_ENABLE": 99.0}, {"RTL_ALT": None}, {"FS_EKF_ACTION": 9.0}],
)
def test_what_is_not_known_is_not_guessed(changes: dict[str, float | None]) -> None:
    assert failsafes_of(values(**changes)) is None


def test_an_avoidance_that_gave_no_answer_is_off() -> None:
    for value, on in ((None, False), (0.0, False), (1.0, False), (2.0, True), (3.0, True)):
        told = failsafes_of(values(OA_TYPE=value, OA_MARGIN_MAX=12.0))
        assert told is not None
        assert told.avoidance is on


def test_an_avoidance_that_passes_too_near_does_not_count() -> None:
    """ArduPilot's default is 5 m: less than what a checked return keeps off a fence."""
    for margin_m, counts in ((None, False), (5.0, False), (10.9, False), (11.0, True)):
        told = failsafes_of(values(OA_TYPE=2.0, OA_MARGIN_MAX=margin_m))
        assert told is not None
        assert told.avoidance is counts


def item(z_m: float, frame: int, command: int = 5100) -> MissionItemInt:
    return MissionItemInt(
        0.0, 0.0, 0.0, 0.0, 600000000, 250000000, z_m, 0, command, 255, 190, frame, 0, 1, 2
    )


def test_heights_of_rally_points_are_above_home() -> None:
    found = rally_places([item(30.0, 3), item(55.0, 0)], 10.0)
    assert isinstance(found, tuple)
    assert [each.alt_home_m for each in found] == [30.0, 45.0]
    assert all(isinstance(each, RallyPlace) for each in found)


@pytest.mark.parametrize(
    ("one", "home_amsl_m", "word"),
    [
        (item(30.0, 10), 10.0, "rally point 1 has a height in frame 10"),
        (item(30.0, 0), None, "rally point 1 has a height in frame 0"),
        (item(30.0, 3, command=16), 10.0, "command 16"),
    ],
)
def test_a_place_that_cannot_be_told_is_named(
    one: MissionItemInt, home_amsl_m: float | None, word: str
) -> None:
    found = rally_places([one], home_amsl_m)
    assert isinstance(found, str)
    assert word in found
