"""What a verdict tells: whole sentences, whichever field is read first, and every speeding."""

from __future__ import annotations

import copy
import pickle
import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from geofence.check import TOLD_AT_ONCE, FlightPath, PathLeg, Surroundings, check, check_all
from geofence.frames import Altitude, Datum, LatLon, offset
from geofence.heights import HEIGHT_TOLERANCE_M
from geofence.terrain import Grid
from geofence.zones import CircleArea, PolygonArea, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from tests.unit.geofence.test_geofence_check import CENTER, FLAT, NOON, box, leg, run, zone

HALF_SECOND = timedelta(seconds=0.5)


def test_a_sentence_says_who_where_how_far_and_what_lifts_it() -> None:
    beside = box(offset(CENTER, 0.0, 500.2), 500.0)
    (violation,) = run([zone(area=beside, kind=ZoneKind.RESTRICTED)]).violations
    said = re.fullmatch(
        r"leg 3 \(cruise\) comes within (.*) m of restricted zone Z \(Zone\) and needs 30.0 m; "
        "no permit lifts it",
        violation.reason,
    )
    assert said is not None
    assert 0.1 < float(said[1]) < 1.0
    named = replace(zone(kind=ZoneKind.RESTRICTED, permit="P-1"), name="")
    (violation,) = run([named]).violations
    assert (
        violation.reason == f"leg 3 (cruise) enters restricted zone Z, {violation.depth_m:.1f} m "
        "deep; the permit P-1 lifts it"
    )
    assert violation.max_speed_mps is None


def test_any_field_may_be_read_first() -> None:
    far = zone("far", box(offset(CENTER, 0.0, 1_500.0), 500.0))
    whole = run([far])
    assert (whole.clearance_m, whole.nearest_zone_id) == (pytest.approx(1_000.0, abs=3.0), "far")
    assert run([far]).nearest_zone_id == "far"
    assert run([zone()]).violations[0].exit == run([zone()]).violations[0].exit
    for read in (repr, hash, copy.copy, pickle.dumps):
        read(run([zone()]))
    assert pickle.loads(pickle.dumps(run([zone()]))) == run([zone()])
    assert not hasattr(run([zone()]), "nothing")


def test_a_leg_copied_by_pickle_is_checked_alike() -> None:
    one = pickle.loads(pickle.dumps(leg()))
    assert one == leg()
    assert run([zone()], one) == run([zone()])


def test_every_leg_that_is_too_fast_is_told() -> None:
    slow = [
        zone(f"S{number}", CircleArea(offset(CENTER, 90.0, 600.0 * number), 100.0), max_speed_mps=4)
        for number in (-2, 0, 2)
    ]
    every = [replace(each, kind=ZoneKind.ADVISORY) for each in slow]
    drawn = [leg(minutes=60.0, index=1), leg(index=2), leg(minutes=60.0, index=3), leg(index=4)]
    path = FlightPath(VehicleClass.MULTIROTOR, tuple(drawn))
    found = check(path, ZoneSet(every), FLAT).violations
    assert [(v.index, v.zone_id) for v in found] == [
        (index, f"S{number}") for index in (2, 4) for number in (-2, 0, 2)
    ]
    assert {v.max_speed_mps for v in found} == {4}


def test_speed_is_limited_at_the_heights_above_uneven_ground_alone() -> None:
    hill = Grid(24.0, 59.0, 0.5, 0.5, np.full((5, 5), 300.0, dtype=np.float32))
    uneven = Surroundings(geoid_m=17.0, terrain=hill)
    low = zone(kind=ZoneKind.ADVISORY, max_speed_mps=4, ceiling=Altitude(50.0, Datum.AGL))
    at = {"surroundings": uneven}
    assert [v.max_speed_mps for v in run([low], leg(heights=(340.0, 340.0)), **at).violations] == [
        4
    ]
    assert run([low], leg(heights=(360.0, 360.0)), **at).allowed


def test_a_sentence_over_uneven_ground_says_no_more_than_is_missing() -> None:
    hill = Grid(24.0, 59.0, 0.5, 0.5, np.full((5, 5), 300.0, dtype=np.float32))
    low = zone(ceiling=Altitude(50.0, Datum.AGL))
    (violation,) = run(
        [low], leg(heights=(340.0, 340.0)), surroundings=Surroundings(terrain=hill)
    ).violations
    assert violation.reason.endswith(" m deep")


def test_a_point_is_entered_at_its_start() -> None:
    still = leg(start=CENTER, end=CENTER)
    (violation,) = run([zone()], still).violations
    assert violation.entry.lat_deg == pytest.approx(CENTER.lat_deg, abs=1e-12)
    assert violation.exit.lon_deg == pytest.approx(CENTER.lon_deg, abs=1e-12)


def test_a_climb_into_a_zone_enters_where_it_reaches_its_floor() -> None:
    above = zone(floor=Altitude(60.0, Datum.AMSL), area=box(CENTER, 4_000.0))
    (violation,) = run([above], leg(heights=(20.0, 100.0))).violations
    assert violation.entry.lon_deg == pytest.approx(CENTER.lon_deg, abs=1e-4)
    only = zone(floor=Altitude(100.0, Datum.AMSL), area=box(CENTER, 4_000.0))
    (violation,) = run([only], leg(heights=(20.0, 100.0))).violations
    end = offset(CENTER, 90.0, 2_000.0)
    assert violation.entry.lon_deg == pytest.approx(end.lon_deg, abs=1e-4)


def test_many_paths_are_checked_as_each() -> None:
    west = FlightPath(VehicleClass.MULTIROTOR, (leg(),))
    north = replace(west, legs=(leg(start=offset(CENTER, 0.0, 3_000.0), end=CENTER, index=1),))
    nowhere, clear = replace(west, legs=()), replace(west, legs=(leg(heights=(900.0, 900.0)),))
    far = PathLeg(0, "far", LatLon(-17.0, 179.9), LatLon(-17.0, -179.9), 60.0, 60.0, NOON, NOON, 9)
    zones = ZoneSet([zone(ceiling=Altitude(500.0, Datum.AMSL)), zone("y", kind=ZoneKind.ADVISORY)])
    for paths in (
        [],
        [west, nowhere, north, clear, west],
        [west, replace(west, legs=(far,)), clear],
    ):
        assert check_all(paths, zones, FLAT) == [check(path, zones, FLAT) for path in paths]


def test_the_version_of_a_set_is_what_it_was() -> None:
    """Versions are kept beside missions: a set that did not change keeps its own."""
    ring = (LatLon(0, 0), LatLon(0, 1.0), LatLon(1.0, 1.0), LatLon(1.0, 0))
    hole = (LatLon(0.2, 0.2), LatLon(0.2, 0.4), LatLon(0.4, 0.4))
    first = Zone(
        'aé"x', "n\n", ZoneKind.NO_FLY, PolygonArea(ring, (hole,)), floor=Altitude(0, Datum.AGL)
    )
    second = replace(first, zone_id="b", floor=Altitude(0.0, Datum.AGL), note="q")
    third = replace(
        first,
        zone_id="c",
        floor=Altitude(-0.0, Datum.AGL),
        permit="\0id",
        kind=ZoneKind.RESTRICTED,
        max_speed_mps=3,
        min_mass_kg=2.5,
        electric_exempt=True,
    )
    assert ZoneSet([first, second, third]).version == "f4ed65dae7b83b06"
    assert ZoneSet([third, first, second]).version == "f4ed65dae7b83b06"
    assert ZoneSet([]).version == "e3b0c44298fc1c14"


def test_depth_counts_each_corridor_by_itself() -> None:
    drawn = [leg(index=1, corridor=10.0), leg(index=2, corridor=110.0)]
    one, two = run([zone()], *drawn).violations
    assert two.depth_m - one.depth_m == pytest.approx(100.0, abs=0.2)


def test_a_leg_of_half_a_second_has_its_speed() -> None:
    drawn = replace(leg(start=CENTER, end=offset(CENTER, 90.0, 1.0)), leave=NOON + HALF_SECOND)
    limit = zone(kind=ZoneKind.ADVISORY, max_speed_mps=4)
    assert run([limit], drawn).allowed
    assert not run([replace(limit, max_speed_mps=1.9)], drawn).allowed


def test_thousands_of_violations_are_told_as_each_by_itself() -> None:
    zones = [
        zone(f"Z{i}-{j}", CircleArea(offset(offset(CENTER, 90.0, 40.0 * i), 0.0, 9.0 * j), 15.0))
        for i in range(-25, 25)
        for j in range(-2, 3)
    ]
    legs = tuple(replace(leg(), index=number) for number in range(10))
    path = FlightPath(VehicleClass.MULTIROTOR, legs)
    found = check(path, ZoneSet(zones), FLAT)
    assert len(found.violations) > TOLD_AT_ONCE
    alone = check(replace(path, legs=legs[4:5]), ZoneSet(zones), FLAT).violations
    assert [v for v in found.violations if v.index == 4] == list(alone)
    assert found.clearance_m == 0.0
    by_id = {each.zone_id: each for each in zones}
    nearest = check(path, ZoneSet([by_id[found.nearest_zone_id]]), FLAT)
    assert nearest.clearance_m == 0.0
    last = check(path, ZoneSet(zones), FLAT).violations[-1]
    assert last == found.violations[-1]


@pytest.mark.parametrize("lat", [0.0, 60.0, 80.0])
def test_of_many_circles_the_nearest_is_told_to_a_millimetre(lat) -> None:
    middle = LatLon(lat, 24.0)
    zones = [
        zone(f"Z{n}", CircleArea(offset(middle, 7.0 * n, 300.0 + 1.7 * n), 20.0 + 3.0 * (n % 5)))
        for n in range(200)
    ]
    flown = leg(start=offset(middle, 200.0, 150.0), end=offset(middle, 20.0, 150.0))
    whole = run(zones, flown)
    alone = {each.zone_id: run([each], flown).clearance_m for each in zones}
    least = min(v for v in alone.values() if v is not None)
    assert whole.clearance_m == pytest.approx(least, abs=1e-3)
    assert alone[whole.nearest_zone_id] == pytest.approx(least, abs=1e-3)


def test_of_thousands_that_only_the_corridor_touches_the_nearest_is_told() -> None:
    """Circles 19 to 24 m beside the line: none is crossed by it."""
    flown, zones = leg(), []
    assert flown.start.lat_deg == pytest.approx(flown.end.lat_deg, abs=1e-12)
    for number in range(TOLD_AT_ONCE + 60):
        lon = flown.start.lon_deg + 3e-5 * (number + 1)
        spot = LatLon(flown.start.lat_deg, lon)
        off_m = 20.0 + (number * 37) % 100 / 20.0
        spot = offset(spot, 0.0 if number % 2 else 180.0, off_m)
        zones.append(zone(f"Z{number}", CircleArea(spot, 1.0)))
    verdict = run(zones, flown)
    assert not verdict.allowed
    assert verdict.clearance_m == pytest.approx(19.0, abs=0.01)
    assert len(verdict.violations) == len(zones)
    assert "comes within" in verdict.violations[0].reason


def test_what_is_known_of_the_ground_is_not_said_to_be_missing() -> None:
    posts = np.full((41, 81), 30.0, dtype=np.float32)
    ground = Surroundings(terrain=Grid(24.9, 59.95, 0.0025, 0.0025, posts))
    limits = {"floor": Altitude(0.0, Datum.AGL), "ceiling": Altitude(100.0, Datum.AGL)}
    for here in (ground, FLAT):
        (violation,) = run([zone(**limits)], surroundings=here).violations
        assert violation.unknown == ""
    beyond = Surroundings(terrain=Grid(24.0, 59.95, 0.0025, 0.0025, posts))
    (violation,) = run([zone(**limits)], surroundings=beyond).violations
    assert "the terrain grid does not tell the ground here" in violation.unknown
    assert violation.reason.endswith(violation.unknown)


@pytest.mark.parametrize("flat", [True, False])
def test_a_climb_that_reaches_a_floor_at_its_end_enters_there(flat: bool) -> None:
    floor_m = 100.0 + HEIGHT_TOLERANCE_M
    over = zone(floor=Altitude(floor_m, Datum.AMSL))
    posts = np.full((41, 81), 30.0, dtype=np.float32)
    here = FLAT if flat else Surroundings(terrain=Grid(24.9, 59.95, 0.0025, 0.0025, posts))
    climb = leg(end=CENTER, heights=(60.0, floor_m - HEIGHT_TOLERANCE_M))
    (violation,) = run([over], climb, surroundings=here).violations
    assert violation.entry == violation.exit
    assert violation.entry.lon_deg == pytest.approx(CENTER.lon_deg, abs=1e-9)
    assert run([over], replace(climb, end_amsl_m=99.999), surroundings=here).allowed
