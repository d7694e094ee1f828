"""The desk: everything that an operator or an integrator may ask or demand.

Owns the surface that API and command line use, and nothing else does. Must not know HTTP. The
errors that it raises stand in `views.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime

import structlog

from controller.delivery import describe, settling, steps
from controller.delivery.baselines import BaselineDesk
from controller.delivery.cancelling import Cancelling
from controller.delivery.charging import ChargingDesk
from controller.delivery.doors import DoorRules, Doors
from controller.delivery.failed_actions import FailedActions
from controller.delivery.hub import Hub
from controller.delivery.ledger import Ledger
from controller.delivery.lost import Lost
from controller.delivery.matching import Enrolled, Matching, waiting_reason
from controller.delivery.permits import PermitBook
from controller.delivery.planned import PlannedMissions
from controller.delivery.process import VehicleProcess
from controller.delivery.refuges import Refuge, Refuges
from controller.delivery.rezoning import Rezoning
from controller.delivery.steps import Retry
from controller.delivery.submission import submission
from controller.delivery.together import demand_of_all
from controller.delivery.turns import Turns
from controller.delivery.views import (
    Alarm,
    DuplicateParcelError,
    Found,
    HoldState,
    IdempotencyConflictError,
    LoggedEvent,
    ParcelView,
    Submitted,
    UnknownAlarmError,
    UnknownParcelError,
    UnknownSiteError,
    UnknownVehicleError,
    Update,
    VehicleView,
)
from controller.delivery.zones import ZoneBook
from controller.dispatch.model import Explanation
from controller.domain.model import (
    Event,
    Parcel,
    Site,
)
from controller.domain.permits import Permit
from controller.domain.records import HoldRecord, LastKnown
from controller.fleet.allowed import at_rest, refusal
from controller.safety.board import AlarmBoard
from controller.store.changes import Changes, HoldChange
from controller.store.database import Store
from controller.store.errors import ConflictError, StaleStepError
from geofence.zones import VehicleClass, Zone
from geofence.zoneset import ZoneSet
from missions.battery import Forecast
from vehicles.port import Clock, CommandResult, Divert, Outcome, Verb

log = structlog.get_logger(__name__)


class Desk(BaselineDesk):
    """One controller's desk."""

    def __init__(
        self,
        *,
        store: Store,
        ledger: Ledger,
        board: AlarmBoard,
        hub: Hub,
        matching: Matching,
        processes: Mapping[str, VehicleProcess],
        enrolled: Mapping[str, Enrolled],
        sites: Mapping[str, Site],
        zones: ZoneBook,
        rezoning: Rezoning,
        permits: PermitBook,
        retry: Retry,
        clock: Clock,
        missions: PlannedMissions,
        refuges: Refuges,
        lost: Lost,
        charging: ChargingDesk,
        forecast: Callable[[str], Forecast | None] = lambda _: None,
        doors: DoorRules | None = None,
        before: Callable[[str], LastKnown | None] = lambda _: None,
    ) -> None:
        super().__init__(ledger, processes, clock, matching.wake)
        self._store = store
        self._board = board
        self._hub = hub
        self._matching = matching
        self._enrolled = enrolled
        self._sites = sites
        self._zones = zones
        self._rezoning = rezoning
        self._permits = permits
        self._retry = retry
        self.missions = missions
        self._forecast = forecast
        self._before = before
        self._refuges = refuges
        self._lost = lost
        self._charging = charging
        self.failed_actions = FailedActions(ledger, processes, clock)
        self._submitting = asyncio.Lock()
        self.turns: Turns | None = None
        """Who may use which passage; None where there are no streets."""
        self.cancelling = Cancelling(ledger, processes, clock)
        self.doors = Doors(
            ledger=ledger,
            processes=processes,
            board=board,
            clock=clock,
            rules=doors or DoorRules(),
        )

    async def run(self, period_s: float) -> None:
        """Bring cancelled parcels home and look after doors, until cancelled itself."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.cancelling.run(), name="cancelling")
            group.create_task(self.doors.run(period_s), name="doors")

    async def submit(self, parcels: Sequence[Parcel], *, key: str, fingerprint: str) -> Submitted:
        """Take parcels in, all or none; the same key again gives the same answer.

        Raises IdempotencyConflictError, DuplicateParcelError, UnknownSiteError.
        """
        async with self._submitting:
            known = await self._store.submission(key)
            if known is not None:
                if known.fingerprint != fingerprint:
                    raise IdempotencyConflictError(key)
                return Submitted(tuple(self._view(p) for p in known.parcel_ids), replayed=True)
            self._check(parcels)
            changes = submission(parcels, key, fingerprint, self._clock.now())
            try:
                await self._ledger.keep(changes)
            except ConflictError as error:
                raise IdempotencyConflictError(key) from error
        self._matching.wake()
        return Submitted(tuple(self._view(p.parcel_id) for p in parcels), replayed=False)

    def parcels(self) -> list[ParcelView]:
        """Every parcel, in the order of submission."""
        return [self._view(ident) for ident in self._ledger.parcels]

    def parcel(self, parcel_id: str) -> ParcelView | None:
        """One parcel, or None."""
        return self._view(parcel_id) if parcel_id in self._ledger.parcels else None

    def vehicles(self) -> list[VehicleView]:
        """Every enrolled vehicle, in the order of the configuration."""
        return [self._vehicle_view(p) for p in self._processes.values()]

    def vehicle(self, vehicle_id: str) -> VehicleView | None:
        """One vehicle, or None."""
        process = self._processes.get(vehicle_id)
        return self._vehicle_view(process) if process is not None else None

    def sites(self) -> list[Site]:
        """Every place with a name."""
        return list(self._sites.values())

    def explain(self, parcel_id: str) -> Explanation | None:
        """Dispatch's last word on a parcel; None where it has said nothing yet."""
        return self._ledger.explanations.get(parcel_id)

    @property
    def held(self) -> HoldState | None:
        """Who froze dispatch, why and since when; None where it runs."""
        hold = self._ledger.hold
        return HoldState(hold.by, hold.reason, hold.since) if hold else None

    async def command(
        self, vehicle_id: str, verb: Verb, *, by: str, reason: str = ""
    ) -> CommandResult:
        """Demand something of a vehicle; answers once its state shows it. UnknownVehicleError.

        Of a vehicle that says that it is disarmed nothing is demanded: see `VehicleView.commands`.
        """
        process = self._processes.get(vehicle_id)
        if process is None:
            raise UnknownVehicleError(vehicle_id)
        refused = refusal(process.owner.telemetry, verb)
        if refused:
            return CommandResult(Outcome.REFUSED, refused)
        return await process.demand(verb, by=by, reason=reason)

    async def command_all(self, verb: Verb, *, by: str, reason: str) -> dict[str, CommandResult]:
        """Freeze dispatch, then demand it of every vehicle at once."""
        hold = HoldRecord(by, reason, self._clock.now())
        return await demand_of_all(self._ledger, list(self._processes.values()), verb, hold)

    async def unfreeze(self, *, by: str, reason: str) -> None:
        """Let dispatch go on. Vehicles that hold stay held until each is resumed."""
        event = Event("dispatch.free", self._clock.now(), data={"by": by, "reason": reason})
        await self._ledger.keep(Changes(hold=HoldChange(None), events=(event,)))
        self._matching.wake()
        for process in self._processes.values():
            process.wake()

    async def cancel(self, parcel_id: str, *, by: str, reason: str) -> CommandResult:
        """Take a parcel out, or have a drone that has it bring it home.

        Raises UnknownParcelError. DONE tells in its reason what becomes of the others aboard.
        """
        return await self.cancelling.cancel(parcel_id, by=by, reason=reason)

    async def settle(self, parcel_id: str, *, found: Found, by: str, reason: str) -> CommandResult:
        """Take a person's word on a stranded parcel. Raises UnknownParcelError."""
        record = self._ledger.parcels.get(parcel_id)
        if record is None:
            raise UnknownParcelError(parcel_id)
        custodian = record.custodian.ident
        enrolled = self._enrolled.get(custodian)
        base_id = enrolled.base.site_id if enrolled is not None else ""
        task = self._ledger.assignments.get(custodian)
        open_task = task is not None and parcel_id in task.assignment.parcel_ids
        refusal = settling.refusal(
            parcel_id,
            record.state,
            found,
            custodian=custodian,
            base_id=base_id,
            open_task=open_task,
        )
        if refusal:
            return CommandResult(Outcome.REFUSED, refusal)
        draft = self._ledger.draft()
        settling.settle(
            draft, parcel_id, found, by=by, reason=reason, base_id=base_id, retry=self._retry
        )
        try:
            await self._ledger.keep_draft(draft)
        except StaleStepError:
            return CommandResult(
                Outcome.REFUSED, f"{parcel_id} moved on at this moment: look again"
            )
        self._matching.wake()
        return CommandResult(Outcome.DONE)

    async def write_off(
        self, vehicle_id: str, *, by: str, reason: str, removed: bool
    ) -> CommandResult:
        """End the round of a vehicle that is not heard any more. Raises UnknownVehicleError.

        What it has is stranded with it. `removed`: it was taken off the streets, so that its right
        of way is free as well.
        """
        if vehicle_id not in self._processes:
            raise UnknownVehicleError(vehicle_id)
        try:
            return await self._lost.write_off(vehicle_id, by=by, reason=reason, removed=removed)
        except StaleStepError:
            return CommandResult(Outcome.REFUSED, f"{vehicle_id} moved on: look again")

    async def trigger(self, parcel_id: str, *, pin: str | None, by: str) -> CommandResult:
        """A customer's word at the door. Raises UnknownParcelError."""
        return await self.doors.trigger(parcel_id, pin=pin, by=by)

    async def resend(self, parcel_id: str, *, by: str, reason: str) -> CommandResult:
        """Send again what came back to its origin. Raises UnknownParcelError."""
        result = await self.doors.resend(parcel_id, by=by, reason=reason)
        self._matching.wake()
        return result

    async def charge(
        self, vehicle_id: str, *, on: bool, by: str, reason: str = ""
    ) -> CommandResult:
        """Have a robot charge at its base, or end that. Raises UnknownVehicleError."""
        if vehicle_id not in self._processes:
            raise UnknownVehicleError(vehicle_id)
        return await self._charging.command(vehicle_id, on=on, by=by, reason=reason)

    async def divert(
        self, vehicle_id: str, to: Divert, *, by: str, reason: str = ""
    ) -> CommandResult:
        """Send a drone in the air to a point and let it hold there. UnknownVehicleError.

        Refused, and nothing sent, where the straight way there, the stay, or the way home from
        there is not allowed by the zones in force.
        """
        process = self._processes.get(vehicle_id)
        if process is None:
            raise UnknownVehicleError(vehicle_id)
        telemetry = process.owner.telemetry
        if at_rest(telemetry):
            return CommandResult(Outcome.REFUSED, f"{vehicle_id} is disarmed: it goes nowhere")
        against = await self._refuges.against(vehicle_id, to)
        if against:
            return CommandResult(Outcome.REFUSED, against)
        return await process.divert(to, by=by, reason=reason)

    async def refuges(self, vehicle_id: str) -> list[Refuge]:
        """Named places that a drone in the air may be sent to now, or why not, nearest first.

        None for what is not under way in the air. Raises UnknownVehicleError.
        """
        process = self._processes.get(vehicle_id)
        if process is None:
            raise UnknownVehicleError(vehicle_id)
        owner = process.owner
        flying = owner.capability.vehicle_class is VehicleClass.MULTIROTOR
        if not flying or at_rest(owner.telemetry):
            return []
        return await self._refuges.places(vehicle_id)

    @property
    def zone_set(self) -> ZoneSet:
        """The zones in force."""
        return self._zones.zones

    async def replace_zones(self, zones: tuple[Zone, ...], *, by: str) -> ZoneSet:
        """Put another zone set in force. Raises ZoneError, and then the old one stays.

        What was planned against the old one is planned anew; what is under way and no longer
        allowed is told, with the time left, and reacted to as configured.
        """
        # a set that cannot be is refused here: nothing has changed
        zone_set = await asyncio.to_thread(ZoneSet, zones)
        async with self._rezoning.switching():
            before = self._zones.zones
            await self._zones.replace(zone_set, by=by)
            # what flies comes first; what waits is stopped by the gate in any case
            found = await self._rezoning.judge(before, zone_set)
        self._hub.publish("zones", Update("zones", zone_set.version))
        for process in self._processes.values():
            process.wake()
        await self._rezoning.react(list(found.values()))
        self._matching.wake()
        return zone_set

    def permits(self) -> list[Permit]:
        """Those that stand, oldest first."""
        return list(self._permits.standing())

    async def grant(
        self,
        name: str,
        *,
        vehicle_id: str = "",
        parcel_id: str = "",
        until: datetime | None = None,
        by: str,
        reason: str = "",
    ) -> Permit:
        """Let a vehicle, the flight of a parcel, or anybody into the zones that name a permit.

        Raises UnknownVehicleError, and ValueError for a permit that no zone in force names or a
        time that is over.
        """
        if vehicle_id and vehicle_id not in self._processes:
            raise UnknownVehicleError(vehicle_id)
        known = {zone.permit for zone in self._zones.zones if zone.permit}
        if name not in known:
            told = ", ".join(sorted(known)) or "none"
            raise ValueError(f"permit: {name!r} is named by no zone in force; there are: {told}")
        permit = await self._permits.grant(
            name, vehicle_id=vehicle_id, parcel_id=parcel_id, until=until, by=by, reason=reason
        )
        self._matching.wake()
        return permit

    async def withdraw(self, permit_id: str, *, by: str, reason: str = "") -> Permit:
        """Take a permit back. What is under way on it is judged anew, and reacted to.

        Raises UnknownPermitError, and ValueError for one that stands in the configuration.
        """
        permit = await self._permits.withdraw(permit_id, by=by, reason=reason)
        self._rezoning.wake()
        self._matching.wake()
        return permit

    def alarms(self) -> list[Alarm]:
        """Those that stand, worst first."""
        return self._board.alarms()

    async def acknowledge(self, alarm_id: str, *, by: str) -> None:
        """Say that somebody has seen it. Raises UnknownAlarmError."""
        if self._board.acknowledge(alarm_id, by) is None:
            raise UnknownAlarmError(alarm_id)

    async def log_after(self, seq: int, limit: int = 500) -> list[LoggedEvent]:
        """Events that follow place `seq` in the log."""
        return [LoggedEvent(n, e) for n, e in await self._store.events_after(seq, limit)]

    def updates(self) -> AbstractAsyncContextManager[AsyncIterator[Update]]:
        """Changes from now on; a subscriber too slow is told to resync."""
        return self._hub.updates()

    def _check(self, parcels: Sequence[Parcel]) -> None:
        seen: set[str] = set()
        for parcel in parcels:
            if parcel.parcel_id in self._ledger.parcels or parcel.parcel_id in seen:
                raise DuplicateParcelError(parcel.parcel_id)
            seen.add(parcel.parcel_id)
            for site_id in (parcel.origin_site_id, parcel.destination.site_id):
                if site_id and site_id not in self._sites:
                    raise UnknownSiteError(site_id, parcel.parcel_id)
            if not parcel.origin_site_id:
                raise UnknownSiteError("", parcel.parcel_id)

    def _view(self, parcel_id: str) -> ParcelView:
        record = self._ledger.parcels[parcel_id]
        process = self._processes.get(record.vehicle_id)
        task = self._ledger.assignments.get(record.vehicle_id)
        if task is not None and task.assignment.assignment_id != record.assignment_id:
            task = None
        eta = describe.eta_of(
            parcel_id,
            task,
            record.state,
            now=self._clock.now(),
            telemetry=process.owner.telemetry if process else None,
            speed_mps=process.owner.capability.cruise_speed_mps if process else 0.0,
        )
        return replace(
            describe.parcel_view(record, eta),
            reasons=waiting_reason(parcel_id, self._ledger),
            door=self.doors.view(record),
            resendable=not steps.resend_fault(record),
        )

    def _vehicle_view(self, process: VehicleProcess) -> VehicleView:
        owner = process.owner
        record = self._ledger.assignments.get(owner.vehicle_id)
        return describe.vehicle_view(
            telemetry=owner.telemetry,
            capability=owner.capability,
            age_s=owner.age_s(),
            base=self._enrolled[owner.vehicle_id].base,
            record=record,
            aboard=self._ledger.aboard(owner.vehicle_id),
            parcels=self._ledger.parcels,
            alarms=self._board.count(owner.vehicle_id),
            awaits_launch=record is not None and self.missions.view(record).awaits_launch,
            forecast=self._forecast(owner.vehicle_id),
            before=self._before(owner.vehicle_id),
            now=self._clock.now(),
            charges=owner.charges,
            kept=self._charging.keeps(owner.vehicle_id),
        )
