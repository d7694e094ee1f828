"""Robots that wait for each other for ever: one of them is given another way.

Owns the change of a round that is under way, from the search to the robot: found in the lease
book, judged by the gate, kept with a command in the journal, then sent. Must not decide who gives
way: `controller.network.unlock` does.

What is let go on is never altered, so only a robot that stands at the end of its base can give
way. The changed round is kept before the robot hears of it; a robot that says no keeps its way,
and that is kept too. A controller that is stopped in between finds the changed round in the store
and the old horizon on the robot, and sends it the new one when it adopts it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from controller.delivery.gate import Gate
from controller.delivery.ledger import Ledger
from controller.delivery.process import VehicleProcess
from controller.domain.model import AssignmentState, Event
from controller.domain.records import AssignmentRecord, CommandKind, CommandRecord, CommandState
from controller.network.leases import LeaseBook
from controller.network.unlock import Detour, Unlocked, unlock
from missions.detour import detours, rest_of
from missions.model import GroundMission
from missions.passages import Passages
from missions.roads import StreetGraph
from vehicles.port import Clock

log = structlog.get_logger(__name__)

AGAIN_S = 60.0
"""A ring that nothing was found for is tried again after so long, or when something has moved."""
MOST_REFUSED = 4
"""Ways that the gate refuses before a ring is left to a person."""


@dataclass(frozen=True, slots=True)
class _Member:
    """A robot of a ring that may give way."""

    record: AssignmentRecord
    mission: GroundMission
    at: int
    speed_mps: float
    streets: StreetGraph


@dataclass(slots=True)
class _Search:
    """Ways of one ring, each made once; those that the gate refused are left out."""

    passages: Passages
    members: Mapping[str, _Member]
    refused: set[str] = field(default_factory=set)
    made: dict[tuple[str, frozenset[str]], list[Detour]] = field(default_factory=dict)
    missions: dict[str, GroundMission] = field(default_factory=dict)

    def run(self, book: LeaseBook, ring: Sequence[str]) -> tuple[Unlocked, ...]:
        """Takes up to a second: call it in a thread, on a copy of the book."""
        return unlock(book, ring, self.ways)

    def ways(self, vehicle_id: str, avoid: frozenset[str]) -> Sequence[Detour]:
        """As `unlock` asks for them."""
        member = self.members.get(vehicle_id)
        if member is None:
            return ()
        key = (vehicle_id, avoid)
        if key not in self.made:
            found = detours(
                member.mission,
                member.at,
                member.streets,
                self.passages,
                avoid,
                speed_mps=member.speed_mps,
            )
            self.made[key] = [self._detour(mission) for mission in found]
        return [d for d in self.made[key] if d.route not in self.refused]

    def _detour(self, mission: GroundMission) -> Detour:
        self.missions[mission.content_hash] = mission
        claims = self.passages.claims(mission)
        return Detour(mission.content_hash, claims, len(mission.nodes) - 1)


class GivingWay:
    """Undoes rings over the lease book of the running controller."""

    def __init__(
        self,
        *,
        passages: Passages,
        book: LeaseBook,
        ledger: Ledger,
        processes: Mapping[str, VehicleProcess],
        gate: Gate,
        clock: Clock,
        ids: Callable[[str], str],
    ) -> None:
        self._passages = passages
        self._book = book
        self._ledger = ledger
        self._processes = processes
        self._gate = gate
        self._clock = clock
        self._ids = ids
        self._tried: dict[tuple[str, ...], tuple[object, float, str]] = {}

    def why(self, ring: tuple[str, ...]) -> str:
        """Why nobody of a ring was given another way; empty where it was not tried yet."""
        known = self._tried.get(ring)
        return known[2] if known else ""

    async def look(self, rings: Collection[tuple[str, ...]], stalled: Collection[str]) -> None:
        """Try to undo each ring; raises StoreError where the store fails."""
        await self._see_taken()
        self._tried = {ring: known for ring, known in self._tried.items() if ring in rings}
        for ring in rings:
            places = tuple((v, self._book.passed_by(v), self._book.end(v)) for v in ring)
            sign = (places, self._gate.zones.version, tuple(sorted(stalled)))
            known, now_s = self._tried.get(ring), self._clock.monotonic_s()
            if known is not None and known[0] == sign and now_s - known[1] < AGAIN_S:
                continue
            why = await self._undo(ring, stalled)
            if why:
                if known is None:
                    data: dict[str, object] = {
                        "robots": list(ring),
                        "wants": self._wants(ring),
                        "reason": why,
                    }
                    self._ledger.note(Event("passages.deadlock", self._clock.now(), data=data))
                self._tried[ring] = (sign, now_s, why)
            else:
                self._tried.pop(ring, None)

    async def _undo(self, ring: tuple[str, ...], stalled: Collection[str]) -> str:
        members: dict[str, _Member] = {}
        barred: list[str] = []
        for vehicle_id in ring:
            member = await self._member(vehicle_id, stalled)
            if isinstance(member, str):
                barred.append(f"{vehicle_id} {member}")
            else:
                members[vehicle_id] = member
        search = _Search(self._passages, members)
        why = "; ".join(barred)
        while members and len(search.refused) < MOST_REFUSED:
            plan = await asyncio.to_thread(search.run, self._book.copy(), ring)
            if not plan:
                break
            no = await self._shut(search, plan)
            if not no:
                return await self._turn(ring, search, plan)
            why = "; ".join(filter(None, (why, no)))
        return why or "no street leads round, and none to a place to draw aside"

    async def _member(self, vehicle_id: str, stalled: Collection[str]) -> _Member | str:
        """A robot that may give way, or why it may not."""
        record = self._ledger.assignments.get(vehicle_id)
        process = self._processes.get(vehicle_id)
        at = self._book.passed_by(vehicle_id)
        if record is None or process is None or at is None:
            return "has no round"
        mission = record.mission
        if vehicle_id in stalled:
            return "is not heard, or held"
        if not self._book.stuck(vehicle_id):
            return "is let go on beyond where it is, and that is never taken back"
        started = record.assignment.state is AssignmentState.STARTED
        if not isinstance(mission, GroundMission) or not started:
            return "has not started its round"
        if not process.owner.reroutable:
            return "takes no other way while it is under way"
        streets = await asyncio.to_thread(self._gate.open_streets, record, process.owner)
        if streets is None:
            return "has no streets"
        current = replace(mission, zones_version=self._gate.zones.version)
        speed_mps = process.owner.capability.cruise_speed_mps
        return _Member(record, current, at, speed_mps, streets)

    async def _shut(self, search: _Search, plan: Sequence[Unlocked]) -> str:
        """Why the gate does not let the plan be sent; what it refused is left out from then on."""
        for each in plan:
            member, mission = search.members[each.vehicle_id], search.missions[each.detour.route]
            owner = self._processes[each.vehicle_id].owner
            rest = rest_of(mission, member.at)
            shut = await self._gate.shut_way(member.record, rest, self._ledger.parcels, owner)
            if shut is not None:
                search.refused.add(each.detour.route)
                return f"{each.vehicle_id} may not take the other way: {shut.reason}"
        return ""

    async def _turn(self, ring: tuple[str, ...], search: _Search, plan: Sequence[Unlocked]) -> str:
        """Keep and send a plan that the gate let through; why that failed, or empty."""
        for each in plan:
            member, mission = search.members[each.vehicle_id], search.missions[each.detour.route]
            record = self._ledger.assignments.get(each.vehicle_id)
            if record != member.record or self._book.passed_by(each.vehicle_id) != member.at:
                return f"{each.vehicle_id} has moved on meanwhile"
            no = await self._reroute(ring, each, member, mission)
            if no:
                return f"{each.vehicle_id} does not take the other way: {no}"
            log.info("gave way", vehicle=each.vehicle_id, ring=list(ring), hash=each.detour.route)
        return ""

    async def _reroute(
        self, ring: tuple[str, ...], each: Unlocked, member: _Member, mission: GroundMission
    ) -> str:
        vehicle_id, owner = each.vehicle_id, self._processes[each.vehicle_id].owner
        others = [v for v in ring if v != vehicle_id]
        wants = self._wants(ring)
        command = CommandRecord(
            command_id=self._ids("command"),
            vehicle_id=vehicle_id,
            epoch=owner.epoch,
            kind=CommandKind.REROUTE,
            state=CommandState.SENT,
            created_at=self._clock.now(),
            assignment_id=member.record.assignment.assignment_id,
            body_hash=mission.content_hash,
            by="turns",
            reason=f"gives way to {' and '.join(others)}" if others else "its way stays blocked",
            tries=1,
            sent_at=self._clock.now(),
        )
        draft = self._ledger.draft()
        told = {"robots": list(ring), "wants": wants, "from_node": mission.nodes[member.at].node_id}
        changed = draft.remake(member.record, mission, told)
        draft.command(command)
        await self._ledger.keep_draft(draft, vehicle_id)
        no = owner.reroute(mission)
        if not no:
            self._book.reroute(vehicle_id, each.detour.claims, each.detour.last)
            return ""
        before = member.record.mission
        if isinstance(before, GroundMission):
            draft = self._ledger.draft()
            draft.remake(changed, before, {"reason": no})
            draft.command(
                replace(command, state=CommandState.REFUSED, reason=no, ended_at=self._clock.now())
            )
            await self._ledger.keep_draft(draft, vehicle_id)
        return no

    async def _see_taken(self) -> None:
        """Note which robots show the ways that were sent to them."""
        for vehicle_id, record in list(self._ledger.assignments.items()):
            key = (record.assignment.assignment_id, CommandKind.REROUTE)
            command, process = self._ledger.commands.get(key), self._processes.get(vehicle_id)
            if command is None or command.state is not CommandState.SENT or process is None:
                continue
            mission = record.mission
            if isinstance(mission, GroundMission) and process.owner.rerouted(mission):
                draft = self._ledger.draft()
                draft.command(replace(command, state=CommandState.DONE, ended_at=self._clock.now()))
                await self._ledger.keep_draft(draft, vehicle_id)

    def _wants(self, ring: Sequence[str]) -> dict[str, list[str]]:
        """What each of a ring waits for."""
        return {v: [need.passage_id for need in self._book.wanted_of(v)] for v in ring}
