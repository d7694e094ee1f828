"""What must hold on an ArduCopter before it is dispatched: parameters, each with its reason.

Owns the rules as data, the audit, and what to set where one is broken. Must not send anything.

Sources: ArduCopter 4.6 (ArduCopter/events.cpp, mode_auto.cpp, defines.h, Copter.h FailsafeOption;
AC_Fence.cpp; AP_Mission.h Option). Values of failsafe actions: 6 is AUTO_RTL, which joins the
mission at its DO_RETURN_PATH_START and so flies a way that was checked, where a plain RTL flies
straight home through whatever lies between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from missions.model import DropDevice
from vehicles.mavlink.parameters import same_value
from vehicles.mavlink.settings import MavlinkVehicle

AUTO_RTL = 6.0
_CONTINUE_AFTER_LAND = 4
_FENCE_CIRCLE = 2
_FENCE_POLYGON = 4
_FENCE_FLOOR = 8
_FENCE_UNION = 2
LEVELS_M = 30.0
"""How far above its cruise height a drone may be sent to keep away from another."""
_CONTINUE_IN_AUTO_OR_RELEASE = 0b100011
"""FS_OPTIONS: bit 0 and 1 go on in AUTO after RC or GCS loss, bit 5 opens the gripper."""


class Rule(Enum):
    """How a value is judged."""

    EQUALS = auto()
    ONE_OF = auto()
    AT_LEAST = auto()
    BITS_CLEAR = auto()
    """Of the first value; where a second one stands, its bits must be set."""
    NOT_ZERO = auto()


@dataclass(frozen=True, slots=True)
class Requirement:
    """One rule. `reboot`: cannot be applied by us, since it takes a fitter and a reboot."""

    name: str
    rule: Rule
    values: tuple[float, ...]
    why: str
    reboot: bool = False

    def holds(self, value: float) -> bool:
        """Whether a value satisfies the rule."""
        match self.rule:
            case Rule.EQUALS | Rule.ONE_OF:
                return any(same_value(value, wanted) for wanted in self.values)
            case Rule.AT_LEAST:
                return value >= self.values[0] or same_value(value, self.values[0])
            case Rule.BITS_CLEAR:
                return self.repaired(value) == int(value)
            case Rule.NOT_ZERO:
                return value != 0

    def repaired(self, value: float) -> float:
        """The value to set where the rule is broken: as near to the present one as it goes."""
        if self.rule is Rule.BITS_CLEAR:
            return float(int(value) & ~int(self.values[0]) | int(sum(self.values[1:])))
        return self.values[0]

    @property
    def wanted(self) -> str:
        """For a reason: what the value must be."""
        figures = " or ".join(f"{value:g}" for value in self.values)
        match self.rule:
            case Rule.EQUALS | Rule.ONE_OF:
                return figures
            case Rule.AT_LEAST:
                return f"at least {figures}"
            case Rule.BITS_CLEAR:
                also = f" and with {int(self.values[1]):#x}" if self.values[1:] else ""
                return f"without bits {int(self.values[0]):#x}{also}"
            case Rule.NOT_ZERO:
                return "not 0"


def _equals(name: str, value: float, why: str) -> Requirement:
    return Requirement(name, Rule.EQUALS, (value,), why)


_COMMON: tuple[Requirement, ...] = (
    _equals("SYSID_MYGCS", 255, "the GCS failsafe counts only heartbeats of this station's sysid"),
    _equals("FS_GCS_ENABLE", AUTO_RTL, "a lost link takes the mission's checked return path"),
    Requirement(
        "FS_OPTIONS",
        Rule.BITS_CLEAR,
        (_CONTINUE_IN_AUTO_OR_RELEASE,),
        "a failsafe must neither fly on in AUTO nor let the parcel go",
    ),
    Requirement(
        "FS_THR_ENABLE",
        Rule.ONE_OF,
        (AUTO_RTL, 0),
        "a lost radio, where one is fitted, takes the checked return path",
    ),
    _equals("FS_DR_ENABLE", AUTO_RTL, "dead reckoning takes the checked return path"),
    _equals("BATT_FS_LOW_ACT", AUTO_RTL, "a low battery takes the checked return path"),
    _equals("BATT_FS_CRT_ACT", 1, "a battery about to fail lands at once, on the checked track"),
    _equals("AUTO_OPTIONS", 3, "arming and take-off in AUTO without a radio; nothing else"),
    _equals("MIS_OPTIONS", 0, "the mission survives a reboot and ends with its landing"),
    _equals("MIS_RESTART", 0, "resuming after a hold goes on where the mission was"),
    Requirement(
        "FENCE_TYPE",
        Rule.BITS_CLEAR,
        (_FENCE_CIRCLE,),
        "the circle of FENCE_RADIUS round home would end every longer flight",
    ),
    Requirement(
        "DISARM_DELAY", Rule.AT_LEAST, (5,), "armed on the ground it must disarm by itself"
    ),
    _equals("ARMING_CHECK", 1, "every pre-arm check counts"),
    _equals("RTL_ALT_FINAL", 0, "RTL must end with a landing"),
    _equals("WPNAV_ACCEL", 250, "corridors are checked for the overshoot of 2.5 m/s2"),
    _equals("WPNAV_RADIUS", 200, "corridors are checked for corners cut by 2 m"),
)


def _fitted(name: str, rule: Rule, device: str) -> Requirement:
    return Requirement(
        name, rule, (1,), f"without a {device} a release item does nothing", reboot=True
    )


_GRIPPER = (
    _fitted("GRIP_ENABLE", Rule.EQUALS, "gripper"),
    _fitted("GRIP_TYPE", Rule.NOT_ZERO, "gripper"),
)
_FENCE = (
    _equals("FENCE_ENABLE", 1, "the fence of the flight is the second line behind its check"),
    _equals("FENCE_AUTOENABLE", 0, "the fence stands from before the take-off to the landing"),
    Requirement(
        "FENCE_ACTION",
        Rule.ONE_OF,
        (1, 3),
        "a breach must bring the drone back: by RTL, or on the way that it came",
    ),
    Requirement(
        "FENCE_TYPE",
        Rule.BITS_CLEAR,
        (_FENCE_CIRCLE | _FENCE_FLOOR, _FENCE_POLYGON),
        "polygons alone are the flight's: the circle would end every longer flight, a floor every "
        "landing",
    ),
    Requirement(
        "FENCE_OPTIONS",
        Rule.BITS_CLEAR,
        (_FENCE_UNION,),
        "a flight must stay in every inclusion, not in any one of them",
    ),
)
_DEVICES: Mapping[DropDevice, tuple[Requirement, ...]] = {
    DropDevice.GRIPPER: _GRIPPER,
    DropDevice.PAYLOAD_PLACE: _GRIPPER,
    DropDevice.WINCH: (_fitted("WINCH_TYPE", Rule.NOT_ZERO, "winch"),),
}


def _for_stops(vehicle: MavlinkVehicle) -> tuple[Requirement, ...]:
    """With room for several parcels it lands on the way, and holds the next one by itself.

    AP_Mission.h: CONTINUE_AFTER_LAND goes on only where a take-off comes next, so that a mission
    still ends with its last landing.
    """
    if vehicle.capability.parcel_slots < 2:
        return ()
    why = "a mission goes on after a landing at a stop"
    stops = _equals("MIS_OPTIONS", _CONTINUE_AFTER_LAND, why)
    closes = Requirement(
        "GRIP_AUTOCLOSE",
        Rule.AT_LEAST,
        (1,),
        "a gripper that stays open says that it released the next parcel without having held it",
    )
    gripper = vehicle.capability.drop_device in {DropDevice.GRIPPER, DropDevice.PAYLOAD_PLACE}
    return (stops, closes) if gripper else (stops,)


def requirements(vehicle: MavlinkVehicle) -> tuple[Requirement, ...]:
    """The rules for one vehicle: common ones, its own figures, its drop device."""
    own: tuple[Requirement, ...] = (
        _equals("FS_GCS_TIMEOUT", vehicle.gcs_timeout_s, "as configured for this vehicle"),
        _equals(
            "RTL_ALT",
            round(vehicle.cruise_alt_home_m * 100),
            "a plain RTL, the last resort, flies at the cruise height",
        ),
        Requirement(
            "FENCE_ALT_MAX",
            Rule.AT_LEAST,
            (vehicle.cruise_alt_home_m + 20.0 + (LEVELS_M if vehicle.onboard_fence else 0.0),),
            "the fence's ceiling must not end a flight at the cruise height",
        ),
        *(_FENCE if vehicle.onboard_fence else ()),
    )
    device = vehicle.capability.drop_device
    own += _for_stops(vehicle)
    names = {rule.name for rule in own}
    common = tuple(rule for rule in _COMMON if rule.name not in names)
    return common + own + (_DEVICES[device] if device is not None else ())


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that does not hold; `value` is None where the vehicle has no such parameter."""

    requirement: Requirement
    value: float | None

    @property
    def applicable(self) -> bool:
        """Whether setting it may help."""
        return self.value is not None and not self.requirement.reboot

    @property
    def text(self) -> str:
        """The reason that an operator reads, with what to do."""
        rule = self.requirement
        if self.value is None and not rule.reboot:
            return f"parameter {rule.name} gave no answer: it must be {rule.wanted} ({rule.why})"
        have = "missing" if self.value is None else f"{self.value:g}"
        remedy = "; set it and reboot the vehicle" if rule.reboot else ""
        return f"parameter {rule.name} is {have}, must be {rule.wanted} ({rule.why}){remedy}"


def audit(
    rules: tuple[Requirement, ...], values: Mapping[str, float | None]
) -> tuple[Finding, ...]:
    """The rules that the values break."""
    found = []
    for rule in rules:
        value = values.get(rule.name)
        if value is None or not rule.holds(value):
            found.append(Finding(rule, value))
    return tuple(found)


def repairs(findings: tuple[Finding, ...]) -> dict[str, float]:
    """What to set, by name, for the findings that setting can mend."""
    return {
        finding.requirement.name: finding.requirement.repaired(finding.value)
        for finding in findings
        if finding.applicable and finding.value is not None
    }
