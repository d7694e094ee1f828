"""Whether a loaded mission may start by itself, or waits for an operator to launch it.

Owns the launches that operators gave. They are kept in memory: after a restart a mission that has
not started is shown and asked for again. Must not judge a mission: the gate does, in any case.
"""

from __future__ import annotations

from typing import Literal

from controller.domain.model import AssignmentState
from controller.domain.records import AssignmentRecord


class Approvals:
    """Launches by mission content, so that a mission planned anew needs a launch of its own."""

    def __init__(self, mode: Literal["auto", "operator"] = "auto") -> None:
        self._mode = mode
        self._given: dict[str, str] = {}

    def given(self, record: AssignmentRecord) -> bool:
        """Whether the mission may start as far as operators are asked."""
        if self._mode == "auto":
            return True
        vehicle_id = record.assignment.vehicle_id
        return self._given.get(vehicle_id) == record.mission.content_hash

    def awaits(self, record: AssignmentRecord) -> bool:
        """Whether the vehicle holds the mission and only the launch is missing."""
        return record.assignment.state is AssignmentState.LOADED and not self.given(record)

    def give(self, record: AssignmentRecord) -> None:
        """An operator launches it."""
        self._given[record.assignment.vehicle_id] = record.mission.content_hash
