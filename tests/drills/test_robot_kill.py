"""The robots' kill drill in small; the whole of it is `python -m tests.drills.robot_kill`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sitl.robot import RobotFleet
from sitl.world import LabClock
from tests.drills.robot_kill import MAP, Case, Controller, World, cases, drill, judge, report
from tests.drills.robot_points import POINTS, Death


@pytest.mark.timeout(160)
@pytest.mark.parametrize(
    ("point", "after"),
    [
        ("order published", True),
        ("pick 1 told", False),
        ("update stitched", False),
        ("drop 1 told", False),
        ("cancel reflected", False),
    ],
)
async def test_a_controller_killed_at_a_step_loses_no_custody(
    monkeypatch: pytest.MonkeyPatch, point: str, after: bool
) -> None:
    # the controllers are real ones: asyncio's debug mode is for this process
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "0")
    case = await drill(Case(point, after, 1))
    assert case.reached
    assert not case.faults, case
    assert set(case.parcels) == {"P-1", "P-2"}


def test_every_step_is_drilled_before_and_after() -> None:
    names = [case.name for case in cases(1)]
    assert len(names) == len(set(names)) == 2 * len(POINTS)
    for word in ("stored", "published", "acknowledged", "resent", "stitched", "released", "pick 2"):
        assert any(word in name for name in names), word


def test_the_nth_match_is_the_one() -> None:
    death = Death(POINTS["second update published"], after=True)
    update = {"topic": "order", "orderUpdateId": 1}
    assert not death.met("send", update)
    assert not death.met("hear", update)
    assert death.met("send", update)
    assert not death.met("send", update)


class Told(Controller):
    """Answers as a test wants."""

    def __init__(self, parcels: list[dict[str, Any]]) -> None:
        self._parcels = parcels

    async def call(self, method: str, path: str, **more: Any) -> Any:
        return self._parcels if path == "/v1/parcels" else []


class Core:
    def __init__(self, *aboard: str) -> None:
        self.aboard = set(aboard)


def place(*aboard: str) -> World:
    robots: Any = {"R-1": type("Robot", (), {"core": Core(*aboard)})()}
    clock: Any = None
    fleet: RobotFleet = robots
    lab: LabClock = clock
    return World(fleet, Told([]), lab, Case("order stored", False, 1))


def parcel(name: str, state: str, holder: str) -> dict[str, Any]:
    return {"id": name, "state": state, "custodian": {"kind": holder, "id": "x"}}


@pytest.mark.parametrize(
    ("states", "truth", "aboard", "words"),
    [
        ([("P-1", "delivered", "recipient")], {}, (), "P-1 is delivered, and was dropped 0 times"),
        ([("P-1", "delivered", "recipient")], {"P-1": 2}, (), "dropped 2 times"),
        ([("P-1", "refused", "site")], {}, ("P-1",), "is aboard, and a site has it"),
        ([("P-1", "stranded", "vehicle")], {}, ("P-1",), "stranded and nobody is told"),
        ([], {}, (), "P-2 is lost"),
    ],
)
async def test_the_judge_sees_what_is_wrong(
    states: list[tuple[str, str, str]], truth: dict[str, int], aboard: tuple[str, ...], words: str
) -> None:
    here = place(*aboard)
    for name, count in truth.items():
        here.truth["dropped", name] = count
    await judge(here, [parcel(*each) for each in states])
    assert any(words in fault for fault in here.case.faults), here.case.faults
    assert report([here.case])["faulty"] == 1


def order(*nodes: tuple[int, bool, str]) -> bytes:
    parts = [{"sequenceId": n, "released": r, "nodeId": i} for n, r, i in nodes]
    return json.dumps({"orderId": "o", "nodes": parts, "edges": []}).encode()


def test_the_judge_sees_a_base_that_is_altered_or_taken_back() -> None:
    here = place()
    here.published(order((0, True, "a"), (2, False, "b")))
    here.published(order((0, True, "a"), (2, True, "c")))
    assert here.case.faults == []
    here.published(order((2, True, "d")))
    here.published(order((2, False, "c")))
    assert here.case.faults == ["base of o altered at 2", "base of o taken back at 2"]
    assert MAP.map_id == "site"
