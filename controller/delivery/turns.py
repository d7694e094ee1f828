"""Crossings, narrow streets, lifts and docks by turns: robots are let go on as leases allow.

Owns the lease book of the running controller, its place in the store, and what robots are told of
it. Must not plan: a ring of robots that wait for each other is `giving_way`'s to undo, and a
person's where that finds nothing.

A lease is kept before the robot hears of it, and given back when the robot's own state shows that
it has left. A robot that is no longer heard keeps what it has: it drives on to the end of what it
was let go to. Only a person's word takes that back, see `take_back`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise

import msgspec
import structlog

from controller.delivery.gate import Gate
from controller.delivery.giving_way import GivingWay
from controller.delivery.ledger import Ledger
from controller.delivery.looking import keep_looking
from controller.delivery.passages import PassageView, passage_views
from controller.delivery.process import VehicleProcess
from controller.domain.alarms import Condition, Severity
from controller.domain.model import AssignmentState, Event
from controller.domain.records import AssignmentRecord, PassageRecord
from controller.network.leases import Kept, LeaseBook
from controller.safety.board import AlarmBoard
from controller.store.changes import Changes
from geofence.frames import LatLon, LocalFrame, geodesic_m
from geofence.zones import VehicleClass
from missions.model import GroundMission
from missions.passages import Need, Passages, Way, find_passages
from missions.roads import StreetGraph
from vehicles.port import Clock, CommandResult, LinkState, Outcome, Phase, Telemetry

log = structlog.get_logger(__name__)

SOURCE = "turns"
SAID_S = 60.0
"""A robot that waits for longer than this for another is told."""

ON_IT_M = 3.0
"""A robot that stands nearer than this to a passage is on it: its width, and the error of its
place."""


STILL_M = 0.5
"""A robot whose place moved by less stands where it stood."""


@dataclass(frozen=True, slots=True)
class TurnRules:
    """How far ahead passages are asked for, and where robots may stand without being in the way."""

    ahead_m: float = 40.0
    at_base_m: float = 60.0


class Turns:
    """The lease book over the fleet's robots. `run` serves it until cancelled."""

    def __init__(
        self,
        streets: StreetGraph,
        *,
        ledger: Ledger,
        processes: Mapping[str, VehicleProcess],
        homes: Mapping[str, LatLon],
        board: AlarmBoard,
        clock: Clock,
        rules: TurnRules = TurnRules(),
        gate: Gate | None = None,
        ids: Callable[[str], str] = str,
    ) -> None:
        """`gate`: judges other ways; without one nobody is given any, and rings are told."""
        self.passages: Passages = find_passages(streets)
        self.book = LeaseBook()
        self._giving: GivingWay | None = None
        if gate is not None:
            self._giving = GivingWay(
                passages=self.passages,
                book=self.book,
                ledger=ledger,
                processes=processes,
                gate=gate,
                clock=clock,
                ids=ids,
            )
        self._gone: dict[str, PassageRecord] = {}
        self._streets = streets
        self._ledger = ledger
        self._processes = processes
        self._homes = homes
        self._board = board
        self._clock = clock
        self._rules = rules
        self._kept: dict[str, Kept] = {}
        self._told: dict[str, tuple[str, int]] = {}
        self._along: dict[str, tuple[str, tuple[float, ...]]] = {}
        self._stands: dict[str, tuple[LatLon, tuple[Need, ...]]] = {}
        self._waits_since_s: dict[str, float] = {}
        self._leads: dict[str, tuple[str, frozenset[str]]] = {}
        ledger.listen(self._on_kept)

    def restore(self, records: Iterable[PassageRecord]) -> None:
        """As the store has it: before anything is sent."""
        for record in records:
            if record.vehicle_id not in self._processes:
                self._gone[record.vehicle_id] = record
                continue
            body = msgspec.convert(record.body, _Body)
            rest = tuple(Need(p, Way(w)) for p, w in body.rest)
            task = self._ledger.assignments.get(record.vehicle_id)
            kept = Kept(
                record.vehicle_id,
                body.route,
                body.granted,
                body.passed,
                rest,
                record.epoch,
                body.absent,
            )
            mission = _round(task)
            if task is None or mission is None or task.assignment.assignment_id != body.route:
                # the way is over: it stands somewhere, and its first state tells where
                held = tuple(Need(p, Way(w)) for p, w in body.held)
                # what was taken back by somebody's word stays free
                self.book.leave(record.vehicle_id, () if body.absent else (*held, *rest))
                continue
            claims = self.passages.claims(mission)
            self.book.restore(kept, claims, len(mission.nodes) - 1)
            self._kept[record.vehicle_id] = kept
        for task in self._ledger.assignments.values():
            self._enter(task)

    async def run(self, period_s: float) -> None:
        """Look once a period until cancelled."""
        await keep_looking(
            self.look, period_s, self._clock, not_kept="leases not kept: nobody is let go on"
        )

    async def look(self) -> None:
        """Take back what was left, give what is free, keep it, then tell the robots."""
        robots = {v: p for v, p in self._processes.items() if self._is_robot(p)}
        for vehicle_id, process in robots.items():
            self._follow(vehicle_id, process)
        stalled = {v for v, p in robots.items() if _stalled(p.owner.telemetry)}
        self.book.grant(stalled)
        await self._forget_gone()
        await self._keep(robots)
        for vehicle_id, process in robots.items():
            self._pace(vehicle_id, process)
        rings = self.book.deadlocks(stalled)
        self._note_waits()
        if self._giving is not None:
            # one that waits for a robot without a way waits for ever: after a while it goes round
            alone = [(v,) for v in self.book.blocked() if self._waited_s(v) >= SAID_S]
            await self._giving.look([*rings, *alone], stalled)
            rings = self.book.deadlocks(stalled)
        self._board.tell(SOURCE, self._conditions(rings))

    def views(self, *, everyone: bool = False) -> list[PassageView]:
        """The passages that somebody has or waits for; with `everyone` all of them."""
        return passage_views(self.passages, self.book, self._streets, everyone=everyone)

    async def take_back(self, vehicle_id: str, *, by: str, reason: str) -> CommandResult:
        """Free all that a robot has, by the word of somebody who knows that it is not there.

        Refused for one whose own state says where it is. Kept with who said it and why; when the
        robot is heard again it has what its state shows. Raises StoreError.
        """
        process = self._processes.get(vehicle_id)
        if process is None or not self._is_robot(process):
            return CommandResult(Outcome.REFUSED, "it is no robot that takes turns")
        if _known(process.owner.telemetry):
            return CommandResult(
                Outcome.REFUSED,
                "it is heard and tells where it is: what it has is given back when it has left; "
                f"to have it stop, 'waypost land {vehicle_id}'",
            )
        held = [need.passage_id for need in self.book.held(vehicle_id)]
        if not held:
            return CommandResult(Outcome.REFUSED, "it has no passage")
        draft = self._ledger.draft()
        told = {"passages": held, "by": by, "reason": reason}
        draft.event("passages.taken_back", vehicle_id=vehicle_id, data=told)
        await self._ledger.keep_draft(draft, vehicle_id)
        self.book.take_back(vehicle_id)
        return CommandResult(Outcome.DONE, f"free again: {', '.join(held)}")

    def waiting(self, vehicle_id: str) -> str:
        """Whom a robot at the end of what it was let go to waits for, and where; empty: nobody."""
        others = self.book.waits().get(vehicle_id, ())
        if not others or self.book.end(vehicle_id) != self.book.passed_by(vehicle_id):
            return ""
        wanted = ", ".join(n.passage_id for n in self.book.wanted_of(vehicle_id))
        return f"{' and '.join(others)} to leave {wanted}"

    def removed(self, vehicle_id: str) -> bool:
        """A person took it off the streets: what it still had is free. Whether it had anything."""
        had = bool(self.book.held(vehicle_id)) and vehicle_id not in self._ledger.assignments
        if had:
            self.book.leave(vehicle_id)
        return had

    # --- what can be asked -----------------------------------------------------------------

    def is_kept(self, vehicle_id: str) -> bool:
        """Whether the store has what the book says of a robot."""
        return self.book.kept(vehicle_id) == self._kept.get(vehicle_id)

    def passages_of(self, vehicle_id: str) -> frozenset[str]:
        """Passages that the robot's round leads through."""
        mission = _round(self._ledger.assignments.get(vehicle_id))
        if mission is None:
            return frozenset()
        known = self._leads.get(vehicle_id)
        if known is None or known[0] != mission.content_hash:
            claims = self.passages.claims(mission)
            through = frozenset(need.passage_id for claim in claims for need in claim.needs)
            known = self._leads[vehicle_id] = (mission.content_hash, through)
        return known[1]

    # --- what robots do --------------------------------------------------------------------

    def _on_kept(self, changes: Changes) -> None:
        for step in changes.assignments:
            if step.before is None:
                self._enter(step.after)

    def _enter(self, task: AssignmentRecord) -> None:
        """A new round goes no farther than its first waiting place until it is let go on."""
        mission = _round(task)
        vehicle_id = task.assignment.vehicle_id
        process = self._processes.get(vehicle_id)
        if mission is None or process is None or not self._is_robot(process):
            return
        claims = self.passages.claims(mission)
        ident = task.assignment.assignment_id
        self.book.enter(vehicle_id, ident, claims, len(mission.nodes) - 1, ask=False)
        steps = [geodesic_m(a.position, b.position) for a, b in pairwise(mission.nodes)]
        self._along[vehicle_id] = (ident, tuple(accumulate(steps, initial=0.0)))
        self._pace(vehicle_id, process)

    def _follow(self, vehicle_id: str, process: VehicleProcess) -> None:
        if _known(process.owner.telemetry):
            self.book.heard(vehicle_id)
        task = self._ledger.assignments.get(vehicle_id)
        mission = _round(task)
        if task is None or mission is None:
            if self.book.route(vehicle_id):
                # what it still has, it has until it is seen elsewhere
                self.book.leave(vehicle_id, self.book.held(vehicle_id))
            telemetry = process.owner.telemetry
            if telemetry.position is not None and telemetry.link is LinkState.ONLINE:
                self.book.stand(vehicle_id, self._standing(vehicle_id, telemetry.position))
            return
        reached = process.owner.reached(mission)
        if reached is not None:
            self.book.passed(vehicle_id, reached)
        if task.assignment.state is AssignmentState.STARTED:
            self.book.want(vehicle_id, self._ahead(vehicle_id, reached or 0))

    def _ahead(self, vehicle_id: str, node: int) -> int:
        """The last node that is near enough to ask for what lies behind it."""
        _, along = self._along.get(vehicle_id, ("", ()))
        if not along:
            return node
        limit_m = along[min(node, len(along) - 1)] + self._rules.ahead_m
        return max(i for i, m in enumerate(along) if m <= limit_m)

    def _standing(self, vehicle_id: str, place: LatLon) -> tuple[Need, ...]:
        """What a robot blocks where it stands; nothing at its base, where there is room."""
        known = self._stands.get(vehicle_id)
        if known is None or geodesic_m(known[0], place) > STILL_M:
            known = self._stands[vehicle_id] = (place, self._blocks(vehicle_id, place))
        return known[1]

    def _blocks(self, vehicle_id: str, place: LatLon) -> tuple[Need, ...]:
        home = self._homes.get(vehicle_id)
        if home is not None and geodesic_m(home, place) <= self._rules.at_base_m:
            return ()
        frame = LocalFrame(place)
        near = {
            node_id
            for node_id, node in self._streets.nodes.items()
            if geodesic_m(node.position, place) <= ON_IT_M
        }
        found = {self.passages.nodes[n] for n in near if n in self.passages.nodes}
        # where robots wait they are in nobody's way, though a passage begins there
        edges = {} if near & self.passages.waiting else self.passages.edges
        for edge_id, (passage, _) in edges.items():
            line = [frame.xy(p) for p in self._streets.edges[edge_id].geometry]
            if _off_m(line) <= ON_IT_M:
                found.add(passage)
        return tuple(Need(passage, Way.BOTH) for passage in sorted(found))

    # --- what is kept and told -------------------------------------------------------------

    async def _keep(self, robots: Mapping[str, VehicleProcess]) -> None:
        records: list[PassageRecord] = []
        after: dict[str, Kept | None] = {}
        for vehicle_id in robots:
            now = self.book.kept(vehicle_id)
            if now == self._kept.get(vehicle_id):
                continue
            after[vehicle_id] = now
            held = self.book.held(vehicle_id)
            body = _Body.of(now, held) if now and (now.route or held or now.absent) else None
            records.append(
                PassageRecord(
                    vehicle_id,
                    now.epoch if now else 0,
                    msgspec.to_builtins(body) if body else {},
                    self._clock.now(),
                )
            )
        if not records:
            return
        epochs = {r.vehicle_id: self._ledger.epochs[r.vehicle_id] for r in records}
        await self._ledger.keep(Changes(passages=tuple(records), epochs=epochs))
        for vehicle_id, kept in after.items():
            if kept is None:
                self._kept.pop(vehicle_id, None)
            else:
                self._kept[vehicle_id] = kept

    async def _forget_gone(self) -> None:
        """Give back what robots had that are not enrolled any more."""
        if not self._gone:
            return
        now = self._clock.now()
        empty = tuple(PassageRecord(v, r.epoch, {}, now) for v, r in self._gone.items())
        events = tuple(
            Event(
                "passages.given_back", now, vehicle_id=v, data={"reason": "not enrolled any more"}
            )
            for v in self._gone
        )
        await self._ledger.keep(Changes(passages=empty, events=events))
        self._gone = {}

    def _pace(self, vehicle_id: str, process: VehicleProcess) -> None:
        """Tell a robot how far it may go, by what is kept of its leases."""
        mission = _round(self._ledger.assignments.get(vehicle_id))
        end = self.book.end(vehicle_id)
        if mission is None or end is None:
            self._told.pop(vehicle_id, None)
            return
        known = (mission.content_hash, end)
        if self._told.get(vehicle_id) != known:
            process.owner.pace(mission, end)
            self._told[vehicle_id] = known

    def _note_waits(self) -> None:
        now_s = self._clock.monotonic_s()
        waits = self.book.waits()
        self._waits_since_s = {v: self._waits_since_s.get(v, now_s) for v in waits}

    def _waited_s(self, vehicle_id: str) -> float:
        now_s = self._clock.monotonic_s()
        return now_s - self._waits_since_s.get(vehicle_id, now_s)

    def _conditions(self, rings: Iterable[tuple[str, ...]]) -> Iterator[Condition]:
        waits = self.book.waits()
        for ring in rings:
            yield self._ring_condition(ring)
        for passage_id, who in self.book.clashes():
            yield Condition(
                f"clash:{passage_id}",
                Severity.WARNING,
                f"{' and '.join(who)} are both at {passage_id}, where one may be",
                f"Hold them with 'waypost hold {who[0]}', and let them go on one by one",
                who[0],
            )
        for vehicle_id in self._waits_since_s:
            others = waits.get(vehicle_id, ())
            still = self.book.end(vehicle_id) == self.book.passed_by(vehicle_id)
            if not still or not others or self._waited_s(vehicle_id) < SAID_S:
                continue
            wanted = ", ".join(n.passage_id for n in self.book.wanted_of(vehicle_id))
            yield Condition(
                f"turn:{vehicle_id}",
                Severity.CAUTION,
                f"{vehicle_id} waits for {' and '.join(others)} to leave {wanted}",
                f"See why {others[0]} does not go on",
                vehicle_id,
            )

    def _ring_condition(self, ring: tuple[str, ...]) -> Condition:
        names = " and ".join(ring)
        wanted = sorted({n.passage_id for v in ring for n in self.book.wanted_of(v)})
        why = self._giving.why(ring) if self._giving is not None else ""
        return Condition(
            f"ring:{':'.join(ring)}",
            Severity.WARNING,
            f"{names} wait for each other at {', '.join(wanted)} and none can go on"
            + (f": {why}" if why else ""),
            f"Let {ring[0]} give way: stop its round with 'waypost land {ring[0]}' and have "
            "it moved out of the way",
            ring[0],
        )

    @staticmethod
    def _is_robot(process: VehicleProcess) -> bool:
        owner = process.owner
        return owner.paced and owner.capability.vehicle_class is VehicleClass.ROBOT


class _Body(msgspec.Struct, frozen=True):
    """What the store has of a robot's leases."""

    route: str
    granted: int
    passed: int
    rest: list[tuple[str, str]]
    held: list[tuple[str, str]]
    absent: bool = False

    @classmethod
    def of(cls, kept: Kept, held: Iterable[Need]) -> _Body:
        return cls(
            kept.route,
            kept.granted,
            kept.passed,
            [(n.passage_id, n.way.value) for n in kept.rest],
            [(n.passage_id, n.way.value) for n in held],
            kept.absent,
        )


def _round(task: AssignmentRecord | None) -> GroundMission | None:
    mission = task.mission if task is not None else None
    return mission if isinstance(mission, GroundMission) else None


def _known(telemetry: Telemetry) -> bool:
    """Whether a robot's own state says where it is."""
    return telemetry.link is LinkState.ONLINE and telemetry.position is not None


def _stalled(telemetry: Telemetry) -> bool:
    return telemetry.link is not LinkState.ONLINE or telemetry.phase in {
        Phase.HOLDING,
        Phase.FAILSAFE,
    }


def _off_m(line: list[tuple[float, float]]) -> float:
    """Distance of the origin from a line of points in metres."""
    best = float("inf")
    for (ax, ay), (bx, by) in pairwise(line):
        dx, dy = bx - ax, by - ay
        squared = dx * dx + dy * dy
        share = 0.0 if squared == 0.0 else max(0.0, min(1.0, -(ax * dx + ay * dy) / squared))
        best = min(best, ((ax + share * dx) ** 2 + (ay + share * dy) ** 2) ** 0.5)
    return best
