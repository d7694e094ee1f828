"""MAV_CMD by COMMAND_LONG and COMMAND_INT, each with the result ArduPilot gives.

Owns the table from command to action (GCS_MAVLink/GCS_Common.cpp, ArduCopter/
GCS_Mavlink.cpp). An unknown command is UNSUPPORTED.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from sitl.copter import modes, telemetry
from sitl.copter.mission import State

if TYPE_CHECKING:
    from sitl.copter.vehicle import Copter

ACCEPTED, REJECTED, DENIED, UNSUPPORTED, FAILED = 0, 1, 2, 3, 4
FORCE_ARM, FORCE_DISARM = 2989.0, 21196.0
_COMMAND_LONG_FRAME = 3


@dataclass(frozen=True, slots=True)
class Order:
    """A command of either kind; x and y are 1e-7 degrees or raw numbers, z metres."""

    command: int
    p1: float
    p2: float
    p3: float
    p4: float
    x: int
    y: int
    z: float
    frame: int
    is_long: bool


def order_of(message: Any) -> Order:
    """The command in a COMMAND_LONG or COMMAND_INT."""
    m = message
    if m.get_msgId() == mav.MAVLINK_MSG_ID_COMMAND_LONG:
        located = m.command == mav.MAV_CMD_DO_REPOSITION
        scale = 1e7 if located else 1.0
        x, y = (_whole(m.param5 * scale), _whole(m.param6 * scale))
        return Order(
            m.command, m.param1, m.param2, m.param3, m.param4, x, y, m.param7,
            _COMMAND_LONG_FRAME, is_long=True,
        )  # fmt: skip
    return Order(
        m.command, m.param1, m.param2, m.param3, m.param4, m.x, m.y, m.z, m.frame, is_long=False
    )


def execute(c: Copter, order: Order) -> int:
    """Do it; MAV_RESULT."""
    action = _ACTIONS.get(order.command)
    return action(c, order) if action else UNSUPPORTED


def _whole(value: float) -> int:
    return int(value) if abs(value) < 2**31 else 0


def _done(ok: bool) -> int:  # noqa: FBT001
    return ACCEPTED if ok else FAILED


def _arm_disarm(c: Copter, o: Order) -> int:
    if o.p1 == 1.0:
        return _done(c.armed or c.arm(force=o.p2 in (FORCE_ARM, FORCE_DISARM)))
    if o.p1 == 0.0:
        if c.armed and not c.landed and o.p2 != FORCE_DISARM:
            return FAILED
        c.disarm()
        return ACCEPTED
    return UNSUPPORTED


def _set_mode(c: Copter, o: Order) -> int:
    if not int(o.p1) & mav.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED:
        return DENIED
    return _done(c.modes.set(int(o.p2)))


def _mission_start(c: Copter, o: Order) -> int:
    if o.p1 != 0.0 or o.p2 != 0.0:
        return DENIED
    if not c.modes.set(modes.AUTO):
        return FAILED
    c.auto_armed = True
    if c.mission.state != State.RUNNING:
        c.mission.start_or_resume()
    return ACCEPTED


def _take_off(c: Copter, o: Order) -> int:
    if o.frame != mav.MAV_FRAME_GLOBAL_RELATIVE_ALT:
        return DENIED
    return _done(c.modes.guided_takeoff(o.z))


def _switch(number: int) -> Callable[[Copter, Order], int]:
    return lambda c, _order: _done(c.modes.set(number))


def _pause(c: Copter, o: Order) -> int:
    if int(o.p1) not in (0, 1):
        return DENIED
    pausing = int(o.p1) == 0
    if c.mode_number == modes.GUIDED:
        c.flight.nav.paused = pausing
        return ACCEPTED
    if c.mode_number == modes.AUTO and (not pausing or c.auto.pause()):
        c.flight.nav.paused = pausing
        return ACCEPTED
    c.say(6, "Failed to pause" if pausing else "Failed to resume")
    return FAILED


def _reposition(c: Copter, o: Order) -> int:
    if o.is_long:
        # COMMAND_LONG names no frame for this command (mav_frame_for_command_long)
        return UNSUPPORTED
    guided = c.mode_number == modes.GUIDED
    if not guided and not int(o.p2) & mav.MAV_DO_REPOSITION_FLAGS_CHANGE_MODE:
        return DENIED
    if abs(o.x) > 90 * 10**7 or abs(o.y) > 180 * 10**7 or (o.x == 0 and o.y == 0):
        return DENIED
    if o.frame in (0, 5):
        alt = o.z
    elif o.frame in (3, 6, 10, 11):
        alt = o.z + c.home_alt_m
    else:
        return DENIED
    if not guided and not c.modes.set(modes.GUIDED):
        return FAILED
    north, east = c.flight.frame.to_ne(o.x * 1e-7, o.y * 1e-7)
    return _done(c.modes.guided_to((north, east, alt)))


def _message_interval(c: Copter, o: Order) -> int:
    if o.p3 != 0.0:
        return DENIED
    if int(o.p1) not in telemetry.MAKERS:
        c.say(6, f"No ap_message for mavlink id ({int(o.p1)})")
        return DENIED
    return c.streams.set(int(o.p1), o.p2, c.now_s)


def _request_message(c: Copter, o: Order) -> int:
    maker = telemetry.MAKERS.get(int(o.p1))
    if maker is None:
        return FAILED
    c.request(int(o.p1))
    return ACCEPTED


def _run_prearm(c: Copter, _o: Order) -> int:
    if c.armed:
        return REJECTED
    c.report_pre_arm()
    return ACCEPTED


def _gripper(c: Copter, o: Order) -> int:
    if not c.gripper.fitted or int(o.p2) not in (0, 1):
        return FAILED
    if int(o.p2) == 0:
        c.gripper.release()
    else:
        c.gripper.grab()
    return ACCEPTED


def _winch(c: Copter, o: Order) -> int:
    return _done(c.winch.fitted and c.winch.act(int(o.p2), o.p3, o.p4))


def _get_home(c: Copter, _o: Order) -> int:
    if not c.home_set:
        return FAILED
    c.request(mav.MAVLINK_MSG_ID_HOME_POSITION)
    c.request(mav.MAVLINK_MSG_ID_GPS_GLOBAL_ORIGIN)
    return ACCEPTED


def _battery_reset(c: Copter, o: Order) -> int:
    if not int(o.p1) & 1 or c.params["BATT_MONITOR"] == 0:
        return FAILED
    c.battery.reset(min(max(o.p2, 0.0), 100.0), c.params["BATT_CAPACITY"])
    c.failsafe.pack_changed()
    return ACCEPTED


def _reboot(c: Copter, o: Order) -> int:
    if c.armed and o.y != 20190226:
        return FAILED
    if o.p1 not in (1.0, 3.0):
        return UNSUPPORTED
    c.reboot_after_ack()
    return ACCEPTED


def _change_speed(c: Copter, o: Order) -> int:
    return _done(c.flight.change_speed(int(o.p1), o.p2))


def _set_current(c: Copter, o: Order) -> int:
    if not 0 <= o.p1 < c.mission.count():
        return DENIED
    if o.p2 == 1.0:
        c.mission.reset()
    if not c.mission.set_current(int(o.p1)):
        return FAILED
    if o.p2 == 1.0:
        c.mission.resume()
    c.request(mav.MAVLINK_MSG_ID_MISSION_CURRENT)
    return ACCEPTED


def _return_path(c: Copter, _o: Order) -> int:
    return _done(c.homing.begin(c.homing.join_return_path))


def _land_start(c: Copter, _o: Order) -> int:
    return _done(c.homing.begin(c.homing.join_landing))


def _version(c: Copter, _o: Order) -> int:
    c.request(mav.MAVLINK_MSG_ID_AUTOPILOT_VERSION)
    return ACCEPTED


_ACTIONS: dict[int, Callable[[Any, Order], int]] = {
    mav.MAV_CMD_COMPONENT_ARM_DISARM: _arm_disarm,
    mav.MAV_CMD_DO_SET_MODE: _set_mode,
    mav.MAV_CMD_MISSION_START: _mission_start,
    mav.MAV_CMD_NAV_TAKEOFF: _take_off,
    mav.MAV_CMD_NAV_RETURN_TO_LAUNCH: _switch(modes.RTL),
    mav.MAV_CMD_NAV_LAND: _switch(modes.LAND),
    mav.MAV_CMD_NAV_LOITER_UNLIM: _switch(modes.LOITER),
    mav.MAV_CMD_DO_PAUSE_CONTINUE: _pause,
    mav.MAV_CMD_DO_REPOSITION: _reposition,
    mav.MAV_CMD_SET_MESSAGE_INTERVAL: _message_interval,
    mav.MAV_CMD_REQUEST_MESSAGE: _request_message,
    mav.MAV_CMD_RUN_PREARM_CHECKS: _run_prearm,
    mav.MAV_CMD_DO_GRIPPER: _gripper,
    mav.MAV_CMD_DO_WINCH: _winch,
    mav.MAV_CMD_GET_HOME_POSITION: _get_home,
    mav.MAV_CMD_BATTERY_RESET: _battery_reset,
    mav.MAV_CMD_PREFLIGHT_REBOOT_SHUTDOWN: _reboot,
    mav.MAV_CMD_DO_CHANGE_SPEED: _change_speed,
    mav.MAV_CMD_DO_SET_MISSION_CURRENT: _set_current,
    mav.MAV_CMD_REQUEST_AUTOPILOT_CAPABILITIES: _version,
    mav.MAV_CMD_DO_RETURN_PATH_START: lambda c, _o: _done(
        c.homing.begin(c.homing.join_return_path)
    ),
    mav.MAV_CMD_DO_LAND_START: _land_start,
}
