"""Cancelling a parcel: before its vehicle starts, and while a drone has it aboard.

Owns what becomes of the parcel and of those that share its vehicle. Before the start the whole
assignment is given up: the others are planned anew. Aboard a drone it comes home: those that
would leave before it are delivered first, then the drone is told to return by its mission's
checked path, with whatever else is aboard. A robot delivers what it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from controller.delivery import steps
from controller.delivery.ledger import Ledger
from controller.delivery.process import VehicleProcess
from controller.delivery.views import UnknownParcelError
from controller.domain.model import AssignmentState, ParcelState
from controller.domain.records import AssignmentRecord, ParcelRecord
from controller.store.changes import Changes
from controller.store.errors import FencedError, StaleStepError, StoreError
from missions.model import AirMission
from vehicles.port import Clock, CommandResult, LinkState, Outcome, Phase, Verb

log = structlog.get_logger(__name__)

CANCELLABLE = frozenset(
    {ParcelState.SUBMITTED, ParcelState.ASSIGNED, ParcelState.PREPARING, ParcelState.RETURNED}
)
AGAIN_S, REFUSED_AGAIN_S = 15.0, 3.0
"""A return that has no effect, or was refused, is demanded again after this."""
LEFT_ALONE = frozenset(
    {Phase.RETURNING, Phase.LANDING, Phase.LANDED, Phase.HOLDING, Phase.FAILSAFE, Phase.LOST}
)
"""It is on its way home, or somebody or something else has it: a hold is a person's."""


def due(record: AssignmentRecord, parcels: Mapping[str, ParcelRecord]) -> tuple[str, ...]:
    """The cancelled parcels for which a drone must turn home now.

    None while one that leaves before them is still to be delivered.
    """
    if record.assignment.state is not AssignmentState.STARTED:
        return ()
    if not isinstance(record.mission, AirMission):
        return ()
    recalled = [p for p in record.mission.parcel_ids if _comes_home(parcels[p])]
    if not recalled:
        return ()
    before = record.mission.parcel_ids[: record.mission.parcel_ids.index(recalled[0])]
    if any(parcels[p].state is ParcelState.IN_TRANSIT for p in before):
        return ()
    return tuple(recalled)


def _comes_home(record: ParcelRecord) -> bool:
    return record.recalled and record.state is ParcelState.RETURNING


class Cancelling:
    """`cancel` takes the wish; `run` brings drones home for it."""

    def __init__(
        self, ledger: Ledger, processes: Mapping[str, VehicleProcess], clock: Clock
    ) -> None:
        self._ledger = ledger
        self._processes = processes
        self._clock = clock
        self._wake = asyncio.Event()
        self._demanded_s: dict[str, float] = {}
        ledger.listen(self._on_kept)

    async def run(self) -> None:
        """Tell drones to return for cancelled parcels, until cancelled itself."""
        self._wake.set()
        while True:
            try:
                async with self._clock.timeout(REFUSED_AGAIN_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            for vehicle_id, record in list(self._ledger.assignments.items()):
                await self._look_at(vehicle_id, record)

    async def _look_at(self, vehicle_id: str, record: AssignmentRecord) -> None:
        process = self._processes.get(vehicle_id)
        wanted = due(record, self._ledger.parcels)
        if process is None or not wanted:
            self._demanded_s.pop(vehicle_id, None)
            return
        telemetry = process.owner.telemetry
        if telemetry.phase in LEFT_ALONE or telemetry.link is not LinkState.ONLINE:
            return
        now_s = self._clock.monotonic_s()
        if now_s - self._demanded_s.get(vehicle_id, now_s - AGAIN_S) < AGAIN_S:
            return
        self._demanded_s[vehicle_id] = now_s
        words = f"{', '.join(wanted)} was cancelled"
        try:
            result = await process.demand(Verb.RETURN, by="dispatch", reason=words)
        except FencedError:
            raise
        except StoreError as error:
            log.warning("return not sent", vehicle=vehicle_id, reason=str(error))
            return
        if result.outcome is Outcome.REFUSED:
            self._demanded_s[vehicle_id] = now_s - AGAIN_S + REFUSED_AGAIN_S
        if not result.done:
            log.warning("not coming home", vehicle=vehicle_id, reason=result.reason)

    async def cancel(self, parcel_id: str, *, by: str, reason: str) -> CommandResult:
        """Take a parcel out. Raises UnknownParcelError."""
        record = self._ledger.parcels.get(parcel_id)
        if record is None:
            raise UnknownParcelError(parcel_id)
        if record.state is ParcelState.IN_TRANSIT:
            return await self._recall(parcel_id, by, reason)
        if record.state not in CANCELLABLE:
            return CommandResult(
                Outcome.REFUSED, f"{parcel_id} is {_words(record.state)}: it cannot be cancelled"
            )
        if record.state in {ParcelState.ASSIGNED, ParcelState.PREPARING}:
            process = self._processes.get(record.vehicle_id)
            if process is None or not await process.give_up(f"{parcel_id} was cancelled by {by}"):
                return CommandResult(
                    Outcome.REFUSED,
                    f"{record.vehicle_id} has been started for it: return or land the vehicle",
                )
        return await self._cancel_waiting(parcel_id, by, reason)

    async def _recall(self, parcel_id: str, by: str, reason: str) -> CommandResult:
        """Bring a parcel home that a drone has aboard."""
        vehicle_id = self._ledger.parcels[parcel_id].custodian.ident
        task = self._ledger.assignments.get(vehicle_id)
        carried = task is not None and parcel_id in task.assignment.parcel_ids
        if task is None or not carried or not isinstance(task.mission, AirMission):
            return CommandResult(
                Outcome.REFUSED, f"{parcel_id} is in transit: it cannot be cancelled"
            )
        draft = self._ledger.draft()
        words = _by(by, reason)
        steps.recall(draft, parcel_id, words, {"by": by, "reason": reason})
        try:
            await self._ledger.keep_draft(draft, vehicle_id)
        except StaleStepError:
            return CommandResult(
                Outcome.REFUSED, f"{parcel_id} moved on at this moment: look again"
            )
        self._wake.set()
        return CommandResult(Outcome.DONE, self._told(parcel_id, vehicle_id, task))

    def _told(self, parcel_id: str, vehicle_id: str, task: AssignmentRecord) -> str:
        order = task.mission.parcel_ids
        going = [p for p in order if self._ledger.parcels[p].state is ParcelState.IN_TRANSIT]
        first = [p for p in going if order.index(p) < order.index(parcel_id)]
        told = f"{vehicle_id} brings {parcel_id} home"
        if first:
            told += f", after it has delivered {', '.join(first)}"
        behind = [p for p in going if p not in first]
        if behind:
            told += f"; {', '.join(behind)} comes back, too, and is offered again"
        return told

    async def _cancel_waiting(self, parcel_id: str, by: str, reason: str) -> CommandResult:
        draft = self._ledger.draft()
        if draft.parcel(parcel_id).state not in {ParcelState.SUBMITTED, ParcelState.RETURNED}:
            return CommandResult(Outcome.REFUSED, f"{parcel_id} has just left: it goes on")
        draft.move(
            parcel_id,
            ParcelState.CANCELLED,
            reasons=(_by(by, reason),),
            not_before=None,
            data={"by": by, "reason": reason},
        )
        try:
            await self._ledger.keep_draft(draft)
        except StaleStepError:
            return CommandResult(
                Outcome.REFUSED, f"{parcel_id} was taken at this moment: try again"
            )
        return CommandResult(Outcome.DONE)

    def _on_kept(self, changes: Changes) -> None:
        if changes.parcels or changes.assignments:
            self._wake.set()


def _by(by: str, reason: str) -> str:
    return f"cancelled by {by}: {reason}" if reason else f"cancelled by {by}"


def _words(state: ParcelState) -> str:
    return state.value.replace("_", " ")
