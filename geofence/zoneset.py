"""A set of zones as it stood at one moment, with its spatial index.

Owns the immutable snapshot, its version and the search for candidates. Must not decide whether
a path is allowed.

Zones are indexed by their bounds in longitude and latitude, each continuous: bounds may pass 180
degrees (circles), and a search tries its box 360 degrees either way where that can matter.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import shapely

from geofence.errors import ZoneError
from geofence.frames import MAX_FRAME_SPAN_M, Altitude, Array, Datum
from geofence.heights import HEIGHT_TOLERANCE_M, Surroundings, bands
from geofence.hours import Hours
from geofence.kernel import Bools, Ints
from geofence.schedule import Schedule, periods_of
from geofence.zones import Area, CircleArea, PolygonArea, Zone, ZoneKind

MAX_ZONE_WIDTH_DEG = 180.0
"""A wider polygon has no inside that a plane can tell: it is refused."""

_KEPT_TABLES = 4


class ZoneSet:
    """An immutable snapshot of zones. Raises ZoneError for a duplicate id or an area that is none.

    `version` is 16 hexadecimal digits of the SHA-256 over the content; the order of zones does not
    change it. `edges` (m, 4) holds every ring's edges as lon, lat, lon, lat in degrees, those of
    zone i from `edge_start[i]`, `edge_count[i]` of them (0 for a circle); `corner_x` and
    `corner_y` (m) are where each begins, `following` (m) the number of the corner where it ends.
    `bounds` (n, 4) are west, south, east, north degrees, never too small, and `middle` (4, n)
    their middle and half width; `holed` (n) says which zones have holes, `timed` (n) which keep
    hours, `plain` (n) which forbid to every vehicle whatever its permits and limit no speed.
    """

    __slots__ = (
        "_by_id", "_extent", "_tables", "_tree", "bounds", "circle", "corner_x", "corner_y",
        "edge_count", "edge_start", "edges", "following", "holed", "hours", "is_circle",
        "keep_ins", "middle", "plain",
        "speed_limits", "timed", "version", "zones",
    )  # fmt: skip

    def __init__(self, zones: Iterable[Zone]) -> None:
        self.zones: tuple[Zone, ...] = tuple(zones)
        self._by_id: dict[str, int] = {}
        for number, zone in enumerate(self.zones):
            if zone.zone_id in self._by_id:
                raise ZoneError(zone.zone_id, "id", "another zone has this id: rename one of them")
            self._by_id[zone.zone_id] = number
            _check_limits(zone)
            _check_schedule(zone)
        rings = [_rings(zone) for zone in self.zones]
        _check_polygons(self.zones, rings)
        edges = [_edges(each) for each in rings]
        self.version: str = _version(self.zones, edges)
        self.edge_count: Ints = np.array([len(each) for each in edges], dtype=np.intp)
        self.edge_start: Ints = (np.cumsum(self.edge_count) - self.edge_count).astype(np.intp)
        self.edges: Array = np.concatenate(edges) if edges else np.empty((0, 4))
        self.is_circle = np.array([isinstance(z.area, CircleArea) for z in self.zones], dtype=bool)
        self.keep_ins: tuple[Zone, ...] = tuple(z for z in self.zones if z.kind is ZoneKind.KEEP_IN)
        self.speed_limits: tuple[Zone, ...] = tuple(
            z for z in self.zones if z.max_speed_mps is not None
        )
        self.circle: Array = np.array([_circle_row(z.area) for z in self.zones]).reshape(-1, 3)
        self.corner_x: Array = self.edges[:, 0].copy()
        self.corner_y: Array = self.edges[:, 1].copy()
        self.holed = np.array([len(each) > 1 for each in rings], dtype=bool)
        self.following: Ints = _following(rings, len(self.edges))
        bounds = np.array([_bounds(zone) for zone in self.zones]).reshape(-1, 4)
        self.bounds: Array = bounds
        west, south, east, north = bounds.T
        # half the width outward by more than the rounding of the middle
        half = np.stack((east - west, north - south)) / 2.0 + 1e-12
        self.middle: Array = np.vstack(((west + east) / 2.0, (south + north) / 2.0, half))
        self.hours = Hours([zone.schedule for zone in self.zones])
        self.timed: Bools = self.hours.timed
        self.plain = bytes(map(_is_plain, self.zones))
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


def _rings(zone: Zone) -> list[Array]:
    """Closed rings (n + 1, 2) in degrees, shell first; none for a circle."""
    area = zone.area
    if isinstance(area, CircleArea):
        return []
    rings = [(*ring, ring[0]) for ring in (area.shell, *area.holes) if ring]
    if len(rings) <= len(area.holes) or min(len(ring) for ring in rings) < 4:
        raise ZoneError(zone.zone_id, "geometry", "a ring needs at least three corners")
    return [np.array([(p.lon_deg, p.lat_deg) for p in ring]) for ring in rings]


def _edges(rings: list[Array]) -> Array:
    if not rings:
        return np.empty((0, 4))
    return np.concatenate([np.hstack((ring[:-1], ring[1:])) for ring in rings])


def _check_polygons(zones: tuple[Zone, ...], rings: list[list[Array]]) -> None:
    """Raises ZoneError for rings that make no polygon; all at once, for speed."""
    for zone, (shell, *_) in ((z, r) for z, r in zip(zones, rings, strict=True) if r):
        if np.ptp(shell[:, 0]) >= MAX_ZONE_WIDTH_DEG:
            raise ZoneError(
                zone.zone_id,
                "geometry",
                "it is wider than 180 degrees of longitude: where it crosses the antimeridian, "
                "cut it there into two zones (RFC 7946, section 3.1.9)",
            )
    plain = [number for number, each in enumerate(rings) if len(each) == 1]
    polygons = {
        number: shapely.Polygon(each[0], each[1:])
        for number, each in enumerate(rings)
        if len(each) > 1
    }
    if plain:
        shells = [rings[number][0] for number in plain]
        index = np.repeat(np.arange(len(shells)), [len(shell) for shell in shells])
        found = shapely.polygons(shapely.linearrings(np.concatenate(shells), indices=index))
        polygons.update(zip(plain, found, strict=True))
    order = sorted(polygons)
    valid = shapely.is_valid([polygons[number] for number in order])
    for number in np.array(order, dtype=np.intp)[~valid]:
        reason = shapely.is_valid_reason(polygons[int(number)])
        raise ZoneError(zones[number].zone_id, "geometry", reason)


def _following(rings: list[list[Array]], count: int) -> Ints:
    """Which corner (m) comes after each in its ring."""
    following = np.arange(1, count + 1, dtype=np.intp)
    sizes = np.array([len(ring) - 1 for each in rings for ring in each], dtype=np.intp)
    ends = np.cumsum(sizes)
    following[ends - 1] = ends - sizes
    return following


def _circle_row(area: Area) -> tuple[float, float, float]:
    if isinstance(area, CircleArea):
        return area.center.lon_deg, area.center.lat_deg, area.radius_m
    return math.nan, math.nan, math.nan


def _bounds(zone: Zone) -> tuple[float, float, float, float]:
    """West, south, east, north in degrees, never too small."""
    area = zone.area
    if isinstance(area, PolygonArea):
        lons = [p.lon_deg for p in area.shell]
        lats = [p.lat_deg for p in area.shell]
        return min(lons), min(lats), max(lons), max(lats)
    if not 0.0 < area.radius_m <= MAX_FRAME_SPAN_M:
        raise ZoneError(
            zone.zone_id,
            "radius_m",
            f"{area.radius_m} is not a radius above 0 and up to {MAX_FRAME_SPAN_M:.0f} m",
        )
    lat, lon = area.center.lat_deg, area.center.lon_deg
    # 6,335 km is the least radius of curvature of the ellipsoid
    angle = area.radius_m / 6_335_000.0
    if abs(lat) + math.degrees(angle) > 89.0:
        raise ZoneError(zone.zone_id, "geometry", "the circle comes within a degree of a pole")
    wide = math.degrees(math.asin(math.sin(angle) / math.cos(math.radians(lat))))
    high = math.degrees(angle)
    return lon - wide, lat - high, lon + wide, lat + high


def _version(zones: tuple[Zone, ...], edges: list[Array]) -> str:
    digest = hashlib.sha256()
    for number in sorted(range(len(zones)), key=lambda i: zones[i].zone_id):
        digest.update(json.dumps(_content(zones[number]), sort_keys=True).encode())
        digest.update(edges[number].astype("<f8").tobytes())
    return digest.hexdigest()[:16]


def _content(zone: Zone) -> dict[str, Any]:
    return {
        "id": zone.zone_id,
        "name": zone.name,
        "kind": str(zone.kind),
        "circle": _circle_content(zone.area),
        "floor": _limit_content(zone.floor),
        "ceiling": _limit_content(zone.ceiling),
        "schedule": [_period_content(period) for period in periods_of(zone.schedule)],
        "classes": sorted(zone.classes),
        "permit": zone.permit,
        "note": zone.note,
        "source": None if zone.source is None else asdict(zone.source),
        **_rules_content(zone),
    }


def _period_content(period: Schedule) -> dict[str, Any]:
    return {
        "windows": sorted((sorted(w.days), str(w.start), str(w.end)) for w in period.windows),
        "timezone": period.timezone,
        "valid": [
            None if at is None else at.timestamp() for at in (period.valid_from, period.valid_to)
        ],
        "places": [[p.lat_deg, p.lon_deg] for p in period.places],
    }


def _rules_content(zone: Zone) -> dict[str, Any]:
    """Finer rules, where there are any: a zone without them keeps the version that it had."""
    rules = {
        "surfaces": sorted(zone.surfaces),
        "min_mass_kg": zone.min_mass_kg,
        "electric_exempt": zone.electric_exempt,
        "max_speed_mps": zone.max_speed_mps,
    }
    return {name: value for name, value in rules.items() if value not in ([], None, False)}


def _limit_content(limit: Altitude | None) -> tuple[float, str] | None:
    return None if limit is None else (limit.value_m, str(limit.datum))


def _circle_content(area: Area) -> list[float] | None:
    """A circle; a polygon is told by its edges."""
    if isinstance(area, CircleArea):
        return [area.center.lat_deg, area.center.lon_deg, area.radius_m]
    return None
