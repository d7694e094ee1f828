"""Take-off, waypoints, landing and return, as motions of one body.

Owns the body's state between the ground and the air: spool-up, land detection, the height
rules of landing (ArduCopter ``land_run_vertical_control``, ``land_detector.cpp``) and RTL
(``mode_rtl.cpp``). The ground is flat at the pad's height.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING

from sitl.copter.frame import NorthEastFrame, Vec3
from sitl.copter.items import Item
from sitl.copter.kinematics import Body, Leg, Limits, WaypointNav

if TYPE_CHECKING:
    from sitl.copter.vehicle import Copter

ARMING_DELAY_S = 2.0
SPOOL_UP_S = 1.6
LAND_DETECT_S = 1.0
SPOOL_DOWN_S = 0.5
CLIMB_JERK = 5.0


class Flight:
    """The motion of one copter."""

    def __init__(self, copter: Copter, frame: NorthEastFrame, body: Body) -> None:
        self._c = copter
        self.frame = frame
        self.body = body
        self.ground_alt_m = body.alt_m
        self.on_ground = True
        self.takeoff_done = False
        self.nav = WaypointNav(body, self.limits())
        self.returning = Return(copter, self)
        self._speeds: dict[str, float] = {}
        self._climb: Leg | None = None
        self._climb_to_m = 0.0
        self._spool_s = 0.0
        self._still_s = 0.0
        self._sink_mps = 0.0

    @property
    def height_m(self) -> float:
        """Height above the ground."""
        return self.body.alt_m - self.ground_alt_m

    @property
    def idle(self) -> bool:
        """Whether the motors have spooled down after a landing."""
        return self._c.landed and self._still_s >= LAND_DETECT_S + SPOOL_DOWN_S

    def limits(self) -> Limits:
        """WPNAV_* with the speeds changed in flight."""
        p, speeds = self._c.params, getattr(self, "_speeds", {})
        return Limits(
            speeds.get("xy", p["WPNAV_SPEED"] / 100.0),
            speeds.get("up", p["WPNAV_SPEED_UP"] / 100.0),
            speeds.get("down", p["WPNAV_SPEED_DN"] / 100.0),
            p["WPNAV_ACCEL"] / 100.0,
            p["WPNAV_ACCEL_Z"] / 100.0,
            max(p["WPNAV_JERK"], 0.1),
        )

    def renew(self, *, speed_xy: float = 0.0) -> None:
        """Forget destinations and speed changes (``wp_and_spline_init``)."""
        self._speeds = {"xy": speed_xy} if speed_xy > 0.0 else {}
        p = self._c.params
        self.nav.restart(self.limits(), p["WPNAV_RADIUS"] / 100.0, p["WPNAV_ACCEL_C"] / 100.0)
        self._climb = None
        self._sink_mps = 0.0

    def change_speed(self, kind: int, speed_mps: float) -> bool:
        """DO_CHANGE_SPEED: 0 and 1 horizontal, 2 climb, 3 descent."""
        if speed_mps <= 0.0:
            return False
        self._speeds[{2: "up", 3: "down"}.get(kind, "xy")] = speed_mps
        self.nav.limits = self.limits()
        return True

    def altitude_of(self, item: Item) -> float:
        """An item's altitude, AMSL; terrain is the flat ground."""
        if item.frame == 0:
            return item.z
        return item.z + (self._c.home_alt_m if item.frame == 3 else self.ground_alt_m)

    def distance_to_destination(self) -> float:
        """Horizontal metres to the waypoint."""
        end = self.nav.destination or self.body.at
        return math.hypot(end[0] - self.body.north_m, end[1] - self.body.east_m)

    # --- in the air ---

    def follow(self, dt_s: float) -> None:
        """Fly to the destination, or hold."""
        if self._c.can_move:
            self.nav.advance(dt_s)

    def hold(self, dt_s: float) -> None:
        """Stop and stay."""
        if self._c.can_move:
            limits = self.nav.limits
            self.body.brake(dt_s, limits.accel_xy, limits.accel_z)

    def fly_level_to(self, item: Item) -> None:
        """Fly to an item's place at the present altitude."""
        north, east = self.frame.to_ne(item.x * 1e-7, item.y * 1e-7)
        destination = self.nav.destination
        alt = destination[2] if self.nav.reached and destination else self.body.alt_m
        self.nav.fly_to((north, east, alt))

    def begin_takeoff(self, alt_m: float) -> None:
        """Climb straight up to an altitude AMSL."""
        self.takeoff_done = False
        self._climb, self._climb_to_m = None, alt_m
        self._spool_s = 0.0

    def take_off(self, dt_s: float) -> None:
        """One step of a take-off."""
        c = self._c
        if not c.armed or not c.auto_armed:
            return
        if c.now_s - c.armed_at_s < ARMING_DELAY_S:
            return
        self._spool_s += dt_s
        if c.landed and self._spool_s < SPOOL_UP_S:
            return
        c.landed = self.on_ground = False
        if self._climb is None:
            top = (self.body.north_m, self.body.east_m, self._climb_to_m)
            flat = self.limits()
            limits = Limits(
                flat.speed_xy, flat.speed_up, flat.speed_down, flat.accel_xy, flat.accel_z,
                CLIMB_JERK,
            )  # fmt: skip
            self._climb = Leg(self.body.at, top, limits)
        position, (_, _, self.body.vu) = self._climb.advance(dt_s)
        self.body.vn = self.body.ve = 0.0
        self.body.place(position)
        left = self._climb_to_m - self.body.alt_m
        threshold = 0.1 * self.limits().speed_up
        if left <= 0.5 * threshold**2 / self.limits().accel_z or self._climb.finished:
            self.takeoff_done = True

    # --- to the ground ---

    def descend(self, dt_s: float) -> None:
        """One step of a landing: fast down to LAND_ALT_LOW, then LAND_SPEED."""
        p = self._c.params
        low_m = max(p["LAND_ALT_LOW"], 100.0) / 100.0
        slow = p["LAND_SPEED"] / 100.0
        fast = p["LAND_SPEED_HIGH"] / 100.0 or p["WPNAV_SPEED_DN"] / 100.0
        above = self.body.alt_m - self._c.home_alt_m - low_m
        accel = p["WPNAV_ACCEL_Z"] / 100.0
        wanted = min(fast, math.sqrt(2.0 * accel * above)) if above > 0.0 else 0.0
        self.sink(dt_s, max(wanted, slow))

    def sink(self, dt_s: float, speed_mps: float) -> None:
        """One step straight down at up to ``speed_mps``, stopping at the ground."""
        if not self._c.can_move or self.on_ground:
            return
        limits, body = self.nav.limits, self.body
        vu, body.vu = body.vu, 0.0
        body.brake(dt_s, limits.accel_xy, limits.accel_z)
        body.vu = max(vu - limits.accel_z * dt_s, -speed_mps) if vu > -speed_mps else -speed_mps
        body.alt_m = max(self.ground_alt_m, body.alt_m + body.vu * dt_s)
        if body.alt_m <= self.ground_alt_m:
            body.stop()
            self.on_ground = True
            self._still_s = 0.0

    def fall(self, dt_s: float) -> bool:
        """One step without thrust; True on impact."""
        body = self.body
        body.vu = max(body.vu - 9.81 * dt_s, -18.0)
        body.alt_m = max(self.ground_alt_m, body.alt_m + body.vu * dt_s)
        body.north_m += body.vn * dt_s
        body.east_m += body.ve * dt_s
        if body.alt_m > self.ground_alt_m:
            return False
        body.stop()
        self.on_ground = True
        return True

    def detect_landing(self, dt_s: float) -> None:
        """Time passes on the ground: landed after a second of stillness."""
        if not self.on_ground:
            return
        self._still_s += dt_s
        if self._still_s >= LAND_DETECT_S and not self._c.landed:
            self._c.touched_down()


class Step(Enum):
    """Steps of RTL."""

    CLIMB = "climb"
    RETURN = "return"
    LOITER = "loiter"
    LAND = "land"


class Return:
    """RTL: climb, straight to home or the nearest rally point, loiter, land."""

    def __init__(self, copter: Copter, flight: Flight) -> None:
        self._c = copter
        self._flight = flight
        self._step: Step | None = None
        self._home: Vec3 = (0.0, 0.0, 0.0)
        self._since_s = 0.0

    @property
    def landing(self) -> bool:
        """Whether the last step has begun."""
        return self._step == Step.LAND

    def begin(self) -> None:
        """Start over."""
        self._flight.renew(speed_xy=self._c.params["RTL_SPEED"] / 100.0)
        self._step = None

    def run(self, dt_s: float, *, disarm: bool) -> None:
        """One step; ``disarm`` once landed."""
        c, flight = self._c, self._flight
        if not c.armed:
            return
        if self._step is None:
            self._plan()
        if self._step in (Step.CLIMB, Step.RETURN):
            flight.follow(dt_s)
            if flight.nav.reached:
                self._next()
        elif self._step == Step.LOITER:
            flight.follow(dt_s)
            if c.now_s - self._since_s >= c.params["RTL_LOIT_TIME"] / 1000.0:
                self._step = Step.LAND
        elif self._step == Step.LAND:
            flight.descend(dt_s)
            if disarm and flight.idle:
                c.disarm()

    def _next(self) -> None:
        if self._step == Step.CLIMB:
            self._step = Step.RETURN
            self._flight.nav.fly_to(self._home)
        else:
            self._step = Step.LOITER
            self._since_s = self._c.now_s

    def _plan(self) -> None:
        c, flight, body = self._c, self._flight, self._flight.body
        target = c.homing.best_return_point()
        away = math.hypot(target[0] - body.north_m, target[1] - body.east_m)
        height = body.alt_m - c.home_alt_m
        lowest = max(2.0, height + max(0.0, c.params["RTL_CLIMB_MIN"] / 100.0))
        wanted = max(c.params["RTL_ALT"] / 100.0, lowest, target[2] - c.home_alt_m)
        slope = c.params["RTL_CONE_SLOPE"]
        if slope >= 0.5:
            wanted = min(wanted, max(away * slope, lowest))
        alt = c.home_alt_m + max(wanted, height)
        self._home = (target[0], target[1], alt)
        self._step = Step.CLIMB
        flight.nav.fly_to((body.north_m, body.east_m, alt), self._home)
