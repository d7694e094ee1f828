"""Which failsafe a text of the vehicle begins or ends.

Owns the words. Pure. Sources, ArduPilot 4.6: ArduCopter/events.cpp (announce_failsafe: "GCS
Failsafe", "Radio + Battery Failsafe - Continuing Landing"; terrain; dead reckoning), ekf_check.cpp,
fence.cpp with AC_Fence.cpp (print_fence_message). A battery failsafe and a fence breach have no
words for their end. The light "EKF variance" comes before an action and begins nothing.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from vehicles.port import FailsafeCause

_NAMED = {
    "GCS": FailsafeCause.GROUND_LINK,
    "Radio": FailsafeCause.RADIO,
    "Battery": FailsafeCause.BATTERY,
    "EKF": FailsafeCause.ESTIMATOR,
}
_ANNOUNCED = re.compile(r"^(GCS|Radio|Battery|EKF)(?: \+ (Battery))? Failsafe(?:$| -|:)")
_CLEARED = re.compile(r"^(GCS|Radio|EKF) Failsafe Cleared")
_BREACHED = re.compile(r"^(?:Max Alt|Min Alt|Circle|Polygon)\b.* fences? breached")


class Told(NamedTuple):
    """What a text says of failsafes."""

    begun: frozenset[FailsafeCause] = frozenset()
    ended: frozenset[FailsafeCause] = frozenset()


NOTHING = Told()


def read(text: str) -> Told:
    """The failsafes that a STATUSTEXT begins and ends; most texts do neither."""
    cleared = _CLEARED.match(text)
    if cleared:
        return Told(ended=frozenset({_NAMED[cleared[1]]}))
    announced = _ANNOUNCED.match(text)
    if announced:
        return Told(frozenset(_NAMED[name] for name in announced.groups() if name))
    if text.startswith("Failsafe: Terrain data missing"):
        return Told(frozenset({FailsafeCause.TERRAIN}))
    if text.startswith("Dead Reckoning "):
        reckoning = frozenset({FailsafeCause.DEAD_RECKONING})
        return Told(ended=reckoning) if text.endswith("stopped") else Told(reckoning)
    return Told(frozenset({FailsafeCause.FENCE})) if _BREACHED.match(text) else NOTHING
