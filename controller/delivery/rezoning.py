"""Zones that change while vehicles are under way.

Owns what becomes of missions that were checked against other zones than those in force now: every
one is judged by the whole of the new set, and what it forbids is told, soonest first, and reacted
to as configured. Must not plan.

Two phases. A set that is refused, by itself or by the store, changes nothing. Once it is in force
the missions under way at that moment, those whose start has been sent included, are judged by it
before the next change may come: never by a mixture of two. A start that has not been sent is
caught by the gate, since its mission names the set that it was checked against.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import structlog

from controller.delivery.describe import path_ahead
from controller.delivery.fitting import Fitting
from controller.delivery.gate import Gate
from controller.delivery.ledger import Ledger
from controller.delivery.process import VehicleProcess
from controller.delivery.refuges import Refuge, Refuges
from controller.delivery.underway import Mission, UnderWay
from controller.domain.alarms import Condition, Severity
from controller.domain.model import AssignmentState, Event
from controller.safety.board import AlarmBoard
from controller.safety.reaction import Chosen, Reaction, seconds_until
from controller.store.changes import Changes
from controller.store.errors import FencedError, StoreError
from geofence.check import Violation, check
from geofence.diff import diff
from geofence.recheck import recheck
from geofence.zoneset import ZoneSet
from vehicles.port import CommandResult, Outcome, Telemetry, Verb

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Forbidden:
    """What the zones in force have against one mission under way, and what is done about it."""

    mission: Mission
    violations: tuple[Violation, ...]
    """Soonest first; empty where the mission cannot be judged."""
    seconds: tuple[float, ...]
    """Until the vehicle is at each, at the earliest."""
    chosen: Chosen
    cause: str
    refuge: Refuge | None = None
    """Where a divert goes to."""

    @property
    def vehicle_id(self) -> str:
        """Whose mission it is."""
        return self.mission.vehicle_id

    @property
    def seconds_left(self) -> float:
        """Until the first; 0 where it may be there already, or nobody can tell."""
        return self.seconds[0] if self.seconds else 0.0


class Rezoning:
    """Judges every mission under way against the zones in force. `run` keeps its paths ready."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        processes: Mapping[str, VehicleProcess],
        gate: Gate,
        board: AlarmBoard,
        refuges: Refuges,
        reactions: Sequence[Reaction] = (Reaction.HOLD,),
    ) -> None:
        self._ledger = ledger
        self._processes = processes
        self._gate = gate
        self._board = board
        self._fitting = Fitting(ledger, processes, gate, reactions, refuges)
        self._under_way = UnderWay(
            ledger, gate, lambda v: processes[v].owner if v in processes else None
        )
        self._judged: dict[str, tuple[str, frozenset[str]]] = {}
        """By assignment: the version of the set, and the permits, that it was judged by last."""
        self._owed: dict[str, Forbidden] = {}
        """Reactions that were not carried out, since their vehicle had not started yet."""
        self._switch = asyncio.Lock()
        self._wake = asyncio.Event()
        ledger.listen(self._on_kept)

    @property
    def under_way(self) -> UnderWay:
        """The missions and their paths."""
        return self._under_way

    def switching(self) -> AbstractAsyncContextManager[None]:
        """Inside it the zones may be changed and judged by; one change at a time."""
        return self._switch

    def wake(self) -> None:
        """Something has changed that missions under way rest on: look now."""
        self._wake.set()

    async def run(self) -> None:
        """Work paths out and judge as missions start or lose a permit, until cancelled."""
        self._wake.set()
        async with asyncio.TaskGroup() as group:
            while True:
                await self._wake.wait()
                self._wake.clear()
                # a vehicle that is slow to answer must not keep the next from being judged
                for each in await self._caught_up():
                    group.create_task(self._react(each), name=f"rezone {each.vehicle_id}")

    async def _caught_up(self) -> list[Forbidden]:
        try:
            return await self.catch_up()
        except FencedError:
            raise
        except Exception as error:
            # what is in the air must not lose its watch over one mission's nonsense
            log.exception("missions under way not judged")
            self._board.happen(
                Condition(
                    "rezoning",
                    Severity.WARNING,
                    f"missions under way were not judged: {type(error).__name__}: {error}",
                    "Watch the map yourself; hold what a new zone lies in the way of",
                )
            )
        return []

    async def catch_up(self) -> list[Forbidden]:
        """Judge what has started, or lost a permit, since it was judged last.

        The answer is for `react`, with what is owed to vehicles that have started since.
        """
        async with self._switch:
            found = await self.judge(None, self._gate.zones)
        owed = [
            each
            for vehicle_id, each in list(self._owed.items())
            if self._started(vehicle_id, each) and vehicle_id not in found
        ]
        return [*found.values(), *owed]

    async def judge(self, before: ZoneSet | None, zones: ZoneSet) -> dict[str, Forbidden]:
        """What `zones`, which are in force, forbid of what is under way; told, soonest first.

        A mission judged by `before` is looked at for what changed since; any other whole, and so
        is every mission once when it starts. Call it inside `switching`.
        """
        records = self._under_way.records()
        await self._under_way.follow(records)
        missions = dict(self._under_way.missions)
        changed: set[str] = set()
        whole: set[str] = set()
        for vehicle_id, mission in missions.items():
            by = self._judged.get(mission.record.assignment.assignment_id)
            if by == (zones.version, _permits(mission)):
                continue
            known = before is not None and by == (before.version, _permits(mission))
            (changed if known and mission.path is not None else whole).add(vehicle_id)
        found: dict[str, tuple[Violation, ...]] = {}
        if changed and before is not None:
            newly = await asyncio.to_thread(self._recheck, before, zones)
            found.update({v: each for v, each in newly.items() if v in changed})
        found.update(await asyncio.to_thread(self._check, [missions[v] for v in whole], zones))
        self._judged = {
            mission.record.assignment.assignment_id: (zones.version, _permits(mission))
            for mission in missions.values()
        }
        told = await asyncio.to_thread(self._weigh, missions, found, zones)
        told = dict(sorted(told.items(), key=lambda item: (item[1].seconds_left, item[0])))
        await self._tell(list(told.values()), zones)
        return told

    async def react(self, found: Sequence[Forbidden]) -> tuple[str, ...]:
        """Do what was chosen for each; the vehicles told. Ends when every vehicle has answered."""
        async with asyncio.TaskGroup() as group:
            for each in found:
                group.create_task(self._react(each), name=f"rezone {each.vehicle_id}")
        return tuple(sorted(each.vehicle_id for each in found))

    def _recheck(self, before: ZoneSet, zones: ZoneSet) -> dict[str, tuple[Violation, ...]]:
        found = recheck(
            diff(before, zones),
            self._under_way.index,
            self._gate.surroundings,
            now=self._gate.now(),
        )
        return {vehicle_id: each.violations for vehicle_id, each in found.items()}

    def _check(
        self, missions: Sequence[Mission], zones: ZoneSet
    ) -> dict[str, tuple[Violation, ...]]:
        """Missions judged whole; one that cannot be judged is forbidden without a violation."""
        found: dict[str, tuple[Violation, ...]] = {}
        for mission in missions:
            violations: tuple[Violation, ...] = ()
            if mission.path is not None:
                violations = check(mission.path, zones, self._gate.surroundings).violations
            if violations or mission.path is None:
                found[mission.vehicle_id] = violations
        return found

    def _weigh(
        self,
        missions: Mapping[str, Mission],
        found: Mapping[str, tuple[Violation, ...]],
        zones: ZoneSet,
    ) -> dict[str, Forbidden]:
        return {
            vehicle_id: self._forbidden(missions[vehicle_id], violations, zones)
            for vehicle_id, violations in found.items()
            if not self._fitting.left_behind(missions[vehicle_id], zones)
        }

    def _forbidden(
        self, mission: Mission, violations: tuple[Violation, ...], zones: ZoneSet
    ) -> Forbidden:
        owner = self._processes[mission.vehicle_id].owner
        telemetry = owner.telemetry
        timed = sorted(
            ((self._seconds(mission, each, telemetry), n) for n, each in enumerate(violations)),
        )
        first_s = timed[0][0] if timed else 0.0
        chosen, refuge = self._fitting.choose(mission, first_s, zones)
        soonest = tuple(violations[n] for _, n in timed)
        return Forbidden(
            mission=mission,
            violations=soonest,
            seconds=tuple(round(s, 1) for s, _ in timed),
            chosen=chosen,
            cause=_cause(mission, soonest, first_s),
            refuge=refuge,
        )

    def _seconds(self, mission: Mission, found: Violation, telemetry: Telemetry) -> float:
        """By where the vehicle is, or else as the mission was planned."""
        capability = self._processes[mission.vehicle_id].owner.capability
        by_place = seconds_until(
            found,
            telemetry,
            path_ahead(mission.record, self._ledger.parcels, telemetry),
            speed_mps=capability.cruise_speed_mps,
            corridor_m=self._gate.corridor_m(capability),
        )
        if by_place is not None:
            return by_place
        if mission.vehicle_id not in self._under_way.index:
            return 0.0
        at = self._under_way.index.enters_at(mission.vehicle_id, found)
        return max(0.0, (at - self._gate.now()).total_seconds())

    async def _tell(self, told: Sequence[Forbidden], zones: ZoneSet) -> None:
        """One event and one alarm for each; a log that fails keeps nobody from reacting."""
        for each in told:
            self._board.happen(
                Condition(
                    f"rezoned:{each.vehicle_id}:{_zone_id(each)}",
                    Severity.WARNING,
                    each.cause,
                    _advice(each),
                    each.vehicle_id,
                )
            )
        if not told:
            return
        try:
            await self._ledger.keep(
                Changes(events=tuple(self._event(each, zones) for each in told))
            )
        except FencedError:
            raise
        except StoreError as error:
            log.warning("verdicts not kept", count=len(told), reason=str(error))

    def _event(self, found: Forbidden, zones: ZoneSet) -> Event:
        task = found.mission.record.assignment
        first = found.violations[0] if found.violations else None
        return Event(
            "zones.forbid",
            self._gate.now(),
            vehicle_id=task.vehicle_id,
            assignment_id=task.assignment_id,
            data={
                "zones_version": zones.version,
                "zone": first.zone_id if first else "",
                "zone_name": first.zone_name if first else "",
                "leg": first.label if first else "",
                "leg_index": first.index if first else None,
                "seconds_left": found.seconds_left,
                "reason": first.reason if first else found.mission.why,
                "action": found.chosen.reaction.value,
                "action_fits": found.chosen.fits,
                "action_place": found.refuge.name if found.refuge else "",
                "passed_over": dict(found.chosen.passed_over),
                "all_zones": sorted({each.zone_id for each in found.violations}),
            },
        )

    async def _react(self, found: Forbidden) -> None:
        vehicle_id = found.vehicle_id
        try:
            result = await self._told(found)
        except FencedError:
            raise
        except StoreError as error:
            log.warning("reaction not sent", vehicle=vehicle_id, reason=str(error))
            return
        if result.done or self._owed.get(vehicle_id) is found:
            self._owed.pop(vehicle_id, None)
        elif found.mission.record.assignment.state is AssignmentState.LOADED:
            # refused on the ground: it is asked again once it shows that it has started
            self._owed[vehicle_id] = found
            self._wake.set()

    async def _told(self, found: Forbidden) -> CommandResult:
        process, verb = self._processes[found.vehicle_id], found.chosen.reaction.verb
        if verb is not None:
            return await process.demand(verb, by="safety", reason=found.cause)
        if found.refuge is None:
            return CommandResult(Outcome.REFUSED, "no place is known to divert to")
        result = await process.divert(found.refuge.to, by="safety", reason=found.cause)
        if result.outcome is Outcome.REFUSED and found.mission.record.started_at is not None:
            # it takes no other way: it goes no farther, at least
            return await process.demand(Verb.HOLD, by="safety", reason=found.cause)
        return result

    def _started(self, vehicle_id: str, owed: Forbidden) -> bool:
        """Whether what is owed can be done now; it is dropped where it never can."""
        record = self._ledger.assignments.get(vehicle_id)
        ident = owed.mission.record.assignment.assignment_id
        if record is None or record.assignment.assignment_id != ident:
            del self._owed[vehicle_id]
            return False
        return record.assignment.state is AssignmentState.STARTED

    def _on_kept(self, changes: Changes) -> None:
        if changes.assignments or changes.commands:
            self._wake.set()


def _permits(mission: Mission) -> frozenset[str]:
    return mission.path.permits if mission.path is not None else frozenset()


def _zone_id(found: Forbidden) -> str:
    return found.violations[0].zone_id if found.violations else "?"


def _cause(mission: Mission, violations: Sequence[Violation], first_s: float) -> str:
    vehicle_id = mission.vehicle_id
    if not violations:
        return f"{vehicle_id} is on a mission that the zones in force cannot be held against: " + (
            mission.why
        )
    first = violations[0]
    return (
        f"{vehicle_id} is on a mission that {first.zone_name or first.zone_id}, now in force, "
        f"forbids: {first.reason}{_left_text(first_s)}"
    )


def _left_text(seconds_left: float) -> str:
    seconds = int(seconds_left)
    if seconds == 0:
        return "; it may be there already"
    minutes, seconds = divmod(seconds, 60)
    return f"; it is there in {minutes} min {seconds:02d} s at the earliest"


def _advice(found: Forbidden) -> str:
    chosen, where = found.chosen, found.refuge.name if found.refuge else "a rally point"
    told = {
        Reaction.DIVERT: f"It was told to divert to {where}, which is clear, and to hold there: "
        "land it there, or return it once a way is clear",
        Reaction.HOLD: "It was told to hold: return it by a way that is clear, or land it",
        Reaction.RETURN: "It was told to return by its mission's return path, which is clear",
        Reaction.LAND: "It was told to land where it is: have its parcel fetched",
    }[chosen.reaction]
    if chosen.fits:
        return told
    reasons = "; ".join(f"{name}: {why}" for name, why in chosen.passed_over.items())
    return f"{told}. Nothing configured fits ({reasons}): decide at once"
