"""How often messages that make no sense are told: one alarm a topic and minute, with a count.

Owns the counts. Pure; whoever asks gives the time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ALARM_EVERY_S = 60.0


@dataclass(slots=True)
class Nonsense:
    """What came in on each topic since its last alarm."""

    _since: dict[str, tuple[float, int]] = field(default_factory=dict)

    def told(self, topic: str, reason: str, now_s: float) -> str:
        """What the alarm says now; empty where one was told less than a minute ago."""
        last_s, count = self._since.get(topic, (float("-inf"), 0))
        if now_s - last_s < ALARM_EVERY_S:
            self._since[topic] = (last_s, count + 1)
            return ""
        self._since[topic] = (now_s, 0)
        more = f" (and {count} more since the last alarm)" if count else ""
        return reason + more
