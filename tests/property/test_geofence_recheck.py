"""A change of zones against what is under way: all that a check of each would find, no more."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.check import Disc, FlightPath, PathLeg, Surroundings, check
from geofence.diff import diff
from geofence.frames import Altitude, Datum, LatLon, offset
from geofence.recheck import ActivePaths, recheck
from geofence.zones import (
    CircleArea,
    PolygonArea,
    Schedule,
    VehicleClass,
    Window,
    Zone,
    ZoneKind,
)
from geofence.zoneset import ZoneSet

EXAMPLES = settings(max_examples=120, deadline=None)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
GROUND = Surroundings(10.0, 17.0)
NIGHT = Schedule((Window(start=time(22), end=time(6)),))
AFTERNOON = Schedule((Window(start=time(12, 5), end=time(18)),))
DRONES = frozenset({VehicleClass.MULTIROTOR})


class Region:
    """Random zones and paths about one place, some of them apart, most of them mixed up."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        lat = float(self.rng.choice([0.0, 47.4, 60.17, -74.0]))
        lon = float(self.rng.choice([7.0, 179.999, -179.999]))
        self.center = LatLon(lat, lon)

    def place(self, far_m: float = 2_500.0) -> LatLon:
        return offset(
            self.center, float(self.rng.uniform(0, 360)), float(self.rng.uniform(0, far_m))
        )

    def area(self):
        center, size = self.place(), float(self.rng.choice([5.0, 150.0, 900.0]))
        if self.rng.random() < 0.4:
            return CircleArea(center, size)
        ring = [offset(center, 90.0 * n + 20.0, size) for n in range(4)]
        if max(p.lon_deg for p in ring) - min(p.lon_deg for p in ring) > 180.0:
            return CircleArea(center, size)
        return PolygonArea(tuple(reversed(ring)))

    def zone(self, zone_id: str, *, keep_in: bool = False) -> Zone:
        pick = self.rng.choice
        return Zone(
            zone_id,
            "",
            ZoneKind.KEEP_IN
            if keep_in
            else ZoneKind(pick(["no_fly", "no_fly", "restricted", "advisory"])),
            CircleArea(self.place(800.0), 2_500.0) if keep_in else self.area(),
            floor=pick([None, Altitude(0.0, Datum.AGL), Altitude(80.0, Datum.AMSL)]),
            ceiling=pick([None, Altitude(120.0, Datum.AGL), Altitude(150.0, Datum.WGS84)]),
            schedule=pick(np.array([Schedule(), NIGHT, AFTERNOON], dtype=object)),
            classes=pick(np.array([frozenset(), DRONES], dtype=object)),
            permit=pick([None, "yes"]),
        )  # fmt: skip

    def path(self) -> FlightPath:
        corners = [self.place() for _ in range(int(self.rng.integers(2, 5)))]
        legs, at = [], NOON + timedelta(seconds=float(self.rng.uniform(0, 600)))
        for number, (start, end) in enumerate(itertools.pairwise(corners)):
            low, high = sorted(self.rng.choice([15.0, 60.0, 100.0, 140.0], 2).tolist())
            leave = at + timedelta(seconds=200)
            legs.append(PathLeg(number, "leg", start, end, low, high, at, leave, 30.0))
            at = leave
        disc = Disc(0, "pad", corners[0], 20.0, 10.0, 80.0, NOON, at)
        robot = self.rng.random() < 0.3
        return FlightPath(
            VehicleClass.ROBOT if robot else VehicleClass.MULTIROTOR,
            tuple(legs),
            (disc,),
            frozenset({"yes"}) if self.rng.random() < 0.3 else frozenset(),
        )


@EXAMPLES
@given(seed=st.integers(0, 2**32 - 1), keep_in=st.sampled_from(["no", "old", "new", "both"]))
def test_recheck_finds_what_a_check_of_each_finds(seed: int, keep_in: str) -> None:
    region = Region(seed)
    stay = [region.zone(f"S{n}") for n in range(3)]
    old = [*stay, region.zone("gone"), region.zone("other")]
    new = [*stay, region.zone("other"), region.zone("fresh")]
    if keep_in in {"old", "both"}:
        old.append(region.zone("K", keep_in=True))
    if keep_in in {"new", "both"}:
        new.append(region.zone("K", keep_in=True))
    changes = diff(ZoneSet(old), ZoneSet(new))
    touched = {zone.zone_id for zone in changes.arrived}
    paths = {f"M{n}": region.path() for n in range(6)}

    found = recheck(changes, ActivePaths(paths), GROUND, now=NOON)

    for path_id, path in paths.items():
        expected = tuple(
            violation
            for violation in check(path, changes.new, GROUND).violations
            if violation.zone_id in touched
            or (changes.keep_ins and violation.kind is ZoneKind.KEEP_IN)
        )
        assert (found[path_id].violations if path_id in found else ()) == expected
        if expected:
            enters = [owner.enter for owner in (*path.legs, *path.discs)]
            leaves = [owner.leave for owner in (*path.legs, *path.discs)]
            assert min(enters) <= found[path_id].first_entry <= max(leaves)
            assert found[path_id].left == found[path_id].first_entry - NOON


def flight(depart: datetime = NOON) -> FlightPath:
    """South to north for 2 km in 200 s."""
    start, end = LatLon(60.0, 25.0), offset(LatLon(60.0, 25.0), 0.0, 2_000.0)
    leg = PathLeg(
        4, "cruise", start, end, 60.0, 60.0, depart, depart + timedelta(seconds=200), 30.0
    )
    return FlightPath(VehicleClass.MULTIROTOR, (leg,))


def ahead(far_m: float, radius_m: float = 100.0) -> Zone:
    center = offset(LatLon(60.0, 25.0), 0.0, far_m)
    return Zone("fire", "Fire", ZoneKind.NO_FLY, CircleArea(center, radius_m))


def test_time_left_counts_to_the_predicted_entry() -> None:
    changes = diff(ZoneSet([]), ZoneSet([ahead(1_530.0)]))
    paths = ActivePaths({"M": flight()})
    # its corridor meets the zone after 1,400 m, at 140 s; 10 s and 5 % of the leg are slack
    found = recheck(changes, paths, GROUND, now=NOON + timedelta(seconds=20))["M"]
    assert found.left.total_seconds() == pytest.approx(140.0 - 20.0 - 20.0, abs=0.5)
    late = recheck(changes, paths, GROUND, now=NOON + timedelta(seconds=150))["M"]
    assert late.left == timedelta(0)
    assert late.first_entry == found.first_entry


def test_the_first_of_several_entries_counts() -> None:
    far, near = replace(ahead(1_500.0), zone_id="far"), replace(ahead(700.0), zone_id="near")
    both = recheck(
        diff(ZoneSet([]), ZoneSet([far, near])), ActivePaths({"M": flight()}), GROUND, now=NOON
    )["M"]
    alone = recheck(
        diff(ZoneSet([]), ZoneSet([near])), ActivePaths({"M": flight()}), GROUND, now=NOON
    )["M"]
    assert {v.zone_id for v in both.violations} == {"far", "near"}
    assert both.first_entry == alone.first_entry


def test_paths_come_and_go_and_the_old_index_stays() -> None:
    changes = diff(ZoneSet([]), ZoneSet([ahead(1_000.0)]))
    none = ActivePaths({})
    one = none.with_path("A", flight())
    two = one.with_path("B", flight(NOON + timedelta(hours=1)))
    back = two.without("A").without("nobody")
    assert [list(each) for each in (none, one, two, back)] == [[], ["A"], ["A", "B"], ["B"]]
    for each in (none, one, two, back):
        assert sorted(recheck(changes, each, GROUND, now=NOON)) == list(each)
    assert two.entry("A") is one.entry("A")
    other = two.with_path("A", flight(NOON + timedelta(hours=2)))
    assert other["A"].legs[0].enter == NOON + timedelta(hours=2)
    assert len(other) == 2


def test_what_is_the_same_in_both_says_nothing() -> None:
    zones = [ahead(1_000.0)]
    changes = diff(ZoneSet(zones), ZoneSet([*zones, replace(ahead(90_000.0), zone_id="far")]))
    assert recheck(changes, ActivePaths({"M": flight()}), GROUND, now=NOON) == {}
    assert not diff(ZoneSet(zones), ZoneSet(zones))


def test_a_keep_in_that_goes_leaves_the_others_to_be_kept() -> None:
    keep = [
        replace(ahead(far, 1_100.0), zone_id=f"K{far}", kind=ZoneKind.KEEP_IN) for far in (0, 2_000)
    ]
    paths = ActivePaths({"M": flight()})
    assert recheck(diff(ZoneSet([]), ZoneSet(keep)), paths, GROUND, now=NOON) == {}
    lost = recheck(diff(ZoneSet(keep), ZoneSet(keep[:1])), paths, GROUND, now=NOON)
    assert [v.kind for v in lost["M"].violations] == [ZoneKind.KEEP_IN]
    assert recheck(diff(ZoneSet(keep), ZoneSet([])), paths, GROUND, now=NOON) == {}


def test_diff_names_what_is_not_the_same() -> None:
    same, gone, before = (replace(ahead(100.0), zone_id=name) for name in ("same", "gone", "moved"))
    after, fresh = replace(before, area=CircleArea(LatLon(1, 2), 5.0), note="x"), ahead(5.0)
    changes = diff(ZoneSet([same, gone, before]), ZoneSet([fresh, after, replace(same)]))
    assert [z.zone_id for z in changes.added] == ["fire"]
    assert [z.zone_id for z in changes.removed] == ["gone"]
    assert [(c.before, c.after, c.fields) for c in changes.changed] == [
        (before, after, ("area", "note"))
    ]
    assert changes
    assert not changes.keep_ins
