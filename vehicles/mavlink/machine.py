"""The session's state machine: which phase may follow which, and what was missed in between.

Owns the transition table and the trail of a vehicle's phases. Must not judge what a vehicle shows
(`phase` does) or send anything.

Telemetry has gaps, and one message may show two steps at once: a phase that may not follow the
last one directly is reached by the shortest way through the table, and the steps that nobody saw
are marked as inferred. So a drone that is heard in the air after it was ready was armed in
between, and one that is heard ready after it was flying has landed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from vehicles.port import Phase

P = Phase
_AT_REST = frozenset({P.BOOTING, P.NOT_READY, P.READY})
_ALOFT = frozenset(
    {P.EN_ROUTE, P.AT_STOP, P.RELEASED, P.RETURNING, P.LANDING, P.HOLDING, P.FAILSAFE}
)
_HEARD = _AT_REST | _ALOFT | {P.ARMED, P.LANDED}
_OUT_OF_THE_AIR = frozenset({P.LANDED, P.LOST, P.BOOTING})

TRANSITIONS: Mapping[Phase, frozenset[Phase]] = {
    # nobody listened: whatever is heard first counts
    P.UNKNOWN: _HEARD,
    P.OFFLINE: _HEARD,
    P.LOST: _HEARD,
    P.BOOTING: frozenset({P.NOT_READY, P.READY, P.ARMED, P.OFFLINE}),
    P.NOT_READY: frozenset({P.BOOTING, P.READY, P.ARMED, P.OFFLINE}),
    P.READY: frozenset({P.BOOTING, P.NOT_READY, P.ARMED, P.OFFLINE}),
    # disarmed again before the take-off; a mission's take-off, or into a mode of its own
    P.ARMED: _AT_REST
    | {P.EN_ROUTE, P.RETURNING, P.LANDING, P.HOLDING, P.FAILSAFE, P.LANDED, P.LOST},
    P.EN_ROUTE: (_ALOFT - {P.EN_ROUTE, P.RELEASED}) | _OUT_OF_THE_AIR,
    P.AT_STOP: (_ALOFT - {P.AT_STOP}) | _OUT_OF_THE_AIR,
    P.RELEASED: (_ALOFT - {P.RELEASED}) | _OUT_OF_THE_AIR,
    P.RETURNING: frozenset({P.EN_ROUTE, P.LANDING, P.HOLDING, P.FAILSAFE}) | _OUT_OF_THE_AIR,
    P.LANDING: frozenset({P.EN_ROUTE, P.RETURNING, P.HOLDING, P.FAILSAFE}) | _OUT_OF_THE_AIR,
    P.HOLDING: (_ALOFT - {P.HOLDING}) | _OUT_OF_THE_AIR,
    P.FAILSAFE: (_ALOFT - {P.FAILSAFE}) | _OUT_OF_THE_AIR | {P.ARMED},
    # on the ground with its motors armed: at rest next, or off again to its next stop
    P.LANDED: _AT_REST | {P.ARMED, P.EN_ROUTE, P.AT_STOP, P.HOLDING, P.FAILSAFE, P.LOST},
}
"""From a phase to those that may follow it directly; staying is no transition."""

_NEVER_INFERRED = frozenset({P.UNKNOWN, P.OFFLINE, P.LOST, P.BOOTING, P.FAILSAFE})
"""What only the vehicle's word or its silence shows is never put in between."""
TRAIL_KEPT = 64


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of the machine, at a time of the session's clock."""

    before: Phase
    after: Phase
    at_s: float
    inferred: bool = False
    """Nobody saw it: what was shown next cannot be without it."""


@cache
def way(before: Phase, after: Phase) -> tuple[Phase, ...]:
    """The phases from one to another by the table, the last included; empty where it stays.

    Raises ValueError where there is no way: a phase that is never entered again (UNKNOWN).
    """
    if before is after:
        return ()
    came_from: dict[Phase, Phase] = {before: before}
    waiting = deque([before])
    while waiting:
        here = waiting.popleft()
        # in the order of the enum: the same way every time
        for following in (p for p in Phase if p in TRANSITIONS[here]):
            if following in came_from:
                continue
            came_from[following] = here
            if following is after:
                steps = [after]
                while came_from[steps[-1]] is not before:
                    steps.append(came_from[steps[-1]])
                return tuple(reversed(steps))
            if following not in _NEVER_INFERRED:
                waiting.append(following)
    raise ValueError(f"no way from {before.value} to {after.value}")


@dataclass(slots=True)
class PhaseMachine:
    """One vehicle's phase, and how it came there."""

    phase: Phase = Phase.UNKNOWN
    since_s: float = 0.0
    trail: deque[Transition] = field(default_factory=lambda: deque(maxlen=TRAIL_KEPT))

    def step(self, shown: Phase, now_s: float) -> Phase:
        """Go to what the vehicle shows; UNKNOWN shows nothing and changes nothing."""
        if shown is self.phase or shown is Phase.UNKNOWN:
            return self.phase
        for following in way(self.phase, shown):
            missed = following is not shown
            self.trail.append(Transition(self.phase, following, now_s, missed))
            self.phase = following
        self.since_s = now_s
        return self.phase
