"""The fence of a flight, ordered before its mission is loaded.

Owns the order and what is told of it. Must not send: the load puts the fence on board.
"""

from __future__ import annotations

from controller.delivery.gate import Gate, Shut
from controller.delivery.ledger import Ledger
from controller.domain.model import Event
from controller.domain.records import AssignmentRecord
from controller.fleet.owner import VehicleOwner


async def order_fence(
    gate: Gate, ledger: Ledger, owner: VehicleOwner, task: AssignmentRecord
) -> Shut | None:
    """Have the load of this mission put its fence on board; why that is impossible.

    What the fence cannot hold is told in the event log.
    """
    made = await gate.fence(task, ledger.parcels, owner)
    if made is None or isinstance(made, Shut):
        return made
    fence, told = made
    owner.order_fence(fence)
    if told:
        data: dict[str, object] = {"items": len(fence.items), "not_held": told}
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
