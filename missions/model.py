"""Missions: an ordered list of items that one vehicle flies or drives, and nothing else.

Owns the mission types and the content hash that a mission is approved by. Must not know a
protocol: adapters translate items to their wire and prove by read-back that the vehicle holds
what was approved.

Altitudes of air missions are metres above home; home's own height is AMSL.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from geofence.frames import LatLon


class ItemKind(StrEnum):
    """What an air mission's item does."""

    TAKEOFF = "takeoff"
    WAYPOINT = "waypoint"
    DELAY = "delay"
    SPEED = "speed"
    RELEASE = "release"
    RETURN_PATH = "return_path"
    """Marks where a failsafe joins the mission's own checked return path."""
    LAND = "land"


class DropDevice(StrEnum):
    """How a drone lets a parcel go."""

    GRIPPER = "gripper"
    WINCH = "winch"
    PAYLOAD_PLACE = "payload_place"


@dataclass(frozen=True, slots=True)
class AirItem:
    """One step. Unused fields keep their defaults so that equal missions hash equally."""

    kind: ItemKind
    position: LatLon | None = None
    alt_home_m: float = 0.0
    delay_s: float = 0.0
    speed_mps: float = 0.0
    device: DropDevice | None = None
    parcel_id: str = ""
    """For RELEASE: the parcel that leaves the vehicle here."""
    winch_m: float = 0.0
    """For a winch: rope length paid out; for payload place: the most it may descend."""
    label: str = ""
    """Not part of the hash: what the operator reads."""


@dataclass(frozen=True, slots=True)
class AirMission:
    """One flight from take-off to landing. Starts with TAKEOFF, ends with LAND.

    Several parcels may leave it at several places: by one RELEASE each in the air, or at a LAND
    in between that its RELEASE and the next TAKEOFF follow.
    """

    mission_id: str
    vehicle_id: str
    home: LatLon
    home_amsl_m: float
    cruise_alt_home_m: float
    items: tuple[AirItem, ...]
    zones_version: str
    """The ZoneSet that it was checked against."""
    duration_s: float = 0.0
    energy_wh: float = 0.0

    @property
    def parcel_ids(self) -> tuple[str, ...]:
        """Parcels released on the way, in order."""
        return tuple(i.parcel_id for i in self.items if i.kind is ItemKind.RELEASE)

    @property
    def content_hash(self) -> str:
        """SHA-256 over id, home, heights and items at the resolution that vehicles store.

        The id counts, so that a second attempt over the same ground is another mission.
        Positions count to 1e-7 degrees and heights to a centimetre, as ArduPilot keeps them
        (AP_Mission storage); labels and estimates do not count.
        """
        body = {
            "mission": self.mission_id,
            "vehicle": self.vehicle_id,
            "home": _position(self.home),
            "home_cm": round(self.home_amsl_m * 100),
            "items": [_item(i) for i in self.items],
        }
        return _sha256(body)


class Handover(StrEnum):
    """How a parcel leaves a vehicle."""

    DROP = "drop"
    """Let go where the vehicle stops."""
    DOOR = "door"
    """To a customer who is there, and is waited for."""
    LOCKER = "locker"
    """Into a compartment that the vehicle or the site opens; nobody is waited for."""


class StopAction(StrEnum):
    """What a ground robot does at a node."""

    PICK = "pick"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class RouteAction:
    """A pick or drop. `action_id` is unique within the fleet and stable over resends."""

    action_id: str
    kind: StopAction
    parcel_id: str
    handover_pin_sha256: str = ""
    """For a hand-over with PIN: SHA-256 hex of the PIN; empty where contactless."""
    handover: Handover = Handover.DROP
    timed: bool = False
    """Not before its time: the vehicle stops there, and goes on when it is told."""
    wait_s: float = 0.0
    """Planned wait at the stop until that time. Like `service_s` an estimate: not in the hash."""
    service_s: float = 0.0
    """What the hand-over takes; 0: the rules' own."""


@dataclass(frozen=True, slots=True)
class RouteNode:
    """A node of the street graph on the way, with what is done there."""

    node_id: str
    position: LatLon
    actions: tuple[RouteAction, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteEdge:
    """A driven edge between two nodes that follow each other."""

    edge_id: str
    start_node_id: str
    end_node_id: str
    length_m: float
    max_speed_mps: float
    geometry: tuple[LatLon, ...] = ()
    """The street's line from start to end, both ends included; empty: straight."""


@dataclass(frozen=True, slots=True)
class GroundMission:
    """One round on the street graph: len(edges) == len(nodes) - 1."""

    mission_id: str
    vehicle_id: str
    nodes: tuple[RouteNode, ...]
    edges: tuple[RouteEdge, ...]
    zones_version: str
    duration_s: float = 0.0
    energy_wh: float = 0.0

    @property
    def parcel_ids(self) -> tuple[str, ...]:
        """Parcels dropped on the way, in order."""
        return tuple(
            a.parcel_id for n in self.nodes for a in n.actions if a.kind is StopAction.DROP
        )

    @property
    def content_hash(self) -> str:
        """SHA-256 over id, nodes, edges with their speeds, and actions.

        Speeds count to a millimetre a second: a round approved for a slow street is another one
        where the same street is driven faster.
        """
        body = {
            "mission": self.mission_id,
            "vehicle": self.vehicle_id,
            "nodes": [
                [n.node_id, _position(n.position), [_action(a) for a in n.actions]]
                for n in self.nodes
            ],
            "edges": [
                [e.edge_id, e.start_node_id, e.end_node_id, f"{e.max_speed_mps:.3f}"]
                for e in self.edges
            ],
        }
        return _sha256(body)


Mission = AirMission | GroundMission


def _position(position: LatLon | None) -> list[int] | None:
    if position is None:
        return None
    return [round(position.lat_deg * 1e7), round(position.lon_deg * 1e7)]


def _action(action: RouteAction) -> dict[str, object]:
    """What an action demands; what it demands of no vehicle by default is left out."""
    told = {k: v for k, v in asdict(action).items() if k not in {"wait_s", "service_s"}}
    if action.handover is Handover.DROP:
        del told["handover"]
    if not action.timed:
        del told["timed"]
    return told


def _item(item: AirItem) -> list[object]:
    return [
        item.kind.value,
        _position(item.position),
        round(item.alt_home_m * 100),
        round(item.delay_s),
        round(item.speed_mps * 100),
        item.device.value if item.device else None,
        item.parcel_id,
        round(item.winch_m * 100),
    ]


def _sha256(body: Mapping[str, object]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
