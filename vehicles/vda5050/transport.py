"""One connection to the broker for a whole fleet.

Owns the socket (aiomqtt), reconnection and the two lanes. Must not know what a message means.

* A fresh client per attempt: a used aiomqtt client would return from connect before CONNACK.
* Backoff with jitter between attempts, begun anew only by a connection that stood a while. While
  there is none nothing is queued, since whoever sends also resends.
* Incoming messages wait in a bounded queue; when it is full the oldest goes and is counted.
* Outgoing messages never wait behind incoming ones: an own task publishes them, instant actions
  first, in a bounded queue; what does not fit is refused, counted and resent by its sender. It
  hands over a window of them and waits for the last, not for each: to pause a thousand robots
  must not take a thousand turns of the event loop.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import aiomqtt
import structlog

from vehicles.vda5050.client import Line

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to believe (the system's authorities without `ca_file`) and who we are, as PEM files.

    Read at every attempt, so that a certificate may be renewed while the controller runs.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    key_password_file: Path | None = None
    """Its first line opens an encrypted key."""

    def context(self) -> ssl.SSLContext:
        """Raises OSError where a file is missing or wrong."""
        context = ssl.create_default_context(cafile=self.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file, self._key_password)
        return context

    def _key_password(self) -> str:
        """Of an encrypted key; without a file that fails, and nobody is asked at a terminal."""
        if self.key_password_file is None:
            return ""
        return self.key_password_file.read_text("utf-8").partition("\n")[0].strip()


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and how topics start there. Any MQTT 3.1.1 or 5 broker does."""

    host: str
    port: int = 1883
    username: str = ""
    password: str = field(default="", repr=False)
    prefix: str = "uagv"
    prefix_v3: str = "vda5050"
    """Of the topics of robots that speak version 3."""
    tls: Tls | None = None
    protocol: Literal["3.1.1", "5"] = "3.1.1"


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """Limits and times. Times are wall seconds: the network does not run faster in a simulation."""

    keepalive_s: int = 15
    connect_timeout_s: float = 10.0
    backoff_first_s: float = 0.2
    backoff_max_s: float = 10.0
    incoming_limit: int = 20_000
    outgoing_limit: int = 5_000
    window: int = 100
    """So many messages are handed over before it waits for them to have left."""


class Listener(Protocol):
    """Who hears of the connection. Called in the event loop; must not block or raise."""

    def connected(self) -> None:
        """Subscriptions are made."""

    def disconnected(self, reason: str) -> None:
        """The connection is gone."""

    def received(self, topic: str, payload: bytes) -> None:
        """A message arrived."""


@dataclass(slots=True)
class Counts:
    """What went through, for observation."""

    received: int = 0
    sent: int = 0
    dropped_in: int = 0
    dropped_out: int = 0
    connects: int = 0


class MqttTransport:
    """Serves one broker connection in `run`; `send` is synchronous and never waits."""

    def __init__(
        self,
        broker: Broker,
        filters: tuple[str, ...],
        listener: Listener,
        *,
        identifier: str,
        jitter: Callable[[], float],
        settings: TransportSettings | None = None,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._broker = broker
        self._filters = filters
        self._listener = listener
        self._identifier = identifier
        self._jitter = jitter
        self._settings = settings or TransportSettings()
        self._wait = wait
        self._urgent: deque[tuple[str, bytes]] = deque()
        self._normal: deque[tuple[str, bytes]] = deque()
        self._work = asyncio.Event()
        self._up = False
        self._up_since_s = 0.0
        self.counts = Counts()

    @property
    def up(self) -> bool:
        """Whether the connection stands."""
        return self._up

    def send(self, topic: str, payload: bytes, *, urgent: bool = False) -> bool:
        """Hand a message to the publishing lane; False where it was refused and counted."""
        waiting = len(self._urgent) + len(self._normal)
        if not self._up or waiting >= self._settings.outgoing_limit:
            self.counts.dropped_out += 1
            return False
        (self._urgent if urgent else self._normal).append((topic, payload))
        self._work.set()
        return True

    async def run(self) -> None:
        """Connect, serve, and connect again, until cancelled."""
        attempt, loop = 0, asyncio.get_running_loop()
        while True:
            reason = "connection closed"
            try:
                async with self._client() as client:
                    await self._serve(client)
            except* (aiomqtt.MqttError, OSError) as group:
                reason = str(group.exceptions[0])
            _keep_cancelled()
            settings = self._settings
            if self._up:
                self._up = False
                # a second client of our id takes each connection at once: only one that stood
                # starts the backoff anew, or both throw each other out many times a second
                if loop.time() - self._up_since_s >= settings.backoff_max_s:
                    attempt = 0
                self._urgent.clear()
                self._normal.clear()
                self._listener.disconnected(reason)
            pause_s = min(settings.backoff_max_s, settings.backoff_first_s * 2.0 ** min(attempt, 8))
            attempt += 1
            log.warning(
                "broker.disconnected",
                host=self._broker.host,
                port=self._broker.port,
                reason=reason,
                retry_in_s=round(pause_s, 2),
            )
            await self._wait(pause_s * (0.5 + self._jitter()))

    def _client(self) -> Line:
        five = self._broker.protocol == "5"
        version = aiomqtt.ProtocolVersion
        return Line(
            self._broker.host,
            self._broker.port,
            username=self._broker.username or None,
            password=self._broker.password or None,
            identifier=self._identifier,
            protocol=version.V5 if five else version.V311,
            # MQTT 5 starts clean by default and has no word for this
            clean_session=None if five else True,
            tls_context=self._broker.tls.context() if self._broker.tls else None,
            keepalive=self._settings.keepalive_s,
            timeout=self._settings.connect_timeout_s,
            incoming_limit=self._settings.incoming_limit,
            dropped=self._dropped_in,
        )

    def _dropped_in(self) -> None:
        self.counts.dropped_in += 1

    async def _serve(self, client: Line) -> None:
        for name in self._filters:
            await client.subscribe(name, qos=1)
        _keep_cancelled()
        self._up, self._up_since_s = True, asyncio.get_running_loop().time()
        self.counts.connects += 1
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish(client), name="mqtt-publish")
            self._listener.connected()
            while True:
                for message in await client.arrived():
                    self.counts.received += 1
                    payload = message.payload
                    if isinstance(payload, bytes | bytearray):
                        self._listener.received(message.topic.value, bytes(payload))
                # there may be more at once: others have work in the meantime
                await asyncio.sleep(0)

    async def _publish(self, client: Line) -> None:
        while True:
            _keep_cancelled()
            await self._work.wait()
            while lane := self._urgent or self._normal:
                for _ in range(min(len(lane), self._settings.window) - 1):
                    client.post(*lane.popleft())
                    self.counts.sent += 1
                topic, payload = lane.popleft()
                await client.publish(topic, payload, qos=0)
                self.counts.sent += 1
            self._work.clear()


def _keep_cancelled() -> None:
    """Raise CancelledError where this task was cancelled and something swallowed it.

    aiomqtt does both ways: its disconnect may fail and replace the cancellation, and the
    asyncio.wait_for of Python 3.11 inside it returns a result that came at the same moment.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
