"""The upload drill in small; the whole of it is `python -m tests.drills.uploads`."""

from __future__ import annotations

import pytest

from tests.drills.cases import draw, mission, summary
from tests.drills.light_upload import drill
from tests.drills.uploads import BAR_SHARE, passed, report
from vehicles.mavlink.items import translate

COUNT = 105


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drills have loops of their own; asyncio's debug mode costs ten times the work."""
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "0")


@pytest.mark.timeout(120)
def test_nothing_unapproved_starts_and_every_upload_is_verified_in_the_end() -> None:
    outcomes = [drill(draw(2, number)) for number in range(COUNT)]
    figures = report(outcomes)
    assert passed(figures), figures["faults"]
    assert figures["armed_unapproved"] == 0
    assert figures["started"] >= COUNT * 0.95
    assert set(figures["by_event"]) == {"none", "writer", "reboot", "power", "controller"}
    at_rest = summary([o for o in outcomes if o.event == "none"])
    assert at_rest["verified"] == at_rest["started"] == at_rest["cases"]


@pytest.mark.parametrize("number", [506, 513, 753])
def test_a_late_acknowledgement_of_another_rate_does_not_keep_a_vehicle_waiting(
    number: int,
) -> None:
    """After a reboot under loss: SYS_STATUS or the EKF's report was never asked for anew."""
    outcome = drill(draw(1, number))
    assert (outcome.verified, outcome.started) == (True, True), outcome


@pytest.mark.parametrize("number", [2037, 4452, 8582])
def test_an_item_written_while_the_mission_is_read_before_the_start_is_seen(number: int) -> None:
    """It overwrote what had just been read, as our own identity, and nothing was read after it."""
    outcome = drill(draw(1, number))
    assert (outcome.verified, outcome.started) == (True, True), outcome
    assert (outcome.armed_other, outcome.started_other) == ("", "")


def test_a_case_is_the_same_each_time() -> None:
    assert draw(3, 33) == draw(3, 33)
    assert drill(draw(3, 33)) == drill(draw(3, 33))


def test_the_judge_sees_a_start_of_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the controller's comparison blind, the drill must fail."""
    monkeypatch.setattr("vehicles.mavlink.launch.differences", lambda *_: ())
    writers = [draw(5, number, ("writer",)) for number in range(0, 70, 7)]
    figures = report([drill(case) for case in writers])
    assert figures["started_unapproved"] > 0
    assert not passed(figures)


def test_too_few_verified_at_a_fifth_lost_is_no_pass() -> None:
    at_bar = {"verified_share": BAR_SHARE - 0.001}
    assert not passed({"by_loss": {"0.20": at_bar}, "started_unapproved": 0, "broken": 0})
    assert translate(mission(1)).count == 12
