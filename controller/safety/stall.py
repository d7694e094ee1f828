"""Vehicles that have work and do not get on: told with what they wait for.

Owns the watch over progress and its words. Must not judge why a vehicle may wait, nor command it:
progress is a new step of its mission, another phase, or a place MOVED_M away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from controller.domain.alarms import Condition, Severity
from controller.domain.model import AssignmentState
from geofence.frames import LatLon, geodesic_m
from vehicles.port import LinkState, Phase, Telemetry

MOVED_M = 3.0
"""A vehicle that stands may tell places this far apart."""


@dataclass(frozen=True, slots=True)
class Work:
    """An open assignment as far as its progress goes. Empty words: nothing of that kind."""

    assignment_id: str
    state: AssignmentState
    held: str = ""
    """Who held the vehicle, and why."""
    turn: Callable[[], str] = str
    """Whom it waits for, and where; asked only where it does not get on."""
    may_wait: bool = False
    """The fleet is held, or only an operator's launch is missing: that is no stall."""


@dataclass(slots=True)
class _Mark:
    step: tuple[object, ...]
    position: LatLon | None
    since_s: float


class StallBook:
    """When each vehicle last got on. `limit_s`: how long it may not; 0: nobody is told."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._marks: dict[str, _Mark] = {}

    def look(self, telemetry: Telemetry, work: Work | None, now_s: float) -> tuple[Condition, ...]:
        """What to tell of one vehicle now. One that is not heard has alarms of its own."""
        vehicle_id = telemetry.vehicle_id
        if work is None or work.may_wait or not self._limit_s:
            self._marks.pop(vehicle_id, None)
            return ()
        step = (work.assignment_id, work.state, telemetry.item, telemetry.phase)
        mark = self._marks.get(vehicle_id)
        if mark is None or mark.step != step or _moved(mark.position, telemetry.position):
            self._marks[vehicle_id] = _Mark(step, telemetry.position, now_s)
            return ()
        still_s = now_s - mark.since_s
        if still_s < self._limit_s or telemetry.link is not LinkState.ONLINE:
            return ()
        waits, advice = waits_for(telemetry, work)
        return (
            Condition(
                f"stall:{vehicle_id}",
                Severity.CAUTION,
                f"{vehicle_id} has not got on for {still_s / 60.0:.0f} min: {waits}",
                advice,
                vehicle_id,
            ),
        )


def waits_for(telemetry: Telemetry, work: Work) -> tuple[str, str]:
    """What a vehicle that does not get on waits for, and what to do about it."""
    vehicle_id = telemetry.vehicle_id
    trouble = "; ".join(dict.fromkeys((*telemetry.failsafe, *telemetry.errors)))
    unready = "; ".join(telemetry.not_ready)
    if telemetry.phase is Phase.HOLDING or work.held:
        who = work.held or "paused by hand, not from here"
        return f"it is held ({who})", f"Let it go on with 'waypost resume {vehicle_id}'"
    if telemetry.phase is Phase.FAILSAFE or trouble:
        return f"it tells: {trouble or unready or 'a failsafe'}", "Have someone look at it"
    if turn := work.turn():
        return f"it waits for {turn}", "See why that one does not go on"
    if unready:
        return f"it is not ready: {unready}", "Do what it says, at the vehicle"
    if work.state is not AssignmentState.STARTED:
        return "it has not been started", "See its commands in the event log"
    if telemetry.phase in {Phase.AT_STOP, Phase.RELEASED}:
        return "its actions at a stop do not end", "Call the recipient, or look at the stop"
    if telemetry.speed_mps:
        return "it moves on the spot", "Look at it: it may be stuck"
    return (
        "it stands and names no reason (driving is false)",
        "Look at its way: something may block it; 'waypost hold' and 'waypost resume' may wake it",
    )


def _moved(before: LatLon | None, now: LatLon | None) -> bool:
    if before is None or now is None:
        return before is not now
    return geodesic_m(before, now) > MOVED_M
