"""Orders of version 3 in the shape that the robot works on, which is version 2's.

Owns what version 3 writes another way (document section 7.3). Written against the document.
"""

from __future__ import annotations

import math

from sitl.robot.rules import Message, References, Refusal, need


def plain_order(message: Message) -> Message:
    """The same order with version 2's keys. Raises Refusal where version 3's are wrong."""
    about: References = (("topic", "order"),)
    if isinstance(message.get("orderId"), str):
        about += (("orderId", message["orderId"]),)
    nodes = [_node(n, about) for n in need(message, "nodes", list, about)]
    by_sequence = {n.get("sequenceId"): n.get("nodeId") for n in nodes}
    edges = []
    for edge in need(message, "edges", list, about):
        if not isinstance(edge, dict):
            raise Refusal("validationError", "an edge is no object", about)
        place = need(edge, "sequenceId", int, about)
        plain = dict(edge)
        for key, at in (("startNodeId", place - 1), ("endNodeId", place + 1)):
            # an order update's first edge starts at a node of its own
            plain[key] = by_sequence.get(at, "")
        if "maximumSpeed" in plain:
            plain["maxSpeed"] = plain.pop("maximumSpeed")
        edges.append(plain)
    return message | {"nodes": nodes, "edges": edges}


def _node(node: object, about: References) -> Message:
    if not isinstance(node, dict):
        raise Refusal("validationError", "a node is no object", about)
    plain = dict(node)
    spot = plain.get("nodePosition")
    if isinstance(spot, dict) and "allowedDeviationXY" in spot:
        ellipse = spot["allowedDeviationXY"]
        sides = [ellipse.get(k) for k in "ab"] if isinstance(ellipse, dict) else [None]
        if not all(
            isinstance(s, int | float) and not isinstance(s, bool) and math.isfinite(s)
            for s in sides
        ):
            raise Refusal("validationError", "allowedDeviationXY is no ellipse", about)
        plain["nodePosition"] = spot | {
            "allowedDeviationXY": min(s for s in sides if s is not None)
        }
    return plain
