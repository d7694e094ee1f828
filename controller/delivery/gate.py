"""The last word before anything is sent: is this mission still true, here, now?

Owns the gate before load and before start. Must not send anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from controller.dispatch.model import DispatchSettings
from controller.domain.records import AssignmentRecord, ParcelRecord
from controller.fleet.owner import VehicleOwner
from geofence.check import FlightPath, Surroundings, Violation
from geofence.errors import GeofenceError
from geofence.zoneset import ZoneSet
from missions.errors import MissionsError
from missions.inspect import Inspection, inspect_flight, inspect_round
from missions.model import AirMission, GroundMission
from missions.validate import (
    FlightChecks,
    GoNoGo,
    RoundChecks,
    validate_flight,
    validate_round,
    walk_flight,
)
from missions.validate_round import round_path
from vehicles.port import Capability, Clock, LinkState


@dataclass(frozen=True, slots=True)
class Shut:
    """The gate says no. `passing`: nobody is to blame and the same may be planned anew at once."""

    reason: str
    passing: bool = False


class Gate:
    """Checks a mission afresh against the zones in force and the vehicle as it is now."""

    def __init__(
        self,
        *,
        settings: DispatchSettings,
        surroundings: Surroundings,
        zones: Callable[[], ZoneSet],
        clock: Clock,
        max_age_s: float,
    ) -> None:
        self._settings = settings
        self._surroundings = surroundings
        self._zones = zones
        self._clock = clock
        self._max_age_s = max_age_s

    @property
    def zones(self) -> ZoneSet:
        """Those in force."""
        return self._zones()

    @property
    def surroundings(self) -> Surroundings:
        """What is known of the ground."""
        return self._surroundings

    def now(self) -> datetime:
        """The time that missions are judged at."""
        return self._clock.now()

    async def shut(
        self,
        record: AssignmentRecord,
        parcels: Mapping[str, ParcelRecord],
        owner: VehicleOwner,
    ) -> Shut | None:
        """Why the mission may not be sent, or None where it may."""
        zones = self._zones()
        if record.mission.zones_version != zones.version:
            return Shut("the zones have changed since it was planned", passing=True)
        telemetry = owner.telemetry
        if telemetry.link is not LinkState.ONLINE or owner.age_s() > self._max_age_s:
            return Shut(f"{owner.vehicle_id} is {telemetry.link}: its data is not fresh")
        if telemetry.battery_pct is None:
            return Shut(f"{owner.vehicle_id} has not told its battery level")
        loads = self._loads(record, parcels)
        try:
            verdict = await asyncio.to_thread(
                self._judge, record, loads, owner.capability, telemetry.battery_pct, zones
            )
        except (GeofenceError, MissionsError) as error:
            return Shut(f"the mission cannot be checked: {error}")
        if verdict.go:
            return None
        return Shut("; ".join(reason.text for reason in verdict.reasons))

    async def violations(
        self, record: AssignmentRecord, parcels: Mapping[str, ParcelRecord], owner: VehicleOwner
    ) -> tuple[Violation, ...]:
        """What the zones in force have against a mission that is under way."""
        loads = self._loads(record, parcels)
        verdict = await asyncio.to_thread(
            self._judge, record, loads, owner.capability, 100.0, self._zones()
        )
        return verdict.verdict.violations if verdict.verdict is not None else ()

    async def inspect(
        self, record: AssignmentRecord, parcels: Mapping[str, ParcelRecord], owner: VehicleOwner
    ) -> Inspection:
        """A mission as it would be judged now, or as it was to be at its start, for a picture.

        Raises GeofenceError, MissionsError where it cannot be judged.
        """
        told_pct = owner.telemetry.battery_pct
        battery_pct = 100.0 if told_pct is None or record.started_at is not None else told_pct
        depart_at = record.started_at or self._clock.now()
        loads = self._loads(record, parcels)
        checks = self._checks(record, loads, owner.capability, battery_pct, depart_at)
        zones, over = self._zones(), self._surroundings
        if isinstance(record.mission, AirMission):
            flight = cast("FlightChecks", checks)
            return await asyncio.to_thread(inspect_flight, record.mission, flight, zones, over)
        drive = cast("RoundChecks", checks)
        return await asyncio.to_thread(inspect_round, record.mission, drive, zones, over)

    def _loads(
        self, record: AssignmentRecord, parcels: Mapping[str, ParcelRecord]
    ) -> dict[str, float]:
        return {ident: parcels[ident].parcel.weight_kg for ident in record.assignment.parcel_ids}

    def _judge(
        self,
        record: AssignmentRecord,
        loads: Mapping[str, float],
        capability: Capability,
        battery_pct: float,
        zones: ZoneSet,
    ) -> GoNoGo:
        checks = self._checks(record, loads, capability, battery_pct, self._clock.now())
        if isinstance(record.mission, AirMission):
            flight = cast("FlightChecks", checks)
            return validate_flight(record.mission, flight, zones, self._surroundings)
        drive = cast("RoundChecks", checks)
        return validate_round(record.mission, drive, zones, self._surroundings)

    def path(
        self, record: AssignmentRecord, parcels: Mapping[str, ParcelRecord], capability: Capability
    ) -> FlightPath | None:
        """What a mission uses of the air or the street, and when, from its start; None: no form.

        A mission whose start is not known is taken to start now. Takes milliseconds: call it in a
        thread.
        """
        depart_at = record.started_at or self._clock.now()
        loads = self._loads(record, parcels)
        checks = self._checks(record, loads, capability, 100.0, depart_at)
        if isinstance(checks, FlightChecks):
            walked = walk_flight(cast("AirMission", record.mission), checks, self._surroundings)
            return None if isinstance(walked, GoNoGo) else walked.path
        return round_path(cast("GroundMission", record.mission), checks, self._surroundings)

    def _checks(
        self,
        record: AssignmentRecord,
        loads: Mapping[str, float],
        capability: Capability,
        battery_pct: float,
        depart_at: datetime,
    ) -> FlightChecks | RoundChecks:
        available_wh = capability.usable_energy_wh * battery_pct / 100.0
        if isinstance(record.mission, AirMission):
            return FlightChecks(
                depart_at=depart_at,
                loads=loads,
                max_payload_kg=capability.max_payload_kg,
                usable_energy_wh=capability.usable_energy_wh,
                available_energy_wh=available_wh,
                speed_mps=capability.cruise_speed_mps,
                rules=self._settings.flight,
                model=self._settings.multirotor,
                permits=self._settings.permits,
                traits=capability.traits,
            )
        return RoundChecks(
            depart_at=depart_at,
            loads=loads,
            max_payload_kg=capability.max_payload_kg,
            slots=capability.parcel_slots,
            speed_mps=capability.cruise_speed_mps,
            usable_energy_wh=capability.usable_energy_wh,
            available_energy_wh=available_wh,
            rules=self._settings.round,
            model=self._settings.robot,
            permits=self._settings.permits,
            traits=capability.traits,
        )
