"""How a ring of robots that wait for each other is undone: one of them takes another way.

Owns the choice of who gives way. Must not make ways: the caller is asked for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from controller.network.leases import LeaseBook
from missions.passages import Claim


@dataclass(frozen=True, slots=True)
class Detour:
    """Another way for a robot, from where it stands: its id, its needs, its last node's place."""

    route: str
    claims: tuple[Claim, ...]
    last: int


Reroute = Callable[[str, frozenset[str]], Sequence[Detour]]
"""Ways for a robot that leave out these passages, best first: round them all to its end, or to a
place where it draws aside and goes on from later."""


@dataclass(frozen=True, slots=True)
class Unlocked:
    """Who gives way, and by which way."""

    vehicle_id: str
    detour: Detour


def unlock(book: LeaseBook, ring: Sequence[str], reroute: Reroute) -> Unlocked | None:
    """Who of a ring is to take which other way; None where no way of one of them undoes it.

    The one that holds least gives way, then the one with the smaller name. Nothing is changed.
    """
    able = book.able()
    holders = book.holders()
    held = {v: frozenset(p for p, who in holders.items() if v in who) for v in ring}
    for vehicle_id in sorted(ring, key=lambda v: (len(held[v]), v)):
        others = frozenset().union(*(held[v] for v in ring if v != vehicle_id))
        for detour in reroute(vehicle_id, others):
            trial = book.copy()
            trial.reroute(vehicle_id, detour.route, detour.claims, detour.last)
            after = trial.able()
            if able < after and set(ring) <= after:
                return Unlocked(vehicle_id, detour)
    return None
