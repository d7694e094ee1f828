from __future__ import annotations

import itertools

import pytest

from controller.domain.alarms import Alarm, Condition, Severity
from controller.safety import board as board_module
from controller.safety.board import AlarmBoard
from tests.support.clock import ManualClock


def condition(key: str = "link:D-1", severity: Severity = Severity.CAUTION, cause: str = "old"):
    return Condition(key, severity, cause, "look", "D-1")


@pytest.fixture
def told() -> list[Alarm]:
    return []


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def board(told: list[Alarm], clock: ManualClock) -> AlarmBoard:
    numbers = itertools.count()
    return AlarmBoard(clock, lambda prefix: f"{prefix}-{next(numbers)}", told.append)


async def test_a_condition_is_raised_once_and_cleared_when_it_ends(
    board: AlarmBoard, told: list[Alarm], clock: ManualClock
) -> None:
    assert board.tell("watch", [condition()]) == [condition()]
    await clock.advance(1.0)
    assert board.tell("watch", [condition(cause="older")]) == []
    assert [a.cause for a in board.alarms()] == ["older"]
    assert board.count("D-1") == 1
    await clock.advance(1.0)
    board.tell("watch", [])
    assert board.alarms() == []
    assert [a.cleared_at for a in told] == [None, clock.now()]
    assert told[1].alarm_id == told[0].alarm_id


def test_a_worse_condition_is_a_new_alarm(board: AlarmBoard) -> None:
    board.tell("watch", [condition()])
    first = board.alarms()[0]
    worse = condition(severity=Severity.WARNING, cause="lost")
    assert board.tell("watch", [worse]) == [worse]
    assert board.alarms()[0].alarm_id != first.alarm_id
    assert board.alarms()[0].severity is Severity.WARNING


def test_a_milder_condition_keeps_the_alarm_and_tells_what_is_so_now(board: AlarmBoard) -> None:
    board.tell("watch", [condition(severity=Severity.WARNING, cause="lost")])
    first = board.alarms()[0]
    assert board.tell("watch", [condition(cause="old")]) == []
    assert board.alarms()[0].alarm_id == first.alarm_id
    assert board.alarms()[0].severity is Severity.CAUTION


def test_sources_do_not_clear_each_others_alarms(board: AlarmBoard) -> None:
    board.tell("watch", [condition("a")])
    board.tell("delivery", [condition("b")])
    board.tell("watch", [])
    assert len(board.alarms()) == 1


def test_an_acknowledged_condition_stands_until_it_ends(board: AlarmBoard) -> None:
    board.tell("watch", [condition()])
    alarm = board.acknowledge(board.alarms()[0].alarm_id, "anna")
    assert alarm is not None
    assert alarm.acknowledged_by == "anna"
    board.tell("watch", [condition()])
    assert board.alarms() == [alarm]
    board.tell("watch", [])
    assert board.alarms() == []
    assert board.acknowledge(alarm.alarm_id, "anna") is None


def test_a_happening_goes_with_its_acknowledgement(board: AlarmBoard, told: list[Alarm]) -> None:
    assert board.happen(condition("far:P-1")) is not None
    assert board.happen(condition("far:P-1")) is None
    board.tell("watch", [])
    assert len(board.alarms()) == 1
    board.acknowledge(board.alarms()[0].alarm_id, "anna")
    assert board.alarms() == []
    assert told[-1].cleared_at is not None
    assert told[-1].acknowledged_by == "anna"


def test_happenings_are_bounded(board: AlarmBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_module, "MAX_MOMENTS", 3)
    for number in range(5):
        board.happen(condition(f"k{number}", cause=f"c{number}"))
    assert sorted(a.cause for a in board.alarms()) == ["c2", "c3", "c4"]


def test_the_worst_stands_first(board: AlarmBoard) -> None:
    board.tell("watch", [condition("a", Severity.ADVISORY), condition("b", Severity.WARNING)])
    assert [a.severity for a in board.alarms()] == [Severity.WARNING, Severity.ADVISORY]
