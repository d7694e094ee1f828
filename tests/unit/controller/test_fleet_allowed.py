"""What may be demanded of a vehicle."""

from __future__ import annotations

from typing import Any

import pytest

from controller.fleet.allowed import allowed, refusal
from tests.support.clock import START
from vehicles.port import LinkState, Phase, Telemetry, Verb


def told(phase: Phase, **fields: Any) -> Telemetry:
    made: dict[str, Any] = {"link": LinkState.ONLINE, "armed": True, **fields}
    return Telemetry("D-1", START, phase=phase, **made)


@pytest.mark.parametrize("phase", list(Phase))
def test_nothing_is_offered_or_sent_to_one_that_says_it_is_disarmed(phase: Phase) -> None:
    rest = told(phase, armed=False)
    assert allowed(rest) == ()
    for verb in Verb:
        assert "D-1 is disarmed" in refusal(rest, verb)


@pytest.mark.parametrize(
    ("phase", "offered"),
    [
        (Phase.EN_ROUTE, {Verb.HOLD, Verb.RETURN, Verb.LAND}),
        (Phase.HOLDING, {Verb.RESUME, Verb.RETURN, Verb.LAND}),
        (Phase.RETURNING, {Verb.HOLD, Verb.LAND}),
        (Phase.LANDING, {Verb.HOLD, Verb.RETURN}),
        (Phase.FAILSAFE, {Verb.HOLD, Verb.RETURN, Verb.LAND}),
        (Phase.ARMED, {Verb.HOLD, Verb.RETURN, Verb.LAND}),
    ],
)
def test_what_is_carried_out_already_is_not_offered(phase: Phase, offered: set[Verb]) -> None:
    assert set(allowed(told(phase))) == offered


@pytest.mark.parametrize(
    "unsure",
    [
        told(Phase.UNKNOWN, armed=None),
        told(Phase.READY, armed=False, link=LinkState.STALE),
        told(Phase.READY, armed=False, link=LinkState.OFFLINE),
    ],
)
def test_one_of_which_too_little_is_known_is_asked(unsure: Telemetry) -> None:
    for verb in Verb:
        assert refusal(unsure, verb) == ""


def test_one_that_never_spoke_is_offered_nothing() -> None:
    assert allowed(Telemetry("D-1")) == ()


def test_old_word_of_being_disarmed_still_offers_nothing_new_to_press() -> None:
    assert allowed(told(Phase.READY, armed=False, link=LinkState.STALE)) == ()
