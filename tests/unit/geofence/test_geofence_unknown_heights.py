"""Streets whose height is not known, asked apart from those whose height is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from geofence.apart import has_unknown
from geofence.check import Disc, FlightPath, check, check_all
from geofence.frames import Altitude, Datum, offset
from geofence.path import Verdict
from geofence.zones import VehicleClass, ZoneKind
from geofence.zoneset import ZoneSet
from tests.unit.geofence.test_geofence_check import CENTER, FLAT, NOON, box, leg, zone

HIGH = {"floor": Altitude(120.0, Datum.AMSL)}
OVER = zone("over", **HIGH)
WEST, EAST = offset(CENTER, 270.0, 2_000.0), offset(CENTER, 90.0, 2_000.0)


def road(*legs, discs=()) -> FlightPath:
    return FlightPath(VehicleClass.ROBOT, legs, discs)


def blind(owner):
    return replace(owner, height_known=False)


def named(verdict: Verdict) -> list[tuple[int, str]]:
    return [(v.index, v.zone_id) for v in verdict.violations]


def test_a_leg_of_unknown_height_meets_what_a_known_one_passes_under() -> None:
    one, other = leg(WEST, EAST, index=1), blind(leg(EAST, WEST, index=2))
    zones = ZoneSet([OVER])
    assert check(road(one), zones, FLAT).allowed
    verdict = check(road(other, one), zones, FLAT)
    assert not verdict.allowed
    assert named(verdict) == [(2, "over")]
    assert "the height of the street above sea level is not known" in verdict.violations[0].unknown
    assert (verdict.clearance_m, verdict.nearest_zone_id) == (0.0, "over")
    assert verdict.zones_version == zones.version
    above_ground = ZoneSet([replace(OVER, floor=Altitude(120.0, Datum.AGL))])
    assert check(road(other), above_ground, FLAT).allowed


def test_a_disc_of_unknown_height_is_asked_apart_as_well() -> None:
    disc = Disc(7, "door", CENTER, 5.0, 10.0, 12.0, NOON, NOON)
    path = road(leg(index=1), discs=(blind(disc),))
    assert has_unknown(path)
    assert named(check(path, ZoneSet([OVER]), FLAT)) == [(7, "over")]
    assert not has_unknown(road(leg(), discs=(disc,)))
    assert not has_unknown(replace(path, vehicle_class=VehicleClass.MULTIROTOR))


def test_both_parts_are_told_in_the_order_of_the_path() -> None:
    low = zone("low", box(offset(CENTER, 90.0, 1_500.0), 100.0))
    told = zone("told", box(offset(CENTER, 270.0, 1_500.0), 100.0), ZoneKind.ADVISORY)
    near = zone("near", box(offset(CENTER, 0.0, 700.0), 100.0), floor=Altitude(900.0, Datum.AMSL))
    legs = [leg(WEST, EAST, index=n) for n in range(4)]
    path = road(legs[0], blind(legs[1]), legs[2], blind(legs[3]))
    verdict = check(path, ZoneSet([OVER, low, told, near]), FLAT)
    assert named(verdict) == [
        (0, "low"), (1, "over"), (1, "low"), (2, "low"), (3, "over"), (3, "low")
    ]  # fmt: skip
    assert sorted((v.index, v.zone_id) for v in verdict.advisories) == [
        (n, "told") for n in range(4)
    ]
    # what is nearest to one of the parts is nearest to the path
    aside = check(path, ZoneSet([near]), FLAT)
    assert aside.allowed
    assert aside.clearance_m == pytest.approx(600.0, abs=1.0)
    far = check(road(legs[0], blind(legs[1])), ZoneSet([zone(area=box(EAST, 1.0))]), FLAT)
    assert (far.clearance_m, far.nearest_zone_id) == (0.0, "Z")


def test_paths_of_unknown_height_among_others_are_each_their_own() -> None:
    zones = ZoneSet([OVER, zone("low", box(offset(CENTER, 90.0, 1_500.0), 100.0))])
    short = leg(WEST, CENTER, index=5)
    paths = (
        road(short), road(blind(short)), road(leg(index=6)),
        FlightPath(VehicleClass.MULTIROTOR, (blind(short),)),
    )  # fmt: skip
    verdicts = check_all(paths, zones, FLAT)
    assert [named(v) for v in verdicts] == [[], [(5, "over")], [(6, "low")], []]
    assert [v.allowed for v in verdicts] == [True, False, False, True]
    assert verdicts == [check(path, zones, FLAT) for path in paths]
