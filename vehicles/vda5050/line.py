"""One robot's line: what it says goes to the order engine, what the engine says goes out.

Owns the engine's state, the newest telemetry, the queue of events and the waiting for effects.
Must not know what the controller wants: that is `session`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Protocol

import structlog

from geofence.frames import LatLon
from vehicles.errors import ProtocolError, VehicleError
from vehicles.port import Capability, Clock, EventKind, Telemetry, VehicleEvent
from vehicles.vda5050 import topics
from vehicles.vda5050.dialect import Dialect
from vehicles.vda5050.engine import step
from vehicles.vda5050.engine_model import (
    EngineState,
    GotConnection,
    GotFactsheet,
    GotState,
    Input,
    Notice,
    Send,
    SendOrder,
)
from vehicles.vda5050.factsheet import Factsheet
from vehicles.vda5050.limits import STOPS, instant_fault, stop_fault
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.models import Action, Header, State
from vehicles.vda5050.nonsense import Nonsense
from vehicles.vda5050.settings import Vda5050Settings, Vda5050Vehicle, engine_settings
from vehicles.vda5050.telemetry import telemetry_of

log = structlog.get_logger(__name__)

MAX_EVENTS = 4096
MAX_TRAIL = 256


class Publish(Protocol):
    """Hands a message to the transport; lost ones are the engine's to resend."""

    def __call__(self, topic: str, payload: bytes, *, urgent: bool) -> None:
        """Must not wait."""


class RobotLine:
    """The line to one robot; `Vda5050Session` is made of it."""

    def __init__(
        self,
        vehicle: Vda5050Vehicle,
        site_map: SiteMap,
        clock: Clock,
        settings: Vda5050Settings,
        *,
        dialect: Dialect,
        publish: Publish,
        ids: Callable[[str], str],
    ) -> None:
        self._vehicle = vehicle
        self._map = site_map
        self._clock = clock
        self._settings = settings
        self._dialect = dialect
        self._publish = publish
        self._ids = ids
        self._engine = EngineState(
            settings=engine_settings(vehicle.profile, settings.engine), tag=ids("start")
        )
        self._received_at: datetime | None = None
        self._events: asyncio.Queue[VehicleEvent] = asyncio.Queue(MAX_EVENTS)
        self._changed: set[asyncio.Event] = set()
        self._trail: deque[tuple[datetime, float, float]] = deque(maxlen=MAX_TRAIL)
        self._nonsense = Nonsense()
        self._bars: set[str] = set()
        self._stoppable: tuple[Factsheet | None, str] = (None, "")
        self._telemetry: Telemetry | None = None
        self._fed_at_s = clock.monotonic_s()

    @property
    def vehicle_id(self) -> str:
        """The enrolled name."""
        return self._vehicle.vehicle_id

    @property
    def topic_version(self) -> str:
        """The level that its protocol version has in topic names."""
        return self._dialect.topic_version

    @property
    def capability(self) -> Capability:
        """What it can carry and how far."""
        return self._vehicle.capability

    @property
    def telemetry(self) -> Telemetry:
        """The newest state, at once; translated when somebody looks, not on every message."""
        if self._telemetry is None:
            self._telemetry = telemetry_of(
                self.vehicle_id,
                self._engine,
                self._fed_at_s,
                self._received_at,
                self._map,
                further=self._further_faults(),
            )
        return self._telemetry

    def _further_faults(self) -> tuple[str, ...]:
        """What else than the robot's own state keeps it from being started."""
        sheet = self._engine.factsheet
        if self._stoppable[0] is not sheet:
            self._stoppable = (sheet, stop_fault(sheet, self._dialect.measure_actions))
        fault = self._stoppable[1]
        return (f"it could not be stopped and resumed: {fault}",) if fault else ()

    async def events(self) -> AsyncIterator[VehicleEvent]:
        """Events in order, for one consumer; those before the first reading wait for it."""
        while True:
            yield await self._events.get()

    # --- what the fleet feeds --------------------------------------------------------------

    def feed(self, event: Input) -> None:
        """Advance the engine; send and tell what it says."""
        before = self._engine
        now_s = self._clock.monotonic_s()
        self._engine, sends, notices = step(before, event, now_s)
        if self._engine is before:
            return
        if self._engine.state is not before.state:
            self._received_at = self._clock.now()
            self._remember(before.state)
        self._telemetry, self._fed_at_s = None, now_s
        for send in sends:
            self._send(send)
        for notice in notices:
            self._tell(notice)
        for waiter in self._changed:
            waiter.set()

    def _remember(self, before: State | None) -> None:
        """Keep where it says that it is, unless it stands where it stood."""
        state = self._engine.state
        spot = state.agv_position if state is not None else None
        last = before.agv_position if before is not None else None
        if spot is None or not spot.position_initialized or spot.map_id != self._map.map_id:
            return
        if self._received_at is not None and (last is None or (spot.x, spot.y) != (last.x, last.y)):
            self._trail.append((self._received_at, spot.x, spot.y))

    def trail(self) -> tuple[tuple[datetime, LatLon], ...]:
        """Places that it told since the last call, the newest MAX_TRAIL of them."""
        told = tuple((at, self._map.to_latlon(x, y)) for at, x, y in self._trail)
        self._trail.clear()
        return told

    def _send(self, send: Send) -> None:
        """Hand to the transport; every instant action in a message of its own.

        Robots are known that fall over the second action of a message when the first ends at
        once (vda-5050-lib 1.4.0).
        """
        if isinstance(send, SendOrder):
            self._publish(topics.ORDER, self._dialect.order(send.body), urgent=False)
            return
        for action in send.actions:
            fault = self._barred(action)
            if fault and fault not in self._bars:
                self._bars.add(fault)
                self._tell(Notice(EventKind.ALARM, detail=f"not sent: {fault}"))
            if fault:
                continue
            payload = self._dialect.instant_actions((action,))
            self._publish(topics.INSTANT_ACTIONS, payload, urgent=True)

    def _barred(self, action: Action) -> str:
        """Why its factsheet forbids to send an instant action; a stop is sent in any case."""
        if action.action_type in STOPS:
            return ""
        return instant_fault(action, self._engine.factsheet, self._dialect.measure_actions)

    def received(self, topic: str, payload: bytes) -> None:
        """Take a message from the robot's topics. Nonsense becomes an alarm and goes no further."""
        try:
            event = self._decode(topic, payload)
        except ProtocolError as error:
            words = self._nonsense.told(topic, error.reason, self._clock.monotonic_s())
            if words:
                self._tell(Notice(EventKind.ALARM, detail=words))
            return
        self.feed(event)

    def _decode(self, topic: str, payload: bytes) -> GotState | GotConnection | GotFactsheet:
        message: Header
        event: GotState | GotConnection | GotFactsheet
        if topic == topics.STATE:
            message = self._dialect.state(payload, self.vehicle_id)
            event = GotState(message)
        elif topic == topics.CONNECTION:
            message = self._dialect.connection(payload, self.vehicle_id)
            event = GotConnection(message)
        else:
            message = self._dialect.factsheet(payload, self.vehicle_id)
            event = GotFactsheet(message)
        said = topics.Address(message.manufacturer, message.serial_number)
        if said != self._vehicle.address:
            raise ProtocolError(
                self.vehicle_id,
                f"{topic} message names {said.manufacturer}/{said.serial} in its body: is another "
                "robot using this one's topics?",
            )
        return event

    def _tell(self, notice: Notice) -> None:
        event = VehicleEvent(
            self.vehicle_id,
            notice.kind,
            self._clock.now(),
            mission_hash=notice.mission_hash,
            parcel_id=notice.parcel_id,
            position=self.telemetry.position,
            detail=notice.detail,
            evidence=notice.evidence,
        )
        log.info(
            "robot.event",
            vehicle=self.vehicle_id,
            kind=notice.kind.value,
            parcel=notice.parcel_id,
            detail=notice.detail,
        )
        try:
            self._events.put_nowait(event)
        except asyncio.QueueFull:
            raise VehicleError(
                self.vehicle_id, f"{MAX_EVENTS} events wait: nobody reads them"
            ) from None

    async def _until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for the engine to meet a condition; False where time ran out."""
        changed = asyncio.Event()
        self._changed.add(changed)
        try:
            async with self._clock.timeout(timeout_s):
                while not condition():
                    await changed.wait()
                    changed.clear()
        except TimeoutError:
            return condition()
        else:
            return True
        finally:
            self._changed.discard(changed)
