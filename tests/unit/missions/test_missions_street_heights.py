"""Limits above sea level on streets: judged where the ground is known, refused where it is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from geofence.check import Surroundings
from geofence.diff import diff
from geofence.frames import Altitude, Datum
from geofence.recheck import ActivePaths, recheck
from geofence.terrain import Grid
from geofence.zones import VehicleClass, ZoneKind
from geofence.zoneset import ZoneSet
from missions.model import GroundMission
from missions.plan import RoundParcel, RoundRequest, plan_round
from missions.plan_round import closed_edges, open_streets
from missions.validate import RoundChecks, validate_round
from missions.validate_round import round_path
from tests.unit.controller.dispatch_worlds import CENTER, NOW, at, grid, no_fly

ROBOTS = frozenset({VehicleClass.ROBOT})
UNKNOWN = Surroundings()
KNOWN = Surroundings(ground_amsl_m=10.0, geoid_m=17.0)
CHECKS = RoundChecks(
    depart_at=NOW,
    loads={"P-1": 2.0},
    max_payload_kg=20.0,
    slots=4,
    speed_mps=1.7,
    usable_energy_wh=1000.0,
    available_energy_wh=1000.0,
)


def mission() -> GroundMission:
    """To 500 m north of the centre and back, along one street."""
    parcel = RoundParcel("P-1", 2.0, CENTER, at(500.0, 0.0))
    request = RoundRequest("m-1", "R-01", CENTER, CENTER, (parcel,), speed_mps=1.7, slots=4)
    made = plan_round(request, ZoneSet(()), grid())
    assert isinstance(made, GroundMission), made
    return made


def zone(**changes):
    return no_fly("quay", at(375.0, 0.0), 30.0, classes=ROBOTS, **changes)


def over_grid(reach: int) -> Surroundings:
    """Level ground at 10 m, known from 60.15 to `reach` thousandths of a degree farther north."""
    posts = np.full((1 + reach, 41), 10.0, dtype=np.float32)
    return Surroundings(terrain=Grid(24.90, 60.15, 0.002, 0.001, posts), geoid_m=17.0)


LOW = {"floor": None, "ceiling": Altitude(-5.0, Datum.AMSL)}
HIGH = {"floor": Altitude(50.0, Datum.AMSL), "ceiling": None}
ELLIPSOID = {"floor": Altitude(90.0, Datum.WGS84), "ceiling": None}


@pytest.mark.parametrize("limits", [LOW, HIGH, ELLIPSOID])
def test_a_limit_above_the_sea_over_unknown_ground_is_refused(limits) -> None:
    zones = ZoneSet((zone(**limits),))
    assert validate_round(mission(), CHECKS, zones, KNOWN).go
    answer = validate_round(mission(), CHECKS, zones, replace(UNKNOWN, geoid_m=17.0))
    assert not answer.go
    assert {(r.code, r.zone_id) for r in answer.reasons} == {("zone", "quay")}
    assert "height of the street above sea level is not known" in answer.reasons[0].text
    assert "set ground_amsl_m or grid" in answer.reasons[0].text


def test_so_is_a_speed_limit_and_a_zone_to_be_kept_in() -> None:
    slow = zone(**HIGH, kind=ZoneKind.ADVISORY, max_speed_mps=0.5)
    assert validate_round(mission(), CHECKS, ZoneSet((slow,)), KNOWN).go
    answer = validate_round(mission(), CHECKS, ZoneSet((slow,)), UNKNOWN)
    assert [r.code for r in answer.reasons] == ["speed"]
    town = no_fly(
        "town", CENTER, 5000.0, classes=ROBOTS, kind=ZoneKind.KEEP_IN,
        floor=None, ceiling=Altitude(100.0, Datum.AMSL),
    )  # fmt: skip
    assert validate_round(mission(), CHECKS, ZoneSet((town,)), KNOWN).go
    answer = validate_round(mission(), CHECKS, ZoneSet((town,)), UNKNOWN)
    assert not answer.go
    assert {r.zone_id for r in answer.reasons} == {"town"}


def test_what_has_no_limit_above_the_sea_needs_no_height() -> None:
    far = no_fly("far", at(0.0, 900.0), 30.0, classes=ROBOTS, **HIGH)
    assert validate_round(mission(), CHECKS, ZoneSet((far,)), UNKNOWN).go
    whole = zone(floor=None, ceiling=None)
    for surroundings in (KNOWN, UNKNOWN, over_grid(10), over_grid(21)):
        answer = validate_round(mission(), CHECKS, ZoneSet((whole,)), surroundings)
        assert {r.zone_id for r in answer.reasons} == {"quay"}


@pytest.mark.parametrize(("reach", "go"), [(30, True), (21, False)])
def test_beyond_the_grid_the_height_is_not_known(reach, go) -> None:
    """The grid ends at 60.18 or at 60.171 degrees: behind the zone, or before it."""
    answer = validate_round(mission(), CHECKS, ZoneSet((zone(**HIGH),)), over_grid(reach))
    assert answer.go is go
    assert all("terrain grid does not tell the ground here" in r.text for r in answer.reasons)


def test_a_gap_in_the_grid_is_no_ground() -> None:
    surroundings = over_grid(30)
    assert surroundings.terrain is not None
    posts = surroundings.terrain.posts.copy()
    posts[22:24] = np.nan
    gap = replace(surroundings, terrain=replace(surroundings.terrain, posts=posts))
    assert not validate_round(mission(), CHECKS, ZoneSet((zone(**HIGH),)), gap).go


def test_where_the_grid_reaches_limits_are_judged() -> None:
    """One zone over known ground, above the street; another over unknown ground."""
    near = no_fly("near", at(-500.0, 0.0), 30.0, classes=ROBOTS, **HIGH)
    under = no_fly("under", at(-250.0, 0.0), 30.0, classes=ROBOTS, floor=None, ceiling=None)
    zones = ZoneSet((near, under, zone(**HIGH)))
    parcel = RoundParcel("P-1", 2.0, at(-500.0, 0.0), at(500.0, 0.0))
    request = RoundRequest("m-1", "R-01", CENTER, CENTER, (parcel,), speed_mps=1.7, slots=4)
    made = plan_round(request, ZoneSet(()), grid())
    assert isinstance(made, GroundMission)
    answer = validate_round(made, CHECKS, zones, over_grid(21))
    assert {r.zone_id for r in answer.reasons} == {"under", "quay"}
    assert answer.verdict is not None
    assert answer.verdict.zones_version == zones.version
    order = [violation.index for violation in answer.verdict.violations]
    assert order == sorted(order)


def closing(limits, over: Surroundings) -> dict[str, tuple[str, ...]]:
    zones = ZoneSet((zone(**limits),))
    leave = NOW + timedelta(hours=1)
    return dict(closed_edges(grid(), zones, over, enter=NOW, leave=leave))


@pytest.mark.parametrize("limits", [LOW, HIGH, ELLIPSOID])
def test_a_round_over_unknown_ground_is_led_round_the_zone(limits) -> None:
    assert closing(limits, KNOWN) == {}
    closed = closing(limits, replace(UNKNOWN, geoid_m=17.0))
    assert closed
    assert set(closed.values()) == {("quay",)}
    parcel = RoundParcel("P-1", 2.0, CENTER, at(500.0, 0.0))
    request = RoundRequest("m-1", "R-01", CENTER, CENTER, (parcel,), speed_mps=1.7, slots=4)
    zones = ZoneSet((zone(**limits),))
    planned = plan_round(request, zones, open_streets(grid(), closed))
    assert isinstance(planned, GroundMission)
    assert validate_round(planned, CHECKS, zones, replace(UNKNOWN, geoid_m=17.0)).go


@pytest.mark.parametrize("limits", [LOW, HIGH, ELLIPSOID])
@pytest.mark.parametrize(
    ("over", "forbidden"),
    [(replace(UNKNOWN, geoid_m=17.0), True), (KNOWN, False), (over_grid(60), False)],
)
def test_a_change_of_zones_finds_a_round_over_unknown_ground(limits, over, forbidden) -> None:
    path = round_path(mission(), CHECKS, over)
    assert path is not None
    paths = ActivePaths({"R-01": path, "R-02": path})
    changes = diff(ZoneSet(()), ZoneSet((zone(**limits),)))
    found = recheck(changes, paths, over, now=NOW)
    assert set(found) == ({"R-01", "R-02"} if forbidden else set())
    for each in found.values():
        assert all(violation.unknown for violation in each.violations)
        assert each.first_entry > NOW


def test_of_a_round_that_leaves_the_grid_only_what_is_beyond_it_is_not_known() -> None:
    """The zone lies 375 m north of 60.17: under the first of these grids, beyond the second."""
    for reach, go in ((24, True), (21, False)):
        over = over_grid(reach)
        path = round_path(mission(), CHECKS, over)
        assert path is not None
        assert {leg.height_known for leg in path.legs} == {True, False}
        changes = diff(ZoneSet(()), ZoneSet((zone(**HIGH),)))
        assert (recheck(changes, ActivePaths({"R": path}), over, now=NOW) == {}) is go
        assert validate_round(mission(), CHECKS, ZoneSet((zone(**HIGH),)), over).go is go
