"""How a robot's own map lies on the site map: a rotation and a shift, from surveyed points.

Owns the fit and its refusals. Robots of one type map a site by themselves, so their frame is
turned and shifted against the operator's; points that were measured in both tell how (the common
coordinate system of ISO 21423 is found the same way). Least squares in closed form: Umeyama,
"Least-squares estimation of transformation parameters between two point patterns", IEEE PAMI 13
(1991), in two dimensions and without scale.

    SurveyError   the points do not tell a transform: reason, and what to do
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

DEFAULT_LIMIT_M = 0.25
"""Farthest that a surveyed point may be from where the fit puts it."""

LEAST_POINTS = 3

_SAME_POINT_M = 0.01

_LEAST_WIDTH = 0.05
"""Of the points' length: narrower is a line, and a line does not tell left from right."""

_SCALE_TOLD = 0.005
"""A map whose metres differ by more than this has other units."""

Point = tuple[float, float]


class SurveyError(ValueError):
    """Surveyed points from which no transform may be taken."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RigidTransform:
    """From the site map to a robot's map: turned counter-clockwise by `turn_rad`, then shifted."""

    turn_rad: float = 0.0
    x_m: float = 0.0
    y_m: float = 0.0

    def forward(self, x_m: float, y_m: float) -> Point:
        """A place of the site map, on the robot's map."""
        cos, sin = math.cos(self.turn_rad), math.sin(self.turn_rad)
        return cos * x_m - sin * y_m + self.x_m, sin * x_m + cos * y_m + self.y_m

    def backward(self, x_m: float, y_m: float) -> Point:
        """A place of the robot's map, on the site map."""
        cos, sin = math.cos(self.turn_rad), math.sin(self.turn_rad)
        dx, dy = x_m - self.x_m, y_m - self.y_m
        return cos * dx + sin * dy, -sin * dx + cos * dy


NO_TURN = RigidTransform()


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One place measured in both frames, metres."""

    name: str
    site: Point
    robot: Point


@dataclass(frozen=True, slots=True)
class Residual:
    """How far the fit puts a point from where the robot's map has it."""

    name: str
    x_m: float
    y_m: float

    @property
    def off_m(self) -> float:
        """Length of the difference."""
        return math.hypot(self.x_m, self.y_m)


@dataclass(frozen=True, slots=True)
class Fit:
    """The transform, and what is left of each point."""

    transform: RigidTransform
    residuals: tuple[Residual, ...]
    scale: float
    """What a free scale would have been: 1 where both frames count the same metres."""

    @property
    def rms_m(self) -> float:
        """Root of the mean square of the residuals."""
        return math.sqrt(math.fsum(r.off_m**2 for r in self.residuals) / len(self.residuals))

    @property
    def worst(self) -> Residual:
        """The point that fits least."""
        return max(self.residuals, key=lambda r: r.off_m)


def fit_rigid(points: Sequence[Surveyed], limit_m: float = DEFAULT_LIMIT_M) -> Fit:
    """The transform that fits best. Raises SurveyError, with the reason, where none may be used.

    Refused: fewer than three places, places on a line, a mirrored frame, other units, and any
    residual over `limit_m`.
    """
    _check_places(points)
    fit = _fit(points)
    if _mirrored(points):
        raise SurveyError(
            "the robot's map is mirrored against the site: x and y are swapped, or one of them "
            "counts the other way; a map of VDA 5050 is right-handed with z up"
        )
    if fit.worst.off_m > limit_m and _other_units(points, fit, limit_m):
        raise SurveyError(
            f"the robot's map counts {fit.scale:.4f} for a metre of the site: give its coordinates "
            "in metres (feet are 3.2808), or survey again"
        )
    if fit.worst.off_m > limit_m:
        raise SurveyError(
            f"point {fit.worst.name} is {fit.worst.off_m:.3f} m off the fit, over the limit of "
            f"{limit_m:g} m (all: {_told(fit)}){_hint(points, fit, limit_m)}"
        )
    return fit


def _check_places(points: Sequence[Surveyed]) -> None:
    names = [p.name for p in points]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SurveyError(f"point {twice[0]} is named twice: each must be its own")
    for point in points:
        if not all(math.isfinite(v) for v in (*point.site, *point.robot)):
            raise SurveyError(f"point {point.name} has a coordinate that is no finite number")
    places: list[Surveyed] = []
    for point in points:
        if all(math.dist(point.site, other.site) > _SAME_POINT_M for other in places):
            places.append(point)
    if len(places) < LEAST_POINTS:
        raise SurveyError(
            f"{len(places)} different places do not tell a rotation and whether it holds: survey "
            f"at least {LEAST_POINTS}, far apart and not on a line"
        )
    for frame, spots in (
        ("site", [p.site for p in points]),
        ("robot's", [p.robot for p in points]),
    ):
        length, width = _extent(spots)
        if width < _LEAST_WIDTH * length:
            raise SurveyError(
                f"the points lie on a line on the {frame} map ({length:.2f} m long, {width:.2f} m "
                "wide): survey one that is well off it"
            )


def _extent(spots: Sequence[Point]) -> tuple[float, float]:
    """Spread along and across the main axis: roots of the eigenvalues of the scatter."""
    (cx, cy), n = _center(spots), len(spots)
    xx = math.fsum((x - cx) ** 2 for x, _ in spots) / n
    yy = math.fsum((y - cy) ** 2 for _, y in spots) / n
    xy = math.fsum((x - cx) * (y - cy) for x, y in spots) / n
    half, root = (xx + yy) / 2.0, math.hypot((xx - yy) / 2.0, xy)
    return math.sqrt(half + root), math.sqrt(max(0.0, half - root))


def _center(spots: Sequence[Point]) -> Point:
    return (
        math.fsum(x for x, _ in spots) / len(spots),
        math.fsum(y for _, y in spots) / len(spots),
    )


def _sums(points: Sequence[Surveyed]) -> tuple[float, float, float, float]:
    """Dot and cross of the centred points, and the same against the mirrored ones."""
    (ax, ay), (bx, by) = _center([p.site for p in points]), _center([p.robot for p in points])
    dot = cross = mirror_dot = mirror_cross = 0.0
    for point in points:
        x, y = point.site[0] - ax, point.site[1] - ay
        u, v = point.robot[0] - bx, point.robot[1] - by
        dot, cross = dot + x * u + y * v, cross + x * v - y * u
        mirror_dot, mirror_cross = mirror_dot + x * u - y * v, mirror_cross + x * v + y * u
    return dot, cross, mirror_dot, mirror_cross


def _mirrored(points: Sequence[Surveyed]) -> bool:
    dot, cross, mirror_dot, mirror_cross = _sums(points)
    return math.hypot(mirror_dot, mirror_cross) > math.hypot(dot, cross)


def _other_units(points: Sequence[Surveyed], fit: Fit, limit_m: float) -> bool:
    """Whether a scale alone would make the points fit."""
    if abs(fit.scale - 1.0) <= _SCALE_TOLD:
        return False
    scaled = [
        Surveyed(p.name, p.site, (p.robot[0] / fit.scale, p.robot[1] / fit.scale)) for p in points
    ]
    return _fit(scaled).worst.off_m <= limit_m


def _fit(points: Sequence[Surveyed]) -> Fit:
    dot, cross, _, _ = _sums(points)
    turn = math.atan2(cross, dot)
    (ax, ay), (bx, by) = _center([p.site for p in points]), _center([p.robot for p in points])
    x, y = RigidTransform(turn).forward(ax, ay)
    transform = RigidTransform(turn, bx - x, by - y)
    spread = math.fsum(math.dist(p.site, (ax, ay)) ** 2 for p in points)
    residuals = []
    for point in points:
        u, v = transform.forward(*point.site)
        residuals.append(Residual(point.name, point.robot[0] - u, point.robot[1] - v))
    return Fit(transform, tuple(residuals), math.hypot(dot, cross) / spread)


def _told(fit: Fit) -> str:
    return ", ".join(f"{r.name} {r.off_m:.3f}" for r in fit.residuals)


def _hint(points: Sequence[Surveyed], fit: Fit, limit_m: float) -> str:
    """Whether one point alone is to blame."""
    if len(points) <= LEAST_POINTS:
        return ": survey again, with a fourth point that tells which one is wrong"
    for name in sorted((r.name for r in fit.residuals), key=lambda n: n != fit.worst.name):
        rest = [p for p in points if p.name != name]
        try:
            _check_places(rest)
        except SurveyError:
            continue
        worst_m = _fit(rest).worst.off_m
        if worst_m <= limit_m and not _mirrored(rest):
            return f": without {name} the others fit within {worst_m:.3f} m, survey it again"
    return ": more than one point is wrong, survey again"
