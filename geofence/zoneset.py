"""A set of zones as it stood at one moment, with its spatial index.

Owns the immutable snapshot, its version and the search for candidates. Must not decide whether
a path is allowed.

Zones are indexed by their bounds in longitude and latitude, each continuous: bounds may pass 180
degrees (circles), and a search tries its box 360 degrees either way where that can matter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from zoneinfo import ZoneInfo

import numpy as np
import shapely

from geofence.errors import ZoneError
from geofence.frames import MAX_FRAME_SPAN_M, Array, Datum, Scale
from geofence.heights import HEIGHT_TOLERANCE_M, Surroundings, bands
from geofence.hours import Hours
from geofence.kernel import Bools, Ints
from geofence.rings import Rings
from geofence.schedule import ALWAYS, Calendar, Schedule, periods_of
from geofence.version import version_of
from geofence.zones import CircleArea, Zone, ZoneKind

_KEPT_TABLES = 4


class ZoneSet:
    """An immutable snapshot of zones. Raises ZoneError for a duplicate id or an area that is none.

    `version` is 16 hexadecimal digits of the SHA-256 over the content; the order of zones does not
    change it. `edges` (m, 4) holds every ring's edges as lon, lat, lon, lat in degrees, those of
    zone i from `edge_start[i]`, `edge_count[i]` of them (0 for a circle); `corner_x` and
    `corner_y` (m) are where each begins. Zone i has the rings from `first_ring[i]` to before
    `first_ring[i + 1]`, ring j the corners from `ring_start[j]` to before `ring_start[j + 1]`.
    `circle` (n, 3) are longitude, latitude and radius of circles, `radius` (n) nought for others;
    `circles` says whether there are any.
    `bounds` (n, 4) are west, south, east, north degrees, never too small, and `middle` (4, n)
    their middle and half their width; `holed` (n) says which zones have holes, `timed` (n) which
    keep hours, `plain` (n) which forbid to every vehicle whatever its permits and limit no speed.
    `scales` and `frames` are what checks against it remember of latitudes.
    """

    __slots__ = (
        "_by_id", "_extent", "_tables", "_tree", "bounds", "circle", "circles", "corner_x",
        "corner_y", "edge_count", "edge_start", "edges", "first_ring", "frames", "holed", "hours",
        "is_circle", "keep_ins", "middle", "plain", "radius", "ring_start", "scales",
        "speed_limits", "timed", "version", "zones",
    )  # fmt: skip

    def __init__(self, zones: Iterable[Zone]) -> None:
        self.zones: tuple[Zone, ...] = tuple(zones)
        self._by_id: dict[str, int] = {}
        schedules: set[Schedule | Calendar] = set()
        for number, zone in enumerate(self.zones):
            if zone.zone_id in self._by_id:
                raise ZoneError(zone.zone_id, "id", "another zone has this id: rename one of them")
            self._by_id[zone.zone_id] = number
            _check_limits(zone)
            if zone.schedule is not ALWAYS and zone.schedule not in schedules:
                _check_schedule(zone)
                schedules.add(zone.schedule)
        rings = Rings(self.zones)
        ring_bounds = rings.bounds()
        rings.check(self.zones, ring_bounds)
        n = len(self.zones)
        self.corner_x: Array = rings.x
        self.corner_y: Array = rings.y
        after = rings.following
        self.edges: Array = np.stack((rings.x, rings.y, rings.x[after], rings.y[after]), axis=-1)
        self.edge_count: Ints = np.bincount(rings.zone, rings.count, n).astype(np.intp)
        self.edge_start: Ints = (np.cumsum(self.edge_count) - self.edge_count).astype(np.intp)
        self.ring_start: Ints = np.append(rings.start, len(rings.x))
        of_zone = np.bincount(rings.zone, minlength=n)
        self.first_ring: Ints = np.append(0, np.cumsum(of_zone)).astype(np.intp)
        self.holed: Bools = of_zone > 1
        self.version: str = version_of(self.zones, self.edges, self.edge_start, self.edge_count)
        self.is_circle: Bools = self.edge_count == 0
        self.keep_ins: tuple[Zone, ...] = tuple(z for z in self.zones if z.kind is ZoneKind.KEEP_IN)
        self.speed_limits: tuple[Zone, ...] = tuple(
            z for z in self.zones if z.max_speed_mps is not None
        )
        self.circle: Array = np.full((n, 3), np.nan)
        bounds = np.empty((n, 4))
        bounds[rings.zone[rings.shell]] = ring_bounds[rings.shell]
        for number in np.flatnonzero(self.is_circle).tolist():
            zone = self.zones[number]
            if isinstance(zone.area, CircleArea):
                self.circle[number] = _circle_row(zone.area)
                bounds[number] = _circle_bounds(zone.zone_id, zone.area)
        self.radius: Array = np.where(self.is_circle, self.circle[:, 2], 0.0)
        self.circles = bool(self.is_circle.any())
        self.bounds: Array = bounds
        west, south, east, north = bounds.T
        # half the width outward by more than the rounding of the middle
        half = np.stack((east - west, north - south)) / 2.0 + 1e-12
        self.middle: Array = np.vstack(((west + east) / 2.0, (south + north) / 2.0, half))
        self.hours = Hours([zone.schedule for zone in self.zones])
        self.timed: Bools = self.hours.timed
        self.plain = bytes(map(_is_plain, self.zones))
        self.scales: dict[tuple[int, int, float], Scale] = {}
        self.frames: dict[tuple[int, int, float, int, int], Array] = {}
        self._tree: shapely.STRtree | None = None
        self._tables: tuple[tuple[Surroundings, Array], ...] = ()
        self._extent = (
            (float(bounds[:, 0].min()), float(bounds[:, 2].max())) if len(bounds) else None
        )

    def __len__(self) -> int:
        return len(self.zones)

    def __iter__(self) -> Iterator[Zone]:
        return iter(self.zones)

    def get(self, zone_id: str) -> Zone | None:
        """The zone of this id, or None."""
        number = self._by_id.get(zone_id)
        return None if number is None else self.zones[number]

    def index_of(self, zone_id: str) -> int:
        """Where the zone stands in `zones`; KeyError where it does not."""
        return self._by_id[zone_id]

    @property
    def tree(self) -> shapely.STRtree:
        """The index of the zones' bounds in degrees, none of them turned; made when asked for."""
        tree = self._tree
        if tree is None:
            tree = self._tree = shapely.STRtree(shapely.box(*self.bounds.T))
        return tree

    def turns(self, west_deg: float, east_deg: float) -> bool:
        """Whether a zone may lie between two meridians once it is turned by 360 degrees."""
        return self._extent is not None and (
            self._extent[0] + 360.0 <= east_deg or self._extent[1] - 360.0 >= west_deg
        )

    def table(self, surroundings: Surroundings) -> Array:
        """(6, n): west, south, low, then -east, -north, -high of every zone; all outward.

        Degrees and metres AMSL, HEIGHT_TOLERANCE_M added. So a zone meets a box where none of
        its numbers is above east, north, high, -west, -south, -low of the box. Zones whose heights
        vary are taken at every height, keep-ins at none.
        """
        for known, table in self._tables:
            if known is surroundings or known == surroundings:
                return table
        low, high = bands(self.zones, surroundings)
        keep_in = [zone.kind is ZoneKind.KEEP_IN for zone in self.zones]
        low[keep_in], high[keep_in] = np.inf, -np.inf
        low, high = low - HEIGHT_TOLERANCE_M, high + HEIGHT_TOLERANCE_M
        west, south, east, north = self.bounds.T
        table = np.stack((west, south, low, -east, -north, -high))
        # the ground of an operator seldom changes
        self._tables = ((surroundings, table), *self._tables[: _KEPT_TABLES - 1])
        return table

    def near(self, boxes: Array) -> tuple[Ints, Ints, Array]:
        """Zones whose bounds meet boxes (n, 4) of west, south, east, north degrees.

        Gives box numbers, zone numbers, and the degrees (0, 360 or -360) to add to a zone's
        longitudes to bring it beside the box.
        """
        if self._extent is None or not len(boxes):
            return np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0)
        found: list[tuple[Ints, Ints, Array]] = []
        for turn in (0.0, 360.0, -360.0):
            west, east = self._extent[0] + turn, self._extent[1] + turn
            if boxes[:, 0].min() > east or boxes[:, 2].max() < west:
                continue
            shifted = shapely.box(boxes[:, 0] - turn, boxes[:, 1], boxes[:, 2] - turn, boxes[:, 3])
            box, zone = self.tree.query(shifted)
            found.append((box, zone, np.full(len(box), turn)))
        if not found:
            return np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0)
        box, zone, turns = (np.concatenate(part) for part in zip(*found, strict=True))
        return box, zone, turns

    def edges_of(self, numbers: Ints) -> tuple[Array, Ints]:
        """Edges (k, 4) in degrees of polygon zones, one zone after the other, and counts (n)."""
        counts = self.edge_count[numbers]
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        index = np.arange(total) + np.repeat(self.edge_start[numbers] - (ends - counts), counts)
        return self.edges[index], counts


def _is_plain(zone: Zone) -> bool:
    """Whether it forbids to every vehicle, whatever permits it holds, and limits no speed."""
    if zone.kind is ZoneKind.RESTRICTED and zone.permit is not None:
        return False
    return not (
        zone.kind is ZoneKind.ADVISORY
        or zone.kind is ZoneKind.KEEP_IN
        or zone.classes
        or zone.electric_exempt
        or zone.surfaces
        or zone.min_mass_kg is not None
        or zone.max_speed_mps is not None
    )


def _check_limits(zone: Zone) -> None:
    for name, limit in (("floor", zone.floor), ("ceiling", zone.ceiling)):
        if limit is not None and limit.datum is Datum.HOME:
            raise ZoneError(
                zone.zone_id, name, "a zone has no home: give it above AMSL, AGL or WGS84"
            )
    floor, ceiling = zone.floor, zone.ceiling
    if (
        floor is not None
        and ceiling is not None
        and floor.datum is ceiling.datum
        and floor.value_m > ceiling.value_m
    ):
        raise ZoneError(
            zone.zone_id, "floor", f"{floor.value_m:g} m is above the ceiling {ceiling.value_m:g} m"
        )


def _check_schedule(zone: Zone) -> None:
    for period in periods_of(zone.schedule):
        try:
            ZoneInfo(period.timezone)
        except (OSError, ValueError, LookupError) as error:
            raise ZoneError(
                zone.zone_id, "schedule.timezone", f"{period.timezone!r} is not an IANA time zone"
            ) from error
        for name, at in (("valid_from", period.valid_from), ("valid_to", period.valid_to)):
            if at is not None and at.tzinfo is None:
                raise ZoneError(zone.zone_id, f"schedule.{name}", "it has no offset from UTC")
        if not period.places and any(window.has_sun for window in period.windows):
            raise ZoneError(
                zone.zone_id,
                "schedule.places",
                "daylight events need the places they are seen from: zones.sun_places(area)",
            )


def _circle_row(area: CircleArea) -> tuple[float, float, float]:
    return area.center.lon_deg, area.center.lat_deg, area.radius_m


def _circle_bounds(zone_id: str, area: CircleArea) -> tuple[float, float, float, float]:
    """West, south, east, north in degrees, never too small."""
    if not 0.0 < area.radius_m <= MAX_FRAME_SPAN_M:
        raise ZoneError(
            zone_id,
            "radius_m",
            f"{area.radius_m} is not a radius above 0 and up to {MAX_FRAME_SPAN_M:.0f} m",
        )
    lat, lon = area.center.lat_deg, area.center.lon_deg
    # 6,335 km is the least radius of curvature of the ellipsoid
    angle = area.radius_m / 6_335_000.0
    if abs(lat) + math.degrees(angle) > 89.0:
        raise ZoneError(zone_id, "geometry", "the circle comes within a degree of a pole")
    wide = math.degrees(math.asin(math.sin(angle) / math.cos(math.radians(lat))))
    high = math.degrees(angle)
    return lon - wide, lat - high, lon + wide, lat + high
