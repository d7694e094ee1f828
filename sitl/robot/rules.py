"""How the robot checks orders: VDA 5050 2.1, section 6.6; 3.0, section 6.1.

Owns decoding and the error words of section 6.10.5 and of table 9. Written against the document,
without the master's code.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from sitl.robot.door import DOOR_ACTIONS, WAITS, Message, parameter

MAX_BYTES = 1_000_000
NODE_ACTIONS = ("pick", "drop", *DOOR_ACTIONS)
BLOCKING = frozenset({"NONE", "SOFT", "HARD"})
WORDS_3 = {
    "validationError": "VALIDATION_FAILURE",
    "orderError": "INVALID_ORDER",
    "orderUpdateError": "OUTDATED_ORDER_UPDATE",
    "noRouteError": "NO_ROUTE_TO_TARGET",
    "noOrderToCancel": "NO_ORDER_TO_CANCEL",
}
"""What version 3 calls them where it says nothing finer."""

__all__ = ["Message", "Refusal", "check_actions", "check_order", "decode", "parameter"]

References = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault of ours
    """Why a message is not followed, with the error word and what it refers to."""

    word: str
    text: str
    references: References = ()
    word_3: str = ""
    """The finer word of version 3."""

    def entry(self, *, three: bool = False) -> Message:
        """As an entry of `errors` in the state of version 2 or 3."""
        word = self.word
        if three:
            word = self.word_3 or WORDS_3.get(word, word)
        return {
            "errorType": word,
            "errorLevel": "WARNING",
            "errorDescription": self.text,
            "errorReferences": [
                {"referenceKey": k, "referenceValue": v} for k, v in self.references
            ],
        }


def decode(
    payload: bytes, topic: str, manufacturer: str, serial: str, major: str = "2."
) -> Message:
    """A message as an object with a valid header. Raises Refusal."""
    about: References = (("topic", topic),)
    if len(payload) > MAX_BYTES:
        raise Refusal("validationError", f"{len(payload)} bytes are too long", about)
    try:
        message = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise Refusal("validationError", f"not JSON: {error}", about) from None
    if not isinstance(message, dict):
        raise Refusal("validationError", "not a JSON object", about)
    if isinstance(message.get("headerId"), int):
        about += (("headerId", str(message["headerId"])),)
    for key in ("timestamp", "version", "manufacturer", "serialNumber"):
        need(message, key, str, about)
    need(message, "headerId", int, about)
    if not message["version"].startswith(major):
        raise Refusal("validationError", f"version {message['version']} is not {major}x", about)
    if (message["manufacturer"], message["serialNumber"]) != (manufacturer, serial):
        raise Refusal("validationError", "message is for another robot", about)
    return message


def check_order(message: Message, map_id: str, *, three: bool = False) -> None:
    """The shape of an order: types, graph, actions. Raises Refusal."""
    order_id = message.get("orderId")
    about: References = (("topic", "order"),)
    if isinstance(order_id, str):
        about += (("orderId", order_id),)
    need(message, "orderId", str, about)
    need(message, "orderUpdateId", int, about)
    about += (("orderUpdateId", str(message["orderUpdateId"])),)
    nodes, edges = need(message, "nodes", list, about), need(message, "edges", list, about)
    for node in nodes:
        _check_element(node, {"nodeId": str}, about)
    for edge in edges:
        _check_element(edge, {"edgeId": str, "startNodeId": str, "endNodeId": str}, about)
    if not message["orderId"] or not nodes:
        raise Refusal("orderError", "an order needs an id and at least one node", about)
    if len(edges) != len(nodes) - 1:
        raise Refusal("orderError", f"{len(nodes)} nodes and {len(edges)} edges", about)
    _check_graph(nodes, edges, about)
    for node in nodes:
        _check_node(node, map_id, about, three=three)
    for edge in edges:
        if edge["actions"]:
            raise Refusal("orderError", f"no actions on edges: {edge['edgeId']}", about)


def _check_graph(nodes: list[Message], edges: list[Message], about: References) -> None:
    first = nodes[0]["sequenceId"]
    if first % 2:
        raise Refusal("orderError", "the first sequenceId is odd", about)
    released = True
    for index, node in enumerate(nodes):
        if node["sequenceId"] != first + 2 * index:
            raise Refusal("orderError", f"sequenceId of node {node['nodeId']} has a gap", about)
        if node["released"] and not released:
            raise Refusal("orderError", f"node {node['nodeId']} is released past the base", about)
        released = node["released"]
    if not nodes[0]["released"]:
        raise Refusal("orderError", "the first node is not released", about)
    for index, edge in enumerate(edges):
        ends = (nodes[index]["nodeId"], nodes[index + 1]["nodeId"])
        if edge["sequenceId"] != first + 2 * index + 1:
            raise Refusal("orderError", f"sequenceId of edge {edge['edgeId']} has a gap", about)
        if (edge["startNodeId"], edge["endNodeId"]) != ends:
            raise Refusal("orderError", f"edge {edge['edgeId']} does not join its nodes", about)
        if edge["released"] is not nodes[index + 1]["released"]:
            raise Refusal("orderError", f"edge {edge['edgeId']} is not released as its end", about)


def _check_node(node: Message, map_id: str, about: References, *, three: bool) -> None:
    name = node["nodeId"]
    position = node.get("nodePosition")
    if not isinstance(position, dict):
        raise Refusal("noRouteError", f"node {name} is not known here: give its position", about)
    for key in ("x", "y"):
        value = position.get(key)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise Refusal("validationError", f"node {name}: nodePosition.{key} is bad", about)
    if position.get("mapId") != map_id:
        why = f"node {name} is on another map"
        raise Refusal("noRouteError", why, about, "UNKNOWN_MAP_ID")
    for action in node["actions"]:
        if not isinstance(action, dict):
            raise Refusal("validationError", f"node {name}: an action is no object", about)
        for key in ("actionId", "actionType", "blockingType"):
            need(action, key, str, about)
        if action["blockingType"] not in (BLOCKING | {"SINGLE"} if three else BLOCKING):
            raise Refusal("validationError", f"blockingType {action['blockingType']}", about)
        refers = (*about, ("actionId", action["actionId"]))
        if action["actionType"] not in NODE_ACTIONS:
            why = f"cannot do {action['actionType']}"
            raise Refusal("orderError", why, refers, "INVALID_ORDER_ACTION")
        if action["actionType"] in WAITS:
            continue
        if not isinstance(parameter(action, "loadId"), str):
            raise Refusal("orderError", f"{action['actionType']} needs a loadId", refers)


def check_actions(message: Message) -> list[Message]:
    """The actions of an instantActions message. Raises Refusal."""
    about = (("topic", "instantActions"),)
    actions: list[Message] = need(message, "actions", list, about)
    for action in actions:
        if not isinstance(action, dict):
            raise Refusal("validationError", "an action is no object", about)
        for key in ("actionId", "actionType", "blockingType"):
            need(action, key, str, about)
    return actions


def _check_element(element: Any, keys: dict[str, type], about: References) -> None:
    if not isinstance(element, dict):
        raise Refusal("validationError", "a node or edge is no object", about)
    wanted = keys | {"sequenceId": int, "released": bool, "actions": list}
    for key, kind in wanted.items():
        need(element, key, kind, about)


def need(message: Message, key: str, kind: type, about: References) -> Any:
    """A value that must be there, of its kind, and not negative. Raises Refusal."""
    value = message.get(key)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Refusal("validationError", f"{key} is missing or no {kind.__name__}", about)
    if isinstance(value, int) and value < 0:
        raise Refusal("validationError", f"{key} is negative", about)
    return value
