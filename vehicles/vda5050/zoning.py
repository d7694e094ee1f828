"""Our zones as a zone set of VDA 5050 version 3: what a robot itself shall keep to.

Owns the translation. Must not decide who may enter a RELEASE zone, nor send anything.

A zone set is for one map and one span of time: version 3 zones have no schedule, so a zone that
applies at any moment of the span is in it, and the next span has a set of its own. Its id is made
from its content, since a set is immutable under its id (version 3, section 6.4).

* A no-fly zone, or a restricted one without the robot's permit, is BLOCKED; a speed limit is
  SPEED_LIMIT; a passage that robots use by turns is RELEASE.
* A zone that begins above a robot does not concern it; where the ground is not known, it does.
* Edges are straight in longitude and latitude here and straight in metres there: they are cut so
  finely that the difference is under a centimetre. A circle becomes a polygon round it.
* Polygons have no holes there: a zone with holes is cut into pieces that have none.
* A keep-in zone has no counterpart. It is told as left out: planning and the watch keep it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from shapely import (
    LineString,
    MultiLineString,
    MultiPolygon,
    Point,
    Polygon,
    box,
    line_merge,
    unary_union,
)
from shapely.geometry.base import BaseGeometry
from shapely.ops import substring

from geofence.frames import Datum, LatLon, geodesic_m
from geofence.heights import Surroundings
from geofence.zones import Area, CircleArea, VehicleTraits, Zone, ZoneKind
from geofence.zoneset import ZoneSet as OurZones
from vehicles.vda5050 import zonesets
from vehicles.vda5050.factsheet import Factsheet
from vehicles.vda5050.maps import SiteMap
from vehicles.zonekeeping import Turn

Points = tuple[tuple[float, float], ...]

ROBOT_HEIGHT_M = 1.5
EDGE_M = 200.0
"""At 85 degrees north an arc of a parallel of this length is under a centimetre off its chord."""

CIRCLE_CORNERS = 48
ZONE_SET_PREFIX = "waypost-"
REACH_M = 20_000.0
"""Zones farther than this from the map's origin are no robot's concern."""

LEAST_AREA_M2 = 0.01


@dataclass(frozen=True, slots=True)
class Compiled:
    """The set, and what of our zones it does not say, each with the reason.

    `passages`: by the id of each RELEASE zone, the passage that it is of.
    """

    zone_set: zonesets.ZoneSet
    left_out: Mapping[str, str]
    passages: Mapping[str, str] = field(default_factory=dict)


def compile_zones(
    zones: OurZones,
    site: SiteMap,
    traits: VehicleTraits,
    surroundings: Surroundings,
    span: tuple[datetime, datetime],
    *,
    permits: frozenset[str] = frozenset(),
    turns: Sequence[Turn] = (),
) -> Compiled:
    """The zone set that binds robots of these traits on this map at some moment of the span."""
    made: list[zonesets.Zone] = []
    left: dict[str, str] = {}
    for zone in sorted(zones.zones, key=lambda z: z.zone_id):
        if not (zone.binds(traits) and zone.schedule.active_during(*span)):
            continue
        if zone.kind is ZoneKind.KEEP_IN:
            left[zone.zone_id] = "version 3 has no zone that a robot must stay in"
            continue
        closed = zone.kind is ZoneKind.NO_FLY or (
            zone.kind is ZoneKind.RESTRICTED and (zone.permit is None or zone.permit not in permits)
        )
        if not (closed or zone.max_speed_mps is not None) or _over(zone, surroundings):
            continue
        if _away_m(zone.area, site.origin) > REACH_M:
            left[zone.zone_id] = f"it is more than {REACH_M / 1000:g} km from the map's origin"
            continue
        for name, ring in _named(zone.zone_id, _rings(zone.area, site)):
            if closed:
                made.append(zonesets.blocked(name, ring))
            else:
                made.append(zonesets.speed_limit(name, ring, zone.max_speed_mps or 0.0))
    passages: dict[str, str] = {}
    for turn in sorted(turns, key=lambda t: t.passage_id):
        on_loss = "STOP" if turn.may_stop else "CONTINUE"
        for name, ring in _named(turn.passage_id, _along(turn, site)):
            made.append(zonesets.release(name, ring, on_loss))  # type: ignore[arg-type]
            passages[name] = turn.passage_id
    return Compiled(_identified(site.map_id, made), left, passages)


def _identified(map_id: str, zones: Sequence[zonesets.Zone]) -> zonesets.ZoneSet:
    """A set with an id of its content, 32 characters: robots may take no longer ones."""
    body = [map_id, *(msgspec.to_builtins(zone) for zone in zones)]
    ident = hashlib.sha256(msgspec.json.encode(body)).hexdigest()[:24]
    return zonesets.ZoneSet(
        map_id=map_id, zone_set_id=f"{ZONE_SET_PREFIX}{ident}", zones=tuple(zones)
    )


def fitted(compiled: Compiled, sheet: Factsheet | None) -> Compiled:
    """The set without what the robot's factsheet rules out.

    That are types that `supportedZones` leaves out, and RELEASE zones where `zoneSet.zones` allows
    no more. They are kept in planning and by the watch alone, as for older robots. A factsheet that
    does not speak of zones rules nothing out.
    """
    left = dict(_unheld(compiled.zone_set, sheet)) if sheet is not None else {}
    if not left:
        return compiled
    kept = [z for z in compiled.zone_set.zones if z.zone_id not in left]
    return Compiled(
        _identified(compiled.zone_set.map_id, kept),
        {**compiled.left_out, **left},
        {z.zone_id: compiled.passages[z.zone_id] for z in kept if z.zone_id in compiled.passages},
    )


def _unheld(zone_set: zonesets.ZoneSet, sheet: Factsheet) -> Iterator[tuple[str, str]]:
    """Zones that a robot is not told of, each with the reason."""
    kinds = sheet.type_specification.supported_zones if sheet.type_specification else ()
    most = sheet.limit("zoneSet.zones")
    crowded = bool(most) and len(zone_set.zones) > most
    for zone in zone_set.zones:
        if kinds and zone.zone_type not in kinds:
            yield zone.zone_id, f"typeSpecification.supportedZones has no {zone.zone_type}"
        elif crowded and zone.zone_type == "RELEASE":
            # its base keeps it out of them as well
            yield zone.zone_id, f"protocolLimits.maximumArrayLengths zoneSet.zones is {most}"


def set_fault(zone_set: zonesets.ZoneSet, sheet: Factsheet | None) -> str:
    """Why a robot of this factsheet cannot hold the set, by field; empty where it can."""
    if sheet is None:
        return ""
    most, longest = sheet.limit("zoneSet.zones"), sheet.length("idLen")
    if most and len(zone_set.zones) > most:
        return (
            f"protocolLimits.maximumArrayLengths zoneSet.zones is {most}: "
            f"{len(zone_set.zones)} zones bind it"
        )
    ids = [zone_set.zone_set_id, *(z.zone_id for z in zone_set.zones)]
    if longest and len(widest := max(ids, key=len)) > longest:
        return f"protocolLimits.maximumIdLength is {longest}: {widest!r} has {len(widest)}"
    if sheet.length("idNumericalOnly"):
        return f"protocolLimits.idNumericalOnly is true: {zone_set.zone_set_id!r} has letters"
    return ""


def _named(zone_id: str, rings: Iterable[Points]) -> Iterator[tuple[str, Points]]:
    """Pieces of one zone by its id; the second and later ones with their number."""
    for number, ring in enumerate(rings):
        yield (zone_id if number == 0 else f"{zone_id}~{number}"), ring


def _over(zone: Zone, surroundings: Surroundings) -> bool:
    """Whether a zone surely begins above a robot; over uneven ground only AGL tells."""
    if zone.floor is None:
        return False
    if zone.floor.datum is Datum.AGL:
        return zone.floor.value_m > ROBOT_HEIGHT_M
    ground_m = surroundings.ground_amsl_m if surroundings.terrain is None else None
    if zone.floor.datum is not Datum.AMSL or ground_m is None:
        return False
    return zone.floor.value_m > ground_m + ROBOT_HEIGHT_M


def _away_m(area: Area, origin: LatLon) -> float:
    """A distance that the area is not nearer than by more than its own size."""
    if isinstance(area, CircleArea):
        return geodesic_m(area.center, origin) - area.radius_m
    near = min(geodesic_m(p, origin) for p in area.shell)
    size = max(geodesic_m(p, area.shell[0]) for p in area.shell)
    return near - size


def _rings(area: Area, site: SiteMap) -> Iterator[Points]:
    if isinstance(area, CircleArea):
        x, y = site.to_map(area.center)
        # round the disc, and a little more for what a map's metres differ from the earth's
        reach = area.radius_m * (1.0 + 1e-5) / math.cos(math.pi / CIRCLE_CORNERS) + 0.01
        turns = (2.0 * math.pi * n / CIRCLE_CORNERS for n in range(CIRCLE_CORNERS))
        yield tuple((x + reach * math.cos(t), y + reach * math.sin(t)) for t in turns)
        return
    whole = Polygon(_line(area.shell, site), [_line(hole, site) for hole in area.holes])
    for piece in _without_holes(whole if whole.is_valid else whole.buffer(0)):
        yield tuple((float(x), float(y)) for x, y in piece.exterior.coords[:-1])


def _line(ring: Sequence[LatLon], site: SiteMap) -> list[tuple[float, float]]:
    """A ring on the map, cut so finely that straight is straight."""
    points: list[tuple[float, float]] = []
    for start, end in zip(ring, (*ring[1:], ring[0]), strict=True):
        count = max(1, math.ceil(geodesic_m(start, end) / EDGE_M))
        dlon = (end.lon_deg - start.lon_deg + 180.0) % 360.0 - 180.0
        for n in range(count):
            lon = (start.lon_deg + dlon * n / count + 180.0) % 360.0 - 180.0
            lat = start.lat_deg + (end.lat_deg - start.lat_deg) * n / count
            points.append(site.to_map(LatLon(lat, lon)))
    return points


def _along(turn: Turn, site: SiteMap) -> Iterator[Points]:
    lines = [[site.to_map(p) for p in line] for line in (turn.line, *turn.branches)]
    drawn = [LineString(line) for line in lines if len(line) > 1]
    joined = line_merge(MultiLineString(drawn)) if len(drawn) > 1 else MultiLineString(drawn)
    parts = getattr(joined, "geoms", [joined])
    shapes: list[BaseGeometry] = [
        _inset(part, turn.inset_m).buffer(turn.half_width_m, cap_style="flat", join_style="mitre")
        for part in parts
    ]
    shapes += [Point(line[0]).buffer(turn.half_width_m) for line in lines if len(line) == 1]
    for piece in _without_holes(unary_union(shapes)):
        yield tuple((float(x), float(y)) for x, y in piece.exterior.coords[:-1])


def _inset(line: BaseGeometry, inset_m: float) -> BaseGeometry:
    """A line without so much of its ends, and never less than its middle half."""
    cut_m = min(inset_m, line.length / 4.0)
    return substring(line, cut_m, line.length - cut_m) if cut_m > 0.0 else line


def _without_holes(shape: BaseGeometry) -> Iterator[Polygon]:
    """Pieces that cover the same ground; each hole is cut through its middle."""
    pieces = list(shape.geoms) if isinstance(shape, MultiPolygon) else [shape]
    while pieces:
        piece = pieces.pop(0)
        if not isinstance(piece, Polygon) or piece.area < LEAST_AREA_M2:
            continue
        if not piece.interiors:
            yield piece
            continue
        west, south, east, north = piece.bounds
        x = float(piece.interiors[0].centroid.x)
        for half in (box(west, south, x, north), box(x, south, east, north)):
            cut = piece.intersection(half)
            pieces.extend(getattr(cut, "geoms", [cut]))
