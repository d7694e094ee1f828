"""VDA 5050 version 2 messages as typed, size-bounded structs.

Owns the wire shapes, with field names as in the published JSON schemas (VDA5050/VDA5050,
json_schemas, tag 2.1.0). Must not interpret them. Unknown keys are legal in VDA 5050 and are
ignored; wrong types, missing required keys and absurd sizes are not.

Units: metres, radians (counter-clockwise from the map's x axis), per cent, kilograms.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Id = Annotated[str, Meta(max_length=256)]
Text = Annotated[str, Meta(max_length=4096)]
Count = Annotated[int, Meta(ge=0, le=2**53)]

ActionStatus = Literal["WAITING", "INITIALIZING", "RUNNING", "PAUSED", "FINISHED", "FAILED"]
"""PAUSED is in the document (section 6.10.6) and not in the schema: the document wins."""

TERMINAL = frozenset({"FINISHED", "FAILED"})
"""Action states that no longer change."""

BlockingType = Literal["NONE", "SOFT", "HARD"]
ConnectionWord = Literal["ONLINE", "OFFLINE", "CONNECTIONBROKEN"]


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of every message part: camel case, optional fields left out when unset."""


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


class NodePosition(Wire, frozen=True, kw_only=True):
    """Where a node lies on the map."""

    x: float
    y: float
    map_id: Id
    theta: float | None = None
    allowed_deviation_xy: float | None = msgspec.field(default=None, name="allowedDeviationXY")
    allowed_deviation_theta: float | None = None


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

    x: float
    y: float
    weight: float | None = None


class Trajectory(Wire, frozen=True, kw_only=True):
    """A NURBS curve; degree 1 is a polyline through its control points."""

    degree: int
    knot_vector: tuple[float, ...]
    control_points: tuple[ControlPoint, ...]


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

    x: float
    y: float
    theta: float
    map_id: Id
    position_initialized: bool
    localization_score: float | None = None


class Velocity(Wire, frozen=True, kw_only=True):
    """In the robot's own frame."""

    vx: float | None = None
    vy: float | None = None
    omega: float | None = None


class BatteryState(Wire, frozen=True, kw_only=True):
    """Charge in per cent."""

    battery_charge: float
    charging: bool
    reach: float | None = None


class ErrorReference(Wire, frozen=True, kw_only=True):
    """What an error is about."""

    reference_key: Id
    reference_value: Text


class ErrorEntry(Wire, frozen=True, kw_only=True):
    """An error that is active now."""

    error_type: Id
    error_level: Literal["WARNING", "FATAL"]
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
    weight: float | None = None


class State(Header, frozen=True, kw_only=True):
    """Topic state."""

    order_id: Id
    order_update_id: Count
    last_node_id: Id
    last_node_sequence_id: Count
    node_states: Annotated[tuple[NodeState, ...], Meta(max_length=4096)]
    edge_states: Annotated[tuple[EdgeState, ...], Meta(max_length=4096)]
    driving: bool
    action_states: Annotated[tuple[ActionState, ...], Meta(max_length=4096)]
    battery_state: BatteryState
    operating_mode: Literal[
        "AUTOMATIC",
        "SEMIAUTOMATIC",
        "MANUAL",
        "SERVICE",
        "TEACHIN",
        "TEACH_IN",
        "STARTUP",
        "INTERVENED",
    ]
    errors: Annotated[tuple[ErrorEntry, ...], Meta(max_length=1024)]
    safety_state: SafetyState
    agv_position: AgvPosition | None = None
    velocity: Velocity | None = None
    loads: Annotated[tuple[Load, ...], Meta(max_length=256)] | None = None
    paused: bool | None = None
    new_base_request: bool | None = None
    distance_since_last_node: float | None = None

    @property
    def idle(self) -> bool:
        """No node, edge or action left to do (section 6.6.4)."""
        return (
            not self.node_states
            and not self.edge_states
            and all(a.action_status in TERMINAL for a in self.action_states)
        )

    @property
    def fatal(self) -> tuple[ErrorEntry, ...]:
        """Errors that need a person."""
        return tuple(e for e in self.errors if e.error_level == "FATAL")

    def action(self, action_id: str) -> ActionState | None:
        """The newest entry for an action: some robots repeat an id, the last one counts."""
        for entry in reversed(self.action_states):
            if entry.action_id == action_id:
                return entry
        return None


class FactsheetParameter(Wire, frozen=True, kw_only=True):
    """A parameter that an action takes."""

    key: Id
    value_data_type: Id
    is_optional: bool | None = None


class FactsheetAction(Wire, frozen=True, kw_only=True):
    """An action that the robot can do."""

    action_type: Id
    action_scopes: tuple[Id, ...]
    action_parameters: Annotated[tuple[FactsheetParameter, ...], Meta(max_length=64)] = ()


class OptionalParameter(Wire, frozen=True, kw_only=True):
    """An optional field of the protocol that the robot understands or needs."""

    parameter: Id
    support: Literal["SUPPORTED", "REQUIRED"]


class ProtocolFeatures(Wire, frozen=True, kw_only=True):
    """Section 7.4 of the document."""

    optional_parameters: Annotated[tuple[OptionalParameter, ...], Meta(max_length=256)] = ()
    agv_actions: Annotated[tuple[FactsheetAction, ...], Meta(max_length=256)] = ()


class ProtocolLimits(Wire, frozen=True, kw_only=True):
    """Lengths by name, such as `order.nodes`; 0 or absent: no limit."""

    max_string_lens: dict[str, int | bool] = {}
    max_array_lens: dict[str, int] = {}
    timing: dict[str, float] = {}


class Factsheet(Header, frozen=True, kw_only=True):
    """Topic factsheet. Only what the adapter uses; robots send it with gaps."""

    protocol_limits: ProtocolLimits | None = None
    protocol_features: ProtocolFeatures | None = None

    def action(self, action_type: str) -> FactsheetAction | None:
        """What the robot says of an action for nodes, None where it says nothing."""
        features = self.protocol_features
        for action in features.agv_actions if features else ():
            if action.action_type == action_type and "NODE" in action.action_scopes:
                return action
        return None

    def understands(self, parameter: str) -> bool:
        """Whether an optional field such as `order.edges.trajectory` may be sent."""
        features = self.protocol_features
        return any(
            p.parameter == parameter for p in (features.optional_parameters if features else ())
        )

    def limit(self, array: str) -> int:
        """Longest array of that name, 0 for no limit."""
        return self.protocol_limits.max_array_lens.get(array, 0) if self.protocol_limits else 0
