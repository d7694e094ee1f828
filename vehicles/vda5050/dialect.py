"""Which version one robot speaks, and how it is answered.

Owns the choice of codec and the headers for one robot. Must not look into messages any further.

A robot enrolled with a version is held to it. Any other is answered in the version of its latest
message: by topic both are subscribed to, and every message names its version in the header.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import msgspec

from vehicles.errors import ProtocolError
from vehicles.vda5050.codec import SPOKEN, SPOKEN_3, Codec, HeaderCounter
from vehicles.vda5050.codec2 import Codec2
from vehicles.vda5050.codec3 import Codec3
from vehicles.vda5050.factsheet import Factsheet
from vehicles.vda5050.models import Action, Connection, Id, OrderBody, State
from vehicles.vda5050.zonesets import Response, ZoneSet

VERSIONS = ("2.0.0", SPOKEN, SPOKEN_3)
"""What a robot may be enrolled with; empty is any of them."""

M = TypeVar("M", State, Connection, Factsheet)


class _Said(msgspec.Struct, frozen=True):
    version: Id


_SAID = msgspec.json.Decoder(_Said)


class Dialect:
    """One robot's protocol version: hears and speaks it. Decoding raises ProtocolError."""

    def __init__(
        self,
        manufacturer: str,
        serial: str,
        now: Callable[[], datetime],
        *,
        version: str = "",
        also_instants_as: str = "",
    ) -> None:
        self._enrolled = version
        self._codecs: tuple[Codec, Codec] = (Codec2(also_instants_as), Codec3(also_instants_as))
        self._headers = HeaderCounter(manufacturer, serial, now)
        self._headers.answer(version or SPOKEN)
        self._codec: Codec = self._codecs[version.startswith("3.")]

    @property
    def version(self) -> str:
        """The version that is spoken to it."""
        return self._headers.version

    @property
    def topic_version(self) -> str:
        """The version's level in topic names."""
        return self._codec.topic_version

    @property
    def speaks_zones(self) -> bool:
        """Whether there are zone sets, requests and responses."""
        return self._codec is self._codecs[1]

    def state(self, payload: bytes, vehicle_id: str) -> State:
        """Decode topic state."""
        return self._hear(payload, vehicle_id, lambda codec: codec.state)

    def connection(self, payload: bytes, vehicle_id: str) -> Connection:
        """Decode topic connection."""
        return self._hear(payload, vehicle_id, lambda codec: codec.connection)

    def factsheet(self, payload: bytes, vehicle_id: str) -> Factsheet:
        """Decode topic factsheet."""
        return self._hear(payload, vehicle_id, lambda codec: codec.factsheet)

    def order(self, body: OrderBody) -> bytes:
        """Encode topic order."""
        return self._codec.order(body, self._headers.next("order"))

    def instant_actions(self, actions: tuple[Action, ...]) -> bytes:
        """Encode topic instantActions."""
        return self._codec.instant_actions(actions, self._headers.next("instantActions"))

    def measure(self, body: OrderBody) -> int:
        """Bytes of an order's message; counts no header."""
        return len(self._codec.order(body, self._headers.sample()))

    def measure_actions(self, actions: tuple[Action, ...]) -> int:
        """Bytes of a message with these instant actions; counts no header."""
        return len(self._codec.instant_actions(actions, self._headers.sample()))

    def zone_set(self, zone_set: ZoneSet) -> bytes:
        """Encode topic zoneSet. Raises ValueError unless `speaks_zones`."""
        return self._codec.zone_set(zone_set, self._headers.next("zoneSet"))

    def responses(self, responses: tuple[Response, ...]) -> bytes:
        """Encode topic responses. Raises ValueError unless `speaks_zones`."""
        return self._codec.responses(responses, self._headers.next("responses"))

    def _hear(
        self,
        payload: bytes,
        vehicle_id: str,
        topic: Callable[[Codec], Callable[[bytes, str], M]],
    ) -> M:
        try:
            message = topic(self._codec)(payload, vehicle_id)
        except ProtocolError:
            other = self._other(payload)
            if other is None:
                raise
            message = topic(other)(payload, vehicle_id)
            self._codec = other
        if message.version != self._headers.version and not self._enrolled:
            self._headers.answer(message.version)
        return message

    def _other(self, payload: bytes) -> Codec | None:
        """The other codec, where the robot may change and the message says that it is of it."""
        if self._enrolled:
            return None
        try:
            said = _SAID.decode(payload).version
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        two, three = self._codecs
        if said.startswith("3.") and self._codec is two:
            return three
        return two if said.startswith("2.") and self._codec is three else None
