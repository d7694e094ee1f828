"""The ground and the geoid under pieces of a path, for limits that differ from place to place.

Owns the bounds of the grids under each piece with its corridor, the bands of zones there, and the
finer cutting of pieces. Must not know what is allowed.

A corridor touches a zone where some point of both is within the zone's heights above the ground of
that very point; all such points lie in the piece's box widened by its reach, so bounds over the
box are on the safe side. They are exact over boxes, and get as tight as pieces get short.
"""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np

from geofence.frames import Array, Datum, LatLon, geodesic_m, metres_per_degree
from geofence.heights import Band, Place, Surroundings, resolve
from geofence.kernel import Ints
from geofence.terrain import Grid
from geofence.track import Pieces
from geofence.zones import CircleArea, Zone

FINER = 8
"""A piece is cut into this many where its bounds are too wide to tell."""

LEAST_PIECE_M = 10.0
"""Nor is a piece cut below this, or below its reach: its box would hardly be smaller."""

DETOUR_M = 2_000.0
"""How far beside its ends a way is expected to go, and once the distance between them."""


class Relief:
    """The places under the pieces of one path."""

    def __init__(self, pieces: Pieces, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        boxes = _boxes(pieces)
        self._ground = _bounds(surroundings.terrain, boxes)
        self._geoid = _bounds(surroundings.geoid, boxes)

    def varies(self, zone: Zone) -> bool:
        """Whether the zone's heights AMSL differ from place to place."""
        return self._surroundings.varies(zone)

    def band(self, zone: Zone, piece: int, *, outer: bool) -> Band:
        """The zone's band under one piece, see heights.resolve."""
        ground, geoid = self._ground[piece], self._geoid[piece]
        place = Place((float(ground[0]), float(ground[1])), (float(geoid[0]), float(geoid[1])))
        return resolve(zone, self._surroundings, place, outer=outer)

    def bands(self, zone: Zone, piece: Ints) -> Array:
        """Outer low and high (n, 2) of a zone under pieces (n); infinite where not known."""
        low = self._limits(zone, piece, floor=True)
        high = self._limits(zone, piece, floor=False)
        nowhere = low > high
        return np.stack((np.where(nowhere, -np.inf, low), np.where(nowhere, np.inf, high)), axis=-1)

    def _limits(self, zone: Zone, piece: Ints, *, floor: bool) -> Array:
        limit, unlimited = (zone.floor, -np.inf) if floor else (zone.ceiling, np.inf)
        if limit is not None and limit.datum is Datum.AGL and self._surroundings.terrain:
            metres = limit.value_m + self._ground[piece, 0 if floor else 1]
        elif limit is not None and limit.datum is Datum.WGS84 and self._surroundings.geoid:
            metres = limit.value_m - self._geoid[piece, 1 if floor else 0]
        else:
            flat = resolve(
                replace(zone, ceiling=None) if floor else replace(zone, floor=None),
                self._surroundings,
            )
            metres = np.full(len(piece), flat.low_m if floor else flat.high_m)
        return np.where(np.isnan(metres), unlimited, metres)


def relief_of(pieces: Pieces, surroundings: Surroundings) -> Relief | None:
    """The relief under the pieces, or None where the surroundings are flat."""
    if surroundings.terrain is None and surroundings.geoid is None:
        return None
    return Relief(pieces, surroundings)


def _boxes(pieces: Pieces) -> Array:
    line = pieces.line
    # 110 km is under the least length of a degree of latitude, 111.3 over the longest at 1 cos(lat)
    high = pieces.reach_m / 110_000.0
    south = np.minimum(line[:, 1], line[:, 3]) - high
    north = np.maximum(line[:, 1], line[:, 3]) + high
    top = np.minimum(np.maximum(np.abs(south), np.abs(north)), 89.0)
    wide = pieces.reach_m / (110_000.0 * np.cos(np.radians(top)))
    west = np.minimum(line[:, 0], line[:, 2]) - wide
    east = np.maximum(line[:, 0], line[:, 2]) + wide
    return np.stack((west, south, east, north), axis=-1)


def _bounds(grid: Grid | None, boxes: Array) -> Array:
    if grid is None or not len(boxes):
        return np.full((len(boxes), 2), np.nan)
    # legs are laid over each other at several heights: each place is looked at once
    unique, which = np.unique(boxes, axis=0, return_inverse=True)
    return grid.box_bounds(unique)[which.reshape(-1)]


def finer(pieces: Pieces, chosen: Ints) -> Pieces | None:
    """The pieces with the chosen ones cut up, or None where all are as short as they are cut to."""
    step = (pieces.line[:, 2:] - pieces.line[:, :2]) * pieces.scale
    length = np.hypot(step[:, 0], step[:, 1])
    least = np.maximum(pieces.reach_m, LEAST_PIECE_M)
    count = np.ones(len(length), dtype=np.intp)
    some = chosen[length[chosen] > least[chosen]]
    if not len(some):
        return None
    count[some] = np.clip(np.ceil(length[some] / least[some]), 2, FINER).astype(np.intp)
    row = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    share = np.stack((number / count[row], (number + 1) / count[row]), axis=-1)
    whole, line = pieces.part[row], pieces.line[row]
    part = whole[:, :1] + share * (whole[:, 1:] - whole[:, :1])
    part[number + 1 == count[row], 1] = whole[number + 1 == count[row], 1]
    run = line[:, 2:] - line[:, :2]
    cut = np.hstack((line[:, :2] + share[:, :1] * run, line[:, :2] + share[:, 1:] * run))
    cut[number + 1 == count[row], 2:] = line[number + 1 == count[row], 2:]
    # the frame of the longer piece serves its parts: nothing of its errors grows
    same = {
        field.name: getattr(pieces, field.name)[row]
        for field in fields(pieces)
        if field.name not in {"line", "part"}
    }
    return Pieces(line=cut, part=part, **same)


def expected_place(
    zone: Zone, ends: tuple[LatLon, LatLon], margin_m: float, surroundings: Surroundings
) -> Place | None:
    """What a way between two ends may find under a zone; for planning alone.

    Over the zone's box, as far as it lies near the ends and in the grids. None where the zone's
    heights are the same everywhere, or nothing of it lies there.
    """
    if not surroundings.varies(zone):
        return None
    near = _near(ends, margin_m)
    box = _meet(near, _zone_box(zone, (near[0] + near[2]) / 2.0, margin_m))
    return Place(_clipped(surroundings.terrain, box), _clipped(surroundings.geoid, box))


_Box = tuple[float, float, float, float]


def _near(ends: tuple[LatLon, LatLon], margin_m: float) -> _Box:
    start, goal = ends
    pad_m = geodesic_m(start, goal) + margin_m + DETOUR_M
    lon = start.lon_deg + (goal.lon_deg - start.lon_deg + 180.0) % 360.0 - 180.0
    return _padded((start.lon_deg, start.lat_deg, lon, goal.lat_deg), pad_m)


def _padded(corners: _Box, pad_m: float) -> _Box:
    x0, y0, x1, y1 = corners
    east, north = metres_per_degree(np.array(min(max(abs(y0), abs(y1)) + 0.5, 89.0)))
    wide, high = 1.01 * pad_m / float(east), 1.01 * pad_m / float(north)
    return min(x0, x1) - wide, min(y0, y1) - high, max(x0, x1) + wide, max(y0, y1) + high


def _zone_box(zone: Zone, beside_lon_deg: float, margin_m: float) -> _Box:
    area = zone.area
    if isinstance(area, CircleArea):
        lons, lats = [area.center.lon_deg], [area.center.lat_deg]
        margin_m += area.radius_m
    else:
        lons, lats = [p.lon_deg for p in area.shell], [p.lat_deg for p in area.shell]
    turn = 360.0 * round((beside_lon_deg - (min(lons) + max(lons)) / 2.0) / 360.0)
    return _padded((min(lons) + turn, min(lats), max(lons) + turn, max(lats)), margin_m)


def _meet(one: _Box, other: _Box) -> _Box:
    low = (max(one[0], other[0]), max(one[1], other[1]))
    return (*low, min(one[2], other[2]), min(one[3], other[3]))


def _clipped(grid: Grid | None, box: _Box) -> tuple[float, float]:
    if grid is None:
        return math.nan, math.nan
    middle = (grid.west_deg + grid.east_deg) / 2.0
    turn = 360.0 * round((middle - box[0]) / 360.0)
    west, south, east, north = _meet(
        (box[0] + turn, box[1], box[2] + turn, box[3]),
        (grid.west_deg, grid.south_deg, grid.east_deg, grid.north_deg),
    )
    if west > east or south > north:
        return math.nan, math.nan
    low, high = grid.box_bounds(np.array([[west, south, east, north]]))[0]
    return float(low), float(high)
