"""What the monitors demand of vehicles by themselves.

Owns the tasks that carry it out, so that nobody who looks on waits for a vehicle's answer. Must
not judge anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from controller.delivery.process import VehicleProcess
from controller.store.errors import FencedError, StoreError
from vehicles.port import Verb

log = structlog.get_logger(__name__)


class Demands:
    """Demands on the way. `group` is given while the controller runs; before, nothing is sent."""

    def __init__(self, processes: Mapping[str, VehicleProcess]) -> None:
        self._processes = processes
        self.group: asyncio.TaskGroup | None = None

    async def hold(self, vehicle_id: str, cause: str) -> None:
        """Have a vehicle stop where it is."""
        self._soon(vehicle_id, Verb.HOLD, cause)

    async def bring_home(self, vehicle_id: str, cause: str) -> None:
        """Have a vehicle return."""
        self._soon(vehicle_id, Verb.RETURN, cause)

    def _soon(self, vehicle_id: str, verb: Verb, cause: str) -> None:
        if self.group is not None:
            name = f"{verb.value} {vehicle_id}"
            self.group.create_task(self._demand(vehicle_id, verb, cause), name=name)

    async def _demand(self, vehicle_id: str, verb: Verb, cause: str) -> None:
        try:
            result = await self._processes[vehicle_id].demand(verb, by="safety", reason=cause)
        except FencedError:
            raise
        except StoreError as error:
            log.warning("demand not sent", vehicle=vehicle_id, verb=verb.value, reason=str(error))
            return
        outcome = result.outcome.value
        log.warning("demanded", vehicle=vehicle_id, verb=verb.value, outcome=outcome, cause=cause)
