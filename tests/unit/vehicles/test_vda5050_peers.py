"""Bugs of other dispatchers and libraries, each as what must hold here (docs/peers.md)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from tests.unit.vehicles.vda5050_rounds import on_order, order, state
from vehicles.port import EventKind
from vehicles.vda5050.dialect import Dialect
from vehicles.vda5050.engine import step
from vehicles.vda5050.engine_model import (
    Ask,
    Begin,
    BrokerUp,
    EngineState,
    GotState,
    Prepare,
    SendOrder,
    Stage,
)
from vehicles.vda5050.models import Action, ActionState, State
from vehicles.vda5050.orders import PreparedOrder
from vehicles.vda5050.topics import Address, Topics


class Bench:
    """An engine and all that it said."""

    def __init__(self) -> None:
        self.engine = EngineState(tag="t")
        self.sends: list[Any] = []
        self.told: list[Any] = []
        self.feed(BrokerUp())
        self.feed(GotState(state(1)))

    def feed(self, event: Any) -> None:
        self.engine, sends, notices = step(self.engine, event, 1.0)
        self.sends += sends
        self.told += notices

    def sees(self, shown: State) -> None:
        self.feed(GotState(shown))


def at_its_end(made: PreparedOrder, header: int) -> State:
    over = {a.action_id: "FINISHED" for a in made.actions}
    return on_order(made, header, len(made.body.nodes), **over)


def test_an_instant_action_that_ended_and_vanished_stays_ended() -> None:
    bench = Bench()
    bench.feed(Ask("startPause", "a"))
    shown = ActionState(action_id="a", action_type="startPause", action_status="FINISHED")
    bench.sees(state(2, action_states=(shown,)))
    for header in range(3, 12):
        bench.sees(state(header))
    track = bench.engine.instant("a")
    assert track is not None
    assert track.status == "FINISHED"


def test_an_idle_robot_takes_the_next_order_after_every_end() -> None:
    bench, header = Bench(), 1
    for name in ("m1", "m2", "m3"):
        made = order(name)
        bench.feed(Prepare(made))
        bench.feed(Begin())
        sent = [s.body.order_id for s in bench.sends if isinstance(s, SendOrder)]
        assert sent[-1] == made.order_id
        header += 1
        bench.sees(at_its_end(made, header))
        assert bench.engine.track is not None
        assert bench.engine.track.stage is Stage.COMPLETED
    assert [n.kind for n in bench.told].count(EventKind.COMPLETED) == 3


def test_actions_are_found_by_their_ids_wherever_they_stand() -> None:
    bench, made = Bench(), order()
    bench.feed(Prepare(made))
    bench.feed(Begin())
    shown = at_its_end(made, 2)
    strange = ActionState(action_id="x", action_type="beep", action_status="FAILED")
    bench.sees(
        msgspec.structs.replace(shown, action_states=(strange, *reversed(shown.action_states)))
    )
    picked = [n.parcel_id for n in bench.told if n.kind is EventKind.PICKED]
    released = [n.parcel_id for n in bench.told if n.kind is EventKind.RELEASED]
    assert sorted(picked) == sorted(released) == ["p1", "p2"]


def test_robots_of_several_makers_share_a_broker() -> None:
    topics = Topics("uagv", "vda5050")
    filters = topics.filters(frozenset({"ACME", "Other"}))
    for maker in ("ACME", "Other"):
        topic = topics.of(Address(maker, "R-1"), "state", "v2")
        assert topics.split(topic) == (Address(maker, "R-1"), "state")
        assert any(f.split("/")[2] in {maker, "+"} for f in filters)


@pytest.mark.parametrize("version", ["2.0.0", "2.1.0", "3.0.0"])
def test_a_message_names_its_robot_and_a_time_in_utc(version: str) -> None:
    noon = datetime(2026, 6, 1, 12, tzinfo=timezone(timedelta(hours=3)))
    dialect = Dialect("ACME", "R-1", lambda: noon, version=version)
    action = Action(action_type="startPause", action_id="a", blocking_type="HARD")
    for payload in (dialect.order(order().body), dialect.instant_actions((action,))):
        message = json.loads(payload)
        assert (message["manufacturer"], message["serialNumber"]) == ("ACME", "R-1")
        assert message["timestamp"].endswith("Z")
        assert datetime.fromisoformat(message["timestamp"]) == noon.astimezone(UTC)
    assert "actions" in json.loads(dialect.instant_actions((action,)))
