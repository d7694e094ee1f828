"""Another way for a round that is under way, behind a node that its robot stands at.

Owns the making of changed rounds: the driven part and every stop are as they were, the streets
between them are others. Pure. Must not choose among them, nor have the last word on zones: the
check of what is left of the round has it, see `rest_of`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from missions.model import GroundMission, RouteAction, RouteEdge, RouteNode, StopAction
from missions.passages import Passages
from missions.roads import NO_EDGES, DirectedEdge, StreetError, StreetGraph

MOST_ASIDE = 6
"""Places to draw aside that are looked at, nearest first."""
ASIDE_M = 600.0
"""How far a robot goes to draw aside."""


Stop = tuple[str, tuple[RouteAction, ...]]


def detours(
    mission: GroundMission,
    at: int,
    streets: StreetGraph,
    passages: Passages,
    avoid: Collection[str],
    *,
    speed_mps: float = math.inf,
) -> Iterator[GroundMission]:
    """Rounds that leave out the passages `avoid` behind node `at`, best first; () where none is.

    First round them all. Then to a place where it draws aside, nearest first, and from there as
    the streets lead: to be driven when those passages are free again. `streets` is the graph as it
    is open to the robot.
    """
    maker = _Maker(mission, at, streets, speed_mps)
    here = mission.nodes[at].node_id
    stops = _stops(mission, at)
    if not stops or here not in streets.nodes:
        return
    closed = passages.edges_of(avoid)
    try:
        ways = [maker.joined(stops, closed, len(stops))]
        far = streets.distances(here, closed)
        near = sorted(
            (node_id in passages.nodes, far_m, node_id)
            for node_id, far_m in far.items()
            if node_id in passages.waiting and node_id != here and far_m <= ASIDE_M
        )
        for _, _, node_id in near[:MOST_ASIDE]:
            ways.append(maker.joined(((node_id, ()), *stops), closed, 1))
    except StreetError:
        # a stop is on no street that is open now
        return
    for made in ways:
        if made is not None and made.content_hash != mission.content_hash:
            yield made


def _stops(mission: GroundMission, at: int) -> tuple[Stop, ...]:
    """What is left to be done, and where the round ends."""
    last = len(mission.nodes) - 1
    return tuple(
        (node.node_id, node.actions)
        for index, node in enumerate(mission.nodes)
        if index > at and (node.actions or index == last)
    )


@dataclass(frozen=True, slots=True)
class _Maker:
    """Rounds that are as they were up to node `at`."""

    mission: GroundMission
    at: int
    streets: StreetGraph
    speed_mps: float

    def joined(
        self, stops: Sequence[Stop], closed: frozenset[str], legs: int
    ) -> GroundMission | None:
        """The round by these stops; `closed` holds for so many of its legs from `at` on."""
        nodes = list(self.mission.nodes[: self.at + 1])
        edges = list(self.mission.edges[: self.at])
        for number, (node_id, actions) in enumerate(stops):
            shut = closed if number < legs else NO_EDGES
            way = self.streets.path(nodes[-1].node_id, node_id, shut, speed_mps=self.speed_mps)
            if way is None or (actions and not way and len(nodes) == self.at + 1):
                # nothing more can be done at the node where it stands: that is driven already
                return None
            for step in way:
                edges.append(_edge(step))
                node = self.streets.nodes[step.end_node_id]
                nodes.append(RouteNode(node.node_id, node.position))
            if actions:
                nodes[-1] = replace(nodes[-1], actions=nodes[-1].actions + actions)
        if len(nodes) == self.at + 1:
            return None
        return replace(self.mission, nodes=tuple(nodes), edges=tuple(edges))


def _edge(step: DirectedEdge) -> RouteEdge:
    return RouteEdge(
        step.edge.edge_id,
        step.start_node_id,
        step.end_node_id,
        step.edge.length_m,
        step.edge.max_speed_mps,
        step.geometry,
    )


def rest_of(mission: GroundMission, at: int) -> GroundMission:
    """What is left of a round behind node `at`, to be checked as a round of its own.

    What it has aboard counts as picked where it stands.
    """
    picked = {
        a.parcel_id for n in mission.nodes[at + 1 :] for a in n.actions if a.kind is StopAction.PICK
    }
    aboard = tuple(
        RouteAction(f"{mission.mission_id}:aboard:{a.parcel_id}", StopAction.PICK, a.parcel_id)
        for n in mission.nodes[at + 1 :]
        for a in n.actions
        if a.kind is StopAction.DROP and a.parcel_id not in picked
    )
    first = replace(mission.nodes[at], actions=aboard)
    return replace(mission, nodes=(first, *mission.nodes[at + 1 :]), edges=mission.edges[at:])
