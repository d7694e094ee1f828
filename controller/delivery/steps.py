"""What each happening does to parcels and their assignment: pure, one unit a happening.

Owns the rules of the process from assignment to proof. Every step is safe to repeat: what has
been done already is left alone, so that an event told twice, or once live and once read back
after a restart, counts once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from controller.delivery.draft import Draft
from controller.dispatch.model import Explanation, Offer
from controller.domain.model import (
    Assignment,
    AssignmentState,
    Custodian,
    CustodianKind,
    ParcelState,
    Proof,
)
from controller.domain.records import (
    DOOR_SHUT,
    RECALLED,
    AssignmentRecord,
    CommandKind,
    ParcelRecord,
)
from controller.domain.transitions import ABOARD, BEFORE_PICKUP
from missions.model import AirMission, Handover

P, A = ParcelState, AssignmentState
DONE_WITH = frozenset({P.RELEASED, P.DELIVERED})


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how soon a failed parcel is offered again."""

    max_attempts: int
    backoff_s: float
    counts: bool = True
    """False where nobody failed: the world changed under a plan."""

    def wait(self, attempts: int) -> timedelta:
        """Doubles with every attempt, up to sixteen times."""
        return timedelta(seconds=self.backoff_s * 2 ** min(max(attempts - 1, 0), 4))


@dataclass(frozen=True, slots=True)
class Rest:
    """Where a vehicle came to rest."""

    site_id: str
    """The base it is at; empty: it is elsewhere, and what it carries must be fetched."""
    reason: str


def still(now: AssignmentRecord | None, task: AssignmentRecord, state: AssignmentState) -> bool:
    """Whether an assignment is the one that it was, and in this state."""
    return (
        now is not None
        and now.assignment.assignment_id == task.assignment.assignment_id
        and now.assignment.state is state
    )


def assign(
    draft: Draft, offer: Offer, explanations: Mapping[str, Explanation], epoch: int, ident: str
) -> AssignmentRecord:
    """An offer becomes an assignment with a load command."""
    record = AssignmentRecord(
        Assignment(
            assignment_id=ident,
            vehicle_id=offer.vehicle_id,
            parcel_ids=offer.parcel_ids,
            state=A.OPEN,
            created_at=draft.now,
            mission_hash=offer.mission.content_hash,
        ),
        offer.mission,
        epoch=epoch,
        arrive_at=dict(offer.arrive_at),
    )
    for parcel_id in offer.parcel_ids:
        explanation = explanations.get(parcel_id)
        draft.move(
            parcel_id,
            P.ASSIGNED,
            vehicle_id=offer.vehicle_id,
            assignment_id=ident,
            not_before=None,
            reasons=(),
            explanation=explanation,
            data={"sentence": explanation.sentence if explanation else "", "cost": offer.cost},
        )
    draft.assign(record)
    draft.decide(record, CommandKind.LOAD)
    return record


def preparing(draft: Draft, record: AssignmentRecord) -> None:
    """Its mission passed the gate and is about to be sent."""
    for parcel_id in record.assignment.parcel_ids:
        if draft.parcel(parcel_id).state is P.ASSIGNED:
            draft.move(parcel_id, P.PREPARING)


def loaded(draft: Draft, record: AssignmentRecord) -> None:
    """The vehicle provably holds the mission: a start is decided."""
    if record.assignment.state is A.OPEN:
        after = draft.advance(record, A.LOADED)
        draft.decide(after, CommandKind.START)


def unloaded(draft: Draft, record: AssignmentRecord, reason: str) -> None:
    """The vehicle no longer holds a mission that never started: it is loaded again."""
    if record.assignment.state is A.LOADED:
        after = draft.advance(record, A.OPEN, reason)
        draft.decide(after, CommandKind.LOAD)


def started(draft: Draft, record: AssignmentRecord) -> AssignmentRecord:
    """The vehicle is on its way. A drone has its parcels from here on."""
    state = record.assignment.state
    if state is A.OPEN:
        record = draft.advance(record, A.LOADED)
    if state is not A.STARTED:
        record = draft.advance(record, A.STARTED)
    if isinstance(record.mission, AirMission):
        for parcel_id in record.assignment.parcel_ids:
            take(draft, record, parcel_id)
    return record


def take(draft: Draft, record: AssignmentRecord, parcel_id: str) -> None:
    """The vehicle has the parcel."""
    if parcel_id not in record.assignment.parcel_ids:
        return
    if draft.parcel(parcel_id).state is P.ASSIGNED:
        draft.move(parcel_id, P.PREPARING)
    if draft.parcel(parcel_id).state is P.PREPARING:
        vehicle_id = record.assignment.vehicle_id
        draft.move(parcel_id, P.IN_TRANSIT, to=Custodian(CustodianKind.VEHICLE, vehicle_id))


def released(draft: Draft, record: AssignmentRecord, parcel_id: str, proof: Proof) -> bool:
    """The parcel left the vehicle: the recipient has it. Whether that is new."""
    if parcel_id not in record.assignment.parcel_ids:
        return False
    take(draft, record, parcel_id)
    if draft.parcel(parcel_id).state not in ABOARD:
        return False
    _handed_over(draft, parcel_id, proof, {})
    return True


def _handed_over(draft: Draft, parcel_id: str, proof: Proof, told: Mapping[str, object]) -> None:
    destination = draft.parcel(parcel_id).parcel.destination
    draft.move(
        parcel_id,
        P.RELEASED,
        to=Custodian(CustodianKind.RECIPIENT, destination.site_id or parcel_id),
        proof=proof,
        reasons=(),
        data={
            "lat_deg": proof.position.lat_deg,
            "lon_deg": proof.position.lon_deg,
            "distance_m": round(proof.distance_m, 2),
            "evidence": list(proof.evidence),
            **told,
        },
    )


def delivered(draft: Draft, parcel_id: str) -> None:
    """The proof is kept: the parcel is delivered."""
    record = draft.parcel(parcel_id)
    if record.state is P.RELEASED and record.proof is not None:
        draft.move(parcel_id, P.DELIVERED)


def coming_back(
    draft: Draft,
    record: AssignmentRecord,
    parcel_ids: tuple[str, ...],
    reason: str,
    *,
    turned_away: bool = False,
) -> None:
    """Parcels still aboard are on their way back; `turned_away`: from their doors."""
    for parcel_id in parcel_ids:
        mine = parcel_id in record.assignment.parcel_ids
        if mine and draft.parcel(parcel_id).state is P.IN_TRANSIT:
            at_door = draft.parcel(parcel_id).parcel.handover is Handover.DOOR
            note = DOOR_SHUT if turned_away and at_door else ""
            draft.move(parcel_id, P.RETURNING, reasons=(reason,), note=note)


def recall(draft: Draft, parcel_id: str, reason: str, told: Mapping[str, object]) -> None:
    """Cancelled while a vehicle has it: it comes back, and is then not offered again."""
    draft.move(parcel_id, P.RETURNING, reasons=(reason,), data=told, note=RECALLED)


def unsure(draft: Draft, record: AssignmentRecord, parcel_ids: Iterable[str], reason: str) -> None:
    """Nothing shows whether the parcels left: never offered again until a person has looked."""
    if record.assignment.state is not A.STARTED:
        record = started(draft, record)
    for parcel_id in parcel_ids:
        mine = parcel_id in record.assignment.parcel_ids
        if mine and draft.parcel(parcel_id).state in {P.IN_TRANSIT, P.RETURNING}:
            draft.move(parcel_id, P.STRANDED, reasons=(reason,))


def strand_on(draft: Draft, parcel_id: str, vehicle_id: str, reason: str) -> None:
    """A vehicle has a parcel that counted as waiting at a site: a person must look."""
    draft.move(
        parcel_id,
        P.STRANDED,
        to=Custodian(CustodianKind.VEHICLE, vehicle_id),
        vehicle_id=vehicle_id,
        not_before=None,
        reasons=(reason,),
    )


def found_aboard(
    draft: Draft, parcel_id: str, rest: Rest, retry: Retry, told: Mapping[str, object]
) -> None:
    """A person has the stranded parcel at a site: offered again as any that came back."""
    _returned(draft, parcel_id, rest, retry, told)


def found_delivered(draft: Draft, parcel_id: str, proof: Proof, told: Mapping[str, object]) -> None:
    """A person knows that the recipient has the stranded parcel."""
    _handed_over(draft, parcel_id, proof, told)
    delivered(draft, parcel_id)


def finished(draft: Draft, record: AssignmentRecord, rest: Rest, retry: Retry) -> None:
    """The mission is over as planned, the vehicle at rest. It is free again.

    A parcel aboard whose release was neither seen nor denied is nowhere that can be proved: a
    person must look.
    """
    for parcel_id in record.assignment.parcel_ids:
        delivered(draft, parcel_id)
        if draft.parcel(parcel_id).state is P.IN_TRANSIT:
            reason = "the mission is over, and no release was seen"
            draft.move(parcel_id, P.STRANDED, reasons=(reason,))
        else:
            _settle(draft, parcel_id, rest, retry)
    _close(draft, record, rest.reason)


def failed(draft: Draft, record: AssignmentRecord, rest: Rest, retry: Retry) -> None:
    """The assignment ends early, the vehicle at rest. Nothing is lost, nothing is sent twice."""
    for parcel_id in record.assignment.parcel_ids:
        delivered(draft, parcel_id)
        _settle(draft, parcel_id, rest, retry)
    _close(draft, record, rest.reason or "the mission ended early")


def unknown(draft: Draft, record: AssignmentRecord, reason: str) -> None:
    """The vehicle is at rest and cannot show what became of its mission: a person must look."""
    record = started(draft, record) if record.assignment.state is not A.STARTED else record
    for parcel_id in record.assignment.parcel_ids:
        delivered(draft, parcel_id)
        take(draft, record, parcel_id)
        if draft.parcel(parcel_id).state in {P.IN_TRANSIT, P.RETURNING}:
            draft.move(parcel_id, P.STRANDED, reasons=(reason,))
    _close(draft, record, reason)


def _settle(draft: Draft, parcel_id: str, rest: Rest, retry: Retry) -> None:
    state = draft.parcel(parcel_id).state
    if state in BEFORE_PICKUP:
        _offer_again(draft, parcel_id, rest.reason, retry)
        return
    if state not in {P.IN_TRANSIT, P.RETURNING}:
        return
    if not rest.site_id:
        draft.move(
            parcel_id, P.STRANDED, reasons=(rest.reason or "the vehicle stopped on its way",)
        )
        return
    if state is P.IN_TRANSIT:
        draft.move(parcel_id, P.RETURNING, reasons=(rest.reason,))
    _returned(draft, parcel_id, rest, retry, {})


def _returned(
    draft: Draft, parcel_id: str, rest: Rest, retry: Retry, told: Mapping[str, object]
) -> None:
    reasons: dict[str, Any] = {"reasons": (rest.reason,)} if told else {}
    site = Custodian(CustodianKind.SITE, rest.site_id)
    draft.move(parcel_id, P.RETURNED, to=site, data=told, **reasons)
    record = draft.parcel(parcel_id)
    if record.recalled:
        draft.move(parcel_id, P.CANCELLED, reasons=record.reasons, not_before=None)
    elif rest.site_id == record.parcel.origin_site_id and not record.turned_away:
        _offer_again(draft, parcel_id, rest.reason, retry)


def resend_fault(record: ParcelRecord) -> str:
    """Why a parcel cannot be sent again by a person's word; empty where it can."""
    ident, parcel = record.parcel.parcel_id, record.parcel
    if record.state is not P.RETURNED:
        return (
            f"{ident} is {record.state.value.replace('_', ' ')}: only a returned one is sent again"
        )
    if record.custodian.ident != parcel.origin_site_id:
        return (
            f"{ident} is at {record.custodian.ident}, not at its origin {parcel.origin_site_id}: "
            "submit it anew from there, or cancel it"
        )
    return ""


def resend(draft: Draft, parcel_id: str, told: Mapping[str, object], reason: str) -> None:
    """A person's word: what came back is offered again, and no attempt is counted."""
    draft.move(parcel_id, P.SUBMITTED, not_before=None, reasons=(reason,), data=told)


def _offer_again(draft: Draft, parcel_id: str, reason: str, retry: Retry) -> None:
    record = draft.parcel(parcel_id)
    attempts = record.attempts + int(retry.counts)
    reasons = (reason,) if reason else record.reasons
    draft.move(
        parcel_id,
        P.SUBMITTED,
        attempts=attempts,
        not_before=draft.now + retry.wait(attempts),
        reasons=reasons,
        data={"attempts": attempts, "reason": reason},
    )
    if attempts >= retry.max_attempts:
        told = (f"{attempts} attempts failed; the last: {reason or 'no reason told'}",)
        draft.move(parcel_id, P.REFUSED, not_before=None, reasons=told, data={"reasons": told})


def _close(draft: Draft, record: AssignmentRecord, reason: str) -> None:
    task = record.assignment
    all_done = all(draft.parcel(p).state in DONE_WITH for p in task.parcel_ids)
    if task.state is A.STARTED and all_done:
        draft.advance(record, A.DONE)
    else:
        draft.advance(record, A.FAILED, reason)
