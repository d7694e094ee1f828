"""A round on the street graph as a VDA 5050 order.

Owns the check of the round as a graph and the translation. Must not know the robot's state.

What is built is the whole round. How much of it goes into which message, and how much of that is
released, is for `release` to say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import msgspec

from geofence.frames import LatLon
from missions.model import (
    GroundMission,
    Handover,
    RouteAction,
    RouteEdge,
    RouteNode,
    StopAction,
)
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
from vehicles.vda5050.profile import DEFAULT, PIN, Profile, Step
from vehicles.vda5050.shape import Shape, shape_of

ORDER_PREFIX = "waypost-"

_PIN_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class OrderSettings:
    """How orders are written.

    `start_deviation_m`: how far the robot may stand from the first node; the document lets the
    master widen `allowedDeviationXY` there (section 6.6.1). `node_deviation_m`: at all others.
    """

    start_deviation_m: float = 60.0
    node_deviation_m: float = 3.0
    load_type: str = ""
    station_type: str = ""
    """Where set, these two stand before the profile's."""


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
    waits: bool = False
    """It waits at a gate, and ends by a trigger once that is settled."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A node that is released only when its hand-over is settled: it begins, or it is left out."""

    parcel_id: str
    sequence_id: int


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
    limits: tuple[tuple[str, float], ...] = field(default=())
    """Streets with a greatest speed, metres a second."""
    pin_keys: frozenset[str] = frozenset()
    """Keys of parameters that carry a PIN."""
    gates: tuple[Gate, ...] = ()
    trigger: str = "trigger"
    """The instant action that ends a wait."""

    @property
    def order_id(self) -> str:
        """The order's id, derived from the mission so that a restarted master knows its own."""
        return self.body.order_id

    @property
    def timed(self) -> bool:
        """Whether any of its actions is to end in time."""
        return any(a.timeout_s for a in self.actions)

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
    profile: Profile = DEFAULT,
) -> PreparedOrder:
    """Translate a round that `mission_fault` found nothing in.

    The same mission, map, factsheet and profile give the same order, so a resend after a restart
    is identical, as the document demands. Streets with bends go as trajectories where the robot
    takes them, else as nodes without actions between (`shape` nodes). A pick or drop becomes the
    steps that the profile has for it; the one that proves it keeps the mission's action id.
    """
    writer = _Writer(site_map, settings, shape_of(factsheet, profile), profile)
    writer.node(mission.nodes[0])
    for edge, node in zip(mission.edges, mission.nodes[1:], strict=True):
        writer.street(edge, node)
        writer.node(node)
    body = OrderBody(
        order_id=order_id_of(mission.mission_id),
        order_update_id=0,
        nodes=tuple(writer.nodes),
        edges=tuple(writer.edges),
    )
    return PreparedOrder(
        body,
        mission.content_hash,
        tuple(writer.tracked),
        node_sequences=tuple(writer.sequences),
        limits=tuple((e.edge_id, e.max_speed_mps) for e in mission.edges if e.max_speed_mps > 0),
        pin_keys=frozenset(writer.pin_keys),
        gates=tuple(writer.gates),
        trigger=profile.trigger,
    )


def without(order: PreparedOrder, parcel_id: str) -> PreparedOrder:
    """The order without the hand-over behind a parcel's gate; its nodes stay."""
    gate = next((g for g in order.gates if g.parcel_id == parcel_id), None)
    if gate is None:
        return order
    node = next(n for n in order.body.nodes if n.sequence_id == gate.sequence_id)
    left_out = {a.action_id for a in order.actions if a.parcel_id == parcel_id} & {
        a.action_id for a in node.actions
    }
    nodes = tuple(
        msgspec.structs.replace(
            n, actions=tuple(a for a in n.actions if a.action_id not in left_out)
        )
        if n is node
        else n
        for n in order.body.nodes
    )
    return replace(
        order,
        body=msgspec.structs.replace(order.body, nodes=nodes),
        actions=tuple(a for a in order.actions if a.action_id not in left_out),
    )


class _Writer:
    """Numbers nodes and edges: node 0, edge 1, node 2 and so on (section 6.6.2)."""

    def __init__(
        self, site_map: SiteMap, settings: OrderSettings, shape: Shape, profile: Profile
    ) -> None:
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.tracked: list[TrackedAction] = []
        self.sequences: list[int] = []
        self.pin_keys: set[str] = set()
        self.gates: list[Gate] = []
        self._map = site_map
        self._settings = settings
        self._shape = shape
        self._profile = profile
        self._at: LatLon

    @property
    def last_id(self) -> str:
        return self.nodes[-1].node_id

    def node(self, node: RouteNode) -> None:
        """A node of the mission, with what is done there.

        Behind a gate is a node of its own at the same place, since a base never changes: new
        actions where the robot stands need a further node (section 6.6.2).
        """
        gated = [a for a in node.actions if self._profile.gated(a)]
        plain = tuple(
            s for a in node.actions if a not in gated for s in self._steps(a, node.node_id)
        )
        node_id, begun = node.node_id, plain
        for number, action in enumerate(gated):
            arrival = tuple(self._arrival(action))
            self._node(node_id, node.position, (*begun, *arrival))
            behind = f"{node.node_id}~door{number}"
            self._on_the_spot(node_id, behind)
            self.gates.append(Gate(action.parcel_id, 2 * len(self.nodes)))
            node_id, begun = behind, tuple(self._steps(action, node.node_id))
        self.sequences.append(2 * len(self.nodes))
        self._node(node_id, node.position, begun)

    def _on_the_spot(self, start_id: str, end_id: str) -> None:
        edge = RouteEdge(end_id, start_id, end_id, 0.0, 0.0)
        self._edge(edge, end_id, start_id, end_id, ())

    def street(self, edge: RouteEdge, end: RouteNode) -> None:
        """The way to the next node, up to that node."""
        line = edge.geometry or (self._at, end.position)
        if len(line) <= 2 or self._shape.curve(len(line)):
            self._edge(edge, edge.edge_id, self.last_id, end.node_id, line)
        else:
            self._bends(edge)

    def _bends(self, edge: RouteEdge) -> None:
        """All of a bent street but its last node: shape nodes between straight pieces."""
        points = edge.geometry
        for index in range(1, len(points) - 1):
            shape_id = f"{edge.edge_id}~{edge.start_node_id}~{index}"
            self._edge(edge, f"{edge.edge_id}~{index}", self.last_id, shape_id, ())
            self._node(shape_id, points[index], ())
        last = len(points) - 1
        self._edge(edge, f"{edge.edge_id}~{last}", self.last_id, edge.end_node_id, ())

    def _edge(
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
                released=True,
                start_node_id=start_id,
                end_node_id=end_id,
                actions=(),
                max_speed=edge.max_speed_mps
                if edge.max_speed_mps > 0 and self._shape.speeds
                else None,
                length=edge.length_m if self._shape.lengths else None,
                trajectory=self._trajectory(geometry) if self._shape.curve(len(geometry)) else None,
            )
        )

    def _node(self, node_id: str, position: LatLon, actions: tuple[Action, ...]) -> None:
        sequence_id = 2 * len(self.nodes)
        self._at = position
        x, y = self._map.to_map(position)
        deviation = (
            self._settings.node_deviation_m if self.nodes else self._settings.start_deviation_m
        )
        self.nodes.append(
            Node(
                node_id=node_id,
                sequence_id=sequence_id,
                released=True,
                actions=actions,
                node_position=NodePosition(
                    x=x, y=y, map_id=self._map.map_id, allowed_deviation_xy=deviation
                ),
            )
        )

    def _arrival(self, action: RouteAction) -> Iterator[Action]:
        """What is done at the door until the customer is there."""
        if action.handover is Handover.DOOR and not self._profile.judges(action):
            yield from self._made(action, self._profile.arrival, "", waits=True)

    def _steps(self, action: RouteAction, node_id: str) -> Iterator[Action]:
        """A pick or drop as the robot's own actions, in their order."""
        pin = bool(action.handover_pin_sha256)
        steps = self._profile.steps(action.kind, with_pin=pin, handover=action.handover)
        yield from self._made(action, steps, node_id)

    def _made(
        self, action: RouteAction, steps: tuple[Step, ...], node_id: str, *, waits: bool = False
    ) -> Iterator[Action]:
        profile = self._profile
        pin = action.handover_pin_sha256
        mark = "~at" if waits else "~"
        for number, step in enumerate(steps):
            action_id = action.action_id if step.proves else f"{action.action_id}{mark}{number}"
            values = {
                "{parcel_id}": action.parcel_id,
                "{pin_sha256}": pin,
                "{load_type}": self._settings.load_type or profile.load_type,
                "{station_type}": self._settings.station_type or profile.station_type,
                "{node_id}": node_id,
                "{timeout_s}": step.timeout_s,
            }
            sent: dict[str, Any] = {
                key: values.get(value, value) if isinstance(value, str) else value
                for key, value in step.parameters.items()
            }
            self.pin_keys |= {k for k, v in step.parameters.items() if v == PIN}
            self.tracked.append(
                TrackedAction(
                    action_id,
                    action.kind,
                    action.parcel_id,
                    proves=step.proves,
                    timeout_s=step.timeout_s,
                    waits=waits,
                )
            )
            yield Action(
                action_type=step.type,
                action_id=action_id,
                blocking_type=step.blocking,
                retriable=step.retriable,
                action_parameters=tuple(
                    ActionParameter(key=k, value=v) for k, v in sent.items() if v != ""
                ),
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
