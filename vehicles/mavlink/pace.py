"""When a socket is read: at each datagram, or in turns of many.

Owns the rule. Must not read a clock, set a timer or know a socket. To be woken for each of a
fleet's datagrams costs several times what it costs to read them; a turn of a few milliseconds
takes many at once, and is short beside any radio's round trip.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

WINDOW_S = 0.1
BUSY_DATAGRAMS = 60
"""So many in one window, and the socket is read in turns. The transfer of a mission to a single
vehicle stays below it and loses no time."""
QUIET_DATAGRAMS = 30
"""Fewer than that in a window, and each datagram wakes again."""
FULL_DATAGRAMS = 300
"""So many in one window, and the turns are long."""
TURN_S, LONG_TURN_S = 0.005, 0.01


@dataclass(slots=True)
class Pace:
    """The pace of one socket; `turn_s` is 0 where each datagram wakes."""

    turn_s: float = 0.0
    _began_s: float = 0.0
    _count: int = 0

    def count(self, datagrams: int, now_s: float) -> None:
        """So many were read just now."""
        self._count += datagrams
        if now_s - self._began_s < WINDOW_S:
            if not self.turn_s and self._count >= BUSY_DATAGRAMS:
                self.turn_s = TURN_S
            return
        least = QUIET_DATAGRAMS if self.turn_s else BUSY_DATAGRAMS
        if self._count >= FULL_DATAGRAMS:
            self.turn_s = LONG_TURN_S
        else:
            self.turn_s = TURN_S if self._count >= least else 0.0
        self._began_s, self._count = now_s, 0

    def next_s(self, now_s: float) -> float:
        """When the next turn is: at multiples of its length, at which all sockets have theirs."""
        turns = math.floor(now_s / self.turn_s) + 1
        when_s = turns * self.turn_s
        # a turn that came by a rounding too early is over all the same
        return when_s if when_s > now_s else when_s + self.turn_s
