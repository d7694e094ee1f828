"""Passages as an operator sees them: who has each, who waits for it, where it is.

Owns that view of the lease book. Must not change it.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.network.leases import LeaseBook
from geofence.frames import LatLon
from missions.passages import Passages
from missions.roads import StreetGraph


@dataclass(frozen=True, slots=True)
class PassageView:
    """One passage now."""

    passage_id: str
    kind: str
    """crossing, narrow, lift or dock"""
    holders: tuple[tuple[str, str], ...]
    """Robots that have it, each with how: ahead, back, or both where it has it to itself."""
    waiting: tuple[str, ...]
    """Robots that stand and wait for it."""
    lines: tuple[tuple[LatLon, ...], ...]
    """Its streets; a place is a line of one position."""


def passage_views(
    passages: Passages, book: LeaseBook, streets: StreetGraph, *, everyone: bool = False
) -> list[PassageView]:
    """Those that somebody has or waits for; with `everyone` all of them. By name."""
    holders = book.holders()
    waiting: dict[str, list[str]] = {}
    for vehicle_id, others in book.waits().items():
        if others and book.stuck(vehicle_id):
            for need in book.wanted_of(vehicle_id):
                waiting.setdefault(need.passage_id, []).append(vehicle_id)
    used = holders.keys() | waiting.keys()
    names = passages.kinds.keys() if everyone else used & passages.kinds.keys()
    lines: dict[str, list[tuple[LatLon, ...]]] = {}
    for edge_id, (name, _) in passages.edges.items():
        if name in names:
            lines.setdefault(name, []).append(streets.edges[edge_id].geometry)
    for node_id, name in passages.nodes.items():
        if name in names:
            lines.setdefault(name, []).append((streets.nodes[node_id].position,))
    return [
        PassageView(
            name,
            passages.kinds[name].value,
            tuple(
                (v, "both" if len(ways) > 1 else ways[0].value)
                for v, ways in sorted(holders.get(name, {}).items())
            ),
            tuple(sorted(waiting.get(name, ()))),
            tuple(lines.get(name, ())),
        )
        for name in sorted(names)
    ]
