"""Fence and rally storage behind the item protocol.

Owns the staged fence (written whole or not at all) and the rally list (overwritten in
place). Fences are stored and read back; this copter does not act on them in flight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from sitl.copter import items as it
from sitl.copter.items import Item


class FenceStore:
    """Staged polygon and circle fence; ``say`` takes severity and text."""

    mission_type = int(mav.MAV_MISSION_TYPE_FENCE)
    timeout_text = "Fence upload timeout"

    def __init__(self, say: Callable[[int, str], None], changed: Callable[[int], None]) -> None:
        self.items: list[Item] = []
        self._staged: list[Item | None] | None = None
        self._say = say
        self._changed = changed
        self._total = self._seen_total = 0

    def count(self) -> int:
        """Stored items, or staged ones while receiving."""
        return len(self.items) if self._staged is None else len(self._staged)

    def capacity(self) -> int:
        """ArduCopter's limit (StorageManager area of 560 bytes)."""
        return 70

    def begin(self, count: int) -> None:
        """Stage an upload."""
        self._staged = [None] * count

    def put(self, seq: int, message: Any, last: int) -> int:  # noqa: ARG002
        """Stage one item."""
        if self._staged is None:
            self._staged = list(self.items)
        if seq >= len(self._staged):
            return it.INVALID_SEQUENCE
        item = it.fence_item(message)
        if isinstance(item, int):
            return item
        self._staged[seq] = item
        return it.ACCEPTED

    def complete(self) -> int:
        """Write the staged fence, or keep the old one."""
        staged = [item for item in self._staged or [] if item is not None]
        fault = it.fence_fault(staged)
        if fault:
            self._say(4, fault)
            return it.ERROR
        self.items = staged
        self._tell_total()
        return it.ACCEPTED

    def _tell_total(self) -> None:
        """FENCE_TOTAL as AC_PolyFence_loader::write_fence sets it."""
        lines = len(self.items)
        self._total = lines + 2 if lines >= 3 else 0
        self._changed(self._total)

    def update(self) -> None:
        """A fence whose FENCE_TOTAL has fallen to 0 is taken for one cleared by the old protocol.

        AC_PolyFence_loader::update: so one or two circles that follow a larger fence are erased.
        """
        if self._seen_total != self._total:
            self._seen_total = self._total
            if self._total == 0:
                self.items = []

    def abandon(self) -> None:
        """Drop what was staged."""
        self._staged = None

    def get(self, seq: int) -> Item | None:
        """An item for reading."""
        return self.items[seq] if 0 <= seq < len(self.items) else None

    def clear(self) -> bool:
        """Remove the fence."""
        self.items = []
        self._tell_total()
        return True


class RallyStore:
    """Rally points, overwritten in place."""

    mission_type = int(mav.MAV_MISSION_TYPE_RALLY)
    timeout_text = "Rally upload timeout"

    def __init__(self, changed: Callable[[int], None]) -> None:
        self.items: list[Item] = []
        self._changed = changed

    def count(self) -> int:
        """Stored points."""
        return len(self.items)

    def capacity(self) -> int:
        """ArduCopter's limit."""
        return 46

    def begin(self, count: int) -> None:
        """Truncate."""
        del self.items[count:]
        self._changed(len(self.items))

    def put(self, seq: int, message: Any, last: int) -> int:  # noqa: ARG002
        """Overwrite or append."""
        item = it.rally_item(message)
        if isinstance(item, int):
            return item
        if seq > len(self.items):
            return it.ERROR
        self.items[seq : seq + 1] = [item]
        self._changed(len(self.items))
        return it.ACCEPTED

    def complete(self) -> int:
        """Nothing is left to do."""
        return it.ACCEPTED

    def abandon(self) -> None:
        """What was written stays."""

    def get(self, seq: int) -> Item | None:
        """A point for reading."""
        return self.items[seq] if 0 <= seq < len(self.items) else None

    def clear(self) -> bool:
        """Remove all points."""
        self.begin(0)
        return True
