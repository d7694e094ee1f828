"""Planned missions looked at before launch: flights and rounds, zones and everything else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from geofence.check import Surroundings
from geofence.terrain import Grid
from geofence.zones import VehicleClass
from geofence.zoneset import ZoneSet
from missions.errors import MissionFileError, RequestError
from missions.formats.picture_json import picture_json
from missions.formats.qgc_plan import write_plan
from missions.formats.waypoints import write_waypoints
from missions.inspect import (
    FileChecks,
    inspect_file,
    inspect_flight,
    inspect_round,
    read_mission,
    told_once,
)
from missions.model import AirMission
from missions.picture import picture_of
from missions.plan import plan_flight
from missions.plan_round import RoundParcel, RoundRequest, plan_round
from missions.validate import RoundChecks, validate_flight
from tests.unit.controller.dispatch_worlds import CENTER, grid
from tests.unit.controller.dispatch_worlds import FLAT as PLAIN
from tests.unit.controller.dispatch_worlds import at as on_grid
from tests.unit.controller.dispatch_worlds import no_fly as closed
from tests.unit.missions.flights import FLAT, HOME, NOW, at, checks, circle, request

FREE = ZoneSet(())


def flight() -> AirMission:
    made = plan_flight(request(at(900.0, 400.0)), FREE, FLAT)
    assert isinstance(made, AirMission)
    return made


def test_an_inspection_says_what_the_gate_will_say() -> None:
    mission = flight()
    for zones in (FREE, ZoneSet((circle("Z-1", at(450.0, 200.0), 80.0),))):
        for energy_wh in (500.0, 10.0):
            asked = checks(available_energy_wh=energy_wh)
            seen = inspect_flight(mission, asked, zones, FLAT)
            gate = validate_flight(mission, asked, zones, FLAT)
            assert seen.allowed is gate.go
            assert seen.verdict.violations == (gate.verdict.violations if gate.verdict else ())
            assert [r.code for r in seen.reasons] == [r.code for r in gate.reasons if not r.zone_id]


def test_a_flight_out_of_energy_is_refused_in_the_picture_too() -> None:
    seen = inspect_flight(flight(), checks(available_energy_wh=10.0), FREE, FLAT)
    told = picture_json(picture_of(seen, "D-01"))
    assert told["allowed"] is False
    assert told["violations"] == []
    assert [reason["code"] for reason in told["reasons"]] == ["battery"]
    assert any("drop P-1" in f["properties"].get("words", "") for f in told["features"])


def round_checks(**changes: object) -> RoundChecks:
    made = RoundChecks(
        depart_at=NOW,
        loads={"P-1": 2.0},
        max_payload_kg=20.0,
        slots=4,
        speed_mps=1.7,
        usable_energy_wh=1000.0,
        available_energy_wh=1000.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_round_is_drawn_along_its_streets() -> None:
    parcel = RoundParcel("P-1", 2.0, CENTER, on_grid(500.0, 0.0))
    asked = RoundRequest("m-1", "R-01", CENTER, CENTER, (parcel,), speed_mps=1.7, slots=4)
    mission = plan_round(asked, FREE, grid())
    clear = picture_of(inspect_round(mission, round_checks(), FREE, PLAIN), "R-01")
    assert clear.allowed
    assert clear.profile is None
    assert clear.home is None
    assert [mark.words for mark in clear.marks][1] == "drop P-1"
    robots = frozenset({VehicleClass.ROBOT})
    zones = ZoneSet((replace(closed("Z-1", on_grid(375.0, 0.0), 60.0), classes=robots),))
    shut = picture_of(inspect_round(mission, round_checks(slots=0), zones, PLAIN), "R-01")
    assert not shut.allowed
    assert {fault.violation.zone_id for fault in shut.faults} == {"Z-1"}
    assert [reason.code for reason in shut.seen.reasons] == ["slots"]
    told = picture_json(shut)
    assert told["profile"] is None
    assert {"path", "zone", "violation"} <= {f["properties"]["role"] for f in told["features"]}
    with pytest.raises(RequestError, match="no round"):
        inspect_round(replace(mission, edges=()), round_checks(), FREE, PLAIN)


@pytest.mark.parametrize("write", [write_plan, write_waypoints])
def test_a_file_is_told_apart_by_its_content(write) -> None:
    mission = flight()
    read = read_mission(write(mission).encode(), "m")
    assert [i.kind for i in read.items if i.position] == [
        i.kind for i in mission.items if i.position
    ]
    with pytest.raises(MissionFileError):
        read_mission(b"", "m")


def test_the_deepest_violation_of_a_leg_and_zone_is_told() -> None:
    zones = ZoneSet((circle("Z-1", at(450.0, 200.0), 80.0),))
    found = inspect_flight(flight(), checks(), zones, FLAT).verdict.violations
    told = told_once(found)
    assert len(told) < len(found)
    assert max(v.depth_m for v in told) == max(v.depth_m for v in found)


def test_over_a_grid_no_more_is_checked_than_is_asked_for() -> None:
    zones = ZoneSet(tuple(circle(f"Z-{n}", at(450.0, 40.0 * n), 30.0) for n in range(10)))
    posts = np.full((61, 61), 10.0, dtype=np.float32)
    level = Grid(HOME.lon_deg - 0.03, HOME.lat_deg - 0.03, 0.001, 0.001, posts)
    few = FileChecks(depart_at=NOW, most_pairs=9)
    for over in (Surroundings(terrain=level), replace(FLAT, geoid=level)):
        with pytest.raises(RequestError, match="over the limit of 9: check the mission in parts"):
            inspect_file(flight(), few, zones, over)
        enough = replace(few, most_pairs=1_000_000)
        assert not inspect_file(flight(), enough, zones, over).allowed
    assert not inspect_file(flight(), few, zones, FLAT).allowed
