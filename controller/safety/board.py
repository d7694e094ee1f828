"""The alarms that stand: raised once, acknowledged by name, gone when the condition ends.

Owns the board. Must not judge conditions. Sources tell the whole set of what they see, so that an
alarm whose condition ended cannot be forgotten on the board.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from controller.domain.alarms import Alarm, Condition, Severity
from vehicles.port import Clock

RANK = {Severity.WARNING: 0, Severity.CAUTION: 1, Severity.ADVISORY: 2}
MAX_MOMENTS = 500
"""Happenings that wait for an acknowledgement; the oldest gives way to one more."""


@dataclass(slots=True)
class _Standing:
    condition: Condition
    alarm: Alarm
    source: str
    """Empty for a happening: it has no end of its own and goes with its acknowledgement."""


class AlarmBoard:
    """Alarms by condition key. `on_change` hears every alarm raised, acknowledged or cleared."""

    def __init__(
        self, clock: Clock, ids: Callable[[str], str], on_change: Callable[[Alarm], None]
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._on_change = on_change
        self._standing: dict[str, _Standing] = {}

    def alarms(self) -> list[Alarm]:
        """Worst first, then oldest first."""
        return sorted(
            (s.alarm for s in self._standing.values()),
            key=lambda a: (RANK[a.severity], a.raised_at, a.alarm_id),
        )

    def __len__(self) -> int:
        return len(self._standing)

    def count(self, vehicle_id: str) -> int:
        """Alarms that stand on a vehicle."""
        return sum(s.alarm.vehicle_id == vehicle_id for s in self._standing.values())

    def tell(self, source: str, conditions: Iterable[Condition]) -> list[Condition]:
        """All that `source` sees now: new ones are raised, ended ones cleared. The new ones."""
        seen = {c.key: c for c in conditions}
        for key, standing in list(self._standing.items()):
            if standing.source == source and key not in seen:
                self._clear(key)
        return [c for c in seen.values() if self._raise(source, c) is not None]

    def happen(self, condition: Condition) -> Alarm | None:
        """Something that happened at a moment: stands until acknowledged. None where it stands."""
        moments = [k for k, s in self._standing.items() if not s.source]
        if len(moments) >= MAX_MOMENTS and condition.key not in self._standing:
            self._clear(moments[0])
        return self._raise("", condition)

    def acknowledge(self, alarm_id: str, by: str) -> Alarm | None:
        """The alarm, acknowledged; None where none of that id stands."""
        for key, standing in self._standing.items():
            if standing.alarm.alarm_id == alarm_id:
                alarm = replace(
                    standing.alarm, acknowledged_by=by, acknowledged_at=self._clock.now()
                )
                standing.alarm = alarm
                self._on_change(alarm)
                if not standing.source:
                    self._clear(key)
                return alarm
        return None

    def _raise(self, source: str, condition: Condition) -> Alarm | None:
        standing = self._standing.get(condition.key)
        if standing is not None and RANK[condition.severity] >= RANK[standing.alarm.severity]:
            # the same or milder: no new alarm, and the wording follows what is seen now
            standing.condition = condition
            standing.alarm = replace(
                standing.alarm,
                severity=condition.severity,
                cause=condition.cause,
                advice=condition.advice,
            )
            return None
        if standing is not None:
            self._clear(condition.key)
        alarm = Alarm(
            alarm_id=self._ids("alarm"),
            severity=condition.severity,
            cause=condition.cause,
            advice=condition.advice,
            raised_at=self._now(),
            vehicle_id=condition.vehicle_id,
            parcel_id=condition.parcel_id,
        )
        self._standing[condition.key] = _Standing(condition, alarm, source)
        self._on_change(alarm)
        return alarm

    def _clear(self, key: str) -> None:
        standing = self._standing.pop(key)
        self._on_change(replace(standing.alarm, cleared_at=self._now()))

    def _now(self) -> datetime:
        return self._clock.now()
