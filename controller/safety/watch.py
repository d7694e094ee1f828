"""The watch: looks at every vehicle once a period, and holds one that is where it may not be.

Owns the loop and what was seen last. Must not know parcels or assignments: it is handed what to
watch, and a way to hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from controller.domain.alarms import Condition, Severity
from controller.safety import monitors
from controller.safety.board import AlarmBoard
from controller.safety.monitors import EnergyLimits, Fix
from geofence.check import Surroundings, Violation
from geofence.errors import GeofenceError
from geofence.frames import LatLon
from geofence.zoneset import ZoneSet
from vehicles.port import Capability, Clock, Telemetry

log = structlog.get_logger(__name__)

SOURCE = "watch"


@dataclass(frozen=True, slots=True)
class Watched:
    """One vehicle as the watch sees it."""

    capability: Capability
    telemetry: Telemetry
    home: LatLon
    working: bool
    """Away from rest."""
    track: tuple[LatLon, ...] = ()
    """The whole way of its mission; empty where it has none."""
    extra: tuple[Condition, ...] = ()
    """Conditions that others found: its link, its assignment."""


@dataclass(frozen=True, slots=True)
class _Seen:
    violations: dict[str, tuple[Violation, ...]]
    failed: dict[str, str]


class Watch:
    """Monitors over the fleet. `hold` is called once for each time a vehicle enters a zone."""

    def __init__(
        self,
        *,
        board: AlarmBoard,
        clock: Clock,
        surroundings: Surroundings,
        limits: EnergyLimits,
        track_limit_m: dict[str, float],
        fleet: Callable[[], Sequence[Watched]],
        zones: Callable[[], ZoneSet],
        hold: Callable[[str, str], Awaitable[object]],
    ) -> None:
        self._board = board
        self._clock = clock
        self._surroundings = surroundings
        self._limits = limits
        self._track_limit_m = track_limit_m
        self._fleet = fleet
        self._zones = zones
        self._hold = hold
        self._last: dict[str, Fix] = {}

    async def run(self, period_s: float) -> None:
        """Look once a period until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(period_s)

    async def look(self) -> None:
        """One look at every vehicle."""
        fleet = self._fleet()
        legs = [
            (w.capability, self._last.get(w.telemetry.vehicle_id), fix)
            for w in fleet
            if w.working and (fix := self._fix(w)) is not None
        ]
        idents = [w.telemetry.vehicle_id for w in fleet if w.working and self._fix(w) is not None]
        seen = await asyncio.to_thread(self._check, idents, legs, self._zones())
        for ident, (_, _, fix) in zip(idents, legs, strict=True):
            self._last[ident] = fix
        conditions: list[Condition] = []
        for watched in fleet:
            conditions.extend(self._conditions(watched, seen))
        new = self._board.tell(SOURCE, conditions)
        entered = {c.vehicle_id: c.cause for c in new if c.key.startswith(monitors.ZONE_KEY)}
        for vehicle_id, cause in entered.items():
            await self._hold(vehicle_id, cause)

    def _fix(self, watched: Watched) -> Fix | None:
        ground_m = self._surroundings.ground_amsl_m or 0.0
        return monitors.fix_of(watched.telemetry, watched.capability.vehicle_class, ground_m)

    def _check(
        self,
        idents: Sequence[str],
        legs: Sequence[tuple[Capability, Fix | None, Fix]],
        zones: ZoneSet,
    ) -> _Seen:
        violations: dict[str, tuple[Violation, ...]] = {}
        failed: dict[str, str] = {}
        for ident, (capability, before, now) in zip(idents, legs, strict=True):
            try:
                violations[ident] = monitors.zone_violations(
                    capability.vehicle_class, before, now, zones, self._surroundings
                )
            except GeofenceError as error:
                # a position that no frame holds is the vehicle's nonsense, not the fleet's end
                failed[ident] = str(error)
        return _Seen(violations, failed)

    def _conditions(self, watched: Watched, seen: _Seen) -> list[Condition]:
        telemetry = watched.telemetry
        vehicle_id = telemetry.vehicle_id
        found = list(watched.extra)
        if not watched.working:
            return found
        found.extend(monitors.zone_conditions(vehicle_id, seen.violations.get(vehicle_id, ())))
        if vehicle_id in seen.failed:
            found.append(
                Condition(
                    f"position:{vehicle_id}",
                    Severity.CAUTION,
                    f"{vehicle_id} tells an impossible position: {seen.failed[vehicle_id]}",
                    "Do not trust its place on the map; hold it if it is at work",
                    vehicle_id,
                )
            )
        found.extend(
            monitors.energy_conditions(watched.capability, telemetry, watched.home, self._limits)
        )
        found.extend(monitors.phase_conditions(telemetry))
        limit_m = self._track_limit_m[watched.capability.vehicle_class.value]
        found.extend(monitors.track_conditions(telemetry, watched.track, limit_m))
        return found
