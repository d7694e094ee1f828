"""The dispatch loop: who carries what, decided in a thread, applied only if still true.

Owns when dispatch runs and what becomes of its offers. Must not decide itself who carries what.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from controller.delivery import steps
from controller.delivery.ledger import Ledger
from controller.delivery.process import VehicleProcess
from controller.dispatch.airspace import Airspace
from controller.dispatch.engine import Engine
from controller.dispatch.feasibility import No
from controller.dispatch.model import (
    ActiveFlight,
    Decision,
    DispatchSettings,
    Ineligible,
    Offer,
    ParcelFacts,
    VehicleFacts,
    World,
)
from controller.domain.alarms import Condition, Severity
from controller.domain.model import Parcel, ParcelState, Site
from controller.domain.permits import Permit
from controller.domain.records import AssignmentRecord
from controller.observe import Figures
from controller.safety.board import AlarmBoard
from controller.store.errors import ConflictError, FencedError, StaleStepError, StoreError
from geofence.check import Surroundings
from geofence.zoneset import ZoneSet
from missions.model import AirMission
from missions.roads import StreetGraph
from vehicles.port import Clock

log = structlog.get_logger(__name__)

SETTLE_S = 0.5
"""Wait after a wake-up so that what comes together is decided together, in clock seconds."""


REST_SHARE = 2.0
"""After a decision, rest this many times as long as it took, in wall time."""
LONGEST_REST_S = 3.0


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What the configuration says of a vehicle."""

    base: Site
    integration: str
    cruise_alt_home_m: float


class Matching:
    """The loop. `wake` makes it look soon; it looks once a period in any case."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        board: AlarmBoard,
        processes: Mapping[str, VehicleProcess],
        enrolled: Mapping[str, Enrolled],
        sites: Mapping[str, Site],
        zones: Callable[[], ZoneSet],
        surroundings: Surroundings,
        streets: StreetGraph | None,
        settings: DispatchSettings,
        clock: Clock,
        figures: Figures,
        ids: Callable[[str], str],
        seed: int,
        permits: Callable[[], tuple[Permit, ...]] = tuple,
        kept: Callable[[str], str] = lambda _: "",
    ) -> None:
        self._kept = kept
        self._permits = permits
        self._ledger = ledger
        self._board = board
        self._processes = processes
        self._enrolled = enrolled
        self._sites = sites
        self._zones = zones
        self._surroundings = surroundings
        self._streets = streets
        self._settings = settings
        self._clock = clock
        self._figures = figures
        self._ids = ids
        self._seed = seed
        self._engine = Engine()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Something has changed that dispatch should know."""
        self._wake.set()

    async def run(self, period_s: float) -> None:
        """Decide whenever woken, and once a period, until cancelled."""
        while True:
            try:
                async with self._clock.timeout(period_s):
                    await self._wake.wait()
                await self._clock.sleep(SETTLE_S)
            except TimeoutError:
                pass
            self._wake.clear()
            began = time.perf_counter()
            await self._decide_once()
            # the thread shares the interpreter with the links: they come first
            took_s = time.perf_counter() - began
            await asyncio.sleep(min(LONGEST_REST_S, REST_SHARE * took_s))

    async def _decide_once(self) -> None:
        try:
            await self.decide()
        except FencedError:
            raise
        except StoreError as error:
            log.warning("dispatch not kept", reason=str(error))
        except Exception as error:
            # vehicles in the air need the rest of the controller, whatever dispatch stumbles over
            log.exception("dispatch failed")
            self._board.happen(
                Condition(
                    "dispatch",
                    Severity.WARNING,
                    f"dispatch failed: {type(error).__name__}: {error}",
                    "Nothing new is assigned while this lasts; see the log",
                )
            )

    async def decide(self) -> int:
        """One decision; the number of assignments made."""
        if self._ledger.hold is not None:
            return 0
        world = self._world()
        if not world.parcels or not self._worth_while(world):
            return 0
        began = time.perf_counter()
        decision = await asyncio.to_thread(
            self._engine.dispatch, world, ids=self._ids, seed=self._seed
        )
        self._figures.dispatch_s.observe(time.perf_counter() - began)
        return await self._apply(decision, world)

    async def in_the_way(self, record: AssignmentRecord) -> str:
        """Why a flight that waited should not start now beside the others; empty where it may."""
        mission = record.mission
        if not isinstance(mission, AirMission):
            return ""
        vehicle_id = record.assignment.vehicle_id
        world = self._world()
        drone = self._facts(self._processes[vehicle_id])
        others = replace(
            world, active=tuple(f for f in world.active if f.vehicle_id != vehicle_id), parcels=()
        )

        def ask() -> str:
            cleared = Airspace(others).clear(drone, mission, lambda _: None)
            return cleared.text if isinstance(cleared, No) else ""

        return await asyncio.to_thread(ask)

    def _worth_while(self, world: World) -> bool:
        """Whether a decision can change anything: someone is free, or a parcel is new."""
        if not any(v.telemetry.received_at for v in world.vehicles):
            return False
        free = any(not v.assigned and v.telemetry.startable for v in world.vehicles)
        known = self._ledger.explanations
        return free or any(p.parcel.parcel_id not in known for p in world.parcels)

    def _world(self) -> World:
        now = self._clock.now()
        return World(
            now=now,
            zones=self._zones(),
            surroundings=self._surroundings,
            streets=self._streets,
            vehicles=tuple(self._facts(p) for p in self._processes.values()),
            parcels=tuple(self._waiting(now)),
            settings=self._settings,
            active=tuple(self._active()),
            held=self._ledger.hold is not None,
            permits=self._permits(),
        )

    def _active(self) -> Iterator[ActiveFlight]:
        for vehicle_id, task in self._ledger.assignments.items():
            if isinstance(task.mission, AirMission):
                assigned_at = task.assignment.created_at
                yield ActiveFlight(vehicle_id, task.mission, assigned_at, task.started_at)

    def _waiting(self, now: datetime) -> Sequence[ParcelFacts]:
        return [
            ParcelFacts(
                record.parcel,
                self._sites[record.parcel.origin_site_id],
                landing=self._lands(record.parcel),
            )
            for record in self._ledger.parcels.values()
            if record.state is ParcelState.SUBMITTED
            and (record.not_before is None or record.not_before <= now)
            and record.parcel.origin_site_id in self._sites
        ]

    def _lands(self, parcel: Parcel) -> bool:
        site = self._sites.get(parcel.destination.site_id)
        return site is not None and site.landing

    def _facts(self, process: VehicleProcess) -> VehicleFacts:
        vehicle_id = process.owner.vehicle_id
        known = self._enrolled[vehicle_id]
        return VehicleFacts(
            vehicle_id=vehicle_id,
            capability=process.owner.capability,
            telemetry=process.owner.telemetry,
            base=known.base,
            integration=known.integration,
            assigned=self._taken(process),
            cruise_alt_home_m=known.cruise_alt_home_m,
        )

    def _taken(self, process: VehicleProcess) -> str:
        """Why it cannot take more: its assignment, what is aboard, or its rest after a failure."""
        vehicle_id = process.owner.vehicle_id
        task = self._ledger.assignments.get(vehicle_id)
        if task is not None:
            return f"out with {', '.join(task.assignment.parcel_ids)}"
        aboard = self._ledger.aboard(vehicle_id)
        if aboard:
            return f"parcel {aboard[0]} aboard"
        kept = self._kept(vehicle_id)
        return kept or ("resting after a failed attempt" if process.resting else "")

    async def _apply(self, decision: Decision, world: World) -> int:
        for parcel_id, explanation in decision.explanations.items():
            self._ledger.explanations[parcel_id] = explanation
        made = 0
        for offer in decision.offers:
            if self._still_true(offer, world):
                made += await self._assign(offer, decision)
        for parcel_id, reasons in decision.unservable.items():
            await self._refuse(parcel_id, reasons, decision, world)
        return made

    def _still_true(self, offer: Offer, world: World) -> bool:
        process = self._processes[offer.vehicle_id]
        return (
            self._ledger.hold is None
            and self._zones().version == world.zones.version
            and not self._taken(process)
            and process.owner.telemetry.startable
            and all(
                self._ledger.parcels[p].state is ParcelState.SUBMITTED for p in offer.parcel_ids
            )
        )

    async def _assign(self, offer: Offer, decision: Decision) -> int:
        process = self._processes[offer.vehicle_id]
        draft = self._ledger.draft()
        ident = self._ids("assignment")
        steps.assign(draft, offer, decision.explanations, process.owner.epoch, ident)
        try:
            await self._ledger.keep_draft(draft, offer.vehicle_id)
        except (ConflictError, StaleStepError) as error:
            log.info("offer came too late", vehicle=offer.vehicle_id, reason=str(error))
            return 0
        log.info("assigned", vehicle=offer.vehicle_id, parcels=list(offer.parcel_ids))
        process.wake()
        return 1

    async def _refuse(
        self,
        parcel_id: str,
        reasons: Sequence[Ineligible],
        decision: Decision,
        world: World,
    ) -> None:
        record = self._ledger.parcels[parcel_id]
        if record.state is not ParcelState.SUBMITTED or self._zones() is not world.zones:
            return
        told = tuple(f"{r.vehicle_id}: {r.text}" for r in reasons)
        explanation = decision.explanations.get(parcel_id)
        draft = self._ledger.draft()
        draft.move(
            parcel_id,
            ParcelState.REFUSED,
            reasons=told,
            explanation=explanation,
            data={"reasons": list(told)},
        )
        try:
            await self._ledger.keep_draft(draft)
        except StaleStepError as error:
            log.info("refusal came too late", parcel=parcel_id, reason=str(error))


def waiting_reason(parcel_id: str, ledger: Ledger) -> tuple[str, ...]:
    """Why a parcel waits: what was kept of a failed attempt, and dispatch's last word."""
    record = ledger.parcels[parcel_id]
    explanation = ledger.explanations.get(parcel_id)
    if record.state is ParcelState.SUBMITTED and explanation is not None:
        return (*record.reasons, explanation.sentence)
    return record.reasons
