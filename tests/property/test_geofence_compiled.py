"""What is compiled says to the last bit what Python says of its source."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence import compiled, compiling, deepest
from geofence.frames import LatLon
from geofence.path import ROW
from geofence.sieve import ALL, sieve
from geofence.zoneset import ZoneSet
from tests.property.test_geofence_recheck import GROUND
from tests.property.test_geofence_sieve import SEEDS, Country


def interpreted(machine: ModuleType) -> ModuleType:
    """The same module as Python runs it."""
    spec = importlib.util.spec_from_file_location("interpreted", machine.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiling, "compiled", lambda _, **__: lambda function: function)
        patch.setattr(compiling, "part", lambda function: function)
        patch.setitem(sys.modules, "interpreted", module)
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def source() -> ModuleType:
    return interpreted(compiled)


@pytest.fixture(scope="module")
def search() -> Callable[..., float]:
    function: Callable[..., float] = interpreted(deepest).deepest
    return function


def test_a_row_of_a_table_is_read_where_it_is_written() -> None:
    for name in ("HIGH", "MINUS_LOW", "HALF", "LON", "LAT", "DLON", "DLAT"):
        assert getattr(compiled, name) == getattr(ROW, name)


class Setting:
    """A leg beside a star, with a ring in a third of them, or beside a place, and plain bounds."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.frame = np.zeros(compiled.FRAME_SIZE)
        east, north = rng.uniform(1e4, 1.2e5, 2)
        for name in ("EAST", "C_EAST", "C_EAST_MOST"):
            self.frame[getattr(compiled, name)] = east
        for name in ("NORTH", "C_NORTH", "C_NORTH_MOST"):
            self.frame[getattr(compiled, name)] = north
        self.frame[compiled.RATIO] = rng.uniform(1.0, 1.01)
        lon, lat = rng.uniform(-170.0, 170.0), rng.uniform(-80.0, 80.0)
        self.table = np.zeros((1, ROW.COUNT))
        self.table[0, ROW.LON], self.table[0, ROW.LAT] = lon, lat
        self.table[0, ROW.DLON :] = rng.normal(0.0, 10.0 ** rng.uniform(-6.0, 0.0), 2)
        rings = [self.ring(rng, lon, lat) for _ in range(1 + (rng.random() < 0.3))]
        self.place = np.array([[*rng.normal((lon, lat), 0.1), 0.0]])
        self.x, self.y = np.concatenate(rings, axis=1)
        self.ring_start = np.cumsum([0, *(ring.shape[1] for ring in rings)]).astype(np.int64)
        self.round = rng.random() < 0.2

    def ring(self, rng: np.random.Generator, lon: float, lat: float) -> np.ndarray:
        many = int(rng.integers(3, 30))
        angle = np.sort(rng.uniform(0.0, math.tau, many))
        far = 10.0 ** rng.uniform(-4.0, -1.0) * rng.uniform(0.2, 1.0, many)
        middle = rng.normal((lon, lat), 0.1)
        return middle[:, None] + far * np.stack((np.cos(angle), np.sin(angle)))

    def arguments(self) -> tuple:
        """Whatever the box and the heights: they leave all to the corners."""
        some = np.zeros(1, dtype=np.int64)
        outer = np.full((6, 1), -1e9)
        middle = np.array([[0.0], [0.0], [1e9], [1e9]])
        first_ring = np.array([0, 0 if self.round else len(self.ring_start) - 1])
        return (
            self.table, self.frame, some, ALL, outer, middle, np.zeros(1, dtype=bool), self.place,
            self.x, self.y, self.ring_start, first_ring,
        )  # fmt: skip

    def apart_m(self, source: ModuleType) -> float:
        zones = source.Zones(*self.arguments()[4:])
        line = source._line(self.table, 0, self.frame)
        if not self.round:
            return source._apart_m(line, zones, 0)
        return source._to_chord_m(
            line, *self.place[0, :2], self.frame[compiled.EAST], self.frame[compiled.NORTH]
        )


@settings(max_examples=150, deadline=None)
@given(seed=SEEDS)
def test_a_limit_at_the_very_distance_is_told_alike(source: ModuleType, seed: int) -> None:
    """One bit more or less in any sum or product would tell some of these apart."""
    setting = Setting(seed)
    apart_m = setting.apart_m(source)
    said = set()
    for limit in (apart_m, math.nextafter(apart_m, 0.0), math.nextafter(apart_m, math.inf)):
        setting.frame[compiled.FAR_MORE] = limit
        found = compiled.sift(*setting.arguments())
        assert np.array_equal(found, source.sift(*setting.arguments()))
        said.add(found.shape[1])
    at = apart_m * setting.frame[compiled.RATIO] if not setting.round else apart_m
    setting.frame[compiled.FAR_MORE] = 2.0 * apart_m
    for limit in (at, math.nextafter(at, 0.0), math.nextafter(at, math.inf)):
        setting.table[0, ROW.HALF] = limit
        found = compiled.sift(*setting.arguments())
        assert np.array_equal(found, source.sift(*setting.arguments()))
        said |= {("state", int(state)) for state in found[2]}
    met = not setting.round and source._met_or_beyond(
        source._line(setting.table, 0, setting.frame), source.Zones(*setting.arguments()[4:]), 0
    )
    assert len(said) == 4 or (met and met[0]) or apart_m == 0.0


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, flown=st.booleans())
def test_a_country_is_sieved_alike(source: ModuleType, seed: int, *, flown: bool) -> None:
    country = Country(seed)
    country.center = replace(country.center, lon_deg=LatLon(0.0, 7.0).lon_deg)
    zones = ZoneSet([country.zone(f"Z{number}") for number in range(30)])
    path = country.path()
    owners = (*path.legs, *path.discs)
    machine = sieve(owners, zones, GROUND, flown=flown)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "sift", source.sift)
        patch.setattr(compiled, "zones_near", source.zones_near)
        interpreted = sieve(owners, zones, GROUND, flown=flown)
    assert machine is not None
    assert interpreted is not None
    assert machine.touched == interpreted.touched
    assert machine.asked == interpreted.asked


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, outward=st.booleans())
def test_a_depth_is_never_too_small_and_hardly_too_great(search, seed: int, outward: bool) -> None:
    rng = np.random.default_rng(seed)
    many = int(rng.integers(3, 25))
    angle = np.sort(rng.uniform(0.0, math.tau, many))
    far = 10.0 ** rng.uniform(0.0, 3.5) * rng.uniform(0.2, 1.0, many)
    ring = np.stack((far * np.cos(angle), far * np.sin(angle)), axis=-1)
    area = shapely.Polygon(ring)
    edges = np.hstack((ring, np.roll(ring, -1, axis=0)))
    segment = rng.normal(0.0, 10.0 ** rng.uniform(0.0, 3.5), 4)
    if rng.random() < 0.1:
        segment[2:] = segment[:2]
    sign = -1.0 if outward else 1.0
    found = deepest.deepest(segment, edges, sign)
    assert found == search(segment, edges, sign)
    share = np.linspace(0.0, 1.0, 501)[:, None]
    points = shapely.points(segment[:2] + share * (segment[2:] - segment[:2]))
    off = shapely.distance(area.exterior, points)
    most = float((np.where(shapely.intersects(area, points), off, -off) * sign).max())
    step = float(np.hypot(*(segment[2:] - segment[:2]))) / 1_000.0
    assert most <= found + 1e-6
    assert found <= most + step + max(0.1, 0.01 * abs(most + step)) + 1e-6
