"""A person's word on a stranded parcel: found aboard, or delivered after all.

Owns the rules of settling. It is the only way out of doubt besides a release that the vehicle
shows late; nothing here is done without a name and a reason.
"""

from __future__ import annotations

from controller.delivery import steps
from controller.delivery.draft import Draft
from controller.delivery.steps import Rest, Retry
from controller.delivery.views import Found
from controller.domain.model import ParcelState, Proof


def refusal(
    parcel_id: str,
    state: ParcelState,
    found: Found,
    *,
    custodian: str,
    base_id: str,
    open_task: bool,
) -> str:
    """Why a parcel cannot be settled so now; empty where it can.

    `base_id`: the base of the vehicle that has it, empty where no such vehicle is enrolled.
    """
    if state is not ParcelState.STRANDED:
        words = state.value.replace("_", " ")
        return f"{parcel_id} is {words}: only a stranded parcel is settled"
    if found is Found.DELIVERED:
        return ""
    if open_task:
        return f"{custodian} is still under way with it: settle it once the vehicle is at rest"
    if not base_id:
        return f"{custodian} is not configured: put it back, so that the parcel has a base"
    return ""


def settle(
    draft: Draft, parcel_id: str, found: Found, *, by: str, reason: str, base_id: str, retry: Retry
) -> None:
    """Bring a stranded parcel to where it was found. Raises TransitionError in any other state."""
    told = {"found": found.value, "by": by, "reason": reason}
    record = draft.parcel(parcel_id)
    draft.event(
        "parcel.settled",
        parcel_id=parcel_id,
        vehicle_id=record.vehicle_id,
        assignment_id=record.assignment_id,
        data=told,
    )
    if found is Found.ABOARD:
        rest = Rest(base_id, f"found aboard by {by}: {reason}")
        steps.found_aboard(draft, parcel_id, rest, retry, told)
        return
    evidence = (
        f"confirmed by {by}: {reason}",
        "place as addressed: the release itself was not watched",
        *record.reasons,
    )
    proof = Proof(draft.now, record.parcel.destination.position, 0.0, evidence)
    steps.found_delivered(draft, parcel_id, proof, told)
