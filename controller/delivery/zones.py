"""The zone set in force, kept over restarts.

Owns which zones apply now. A set that was put in force by an operator stays so until the
configured files themselves change: then the files win, and the log says so.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import structlog

from controller.delivery.ledger import Ledger
from controller.domain.model import Event
from controller.store.changes import Changes, ZonesChange
from geofence.formats.geojson import read_zones, write_zones
from geofence.zoneset import ZoneSet
from vehicles.port import Clock

log = structlog.get_logger(__name__)


class ZoneBook:
    """The zones in force. `configured` is what the files say."""

    def __init__(self, configured: ZoneSet, ledger: Ledger, clock: Clock) -> None:
        self._configured = configured
        self._ledger = ledger
        self._clock = clock
        self.zones = configured

    def restore(self, kept: tuple[str, Mapping[str, object]] | None) -> None:
        """Take over the set that an operator had put in force, if the files are still the same."""
        if kept is None:
            return
        source_version, body = kept
        if source_version != self._configured.version:
            log.warning("zone files have changed: they replace the zones put in force before")
            return
        self.zones = ZoneSet(read_zones(json.dumps(body)))

    async def replace(self, zones: ZoneSet, *, by: str) -> None:
        """Keep another set, then put it in force."""
        now = self._clock.now()
        before = self.zones.version
        body = await asyncio.to_thread(write_zones, zones.zones)
        await self._ledger.keep(
            Changes(
                zones=ZonesChange(
                    version=zones.version,
                    source_version=self._configured.version,
                    body=body,
                    by=by,
                    at=now,
                ),
                events=(
                    Event(
                        "zones.replaced",
                        now,
                        data={"by": by, "before": before, "after": zones.version},
                    ),
                ),
            )
        )
        self.zones = zones
