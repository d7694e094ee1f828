"""Zones as obstacles of one plane: inflated by the margin, circles circumscribed.

Owns the frame of one route and the shapes in it. Must not search.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import shapely

from geofence.frames import WGS84, Array, LatLon, metres_per_degree
from geofence.keep_in import outline, turn_beside
from geofence.kernel import distances, inside, make_rows
from geofence.visibility import Obstacle, obstacle
from geofence.zones import CircleArea, Zone
from geofence.zoneset import ZoneSet

GRAZE_M = 0.001
"""The obstacle that may not be met is this much smaller than the one whose corners are turned."""

SNAP_M = 1e-4
"""Grid on which neighbouring keep-ins are joined."""

MITRE_LIMIT = 5.0
"""A sharp corner is cut off this many margins away from the zone's."""

CIRCLE_EXCESS = 0.001
"""The polygon about a circle reaches this share of the radius, or a metre, beyond it."""


class Plane:
    """One affine frame for a whole route, and the zones in it. Metres."""

    def __init__(
        self,
        start: LatLon,
        goal: LatLon,
        zones: ZoneSet,
        origin: tuple[float, float] | None = None,
    ) -> None:
        """`origin`: longitude and latitude of the frame; None: midway."""
        self._zones = zones
        dlon = (goal.lon_deg - start.lon_deg + 180.0) % 360.0 - 180.0
        middle = (start.lon_deg + dlon / 2.0, (start.lat_deg + goal.lat_deg) / 2.0)
        self.origin: Array = np.array(middle if origin is None else origin)
        self.scale: Array = np.stack(metres_per_degree(self.origin[1]), axis=-1)
        self.start: Array = self._metres(np.array([start.lon_deg, start.lat_deg]))
        self.goal: Array = self._metres(np.array([start.lon_deg + dlon, goal.lat_deg]))

    def _metres(self, lonlat: Array) -> Array:
        return np.asarray((lonlat - self.origin) * self.scale)

    def degrees(self, boxes: Array) -> Array:
        """Boxes (..., 4) of metres as longitudes and latitudes in degrees."""
        return np.asarray(boxes / np.tile(self.scale, 2) + np.tile(self.origin, 2))

    def latlon(self, point: Array) -> LatLon:
        """A point (2) of the plane as a position."""
        lon, lat = point / self.scale + self.origin
        return LatLon(float(lat), float((lon + 180.0) % 360.0 - 180.0))

    def area(self, zone: Zone) -> shapely.Polygon:
        """The zone in metres; a circle as a polygon about it."""
        turn = turn_beside(zone, float(self.origin[0]))
        if isinstance(zone.area, CircleArea):
            lonlat = _circumscribed(zone.area, turn)
            return shapely.Polygon(self._metres(lonlat))
        return shapely.transform(outline(zone, turn), self._metres)

    def kept(self, zone: Zone) -> shapely.Polygon:
        """A keep-in zone in metres; a circle as a polygon inside it."""
        return shapely.transform(outline(zone, turn_beside(zone, self.origin[0])), self._metres)

    def met_by(self, path: Array, margin_m: float, known: dict[int, shapely.Polygon]) -> set[int]:
        """Numbers of zones nearer than `margin_m` to the path (n, 2); `known` keeps circles."""
        legs = np.hstack((path[:-1], path[1:]))
        low = np.minimum(legs[:, :2], legs[:, 2:]) - margin_m
        high = np.maximum(legs[:, :2], legs[:, 2:]) + margin_m
        boxes = self.degrees(np.hstack((low, high)))
        leg, zone, turn = self._zones.near(boxes)
        met: set[int] = set()
        round_ = self._zones.is_circle[zone] if len(zone) else np.empty(0, dtype=bool)
        if not round_.all():
            edges, counts = self._zones.edges_of(zone[~round_])
            shift = np.repeat(turn[~round_], counts)[:, None] * np.array([1.0, 0.0, 1.0, 0.0])
            metres = (edges + shift - np.tile(self.origin, 2)) * np.tile(self.scale, 2)
            rows = make_rows(legs[leg[~round_]], metres, counts)
            near = (distances(rows) < margin_m) | inside(rows)
            met.update(int(i) for i in zone[~round_][near])
        for number, which in zip(zone[round_], leg[round_], strict=True):
            index = int(number)
            if index not in known:
                known[index] = self.area(self._zones.zones[index])
            line = shapely.LineString(legs[which].reshape(2, 2))
            if shapely.distance(known[index], line) < margin_m:
                met.add(index)
        return met


def inflated(area: shapely.Polygon, margin_m: float, ends: Array) -> Obstacle:
    """The area with its margin; where a mitred corner would swallow an end, rounded instead.

    An end (2, 2) nearer than the margin is nearer than the check needs by a slack only: there the
    margin is what that end has.
    """
    hard = shapely.buffer(area, margin_m - GRAZE_M, join_style="mitre", mitre_limit=MITRE_LIMIT)
    points = shapely.points(ends)
    if not shapely.intersects(hard, points).any():
        soft = shapely.buffer(area, margin_m, join_style="mitre", mitre_limit=MITRE_LIMIT)
        return obstacle(hard, soft)
    nearest = float(shapely.distance(area, points).min())
    if nearest > margin_m * 1.01:
        # circumscribed: chords of a circle of radius d / cos(pi / 4q) stay outside of d
        margin_m /= math.cos(math.pi / 64.0)
        return obstacle(
            shapely.buffer(area, margin_m - GRAZE_M, quad_segs=16),
            shapely.buffer(area, margin_m, quad_segs=16),
        )
    width = max(nearest - GRAZE_M, GRAZE_M)
    return obstacle(
        shapely.buffer(area, width - GRAZE_M, quad_segs=64),
        shapely.buffer(area, width, quad_segs=64),
    )


def complement(kept: shapely.Geometry, margin_m: float, ends: Array) -> Obstacle:
    """Everything outside of `kept` and its inner margin."""
    west, south, east, north = shapely.total_bounds(
        shapely.geometrycollections([kept, *shapely.points(ends)])
    )
    wide = 10.0 * margin_m + 1_000.0
    world = shapely.box(west - wide, south - wide, east + wide, north + wide)
    inner = [
        shapely.buffer(kept, -m, join_style="mitre", mitre_limit=MITRE_LIMIT)
        for m in (margin_m - GRAZE_M, margin_m)
    ]
    return obstacle(shapely.difference(world, inner[0]), shapely.difference(world, inner[1]))


def enclosing_rings(ends: Array, obstacles: Sequence[Obstacle]) -> list[shapely.LinearRing]:
    """Rings of the obstacles' union that part one end from the other (ends: 2, 2 metres)."""
    one, other = shapely.points(ends)
    union = shapely.union_all([item.hard for item in obstacles])
    rings = [ring for part in shapely.get_parts(union) for ring in part.interiors]
    areas = shapely.polygons(rings) if rings else []
    return [
        ring
        for ring, area in zip(rings, areas, strict=True)
        if area.intersects(one) != area.intersects(other)
    ]


def _circumscribed(circle: CircleArea, turn_deg: float) -> Array:
    """A polygon (n, 2) in degrees about a geodesic circle.

    Its corners lie at r / cos(pi / n); what its straight edges bow from geodesics is added.
    """
    radius = circle.radius_m
    excess = max(CIRCLE_EXCESS, 1.0 / (radius + 1.0))
    count = max(16, math.ceil(math.pi / math.acos(1.0 / (1.0 + excess))))
    chord = 2.0 * radius * math.tan(math.pi / count)
    tangent = math.tan(math.radians(min(abs(circle.center.lat_deg) + 3.0, 88.0)))
    corner = radius / math.cos(math.pi / count) + chord * chord * tangent / 5e7 + 0.001
    lon0, lat0 = circle.center.lon_deg, circle.center.lat_deg
    azimuth = np.linspace(0.0, 360.0, count, endpoint=False)
    lon, lat, _ = WGS84.fwd(
        np.full(count, lon0), np.full(count, lat0), azimuth, np.full(count, corner)
    )
    lon = (np.asarray(lon) - lon0 + 180.0) % 360.0 - 180.0 + lon0 + turn_deg
    return np.stack((lon, np.asarray(lat)), axis=-1)
