"""What vehicles must hold of parameters, as a person asks for it.

Owns reading and setting by name of the vehicle, and the record of it. Must not know what a
baseline demands: a vehicle's own session does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from controller.delivery.ledger import Ledger
from controller.delivery.process import VehicleProcess
from controller.delivery.views import UnknownVehicleError
from controller.domain.model import Event
from controller.store.changes import Changes
from vehicles.audit import Audit
from vehicles.parameters import ParameterSet
from vehicles.port import Clock, CommandResult


class BaselineDesk:
    """The part of the desk that is about parameters. `on_set`: a vehicle may be ready now."""

    def __init__(
        self,
        ledger: Ledger,
        processes: Mapping[str, VehicleProcess],
        clock: Clock,
        on_set: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._processes = processes
        self._clock = clock
        self._on_set = on_set

    async def audit(self, vehicle_id: str) -> Audit | str:
        """A vehicle's parameter baseline, read now, or why it cannot be. UnknownVehicleError."""
        process = self._processes.get(vehicle_id)
        if process is None:
            raise UnknownVehicleError(vehicle_id)
        return await process.owner.audit()

    async def audit_all(self) -> dict[str, Audit | str]:
        """Every vehicle's at once, in the order of the configuration."""
        async with asyncio.TaskGroup() as group:
            asked = {
                vehicle_id: group.create_task(self.audit(vehicle_id), name=f"audit {vehicle_id}")
                for vehicle_id in self._processes
            }
        return {vehicle_id: task.result() for vehicle_id, task in asked.items()}

    async def parameters(self, vehicle_id: str) -> ParameterSet | str:
        """Every parameter of a vehicle, read now, or why not. Raises UnknownVehicleError."""
        process = self._processes.get(vehicle_id)
        if process is None:
            raise UnknownVehicleError(vehicle_id)
        return await process.owner.parameters()

    async def apply_baseline(self, vehicle_id: str, *, by: str, reason: str = "") -> CommandResult:
        """Set what its baseline demands, while it is disarmed. Raises UnknownVehicleError.

        Kept in the event log with who asked, what was set, and what a fitter must do.
        """
        process = self._processes.get(vehicle_id)
        if process is None:
            raise UnknownVehicleError(vehicle_id)
        result = await process.owner.apply_baseline()
        data: dict[str, object] = {
            "by": by, "reason": reason, "outcome": result.outcome.value, "told": result.reason,
        }  # fmt: skip
        event = Event("vehicle.baseline", self._clock.now(), vehicle_id=vehicle_id, data=data)
        await self._ledger.keep(Changes(events=(event,)))
        self._on_set()
        return result
