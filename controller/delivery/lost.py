"""A vehicle that does not come back: a person's word ends its round.

Owns the rules of that word. Nothing is sent, and nothing is guessed: what it had, or may have
taken, stays with it, stranded, until each parcel is settled. Its leases stay as well, unless the
person says that it was taken off the streets.
"""

from __future__ import annotations

from collections.abc import Mapping

from controller.delivery import steps
from controller.delivery.ledger import Ledger
from controller.delivery.process import VehicleProcess
from controller.delivery.turns import Turns
from vehicles.port import CommandResult, LinkState, Outcome


class Lost:
    """Takes the word."""

    def __init__(
        self, ledger: Ledger, processes: Mapping[str, VehicleProcess], turns: Turns | None
    ) -> None:
        self._ledger = ledger
        self._processes = processes
        self._turns = turns

    async def write_off(
        self, vehicle_id: str, *, by: str, reason: str, removed: bool
    ) -> CommandResult:
        """End the round of a vehicle that is not heard. `removed`: it is off the streets.

        Refused for one that is heard: that is held, landed or waited for. Raises KeyError for one
        that is not enrolled.
        """
        process = self._processes[vehicle_id]
        telemetry = process.owner.telemetry
        if telemetry.link is LinkState.ONLINE:
            return CommandResult(
                Outcome.REFUSED,
                f"{vehicle_id} is heard: hold or land it; only a vehicle that is not heard is "
                "written off",
            )
        told = f"written off by {by}" + (f": {reason}" if reason else "")
        ended = await self._end(vehicle_id, process, told)
        freed = self._turns is not None and removed and self._turns.removed(vehicle_id)
        if not ended and not freed:
            return CommandResult(
                Outcome.REFUSED, f"{vehicle_id} has no round and no right of way to end"
            )
        left = self._ledger.aboard(vehicle_id)
        words = f"settle {', '.join(left)}" if left else ""
        return CommandResult(Outcome.DONE, words)

    async def _end(self, vehicle_id: str, process: VehicleProcess, told: str) -> bool:
        if vehicle_id not in self._ledger.assignments:
            return False
        if not await process.give_up(told):
            task = self._ledger.assignments[vehicle_id]
            draft = self._ledger.draft()
            steps.unknown(draft, task, told)
            await self._ledger.keep_draft(draft, vehicle_id)
            await process.give_up(told)
        return True
