"""What must hold of one leg or disc against one zone, said from both sides.

Owns the two statements that a verdict is held to: `certain` (the corridor touches the zone, at a
moment when the zone applies: it must be told) and `possible` (within the stated tolerances it may
be told; otherwise it must not). Between the two the checker is free. Predicates are exact in
rational arithmetic; what is not rational is enclosed (earth.py). Shares no code with geofence but
its plain data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from geofence.frames import Altitude, Datum, LatLon
from geofence.path import Disc, FlightPath, PathLeg
from geofence.zones import ALWAYS, CircleArea, VehicleClass, VehicleTraits, Zone, ZoneKind
from tests.oracle import earth, plane, times
from tests.oracle.earth import Stretch

HEIGHT_TOLERANCE_M = Fraction(101, 10_000)
"""The stated centimetre, and rounding."""

CIRCLE_TOLERANCE_M = Fraction(2, 1000)
"""Stated for the nearest point of a piece to a circle's centre: under a millimetre."""

SPEED_TOLERANCE_MPS = 2e-6

Owner = PathLeg | Disc


@dataclass(frozen=True, slots=True)
class Ground:
    """Flat ground and geoid; None is not known."""

    ground_amsl_m: float | None
    geoid_m: float | None


@dataclass(frozen=True, slots=True)
class Touch:
    """A touch that may be told. `excess_m`: how far at least the line is beyond its corridor there;
    None where it may really be within it."""

    excess_m: float | None
    tolerance_m: float


Limits = tuple[Fraction | None, Fraction | None]


def limits(zone: Zone, ground: Ground) -> tuple[Limits, bool]:
    """Floor and ceiling in metres AMSL, None for none, and whether both are known."""
    low, known_low = _limit(zone.floor, ground)
    high, known_high = _limit(zone.ceiling, ground)
    if low is not None and high is not None and low > high:
        return (None, None), False
    return (low, high), known_low and known_high


def _limit(limit: Altitude | None, ground: Ground) -> tuple[Fraction | None, bool]:
    if limit is None:
        return None, True
    value = Fraction(limit.value_m)
    if limit.datum is Datum.AMSL:
        return value, True
    if limit.datum is Datum.AGL and ground.ground_amsl_m is not None:
        return value + Fraction(ground.ground_amsl_m), True
    if limit.datum is Datum.WGS84 and ground.geoid_m is not None:
        return value - Fraction(ground.geoid_m), True
    return None, False


def binds(zone: Zone, path: FlightPath) -> bool:
    """Whether a zone speaks to the vehicle; what is not known of it counts against it."""
    traits = path.traits or VehicleTraits(path.vehicle_class)
    if zone.classes and traits.vehicle_class not in zone.classes:
        return False
    if zone.electric_exempt and traits.electric:
        return False
    light = None not in {zone.min_mass_kg, traits.mass_kg}
    if light and traits.mass_kg < zone.min_mass_kg - 1e-3:
        return False
    if zone.surfaces and traits.vehicle_class is VehicleClass.ROBOT:
        return traits.surface is None or traits.surface in zone.surfaces
    return True


def forbids(zone: Zone, path: FlightPath) -> bool:
    """Whether a zone may forbid the path; keep-ins apart."""
    if zone.kind is ZoneKind.KEEP_IN or not binds(zone, path):
        return False
    return not (zone.kind is ZoneKind.RESTRICTED and zone.permit in path.permits)


class Track:
    """One leg or disc as the oracle sees it."""

    def __init__(self, owner: Owner, path: FlightPath, origin: LatLon | None) -> None:
        self.owner = owner
        autopilot = path.vehicle_class is VehicleClass.MULTIROTOR
        if isinstance(owner, Disc):
            self.width_m = owner.radius_m
            self.heights = Fraction(owner.low_amsl_m), Fraction(owner.high_amsl_m)
            start = end = owner.center
            self.stretches = earth.straight(start, end, 0.0)
        else:
            self.width_m = owner.corridor_m
            self.heights = Fraction(owner.start_amsl_m), Fraction(owner.end_amsl_m)
            start, end = owner.start, owner.end
            still = start == end or not autopilot
            self.stretches = (
                earth.straight(start, end, owner.corridor_m)
                if still
                else earth.flown(start, end, origin or start, owner.corridor_m)
            )
        self.round_tolerance_m, self.tolerance_m = earth.stated_tolerance_m(
            start, end, self.width_m, autopilot=autopilot
        )
        ends = (*(s.a for s in self.stretches), self.stretches[-1].b)
        lons, lats = ([float(p[k]) for p in ends] for k in (0, 1))
        self.middle_deg = (min(lons) + max(lons)) / 2.0
        self._box = (min(lons), min(lats), max(lons), max(lats))
        high = (self.width_m + self.tolerance_m + 1.0) / 110_000.0
        top = min(max(abs(lats[0]), abs(lats[-1]), *map(abs, lats)) + high, 89.0)
        self._pad = high / math.cos(math.radians(top)) * 1.001, high

    def beside(self, zone: Zone) -> bool:
        """A coarse no for most polygons: boxes farther apart than any reach."""
        if isinstance(zone.area, CircleArea):
            return True
        shell = zone.area.shell
        lats = [p.lat_deg for p in shell]
        wide, high = self._pad
        west, south, east, north = self._box
        if min(lats) > north + high or max(lats) < south - high:
            return False
        lons = [p.lon_deg for p in shell]
        turn = 360.0 * round((self.middle_deg - (min(lons) + max(lons)) / 2.0) / 360.0)
        return min(lons) + turn <= east + wide and max(lons) + turn >= west - wide

    def interval(self) -> times.Interval:
        return Fraction(times.us(self.owner.enter)), Fraction(times.us(self.owner.leave))

    def within(self, low: Fraction | None, high: Fraction | None) -> list[Stretch]:
        """The stretches, cut to where their height is between low and high."""
        span = plane.height_span(self.heights, low, high)
        if span is None:
            return []
        if isinstance(self.owner, Disc):
            return self.stretches
        found: list[Stretch] = []
        for s in self.stretches:
            begin, end = max(s.t[0], span[0]), min(s.t[1], span[1])
            if begin > end or (begin == end and len(self.stretches) > 1 and span[0] < span[1]):
                continue
            if (begin, end) == s.t:
                found.append(s)
            else:
                width = s.t[1] - s.t[0]
                ends = [plane.at(s.a, s.b, (t - s.t[0]) / width) for t in (begin, end)]
                found.append(Stretch((begin, end), ends[0], ends[1], s.sag_m))
        return found


class Outline:
    """A polygon's rings in exact degrees, brought beside a longitude."""

    def __init__(self, zone: Zone, beside_deg: float) -> None:
        shell = [p.lon_deg for p in zone.area.shell]
        turn = 360 * round((beside_deg - (min(shell) + max(shell)) / 2.0) / 360.0)
        self.rings = [
            [(Fraction(p.lon_deg) + turn, Fraction(p.lat_deg)) for p in ring]
            for ring in (zone.area.shell, *zone.area.holes)
        ]
        lats = [p.lat_deg for p in zone.area.shell]
        self.box = (min(shell) + turn, min(lats), max(shell) + turn, max(lats))


class Patch:
    """A stretch and rings in whole numbers of one unit, by an enclosure of the metres a degree."""

    def __init__(self, s: Stretch, rings: plane.Rings, reach_m: Fraction, *, greatest: bool):
        pad = reach_m / earth.LATITUDE_M
        south, north = min(s.a[1], s.b[1]) - pad, max(s.a[1], s.b[1]) + pad
        east, up = earth.scales(float(south), float(north), greatest=greatest)
        # the strip's ends are rounded to floats: a billionth of a degree is taken care of by slack
        unit = math.lcm(
            *(v.denominator for p in (s.a, s.b) for v in p),
            *(v.denominator for ring in rings for p in ring for v in p),
        )
        x0, y0 = (v.numerator * (unit // v.denominator) for v in s.a)

        def place(p: plane.Point) -> plane.Point:
            x, y = p
            return (
                (x.numerator * (unit // x.denominator) - x0) * east,
                (y.numerator * (unit // y.denominator) - y0) * up,
            )

        self.a, self.b = place(s.a), place(s.b)
        self.rings = [[place(p) for p in ring] for ring in rings]
        self.one_m = unit * 2**earth.SCALE_BITS

    def metres(self, reach_m: Fraction, *, up: bool) -> int:
        value = reach_m * self.one_m
        return math.ceil(value) if up else math.floor(value)


def _beside(s: Stretch, box: tuple[float, ...], reach_m: Fraction) -> bool:
    """Whether the boxes of stretch and zone may be within reach; floats, with room for rounding."""
    (x0, y0), (x1, y1) = s.a, s.b
    (x0, y0, x1, y1), high = (float(v) for v in (x0, y0, x1, y1)), float(reach_m) / 110_000.0 + 1e-9
    top = min(max(abs(y0), abs(y1)) + high, 89.0)
    wide = high / math.cos(math.radians(top)) * 1.001
    return (
        min(x0, x1) - wide <= box[2]
        and max(x0, x1) + wide >= box[0]
        and min(y0, y1) - high <= box[3]
        and max(y0, y1) + high >= box[1]
    )


Span = tuple[Fraction, Fraction]


def _joined(spans: list[Span]) -> Span | None:
    return (min(s for s, _ in spans), max(t for _, t in spans)) if spans else None


def _of_leg(s: Stretch, part: Span) -> Span:
    width = s.t[1] - s.t[0]
    return s.t[0] + part[0] * width, s.t[0] + part[1] * width


def certain_polygon(
    stretches: list[Stretch], outline: Outline, width_m: float, *, where: bool = True
) -> Span | None:
    """Bounds, never too wide, of the parameters at which the corridor surely touches.

    Where these are not asked for, any of them.
    """
    width = Fraction(width_m)
    found: list[Span] = []
    for s in stretches:
        reach = width - s.sag_m
        if not _beside(s, outline.box, width):
            continue
        patch = Patch(s, outline.rings, width, greatest=True)
        a, b = patch.a, patch.b
        if reach >= 0 and not where:
            if plane.near(a, b, patch.rings, patch.metres(reach, up=False)):
                return s.t
        elif reach >= 0:
            span = plane.touch_span(
                a, b, patch.rings, patch.metres(reach, up=False), outer=False
            )  # fmt: skip
            if span is not None:
                found.append(_of_leg(s, span))
        if reach >= 0:
            continue
        # the line is known up to its sag: where it is deeper inside than that, it is inside
        deep = (patch.metres(-reach, up=True) + 1) ** 2
        for start, middle, end in plane.bits(a, b, [patch.rings]):
            for p in (start, middle, end):
                if plane.inside(p, patch.rings) and (
                    plane.squared_to_border(p, p, patch.rings) > deep
                ):
                    t = _parameter(a, b, p)
                    found.append(_of_leg(s, (t, t)))
    return _joined(found)


def _parameter(a: plane.Point, b: plane.Point, p: plane.Point) -> Fraction:
    k = 0 if a[0] != b[0] else 1
    return Fraction(p[k] - a[k], b[k] - a[k]) if a[k] != b[k] else Fraction(0)


def possible_polygon(
    stretches: list[Stretch],
    outline: Outline,
    width_m: float,
    tolerance_m: float,
    *,
    where: bool = True,
) -> tuple[Span | None, float]:
    """Bounds, never too narrow, of the parameters that may be called touched; least excess."""
    found: list[Span] = []
    excess = math.inf
    for s in stretches:
        reach = Fraction(width_m) + Fraction(tolerance_m) + s.sag_m
        if not _beside(s, outline.box, reach):
            continue
        patch = Patch(s, outline.rings, reach, greatest=False)
        far = patch.metres(reach, up=True)
        if not plane.near(patch.a, patch.b, patch.rings, far):
            continue
        span = where and plane.touch_span(patch.a, patch.b, patch.rings, far, outer=True)
        found.append(_of_leg(s, span or (Fraction(0), Fraction(1))))
        squared = plane.squared_distance(patch.a, patch.b, patch.rings)
        off_m = math.sqrt(squared / patch.one_m**2)
        excess = min(excess, off_m - width_m - float(s.sag_m))
    return _joined(found), excess


def certain_circle(stretches: list[Stretch], area: CircleArea, width_m: float) -> Span | None:
    """The same for a circle, by its geodesic radius."""
    found: list[Span] = []
    reach = area.radius_m + width_m
    for s in stretches:
        bounds = earth.range_bounds(area.center, s.a, s.b, reach)
        if Fraction(bounds.least_high_m) + s.sag_m <= Fraction(area.radius_m) + Fraction(width_m):
            t = Fraction(bounds.at)
            found.append(_of_leg(s, (t, t)))
    return _joined(found)


def possible_circle(
    stretches: list[Stretch], area: CircleArea, width_m: float, tolerance_m: float
) -> tuple[Span | None, float]:
    found: list[Span] = []
    excess = math.inf
    reach = area.radius_m + width_m + tolerance_m
    for s in stretches:
        bounds = earth.range_bounds(area.center, s.a, s.b, reach)
        if bounds.least_low_m - float(s.sag_m) <= reach:
            found.append(s.t)
            off_m = bounds.least_low_m - area.radius_m - width_m - float(s.sag_m)
            excess = min(excess, off_m)
    return _joined(found), excess


def _near_circle(track: Track, area: CircleArea, far_m: float) -> bool:
    """A coarse no, for most circles: both ends farther than the whole leg and the reach."""
    ends = (track.stretches[0].a, track.stretches[-1].b)
    away = earth.ranges(area.center, [float(p[0]) for p in ends], [float(p[1]) for p in ends])
    length = earth.ranges(
        LatLon(float(ends[0][1]), float(earth.wrapped(ends[0][0]))),
        [float(ends[1][0])], [float(ends[1][1])],
    )[0]  # fmt: skip
    return min(away) <= far_m + length + 20.0


def certain(track: Track, zone: Zone, ground: Ground) -> bool:
    """Whether a leg or disc surely touches a zone, its hours included: it must be told."""
    if not track.beside(zone):
        return False
    (low, high), _ = limits(zone, ground)
    stretches = track.within(low, high)
    if not stretches:
        return False
    area, width = zone.area, track.width_m
    if isinstance(area, CircleArea):
        if not _near_circle(track, area, area.radius_m + width):
            return False
        part = certain_circle(stretches, area, width)
    else:
        where = zone.schedule != ALWAYS
        outline = Outline(zone, track.middle_deg)
        part = certain_polygon(stretches, outline, width, where=where)
    return part is not None and _at_hand(track, zone, part, outer=False)


def possible(track: Track, zone: Zone, ground: Ground, *, stated: bool = True) -> Touch | None:
    """Within the stated tolerances, how a leg or disc may be said to touch a zone; None: not.

    Without them (not `stated`) None is a proof that it does not touch.
    """
    if not track.beside(zone):
        return None
    (low, high), _ = limits(zone, ground)
    slack = HEIGHT_TOLERANCE_M if stated else Fraction(0)
    stretches = track.within(
        None if low is None else low - slack, None if high is None else high + slack
    )
    if not stretches:
        return None
    area, width = zone.area, track.width_m
    if isinstance(area, CircleArea):
        tolerance = track.round_tolerance_m + float(CIRCLE_TOLERANCE_M) if stated else 0.0
        if not _near_circle(track, area, area.radius_m + width + tolerance):
            return None
        part, excess = possible_circle(stretches, area, width, tolerance)
    else:
        tolerance = track.tolerance_m if stated else 0.0
        outline = Outline(zone, track.middle_deg)
        where = zone.schedule != ALWAYS
        part, excess = possible_polygon(stretches, outline, width, tolerance, where=where)
    if part is None or not _at_hand(track, zone, part, outer=True):
        return None
    return Touch(excess if excess > 0.0 else None, tolerance)


def _at_hand(track: Track, zone: Zone, part: Span, *, outer: bool) -> bool:
    """Whether the zone applies while a part is passed."""
    owner = track.owner
    if zone.schedule == ALWAYS:
        return True
    if isinstance(owner, Disc):
        return times.active_during(zone.schedule, track.interval(), doubtful=outer)
    interval = times.passage(owner.enter, owner.leave, part, outer=outer)
    return times.active_during(zone.schedule, interval, doubtful=outer)


def speed_excess(leg: PathLeg, limit_mps: float) -> float:
    """How much faster than a limit a leg is moved along, metres a second."""
    if leg.speed_mps is not None:
        return leg.speed_mps - limit_mps
    ends = earth.ranges(leg.start, [leg.end.lon_deg], [leg.end.lat_deg])
    seconds = (leg.leave - leg.enter).total_seconds()
    if ends[0] == 0.0:
        return -limit_mps
    return ends[0] / seconds - limit_mps if seconds > 0.0 else math.inf
