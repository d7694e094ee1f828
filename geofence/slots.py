"""Pads and corridors that one vehicle, or a few, may use at a time: interval scheduling.

A place has room where fewer hold it than its capacity. In a corridor two that go opposite ways are
never together, whatever its capacity; two that go the same way enter and leave in the same order,
each at least the headway behind the other.

Owns the book of reservations, immutable. Must not know flights: a caller names the places that one
needs, and when.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from geofence.errors import PathError

Cause = Literal["full", "opposite", "headway"]


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """A place taken from `begin_s` until before `end_s` (seconds of any one clock)."""

    begin_s: float
    end_s: float
    holder: str
    way: int = 0
    """In a corridor 1 along its line or -1 against it; 0: neither."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.begin_s) and self.begin_s < self.end_s < math.inf):
            raise PathError(f"slot of {self.holder}: from {self.begin_s} to {self.end_s} s is none")


@dataclass(frozen=True, slots=True)
class Need:
    """A place and when it is needed, in seconds after the start that is looked for."""

    place: str
    after_s: float
    lasts_s: float
    way: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.after_s) and 0.0 < self.lasts_s < math.inf):
            raise PathError(f"{self.place}: {self.lasts_s} s from {self.after_s} s is no need")


@dataclass(frozen=True, slots=True)
class Taken:
    """Why a reservation was not made: who holds the place, and when its begin has room again."""

    place: str
    holders: tuple[str, ...]
    free_at_s: float
    cause: Cause = "full"


@dataclass(frozen=True, slots=True)
class SlotBook:
    """Who uses which place when. `capacity`: how many at a time; one where nothing is said."""

    capacity: Mapping[str, int] = field(default_factory=dict)
    slots: Mapping[str, tuple[Slot, ...]] = field(default_factory=dict)
    """By place, in order of begin."""
    headway_s: Mapping[str, float] = field(default_factory=dict)
    """By corridor; none where nothing is said."""

    def __post_init__(self) -> None:
        for place, seconds in self.headway_s.items():
            if not (math.isfinite(seconds) and seconds >= 0.0):
                raise PathError(f"headway of {place}: {seconds} s must not be negative")
        for place, count in self.capacity.items():
            if count < 1:
                raise PathError(f"capacity of {place}: {count} is less than one")

    def reserve(self, place: str, slot: Slot) -> SlotBook | Taken:
        """The book with one more slot, or why there is no room."""
        return self._barred(place, slot) or self.hold(place, slot)

    def hold(self, place: str, slot: Slot) -> SlotBook:
        """The book with one more slot, room or no room: somebody is there, or will be."""
        slots = tuple(sorted((*self.slots.get(place, ()), slot)))
        return replace(self, slots={**self.slots, place: slots})

    def release(self, holder: str) -> SlotBook:
        """The book without the slots of one holder."""
        kept = {p: tuple(s for s in slots if s.holder != holder) for p, slots in self.slots.items()}
        return replace(self, slots=kept)

    def before(self, now_s: float) -> SlotBook:
        """The book without what is over at `now_s`."""
        kept = {p: tuple(s for s in slots if s.end_s > now_s) for p, slots in self.slots.items()}
        return replace(self, slots=kept)

    def earliest(
        self,
        needs: Sequence[Need],
        not_before_s: float,
        holder: str = "",
        latest_s: float = math.inf,
    ) -> float | Taken:
        """The first start from `not_before_s` on at which every need has room.

        Exact: a start that does not fit is put off to when the place that bars it gets free. Own
        slots of `holder` do not bar it. `latest_s` ends the search with what bars it last.
        """
        start = not_before_s
        while True:
            found = self._first_bar(needs, start, holder)
            if found is None:
                return start
            need, taken = found
            # rounding must not leave it where it was
            start = max(taken.free_at_s - need.after_s, math.nextafter(start, math.inf))
            if start > latest_s:
                return taken

    def bar(self, needs: Sequence[Need], start_s: float, holder: str = "") -> Taken | None:
        """What bars a start at this moment, or None."""
        found = self._first_bar(needs, start_s, holder)
        return None if found is None else found[1]

    def _first_bar(
        self, needs: Sequence[Need], start_s: float, holder: str
    ) -> tuple[Need, Taken] | None:
        for need in needs:
            taken = self._barred(need.place, _slot(need, start_s, holder))
            if taken is not None:
                return need, taken
        return None

    def take(self, needs: Sequence[Need], start_s: float, holder: str) -> SlotBook | Taken:
        """The book with every need reserved, or with none of them and why."""
        book = self
        for need in needs:
            found = book.reserve(need.place, _slot(need, start_s, holder))
            if isinstance(found, Taken):
                return found
            book = found
        return book

    def _barred(self, place: str, slot: Slot) -> Taken | None:
        return self._in_the_way(place, slot) or self._full(
            place, slot.begin_s, slot.end_s, slot.holder
        )

    def _in_the_way(self, place: str, slot: Slot) -> Taken | None:
        """The last of those who go the other way, or the same too near before or behind."""
        if not slot.way:
            return None
        headway_s = self.headway_s.get(place, 0.0)
        worst: Taken | None = None
        for other in self.slots.get(place, ()):
            if other.holder == slot.holder or not other.way:
                continue
            found = _opposite(place, slot, other)
            if other.way == slot.way:
                found = _too_near(place, slot, other, headway_s)
            if found is not None and (worst is None or found.free_at_s > worst.free_at_s):
                worst = found
        return worst

    def _full(self, place: str, begin_s: float, end_s: float, holder: str) -> Taken | None:
        """The last moment in [begin, end) at which the place is full, with who holds it."""
        count = self.capacity.get(place, 1)
        slots = self.slots.get(place, ())
        until = bisect_left(slots, end_s, key=lambda slot: slot.begin_s)
        near = [s for s in slots[:until] if s.end_s > begin_s and s.holder != holder]
        worst: Taken | None = None
        for at in (begin_s, *(s.begin_s for s in near if s.begin_s > begin_s)):
            here = sorted(s.end_s for s in near if s.begin_s <= at < s.end_s)
            if len(here) >= count:
                holders = tuple(s.holder for s in near if s.begin_s <= at < s.end_s)
                # when enough of them have gone
                worst = Taken(place, holders, here[len(here) - count])
        return worst


def _slot(need: Need, start_s: float, holder: str) -> Slot:
    begin = start_s + need.after_s
    return Slot(begin, begin + need.lasts_s, holder, need.way)


def _opposite(place: str, slot: Slot, other: Slot) -> Taken | None:
    if other.way == slot.way or other.end_s <= slot.begin_s or slot.end_s <= other.begin_s:
        return None
    return Taken(place, (other.holder,), other.end_s, "opposite")


def _too_near(place: str, slot: Slot, other: Slot, headway_s: float) -> Taken | None:
    ahead = slot.begin_s + headway_s <= other.begin_s and slot.end_s + headway_s <= other.end_s
    # how much later it would have to be to keep behind, both where it enters and where it leaves
    late_s = max(other.begin_s - slot.begin_s, other.end_s - slot.end_s) + headway_s
    if ahead or late_s <= 0.0:
        return None
    return Taken(place, (other.holder,), slot.begin_s + late_s, "headway")
