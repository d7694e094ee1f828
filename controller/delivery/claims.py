"""What a pick or a release shows that belongs to no open assignment: custody follows evidence.

Owns the rule for a refused order of which a late copy arrived, and for a round that was written
off and goes on all the same. Must not send commands.
"""

from __future__ import annotations

from controller.delivery import steps
from controller.delivery.draft import Draft
from controller.delivery.ledger import Ledger
from controller.domain.alarms import Condition, Severity
from controller.domain.model import Proof
from controller.domain.records import AssignmentRecord
from controller.domain.transitions import ABOARD, AT_SITE
from geofence.frames import geodesic_m
from vehicles.port import EventKind, VehicleEvent


def claim(
    draft: Draft, ledger: Ledger, event: VehicleEvent, task: AssignmentRecord | None
) -> Condition | None:
    """Put into a step what a pick or release outside the open assignment shows.

    A parcel that counted as waiting at a site is stranded on the vehicle that picked it, which
    keeps it from being offered to another, and calls a person. One that the vehicle has, in no
    open assignment, is delivered by its release. The condition tells of a parcel that two claim.
    """
    known = ledger.parcels.get(event.parcel_id)
    if known is None or event.kind not in {EventKind.PICKED, EventKind.RELEASED}:
        return None
    vehicle_id, parcel_id = event.vehicle_id, event.parcel_id
    mine = task is not None and parcel_id in task.assignment.parcel_ids
    if known.state in AT_SITE:
        words = f"{vehicle_id} picked it on an order that counted as over"
        steps.strand_on(draft, parcel_id, vehicle_id, words)
    elif known.state not in ABOARD or mine:
        return None
    elif known.custodian.ident != vehicle_id:
        return Condition(
            f"claim:{parcel_id}:{vehicle_id}",
            Severity.WARNING,
            f"{vehicle_id} tells that it {event.kind.value} {parcel_id}, which "
            f"{known.custodian.ident} has by what was seen before",
            "Send a person to both, then settle the parcel where it was found",
            vehicle_id,
            parcel_id,
        )
    if event.kind is EventKind.RELEASED:
        goal = draft.parcel(parcel_id).parcel.destination.position
        place = event.position or goal
        evidence = event.evidence or (event.detail or "release seen",)
        proof = Proof(event.at, place, geodesic_m(place, goal), evidence)
        steps.found_delivered(draft, parcel_id, proof, {"by": vehicle_id})
    return None
