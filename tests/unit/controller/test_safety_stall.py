"""Vehicles that have work and do not get on, and the words for what they wait for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.domain.model import AssignmentState
from controller.safety.stall import StallBook, Work
from geofence.frames import LatLon, offset
from tests.support.clock import START
from vehicles.port import LinkState, Phase, Telemetry

HERE = LatLon(60.2, 24.9)
TOLD = Telemetry(
    "R-1", START, LinkState.ONLINE, Phase.EN_ROUTE, position=HERE, speed_mps=0.0, item=2
)
WORK = Work("A-1", AssignmentState.STARTED)


def looked(telemetry: Telemetry, work: Work | None = WORK, *, for_s: float = 300.0) -> list[str]:
    book = StallBook(300.0)
    assert book.look(telemetry, work, 0.0) == ()
    return [c.cause for c in book.look(telemetry, work, for_s)]


def test_a_vehicle_that_does_not_get_on_is_told_once_its_time_is_over() -> None:
    assert looked(TOLD, for_s=299.0) == []
    (cause,) = looked(TOLD)
    assert cause.startswith("R-1 has not got on for 5 min: it stands and names no reason")
    assert looked(TOLD, None) == []


@pytest.mark.parametrize(
    "after",
    [
        replace(TOLD, item=3),
        replace(TOLD, phase=Phase.AT_STOP),
        replace(TOLD, position=offset(HERE, 90.0, 5.0)),
    ],
)
def test_progress_begins_the_time_anew_and_clears(after: Telemetry) -> None:
    book = StallBook(300.0)
    book.look(TOLD, WORK, 0.0)
    assert book.look(TOLD, WORK, 301.0)
    assert book.look(after, WORK, 302.0) == ()
    assert book.look(after, WORK, 601.0) == ()
    assert book.look(after, WORK, 602.0)


def test_the_error_of_a_place_is_no_progress() -> None:
    book = StallBook(300.0)
    book.look(TOLD, WORK, 0.0)
    for at_s in range(1, 300):
        near = replace(TOLD, position=offset(HERE, 90.0 * at_s, 1.4))
        assert book.look(near, WORK, float(at_s)) == ()
    assert book.look(TOLD, WORK, 300.0)


@pytest.mark.parametrize(
    ("telemetry", "work", "words"),
    [
        (replace(TOLD, phase=Phase.HOLDING), replace(WORK, held="by anna: rain"), "by anna: rain"),
        (replace(TOLD, phase=Phase.HOLDING), WORK, "paused by hand, not from here"),
        (TOLD, replace(WORK, turn=lambda: "R-2 to leave lift"), "waits for R-2 to leave lift"),
        (replace(TOLD, errors=("pathBlocked (WARNING)",)), WORK, "tells: pathBlocked"),
        (
            replace(TOLD, phase=Phase.FAILSAFE, not_ready=("emergency stop is active (MANUAL)",)),
            WORK,
            "emergency stop is active",
        ),
        (replace(TOLD, not_ready=("operating mode is MANUAL",)), WORK, "operating mode is MANUAL"),
        (replace(TOLD, phase=Phase.AT_STOP), WORK, "actions at a stop do not end"),
        (
            replace(TOLD, phase=Phase.READY),
            replace(WORK, state=AssignmentState.OPEN),
            "has not been started",
        ),
        (replace(TOLD, speed_mps=0.4), WORK, "moves on the spot"),
    ],
)
def test_it_says_what_is_waited_for(telemetry: Telemetry, work: Work, words: str) -> None:
    (cause,) = looked(telemetry, work)
    assert words in cause


@pytest.mark.parametrize("link", [LinkState.STALE, LinkState.OFFLINE])
def test_silence_has_alarms_of_its_own(link: LinkState) -> None:
    assert looked(replace(TOLD, link=link)) == []


def test_what_may_wait_is_no_stall() -> None:
    assert looked(TOLD, replace(WORK, may_wait=True)) == []
    book = StallBook(0.0)
    book.look(TOLD, WORK, 0.0)
    assert book.look(TOLD, WORK, 1e6) == ()
