"""A mission that was looked at, as shapes: what the PNG and the console's map both show.

Owns the geometry of the picture: the line as it is flown, corridors as the checker takes them,
discs, ways home, the zones round about, and where they are violated. Must not draw and must not
judge. Longitudes are continuous about the picture's anchor and may pass 180 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from geofence.check import FlightPath, Violation
from geofence.frames import Array, LatLon, metres_per_degree
from geofence.track import pieces_of
from geofence.zones import CircleArea, Zone, ZoneKind
from missions.contingency import LANDING_LABEL, RALLY_LABEL, RETURN_LABEL
from missions.inspect import Inspection, by_leg_and_zone, deepest
from missions.model import AirMission, ItemKind, RouteAction
from missions.picture_profile import Profile, profile_of
from missions.plan_flown import FlownLeg

LonLat = tuple[float, float]

MAX_ZONES = 400
"""Most zones of one picture; violated ones come first, then the nearest."""

MAX_FAULTS = 200
"""Most violations of one picture, the mission's own first, in the order of the flight: the rest is
counted. More than anyone mends at a time, and few enough to be worked out in a second."""

SURROUND = 0.6
"""How far round the mission zones are shown, as a share of its larger span."""

MIN_SURROUND_M = 300.0

_SIMPLE_DEG = 2e-6
"""Corners nearer than this to the outline are left out of corridors: 0.2 m."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A level or sloping leg, along the line that is really flown."""

    index: int
    label: str
    points: tuple[LonLat, ...]
    start_amsl_m: float
    end_amsl_m: float
    returning: bool
    """Behind the mission's RETURN_PATH mark."""


@dataclass(frozen=True, slots=True)
class WayHome:
    """A straight return, one of many that a failsafe may fly: the outermost are shown."""

    label: str
    points: tuple[LonLat, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A waypoint: every item there, the highest height above home, and what is done."""

    numbers: tuple[int, ...]
    position: LatLon
    alt_home_m: float | None
    words: str


@dataclass(frozen=True, slots=True)
class Round:
    """A disc that is used: take-off, landing, drop."""

    label: str
    center: LatLon
    radius_m: float
    low_amsl_m: float
    high_amsl_m: float


@dataclass(frozen=True, slots=True)
class ZoneShape:
    """A zone that concerns the mission, with its outline."""

    zone: Zone
    shape: shapely.Geometry
    hit: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """A violation with its number in the picture; `own`: of the mission, not of a contingency."""

    number: int
    violation: Violation
    where: str
    own: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """How one part of the mission fares: the mission itself, its returns, its landings."""

    what: str
    violated: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that a picture of a mission shows."""

    title: str
    subtitle: str
    seen: Inspection
    anchor: LatLon
    home: LatLon | None
    stretches: tuple[Stretch, ...]
    marks: tuple[Mark, ...]
    discs: tuple[Round, ...]
    corridor: shapely.Geometry
    spare: shapely.Geometry
    ways_home: tuple[WayHome, ...]
    zones: tuple[ZoneShape, ...]
    zones_left_out: int
    faults: tuple[Fault, ...]
    faults_left_out: int
    advisories: tuple[Violation, ...]
    tallies: tuple[Tally, ...]
    profile: Profile | None
    """None for a ground mission."""

    @property
    def allowed(self) -> bool:
        """Whether the mission may be flown."""
        return self.seen.allowed


def picture_of(seen: Inspection, title: str) -> Picture:
    """The picture of a mission as it was looked at. Takes milliseconds: call it in a thread."""
    mission = seen.mission
    anchor = seen.own.legs[0].start if seen.own.legs else seen.own.discs[0].center
    corridor = covered(seen.own, anchor)
    spare = shapely.difference(covered(seen.spare, anchor), corridor)
    hit = {violation.zone_id for violation in seen.verdict.violations}
    zones, left_out = _zones(seen, anchor, shapely.union(corridor, spare), hit)
    found = _found(seen)
    faults = tuple(_faults(seen, found[:MAX_FAULTS]))
    return Picture(
        title=title,
        subtitle=_subtitle(seen),
        seen=seen,
        anchor=anchor,
        home=mission.home if isinstance(mission, AirMission) else None,
        stretches=tuple(_stretches(seen, anchor)),
        marks=tuple(_marks(seen)),
        discs=tuple(
            Round(d.label, d.center, d.radius_m, d.low_amsl_m, d.high_amsl_m)
            for d in seen.own.discs
        ),
        corridor=corridor,
        spare=spare,
        ways_home=tuple(_ways_home(seen, anchor)),
        zones=zones,
        zones_left_out=left_out,
        faults=faults,
        faults_left_out=len(found) - len(faults),
        advisories=tuple(
            deepest(each) for each in by_leg_and_zone(seen.verdict.advisories)[:MAX_FAULTS]
        ),
        tallies=_tallies(seen, found),
        profile=profile_of(seen, hit) if seen.legs else None,
    )


def near(lon_deg: Array, anchor: LatLon) -> Array:
    """Longitudes brought within 180 degrees of the anchor's."""
    return np.asarray(
        (lon_deg - anchor.lon_deg + 180.0) % 360.0 - 180.0 + anchor.lon_deg, dtype=np.float64
    )


def near_lonlat(place: LatLon, anchor: LatLon) -> LonLat:
    """A position beside the anchor."""
    return float(near(np.array(place.lon_deg), anchor)), place.lat_deg


def covered(path: FlightPath, anchor: LatLon) -> shapely.Geometry:
    """All that corridors and discs of a path cover, as the checker reaches out from its pieces."""
    if not path.legs and not path.discs:
        return shapely.Polygon()
    pieces = pieces_of(path)
    # legs laid at several heights share their line
    rows = np.column_stack((pieces.line, pieces.reach_m))
    _, first = np.unique(rows, axis=0, return_index=True)
    origin, scale = pieces.origin[first], pieces.scale[first]
    line = (pieces.line[first].reshape(-1, 2, 2) - origin[:, None]) * scale[:, None]
    # simplified below, and never drawn narrower than it is
    reach_m = pieces.reach_m[first] + _SIMPLE_DEG * scale.max(axis=1)
    areas = shapely.buffer(shapely.linestrings(line), reach_m, quad_segs=8)
    points, owner = shapely.get_coordinates(areas, return_index=True)
    turned = near(origin[:, 0], anchor) - origin[:, 0]
    points = points / scale[owner] + origin[owner]
    points[:, 0] += turned[owner]
    whole = shapely.union_all(shapely.set_coordinates(areas, points))
    return shapely.simplify(whole, _SIMPLE_DEG)


def outline(zone: Zone, anchor: LatLon) -> shapely.Geometry:
    """A zone in longitude and latitude; a circle as a polygon of 96 sides."""
    area = zone.area
    if isinstance(area, CircleArea):
        east, north = (float(v) for v in metres_per_degree(np.array(area.center.lat_deg)))
        turn = np.linspace(0.0, 2.0 * np.pi, 96, endpoint=False)
        lon = float(near(np.array(area.center.lon_deg), anchor))
        return shapely.Polygon(
            np.column_stack(
                (
                    lon + area.radius_m * np.sin(turn) / east,
                    area.center.lat_deg + area.radius_m * np.cos(turn) / north,
                )
            )
        )
    rings = [np.array([(p.lon_deg, p.lat_deg) for p in r]) for r in (area.shell, *area.holes)]
    # a zone is never as wide as half the globe, so that its first corner turns all of them
    turned = float(near(rings[0][:1, 0], anchor)[0] - rings[0][0, 0])
    shell, *holes = (ring + np.array([turned, 0.0]) for ring in rings)
    return shapely.Polygon(shell, holes)


def _zones(
    seen: Inspection, anchor: LatLon, used: shapely.Geometry, hit: set[str]
) -> tuple[tuple[ZoneShape, ...], int]:
    west, south, east, north = used.bounds
    scale_x, scale_y = (float(v) for v in metres_per_degree(np.array(anchor.lat_deg)))
    room_m = max(MIN_SURROUND_M, SURROUND * max((east - west) * scale_x, (north - south) * scale_y))
    dx, dy = room_m / scale_x, room_m / scale_y
    box = np.array([[west - dx, south - dy, east + dx, north + dy]])
    _, numbers, _ = seen.zones.near(box)
    wanted = {int(n) for n in numbers} | {seen.zones.index_of(zone_id) for zone_id in hit}
    found = [
        ZoneShape(zone, outline(zone, anchor), zone.zone_id in hit)
        for zone in (seen.zones.zones[n] for n in sorted(wanted))
        if zone.binds(seen.own.vehicle) or zone.zone_id in hit
    ]
    found.sort(key=lambda each: (not each.hit, shapely.distance(each.shape, used)))
    return tuple(found[:MAX_ZONES]), max(0, len(found) - MAX_ZONES)


def _stretches(seen: Inspection, anchor: LatLon) -> list[Stretch]:
    """Every leg in the order of flight; a level leg along the checker's pieces."""
    lines = _lines(seen.own, anchor)
    if not seen.legs:
        return [
            Stretch(
                index=leg.index,
                label=leg.label,
                points=lines[leg.start, leg.end],
                start_amsl_m=leg.start_amsl_m,
                end_amsl_m=leg.end_amsl_m,
                returning=False,
            )
            for leg in seen.own.legs
        ]
    home_m = seen.mission.home_amsl_m if isinstance(seen.mission, AirMission) else 0.0
    return [
        Stretch(
            index=leg.index,
            label=leg.label,
            points=_line_of(leg, lines),
            start_amsl_m=home_m + leg.start_alt_home_m,
            end_amsl_m=home_m + leg.end_alt_home_m,
            returning=leg.returning,
        )
        for leg in seen.legs
        if not leg.vertical
    ]


def _lines(path: FlightPath, anchor: LatLon) -> dict[tuple[LatLon, LatLon], tuple[LonLat, ...]]:
    pieces = pieces_of(path)
    found: dict[tuple[LatLon, LatLon], tuple[LonLat, ...]] = {}
    for number, leg in enumerate(path.legs):
        if (leg.start, leg.end) in found:
            continue
        rows = pieces.line[pieces.owner == number]
        points = np.vstack((rows[:, :2], rows[-1:, 2:]))
        points[:, 0] += float(near(points[:1, 0], anchor)[0] - points[0, 0])
        found[leg.start, leg.end] = tuple((float(x), float(y)) for x, y in points)
    return found


def _line_of(
    leg: FlownLeg, lines: dict[tuple[LatLon, LatLon], tuple[LonLat, ...]]
) -> tuple[LonLat, ...]:
    """A leg's line; the way back is asked as one with the way out, and may be its reverse."""
    line = lines.get((leg.start, leg.end))
    if line is None and (leg.end, leg.start) in lines:
        line = lines[leg.end, leg.start][::-1]
    ends = ((leg.start.lon_deg, leg.start.lat_deg), (leg.end.lon_deg, leg.end.lat_deg))
    return line or ends


def _ways_home(seen: Inspection, anchor: LatLon) -> list[WayHome]:
    """Of the straight returns from each leg the first and the last."""
    lines = _lines(seen.spare, anchor)
    by_label: dict[str, list[tuple[LonLat, ...]]] = {}
    for leg in seen.spare.legs:
        known = by_label.setdefault(leg.label, [])
        line = lines[leg.start, leg.end]
        if line not in known[-1:]:
            known.append(line)
    told: dict[tuple[LonLat, ...], WayHome] = {}
    for label, found in by_label.items():
        for line in (found[0], found[-1]):
            told.setdefault(line, WayHome(label, line))
    return list(told.values())


def _marks(seen: Inspection) -> list[Mark]:
    if not isinstance(seen.mission, AirMission):
        return [
            Mark((number,), node.position, None, ", ".join(_stop_words(node.actions)))
            for number, node in enumerate(seen.mission.nodes, 1)
            if node.actions or number in {1, len(seen.mission.nodes)}
        ]
    numbers: dict[LatLon, list[int]] = {}
    heights: dict[LatLon, float] = {}
    words: dict[LatLon, list[str]] = {}
    place = seen.mission.home
    for number, item in enumerate(seen.mission.items, 1):
        place = item.position or place
        if item.kind is ItemKind.WAYPOINT and item.position is not None:
            numbers.setdefault(place, []).append(number)
            heights[place] = max(item.alt_home_m, heights.get(place, 0.0))
        elif item.kind is ItemKind.RELEASE:
            words.setdefault(place, []).append(f"drop {item.parcel_id}".strip())
    return [
        Mark(tuple(known), at, heights[at], ", ".join(words.get(at, ())))
        for at, known in numbers.items()
        if at != seen.mission.home
    ]


def _stop_words(actions: tuple[RouteAction, ...]) -> list[str]:
    return [f"{action.kind.value} {action.parcel_id}" for action in actions]


def _own(seen: Inspection) -> set[str]:
    return {leg.label for leg in seen.own.legs} | {disc.label for disc in seen.own.discs}


def _found(seen: Inspection) -> list[list[Violation]]:
    """Violations by leg and zone, the mission itself before what a failsafe would do."""
    own = _own(seen)
    return sorted(
        by_leg_and_zone(seen.verdict.violations), key=lambda each: each[0].label not in own
    )


def _faults(seen: Inspection, found: list[list[Violation]]) -> list[Fault]:
    own = _own(seen)
    items = seen.mission.items if isinstance(seen.mission, AirMission) else ()
    return [
        Fault(
            number=number,
            violation=violation,
            where=items[violation.index].label if violation.index < len(items) else "",
            own=violation.label in own,
        )
        for number, violation in enumerate(map(deepest, found), 1)
    ]


def _tallies(seen: Inspection, found: list[list[Violation]]) -> tuple[Tally, ...]:
    own = _own(seen)
    labels = [leg.label for leg in seen.spare.legs] + [disc.label for disc in seen.spare.discs]
    told = [Tally("Mission: legs and discs", sum(each[0].label in own for each in found))]
    for what, prefix in (
        ("Straight returns", RETURN_LABEL),
        ("Returns to rally points", RALLY_LABEL),
        ("Landings in place", LANDING_LABEL),
    ):
        if any(label.startswith(prefix) for label in labels):
            count = sum(
                each[0].label not in own and each[0].label.startswith(prefix) for each in found
            )
            told.append(Tally(what, count))
    if len(told) == 1 and isinstance(seen.mission, AirMission):
        told.append(Tally("Ways home", 0, "the mission's own checked return path"))
    return tuple(told)


def _subtitle(seen: Inspection) -> str:
    if not isinstance(seen.mission, AirMission):
        length_m = sum(edge.length_m for edge in seen.mission.edges)
        return (
            f"{len(seen.mission.nodes)} nodes, {length_m / 1000:.2f} km; "
            f"{len(seen.zones)} zones, version {seen.zones.version}"
        )
    length_m = sum(leg.length_m for leg in seen.legs)
    widths = sorted({round(leg.corridor_m, 1) for leg in seen.own.legs})
    corridor = " to ".join(f"{w:g}" for w in dict.fromkeys(widths[:1] + widths[-1:])) or "0"
    minutes, seconds = divmod(round(seen.legs[-1].end_s), 60)
    return (
        f"{len(seen.mission.items)} items, {length_m / 1000:.2f} km, {minutes} min {seconds} s; "
        f"corridor {corridor} m either side; {len(seen.zones)} zones, "
        f"version {seen.zones.version}"
    )


def depth_words(violation: Violation) -> str:
    """How deep, and which way."""
    if violation.max_speed_mps is not None:
        return f"over {violation.max_speed_mps:g} m/s"
    way = "out of" if violation.kind is ZoneKind.KEEP_IN else "into"
    return f"{violation.depth_m:.0f} m {way}"
