"""One flight in one affine frame, for the shapes of an onboard fence.

Owns the predicates between a flight's corridors and an area of the plane. Must not know fence
items.
"""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import shapely

from geofence.check import Disc, FlightPath, PathLeg, Surroundings, applies
from geofence.errors import PathError
from geofence.formats.fence_shapes import unwrapped
from geofence.frames import Array, LatLon, LocalFrame
from geofence.heights import Band, resolve
from geofence.track import Ints, pieces_of
from geofence.zones import CircleArea, Zone, ZoneKind
from geofence.zoneset import ZoneSet

FRAME_SLACK = 0.01
"""Share added to the corridor for the scale of one affine frame over a whole flight."""

HEIGHT_TOLERANCE_M = 0.01
CIRCUMSCRIBED = 1.0 / math.cos(math.pi / 256.0)
"""Makes a polygon of 64 corners a quarter hold its circle."""

MAX_FLIGHT_M = 100_000.0


class OnboardFlight:
    """The flight in one affine frame: lines with the reach that each needs."""

    def __init__(self, path: FlightPath, surroundings: Surroundings) -> None:
        self.path = path
        self.owners: tuple[PathLeg | Disc, ...] = (*path.legs, *path.discs)
        if not self.owners:
            raise PathError("a flight without legs has no fence")
        self.surroundings = surroundings
        pieces = pieces_of(path)
        self.owner: Ints = pieces.owner
        lon0 = pieces.line[0, 0]
        turn = np.round((pieces.line[:, [0, 2]] - lon0) / 360.0) * 360.0
        line = pieces.line.copy()
        line[:, [0, 2]] -= turn
        self._west, self._south = line[:, [0, 2]].min(), line[:, [1, 3]].min()
        self._east, self._north = line[:, [0, 2]].max(), line[:, [1, 3]].max()
        middle = (self._west + self._east) / 2.0
        self.frame = LocalFrame(
            LatLon((self._south + self._north) / 2.0, (middle + 180.0) % 360.0 - 180.0)
        )
        scale = np.array(self.frame.scale * 2)
        xy = (line - np.array([middle, self.frame.origin.lat_deg] * 2)) * scale
        if np.abs(xy).max() > MAX_FLIGHT_M:
            raise PathError(f"a fence is for flights within {MAX_FLIGHT_M / 1000:g} km")
        self.ends: Array = xy.reshape(-1, 2, 2)
        self.lines = shapely.linestrings(self.ends)
        self.reach: Array = pieces.reach_m * (1.0 + FRAME_SLACK) + 0.1
        # levels and ways back share their lines: predicates in the plane ask each line once
        plan = np.hstack((xy, self.reach[:, None]))
        self._once = np.unique(np.round(plan, 3), axis=0, return_index=True)[1]
        self.low_m = float(pieces.heights.min()) - HEIGHT_TOLERANCE_M
        self.high_m = float(pieces.heights.max()) + HEIGHT_TOLERANCE_M
        self.enter: datetime = min(owner.enter for owner in self.owners)
        self.leave: datetime = max(owner.leave for owner in self.owners)

    def near(self, zones: ZoneSet, horizon_m: float) -> list[Zone]:
        """Zones that may forbid, and whose heights and times meet the flight's."""
        east, north = self.frame.scale
        reach = (float(self.reach.max()) + horizon_m) * (1.0 + FRAME_SLACK)
        box = np.array([[
            self._west - reach / east, self._south - reach / north,
            self._east + reach / east, self._north + reach / north,
        ]])  # fmt: skip
        _, numbers, _ = zones.near(box)
        found = [zones.zones[number] for number in sorted({int(n) for n in numbers})]
        return [
            zone
            for zone in found
            if zone.kind is not ZoneKind.ADVISORY
            and applies(zone, self.path)
            and zone.schedule.active_during(self.enter, self.leave)
            and self.meets(self.band(zone))
        ]

    def band(self, zone: Zone) -> Band:
        """The zone's heights in metres AMSL."""
        return resolve(zone, self.surroundings)

    def meets(self, band: Band) -> bool:
        """Whether the band meets any height of the flight."""
        return band.low_m <= self.high_m and band.high_m >= self.low_m

    def clear_of(self, area: shapely.Geometry) -> bool:
        """Whether no corridor touches the area."""
        shapely.prepare(area)
        return not np.any(shapely.dwithin(area, self.lines[self._once], self.reach[self._once]))

    def inside(self, area: shapely.Polygon) -> bool:
        """Whether the area holds every corridor."""
        lines = self.lines[self._once]
        if not np.all(shapely.covers(area, lines)):
            return False
        return not np.any(shapely.dwithin(area.boundary, lines, self.reach[self._once]))

    def _stretch(self, center: shapely.Point) -> float:
        """Relative error of distances to a point: the east-west scale changes by tan(lat) dlat."""
        north = self.frame.scale[1]
        dlat = max(abs(center.y), float(np.abs(self.ends[..., 1]).max())) / north
        top = min(abs(self.frame.origin.lat_deg) + dlat, 89.0)
        return 2e-4 + math.tan(math.radians(top)) * math.radians(dlat)

    def clear_of_circle(self, center: shapely.Point, radius_m: float) -> bool:
        """Whether no corridor touches the circle."""
        away = shapely.distance(center, self.lines)
        away = away - self._stretch(center) * away
        return bool(np.all(away > self.reach + radius_m))

    def inside_circle(self, center: shapely.Point, radius_m: float) -> bool:
        """Whether the circle holds every corridor."""
        corners = shapely.points(self.ends)
        away = shapely.distance(center, corners).max(axis=1)
        away = away + self._stretch(center) * away
        return bool(np.all(away + self.reach < radius_m))

    def meets_in_height_and_time(self, area: shapely.Geometry, zone: Zone) -> bool:
        """Whether a leg or disc that touches the area does so within its heights and times."""
        band = self.band(zone)
        touching = np.flatnonzero(shapely.distance(area, self.lines) <= self.reach)
        return any(_meets(self.owners[int(self.owner[row])], band, zone) for row in touching)


def _meets(owner: PathLeg | Disc, band: Band, zone: Zone) -> bool:
    low, high = _heights(owner)
    return (
        band.low_m <= high + HEIGHT_TOLERANCE_M
        and band.high_m >= low - HEIGHT_TOLERANCE_M
        and zone.schedule.active_during(owner.enter, owner.leave)
    )


def _heights(owner: PathLeg | Disc) -> tuple[float, float]:
    if isinstance(owner, Disc):
        return owner.low_amsl_m, owner.high_amsl_m
    return min(owner.start_amsl_m, owner.end_amsl_m), max(owner.start_amsl_m, owner.end_amsl_m)


def shape(frame: LocalFrame, zone: Zone) -> shapely.Polygon:
    """The zone in metres of the frame; a circle as a polygon round it."""
    if isinstance(zone.area, CircleArea):
        center = shapely.Point(unwrapped(frame, (zone.area.center,))[0])
        return center.buffer(zone.area.radius_m * CIRCUMSCRIBED, quad_segs=64)
    shell = unwrapped(frame, zone.area.shell)
    holes = [_beside(unwrapped(frame, hole), shell, frame) for hole in zone.area.holes]
    return shapely.Polygon(shell, holes)


def _beside(hole: Array, shell: Array, frame: LocalFrame) -> Array:
    """A hole on the same turn of the globe as its shell."""
    turn = 360.0 * frame.scale[0]
    shift = np.round((shell[:, 0].mean() - hole[:, 0].mean()) / turn) * turn
    return np.asarray(hole + np.array([shift, 0.0]))


def inner(frame: LocalFrame, zone: Zone) -> shapely.Geometry:
    """The zone, a circle as a polygon well inside of it."""
    if isinstance(zone.area, CircleArea):
        center = shapely.Point(unwrapped(frame, (zone.area.center,))[0])
        return center.buffer(zone.area.radius_m * (1.0 - 2.0 * FRAME_SLACK), quad_segs=16)
    return shape(frame, zone)
