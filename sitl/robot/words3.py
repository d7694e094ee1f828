"""What the robot says in version 3: bodies of state, connection and factsheet.

Owns their shape, by the document's sections 7.7 to 7.10.
"""

from __future__ import annotations

from sitl.robot import words
from sitl.robot.core import RobotCore
from sitl.robot.memory import Deed
from sitl.robot.rules import Message
from sitl.robot.spec import RobotSpec

INSTANT = (
    "startPause",
    "stopPause",
    "cancelOrder",
    "stateRequest",
    "factsheetRequest",
    "enableZoneSet",
    "deleteZoneSet",
    "trigger",
    "retry",
    "skipRetry",
)
_MODES = {"TEACHIN": "TEACH_IN"}


def connection(word: str) -> Message:
    """ONLINE, OFFLINE or CONNECTION_BROKEN."""
    return {"connectionState": "CONNECTION_BROKEN" if word == "CONNECTIONBROKEN" else word}


def state(robot: RobotCore) -> Message:
    """Topic state."""
    plain, zones = words.state(robot), robot.zones
    spot, battery = plain.pop("agvPosition"), plain.pop("batteryState")
    e_stop = plain["safetyState"]["eStop"]
    return plain | {
        "operatingMode": _MODES.get(plain["operatingMode"], plain["operatingMode"]),
        "maps": [{"mapId": robot.map.map_id, "mapVersion": "1", "mapStatus": "ENABLED"}],
        "zoneSets": [
            {
                "zoneSetId": set_id,
                "mapId": zones.map_id,
                "zoneSetStatus": "ENABLED" if set_id == zones.enabled else "DISABLED",
            }
            for set_id in sorted(zones.sets)
        ],
        "zoneRequests": [
            {
                "requestId": r.request_id,
                "requestType": "ACCESS",
                "zoneId": r.zone_id,
                "zoneSetId": zones.enabled,
                "requestStatus": r.status,
            }
            for r in zones.requests
        ],
        "edgeRequests": [],
        "mobileRobotPosition": {
            "x": spot["x"],
            "y": spot["y"],
            "theta": spot["theta"],
            "mapId": spot["mapId"],
            "localized": spot["positionInitialized"],
        },
        "actionStates": [_entry(d) for d in robot.m.deeds],
        "instantActionStates": [_entry(d) for d in robot.m.instants],
        "zoneActionStates": [],
        "powerSupply": {
            "stateOfCharge": battery["batteryCharge"],
            "charging": battery["charging"],
            "range": battery["reach"],
        },
        "errors": [*robot.m.errors, *zones.violations((robot.x, robot.y))],
        "safetyState": {
            "activeEmergencyStop": "MANUAL" if e_stop == "AUTOACK" else e_stop,
            "fieldViolation": False,
        },
    }


def _entry(deed: Deed) -> Message:
    entry = deed.entry()
    if "resultDescription" in entry:
        entry["actionResult"] = entry.pop("resultDescription")
    return entry


def factsheet(spec: RobotSpec) -> Message:
    """Topic factsheet."""
    two = words.factsheet(spec)
    kind, body, features = (
        two["typeSpecification"],
        two["physicalParameters"],
        two["protocolFeatures"],
    )
    actions = [a for a in features["agvActions"] if a["actionScopes"] == ["NODE"]]
    trigger = {
        "actionType": "waitForTrigger",
        "actionScopes": ["NODE"],
        "actionParameters": [{"key": "triggerType", "valueDataType": "ARRAY"}],
    }
    actions += [trigger, *({"actionType": a, "actionScopes": ["INSTANT"]} for a in INSTANT)]
    optional = ["order.edges.maximumSpeed", "order.nodes.actions.retriable", "zoneSets"]
    if spec.trajectories:
        optional.append("order.edges.trajectory")
    limits = two["protocolLimits"]["timing"]
    return {
        "typeSpecification": {
            "seriesName": kind["seriesName"],
            "mobileRobotKinematics": "DIFFERENTIAL",
            "mobileRobotClass": "CARRIER",
            "maximumLoadMass": kind["maxLoadMass"],
            "localizationTypes": kind["localizationTypes"],
            "navigationTypes": kind["navigationTypes"],
            "supportedZones": list(spec.zone_types),
        },
        "physicalParameters": {
            "minimumSpeed": body["speedMin"],
            "maximumSpeed": body["speedMax"],
            "maximumAcceleration": body["accelerationMax"],
            "maximumDeceleration": body["decelerationMax"],
            "minimumHeight": 0.7,
            "maximumHeight": body["heightMax"],
            "width": body["width"],
            "length": body["length"],
        },
        "protocolLimits": {
            "maximumStringLengths": {},
            "maximumArrayLengths": {"order.nodes": 2000, "order.edges": 2000},
            "timing": {
                "minimumOrderInterval": limits["minOrderInterval"],
                "minimumStateInterval": limits["minStateInterval"],
                "defaultStateInterval": limits["defaultStateInterval"],
            },
        },
        "protocolFeatures": {
            "optionalParameters": [{"parameter": p, "support": "SUPPORTED"} for p in optional],
            "mobileRobotActions": [
                a | {"pauseAllowed": False, "cancelAllowed": False} for a in actions
            ],
        },
        "mobileRobotGeometry": {},
        "loadSpecification": {},
    }
