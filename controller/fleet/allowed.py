"""What may be demanded of a vehicle as it is now.

Owns the rule by which a demand is offered, and why one is refused before it is sent. Pure; must
not know assignments.
"""

from __future__ import annotations

from controller.fleet.watchdog import at_work
from vehicles.port import LinkState, Phase, Telemetry, Verb

IN_EFFECT = {Verb.HOLD: Phase.HOLDING, Verb.RETURN: Phase.RETURNING, Verb.LAND: Phase.LANDING}


def at_rest(telemetry: Telemetry) -> bool:
    """Whether its own, fresh word is that it is disarmed. Anything unknown counts as airborne."""
    return telemetry.armed is False and telemetry.link is LinkState.ONLINE


def allowed(telemetry: Telemetry) -> tuple[Verb, ...]:
    """The demands that have a meaning now; one that is carried out already is not offered."""
    if telemetry.received_at is None or at_rest(telemetry) or not at_work(telemetry):
        return ()
    holding = telemetry.phase is Phase.HOLDING
    return tuple(
        verb
        for verb in Verb
        if (holding if verb is Verb.RESUME else telemetry.phase is not IN_EFFECT[verb])
    )


def refusal(telemetry: Telemetry, verb: Verb) -> str:
    """Why a demand is not sent at all; empty where the vehicle is asked.

    Only what its own, fresh word rules out: a vehicle that is silent, or of which too little is
    known, is asked, and its answer counts.
    """
    if not at_rest(telemetry):
        return ""
    return (
        f"{telemetry.vehicle_id} is disarmed: there is nothing to {verb.value}; to keep it from "
        "starting, cancel its parcel or hold the fleet"
    )
