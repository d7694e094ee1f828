"""Among many zones the checker tells what it tells of each alone, and the nearest of them all."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.check import check
from geofence.zoneset import ZoneSet
from tests.property.test_geofence_recheck import GROUND, Region


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 30))
def test_many_zones_are_each_of_them(seed: int, count: int) -> None:
    region = Region(seed)
    zones = [region.zone(f"Z{number}") for number in range(count)]
    path = region.path()
    path = replace(path, legs=path.legs[:1])
    together = check(path, ZoneSet(zones), GROUND)
    alone = [check(path, ZoneSet([zone]), GROUND) for zone in zones]
    told = {(v.zone_id, v.index, v.label, v.depth_m) for v in together.violations}
    assert told == {(v.zone_id, v.index, v.label, v.depth_m) for a in alone for v in a.violations}
    clear = [a.clearance_m for a in alone if a.clearance_m is not None]
    assert together.clearance_m == (min(clear) if clear else None)
    assert together.allowed == all(a.allowed for a in alone)
