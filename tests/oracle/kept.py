"""What must hold of one leg or disc against the keep-ins that bind it.

Owns the same two statements as judge.py for what is to be kept: the corridor within the union of
the zones demanded. The rule is the stated one: the union of those that apply throughout; where
there is none, each of those that apply at some moment.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

from geofence.path import FlightPath
from geofence.zones import CircleArea, Zone, ZoneKind
from tests.oracle import earth, plane, times
from tests.oracle.earth import Stretch
from tests.oracle.judge import Ground, Outline, Patch, Touch, Track, binds, limits

LIMIT_M = Fraction(2, 1_000_000)
"""A height limit is kept up to a millionth of a metre, and rounding."""

CIRCLE_M = Fraction(8, 100)
"""A round keep-in is taken that much smaller at most."""

SEAM_M = Fraction(2, 10_000)
"""Neighbours are joined on a grid of 0.1 mm."""

TINY = Fraction(1, 2**40)

Group = tuple[Zone, ...]


def demanded(path: FlightPath, track: Track, zones: Sequence[Zone]) -> list[Group]:
    """Groups, the union of each of which is to be kept."""
    binding = [z for z in zones if z.kind is ZoneKind.KEEP_IN and binds(z, path)]
    interval = track.interval()
    active = [z for z in binding if times.active_during(z.schedule, interval)]
    steady = [z for z in active if times.active_throughout(z.schedule, interval)]
    return [tuple(steady)] if steady else [(zone,) for zone in active]


def certain(track: Track, groups: list[Group], ground: Ground) -> bool:
    """Whether a union is surely left."""
    return any(
        not holding or _surely_left(stretches, holding, track)
        for group in groups
        for stretches, holding in _parts(track, group, ground, LIMIT_M)
    )


def possible(
    track: Track, groups: list[Group], ground: Ground, *, stated: bool = True
) -> Touch | None:
    """Within the stated tolerances, how a union may be said to be left; None: it is kept.

    Without them (not `stated`) None is a proof that it is kept; heights apart, whose limits are
    kept up to LIMIT_M.
    """
    worst: list[float] = []
    slack = Fraction(0) if stated else LIMIT_M
    for group in groups:
        for stretches, holding in _parts(track, group, ground, slack):
            left = _maybe_left(stretches, holding, track, stated) if holding else -math.inf
            if left is not None:
                worst.append(left)
    if not worst:
        return None
    excess = min(worst)
    is_round = any(isinstance(zone.area, CircleArea) for group in groups for zone in group)
    most = track.tolerance_m + float(CIRCLE_M if is_round else SEAM_M)
    return Touch(excess if excess > 0.0 else None, most)


def _parts(
    track: Track, group: Group, ground: Ground, slack: Fraction
) -> list[tuple[list[Stretch], Group]]:
    """Parts of the owner with the zones that hold their height."""
    bands = [(zone, *limits(zone, ground)) for zone in group]
    low, high = track.heights
    marks = {Fraction(0), Fraction(1)}
    if low != high:
        for _, (floor, ceiling), _ in bands:
            for limit, sign in ((floor, -1), (ceiling, 1)):
                if limit is not None:
                    mark = (limit + sign * slack - low) / (high - low)
                    marks.update({mark} if 0 < mark < 1 else ())
    found: list[tuple[list[Stretch], Group]] = []
    for begin, end in itertools.pairwise(sorted(marks)):
        middle = low + (begin + end) / 2 * (high - low)
        holding = tuple(
            zone
            for zone, (floor, ceiling), known in bands
            if known
            and (floor is None or floor - slack <= middle)
            and (ceiling is None or middle <= ceiling + slack)
        )
        ends = sorted((low + begin * (high - low), low + end * (high - low)))
        found.append((track.within(*ends), holding))
    return found


def _areas(s: Stretch, holding: Group, beside: float, reach: Fraction, *, greatest: bool):
    outlines = [Outline(zone, beside).rings for zone in holding]
    patch = Patch(s, [ring for rings in outlines for ring in rings], reach, greatest=greatest)
    rest = iter(patch.rings)
    return patch, [[next(rest) for _ in rings] for rings in outlines]


def _border(areas) -> list[tuple[plane.Point, plane.Point]]:
    return list(plane.edges_of(areas[0])) if len(areas) == 1 else plane.union_border(areas, TINY)


def _surely_left(stretches: list[Stretch], holding: Group, track: Track) -> bool:
    width = Fraction(track.width_m)
    circles = [z.area for z in holding if isinstance(z.area, CircleArea)]
    for s in stretches:
        if circles:
            bounds = earth.range_bounds(circles[0].center, s.a, s.b, circles[0].radius_m)
            far = Fraction(bounds.greatest_low_m) + width - s.sag_m
            if len(holding) == 1 and far > Fraction(circles[0].radius_m):
                return True
            continue
        patch, areas = _areas(s, holding, track.middle_deg, width, greatest=True)
        deep = (patch.metres(s.sag_m, up=True) + 1) ** 2 if s.sag_m else 0
        for p in (p for bit in plane.bits(patch.a, patch.b, areas) for p in bit):
            if any(plane.holds(p, area) for area in areas):
                continue
            if not deep or all(plane.squared_to_border(p, p, area) > deep for area in areas):
                return True
        reach = patch.metres(width - s.sag_m, up=False)
        if width > s.sag_m and any(
            plane.segments_near(patch.a, patch.b, c, d, reach) for c, d in _border(areas)
        ):
            return True
    return False


def _maybe_left(
    stretches: list[Stretch], holding: Group, track: Track, stated: bool
) -> float | None:
    """None where it surely stays within; else how far its corridor stays within, metres."""
    width = Fraction(track.width_m)
    tolerance = Fraction(track.tolerance_m) + SEAM_M if stated else Fraction(0)
    smaller = track.tolerance_m + float(CIRCLE_M) if stated else 0.0
    circles = [z.area for z in holding if isinstance(z.area, CircleArea)]
    least: float | None = None
    for s in stretches:
        reach = width + tolerance + s.sag_m
        if circles:
            area = circles[0]
            bounds = earth.range_bounds(area.center, s.a, s.b, area.radius_m)
            room = area.radius_m - bounds.greatest_high_m - float(width + s.sag_m)
            if len(holding) > 1 or room <= smaller:
                least = min(room, math.inf if least is None else least)
            continue
        patch, areas = _areas(s, holding, track.middle_deg, reach, greatest=False)
        far = patch.metres(reach, up=True)
        border = _border(areas)
        points = [p for bit in plane.bits(patch.a, patch.b, areas) for p in bit]
        if not all(any(plane.holds(p, area) for area in areas) for p in points):
            return -math.inf
        if any(plane.segments_near(patch.a, patch.b, c, d, far) for c, d in border):
            squared = min(plane.squared_between(patch.a, patch.b, c, d) for c, d in border)
            off_m = math.sqrt(squared / patch.one_m**2) - float(width + s.sag_m)
            least = min(off_m, math.inf if least is None else least)
    return least
