"""The referee's own geometry on the WGS84 ellipsoid.

Owns distances by earth-centred coordinates, points in rings by winding number, and where a short
straight step lies inside an area. Must not know vehicles or rules.

Longitudes and latitudes are degrees; arrays of positions have shape (n, 2): longitude, latitude.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

Span = tuple[float, float]
"""A part of a step, 0 at its start and 1 at its end."""

_A_M = 6378137.0
_F = 1.0 / 298.257223563
_E2 = _F * (2.0 - _F)


def ecef(lonlat: Array) -> Array:
    """Earth-centred metres, shape (n, 3), of positions on the ellipsoid."""
    lon, lat = np.radians(lonlat[..., 0]), np.radians(lonlat[..., 1])
    prime = _A_M / np.sqrt(1.0 - _E2 * np.sin(lat) ** 2)
    return np.stack(
        (
            prime * np.cos(lat) * np.cos(lon),
            prime * np.cos(lat) * np.sin(lon),
            prime * (1.0 - _E2) * np.sin(lat),
        ),
        axis=-1,
    )


def distances_m(lonlat: Array, lon_deg: float, lat_deg: float) -> Array:
    """Metres from one position to each of many: the chord, short of the arc by d^3/(24 R^2)."""
    here = ecef(np.array([lon_deg, lat_deg]))
    return np.asarray(np.linalg.norm(ecef(lonlat) - here, axis=-1), dtype=np.float64)


def distance_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Metres between two (longitude, latitude)."""
    return float(distances_m(np.array([one]), other[0], other[1])[0])


def east_north_m(lonlat: Array, lon_deg: float, lat_deg: float) -> Array:
    """Metres east and north in the plane that touches the ellipsoid at one position."""
    lon, lat = math.radians(lon_deg), math.radians(lat_deg)
    delta = ecef(lonlat) - ecef(np.array([lon_deg, lat_deg]))
    east = np.array([-math.sin(lon), math.cos(lon), 0.0])
    north = np.array(
        [-math.sin(lat) * math.cos(lon), -math.sin(lat) * math.sin(lon), math.cos(lat)]
    )
    return np.stack((delta @ east, delta @ north), axis=-1)


@dataclass(frozen=True, slots=True)
class Disc:
    """A circle of `radius_m` about a position."""

    lon_deg: float
    lat_deg: float
    radius_m: float

    def box(self) -> tuple[float, float, float, float]:
        """West, south, east, north, a little too large, about the own centre."""
        lat = math.degrees(self.radius_m / 6_335_000.0) * 1.01
        lon = lat / max(0.02, math.cos(math.radians(min(89.0, abs(self.lat_deg) + lat))))
        return self.lon_deg - lon, self.lat_deg - lat, self.lon_deg + lon, self.lat_deg + lat

    def contains(self, lonlat: Array) -> Flags:
        """Which positions lie in it, the rim included."""
        return np.asarray(distances_m(lonlat, self.lon_deg, self.lat_deg) <= self.radius_m)

    def may_leave(self, starts: Array, ends: Array) -> Flags:
        """Which steps between two inner positions may pass outside: none, a disc is convex."""
        del ends
        return np.zeros(len(starts), dtype=np.bool_)

    def spans(self, start: Array, end: Array) -> list[Span]:
        """Where the straight step from start to end lies inside."""
        center = ecef(np.array([self.lon_deg, self.lat_deg]))
        first = ecef(start) - center
        step = ecef(end) - center - first
        a = float(step @ step)
        b = 2.0 * float(first @ step)
        c = float(first @ first) - self.radius_m**2
        if a == 0.0:
            return [(0.0, 1.0)] if c <= 0.0 else []
        root = b * b - 4.0 * a * c
        if root < 0.0:
            return []
        low = max(0.0, (-b - math.sqrt(root)) / (2.0 * a))
        high = min(1.0, (-b + math.sqrt(root)) / (2.0 * a))
        return [(low, high)] if low <= high else []


@dataclass(frozen=True, slots=True)
class Rings:
    """A polygon's rings, the shell first, holes after; edges straight in longitude, latitude."""

    rings: tuple[Array, ...]

    def box(self) -> tuple[float, float, float, float]:
        """West, south, east, north."""
        low, high = self.rings[0].min(axis=0), self.rings[0].max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    def contains(self, lonlat: Array) -> Flags:
        """Which positions lie in the shell and in no hole."""
        inside = np.asarray(winding(self.rings[0], lonlat) != 0)
        for hole in self.rings[1:]:
            inside &= winding(hole, lonlat) == 0
        return inside

    def may_leave(self, starts: Array, ends: Array) -> Flags:
        """Which steps between two inner positions may pass outside: those that meet an edge."""
        meets = np.zeros(len(starts), dtype=np.bool_)
        for ring in self.rings:
            for a, b in zip(ring, np.roll(ring, -1, axis=0), strict=True):
                meets |= (_side(a, b, starts) * _side(a, b, ends) <= 0.0) & (
                    _sides(starts, ends, a) * _sides(starts, ends, b) <= 0.0
                )
        return np.asarray(meets & (starts != ends).any(axis=-1))

    def spans(self, start: Array, end: Array) -> list[Span]:
        """Where the straight step from start to end lies inside."""
        cuts = {0.0, 1.0}
        for ring in self.rings:
            cuts.update(_crossings(ring, start, end))
        marks = sorted(cuts)
        middles = np.array([(low + high) / 2.0 for low, high in pairwise(marks)])
        inside = self.contains(start + middles[:, None] * (end - start))
        spans: list[Span] = []
        for (low, high), within in zip(pairwise(marks), inside, strict=True):
            if within and spans and spans[-1][1] == low:
                spans[-1] = (spans[-1][0], high)
            elif within:
                spans.append((low, high))
        return spans


def winding(ring: Array, lonlat: Array) -> npt.NDArray[np.int64]:
    """How often an open ring winds about each position (Sunday's crossing form)."""
    x, y = lonlat[:, 0], lonlat[:, 1]
    turns = np.zeros(len(lonlat), dtype=np.int64)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        left = (x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)
        turns += (y0 <= y) & (y1 > y) & (left > 0.0)
        turns -= (y0 > y) & (y1 <= y) & (left < 0.0)
    return turns


def _side(a: Array, b: Array, points: Array) -> Array:
    return np.asarray((b[0] - a[0]) * (points[:, 1] - a[1]) - (b[1] - a[1]) * (points[:, 0] - a[0]))


def _sides(starts: Array, ends: Array, point: Array) -> Array:
    step = ends - starts
    return np.asarray(
        step[:, 0] * (point[1] - starts[:, 1]) - step[:, 1] * (point[0] - starts[:, 0])
    )


def _crossings(ring: Array, start: Array, end: Array) -> list[float]:
    step = end - start
    edge = np.roll(ring, -1, axis=0) - ring
    gap = ring - start
    cross = step[0] * edge[:, 1] - step[1] * edge[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        along = (gap[:, 0] * edge[:, 1] - gap[:, 1] * edge[:, 0]) / cross
        across = (gap[:, 0] * step[1] - gap[:, 1] * step[0]) / cross
    hit = (cross != 0.0) & (along > 0.0) & (along < 1.0) & (across >= 0.0) & (across <= 1.0)
    return [float(value) for value in along[hit]]
