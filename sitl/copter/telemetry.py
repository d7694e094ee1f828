"""What the copter tells of itself, each message when it was asked for and no sooner.

Owns message contents and the intervals set by SET_MESSAGE_INTERVAL; with none set, nothing
but HEARTBEAT goes out (ArduPilot 4.6's ``SRx_`` streams are zero by default).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from sitl.copter.frame import deg_e7
from sitl.copter.modes import AUTO

if TYPE_CHECKING:
    from sitl.copter.vehicle import Copter

# bits of MAV_SYS_STATUS_SENSOR as ArduCopter 4.6.2 SITL sets them when ready
_PRESENT = 1379007535
_ENABLED = 1377934383
_HEALTHY = 1446091823
_BIT_GPS, _BIT_AHRS = mav.MAV_SYS_STATUS_SENSOR_GPS, mav.MAV_SYS_STATUS_AHRS
_BIT_PREARM = mav.MAV_SYS_STATUS_PREARM_CHECK
_BIT_MOTORS = mav.MAV_SYS_STATUS_SENSOR_MOTOR_OUTPUTS
_BIT_BATTERY = mav.MAV_SYS_STATUS_SENSOR_BATTERY
EKF_READY, EKF_RELATIVE, EKF_WAITING = 831, 167, 0
MAX_INTERVAL_S = 60.0


def heartbeat(c: Copter) -> Any:
    """HEARTBEAT."""
    mode = 1 | 16 | 64 | (128 if c.armed else 0) | (8 if c.mode_number != 0 else 0)
    if not c.mission.ready:
        status = mav.MAV_STATE_BOOT
    elif c.failsafe.any:
        status = mav.MAV_STATE_CRITICAL
    elif c.landed:
        status = mav.MAV_STATE_STANDBY
    else:
        status = mav.MAV_STATE_ACTIVE
    return mav.MAVLink_heartbeat_message(2, 3, mode, c.modes.shown, status, 3)


def sys_status(c: Copter) -> Any:
    """SYS_STATUS."""
    health = _HEALTHY
    if not c.prearm_ok:
        health &= ~_BIT_PREARM
    if not c.position_ok:
        health &= ~_BIT_AHRS
    if not c.gps_fixed:
        health &= ~_BIT_GPS
    if c.failsafe.battery_low or c.failsafe.battery_critical:
        health &= ~_BIT_BATTERY
    enabled = _ENABLED | (_BIT_MOTORS if c.armed else 0)
    battery = c.battery
    return mav.MAVLink_sys_status_message(
        _PRESENT, enabled, health & 0xFFFFFFFF, 0, round(battery.voltage_v * 1000),
        min(round(battery.current_a * 100), 32767),
        battery.remaining_pct(c.params["BATT_CAPACITY"]), 0, 0, 0, 0, 0, 0,
    )  # fmt: skip


def global_position_int(c: Copter) -> Any:
    """GLOBAL_POSITION_INT."""
    body = c.flight.body
    lat, lon = c.position() if c.origin_known else (0.0, 0.0)
    return mav.MAVLink_global_position_int_message(
        c.boot_ms, deg_e7(lat), deg_e7(lon), round(body.alt_m * 1000),
        round((body.alt_m - c.home_alt_m) * 1000), round(body.vn * 100), round(body.ve * 100),
        round(-body.vu * 100), round(body.heading_deg * 100) % 36000,
    )  # fmt: skip


def gps_raw_int(c: Copter) -> Any:
    """GPS_RAW_INT."""
    body = c.flight.body
    if not c.gps_fixed:
        return mav.MAVLink_gps_raw_int_message(c.boot_ms * 1000, 1, 0, 0, 0, 9999, 9999, 0, 0, 0)
    lat, lon = c.position()
    alt_mm = round(body.alt_m * 1000)
    course = math.degrees(math.atan2(body.ve, body.vn)) % 360.0
    return mav.MAVLink_gps_raw_int_message(
        c.boot_ms * 1000, 6, deg_e7(lat), deg_e7(lon), alt_mm, 121, 200,
        round(body.speed_mps * 100), round(course * 100) % 36000, 10, alt_mm, 300, 300, 0, 0, 0,
    )  # fmt: skip


def mission_current(c: Copter, seq: int | None = None) -> Any:
    """MISSION_CURRENT."""
    count = c.mission.count()
    if count < 2:
        state = mav.MISSION_STATE_NO_MISSION
    elif c.auto.paused and c.mode_number == AUTO:
        state = mav.MISSION_STATE_PAUSED
    else:
        state = (
            mav.MISSION_STATE_NOT_STARTED,
            mav.MISSION_STATE_ACTIVE,
            mav.MISSION_STATE_COMPLETE,
        )[c.mission.state]
    number = c.mission.nav_index if seq is None else seq
    return mav.MAVLink_mission_current_message(
        number, max(count - 1, 0), state, int(c.mode_number == AUTO)
    )


def extended_sys_state(c: Copter) -> Any:
    """EXTENDED_SYS_STATE."""
    if c.landed:
        landed = mav.MAV_LANDED_STATE_ON_GROUND
    elif c.modes.landing:
        landed = mav.MAV_LANDED_STATE_LANDING
    elif c.taking_off:
        landed = mav.MAV_LANDED_STATE_TAKEOFF
    else:
        landed = mav.MAV_LANDED_STATE_IN_AIR
    return mav.MAVLink_extended_sys_state_message(mav.MAV_VTOL_STATE_MC, landed)


def ekf_status_report(c: Copter) -> Any:
    """EKF_STATUS_REPORT."""
    flags = EKF_READY if c.position_ok else EKF_RELATIVE if c.boot_ms > 4000 else EKF_WAITING
    return mav.MAVLink_ekf_status_report_message(flags, 0.01, 0.006, 0.012, 0.016, 0.0, 0.0)


def battery_status(c: Copter) -> Any:
    """BATTERY_STATUS: the pack's voltage in the first cell, as ArduPilot sends it."""
    battery = c.battery
    voltages = [round(battery.voltage_v * 1000)] + [65535] * 9
    state = 3 if c.failsafe.battery_critical else 2 if c.failsafe.battery_low else 1
    return mav.MAVLink_battery_status_message(
        0, 0, 0, 32767, voltages, min(round(battery.current_a * 100), 32767),
        round(battery.consumed_mah), round(battery.consumed_wh * 36),
        battery.remaining_pct(c.params["BATT_CAPACITY"]), 0, state,
    )  # fmt: skip


def system_time(c: Copter) -> Any:
    """SYSTEM_TIME; the epoch is known with the first GPS fix."""
    return mav.MAVLink_system_time_message(round(c.unix_s * 1e6) if c.gps_fixed else 0, c.boot_ms)


def vfr_hud(c: Copter) -> Any:
    """VFR_HUD."""
    body = c.flight.body
    throttle = 0 if c.landed else 39
    return mav.MAVLink_vfr_hud_message(
        body.speed_mps, body.speed_mps, round(body.heading_deg) % 360, throttle, body.alt_m, body.vu
    )


def attitude(c: Copter) -> Any:
    """ATTITUDE: level, since attitude is not simulated."""
    yaw = math.radians((c.flight.body.heading_deg + 180.0) % 360.0 - 180.0)
    return mav.MAVLink_attitude_message(c.boot_ms, 0.0, 0.0, yaw, 0.0, 0.0, 0.0)


def home_position(c: Copter) -> Any:
    """HOME_POSITION; None until home is set."""
    if not c.home_set:
        return None
    lat, lon, alt = c.home
    north, east = c.flight.frame.to_ne(lat, lon)
    nan = [math.nan] * 4
    return mav.MAVLink_home_position_message(
        deg_e7(lat), deg_e7(lon), round(alt * 1000), north, east, c.origin_alt_m - alt, nan,
        0.0, 0.0, 0.0, c.boot_ms * 1000,
    )  # fmt: skip


def gps_global_origin(c: Copter) -> Any:
    """GPS_GLOBAL_ORIGIN; None until it is known."""
    if not c.origin_known:
        return None
    frame = c.flight.frame
    return mav.MAVLink_gps_global_origin_message(
        deg_e7(frame.lat_deg), deg_e7(frame.lon_deg), round(c.origin_alt_m * 1000), c.boot_ms * 1000
    )


def autopilot_version(c: Copter) -> Any:
    """AUTOPILOT_VERSION of 4.6.2 official; the uid tells simulated airframes apart."""
    capabilities = 0b1110_0100_1110_1111 | (1 << 18)
    version = 4 << 24 | 6 << 16 | 2 << 8 | 255
    uid2 = list(c.spec.vehicle_id.encode()[:18].ljust(18, b"\0"))
    return mav.MAVLink_autopilot_version_message(
        capabilities, version, 0, 0, c.spec.sysid << 16, list(b"light\0\0\0"), [0] * 8, [0] * 8,
        0, 0, c.spec.sysid, uid2,
    )  # fmt: skip


MAKERS: dict[int, Callable[[Any], Any]] = {
    0: heartbeat, 1: sys_status, 2: system_time, 24: gps_raw_int, 30: attitude,
    33: global_position_int, 42: mission_current, 49: gps_global_origin, 74: vfr_hud,
    147: battery_status, 148: autopilot_version, 193: ekf_status_report, 242: home_position,
    245: extended_sys_state,
}  # fmt: skip
"""Message id to the maker of its message."""


class Streams:
    """Intervals by message id, in simulated seconds."""

    def __init__(self) -> None:
        self._due: dict[int, tuple[float, float]] = {}

    def set(self, message_id: int, interval_us: float, now_s: float) -> int:
        """SET_MESSAGE_INTERVAL; MAV_RESULT."""
        if message_id not in MAKERS or interval_us < -1:
            return int(mav.MAV_RESULT_DENIED)
        if interval_us in (0, -1):
            self._due.pop(message_id, None)
        else:
            interval_s = min(max(interval_us // 1000, 1) / 1000.0, MAX_INTERVAL_S)
            self._due[message_id] = (interval_s, now_s + interval_s)
        return int(mav.MAV_RESULT_ACCEPTED)

    def due(self, now_s: float) -> list[int]:
        """Ids to be sent now."""
        ready = [key for key, (_, at) in self._due.items() if at <= now_s]
        for key in ready:
            interval_s, at = self._due[key]
            self._due[key] = (interval_s, max(at + interval_s, now_s))
        return ready
