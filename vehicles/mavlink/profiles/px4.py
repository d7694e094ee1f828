"""PX4 1.14 and later, multicopters: modes, message rates, the mission's beginning.

Owns what is PX4's own and neither mission item (`px4_items`) nor parameter (`px4_rules`). Sources:
PX4-Autopilot src/modules/commander/px4_custom_mode.h, src/modules/mavlink/mavlink_mission.cpp
(MISSION_SET_CURRENT), streams/ESTIMATOR_STATUS.hpp. Written from the sources; never flown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from vehicles.mavlink import commands
from vehicles.mavlink.driver import Driver
from vehicles.mavlink.messages import Message, MissionCurrent
from vehicles.mavlink.modes import Modes

_AUTO = 4


def custom_mode(main: int, sub: int = 0) -> int:
    """HEARTBEAT.custom_mode: main mode in the third byte, sub mode in the fourth."""
    return main << 16 | sub << 24


def mode_words(mode: int) -> tuple[float, ...]:
    """DO_SET_MODE takes main and sub mode as parameters of their own."""
    return (float(mode >> 16 & 0xFF), float(mode >> 24 & 0xFF))


TAKEOFF, LOITER, MISSION, RTL, LAND = (custom_mode(_AUTO, sub) for sub in (2, 3, 4, 5, 6))
POSCTL = custom_mode(3)

MODES = Modes(
    names={
        custom_mode(1): "MANUAL", custom_mode(2): "ALTCTL", POSCTL: "POSCTL",
        custom_mode(3, 1): "POSCTL.ORBIT", custom_mode(_AUTO, 1): "AUTO.READY",
        TAKEOFF: "AUTO.TAKEOFF", LOITER: "AUTO.LOITER", MISSION: "AUTO.MISSION",
        RTL: "AUTO.RTL", LAND: "AUTO.LAND", custom_mode(_AUTO, 8): "AUTO.FOLLOW_TARGET",
        custom_mode(_AUTO, 9): "AUTO.PRECLAND", custom_mode(5): "ACRO",
        custom_mode(6): "OFFBOARD", custom_mode(7): "STABILIZED",
    },
    mission=MISSION,
    return_path=None,
    hold=(LOITER,),
    holding=frozenset({LOITER, POSCTL}),
    rtl=RTL,
    returning=frozenset({RTL}),
    land=LAND,
    resting=LOITER,
    words=mode_words,
)  # fmt: skip

RATES: dict[int, float] = {
    message_id: every_s
    for message_id, every_s in commands.LEAN_RATES.items()
    if message_id != mav.MAVLINK_MSG_ID_EKF_STATUS_REPORT
} | {mav.MAVLINK_MSG_ID_ESTIMATOR_STATUS: 5.0}


SHRUGGED = frozenset({mav.MAV_MISSION_INVALID_SEQUENCE, mav.MAV_MISSION_ERROR})
"""A COUNT that comes twice is answered with ERROR, and the upload goes on (mavlink_mission.cpp)."""


@dataclass(slots=True)
class _Rewind:
    """MISSION_SET_CURRENT until MISSION_CURRENT shows it: PX4 before 1.17 has no command for it."""

    seq: int
    system: int
    component: int
    resend_s: float
    attempts: int = 4
    result: bool | None = None
    deadline_s: float = 0.0

    def start(self, now_s: float) -> list[Any]:
        """Ask for the first time."""
        self.attempts -= 1
        self.deadline_s = now_s + self.resend_s
        return [mav.MAVLink_mission_set_current_message(self.system, self.component, self.seq)]

    def receive(self, message: Message, now_s: float) -> list[Any]:
        """The item that is current now."""
        del now_s
        if isinstance(message, MissionCurrent) and message.seq == self.seq:
            self.result = True
        return []

    def tick(self, now_s: float) -> list[Any]:
        """Ask again, or leave it: the start refuses a mission that stands elsewhere."""
        if self.result is not None or now_s < self.deadline_s:
            return []
        if not self.attempts:
            self.result = False
            return []
        return self.start(now_s)


async def rewind(driver: Driver, seq: int) -> None:
    """Make an item the current one. PX4 keeps its place where an equal mission is sent again."""
    await driver.run(_Rewind(seq, driver.system, driver.component, driver.answer_s))
