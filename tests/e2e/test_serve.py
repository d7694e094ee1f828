"""`waypost serve` as a user runs it: started, used by command line, stopped, started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(300)

CONFIG = """
[server]
port = 0
[terrain]
ground_amsl_m = 10.0
geoid_m = 18.0
[clock]
speedup = 20.0
start = 2026-06-10T07:00:00Z
wall_epoch = {wall_epoch}
[[sites]]
id = "hub"
name = "Hub"
kind = "hub"
lat_deg = 60.17
lon_deg = 24.94
ground_amsl_m = 10.0
[[drones]]
id = "D-1"
link = "loopback"
sysid = 1
base = "hub"
pad_lat_deg = 60.17
pad_lon_deg = 24.94
"""
PARCEL = {
    "id": "P-1",
    "weight_kg": 1.0,
    "size_m": [0.2, 0.1, 0.1],
    "origin": "hub",
    "destination": {"lat_deg": 60.172, "lon_deg": 24.942, "address": "Quay 1"},
    "due_at": "2026-06-10T12:00:00Z",
}


def waypost(*arguments: str, url: str = "", stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "controller", *arguments]
    env = {**os.environ, "WAYPOST_URL": url}
    return subprocess.run(
        command, cwd=ROOT, env=env, input=stdin, capture_output=True, text=True, check=False
    )


@contextmanager
def serving(config: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "controller", "serve", "--json", "-c", str(config)]
    with (
        (config.parent / "serve.log").open("a") as log,
        subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (config.parent / "serve.log").read_text()
            yield json.loads(line)["url"], process
        finally:
            if process.poll() is None:
                process.kill()


def told(url: str, *arguments: str) -> Any:
    done = waypost(*arguments, "--json", url=url)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def until_done(url: str, deadline_s: float = 150.0) -> dict[str, Any]:
    """The parcel, once it is delivered and its vehicle is back."""
    end_s = time.monotonic() + deadline_s
    with httpx.Client(base_url=url, trust_env=False, timeout=30.0) as client:
        while True:
            parcel = client.get("/v1/parcels/P-1").json()
            vehicle = client.get("/v1/vehicles").json()[0]
            if parcel["state"] == "delivered" and not vehicle["assignment_id"]:
                break
            assert time.monotonic() < end_s, (parcel, vehicle)
            time.sleep(0.1)
    assert told(url, "vehicles")[0]["id"] == "D-1"
    return dict(told(url, "parcel", "show", "P-1"))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "waypost.toml"
    file.write_text(CONFIG.format(wall_epoch=time.time()))
    return file


def test_it_delivers_stops_when_told_and_remembers(config: Path, database: str) -> None:
    with config.open("a") as more:
        more.write(f'[store]\nurl = "{database}"\n')
    with serving(config) as (url, process):
        done = waypost("parcel", "submit", "-", url=url, stdin=json.dumps(PARCEL))
        assert done.returncode == 0, done.stderr
        parcel = until_done(url)
        assert parcel["proof"]["distance_m"] < 15
        assert told(url, "explain", "P-1")["chosen"] == "D-1"
        process.send_signal(signal.SIGTERM)
        assert process.wait(45) == 0
    with serving(config) as (url, process):
        again = told(url, "parcel", "show", "P-1")
        assert (again["state"], again["proof"]) == ("delivered", parcel["proof"])
        assert waypost("hold", "D-9", url=url).returncode == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(45) == 0


def test_an_unknown_key_is_named_and_nothing_starts(config: Path) -> None:
    config.write_text(config.read_text().replace("[server]", "[server]\ncolour = 1"))
    done = waypost("serve", "-c", str(config))
    assert done.returncode == 4
    assert "server.colour" in done.stderr
    assert not list(config.parent.glob("*.db"))


def test_no_configuration_is_told(tmp_path: Path) -> None:
    done = waypost("serve", "-c", str(tmp_path / "none.toml"))
    assert done.returncode == 4
    assert "none.toml" in done.stderr


def test_the_example_configuration_serves_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "waypost.toml"
    example = (ROOT / "controller" / "example.toml").read_text(encoding="utf-8")
    names = 'allowed_hosts = ["dispatch.example.org"]'
    file.write_text(
        example.replace("port = 8080", "port = 0", 1).replace("allowed_hosts = []", names)
    )
    with serving(file) as (url, process):
        vehicles = told(url, "vehicles")
        assert [v["id"] for v in vehicles] == ["drone-1", "robot-1"]
        for name, status in (("dispatch.example.org", 200), ("elsewhere.example.org", 421)):
            answer = httpx.get(
                f"{url}/healthz", headers={"Host": name}, trust_env=False, timeout=30.0
            )
            assert answer.status_code == status
        process.send_signal(signal.SIGTERM)
        assert process.wait(45) == 0
    assert (tmp_path / "waypost.db").is_file()
