"""What will be left in the battery: at the landing as planned, and after a return from here.

Owns the arithmetic between a mission's flown legs, where the vehicle is on them, and what it has
used so far. Pure; must not know telemetry or time. The way home is the one that ArduCopter takes:
straight to the end of the nearest leg behind the RETURN_PATH mark, then along (see `way_home`);
where there is no mark, up to the return height, straight home and down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from geofence.frames import LatLon, LocalFrame, geodesic_m
from missions.energy import MultirotorModel
from missions.plan_flown import FlightRules, FlownLeg

_ALIKE_M = 3.0
"""Legs as near as this to the nearest count as near: the earliest is taken, which costs most."""
_PRIOR_SHARE = 0.03
"""Of a full battery: what the model's word weighs against the measured use. A percent is all that
a vehicle tells, so that little use says little."""
LEAST_FACTOR, MOST_FACTOR = 0.5, 4.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where on its legs a vehicle is: number of the leg, and the share of it that is left."""

    leg: int
    left: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """Percent of the usable energy, below 0 where it does not suffice."""

    at_landing_pct: float
    if_returned_pct: float
    factor: float
    """Real use over the model's so far."""


def place_on(
    legs: Sequence[FlownLeg], position: LatLon, alt_home_m: float, *, returning: bool, from_leg: int
) -> Place | None:
    """The earliest of the nearest legs from `from_leg` on; None where there is none to take.

    `returning`: it flies behind the RETURN_PATH mark; otherwise before it.
    """
    frame = LocalFrame(position)
    marked = any(leg.returning for leg in legs)
    away: dict[int, tuple[float, float]] = {}
    for number, leg in enumerate(legs):
        if number >= from_leg and (leg.returning is returning or not marked):
            away[number] = _away(frame, leg, alt_home_m)
    if not away:
        return None
    near_m = min(distance_m for distance_m, _ in away.values()) + _ALIKE_M
    first = next(number for number, (distance_m, _) in away.items() if distance_m <= near_m)
    return Place(first, away[first][1])


def _away(frame: LocalFrame, leg: FlownLeg, alt_home_m: float) -> tuple[float, float]:
    """Metres from a leg in three dimensions, and the share of it behind the nearest point."""
    (ax, ay), (bx, by) = frame.xy(leg.start), frame.xy(leg.end)
    az, bz = leg.start_alt_home_m - alt_home_m, leg.end_alt_home_m - alt_home_m
    dx, dy, dz = bx - ax, by - ay, bz - az
    length2 = dx * dx + dy * dy + dz * dz
    t = 0.0 if length2 == 0.0 else min(1.0, max(0.0, -(ax * dx + ay * dy + az * dz) / length2))
    return math.hypot(ax + t * dx, ay + t * dy, az + t * dz), 1.0 - t


def left_wh(legs: Sequence[FlownLeg], place: Place, *, loaded: bool) -> float:
    """Energy by the model from a place to the landing; `loaded`: nothing more is let go."""
    ahead = [leg.loaded_energy_wh if loaded else leg.energy_wh for leg in legs[place.leg :]]
    return ahead[0] * place.left + sum(ahead[1:])


def return_wh(
    legs: Sequence[FlownLeg],
    position: LatLon,
    alt_home_m: float,
    *,
    payload_kg: float,
    model: MultirotorModel,
    rules: FlightRules,
) -> float:
    """Energy by the model of a return from here with what is aboard now."""
    speed_mps = min(leg.speed_mps for leg in legs if not leg.vertical) if legs else 1.0
    airspeed_mps = speed_mps + rules.wind.speed_mps

    def straight_wh(to: LatLon) -> float:
        length_m = geodesic_m(position, to)
        return model.level(length_m, speed_mps, payload_kg, airspeed_mps).energy_wh

    def rise_wh(rise_m: float) -> float:
        if rise_m >= 0.0:
            return model.climb(rise_m, payload_kg).energy_wh
        return model.descend(-rise_m, payload_kg).energy_wh

    place = place_on(legs, position, alt_home_m, returning=True, from_leg=0)
    if place is None or not legs[place.leg].returning:
        high_m = max(alt_home_m, rules.rtl_alt_home_m)
        home = legs[-1].end
        down_wh = model.land(high_m, payload_kg).energy_wh
        return rise_wh(high_m - alt_home_m) + straight_wh(home) + down_wh
    joined = legs[place.leg]
    join_wh = straight_wh(joined.end) + rise_wh(joined.end_alt_home_m - alt_home_m)
    if joined.vertical:
        join_wh += joined.loaded_energy_wh * place.left
    behind = legs[place.leg + 1 :]
    light = payload_kg <= 0.0
    return join_wh + sum(leg.energy_wh if light else leg.loaded_energy_wh for leg in behind)


def use_factor(measured_wh: float, modelled_wh: float, usable_wh: float) -> float:
    """Real use over the model's; near 1 as long as little was used."""
    prior_wh = _PRIOR_SHARE * usable_wh
    factor = (max(0.0, measured_wh) + prior_wh) / (max(0.0, modelled_wh) + prior_wh)
    return min(MOST_FACTOR, max(LEAST_FACTOR, factor))


def forecast(
    battery_pct: float, usable_wh: float, factor: float, *, landing_wh: float, returned_wh: float
) -> Forecast:
    """What will be left of `battery_pct` after either way."""

    def after(needed_wh: float) -> float:
        return battery_pct - 100.0 * factor * needed_wh / usable_wh

    return Forecast(after(landing_wh), after(returned_wh), factor)
