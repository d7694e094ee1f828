"""Which address of a shared socket is which vehicle.

Owns the way from sysid to address and the rule for two that claim one sysid. Must not open
sockets or know what a message means.

A vehicle that moves to another address is followed at once. Where the old address speaks again
soon after, two vehicles claim the sysid: the first keeps it, the other is refused for as long as
the first is heard, and that is told. A signing key is the better remedy, for then only its holder
is heard at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

CONTEST_S = 10.0
"""An address that was silent for longer has given its sysid up."""


class Routes:
    """Addresses by sysid. `now_s` is monotonic; `tell` hears of a contest, by sysid."""

    def __init__(self, now_s: Callable[[], float], tell: Callable[[int], None]) -> None:
        self._now_s = now_s
        self._tell = tell
        self.by_system: dict[int, Any] = {}
        """The address of each vehicle. Read freely; changed by `claim` alone."""
        self.contested: dict[int, float] = {}
        """When the holder of a contested sysid was last heard."""
        self.refused: Counter[int] = Counter()
        """Frames of the other, by sysid."""
        self._left: dict[int, tuple[Any, float]] = {}

    def claim(self, system: int, address: Any) -> bool:
        """A frame of `system` came from `address`: whether it is the vehicle's."""
        now_s = self._now_s()
        holder = self.by_system.get(system)
        if system in self.contested:
            if address == holder:
                self.contested[system] = now_s
                return True
            if now_s - self.contested[system] < CONTEST_S:
                self.refused[system] += 1
                self._tell(system)
                return False
            del self.contested[system]
        if holder is None or holder == address:
            self.by_system[system] = address
            return True
        left = self._left.get(system)
        self.by_system[system] = address
        if left is not None and left[0] == address and now_s - left[1] < CONTEST_S:
            del self._left[system]
            self.contested[system] = now_s
            self._tell(system)
        else:
            self._left[system] = (holder, now_s)
        return True
