"""Pieces of a path against the zones beside them: where they touch, and how far they are off.

Owns the search, the cut to a zone's heights and the call of the exact predicates. Must not know
schedules, permits or what is allowed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from geofence.frames import Array
from geofence.heights import HEIGHT_TOLERANCE_M, Band
from geofence.kernel import (
    Bools,
    Ints,
    Rows,
    circle_contacts,
    circle_spans,
    deepest,
    distances,
    inside,
    make_rows,
    touching_spans,
)
from geofence.relief import Relief
from geofence.track import Pieces, reach_m
from geofence.zones import ALWAYS, Zone, ZoneKind
from geofence.zoneset import ZoneSet

__all__ = [
    "CLEARANCE_HORIZON_M", "HEIGHT_TOLERANCE_M", "Contacts", "Depths", "boxes_about",
    "clip_heights", "cut", "depth_m", "find_contacts", "polygon_rows", "polygon_touch", "select",
    "to_metres",
]  # fmt: skip

CLEARANCE_HORIZON_M = 2_000.0
"""Zones farther off than this are not looked at: the clearance is then None."""

_FEW_ROWS = 8
"""So many are asked for their depth without a look at which may be the deepest."""

_MAX_EDGES = 250_000
"""Edges compared at once, to bound memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Contacts:
    """Pairs of piece and zone whose heights overlap, one row each.

    `line` (n, 4) is the part of the piece within the zone's heights, degrees; `part` (n, 2) its
    span of the owner's parameter. `distance_m` (n) is from the line, 0 inside. `touch` (n, 2) is
    the span of the owner's parameter within reach, (inf, -inf) where it is out of reach.
    """

    piece: Ints
    zone: Ints
    turn: Array
    line: Array
    part: Array
    distance_m: Array
    touch: Array
    beyond_m: Array
    """From a circle's rim, negative within it; NaN for polygons."""

    @property
    def hit(self) -> Bools:
        """Which rows are within reach."""
        return np.asarray(np.isfinite(self.touch[:, 0]))


def find_contacts(
    pieces: Pieces,
    zones: ZoneSet,
    applies: Callable[[Zone], bool],
    band: Callable[[Zone], Band],
    relief: Relief | None = None,
    *,
    among: tuple[Ints, Ints] | None = None,
    nearest: bool = True,
) -> Contacts:
    """Every zone that `applies` and is within its heights near a piece.

    Of those out of reach only the nearest are sure to be told: no other that binds by its kind
    and hour is nearer; none of them where `nearest` is not asked for.
    With `relief`, zones whose heights vary are taken at the pieces' own places, not by `band`.
    With `among`, pairs of piece and zone, none of them turned, no others are looked at.
    """
    look = _Look(pieces, zones, applies, band, relief)
    if among is not None:
        piece, zone, turn, part, line, _ = look.at(*among, np.zeros(len(among[0])))
    else:
        for far_m in _HORIZONS_M if nearest else _HORIZONS_M[:1]:
            around = boxes_about(pieces, np.maximum(pieces.reach_m, far_m))
            piece, zone, turn, part, line, least_m = look.at(*zones.near(around))
            # a metre: far more than the boxes' rounding, and nothing beyond them is as near
            if least_m < far_m - 1.0:
                break
    distance, touch = np.empty(len(piece)), np.empty((len(piece), 2))
    beyond = np.full(len(piece), np.nan)
    circle = zones.is_circle[zone] if len(zone) else np.empty(0, dtype=bool)
    for some in _batches(np.flatnonzero(~circle), zones.edge_count, zone):
        rows = polygon_rows(pieces, piece[some], line[some], zones, zone[some], turn[some])
        distance[some], touch[some] = polygon_touch(rows, pieces.reach_m[piece[some]])
    some = np.flatnonzero(circle)
    beyond[some], touch[some] = _circle_touch(
        line[some], zones.circle[zone[some]], pieces.reach_m[piece[some]]
    )
    distance[some] = np.maximum(beyond[some], 0.0)
    hit = np.isfinite(touch[:, 0])
    touch[hit] = part[hit, :1] + touch[hit] * (part[hit, 1:] - part[hit, :1])
    return Contacts(piece, zone, turn, line, part, distance, touch, beyond)


_HORIZONS_M = (0.0, 250.0, CLEARANCE_HORIZON_M)
"""How far is looked: farther only where nothing that surely binds is so near."""

_Found = tuple[Ints, Ints, Array, Array, Array, float]
"""Piece, zone, turn, part and line of rows, and how near the nearest is that surely binds."""


class _Look:
    """What is kept from one look to the next, farther one: the zones asked about."""

    def __init__(
        self,
        pieces: Pieces,
        zones: ZoneSet,
        applies: Callable[[Zone], bool],
        band: Callable[[Zone], Band],
        relief: Relief | None,
    ) -> None:
        self._pieces = pieces
        self._zones = zones
        self._ask = applies, band
        self._relief = relief
        self._bands: dict[int, Band | None] = {}

    def _band(self, number: int) -> Band | None:
        if number not in self._bands:
            (applies, band), zone = self._ask, self._zones.zones[number]
            self._bands[number] = band(zone) if applies(zone) else None
        return self._bands[number]

    def at(self, piece: Ints, zone: Ints, turn: Array) -> _Found:
        """Of pairs of piece and zone those that matter, where they are within the heights."""
        pieces, zones = self._pieces, self._zones
        wanted = np.flatnonzero(np.bincount(zone))
        which = np.searchsorted(wanted, zone)
        bands = [self._band(number) for number in wanted.tolist()]
        if None in bands:
            keep = np.array([band is not None for band in bands], dtype=bool)[which]
            piece, zone, turn, which = piece[keep], zone[keep], turn[keep], which[keep]
        limits = np.array(
            [(band.low_m, band.high_m) if band else (np.nan, np.nan) for band in bands]
        ).reshape(-1, 2)[which]
        self._over_ground(limits, which, wanted, piece)
        part = clip_heights(
            pieces.heights[piece], pieces.part[piece],
            limits[:, 0] - HEIGHT_TOLERANCE_M, limits[:, 1] + HEIGHT_TOLERANCE_M,
        )  # fmt: skip
        chosen = np.flatnonzero(part[:, 0] <= part[:, 1])
        if len(chosen) < len(part):
            piece, zone, turn, part = piece[chosen], zone[chosen], turn[chosen], part[chosen]
        line = cut(pieces, piece, part)
        some, least_m = _mattering(pieces, piece, line, zones, zone, turn)
        return piece[some], zone[some], turn[some], part[some], line[some], least_m

    def _over_ground(self, limits: Array, which: Ints, wanted: Ints, piece: Ints) -> None:
        """Put the limits (n, 2) of zones whose heights vary at what they are under the pieces."""
        if self._relief is None:
            return
        order = np.argsort(which, kind="stable")
        bounds = np.searchsorted(which[order], np.arange(len(wanted) + 1)).tolist()
        for row, number in enumerate(wanted.tolist()):
            pairs = order[bounds[row] : bounds[row + 1]]
            if len(pairs) and self._relief.varies(self._zones.zones[number]):
                limits[pairs] = self._relief.bands(self._zones.zones[number], piece[pairs])


def _mattering(  # noqa: PLR0917 - rows of one table, column by column
    pieces: Pieces, piece: Ints, line: Array, zones: ZoneSet, zone: Ints, turn: Array
) -> tuple[Ints, float]:
    """Rows that may be within reach, or as near as the nearest zone that surely binds; how near.

    The bounds of zone and line are no farther apart than they are, in any one frame. A circle's
    distance is geodesic: as much shorter as a frame strays over that distance (track.reach_m).
    """
    if len(piece) <= 2 * _NEAREST:
        return np.arange(len(piece)), math.inf
    bounds = zones.bounds[zone]
    east, north = pieces.scale[piece].T
    x, y = line[:, 0::2], line[:, 1::2]
    aside = np.maximum(bounds[:, 0] + turn - x.max(axis=1), x.min(axis=1) - bounds[:, 2] - turn)
    above = np.maximum(bounds[:, 1] - y.max(axis=1), y.min(axis=1) - bounds[:, 3])
    apart = np.hypot(np.maximum(aside, 0.0) * east, np.maximum(above, 0.0) * north)
    circle = np.flatnonzero(zones.is_circle[zone])
    apart[circle] = _geodesic_least(pieces, piece[circle], apart[circle])
    sure: list[int] = []
    for row in _ascending(apart):
        each = zones.zones[zone[row]]
        if each.kind is not ZoneKind.ADVISORY and each.schedule == ALWAYS:
            sure.append(row)
            if len(sure) == _NEAREST:
                break
    limit = pieces.reach_m[piece]
    some = np.sort(np.array(sure, dtype=np.intp))
    least = math.inf
    if len(some):
        least = _least_m(pieces, piece[some], line[some], zones, zone[some], turn[some])
        limit = np.maximum(limit, least)
    else:
        limit = np.full(len(piece), np.inf)
    # a millimetre: far more than rounding, and no row fewer
    return np.flatnonzero(apart <= limit + 1e-3), least


def _ascending(values: Array) -> Iterator[int]:
    """Numbers of values, least first; of many the rest is put in order when it is asked for."""
    many = min(_MANY, len(values))
    first = np.argpartition(values, many - 1)[:many] if many < len(values) else np.arange(many)
    first = np.sort(first)
    yield from first[np.argsort(values[first], kind="stable")].tolist()
    if many < len(values):
        yield from np.argsort(values, kind="stable")[many:].tolist()


_MANY = 4096


def _geodesic_least(pieces: Pieces, piece: Ints, apart_m: Array) -> Array:
    """What a geodesic distance is at least where it is `apart_m` (n) in the frame of a piece."""
    line = pieces.line[piece]
    half = np.abs(line[:, 3] - line[:, 1]) / 2.0
    lat = pieces.origin[piece, 1]
    far_m = reach_m(apart_m, lat, half, np.zeros(len(apart_m)))
    # reach_m holds all that is so near: its growth is the most that a frame adds. A centimetre is
    # far over the tolerance within it
    return np.asarray(np.maximum(apart_m * apart_m / far_m - 0.01, 0.0))


def _least_m(  # noqa: PLR0917 - rows of one table, column by column
    pieces: Pieces, piece: Ints, line: Array, zones: ZoneSet, zone: Ints, turn: Array
) -> float:
    """The least distance in metres of some rows, circles and polygons."""
    round_ = np.flatnonzero(zones.is_circle[zone])
    found = [math.inf]
    if len(round_):
        circle = zones.circle[zone[round_]]
        away, _ = circle_contacts(line[round_], circle[:, :2])
        found.append(float(np.maximum(away - circle[:, 2], 0.0).min()))
    some = np.flatnonzero(~zones.is_circle[zone])
    if len(some):
        rows = polygon_rows(pieces, piece[some], line[some], zones, zone[some], turn[some])
        found.append(float(np.where(inside(rows), 0.0, distances(rows)).min()))
    return min(found)


_NEAREST = 8
"""How many of the zones that look nearest are measured to leave out those that are farther."""


def boxes_about(pieces: Pieces, far_m: Array) -> Array:
    """West, south, east, north (n, 4) degrees of all that is within far_m (n) of the pieces."""
    line = pieces.line
    # 110 km is under the least length of a degree of latitude, 111.3 over the longest at 1 cos(lat)
    high = far_m / 110_000.0
    top = np.minimum(np.max(np.abs(line[:, 1::2]), axis=1, initial=0.0) + high, 89.0)
    wide = far_m / (110_000.0 * np.cos(np.radians(top)))
    west, east = line[:, 0::2].min(axis=1, initial=999.0), line[:, 0::2].max(axis=1, initial=-999.0)
    south, north = line[:, 1::2].min(axis=1, initial=99.0), line[:, 1::2].max(axis=1, initial=-99.0)
    return np.stack((west - wide, south - high, east + wide, north + high), axis=-1)


def clip_heights(heights: Array, part: Array, low: Array, high: Array) -> Array:
    """The span (n, 2) of `part` (n, 2) where a slope of heights (n, 2) is within low and high.

    Heights in metres at parameter 0 and 1. First above last where there is none.
    """
    rise = heights[:, 1] - heights[:, 0]
    # what changes by less than the rounding of heights is level, and divides nothing
    level = np.abs(rise) < 1e-6
    safe = np.where(level, 1.0, rise)
    first, second = (low - heights[:, 0]) / safe, (high - heights[:, 0]) / safe
    within = (low <= heights[:, 0]) & (heights[:, 0] <= high)
    begin = np.where(level, np.where(within, -np.inf, np.inf), np.minimum(first, second))
    end = np.where(level, np.where(within, np.inf, -np.inf), np.maximum(first, second))
    # an empty band (low above high) has no inside, whatever the slope
    end = np.where(low > high, -np.inf, end)
    return np.stack((np.maximum(begin, part[:, 0]), np.minimum(end, part[:, 1])), axis=-1)


def cut(pieces: Pieces, piece: Ints, part: Array) -> Array:
    """The lines (n, 4) in degrees of parts (n, 2) of pieces (n)."""
    whole, line = pieces.part[piece], pieces.line[piece]
    s = (part - whole[:, :1]) / (whole[:, 1:] - whole[:, :1])
    step = line[:, 2:] - line[:, :2]
    ends = np.hstack((line[:, :2] + s[:, :1] * step, line[:, :2] + s[:, 1:] * step))
    # uncut ends stay to the last bit
    return np.where(np.repeat(part == whole, 2, axis=1), line, ends)


def to_metres(lonlat: Array, origin: Array, scale: Array) -> Array:
    """Rows (n, 4) of lon, lat, lon, lat degrees in each row's own local frame, metres."""
    ends = lonlat.reshape(-1, 2, 2) - origin.reshape(-1, 1, 2)
    return np.asarray((ends * scale.reshape(-1, 1, 2)).reshape(-1, 4))


def polygon_rows(  # noqa: PLR0917 - rows of one table, column by column
    pieces: Pieces, piece: Ints, line: Array, zones: ZoneSet, zone: Ints, turn: Array
) -> Rows:
    """Lines (n, 4) and their zones' edges in the frames of their pieces."""
    edges, counts = zones.edges_of(zone)
    row = np.repeat(np.arange(len(zone)), counts)
    edges[:, 0::2] += turn[row][:, None]
    origin, scale = pieces.origin[piece], pieces.scale[piece]
    metres = to_metres(edges, origin[row], scale[row])
    return make_rows(to_metres(line, origin, scale), metres, counts)


def _batches(numbers: Ints, edge_count: Ints, zone: Ints) -> list[Ints]:
    if not len(numbers):
        return []
    batch = np.cumsum(edge_count[zone[numbers]]) // _MAX_EDGES
    return np.split(numbers, np.flatnonzero(np.diff(batch)) + 1)


def polygon_touch(rows: Rows, reach_m: Array) -> tuple[Array, Array]:
    """Distance (n) and the span (n, 2) of each segment's parameter within reach of its polygon."""
    distance = distances(rows)
    begins = inside(rows)
    distance = np.where(begins, 0.0, distance)
    touch = np.tile((np.inf, -np.inf), (len(distance), 1))
    hit = np.flatnonzero(distance <= reach_m)
    if len(hit):
        some = select(rows, hit)
        span = touching_spans(some, reach_m[hit])
        span[begins[hit], 0] = 0.0
        span[inside(some, end=True), 1] = 1.0
        # distance and span may differ by rounding: then the whole segment stands
        lost = ~(span[:, 0] <= span[:, 1])
        span[lost] = (0.0, 1.0)
        touch[hit] = span
    return distance, touch


def select(rows: Rows, chosen: Ints) -> Rows:
    """Some of the rows, in ascending order."""
    counts = np.diff(rows.starts, append=len(rows.edges)).astype(np.intp)
    return make_rows(rows.segments[chosen], rows.edges[np.isin(rows.row, chosen)], counts[chosen])


def _circle_touch(line: Array, circle: Array, reach_m: Array) -> tuple[Array, Array]:
    """Metres beyond the rims (n), negative within, and the spans (n, 2) within reach."""
    if not len(line):
        return np.empty(0), np.empty((0, 2))
    from_center, at = circle_contacts(line, circle[:, :2])
    beyond = from_center - circle[:, 2]
    hit = np.maximum(beyond, 0.0) <= reach_m
    span = circle_spans(line, circle[:, :2], circle[:, 2] + reach_m)
    low, high = np.minimum(span[:, 0], at), np.maximum(span[:, 1], at)
    nowhere = np.array((np.inf, -np.inf))
    return beyond, np.where(hit[:, None], np.stack((low, high), axis=-1), nowhere)


def depth_m(contacts: Contacts, number: int, pieces: Pieces, zones: ZoneSet) -> float:
    """How deep in metres the corridor of one row reaches into its zone; never too small.

    For a circle exact; for a polygon a bound within 0.1 m or 1 % (kernel.deepest).
    """
    some = np.array([number])
    piece, zone, line = contacts.piece[some], contacts.zone[some], contacts.line[some]
    reach = float(pieces.reach_m[piece[0]])
    if zones.is_circle[zone[0]]:
        return max(0.0, reach - float(contacts.beyond_m[number]))
    edges, _ = zones.edges_of(zone)
    edges[:, 0::2] += contacts.turn[number]
    origin, scale = pieces.origin[piece[0]], pieces.scale[piece[0]]
    segment, metres = to_metres(line, origin, scale)[0], to_metres(edges, origin, scale)
    return max(0.0, deepest(segment, metres) + reach)


class Depths:
    """Depths of rows that were worked out; legs that are stacked in height share their lines."""

    def __init__(self) -> None:
        self._known: dict[tuple[float, ...], float] = {}

    def deepest_m(
        self, contacts: Contacts, rows: list[int], pieces: Pieces, zones: ZoneSet
    ) -> float:
        """The greatest `depth_m` of rows against one zone."""
        if len(rows) <= _FEW_ROWS:
            return max(self._depth_m(contacts, row, pieces, zones) for row in rows)
        most = _most_m(contacts, np.array(rows, dtype=np.intp), pieces, zones)
        greatest = 0.0
        for place in np.argsort(-most, kind="stable").tolist():
            # more than rounding: what is left out is no deeper
            if most[place] + 1e-3 < greatest:
                break
            greatest = max(greatest, self._depth_m(contacts, rows[place], pieces, zones))
        return greatest

    def _depth_m(self, contacts: Contacts, row: int, pieces: Pieces, zones: ZoneSet) -> float:
        reach = float(pieces.reach_m[contacts.piece[row]])
        key = (int(contacts.zone[row]), reach, *contacts.line[row].tolist())
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = depth_m(contacts, row, pieces, zones)
        return known


def _most_m(contacts: Contacts, rows: Ints, pieces: Pieces, zones: ZoneSet) -> Array:
    """What `depth_m` (n) of rows against one zone is at most.

    Nowhere on a line is it deeper than at its middle by more than half of its length.
    """
    piece, zone, line = contacts.piece[rows], contacts.zone[rows], contacts.line[rows]
    reach = pieces.reach_m[piece]
    if zones.is_circle[zone[0]]:
        return np.asarray(reach - contacts.beyond_m[rows])
    middle = np.tile((line[:, :2] + line[:, 2:]) / 2.0, 2)
    step = (line[:, 2:] - line[:, :2]) * pieces.scale[piece]
    half = np.hypot(step[:, 0], step[:, 1]) / 2.0
    found = np.empty(len(rows))
    for some in _batches(np.arange(len(rows)), zones.edge_count, zone):
        at = polygon_rows(
            pieces, piece[some], middle[some], zones, zone[some], contacts.turn[rows[some]]
        )
        off = distances(at)
        found[some] = np.where(inside(at), off, -off)
    return np.asarray(found + half + reach)
