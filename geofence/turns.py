"""How far a vehicle that does not stop at its waypoints leaves the straight legs between them.

Owns the formulas of the turn and the parts of a path that they widen. Must not know zones.

Two kinds. One that slows for corners (ArduCopter, rovers of ArduPilot since 4.1) blends the two
legs so that half way through the turn its target is no farther from the waypoint than the waypoint
radius (SCurve::advance_target_along_track, WPNAV_RADIUS). One that does not slow starts to turn
at the waypoint radius and turns on the circle of its speed and lateral acceleration, r = v^2 / a:
it overshoots the next leg by r (1 - cos t) - d sin t, t the angle of the turn and d the waypoint
radius (the geometry of a fly-over waypoint, ICAO Doc 8168), and comes back to it in an S of two
such circles.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from geofence.errors import PathError
from geofence.frames import LatLon, LocalFrame

_STRAIGHT_RAD = math.radians(0.1)
"""A bend of less is none: its turn stays within a tenth of a percent of its length."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """A turn stays within `width_m` of the two legs, and is back on them before the lengths end."""

    width_m: float
    before_m: float
    """Metres of the leg to the corner."""
    after_m: float


@dataclass(frozen=True, slots=True)
class Widened:
    """A part of a leg, and how much wider the turn at its end makes it. `leg`: its number."""

    leg: int
    start: LatLon
    end: LatLon
    width_m: float


@dataclass(frozen=True, slots=True)
class Turns:
    """How a vehicle turns at waypoints that it flies through."""

    speed_mps: float
    accel_mps2: float
    """Along and across its way, in a turn."""
    waypoint_radius_m: float
    slows: bool = True
    """For its corners, so that it passes them within the waypoint radius."""

    def __post_init__(self) -> None:
        for name in ("speed_mps", "accel_mps2", "waypoint_radius_m"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise PathError(f"turns: {name} {value} must be a positive number")

    @property
    def radius_m(self) -> float:
        """Of the tightest circle at this speed."""
        return self.speed_mps**2 / self.accel_mps2

    def allowance(self, angle_rad: float) -> Allowance:
        """What a turn by this angle (0: straight on, pi: back) needs."""
        if angle_rad < _STRAIGHT_RAD:
            return Allowance(0.0, 0.0, 0.0)
        return self._blended(angle_rad) if self.slows else self._overshot(angle_rad)

    def _blended(self, angle: float) -> Allowance:
        """The target is corner - rest u1 + gone u2: within gone and rest of the two legs.

        The lesser of rest and gone is greatest where they are equal, half way; there the distance
        from the corner, 2 rest sin(t / 2), is at most the waypoint radius, and rest at most what
        braking to a stop takes. Braking evenly, the turn is four times as long as its second half.
        """
        stop_m = self.speed_mps**2 / (2.0 * self.accel_mps2)
        rest_m = min(self.waypoint_radius_m / (2.0 * math.sin(angle / 2.0)), stop_m)
        width = rest_m * math.sin(angle) if angle < math.pi / 2.0 else self.waypoint_radius_m
        along_m = min(4.0 * rest_m, stop_m) + self.waypoint_radius_m
        return Allowance(min(width, self.waypoint_radius_m), along_m, along_m)

    def _overshot(self, angle: float) -> Allowance:
        r, d = self.radius_m, self.waypoint_radius_m
        # on the inside it turns off at the waypoint radius, no sooner
        width = max(d, r * (1.0 - math.cos(angle)) - d * math.sin(angle))
        level_m = r * math.sin(angle) - d * math.cos(angle)
        back_m = math.sqrt(width * max(4.0 * r - width, width))
        return Allowance(width, d, max(level_m, d) + back_m)


def corner_angle_rad(before: LatLon, corner: LatLon, after: LatLon) -> float:
    """By how much a way turns at a corner: 0 straight on, pi back."""
    frame = LocalFrame(corner)
    (ax, ay), (bx, by) = frame.xy(before), frame.xy(after)
    return abs(math.atan2(ay * bx - ax * by, -(ax * bx + ay * by)))


def widened(points: Sequence[LatLon], turns: Turns) -> Iterator[Widened]:
    """The parts of the legs between points that turns at the inner points need wider."""
    for number, (before, corner, after) in enumerate(
        zip(points, points[1:], points[2:], strict=False)
    ):
        allowed = turns.allowance(corner_angle_rad(before, corner, after))
        if allowed.width_m <= 0.0:
            continue
        yield Widened(
            number, *_part(corner, before, allowed.before_m)[::-1], width_m=allowed.width_m
        )
        yield Widened(number + 1, *_part(corner, after, allowed.after_m), width_m=allowed.width_m)


def _part(corner: LatLon, other: LatLon, length_m: float) -> tuple[LatLon, LatLon]:
    """The corner, and the place this far from it on the line of longitude and latitude."""
    x, y = LocalFrame(corner).xy(other)
    whole_m = math.hypot(x, y)
    share = min(1.0, length_m / whole_m) if whole_m > 0.0 else 1.0
    if share >= 1.0:
        return corner, other
    dlon = (other.lon_deg - corner.lon_deg + 180.0) % 360.0 - 180.0
    lat = corner.lat_deg + share * (other.lat_deg - corner.lat_deg)
    return corner, LatLon(lat, (corner.lon_deg + share * dlon + 180.0) % 360.0 - 180.0)


def widest_m(points: Sequence[LatLon], turns: Turns) -> float:
    """The greatest width that any turn needs; 0 for a straight way."""
    return max(
        (
            turns.allowance(corner_angle_rad(a, b, c)).width_m
            for (a, b), (_, c) in itertools.pairwise(itertools.pairwise(points))
        ),
        default=0.0,
    )
