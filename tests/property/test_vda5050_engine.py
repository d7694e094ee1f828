"""The order engine against a robot that keeps its own rules, over a channel that keeps none.

Messages are lost, doubled and overtaken in both directions; the robot restarts and forgets, the
key is turned, the master restarts and adopts. Whatever happens: one order at a time, its content
never changed, and nothing told that is not so.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from geofence.frames import LatLon
from missions.model import GroundMission, RouteAction, RouteEdge, RouteNode, StopAction
from sitl.robot import RobotMap, RobotSpec, words
from sitl.robot.core import RobotCore
from vehicles.port import EventKind
from vehicles.vda5050.codec import HeaderCounter
from vehicles.vda5050.codec2 import Codec2
from vehicles.vda5050.engine import step
from vehicles.vda5050.engine_model import (
    OPEN,
    Adopt,
    Ask,
    Begin,
    BrokerUp,
    EngineState,
    GotConnection,
    GotState,
    Input,
    Prepare,
    SendOrder,
    Stage,
    Tick,
)
from vehicles.vda5050.gate import order_gate, robot_gate
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.orders import OrderSettings, PreparedOrder, build_order
from vehicles.vda5050.progress import read

ORIGIN = LatLon(60.17, 24.94)
MAP = SiteMap("site", ORIGIN)
START = datetime(2026, 1, 1, tzinfo=UTC)
CODEC = Codec2()


def mission(number: int, x: float, y: float) -> GroundMission:
    def deed(kind: StopAction, parcel: str) -> RouteAction:
        return RouteAction(f"{number}-{kind}-{parcel}", kind, f"{number}-{parcel}")

    nodes = (
        RouteNode(
            "a",
            MAP.to_latlon(x, y),
            (deed(StopAction.PICK, "p"), deed(StopAction.PICK, "q")),
        ),
        RouteNode("b", MAP.to_latlon(x + 10, y), (deed(StopAction.DROP, "p"),)),
        RouteNode("c", MAP.to_latlon(x + 10, y + 5), (deed(StopAction.DROP, "q"),)),
        RouteNode("a", MAP.to_latlon(x, y)),
    )
    edges = tuple(
        RouteEdge(f"e{i}", nodes[i].node_id, nodes[i + 1].node_id, 10.0, 2.0) for i in range(3)
    )
    return GroundMission(f"m{number}", "r", nodes, edges, "z")


class Channel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        spec = RobotSpec(
            "r",
            "ACME",
            "R",
            ORIGIN.lat_deg,
            ORIGIN.lon_deg,
            speed_mps=2.0,
            pick_duration_s=2.0,
            drop_duration_s=2.0,
        )
        self.truth: Counter[tuple[str, str]] = Counter()
        self.robot = RobotCore(
            spec,
            RobotMap("site", ORIGIN.lat_deg, ORIGIN.lon_deg),
            lambda _at, word, parcel: self.truth.update([(word, parcel)]),
            0.0,
        )
        self.voice = words.Voice(spec, self.clock)
        self.to_robot: list[tuple[str, bytes]] = []
        self.to_master: list[bytes] = []
        self.bodies: dict[str, bytes] = {}
        self.orders: dict[str, PreparedOrder] = {}
        self.told: Counter[tuple[EventKind, str, str]] = Counter()
        self.ids = 0
        self.missions = 0
        self.powered = True
        self.adopting: PreparedOrder | None = None
        self.boot()

    def clock(self) -> datetime:
        return START + timedelta(seconds=self.now)

    def boot(self) -> None:
        self.ids += 1
        self.engine = EngineState(tag=f"t{self.ids}")
        self.headers = HeaderCounter("ACME", "R", self.clock)
        self.feed(BrokerUp())

    @initialize()
    def begin(self) -> None:
        self.connection("ONLINE")
        self.say()
        self.feed(GotState(CODEC.state(self.to_master.pop(), "r")))

    def feed(self, event: Input) -> None:
        before = self.engine.track
        self.engine, sends, notices = step(self.engine, event, self.now)
        for send in sends:
            if isinstance(send, SendOrder):
                body = repr(send.body).encode()
                assert self.bodies.setdefault(send.body.order_id, body) == body
                assert self.engine.track is not None
                assert self.engine.track.prepared.order_id == send.body.order_id
                payload = CODEC.order(send.body, self.headers.next("order"))
                self.to_robot.append(("order", payload))
            else:
                head = self.headers.next("instantActions")
                self.to_robot.append(("instantActions", CODEC.instant_actions(send.actions, head)))
        for notice in notices:
            self.told[notice.kind, notice.mission_hash, notice.parcel_id] += 1
            if notice.kind is EventKind.PICKED:
                assert self.truth["picked", notice.parcel_id] == 1
            if notice.kind is EventKind.RELEASED:
                assert self.truth["dropped", notice.parcel_id] == 1
        del before

    def say(self) -> None:
        if self.powered:
            self.robot.changed = False
            self.to_master.append(self.voice.say("state", words.state(self.robot)))

    def connection(self, word: str) -> None:
        """QoS 1 and retained: it arrives."""
        payload = self.voice.say("connection", words.connection(word))
        self.feed(GotConnection(CODEC.connection(payload, "r")))

    # --- the channel -----------------------------------------------------------------------

    @rule(pick=st.integers(0, 50), twice=st.booleans())
    @precondition(lambda self: self.to_robot)
    def robot_hears(self, pick: int, twice: bool) -> None:
        index = pick % len(self.to_robot)
        topic, payload = self.to_robot[index]
        if not twice:
            del self.to_robot[index]
        if self.powered:
            self.robot.receive(topic, payload)
            self.say()

    @rule(pick=st.integers(0, 50))
    @precondition(lambda self: self.to_robot)
    def lost_to_robot(self, pick: int) -> None:
        del self.to_robot[pick % len(self.to_robot)]

    @rule(pick=st.integers(0, 50), twice=st.booleans())
    @precondition(lambda self: self.to_master)
    def master_hears(self, pick: int, twice: bool) -> None:
        index = pick % len(self.to_master)
        payload = self.to_master[index]
        if not twice:
            del self.to_master[index]
        self.feed(GotState(CODEC.state(payload, "r")))

    @rule(pick=st.integers(0, 50))
    @precondition(lambda self: self.to_master)
    def lost_to_master(self, pick: int) -> None:
        del self.to_master[pick % len(self.to_master)]

    # --- the world -------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.5, 2.0, 5.0, 15.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        if self.powered:
            self.robot.advance(self.now)
            self.say()
        else:
            self.robot.t = self.now
        self.feed(Tick())

    @rule()
    @precondition(lambda self: self.powered)
    def robot_dies(self) -> None:
        self.powered = False
        self.connection("CONNECTIONBROKEN")

    @rule()
    @precondition(lambda self: not self.powered)
    def robot_boots(self) -> None:
        self.powered = True
        self.robot.forget()
        self.voice = words.Voice(self.robot.spec, self.clock)
        self.connection("ONLINE")
        self.say()

    @rule(word=st.sampled_from(["AUTOMATIC", "AUTOMATIC", "MANUAL"]))
    def key_is_turned(self, word: str) -> None:
        self.robot.set_mode(word)
        self.say()

    # --- the controller --------------------------------------------------------------------

    @rule()
    def load_and_start(self) -> None:
        if robot_gate(self.engine, self.now, "site"):
            return
        self.missions += 1
        plan = mission(self.missions, self.robot.x, self.robot.y)
        order = build_order(plan, MAP, OrderSettings())
        if order_gate(self.engine, order):
            return
        before = self.engine.track
        assert before is None or before.stage not in OPEN
        self.orders[order.order_id] = order
        self.feed(Prepare(order))
        self.feed(Begin())
        assert self.engine.track is not None
        assert self.engine.track.stage is Stage.SENT

    @rule()
    def cancel(self) -> None:
        self.ids += 1
        self.feed(Ask("cancelOrder", f"c{self.ids}"))

    @rule(action=st.sampled_from(["startPause", "stopPause", "stopPause"]))
    def pause(self, action: str) -> None:
        self.ids += 1
        self.feed(Ask(action, f"a{self.ids}"))

    @rule()
    @precondition(lambda self: self.powered)
    def master_restarts(self) -> None:
        """Anew from nothing; adopts the last order by the state that answers its request."""
        known = self.engine.track.prepared if self.engine.track else None
        told = self.engine.track
        self.boot()
        self.to_robot.clear()
        self.robot.receive(
            "instantActions",
            CODEC.instant_actions(
                self.engine.instants[0].action and (self.engine.instants[0].action,),
                self.headers.next("instantActions"),
            ),
        )
        self.to_master.clear()
        self.connection("ONLINE")
        self.say()
        self.feed(GotState(CODEC.state(self.to_master.pop(), "r")))
        if known is None or told is None:
            return
        self.feed(Adopt(known))
        state, track = self.engine.state, self.engine.track
        if track is not None and state is not None:
            assert track.prepared.order_id == known.order_id
            assert told.released <= track.released or read(known, state) != "running"
            for parcel in track.released - told.released:
                # the answer of adopt tells it, not an event
                self.told[EventKind.RELEASED, known.mission_hash, parcel] += 1

    # --- what must hold --------------------------------------------------------------------

    @invariant()
    def nothing_is_told_twice(self) -> None:
        for (kind, _, _), count in self.told.items():
            if kind in {EventKind.RELEASED, EventKind.PICKED}:
                assert count == 1, (kind, count)

    @invariant()
    def no_parcel_leaves_twice(self) -> None:
        assert all(count == 1 for (word, _), count in self.truth.items() if word == "dropped")

    @invariant()
    def ends_are_told_once(self) -> None:
        ends = Counter(
            digest
            for (kind, digest, _), count in self.told.items()
            if kind in {EventKind.COMPLETED, EventKind.ABORTED, EventKind.MISSION_LOST}
            for _ in range(count)
        )
        assert all(count == 1 for count in ends.values()), ends

    def teardown(self) -> None:
        """When the faults end, every order comes to an end."""
        if not hasattr(self, "engine"):
            return
        if not self.powered:
            self.robot_boots()
        self.robot.set_mode("AUTOMATIC")
        self.ids += 1
        self.feed(Ask("stopPause", f"last{self.ids}"))
        for _ in range(150):
            self.now += 2.0
            self.robot.advance(self.now)
            queue, self.to_robot = self.to_robot, []
            for topic, payload in queue:
                self.robot.receive(topic, payload)
            self.say()
            replies, self.to_master = self.to_master, []
            for payload in replies:
                self.feed(GotState(CODEC.state(payload, "r")))
            self.feed(Tick())
        track = self.engine.track
        assert track is None or track.stage not in {Stage.SENT, Stage.ACTIVE}, track
        assert self.robot.idle or track is None
        self.nothing_is_told_twice()
        self.ends_are_told_once()


Channel.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestChannel = Channel.TestCase
