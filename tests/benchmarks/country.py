"""Seeded countries of zones and legs, for the benchmarks. Plain shapes, near 47 degrees north."""

from __future__ import annotations

import math

import numpy as np

from geofence.frames import Array, LatLon, metres_per_degree
from geofence.zones import PolygonArea, Zone, ZoneKind

SOUTH_WEST = LatLon(46.0, 7.0)


def to_lonlat(xy_m: Array) -> Array:
    """Metres (n, 2) east and north of SOUTH_WEST to longitude, latitude (n, 2)."""
    east, north = (float(v) for v in metres_per_degree(np.array(SOUTH_WEST.lat_deg)))
    return xy_m / np.array((east, north)) + np.array((SOUTH_WEST.lon_deg, SOUTH_WEST.lat_deg))


def star_corners(
    rng: np.random.Generator, count: int, side_m: float, *, radius_m: float, corners: int = 20
) -> Array:
    """Corners (count, corners, 2) in lon, lat of star-shaped polygons strewn over a square."""
    middle = rng.uniform(0.0, side_m, (count, 1, 2))
    turn = rng.uniform(0.0, 2.0 * math.pi, (count, 1))
    angle = turn + np.linspace(0.0, 2.0 * math.pi, corners, endpoint=False)
    reach = radius_m * rng.uniform(0.5, 1.0, (count, corners))
    xy = middle + np.stack((reach * np.cos(angle), reach * np.sin(angle)), axis=-1)
    return to_lonlat(xy.reshape(-1, 2)).reshape(count, corners, 2)


def legs(rng: np.random.Generator, count: int, side_m: float, *, length_m: float) -> Array:
    """Legs (count, 4) of one length, lon, lat, lon, lat, in any direction."""
    start = rng.uniform(0.0, side_m, (count, 2))
    angle = rng.uniform(0.0, 2.0 * math.pi, count)
    end = start + length_m * np.stack((np.cos(angle), np.sin(angle)), axis=-1)
    return np.hstack((to_lonlat(start), to_lonlat(end)))


def polygon_zone(zone_id: str, corners: Array, **more: object) -> Zone:
    """A no-fly zone of corners (n, 2) in lon, lat."""
    shell = tuple(LatLon(lat, lon) for lon, lat in corners.tolist())
    return Zone(zone_id, "", ZoneKind.NO_FLY, PolygonArea(shell), **more)  # type: ignore[arg-type]
