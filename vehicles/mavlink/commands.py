"""The commands that are used, by name, with the rules of ArduCopter 4.6 beside them.

Owns numbers and parameters only. Source: ArduCopter/GCS_Mavlink.cpp, GCS_MAVLink/GCS_Common.cpp.
"""

from __future__ import annotations

from pymavlink.dialects.v20 import ardupilotmega as mav

from vehicles.mavlink.command import Command
from vehicles.mavlink.modes import Modes
from vehicles.port import Divert

MESSAGE_IDS = {
    "MISSION_CURRENT": mav.MAVLINK_MSG_ID_MISSION_CURRENT,
    "EXTENDED_SYS_STATE": mav.MAVLINK_MSG_ID_EXTENDED_SYS_STATE,
    "HOME_POSITION": mav.MAVLINK_MSG_ID_HOME_POSITION,
    "SYSTEM_TIME": mav.MAVLINK_MSG_ID_SYSTEM_TIME,
}

LEAN_RATES: dict[int, float] = {
    mav.MAVLINK_MSG_ID_GLOBAL_POSITION_INT: 1.0,
    mav.MAVLINK_MSG_ID_SYS_STATUS: 2.0,
    mav.MAVLINK_MSG_ID_MISSION_CURRENT: 2.0,
    mav.MAVLINK_MSG_ID_EXTENDED_SYS_STATE: 2.0,
    mav.MAVLINK_MSG_ID_GPS_RAW_INT: 5.0,
    mav.MAVLINK_MSG_ID_EKF_STATUS_REPORT: 5.0,
    mav.MAVLINK_MSG_ID_BATTERY_STATUS: 10.0,
    mav.MAVLINK_MSG_ID_SYSTEM_TIME: 5.0,
}
"""Message id to seconds between two: about 4 messages a second with the heartbeat."""

BOOST_RATES: dict[int, float] = {
    mav.MAVLINK_MSG_ID_GLOBAL_POSITION_INT: 0.25,
    mav.MAVLINK_MSG_ID_MISSION_CURRENT: 0.5,
    mav.MAVLINK_MSG_ID_EXTENDED_SYS_STATE: 0.5,
}
"""What changes while taking off, dropping and landing."""


def set_interval(message_id: int, every_s: float) -> Command:
    """SET_MESSAGE_INTERVAL: forgotten by the vehicle at every reboot."""
    return Command(mav.MAV_CMD_SET_MESSAGE_INTERVAL, (float(message_id), every_s * 1e6))


def request(name: str) -> Command:
    """REQUEST_MESSAGE for one message now."""
    return Command(mav.MAV_CMD_REQUEST_MESSAGE, (float(MESSAGE_IDS[name]),))


def set_mode(modes: Modes, mode: int) -> Command:
    """DO_SET_MODE with one of the autopilot's own modes."""
    flag = float(mav.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED)
    return Command(mav.MAV_CMD_DO_SET_MODE, (flag, *modes.words(mode)))


def run_prearm_checks() -> Command:
    """Accepted at once; what fails arrives as "PreArm: ..." texts."""
    return Command(mav.MAV_CMD_RUN_PREARM_CHECKS)


def grab() -> Command:
    """Close the gripper round the parcel; failed where none is fitted."""
    return Command(mav.MAV_CMD_DO_GRIPPER, (1.0, float(mav.GRIPPER_ACTION_GRAB)))


def set_current(seq: int) -> Command:
    """DO_SET_MISSION_CURRENT without the reset, which would run the mission outside AUTO."""
    return Command(mav.MAV_CMD_DO_SET_MISSION_CURRENT, (float(seq), 0.0))


def arm() -> Command:
    """Arm with every check; the magic number that skips them is never sent."""
    return Command(mav.MAV_CMD_COMPONENT_ARM_DISARM, (1.0, 0.0))


def disarm() -> Command:
    """Disarm; ArduPilot refuses it in the air."""
    return Command(mav.MAV_CMD_COMPONENT_ARM_DISARM, (0.0, 0.0))


def mission_start() -> Command:
    """Accepted even while disarmed, with no effect: the take-off must be seen."""
    return Command(mav.MAV_CMD_MISSION_START)


def reposition(to: Divert) -> Command:
    """DO_REPOSITION into GUIDED; outside GUIDED it is denied without the flag.

    COMMAND_LONG is refused for it. ArduCopter keeps the speed that it has and ignores the yaw.
    """
    return Command(
        mav.MAV_CMD_DO_REPOSITION,
        (-1.0, float(mav.MAV_DO_REPOSITION_FLAGS_CHANGE_MODE), 0.0, 0.0),
        as_int=True,
        x=round(to.position.lat_deg * 1e7),
        y=round(to.position.lon_deg * 1e7),
        z=to.alt_home_m,
    )


def return_path() -> Command:
    """Join the mission behind its DO_RETURN_PATH_START at the closest leg (mode AUTO_RTL)."""
    return Command(mav.MAV_CMD_DO_RETURN_PATH_START, as_int=True)
