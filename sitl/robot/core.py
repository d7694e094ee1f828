"""A robot without its radio: body, order, actions and words.

Owns what the robot does and says, sans-IO: messages and simulated time in, messages and truth
events out. Must not know MQTT or asyncio.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sitl.robot import door
from sitl.robot.geo import RobotMap
from sitl.robot.memory import TERMINAL, Deed, Leg, Memory, deeds_of
from sitl.robot.parcels import Parcels, moved
from sitl.robot.rules import Message, Refusal, check_actions, check_order, decode, parameter
from sitl.robot.rules3 import plain_order
from sitl.robot.spec import RobotSpec
from sitl.robot.zones import TINY_M, Zone, ZoneKeeper

MAX_ERRORS = 20
MAX_INSTANTS = 20
NEAR_M = 0.05
LOOK_M = 2.0
"""A robot among zones looks about it this often."""
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

Told = Callable[[float, str, str], None]
"""Truth event: simulated seconds, word, parcel id."""


class RobotCore:
    """The robot. `t` is its simulated time in seconds; only `advance` moves it."""

    def __init__(
        self,
        spec: RobotSpec,
        robot_map: RobotMap,
        told: Told,
        start_s: float,
        clock: Callable[[float], datetime] = lambda s: EPOCH + timedelta(seconds=s),
    ) -> None:
        self.spec = spec
        self.map = robot_map
        self.t = start_s
        self.x, self.y = robot_map.to_xy(spec.start_lat_deg, spec.start_lon_deg)
        self.home = (self.x, self.y)
        self.theta = spec.heading_rad
        self.battery_pct = spec.battery_pct
        self.charging = False
        self.plugged = not spec.charges_when_told
        self.mode = "AUTOMATIC"
        self.e_stop = "NONE"
        self.aboard: set[str] = set()
        self.gone: set[str] = set()
        self.m = Memory()
        self.changed = True
        self.factsheet_wanted = False
        self.zones = ZoneKeeper(robot_map.map_id, spec.zone_types)
        self._told = told
        self._clock = clock
        self._held = ""

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
        return self.m.leg is not None and self._may_move and not self._held

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
        if self.zones.enabled:
            self.changed |= self.zones.look((self.x, self.y), self._way(), self.t)
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
            if self.m.leg is None and not self._retriable:
                self._next_leg()
            if self.m.leg is not None:
                return self._drive(self.m.leg, left_s)
        self._rest(left_s)
        return left_s

    @property
    def _retriable(self) -> Deed | None:
        return next((d for d in self.m.deeds if d.status == "RETRIABLE"), None)

    def _way(self) -> list[tuple[float, float]]:
        """Where it is let go to, from here."""
        leg = self.m.leg
        nodes = [n for n in self.m.nodes if n["released"]]
        spots = [(float(n["nodePosition"]["x"]), float(n["nodePosition"]["y"])) for n in nodes]
        return [*leg.points, *spots[1:]] if leg is not None else spots

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
        speed_mps = leg.speed_mps
        if self.zones.zones:
            limits = self.zones.limits((self.x, self.y), (gx, gy), speed_mps)
            stopped = limits.stopped_by if limits.free_m <= TINY_M else None
            self._hold(stopped)
            if stopped is not None or limits.speed_mps <= 0.0:
                self._rest(left_s)
                return left_s
            speed_mps, reach_m = limits.speed_mps, min(reach_m, limits.check_m, LOOK_M)
        step_m = min(away_m, speed_mps * left_s, reach_m)
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
        return step_m / speed_mps

    def _hold(self, zone: Zone | None) -> None:
        """Stand before a zone, or (None) go on."""
        zone_id = zone.zone_id if zone is not None else ""
        if zone_id == self._held:
            return
        self._held = zone_id
        self.changed = True
        if zone is not None and zone.kind == "BLOCKED" and self.m.nodes:
            node = str(self.m.nodes[0]["nodeId"])
            text = f"zone {zone_id} is blocked on the way to {node}"
            self._error("NODE_UNREACHABLE", text, (("nodeId", node),), level="CRITICAL")

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
        charging = self.plugged and self.idle and at_home and self.battery_pct < 100.0
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
        if deed.kind == "waitForTrigger" and "LOCAL" in (
            parameter(deed.action, "triggerType") or ()
        ):
            deed.left_s = self.spec.customer_delay_s
        elif deed.kind in door.DOOR_ACTIONS:
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
        deed.status, deed.result = moved(
            deed, parcel, self.m.deeds, self.spec, Parcels(self.aboard, self.gone)
        )
        if deed.status == "FAILED" and self.spec.three and deed.action.get("retriable") is True:
            deed.status = "RETRIABLE"
        elif deed.status == "FAILED":
            self._error("actionError", deed.result, (("actionId", deed.action_id),))
        elif deed.kind == "pick":
            self.aboard.add(parcel)
            self._told(at_s, "picked", parcel)
        else:
            self.aboard.discard(parcel)
            self.gone.add(parcel)
            self._told(at_s, "dropped", parcel)

    # --- what comes in ---------------------------------------------------------------------

    def receive(self, topic: str, payload: bytes) -> None:
        """Take a message of topic order or instantActions; of zoneSet and responses in 3.0."""
        spec, three = self.spec, self.spec.three
        try:
            message = decode(
                payload, topic, spec.manufacturer, spec.serial, "3." if three else "2."
            )
            if topic == "order":
                message = plain_order(message) if three else message
                check_order(message, self.map.map_id, three=three)
                self._order(message)
            elif topic == "zoneSet":
                self.zones.take_set(message)
                self.changed = True
            elif topic == "responses":
                self.changed |= self.zones.take_responses(message, self._seconds_at, self.t)
            else:
                for action in check_actions(message):
                    self._instant(action)
        except Refusal as refusal:
            self._add_error(refusal.entry(three=three))

    def _seconds_at(self, at: datetime) -> float:
        """A time of day in its own seconds. Raises ValueError for one without a zone."""
        if at.tzinfo is None:
            raise ValueError(f"{at} has no time zone")
        return self.t + (at - self._clock(self.t)).total_seconds()

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
            why = f"operating mode is {self.mode}"
            raise Refusal("orderError", why, about, "MOBILE_ROBOT_NOT_AVAILABLE")
        if self.e_stop != "NONE":
            raise Refusal("orderError", "emergency stop is active", about)
        if not self.idle or self.m.cancel is not None:
            why = f"busy with order {self.m.order_id}"
            raise Refusal("orderError", why, about, "OTHER_ORDER_ACTIVE")
        if self.charging and self.spec.charges_when_told:
            raise Refusal("orderError", "charging", about)
        first = message["nodes"][0]
        spot = first["nodePosition"]
        away_m = math.dist((self.x, self.y), (spot["x"], spot["y"]))
        known = first["nodeId"] == self.m.last_node_id
        if away_m > float(spot.get("allowedDeviationXY") or 1.0) and not known:
            why = f"first node is {away_m:.1f} m away"
            raise Refusal("noRouteError", why, about, "START_NODE_OUT_OF_RANGE")
        self._unload()
        self.m.order, self.m.order_id = message, message["orderId"]
        self.m.update_id, self.m.cancelled = message["orderUpdateId"], False
        self.m.nodes, self.m.edges = list(message["nodes"]), list(message["edges"])
        self.m.deeds = deeds_of(message["nodes"])
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
                why = "same update id, other content"
                raise Refusal("orderUpdateError", why, about, "SAME_ORDER_UPDATE_ID")
            return
        if number < self.m.update_id:
            raise Refusal("orderUpdateError", f"update {number} is outdated", about)
        if self.m.cancelled or self.m.cancel is not None:
            why = "the order was cancelled"
            raise Refusal("orderUpdateError", why, about, "ORDER_UPDATE_FOLLOWING_CANCEL")
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
        self.m.deeds = kept + deeds_of(message["nodes"][1:])
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
            case "release" | "trigger" if not self.spec.three:
                deed.status, deed.result = door.word(self.m.deeds)
            case "startCharging" | "stopCharging" if self.spec.charges_when_told:
                self._plug(deed)
            case _ if self.spec.three:
                self._instant_3(deed)
            case _:
                deed.status, deed.result = "FAILED", f"cannot do {deed.kind}"
                self._error("validationError", deed.result, (("actionId", deed.action_id),))

    def _instant_3(self, deed: Deed) -> None:
        """What version 3 adds: zone sets, triggers, failed actions that may be tried again."""
        why = f"cannot do {deed.kind}"
        wanted = parameter(deed.action, "actionId")
        match deed.kind:
            case "enableZoneSet" | "deleteZoneSet":
                why = self.zones.act(deed.action)
            case "trigger":
                _, why = door.word(self.m.deeds)
            case "retry" | "skipRetry":
                failed = next((d for d in self.m.deeds if d.action_id == wanted), None)
                if failed is None or failed.status != "RETRIABLE":
                    why = f"action {wanted!r} is not to be retried"
                else:
                    why = ""
                    failed.status = "WAITING" if deed.kind == "retry" else "FAILED"
        if why:
            deed.status, deed.result = "FAILED", why
            about = (("actionId", deed.action_id),)
            self._add_error(
                Refusal("validationError", why, about, "INVALID_INSTANT_ACTION").entry(three=True)
            )

    def _plug(self, deed: Deed) -> None:
        wanted = deed.kind == "startCharging"
        if wanted is self.plugged or not self.idle:
            deed.status, deed.result = "FAILED", f"no {deed.kind} now"
            return
        self.plugged = wanted
        self._rest(0.0)

    def _cancel(self, deed: Deed) -> None:
        if self.idle or self.m.cancel is not None:
            deed.status, deed.result = "FAILED", "no order to cancel"
            self._error("noOrderToCancel", deed.result, (("actionId", deed.action_id),))
            return
        deed.status = "RUNNING"
        self.m.cancel = deed
        for waiting in self.m.deeds:
            endless = waiting.status == "RUNNING" and waiting.left_s == math.inf
            if waiting.status in {"WAITING", "RETRIABLE"} or endless:
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
        self._held = ""
        self.zones.forget()
        self.changed = True

    def stray(self, x: float, y: float) -> None:
        """Leave the way: drive to this point of the map first, and on from there."""
        if self.m.leg is not None:
            self.m.leg.points.insert(0, (x, y))

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
        entry = Refusal(word, text, references).entry(three=self.spec.three)
        self._add_error(entry | {"errorLevel": level})

    def _add_error(self, entry: Message) -> None:
        if entry not in self.m.errors:
            self.m.errors = [*self.m.errors, entry][-MAX_ERRORS:]
        self.changed = True
