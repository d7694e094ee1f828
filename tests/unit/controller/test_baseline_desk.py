"""Audit and apply of a vehicle's baseline, over HTTP and on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from controller.cli import main as cli
from geofence.frames import LatLon
from tests.support.clock import START
from tests.support.desk import FakeDesk, vehicle_view
from tests.support.server import DeskServer
from vehicles.audit import Audit, Remedy, RuleState

HOLDS = RuleState("SYSID_MYGCS", "255", "it counts our heartbeats", 255.0, Remedy.NONE)
WRONG = RuleState("FENCE_ACTION", "1 or 3", "a breach must bring it back", 0.0, Remedy.SET, 1.0)
BARE = RuleState("GRIP_ENABLE", "1", "without a gripper", None, Remedy.FITTER)


def audit(*rules: RuleState, vehicle: str = "D-01") -> Audit:
    blocks = tuple(f"parameter {r.name} is wrong" for r in rules if r.remedy is not Remedy.NONE)
    return Audit(vehicle, START, rules, blocks, {"approved": "ab" * 32, "mission": "cd" * 32})


@pytest.fixture
def server() -> Iterator[DeskServer]:
    def fill(desk: FakeDesk) -> None:
        for name in ("D-01", "D-02", "R-01"):
            desk.put_vehicle(vehicle_view(name, START, LatLon(60.2, 24.9)))
        desk.audits["D-01"] = audit(HOLDS, WRONG)
        desk.audits["D-02"] = audit(HOLDS, vehicle="D-02")

    with DeskServer() as running:
        running.call(fill)
        yield running


def run(server: DeskServer, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, ["fleet", *arguments], env={"WAYPOST_URL": server.url})
    return result.exit_code, result.output


def test_an_audit_tells_what_is_broken_and_what_would_be_set(server: DeskServer) -> None:
    status, told = run(server, "audit")
    assert status == 1
    assert "D-01: 1 of 2 rules hold" in told
    assert "FENCE_ACTION" in told
    assert "blocks: parameter FENCE_ACTION is wrong" in told
    assert "SYSID_MYGCS" not in told
    assert "D-02: 1 of 1 rules hold" in told
    assert "R-01: not audited: it has no parameters" in told
    assert run(server, "audit", "D-02")[0] == 0
    assert "SYSID_MYGCS" in run(server, "audit", "D-02", "--all")[1]


def test_an_audit_as_json_has_every_rule_with_its_figures(server: DeskServer) -> None:
    status, told = run(server, "audit", "D-01", "--json")
    assert status == 1
    (one,) = json.loads(told)
    assert (one["vehicle_id"], one["holds"], one["reason"]) == ("D-01", False, "")
    assert [rule["name"] for rule in one["rules"]] == ["SYSID_MYGCS", "FENCE_ACTION"]
    assert (one["rules"][1]["remedy"], one["rules"][1]["would_set"]) == ("set", 1.0)
    assert one["approved"]["approved"] == "ab" * 32


def test_apply_is_done_or_names_what_a_fitter_must_do(server: DeskServer) -> None:
    status, told = run(server, "apply", "D-01", "--reason", "new battery", "--json")
    assert (status, json.loads(told)["outcome"]) == (0, "done")
    (applied,) = server.call(lambda desk: list(desk.applied))
    assert (applied[0], applied[2]) == ("D-01", "new battery")
    server.call(lambda desk: desk.audits.update({"D-01": audit(WRONG, BARE)}))
    status, told = run(server, "apply", "D-01")
    assert status == 1
    assert "GRIP_ENABLE: a fitter must set it" in told
    assert run(server, "apply", "R-01")[0] == 1
    assert run(server, "apply", "D-99")[0] != 0
