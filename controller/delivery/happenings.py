"""What a vehicle tells, applied to its assignment: live events and what is read back alike.

Owns the meaning of vehicle events for parcels, and the alarms that go with them. Must not send
commands.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import structlog

from controller.delivery import steps
from controller.delivery.claims import claim
from controller.delivery.draft import Draft
from controller.delivery.ledger import Ledger
from controller.delivery.proof import far_condition, make_proof, stop_of
from controller.delivery.steps import Rest, Retry
from controller.domain.alarms import Condition, Severity
from controller.domain.model import AssignmentState as A
from controller.domain.model import ParcelState, Site
from controller.domain.records import AssignmentRecord
from controller.domain.transitions import ABOARD
from controller.safety.board import AlarmBoard
from geofence.frames import LatLon, geodesic_m
from missions.model import AirMission
from vehicles.port import EventKind, MissionProgress, Telemetry, VehicleEvent

log = structlog.get_logger(__name__)

_ALARMS = {
    EventKind.ALARM: (Severity.CAUTION, "tells", "Look at the vehicle before it is sent again"),
    EventKind.REBOOTED: (Severity.CAUTION, "rebooted", "Look at its log"),
    EventKind.MISSION_LOST: (
        Severity.CAUTION,
        "no longer holds its mission",
        "If it is under way, hold it and decide; if not, it is loaded again",
    ),
    EventKind.RELEASE_FAILED: (
        Severity.CAUTION,
        "could not let its parcel go",
        "The parcel comes back; call the recipient if it will be late",
    ),
}


UNHEARD = frozenset({EventKind.LINK_LOST, EventKind.CONNECTION_LOST})
"""After these a vehicle may do things that nobody hears of."""


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Distances in metres."""

    drop_drone_m: float
    drop_robot_m: float
    home_m: float


def on_it(progress: MissionProgress) -> bool:
    """Whether the vehicle is carrying out this very mission, and no other."""
    return progress.holds and progress.running


class Happenings:
    """Applies events under the vehicle's lease."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        board: AlarmBoard,
        bases: dict[str, Site],
        homes: dict[str, LatLon],
        tolerances: Tolerances,
        retry: Retry,
    ) -> None:
        self._ledger = ledger
        self._board = board
        self._bases = bases
        self._homes = homes
        self._tolerances = tolerances
        self._retry = retry

    async def apply(
        self,
        event: VehicleEvent,
        task: AssignmentRecord | None,
        telemetry: Telemetry,
        *,
        unwatched: bool = False,
    ) -> bool:
        """Keep what the event means. True where the vehicle must be read before going on.

        `unwatched`: the link was gone for a while, so a release may not have been heard.
        """
        self._alarm(event)
        draft = self._ledger.draft()
        draft.event(
            f"vehicle.{event.kind.value}",
            vehicle_id=event.vehicle_id,
            parcel_id=event.parcel_id,
            assignment_id=task.assignment.assignment_id if task else "",
            data={"detail": event.detail, "hash": event.mission_hash},
        )
        doubt = False
        if task is not None and self._is_about(event, task):
            ended = event.kind in {EventKind.ABORTED, EventKind.COMPLETED}
            if unwatched and ended and self._any_aboard(task):
                doubt = True
            else:
                doubt = self._apply(draft, event, task, telemetry)
        elif (claimed := claim(draft, self._ledger, event, task)) is not None:
            self._board.happen(claimed)
        await self._ledger.keep_draft(draft, event.vehicle_id)
        if event.kind is EventKind.RELEASED and task is not None:
            await self.prove(event.vehicle_id)
        return doubt

    def _is_about(self, event: VehicleEvent, task: AssignmentRecord) -> bool:
        """Whether an event belongs to this assignment's mission; old missions' events do not.

        One that was on its way when the mission was given another way does.
        """
        told, now = event.mission_hash, task.assignment
        return (
            not told
            or told == now.mission_hash
            or told in self._ledger.former.get(now.assignment_id, ())
        )

    async def read_back(self, task: AssignmentRecord, progress: MissionProgress) -> None:
        """Keep what a vehicle shows of a mission: as if its events had been heard."""
        draft = self._ledger.draft()
        vehicle_id = task.assignment.vehicle_id
        if on_it(progress) or progress.completed or progress.picked or progress.released:
            task = steps.started(draft, task)
        for parcel_id in sorted(progress.picked):
            steps.take(draft, task, parcel_id)
        for parcel_id in sorted(progress.released):
            self._release(
                draft,
                task,
                parcel_id,
                at=draft.now,
                seen_at=None,
                evidence=("read from the vehicle after the fact", progress.detail or "released"),
            )
        if progress.unsure:
            words = f"nothing shows whether it was released: {progress.detail}"
            steps.unsure(draft, task, sorted(progress.unsure), words)
        await self._ledger.keep_draft(draft, vehicle_id)
        await self.prove(vehicle_id)
        now = self._ledger.assignments.get(vehicle_id)
        if progress.completed and not progress.running and now is not None:
            draft = self._ledger.draft()
            steps.finished(draft, now, Rest(self._base_id(vehicle_id), ""), self._retry)
            await self._ledger.keep_draft(draft, vehicle_id)

    async def prove(self, vehicle_id: str) -> None:
        """Finish what was released: the proof stands, the parcel is delivered."""
        task = self._ledger.assignments.get(vehicle_id)
        if task is None:
            return
        draft = self._ledger.draft()
        for parcel_id in task.assignment.parcel_ids:
            steps.delivered(draft, parcel_id)
        await self._ledger.keep_draft(draft, vehicle_id)

    def _apply(
        self, draft: Draft, event: VehicleEvent, task: AssignmentRecord, telemetry: Telemetry
    ) -> bool:
        kind = event.kind
        state = task.assignment.state
        if kind is EventKind.STARTED:
            steps.started(draft, task)
        elif kind is EventKind.PICKED:
            steps.take(draft, steps.started(draft, task), event.parcel_id)
        elif kind is EventKind.RELEASED:
            task = steps.started(draft, task)
            for parcel_id in self._which(event, task):
                place = event.position or telemetry.position
                self._release(
                    draft,
                    task,
                    parcel_id,
                    at=event.at,
                    seen_at=place,
                    evidence=event.evidence or (event.detail or "release seen",),
                )
        elif kind is EventKind.RELEASE_FAILED:
            reason = event.detail or "the release failed"
            ids = self._which(event, task)
            steps.coming_back(draft, task, ids, reason, turned_away=True)
        elif kind is EventKind.RELEASE_UNSURE:
            reason = event.detail or "nothing shows whether it was released"
            steps.unsure(draft, task, self._which(event, task), reason)
        elif kind is EventKind.COMPLETED:
            rest = self.rest_at(telemetry, "", event.position)
            steps.finished(draft, steps.started(draft, task), rest, self._retry)
        elif kind is EventKind.ABORTED:
            reason = event.detail or "the mission was aborted"
            rest = self.rest_at(telemetry, reason, event.position)
            steps.failed(draft, task, rest, self._retry)
        elif kind is EventKind.FAILSAFE and isinstance(task.mission, AirMission):
            reason = event.detail or "the vehicle is in a failsafe"
            steps.coming_back(draft, task, task.assignment.parcel_ids, reason)
        elif kind in {EventKind.REBOOTED, EventKind.MISSION_LOST}:
            return state is not A.OPEN
        return False

    def _release(
        self,
        draft: Draft,
        task: AssignmentRecord,
        parcel_id: str,
        *,
        at: datetime,
        seen_at: LatLon | None,
        evidence: tuple[str, ...],
    ) -> None:
        if parcel_id not in task.assignment.parcel_ids:
            return
        parcel = draft.parcel(parcel_id).parcel
        proof = make_proof(parcel, task.mission, at=at, seen_at=seen_at, evidence=evidence)
        if not steps.released(draft, task, parcel_id, proof):
            return
        air = isinstance(task.mission, AirMission)
        limit_m = self._tolerances.drop_drone_m if air else self._tolerances.drop_robot_m
        planned = None if air else stop_of(task.mission, parcel_id)
        far = far_condition(parcel, proof, planned, limit_m, task.assignment.vehicle_id)
        if far is not None:
            self._board.happen(far)

    def _which(self, event: VehicleEvent, task: AssignmentRecord) -> tuple[str, ...]:
        """The parcels that an event is about: told, or the only one aboard."""
        if event.parcel_id:
            return (event.parcel_id,)
        left = tuple(
            p for p in task.assignment.parcel_ids if self._ledger.parcels[p].state in ABOARD
        )
        if len(left) == 1:
            return left
        if not left and len(task.assignment.parcel_ids) == 1:
            return task.assignment.parcel_ids
        log.warning("event names no parcel", vehicle=event.vehicle_id, kind=event.kind.value)
        return ()

    def rest_at(self, telemetry: Telemetry, reason: str, position: LatLon | None = None) -> Rest:
        """Where a vehicle came to rest: at its base, or somewhere on its way."""
        vehicle_id = telemetry.vehicle_id
        place = position or telemetry.position
        base = self._bases[vehicle_id]
        if place is None:
            return Rest("", reason or "nobody knows where the vehicle is")
        near_m = min(geodesic_m(place, base.position), geodesic_m(place, self._homes[vehicle_id]))
        return Rest(base.site_id if near_m <= self._tolerances.home_m else "", reason)

    def _any_aboard(self, task: AssignmentRecord) -> bool:
        return any(self._ledger.parcels[p].state in ABOARD for p in task.assignment.parcel_ids)

    def _base_id(self, vehicle_id: str) -> str:
        return self._bases[vehicle_id].site_id

    def _alarm(self, event: VehicleEvent) -> None:
        known = _ALARMS.get(event.kind)
        if known is None:
            return
        severity, words, advice = known
        detail = f": {event.detail}" if event.detail else ""
        self._board.happen(
            Condition(
                f"{event.kind.value}:{event.vehicle_id}:{event.parcel_id}:{event.detail}",
                severity,
                f"{event.vehicle_id} {words}{detail}",
                advice,
                event.vehicle_id,
                event.parcel_id,
            )
        )


def stranded_conditions(ledger: Ledger) -> list[Condition]:
    """Parcels that a person must see to."""
    found = []
    for parcel_id, record in ledger.parcels.items():
        if record.state is ParcelState.STRANDED:
            found.append(
                Condition(
                    f"stranded:{parcel_id}",
                    Severity.WARNING,
                    f"{parcel_id} is stranded on {record.custodian.ident}: "
                    f"{'; '.join(record.reasons) or 'no reason told'}",
                    "Send a person to look, then settle it as found aboard or delivered; it is "
                    "not offered again before",
                    record.custodian.ident,
                    parcel_id,
                )
            )
        elif record.state is ParcelState.RETURNED:
            found.append(
                Condition(
                    f"returned:{parcel_id}",
                    Severity.CAUTION,
                    f"{parcel_id} came back to {record.custodian.ident} and is not offered again",
                    "Send it again with 'waypost parcel resend' once its recipient agrees, or "
                    "cancel it"
                    if record.turned_away
                    else "Send it by a new order, or cancel it",
                    parcel_id=parcel_id,
                )
            )
    return found


def doubt_condition(vehicle_id: str) -> Condition:
    """Of a vehicle that cannot be read while its assignment is open."""
    return Condition(
        f"doubt:{vehicle_id}",
        Severity.CAUTION,
        f"{vehicle_id} cannot be read: what became of its assignment is open",
        "Check its link; nothing is sent again until it has been read",
        vehicle_id,
    )
