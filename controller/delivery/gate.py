"""The last word before anything is sent: is this mission still true, here, now?

Owns the gate before load and before start. Must not send anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from controller.dispatch.failsafes import policy_of
from controller.dispatch.fencing import Fenced, flight_fence, judge_flight, promised
from controller.dispatch.model import DispatchSettings
from controller.domain.records import AssignmentRecord, ParcelRecord
from controller.fleet.owner import VehicleOwner
from geofence.check import FlightPath, Surroundings
from geofence.errors import GeofenceError
from geofence.zoneset import ZoneSet
from missions.contingency import DEFAULT_POLICY, ContingencyPolicy
from missions.errors import MissionsError
from missions.inspect import Inspection, inspect_flight, inspect_round
from missions.model import AirMission, GroundMission
from missions.plan_flown import FlightRules, FlownLeg, flown_legs
from missions.plan_round import closed_edges, open_streets, slowed_edges
from missions.roads import StreetGraph
from missions.street_use import RobotFit, unfit_edges
from missions.validate import (
    FlightChecks,
    GoNoGo,
    RoundChecks,
    validate_round,
    walk_flight,
)
from missions.validate_round import round_path
from missions.way_home import way_home
from vehicles.port import Capability, Clock, FlightFence, LinkState, Telemetry

Held = Callable[[str, Collection[str], datetime], frozenset[str]]
"""The permits of a vehicle with these parcels up to a moment."""


@dataclass(frozen=True, slots=True)
class Shut:
    """The gate says no. `passing`: nobody is to blame and the same may be planned anew at once."""

    reason: str
    passing: bool = False


@dataclass(frozen=True, slots=True)
class _Vehicle:
    """What a mission is judged for."""

    capability: Capability
    loads: Mapping[str, float]
    permits: frozenset[str]
    battery_pct: float = 100.0
    policy: ContingencyPolicy = DEFAULT_POLICY
    avoidance: bool = False
    """May count: its fence for this flight is still to be put on board."""


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
        permits: Held | None = None,
        streets: StreetGraph | None = None,
    ) -> None:
        self._streets = streets
        self._permits = permits
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

    @property
    def flight_rules(self) -> FlightRules:
        """What flights are checked by."""
        return self._settings.flight

    def now(self) -> datetime:
        """The time that missions are judged at."""
        return self._clock.now()

    async def shut(
        self,
        record: AssignmentRecord,
        parcels: Mapping[str, ParcelRecord],
        owner: VehicleOwner,
        *,
        loading: bool = False,
    ) -> Shut | None:
        """Why the mission may not be sent, or None where it may.

        `loading`: what its fence will make of the vehicle's avoidance counts, else only what the
        fence was proven to be.
        """
        zones = self._zones()
        if record.mission.zones_version != zones.version:
            return Shut("the zones have changed since it was planned", passing=True)
        telemetry = owner.telemetry
        if telemetry.link is not LinkState.ONLINE or owner.age_s() > self._max_age_s:
            return Shut(f"{owner.vehicle_id} is {telemetry.link}: its data is not fresh")
        if telemetry.battery_pct is None:
            return Shut(f"{owner.vehicle_id} has not told its battery level")
        vehicle = _Vehicle(
            owner.capability,
            self._loads(record, parcels),
            self.permits(record),
            telemetry.battery_pct,
            policy_of(telemetry, zones.version, record.mission.content_hash),
            loading and promised(telemetry),
        )
        try:
            verdict = await asyncio.to_thread(self._judge, record, vehicle, zones)
        except (GeofenceError, MissionsError) as error:
            return Shut(f"the mission cannot be checked: {error}")
        if verdict.go:
            return None
        return Shut("; ".join(reason.text for reason in verdict.reasons))

    async def fence(
        self, record: AssignmentRecord, parcels: Mapping[str, ParcelRecord], owner: VehicleOwner
    ) -> tuple[FlightFence, str] | Shut | None:
        """The fence that goes on board with a mission, and what to tell about it, if anything.

        None for a vehicle that takes none. Where the flight needs its vehicle's avoidance, a fence
        that cannot be made shuts the gate; else the flight goes without one and that is told.
        """
        mission = record.mission
        if not owner.wants_fence or not isinstance(mission, AirMission):
            return None
        zones, telemetry = self._zones(), owner.telemetry
        vehicle = _Vehicle(
            owner.capability,
            self._loads(record, parcels),
            self.permits(record),
            100.0 if telemetry.battery_pct is None else telemetry.battery_pct,
            policy_of(telemetry, ""),
        )
        checks = cast("FlightChecks", self._checks(record, vehicle, self._clock.now()))
        try:
            needed, made = await asyncio.to_thread(
                flight_fence, mission, checks, zones, self._surroundings
            )
        except (GeofenceError, MissionsError) as error:
            needed, made = promised(telemetry), Fenced(reason=str(error))
        if needed and made.reason:
            return Shut(f"its fence cannot be made, and the flight needs it: {made.reason}")
        told = made.reason or "; ".join(made.left_out)
        return FlightFence(mission.content_hash, zones.version, made.items), told

    async def shut_way(
        self,
        record: AssignmentRecord,
        rest: GroundMission,
        parcels: Mapping[str, ParcelRecord],
        owner: VehicleOwner,
    ) -> Shut | None:
        """Why what is left of a round that is under way may not be driven, from now on."""
        zones, telemetry = self._zones(), owner.telemetry
        if rest.zones_version != zones.version:
            return Shut("the zones have changed since it was planned", passing=True)
        if telemetry.link is not LinkState.ONLINE or owner.age_s() > self._max_age_s:
            return Shut(f"{owner.vehicle_id} is {telemetry.link}: its data is not fresh")
        if telemetry.battery_pct is None:
            return Shut(f"{owner.vehicle_id} has not told its battery level")
        loads, permits = self._loads(record, parcels), self.permits(record)
        vehicle = _Vehicle(owner.capability, loads, permits, telemetry.battery_pct)
        left = replace(record, mission=rest)
        try:
            verdict = await asyncio.to_thread(self._judge, left, vehicle, zones)
        except (GeofenceError, MissionsError) as error:
            return Shut(f"the way cannot be checked: {error}")
        if verdict.go:
            return None
        return Shut("; ".join(reason.text for reason in verdict.reasons))

    def open_streets(self, record: AssignmentRecord, owner: VehicleOwner) -> StreetGraph | None:
        """The streets as they are open to a robot on its round. Call it in a thread."""
        if self._streets is None:
            return None
        rules, zones, now = self._settings.round, self._zones(), self._clock.now()
        leave = now + timedelta(seconds=rules.max_round_s)
        asked = (self._streets, zones, self._surroundings)
        held, traits = self.permits(record), owner.capability.traits
        closed = closed_edges(
            *asked, enter=now, leave=leave, rules=rules, permits=held, traits=traits
        )
        slowed = slowed_edges(
            *asked, enter=now, leave=leave, rules=rules, permits=held, traits=traits
        )
        fit = RobotFit(owner.capability.width_m, owner.capability.max_incline_pct)
        unfit = unfit_edges(self._streets, fit, enter=now, leave=leave)
        return open_streets(self._streets, {**closed, **unfit}, slowed)

    def permits(self, record: AssignmentRecord, *, leave: datetime | None = None) -> frozenset[str]:
        """What its vehicle holds for this mission, to its late end or up to `leave`."""
        if self._permits is None:
            return self._settings.permits
        if leave is None:
            air = isinstance(record.mission, AirMission)
            rules = self._settings.flight if air else self._settings.round
            late_s = record.mission.duration_s * (1.0 + rules.time_error) + rules.start_slip_s
            leave = (record.started_at or self._clock.now()) + timedelta(seconds=late_s)
        task = record.assignment
        held = self._permits(task.vehicle_id, task.parcel_ids, leave)
        return self._settings.permits | held

    async def inspect(
        self, record: AssignmentRecord, parcels: Mapping[str, ParcelRecord], owner: VehicleOwner
    ) -> Inspection:
        """A mission as it would be judged now, or as it was to be at its start, for a picture.

        Raises GeofenceError, MissionsError where it cannot be judged.
        """
        telemetry, zones, over = owner.telemetry, self._zones(), self._surroundings
        told_pct = telemetry.battery_pct
        vehicle = _Vehicle(
            owner.capability,
            self._loads(record, parcels),
            self.permits(record),
            100.0 if told_pct is None or record.started_at is not None else told_pct,
            policy_of(telemetry, zones.version, record.mission.content_hash),
        )
        checks = self._checks(record, vehicle, record.started_at or self._clock.now())
        if isinstance(record.mission, AirMission):
            flight = cast("FlightChecks", checks)
            return await asyncio.to_thread(inspect_flight, record.mission, flight, zones, over)
        drive = cast("RoundChecks", checks)
        return await asyncio.to_thread(inspect_round, record.mission, drive, zones, over)

    def path(
        self,
        record: AssignmentRecord,
        parcels: Mapping[str, ParcelRecord],
        owner: VehicleOwner,
        permits: frozenset[str],
    ) -> FlightPath | None:
        """What a mission uses of the air or the street, and when, from its start; None: no form.

        A mission whose start is not known is taken to start now. Takes milliseconds: call it in a
        thread.
        """
        depart_at = record.started_at or self._clock.now()
        vehicle = self._under_way(record, parcels, owner, permits)
        checks = self._checks(record, vehicle, depart_at)
        if isinstance(checks, FlightChecks):
            walked = walk_flight(cast("AirMission", record.mission), checks, self._surroundings)
            return None if isinstance(walked, GoNoGo) else walked.path
        return round_path(cast("GroundMission", record.mission), checks, self._surroundings)

    def way_home(
        self,
        record: AssignmentRecord,
        parcels: Mapping[str, ParcelRecord],
        owner: VehicleOwner,
        telemetry: Telemetry | None = None,
    ) -> FlightPath | None:
        """What a return by the mission's own return path uses, from where the vehicle is.

        `telemetry` puts it elsewhere than it is.

        None: the mission has no return path, or the vehicle's place is not known.
        Call it in a thread.
        """
        mission = record.mission
        telemetry = owner.telemetry if telemetry is None else telemetry
        if not isinstance(mission, AirMission):
            return None
        if telemetry.position is None or telemetry.alt_home_m is None:
            return None
        now = self._clock.now()
        held = self.permits(record)
        vehicle = self._under_way(record, parcels, owner, held)
        checks = self._checks(record, vehicle, record.started_at or now)
        walked = walk_flight(mission, cast("FlightChecks", checks), self._surroundings)
        if isinstance(walked, GoNoGo):
            return None
        return way_home(
            mission,
            walked.legs,
            telemetry.position,
            telemetry.alt_home_m,
            now=now,
            rules=self._settings.flight,
            permits=held,
            traits=owner.capability.traits,
        )

    def _under_way(
        self,
        record: AssignmentRecord,
        parcels: Mapping[str, ParcelRecord],
        owner: VehicleOwner,
        permits: frozenset[str],
    ) -> _Vehicle:
        """As judged in flight: its avoidance does not count, for its fence may be of old zones."""
        policy = policy_of(owner.telemetry, "")
        loads = self._loads(record, parcels)
        return _Vehicle(owner.capability, loads, permits, policy=policy)

    def legs_of(
        self, record: AssignmentRecord, parcels: Mapping[str, ParcelRecord], owner: VehicleOwner
    ) -> tuple[FlownLeg, ...]:
        """An air mission as it will be flown; nothing of a round."""
        if not isinstance(record.mission, AirMission):
            return ()
        return flown_legs(
            record.mission,
            loads=self._loads(record, parcels),
            speed_mps=owner.capability.cruise_speed_mps,
            model=self._settings.multirotor,
            rules=self._settings.flight,
        )

    def corridor_m(self, capability: Capability) -> float:
        """Half width of a vehicle's corridor at its cruise speed."""
        if not capability.flies:
            return self._settings.round.corridor_m
        return self._settings.flight.corridor_m(capability.cruise_speed_mps)

    def _loads(
        self, record: AssignmentRecord, parcels: Mapping[str, ParcelRecord]
    ) -> dict[str, float]:
        return {ident: parcels[ident].parcel.weight_kg for ident in record.assignment.parcel_ids}

    def _judge(self, record: AssignmentRecord, vehicle: _Vehicle, zones: ZoneSet) -> GoNoGo:
        checks = self._checks(record, vehicle, self._clock.now())
        if isinstance(record.mission, AirMission):
            flight = cast("FlightChecks", checks)
            return judge_flight(
                record.mission, flight, zones, self._surroundings, avoidance=vehicle.avoidance
            )
        drive = cast("RoundChecks", checks)
        return validate_round(record.mission, drive, zones, self._surroundings)

    def _checks(
        self, record: AssignmentRecord, vehicle: _Vehicle, depart_at: datetime
    ) -> FlightChecks | RoundChecks:
        capability, loads = vehicle.capability, vehicle.loads
        available_wh = capability.usable_energy_wh * vehicle.battery_pct / 100.0
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
                permits=vehicle.permits,
                traits=capability.traits,
                policy=vehicle.policy,
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
            permits=vehicle.permits,
            traits=capability.traits,
            streets=self._streets,
            fit=RobotFit(capability.width_m, capability.max_incline_pct),
        )
