"""VDA 5050 3.0.

Owns its bytes: what `wire3` maps, encoded and decoded. Accepted is every 3.x, sent 3.0.0. Further
minor versions only add (document, section 7.2).
"""

from __future__ import annotations

import msgspec

from vehicles.vda5050.codec import Head, decoded, encoded
from vehicles.vda5050.factsheet import Factsheet
from vehicles.vda5050.models import Action, Connection, OrderBody, State
from vehicles.vda5050.wire3 import (
    Connection3,
    Factsheet3,
    State3,
    action_out,
    edge_out,
    node_out,
)
from vehicles.vda5050.zonesets import Response, ResponsesMessage, ZoneSet, ZoneSetMessage

MAJOR = "3."


class Codec3:
    """Implements Codec."""

    topic_version = "v3"

    def __init__(self, also_instants_as: str = "") -> None:
        self.also_instants_as = also_instants_as
        self._state = msgspec.json.Decoder(State3)
        self._connection = msgspec.json.Decoder(Connection3)
        self._factsheet = msgspec.json.Decoder(Factsheet3)
        self._zone_set = msgspec.json.Decoder(ZoneSetMessage)
        self._responses = msgspec.json.Decoder(ResponsesMessage)

    def state(self, payload: bytes, vehicle_id: str) -> State:
        """Decode topic state."""
        return decoded(self._state, payload, vehicle_id, "state", MAJOR).plain()

    def connection(self, payload: bytes, vehicle_id: str) -> Connection:
        """Decode topic connection."""
        return decoded(self._connection, payload, vehicle_id, "connection", MAJOR).plain()

    def factsheet(self, payload: bytes, vehicle_id: str) -> Factsheet:
        """Decode topic factsheet."""
        return decoded(self._factsheet, payload, vehicle_id, "factsheet", MAJOR).plain()

    def order(self, body: OrderBody, head: Head) -> bytes:
        """Encode topic order."""
        return encoded(
            head,
            {
                "orderId": body.order_id,
                "orderUpdateId": body.order_update_id,
                "nodes": [node_out(n) for n in body.nodes],
                "edges": [edge_out(e) for e in body.edges],
            },
        )

    def instant_actions(self, actions: tuple[Action, ...], head: Head) -> bytes:
        """Encode topic instantActions."""
        out = [action_out(a, instant=True) for a in actions]
        body = {"actions": out}
        if self.also_instants_as:
            body[self.also_instants_as] = out
        return encoded(head, body)

    def zone_set(self, zone_set: ZoneSet, head: Head) -> bytes:
        """Encode topic zoneSet."""
        return encoded(head, {"zoneSet": msgspec.to_builtins(zone_set)})

    def responses(self, responses: tuple[Response, ...], head: Head) -> bytes:
        """Encode topic responses."""
        return encoded(head, {"responses": [msgspec.to_builtins(r) for r in responses]})

    def read_zone_set(self, payload: bytes, vehicle_id: str) -> ZoneSetMessage:
        """Decode topic zoneSet, as a robot would."""
        return decoded(self._zone_set, payload, vehicle_id, "zoneSet", MAJOR)

    def read_responses(self, payload: bytes, vehicle_id: str) -> ResponsesMessage:
        """Decode topic responses, as a robot would."""
        return decoded(self._responses, payload, vehicle_id, "responses", MAJOR)
