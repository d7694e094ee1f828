"""ArduRover 4.6 as a ground vehicle: modes, parameters, and when a round is over.

Owns what is ArduRover's own and no mission item (`ardurover_rounds`). Must not send. Sources:
Rover/mode.h (Mode::Number), Rover/mode_auto.cpp (exit_mission), Rover/failsafe.cpp,
Rover/Rover.h (FailsafeAction), Rover/defines.h, Rover/Parameters.cpp.

Its RTL would cut straight across whatever lies between, so a return is SMART_RTL, back on its own
track, and a failsafe stops it where it is. At the end of a mission it stands armed in AUTO: it is
disarmed once it is at rest there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from geofence.frames import geodesic_m
from missions.model import DropDevice
from vehicles.mavlink.baseline import Requirement, Rule
from vehicles.mavlink.modes import Modes
from vehicles.mavlink.settings import MavlinkVehicle
from vehicles.port import Failsafes, RallyPlace

if TYPE_CHECKING:
    from vehicles.mavlink.flight import Flight
    from vehicles.mavlink.state import VehicleState

HOLD, LOITER, AUTO, RTL, SMART_RTL, GUIDED = 4, 5, 10, 11, 12, 15

MODES = Modes(
    names={
        0: "MANUAL", 1: "ACRO", 3: "STEERING", HOLD: "HOLD", LOITER: "LOITER", 6: "FOLLOW",
        7: "SIMPLE", 8: "DOCK", 9: "CIRCLE", AUTO: "AUTO", RTL: "RTL", SMART_RTL: "SMART_RTL",
        GUIDED: "GUIDED", 16: "INITIALISING",
    },
    mission=AUTO,
    return_path=None,
    # HOLD ends the round, as landing does in the air
    hold=(LOITER,),
    holding=frozenset({LOITER, GUIDED}),
    rtl=SMART_RTL,
    returning=frozenset({RTL, SMART_RTL}),
    land=HOLD,
    resting=HOLD,
)  # fmt: skip

_REST_S = 2.0
_HOME_M = 10.0
_MISSION_COMPLETE = 5
_HOLD_ACTION, _SMART_OR_HOLD = 2.0, 4.0


def over(state: VehicleState, flight: Flight | None, now_s: float) -> bool:
    """Whether its round is over and it only stands there armed, so that it may be disarmed.

    Not after a failsafe: then it holds, and a person decides.
    """
    if flight is None or not flight.started or state.armed is not True:
        return False
    if state.still_since_s is None or now_s - state.still_since_s < _REST_S:
        return False
    if state.mode == AUTO:
        return state.mission_state == _MISSION_COMPLETE
    if state.mode in MODES.returning:
        if state.position is None or state.home is None:
            return False
        return geodesic_m(state.position, state.home) <= _HOME_M
    # asked for by LAND and by nobody else
    return state.mode == HOLD and flight.expected == {HOLD}


def no_failsafes(
    values: Mapping[str, float | None], rally: Sequence[RallyPlace] = ()
) -> Failsafes | None:
    """What a flight's check would build on: a rover stops, and nothing is read of it."""
    del values, rally
    return None


def _rule(name: str, why: str, *values: float, rule: Rule = Rule.EQUALS) -> Requirement:
    return Requirement(name, rule, values, why)


_COMMON: tuple[Requirement, ...] = (
    _rule("SYSID_MYGCS", "the GCS failsafe counts only heartbeats of this station's sysid", 255),
    _rule("FS_GCS_ENABLE", "a lost link must stop it", 1),
    _rule("FS_THR_ENABLE", "a lost radio must not go on in AUTO", 1, 0, rule=Rule.ONE_OF),
    _rule(
        "FS_ACTION",
        "a failsafe stops it, or takes it back on its own track, never straight",
        *(_HOLD_ACTION, _SMART_OR_HOLD),
        rule=Rule.ONE_OF,
    ),
    _rule("FS_EKF_ACTION", "without a position it must stop", 1),
    _rule("FS_CRASH_CHECK", "stuck or tilted it must stop", 1, 2, rule=Rule.ONE_OF),
    _rule(
        "BATT_FS_LOW_ACT", "a low battery stops it", _HOLD_ACTION, _SMART_OR_HOLD, rule=Rule.ONE_OF
    ),
    _rule("BATT_FS_CRT_ACT", "a battery about to fail stops it", _HOLD_ACTION),
    _rule("MIS_OPTIONS", "the mission survives a reboot", 0),
    _rule("MIS_RESTART", "resuming after a hold goes on where the mission was", 0),
    _rule("MIS_DONE_BEHAVE", "at the end of its mission it must stand still in AUTO", 0),
    _rule("INITIAL_MODE", "after a boot it must stand", HOLD),
    _rule("ARMING_CHECK", "every pre-arm check counts", 1),
    _rule("WP_RADIUS", "corners are cut by 2 m at most", 2),
)
_LOCK = tuple(
    Requirement(name, rule, (1,), "without a gripper a release item does nothing", reboot=True)
    for name, rule in (("GRIP_ENABLE", Rule.EQUALS), ("GRIP_TYPE", Rule.NOT_ZERO))
)


def requirements(vehicle: MavlinkVehicle) -> tuple[Requirement, ...]:
    """The rules for one vehicle: common ones, its own figures, its lock."""
    timeout = _rule("FS_GCS_TIMEOUT", "as configured for this vehicle", vehicle.gcs_timeout_s)
    lock = _LOCK if vehicle.capability.drop_device is DropDevice.GRIPPER else ()
    return (*_COMMON, timeout, *lock)
