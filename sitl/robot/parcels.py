"""What comes of a pick or a drop once its time is over.

Owns that answer alone; `core` moves the parcel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sitl.robot import door
from sitl.robot.memory import Deed
from sitl.robot.rules import parameter
from sitl.robot.spec import RobotSpec


@dataclass(frozen=True, slots=True)
class Parcels:
    """Where parcels are: on the robot, or handed over by it."""

    aboard: AbstractSet[str]
    gone: AbstractSet[str]


def moved(
    deed: Deed, parcel: str, deeds: Sequence[Deed], spec: RobotSpec, where: Parcels
) -> tuple[str, str]:
    """Status and words of a pick, a drop or a wait for a parcel to be taken out."""
    if deed.kind == "pick":
        if parcel in where.gone or parcel in where.aboard:
            return "FAILED", f"parcel {parcel} is not there to be picked"
        return "FINISHED", f"parcel {parcel} aboard"
    if parcel not in where.aboard:
        return "FAILED", f"parcel {parcel} is not aboard"
    if kept := door.kept(deed, deeds, spec.customers.get(parcel)):
        return "FAILED", f"parcel {parcel} kept: {kept}"
    wanted = parameter(deed.action, "handoverPinSha256")
    if not wanted:
        return "FINISHED", f"parcel {parcel} left without contact"
    typed = spec.pins.get(parcel)
    if typed is None or hashlib.sha256(typed.encode()).hexdigest() == wanted:
        return "FINISHED", f"parcel {parcel} handed over: PIN accepted"
    return "FAILED", f"parcel {parcel} kept: PIN wrong {door.PIN_TRIES} times"
