"""Pre-arm and arming checks, with the texts that ArduPilot gives.

Owns which checks fail when (AP_Arming.cpp, ArduCopter/AP_Arming.cpp): what depends on time
since boot, the mode, the battery, the GCS failsafe and required mission items.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sitl.copter import items as it
from sitl.copter import modes

if TYPE_CHECKING:
    from sitl.copter.vehicle import Copter

_REQUIRED = ((1, it.LAND, "Land"), (4, 189, "Do Land Start"), (8, it.TAKEOFF, "Takeoff"))


def pre_arm_failures(c: Copter) -> list[str]:
    """Texts of the checks that fail now, without the "PreArm: " before them."""
    failures: list[str] = []
    if c.params["ARMING_CHECK"] == 0:
        return failures
    if c.failsafe.gcs:
        failures.append("GCS failsafe on")
    failures += _battery(c)
    if c.mode_number in modes.NEEDS_POSITION and not c.position_ok:
        failures.append("Need Position Estimate" if c.home_set else "AHRS: EKF3 not started")
    failures += _mission(c)
    return failures


def arm_refusal(c: Copter) -> str:
    """Why arming is refused now ("" if it is not), without the prefix."""
    if c.mode_number in modes.NOT_ARMABLE or (
        c.mode_number == modes.AUTO
        and (c.modes.auto_rtl or not c.params.integer("AUTO_OPTIONS") & 1)
    ):
        return f"{c.modes.name} mode not armable"
    return ""


def _battery(c: Copter) -> list[str]:
    p, battery = c.params, c.battery
    if p["BATT_MONITOR"] == 0:
        return []
    left = p["BATT_CAPACITY"] - battery.consumed_mah
    volts = battery.voltage_v
    checks = (
        (0 < p["BATT_ARM_VOLT"] > volts, "below minimum arming voltage"),
        (0 < p["BATT_ARM_MAH"] > left, "below minimum arming capacity"),
        (0 < p["BATT_LOW_VOLT"] > volts, "low voltage failsafe"),
        (0 < p["BATT_LOW_MAH"] > left, "low capacity failsafe"),
        (0 < p["BATT_CRT_VOLT"] > volts, "critical voltage failsafe"),
        (0 < p["BATT_CRT_MAH"] > left, "critical capacity failsafe"),
    )
    return [f"Battery 1 {text}" for failed, text in checks if failed][:1]


def _mission(c: Copter) -> list[str]:
    wanted = c.params.integer("ARMING_MIS_ITEMS")
    if not wanted:
        return []
    if c.mission.count() <= 1:
        return ["No mission"]
    present = {item.command for item in c.mission.items}
    return [
        f"Missing mission item: {text}"
        for bit, command, text in _REQUIRED
        if wanted & bit and command not in present
    ][:1]
