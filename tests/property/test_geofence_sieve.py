"""The proofs foretell what the contacts find, and a verdict tells the same early and late."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import geofence.sieve as sieve_module
from geofence.check import FlightPath, PathLeg, _Checker, applies, check
from geofence.frames import LatLon, offset
from geofence.hours import Hours
from geofence.narrow import narrow
from geofence.path import Disc
from geofence.schedule import ALWAYS, Calendar, Schedule, Window
from geofence.sieve import sieve
from geofence.zones import CircleArea, PolygonArea, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from tests.property.test_geofence_recheck import AFTERNOON, GROUND, NIGHT, NOON, Region

SEEDS = st.integers(0, 2**32 - 1)


class Country(Region):
    """Stars, rings with holes and circles of every size, long and short legs among them."""

    def area(self):
        center = self.place(6_000.0)
        size = float(self.rng.choice([0.2, 30.0, 400.0, 3_000.0]))
        if self.rng.random() < 0.3:
            return CircleArea(center, size)
        count = int(self.rng.choice([3, 5, 12, 90]))
        reach = size * self.rng.uniform(0.3, 1.0, count)
        ring = tuple(offset(center, 360.0 * n / count, float(r)) for n, r in enumerate(reach))
        if max(p.lon_deg for p in ring) - min(p.lon_deg for p in ring) > 180.0:
            return CircleArea(center, size)
        hole = tuple(offset(center, 120.0 * n, 0.1 * size) for n in range(3))
        return PolygonArea(ring, (hole,) if self.rng.random() < 0.3 else ())

    def path(self) -> FlightPath:
        plain = super().path()
        far = [replace(leg, end=self.place(20_000.0)) for leg in plain.legs]
        still = [replace(plain.legs[0], end=plain.legs[0].start)]
        width = float(self.rng.choice([0.0, 5.0, 300.0]))
        legs = [replace(leg, corridor_m=width) for leg in [*plain.legs, *far, *still]]
        discs = [*plain.discs, replace(plain.discs[0], radius_m=0.0, high_amsl_m=10.0)]
        return replace(plain, legs=tuple(legs), discs=tuple(discs))


@settings(max_examples=150, deadline=None)
@given(seed=SEEDS, count=st.integers(1, 40))
def test_what_is_proven_is_what_is_found(seed: int, count: int) -> None:
    country = Country(seed)
    zones = ZoneSet([country.zone(f"Z{number}") for number in range(count)])
    path = country.path()
    early, late = check(path, zones, GROUND), _Checker(path, zones, GROUND).verdict()
    assert early.allowed == late.allowed
    assert early.violations == late.violations
    assert early.advisories == late.advisories
    assert early == late


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_large_sets_and_long_paths_are_sifted_alike(seed: int) -> None:
    country = Country(seed)
    zones = ZoneSet([country.zone(f"Z{number}") for number in range(60)])
    path = country.path()
    owners = (*path.legs, *path.discs)
    plain = sieve(owners, zones, GROUND)
    kept = {name: getattr(sieve_module, name) for name in ("_FEW_ZONES", "_FEW_PAIRS")}
    try:
        for name in kept:
            setattr(sieve_module, name, 0)
        treed = sieve(owners, zones, GROUND)
    finally:
        for name, value in kept.items():
            setattr(sieve_module, name, value)
    if plain is None:
        assert treed is None
    else:
        assert sorted(plain.touched) == sorted(treed.touched)
        assert sorted(plain.asked) == sorted(treed.asked)


def test_most_of_a_plain_country_is_proven() -> None:
    """Proofs that leave all to be asked would pass every other test here."""
    asked = proven = 0
    for seed in range(60):
        country = Country(seed)
        country.center = LatLon(47.4, 7.0)
        zones = [
            replace(country.zone(f"Z{number}"), schedule=ALWAYS, floor=None, ceiling=None)
            for number in range(30)
        ]
        path = country.path()
        found = sieve((*path.legs, *path.discs), ZoneSet(zones), GROUND)
        assert found is not None
        asked += len(found.asked)
        proven += len(found.touched)
    assert proven > 1_000
    assert asked < proven / 3


def test_a_path_across_the_antimeridian_is_left_to_the_contacts() -> None:
    at = datetime(2026, 6, 1, 12, tzinfo=UTC)
    leg = PathLeg(
        0, "leg", LatLon(0.0, 179.99), LatLon(0.0, -179.99), 50.0, 50.0, at, at, 30.0, 10.0
    )
    zone = Zone("Z", "", ZoneKind.NO_FLY, CircleArea(LatLon(0.0, -180.0), 100.0))
    assert sieve((leg,), ZoneSet([zone]), GROUND) is None
    beside = Disc(0, "pad", LatLon(0.0, 179.9995), 10.0, 50.0, 50.0, at, at)
    assert sieve((beside,), ZoneSet([zone]), GROUND) is None
    assert not check(
        FlightPath(VehicleClass.MULTIROTOR, (), (beside,)), ZoneSet([zone]), GROUND
    ).allowed


FROM_NOON = Schedule(valid_from=NOON)
SUMMER = Schedule(valid_from=NOON, valid_to=NOON + timedelta(days=40))
WEEKEND = Schedule((Window(days=frozenset({5, 6})),), "America/Los_Angeles")


@settings(max_examples=300, deadline=None)
@given(
    schedule=st.sampled_from(
        [NIGHT, AFTERNOON, FROM_NOON, SUMMER, WEEKEND, Calendar((WEEKEND, AFTERNOON))]
    ),
    start=st.integers(-20 * 1440, 60 * 1440),
    minutes=st.integers(0, 3 * 1440),
)
def test_what_sleeps_does_not_apply(schedule, start: int, minutes: int) -> None:
    begin = NOON + timedelta(minutes=start)
    end = begin + timedelta(minutes=minutes)
    hours = Hours([ALWAYS, schedule])
    asleep = hours.asleep(1, begin.timestamp(), end.timestamp())
    assert not hours.asleep(0, begin.timestamp(), end.timestamp())
    if asleep:
        assert not schedule.active_during(begin, end)
    # a second either side is all that it is wider
    wide = timedelta(seconds=2)
    assert asleep or schedule.active_during(begin - wide, end + wide)


def test_too_long_a_time_is_not_ruled_out() -> None:
    hours = Hours([WEEKEND])
    monday = NOON.timestamp()
    assert NOON.weekday() == 0
    assert hours.asleep(0, monday, monday + 3 * 86_400.0)
    assert not hours.asleep(0, monday, monday + 9 * 86_400.0)
    assert np.array_equal(hours.timed, [True])


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, start=st.integers(-20 * 1440, 60 * 1440), minutes=st.integers(0, 600))
def test_whoever_is_left_out_is_asleep(seed: int, start: int, minutes: int) -> None:
    schedules = [ALWAYS, NIGHT, AFTERNOON, SUMMER, WEEKEND, NIGHT]
    hours = Hours(schedules)
    zones = np.random.default_rng(seed).permutation(len(schedules))[:4]
    begin = (NOON + timedelta(minutes=start)).timestamp()
    end = begin + 60.0 * minutes
    # twice: what is remembered says the same
    for _ in range(2):
        awake = hours.awake(zones, begin, end).tolist()
        assert awake == [zone for zone in zones.tolist() if zone in awake]
        for zone in set(zones.tolist()) - set(awake):
            assert hours.asleep(zone, begin, end)


@settings(max_examples=80, deadline=None)
@given(seed=SEEDS)
def test_a_second_look_says_what_the_contacts_say(seed: int) -> None:
    """Every pair looked at by pieces, not only those in doubt."""
    country = Country(seed)
    zones = ZoneSet([country.zone(f"Z{number}") for number in range(12)])
    path = country.path()
    if sieve((*path.legs, *path.discs), zones, GROUND) is None:
        return
    pairs = [
        (owner, zone)
        for owner in range(len(path.legs) + len(path.discs))
        for zone in range(len(zones))
        if zones.zones[zone].kind is not ZoneKind.KEEP_IN and country.rng.random() < 0.3
    ]
    if not pairs:
        return
    found = narrow(path, zones, zones.table(GROUND), pairs)
    touching = set(_Checker(path, zones, GROUND, pairs).touching())
    applying = [p for p in pairs if applies(zones.zones[p[1]], path)]
    assert {p for p in found.touched if p in applying} <= touching
    assert touching <= {*found.touched, *found.asked}
