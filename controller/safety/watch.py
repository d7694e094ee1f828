"""The watch: looks at every vehicle once a period, and holds one that is where it may not be.

Owns the loop and what was seen last. Must not know parcels or assignments: it is handed what to
watch, and a way to hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

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
    trail: tuple[tuple[datetime, LatLon], ...] = ()
    """Of a robot: every place that it told since the last look."""


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
        """Vehicles that were in a zone at the last look."""

    def breaching(self, vehicle_id: str) -> bool:
        """Whether a vehicle was where it may not be at the last look."""
        return vehicle_id in self._inside

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
                some = self._legs(index, watched)
            except GeofenceError as error:
                # a place that no frame holds is the vehicle's nonsense, not the fleet's end
                impossible[index] = str(error)
                continue
            if some:
                alike = (watched.capability.traits, watched.permits)
                legs.setdefault(alike, []).extend(some)
        violations = await asyncio.to_thread(self._check, legs, self._zones())
        self._inside = {
            fleet[index].telemetry.vehicle_id for index, some in violations.items() if some
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

    def _legs(self, index: int, watched: Watched) -> list[PathLeg]:
        """Where it was since the last look, all under its index."""
        told, vehicle_id = watched.telemetry, watched.telemetry.vehicle_id
        before = self._last.pop(vehicle_id, None)
        if not watched.working:
            return []
        robot = watched.capability.vehicle_class is VehicleClass.ROBOT
        stays = robot and vehicle_id in self._inside
        clear_m = max(told.position_error_m, monitors.ROBOT_CLEAR_M if stays else 0.0)
        legs: list[PathLeg] = []
        for at, place in (*watched.trail, (told.received_at, told.position)):
            now = self._fix(watched, at, place)
            if now is None or (before is not None and now.at < before.at):
                continue
            start = monitors.joined(before, now, watched.track) if robot else before
            legs.append(monitors.segment(index, start, now, clear_m))
            self._last[vehicle_id] = before = now
        return legs

    def _fix(self, watched: Watched, at: datetime | None, place: LatLon | None) -> Fix | None:
        known_m = None if place is None else self._surroundings.ground_at(place)
        ground_m = (self._surroundings.ground_amsl_m or 0.0) if known_m is None else known_m
        told = replace(watched.telemetry, received_at=at, position=place)
        return monitors.fix_of(told, watched.capability.vehicle_class, ground_m)

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
        vehicle_class = watched.capability.vehicle_class
        found.extend(monitors.zone_conditions(vehicle_id, vehicle_class, violations))
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
