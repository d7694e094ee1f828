"""Pads and corridors that one vehicle, or a few, may use at a time: interval scheduling.

Owns the book of reservations, immutable. Must not know flights: a caller names the places that one
needs, and when.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from geofence.errors import PathError


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """A place taken from `begin_s` until before `end_s` (seconds of any one clock)."""

    begin_s: float
    end_s: float
    holder: str

    def __post_init__(self) -> None:
        if not (math.isfinite(self.begin_s) and self.begin_s < self.end_s < math.inf):
            raise PathError(f"slot of {self.holder}: from {self.begin_s} to {self.end_s} s is none")


@dataclass(frozen=True, slots=True)
class Need:
    """A place and when it is needed, in seconds after the start that is looked for."""

    place: str
    after_s: float
    lasts_s: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.after_s) and 0.0 < self.lasts_s < math.inf):
            raise PathError(f"{self.place}: {self.lasts_s} s from {self.after_s} s is no need")


@dataclass(frozen=True, slots=True)
class Taken:
    """Why a reservation was not made: who holds the place, and until when it stays full."""

    place: str
    holders: tuple[str, ...]
    free_at_s: float


@dataclass(frozen=True, slots=True)
class SlotBook:
    """Who uses which place when. `capacity`: how many at a time; one where nothing is said."""

    capacity: Mapping[str, int] = field(default_factory=dict)
    slots: Mapping[str, tuple[Slot, ...]] = field(default_factory=dict)
    """By place, in order of begin."""

    def __post_init__(self) -> None:
        for place, count in self.capacity.items():
            if count < 1:
                raise PathError(f"capacity of {place}: {count} is less than one")

    def reserve(self, place: str, slot: Slot) -> SlotBook | Taken:
        """The book with one more slot, or why there is no room."""
        taken = self._full(place, slot.begin_s, slot.end_s, slot.holder)
        if taken is not None:
            return taken
        slots = tuple(sorted((*self.slots.get(place, ()), slot)))
        return SlotBook(self.capacity, {**self.slots, place: slots})

    def release(self, holder: str) -> SlotBook:
        """The book without the slots of one holder."""
        kept = {p: tuple(s for s in slots if s.holder != holder) for p, slots in self.slots.items()}
        return SlotBook(self.capacity, kept)

    def before(self, now_s: float) -> SlotBook:
        """The book without what is over at `now_s`."""
        kept = {p: tuple(s for s in slots if s.end_s > now_s) for p, slots in self.slots.items()}
        return SlotBook(self.capacity, kept)

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
            for need in needs:
                begin = start + need.after_s
                taken = self._full(need.place, begin, begin + need.lasts_s, holder)
                if taken is not None:
                    break
            else:
                return start
            # rounding must not leave it where it was
            start = max(taken.free_at_s - need.after_s, math.nextafter(start, math.inf))
            if start > latest_s:
                return taken

    def take(self, needs: Sequence[Need], start_s: float, holder: str) -> SlotBook | Taken:
        """The book with every need reserved, or with none of them and why."""
        book = self
        for need in needs:
            begin = start_s + need.after_s
            found = book.reserve(need.place, Slot(begin, begin + need.lasts_s, holder))
            if isinstance(found, Taken):
                return found
            book = found
        return book

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
