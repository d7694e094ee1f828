"""The battery in flight: what will be left, and when a drone must come home for it.

Owns the record of what each drone has used on its present mission, and the judgement. Must not
command anything: `watch.py` does. Without a fresh word of the drone's place and battery there is
no forecast.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from controller.domain.alarms import Condition, Severity
from missions.battery import Forecast, forecast, left_wh, place_on, return_wh, use_factor
from missions.energy import MultirotorModel
from missions.plan_flown import FlightRules, FlownLeg
from vehicles.port import Capability, Phase, Telemetry

RETURN_KEY = "battery:"
HOMEWARD = frozenset({Phase.RETURNING, Phase.LANDING, Phase.LANDED, Phase.FAILSAFE})
OUTWARD = frozenset({Phase.EN_ROUTE, Phase.AT_STOP, Phase.RELEASED, Phase.HOLDING})
WORTH_PCT = 1.0
"""A return that saves less than this is none."""


@dataclass(frozen=True, slots=True)
class Flown:
    """The mission that a drone is on. `key` is its content hash."""

    key: str
    legs: tuple[FlownLeg, ...]
    aboard_kg: Mapping[str, float]
    """What has not left it yet, kilograms by parcel."""


@dataclass(slots=True)
class _Use:
    key: str
    first_pct: float
    at: datetime
    leg: int = 0
    modelled_wh: float = 0.0
    """What the model says that the time since the first look took."""


class BatteryBook:
    """Forecasts by vehicle. `look` at each vehicle at every look of the watch."""

    def __init__(self, model: MultirotorModel, rules: FlightRules) -> None:
        self._model = model
        self._rules = rules
        self._uses: dict[str, _Use] = {}
        self._forecasts: dict[str, Forecast] = {}

    def forecast(self, vehicle_id: str) -> Forecast | None:
        """As of the last look; None where it is on no mission, or too little is known."""
        return self._forecasts.get(vehicle_id)

    def look(
        self, telemetry: Telemetry, capability: Capability, flown: Flown | None
    ) -> Forecast | None:
        """What will be left, by what it tells now."""
        vehicle_id = telemetry.vehicle_id
        self._forecasts.pop(vehicle_id, None)
        if flown is None or telemetry.phase not in HOMEWARD | OUTWARD:
            self._uses.pop(vehicle_id, None)
            return None
        pct, position, at = telemetry.battery_pct, telemetry.position, telemetry.received_at
        alt_m = telemetry.alt_home_m
        if pct is None or position is None or alt_m is None or at is None:
            return None
        use = self._uses.get(vehicle_id)
        if use is None or use.key != flown.key:
            use = self._uses[vehicle_id] = _Use(flown.key, pct, at)
        homeward = telemetry.phase in HOMEWARD
        # sent on again after a return, it begins anew to find its place
        from_leg = use.leg if flown.legs[use.leg].returning is homeward else 0
        place = place_on(flown.legs, position, alt_m, returning=homeward, from_leg=from_leg)
        if place is None:
            return None
        payload_kg = sum(flown.aboard_kg.values())
        use.leg = place.leg
        self._count(use, telemetry, flown.legs[place.leg], payload_kg, at)
        usable_wh = capability.usable_energy_wh
        measured_wh = (use.first_pct - pct) * usable_wh / 100.0
        made = forecast(
            pct,
            usable_wh,
            use_factor(measured_wh, use.modelled_wh, usable_wh),
            landing_wh=left_wh(flown.legs, place, loaded=homeward and payload_kg > 0.0),
            returned_wh=return_wh(
                flown.legs,
                position,
                alt_m,
                payload_kg=payload_kg,
                model=self._model,
                rules=self._rules,
            ),
        )
        self._forecasts[vehicle_id] = made
        return made

    def _count(
        self, use: _Use, telemetry: Telemetry, leg: FlownLeg, payload_kg: float, at: datetime
    ) -> None:
        """Add what the model says of the time since the last look, whatever way was flown."""
        seconds = (at - use.at).total_seconds()
        use.at = at
        planned_s = leg.end_s - leg.begin_s
        power_w = self._model.hover_w(payload_kg)
        if telemetry.phase is not Phase.HOLDING and planned_s > 0.0:
            power_w = 3600.0 * leg.energy_wh / planned_s
        use.modelled_wh += power_w * max(0.0, seconds) / 3600.0


def battery_conditions(
    telemetry: Telemetry, made: Forecast | None, *, low_pct: float, return_pct: float
) -> Iterator[Condition]:
    """A landing with less than is wanted, and one with so little that it must return now."""
    if made is None or made.at_landing_pct >= max(low_pct, return_pct):
        return
    vehicle_id = telemetry.vehicle_id
    words = (
        f"{vehicle_id}: it would land with {made.at_landing_pct:.0f} % battery, and with "
        f"{made.if_returned_pct:.0f} % if it returned now (it uses {made.factor:.2f} times what "
        "was planned)"
    )
    if must_return(telemetry, made, return_pct):
        yield Condition(
            f"{RETURN_KEY}{vehicle_id}",
            Severity.WARNING,
            words,
            "It was told to return by its checked way; watch that it does",
            vehicle_id,
        )
        return
    yield Condition(
        f"{RETURN_KEY}{vehicle_id}",
        Severity.CAUTION,
        words,
        "Return it, or watch that it comes home",
        vehicle_id,
    )


def must_return(telemetry: Telemetry, made: Forecast | None, return_pct: float) -> bool:
    """Whether going on would land it under the reserve, and turning round saves something."""
    wanted = return_pct > 0.0 and telemetry.phase in OUTWARD
    if made is None or not wanted or made.at_landing_pct >= return_pct:
        return False
    return made.if_returned_pct >= made.at_landing_pct + WORTH_PCT
