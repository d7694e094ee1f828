"""What the robot says: bodies of state, connection and factsheet (VDA 5050 2.1).

Owns their shape. Headers are added by `Voice`, which counts per topic.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

from sitl.robot import door
from sitl.robot.core import RobotCore
from sitl.robot.rules import Message
from sitl.robot.spec import RobotSpec


class Voice:
    """Adds headers; a restart makes a new one, so that counts begin at 0."""

    def __init__(self, spec: RobotSpec, now: Callable[[], datetime]) -> None:
        self._spec = spec
        self._now = now
        self._counts: dict[str, int] = {}

    def say(self, topic: str, body: Message) -> bytes:
        """The next message on a topic."""
        number = self._counts.get(topic, 0)
        self._counts[topic] = number + 1
        at = self._now().astimezone(UTC).isoformat(timespec="milliseconds")
        head = {
            "headerId": number,
            "timestamp": at.replace("+00:00", "Z"),
            "version": self._spec.version,
            "manufacturer": self._spec.manufacturer,
            "serialNumber": self._spec.serial,
        }
        return json.dumps(head | body, separators=(",", ":"), allow_nan=False).encode()


def connection(word: str) -> Message:
    """ONLINE, OFFLINE or CONNECTIONBROKEN."""
    return {"connectionState": word}


def state(robot: RobotCore) -> Message:
    """Topic state, all required fields and what the master can use."""
    memory = robot.m
    left_m = robot.battery_pct / 100.0 * robot.spec.range_m
    speed = memory.leg.speed_mps if memory.leg is not None and robot.driving else 0.0
    return {
        "orderId": memory.order_id,
        "orderUpdateId": memory.update_id,
        "lastNodeId": memory.last_node_id,
        "lastNodeSequenceId": memory.last_sequence_id,
        "driving": robot.driving,
        "paused": memory.paused,
        "newBaseRequest": False,
        "distanceSinceLastNode": round(memory.travelled_m, 3),
        "operatingMode": robot.mode,
        "nodeStates": [
            {"nodeId": n["nodeId"], "sequenceId": n["sequenceId"], "released": n["released"]}
            for n in memory.nodes
        ],
        "edgeStates": [
            {"edgeId": e["edgeId"], "sequenceId": e["sequenceId"], "released": e["released"]}
            for e in memory.edges
        ],
        "agvPosition": {
            "x": round(robot.x, 4),
            "y": round(robot.y, 4),
            "theta": round(robot.theta, 5),
            "mapId": robot.map.map_id,
            "positionInitialized": True,
        },
        "velocity": {"vx": speed, "vy": 0.0, "omega": 0.0},
        "loads": [{"loadId": p, "loadType": "PARCEL"} for p in sorted(robot.aboard)],
        "actionStates": [d.entry() for d in (*memory.deeds, *memory.instants)],
        "batteryState": {
            "batteryCharge": round(robot.battery_pct, 3),
            "charging": robot.charging,
            "reach": round(left_m),
        },
        "errors": memory.errors,
        "information": [],
        "safetyState": {"eStop": robot.e_stop, "fieldViolation": False},
    }


def factsheet(spec: RobotSpec) -> Message:
    """Topic factsheet."""
    text = "STRING"
    load = [
        {"key": "loadId", "valueDataType": text, "isOptional": False},
        {"key": "loadType", "valueDataType": text, "isOptional": True},
    ]
    pin = {"key": "handoverPinSha256", "valueDataType": text, "isOptional": True}
    instant = (
        "startPause", "stopPause", "cancelOrder", "stateRequest", "factsheetRequest",
        *sorted(door.WORDS),
    )  # fmt: skip
    optional = ["order.edges.maxSpeed"]
    if spec.trajectories:
        optional.append("order.edges.trajectory")
    return {
        "typeSpecification": {
            "seriesName": "lab-robot",
            "agvKinematic": "DIFF",
            "agvClass": "CARRIER",
            "maxLoadMass": 20.0,
            "localizationTypes": ["NATURAL"],
            "navigationTypes": ["AUTONOMOUS"],
        },
        "physicalParameters": {
            "speedMin": 0.05,
            "speedMax": spec.speed_mps,
            "accelerationMax": 1.0,
            "decelerationMax": 2.0,
            "heightMax": 0.7,
            "width": 0.6,
            "length": 0.8,
        },
        "protocolLimits": {
            "maxStringLens": {},
            "maxArrayLens": {"order.nodes": 2000, "order.edges": 2000},
            "timing": {
                "minOrderInterval": 0.1,
                "minStateInterval": 0.1,
                "defaultStateInterval": spec.state_interval_s,
            },
        },
        "protocolFeatures": {
            "optionalParameters": [
                {"parameter": p, "support": "SUPPORTED"}
                for p in (*optional, "order.edges.maxSpeed")
            ],
            "agvActions": [
                {"actionType": "pick", "actionScopes": ["NODE"], "actionParameters": load},
                {"actionType": "drop", "actionScopes": ["NODE"], "actionParameters": [*load, pin]},
                *(_at_door(action) for action in door.DOOR_ACTIONS),
                *({"actionType": a, "actionScopes": ["INSTANT"]} for a in instant),
            ],
        },
        "agvGeometry": {},
        "loadSpecification": {},
    }


def _at_door(action: str) -> Message:
    """An action at a customer's door, with every parameter that it may have."""
    kinds = {"loadId": "STRING", "pinSha256": "STRING", "timeout": "NUMBER", "triggerType": "ARRAY"}
    return {
        "actionType": action,
        "actionScopes": ["NODE"],
        "actionParameters": [
            {"key": key, "valueDataType": kind, "isOptional": True} for key, kind in kinds.items()
        ],
    }
