"""Places that a drone in the air may be sent to, each checked by the zones in force.

Owns the list that an operator chooses from, and the choice of a rally point for a drone whose
mission a new zone forbids. Must not send anything.

At a rally point of the drone's own list it may land: there the landing counts where the way home
is not clear. From anywhere else it must be able to come home.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from controller.delivery import diverting
from controller.delivery.gate import Gate
from controller.delivery.ledger import Ledger
from controller.delivery.process import VehicleProcess
from controller.domain.model import Site
from geofence.frames import LatLon, geodesic_m
from vehicles.port import Divert, RallyPlace, Telemetry

MOST_PLACES = 12
AT_POINT_M = 1.0


@dataclass(frozen=True, slots=True)
class Refuge:
    """A place with a name. `against`: why the drone may not go there; empty where it may."""

    name: str
    kind: str
    """"rally" or "site"."""
    to: Divert
    away_m: float
    against: str


class Refuges:
    """Asks the gate for one vehicle after another."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        processes: Mapping[str, VehicleProcess],
        gate: Gate,
        sites: Mapping[str, Site],
        homes: Mapping[str, LatLon],
        permits: Callable[[str], frozenset[str]],
    ) -> None:
        self._ledger = ledger
        self._processes = processes
        self._gate = gate
        self._sites = sites
        self._homes = homes
        self._permits = permits

    async def against(self, vehicle_id: str, to: Divert) -> str:
        """Why a vehicle may not be sent to a point now; empty where it may."""
        return await asyncio.to_thread(self.against_now, vehicle_id, to)

    def against_now(self, vehicle_id: str, to: Divert) -> str:
        """The same; takes milliseconds: call it in a thread."""
        owner = self._processes[vehicle_id].owner
        near = (geodesic_m(each.position, to.position) for each in _rally(owner.telemetry))
        return diverting.refusal(
            self._gate,
            owner,
            to,
            self._ledger.assignments.get(vehicle_id),
            dict(self._ledger.parcels),
            home=self._homes[vehicle_id],
            permits=self._permits(vehicle_id),
            may_land=any(away_m < AT_POINT_M for away_m in near),
        )

    async def places(self, vehicle_id: str) -> list[Refuge]:
        """Its rally points and the sites near it, the nearest first, each checked."""
        return await asyncio.to_thread(lambda: list(self._places(vehicle_id)))

    def rally(self, vehicle_id: str) -> Refuge | str:
        """The nearest of its rally points that it may go to now, or why there is none."""
        told: list[str] = []
        named = [each for each in self._named(vehicle_id) if each[1] == "rally"]
        for name, kind, to, away_m in named:
            against = self.against_now(vehicle_id, to)
            if not against:
                return Refuge(name, kind, to, away_m, "")
            told.append(f"{name}: {against}")
        return "; ".join(told) or "it has no rally point, or its list was not read"

    def _places(self, vehicle_id: str) -> Iterator[Refuge]:
        for name, kind, to, away_m in self._named(vehicle_id)[:MOST_PLACES]:
            yield Refuge(name, kind, to, away_m, self.against_now(vehicle_id, to))

    def _named(self, vehicle_id: str) -> list[tuple[str, str, Divert, float]]:
        telemetry = self._processes[vehicle_id].owner.telemetry
        here = telemetry.position
        if here is None:
            return []
        found = [
            (f"rally point {number}", "rally", each.position, each.alt_home_m)
            for number, each in enumerate(_rally(telemetry), start=1)
        ]
        found += [(site.name, "site", site.position, 0.0) for site in self._sites.values()]
        named = [
            (name, kind, Divert(place, self._height_m(telemetry, low_m)), geodesic_m(here, place))
            for name, kind, place, low_m in found
        ]
        return sorted(
            (each for each in named if each[3] <= diverting.MOST_M), key=lambda each: each[3]
        )

    def _height_m(self, telemetry: Telemetry, low_m: float) -> float:
        """Level flight where that is allowed, and never below the point's own height."""
        rules = self._gate.flight_rules
        high_m = max(telemetry.alt_home_m or 0.0, low_m, rules.min_cruise_alt_home_m)
        return round(min(high_m, rules.max_cruise_alt_home_m), 1)


def _rally(telemetry: Telemetry) -> tuple[RallyPlace, ...]:
    return () if telemetry.failsafes is None else telemetry.failsafes.rally
