"""How the body moves: straight legs, stopping, climbing and landing, without attitude.

Owns position and velocity in the autopilot's own frame (``frame.NorthEastFrame``). Speeds
and accelerations are bounded as ArduPilot's AC_WPNav bounds them; a leg is exactly
straight, a corner is passed at the speed that a turn within the waypoint radius allows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from sitl.copter.frame import Vec3

MIN_CREEP_MPS = 0.15
# shares of the limits that ArduPilot's snap-limited S-curves use on average, and the share of
# the waypoint radius that it cuts from a corner: fitted to flown speeds of ArduCopter 4.6.2
BRAKING_SHARE, JERK_SHARE, CORNER_SHARE = 0.75, 0.65, 0.3


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a leg: metres per second, per second squared, per second cubed."""

    speed_xy: float
    speed_up: float
    speed_down: float
    accel_xy: float
    accel_z: float
    jerk: float


@dataclass(slots=True)
class Body:
    """Position (north, east from the frame's origin, altitude AMSL; metres) and velocity."""

    north_m: float
    east_m: float
    alt_m: float
    heading_deg: float
    vn: float = 0.0
    ve: float = 0.0
    vu: float = 0.0

    @property
    def at(self) -> Vec3:
        """The position."""
        return self.north_m, self.east_m, self.alt_m

    @property
    def speed_mps(self) -> float:
        """Speed over ground."""
        return math.hypot(self.vn, self.ve)

    def place(self, at: Vec3) -> None:
        """Set the position."""
        self.north_m, self.east_m, self.alt_m = at

    def stop(self) -> None:
        """Set the velocity to zero."""
        self.vn = self.ve = self.vu = 0.0

    def brake(self, dt_s: float, accel_xy: float, accel_z: float) -> bool:
        """One step of slowing to a stop along the present velocity; True when standing."""
        speed = self.speed_mps
        left = max(0.0, speed - accel_xy * dt_s)
        factor = left / speed if speed > 0.0 else 0.0
        climb = math.copysign(max(0.0, abs(self.vu) - accel_z * dt_s), self.vu)
        self.north_m += (1.0 + factor) / 2.0 * self.vn * dt_s
        self.east_m += (1.0 + factor) / 2.0 * self.ve * dt_s
        self.alt_m += (self.vu + climb) / 2.0 * dt_s
        self.vn, self.ve, self.vu = self.vn * factor, self.ve * factor, climb
        return left == 0.0 and climb == 0.0

    def turn_towards(self, heading_deg: float, dt_s: float, rate_dps: float = 60.0) -> None:
        """One step of yaw."""
        error = (heading_deg - self.heading_deg + 180.0) % 360.0 - 180.0
        step = min(abs(error), rate_dps * dt_s)
        self.heading_deg = (self.heading_deg + math.copysign(step, error)) % 360.0


def along(direction: Vec3, limits: Limits) -> tuple[float, float]:
    """Greatest speed and acceleration along a unit ``direction`` (AC_WPNav kinematic limit)."""
    flat = math.hypot(direction[0], direction[1])
    steep = abs(direction[2])
    vertical = limits.speed_up if direction[2] >= 0.0 else limits.speed_down
    speed = min(
        limits.speed_xy / flat if flat > 1e-6 else math.inf,
        vertical / steep if steep > 1e-6 else math.inf,
    )
    accel = min(
        limits.accel_xy / flat if flat > 1e-6 else math.inf,
        limits.accel_z / steep if steep > 1e-6 else math.inf,
    )
    return speed, accel


def corner_speed(into: Vec3, out: Vec3, radius_m: float, accel: float) -> float:
    """Speed at which a turn stays within ``radius_m`` of the corner, at ``accel`` sideways."""
    cosine = max(-1.0, min(1.0, sum(a * b for a, b in zip(into, out, strict=True))))
    half = math.acos(cosine) / 2.0
    if half < 1e-3:
        return math.inf
    if half > math.radians(80.0):
        return 0.0
    return math.sqrt(accel * radius_m / (1.0 / math.cos(half) - 1.0))


def unit(start: Vec3, end: Vec3) -> tuple[Vec3, float]:
    """Direction and length from ``start`` to ``end``; (0, 0, 0) where they coincide."""
    delta = (end[0] - start[0], end[1] - start[1], end[2] - start[2])
    length = math.sqrt(delta[0] ** 2 + delta[1] ** 2 + delta[2] ** 2)
    if length < 1e-6:
        return (0.0, 0.0, 0.0), 0.0
    return (delta[0] / length, delta[1] / length, delta[2] / length), length


@dataclass(slots=True)
class Leg:
    """A straight flight from ``start`` to ``end`` with bounded speed, acceleration and jerk."""

    start: Vec3
    end: Vec3
    limits: Limits
    entry_speed: float = 0.0
    exit_speed: float = 0.0
    direction: Vec3 = field(init=False)
    length_m: float = field(init=False)
    done_m: float = field(init=False, default=0.0)
    speed: float = field(init=False)
    accel: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.direction, self.length_m = unit(self.start, self.end)
        self.speed = self.entry_speed

    @property
    def finished(self) -> bool:
        """Whether the end is reached."""
        return self.done_m >= self.length_m

    def advance(self, dt_s: float, *, paused: bool = False) -> tuple[Vec3, Vec3]:
        """One step; position and velocity. ``paused`` slows to a stop on the track."""
        top, accel = along(self.direction, self.limits)
        if self.finished or math.isinf(top):
            self.done_m = self.length_m
            return self.end, (0.0, 0.0, 0.0)
        exit_speed = min(self.exit_speed, top)
        left = self.length_m - self.done_m
        braking = math.sqrt(2.0 * BRAKING_SHARE * accel * left + exit_speed * exit_speed)
        ceiling = 0.0 if paused else max(min(top, braking), min(MIN_CREEP_MPS, top))
        before = self.speed
        if before < ceiling:
            jerk = JERK_SHARE * self.limits.jerk
            easing = math.sqrt(2.0 * jerk * (ceiling - before))
            self.accel = min(self.accel + jerk * dt_s, accel, max(easing, jerk * dt_s))
            self.speed = min(before + self.accel * dt_s, ceiling)
        else:
            self.accel = 0.0
            self.speed = max(ceiling, before - 2.0 * accel * dt_s)
        self.done_m = min(self.length_m, self.done_m + (before + self.speed) / 2.0 * dt_s)
        n, e, u = self.direction
        s = self.done_m
        position = (self.start[0] + n * s, self.start[1] + e * s, self.start[2] + u * s)
        if s >= self.length_m:
            position = self.end
        return position, (n * self.speed, e * self.speed, u * self.speed)


class WaypointNav:
    """Flies the body from destination to destination (AC_WPNav, straight legs only)."""

    def __init__(self, body: Body, limits: Limits) -> None:
        self._body = body
        self.limits = limits
        self.radius_m = 2.0
        self.corner_accel = 2.0 * limits.accel_xy
        self.paused = False
        self._leg: Leg | None = None
        self._stopping = False
        self._pending: tuple[Vec3, Vec3 | None] | None = None
        self._then: Vec3 | None = None
        self._carried_on = False

    @property
    def reached(self) -> bool:
        """Whether the destination is reached."""
        if self._pending is not None or self._leg is None:
            return False
        return self._carried_on or self._leg.finished

    @property
    def active(self) -> bool:
        """Whether a destination is set."""
        return self._leg is not None or self._pending is not None

    @property
    def destination(self) -> Vec3 | None:
        """Where it flies to."""
        if self._pending is not None:
            return self._pending[0]
        return self._leg.end if self._leg else None

    def restart(self, limits: Limits, radius_m: float, corner_accel: float) -> None:
        """Forget the destination; the next leg starts where the body can stop."""
        self.limits, self.radius_m = limits, radius_m
        self.corner_accel = corner_accel or 2.0 * limits.accel_xy
        self.paused = self._carried_on = False
        self._leg = self._pending = self._then = None

    def fly_to(self, end: Vec3, then: Vec3 | None = None) -> None:
        """Set a destination, and the one after it if it may be passed without stopping."""
        leg, pending = self._leg, self._pending
        carried_on, self._carried_on = self._carried_on, False
        if carried_on and leg is not None and leg.end == end:
            self._then = then
        elif leg is not None and leg.finished and pending is None:
            self._begin(leg.end, end, then, entry=leg.speed)
        else:
            self._leg, self._pending = None, (end, then)

    def advance(self, dt_s: float) -> None:
        """Move the body one step."""
        body = self._body
        if self._pending is not None:
            if not body.brake(dt_s, self.limits.accel_xy, self.limits.accel_z):
                return
            (end, then), self._pending = self._pending, None
            self._begin(body.at, end, then, entry=0.0)
        if self._leg is None:
            body.brake(dt_s, self.limits.accel_xy, self.limits.accel_z)
            return
        if self._leg.finished and self._then is not None:
            # passed without stopping and nobody set a new destination (the mission was cut):
            # the leg that was loaded as the next one is flown to its end
            self._begin(self._leg.end, self._then, None, entry=self._leg.speed)
            self._carried_on = True
        position, (body.vn, body.ve, body.vu) = self._leg.advance(dt_s, paused=self.paused)
        body.place(position)
        if math.hypot(self._leg.end[0] - self._leg.start[0], self._leg.end[1] - self._leg.start[1]):
            flat = self._leg.direction
            if math.hypot(flat[0], flat[1]) * self._leg.length_m > self.radius_m:
                body.turn_towards(math.degrees(math.atan2(flat[1], flat[0])), dt_s)

    def _begin(self, start: Vec3, end: Vec3, then: Vec3 | None, *, entry: float) -> None:
        into, _ = unit(start, end)
        self._then = then
        exit_speed = 0.0
        if then is not None:
            out, length = unit(end, then)
            if length > 0.0:
                exit_speed = min(
                    corner_speed(into, out, self.radius_m * CORNER_SHARE, self.corner_accel),
                    along(into, self.limits)[0],
                    along(out, self.limits)[0],
                )
        self._leg = Leg(start, end, self.limits, entry_speed=entry, exit_speed=exit_speed)
