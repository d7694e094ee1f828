"""Sessions and transport without a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import count

import aiomqtt
import msgspec
import pytest

from geofence.zones import VehicleClass
from missions.model import AirMission
from tests.support.clock import ManualClock
from tests.unit.vehicles.vda5050_rounds import MAP, at, error, on_order, order, round_of, state
from vehicles.errors import ConfigurationError, VehicleTimeoutError
from vehicles.port import Capability, EventKind, LinkState, Outcome, Phase, Verb
from vehicles.vda5050.dialect import Dialect
from vehicles.vda5050.engine_model import BrokerDown, BrokerUp, Deaf, Tick
from vehicles.vda5050.fleet import Broker, Vda5050Fleet
from vehicles.vda5050.models import ActionState, AgvPosition, Connection, State
from vehicles.vda5050.session import Vda5050Session
from vehicles.vda5050.settings import Vda5050Settings, Vda5050Vehicle
from vehicles.vda5050.transport import MqttTransport, TransportSettings

CAPABILITY = Capability(VehicleClass.ROBOT, 10.0, 4, 1.6, 800.0, (0.5, 0.5, 0.5))
VEHICLE = Vda5050Vehicle("r1", "ACME", "R-1", CAPABILITY, at(0, 0))


class Wire:
    """A session, a clock that stands still, and what was published."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.sent: list[tuple[str, dict, bool]] = []
        numbers = count()
        self.session = Vda5050Session(
            VEHICLE,
            MAP,
            self.clock,
            Vda5050Settings(),
            dialect=Dialect("ACME", "R-1", self.clock.now),
            publish=self._publish,
            ids=lambda kind: f"{kind}-{next(numbers)}",
        )

    def _publish(self, topic: str, payload: bytes, *, urgent: bool) -> None:
        self.sent.append((topic, msgspec.json.decode(payload), urgent))

    def hear(self, message: State) -> None:
        self.session.received("state", msgspec.json.encode(message))

    def up(self) -> None:
        self.session.feed(BrokerUp())
        self.hear(state(1))

    async def passes(self, seconds: int) -> None:
        for _ in range(seconds):
            await self.clock.advance(1.0)
            self.session.feed(Tick())
        await self.clock.settle()

    def actions(self, action_type: str) -> list[str]:
        return [
            a["actionId"]
            for topic, body, _ in self.sent
            if topic == "instantActions"
            for a in body["actions"]
            if a["actionType"] == action_type
        ]

    @property
    def events(self) -> list[EventKind]:
        queue = self.session._events
        return [queue.get_nowait().kind for _ in range(queue.qsize())]


@pytest.fixture
def wire() -> Wire:
    return Wire()


async def test_nothing_is_loaded_on_a_robot_that_nobody_heard(wire: Wire) -> None:
    assert wire.session.telemetry.link is LinkState.UNKNOWN
    refused = await wire.session.load(round_of())
    assert refused.outcome is Outcome.REFUSED
    assert "unknown" in refused.reason


async def test_load_sends_nothing_and_start_wants_what_was_loaded(wire: Wire) -> None:
    wire.up()
    wire.sent.clear()
    mission = round_of()
    refused = await wire.session.start(mission)
    assert "load it first" in refused.reason
    assert (await wire.session.load(mission)).done
    assert wire.sent == []
    assert wire.session.telemetry.mission_hash == mission.content_hash
    other = await wire.session.start(round_of("m1", pin=""))
    assert other.outcome is Outcome.REFUSED
    wrong = await wire.session.load(replace(mission, vehicle_id="r2"))
    assert "for r2" in wrong.reason
    air = AirMission("a", "r1", at(0, 0), 10.0, 50.0, (), "z")
    assert "drone" in (await wire.session.load(air)).reason


async def test_each_instant_action_has_a_message_of_its_own(wire: Wire) -> None:
    wire.session.feed(BrokerUp())
    online = Connection(
        header_id=0,
        timestamp="2026-06-01T08:00:00.000Z",
        version="2.1.0",
        manufacturer="ACME",
        serial_number="R-1",
        connection_state="ONLINE",
    )
    wire.session.received("connection", msgspec.json.encode(online))
    wire.sent.clear()
    await wire.passes(3)
    again = [body["actions"] for topic, body, _ in wire.sent if topic == "instantActions"]
    assert {len(actions) for actions in again} == {1}
    assert {a["actionType"] for (a,) in again} == {"stateRequest", "factsheetRequest"}


async def test_start_is_done_when_the_state_reflects_the_order(wire: Wire) -> None:
    wire.up()
    mission = round_of()
    assert (await wire.session.load(mission)).done
    start = asyncio.create_task(wire.session.start(mission))
    await wire.passes(3)
    assert not start.done()
    assert [b["headerId"] for t, b, _ in wire.sent if t == "order"] == [0, 1]
    wire.hear(on_order(order(), 2))
    await wire.clock.settle()
    assert (await start).done
    assert wire.events == [EventKind.STARTED]
    assert (await wire.session.start(mission)).done
    assert wire.session.telemetry.phase is Phase.EN_ROUTE


async def test_start_is_refused_when_the_robot_says_so(wire: Wire) -> None:
    wire.up()
    mission = round_of()
    await wire.session.load(mission)
    start = asyncio.create_task(wire.session.start(mission))
    await wire.clock.settle()
    wire.hear(state(2, errors=(error("noRouteError", order().order_id),)))
    result = await start
    assert result.outcome is Outcome.REFUSED
    assert "noRouteError" in result.reason
    assert wire.session.telemetry.mission_hash is None


async def test_start_without_an_answer_is_uncertain(wire: Wire) -> None:
    wire.up()
    mission = round_of()
    await wire.session.load(mission)
    start = asyncio.create_task(wire.session.start(mission))
    await wire.passes(80)
    result = await start
    assert result.outcome is Outcome.UNCERTAIN
    assert "reflect" in result.reason
    assert wire.session.telemetry.link is LinkState.STALE


async def test_hold_without_an_answer_is_uncertain_and_goes_first(wire: Wire) -> None:
    wire.up()
    hold = asyncio.create_task(wire.session.execute(Verb.HOLD))
    await wire.passes(100)
    result = await hold
    assert result.outcome is Outcome.UNCERTAIN
    assert len(set(wire.actions("startPause"))) == 1
    assert len(wire.actions("startPause")) >= 3
    assert all(urgent for topic, _, urgent in wire.sent if topic == "instantActions")


async def test_hold_of_a_robot_that_says_no(wire: Wire) -> None:
    wire.up()
    hold = asyncio.create_task(wire.session.execute(Verb.HOLD))
    await wire.clock.settle()
    failed = ActionState(
        action_id=wire.actions("startPause")[0],
        action_status="FAILED",
        result_description="on a slope",
    )
    wire.hear(state(2, action_states=(failed,)))
    result = await hold
    assert result.outcome is Outcome.REFUSED
    assert "on a slope" in result.reason


async def test_commands_without_a_broker_are_refused(wire: Wire) -> None:
    wire.up()
    wire.session.feed(BrokerDown())
    for verb in Verb:
        result = await wire.session.execute(verb)
        assert result.outcome is Outcome.REFUSED
        assert "broker" in result.reason


async def test_return_is_done_at_base_only(wire: Wire) -> None:
    wire.up()
    assert (await wire.session.execute(Verb.RETURN)).done
    far = AgvPosition(x=500, y=0, theta=0, map_id="site", position_initialized=True)
    wire.hear(state(2, agv_position=far))
    assert (await wire.session.execute(Verb.RETURN)).outcome is Outcome.REFUSED


async def test_cancel_drops_what_was_only_loaded(wire: Wire) -> None:
    wire.up()
    mission = round_of()
    await wire.session.load(mission)
    assert (await wire.session.execute(Verb.LAND)).done
    assert wire.session.telemetry.mission_hash is None


async def test_adopt_of_a_silent_robot_is_a_timeout_and_no_answer(wire: Wire) -> None:
    wire.up()
    adopt = asyncio.create_task(wire.session.adopt(round_of()))
    await wire.passes(70)
    with pytest.raises(VehicleTimeoutError, match="unknown until it answers"):
        await adopt


async def test_adopt_reads_a_state_that_is_newer_than_the_question(wire: Wire) -> None:
    wire.up()
    adopt = asyncio.create_task(wire.session.adopt(round_of()))
    await wire.clock.settle()
    asked = wire.actions("stateRequest")[-1]
    shown = on_order(order(), 2, 3, k1="FINISHED", k2="FINISHED", d1="FINISHED")
    wire.hear(shown)
    await wire.clock.settle()
    assert not adopt.done()
    answer = ActionState(action_id=asked, action_status="FINISHED")
    wire.hear(
        msgspec.structs.replace(shown, header_id=3, action_states=(*shown.action_states, answer))
    )
    progress = await adopt
    assert (progress.holds, progress.running, progress.completed) == (True, True, False)
    assert progress.picked == {"p1", "p2"}
    assert progress.released == {"p1"}
    assert wire.session.telemetry.mission_hash == round_of().content_hash


async def test_adopt_holds_what_is_loaded_and_drops_what_the_robot_does_not_show(
    wire: Wire,
) -> None:
    wire.up()
    mission = round_of()

    async def adopt(header_id: int):
        task = asyncio.create_task(wire.session.adopt(mission))
        await wire.clock.settle()
        asked = wire.actions("stateRequest")[-1]
        answer = ActionState(action_id=asked, action_status="FINISHED")
        wire.hear(state(header_id, action_states=(answer,)))
        return await task

    await wire.session.load(mission)
    loaded = await adopt(2)
    assert (loaded.holds, loaded.running) == (True, False)
    start = asyncio.create_task(wire.session.start(mission))
    await wire.clock.settle()
    sent = await adopt(3)
    assert not sent.holds
    assert (await start).outcome is Outcome.REFUSED
    orders = [t for t, _, _ in wire.sent if t == "order"]
    await wire.passes(20)
    assert [t for t, _, _ in wire.sent if t == "order"] == orders


async def test_nonsense_alarms_once_a_minute_and_topic(wire: Wire) -> None:
    wire.up()
    for _ in range(1000):
        wire.session.received("state", b"{")
    wire.session.received("connection", b"{")
    assert wire.events == [EventKind.ALARM, EventKind.ALARM]
    await wire.clock.advance(61.0)
    wire.session.received("state", b"{")
    event = wire.session._events.get_nowait()
    assert "999 more" in event.detail
    assert wire.session.telemetry.link is LinkState.STALE or wire.session.telemetry.startable


async def test_own_absence_is_not_the_robots_silence(wire: Wire) -> None:
    wire.up()
    await wire.clock.advance(100.0)
    wire.session.feed(Deaf(99.0))
    assert wire.session.telemetry.link is LinkState.ONLINE
    await wire.passes(36)
    assert wire.session.telemetry.link is LinkState.STALE
    assert wire.events == [EventKind.LINK_LOST]


def fleet(*vehicles: Vda5050Vehicle) -> Vda5050Fleet:
    return Vda5050Fleet(vehicles, Broker("127.0.0.1", 1), MAP, ManualClock())


async def test_bad_enrolments_are_named() -> None:
    with pytest.raises(ConfigurationError, match="twice"):
        fleet(VEHICLE, replace(VEHICLE, vehicle_id="r2"))
    with pytest.raises(ConfigurationError, match="twice"):
        fleet(VEHICLE, replace(VEHICLE, serial="R-2"))
    with pytest.raises(ConfigurationError, match="serial"):
        fleet(replace(VEHICLE, serial="R/2"))


class Silent:
    def __init__(self) -> None:
        self.up = asyncio.Event()

    def connected(self) -> None:
        self.up.set()

    def disconnected(self, reason: str) -> None:
        self.up.clear()

    def received(self, topic: str, payload: bytes) -> None:
        del topic, payload


async def test_transport_backs_off_and_queues_nothing_while_down() -> None:
    waits: list[float] = []
    enough = asyncio.Event()

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) >= 12:
            enough.set()
            await asyncio.Event().wait()

    transport = MqttTransport(
        Broker("127.0.0.1", 1),
        ("a/#",),
        Silent(),
        identifier="t",
        jitter=lambda: 0.5,
        settings=TransportSettings(backoff_first_s=0.1, backoff_max_s=3.0),
        wait=wait,
    )
    run: Callable = transport.run
    task = asyncio.create_task(run(), name="transport")
    await enough.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert waits[0] == pytest.approx(0.1)
    assert waits == sorted(waits)
    assert max(waits) == pytest.approx(3.0)
    assert not transport.up
    assert not transport.send("a", b"x", urgent=True)
    assert transport.counts.dropped_out == 1


def test_a_password_is_not_printed() -> None:
    assert "secret" not in repr(Broker("h", password="secret"))


def test_no_timeout_is_shorter_than_the_wall_allows() -> None:
    assert Vda5050Settings.for_speedup(1.0) == Vda5050Settings()
    fast = Vda5050Settings.for_speedup(20.0)
    assert fast.engine.stale_after_s / 20.0 >= 5.0
    assert fast.engine.accept_timeout_s / 20.0 >= 8.0
    assert fast.adopt_timeout_s / 20.0 >= 8.0


class Stubborn:
    """A client whose disconnect fails, as aiomqtt's does when the broker hangs up first."""

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc: object) -> None:
        raise aiomqtt.MqttError("Unexpected disconnection")

    async def subscribe(self, name: str, qos: int) -> None:
        del name, qos

    @property
    async def messages(self):
        await asyncio.Event().wait()
        yield None


async def test_a_cancellation_is_not_lost_in_a_failing_disconnect(monkeypatch) -> None:
    listener = Silent()
    transport = MqttTransport(
        Broker("127.0.0.1", 1), ("a/#",), listener, identifier="t", jitter=lambda: 0.5
    )
    monkeypatch.setattr(transport, "_client", Stubborn)
    task = asyncio.create_task(transport.run(), name="transport")
    await listener.up.wait()
    assert transport.send("a", b"x")
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=2)
    task.cancel()
    assert done == {task}
    assert task.cancelled()
