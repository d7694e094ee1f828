"""GCS and battery failsafes (ArduCopter/events.cpp, AP_BattMonitor.cpp).

Owns when they trip and which action they ask for. Off by default, as in ArduPilot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sitl.copter import modes

if TYPE_CHECKING:
    from sitl.copter.vehicle import Copter

NONE, DO_LAND, DO_RTL, SMART_RTL, SMART_RTL_LAND, TERMINATE, AUTO_LANDING, BRAKE_LAND = range(8)
_GCS_ACTION = {1: DO_RTL, 2: DO_RTL, 3: SMART_RTL, 4: SMART_RTL_LAND, 5: DO_LAND,
               6: AUTO_LANDING, 7: BRAKE_LAND}  # fmt: skip


class Failsafe:
    """The failsafes of one copter."""

    def __init__(self, copter: Copter) -> None:
        self._c = copter
        self.gcs = False
        self.battery_low = self.battery_critical = False
        self._gcs_seen_s: float | None = None
        self._low_since_s: float | None = None
        self._critical_since_s: float | None = None

    @property
    def any(self) -> bool:
        """Whether HEARTBEAT says CRITICAL."""
        return self.gcs or self.battery_low or self.battery_critical

    def gcs_heard(self, now_s: float) -> None:
        """A heartbeat of SYSID_MYGCS."""
        self._gcs_seen_s = now_s

    def tick(self) -> None:
        """Look at both."""
        self._check_gcs()
        if self._c.params["BATT_MONITOR"] != 0:
            self._check_battery()

    def pack_changed(self) -> None:
        """A new pack clears the battery failsafes."""
        self.battery_low = self.battery_critical = False
        self._low_since_s = self._critical_since_s = None

    def _check_gcs(self) -> None:
        c = self._c
        if c.params["FS_GCS_ENABLE"] == 0 or self._gcs_seen_s is None:
            return
        lost = c.now_s - self._gcs_seen_s > c.params["FS_GCS_TIMEOUT"]
        if lost == self.gcs:
            return
        self.gcs = lost
        if lost:
            self._gcs_lost()
        else:
            c.say(4, "GCS Failsafe Cleared")

    def _gcs_lost(self) -> None:
        c = self._c
        options = c.params.integer("FS_OPTIONS")
        action = _GCS_ACTION.get(c.params.integer("FS_GCS_ENABLE"), DO_RTL)
        text = ""
        if not c.armed:
            action = NONE
        elif self._should_disarm():
            c.disarm()
            action, text = NONE, "Disarming"
        elif c.modes.landing and options & 8:
            action, text = DO_LAND, "Continuing Landing"
        elif c.mode_number == modes.AUTO and options & 2:
            action, text = NONE, "Continuing Auto Mode"
        c.say(4, f"GCS Failsafe - {text}" if text else "GCS Failsafe")
        self._act(action)

    def _check_battery(self) -> None:
        c, p = self._c, self._c.params
        left = p["BATT_CAPACITY"] - c.battery.consumed_mah
        volts = c.battery.voltage_v
        timer = p["BATT_LOW_TIMER"]
        low = 0 < p["BATT_LOW_VOLT"] > volts
        critical = 0 < p["BATT_CRT_VOLT"] > volts
        self._low_since_s = (self._low_since_s or c.now_s) if low else None
        self._critical_since_s = (self._critical_since_s or c.now_s) if critical else None
        if not c.armed:
            return
        is_critical = _held(self._critical_since_s, c.now_s, timer) or 0 < p["BATT_CRT_MAH"] > left
        is_low = _held(self._low_since_s, c.now_s, timer) or 0 < p["BATT_LOW_MAH"] > left
        if is_critical and not self.battery_critical:
            self.battery_critical = True
            self._battery_failed("critical", p.integer("BATT_FS_CRT_ACT"))
        elif is_low and not (self.battery_low or self.battery_critical):
            self.battery_low = True
            self._battery_failed("low", p.integer("BATT_FS_LOW_ACT"))

    def _battery_failed(self, kind: str, action: int) -> None:
        c = self._c
        c.say(
            4,
            f"Battery 1 is {kind} {c.battery.voltage_v:.2f}V used {c.battery.consumed_mah:.0f} mAh",
        )
        if self._should_disarm():
            c.disarm()
            c.say(4, "Battery Failsafe - Disarming")
            return
        if c.modes.landing and c.params.integer("FS_OPTIONS") & 8 and action != NONE:
            c.say(4, "Battery Failsafe - Continuing Landing")
            action = DO_LAND
        else:
            c.say(4, "Battery Failsafe")
        self._act(action)

    def _should_disarm(self) -> bool:
        c = self._c
        if c.now_s - c.armed_at_s < 2.0:
            return True
        if c.mode_number == modes.AUTO:
            return not c.auto_armed and c.landed
        return c.landed

    def _act(self, action: int) -> None:
        c = self._c
        if action == NONE:
            return
        if action in (DO_RTL, SMART_RTL, SMART_RTL_LAND):
            self._return_or_land()
        elif action == DO_LAND:
            c.modes.land_with_pause()
        elif action == TERMINATE:
            c.disarm()
        elif action == AUTO_LANDING:
            if not c.modes.set(modes.AUTO_RTL):
                c.say(4, "Trying RTL Mode")
                self._return_or_land()
        elif not c.modes.set(modes.BRAKE):
            c.modes.land_with_pause()
        if c.params.integer("FS_OPTIONS") & 32:
            c.gripper.release()

    def _return_or_land(self) -> None:
        if not self._c.modes.set(modes.RTL):
            self._c.modes.land_with_pause()


def _held(since_s: float | None, now_s: float, for_s: float) -> bool:
    return since_s is not None and for_s > 0 and now_s - since_s >= for_s
