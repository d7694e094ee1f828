"""Signing keys in the configuration: by file or environment, and never to be read anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.config import Config, ConfigError, from_dict
from controller.enrol import _signing_key
from vehicles.errors import ConfigurationError

SECRET = "5ec2e7" * 10 + "abcd"


def config(tmp_path: Path, **drone: object) -> Config:
    return from_dict(
        {
            "sites": [{"id": "hub", "lat_deg": 60.2, "lon_deg": 24.9}],
            "drones": [
                {
                    "id": "D-01", "base": "hub", "link": "udpin:127.0.0.1:14550", "sysid": 1,
                    "pad_lat_deg": 60.2, "pad_lon_deg": 24.9, **drone,
                }
            ],
        },
        base=tmp_path,
    )  # fmt: skip


def test_a_key_file_is_relative_to_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "d.key").write_text(SECRET)
    made = config(tmp_path, signing_key_file="d.key")
    assert made.drones[0].signing_key_file == tmp_path / "d.key"
    assert made.mavlink.signing_state == tmp_path / "waypost-signing"
    assert _signing_key(made.drones[0]) is not None
    assert SECRET not in repr(made) + str(_signing_key(made.drones[0]))


def test_a_key_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = config(tmp_path, signing_key_env="D_KEY")
    with pytest.raises(ConfigurationError, match="D_KEY"):
        _signing_key(made.drones[0])
    monkeypatch.setenv("D_KEY", SECRET)
    assert _signing_key(made.drones[0]) is not None
    assert SECRET not in repr(made)


def test_without_a_key_nothing_is_signed(tmp_path: Path) -> None:
    assert _signing_key(config(tmp_path).drones[0]) is None


def test_two_sources_of_one_key_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not both"):
        config(tmp_path, signing_key_file="d.key", signing_key_env="D_KEY")
