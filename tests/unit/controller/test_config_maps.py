"""Maps and alignments in the configuration, and `waypost maps fit`."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.cli import main as cli
from controller.cli.client import CliError
from controller.config import Config, ConfigError, load
from controller.config.maps import fleet_map
from geofence.frames import LatLon
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.survey import RigidTransform

HARBOUR = SiteMap("harbour", LatLon(60.16, 24.92), 15.0, 10.0)
LAID = RigidTransform(math.radians(-40.0), 200.0, 300.0)
SPOTS = {"gate": (0.0, 0.0), "pier": (80.0, 10.0), "crane": (30.0, 60.0)}

CONFIG = """
[[sites]]
id = "hub"
lat_deg = 60.16
lon_deg = 24.92
[[sites]]
id = "depot"
lat_deg = 60.2
lon_deg = 24.9
[[maps]]
id = "harbour"
sites = ["hub"]
lat0 = 60.16
lon0 = 24.92
alt0 = 15.0
heading_deg = 10.0
[[robots]]
id = "R-1"
base = "hub"
manufacturer = "ACME"
serial = "1"
alignment = "acme"
[[robots]]
id = "R-2"
base = "depot"
manufacturer = "ACME"
serial = "2"
"""


def rows(**moved: float) -> list[tuple[str, float, float, float, float]]:
    found = []
    for name, spot in SPOTS.items():
        place = HARBOUR.to_latlon(*spot)
        x, y = LAID.forward(*spot)
        found.append((name, place.lat_deg, place.lon_deg, x + moved.get(name, 0.0), y))
    return found


def alignment(**moved: float) -> str:
    points = ", ".join(
        f'{{name = "{n}", lat_deg = {lat!r}, lon_deg = {lon!r}, x = {x!r}, y = {y!r}}}'
        for n, lat, lon, x, y in rows(**moved)
    )
    head = '[[alignments]]\nname = "acme"\nmap = "harbour"\nrobot_map_id = "m7"\n'
    return f"{head}points = [{points}]\n"


def read(tmp_path: Path, text: str) -> Config:
    file = tmp_path / "waypost.toml"
    file.write_text(text)
    return load(file)


def problem(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    return "; ".join(caught.value.problems)


def test_a_robot_is_on_the_map_of_its_base_and_turned_as_its_type(tmp_path: Path) -> None:
    config = read(tmp_path, CONFIG + alignment())
    own = config.map_book.site_map(config.robots[0])
    assert own is not None
    assert own.map_id == "m7"
    place = HARBOUR.to_latlon(12.0, 34.0)
    assert own.to_map(place) == pytest.approx(LAID.forward(12.0, 34.0), abs=1e-3)
    assert config.map_book.site_map(config.robots[1]) is None
    assert fleet_map(config.mqtt).map_id == "map"


def test_a_robots_own_map_has_a_version_of_its_own(tmp_path: Path) -> None:
    versioned = CONFIG.replace('id = "harbour"\n', 'id = "harbour"\nversion = "7"\n')

    def version(text: str) -> str:
        config = read(tmp_path, versioned + text)
        found = config.map_book.site_map(config.robots[0])
        assert found is not None
        return found.version

    aligned = alignment()
    assert version(aligned) == ""
    assert version(aligned.replace('robot_map_id = "m7"\n', "")) == "7"
    own = 'robot_map_id = "m7"\nrobot_map_version = "3"\n'
    assert version(aligned.replace('robot_map_id = "m7"\n', own)) == "3"


def test_what_does_not_hold_together_is_named(tmp_path: Path) -> None:
    good = CONFIG + alignment()
    assert "'acme' is none of [[alignments]]" in problem(tmp_path, CONFIG)
    assert "over the limit of 0.25 m" in problem(tmp_path, CONFIG + alignment(crane=9.0))
    assert "'nowhere' is none of [[maps]]" in problem(
        tmp_path, good.replace('map = "harbour"', 'map = "nowhere"')
    )
    assert "is not a site" in problem(tmp_path, good.replace('sites = ["hub"]', 'sites = ["hob"]'))
    assert "map 'no' is none of [[maps]]" in problem(
        tmp_path, good.replace('serial = "2"', 'serial = "2"\nmap = "no"')
    )
    assert "and the robot is on the map of [mqtt]" in problem(
        tmp_path, good.replace('serial = "2"', 'serial = "2"\nalignment = "acme"')
    )


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, list(arguments))
    if isinstance(result.exception, CliError):
        return result.exception.status, f"{result.exception.text} {result.exception.next_step}"
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def csv_file(folder: Path, **moved: float) -> Path:
    file = folder / "survey.csv"
    lines = [",".join([n, *map(repr, numbers)]) for n, *numbers in rows(**moved)]
    file.write_text("\n".join(["name,lat_deg,lon_deg,x,y", *lines]) + "\n")
    return file


ORIGIN = ("--lat0", "60.16", "--lon0", "24.92", "--alt0", "15", "--heading", "10")


def test_fit_tells_the_transform_and_what_is_left(tmp_path: Path) -> None:
    status, told = run("maps", "fit", str(csv_file(tmp_path, pier=0.03)), *ORIGIN, "--json")
    assert status == 0
    (one,) = json.loads(told)
    assert one["turn_deg"] == pytest.approx(-40.0, abs=0.1)
    assert 0.0 < one["worst_m"] < 0.03
    assert [r["name"] for r in one["residuals"]] == list(SPOTS)
    status, told = run("maps", "fit", str(csv_file(tmp_path)), *ORIGIN)
    assert status == 0
    assert "turn -40.0000°, shift 200.000 m, 300.000 m; rms 0.000 m" in told
    assert "crane" in told


def test_fit_reads_a_configuration(tmp_path: Path) -> None:
    file = tmp_path / "waypost.toml"
    file.write_text(CONFIG + alignment())
    status, told = run("maps", "fit", str(file), "--json")
    assert (status, json.loads(told)[0]["name"]) == (0, "acme")
    status, told = run("maps", "fit", str(file), "--name", "other")
    assert status == 4
    assert "no alignment 'other'" in told


def test_fit_refuses_with_the_reason(tmp_path: Path) -> None:
    file = csv_file(tmp_path, crane=5.0)
    status, told = run("maps", "fit", str(file), *ORIGIN)
    assert status == 4
    assert "over the limit of 0.25 m" in told
    assert "nothing was fitted" in told
    assert "give the origin" in run("maps", "fit", str(file))[1]
    file.write_text("name,lat_deg,lon_deg,x\nA,60,24,1\n")
    assert "column y is missing" in run("maps", "fit", str(file), *ORIGIN)[1]
    file.write_text("name,lat_deg,lon_deg,x,y\nA,60,24,1,east\n")
    assert "line 2: y is no number: 'east'" in run("maps", "fit", str(file), *ORIGIN)[1]
