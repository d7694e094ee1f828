"""Watchdogs on links: data age turned into conditions.

Owns the rule by which old data is told. Must not read clocks: age comes in as a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from controller.domain.alarms import Condition, Severity
from vehicles.port import LinkState, Phase, Telemetry

AT_WORK = frozenset(
    {
        Phase.ARMED,
        Phase.EN_ROUTE,
        Phase.AT_STOP,
        Phase.RELEASED,
        Phase.RETURNING,
        Phase.LANDING,
        Phase.LANDED,
        Phase.HOLDING,
        Phase.FAILSAFE,
        Phase.LOST,
    }
)


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """Ages from which data counts as old, and a vehicle as lost."""

    stale_s: float
    offline_s: float


def at_work(telemetry: Telemetry) -> bool:
    """Whether the vehicle is away from rest; an arm state that was never told counts as airborne.

    A vehicle that never spoke at all is not known to be at work.
    """
    if telemetry.received_at is None:
        return False
    return telemetry.phase in AT_WORK or telemetry.armed is not False


def link_conditions(
    telemetry: Telemetry, age_s: float, limits: LinkLimits, *, expected: bool, up_s: float
) -> Iterator[Condition]:
    """What is wrong with the link. `expected`: an assignment is open, so silence matters.

    Silence and the broker's word that a connection is gone are two conditions: either may stand
    alone, and each ends by its own evidence. `up_s`: how long the controller has listened; right
    after its start nobody was heard yet.
    """
    yield from _silence(telemetry, age_s, limits, expected=expected, up_s=up_s)
    if telemetry.broken and (telemetry.received_at is not None or expected):
        yield _broken(telemetry, working=at_work(telemetry) or expected)


def _silence(
    telemetry: Telemetry, age_s: float, limits: LinkLimits, *, expected: bool, up_s: float
) -> Iterator[Condition]:
    vehicle_id = telemetry.vehicle_id
    if telemetry.received_at is None:
        if expected and up_s >= limits.offline_s:
            yield Condition(
                f"link:{vehicle_id}",
                Severity.CAUTION,
                f"{vehicle_id} has an open assignment and has not been heard since start-up",
                "Check its power and its link; the assignment goes on when it is heard",
                vehicle_id,
            )
        return
    working = at_work(telemetry) or expected
    offline = telemetry.link is LinkState.OFFLINE and not telemetry.broken
    if age_s >= limits.offline_s or offline:
        yield Condition(
            f"link:{vehicle_id}",
            Severity.WARNING if working else Severity.ADVISORY,
            f"{vehicle_id} is not heard: its last word is {age_s:.0f} s old",
            "Its own failsafe acts; check the link, do not send another vehicle for its parcel"
            if working
            else "Check its power and its link",
            vehicle_id,
        )
    elif working and (age_s >= limits.stale_s or telemetry.link is LinkState.STALE):
        yield Condition(
            f"link:{vehicle_id}",
            Severity.CAUTION,
            f"{vehicle_id}: data is {age_s:.0f} s old",
            "Watch the link; its position on the map is where it was",
            vehicle_id,
        )


def _broken(telemetry: Telemetry, *, working: bool) -> Condition:
    """Told by its broker. A vehicle that speaks all the same is heard: that is said, too."""
    vehicle_id = telemetry.vehicle_id
    key, why = f"connection:{vehicle_id}", telemetry.broken
    if telemetry.link is LinkState.ONLINE:
        return Condition(
            key,
            Severity.ADVISORY,
            f"{vehicle_id} is heard, but its broker still says: {why}",
            "Have it connect anew: until it says ONLINE, the end of its connection is not told",
            vehicle_id,
        )
    if not working:
        return Condition(
            key,
            Severity.ADVISORY,
            f"{vehicle_id} is off the broker: {why}",
            "Check its power and its network if it should be on",
            vehicle_id,
        )
    return Condition(
        key,
        Severity.WARNING,
        f"{vehicle_id} is off the broker with work to do: {why}",
        "It drives on to the end of what it was let go to and keeps its parcels and its right of "
        "way; look for it there. If it does not come back, 'waypost write-off' ends its round",
        vehicle_id,
    )
