"""How a ring of robots that wait for each other is undone: one of them takes another way.

Owns the choice of who gives way. Must not make ways: the caller is asked for them.

The one that holds least gives way, then the one with the smaller name; two of them where one is
not enough. What is chosen lets all of the ring reach their ends, one after the other, and nobody
else is kept from his. So the robots that can reach their ends become more with every choice, and
no grant ever makes them fewer: there are no more changes than robots until a new round begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from controller.network.leases import LeaseBook
from missions.passages import Claim

MOST_TRIALS = 600
"""Ways that are tried for one ring before it is left to a person."""


@dataclass(frozen=True, slots=True)
class Detour:
    """Another way for a robot behind the node that it waits at.

    Its name, the needs of all of the way, the driven part included, and its last node's place.
    """

    route: str
    claims: tuple[Claim, ...]
    last: int


Reroute = Callable[[str, frozenset[str]], Sequence[Detour]]
"""Ways for a robot that leave out these passages, best first: round them all to its end, or to a
place where it draws aside and goes on from later. Nothing for one that cannot be given another."""


@dataclass(frozen=True, slots=True)
class Unlocked:
    """Who gives way, and by which way."""

    vehicle_id: str
    detour: Detour


def unlock(
    book: LeaseBook, ring: Sequence[str], reroute: Reroute, *, most_changes: int = 2
) -> tuple[Unlocked, ...]:
    """Who of a ring is to take which other way; nothing where no way is found.

    Nothing is changed.
    """
    able = book.able()
    trials = 0
    for changes in range(1, min(most_changes, len(ring)) + 1):
        for trial, plan in _plans(book, ring, reroute, changes):
            after = trial.able()
            if able < after and set(ring) <= after:
                return plan
            trials += 1
            if trials >= MOST_TRIALS:
                return ()
    return ()


def _plans(
    book: LeaseBook, ring: Sequence[str], reroute: Reroute, changes: int
) -> Iterator[tuple[LeaseBook, tuple[Unlocked, ...]]]:
    """The book after so many changes, and these."""
    if not changes:
        yield book, ()
        return
    holders = book.holders()
    held = {v: frozenset(p for p, who in holders.items() if v in who) for v in ring}
    for vehicle_id in sorted(ring, key=lambda v: (len(held[v]), v)):
        others = frozenset().union(*(held[v] for v in ring if v != vehicle_id))
        for detour in reroute(vehicle_id, others - held[vehicle_id]):
            trial = book.copy()
            trial.reroute(vehicle_id, detour.claims, detour.last)
            rest = [v for v in ring if v != vehicle_id] if changes > 1 else ring
            for after, plan in _plans(trial, rest, reroute, changes - 1):
                yield after, (Unlocked(vehicle_id, detour), *plan)
