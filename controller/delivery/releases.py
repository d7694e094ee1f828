"""Robots' requests to enter a passage, answered by the lease book.

Owns what is answered and when again. Must not grant anything by itself: who may use a passage is
the book's to say, and only what the store has of it counts.

* A robot that has the passage is granted it for a while, and again before that is over.
* One whose round leads through it is told to wait; any other is turned away, and told why here.
* A robot is inside as long as its own state says so, whatever else has been seen of it: nobody
  else is let in until then.
* A robot that is no longer heard keeps its lease in the book: it drives on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import structlog

from controller.delivery.process import VehicleProcess
from controller.delivery.turns import Turns
from controller.domain.alarms import Condition, Severity
from controller.network.leases import LeaseBook
from controller.safety.board import AlarmBoard
from vehicles.port import Clock, LinkState
from vehicles.zonekeeping import Grant, PassageRequest

log = structlog.get_logger(__name__)

SOURCE = "releases"
AGAIN_S = 2.0
"""A grant that the robot does not show is sent again after this: QoS 0 may lose it."""
REPEAT_S = 10.0
"""Any other answer is repeated after this, while the request stands."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The answer to a request, with the reason where it is no grant. None: say nothing now."""

    grant: Grant | None
    reason: str = ""


@dataclass(slots=True)
class _Answered:
    grant: Grant
    at_s: float
    reason: str = ""


def judge(
    book: LeaseBook,
    vehicle_id: str,
    request: PassageRequest,
    *,
    ahead: frozenset[str],
    inside: Mapping[str, frozenset[str]],
) -> Judged:
    """What a robot is answered. `ahead`: passages of its round; `inside`: who is, by passage."""
    passage = request.passage_id
    if not passage:
        return Judged(Grant.REJECTED, f"{request.zone_id} is no passage of its zones")
    holders = book.holders().get(passage, {})
    others = sorted(inside.get(passage, frozenset()) - {vehicle_id} - set(holders))
    mine = request.granted or request.lapsed
    if vehicle_id in holders:
        if others and not mine:
            return Judged(Grant.QUEUED, f"{' and '.join(others)} is not out of {passage}")
        return Judged(Grant.GRANTED)
    if mine:
        # it was let in and is not out by its own word: nobody is helped by its stopping there
        if not holders:
            return Judged(Grant.GRANTED)
        return Judged(None, f"it is not out of {passage}, which {' and '.join(holders)} has now")
    if passage in ahead:
        why = " and ".join(sorted(holders)) or "its turn"
        return Judged(Grant.QUEUED, f"it waits for {why}")
    return Judged(Grant.REJECTED, f"no round of it leads through {passage}")


class Releases:
    """Answers for all robots that ask. `look` is called once a period, after the book's own."""

    def __init__(
        self,
        *,
        processes: Mapping[str, VehicleProcess],
        turns: Turns | None,
        board: AlarmBoard,
        clock: Clock,
        lease_s: float = 60.0,
    ) -> None:
        self._processes = processes
        self._turns = turns
        self._board = board
        self._clock = clock
        self._lease_s = lease_s
        self._answered: dict[tuple[str, str], _Answered] = {}

    async def run(self, period_s: float) -> None:
        """Look once a period until cancelled."""
        while True:
            self.look()
            await self._clock.sleep(period_s)

    def look(self) -> None:
        """Answer what is to be answered now."""
        asked = {
            vehicle_id: requests
            for vehicle_id, process in self._processes.items()
            if (requests := process.owner.passage_requests)
        }
        inside = _inside(asked)
        conditions: list[Condition] = []
        for vehicle_id, requests in asked.items():
            online = self._processes[vehicle_id].owner.telemetry.link is LinkState.ONLINE
            for request in requests:
                judged = self._judge(vehicle_id, request, inside)
                conditions.extend(_told(vehicle_id, judged))
                if online and judged.grant is not None:
                    self._answer(vehicle_id, request, judged.grant, judged.reason)
        standing = {(v, r.request_id) for v, requests in asked.items() for r in requests}
        self._answered = {key: a for key, a in self._answered.items() if key in standing}
        self._board.tell(SOURCE, conditions)

    def _judge(
        self, vehicle_id: str, request: PassageRequest, inside: Mapping[str, frozenset[str]]
    ) -> Judged:
        if self._turns is None:
            return Judged(Grant.REJECTED, "there are no streets, and so no passages")
        if not self._turns.is_kept(vehicle_id):
            return Judged(None)
        ahead = self._turns.passages_of(vehicle_id)
        return judge(self._turns.book, vehicle_id, request, ahead=ahead, inside=inside)

    def _answer(self, vehicle_id: str, request: PassageRequest, grant: Grant, reason: str) -> None:
        key, now_s = (vehicle_id, request.request_id), self._clock.monotonic_s()
        last = self._answered.get(key)
        if last is not None and last.grant is grant:
            if grant is not Grant.GRANTED:
                wait_s = REPEAT_S
            else:
                wait_s = self._lease_s / 2.0 if request.granted else AGAIN_S
            if now_s - last.at_s < wait_s:
                return
        if last is None or (last.grant, last.reason) != (grant, reason):
            log.info(
                "passage.answered",
                vehicle=vehicle_id,
                passage=request.passage_id or request.zone_id,
                answer=grant.value,
                reason=reason,
            )
        self._answered[key] = _Answered(grant, now_s, reason)
        lease_s = self._lease_s if grant is Grant.GRANTED else None
        self._processes[vehicle_id].owner.answer(request.request_id, grant, lease_s)


def _inside(asked: Mapping[str, Iterable[PassageRequest]]) -> dict[str, frozenset[str]]:
    """Who may be inside of which passage, by their own word."""
    found: dict[str, frozenset[str]] = {}
    for vehicle_id, requests in asked.items():
        for request in requests:
            if request.passage_id and (request.granted or request.lapsed):
                known = found.get(request.passage_id, frozenset())
                found[request.passage_id] = known | {vehicle_id}
    return found


def _told(vehicle_id: str, judged: Judged) -> Iterator[Condition]:
    if judged.grant is Grant.REJECTED or (judged.grant is None and judged.reason):
        yield Condition(
            f"release:{vehicle_id}",
            Severity.CAUTION,
            f"{vehicle_id} asks to enter a passage and is not let in: {judged.reason}",
            "See why it is there; it stands before the passage until it has a round through it",
            vehicle_id,
        )
