"""An operator's word on an action that failed and that the vehicle may try again.

Owns carrying it to the vehicle and keeping who gave it. Must not decide: a failed hand-over may be
a wrong PIN or a broken lid, which only a person can tell.
"""

from __future__ import annotations

from collections.abc import Mapping

from controller.delivery.ledger import Ledger
from controller.delivery.process import VehicleProcess
from controller.domain.model import Event
from controller.store.changes import Changes
from vehicles.port import Clock, CommandResult


class FailedActions:
    """Takes the word."""

    def __init__(
        self, ledger: Ledger, processes: Mapping[str, VehicleProcess], clock: Clock
    ) -> None:
        self._ledger = ledger
        self._processes = processes
        self._clock = clock

    async def answer(self, vehicle_id: str, *, again: bool, by: str, reason: str) -> CommandResult:
        """Try it again, or go on without it. Raises KeyError for one that is not enrolled."""
        result = await self._processes[vehicle_id].owner.retry(again=again)
        data: dict[str, object] = {
            "by": by, "reason": reason, "outcome": result.outcome.value, "told": result.reason,
        }  # fmt: skip
        kind = "vehicle.retry" if again else "vehicle.skip_retry"
        event = Event(kind, self._clock.now(), vehicle_id=vehicle_id, data=data)
        await self._ledger.keep(Changes(events=(event,)))
        return result
