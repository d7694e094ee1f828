"""What the monitors demand of vehicles by themselves.

Owns the tasks that carry it out, so that nobody who looks on waits for a vehicle's answer. Must
not judge anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from controller.delivery.process import VehicleProcess
from controller.store.errors import FencedError, StoreError
from geofence.zones import VehicleClass
from vehicles.port import Clock, Phase, Verb

log = structlog.get_logger(__name__)

AGAIN_S = 5.0


class Demands:
    """Demands on the way. `group` is given while the controller runs; before, nothing is sent."""

    def __init__(self, processes: Mapping[str, VehicleProcess], clock: Clock) -> None:
        self._processes = processes
        self._clock = clock
        self.breaching: Callable[[str], bool] = lambda _: True
        """Whether a vehicle is still where it may not be: the watch's word."""
        self.group: asyncio.TaskGroup | None = None

    async def hold(self, vehicle_id: str, cause: str) -> None:
        """Have a vehicle stop where it is.

        A robot that was not seen to stop is told again while it is where it may not be. Once it
        has stopped, nothing is sent any more: it is a person's to resume it, wherever it stands.
        """
        self._soon(vehicle_id, Verb.HOLD, cause)

    async def bring_home(self, vehicle_id: str, cause: str) -> None:
        """Have a vehicle return."""
        self._soon(vehicle_id, Verb.RETURN, cause)

    def _soon(self, vehicle_id: str, verb: Verb, cause: str) -> None:
        if self.group is not None:
            name = f"{verb.value} {vehicle_id}"
            self.group.create_task(self._demand(vehicle_id, verb, cause), name=name)

    async def _demand(self, vehicle_id: str, verb: Verb, cause: str) -> None:
        owner = self._processes[vehicle_id].owner
        again = verb is Verb.HOLD and owner.capability.vehicle_class is VehicleClass.ROBOT
        while not await self._done(vehicle_id, verb, cause) and again:
            await self._clock.sleep(AGAIN_S)
            if not self.breaching(vehicle_id) or owner.telemetry.phase is Phase.HOLDING:
                return

    async def _done(self, vehicle_id: str, verb: Verb, cause: str) -> bool:
        try:
            result = await self._processes[vehicle_id].demand(verb, by="safety", reason=cause)
        except FencedError:
            raise
        except StoreError as error:
            log.warning("demand not sent", vehicle=vehicle_id, verb=verb.value, reason=str(error))
            return False
        outcome = result.outcome.value
        log.warning("demanded", vehicle=vehicle_id, verb=verb.value, outcome=outcome, cause=cause)
        return result.done
