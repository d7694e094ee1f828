"""One robot as a VehicleSession.

Owns the bridge between the controller's calls and the order engine: it gives the engine what is
asked for and waits for effects. Must not keep protocol state of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from missions.model import GroundMission, Mission, StopAction
from vehicles.errors import VehicleTimeoutError
from vehicles.port import Clock, CommandResult, MissionProgress, Outcome, Verb
from vehicles.vda5050.dialect import Dialect
from vehicles.vda5050.engine import CANCEL, STATE_REQUEST
from vehicles.vda5050.engine_model import (
    EXPIRED,
    OPEN,
    Adopt,
    Ask,
    Begin,
    Grant,
    Prepare,
    Settle,
    Stage,
    Swap,
)
from vehicles.vda5050.gate import away_from_home, robot_gate
from vehicles.vda5050.limits import fitted_id
from vehicles.vda5050.line import Publish
from vehicles.vda5050.making import OrderMaker
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.models import TERMINAL, Action, ActionParameter
from vehicles.vda5050.orders import PreparedOrder, mission_fault, without
from vehicles.vda5050.progress import Reading, at_gate, reached, read
from vehicles.vda5050.retrying import map_fault, retriable
from vehicles.vda5050.settings import Vda5050Settings, Vda5050Vehicle
from vehicles.vda5050.zoned import ZoneCompiler, ZonedLine

DONE = CommandResult(Outcome.DONE)


class Vda5050Session(ZonedLine):
    """Implements VehicleSession, Paced, Charging, Retrying and ZoneKeeping.

    `publish(topic, payload, urgent=...)` must not wait.
    """

    def __init__(
        self,
        vehicle: Vda5050Vehicle,
        site_map: SiteMap,
        clock: Clock,
        settings: Vda5050Settings,
        *,
        dialect: Dialect,
        publish: Publish,
        ids: Callable[[str], str],
        compiler: ZoneCompiler | None = None,
    ) -> None:
        super().__init__(
            vehicle,
            site_map,
            clock,
            settings,
            dialect=dialect,
            publish=publish,
            ids=ids,
            compiler=compiler,
        )
        self._maker = OrderMaker(vehicle, site_map, settings.order, dialect)
        self._granted: tuple[str, int | None] = ("", None)
        self._words: dict[str, dict[str, bool]] = {}
        self._charges = False

    # --- what the controller asks ----------------------------------------------------------

    async def load(self, mission: Mission) -> CommandResult:
        """Check the round against the robot as it stands, translate it and keep it.

        VDA 5050 cannot hold an order without driving it, so nothing is sent here: DONE means
        that the order is valid, the robot could take it now, and exactly this order goes out at
        `start`. `Telemetry.mission_hash` names the kept mission. The comparison with what the
        robot holds is made at `start`.
        """
        if not isinstance(mission, GroundMission):
            return _no("a ground robot drives rounds on streets: this mission is for a drone")
        if mission.vehicle_id != self.vehicle_id:
            return _no(f"the round is for {mission.vehicle_id}")
        fault = mission_fault(mission) or self._robot_fault()
        if fault:
            return _no(fault)
        order = self._maker.make(mission, self._engine)
        fault = self._maker.fault(order, self._engine)
        if fault:
            return _no(fault)
        self.feed(Prepare(order, self._upto(mission, order)))
        self._words = {mission.mission_id: self._words.get(mission.mission_id, {})}
        self._say_words(mission, order)
        return DONE

    def waits_for(self, mission: GroundMission) -> str:
        """The parcel whose gate it stands before; empty: none."""
        track, state = self._engine.track, self._engine.state
        if track is None or state is None or track.prepared.mission_hash != mission.content_hash:
            return ""
        shut = track.shut if track.stage is Stage.ACTIVE else None
        return shut.parcel_id if shut and at_gate(track.prepared, shut, state) else ""

    def judges(self, mission: GroundMission, parcel_id: str) -> bool:
        """Whether the robot asks for the customer's PIN by itself."""
        return any(
            self._vehicle.profile.judges(action)
            for node in mission.nodes
            for action in node.actions
            if action.parcel_id == parcel_id and action.kind is StopAction.DROP
        )

    def settle(self, mission: GroundMission, parcel_id: str, *, opens: bool) -> bool:
        """Open a parcel's gate, or leave its hand-over out of the order: the first word counts."""
        words = self._words.setdefault(mission.mission_id, {})
        stands = words.setdefault(parcel_id, opens)
        track = self._engine.track
        if track is not None and track.prepared.mission_hash == mission.content_hash:
            self.feed(Settle(track.prepared.order_id, parcel_id, stands))
        return stands is opens

    def _say_words(self, mission: GroundMission, order: PreparedOrder) -> None:
        for parcel_id, opens in self._words.get(mission.mission_id, {}).items():
            self.feed(Settle(order.order_id, parcel_id, opens))

    def grant(self, mission: GroundMission, upto_node: int | None) -> None:
        """Leases are held up to this node of the round, by its index; None: to its end.

        Before `load` or at any time after it. What is not granted is planned and not released:
        the robot stops before it. Without a word from here all of a round is granted.
        """
        self._granted = (mission.mission_id, upto_node)
        track = self._engine.track
        if track is not None and track.prepared.mission_hash == mission.content_hash:
            order = track.prepared
            self.feed(Grant(order.order_id, self._upto(mission, order)))

    def reroute(self, mission: GroundMission) -> str:
        """Another way behind the base of the order that is driven; why not, or empty.

        Its update is sent until the robot's state shows it; `rerouted` tells when.
        """
        order = self._maker.behind(mission, self._engine)
        track = self._engine.track
        if isinstance(order, str) or track is None:
            return order if isinstance(order, str) else "the robot is on no order"
        self.feed(Swap(order, track.base_end))
        return ""

    def rerouted(self, mission: GroundMission) -> bool:
        """Whether the robot's own state shows that this round is the one it is on."""
        track = self._engine.track
        return (
            track is not None
            and track.prepared.mission_hash == mission.content_hash
            and track.stage is Stage.ACTIVE
            and track.reflected
        )

    def _upto(self, mission: GroundMission, order: PreparedOrder) -> int | None:
        mission_id, node = self._granted
        if mission_id != mission.mission_id or node is None:
            return None
        return order.node_sequences[min(max(node, 0), len(order.node_sequences) - 1)]

    async def retry(self, *, again: bool) -> CommandResult:
        """Have the robot try the action that failed again, or go on without it (version 3)."""
        track, state = self._engine.track, self._engine.state
        if track is None or state is None or (failed := retriable(track.prepared, state)) is None:
            return _no("the robot waits with no action that failed")
        asked = "retry" if again else "skipRetry"
        about = ActionParameter(key="actionId", value=failed.action_id)
        status, result = await self._ask(asked, (about,))
        if status == "FINISHED":
            return DONE
        if status == "FAILED":
            return _no(f"robot failed {asked}: {result or 'no reason given'}")
        return self._unsure(asked)

    async def start(self, mission: Mission) -> CommandResult:
        """Send the loaded order, and again until the robot's state reflects it.

        DONE when the state shows its order id and update id; REFUSED where the robot rejects it
        by an error that names it; UNCERTAIN where neither came in time: the order may still be
        taken, so adopt or cancel before anything else.
        """
        track = self._engine.track
        if track is None or track.prepared.mission_hash != mission.content_hash:
            return _no("this mission is not loaded: load it first")
        if track.stage is Stage.ACTIVE:
            return DONE
        if track.stage not in {Stage.PREPARED, Stage.SILENT, Stage.SENT}:
            return _no(f"this mission is over ({track.stage.value}): plan a new one")
        fault = self._robot_fault() if track.stage is Stage.PREPARED else ""
        if fault:
            return _no(fault)
        state = self._engine.state
        charging = state is not None and state.battery_state.charging
        if charging and self._ends_charging and not (freed := await self.charge(on=False)).done:
            return freed
        self.feed(Begin())
        order_id = track.prepared.order_id

        def settled() -> bool:
            now = self._engine.track
            return now is None or now.prepared.order_id != order_id or now.stage is not Stage.SENT

        await self._until(settled, self._settings.engine.accept_timeout_s + 10.0)
        now = self._engine.track
        if now is None or now.prepared.order_id != order_id:
            return _no("the order was withdrawn before the robot took it")
        if now.stage in {Stage.ACTIVE, Stage.COMPLETED}:
            return DONE
        if now.stage in {Stage.REJECTED, Stage.CANCELLED}:
            return _no(now.reason)
        return CommandResult(Outcome.UNCERTAIN, now.reason or "no answer from the robot")

    async def execute(self, verb: Verb) -> CommandResult:
        """Demand something at once; DONE when the robot's state shows it.

        HOLD is startPause, RESUME is stopPause, LAND is cancelOrder: the robot stops where it
        is. None of them is a safety function: VDA 5050 has no emergency stop. RETURN is DONE for
        an idle robot at its base and refused otherwise with nothing changed: a robot comes home
        only on a round that was checked, which is the controller's to plan.
        """
        if not self._engine.broker:
            return _no("no connection to the broker")
        match verb:
            case Verb.HOLD:
                return await self._pause("startPause", paused=True)
            case Verb.RESUME:
                return await self._pause("stopPause", paused=False)
            case Verb.LAND:
                return await self._cancel()
            case Verb.RETURN:
                home, here = self._vehicle.base, self.telemetry.position
                away = away_from_home(self._engine.state, here, home, self._settings.at_base_m)
                return _no(away) if away else DONE

    @property
    def charges_by_itself(self) -> bool:
        """By its profile."""
        return self._vehicle.profile.charging == "itself"

    @property
    def _ends_charging(self) -> bool:
        return self._charges or not self.charges_by_itself

    async def charge(self, *, on: bool) -> CommandResult:
        """Ask an idle robot to charge where it stands, or to stop that.

        DONE when its state says so. `start` ends by itself what was begun here, or by an earlier
        start of ours, since robots may refuse an order while they charge.
        """
        if not self._engine.broker:
            return _no("no connection to the broker")
        asked = "startCharging" if on else "stopCharging"
        status, result = await self._ask(asked)
        if status == "FAILED":
            return _no(f"robot failed {asked}: {result or 'no reason given'}")

        def shown() -> bool:
            state = self._engine.state
            return state is not None and state.battery_state.charging is on

        if await self._until(shown, self._settings.engine.action_timeout_s):
            self._charges = on
            return DONE
        return self._unsure(asked)

    async def adopt(self, mission: Mission) -> MissionProgress:
        """Ask for the robot's state and go on with the mission if that is what it shows.

        What was picked and released is in the answer and no event. A mission that is loaded and
        was never sent is held, not running. Without `holds` nothing of it is resent. Raises
        VehicleTimeoutError for a silent robot: nobody knows, and the parcel must stay with it.
        """
        if not isinstance(mission, GroundMission):
            return MissionProgress(holds=False, running=False, detail="this mission is for a drone")
        await self._fresh_state()
        state = self._engine.state
        if state is None:
            raise VehicleTimeoutError(self.vehicle_id, "no state: is the robot on?")
        order = self._maker.found(mission, self._engine, state)
        for parcel_id, opens in self._words.get(mission.mission_id, {}).items():
            order = order if opens else without(order, parcel_id)
        self.feed(Adopt(order, self._upto(mission, order)))
        self._say_words(mission, order)
        reading = read(order, state)
        track = self._engine.track
        mine = track is not None and track.prepared.order_id == order.order_id
        loaded = mine and track is not None and track.stage is Stage.PREPARED
        shown = f"order {state.order_id!r}" if state.order_id else "no order"
        return MissionProgress(
            holds=reading in {Reading.RUNNING, Reading.DONE} or loaded,
            running=reading is Reading.RUNNING,
            picked=track.picked if track and mine else frozenset(),
            released=track.released if track and mine else frozenset(),
            completed=reading is Reading.DONE,
            detail=f"robot shows {shown}: {reading.value}",
        )

    def reached(self, mission: GroundMission) -> int | None:
        """Place of the last node that the state shows as reached; None: not on this round."""
        track, state = self._engine.track, self._engine.state
        if track is None or state is None or track.prepared.mission_hash != mission.content_hash:
            return None
        return (
            None if track.stage in {Stage.PREPARED, Stage.SENT} else reached(track.prepared, state)
        )

    # --- parts -----------------------------------------------------------------------------

    def _further_faults(self) -> tuple[str, ...]:
        state = self._engine.state
        fault = map_fault(state, self._map.map_id, self._map.version) if state else ""
        return (*super()._further_faults(), *((fault,) if fault else ()))

    def _robot_fault(self) -> str:
        own = robot_gate(self._engine, self._clock.monotonic_s(), self._map.map_id)
        return own or "; ".join(self._further_faults())

    async def _ask(
        self, action_type: str, parameters: tuple[ActionParameter, ...] = ()
    ) -> tuple[str, str]:
        """Send an instant action; its last status and result when it is over."""
        action_id = self._ids("action")
        named = fitted_id(action_id, self._engine.factsheet)
        action = Action(
            action_type=action_type, action_id=named, blocking_type="HARD",
            action_parameters=parameters,
        )  # fmt: skip
        if fault := self._barred(action):
            return "FAILED", f"not sent: {fault}"
        self.feed(Ask(action_type, action_id, parameters))

        def over() -> bool:
            track = self._engine.instant(action_id)
            return track is None or track.over

        await self._until(over, self._settings.engine.action_timeout_s * 3)
        track = self._engine.instant(action_id)
        return (track.status, track.result) if track else (EXPIRED, "")

    async def _pause(self, action_type: str, *, paused: bool) -> CommandResult:
        status, result = await self._ask(action_type)
        if status == "FAILED":
            return _no(f"robot failed {action_type}: {result or 'no reason given'}")
        patience_s = 0.0 if status == EXPIRED else self._settings.engine.action_timeout_s

        def shown() -> bool:
            state = self._engine.state
            # `paused` is optional: a robot without it shows the effect by FINISHED alone
            told = state.paused if state else None
            return told is paused or (told is None and status == "FINISHED")

        if await self._until(shown, patience_s):
            return DONE
        return self._unsure(action_type)

    async def _cancel(self) -> CommandResult:
        state, track = self._engine.state, self._engine.track
        idle = state is not None and state.idle
        if idle and (track is None or track.stage not in OPEN):
            if track is not None and track.stage is Stage.PREPARED:
                self.feed(Ask(CANCEL, self._ids("action")))
            return DONE
        status, result = await self._ask(CANCEL)

        def at_rest() -> bool:
            now, order = self._engine.state, self._engine.track
            return now is not None and now.idle and (order is None or order.stage not in OPEN)

        if await self._until(at_rest, self._settings.engine.action_timeout_s):
            return DONE
        if status == "FAILED":
            return _no(f"robot failed {CANCEL}: {result or 'no reason given'}")
        return self._unsure(CANCEL)

    def _unsure(self, what: str) -> CommandResult:
        link = self._engine.link(self._clock.monotonic_s()).value
        return CommandResult(
            Outcome.UNCERTAIN,
            f"the robot's state did not show {what} (link {link}): read it before going on",
        )

    async def _fresh_state(self) -> None:
        """Wait for a state that answers a request; failing that, for any that came since."""
        before = self._engine.state
        action_id = self._ids("action")
        asked = False

        def answered() -> bool:
            nonlocal asked
            if self._engine.broker and not asked:
                asked = True
                self.feed(Ask(STATE_REQUEST, action_id))
            track = self._engine.instant(action_id)
            return track is not None and track.status in TERMINAL

        if await self._until(answered, self._settings.adopt_timeout_s):
            return
        if self._engine.state is before:
            raise VehicleTimeoutError(
                self.vehicle_id,
                f"no state within {self._settings.adopt_timeout_s:.0f} s: what it carries is "
                "unknown until it answers",
            )


def _no(reason: str) -> CommandResult:
    return CommandResult(Outcome.REFUSED, reason)
