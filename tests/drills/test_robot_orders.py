"""The robots' drill in small; the whole of it is `python -m tests.drills.robot_orders`."""

from __future__ import annotations

from typing import Any

import pytest

from sitl.robot.core import RobotCore
from tests.drills.robot_orders import block, campaign, passed, report
from tests.drills.robot_world import Faults
from vehicles.vda5050.engine_run import Run


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drills have loops of their own; asyncio's debug mode costs ten times the work."""
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "0")


@pytest.mark.timeout(120)
def test_no_order_gets_stuck_and_none_is_driven_twice() -> None:
    figures = report(campaign(7, 100, 1, Faults()))
    assert passed(figures), figures["bad"]
    assert figures["orders"] == 100
    assert set(figures["by_kind"]) == {"plain", "stop", "cancel"}
    assert figures["by_kind"]["plain"] == {"completed": sum(figures["by_kind"]["plain"].values())}
    messages = figures["messages"]
    for way in ("up", "down"):
        assert 0.02 < messages[f"{way}_lost"] / messages[f"{way}_sent"] < 0.10
        assert messages[f"{way}_doubled"]
        assert messages[f"{way}_late"]


@pytest.mark.timeout(120)
def test_a_third_lost_each_way_is_survived() -> None:
    figures = report(campaign(1, 50, 1, Faults(loss=0.33, late=0.2)))
    assert passed(figures), figures["bad"]


@pytest.mark.parametrize(("seed", "first"), [(2, 75), (3, 150)])
def test_a_refused_order_that_a_late_copy_brings_to_life_is_told(seed: int, first: int) -> None:
    """The robot took it when its stop was released, and picked before the cancel reached it."""
    figures = report([block((seed, first, 25, Faults()))])
    assert passed(figures), figures["bad"]
    assert any("runs again" in alarm for alarm in figures["alarms"])


def test_a_block_is_the_same_each_time() -> None:
    assert block((5, 25, 10, Faults())) == block((5, 25, 10, Faults()))


def test_the_judge_sees_a_robot_that_drives_a_copy_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A robot that takes each copy for a new order picks twice: the drill must fail."""

    def again(self: RobotCore, message: dict[str, Any], about: object) -> None:
        del about
        self.m.order_id, self.m.leg = "", None
        self.m.nodes, self.m.edges, self.m.deeds = [], [], []
        self._order(message)

    monkeypatch.setattr(RobotCore, "_update", again)
    figures = report([block((5, 0, 15, Faults(twice=1.0, late=0.0)))])
    assert figures["faulty"]
    assert not passed(figures)


def test_the_judge_sees_a_master_that_sends_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without resending, lost orders are no longer driven: the drill must fail."""
    monkeypatch.setattr(Run, "resend", lambda self: None)
    figures = report([block((5, 0, 15, Faults(loss=0.5, twice=0.0)))])
    assert not passed(figures)
