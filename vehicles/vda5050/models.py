"""VDA 5050 messages as typed, size-bounded structs: the one model that everything here works on.

Owns the shapes, which are those of version 2 on the wire (VDA5050/VDA5050, json_schemas, tag
2.1.0) and take what version 3 adds; `wire3` maps version 3 onto them. Must not interpret them.
Unknown keys are legal in VDA 5050 and are ignored; wrong types, missing required keys and absurd
sizes are not.

Units: metres, radians (counter-clockwise from the map's x axis), per cent, kilograms.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Id = Annotated[str, Meta(max_length=256)]
Text = Annotated[str, Meta(max_length=4096)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Metres = Annotated[float, Meta(ge=-1e7, le=1e7)]
"""No site is wider than a quarter of the Earth: what is beyond would break the geometry."""
Radians = Annotated[float, Meta(ge=-1e3, le=1e3)]
Figure = Annotated[float, Meta(ge=-1e12, le=1e12)]

ActionStatus = Literal[
    "WAITING", "INITIALIZING", "RUNNING", "PAUSED", "RETRIABLE", "FINISHED", "FAILED"
]
"""PAUSED is in the document of version 2 (section 6.10.6) and not in its schema: the document
wins. RETRIABLE is version 3: failed, and waiting to be told to try again or to give up."""

TERMINAL = frozenset({"FINISHED", "FAILED"})
"""Action states that no longer change."""

BlockingType = Literal["NONE", "SOFT", "SINGLE", "HARD"]
"""SINGLE is version 3; version 2 is told HARD instead."""

ConnectionWord = Literal["ONLINE", "OFFLINE", "CONNECTIONBROKEN", "HIBERNATING"]
"""As version 2 spells them; HIBERNATING is version 3."""

OperatingMode = Literal[
    "AUTOMATIC",
    "SEMIAUTOMATIC",
    "MANUAL",
    "SERVICE",
    "TEACHIN",
    "TEACH_IN",
    "STARTUP",
    "INTERVENED",
]
"""TEACHIN is version 2's; TEACH_IN, STARTUP and INTERVENED are version 3's."""

ErrorLevel = Literal["WARNING", "URGENT", "CRITICAL", "FATAL"]
"""URGENT and CRITICAL are version 3: see to it soon; this order cannot go on."""


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False):
    """Base of every message part: camel case, optional fields left out when unset.

    No part can hold itself, so that the collector of cycles need not look at any: a fleet's
    states are a hundred thousand objects.
    """


class Header(Wire, frozen=True, kw_only=True):
    """What every message starts with (section 6.4). The timestamp is the sender's clock."""

    header_id: Count
    timestamp: Id
    version: Id
    manufacturer: Id
    serial_number: Id


class ActionParameter(Wire, frozen=True, kw_only=True):
    """One key and its value."""

    key: Id
    value: Any


class Action(Wire, frozen=True, kw_only=True):
    """Something to be done at a node, on an edge or at once."""

    action_type: Id
    action_id: Id
    blocking_type: BlockingType
    action_description: str | None = None
    action_parameters: Annotated[tuple[ActionParameter, ...], Meta(max_length=64)] = ()
    retriable: bool = False
    """Version 3: it waits for a word when it fails."""


class NodePosition(Wire, frozen=True, kw_only=True):
    """Where a node lies on the map."""

    x: Metres
    y: Metres
    map_id: Id
    theta: Radians | None = None
    allowed_deviation_xy: Metres | None = msgspec.field(default=None, name="allowedDeviationXY")
    allowed_deviation_theta: Radians | None = None


class Node(Wire, frozen=True, kw_only=True):
    """A node of an order."""

    node_id: Id
    sequence_id: Count
    released: bool
    actions: tuple[Action, ...]
    node_description: str | None = None
    node_position: NodePosition | None = None


class ControlPoint(Wire, frozen=True, kw_only=True):
    """A control point of a trajectory."""

    x: Metres
    y: Metres
    weight: Figure | None = None


class Trajectory(Wire, frozen=True, kw_only=True):
    """A NURBS curve; degree 1 is a polyline through its control points."""

    degree: Count
    knot_vector: Annotated[tuple[Figure, ...], Meta(max_length=4096)]
    control_points: Annotated[tuple[ControlPoint, ...], Meta(max_length=4096)]


class Edge(Wire, frozen=True, kw_only=True):
    """A directed edge of an order."""

    edge_id: Id
    sequence_id: Count
    released: bool
    start_node_id: Id
    end_node_id: Id
    actions: tuple[Action, ...]
    max_speed: float | None = None
    length: float | None = None
    trajectory: Trajectory | None = None


class OrderBody(Wire, frozen=True, kw_only=True):
    """An order without its header: what stays identical over resends."""

    order_id: Id
    order_update_id: Count
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


class Order(Header, frozen=True, kw_only=True):
    """Topic order."""

    order_id: Id
    order_update_id: Count
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


class InstantActions(Header, frozen=True, kw_only=True):
    """Topic instantActions."""

    actions: tuple[Action, ...]


class Connection(Header, frozen=True, kw_only=True):
    """Topic connection. As a last will its header is stale: never order these by time."""

    connection_state: ConnectionWord


class NodeState(Wire, frozen=True, kw_only=True):
    """A node that is still to be passed."""

    node_id: Id
    sequence_id: Count
    released: bool


class EdgeState(Wire, frozen=True, kw_only=True):
    """An edge that is still to be driven."""

    edge_id: Id
    sequence_id: Count
    released: bool


class ActionState(Wire, frozen=True, kw_only=True):
    """How far an action is; for an instant action this is its acknowledgement."""

    action_id: Id
    action_status: ActionStatus
    action_type: Id | None = None
    result_description: Text | None = None


class AgvPosition(Wire, frozen=True, kw_only=True):
    """Where the robot believes that it is."""

    x: Metres
    y: Metres
    theta: Radians
    map_id: Id
    position_initialized: bool
    localization_score: Figure | None = None


class Velocity(Wire, frozen=True, kw_only=True):
    """In the robot's own frame."""

    vx: Figure | None = None
    vy: Figure | None = None
    omega: Figure | None = None


class BatteryState(Wire, frozen=True, kw_only=True):
    """Charge in per cent."""

    battery_charge: Figure
    charging: bool
    reach: Figure | None = None


class ErrorReference(Wire, frozen=True, kw_only=True):
    """What an error is about."""

    reference_key: Id
    reference_value: Text


class ErrorEntry(Wire, frozen=True, kw_only=True):
    """An error that is active now."""

    error_type: Id
    error_level: ErrorLevel
    error_references: Annotated[tuple[ErrorReference, ...], Meta(max_length=256)] = ()
    error_description: Text | None = None
    error_hint: Text | None = None

    def refers_to(self, key: str, value: str) -> bool:
        """Whether one of its references is this key and value."""
        return any(
            r.reference_key == key and r.reference_value == value for r in self.error_references
        )

    def __str__(self) -> str:
        return self.error_type + (f": {self.error_description}" if self.error_description else "")


class SafetyState(Wire, frozen=True, kw_only=True):
    """Reported only: VDA 5050 has no command that is an emergency stop."""

    e_stop: Literal["AUTOACK", "MANUAL", "REMOTE", "NONE"]
    field_violation: bool


class Load(Wire, frozen=True, kw_only=True):
    """Something aboard."""

    load_id: Id | None = None
    load_type: Id | None = None
    weight: Figure | None = None


class PathPoint(Wire, frozen=True, kw_only=True):
    """A point that the robot expects to pass, and when (version 3, intermediatePath)."""

    x: Metres
    y: Metres
    eta: Id
    theta: Radians | None = None


class Request(Wire, frozen=True, kw_only=True):
    """A robot's wish to enter a zone or to leave its corridor (version 3, zone/edgeRequests).

    `what` is the zone id or the edge id; `within` the zone set id, or "".
    """

    request_id: Id
    request_type: Literal["ACCESS", "REPLANNING", "CORRIDOR"]
    request_status: Literal["REQUESTED", "GRANTED", "REVOKED", "EXPIRED"]
    what: Id
    within: Id = ""
    sequence_id: Count | None = None


class ZoneSetStatus(Wire, frozen=True, kw_only=True):
    """A zone set that the robot holds (version 3)."""

    zone_set_id: Id
    map_id: Id
    zone_set_status: Literal["ENABLED", "DISABLED"]


class RobotMap(Wire, frozen=True, kw_only=True):
    """A map that the robot holds (2.1 and later)."""

    map_id: Id
    map_version: Id
    map_status: Literal["ENABLED", "DISABLED"]


class State(Header, frozen=True, kw_only=True):
    """Topic state.

    `instant_action_states` are version 3's; version 2 has instant actions in `action_states`.
    `intermediate_path`, `requests` and `zone_sets` are version 3's and empty otherwise.
    """

    order_id: Id
    order_update_id: Count
    last_node_id: Id
    last_node_sequence_id: Count
    node_states: Annotated[tuple[NodeState, ...], Meta(max_length=4096)]
    edge_states: Annotated[tuple[EdgeState, ...], Meta(max_length=4096)]
    driving: bool
    action_states: Annotated[tuple[ActionState, ...], Meta(max_length=4096)]
    battery_state: BatteryState
    operating_mode: OperatingMode
    errors: Annotated[tuple[ErrorEntry, ...], Meta(max_length=1024)]
    safety_state: SafetyState
    agv_position: AgvPosition | None = None
    velocity: Velocity | None = None
    loads: Annotated[tuple[Load, ...], Meta(max_length=256)] | None = None
    paused: bool | None = None
    new_base_request: bool | None = None
    distance_since_last_node: Figure | None = None

    instant_action_states: Annotated[tuple[ActionState, ...], Meta(max_length=4096)] = ()
    planned_nodes: Annotated[tuple[Id, ...], Meta(max_length=4096)] = msgspec.field(
        default=(), name="_planned_nodes"
    )
    intermediate_path: Annotated[tuple[PathPoint, ...], Meta(max_length=4096)] = msgspec.field(
        default=(), name="_intermediate_path"
    )
    requests: Annotated[tuple[Request, ...], Meta(max_length=1024)] = msgspec.field(
        default=(), name="_requests"
    )
    zone_sets: Annotated[tuple[ZoneSetStatus, ...], Meta(max_length=1024)] = msgspec.field(
        default=(), name="_zone_sets"
    )
    maps: Annotated[tuple[RobotMap, ...], Meta(max_length=256)] = ()

    @property
    def idle(self) -> bool:
        """No node, edge or action left to do (section 6.6.4)."""
        return (
            not self.node_states
            and not self.edge_states
            and all(a.action_status in TERMINAL for a in self.action_states)
        )

    @property
    def critical(self) -> tuple[ErrorEntry, ...]:
        """Errors with which this order cannot go on, while another may (version 3)."""
        return tuple(e for e in self.errors if e.error_level == "CRITICAL")

    @property
    def fatal(self) -> tuple[ErrorEntry, ...]:
        """Errors that need a person."""
        return tuple(e for e in self.errors if e.error_level == "FATAL")

    def action(self, action_id: str) -> ActionState | None:
        """The newest entry for an action: some robots repeat an id, the last one counts."""
        for entry in reversed(self.action_states):
            if entry.action_id == action_id:
                return entry
        for entry in reversed(self.instant_action_states):
            if entry.action_id == action_id:
                return entry
        return None

    @property
    def cancelling(self) -> bool:
        """Whether a cancelOrder runs, whoever asked for it."""
        return any(
            entry.action_type == "cancelOrder" and entry.action_status not in TERMINAL
            for entry in (*self.action_states, *self.instant_action_states)
        )
