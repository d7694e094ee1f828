"""VDA 5050 version 3 on the wire, mapped onto the one model of `models`.

Owns what version 3 renames and restructures (VDA5050/VDA5050, json_schemas of 3.0.0; document
sections 7.1 to 7.10). Must not interpret anything.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from vehicles.vda5050 import factsheet as sheet
from vehicles.vda5050.models import (
    Action,
    ActionStatus,
    AgvPosition,
    BatteryState,
    Connection,
    ConnectionWord,
    Count,
    Edge,
    EdgeState,
    ErrorEntry,
    Figure,
    Header,
    Id,
    Load,
    Metres,
    Node,
    NodeState,
    OperatingMode,
    PathPoint,
    Radians,
    Request,
    RobotMap,
    SafetyState,
    State,
    Text,
    Velocity,
    Wire,
    ZoneSetStatus,
)
from vehicles.vda5050.models import ActionState as PlainActionState

_MANY = Meta(max_length=4096)


class Connection3(Header, frozen=True, kw_only=True):
    """Topic connection."""

    connection_state: Literal["ONLINE", "OFFLINE", "HIBERNATING", "CONNECTION_BROKEN"]

    def plain(self) -> Connection:
        """As the one model has it."""
        word: ConnectionWord
        if self.connection_state == "CONNECTION_BROKEN":
            word = "CONNECTIONBROKEN"
        else:
            word = self.connection_state
        return Connection(**_head(self), connection_state=word)


class ActionState(Wire, frozen=True, kw_only=True):
    """How far an action is."""

    action_id: Id
    action_status: ActionStatus
    action_type: Id | None = None
    action_result: Text | None = None


class PowerSupply(Wire, frozen=True, kw_only=True):
    """Charge in per cent."""

    state_of_charge: Figure
    charging: bool
    range: Figure | None = None


class Position(Wire, frozen=True, kw_only=True):
    """Where the robot believes that it is."""

    x: Metres
    y: Metres
    theta: Radians
    map_id: Id
    localized: bool
    localization_score: Figure | None = None


class Safety(Wire, frozen=True, kw_only=True):
    """Reported only."""

    active_emergency_stop: Literal["MANUAL", "REMOTE", "NONE"]
    field_violation: bool


class ZoneRequest(Wire, frozen=True, kw_only=True):
    """A wish to enter a RELEASE zone or to plan anew in one."""

    request_id: Id
    request_type: Literal["ACCESS", "REPLANNING"]
    zone_id: Id
    zone_set_id: Id
    request_status: Literal["REQUESTED", "GRANTED", "REVOKED", "EXPIRED"]


class EdgeRequest(Wire, frozen=True, kw_only=True):
    """A wish to use the corridor of an edge."""

    request_id: Id
    request_type: Literal["CORRIDOR"]
    edge_id: Id
    sequence_id: Count
    request_status: Literal["REQUESTED", "GRANTED", "REVOKED", "EXPIRED"]


class PlannedPath(Wire, frozen=True, kw_only=True):
    """What the robot means to drive; the curve is not used."""

    traversed_nodes: Annotated[tuple[Id, ...], _MANY] = ()


class IntermediatePath(Wire, frozen=True, kw_only=True):
    """Points ahead with their expected times."""

    polyline: Annotated[tuple[PathPoint, ...], _MANY]


class State3(Header, frozen=True, kw_only=True):
    """Topic state."""

    order_id: Id
    order_update_id: Count
    last_node_id: Id
    last_node_sequence_id: Count
    node_states: Annotated[tuple[NodeState, ...], _MANY]
    edge_states: Annotated[tuple[EdgeState, ...], _MANY]
    driving: bool
    action_states: Annotated[tuple[ActionState, ...], _MANY]
    instant_action_states: Annotated[tuple[ActionState, ...], _MANY]
    power_supply: PowerSupply
    operating_mode: OperatingMode
    errors: Annotated[tuple[ErrorEntry, ...], Meta(max_length=1024)]
    safety_state: Safety
    mobile_robot_position: Position | None = None
    velocity: Velocity | None = None
    loads: Annotated[tuple[Load, ...], Meta(max_length=256)] | None = None
    paused: bool | None = None
    new_base_request: bool | None = None
    distance_since_last_node: Figure | None = None
    planned_path: PlannedPath | None = None
    intermediate_path: IntermediatePath | None = None
    zone_requests: Annotated[tuple[ZoneRequest, ...], Meta(max_length=512)] = ()
    edge_requests: Annotated[tuple[EdgeRequest, ...], Meta(max_length=512)] = ()
    zone_sets: Annotated[tuple[ZoneSetStatus, ...], Meta(max_length=1024)] = ()
    maps: Annotated[tuple[RobotMap, ...], Meta(max_length=256)] = ()

    def plain(self) -> State:
        """As the one model has it."""
        spot, power, safety = self.mobile_robot_position, self.power_supply, self.safety_state
        return State(
            **_head(self),
            order_id=self.order_id,
            order_update_id=self.order_update_id,
            last_node_id=self.last_node_id,
            last_node_sequence_id=self.last_node_sequence_id,
            node_states=self.node_states,
            edge_states=self.edge_states,
            driving=self.driving,
            action_states=_actions(self.action_states),
            instant_action_states=_actions(self.instant_action_states),
            battery_state=BatteryState(
                battery_charge=power.state_of_charge, charging=power.charging, reach=power.range
            ),
            operating_mode=self.operating_mode,
            errors=self.errors,
            safety_state=SafetyState(
                e_stop=safety.active_emergency_stop, field_violation=safety.field_violation
            ),
            agv_position=None
            if spot is None
            else AgvPosition(
                x=spot.x,
                y=spot.y,
                theta=spot.theta,
                map_id=spot.map_id,
                position_initialized=spot.localized,
                localization_score=spot.localization_score,
            ),
            velocity=self.velocity,
            loads=self.loads,
            paused=self.paused,
            new_base_request=self.new_base_request,
            distance_since_last_node=self.distance_since_last_node,
            planned_nodes=self.planned_path.traversed_nodes if self.planned_path else (),
            intermediate_path=self.intermediate_path.polyline if self.intermediate_path else (),
            requests=self._requests(),
            zone_sets=self.zone_sets,
            maps=self.maps,
        )

    def _requests(self) -> tuple[Request, ...]:
        return tuple(
            Request(
                request_id=r.request_id,
                request_type=r.request_type,
                request_status=r.request_status,
                what=r.zone_id,
                within=r.zone_set_id,
            )
            for r in self.zone_requests
        ) + tuple(
            Request(
                request_id=r.request_id,
                request_type=r.request_type,
                request_status=r.request_status,
                what=r.edge_id,
                sequence_id=r.sequence_id,
            )
            for r in self.edge_requests
        )


def _actions(states: tuple[ActionState, ...]) -> tuple[PlainActionState, ...]:
    return tuple(
        PlainActionState(
            action_id=a.action_id,
            action_status=a.action_status,
            action_type=a.action_type,
            result_description=a.action_result,
        )
        for a in states
    )


def _head(message: Header) -> dict[str, Any]:
    return {
        "header_id": message.header_id,
        "timestamp": message.timestamp,
        "version": message.version,
        "manufacturer": message.manufacturer,
        "serial_number": message.serial_number,
    }


class TypeSpecification(Wire, frozen=True, kw_only=True):
    """What kind of robot it is."""

    series_name: Text = ""
    maximum_load_mass: Figure | None = None
    supported_zones: Annotated[tuple[Id, ...], Meta(max_length=64)] = ()


class PhysicalParameters(Wire, frozen=True, kw_only=True):
    """Metres and metres a second."""

    minimum_speed: Figure | None = None
    maximum_speed: Figure | None = None
    maximum_height: Figure | None = None
    width: Figure | None = None
    length: Figure | None = None


class ProtocolLimits(Wire, frozen=True, kw_only=True):
    """Lengths by name; 0 or absent: no limit."""

    maximum_string_lengths: Annotated[dict[Id, Count | bool], Meta(max_length=64)] = msgspec.field(
        default_factory=dict
    )
    maximum_array_lengths: Annotated[dict[Id, Count], Meta(max_length=64)] = msgspec.field(
        default_factory=dict
    )
    timing: Annotated[dict[Id, Figure], Meta(max_length=64)] = msgspec.field(default_factory=dict)


class ProtocolFeatures(Wire, frozen=True, kw_only=True):
    """Section 7.10."""

    optional_parameters: Annotated[tuple[sheet.OptionalParameter, ...], Meta(max_length=256)] = ()
    mobile_robot_actions: Annotated[tuple[sheet.FactsheetAction, ...], Meta(max_length=256)] = ()


class LoadSet(Wire, frozen=True, kw_only=True):
    """One kind of load."""

    set_name: Id = ""
    load_type: Id = ""
    load_positions: Annotated[tuple[Id, ...], Meta(max_length=256)] = ()
    load_dimensions: sheet.LoadDimensions | None = None
    maximum_weight: Figure | None = None


class LoadSpecification(Wire, frozen=True, kw_only=True):
    """What may be aboard, and where."""

    load_positions: Annotated[tuple[Id, ...], Meta(max_length=256)] | None = None
    load_sets: Annotated[tuple[LoadSet, ...], Meta(max_length=256)] | None = None


_STRINGS = {
    "maximumMessageLength": "msgLen",
    "maximumTopicSerialLength": "topicSerialLen",
    "maximumTopicElementLength": "topicElemLen",
    "maximumIdLength": "idLen",
    "maximumLoadIdLength": "loadIdLen",
}


class Factsheet3(Header, frozen=True, kw_only=True):
    """Topic factsheet."""

    type_specification: TypeSpecification | None = None
    physical_parameters: PhysicalParameters | None = None
    protocol_limits: ProtocolLimits | None = None
    protocol_features: ProtocolFeatures | None = None
    load_specification: LoadSpecification | None = None

    def plain(self) -> sheet.Factsheet:
        """As the one model has it."""
        kind, body, limits = (
            self.type_specification,
            self.physical_parameters,
            self.protocol_limits,
        )
        features = self.protocol_features
        return sheet.Factsheet(
            **_head(self),
            type_specification=None
            if kind is None
            else sheet.TypeSpecification(
                series_name=kind.series_name,
                max_load_mass=kind.maximum_load_mass,
                supported_zones=kind.supported_zones,
            ),
            physical_parameters=None
            if body is None
            else sheet.PhysicalParameters(
                speed_min=body.minimum_speed,
                speed_max=body.maximum_speed,
                height_max=body.maximum_height,
                width=body.width,
                length=body.length,
            ),
            protocol_limits=None
            if limits is None
            else sheet.ProtocolLimits(
                max_string_lens={
                    _STRINGS.get(k, k): v for k, v in limits.maximum_string_lengths.items()
                },
                max_array_lens=limits.maximum_array_lengths,
                timing=limits.timing,
            ),
            protocol_features=None
            if features is None
            else sheet.ProtocolFeatures(
                optional_parameters=features.optional_parameters,
                agv_actions=features.mobile_robot_actions,
            ),
            load_specification=self._loads(),
        )

    def _loads(self) -> sheet.LoadSpecification | None:
        loads = self.load_specification
        if loads is None:
            return None
        sets = loads.load_sets
        return sheet.LoadSpecification(
            load_positions=loads.load_positions,
            load_sets=None
            if sets is None
            else tuple(
                sheet.LoadSet(
                    set_name=s.set_name,
                    load_type=s.load_type,
                    load_positions=s.load_positions,
                    load_dimensions=s.load_dimensions,
                    max_weight=s.maximum_weight,
                )
                for s in sets
            ),
        )


# --- what is sent ------------------------------------------------------------------------------


def action_out(action: Action, *, instant: bool = False) -> dict[str, Any]:
    """An action; instant ones block nothing (7.4)."""
    out: dict[str, Any] = {
        "actionType": action.action_type,
        "actionId": action.action_id,
        "blockingType": "NONE" if instant else action.blocking_type,
    }
    if action.action_description is not None:
        out["actionDescriptor"] = action.action_description
    if action.retriable and not instant:
        out["retriable"] = True
    if action.action_parameters:
        out["actionParameters"] = action.action_parameters
    return out


def _place_in_order(part: Node | Edge) -> dict[str, Any]:
    """What nodes and edges of an order tell alike."""
    return {
        "sequenceId": part.sequence_id,
        "released": part.released,
        "actions": [action_out(a) for a in part.actions],
    }


def node_out(node: Node) -> dict[str, Any]:
    """A node: its deviation is an ellipse, of which ours is a circle (7.3)."""
    out = {"nodeId": node.node_id, **_place_in_order(node)}
    if node.node_description is not None:
        out["nodeDescriptor"] = node.node_description
    spot = node.node_position
    if spot is not None:
        position: dict[str, Any] = {"x": spot.x, "y": spot.y, "mapId": spot.map_id}
        if spot.theta is not None:
            position["theta"] = spot.theta
        if spot.allowed_deviation_xy is not None:
            radius = spot.allowed_deviation_xy
            position["allowedDeviationXY"] = {"a": radius, "b": radius, "theta": 0.0}
        if spot.allowed_deviation_theta is not None:
            position["allowedDeviationTheta"] = abs(spot.allowed_deviation_theta)
        out["nodePosition"] = position
    return out


def edge_out(edge: Edge) -> dict[str, Any]:
    """An edge: its ends are told by its sequence id alone (7.3)."""
    out = {"edgeId": edge.edge_id, **_place_in_order(edge)}
    if edge.max_speed is not None:
        out["maximumSpeed"] = edge.max_speed
    if edge.length is not None:
        out["length"] = edge.length
    if edge.trajectory is not None:
        out["trajectory"] = msgspec.to_builtins(edge.trajectory)
    return out
