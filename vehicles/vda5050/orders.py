"""A round on the street graph as a VDA 5050 order.

Owns the check of the round as a graph and the translation. Must not know the robot's state.

The whole order is released (base = all nodes, no horizon): the road was checked as a whole, and
a robot that loses the broker then finishes what was checked. `build_order` takes `release_to`
for a controller that hands out the road in pieces.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from itertools import pairwise

from geofence.frames import LatLon
from missions.model import GroundMission, RouteAction, RouteEdge, RouteNode, StopAction
from vehicles.vda5050.factsheet import Factsheet
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.models import (
    Action,
    ActionParameter,
    ControlPoint,
    Edge,
    Node,
    NodePosition,
    OrderBody,
    Trajectory,
)

ORDER_PREFIX = "waypost-"
TRAJECTORY = "order.edges.trajectory"
PIN_PARAMETER = "handoverPinSha256"

_PIN_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class OrderSettings:
    """How orders are written.

    `start_deviation_m`: how far the robot may stand from the first node; the document lets the
    master widen `allowedDeviationXY` there (section 6.6.1). `node_deviation_m`: at all others.
    """

    start_deviation_m: float = 60.0
    node_deviation_m: float = 3.0
    load_type: str = "PARCEL"
    station_type: str = ""
    """Sent with every pick and drop where set: some robots demand it."""


@dataclass(frozen=True, slots=True)
class TrackedAction:
    """A pick or drop of an order, by the id that the robot reports it under."""

    action_id: str
    kind: StopAction
    parcel_id: str
    proves: bool = True
    """Its end shows whether the parcel moved; a lid that opens or closes shows nothing."""
    timeout_s: float = 0.0
    """Longest time that it may run before the order is cancelled; 0: the robot's own affair."""


@dataclass(frozen=True, slots=True)
class PreparedOrder:
    """An order and what the engine must know to follow it."""

    body: OrderBody
    """All of it, released to the end; what is sent of it when is `release`'s to say."""
    mission_hash: str
    actions: tuple[TrackedAction, ...] = field(default=())
    window: int = 0
    """Most nodes that one message may hold; 0: no limit."""
    node_sequences: tuple[int, ...] = field(default=())
    """Sequence id of each node of the mission: bends may lie between."""

    @property
    def order_id(self) -> str:
        """The order's id, derived from the mission so that a restarted master knows its own."""
        return self.body.order_id

    @property
    def last_sequence_id(self) -> int:
        """Sequence id of the last node."""
        return self.body.nodes[-1].sequence_id


def order_id_of(mission_id: str) -> str:
    """The order id of a mission."""
    return ORDER_PREFIX + mission_id


def mission_fault(mission: GroundMission) -> str:
    """Why a round is not a valid order graph; empty where it is (section 6.6.2)."""
    if not mission.nodes:
        return "the round has no nodes"
    if len(mission.edges) != len(mission.nodes) - 1:
        return f"{len(mission.nodes)} nodes need {len(mission.nodes) - 1} edges, not " + str(
            len(mission.edges)
        )
    for index, edge in enumerate(mission.edges):
        start, end = mission.nodes[index].node_id, mission.nodes[index + 1].node_id
        if (edge.start_node_id, edge.end_node_id) != (start, end):
            return (
                f"edge {edge.edge_id} joins {edge.start_node_id} to {edge.end_node_id}, "
                f"but stands between nodes {start} and {end}"
            )
    seen: set[str] = set()
    for node in mission.nodes:
        for action in node.actions:
            if not action.action_id or action.action_id in seen:
                return f"action id {action.action_id!r} at node {node.node_id} is not unique"
            if action.handover_pin_sha256 and not _PIN_HASH.fullmatch(action.handover_pin_sha256):
                return f"action {action.action_id}: the PIN hash is not 64 hexadecimal digits"
            seen.add(action.action_id)
    return ""


def build_order(
    mission: GroundMission,
    site_map: SiteMap,
    settings: OrderSettings,
    factsheet: Factsheet | None = None,
    *,
    update_id: int = 0,
    release_to: int | None = None,
) -> PreparedOrder:
    """Translate a round that `mission_fault` found nothing in.

    The same mission, map and factsheet give the same order, so a resend after a restart is
    identical, as the document demands. Streets with bends go as trajectories where the factsheet
    allows them, else as nodes without actions between (`shape` nodes). `release_to` is the
    sequence id of the last node of the base; None releases all.
    """
    writer = _Writer(site_map, settings, release_to)
    curves = factsheet is not None and factsheet.understands(TRAJECTORY)
    writer.node(mission.nodes[0])
    for edge, node in zip(mission.edges, mission.nodes[1:], strict=True):
        if curves or len(edge.geometry) <= 2:
            writer.edge(edge, edge.edge_id, writer.last_id, node.node_id, edge.geometry)
        else:
            writer.bends(edge)
        writer.node(node)
    body = OrderBody(
        order_id=order_id_of(mission.mission_id),
        order_update_id=update_id,
        nodes=tuple(writer.nodes),
        edges=tuple(writer.edges),
    )
    tracked = tuple(
        TrackedAction(a.action_id, a.kind, a.parcel_id) for n in mission.nodes for a in n.actions
    )
    return PreparedOrder(body, mission.content_hash, tracked)


class _Writer:
    """Numbers nodes and edges: node 0, edge 1, node 2 and so on (section 6.6.2)."""

    def __init__(self, site_map: SiteMap, settings: OrderSettings, release_to: int | None) -> None:
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self._map = site_map
        self._settings = settings
        self._release_to = release_to

    @property
    def last_id(self) -> str:
        return self.nodes[-1].node_id

    def _released(self, sequence_id: int) -> bool:
        return self._release_to is None or sequence_id <= self._release_to

    def node(self, node: RouteNode) -> None:
        self._node(node.node_id, node.position, tuple(self._action(a) for a in node.actions))

    def bends(self, edge: RouteEdge) -> None:
        """All of a bent street but its last node: shape nodes between straight pieces."""
        points = edge.geometry
        for index in range(1, len(points) - 1):
            shape_id = f"{edge.edge_id}~{edge.start_node_id}~{index}"
            self.edge(edge, f"{edge.edge_id}~{index}", self.last_id, shape_id, ())
            self._node(shape_id, points[index], ())
        last = len(points) - 1
        self.edge(edge, f"{edge.edge_id}~{last}", self.last_id, edge.end_node_id, ())

    def edge(
        self,
        edge: RouteEdge,
        edge_id: str,
        start_id: str,
        end_id: str,
        geometry: tuple[LatLon, ...],
    ) -> None:
        sequence_id = 2 * len(self.edges) + 1
        self.edges.append(
            Edge(
                edge_id=edge_id,
                sequence_id=sequence_id,
                released=self._released(sequence_id + 1),
                start_node_id=start_id,
                end_node_id=end_id,
                actions=(),
                max_speed=edge.max_speed_mps if edge.max_speed_mps > 0 else None,
                trajectory=self._trajectory(geometry) if len(geometry) > 2 else None,
            )
        )

    def _node(self, node_id: str, position: LatLon, actions: tuple[Action, ...]) -> None:
        sequence_id = 2 * len(self.nodes)
        x, y = self._map.to_map(position)
        deviation = (
            self._settings.node_deviation_m if self.nodes else self._settings.start_deviation_m
        )
        self.nodes.append(
            Node(
                node_id=node_id,
                sequence_id=sequence_id,
                released=self._released(sequence_id),
                actions=actions,
                node_position=NodePosition(
                    x=x, y=y, map_id=self._map.map_id, allowed_deviation_xy=deviation
                ),
            )
        )

    def _action(self, action: RouteAction) -> Action:
        parameters = [
            ActionParameter(key="loadId", value=action.parcel_id),
            ActionParameter(key="loadType", value=self._settings.load_type),
        ]
        if self._settings.station_type:
            parameters.append(ActionParameter(key="stationType", value=self._settings.station_type))
        if action.handover_pin_sha256:
            parameters.append(ActionParameter(key=PIN_PARAMETER, value=action.handover_pin_sha256))
        return Action(
            action_type=action.kind.value,
            action_id=action.action_id,
            blocking_type="HARD",
            action_parameters=tuple(parameters),
        )

    def _trajectory(self, geometry: tuple[LatLon, ...]) -> Trajectory:
        """A polyline as a NURBS of degree 1: n points, n + 2 knots, clamped at both ends."""
        points = [self._map.to_map(p) for p in geometry]
        run = [0.0]
        for (x0, y0), (x1, y1) in pairwise(points):
            run.append(run[-1] + math.hypot(x1 - x0, y1 - y0))
        total = run[-1] or 1.0
        inner = [s / total for s in run[1:-1]]
        return Trajectory(
            degree=1,
            knot_vector=(0.0, 0.0, *inner, 1.0, 1.0),
            control_points=tuple(ControlPoint(x=x, y=y) for x, y in points),
        )
