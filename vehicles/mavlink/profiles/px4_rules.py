"""What must hold of a PX4's parameters, and what they mean for what it does by itself.

Owns the baseline and the reading of the failsafes for PX4. Must not guess: a value that is not
known makes the whole unknown. Sources: PX4-Autopilot src/modules/commander/commander_params.c,
src/modules/navigator/rtl_params.c and geofence_params.c, docs.px4.io (Safety, Return mode,
Grippers).

PX4 gives no return path of the mission to a failsafe that flies it backwards from where it is:
RTL_TYPE 2 goes on along the mission to its landing, past the drop. So RTL_TYPE 0 is demanded, a
straight way to home or the nearest rally point, and the mission check judges that straight way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from missions.model import DropDevice
from vehicles.mavlink.baseline import Requirement, Rule
from vehicles.mavlink.encoding import BytewiseEncoding
from vehicles.mavlink.settings import MavlinkVehicle
from vehicles.port import FailsafeAction, Failsafes, RallyPlace

ValueT = TypeVar("ValueT")

_RETURN = 2.0
_RETURN_THEN_LAND = 3.0
_LEAST_GCS_TIMEOUT_S = 5.0
"""COM_DL_LOSS_T takes 5 s to 300 s."""
_EXCEPT_MISSION_OR_HOLD = 0b11

ENCODING = BytewiseEncoding(
    frozenset(
        {
            "NAV_DLL_ACT", "NAV_RCL_ACT", "COM_DL_LOSS_T", "COM_LOW_BAT_ACT", "RTL_TYPE",
            "RTL_CONE_ANG", "GF_ACTION", "PD_GRIPPER_EN",
        }
    )
)  # fmt: skip


def _rule(name: str, why: str, *values: float, rule: Rule = Rule.EQUALS) -> Requirement:
    return Requirement(name, rule, values, why)


_COMMON: tuple[Requirement, ...] = (
    _rule("NAV_DLL_ACT", "a lost link must bring it home", _RETURN),
    _rule(
        "NAV_RCL_ACT",
        "a lost radio must neither end the flight nor disarm",
        *(_RETURN, 1, 3),
        rule=Rule.ONE_OF,
    ),
    _rule(
        "COM_LOW_BAT_ACT",
        "a critical battery returns, one about to fail lands",
        _RETURN_THEN_LAND,
    ),
    _rule("RTL_TYPE", "it returns straight, as it was checked, and not on through the drop", 0),
    _rule("RTL_CONE_ANG", "a return climbs to RTL_RETURN_ALT wherever it begins", 0),
    _rule("RTL_LAND_DELAY", "a return must end with a landing", 0),
    _rule(
        "GF_ACTION",
        "its own fence must not terminate a flight in the air",
        *(_RETURN, 3, 5, 1, 0),
        rule=Rule.ONE_OF,
    ),
    _rule("COM_DISARM_LAND", "landed it must disarm by itself", 2, rule=Rule.AT_LEAST),
    _rule(
        "COM_DISARM_PRFLT", "armed on the ground it must disarm by itself", 5, rule=Rule.AT_LEAST
    ),
    _rule(
        "MPC_ACC_HOR",
        "corridors are checked for the overshoot of 2.5 m/s2",
        2.5,
        rule=Rule.AT_LEAST,
    ),
)
_GRIPPER = Requirement(
    "PD_GRIPPER_EN",
    Rule.EQUALS,
    (1,),
    "without a gripper a release item does nothing",
    reboot=True,
)


def requirements(vehicle: MavlinkVehicle) -> tuple[Requirement, ...]:
    """The rules for one vehicle: common ones, its own figures, its gripper."""
    own = (
        _rule(
            "COM_DL_LOSS_T",
            "as configured for this vehicle",
            float(round(max(_LEAST_GCS_TIMEOUT_S, vehicle.gcs_timeout_s))),
        ),
        _rule("RTL_RETURN_ALT", "a return flies at the cruise height", vehicle.cruise_alt_home_m),
    )
    fitted = vehicle.capability.drop_device is DropDevice.GRIPPER
    return _COMMON + own + ((_GRIPPER,) if fitted else ())


_A = FailsafeAction
_LINK = {0: _A.CONTINUE, 1: _A.CONTINUE, 2: _A.RETURN, 3: _A.LAND}
"""NAV_DLL_ACT: 1 holds where it is; 5 and 6 end the flight, which nothing can check."""
_BATTERY = {
    0: (_A.CONTINUE, _A.CONTINUE),
    2: (_A.CONTINUE, _A.LAND),
    3: (_A.RETURN, _A.LAND),
}
"""COM_LOW_BAT_ACT: what comes first, and what comes last."""

FAILSAFE_NAMES = (
    "NAV_DLL_ACT", "COM_DLL_EXCEPT", "COM_LOW_BAT_ACT", "RTL_TYPE", "RTL_CONE_ANG",
    "RTL_RETURN_ALT",
)  # fmt: skip


def failsafes_of(
    values: Mapping[str, float | None], rally: Sequence[RallyPlace] = ()
) -> Failsafes | None:
    """The meaning of the values by name; None where one is missing or not known.

    A position that is lost in AUTO lands PX4 where it is. COM_DLL_EXCEPT is younger than the
    rest: where it gives no answer there are no exceptions.
    """
    link = _known(_LINK, values.get("NAV_DLL_ACT"))
    battery = _known(_BATTERY, values.get("COM_LOW_BAT_ACT"))
    alt_m = values.get("RTL_RETURN_ALT")
    straight = values.get("RTL_TYPE") == 0 and values.get("RTL_CONE_ANG") == 0
    if link is None or battery is None or alt_m is None or not straight:
        return None
    if round(values.get("COM_DLL_EXCEPT") or 0.0) & _EXCEPT_MISSION_OR_HOLD:
        link = _A.CONTINUE
    return Failsafes(
        lost_link=link,
        battery_low=battery[0],
        battery_critical=battery[1],
        estimator=_A.LAND,
        dead_reckoning=_A.LAND,
        return_alt_home_m=alt_m,
        rally=tuple(rally),
    )


def _known(meaning: Mapping[int, ValueT], value: float | None) -> ValueT | None:
    return None if value is None else meaning.get(round(value))
