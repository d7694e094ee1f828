"""The street graph's GeoJSON form: reading, checking and writing it.

Owns the properties and what may stand in them. Must not open files.

A street is a LineString with edge_id, kind, max_speed_mps, one_way, start_node, end_node, and
where known width_m, incline_pct, surface, passage, hours with timezone. A node that robots use by
turns is a Point with node_id and passage.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from geofence.errors import FrameError
from geofence.frames import LatLon, geodesic_m
from geofence.schedule import Calendar, Schedule
from missions.opening import HoursError, read_hours, write_hours
from missions.roads import (
    Passage,
    StreetEdge,
    StreetError,
    StreetFileError,
    StreetGraph,
    StreetNode,
    line_length_m,
)

_NODE_TOLERANCE_DEG = 2e-6
"""Two line ends that claim one node may differ by rounding to six decimals, no more."""

_MAX_FINDINGS = 100


def read_streets(data: bytes | str) -> StreetGraph:
    """The graph of a GeoJSON FeatureCollection.

    Raises StreetFileError naming every bad feature and field.
    """
    edges: list[StreetEdge] = []
    errors: list[StreetError] = []
    nodes: dict[str, StreetNode] = {}
    places: dict[str, StreetNode] = {}
    for number, feature in enumerate(_features(data)):
        try:
            place = _place(number, feature)
            if place is not None:
                places[place.node_id] = place
                continue
            edge = _edge(number, feature)
            for node_id, position in (
                (edge.start_node_id, edge.geometry[0]),
                (edge.end_node_id, edge.geometry[-1]),
            ):
                _same_place(
                    edge.edge_id, nodes.setdefault(node_id, StreetNode(node_id, position)), position
                )
            edges.append(edge)
        except StreetError as error:
            errors.append(error)
            if len(errors) >= _MAX_FINDINGS:
                break
    errors += _unused(places, nodes)
    if errors:
        raise StreetFileError(tuple(errors))
    nodes = {node_id: places.get(node_id, node) for node_id, node in nodes.items()}
    try:
        return StreetGraph(nodes.values(), edges)
    except StreetError as error:
        raise StreetFileError((error,)) from error


def write_streets(graph: StreetGraph, *, decimals: int = 7) -> dict[str, Any]:
    """The GeoJSON FeatureCollection that read_streets takes, ready for json.dumps."""
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {
                    "edge_id": edge.edge_id,
                    "kind": edge.kind,
                    "max_speed_mps": edge.max_speed_mps,
                    "one_way": edge.one_way,
                    "start_node": edge.start_node_id,
                    "end_node": edge.end_node_id,
                    **_known(edge),
                },
                "geometry": {
                    "type": "LineString",
                    "coordinates": [
                        [round(p.lon_deg, decimals), round(p.lat_deg, decimals)]
                        for p in edge.geometry
                    ],
                },
            }
            for edge in graph.edges.values()
        ]
        + [
            {
                "type": "Feature",
                "properties": {"node_id": node.node_id, "passage": node.passage.value},
                "geometry": {
                    "type": "Point",
                    "coordinates": [
                        round(node.position.lon_deg, decimals),
                        round(node.position.lat_deg, decimals),
                    ],
                },
            }
            for node in graph.nodes.values()
            if node.passage is not None
        ],
    }


def _known(edge: StreetEdge) -> dict[str, object]:
    """What is written only where it is known."""
    told: dict[str, object] = {}
    if edge.width_m is not None:
        told["width_m"] = edge.width_m
    if edge.incline_pct is not None:
        told["incline_pct"] = edge.incline_pct
    if edge.surface:
        told["surface"] = edge.surface
    if edge.passage is not None:
        told["passage"] = edge.passage.value
    if edge.hours is not None:
        told["hours"], told["timezone"] = write_hours(edge.hours)
    return told


def _features(data: bytes | str) -> Iterator[object]:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StreetFileError((StreetError("?", "file", f"is not JSON: {error}"),)) from error
    if not isinstance(body, dict) or body.get("type") != "FeatureCollection":
        raise StreetFileError(
            (StreetError("?", "type", "the file must be a GeoJSON FeatureCollection"),)
        )
    features = body.get("features")
    if not isinstance(features, list):
        raise StreetFileError((StreetError("?", "features", "must be a list"),))
    yield from features


def _edge(number: int, feature: object) -> StreetEdge:
    name = f"#{number}"
    if not isinstance(feature, dict):
        raise StreetError(name, "feature", "must be an object")
    properties = feature.get("properties")
    if not isinstance(properties, dict):
        raise StreetError(name, "properties", "must be an object")
    edge_id = _text(name, properties, "edge_id")
    geometry = _line(edge_id, feature.get("geometry"))
    one_way = properties.get("one_way", False)
    if not isinstance(one_way, bool):
        raise StreetError(edge_id, "one_way", f"must be true or false, not {one_way!r}")
    speed = properties.get("max_speed_mps")
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not 0.0 < speed <= 60.0:
        raise StreetError(
            edge_id, "max_speed_mps", f"must be a number above 0 and up to 60, not {speed!r}"
        )
    return StreetEdge(
        edge_id=edge_id,
        start_node_id=_text(edge_id, properties, "start_node"),
        end_node_id=_text(edge_id, properties, "end_node"),
        length_m=line_length_m(geometry),
        max_speed_mps=float(speed),
        geometry=geometry,
        kind=_text(edge_id, properties, "kind"),
        one_way=one_way,
        width_m=_number(edge_id, properties, "width_m", (0.0, 100.0)),
        incline_pct=_number(edge_id, properties, "incline_pct", (-100.0, 100.0)),
        surface=_text(edge_id, properties, "surface") if "surface" in properties else "",
        passage=_passage(edge_id, properties, set(Passage) - {Passage.DOCK}),
        hours=_hours(edge_id, properties),
    )


def _place(number: int, feature: object) -> StreetNode | None:
    """A node that robots use by turns; None for a feature that is no Point."""
    if not isinstance(feature, dict):
        return None
    geometry, properties = feature.get("geometry"), feature.get("properties")
    if not isinstance(geometry, dict) or geometry.get("type") != "Point":
        return None
    if not isinstance(properties, dict) or "edge_id" in properties:
        return None
    node_id = _text(f"#{number}", properties, "node_id")
    passage = _passage(node_id, properties, set(Passage) - {Passage.NARROW})
    if passage is None:
        raise StreetError(node_id, "passage", "a Point needs one: crossing, dock or lift")
    position = geometry.get("coordinates")
    return StreetNode(node_id, _position(node_id, 0, position), passage)


def _unused(places: Mapping[str, StreetNode], nodes: Mapping[str, StreetNode]) -> list[StreetError]:
    errors: list[StreetError] = []
    for node_id, place in places.items():
        node = nodes.get(node_id)
        if node is None:
            errors.append(StreetError(node_id, "node_id", "no street starts or ends at this node"))
            continue
        try:
            _same_place(node_id, node, place.position)
        except StreetError as error:
            errors.append(error)
    return errors


def _number(
    name: str, properties: Mapping[str, object], field: str, limits: tuple[float, float]
) -> float | None:
    value = properties.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise StreetError(name, field, f"must be a number, not {value!r}")
    if not (math.isfinite(value) and limits[0] <= value <= limits[1]):
        raise StreetError(name, field, f"must be from {limits[0]:g} to {limits[1]:g}, not {value}")
    return float(value)


def _passage(name: str, properties: Mapping[str, object], allowed: set[Passage]) -> Passage | None:
    value = properties.get("passage")
    if value is None:
        return None
    if value not in {each.value for each in allowed}:
        words = ", ".join(sorted(each.value for each in allowed))
        raise StreetError(name, "passage", f"must be one of {words}, not {value!r}")
    return Passage(str(value))


def _hours(name: str, properties: Mapping[str, object]) -> Schedule | Calendar | None:
    if properties.get("hours") is None:
        return None
    try:
        return read_hours(_text(name, properties, "hours"), _text(name, properties, "timezone"))
    except HoursError as error:
        raise StreetError(name, "hours", str(error)) from error


def _text(name: str, properties: Mapping[str, object], field: str) -> str:
    value = properties.get(field)
    if not isinstance(value, str) or not value:
        raise StreetError(name, field, f"must be a text that is not empty, not {value!r}")
    return value


def _line(name: str, geometry: object) -> tuple[LatLon, ...]:
    if not isinstance(geometry, dict) or geometry.get("type") != "LineString":
        raise StreetError(name, "geometry", "must be a LineString")
    coordinates = geometry.get("coordinates")
    if not isinstance(coordinates, list) or len(coordinates) < 2:
        raise StreetError(name, "geometry", "needs at least two positions")
    points = [_position(name, number, position) for number, position in enumerate(coordinates)]
    return tuple(points)


def _position(name: str, number: int, position: object) -> LatLon:
    if (
        not isinstance(position, list)
        or len(position) < 2
        or any(isinstance(v, bool) or not isinstance(v, int | float) for v in position[:2])
    ):
        raise StreetError(
            name, "geometry", f"position {number} must be [longitude, latitude]: {position!r}"
        )
    try:
        return LatLon(float(position[1]), float(position[0]))
    except (FrameError, OverflowError) as error:
        raise StreetError(name, "geometry", f"position {number}: {error}") from error


def _same_place(edge_id: str, node: StreetNode, position: LatLon) -> None:
    lon = abs(node.position.lon_deg - position.lon_deg)
    lat = abs(node.position.lat_deg - position.lat_deg)
    if max(lat, min(lon, 360.0 - lon)) > _NODE_TOLERANCE_DEG:
        raise StreetError(
            edge_id,
            "geometry",
            f"does not end at node {node.node_id!r}, which another street puts "
            f"{geodesic_m(node.position, position):.1f} m away",
        )
