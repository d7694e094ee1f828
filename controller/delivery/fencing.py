"""The fence of a flight, ordered before its mission is loaded.

Owns the order and what is told of it. Must not send: the load puts the fence on board.
"""

from __future__ import annotations

from controller.delivery.gate import Gate, Shut
from controller.delivery.ledger import Ledger
from controller.domain.model import Event
from controller.domain.records import AssignmentRecord
from controller.fleet.owner import VehicleOwner
from geofence.formats.onboard import OnboardFence


async def order_fence(
    gate: Gate, ledger: Ledger, owner: VehicleOwner, task: AssignmentRecord
) -> Shut | None:
    """Have the load of this mission put its fence on board; why that is impossible.

    The event log tells how large it is, and which zones it cannot hold and why.
    """
    made = await gate.fence(task, ledger.parcels, owner)
    if made is None or isinstance(made, Shut):
        return made
    fence, told = made
    owner.order_fence(fence)
    size = OnboardFence(fence.items).size_bytes
    data: dict[str, object] = {"items": len(fence.items), "bytes": size, "not_held": told}
    ledger.note(
        Event(
            "vehicle.fence",
            gate.now(),
            vehicle_id=owner.vehicle_id,
            assignment_id=task.assignment.assignment_id,
            data=data,
        )
    )
    return None
