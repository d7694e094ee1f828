"""A robot without its radio: body, order, actions and words.

Owns what the robot does and says, sans-IO: messages and simulated time in, messages and truth
events out. Must not know MQTT or asyncio.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from sitl.robot import door
from sitl.robot.geo import RobotMap
from sitl.robot.rules import Message, Refusal, check_actions, check_order, decode, parameter
from sitl.robot.spec import RobotSpec

MAX_ERRORS = 20
MAX_INSTANTS = 20
PIN_TRIES = 3
TERMINAL = ("FINISHED", "FAILED")
NEAR_M = 0.05

Told = Callable[[float, str, str], None]
"""Truth event: simulated seconds, word, parcel id."""


@dataclass(slots=True)
class Deed:
    """An action and how far it is."""

    action: Message
    sequence_id: int = -1
    status: str = "WAITING"
    result: str = ""
    left_s: float = 0.0
    visit: door.Visit | None = None
    """The wait for a customer."""

    @property
    def action_id(self) -> str:
        """Its id."""
        return str(self.action["actionId"])

    @property
    def kind(self) -> str:
        """Its type."""
        return str(self.action["actionType"])

    def entry(self) -> Message:
        """As an entry of actionStates."""
        entry = {
            "actionId": self.action_id,
            "actionType": self.kind,
            "actionStatus": self.status,
        }
        if self.result:
            entry["resultDescription"] = self.result
        return entry


@dataclass(slots=True)
class Leg:
    """A line that is driven now."""

    points: list[tuple[float, float]]
    speed_mps: float


@dataclass(slots=True)
class Memory:
    """What a restart wipes."""

    order: Message | None = None
    order_id: str = ""
    update_id: int = 0
    last_node_id: str = ""
    last_sequence_id: int = 0
    nodes: list[Message] = field(default_factory=list)
    edges: list[Message] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    instants: list[Deed] = field(default_factory=list)
    errors: list[Message] = field(default_factory=list)
    cancel: Deed | None = None
    cancelled: bool = False
    leg: Leg | None = None
    paused: bool = False
    travelled_m: float = 0.0


class RobotCore:
    """The robot. `t` is its simulated time in seconds; only `advance` moves it."""

    def __init__(self, spec: RobotSpec, robot_map: RobotMap, told: Told, start_s: float) -> None:
        self.spec = spec
        self.map = robot_map
        self.t = start_s
        self.x, self.y = robot_map.to_xy(spec.start_lat_deg, spec.start_lon_deg)
        self.home = (self.x, self.y)
        self.theta = spec.heading_rad
        self.battery_pct = spec.battery_pct
        self.charging = False
        self.mode = "AUTOMATIC"
        self.e_stop = "NONE"
        self.aboard: set[str] = set()
        self.gone: set[str] = set()
        self.m = Memory()
        self.changed = True
        self.factsheet_wanted = False
        self._told = told

    # --- what the body does ----------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Nothing left to do."""
        return (
            not self.m.nodes
            and not self.m.edges
            and all(d.status in TERMINAL for d in self.m.deeds)
        )

    @property
    def driving(self) -> bool:
        """Moving now."""
        return self.m.leg is not None and self._may_move

    @property
    def _may_move(self) -> bool:
        return (
            not self.m.paused
            and self.e_stop == "NONE"
            and self.mode in {"AUTOMATIC", "SEMIAUTOMATIC"}
            and self.battery_pct > 0.0
        )

    def advance(self, to_s: float) -> None:
        """Live until `to_s`; every event falls at its own time, whatever the step."""
        while self.t < to_s - 1e-9:
            self.t += self._live(to_s - self.t)

    def _live(self, left_s: float) -> float:
        """One thing for at most `left_s`; the time that it took."""
        running = next((d for d in self.m.deeds if d.status == "RUNNING"), None)
        if running is not None and (self._may_move or self.m.cancel is not None):
            took_s = min(left_s, running.left_s)
            running.left_s -= took_s
            if running.left_s <= 1e-9:
                self._finish(running, self.t + took_s)
            return took_s
        if self.m.cancel is not None:
            self._cancel_now()
            return 0.0
        if self._may_move:
            waiting = next((d for d in self.m.deeds if self._due(d)), None)
            if waiting is not None:
                self._begin(waiting)
                return 0.0
            if self.m.leg is None:
                self._next_leg()
            if self.m.leg is not None:
                return self._drive(self.m.leg, left_s)
        self._rest(left_s)
        return left_s

    def _due(self, deed: Deed) -> bool:
        ahead = any(n["sequenceId"] == deed.sequence_id for n in self.m.nodes)
        return deed.status == "WAITING" and not ahead

    def _next_leg(self) -> None:
        if not self.m.nodes:
            return
        node = self.m.nodes[0]
        if not node["released"]:
            return
        goal = (float(node["nodePosition"]["x"]), float(node["nodePosition"]["y"]))
        points, speed = [goal], self.spec.speed_mps
        edge = self.m.edges[0] if self.m.edges else None
        if edge is not None and edge["sequenceId"] == node["sequenceId"] - 1:
            curve = edge.get("trajectory")
            if curve:
                points = [(float(p["x"]), float(p["y"])) for p in curve["controlPoints"]]
                points = [*points[1:-1], goal]
            speed = min(speed, float(edge.get("maxSpeed") or speed))
        self.m.leg = Leg(points, max(speed, 0.05))
        self.changed = True

    def _drive(self, leg: Leg, left_s: float) -> float:
        gx, gy = leg.points[0]
        away_m = math.hypot(gx - self.x, gy - self.y)
        if away_m > NEAR_M:
            self.theta = math.atan2(gy - self.y, gx - self.x)
        reach_m = self.battery_pct / 100.0 * self.spec.range_m
        step_m = min(away_m, leg.speed_mps * left_s, reach_m)
        self.charging = False
        if away_m > 0.0:
            self.x += (gx - self.x) * step_m / away_m
            self.y += (gy - self.y) * step_m / away_m
        self.m.travelled_m += step_m
        self.battery_pct = max(0.0, self.battery_pct - 100.0 * step_m / self.spec.range_m)
        if self.battery_pct <= 1e-9:
            self.battery_pct = 0.0
            self._error("batteryEmpty", "the battery is empty", level="FATAL")
        if step_m >= away_m - 1e-9:
            leg.points.pop(0)
            if not leg.points:
                self._arrive()
        return step_m / leg.speed_mps

    def _arrive(self) -> None:
        node = self.m.nodes.pop(0)
        if self.m.edges and self.m.edges[0]["sequenceId"] == node["sequenceId"] - 1:
            self.m.edges.pop(0)
        self.m.last_node_id = node["nodeId"]
        self.m.last_sequence_id = node["sequenceId"]
        self.m.leg = None
        self.m.travelled_m = 0.0
        self.changed = True

    def _rest(self, left_s: float) -> None:
        at_home = math.dist((self.x, self.y), self.home) <= self.spec.charge_radius_m
        charging = self.idle and at_home and self.battery_pct < 100.0
        if charging:
            gain = self.spec.charge_pct_per_s * left_s
            self.battery_pct = min(100.0, self.battery_pct + gain)
            charging = self.battery_pct < 100.0
        if charging is not self.charging:
            self.charging = charging
            self.changed = True

    # --- pick and drop ---------------------------------------------------------------------

    def _begin(self, deed: Deed) -> None:
        pin = parameter(deed.action, "handoverPinSha256")
        deed.status = "RUNNING"
        if deed.kind in door.DOOR_ACTIONS:
            door.begin(deed, self.m.deeds, self.spec.customers, self.spec.drop_duration_s)
        elif deed.kind == "pick":
            deed.left_s = self.spec.pick_duration_s
        else:
            deed.left_s = self.spec.drop_duration_s + (self.spec.customer_delay_s if pin else 0.0)
        self.changed = True

    def _finish(self, deed: Deed, at_s: float) -> None:
        parcel = str(parameter(deed.action, "loadId"))
        self.changed = True
        if deed.kind in door.DOOR_ACTIONS and deed.kind != "awaitRemoval":
            deed.status, deed.result, event = door.finish(deed, self.m.deeds)
            if event:
                self._told(at_s, event, parcel)
            return
        deed.status, deed.result = self._outcome(deed, parcel)
        if deed.status == "FAILED":
            self._error("actionError", deed.result, (("actionId", deed.action_id),))
        elif deed.kind == "pick":
            self.aboard.add(parcel)
            self._told(at_s, "picked", parcel)
        else:
            self.aboard.discard(parcel)
            self.gone.add(parcel)
            self._told(at_s, "dropped", parcel)

    def _outcome(self, deed: Deed, parcel: str) -> tuple[str, str]:
        if deed.kind == "pick":
            if parcel in self.gone or parcel in self.aboard:
                return "FAILED", f"parcel {parcel} is not there to be picked"
            return "FINISHED", f"parcel {parcel} aboard"
        if parcel not in self.aboard:
            return "FAILED", f"parcel {parcel} is not aboard"
        if kept := door.kept(deed, self.m.deeds, self.spec.customers.get(parcel)):
            return "FAILED", f"parcel {parcel} kept: {kept}"
        wanted = parameter(deed.action, "handoverPinSha256")
        if not wanted:
            return "FINISHED", f"parcel {parcel} left without contact"
        typed = self.spec.pins.get(parcel)
        if typed is None or hashlib.sha256(typed.encode()).hexdigest() == wanted:
            return "FINISHED", f"parcel {parcel} handed over: PIN accepted"
        return "FAILED", f"parcel {parcel} kept: PIN wrong {PIN_TRIES} times"

    # --- what comes in ---------------------------------------------------------------------

    def receive(self, topic: str, payload: bytes) -> None:
        """Take a message of topic order or instantActions."""
        try:
            message = decode(payload, topic, self.spec.manufacturer, self.spec.serial)
            if topic == "order":
                check_order(message, self.map.map_id)
                self._order(message)
            else:
                for action in check_actions(message):
                    self._instant(action)
        except Refusal as refusal:
            self._add_error(refusal.entry())

    def _order(self, message: Message) -> None:
        about = (
            ("topic", "order"),
            ("orderId", message["orderId"]),
            ("orderUpdateId", str(message["orderUpdateId"])),
        )
        if message["orderId"] == self.m.order_id:
            self._update(message, about)
            return
        if self.mode not in {"AUTOMATIC", "SEMIAUTOMATIC"}:
            raise Refusal("orderError", f"operating mode is {self.mode}", about)
        if self.e_stop != "NONE":
            raise Refusal("orderError", "emergency stop is active", about)
        if not self.idle or self.m.cancel is not None:
            raise Refusal("orderError", f"busy with order {self.m.order_id}", about)
        first = message["nodes"][0]
        spot = first["nodePosition"]
        away_m = math.dist((self.x, self.y), (spot["x"], spot["y"]))
        known = first["nodeId"] == self.m.last_node_id
        if away_m > float(spot.get("allowedDeviationXY") or 1.0) and not known:
            raise Refusal("noRouteError", f"first node is {away_m:.1f} m away", about)
        self._unload()
        self.m.order, self.m.order_id = message, message["orderId"]
        self.m.update_id, self.m.cancelled = message["orderUpdateId"], False
        self.m.nodes, self.m.edges = list(message["nodes"]), list(message["edges"])
        self.m.deeds = _deeds(message["nodes"])
        self.m.instants = [d for d in self.m.instants if d.status not in TERMINAL]
        self.m.errors = [e for e in self.m.errors if e["errorLevel"] == "FATAL"]
        self.changed = True

    def _unload(self) -> None:
        """Whoever loads it at its base takes out first what it brought back."""
        if math.dist((self.x, self.y), self.home) <= self.spec.charge_radius_m:
            for parcel in sorted(self.aboard):
                self._told(self.t, "unloaded", parcel)
            self.aboard.clear()

    def _update(self, message: Message, about: tuple[tuple[str, str], ...]) -> None:
        """A resend is ignored; a later update must join where the base ends."""
        number = message["orderUpdateId"]
        before = self.m.order or {}
        if number == self.m.update_id:
            if any(message[k] != before.get(k) for k in ("nodes", "edges")):
                raise Refusal("orderUpdateError", "same update id, other content", about)
            return
        if number < self.m.update_id:
            raise Refusal("orderUpdateError", f"update {number} is outdated", about)
        if self.m.cancelled or self.m.cancel is not None:
            raise Refusal("orderUpdateError", "the order was cancelled", about)
        base = [n for n in self.m.nodes if n["released"]]
        end = (
            (base[-1]["nodeId"], base[-1]["sequenceId"])
            if base
            else (self.m.last_node_id, self.m.last_sequence_id)
        )
        first = message["nodes"][0]
        if (first["nodeId"], first["sequenceId"]) != end:
            raise Refusal("orderUpdateError", "the update does not join the base", about)
        self.m.order, self.m.update_id = message, number
        self.m.nodes = base + list(message["nodes"][1:])
        edges = [e for e in self.m.edges if e["released"]]
        self.m.edges = edges + list(message["edges"])
        last = end[1]
        kept = [d for d in self.m.deeds if d.sequence_id <= last]
        self.m.deeds = kept + _deeds(message["nodes"][1:])
        self.changed = True

    def _instant(self, action: Message) -> None:
        if any(d.action_id == action["actionId"] for d in self.m.instants):
            self.changed = True
            return
        deed = Deed(action, status="FINISHED")
        over = [d for d in self.m.instants if d.status in TERMINAL]
        if len(over) >= MAX_INSTANTS:
            self.m.instants.remove(over[0])
        self.m.instants.append(deed)
        self.changed = True
        match deed.kind:
            case "startPause":
                self.m.paused = True
            case "stopPause":
                self.m.paused = False
            case "cancelOrder":
                self._cancel(deed)
            case "factsheetRequest":
                self.factsheet_wanted = True
            case "stateRequest":
                pass
            case "release" | "trigger":
                deed.status, deed.result = door.word(self.m.deeds)
            case _:
                deed.status, deed.result = "FAILED", f"cannot do {deed.kind}"
                self._error("validationError", deed.result, (("actionId", deed.action_id),))

    def _cancel(self, deed: Deed) -> None:
        if self.idle or self.m.cancel is not None:
            deed.status, deed.result = "FAILED", "no order to cancel"
            self._error("noOrderToCancel", deed.result, (("actionId", deed.action_id),))
            return
        deed.status = "RUNNING"
        self.m.cancel = deed
        for waiting in self.m.deeds:
            endless = waiting.status == "RUNNING" and waiting.left_s == math.inf
            if waiting.status == "WAITING" or endless:
                waiting.status, waiting.result = "FAILED", "order cancelled"

    def _cancel_now(self) -> None:
        """Standing, nothing running: the order is over."""
        self.m.nodes, self.m.edges, self.m.leg = [], [], None
        self.m.cancelled = True
        if self.m.cancel is not None:
            self.m.cancel.status = "FINISHED"
        self.m.cancel = None
        self.changed = True

    # --- what happens to it ----------------------------------------------------------------

    def forget(self) -> None:
        """A restart: order, pause and errors are gone; place, charge and load are not."""
        self.m = Memory()
        self.changed = True

    def set_mode(self, mode: str) -> None:
        """Turn the key. Leaving the automatic modes clears the order without a word."""
        self.mode = mode
        if mode not in {"AUTOMATIC", "SEMIAUTOMATIC"}:
            self.m.nodes, self.m.edges, self.m.leg = [], [], None
            self.m.deeds, self.m.cancel, self.m.cancelled = [], None, True
        self.changed = True

    def set_e_stop(self, word: str) -> None:
        """Press (AUTOACK, MANUAL, REMOTE) or release (NONE) the emergency stop."""
        self.e_stop = word
        self.changed = True

    def _error(
        self,
        word: str,
        text: str,
        references: tuple[tuple[str, str], ...] = (),
        level: str = "WARNING",
    ) -> None:
        self._add_error(Refusal(word, text, references).entry() | {"errorLevel": level})

    def _add_error(self, entry: Message) -> None:
        if entry not in self.m.errors:
            self.m.errors = [*self.m.errors, entry][-MAX_ERRORS:]
        self.changed = True


def _deeds(nodes: list[Message]) -> list[Deed]:
    return [Deed(action, node["sequenceId"]) for node in nodes for action in node["actions"]]
