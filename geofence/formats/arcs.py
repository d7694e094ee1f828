"""Arcs of circles as corners of polygons, on the safe side.

Owns the rule that a zone drawn with corners holds all of the zone drawn with arcs: where the arc
bulges out of the zone its corners lie outside of it, on tangents; where it bites into the zone
they lie on it. Must not know file formats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from geofence.frames import LatLon, bearing_deg, geodesic_m, offset

MAX_OVERSHOOT_M = 1.0
"""How far a corner of a tangent may lie outside of the arc."""

_SLACK_M = 0.05
"""What a straight line in longitude and latitude strays from a geodesic between two corners."""

_SAME_DEG = 1e-9

_MAX_STEP_DEG = 5.0
_MIN_STEP_DEG = 0.05


@dataclass(frozen=True, slots=True)
class Arc:
    """Between two corners, from one azimuth about a center to another; equal is the whole circle.

    Where its ends are not equally far from the center, `radius_m` is the farther and `least_m`
    the nearer.
    """

    center: LatLon
    radius_m: float
    least_m: float
    start_deg: float
    end_deg: float
    clockwise: bool

    @property
    def sweep_deg(self) -> float:
        """How far it turns, above 0 to 360 degrees."""
        turn = self.end_deg - self.start_deg if self.clockwise else self.start_deg - self.end_deg
        return turn % 360.0 or 360.0

    def at(self, share: float, radius_m: float) -> LatLon:
        """The point at a share of the sweep, at another radius."""
        sign = 1.0 if self.clockwise else -1.0
        return offset(self.center, self.start_deg + sign * share * self.sweep_deg, radius_m)


def arc_between(center: LatLon, start: LatLon, end: LatLon, *, clockwise: bool) -> Arc:
    """The arc about `center` from one point to another.

    Raises ValueError where they are not equally far from it: by more than a twentieth and 100 m.
    """
    near, far = sorted((geodesic_m(center, start), geodesic_m(center, end)))
    if far - near > 100.0 + 0.05 * far:
        raise ValueError(f"its ends are {near:.0f} m and {far:.0f} m from its center")
    return Arc(center, far, near, bearing_deg(center, start), bearing_deg(center, end), clockwise)


def outline(parts: Sequence[LatLon | Arc]) -> tuple[LatLon, ...]:
    """The open ring of corners, and arcs between them, holding all that they enclose."""
    rough = _ring(parts, bulging=None)
    return _ring(parts, bulging=_is_clockwise(rough))


def _ring(parts: Sequence[LatLon | Arc], *, bulging: bool | None) -> tuple[LatLon, ...]:
    """`bulging`: the direction that arcs bulge out in; None: every corner on its arc."""
    found: list[LatLon] = []
    for part in parts:
        if isinstance(part, LatLon):
            found.append(part)
        elif bulging is part.clockwise:
            found.extend(_tangents(part))
        else:
            found.extend(_chords(part))
    corners: list[LatLon] = []
    for corner in found:
        if not corners or not _same(corner, corners[-1]):
            corners.append(corner)
    while len(corners) > 1 and _same(corners[0], corners[-1]):
        corners.pop()
    return tuple(corners)


def _same(a: LatLon, b: LatLon) -> bool:
    return (
        abs(a.lat_deg - b.lat_deg) < _SAME_DEG
        and abs((a.lon_deg - b.lon_deg + 180.0) % 360.0 - 180.0) < _SAME_DEG
    )


def _steps(arc: Arc) -> int:
    half = math.acos(max(0.0, 1.0 - MAX_OVERSHOOT_M / max(arc.radius_m, MAX_OVERSHOOT_M)))
    step = min(_MAX_STEP_DEG, max(_MIN_STEP_DEG, math.degrees(2.0 * half)))
    return max(2, math.ceil(arc.sweep_deg / step))


def _chords(arc: Arc) -> list[LatLon]:
    steps = _steps(arc)
    radius_m = max(0.0, arc.least_m - _SLACK_M)
    return [arc.at(number / steps, radius_m) for number in range(1, steps)]


def _tangents(arc: Arc) -> list[LatLon]:
    steps = _steps(arc)
    half = math.radians(arc.sweep_deg / steps / 2.0)
    radius_m = arc.radius_m / math.cos(half) + _SLACK_M
    return [arc.at((number + 0.5) / steps, radius_m) for number in range(steps)]


def _is_clockwise(ring: Sequence[LatLon]) -> bool:
    """By the signed area in longitude and latitude, continuous about the first corner."""
    if not ring:
        return True
    lon0 = ring[0].lon_deg
    xy = [((p.lon_deg - lon0 + 180.0) % 360.0 - 180.0, p.lat_deg) for p in ring]
    turned = [*xy[1:], xy[0]]
    return sum(ax * by - bx * ay for (ax, ay), (bx, by) in zip(xy, turned, strict=True)) < 0.0
