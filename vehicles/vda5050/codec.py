"""Bytes to messages and back, for one protocol version.

Owns decode limits, version acceptance and the header counters. Must not know what an order is
for. A protocol version is a `Codec`; sessions hold one and never touch bytes themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import msgspec

from vehicles.errors import ProtocolError
from vehicles.vda5050.models import (
    Action,
    Connection,
    Factsheet,
    Header,
    InstantActions,
    Order,
    OrderBody,
    State,
)

MAX_MESSAGE_BYTES = 512 * 1024
"""Longest message that is decoded at all: a state with 1,000 nodes left is about 150 kB."""

SPOKEN = "2.1.0"

M = TypeVar("M", bound=Header)


class Codec(Protocol):
    """One version of the protocol. Decoders raise ProtocolError naming the bad field."""

    version: str
    topic_version: str

    def state(self, payload: bytes, vehicle_id: str) -> State:
        """Decode topic state."""

    def connection(self, payload: bytes, vehicle_id: str) -> Connection:
        """Decode topic connection."""

    def factsheet(self, payload: bytes, vehicle_id: str) -> Factsheet:
        """Decode topic factsheet."""

    def order(self, body: OrderBody, head: Head) -> bytes:
        """Encode topic order."""

    def instant_actions(self, actions: tuple[Action, ...], head: Head) -> bytes:
        """Encode topic instantActions."""


class Head(msgspec.Struct, frozen=True):
    """What a header needs."""

    header_id: int
    timestamp: str
    version: str
    manufacturer: str
    serial_number: str


class HeaderCounter:
    """Headers for one robot: an own count per topic (section 6.4), from 0.

    `version` is what is sent: a robot of 2.0 refuses messages that call themselves 2.1, and what
    is sent here is the same in both, so a robot is answered in the version that it speaks.
    """

    def __init__(self, manufacturer: str, serial: str, now: Callable[[], datetime]) -> None:
        self._manufacturer = manufacturer
        self._serial = serial
        self._now = now
        self._next: dict[str, int] = {}
        self.version = SPOKEN

    def next(self, topic: str) -> Head:
        """The header of the next message on `topic`."""
        number = self._next.get(topic, 0)
        self._next[topic] = (number + 1) % 2**32
        return Head(number, timestamp(self._now()), self.version, self._manufacturer, self._serial)

    def answer(self, version: str) -> None:
        """Heard a robot that speaks `version`."""
        self.version = version if version.startswith("2.0") else SPOKEN


def timestamp(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds, as section 6.4 wants it."""
    text = at.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


class Codec2:
    """VDA 5050 2.x: sends 2.1.0, or 2.0 to a robot of 2.0; accepts every 2.x."""

    version = SPOKEN
    topic_version = "v2"

    def __init__(self) -> None:
        self._state = msgspec.json.Decoder(State)
        self._connection = msgspec.json.Decoder(Connection)
        self._factsheet = msgspec.json.Decoder(Factsheet)
        self._encoder = msgspec.json.Encoder()

    def state(self, payload: bytes, vehicle_id: str) -> State:
        """Decode topic state."""
        return _decode(self._state, payload, vehicle_id, "state")

    def connection(self, payload: bytes, vehicle_id: str) -> Connection:
        """Decode topic connection."""
        return _decode(self._connection, payload, vehicle_id, "connection")

    def factsheet(self, payload: bytes, vehicle_id: str) -> Factsheet:
        """Decode topic factsheet."""
        return _decode(self._factsheet, payload, vehicle_id, "factsheet")

    def order(self, body: OrderBody, head: Head) -> bytes:
        """Encode topic order."""
        return self._encoder.encode(
            Order(
                header_id=head.header_id,
                timestamp=head.timestamp,
                version=head.version,
                manufacturer=head.manufacturer,
                serial_number=head.serial_number,
                order_id=body.order_id,
                order_update_id=body.order_update_id,
                nodes=body.nodes,
                edges=body.edges,
            )
        )

    def instant_actions(self, actions: tuple[Action, ...], head: Head) -> bytes:
        """Encode topic instantActions."""
        return self._encoder.encode(
            InstantActions(
                header_id=head.header_id,
                timestamp=head.timestamp,
                version=head.version,
                manufacturer=head.manufacturer,
                serial_number=head.serial_number,
                actions=actions,
            )
        )


def _decode(decoder: msgspec.json.Decoder[M], payload: bytes, vehicle_id: str, topic: str) -> M:
    if len(payload) > MAX_MESSAGE_BYTES:
        raise ProtocolError(
            vehicle_id,
            f"{topic} message of {len(payload)} bytes is longer than {MAX_MESSAGE_BYTES}: ignored",
        )
    try:
        message = decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(vehicle_id, f"{topic} message is malformed: {error}") from None
    if not message.version.startswith("2."):
        raise ProtocolError(
            vehicle_id,
            f"{topic} message speaks VDA 5050 {message.version!r}: this adapter speaks 2.x",
        )
    return message
