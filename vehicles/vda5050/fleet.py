"""A fleet of VDA 5050 robots behind one broker.

Owns the sessions, the transport and the clock tick. Must not decide anything about orders.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Self

import structlog

from vehicles.errors import ConfigurationError
from vehicles.port import Clock, Loss, VehicleSession
from vehicles.vda5050.engine_model import BrokerDown, BrokerUp, Deaf, Tick
from vehicles.vda5050.line import Publish
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.session import Vda5050Session
from vehicles.vda5050.settings import Vda5050Settings, Vda5050Vehicle
from vehicles.vda5050.topics import INCOMING, Address, Topics, check_address
from vehicles.vda5050.transport import Broker, Counts, MqttTransport, TransportSettings
from vehicles.vda5050.zoned import ZoneCompiler

__all__ = [
    "Broker",
    "SiteMap",
    "TransportSettings",
    "Vda5050Fleet",
    "Vda5050Settings",
    "Vda5050Vehicle",
]

log = structlog.get_logger(__name__)


def _random_id(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex}"


class Vda5050Fleet:
    """Implements VehicleAdapter.

    Entering makes the sessions; the connection is made, and made again, inside `run`, so that a
    broker that is down at the start is waited for. Raises ConfigurationError for a vehicle whose
    address cannot stand in a topic or is enrolled twice.
    """

    def __init__(
        self,
        vehicles: Sequence[Vda5050Vehicle],
        broker: Broker,
        site_map: SiteMap,
        clock: Clock,
        settings: Vda5050Settings | None = None,
        *,
        transport: TransportSettings | None = None,
        ids: Callable[[str], str] = _random_id,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._settings = settings or Vda5050Settings()
        self._topics = Topics(broker.prefix, broker.prefix_v3)
        compiler = ZoneCompiler()
        self._by_address: dict[Address, Vda5050Session] = {}
        self._sessions: dict[str, VehicleSession] = {}
        for vehicle in vehicles:
            check_address(vehicle.vehicle_id, vehicle.address)
            if vehicle.address in self._by_address or vehicle.vehicle_id in self._sessions:
                raise ConfigurationError(
                    vehicle.vehicle_id, "its id or its manufacturer and serial are enrolled twice"
                )
            session = Vda5050Session(
                vehicle,
                vehicle.site_map or site_map,
                clock,
                self._settings,
                dialect=vehicle.dialect(clock.now),
                publish=self._publisher(vehicle.address),
                ids=ids,
                compiler=compiler,
            )
            self._by_address[vehicle.address] = session
            self._sessions[vehicle.vehicle_id] = session
        makers = frozenset(v.manufacturer for v in vehicles)
        self._transport = MqttTransport(
            broker,
            self._topics.filters(makers),
            self,
            identifier=ids("waypost"),
            jitter=jitter,
            settings=transport,
        )
        self.strangers = 0
        """Messages of robots that nobody enrolled."""

    async def __aenter__(self) -> Self:
        """Ready to `run`."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Nothing stays open: the connection lives and dies inside `run`."""

    @property
    def sessions(self) -> dict[str, VehicleSession]:
        """Sessions by vehicle id."""
        return self._sessions

    @property
    def counts(self) -> Counts:
        """What went through the broker connection."""
        return self._transport.counts

    def losses(self) -> Iterator[Loss]:
        """Of the broker connection."""
        where = "broker"
        yield Loss("messages dropped on arrival", where, self.counts.dropped_in)
        yield Loss("messages not sent", where, self.counts.dropped_out)
        yield Loss("messages of robots that are not enrolled", where, self.strangers)

    async def run(self) -> None:
        """Serve the broker connection and the clock until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._transport.run(), name="vda5050-transport")
            tasks.create_task(self._tick(), name="vda5050-tick")

    async def _tick(self) -> None:
        tick_s = self._settings.tick_s
        last_s = self._clock.monotonic_s()
        while True:
            await self._clock.sleep(tick_s)
            now_s = self._clock.monotonic_s()
            late_s, last_s = now_s - last_s - tick_s, now_s
            for session in self._by_address.values():
                # a stalled process must not take its own absence for the robots' silence
                session.feed(Deaf(late_s) if late_s > tick_s else Tick())

    def _publisher(self, address: Address) -> Publish:
        def publish(topic: str, payload: bytes, *, urgent: bool) -> None:
            version = self._by_address[address].topic_version
            self._transport.send(self._topics.of(address, topic, version), payload, urgent=urgent)

        return publish

    # --- Listener of the transport ---------------------------------------------------------

    def connected(self) -> None:
        """Tell every session, which then asks for what it missed."""
        log.info("broker.connected", robots=len(self._by_address))
        for session in self._by_address.values():
            session.feed(BrokerUp())

    def disconnected(self, reason: str) -> None:
        """Tell every session; reasons are logged by the transport."""
        del reason
        for session in self._by_address.values():
            session.feed(BrokerDown())

    def received(self, topic: str, payload: bytes) -> None:
        """Hand a message to whom its topic belongs."""
        split = self._topics.split(topic)
        if split is None or split[1] not in INCOMING:
            return
        address, name = split
        session = self._by_address.get(address)
        if session is None:
            self.strangers += 1
            return
        session.received(name, payload)
