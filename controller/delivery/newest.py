"""The newest state of every vehicle, kept for the time after a restart.

Owns what is written of states and how often: one row a vehicle, those that were heard since the
last time, in one unit. Must not be waited for by whoever hears a state, and must never pass for
one: what a restart finds here is where a vehicle was, until it speaks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

import structlog

from controller.domain.records import LastKnown
from controller.store.changes import Changes
from controller.store.errors import FencedError, StoreError
from vehicles.port import Telemetry

log = structlog.get_logger(__name__)

PERIOD_S = 2.0
"""How much of a vehicle's way a restart may not know, in wall time; a clean stop loses nothing."""

Keep = Callable[[Changes], Awaitable[object]]


class NewestStates:
    """Writes newest states while `run` is served, and tells what a restart found.

    `epochs` are the leases under which may be written: a controller that lost a vehicle must not
    write over what its successor has heard.
    """

    def __init__(
        self,
        newest: Callable[[], Mapping[str, Telemetry]],
        keep: Keep,
        epochs: Mapping[str, int],
    ) -> None:
        self._newest = newest
        self._keep = keep
        self._epochs = epochs
        self._found: dict[str, LastKnown] = {}
        self._written: dict[str, LastKnown] = {}

    def restore(self, records: Iterable[LastKnown]) -> None:
        """What the store holds at start-up."""
        self._found = {record.vehicle_id: record for record in records}

    def before(self, vehicle_id: str) -> LastKnown | None:
        """Where a vehicle was before this start; None where nobody wrote it down."""
        return self._found.get(vehicle_id)

    async def run(self, wall_period_s: float = PERIOD_S) -> None:
        """Write once a period until cancelled. What could not be kept is tried again with newer."""
        while True:
            await asyncio.sleep(wall_period_s)
            try:
                await self.write()
            except FencedError:
                raise
            except StoreError as error:
                log.warning("newest states not kept", reason=str(error))

    async def write_last(self, keep: Keep) -> None:
        """At a clean stop, by a way into the store that needs nobody to serve it."""
        try:
            await self.write(keep)
        except StoreError as error:
            log.warning("newest states not kept", reason=str(error))

    async def write(self, keep: Keep | None = None) -> int:
        """Write what was heard since the last time; how many vehicles. Raises StoreError."""
        changed = tuple(self._changed())
        if changed:
            epochs = {r.vehicle_id: self._epochs[r.vehicle_id] for r in changed}
            await (keep or self._keep)(Changes(last_known=changed, epochs=epochs))
            self._written.update((record.vehicle_id, record) for record in changed)
        return len(changed)

    def _changed(self) -> Iterable[LastKnown]:
        for told in self._newest().values():
            before = self._written.get(told.vehicle_id)
            if told.received_at is None or (before and before.at == told.received_at):
                continue
            yield LastKnown(
                told.vehicle_id,
                told.received_at,
                told.position,
                told.alt_amsl_m,
                told.alt_home_m,
                told.heading_deg,
                told.battery_pct,
                told.phase.value,
            )
