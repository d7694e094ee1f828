"""Who may use which passage of the streets now: requests, grants, releases.

Owns the book of leases and the rule by which one is granted. Pure: no clock, no store, no robot.

* A robot is given what it needs up to its next waiting place all at once, or nothing of it.
* A grant must leave everybody who can reach the end of his way able to: somebody can always go on,
  so that no order of grants leads to a deadlock (the banker's algorithm; Dijkstra, EWD 108).
* Requests are served in the order in which they were made. One who has nothing waits behind an
  earlier one who wants the same; one who has something may pass, since others wait for him; and
  where nobody moves any more, anybody may.
* A lease has no end by time: a robot that is no longer heard drives on to the end of its base, and
  keeps what it has until somebody says where it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import rustworkx as rx

from missions.passages import Claim, Need, Way


@dataclass(frozen=True, slots=True)
class Grant:
    """A claim that was given. `epoch` rises with every grant of the book."""

    vehicle_id: str
    claim: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What of a robot outlives a restart. `passed`: nodes that it has left behind, less one."""

    vehicle_id: str
    route: str
    granted: int
    passed: int
    rest: tuple[Need, ...]
    epoch: int
    absent: bool = False


@dataclass(slots=True)
class _Robot:
    vehicle_id: str
    route: str = ""
    claims: tuple[Claim, ...] = ()
    last: int = 0
    passed: int = 0
    granted: int = 0
    wanted: int = 0
    asked: int = 0
    epoch: int = 0
    rest: tuple[Need, ...] = ()
    """Where it stands, beside what its way needs."""
    absent: bool = False
    """Somebody said that it is not there; it was not heard since."""

    @property
    def end(self) -> int:
        """The last node that it may go to now."""
        return self.claims[self.granted].hold if self.granted < len(self.claims) else self.last

    @property
    def moving(self) -> bool:
        return bool(self.route) and not self.absent and self.passed < self.end

    @property
    def pending(self) -> Claim | None:
        if self.absent or self.wanted <= self.granted:
            return None
        return self.claims[self.granted]

    def held(self) -> list[Need]:
        if self.absent:
            return []
        mine = [n for c in self.claims[: self.granted] for n in c.held(self.passed)]
        return [*mine, *self.rest]

    def held_at(self, granted: int) -> frozenset[Need]:
        """What it has where it waits for claim `granted`, all before it given."""
        end = self.claims[granted].hold if granted < len(self.claims) else self.last
        mine = {n for c in self.claims[:granted] for n in c.held(end)}
        return frozenset(mine if end > self.passed else {*mine, *self.rest})


@dataclass(slots=True)
class LeaseBook:
    """All leases. Its methods name vehicles; whoever is not known has nothing."""

    _robots: dict[str, _Robot] = field(default_factory=dict)
    _count: int = 0
    _epoch: int = 0

    # --- what robots do --------------------------------------------------------------------

    def enter(
        self,
        vehicle_id: str,
        route: str,
        claims: Sequence[Claim],
        last: int,
        *,
        ask: bool = True,
    ) -> None:
        """A robot has a way of `last` + 1 nodes before it; it stands at the first.

        What it held before stays until it has left its first node. `ask` for what it needs there.
        """
        before = self._robots.get(vehicle_id)
        if before is not None and before.route == route:
            return
        robot = _Robot(vehicle_id, route, tuple(claims), last)
        if before is not None:
            robot.rest, robot.epoch = tuple(dict.fromkeys(before.held())), before.epoch
        self._robots[vehicle_id] = robot
        if ask:
            self.want(vehicle_id, 0)

    def want(self, vehicle_id: str, up_to: int) -> None:
        """Ask for every claim whose waiting place is among the first `up_to` + 1 nodes."""
        robot = self._robots.get(vehicle_id)
        if robot is None:
            return
        wanted = sum(claim.hold <= up_to for claim in robot.claims)
        if wanted > robot.wanted:
            if robot.pending is None:
                self._count += 1
                robot.asked = self._count
            robot.wanted = wanted

    def passed(self, vehicle_id: str, node: int) -> bool:
        """The robot's own state shows that it has reached a node; whether anything was released."""
        robot = self._robots.get(vehicle_id)
        if robot is None or node <= robot.passed:
            return False
        before = len(robot.held())
        robot.passed = min(node, robot.last)
        # where it is, it is, whoever let it: nobody else may be let in there
        there = sum(claim.hold < robot.passed for claim in robot.claims)
        robot.granted = max(robot.granted, there)
        robot.wanted = max(robot.wanted, robot.granted)
        robot.rest = ()
        return len(robot.held()) < before

    def leave(self, vehicle_id: str, rest: Sequence[Need] = ()) -> None:
        """Its way is over, and it is known to stand where it needs `rest`."""
        if rest:
            before = self._robots.get(vehicle_id)
            epoch = before.epoch if before else 0
            self._robots[vehicle_id] = _Robot(vehicle_id, rest=tuple(rest), epoch=epoch)
        else:
            self._robots.pop(vehicle_id, None)

    def stand(self, vehicle_id: str, rest: Sequence[Need]) -> None:
        """A robot without a way is seen where it needs `rest`."""
        robot = self._robots.get(vehicle_id)
        if robot is None or not robot.route:
            self.leave(vehicle_id, rest)

    def restore(self, kept: Kept, claims: Sequence[Claim], last: int) -> None:
        """As it was before a restart. Where the way's claims are no longer known, `rest` holds."""
        robot = _Robot(kept.vehicle_id, kept.route, tuple(claims), last, kept.passed)
        robot.granted = robot.wanted = min(kept.granted, len(robot.claims))
        robot.epoch, robot.rest, robot.absent = kept.epoch, kept.rest, kept.absent
        self._epoch = max(self._epoch, kept.epoch)
        self._robots[kept.vehicle_id] = robot

    def reroute(self, vehicle_id: str, claims: Sequence[Claim], last: int) -> None:
        """Another way behind the node that it waits at; up to there its way is as it was.

        It asks anew, behind all others, for what it needs from there.
        """
        robot = self._robots[vehicle_id]
        robot.claims, robot.last = tuple(claims), last
        robot.wanted = robot.granted
        self.want(vehicle_id, robot.passed)

    def take_back(self, vehicle_id: str) -> tuple[Need, ...]:
        """All that it has is free, by somebody's word; what it had. Nothing more is given to it.

        Until its own state is heard again: `heard`.
        """
        robot = self._robots.get(vehicle_id)
        if robot is None:
            return ()
        had = tuple(dict.fromkeys(robot.held()))
        robot.absent = True
        return had

    def heard(self, vehicle_id: str) -> None:
        """Its own state is heard: it has again what its way and its place give it."""
        robot = self._robots.get(vehicle_id)
        if robot is not None:
            robot.absent = False

    def clashes(self) -> list[tuple[str, tuple[str, ...]]]:
        """Passages that robots have who may not be there together, with these, sorted.

        Only where somebody was taken to be elsewhere than it was.
        """
        found: list[tuple[str, tuple[str, ...]]] = []
        for passage, who in sorted(self.holders().items()):
            ways = [way for each in who.values() for way in each]
            if len(who) > 1 and not all(ways[0].together(way) for way in ways):
                found.append((passage, tuple(sorted(who))))
        return found

    def copy(self) -> LeaseBook:
        """Another book with the same in it."""
        robots = {v: replace(r) for v, r in self._robots.items()}
        return LeaseBook(robots, self._count, self._epoch)

    def able(self) -> frozenset[str]:
        """Robots that can all reach the ends of their ways, one after the other."""
        return frozenset(self._finishing())

    # --- what is granted -------------------------------------------------------------------

    def grant(self, stalled: Collection[str] = ()) -> list[Grant]:
        """Give what may be given. `stalled`: robots that do not move though they could."""
        given: list[Grant] = []
        fair = True
        while True:
            found = self._next(fair=fair)
            if found is not None:
                found.granted += 1
                self._epoch += 1
                found.epoch = self._epoch
                if found.pending is not None:
                    self._count += 1
                    found.asked = self._count
                given.append(Grant(found.vehicle_id, found.granted - 1, self._epoch))
                fair = True
            elif fair and not any(
                r.moving for r in self._robots.values() if r.vehicle_id not in stalled
            ):
                fair = False
            else:
                return given

    def _next(self, *, fair: bool) -> _Robot | None:
        waiting = self._waiting()
        finishing: set[str] | None = None
        for place, robot in enumerate(waiting):
            claim = robot.pending
            if claim is None or self._against(robot, claim.needs):
                continue
            if fair and not robot.held() and self._earlier(waiting[:place], claim.needs):
                continue
            if finishing is None:
                finishing = self._finishing()
            robot.granted += 1
            safe = finishing <= self._finishing()
            robot.granted -= 1
            if safe:
                return robot
        return None

    def _waiting(self) -> list[_Robot]:
        found = [r for r in self._robots.values() if r.pending is not None]
        return sorted(found, key=lambda r: r.asked)

    def _against(self, robot: _Robot, needs: Iterable[Need]) -> list[str]:
        """Who holds what does not go together with these needs."""
        wanted = list(needs)
        return [
            other.vehicle_id
            for other in self._robots.values()
            if other is not robot and _conflict(other.held(), wanted)
        ]

    @staticmethod
    def _earlier(earlier: Sequence[_Robot], needs: Sequence[Need]) -> list[str]:
        return [r.vehicle_id for r in earlier if r.pending and _conflict(r.pending.needs, needs)]

    def _finishing(self) -> set[str]:
        """Robots that can all reach their ends, one after the other, from where all stand now."""
        place = {r.vehicle_id: r.granted for r in self._robots.values() if r.route and not r.absent}
        held: dict[str, dict[str, set[Way]]] = {}

        def put(robot: _Robot, needs: Collection[Need]) -> None:
            for ways in held.values():
                ways.pop(robot.vehicle_id, None)
            for need in needs:
                of = held.setdefault(need.passage_id, {})
                of.setdefault(robot.vehicle_id, set()).add(need.way)

        for robot in self._robots.values():
            # what is granted is driven to its end, by those too that nobody hears any more
            if not robot.absent:
                put(robot, robot.held_at(robot.granted) if robot.route else robot.rest)
        done: set[str] = set()
        went = True
        while went:
            went = False
            for vehicle_id, granted in list(place.items()):
                robot = self._robots[vehicle_id]
                reach = self._reach(robot, granted, held)
                if reach is None:
                    continue
                went = True
                if reach == len(robot.claims):
                    del place[vehicle_id]
                    done.add(vehicle_id)
                    put(robot, ())
                else:
                    place[vehicle_id] = reach
                    put(robot, robot.held_at(reach))
        return done

    @staticmethod
    def _reach(
        robot: _Robot, granted: int, held: Mapping[str, Mapping[str, set[Way]]]
    ) -> int | None:
        """How many claims it can come to have and hold no more than before; None: no more."""
        before = robot.held_at(granted)
        for number, claim in enumerate(robot.claims[granted:], granted + 1):
            if not all(_free(held.get(n.passage_id, {}), robot.vehicle_id, n) for n in claim.needs):
                return None
            if number == len(robot.claims) or robot.held_at(number) <= before:
                return number
        return granted if granted == len(robot.claims) else None

    # --- what can be asked -----------------------------------------------------------------

    def route(self, vehicle_id: str) -> str:
        """The way that a robot is on; empty where it is on none."""
        robot = self._robots.get(vehicle_id)
        return robot.route if robot else ""

    def end(self, vehicle_id: str) -> int | None:
        """The last node of its way that a robot may be sent to; None: it is on no way."""
        robot = self._robots.get(vehicle_id)
        return robot.end if robot is not None and robot.route else None

    def passed_by(self, vehicle_id: str) -> int | None:
        """The last node that a robot is known to have reached; None: it is on no way."""
        robot = self._robots.get(vehicle_id)
        return robot.passed if robot is not None and robot.route else None

    def held(self, vehicle_id: str) -> tuple[Need, ...]:
        """What a robot has now."""
        robot = self._robots.get(vehicle_id)
        return tuple(dict.fromkeys(robot.held())) if robot else ()

    def stuck(self, vehicle_id: str) -> bool:
        """Whether it stands at the end of what it was let go to, and wants more."""
        robot = self._robots.get(vehicle_id)
        return robot is not None and robot.pending is not None and not robot.moving

    def holders(self) -> dict[str, dict[str, tuple[Way, ...]]]:
        """Who holds which passage, and how."""
        found: dict[str, dict[str, tuple[Way, ...]]] = {}
        for robot in self._robots.values():
            for need in robot.held():
                ways = found.setdefault(need.passage_id, {})
                ways[robot.vehicle_id] = tuple({*ways.get(robot.vehicle_id, ()), need.way})
        return found

    def kept(self, vehicle_id: str) -> Kept | None:
        """What of a robot must outlive a restart; None: nothing."""
        robot = self._robots.get(vehicle_id)
        if robot is None:
            return None
        return Kept(
            vehicle_id,
            robot.route,
            robot.granted,
            robot.passed,
            robot.rest,
            robot.epoch,
            robot.absent,
        )

    def waits(self) -> dict[str, tuple[str, ...]]:
        """Who waits for whom: holders of what it wants, or earlier ones who want it too."""
        found: dict[str, tuple[str, ...]] = {}
        waiting = self._waiting()
        for place, robot in enumerate(waiting):
            claim = robot.pending
            if claim is None:
                continue
            holders = self._against(robot, claim.needs)
            queue = [] if robot.held() else self._earlier(waiting[:place], claim.needs)
            found[robot.vehicle_id] = tuple(dict.fromkeys([*holders, *queue]))
        return found

    def wanted_of(self, vehicle_id: str) -> tuple[Need, ...]:
        """What a robot waits for."""
        robot = self._robots.get(vehicle_id)
        claim = robot.pending if robot else None
        return claim.needs if claim else ()

    def deadlocks(self, stalled: Collection[str] = ()) -> list[tuple[str, ...]]:
        """Robots that wait for each other in a ring and do not move, each ring once, sorted."""
        still = [v for v in self.waits() if v in stalled or not self._robots[v].moving]
        graph: rx.PyDiGraph[str, None] = rx.PyDiGraph()
        rows = {v: graph.add_node(v) for v in sorted(still)}
        for v, others in self.waits().items():
            for other in others:
                if v in rows and other in rows:
                    graph.add_edge(rows[v], rows[other], None)
        rings = [c for c in rx.strongly_connected_components(graph) if len(c) > 1]
        return sorted(tuple(sorted(graph[row] for row in ring)) for ring in rings)

    def blocked(self) -> list[str]:
        """Robots that wait for one that stands there without a way, and may stand for ever."""
        return sorted(
            v
            for v, others in self.waits().items()
            if self.stuck(v) and any(not self._robots[u].route for u in others)
        )


def _free(held: Mapping[str, Collection[Way]], vehicle_id: str, need: Need) -> bool:
    return all(
        need.way.together(way) for v, ways in held.items() if v != vehicle_id for way in ways
    )


def _conflict(held: Iterable[Need], wanted: Iterable[Need]) -> bool:
    mine = list(held)
    return any(
        need.passage_id == have.passage_id and not need.way.together(have.way)
        for need in wanted
        for have in mine
    )
