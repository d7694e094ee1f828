"""The process of one vehicle's assignment: desired state brought about, step by step.

Owns the loop that loads, starts and follows up. It reads what is to be done from the ledger
alone, so that a controller that was killed goes on where it stopped:

* a load may be repeated; a start is repeated only after the vehicle shows that it is not running;
* what a vehicle tells is applied in `happenings.py`, live and after a restart alike;
* doubt is resolved by reading the vehicle, never by sending again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from controller.delivery import steps
from controller.delivery.draft import Draft
from controller.delivery.fencing import order_fence
from controller.delivery.gate import Gate, Shut
from controller.delivery.happenings import UNHEARD, Happenings, doubt_condition, on_it
from controller.delivery.journal import by_journal
from controller.delivery.ledger import Ledger
from controller.delivery.steps import Rest, Retry
from controller.domain.alarms import Condition
from controller.domain.errors import DomainError
from controller.domain.model import AssignmentState as A
from controller.domain.records import AssignmentRecord, CommandKind, CommandRecord, CommandState
from controller.fleet.owner import VehicleOwner
from controller.observe import Figures
from controller.store.errors import FencedError, StoreError
from missions.model import AirMission
from vehicles.port import (
    Clock,
    CommandResult,
    Divert,
    MissionProgress,
    Outcome,
    Phase,
    VehicleEvent,
    Verb,
)

log = structlog.get_logger(__name__)

DOUBT_TOLD_S = 30.0
"""Doubt that lasts longer than a vehicle takes to read is told."""

OUTWARD = frozenset({Phase.ARMED, Phase.EN_ROUTE, Phase.AT_STOP, Phase.RELEASED, Phase.HOLDING})
"""Phases in which a drone's place in its mission shows what it has released."""

UNSENT = frozenset({CommandState.PENDING, CommandState.REFUSED})

TICK_S = 2.0
"""How often an open assignment is looked at when nothing happens, and a vehicle in doubt read."""


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """Bounds of the process, in seconds of the controller's clock."""

    retry: Retry
    load_tries: int
    start_tries: int
    ready_wait_s: float = 180.0
    """How long a loaded vehicle may stay unready before its parcels go to another."""
    flown_share: float = 0.5
    """A start in doubt for longer than this share of the mission may have been flown whole."""
    vehicle_rest_s: float = 30.0


class VehicleProcess:
    """One vehicle's process. `run` serves it until cancelled."""

    def __init__(
        self,
        owner: VehicleOwner,
        *,
        ledger: Ledger,
        gate: Gate,
        happenings: Happenings,
        clock: Clock,
        figures: Figures,
        settings: ProcessSettings,
        ids: Callable[[str], str],
        on_free: Callable[[], None],
        zones_version: Callable[[], str] | None = None,
        approved: Callable[[AssignmentRecord], bool] = lambda _: True,
    ) -> None:
        self._zones_version = zones_version
        self.owner = owner
        self._ledger = ledger
        self._gate = gate
        self._happenings = happenings
        self._clock = clock
        self._figures = figures
        self._settings = settings
        self._ids = ids
        self._on_free = on_free
        self._approved = approved
        self._wake, self._lock = asyncio.Event(), asyncio.Lock()
        self._in_doubt = self._adopted = owner.vehicle_id in ledger.assignments
        self._gap = False
        self._wait_until_s = 0.0
        self._rest_until_s = 0.0
        self._loaded_at_s: float | None = None
        self._doubt_since: datetime | None = None
        self._read_again_s = 0.0

    @property
    def resting(self) -> bool:
        """Passed over for a while after a failure, so that other vehicles are preferred."""
        return self._clock.monotonic_s() < self._rest_until_s

    @property
    def in_doubt(self) -> bool:
        """Whether the vehicle must be read before anything else is done with it."""
        return self._in_doubt

    def wake(self) -> None:
        """Something has changed: look now."""
        self._wake.set()

    async def run(self) -> None:
        """Look whenever woken, and now and then while an assignment is open."""
        while True:
            self._wake.clear()
            task = self._task()
            if task is not None:
                await self._advance(task)
            await self._pause(TICK_S if self._task() is not None else 60.0)

    async def hear(self, event: VehicleEvent) -> None:
        """Apply what the vehicle tells. A store that fails leaves doubt, not loss."""
        self._figures.events.labels(kind=event.kind.value).inc()
        if event.kind in UNHEARD and self._task() is not None:
            self._gap = True
        async with self._lock:
            try:
                doubt = await self._happenings.apply(
                    event, self._task(), self.owner.telemetry, unwatched=self._gap
                )
            except FencedError:
                raise
            except (StoreError, DomainError) as error:
                log.warning("event not kept", vehicle=event.vehicle_id, reason=str(error))
                doubt = True
        self._in_doubt = self._in_doubt or (doubt and self._task() is not None)
        self._after_step()

    async def demand(self, verb: Verb, *, by: str, reason: str) -> CommandResult:
        """Hold, resume, return or land, through the journal."""
        return await self._demand(CommandKind(verb.value), by, reason)

    async def divert(self, to: Divert, *, by: str, reason: str) -> CommandResult:
        """To a point that was checked, through the journal."""
        where = f"{to.position.lat_deg:.6f}, {to.position.lon_deg:.6f} at {to.alt_home_m:g} m"
        words = f"to {where}: {reason}" if reason else f"to {where}"
        return await self._demand(CommandKind.DIVERT, by, words, to)

    async def _demand(
        self, kind: CommandKind, by: str, reason: str, to: Divert | None = None
    ) -> CommandResult:
        async def keep(record: CommandRecord, result: CommandResult | None) -> None:
            draft = self._ledger.draft()
            if result is None:
                draft.command(record)
            else:
                self.note_demanded(draft, record, result, reason)
            await self._ledger.keep_draft(draft, self.owner.vehicle_id, ahead=result is None)

        return await self.owner.send(self.demanded(kind, by, reason), None, keep, to)

    def note_demanded(
        self, draft: Draft, record: CommandRecord, result: CommandResult, reason: str
    ) -> None:
        """Put the end of a demand into a step, with what it means for the assignment."""
        draft.command(record)
        self._count(record.kind, result)
        task = self._task()
        if result.done and record.kind is CommandKind.RETURN and task is not None:
            aboard = self._ledger.aboard(self.owner.vehicle_id)
            steps.coming_back(draft, task, aboard, f"told to return by {record.by}: {reason}")

    def demanded(self, kind: CommandKind, by: str, reason: str) -> CommandRecord:
        """A command of a person's, not yet sent."""
        task = self._task()
        return CommandRecord(
            command_id=self._ids("command"),
            vehicle_id=self.owner.vehicle_id,
            epoch=self.owner.epoch,
            kind=kind,
            state=CommandState.PENDING,
            created_at=self._clock.now(),
            assignment_id=task.assignment.assignment_id if task else "",
            by=by,
            reason=reason,
        )

    async def give_up(self, reason: str) -> bool:
        """End an assignment whose start was not sent; its parcels are offered again.

        False where it is too late: the start was sent.
        """
        async with self._lock:
            task = self._task()
            if task is not None:
                start = self._command(task, CommandKind.START)
                unsent = start is None or start.state in UNSENT
                if task.assignment.state is A.STARTED or not unsent:
                    return False
                await self._fail(task, reason, passing=True)
        self._after_step()
        return True

    def _task(self) -> AssignmentRecord | None:
        return self._ledger.assignments.get(self.owner.vehicle_id)

    async def _pause(self, longest_s: float) -> None:
        if self._wake.is_set():
            return
        try:
            async with self._clock.timeout(longest_s):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _advance(self, task: AssignmentRecord) -> None:
        try:
            if self._in_doubt:
                # a step of its own wakes it, and reading may wait for nothing: never in a row
                if self._clock.monotonic_s() >= self._read_again_s:
                    await self._resolve(task)
            elif self._clock.monotonic_s() < self._wait_until_s or self._ledger.hold is not None:
                return
            elif task.assignment.state is A.OPEN:
                await self._load(task)
            elif task.assignment.state is A.LOADED:
                await self._start(task)
        except FencedError:
            raise
        except (StoreError, DomainError) as error:
            log.warning("step not kept", vehicle=self.owner.vehicle_id, reason=str(error))
            self._in_doubt = True

    async def _load(self, task: AssignmentRecord) -> None:
        if (command := self._command(task, CommandKind.LOAD)) is None:
            return
        if command.tries >= self._settings.load_tries:
            await self._fail_unstarted(task, f"loading failed: {command.reason}")
            return
        gate, parcels = self._gate, self._ledger.parcels
        shut = await gate.shut(task, parcels, self.owner, loading=True)
        shut = shut or await order_fence(gate, self._ledger, self.owner, task)
        if shut is not None:
            await self._gate_shut(task, shut)
            return

        async def keep(record: CommandRecord, result: CommandResult | None) -> None:
            async with self._lock:
                fresh = steps.still(self._task(), task, A.OPEN)
                if result is None and (not fresh or self._ledger.hold is not None):
                    raise _MovedOnError
                draft = self._ledger.draft()
                draft.command(record)
                if fresh and result is None:
                    steps.preparing(draft, task)
                elif fresh and result is not None and result.done:
                    steps.loaded(draft, task)
                await self._ledger.keep_draft(draft, self.owner.vehicle_id)

        result = await self._send(command, task, keep)
        if result is None:
            return
        if result.done:
            self._loaded_at_s = self._clock.monotonic_s()
            self._wake.set()
        else:
            self._back_off(command.tries)

    async def _start(self, task: AssignmentRecord) -> None:
        command = self._command(task, CommandKind.START)
        if command is None or not await self._may_start(task, command):
            return

        async def keep(record: CommandRecord, result: CommandResult | None) -> None:
            async with self._lock:
                fresh = steps.still(self._task(), task, A.LOADED)
                shut = self._ledger.hold is not None or self._rezoned(task)
                if result is None and (not fresh or shut):
                    raise _MovedOnError
                draft = self._ledger.draft()
                draft.command(record)
                if fresh and result is not None and result.done:
                    steps.started(draft, task)
                await self._ledger.keep_draft(draft, self.owner.vehicle_id)
                if result is None and (self._ledger.hold is not None or self._rezoned(task)):
                    # a hold or other zones came while it was kept: nothing was sent
                    draft = self._ledger.draft()
                    draft.command(replace(record, state=CommandState.PENDING))
                    await self._ledger.keep_draft(draft, self.owner.vehicle_id)
                    raise _MovedOnError

        result = await self._send(command, task, keep)
        if result is None:
            return
        if result.done and self._ledger.hold is not None:
            # the start overtook a hold of the whole fleet
            hold = self._ledger.hold
            await self.demand(Verb.HOLD, by=hold.by, reason=hold.reason)
        if result.outcome is Outcome.UNCERTAIN:
            self._in_doubt = True
            self._wake.set()
        elif not result.done:
            self._back_off(command.tries)

    def _rezoned(self, task: AssignmentRecord) -> bool:
        """Whether other zones are in force than those that its mission was checked against."""
        return (told := self._zones_version) is not None and told() != task.mission.zones_version

    async def _may_start(self, task: AssignmentRecord, command: CommandRecord) -> bool:
        if command.state in {CommandState.SENT, CommandState.UNCERTAIN}:
            self._in_doubt = True
            self._wake.set()
            return False
        if self.owner.lacks_fence(task.mission):
            steps.unloaded(draft := self._ledger.draft(), task, "its fence is not proven here")
            await self._ledger.keep_draft(draft, self.owner.vehicle_id)
            return False
        if command.tries >= self._settings.start_tries:
            await self._fail_unstarted(task, f"the start was refused: {command.reason}")
            return False
        if not self._approved(task):
            self._loaded_at_s = None  # readiness is waited for from the launch on
            return False
        if not self.owner.telemetry.startable:
            await self._not_ready(task)
            return False
        shut = await self._gate.shut(task, self._ledger.parcels, self.owner)
        if shut is not None:
            await self._gate_shut(task, shut)
        return shut is None

    async def _send(
        self,
        command: CommandRecord,
        task: AssignmentRecord,
        keep: Callable[[CommandRecord, CommandResult | None], object],
    ) -> CommandResult | None:
        try:
            result = await self.owner.send(command, task.mission, keep)  # type: ignore[arg-type]
        except _MovedOnError:
            self._wake.set()
            return None
        self._count(command.kind, result)
        self._after_step()
        return result

    async def _resolve(self, task: AssignmentRecord) -> None:
        """Read the vehicle and bring the ledger to what it shows."""
        if self._doubt_since is None:
            self._doubt_since = self._clock.now()
        progress = await self.owner.adopt(task.mission)
        self._read_again_s = self._clock.monotonic_s() + TICK_S
        if progress is None:
            return
        async with self._lock:
            now = self._task()
            if now is None or now.assignment.assignment_id != task.assignment.assignment_id:
                self._in_doubt = False
                return
            await self._happenings.read_back(now, by_journal(now, progress, self._ledger))
            after = self._task()
            if after is not None and on_it(progress):
                # met on its way home: a release before that was heard by nobody
                self._gap = self._adopted = self._unwatched_return(after)
                self._in_doubt = False
            elif after is not None:
                await self._not_on_it(after, progress)
        if not self._in_doubt:
            self._doubt_since = None
            self._read_again_s = 0.0
        self._after_step()

    def _unwatched_return(self, task: AssignmentRecord) -> bool:
        outward = self.owner.telemetry.phase in OUTWARD
        return isinstance(task.mission, AirMission) and not outward

    async def _not_on_it(self, task: AssignmentRecord, progress: MissionProgress) -> None:
        state = task.assignment.state
        if state is A.STARTED:
            await self._not_on_started(task, progress)
            return
        start = self._command(task, CommandKind.START)
        draft = self._ledger.draft()
        if state is A.LOADED and start is not None:
            if self._maybe_flown(task, start):
                words = f"{self.owner.vehicle_id} was told to start and is at rest: look at it"
                steps.unknown(draft, task, words)
            elif not progress.holds:
                steps.unloaded(draft, task, "the vehicle no longer holds the mission")
            elif start.state is not CommandState.PENDING:
                draft.command(replace(start, state=CommandState.PENDING, ended_at=None))
        await self._ledger.keep_draft(draft, self.owner.vehicle_id)
        self._in_doubt = self._adopted = False
        self._wake.set()

    async def _not_on_started(self, task: AssignmentRecord, progress: MissionProgress) -> None:
        """It was on its way and is not any more. Until it is at rest nothing can be said."""
        telemetry = self.owner.telemetry
        if progress.running or telemetry.armed is not False:
            return
        draft = self._ledger.draft()
        detail = f": {progress.detail}" if progress.detail else ""
        if progress.holds and not self._adopted:
            # watched since its start, and it shows no release: what was aboard is aboard
            rest = self._happenings.rest_at(telemetry, f"the mission ended early{detail}")
            steps.failed(draft, task, rest, self._settings.retry)
        else:
            words = "is at rest and does not show what became of its mission"
            steps.unknown(draft, task, f"{self.owner.vehicle_id} {words}{detail}")
        await self._ledger.keep_draft(draft, self.owner.vehicle_id)
        self._in_doubt = self._adopted = False

    def _maybe_flown(self, task: AssignmentRecord, start: CommandRecord) -> bool:
        """Whether a start in doubt may have been flown to its end while nobody listened."""
        if not (self._adopted or self._gap):
            return False
        if start.state not in {CommandState.SENT, CommandState.UNCERTAIN} or start.sent_at is None:
            return False
        read_at = self._doubt_since or self._clock.now()
        age_s = (read_at - start.sent_at).total_seconds()
        return age_s > max(30.0, self._settings.flown_share * task.mission.duration_s)

    async def _gate_shut(self, task: AssignmentRecord, shut: Shut) -> None:
        await self._fail_unstarted(task, shut.reason, passing=shut.passing)

    async def _not_ready(self, task: AssignmentRecord) -> None:
        if self._loaded_at_s is None:
            self._loaded_at_s = self._clock.monotonic_s()
        if self._clock.monotonic_s() - self._loaded_at_s > self._settings.ready_wait_s:
            words = "; ".join(self.owner.telemetry.not_ready) or str(self.owner.telemetry.phase)
            await self._fail_unstarted(task, f"{self.owner.vehicle_id} is not ready: {words}")

    async def _fail_unstarted(
        self, task: AssignmentRecord, reason: str, *, passing: bool = False
    ) -> None:
        async with self._lock:
            now = self._task()
            if steps.still(now, task, task.assignment.state):
                await self._fail(task, reason, passing=passing)
        self._after_step()

    async def _fail(self, task: AssignmentRecord, reason: str, *, passing: bool = False) -> None:
        retry = self._settings.retry
        if passing:
            retry = replace(retry, backoff_s=0.0, counts=False)
        draft = self._ledger.draft()
        steps.failed(draft, task, Rest("", reason), retry)
        await self._ledger.keep_draft(draft, self.owner.vehicle_id)
        log.info("assignment failed", vehicle=self.owner.vehicle_id, reason=reason)
        if not passing:
            self._rest_until_s = self._clock.monotonic_s() + self._settings.vehicle_rest_s

    def _after_step(self) -> None:
        self._wake.set()
        if self._task() is None:
            self._in_doubt = self._adopted = self._gap = False
            self._wait_until_s = 0.0
            self._loaded_at_s = None
            self._doubt_since = None
            self._read_again_s = 0.0
            self._on_free()

    def _back_off(self, tries: int) -> None:
        wait = self._settings.retry.wait(tries + 1)
        self._wait_until_s = self._clock.monotonic_s() + wait.total_seconds()

    def _command(self, task: AssignmentRecord, kind: CommandKind) -> CommandRecord | None:
        return self._ledger.commands.get((task.assignment.assignment_id, kind))

    def _count(self, kind: CommandKind, result: CommandResult) -> None:
        self._figures.commands.labels(kind=kind.value, outcome=result.outcome.value).inc()

    def conditions(self) -> tuple[Condition, ...]:
        """What a person should know of this assignment."""
        task = self._task()
        if task is None or not self._in_doubt or self._doubt_since is None:
            return ()
        if (self._clock.now() - self._doubt_since).total_seconds() < DOUBT_TOLD_S:
            return ()
        return (doubt_condition(self.owner.vehicle_id),)


class _MovedOnError(Exception):
    """The assignment is no longer where the command was decided."""
