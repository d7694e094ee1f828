"""The rings of many polygons in flat arrays, and whether they are polygons.

Owns the flattening and its refusals. Must not know what zones demand.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import attrgetter

import numpy as np
import shapely

from geofence.errors import ZoneError
from geofence.frames import Array, LatLon
from geofence.kernel import Bools, Ints
from geofence.zones import CircleArea, Zone

MAX_ZONE_WIDTH_DEG = 180.0
"""A wider polygon has no inside that a plane can tell: it is refused."""

_lon, _lat = attrgetter("lon_deg"), attrgetter("lat_deg")


class Rings:
    """All corners one after the other, shells before their holes, zone after zone.

    `x`, `y` (m) are degrees, `following` (m) is the number of the corner after each in its ring;
    `zone`, `start`, `count` (r) are of rings, `shell` (r) says which are shells. Raises ZoneError
    for a ring of too few corners.
    """

    __slots__ = ("count", "following", "shell", "start", "x", "y", "zone")

    def __init__(self, zones: Sequence[Zone]) -> None:
        rings: list[tuple[LatLon, ...]] = []
        zone: list[int] = []
        for number, each in enumerate(zones):
            area = each.area
            if isinstance(area, CircleArea):
                continue
            for ring in (area.shell, *area.holes):
                if len(ring) < 3:
                    raise ZoneError(each.zone_id, "geometry", "a ring needs at least three corners")
                rings.append(ring)
                zone.append(number)
        self.zone: Ints = np.array(zone, dtype=np.intp)
        self.count: Ints = np.fromiter(map(len, rings), np.intp, len(rings))
        ends = np.cumsum(self.count)
        self.start: Ints = (ends - self.count).astype(np.intp)
        self.shell: Bools = np.diff(self.zone, prepend=-1) > 0
        total = int(ends[-1]) if len(ends) else 0
        every = chain.from_iterable
        self.x: Array = np.fromiter(map(_lon, every(rings)), np.float64, total)
        self.y: Array = np.fromiter(map(_lat, every(rings)), np.float64, total)
        self.following: Ints = np.arange(1, total + 1, dtype=np.intp)
        self.following[ends - 1] = self.start

    def bounds(self) -> Array:
        """West, south, east, north (r, 4) of each ring."""
        if not len(self.start):
            return np.empty((0, 4))
        return np.stack(
            (
                np.minimum.reduceat(self.x, self.start),
                np.minimum.reduceat(self.y, self.start),
                np.maximum.reduceat(self.x, self.start),
                np.maximum.reduceat(self.y, self.start),
            ),
            axis=-1,
        )

    def check(self, zones: Sequence[Zone], bounds: Array) -> None:
        """Raise ZoneError for rings that make no polygon; all at once, for speed."""
        wide = self.shell & (bounds[:, 2] - bounds[:, 0] >= MAX_ZONE_WIDTH_DEG)
        if wide.any():
            raise ZoneError(
                zones[self.zone[np.argmax(wide)]].zone_id,
                "geometry",
                "it is wider than 180 degrees of longitude: where it crosses the antimeridian, "
                "cut it there into two zones (RFC 7946, section 3.1.9)",
            )
        if not len(self.count):
            return
        ring = np.repeat(np.arange(len(self.count)), self.count)
        lines = shapely.linearrings(self.x, self.y, indices=ring)
        firsts = np.flatnonzero(self.shell)
        sizes = np.diff(firsts, append=len(self.count))
        polygons = np.empty(len(firsts), dtype=object)
        plain = sizes == 1
        polygons[plain] = shapely.polygons(lines[firsts[plain]])
        for number in np.flatnonzero(~plain):
            first = firsts[number]
            polygons[number] = shapely.polygons(
                lines[first], lines[first + 1 : first + sizes[number]]
            )
        for number in np.flatnonzero(~shapely.is_valid(polygons)):
            reason = shapely.is_valid_reason(polygons[number])
            raise ZoneError(zones[self.zone[firsts[number]]].zone_id, "geometry", reason)
