"""Polygons made simpler on the safe side, down to what a small fence store holds.

Owns the ladders of ever coarser shapes: exclusions that only grow, inclusions that only shrink,
and the rounding to 1e-7 degrees on the same side. Must not know which zones matter.

A ring is made coarser by one step at a time, always the one that changes the least area: a dent
is bridged, or an edge is taken out by lengthening its two neighbours until they meet. Both add
a triangle outside the ring and take nothing away. A ring that runs clockwise has its inside
outside, so that the same steps shrink what it holds. Every rung is verified before it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import shapely

from geofence.frames import Array, LatLon, LocalFrame

ROUNDING_M = 0.03
"""Rings are moved out by this before they are rounded: a unit of 1e-7 degrees is 0.011 m."""

MAX_RING = 100
"""Rings with more corners are thinned first."""

_WANTED = frozenset({*range(3, 13), 14, 16, 20, 24, 32, 40, 48, 56, 64})
"""Corners of the rungs that are made, beside the finest."""

MAX_TRIES = 40
"""Steps tried before a ring is as coarse as it gets."""

_THIN_M = (0.2, 1.0, 5.0, 20.0, 80.0, 320.0)
_MITRE = 4.0

Ring = tuple[LatLon, ...]
Fits = Callable[[shapely.Polygon], bool]


def unwrapped(frame: LocalFrame, ring: Ring) -> Array:
    """A ring (n, 2) in metres of the frame, continuous across the antimeridian."""
    lon = np.array([p.lon_deg for p in ring])
    lat = np.array([p.lat_deg for p in ring])
    steps = (np.diff(lon) + 180.0) % 360.0 - 180.0
    first = (lon[0] - frame.origin.lon_deg + 180.0) % 360.0 - 180.0
    east, north = frame.scale
    x = np.concatenate(([first], first + np.cumsum(steps)))
    return np.stack((x * east, (lat - frame.origin.lat_deg) * north), axis=-1)


def grown_rungs(frame: LocalFrame, exact: shapely.Polygon, fits: Fits, most: int) -> list[Ring]:
    """Rings round a polygon without holes, finest first, each with `most` corners or fewer.

    Each covers the polygon, is on the grid of 1e-7 degrees, and `fits`; there may be none.
    """
    rungs = _rungs(frame, exact, fits, most, sign=1.0)
    return [ring for ring, made in rungs if shapely.covers(made, exact)]


def shrunk_rungs(frame: LocalFrame, exact: shapely.Polygon, fits: Fits, most: int) -> list[Ring]:
    """The same inside a polygon without holes: each ring is covered by it."""
    rungs = _rungs(frame, exact, fits, most, sign=-1.0)
    return [ring for ring, made in rungs if shapely.covers(exact, made)]


def _rungs(
    frame: LocalFrame, exact: shapely.Polygon, fits: Fits, most: int, *, sign: float
) -> Iterator[tuple[Ring, shapely.Polygon]]:
    start = _start(exact, fits, sign)
    if start is None:
        return
    ring = _open_ring(start, sign)
    finest = min(len(ring), most)
    while True:
        if len(ring) == finest or (len(ring) < finest and len(ring) in _WANTED):
            rounded = round_ring(frame, ring)
            made = shapely.Polygon(unwrapped(frame, rounded))
            if len(set(rounded)) == len(rounded) and made.is_valid and fits(made):
                yield rounded, made
        coarser = _coarser(ring, fits)
        if coarser is None:
            return
        ring = coarser


def _start(exact: shapely.Polygon, fits: Fits, sign: float) -> shapely.Polygon | None:
    """The polygon moved out (or in) by the rounding, thinned where it has too many corners."""
    for thin_m in (0.0, *_THIN_M):
        made = exact.buffer(sign * (ROUNDING_M + thin_m), join_style="mitre", mitre_limit=_MITRE)
        if thin_m:
            made = made.simplify(thin_m)
        made = _one_piece(made, fits)
        if made is None:
            if sign < 0.0 or thin_m:
                return None
            continue
        if len(made.exterior.coords) <= MAX_RING:
            return made
    return None


def _one_piece(made: shapely.Geometry, fits: Fits) -> shapely.Polygon | None:
    for part in shapely.get_parts(made):
        if part.geom_type == "Polygon" and not part.is_empty:
            filled = shapely.Polygon(part.exterior)
            if filled.is_valid and fits(filled):
                return filled
    return None


def _open_ring(polygon: shapely.Polygon, sign: float) -> Array:
    """Corners, counter-clockwise for growing, clockwise for shrinking."""
    oriented = shapely.geometry.polygon.orient(polygon, sign)
    return np.asarray(oriented.exterior.coords)[:-1, :2]


def _cross(a: Array, b: Array) -> Array:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def _coarser(ring: Array, fits: Fits) -> Array | None:
    """The ring with one corner fewer that adds the least area outside, or None."""
    count = len(ring)
    if count <= 3:
        return None
    before, after, second = (np.roll(ring, shift, axis=0) for shift in (1, -1, -2))
    turn = _cross(ring - before, after - ring)
    bridge_cost = np.where(turn <= 0.0, -turn / 2.0, np.inf)
    u, v, edge = ring - before, after - second, after - ring
    denominator = _cross(u, v)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        s, t = _cross(edge, v) / denominator, _cross(edge, u) / denominator
        meet = ring + s[:, None] * u
    meets = (turn > 0.0) & (np.roll(turn, -1) > 0.0) & (s >= 0.0) & (t >= 0.0)
    meets &= np.isfinite(meet).all(axis=-1)
    lengthen_cost = np.where(meets, np.abs(_cross(meet - ring, edge)) / 2.0, np.inf)
    costs = np.concatenate((bridge_cost, lengthen_cost))
    for choice in np.argsort(costs, kind="stable")[:MAX_TRIES]:
        if not np.isfinite(costs[choice]):
            return None
        index = int(choice) % count
        made = np.delete(ring, index, axis=0)
        if choice >= count:
            made = ring.copy()
            made[index] = meet[index]
            made = np.delete(made, (index + 1) % count, axis=0)
        polygon = shapely.Polygon(made)
        if polygon.is_valid and fits(polygon):
            return made
    return None


def round_ring(frame: LocalFrame, ring: Array) -> Ring:
    """Corners on the grid of 1e-7 degrees that MAVLink's integers hold."""
    units = np.round(frame.to_lonlat(ring) * 1e7) / 1e7
    return tuple(LatLon(float(lat), float(lon)) for lon, lat in units)


def round_position(position: LatLon) -> LatLon:
    """The nearest position on the grid of 1e-7 degrees."""
    return LatLon(round(position.lat_deg * 1e7) / 1e7, round(position.lon_deg * 1e7) / 1e7)


def crosses_antimeridian(ring: Ring) -> bool:
    """Whether the ring's integers jump by 360 degrees."""
    lons = [p.lon_deg for p in ring]
    return max(lons) - min(lons) > 180.0
