"""Zone limits resolved to metres above mean sea level.

Owns what is known of the ground and the geoid of the operating area, and the arithmetic from
AMSL, AGL and WGS84 to AMSL. Must not guess: a limit that cannot be resolved is said to be so.

With grids a limit above ground is no one height: `resolve` gives bounds over the whole of a place,
wider than the truth for a zone that forbids (`outer`), narrower for one that is kept (not `outer`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geofence.errors import FrameError
from geofence.frames import Altitude, Array, Datum, LatLon
from geofence.terrain import Grid
from geofence.zones import Zone

HEIGHT_TOLERANCE_M = 0.01
"""A forbidding zone is taken this much higher and lower than it is written."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Ground and geoid undulation of the operating area, flat or as grids; None: not known.

    `geoid_m` is the height of the geoid above the WGS84 ellipsoid: AMSL = ellipsoidal - geoid. A
    grid stands before the flat value, also where it does not reach.
    """

    ground_amsl_m: float | None = None
    geoid_m: float | None = None
    terrain: Grid | None = None
    """Heights of the ground, metres AMSL."""
    geoid: Grid | None = None
    """Heights of the geoid above the ellipsoid, metres."""
    path_heights_known: bool = True
    """False: the path's own heights AMSL are not known, as on a street over unknown ground. Then
    no limit above sea level or the ellipsoid can be resolved."""

    def __post_init__(self) -> None:
        for name, value in (("ground_amsl_m", self.ground_amsl_m), ("geoid_m", self.geoid_m)):
            if value is not None and not math.isfinite(value):
                raise FrameError(f"{name} {value} is not finite")

    def ground_at(self, position: LatLon) -> float | None:
        """Height of the ground in metres AMSL, or None where it is not known."""
        return self.ground_amsl_m if self.terrain is None else self.terrain.at(position)

    def varies(self, zone: Zone) -> bool:
        """Whether the zone's heights AMSL differ from place to place."""
        return any(
            limit is not None
            and (
                (limit.datum is Datum.AGL and self.terrain is not None)
                or (
                    limit.datum is Datum.WGS84
                    and self.geoid is not None
                    and self.path_heights_known
                )
            )
            for limit in (zone.floor, zone.ceiling)
        )


@dataclass(frozen=True, slots=True)
class Band:
    """A zone's heights in metres AMSL, both limits included; `unknown` says what is missing.

    A limit that cannot be resolved is infinite here, so that a forbidding zone forbids more;
    so are both where the datums put the floor above the ceiling.
    """

    low_m: float
    high_m: float
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of a place: least and greatest ground AMSL and geoid, metres; NaN: unknown."""

    ground_m: tuple[float, float] = (math.nan, math.nan)
    geoid_m: tuple[float, float] = (math.nan, math.nan)


def resolve(
    zone: Zone, surroundings: Surroundings, place: Place | None = None, *, outer: bool = True
) -> Band:
    """The zone's band in metres AMSL, over all of `place` where the surroundings have grids.

    `outer`: heights that are within the limits anywhere in the place; else everywhere in it.
    Without a place what a grid would tell is not known.
    """
    low, why_low = _limit(zone.floor, "floor", surroundings, place, outer=outer)
    high, why_high = _limit(zone.ceiling, "ceiling", surroundings, place, outer=outer)
    if low > high and (outer or place is None or not surroundings.varies(zone)):
        why = f"its floor, {low:g} m AMSL here, lies above its ceiling, {high:g} m"
        return Band(-math.inf, math.inf, why)
    return Band(low, high, "; ".join(why for why in (why_low, why_high) if why))


def bands(zones: Sequence[Zone], surroundings: Surroundings) -> tuple[Array, Array]:
    """Low and high (n) in metres AMSL that `resolve` gives; infinite where heights vary."""
    low, high = np.empty(len(zones)), np.empty(len(zones))
    known: dict[tuple[Altitude | None, Altitude | None], tuple[float, float]] = {}
    for number, zone in enumerate(zones):
        key = (zone.floor, zone.ceiling)
        limits = known.get(key)
        if limits is None:
            band = resolve(zone, surroundings)
            varies = surroundings.varies(zone)
            limits = (-math.inf, math.inf) if varies else (band.low_m, band.high_m)
            known[key] = limits
        low[number], high[number] = limits
    return low, high


def _limit(
    limit: Altitude | None,
    name: str,
    surroundings: Surroundings,
    place: Place | None,
    *,
    outer: bool,
) -> tuple[float, str]:
    least = (name == "floor") is outer
    unlimited = -math.inf if name == "floor" else math.inf
    if limit is None:
        return unlimited, ""
    ground, geoid = surroundings.terrain, surroundings.geoid
    here = place or Place()
    match limit.datum:
        case Datum.AMSL | Datum.WGS84 if not surroundings.path_heights_known:
            missing = _no_street_height(ground)
        case Datum.AMSL:
            return limit.value_m, ""
        case Datum.AGL if ground is not None and math.isfinite(here.ground_m[0]):
            return limit.value_m + here.ground_m[0 if least else 1], ""
        case Datum.AGL if ground is not None:
            missing = f"the terrain grid does not tell the ground here: {_reach(ground)}"
        case Datum.AGL if surroundings.ground_amsl_m is not None:
            return limit.value_m + surroundings.ground_amsl_m, ""
        case Datum.WGS84 if geoid is not None and math.isfinite(here.geoid_m[0]):
            return limit.value_m - here.geoid_m[1 if least else 0], ""
        case Datum.WGS84 if geoid is not None:
            missing = f"the geoid grid does not tell the undulation here: {_reach(geoid)}"
        case Datum.WGS84 if surroundings.geoid_m is not None:
            return limit.value_m - surroundings.geoid_m, ""
        case Datum.AGL:
            missing = "the ground height is not known: set ground_amsl_m or grid of the terrain"
        case Datum.WGS84:
            missing = "the geoid undulation is not known: set geoid_m or geoid_grid of the terrain"
        case _:
            missing = f"a {limit.datum} limit has no meaning in a zone"
    return unlimited, f"its {name} is {limit.value_m:g} m {limit.datum} and {missing}"


def _no_street_height(ground: Grid | None) -> str:
    if ground is not None:
        return f"the terrain grid does not tell the ground here: {_reach(ground)}"
    return (
        "the height of the street above sea level is not known here: set ground_amsl_m or grid of "
        "the terrain"
    )


def _reach(grid: Grid) -> str:
    return (
        f"it reaches from {grid.south_deg:.5f}, {grid.west_deg:.5f} to {grid.north_deg:.5f}, "
        f"{grid.east_deg:.5f} degrees; provide one that covers the way with its corridor"
    )
