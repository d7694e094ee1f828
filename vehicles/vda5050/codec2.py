"""VDA 5050 2.0 and 2.1.

Owns their bytes. Accepted is every 2.x; sent is 2.1.0, or 2.0 to a robot of 2.0. Both differ in
little that is sent here: the published schema of instantActions 2.0.0 asks for `actionName` where
its document says `actionType`, so a robot of 2.0 gets both, and extra keys are legal.
"""

from __future__ import annotations

from typing import Any

import msgspec

from vehicles.vda5050.codec import Head, decoded, encoded
from vehicles.vda5050.factsheet import Factsheet
from vehicles.vda5050.models import Action, Connection, OrderBody, State
from vehicles.vda5050.zonesets import Response, ZoneSet

MAJOR = "2."


class Codec2:
    """Implements Codec."""

    topic_version = "v2"

    def __init__(self, also_instants_as: str = "") -> None:
        self.also_instants_as = also_instants_as
        self._state = msgspec.json.Decoder(State)
        self._connection = msgspec.json.Decoder(Connection)
        self._factsheet = msgspec.json.Decoder(Factsheet)

    def state(self, payload: bytes, vehicle_id: str) -> State:
        """Decode topic state."""
        return decoded(self._state, payload, vehicle_id, "state", MAJOR)

    def connection(self, payload: bytes, vehicle_id: str) -> Connection:
        """Decode topic connection."""
        return decoded(self._connection, payload, vehicle_id, "connection", MAJOR)

    def factsheet(self, payload: bytes, vehicle_id: str) -> Factsheet:
        """Decode topic factsheet."""
        return decoded(self._factsheet, payload, vehicle_id, "factsheet", MAJOR)

    def order(self, body: OrderBody, head: Head) -> bytes:
        """Encode topic order."""
        out: dict[str, Any] = msgspec.to_builtins(body)
        for place in (*out["nodes"], *out["edges"]):
            for action in place["actions"]:
                _version2(action)
        return encoded(head, out)

    def instant_actions(self, actions: tuple[Action, ...], head: Head) -> bytes:
        """Encode topic instantActions."""
        out: list[dict[str, Any]] = [msgspec.to_builtins(a) for a in actions]
        for action in out:
            _version2(action)
            if head.version.startswith("2.0"):
                action["actionName"] = action["actionType"]
        body = {"actions": out}
        if self.also_instants_as:
            body[self.also_instants_as] = out
        return encoded(head, body)

    def zone_set(self, zone_set: ZoneSet, head: Head) -> bytes:
        """Raise ValueError: zone sets came with 3.0."""
        del zone_set
        raise ValueError(f"VDA 5050 {head.version} has no zoneSet: plan around the zones")

    def responses(self, responses: tuple[Response, ...], head: Head) -> bytes:
        """Raise ValueError: requests and responses came with 3.0."""
        del responses
        raise ValueError(f"VDA 5050 {head.version} has no responses: hold the base back instead")


def _version2(action: dict[str, Any]) -> None:
    action.pop("retriable", None)
    if action["blockingType"] == "SINGLE":
        action["blockingType"] = "HARD"
