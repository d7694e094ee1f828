"""Base and horizon against a little robot, over a channel that loses, doubles and reorders.

Orders are long, windows and leases short, so that most of what is sent are updates. The robot
restarts, its key is turned, the master restarts and has nothing but the plan and what the robot
shows. Versions 2.1 and 3.0, robots that repeat a decision point's actions, and robots that can
take few nodes at a time.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from geofence.frames import LatLon
from missions.model import GroundMission, RouteAction, RouteEdge, RouteNode, StopAction
from tests.property.vda5050_robot import LittleRobot
from vehicles.port import EventKind
from vehicles.vda5050.dialect import Dialect
from vehicles.vda5050.engine import step
from vehicles.vda5050.engine_model import (
    OPEN,
    Adopt,
    Ask,
    Begin,
    BrokerUp,
    EngineSettings,
    EngineState,
    GotState,
    Grant,
    Input,
    Prepare,
    SendOrder,
    Stage,
    Swap,
    Tick,
)
from vehicles.vda5050.gate import order_gate, robot_gate
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.orders import OrderSettings, PreparedOrder, build_order
from vehicles.vda5050.swap import swap_fault

MAP = SiteMap("site", LatLon(60.17, 24.94))
NODES = 9


def mission(number: int) -> GroundMission:
    def deeds(index: int) -> tuple[RouteAction, ...]:
        kinds = {0: StopAction.PICK, 4: StopAction.DROP, 5: StopAction.PICK, 8: StopAction.DROP}
        if index not in kinds:
            return ()
        parcel = f"{number}-{'p' if index < 5 else 'q'}"
        return (RouteAction(f"{number}-{index}", kinds[index], parcel),)

    nodes = tuple(
        RouteNode(f"n{i % 4}", MAP.to_latlon(0.5 * i, 0.0), deeds(i)) for i in range(NODES)
    )
    edges = tuple(
        RouteEdge(f"e{i}", nodes[i].node_id, nodes[i + 1].node_id, 0.5, 1.0)
        for i in range(NODES - 1)
    )
    return GroundMission(f"m{number}", "r", nodes, edges, "z")


def other_way(way: GroundMission, at: int, by: int) -> GroundMission:
    """The same round with `by` more nodes behind node `at`, and the same deeds at the end of it."""
    spot = way.nodes[at].position
    nodes = way.nodes[: at + 1] + tuple(RouteNode(f"aside{i}", spot) for i in range(by))
    nodes += way.nodes[at + 1 :]
    edges = way.edges[:at] + tuple(
        RouteEdge(f"x{i}", nodes[i].node_id, nodes[i + 1].node_id, 0.5, 1.0)
        for i in range(at, len(nodes) - 1)
    )
    return replace(way, nodes=nodes, edges=edges)


class Road(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.missions = self.ids = 0
        self.to_robot: list[tuple[str, bytes]] = []
        self.to_master: list[bytes] = []
        self.told: Counter[tuple[EventKind, str]] = Counter()
        self.granted: dict[str, int | None] = {}
        self.order: PreparedOrder | None = None
        self.way: GroundMission | None = None
        self.alive = False

    @initialize(
        ahead=st.integers(0, 4),
        window=st.sampled_from([0, 0, 2, 3, 5]),
        repeats=st.booleans(),
        version=st.sampled_from(["2.1.0", "3.0.0"]),
    )
    def begin(self, ahead: int, window: int, repeats: bool, version: str) -> None:
        self.settings = EngineSettings(base_nodes_ahead=ahead, resend_stitch_actions=not repeats)
        self.window, self.version = window, version
        self.robot = LittleRobot(repeats_stitched=repeats)
        self.alive = True
        self.boot()

    def boot(self) -> None:
        self.ids += 1
        self.engine = EngineState(self.settings, tag=f"t{self.ids}")
        self.dialect = Dialect("ACME", "R", lambda: datetime(2026, 1, 1, tzinfo=UTC))
        self.feed(BrokerUp())
        self.hear(self.robot.state(self.now, self.version))

    def hear(self, payload: bytes) -> None:
        self.feed(GotState(self.dialect.state(payload, "r")))

    def feed(self, event: Input) -> None:
        before = self.engine.track
        self.engine, sends, notices = step(self.engine, event, self.now)
        for send in sends:
            if isinstance(send, SendOrder):
                self.check_order(send, before)
                self.to_robot.append(("order", self.dialect.order(send.body)))
            else:
                payload = self.dialect.instant_actions(send.actions)
                self.to_robot.append(("instantActions", payload))
        for notice in notices:
            self.told[notice.kind, notice.parcel_id] += 1
            word = {EventKind.PICKED: "pick", EventKind.RELEASED: "drop"}.get(notice.kind)
            if word is not None:
                assert (word, notice.parcel_id) in self.robot.done

    def check_order(self, send: SendOrder, before: Any) -> None:
        track = self.engine.track
        assert track is not None
        assert track.prepared.order_id == send.body.order_id
        # nothing after a cancel, and never beyond what the leases have ever granted
        assert not track.cancel_id
        upto = self.granted.get(send.body.order_id)
        first = send.body.nodes[0].sequence_id
        last = max(n.sequence_id for n in send.body.nodes if n.released)
        assert upto is None or last <= max(upto, first)
        if self.window:
            assert len(send.body.nodes) <= self.window

    # --- the channel -----------------------------------------------------------------------

    @rule(pick=st.integers(0, 30), fate=st.sampled_from(["once", "once", "twice", "lost"]))
    @precondition(lambda self: self.to_robot)
    def robot_hears(self, pick: int, fate: str) -> None:
        index = pick % len(self.to_robot)
        topic, payload = self.to_robot[index]
        if fate != "twice":
            del self.to_robot[index]
        if fate != "lost":
            self.robot.hear(topic, payload)
            self.says()

    @rule(pick=st.integers(0, 30), fate=st.sampled_from(["once", "once", "twice", "lost"]))
    @precondition(lambda self: self.to_master)
    def master_hears(self, pick: int, fate: str) -> None:
        index = pick % len(self.to_master)
        payload = self.to_master[index]
        if fate != "twice":
            del self.to_master[index]
        if fate != "lost":
            self.hear(payload)

    def says(self) -> None:
        self.to_master.append(self.robot.state(self.now, self.version))

    # --- the world -------------------------------------------------------------------------

    @rule(steps=st.integers(1, 6))
    @precondition(lambda self: self.alive)
    def robot_moves(self, steps: int) -> None:
        for _ in range(steps):
            self.robot.move()
        self.says()

    @rule(seconds=st.sampled_from([1.0, 3.0, 12.0, 50.0]))
    @precondition(lambda self: self.alive)
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.feed(Tick())
        self.says()

    @rule()
    @precondition(lambda self: self.alive)
    def robot_restarts(self) -> None:
        self.robot.forget()
        self.says()

    @rule(mode=st.sampled_from(["AUTOMATIC", "AUTOMATIC", "MANUAL"]))
    @precondition(lambda self: self.alive)
    def key_is_turned(self, mode: str) -> None:
        self.robot.turn_key(mode)
        self.says()

    @rule()
    @precondition(lambda self: self.alive)
    def master_restarts(self) -> None:
        """Nothing is left but the plan, the leases and what the robot shows."""
        self.boot()
        if self.order is not None:
            granted = self.granted[self.order.order_id]
            self.feed(Adopt(self.order, granted))
            track = self.engine.track
            if track is not None:
                # what adoption answers is not told again by an event; what a robot that restarted
                # as well no longer shows, nobody knows: an old state may tell it once more
                for kind, parcels in (
                    (EventKind.PICKED, track.picked),
                    (EventKind.RELEASED, track.released),
                ):
                    for action in self.order.actions:
                        self.told[kind, action.parcel_id] = int(action.parcel_id in parcels)

    # --- the controller --------------------------------------------------------------------

    @rule(upto=st.one_of(st.none(), st.integers(0, NODES - 1)))
    @precondition(lambda self: self.alive)
    def load_and_start(self, upto: int | None) -> None:
        if robot_gate(self.engine, self.now, "site"):
            return
        way = mission(self.missions + 1)
        order = self.order_for(way)
        if order_gate(self.engine, order):
            return
        assert self.engine.track is None or self.engine.track.stage not in OPEN
        self.missions += 1
        self.order, self.way = order, way
        self.granted[order.order_id] = granted = None if upto is None else 2 * upto
        self.feed(Prepare(order, granted))
        self.feed(Begin())

    def order_for(self, way: GroundMission) -> PreparedOrder:
        return replace(build_order(way, MAP, OrderSettings()), window=self.window)

    @rule(by=st.integers(0, 3), told=st.booleans())
    @precondition(lambda self: self.way is not None)
    def another_way(self, by: int, told: bool) -> None:
        """Kept, then told: or the master is stopped in between and finds the old horizon."""
        track = self.engine.track
        assert self.way is not None
        if track is None or track.base_end // 2 >= len(self.way.nodes) - 1:
            return
        way = other_way(self.way, track.base_end // 2, by)
        order = self.order_for(way)
        if swap_fault(track, order, self.engine.state):
            return
        self.order, self.way = order, way
        self.granted[order.order_id] = track.base_end
        if told:
            self.feed(Swap(order, track.base_end))
            assert self.engine.track is not None
            assert self.engine.track.prepared is order
        else:
            self.master_restarts()

    @rule(more=st.integers(1, 4))
    @precondition(lambda self: self.order is not None)
    def lease(self, more: int) -> None:
        assert self.order is not None
        upto = self.granted[self.order.order_id]
        if upto is not None:
            upto = min(upto + 2 * more, self.order.last_sequence_id)
            self.granted[self.order.order_id] = upto
            self.feed(Grant(self.order.order_id, upto))

    @rule()
    @precondition(lambda self: self.alive)
    def cancel(self) -> None:
        self.ids += 1
        self.feed(Ask("cancelOrder", f"c{self.ids}"))

    @rule(word=st.sampled_from(["startPause", "stopPause", "stopPause"]))
    @precondition(lambda self: self.alive)
    def pause(self, word: str) -> None:
        self.ids += 1
        self.feed(Ask(word, f"p{self.ids}"))

    # --- what must hold --------------------------------------------------------------------

    @invariant()
    def each_parcel_moves_once(self) -> None:
        if self.alive:
            assert all(n == 1 for n in Counter(self.robot.done).values()), self.robot.done
        for (kind, _), count in self.told.items():
            if kind in {EventKind.PICKED, EventKind.RELEASED}:
                assert count <= 1

    @invariant()
    def one_order_at_a_time(self) -> None:
        """A robot takes an order once; a forgotten one comes back only to be cancelled."""
        if self.alive and self.robot.order_ids:
            known = {f"waypost-m{n + 1}" for n in range(self.missions)}
            assert set(self.robot.order_ids) <= known

    def teardown(self) -> None:
        """When the faults end and all is leased, every order comes to an end."""
        if not self.alive:
            return
        self.robot.turn_key("AUTOMATIC")
        self.ids += 1
        self.feed(Ask("stopPause", f"last{self.ids}"))
        if self.order is not None:
            self.granted[self.order.order_id] = None
            self.feed(Grant(self.order.order_id, None))
        self.runs(200)
        track = self.engine.track
        assert track is None or track.stage not in {Stage.SENT, Stage.ACTIVE}, track
        if not self.robot.idle:
            # an order of before a restart that came late: told, and a person cancels it
            assert self.engine.stranger == self.robot.order_id
            assert any(a.startswith("stranger") for a in self.engine.alarms)
            self.ids += 1
            self.feed(Ask("cancelOrder", f"last{self.ids}"))
            self.runs(30)
        assert self.robot.idle
        self.each_parcel_moves_once()

    def runs(self, rounds: int) -> None:
        for _ in range(rounds):
            self.now += 2.0
            queue, self.to_robot = self.to_robot, []
            for topic, payload in queue:
                self.robot.hear(topic, payload)
            self.robot.move()
            self.says()
            replies, self.to_master = self.to_master, []
            for payload in replies:
                self.hear(payload)
            self.feed(Tick())


Road.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestRoad = Road.TestCase
