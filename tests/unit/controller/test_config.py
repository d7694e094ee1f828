from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.config import Config, ConfigError, DroneConfig, RobotConfig, load
from controller.enrol import read_zone_files
from geofence.errors import ZoneFileError
from geofence.schedule import Schedule

EXAMPLE = Path(__file__).resolve().parents[3] / "controller" / "example.toml"

BASE = """
[[sites]]
id = "hub"
kind = "hub"
lat_deg = 60.2
lon_deg = 24.9
[[drones]]
id = "D-01"
link = "udpin:127.0.0.1:14550"
sysid = 1
base = "hub"
pad_lat_deg = 60.2
pad_lon_deg = 24.9
"""


def read(tmp_path: Path, text: str) -> tuple[str, ...]:
    path = tmp_path / "waypost.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    return caught.value.problems


def test_a_good_file_is_read_with_paths_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "waypost.toml"
    path.write_text('[zones]\nfiles = ["zones.geojson"]\n[streets]\nfile = "s.geojson"\n' + BASE)
    config = load(path)
    assert config.zones.files == (tmp_path / "zones.geojson",)
    assert config.streets.file == tmp_path / "s.geojson"
    assert config.store.url == f"sqlite+aiosqlite:///{tmp_path / 'waypost.db'}"
    assert config.drones[0].base == "hub"
    assert config.server.port == 8080


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[server]\nprot = 9\n", ("unknown key 'server.prot'; did you mean 'port'?",)),
        ("[sever]\nport = 9\n", ("unknown key 'sever'; did you mean 'server'?",)),
        (
            BASE + "cruise_alt_hom_m = 50\n",
            ("unknown key 'drones.0.cruise_alt_hom_m'; did you mean 'cruise_alt_home_m'?",),
        ),
        (BASE.replace("sysid = 1\n", ""), ("key 'drones.0.sysid' is missing",)),
    ],
)
def test_a_wrong_key_is_named_with_the_nearest_known(
    tmp_path: Path, text: str, told: tuple[str, ...]
) -> None:
    assert read(tmp_path, text) == told


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (BASE.replace('base = "hub"', 'base = "hbu"'), "did you mean 'hub'?"),
        (BASE + BASE, "stands more than once"),
        ("[clock]\nstart = 2026-01-31T08:00:00\n", "clock.start"),
        ("[clock]\nspeedup = 0\n", "clock.speedup"),
        (BASE.replace("lat_deg = 60.2", "lat_deg = nan"), "lat_deg"),
        ("[server\n", "is not TOML"),
    ],
)
def test_an_impossible_value_is_named(tmp_path: Path, text: str, word: str) -> None:
    assert word in " ".join(read(tmp_path, text))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml")


def test_the_environment_overrides_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAYPOST_SERVER__PORT", "9191")
    path = tmp_path / "waypost.toml"
    path.write_text("[server]\nport = 8081\nhost = '0.0.0.0'\n")
    config = load(path)
    assert (config.server.port, config.server.host) == (9191, "0.0.0.0")


def test_names_that_the_server_answers_to_are_names(tmp_path: Path) -> None:
    good = tmp_path / "good.toml"
    good.write_text('[server]\nallowed_hosts = ["dispatch.example.org", "10.0.0.7", "fd00::7"]\n')
    assert load(good).server.allowed_hosts == ("dispatch.example.org", "10.0.0.7", "fd00::7")
    for wrong in ("https://dispatch.example.org", "dispatch.example.org/x", "", "*"):
        (problem,) = read(tmp_path, f'[server]\nallowed_hosts = ["{wrong}"]\n')
        assert problem.startswith("server.allowed_hosts.0")


def test_the_example_is_read_and_names_every_key_with_its_default() -> None:
    config = load(EXAMPLE)
    assert [v.id for v in (*config.drones, *config.robots)] == ["drone-1", "robot-1"]
    told = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    plain = Config().model_dump(mode="json")
    for section in ("server", "store", "log", "zones", "dispatch", "delivery", "safety"):
        assert told[section] == plain[section], section
    for kind, vehicle in (("drones", DroneConfig), ("robots", RobotConfig)):
        given = told[kind][0]
        for name, field in vehicle.model_fields.items():
            if not field.is_required() and name in given and name != "pad_amsl_m":
                default = field.default
                assert given[name] == (list(default) if isinstance(default, tuple) else default)


def test_every_section_of_the_example_is_explained() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    headings = {n: line for n, line in enumerate(lines) if re.match(r"(# )?\[+[a-z_]+\]+$", line)}
    named = {line.strip("#[] ") for line in headings.values()}
    assert named == set(Config.model_fields)
    for number, heading in headings.items():
        first = next(n for n, line in headings.items() if line == heading)
        assert number != first or lines[number - 1].startswith("#"), heading


LOCAL = """{"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": {"type":
"Point", "coordinates": [24.9, 60.2], "extent": {"subType": "Circle", "radius": 90}}, "properties":
{"identifier": "GATE1", "country": "FIN", "type": "PROHIBITED", "variant": "COMMON",
"zoneAuthority": [{"purpose": "INFORMATION"}],
"limitedApplicability": [{"startDateTime": "2026-06-01T08:00:00"}]}}]}"""


def test_zone_files_of_local_times_need_a_time_zone(tmp_path: Path) -> None:
    (tmp_path / "zones.json").write_text(LOCAL)
    path = tmp_path / "waypost.toml"
    path.write_text('[zones]\nfiles = ["zones.json"]\n' + BASE)
    with pytest.raises(ZoneFileError, match="no offset from UTC"):
        read_zone_files(load(path))
    named = '[zones]\nfiles = ["zones.json"]\ntimezone = "Europe/Helsinki"\n' + BASE
    path.write_text(named)
    (zone,) = read_zone_files(load(path))
    assert zone.schedule == Schedule(valid_from=datetime(2026, 6, 1, 5, tzinfo=UTC))
    (problem,) = read(tmp_path, named.replace("Helsinki", "Atlantis"))
    assert problem.startswith("zones.timezone")
    assert "not an IANA time zone" in problem
