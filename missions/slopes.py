"""How steep streets are, by a grid of heights.

Owns the slope of a street. Must not read files, and must not overrule a slope that is known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from geofence.frames import LatLon, geodesic_m
from geofence.terrain import Grid
from missions.roads import StreetGraph

STEP_M = 5.0
SPAN_M = 15.0
"""Slopes are taken over no less: a grid of heights says nothing of a kerb."""

_LEAST_M = 2.0
"""Of a street shorter than this no slope is told."""


def with_slopes(graph: StreetGraph, terrain: Grid) -> StreetGraph:
    """The graph with the slope of every street that has none and whose heights are known."""
    return StreetGraph(
        graph.nodes.values(),
        (
            edge
            if edge.incline_pct is not None
            else replace(edge, incline_pct=incline_pct(edge.geometry, terrain))
            for edge in graph.edges.values()
        ),
    )


def incline_pct(line: Sequence[LatLon], terrain: Grid, span_m: float = SPAN_M) -> float | None:
    """The steepest slope of a line, metres for a hundred, above 0 where it rises.

    Taken over `span_m`, or the whole of a shorter line; None where a height is not known or the
    line is too short.
    """
    lengths = [geodesic_m(a, b) for a, b in pairwise(line)]
    total_m = math.fsum(lengths)
    if total_m < _LEAST_M:
        return None
    count = max(1, math.ceil(total_m / STEP_M))
    along = np.linspace(0.0, total_m, count + 1)
    run = np.concatenate([[0.0], np.cumsum(lengths)])
    # a street does not pass the antimeridian; its ends would be a turn apart
    lon = np.interp(along, run, [p.lon_deg for p in line])
    lat = np.interp(along, run, [p.lat_deg for p in line])
    heights = terrain.heights(np.stack([lon, lat], axis=-1))
    if not np.isfinite(heights).all():
        return None
    stride = min(count, max(1, round(span_m / (total_m / count))))
    slopes = 100.0 * (heights[stride:] - heights[:-stride]) / (along[stride:] - along[:-stride])
    steepest = float(slopes[np.argmax(np.abs(slopes))])
    return round(max(-100.0, min(100.0, steepest)), 2)
