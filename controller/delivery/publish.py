"""Changes turned into updates for whoever watches.

Owns what is told and how often. Must not be waited for by anybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from controller.delivery.desk import Desk
from controller.delivery.hub import Hub
from controller.delivery.ledger import Ledger
from controller.delivery.views import Alarm, HoldState, Update
from controller.store.changes import Changes


class Publisher:
    """Turns changes into updates, a few times a second and only where somebody watches."""

    def __init__(
        self, desk: Desk, hub: Hub, ledger: Ledger, telemetry: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._desk = desk
        self._hub = hub
        self._telemetry = telemetry
        self._parcels: set[str] = set()
        self._shown: dict[str, Any] = {}
        self._held: HoldState | None = desk.held
        ledger.listen(self._note)

    async def run(self, wall_period_s: float) -> None:
        """Publish until cancelled. People watch on wall time, however fast the clock runs."""
        while True:
            await asyncio.sleep(wall_period_s)
            self.publish()

    def publish(self) -> None:
        """Tell what has changed since the last time."""
        parcels, self._parcels = self._parcels, set()
        held = self._desk.held
        if not self._hub.watched:
            # whoever comes reads everything first
            self._held = held
            return
        telemetry = dict(self._telemetry())
        changed = [v for v, t in telemetry.items() if self._shown.get(v) is not t]
        self._shown = telemetry
        for parcel_id in parcels:
            self._hub.publish(parcel_id, Update("parcel", self._desk.parcel(parcel_id)))
        for vehicle_id in changed:
            self._hub.publish(vehicle_id, Update("vehicle", self._desk.vehicle(vehicle_id)))
        if held != self._held:
            self._held = held
            self._hub.publish("held", Update("held", held))

    def alarm(self, alarm: Alarm) -> None:
        """An alarm was raised, acknowledged or cleared."""
        self._hub.publish(alarm.alarm_id, Update("alarm", alarm))

    def _note(self, changes: Changes) -> None:
        self._parcels.update(step.after.parcel.parcel_id for step in changes.parcels)
        for task in changes.assignments:
            self._shown.pop(task.after.assignment.vehicle_id, None)
