"""The flight drill in small; the whole of it is `python -m tests.drills.flights`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from geofence.formats.geojson import write_zones
from geofence.frames import LatLon, offset
from geofence.zoneset import ZoneSet
from sitl.truth import TruthLog
from sitl.world import TruthSample
from tests.conftest import find_ardupilot
from tests.drills.flights import Drill, Flown, judged, passed, run
from tests.drills.lanes import KINDS, lane, sortie

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drills have loops of their own; asyncio's debug mode costs ten times the work."""
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "0")


@pytest.mark.timeout(150)
def test_deliveries_called_home_cut_off_or_low_stay_out_of_every_zone() -> None:
    figures = run(seed=4, count=8, copters=8, real=False)
    assert passed(figures), figures
    assert set(figures["by_kind"]) == set(KINDS)
    assert figures["failsafes"] >= 2
    assert figures["positions_judged"] > 2_000


@pytest.mark.ardupilot
@pytest.mark.timeout(400)
def test_real_copters_stay_out_of_every_zone() -> None:
    assert find_ardupilot() is not None
    figures = run(seed=4, count=4, copters=4, real=True)
    assert passed(figures), figures


def truth_through(folder: Path, points: list[LatLon], zones: ZoneSet) -> list[str]:
    truth, file = folder / "truth.jsonl", folder / "zones.geojson"
    file.write_text(json.dumps(write_zones(zones.zones)), "utf-8")
    header = {
        "ground_amsl_m": 10.0, "geoid_m": 17.0, "hubs": [], "vehicles": {"D-0": "multirotor"},
    }  # fmt: skip
    with TruthLog(truth, header, 0.2) as log:
        for second, place in enumerate(points):
            at = NOON + timedelta(seconds=second)
            log(TruthSample("D-0", at, place.lat_deg, place.lon_deg, 50.0, 0.0, True, False))
    return judged(truth, file)[0]


def test_the_straight_way_is_found_to_be_a_breach(tmp_path: Path) -> None:
    each = lane(1, 0)
    zones = ZoneSet([each.zone])
    straight = [offset(each.pad, 90.0, 10.0 * step) for step in range(40)]
    assert any("was inside Zone 0" in text for text in truth_through(tmp_path, straight, zones))
    assert truth_through(tmp_path, straight[:5], zones) == []


def test_a_plan_goes_round_its_zone() -> None:
    lanes = [lane(9, number) for number in range(6)]
    zones = ZoneSet(each.zone for each in lanes)
    for each in lanes:
        planned = sortie(9, each, 0, zones, NOON)
        assert len(planned.mission.items) > 10
        assert planned.kind == KINDS[each.number % len(KINDS)]


@pytest.mark.parametrize(
    ("flown", "fault"),
    [
        (Flown("f", "link", "D-0", "aborted", told_released=1), "a release was told that was none"),
        (Flown("f", "link", "D-0", "aborted", truly_released=1), "a release was not told"),
        (Flown("f", "none", "D-0", "aborted"), "undisturbed and yet aborted"),
    ],
)
def test_what_was_told_must_be_what_was(flown: Flown, fault: str) -> None:
    drill = Drill(1, 1, 1, False, lambda: None)
    drill._judge(flown)
    assert any(fault in text for text in flown.faults)
    good = Flown("f", "link", "D-0", "aborted", unsure=1, truly_released=1)
    drill._judge(good)
    assert good.faults == []
