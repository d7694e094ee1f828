"""The commands about zones and planned missions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from controller.cli import main as cli
from controller.cli.client import CliError
from geofence.frames import LatLon
from missions.model import AirItem, AirMission, ItemKind
from tests.support.clock import START
from tests.support.desk import HUB, vehicle_view
from tests.support.server import DeskServer

NOWHERE = "http://127.0.0.1:9"
ZONE: dict[str, Any] = {
    "type": "Feature",
    "id": "z1",
    "geometry": {"type": "Point", "coordinates": [24.9, 60.2]},
    "properties": {"id": "z1", "name": "Yard", "kind": "no_fly", "radius_m": 50},
}


@pytest.fixture
def server() -> Iterator[DeskServer]:
    with DeskServer() as running:
        running.call(lambda desk: desk.put_vehicle(vehicle_view("D-01", START, HUB.position)))
        yield running


def run(server: DeskServer | str, *arguments: str) -> tuple[int, str]:
    """Exit status, and everything told, errors as people read them."""
    url = server if isinstance(server, str) else server.url
    result = CliRunner().invoke(cli.app, list(arguments), env={"WAYPOST_URL": url})
    error = result.exception
    if isinstance(error, CliError):
        if "--json" in arguments:
            return error.status, json.dumps(error.as_json())
        faults = "".join(f"\n{fault}" for fault in error.faults_told)
        return error.status, f"{result.output}{error.text}{faults}\n{error.next_step}"
    if error is not None and not isinstance(error, SystemExit):
        raise error
    return result.exit_code, result.output


def zone_file(folder: Path, *features: dict[str, Any]) -> str:
    file = folder / "zones.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": list(features)}))
    return str(file)


def test_planned_missions_are_listed_shown_and_launched(server: DeskServer) -> None:
    items = (
        AirItem(ItemKind.TAKEOFF, HUB.position, 60.0),
        AirItem(ItemKind.WAYPOINT, LatLon(60.1960, 24.9250), 60.0),
        AirItem(ItemKind.LAND, HUB.position),
    )
    planned = AirMission("m-1", "D-01", HUB.position, 20.0, 60.0, items, "", duration_s=125.0)
    server.call(lambda desk: desk.missions.put(planned, ("P-1",)))
    status, told = run(server, "mission", "list")
    assert status == 0
    assert "waits for launch" in told
    assert "2 min 5 s" in told
    assert "1 open mission(s), 1 to launch" in told
    status, told = run(server, "mission", "show", "m-1")
    assert status == 0
    assert "next: waypost mission launch m-1" in told
    told = run(server, "mission", "show", "m-1", "--json")[1]
    assert json.loads(told)["type"] == "FeatureCollection"
    server.call(lambda desk: setattr(desk.missions, "shut", "the battery is low"))
    status, told = run(server, "mission", "launch", "m-1")
    assert (status, "refused: the battery is low" in told) == (1, True)
    server.call(lambda desk: setattr(desk.missions, "shut", ""))
    status, told = run(server, "mission", "launch", "m-1")
    assert (status, "launch given" in told) == (0, True)
    assert server.call(lambda desk: [m for m, _, _ in desk.missions.launched]) == ["m-1"]
    assert run(server, "mission", "show", "none")[0] == 1


def test_a_file_is_listed_and_compared_with_the_zones_in_force(
    server: DeskServer, tmp_path: Path
) -> None:
    file = zone_file(tmp_path, ZONE)
    status, told = run(NOWHERE, "zones", "list", file)
    assert status == 0
    assert "1 zone: 1 no-fly" in told
    status, told = run(server, "zones", "diff", file)
    assert status == 0
    assert "1 added, 4 removed, 0 changed" in told
    assert run(server, "zones", "import", file)[0] == 0
    assert "0 added, 0 removed, 0 changed" in run(server, "zones", "diff", file)[1]
    ceiling = {"value_m": 90, "datum": "AGL"}
    higher = {**ZONE, "properties": {**ZONE["properties"], "ceiling": ceiling}}
    told = run(server, "zones", "diff", zone_file(tmp_path, higher))[1]
    assert "ceiling none to 90 m AGL" in " ".join(told.split())
    listed = json.loads(run(server, "zones", "list", "--json")[1])
    file = zone_file(tmp_path, *listed["features"])
    assert "0 added, 0 removed, 0 changed" in run(server, "zones", "diff", file)[1]


def test_a_zone_that_cannot_stand_is_found_by_the_check_already(tmp_path: Path) -> None:
    bow = [[[24.9, 60.1], [24.91, 60.11], [24.91, 60.1], [24.9, 60.11], [24.9, 60.1]]]
    properties = {k: v for k, v in ZONE["properties"].items() if k != "radius_m"}
    crossed = {"type": "Polygon", "coordinates": bow}
    file = zone_file(tmp_path, {**ZONE, "geometry": crossed, "properties": properties})
    status, told = run(NOWHERE, "zones", "check", file)
    assert status == 4
    assert "z1" in told
    assert "an import would refuse it" in told


def test_one_fault_of_many_features_is_told_once_with_what_to_do(tmp_path: Path) -> None:
    features = [
        {**ZONE, "id": f"z{n}", "properties": {"id": f"z{n}", "type": "R"}} for n in range(9)
    ]
    file = zone_file(tmp_path, *features)
    status, told = run(NOWHERE, "zones", "check", file)
    words = " ".join(told.split())
    assert status == 4
    assert "z0, z1, z2 and 6 more: kind: missing" in words
    assert "--profile" in words
    status, told = run(NOWHERE, "zones", "check", file, "--json")
    assert status == 4
    assert len(json.loads(told)["errors"]) >= 9
