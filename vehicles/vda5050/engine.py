"""The order engine: what to send and what to tell, from what one robot says.

A pure function: `step(state, input, now)` gives the new state, the messages to publish and the
notices to tell. Owns the protocol rules of VDA 5050 sections 6.6 to 6.10 from the master's side.
Must not do I/O, read a clock or draw random numbers.

Rules kept here:

* QoS 0 loses messages, so an order and an instant action are resent, unchanged, until the
  robot's state reflects them; a robot ignores the same order id and update id (section 6.6.4);
* one order at a time: a new one begins only where the last is over and its cancelOrder terminal;
* progress is what is gone from nodeStates and edgeStates and what actionStates say; lastNodeId
  alone is ambiguous, since a first node has the sequence id 0 that an idle robot reports;
* facts that cannot become untrue (picked, released, done) are believed from one state; losing an
  order is believed from two in a row, since one may have been overtaken;
* an order that appears or vanishes by itself is told, never guessed away.
"""

from __future__ import annotations

from dataclasses import replace

from vehicles.port import EventKind, LinkState
from vehicles.vda5050 import instants
from vehicles.vda5050.engine_model import (
    EXPIRED,
    OPEN,
    Adopt,
    Ask,
    Begin,
    BrokerDown,
    BrokerUp,
    Deaf,
    EngineState,
    GotConnection,
    GotFactsheet,
    GotState,
    Input,
    Notice,
    OrderTrack,
    Prepare,
    Send,
    SendActions,
    SendOrder,
    Stage,
    Tick,
)
from vehicles.vda5050.models import Action, State
from vehicles.vda5050.orders import ORDER_PREFIX, PreparedOrder
from vehicles.vda5050.progress import Reading, failures, parcels, read

CANCEL = "cancelOrder"
STATE_REQUEST = "stateRequest"
FACTSHEET_REQUEST = "factsheetRequest"
_REQUESTS = frozenset({STATE_REQUEST, FACTSHEET_REQUEST})

Result = tuple[EngineState, tuple[Send, ...], tuple[Notice, ...]]


def step(state: EngineState, event: Input, now: float) -> Result:
    """Advance by one input at `now` (monotonic seconds)."""
    run = _Run(state, now)
    run.take(event)
    run.resend()
    run.tell_link()
    return run.s, tuple(run.sends), tuple(run.notices)


class _Run:
    """One step: collects what it leads to."""

    def __init__(self, state: EngineState, now: float) -> None:
        self.s = state
        self.now = now
        self.sends: list[Send] = []
        self.notices: list[Notice] = []

    def take(self, event: Input) -> None:
        match event:
            case GotState(state):
                self._got_state(state)
            case GotConnection(connection):
                self._got_connection(connection.connection_state)
            case GotFactsheet(factsheet):
                self.s = replace(self.s, factsheet=factsheet)
            case BrokerUp():
                self.s = replace(self.s, broker=True)
                self._hurry()
                self._request(STATE_REQUEST)
            case BrokerDown():
                self.s = replace(self.s, broker=False)
            case Deaf(seconds):
                if self.s.state_at is not None:
                    heard_at = min(self.now, self.s.state_at + seconds)
                    self.s = replace(self.s, state_at=heard_at)
            case Tick():
                pass
            case _:
                self._command(event)

    def _command(self, event: Prepare | Begin | Ask | Adopt) -> None:
        match event:
            case Prepare(order):
                if self._free():
                    self.s = replace(self.s, track=OrderTrack(order))
            case Begin():
                self._begin()
            case Ask(action_type, action_id):
                self._ask(action_type, action_id)
            case Adopt(order):
                self._adopt(order)

    # --- what comes in ---------------------------------------------------------------------

    def _got_connection(self, word: str) -> None:
        self.s = replace(self.s, connection=word, alive=False)
        if word == "ONLINE":
            self.s = replace(self.s, header_reset=True)
            self._request(STATE_REQUEST)
            if self.s.factsheet is None:
                self._request(FACTSHEET_REQUEST)

    def _got_state(self, state: State) -> None:
        if not self._newer(state):
            return
        floor = self.s.header_floor
        if floor is not None and state.header_id < floor and self.s.header_reset:
            self._tell(EventKind.REBOOTED, detail="the robot counts its messages from the start")
        self.s = replace(
            self.s,
            state=state,
            state_at=self.now,
            header_floor=state.header_id,
            header_reset=False,
            behind=0,
            alive=True,
        )
        self._see_instants(state)
        self._see_order(state)
        self._see_stranger(state)
        self._see_alarms(state)

    def _newer(self, state: State) -> bool:
        """Whether a state is news: duplicates and overtaken ones are not.

        Header ids restart with the robot, so a lower one counts after ONLINE, or with a later
        robot time, or when three come in a row.
        """
        floor, last = self.s.header_floor, self.s.state
        if floor is None or last is None or state.header_id > floor or self.s.header_reset:
            return not (last is not None and state == last)
        if state.header_id == floor and state.timestamp == last.timestamp:
            return False
        if state.timestamp > last.timestamp:
            return True
        self.s = replace(self.s, behind=self.s.behind + 1)
        return self.s.behind >= 3

    def _see_instants(self, state: State) -> None:
        after = instants.seen(self.s.instants, state)
        if after != self.s.instants:
            self.s = replace(self.s, instants=after)

    # --- the order -------------------------------------------------------------------------

    def _free(self) -> bool:
        return self.s.track is None or self.s.track.stage not in OPEN

    def _begin(self) -> None:
        track = self.s.track
        if track is None or track.stage not in {Stage.PREPARED, Stage.SILENT}:
            return
        errors = self.s.state.errors if self.s.state else ()
        order_id = track.prepared.order_id
        self._track(
            replace(
                track,
                stage=Stage.SENT,
                attempts=0,
                begun_at=self.now,
                next_at=self.now,
                errors_before=frozenset(str(e) for e in errors if e.refers_to("orderId", order_id)),
            )
        )

    def _track(self, track: OrderTrack | None) -> None:
        self.s = replace(self.s, track=track)

    def _see_order(self, state: State) -> None:
        track = self.s.track
        if track is None or track.stage is Stage.PREPARED:
            return
        reading = read(track.prepared, state)
        if track.stage in {Stage.SENT, Stage.SILENT}:
            self._see_acceptance(track, reading, state)
        elif track.stage is Stage.ACTIVE:
            self._see_progress(track, reading, state)
        elif reading is Reading.RUNNING:
            cancel = self.s.instant(track.cancel_id) if track.cancel_id else None
            if cancel is None or cancel.over:
                self._see_zombie(track)

    def _see_acceptance(self, track: OrderTrack, reading: Reading, state: State) -> None:
        if reading is not Reading.OTHER:
            started = replace(track, stage=Stage.ACTIVE, started=True, doubts=0)
            self._track(started)
            if not track.started:
                self._tell(EventKind.STARTED, detail=f"state reflects {track.prepared.order_id}")
            self._see_progress(started, reading, state)
            return
        cancel = self.s.instant(track.cancel_id) if track.cancel_id else None
        if cancel is not None and cancel.over and cancel.status != EXPIRED and state.idle:
            self._end(track, Stage.CANCELLED, "cancelled before the robot took it")
            return
        order_id = track.prepared.order_id
        for error in state.errors:
            if error.refers_to("orderId", order_id) and str(error) not in track.errors_before:
                self._end(track, Stage.REJECTED, f"robot rejected the order: {error}")
                return

    def _see_progress(self, track: OrderTrack, reading: Reading, state: State) -> None:
        track = self._see_parcels(track, state)
        cancel = self.s.instant(track.cancel_id) if track.cancel_id else None
        cancelled = cancel is not None and cancel.over and cancel.status != EXPIRED
        if reading is Reading.DONE:
            clean = not failures(track.prepared, state)
            if clean or cancel is None:
                detail = "order done" if clean else "order ended with failed actions"
                self._end(track, Stage.COMPLETED, detail)
            elif cancelled:
                self._end(track, Stage.CANCELLED, "order cancelled")
        elif reading is Reading.RUNNING:
            if track.doubts:
                self._track(replace(track, doubts=0))
        elif cancelled and state.idle:
            self._end(track, Stage.CANCELLED, "order cancelled")
        else:
            self._doubt(track, reading, state)

    def _see_parcels(self, track: OrderTrack, state: State) -> OrderTrack:
        """Tell each pick and drop that ended, once."""
        picked, released = parcels(track.prepared, state)
        for action in track.prepared.actions:
            parcel = action.parcel_id
            shown = state.action(action.action_id)
            evidence: tuple[str, ...] = (f"action {action.action_id} FINISHED",)
            if shown is not None and shown.result_description:
                evidence += (shown.result_description,)
            if parcel in picked - track.picked and action.kind.value == "pick":
                self._tell(EventKind.PICKED, parcel, evidence=evidence)
            if parcel in released - track.released and action.kind.value == "drop":
                self._tell(EventKind.RELEASED, parcel, evidence=evidence)
        failed = failures(track.prepared, state)
        if not track.cancel_id:
            for action in failed:
                if action.action_id in track.failed:
                    continue
                shown = state.action(action.action_id)
                why = (shown.result_description if shown else "") or "the robot gave no reason"
                kind = EventKind.RELEASE_FAILED if action.kind.value == "drop" else EventKind.ALARM
                self._tell(kind, action.parcel_id, f"{action.kind.value} failed: {why}")
        failed_ids = frozenset(a.action_id for a in failed)
        if picked <= track.picked and released <= track.released and failed_ids <= track.failed:
            return track
        track = replace(
            track,
            picked=track.picked | picked,
            released=track.released | released,
            failed=track.failed | failed_ids,
        )
        self._track(track)
        return track

    def _doubt(self, track: OrderTrack, reading: Reading, state: State) -> None:
        doubts = track.doubts + 1
        self._track(replace(track, doubts=doubts))
        if doubts < 2:
            self._request(STATE_REQUEST)
            return
        if reading is Reading.OTHER:
            shown = f"order {state.order_id!r}" if state.order_id else "no order"
            why = f"the robot shows {shown}"
        elif reading is Reading.UNPROVEN:
            why = "the robot is at the end but no longer shows how its actions ended"
        else:
            why = f"the robot cleared its order at node {state.last_node_id!r}"
        if state.operating_mode != "AUTOMATIC":
            why += f" (operating mode {state.operating_mode})"
        self._end(track, Stage.LOST, why)

    def _see_zombie(self, track: OrderTrack) -> None:
        """An order that was over runs again: a late copy reached a robot that forgot it."""
        if track.doubts == 0:
            self._track(replace(track, doubts=1))
            self._request(STATE_REQUEST)
            return
        self._tell(
            EventKind.ALARM,
            detail=f"order {track.prepared.order_id} was over and runs again: cancelled",
        )
        self._track(replace(track, doubts=0))
        self._ask(CANCEL, self._own_id(CANCEL))

    def _end(self, track: OrderTrack, stage: Stage, reason: str) -> None:
        track = replace(track, stage=stage, reason=reason, doubts=0, cancel_id="")
        self._track(track)
        kinds = {
            Stage.COMPLETED: EventKind.COMPLETED,
            Stage.CANCELLED: EventKind.ABORTED,
            Stage.LOST: EventKind.MISSION_LOST,
        }
        kind = kinds.get(stage)
        if kind is not None and (track.started or stage is not Stage.CANCELLED):
            self._tell(kind, detail=reason)

    def _adopt(self, order: PreparedOrder) -> None:
        """Take over an order as the newest state shows it; what it shows is not told again."""
        state, before = self.s.state, self.s.track
        if state is None:
            return
        reading = read(order, state)
        if reading is Reading.OTHER:
            mine = before is not None and before.prepared.order_id == order.order_id
            if before is not None and mine and before.stage is not Stage.PREPARED:
                self._track(None)
            return
        picked, released = parcels(order, state)
        stages = {Reading.DONE: Stage.COMPLETED, Reading.RUNNING: Stage.ACTIVE}
        same = before if before and before.prepared.order_id == order.order_id else None
        self._track(
            replace(
                same or OrderTrack(order),
                stage=stages.get(reading, Stage.LOST),
                started=True,
                picked=picked | (same.picked if same else frozenset()),
                released=released | (same.released if same else frozenset()),
                failed=frozenset(a.action_id for a in failures(order, state)),
                doubts=0,
            )
        )
        self.s = replace(self.s, stranger="")

    # --- instant actions -------------------------------------------------------------------

    def _ask(self, action_type: str, action_id: str) -> None:
        track = self.s.track
        if action_type == CANCEL and track is not None:
            if track.stage is Stage.PREPARED:
                self._track(None)
            else:
                self._track(replace(track, cancel_id=action_id))
        action = Action(
            action_type=action_type,
            action_id=action_id,
            blocking_type="NONE" if action_type in _REQUESTS else "HARD",
        )
        after = instants.add(self.s.instants, action, self.now, self.s.settings)
        self.s = replace(self.s, instants=after)
        self.sends.append(SendActions((action,)))

    def _request(self, action_type: str) -> None:
        """Ask for a state or factsheet, unless that is under way."""
        if any(i.action.action_type == action_type and not i.over for i in self.s.instants):
            return
        self._ask(action_type, self._own_id(action_type))

    def _own_id(self, action_type: str) -> str:
        number = self.s.requests
        self.s = replace(self.s, requests=number + 1)
        return f"{action_type}-{self.s.tag}-{number}"

    def _hurry(self) -> None:
        """The broker is back: what waits for a resend goes now."""
        self.s = replace(
            self.s, instants=tuple(replace(i, next_at=self.now) for i in self.s.instants)
        )
        if self.s.track is not None and self.s.track.stage is Stage.SENT:
            self._track(replace(self.s.track, next_at=self.now))

    def resend(self) -> None:
        settings = self.s.settings
        track = self.s.track
        if track is not None and track.stage is Stage.SENT:
            if self.now - track.begun_at >= settings.accept_timeout_s:
                reason = "the robot's state did not reflect the order in time"
                self._track(replace(track, stage=Stage.SILENT, reason=reason))
            elif self.now >= track.next_at and not track.cancel_id:
                self.sends.append(SendOrder(track.prepared.body))
                self._track(
                    replace(
                        track,
                        attempts=track.attempts + 1,
                        next_at=self.now + instants.backoff_s(track.attempts, settings),
                    )
                )
        after, again = instants.due(self.s.instants, self.now, settings)
        if after != self.s.instants:
            self.s = replace(self.s, instants=after)
        if again:
            self.sends.append(SendActions(again))

    # --- what is told ----------------------------------------------------------------------

    def _see_stranger(self, state: State) -> None:
        """An order that this engine does not follow, on a robot that is not idle."""
        track = self.s.track
        ours = track is not None and track.prepared.order_id == state.order_id
        if ours or state.idle or not state.order_id:
            if self.s.stranger:
                self.s = replace(self.s, stranger="")
            return
        if self.s.stranger != state.order_id:
            self.s = replace(self.s, stranger=state.order_id, stranger_since=self.now)
        key = f"stranger {state.order_id}"
        own = state.order_id.startswith(ORDER_PREFIX)
        patience = self.s.settings.stranger_grace_s if own else 0.0
        if self.now - self.s.stranger_since >= patience and key not in self.s.alarms:
            self.s = replace(self.s, alarms=self.s.alarms | {key})
            whose = "an earlier mission" if own else "another master"
            self._tell(
                EventKind.ALARM,
                detail=f"robot drives order {state.order_id!r} of {whose}: adopt or cancel it",
            )

    def _see_alarms(self, state: State) -> None:
        """Tell conditions that need a person when they begin; forget them when they end."""
        current = {f"fatal error {e}" for e in state.fatal}
        if state.safety_state.e_stop != "NONE":
            current.add(f"emergency stop {state.safety_state.e_stop}")
        track = self.s.track
        update = track.prepared.body.order_update_id if track else 0
        if (
            track is not None
            and track.stage is Stage.ACTIVE
            and state.order_id == track.prepared.order_id
            and state.order_update_id != update
        ):
            current.add(f"another master updated the order to {state.order_update_id}")
        for text in sorted(current - self.s.alarms):
            self._tell(EventKind.ALARM, detail=text)
        strangers = {a for a in self.s.alarms if a == f"stranger {self.s.stranger}"}
        alarms = frozenset(current | strangers)
        if alarms != self.s.alarms:
            self.s = replace(self.s, alarms=alarms)

    def tell_link(self) -> None:
        link, told = self.s.link(self.now), self.s.link_told
        if link is told:
            return
        self.s = replace(self.s, link_told=link)
        if link is LinkState.ONLINE and told in {LinkState.STALE, LinkState.OFFLINE}:
            self._tell(EventKind.LINK_BACK)
        elif link is LinkState.OFFLINE and told in {LinkState.ONLINE, LinkState.STALE}:
            said_goodbye = self.s.connection == "OFFLINE"
            why = "robot signed off" if said_goodbye else "last will: connection broken"
            kind = EventKind.LINK_LOST if told is LinkState.ONLINE else EventKind.ALARM
            self._tell(kind, detail=why)
        elif link is LinkState.STALE and told is LinkState.ONLINE:
            stale = f"no state for {self.s.settings.stale_after_s:.0f} s"
            self._tell(
                EventKind.LINK_LOST, detail=stale if self.s.broker else "broker connection lost"
            )

    def _tell(
        self,
        kind: EventKind,
        parcel_id: str = "",
        detail: str = "",
        evidence: tuple[str, ...] = (),
    ) -> None:
        track = self.s.track
        mission_hash = track.prepared.mission_hash if track else ""
        self.notices.append(Notice(kind, parcel_id, detail, evidence, mission_hash))
