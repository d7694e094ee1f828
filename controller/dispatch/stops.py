"""Places on the street graph: where a robot stops for them, and how far they are apart.

Owns the translation of a decision's places to nodes and to one distance matrix. Must not choose.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from controller.dispatch.feasibility import No
from controller.dispatch.model import ParcelFacts, VehicleFacts, World
from controller.dispatch.plans import OpenStreets, Plans
from geofence.frames import LatLon
from missions.plan_reasons import zone_words
from missions.plan_round import far_words, stop_node
from missions.roads import StreetGraph

Array = npt.NDArray[np.float64]

MOST_NAMED = 3
"""Zones named in one sentence."""


class Stops:
    """The stops of one decision. `streets` None: there are no streets at all."""

    def __init__(self, world: World, plans: Plans) -> None:
        self._world = world
        self._plans = plans
        self._open: OpenStreets | None = plans.streets(world)
        self._nodes: dict[tuple[int, str, LatLon], str | float] = {}

    @property
    def streets(self) -> OpenStreets | None:
        """The open graph."""
        return self._open

    def base(self, vehicle: VehicleFacts) -> str | None:
        """The node of a robot's base, None where no open street is near."""
        return self._base(self._open.graph, vehicle) if self._open else None

    def start(self, vehicle: VehicleFacts) -> str | None:
        """The node where a robot is now."""
        base = self.base(vehicle)
        if self._open is None or base is None:
            return None
        place = vehicle.telemetry.position or vehicle.base.position
        found = self._node(self._open.graph, base, place)
        return found if isinstance(found, str) else None

    def ends(self, vehicle: VehicleFacts, facts: ParcelFacts) -> tuple[str, str] | No:
        """The nodes of a parcel's origin and destination for this robot, or why there are none."""
        if self._open is None:
            return No("street", "no streets are known: import streets", permanent=True)
        graph = self._open.graph
        base = self._base(graph, vehicle)
        found: list[str] = []
        for what, place in _places(facts):
            node: str | float = math.inf if base is None else self._node(graph, base, place)
            if isinstance(node, float):
                return self._far(self._open, vehicle, (what, place), node)
            found.append(node)
        return found[0], found[1]

    def _base(self, graph: StreetGraph, vehicle: VehicleFacts) -> str | None:
        found = self._node(graph, "", vehicle.base.position)
        return found if isinstance(found, str) else None

    def _node(self, graph: StreetGraph, base: str, place: LatLon) -> str | float:
        key = (id(graph), base, place)
        if key not in self._nodes:
            self._nodes[key] = stop_node(place, graph, self._world.settings.round, base=base)
        return self._nodes[key]

    def _far(
        self, streets: OpenStreets, vehicle: VehicleFacts, stop: tuple[str, LatLon], away_m: float
    ) -> No:
        what, place = stop
        lasting = streets.lasting
        base = self._base(lasting, vehicle)
        permanent = base is None or isinstance(self._node(lasting, base, place), float)
        names = self._closing(vehicle, place)
        text = far_words(what, away_m, self._world.settings.round)
        if names:
            text = f"{names} closes the streets to {what}: {text}"
        elif streets.unfit:
            text = f"{text} ({self._unfit(streets)})"
        return No("street", text, permanent=permanent)

    @staticmethod
    def _unfit(streets: OpenStreets) -> str:
        """How many streets robots do not fit, with one of them."""
        edge_id, why = min(streets.unfit.items(), key=lambda item: (not item[1].lasting, item[0]))
        rest = len(streets.unfit) - 1
        return f"street {edge_id} {why.text}" + (f", and {rest} more are closed" if rest else "")

    def _closing(self, vehicle: VehicleFacts, place: LatLon) -> str:
        """Names of the zones without which there would be a way; empty where none is to blame."""
        whole = self._world.streets
        if self._open is None or whole is None or not self._open.closed:
            return ""
        base = self._base(whole, vehicle)
        node = math.inf if base is None else self._node(whole, base, place)
        if isinstance(node, float):
            return ""
        closed = self._open.closed
        touching = [
            zone_id
            for edge_id, ids in closed.items()
            if node in {whole.edges[edge_id].start_node_id, whole.edges[edge_id].end_node_id}
            for zone_id in ids
        ]
        ids = sorted(set(touching or (zone_id for ids in closed.values() for zone_id in ids)))
        found = [self._world.zones.get(zone_id) for zone_id in ids[:MOST_NAMED]]
        return ", ".join(zone_words(zone) for zone in found if zone is not None)

    def matrix(self, node_ids: Iterable[str]) -> tuple[Mapping[str, int], Array]:
        """Rows by node id, and driving metres between all of them; inf where there is no way."""
        order = sorted(set(node_ids))
        rows = {node_id: row for row, node_id in enumerate(order)}
        far = np.full((len(order), len(order)), np.inf)
        if self._open is not None:
            for row, node_id in enumerate(order):
                known = self._plans.distances(self._open.graph, node_id)
                far[row] = [known.get(other, np.inf) for other in order]
        return rows, far

    def late_s(self, rows: Mapping[str, int], speed_mps: float) -> Array | None:
        """Seconds that slow streets cost a robot of this speed between rows; None: none do."""
        late = np.zeros((len(rows), len(rows)))
        if self._open is not None:
            for node_id, row in rows.items():
                known = self._plans.late_s(self._open.graph, node_id, speed_mps)
                late[row] = [known.get(other, 0.0) for other in rows]
        return late if late.any() else None


def _places(facts: ParcelFacts) -> tuple[tuple[str, LatLon], tuple[str, LatLon]]:
    return (
        ("the origin", facts.origin.position),
        ("the destination", facts.parcel.destination.position),
    )
