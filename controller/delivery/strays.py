"""Assignments that count on a parcel which a vehicle has taken by another order.

Owns giving them up before they start. Must not judge what was taken: that is `claims.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from controller.delivery.ledger import Ledger
from controller.delivery.process import VehicleProcess
from controller.domain.model import AssignmentState, ParcelState
from controller.domain.transitions import AT_SITE
from controller.store.changes import Changes


class Strays:
    """Gives up assignments that count on a parcel which another order has taken."""

    def __init__(self, ledger: Ledger, processes: Mapping[str, VehicleProcess]) -> None:
        self._ledger = ledger
        self._processes = processes
        self._gone: set[str] = set()
        self._wake = asyncio.Event()
        ledger.listen(self._on_kept)

    async def run(self) -> None:
        """Look whenever a parcel was taken so, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            gone, self._gone = self._gone, set()
            for vehicle_id, record in list(self._ledger.assignments.items()):
                taken = gone & set(record.assignment.parcel_ids)
                process = self._processes.get(vehicle_id)
                unstarted = record.assignment.state is not AssignmentState.STARTED
                if taken and process is not None and unstarted:
                    await process.give_up(f"{', '.join(sorted(taken))} is no longer at its site")

    def _on_kept(self, changes: Changes) -> None:
        for step in changes.parcels:
            if step.after.state is ParcelState.STRANDED and step.before in AT_SITE:
                self._gone.add(step.after.parcel.parcel_id)
                self._wake.set()
