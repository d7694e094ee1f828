"""Keep-in zones: the corridor must lie wholly inside the union of those that bind.

Owns the union and its exact test. Must not know zones of other kinds.

Every zone that binds the vehicle and is active during the leg demands to be kept. Where all of
them are active throughout the leg, their union is kept; where some begin or end during it, the
union of those that are active throughout; where none is, each of them alone: never more is
allowed than at every single moment.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from geofence.contact import CLEARANCE_HORIZON_M, cut, to_metres
from geofence.frames import WGS84, Array, LatLon
from geofence.heights import Band
from geofence.kernel import Ints, deepest, distances, inside, make_rows, touching_spans
from geofence.path import Disc, FlightPath, PathLeg, Violation
from geofence.relief import Relief
from geofence.track import Pieces
from geofence.zones import CircleArea, Zone, ZoneKind
from geofence.zoneset import ZoneSet

SNAP_DEG = 1e-9
"""Grid on which neighbouring keep-ins are joined: 0.1 mm, a tenth of the tolerance of the check."""

MAX_SAGITTA_M = 0.05
"""How far inside its circle the polygon of a round keep-in may lie."""

LIMIT_ROUNDING_M = 1e-6
"""A height limit is kept up to the rounding of sums of datums: 120 m under a 120 m ceiling is."""


@dataclass(frozen=True, slots=True)
class KeptIn:
    """What the keep-ins say; clearance in metres of the line to the border that is nearest."""

    violations: tuple[Violation, ...] = ()
    clearance_m: float | None = None
    nearest_zone_id: str = ""
    rough: tuple[tuple[int, float, float], ...] = ()
    """Owner and span of its parameter where finer pieces may find less: heights vary there."""


@dataclass(frozen=True, slots=True)
class _Breach:
    begin: float
    end: float
    depth_m: float
    distance_m: float
    why: str
    at: tuple[float, float, float, float]
    unknown: str


def check_keep_in(
    path: FlightPath,
    pieces: Pieces,
    zones: ZoneSet,
    band: Callable[[Zone], Band],
    relief: Relief | None = None,
) -> KeptIn:
    """Check every leg and disc against the keep-ins that bind it."""
    binding = [zone for zone in zones.keep_ins if zone.binds(path.vehicle)]
    if not binding:
        return KeptIn()
    checker = KeepInUnions(pieces, band, relief)
    violations: list[Violation] = []
    rough: list[tuple[int, float, float]] = []
    owners: tuple[PathLeg | Disc, ...] = (*path.legs, *path.discs)
    for number, owner in enumerate(owners):
        for group in demanded(binding, owner):
            breaches = checker.breaches(number, group)
            if breaches:
                violations.append(_violation(owner, group, breaches))
                if checker.varies(group):
                    rough.extend((number, breach.begin, breach.end) for breach in breaches)
                break
    clearance = None if checker.clearance_m > CLEARANCE_HORIZON_M else checker.clearance_m
    nearest = "" if clearance is None else checker.nearest_zone_id
    return KeptIn(tuple(violations), clearance, nearest, tuple(rough))


def demanded(binding: Sequence[Zone], owner: PathLeg | Disc) -> list[tuple[Zone, ...]]:
    """Groups of keep-ins; the union of each must hold the whole of the leg or disc."""
    active = [z for z in binding if z.schedule.active_during(owner.enter, owner.leave)]
    steady = [z for z in active if z.schedule.active_throughout(owner.enter, owner.leave)]
    if not active:
        return []
    if steady:
        return [tuple(steady)]
    return [(zone,) for zone in active]


class KeepInUnions:
    """Unions and distances of one check; remembers the least distance to a border."""

    def __init__(
        self, pieces: Pieces, band: Callable[[Zone], Band], relief: Relief | None = None
    ) -> None:
        self._pieces = pieces
        self._flat = band
        self._relief = relief
        self._here = 0
        self._unions: dict[tuple[tuple[str, float], ...], Array] = {}
        self.clearance_m = math.inf
        self.nearest_zone_id = ""

    def breaches(self, owner: int, group: tuple[Zone, ...]) -> list[_Breach]:
        """Every part of the owner that leaves the union of the group."""
        mine = np.flatnonzero(self._pieces.owner == owner)
        if not self.varies(group):
            return self._breaches(mine, group)
        found: list[_Breach] = []
        for piece in mine:
            self._here = int(piece)
            found.extend(self._breaches(mine[mine == piece], group))
        return found

    def varies(self, group: tuple[Zone, ...]) -> bool:
        """Whether the heights of any of these differ from place to place."""
        return self._relief is not None and any(self._relief.varies(zone) for zone in group)

    def _band(self, zone: Zone) -> Band:
        if self._relief is not None and self._relief.varies(zone):
            return self._relief.band(zone, self._here, outer=False)
        return self._flat(zone)

    def _breaches(self, mine: Ints, group: tuple[Zone, ...]) -> list[_Breach]:
        low, high = self._pieces.heights[mine[0]]
        found: list[_Breach] = []
        for begin, end in self._height_spans(float(low), float(high), group):
            middle = low + (begin + end) / 2.0 * (high - low)
            holding = tuple(zone for zone in group if self._holds(zone, middle))
            part = self._pieces.part[mine]
            part = np.stack((np.maximum(part[:, 0], begin), np.minimum(part[:, 1], end)), axis=-1)
            # a piece that only touches a span is looked at in the span beside it
            some = part[:, 0] < part[:, 1]
            if some.any():
                found.extend(self._outside(mine[some], part[some], group, holding))
        return found

    def _holds(self, zone: Zone, amsl_m: float) -> bool:
        band = self._band(zone)
        return (
            not band.unknown
            and band.low_m - LIMIT_ROUNDING_M <= amsl_m <= band.high_m + LIMIT_ROUNDING_M
        )

    def _height_spans(
        self, low: float, high: float, group: tuple[Zone, ...]
    ) -> list[tuple[float, float]]:
        """Spans of the owner's parameter in which the same zones of the group hold its height."""
        if low == high:
            return [(0.0, 1.0)]
        marks = {0.0, 1.0}
        for zone in group:
            band = self._band(zone)
            for limit in (band.low_m - LIMIT_ROUNDING_M, band.high_m + LIMIT_ROUNDING_M):
                at = (limit - low) / (high - low)
                if 0.0 < at < 1.0:
                    marks.add(at)
        ordered = sorted(marks)
        return list(itertools.pairwise(ordered))

    def _outside(
        self, piece: Ints, part: Array, group: tuple[Zone, ...], holding: tuple[Zone, ...]
    ) -> list[_Breach]:
        line = cut(self._pieces, piece, part)
        if not holding:
            self._note(0.0, group[0])
            return [self._out_of_height(piece, part, line, group)]
        edges = self._union(holding, float(self._pieces.origin[piece[0], 0]))
        found: list[_Breach] = []
        for number, (origin, scale) in enumerate(
            zip(self._pieces.origin[piece], self._pieces.scale[piece], strict=True)
        ):
            metres = to_metres(edges, origin, scale)
            segment = to_metres(line[number : number + 1], origin, scale)
            rows = make_rows(segment, metres, np.array([len(metres)]))
            reach = self._pieces.reach_m[piece[number : number + 1]]
            distance = float(distances(rows)[0])
            begins, ends = bool(inside(rows)[0]), bool(inside(rows, end=True)[0])
            if begins and distance > reach[0]:
                self._note(distance, holding[0])
                continue
            self._note(0.0 if not (begins and ends) else distance, holding[0])
            first, last = touching_spans(rows, reach)[0]
            first = first if begins and math.isfinite(first) else 0.0
            last = last if ends and math.isfinite(last) else 1.0
            width = part[number, 1] - part[number, 0]
            found.append(
                _Breach(
                    begin=float(part[number, 0] + first * width),
                    end=float(part[number, 0] + last * width),
                    depth_m=max(0.0, deepest(segment[0], metres, outward=True) + float(reach[0])),
                    distance_m=distance if begins and ends else 0.0,
                    why="",
                    at=_ends(line[number], first, last),
                    unknown=self._unknown(group),
                )
            )
        return found

    def _out_of_height(
        self, piece: Ints, part: Array, line: Array, group: tuple[Zone, ...]
    ) -> _Breach:
        heights = self._pieces.heights[piece[0]]
        at = heights[0] + np.array((part[0, 0], part[-1, 1])) * (heights[1] - heights[0])
        known = [self._band(zone) for zone in group if not self._band(zone).unknown]
        excess = [max(b.low_m - at.min(), at.max() - b.high_m, 0.0) for b in known]
        low, high = float(at.min()), float(at.max())
        text = f"{low:.1f} m" if high - low < 0.05 else f"{low:.1f} to {high:.1f} m"
        why = f"at {text} AMSL it is not between floor and ceiling of" if known else ""
        return _Breach(
            begin=float(part[0, 0]),
            end=float(part[-1, 1]),
            depth_m=float(min(excess)) if excess else float(self._pieces.reach_m[piece[0]]),
            distance_m=0.0,
            why=why,
            at=(*line[0, :2], *line[-1, 2:]),
            unknown=self._unknown(group),
        )

    def _unknown(self, group: tuple[Zone, ...]) -> str:
        found = [(zone.zone_id, self._band(zone).unknown) for zone in group]
        return "; ".join(f"{zone_id}: {unknown}" for zone_id, unknown in found if unknown)

    def _note(self, distance_m: float, zone: Zone) -> None:
        if distance_m < self.clearance_m:
            self.clearance_m, self.nearest_zone_id = distance_m, zone.zone_id

    def _union(self, zones: tuple[Zone, ...], lon_deg: float) -> Array:
        key = tuple((zone.zone_id, turn_beside(zone, lon_deg)) for zone in zones)
        edges = self._unions.get(key)
        if edges is None:
            parts = [outline(z, turn) for z, (_, turn) in zip(zones, key, strict=True)]
            whole = parts[0] if len(parts) == 1 else shapely.union_all(parts, grid_size=SNAP_DEG)
            edges = self._unions[key] = edges_of(whole)
        return edges


def turn_beside(zone: Zone, lon_deg: float) -> float:
    """Degrees (a multiple of 360) that bring a zone's longitudes beside `lon_deg`."""
    area = zone.area
    if isinstance(area, CircleArea):
        middle = area.center.lon_deg
    else:
        lons = [p.lon_deg for p in area.shell]
        middle = (min(lons) + max(lons)) / 2.0
    return 360.0 * round((lon_deg - middle) / 360.0)


def outline(zone: Zone, turn_deg: float) -> shapely.Polygon:
    """A zone's area in degrees of longitude, latitude, never larger than the area itself."""
    area = zone.area
    if not isinstance(area, CircleArea):
        rings = [
            [(p.lon_deg + turn_deg, p.lat_deg) for p in ring] for ring in (area.shell, *area.holes)
        ]
        return shapely.Polygon(rings[0], rings[1:])
    radius = area.radius_m - min(MAX_SAGITTA_M / 5.0, area.radius_m * 1e-3)
    share = min(MAX_SAGITTA_M / radius, 0.1)
    count = min(max(16, math.ceil(math.pi / math.acos(1.0 - share))), 4096)
    azimuth = np.linspace(0.0, 360.0, count, endpoint=False)
    lon0, lat0 = area.center.lon_deg, area.center.lat_deg
    lon, lat, _ = WGS84.fwd(
        np.full(count, lon0), np.full(count, lat0), azimuth, np.full(count, radius)
    )
    lon = (np.asarray(lon) - lon0 + 180.0) % 360.0 - 180.0 + lon0 + turn_deg
    return shapely.Polygon(np.stack((lon, np.asarray(lat)), axis=-1))


def edges_of(area: shapely.Geometry) -> Array:
    """Edges (k, 4) of every ring of a polygon or several."""
    rings: list[Array] = []
    for polygon in shapely.get_parts(area):
        for ring in shapely.get_rings(polygon):
            corners = shapely.get_coordinates(ring)
            rings.append(np.hstack((corners[:-1], corners[1:])))
    return np.concatenate(rings)


def _ends(line: Array, first: float, last: float) -> tuple[float, float, float, float]:
    step = line[2:] - line[:2]
    return (*(line[:2] + first * step), *(line[:2] + last * step))


def _violation(
    owner: PathLeg | Disc,
    group: tuple[Zone, ...],
    breaches: list[_Breach],
) -> Violation:
    first = min(breaches, key=lambda breach: breach.begin)
    last = max(breaches, key=lambda breach: breach.end)
    worst = max(breaches, key=lambda breach: breach.depth_m)
    what = "leg" if isinstance(owner, PathLeg) else "disc"
    names = ", ".join(f"{z.zone_id} ({z.name})" if z.name else z.zone_id for z in group[:5])
    names += f" and {len(group) - 5} more" if len(group) > 5 else ""
    text = f"{what} {owner.index} ({owner.label}): "
    if worst.why:
        text += f"{worst.why} keep-in zone {names}"
    elif worst.distance_m > 0.0:
        width = owner.corridor_m if isinstance(owner, PathLeg) else owner.radius_m
        text += f"comes within {worst.distance_m:.1f} m of the border of keep-in zone {names}"
        text += f" and needs {width:.1f} m"
    else:
        text += f"leaves keep-in zone {names} by {worst.depth_m:.1f} m"
    unknown = next((breach.unknown for breach in breaches if breach.unknown), "")
    return Violation(
        zone_id=group[0].zone_id,
        zone_name=group[0].name,
        kind=ZoneKind.KEEP_IN,
        index=owner.index,
        label=owner.label,
        entry=_latlon(first.at[0], first.at[1]),
        exit=_latlon(last.at[2], last.at[3]),
        depth_m=worst.depth_m,
        reason=f"{text}; {unknown}" if unknown else text,
    )


def _latlon(lon_deg: float, lat_deg: float) -> LatLon:
    return LatLon(float(lat_deg), float((lon_deg + 180.0) % 360.0 - 180.0))
