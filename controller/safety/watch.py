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
from controller.safety.battery import BatteryBook, Flown, battery_conditions, must_return
from controller.safety.board import AlarmBoard
from controller.safety.monitors import EnergyLimits, Fix
from geofence.check import PathLeg, Surroundings, Violation
from geofence.errors import GeofenceError
from geofence.frames import LatLon
from geofence.zones import VehicleClass, VehicleTraits
from geofence.zoneset import ZoneSet
from vehicles.port import Capability, Clock, Telemetry

log = structlog.get_logger(__name__)

SOURCE = "watch"
ASK_HOME_AGAIN_S = 15.0
"""A return for the battery that was not carried out is demanded again after this."""

Alike = tuple[VehicleTraits, frozenset[str]]
"""Vehicles of the same traits with the same permits are checked in one go."""


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
    permits: frozenset[str] = frozenset()
    """What it holds now."""
    flown: Flown | None = None
    """The air mission that it is on."""


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
        battery: BatteryBook | None = None,
        bring_home: Callable[[str, str], Awaitable[object]] | None = None,
    ) -> None:
        self._board = board
        self._clock = clock
        self._surroundings = surroundings
        self._limits = limits
        self._track_limit_m = track_limit_m
        self._fleet = fleet
        self._zones = zones
        self._hold = hold
        self._battery = battery
        self._bring_home = bring_home
        self._asked_home: dict[str, float] = {}
        self._last: dict[str, Fix] = {}
        self._inside: set[str] = set()
        """Robots that were in a zone at the last look."""

    async def run(self, period_s: float) -> None:
        """Look once a period until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:
                # a watch that ends must be told, and the next look may succeed
                log.exception("the watch failed")
                self._board.happen(
                    Condition(
                        "watch",
                        Severity.WARNING,
                        f"the watch over vehicles failed: {type(error).__name__}: {error}",
                        "Watch the map yourself; hold the fleet if this lasts",
                    )
                )
            await self._clock.sleep(period_s)

    async def look(self) -> None:
        """One look at every vehicle."""
        fleet = self._fleet()
        legs: dict[Alike, list[PathLeg]] = {}
        impossible: dict[int, str] = {}
        for index, watched in enumerate(fleet):
            try:
                leg = self._leg(index, watched)
            except GeofenceError as error:
                # a place that no frame holds is the vehicle's nonsense, not the fleet's end
                impossible[index] = str(error)
                continue
            if leg is not None:
                alike = (watched.capability.traits, watched.permits)
                legs.setdefault(alike, []).append(leg)
        violations = await asyncio.to_thread(self._check, legs, self._zones())
        self._inside = {
            fleet[index].telemetry.vehicle_id
            for index, found in violations.items()
            if found and fleet[index].capability.vehicle_class is VehicleClass.ROBOT
        }
        conditions: list[Condition] = []
        for index, watched in enumerate(fleet):
            conditions.extend(
                self._conditions(watched, violations.get(index, ()), impossible.get(index, ""))
            )
        new = self._board.tell(SOURCE, conditions)
        entered = {c.vehicle_id: c.cause for c in new if c.key.startswith(monitors.ZONE_KEY)}
        for vehicle_id, cause in entered.items():
            await self._hold(vehicle_id, cause)
        for watched in fleet:
            await self._spare(watched)

    async def _spare(self, watched: Watched) -> None:
        """Demand the return of a drone that could not land with its reserve; again if it stays."""
        telemetry = watched.telemetry
        vehicle_id = telemetry.vehicle_id
        if self._battery is None or self._bring_home is None:
            return
        made = self._battery.forecast(vehicle_id)
        if not watched.working:
            self._asked_home.pop(vehicle_id, None)
            return
        if not must_return(telemetry, made, self._limits.return_pct):
            return
        now_s = self._clock.monotonic_s()
        if made is None or now_s - self._asked_home.get(vehicle_id, -1e9) < ASK_HOME_AGAIN_S:
            return
        self._asked_home[vehicle_id] = now_s
        cause = (
            f"it would land with {made.at_landing_pct:.0f} % battery, "
            f"{self._limits.return_pct:.0f} % is the reserve"
        )
        await self._bring_home(vehicle_id, cause)

    def _leg(self, index: int, watched: Watched) -> PathLeg | None:
        vehicle_id = watched.telemetry.vehicle_id
        before = self._last.pop(vehicle_id, None)
        place = watched.telemetry.position
        known_m = None if place is None else self._surroundings.ground_at(place)
        ground_m = (self._surroundings.ground_amsl_m or 0.0) if known_m is None else known_m
        now = monitors.fix_of(watched.telemetry, watched.capability.vehicle_class, ground_m)
        if not watched.working or now is None:
            return None
        stays = vehicle_id in self._inside
        leg = monitors.segment(index, before, now, monitors.ROBOT_CLEAR_M if stays else 0.0)
        self._last[vehicle_id] = now
        return leg

    def _check(
        self, legs: dict[Alike, list[PathLeg]], zones: ZoneSet
    ) -> dict[int, tuple[Violation, ...]]:
        found: dict[int, tuple[Violation, ...]] = {}
        for (traits, permits), some in legs.items():
            found.update(monitors.zone_violations(traits, some, zones, self._surroundings, permits))
        return found

    def _conditions(
        self, watched: Watched, violations: Sequence[Violation], impossible: str
    ) -> list[Condition]:
        telemetry = watched.telemetry
        vehicle_id = telemetry.vehicle_id
        found = list(watched.extra)
        made = None
        if self._battery is not None:
            flown = watched.flown if watched.working else None
            made = self._battery.look(telemetry, watched.capability, flown)
        if not watched.working:
            return found
        found.extend(monitors.zone_conditions(vehicle_id, violations))
        if impossible:
            found.append(
                Condition(
                    f"position:{vehicle_id}",
                    Severity.CAUTION,
                    f"{vehicle_id} tells an impossible position: {impossible}",
                    "Do not trust its place on the map; hold it if it is at work",
                    vehicle_id,
                )
            )
        found.extend(
            monitors.energy_conditions(watched.capability, telemetry, watched.home, self._limits)
        )
        found.extend(
            battery_conditions(
                telemetry,
                made,
                low_pct=self._limits.reserve_pct,
                return_pct=self._limits.return_pct,
            )
        )
        found.extend(monitors.phase_conditions(telemetry))
        limit_m = self._track_limit_m[watched.capability.vehicle_class.value]
        found.extend(monitors.track_conditions(telemetry, watched.track, limit_m))
        return found
