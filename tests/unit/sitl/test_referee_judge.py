"""The referee finds what a doctored truth hides, and nothing in an honest one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sitl.referee import RefereeError, judge
from tests.unit.sitl.referee_lab import AREA, START, Lab, at, square


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def honest(lab: Lab) -> None:
    lab.fly("drone-1", (-700, 300))
    lab.expect("P1", (-705, 303), "drone-1")
    lab.fly("drone-2", (300, 800), alt=75.0)
    lab.expect("P2", (300, 800), "drone-2")
    lab.drive((500, 300), "P3")
    lab.expect("P3", (510, 300), "bot")
    lab.expect("P4", (500, 300), "", "refused")
    lab.submitted = ["P1", "P2", "P3", "P4"]


def test_an_honest_truth_has_no_findings(lab: Lab) -> None:
    honest(lab)
    report = lab.judge()
    assert report.findings == ()
    assert [r.parcel_id for r in report.releases] == ["P1", "P2", "P3"]
    told = json.loads(json.dumps(report.as_json()))
    assert told["ok"] is True
    assert told["samples"] == len(lab.lines)
    assert set(told["tracks"]) == {"drone-1", "drone-2", "bot"}
    assert told["nearest_approach"]["vehicles"] == ["drone-1", "drone-2"]


def test_flight_through_a_zone_is_found_with_place_and_time(lab: Lab) -> None:
    lab.fly("drone-1", (800, 480))
    lab.expect("P1", (800, 480), "drone-1")
    findings = lab.judge().findings
    assert [f.rule for f in findings] == ["zone", "zone"]
    assert {f.zone_id for f in findings} == {"palace"}
    first = findings[0]
    assert first.lon_deg == pytest.approx(at(400, 0)[0], abs=1e-6)
    assert START.timestamp() + 20 < (first.t_s or 0) < START.timestamp() + 100


def test_a_corner_cut_between_two_samples_is_found(lab: Lab) -> None:
    lab.move("drone-1", (380, 420, 70.0), (620, 380, 70.0), 0, 10, step=10)
    lab.sample("drone-1", 11, 700, 380, 70.0)
    assert not any(398 < s < 602 for s in (380, 620, 700))
    assert "zone" in lab.rules()


@pytest.mark.parametrize(
    ("zone", "found"),
    [
        ({"ceiling": {"value_m": 60, "datum": "AMSL"}}, False),
        ({"ceiling": {"value_m": 60, "datum": "AGL"}}, True),
        ({"ceiling": {"value_m": 95, "datum": "WGS84"}}, True),
        ({"floor": {"value_m": 80, "datum": "AMSL"}}, False),
        ({"floor": {"value_m": 50, "datum": "AMSL"}}, True),
        ({"classes": ["robot"]}, False),
        ({"classes": []}, True),
        ({"kind": "advisory"}, False),
        ({"kind": "restricted"}, True),
        ({"kind": "restricted", "permit": "port"}, False),
        ({"kind": "restricted", "permit": "other"}, True),
        ({"kind": "no_fly", "permit": "port"}, True),
        ({"schedule": {"windows": [{"days": ["wed"], "start": "07:00", "end": "08:00"}]}}, True),
        ({"schedule": {"windows": [{"days": ["thu"], "start": "07:00", "end": "08:00"}]}}, False),
        ({"schedule": {"windows": [{"start": "09:00", "end": "06:00"}]}}, False),
        ({"schedule": {"windows": [{"start": "22:00", "end": "08:00"}]}}, True),
        (
            {
                "schedule": {
                    "timezone": "Europe/Helsinki",
                    "windows": [{"start": "10:00", "end": "10:30"}],
                }
            },
            True,
        ),
        ({"schedule": {"valid_to": "2026-06-10T06:59:00Z"}}, False),
        ({"schedule": {"valid_from": "2026-06-10T06:59:00Z"}}, True),
    ],
)
def test_heights_hours_classes_and_permits(lab: Lab, zone: dict[str, object], found: bool) -> None:
    lab.zones = [AREA, square("palace", 400, 200, 600, 400, **zone)]
    lab.permits = {"drone-1": ["port"]}
    lab.move("drone-1", (300, 300, 70.0), (700, 300, 70.0), 0, 40)
    assert ("zone" in lab.rules()) is found


def test_hours_that_begin_in_flight_bind_from_then_on(lab: Lab) -> None:
    hours = {"windows": [{"start": "07:01", "end": "08:00"}]}
    lab.zones = [square("palace", 400, 200, 600, 400, schedule=hours)]
    lab.move("drone-1", (500, 300, 70.0), (500, 310, 70.0), 0, 90)
    (finding,) = lab.judge().findings
    assert finding.t_s == pytest.approx(START.timestamp() + 60, abs=0.6)


def test_circles_are_judged_by_their_radius(lab: Lab) -> None:
    lon, lat = at(500, 300)
    lab.zones = [
        {
            "type": "Feature",
            "id": "pad",
            "properties": {"kind": "no_fly", "classes": [], "radius_m": 100.0},
            "geometry": {"type": "Point", "coordinates": [lon, lat]},
        }
    ]
    lab.move("drone-1", (300, 402, 70.0), (700, 402, 70.0), 0, 4, step=4)
    assert lab.rules() == []
    lab.lines.clear()
    lab.move("drone-1", (300, 398, 70.0), (700, 398, 70.0), 0, 4, step=4)
    assert lab.rules() == ["zone"]


def test_a_hole_in_a_zone_is_free(lab: Lab) -> None:
    zone = square("ring", 0, 0, 1000, 1000)
    hole = [list(p) for p in (at(400, 400), at(600, 400), at(600, 600), at(400, 600))]
    zone["geometry"]["coordinates"].append([*hole, hole[0]])  # type: ignore[index]
    lab.zones = [zone]
    lab.move("drone-1", (450, 500, 70.0), (550, 500, 70.0), 0, 10)
    assert lab.rules() == []
    lab.sample("drone-1", 11, 650, 500, 70.0)
    assert lab.rules() == ["zone"]


def test_leaving_the_keep_in_zone_is_found_only_in_the_air(lab: Lab) -> None:
    lab.move("drone-1", (2900, 0, 70.0), (3100, 0, 70.0), 0, 20)
    lab.move("drone-2", (3100, 50, 15.0), (3100, 60, 15.0), 0, 20)
    lab.move("bot", (3100, 90, 15.0), (3100, 99, 15.0), 0, 20)
    (finding,) = lab.judge().findings
    assert (finding.rule, finding.vehicle_id) == ("keep_in", "drone-1")


def test_flying_over_the_ceiling_of_the_keep_in_zone_is_found(lab: Lab) -> None:
    lab.fly("drone-1", (-700, 300), alt=140.0)
    lab.expect("P1", (-700, 300), "drone-1")
    assert lab.rules() == ["keep_in", "keep_in"]


def test_a_corner_of_the_keep_in_zone_cut_between_samples_is_found(lab: Lab) -> None:
    shape = [at(0, 0), at(1000, 0), at(1000, 1000), at(500, 100), at(0, 1000), at(0, 0)]
    area = square("area", 0, 0, 1, 1, kind="keep_in")
    area["geometry"]["coordinates"] = [[list(p) for p in shape]]  # type: ignore[index]
    lab.zones = [area]
    lab.move("drone-1", (50, 500, 70.0), (950, 500, 70.0), 0, 4, step=4)
    assert lab.rules() == ["keep_in"]


def test_a_robot_in_a_zone_for_robots_is_found(lab: Lab) -> None:
    lab.zones = [square("works", 200, 100, 300, 200, classes=["robot"])]
    lab.drive((500, 300), "P3")
    lab.expect("P3", (500, 300), "bot")
    (finding,) = lab.judge().findings
    assert (finding.rule, finding.vehicle_id, finding.zone_id) == ("zone", "bot", "works")


def test_two_drones_too_near_are_found_once_a_meeting(lab: Lab) -> None:
    lab.move("drone-1", (-1000, 300, 70.0), (1000, 300, 70.0), 0, 100)
    lab.move("drone-2", (0, 1300, 71.0), (0, -700, 71.0), 0, 100)
    lab.zones = [AREA]
    (finding,) = lab.judge().findings
    assert finding.rule == "separation"
    assert finding.t_s == pytest.approx(START.timestamp() + 50, abs=1.0)


@pytest.mark.parametrize(
    ("alt", "north", "t"), [(74.0, 300.0, 0.0), (70.0, 312.0, 0.0), (70.0, 300.0, 5.0)]
)
def test_apart_in_height_place_or_time_is_apart(
    lab: Lab, alt: float, north: float, t: float
) -> None:
    lab.move("drone-1", (-1000, 300, 70.0), (1000, 300, 70.0), 0, 100)
    lab.move("drone-2", (-1000, north, alt), (1000, north, alt), t, 100 + t)
    lab.zones = [AREA]
    report = lab.judge()
    assert report.findings == ()
    assert report.nearest is not None


def test_pads_of_a_hub_may_be_near_to_each_other(lab: Lab) -> None:
    lab.move("drone-1", (0, 0, 15.0), (0, 0, 50.0), 0, 20)
    lab.move("drone-2", (4, 0, 15.0), (4, 0, 50.0), 0, 20)
    assert lab.rules() == []


def test_release_at_the_wrong_place(lab: Lab) -> None:
    lab.fly("drone-1", (-700, 300))
    lab.expect("P1", (-700, 320), "drone-1")
    assert lab.rules() == ["wrong_place"]


def test_drop_at_the_wrong_place(lab: Lab) -> None:
    lab.drive((500, 300), "P3")
    lab.expect("P3", (500, 335), "bot")
    assert lab.rules() == ["wrong_place"]


def test_release_twice(lab: Lab) -> None:
    lab.fly("drone-1", (-700, 300))
    lab.fly("drone-1", (-700, 300), t=300)
    lab.expect("P1", (-700, 300), "drone-1")
    assert lab.rules() == ["released_twice"]


def test_two_parcels_to_one_place_by_one_drone_are_two(lab: Lab) -> None:
    lab.fly("drone-1", (-700, 300))
    lab.fly("drone-1", (-700, 300), t=300)
    lab.expect("P1", (-700, 300), "drone-1")
    lab.expect("P2", (-700, 300), "drone-1")
    assert lab.rules() == []


def test_drop_twice_and_drop_of_what_was_not_aboard(lab: Lab) -> None:
    lab.drive((500, 300), "P3")
    lab.sample("bot", 310, 500, 300, event="dropped", detail="P3")
    lab.expect("P3", (500, 300), "bot")
    assert lab.rules() == ["released_twice"]
    lab.lines = [line for line in lab.lines if line["event"] != "picked"]
    assert sorted(lab.rules()) == ["not_aboard", "not_aboard", "released_twice"]


def test_release_that_nobody_expected(lab: Lab) -> None:
    lab.fly("drone-1", (-700, 300))
    assert lab.rules() == ["unexpected_release"]


@pytest.mark.parametrize("outcome", ["refused", "returned", "cancelled"])
def test_release_of_what_is_told_not_delivered(lab: Lab, outcome: str) -> None:
    lab.drive((500, 300), "P3")
    lab.expect("P3", (500, 300), "bot", outcome)
    assert lab.rules() == ["unexpected_release"]


def test_delivery_that_did_not_happen(lab: Lab) -> None:
    lab.expect("P1", (-700, 300), "drone-1")
    assert lab.rules() == ["not_delivered"]


def test_delivery_by_another_vehicle_than_told(lab: Lab) -> None:
    lab.drive((500, 300), "P3")
    lab.expect("P3", (500, 300), "drone-1")
    assert "wrong_vehicle" in lab.rules()
    lab.lines.clear()
    lab.parcels.clear()
    lab.fly("drone-1", (-700, 300))
    lab.expect("P1", (-700, 300), "drone-2")
    assert sorted(lab.rules()) == ["not_delivered", "unexpected_release"]


@pytest.mark.parametrize("outcome", ["in_transit", "stranded", "submitted", "released"])
def test_parcel_without_an_end_is_lost(lab: Lab, outcome: str) -> None:
    lab.expect("P1", (-700, 300), "", outcome)
    assert lab.rules() == ["lost"]


def test_release_of_a_parcel_in_doubt_fits_what_is_told(lab: Lab) -> None:
    lab.fly("drone-1", (-700, 300))
    lab.expect("P1", (-700, 300), "drone-1", "stranded")
    assert lab.rules() == ["lost"]
    lab.parcels.clear()
    lab.expect("P1", (500, 300), "drone-1", "stranded")
    assert sorted(lab.rules()) == ["lost", "unexpected_release"]


def test_parcel_that_is_not_told_of_is_lost(lab: Lab) -> None:
    lab.submitted = ["P1", "P2"]
    lab.expect("P1", (-700, 300), "", "refused")
    (finding,) = lab.judge().findings
    assert (finding.rule, finding.parcel_id) == ("lost", "P2")


def test_refusal_of_what_has_a_way(lab: Lab) -> None:
    lab.expect("P1", (500, 300), "", "refused")
    lab.expect("P2", (500, 300), "", "refused")
    assert lab.rules() == []
    lab.no_way = ["P1"]
    (finding,) = lab.judge().findings
    assert (finding.rule, finding.parcel_id) == ("refused_wrongly", "P2")


def test_crash_and_flight_unseen(lab: Lab) -> None:
    lab.move("drone-1", (0, 0, 70.0), (100, 0, 70.0), 0, 10)
    lab.sample("drone-1", 90, 200, 0, 15.0, event="crashed", detail="battery")
    assert sorted(lab.rules()) == ["crash", "unseen"]


def test_vehicle_without_a_track_is_found(lab: Lab) -> None:
    truth, zones, expect, _ = lab.write()
    truth.write_text(truth.read_text().splitlines()[0] + "\n")
    assert {f.rule for f in judge(truth, zones, expect).findings} == {"unseen"}


def test_a_line_cut_off_at_the_end_is_told_not_judged(lab: Lab) -> None:
    honest(lab)
    truth, zones, expect, submitted = lab.write()
    truth.write_text(truth.read_text() + '{"vehicle_id": "drone-1", "t": "2026')
    report = judge(truth, zones, expect, submitted)
    assert report.ok
    assert report.truth.cut_off


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("nonsense", "line"),
        ('{"vehicle_id": "stranger", "t": "2026-06-10T07:00:00Z"}', "vehicle_id"),
        ('{"vehicle_id": "bot", "t": "2026-06-10T07:00:00"}', "t"),
        ('{"vehicle_id": "bot", "t": "2026-06-10T07:00:00Z", "lon_deg": NaN}', "lon_deg"),
        ('{"vehicle_id": "bot", "t": "2026-06-10T07:00:00Z", "lon_deg": 1}', "lat_deg"),
    ],
)
def test_truth_that_cannot_be_read_is_refused_by_line_and_key(
    lab: Lab, line: str, key: str
) -> None:
    truth, zones, expect, _ = lab.write()
    truth.write_text(truth.read_text().splitlines()[0] + f"\n{line}\n")
    with pytest.raises(RefereeError, match="line 2") as caught:
        judge(truth, zones, expect)
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"kind": "forbidden"}, "kind"),
        ({"classes": ["boat"]}, "classes"),
        ({"ceiling": {"value_m": 60, "datum": "HOME"}}, "ceiling.datum"),
        ({"floor": {"value_m": "low", "datum": "AMSL"}}, "floor.value_m"),
        ({"schedule": {"timezone": "Europe/Atlantis"}}, "timezone"),
        ({"schedule": {"windows": [{"days": ["someday"]}]}}, "days"),
        ({"schedule": {"windows": [{"start": "25:00"}]}}, "windows"),
    ],
)
def test_zone_that_cannot_be_judged_by_is_refused(
    lab: Lab, change: dict[str, object], key: str
) -> None:
    lab.zones = [square("palace", 0, 0, 1, 1, **change)]
    with pytest.raises(RefereeError, match="palace") as caught:
        lab.judge()
    assert caught.value.key == key


def test_expectation_told_twice_is_refused(lab: Lab) -> None:
    lab.expect("P1", (0, 0), "", "refused")
    lab.expect("P1", (0, 0), "", "refused")
    with pytest.raises(RefereeError, match="P1"):
        lab.judge()
