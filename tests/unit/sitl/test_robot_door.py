"""Customers at robots' doors, and the judge of lids."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sitl.referee.doors import Word, judge_doors, words_of
from sitl.referee.truth import Happening
from sitl.robot.door import Comes, Customer, cast, visit, word
from sitl.scenario import ScenarioError, load
from tests.unit.sitl.test_sitl_robot import Bench, deed, order

SCENARIO = Path(__file__).resolve().parents[3] / "sitl" / "scenarios" / "doors"
PIN = hashlib.sha256(b"4711").hexdigest()


@pytest.mark.parametrize(
    ("customer", "limit_s", "ok", "event"),
    [
        (Customer(), 300.0, True, "pin_right"),
        (Customer(Comes.LATE, 250.0), 300.0, True, "pin_right"),
        (Customer(Comes.LATE, 301.0), 300.0, False, "gave_up"),
        (Customer(Comes.NEVER), 300.0, False, "gave_up"),
        (Customer(Comes.WRONG_PIN, 10.0, "0000"), 300.0, False, "pin_wrong"),
        (Customer(pin="4711"), 300.0, True, "pin_right"),
    ],
)
def test_how_a_wait_ends(customer: Customer, limit_s: float, ok: bool, event: str) -> None:
    seen = visit(customer, PIN, limit_s)
    assert (seen.ok, seen.event) == (ok, event)
    assert seen.seconds <= limit_s


def test_a_cast_is_the_seeds_and_has_all_four() -> None:
    names = [f"P-{i}" for i in range(8)]
    made = cast(names, 7)
    assert made == cast(reversed(names), 7)
    assert made != cast(names, 8)
    kinds = [made[n].comes for n in names]
    assert {kind: kinds.count(kind) for kind in Comes} == dict.fromkeys(Comes, 2)
    assert not visit(next(c for c in made.values() if c.pin), PIN, 300.0).ok


def step(action_id: str, kind: str, **parameters: object) -> dict[str, object]:
    told = [{"key": k, "value": v} for k, v in parameters.items()]
    return {
        "actionId": action_id, "actionType": kind, "blockingType": "HARD",
        "actionParameters": told,
    }  # fmt: skip


def handover(timeout: float = 300.0) -> list[dict[str, object]]:
    return [
        step("a0", "awaitCustomer", loadId="p", pinSha256=PIN, timeout=timeout),
        step("a1", "openLid", loadId="p"),
        step("a2", "awaitRemoval", loadId="p", timeout=60),
        step("a3", "closeLid", loadId="p"),
    ]


@pytest.mark.parametrize(
    ("customer", "statuses", "lids"),
    [
        (Customer(), ["FINISHED"] * 4, ["lid_opened", "lid_closed"]),
        (Customer(Comes.NEVER), ["FAILED"] * 4, []),
        (Customer(Comes.WRONG_PIN, 5.0, "0000"), ["FAILED"] * 4, []),
        (
            Customer(takes=False),
            ["FINISHED", "FINISHED", "FAILED", "FINISHED"],
            ["lid_opened", "lid_closed"],
        ),
    ],
)
def test_a_lid_opens_only_for_who_knows_the_pin(customer, statuses, lids) -> None:
    bench = Bench(customers={"p": customer})
    bench.order(order(actions={0: [deed("k", "pick", "p")], 1: handover()}))
    bench.core.advance(1500.0)
    assert [d.status for d in bench.core.m.deeds[1:]] == statuses
    assert [event for _, event, _ in bench.truth if event.startswith("lid")] == lids
    assert bench.core.idle
    assert ("p" in bench.core.gone) is (statuses[2] == "FINISHED")


def happening(t_s: float, event: str, parcel: str = "p") -> Happening:
    return Happening("r", t_s, 0.0, 0.0, event, parcel)


@pytest.mark.parametrize(
    ("events", "words", "rules"),
    [
        (["picked", "pin_right", "lid_opened", "dropped"], [], []),
        (["picked", "lid_opened", "dropped"], [], ["lid"]),
        (["picked", "pin_wrong", "lid_opened"], [], ["lid"]),
        (["picked", "gave_up", "dropped"], [], ["handed_over_late"]),
        (["picked", "lid_opened", "dropped"], [Word(0.5, "p", opens=True)], []),
        (
            ["picked", "lid_opened"],
            [Word(0.4, "p", opens=False), Word(0.5, "p", opens=True)],
            ["lid"],
        ),
        (["picked", "pin_right", "dropped"], [Word(1.5, "p", opens=False)], ["handed_over_late"]),
        (["picked", "gave_up", "picked", "pin_right", "lid_opened", "dropped"], [], []),
        (["picked", "dropped"], [], []),
    ],
)
def test_the_judge_of_doors(events: list[str], words: list[Word], rules: list[str]) -> None:
    seen = [happening(float(i), event) for i, event in enumerate(events)]
    assert [f.rule for f in judge_doors(seen, words)] == rules


def test_words_come_from_the_controllers_log() -> None:
    log = [
        {"at": "1970-01-01T00:00:05+00:00", "kind": "parcel.door_opened", "parcel_id": "p"},
        {"at": "1970-01-01T00:00:06+00:00", "kind": "parcel.returning", "parcel_id": "q"},
        {"at": "1970-01-01T00:00:07+00:00", "kind": "parcel.delivered", "parcel_id": "p"},
    ]
    assert words_of(log) == [Word(5.0, "p", opens=True), Word(6.0, "q", opens=False)]


def test_nothing_that_waits_hears_a_word_in_vain() -> None:
    assert word([])[0] == "FAILED"


def test_the_scenario_has_every_kind_of_customer(tmp_path: Path) -> None:
    customers = load(SCENARIO).robots[0].customers
    assert {c.comes for c in customers.values()} == set(Comes)
    text = (SCENARIO / "lab.toml").read_text().replace('"never"', '"sometimes"')
    (tmp_path / "lab.toml").write_text(text)
    with pytest.raises(ScenarioError, match="comes"):
        load(tmp_path)


def test_what_waits_for_a_word_ends_by_one_and_only_then() -> None:
    bench = Bench()
    waits = [step("w", "awaitRelease", loadId="p"), deed("d", "drop", "p")]
    bench.order(order(actions={0: [deed("k", "pick", "p")], 1: waits}))
    bench.core.advance(500.0)
    assert bench.status("w") == "RUNNING"
    bench.instant("release", "i1")
    bench.core.advance(501.0)
    assert bench.status("w") == "FINISHED"
    bench.instant("release", "i2")
    assert (bench.status("i1"), bench.status("i2")) == ("FINISHED", "FAILED")
    bench.core.advance(600.0)
    assert bench.core.gone == {"p"}


def test_a_cancel_ends_an_endless_wait() -> None:
    bench = Bench()
    waits = [step("w", "waitForTrigger"), deed("d", "drop", "p")]
    bench.order(order(actions={0: [deed("k", "pick", "p")], 1: waits}))
    bench.core.advance(500.0)
    bench.instant("cancelOrder")
    bench.core.advance(510.0)
    assert bench.core.idle
    assert bench.status("w") == "FAILED"
    assert bench.core.aboard == {"p"}


def test_what_came_back_is_taken_out_before_the_next_round() -> None:
    bench = Bench(customers={"p": Customer(Comes.NEVER)})
    home = {0: [deed("k", "pick", "p")], 1: handover()}
    bench.order(order(points=((0, 0), (20, 0), (0, 0)), actions=home))
    bench.core.advance(1500.0)
    assert bench.core.aboard == {"p"}
    bench.order(order("o2"))
    bench.core.advance(2500.0)
    assert bench.core.gone == {"p"}
    assert [event for _, event, _ in bench.truth][-3:] == ["unloaded", "picked", "dropped"]
