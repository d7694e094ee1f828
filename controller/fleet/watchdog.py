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

    `up_s`: how long the controller has listened; right after its start nobody was heard yet.
    """
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
    if age_s >= limits.offline_s or telemetry.link is LinkState.OFFLINE:
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
