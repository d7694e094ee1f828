"""The permits that stand: those of the configuration, and those that an operator grants.

Owns who holds which permit now. What is granted and withdrawn is kept as events, and the events
are what a restart reads; without them nobody holds anything. Must not know zones.

    UnknownPermitError   no permit of that id stands
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime

import structlog

from controller.delivery.ledger import Ledger
from controller.delivery.views import DeskError
from controller.domain.model import Event
from controller.domain.permits import Permit, names_held
from controller.store.changes import Changes
from vehicles.port import Clock

log = structlog.get_logger(__name__)

GRANTED = "permit.granted"
WITHDRAWN = "permit.withdrawn"
KINDS = (GRANTED, WITHDRAWN)


class UnknownPermitError(DeskError):
    """No permit of that id stands."""

    def __init__(self, permit_id: str) -> None:
        super().__init__(f"permit {permit_id!r} does not stand: see GET /v1/permits")
        self.permit_id = permit_id


class PermitBook:
    """Permits by id. Those `configured` stand as long as the configuration says them."""

    def __init__(
        self,
        configured: Iterable[Permit],
        ledger: Ledger,
        clock: Clock,
        ids: Callable[[str], str],
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._ids = ids
        self._permits = {permit.permit_id: permit for permit in configured}
        self._configured = frozenset(self._permits)

    def restore(self, events: Iterable[Event]) -> None:
        """Take over what the log says, oldest first."""
        for event in events:
            ident = str(event.data.get("id", ""))
            if event.kind == WITHDRAWN:
                self._permits.pop(ident, None)
                continue
            try:
                self._permits[ident] = _permit(event)
            except (KeyError, ValueError) as error:
                # nobody may fly on a permit that cannot be read
                log.warning("permit not restored", permit=ident, reason=str(error))

    def standing(self) -> tuple[Permit, ...]:
        """Those that are not over, oldest first."""
        now = self._clock.now()
        return tuple(p for p in self._permits.values() if p.until is None or p.until >= now)

    def held(self, vehicle_id: str, parcel_ids: Collection[str], leave: datetime) -> frozenset[str]:
        """The names of what a vehicle with these parcels holds up to `leave`."""
        return names_held(self._permits.values(), vehicle_id, parcel_ids, leave)

    async def grant(
        self,
        name: str,
        *,
        vehicle_id: str,
        parcel_id: str,
        until: datetime | None,
        by: str,
        reason: str,
    ) -> Permit:
        """Keep a permit, then let it count. Raises ValueError, StoreError."""
        now = self._clock.now()
        if until is not None and until.tzinfo is not None and until <= now:
            raise ValueError(f"until: {until.isoformat()} is over: give a time to come")
        permit = Permit(
            self._ids("permit"), name, vehicle_id, parcel_id, until, by, reason, granted_at=now
        )
        await self._ledger.keep(Changes(events=(_event(permit, now),)))
        self._permits[permit.permit_id] = permit
        return permit

    async def withdraw(self, permit_id: str, *, by: str, reason: str) -> Permit:
        """Keep that it is over, then let it count no more.

        Raises UnknownPermitError, StoreError, and ValueError for a permit of the configuration.
        """
        permit = self._permits.get(permit_id)
        if permit is None:
            raise UnknownPermitError(permit_id)
        if permit_id in self._configured:
            raise ValueError(
                f"permit: {permit_id} stands in the configuration: take it out of "
                "[[dispatch.permits]] and start again"
            )
        event = Event(
            WITHDRAWN,
            self._clock.now(),
            parcel_id=permit.parcel_id,
            vehicle_id=permit.vehicle_id,
            data={"id": permit_id, "permit": permit.name, "by": by, "reason": reason},
        )
        await self._ledger.keep(Changes(events=(event,)))
        self._permits.pop(permit_id, None)
        return permit


def _event(permit: Permit, at: datetime) -> Event:
    return Event(
        GRANTED,
        at,
        parcel_id=permit.parcel_id,
        vehicle_id=permit.vehicle_id,
        data={
            "id": permit.permit_id,
            "permit": permit.name,
            "until": permit.until.isoformat() if permit.until else None,
            "by": permit.by,
            "reason": permit.reason,
        },
    )


def _permit(event: Event) -> Permit:
    until = event.data.get("until")
    return Permit(
        permit_id=str(event.data["id"]),
        name=str(event.data["permit"]),
        vehicle_id=event.vehicle_id,
        parcel_id=event.parcel_id,
        until=datetime.fromisoformat(str(until)) if until else None,
        by=str(event.data.get("by", "")),
        reason=str(event.data.get("reason", "")),
        granted_at=event.at,
    )
