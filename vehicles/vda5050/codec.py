"""Bytes to messages and back, for one protocol version.

Owns decode limits and headers, and what every version's codec must do; `codec2` and `codec3` do
it, `dialect` chooses. Must not know what an order is for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import msgspec

from vehicles.errors import ProtocolError
from vehicles.vda5050.factsheet import Factsheet
from vehicles.vda5050.models import (
    Action,
    Connection,
    Header,
    OrderBody,
    State,
)
from vehicles.vda5050.zonesets import Response, ZoneSet

MAX_MESSAGE_BYTES = 512 * 1024
"""Longest message that is decoded at all: a state with 1,000 nodes left is about 150 kB."""

MAX_SIGNED = 2**31
"""Header ids wrap here: some robots keep an unsigned 32-bit count in a signed one."""

SPOKEN = "2.1.0"
"""Sent to robots of version 2 that do not say that they are of 2.0."""

SPOKEN_3 = "3.0.0"

M = TypeVar("M", bound=Header)


class Codec(Protocol):
    """One major version of the protocol. Decoders raise ProtocolError naming the bad field."""

    topic_version: str
    """Its level in topic names."""
    also_instants_as: str
    """A further key that instant actions are sent under; empty: none."""

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

    def zone_set(self, zone_set: ZoneSet, head: Head) -> bytes:
        """Encode topic zoneSet. Raises ValueError where the version has none."""

    def responses(self, responses: tuple[Response, ...], head: Head) -> bytes:
        """Encode topic responses. Raises ValueError where the version has none."""


class Head(msgspec.Struct, frozen=True):
    """What a header needs."""

    header_id: int
    timestamp: str
    version: str
    manufacturer: str
    serial_number: str


class HeaderCounter:
    """Headers for one robot: an own count per topic (section 6.4), from 0.

    `version` is what is sent: a robot of 2.0 refuses messages that call themselves 2.1, so a
    robot is answered in the version that it speaks.
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
        self._next[topic] = (number + 1) % MAX_SIGNED
        return Head(number, timestamp(self._now()), self.version, self._manufacturer, self._serial)

    def sample(self) -> Head:
        """A header as long as any, that is not counted."""
        at = timestamp(self._now())
        return Head(MAX_SIGNED - 1, at, self.version, self._manufacturer, self._serial)

    def answer(self, version: str) -> None:
        """Heard a robot that speaks `version`."""
        if version.startswith("3."):
            self.version = SPOKEN_3
        else:
            self.version = version if version.startswith("2.0") else SPOKEN


def timestamp(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds, as section 6.4 wants it."""
    text = at.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def decoded(
    decoder: msgspec.json.Decoder[M], payload: bytes, vehicle_id: str, topic: str, major: str
) -> M:
    """A message of one major version. Raises ProtocolError."""
    if len(payload) > MAX_MESSAGE_BYTES:
        raise ProtocolError(
            vehicle_id,
            f"{topic} message of {len(payload)} bytes is longer than {MAX_MESSAGE_BYTES}: ignored",
        )
    try:
        message = decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(vehicle_id, f"{topic} message is malformed: {error}") from None
    if not message.version.startswith(major):
        raise ProtocolError(
            vehicle_id,
            f"{topic} message speaks VDA 5050 {message.version!r}, not {major}x: enrol the robot "
            "with the version that it speaks, or with none",
        )
    return message


def encoded(head: Head, body: dict[str, Any]) -> bytes:
    """A header and a body as bytes."""
    return ENCODER.encode(
        {
            "headerId": head.header_id,
            "timestamp": head.timestamp,
            "version": head.version,
            "manufacturer": head.manufacturer,
            "serialNumber": head.serial_number,
            **body,
        }
    )


ENCODER = msgspec.json.Encoder()
