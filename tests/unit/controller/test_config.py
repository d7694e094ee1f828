from __future__ import annotations

from pathlib import Path

import pytest

from controller.config import ConfigError, load

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
