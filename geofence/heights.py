"""Zone limits resolved to metres above mean sea level.

Owns what is known of the ground and the geoid of the operating area, and the arithmetic from
AMSL, AGL and WGS84 to AMSL. Must not guess: a limit that cannot be resolved is said to be so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from geofence.errors import FrameError
from geofence.frames import Altitude, Datum
from geofence.zones import Zone


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Flat ground and geoid undulation of the operating area; None where it is not known.

    `geoid_m` is the height of the geoid above the WGS84 ellipsoid: AMSL = ellipsoidal - geoid.
    """

    ground_amsl_m: float | None = None
    geoid_m: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("ground_amsl_m", self.ground_amsl_m), ("geoid_m", self.geoid_m)):
            if value is not None and not math.isfinite(value):
                raise FrameError(f"{name} {value} is not finite")


@dataclass(frozen=True, slots=True)
class Band:
    """A zone's heights in metres AMSL, both limits included; `unknown` says what is missing.

    A limit that cannot be resolved is infinite here, so that a forbidding zone forbids more;
    so are both where the datums put the floor above the ceiling.
    """

    low_m: float
    high_m: float
    unknown: str = ""


def resolve(zone: Zone, surroundings: Surroundings) -> Band:
    """The zone's band in metres AMSL."""
    low, why_low = _limit(zone.floor, -math.inf, "floor", surroundings)
    high, why_high = _limit(zone.ceiling, math.inf, "ceiling", surroundings)
    if low > high:
        why = f"its floor, {low:g} m AMSL here, lies above its ceiling, {high:g} m"
        return Band(-math.inf, math.inf, why)
    return Band(low, high, "; ".join(why for why in (why_low, why_high) if why))


def _limit(
    limit: Altitude | None, unlimited: float, name: str, surroundings: Surroundings
) -> tuple[float, str]:
    if limit is None:
        return unlimited, ""
    match limit.datum:
        case Datum.AMSL:
            return limit.value_m, ""
        case Datum.AGL if surroundings.ground_amsl_m is not None:
            return limit.value_m + surroundings.ground_amsl_m, ""
        case Datum.WGS84 if surroundings.geoid_m is not None:
            return limit.value_m - surroundings.geoid_m, ""
        case Datum.AGL:
            missing = "the ground height is not known: set ground_amsl_m of the terrain"
        case Datum.WGS84:
            missing = "the geoid undulation is not known: set geoid_m of the terrain"
        case _:
            missing = f"a {limit.datum} limit has no meaning in a zone"
    return unlimited, f"its {name} is {limit.value_m:g} m {limit.datum} and {missing}"
