"""lab.toml is read strictly, and the shipped scenario says the same to lab and controller."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sitl.referee.truth import read_truth
from sitl.referee.zones import Traits
from sitl.scenario import ScenarioError, load
from sitl.truth import TruthLog, header_of
from sitl.world import TruthSample

SHIPPED = Path(__file__).resolve().parents[3] / "sitl" / "scenarios" / "helsinki"

COPTER = """
[[copters]]
id = "d1"
sysid = 1
lat_deg = 60.17
lon_deg = 24.94
alt_amsl_m = 15.0
"""
ROBOT = """
[[robots]]
id = "r1"
manufacturer = "acme"
serial = "R1"
lat_deg = 60.17
lon_deg = 24.94
"""
TOP = """
[terrain]
ground_amsl_m = 15.0
[map]
map_id = "town"
lat0 = 60.17
lon0 = 24.94
"""


def write(folder: Path, text: str) -> Path:
    (folder / "lab.toml").write_text(text)
    return folder


def test_defaults_and_limits(tmp_path: Path) -> None:
    scenario = load(write(tmp_path, TOP + COPTER + ROBOT))
    assert scenario.geoid_m is None
    assert scenario.mqtt_prefix == "uagv"
    assert scenario.copters[0].drop_device == "gripper"
    assert scenario.limited(0, None).copters == ()
    assert len(scenario.limited(None, 5).robots) == 1


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (TOP, "copters"),
        (TOP + "[[copters]]\n", "copters[0].id"),
        (TOP + COPTER + "pay_load = 3\n", "copters[0].pay_load"),
        (TOP + COPTER.replace("sysid = 1", "sysid = 1.5"), "copters[0].sysid"),
        (TOP + COPTER.replace("sysid = 1", "sysid = 300"), "copters[0]"),
        (TOP + COPTER + 'drop_device = "magnet"\n', "copters[0]"),
        (TOP + COPTER.replace("60.17", "95.0"), "copters[0].lat_deg"),
        (TOP + COPTER.replace("60.17", "nan"), "copters[0].lat_deg"),
        (TOP + COPTER.replace('"d1"', "7"), "copters[0].id"),
        (TOP + ROBOT + "speed_mps = -1.0\n", "robots[0]"),
        (TOP + COPTER + COPTER.replace("sysid = 1", "sysid = 2"), "id"),
        (TOP + COPTER + COPTER.replace('"d1"', '"d2"'), "copters.sysid"),
        (TOP + ROBOT + ROBOT.replace('"r1"', '"r2"'), "robots.serial"),
        (COPTER, "terrain.ground_amsl_m"),
        ("[terrain]\nground_amsl_m = 1.0\n" + COPTER, "map.map_id"),
        ("wind = 3\n" + TOP + COPTER, "wind"),
        ("copters = 3\n" + TOP, "copters"),
        ("hubs = []\nterrain = 3\n" + COPTER, "terrain"),
        ("[parcels]\nno_way = [3]\n" + TOP + COPTER, "parcels.no_way"),
        (TOP + ROBOT + 'surface = "grass"\n', "robots[0].surface"),
        (TOP + ROBOT + "mass_kg = 0\n", "robots[0].mass_kg"),
        (TOP + ROBOT + "electric = 1\n", "robots[0].electric"),
        (TOP + COPTER + 'surface = "road"\n', "copters[0].surface"),
        ("no toml", "file"),
    ],
)
def test_what_is_wrong_is_named_by_key(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(write(tmp_path, text))
    assert caught.value.key == key
    assert str(tmp_path) in str(caught.value)


def test_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"lab\.toml"):
        load(tmp_path)


def test_shipped_scenario_tells_lab_and_controller_the_same() -> None:
    scenario = load(SHIPPED)
    told = tomllib.loads((SHIPPED / "waypost.toml").read_text())
    drones = {d["id"]: d for d in told["drones"]}
    robots = {r["id"]: r for r in told["robots"]}
    assert {c.vehicle_id for c in scenario.copters} == set(drones)
    assert {r.vehicle_id for r in scenario.robots} == set(robots)
    for copter in scenario.copters:
        drone = drones[copter.vehicle_id]
        assert copter.sysid == drone["sysid"]
        assert copter.drop_device == drone["drop_device"]
        assert (copter.home_lat_deg, copter.home_lon_deg) == (
            drone["pad_lat_deg"],
            drone["pad_lon_deg"],
        )
        assert copter.home_alt_amsl_m == drone["pad_amsl_m"]
    for robot in scenario.robots:
        assert (robot.manufacturer, robot.serial) == (
            robots[robot.vehicle_id]["manufacturer"],
            robots[robot.vehicle_id]["serial"],
        )
    mqtt = told["mqtt"]
    assert scenario.robot_map.map_id == mqtt["map_id"]
    assert (scenario.robot_map.lat0, scenario.robot_map.lon0) == (
        mqtt["map_lat0"],
        mqtt["map_lon0"],
    )
    assert scenario.robot_map.heading_deg == mqtt["map_heading_deg"]
    assert scenario.ground_amsl_m == told["terrain"]["ground_amsl_m"]
    heights = [d["cruise_alt_home_m"] for d in told["drones"]]
    assert len(set(heights)) == len(heights)


def sample(t: float, *, armed: bool = True, event: str = "", vehicle: str = "d1") -> TruthSample:
    at = datetime(2026, 6, 10, tzinfo=UTC) + timedelta(seconds=t)
    return TruthSample(vehicle, at, 60.17, 24.94, 50.0, 0.0, armed, False, event, "")


def test_truth_keeps_events_and_changes_and_thins_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "truth.jsonl"
    with TruthLog(file, {"vehicles": {}}, 0.5) as log:
        for t in (0.0, 0.2, 0.4, 0.6, 0.8):
            log(sample(t))
        log(sample(0.85, event="released"))
        log(sample(0.9, armed=False))
        log(sample(0.91, vehicle="d2"))
        lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert lines[0] == {"header": {"vehicles": {}}}
    assert [(line["vehicle_id"], line["t"][-12:-6], line["event"]) for line in lines[1:]] == [
        ("d1", "00.000", ""),
        ("d1", "00.600", ""),
        ("d1", "00.850", "released"),
        ("d1", "00.900", ""),
        ("d2", "00.910", ""),
    ]


def test_header_names_every_vehicle_and_hub() -> None:
    header = header_of(load(SHIPPED))
    vehicles = header["vehicles"]
    assert isinstance(vehicles, dict)
    assert len(vehicles) == 18
    assert set(vehicles.values()) == {"multirotor", "robot"}
    assert header["hubs"]


def test_refusals_are_judged_only_where_the_fleet_is_whole() -> None:
    whole = load(SHIPPED)
    assert header_of(whole)["no_way"] == ["HEL-005", "HEL-006"]
    assert header_of(whole.limited(None, 0))["no_way"] is None
    assert header_of(whole.limited(6, None))["no_way"] is None


TRAITS = """surface = "road"
mass_kg = 40.5
electric = true
"""


def test_the_header_tells_the_referee_what_zones_may_ask_of_a_vehicle(tmp_path: Path) -> None:
    scenario = load(write(tmp_path, TOP + COPTER + "mass_kg = 6\n" + ROBOT + TRAITS))
    file = tmp_path / "truth.jsonl"
    with TruthLog(file, header_of(scenario), 0.5) as log:
        log(sample(0.0))
    told = {track.vehicle_id: track.traits for track in read_truth(file).tracks.values()}
    assert told == {"d1": Traits(None, 6.0, None), "r1": Traits("road", 40.5, True)}
    assert header_of(scenario.limited(1, 0))["traits"] == {"d1": {"mass_kg": 6.0}}


def test_of_a_vehicle_of_which_nothing_is_told_nothing_is_said(tmp_path: Path) -> None:
    assert header_of(load(write(tmp_path, TOP + COPTER + ROBOT)))["traits"] == {}


def test_the_shipped_scenario_tells_the_referee_no_less_than_the_controller() -> None:
    scenario = load(SHIPPED)
    told = tomllib.loads((SHIPPED / "waypost.toml").read_text())
    for vehicle in told["drones"] + told["robots"]:
        known = scenario.traits.get(vehicle["id"], {})
        for name in ("surface", "electric"):
            assert known.get(name) == vehicle.get(name)
        mass_kg = vehicle.get("mass_kg")
        loaded_kg = None if mass_kg is None else mass_kg + vehicle["max_payload_kg"]
        assert known.get("mass_kg") == loaded_kg
