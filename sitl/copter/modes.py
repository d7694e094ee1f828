"""Flight modes other than AUTO: what each does in one step, and who may enter it.

Owns the mode numbers (ArduCopter/mode.h), their names in texts and the GUIDED target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sitl.copter.frame import Vec3

if TYPE_CHECKING:
    from sitl.copter.vehicle import Copter

STABILIZE, ALT_HOLD, AUTO, GUIDED, LOITER, RTL, LAND, POSHOLD = 0, 2, 3, 4, 5, 6, 9, 16
BRAKE, SMART_RTL, AUTO_RTL = 17, 21, 27

NAMES = {
    STABILIZE: "STABILIZE", ALT_HOLD: "ALT_HOLD", AUTO: "AUTO", GUIDED: "GUIDED",
    LOITER: "LOITER", RTL: "RTL", LAND: "LAND", POSHOLD: "POSHOLD", BRAKE: "BRAKE",
}  # fmt: skip
NEEDS_POSITION = frozenset({AUTO, GUIDED, LOITER, RTL, POSHOLD, BRAKE})
NOT_ARMABLE = frozenset({RTL, LAND, BRAKE})


class Modes:
    """The mode of one copter."""

    def __init__(self, copter: Copter) -> None:
        self.number = STABILIZE
        self.auto_rtl = False
        self._c = copter
        self._guided_takeoff = False
        self._land_pause_until_s = 0.0

    @property
    def shown(self) -> int:
        """HEARTBEAT.custom_mode: AUTO_RTL is AUTO in disguise."""
        return AUTO_RTL if self.number == AUTO and self.auto_rtl else self.number

    @property
    def name(self) -> str:
        """The name in texts."""
        return "AUTO RTL" if self.shown == AUTO_RTL else NAMES[self.number]

    @property
    def landing(self) -> bool:
        """Whether the mode is in a landing."""
        if self.number == AUTO:
            return self._c.auto.landing
        return self.number == LAND or (self.number == RTL and self._c.flight.returning.landing)

    def set(self, number: int) -> bool:
        """Switch; False with a text where ArduPilot refuses (``Copter::set_mode``)."""
        c = self._c
        if number == self.shown:
            return True
        if number == AUTO_RTL:
            return self._enter_auto_rtl()
        if number not in NAMES:
            c.say(4, f"No such mode {number}")
            return False
        if c.armed and number in NEEDS_POSITION and not c.position_ok:
            c.say(4, f"Mode change to {NAMES[number]} failed: requires position")
            return False
        if not self._enter(number):
            c.say(4, f"Mode change to {NAMES[number]} failed: init failed")
            return False
        if self.number == AUTO and number != AUTO:
            c.auto.leave()
        self.number, self.auto_rtl = number, False
        c.heartbeat()
        return True

    def run(self, dt_s: float) -> None:
        """One step."""
        c, flight = self._c, self._c.flight
        if self.number == AUTO:
            c.auto.run(dt_s)
            if self.auto_rtl and not (
                c.mission.in_landing or c.mission.in_return_path or c.mission.state == 2
            ):
                self.auto_rtl = False
        elif self.number == RTL:
            flight.returning.run(dt_s, disarm=True)
        elif self.number == LAND:
            if c.now_s < self._land_pause_until_s:
                flight.hold(dt_s)
                return
            flight.descend(dt_s)
            if c.armed and flight.idle:
                c.disarm()
        elif self.number == GUIDED:
            self._run_guided(dt_s)
        elif self.number in (LOITER, POSHOLD, BRAKE):
            flight.hold(dt_s)
        else:
            # no pilot holds the sticks: throttle zero, so a manual mode sinks
            flight.sink(dt_s, c.params["WPNAV_SPEED_DN"] / 100.0)

    def land_with_pause(self) -> None:
        """LAND after a failsafe waits 4 s in place first."""
        self.set(LAND)
        self._land_pause_until_s = self._c.now_s + 4.0

    def guided_takeoff(self, height_m: float) -> bool:
        """MAV_CMD_NAV_TAKEOFF to a height above home."""
        c = self._c
        higher = height_m > c.flight.body.alt_m - c.home_alt_m
        if not (c.armed and c.landed and self.number == GUIDED and higher):
            return False
        c.flight.begin_takeoff(c.home_alt_m + height_m)
        self._guided_takeoff = c.auto_armed = True
        return True

    def guided_to(self, target: Vec3) -> bool:
        """A new GUIDED destination."""
        if self.number != GUIDED:
            return False
        self._guided_takeoff = False
        self._c.flight.nav.fly_to(target)
        return True

    def _enter(self, number: int) -> bool:
        c = self._c
        if number == AUTO:
            return c.auto.enter()
        if number == RTL:
            if not c.home_set and c.armed:
                return False
            c.flight.returning.begin()
            return True
        c.flight.renew()
        self._guided_takeoff = False
        self._land_pause_until_s = 0.0
        return True

    def _enter_auto_rtl(self) -> bool:
        c = self._c
        if not (c.homing.join_return_path() or c.homing.join_landing()):
            c.say(4, "Mode change to AUTO RTL failed: No return path or landing sequence found")
            return False
        c.mission.force_resume = True
        if self.number != AUTO and not self.set(AUTO):
            c.mission.force_resume = False
            return False
        self.auto_rtl = True
        c.heartbeat()
        return True

    def _run_guided(self, dt_s: float) -> None:
        flight = self._c.flight
        if self._guided_takeoff:
            flight.take_off(dt_s)
            if flight.takeoff_done:
                self._guided_takeoff = False
        else:
            flight.follow(dt_s)
