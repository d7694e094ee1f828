"""ArduCopter 4.6: its modes by number.

Owns what is ArduCopter's own. Source: ArduCopter/mode.h (Mode::Number).
"""

from __future__ import annotations

from vehicles.mavlink.modes import Modes

AUTO, GUIDED, LOITER, RTL, LAND, POSHOLD, BRAKE, SMART_RTL, AUTO_RTL = 3, 4, 5, 6, 9, 16, 17, 21, 27

MODES = Modes(
    names={
        0: "STABILIZE", 1: "ACRO", 2: "ALT_HOLD", AUTO: "AUTO", GUIDED: "GUIDED",
        LOITER: "LOITER", RTL: "RTL", 7: "CIRCLE", LAND: "LAND", 11: "DRIFT", 13: "SPORT",
        14: "FLIP", 15: "AUTOTUNE", POSHOLD: "POSHOLD", BRAKE: "BRAKE", 18: "THROW",
        19: "AVOID_ADSB", 20: "GUIDED_NOGPS", SMART_RTL: "SMART_RTL", 22: "FLOWHOLD",
        23: "FOLLOW", 24: "ZIGZAG", 25: "SYSTEMID", 26: "AUTOROTATE", AUTO_RTL: "AUTO_RTL",
        28: "TURTLE",
    },
    mission=AUTO,
    return_path=AUTO_RTL,
    # GUIDED holds too; LOITER without a radio's throttle would sink
    hold=(BRAKE, GUIDED),
    holding=frozenset({BRAKE, LOITER, POSHOLD, GUIDED}),
    rtl=RTL,
    returning=frozenset({RTL, SMART_RTL, AUTO_RTL}),
    land=LAND,
    resting=LOITER,
    guided=GUIDED,
)  # fmt: skip
