"""What a vehicle does about a zone that newly lies in its way: how long it has, and what fits.

Owns the arithmetic of the time left and the choice between configured reactions. Pure; must not
command anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from controller.safety.monitors import off_track_m
from geofence.check import Violation
from geofence.frames import LatLon, LocalFrame
from vehicles.port import Telemetry, Verb

STOP_S = 2.0
"""From a hold being sent to the vehicle braking."""
BRAKE_MPS2 = 2.5
"""ArduCopter's WPNAV_ACCEL of the parameter baseline; robots stop sooner."""
ON_WAY_M = 1.0


class Reaction(StrEnum):
    """What a controller may do by itself."""

    HOLD = "hold"
    RETURN = "return"
    LAND = "land"
    DIVERT = "divert"
    """To a rally point of its own list that is clear."""

    @property
    def verb(self) -> Verb | None:
        """As the port has it; None for a divert, which names a point."""
        return None if self is Reaction.DIVERT else Verb(self.value)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A reaction, and why those that were to come first do not fit."""

    reaction: Reaction
    fits: bool = True
    """False: nothing configured fits, and this is what is left."""
    passed_over: Mapping[str, str] = field(default_factory=dict)


def choose(
    configured: Sequence[Reaction], against: Callable[[Reaction], str], last: Reaction
) -> Chosen:
    """The first configured reaction that nothing speaks against, or else `last`.

    `against` gives the reason against one, empty where there is none.
    """
    passed_over: dict[str, str] = {}
    for reaction in configured:
        reason = against(reaction)
        if not reason:
            return Chosen(reaction, passed_over=passed_over)
        passed_over[reaction.value] = reason
    return Chosen(last, fits=False, passed_over=passed_over)


def stop_s(speed_mps: float) -> float:
    """Seconds until a vehicle that is told to hold stands."""
    return STOP_S + speed_mps / BRAKE_MPS2


def seconds_until(
    found: Violation,
    telemetry: Telemetry,
    ahead: Sequence[LatLon],
    *,
    speed_mps: float,
    corridor_m: float,
) -> float | None:
    """Seconds at the earliest until the vehicle, along its way ahead, is at the violation.

    0 where it is there. None where its place is not known, or the violation is not on its way:
    of a contingency, or behind it.
    """
    if telemetry.position is None:
        return None
    inside_m = off_track_m(telemetry.position, (found.entry, found.exit))
    if inside_m is not None and inside_m <= corridor_m:
        return 0.0
    frame = LocalFrame(telemetry.position)
    line = [frame.xy(point) for point in ahead]
    reach = [_along_m(line, frame.xy(point)) for point in (found.entry, found.exit)]
    nearest_m = min((each for each in reach if each is not None), default=None)
    if nearest_m is None:
        return None
    return nearest_m / max(speed_mps, telemetry.speed_mps or 0.0, 0.1)


def _along_m(line: Sequence[tuple[float, float]], at: tuple[float, float]) -> float | None:
    """Metres along a line until it first passes a point; None where it does not."""
    along_m = 0.0
    for (ax, ay), (bx, by) in pairwise(line):
        dx, dy = bx - ax, by - ay
        length_m = math.hypot(dx, dy)
        if length_m > 0.0:
            t = ((at[0] - ax) * dx + (at[1] - ay) * dy) / length_m**2
            t = max(0.0, min(1.0, t))
            if math.hypot(ax + t * dx - at[0], ay + t * dy - at[1]) <= ON_WAY_M + 1e-3 * length_m:
                return along_m + t * length_m
        along_m += length_m
    return None
