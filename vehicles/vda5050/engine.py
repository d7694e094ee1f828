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
* an order that appears or vanishes by itself is told, never guessed away;
* a base that was sent is never changed; it grows by updates, one at a time, each resent until it
  is reflected, and never after a cancelOrder or a rejection; what lies behind it may be swapped.
"""

from __future__ import annotations

from msgspec.structs import replace

from vehicles.port import EventKind
from vehicles.vda5050 import instants
from vehicles.vda5050.engine_model import (
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
    Grant,
    Input,
    Notice,
    OrderTrack,
    Prepare,
    Send,
    Settle,
    Stage,
    Swap,
    Tick,
)
from vehicles.vda5050.engine_order import OrderRun
from vehicles.vda5050.engine_run import CANCEL, FACTSHEET_REQUEST, STATE_REQUEST
from vehicles.vda5050.models import State
from vehicles.vda5050.orders import ORDER_PREFIX
from vehicles.vda5050.progress import by_edges
from vehicles.vda5050.retrying import retriable, retriable_words

__all__ = ["CANCEL", "FACTSHEET_REQUEST", "STATE_REQUEST", "step"]

MAX_BACKS = 16

Result = tuple[EngineState, tuple[Send, ...], tuple[Notice, ...]]


def step(state: EngineState, event: Input, now: float) -> Result:
    """Advance by one input at `now` (monotonic seconds)."""
    run = _Run(state, now)
    run.take(event)
    run.resend()
    run.tell_link()
    return run.s, tuple(run.sends), tuple(run.notices)


class _Run(OrderRun):
    """One step, by what comes in."""

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
                self.hurry()
                self.request(STATE_REQUEST)
            case BrokerDown():
                self.s = replace(self.s, broker=False)
            case Deaf(seconds):
                if self.s.state_at is not None:
                    heard_at = min(self.now, self.s.state_at + seconds)
                    self.s = replace(self.s, state_at=heard_at)
            case Tick():
                self.see_waits()
            case _:
                self._command(event)

    def _command(self, event: Prepare | Begin | Ask | Grant | Settle | Adopt | Swap) -> None:
        match event:
            case Prepare(order, granted):
                if self.free():
                    self.follow(OrderTrack(order, granted=granted))
            case Begin():
                self.begin()
            case Ask(action_type, action_id, parameters):
                self.ask(action_type, action_id, parameters)
            case Grant(order_id, upto):
                self.grant(order_id, upto)
            case Settle(order_id, parcel_id, opens):
                self.settle(order_id, parcel_id, opens=opens)
            case Adopt(order, granted):
                self.adopt(order, granted)
            case Swap(order, granted):
                self.swap(order, granted)

    # --- what comes in ---------------------------------------------------------------------

    def _got_connection(self, word: str) -> None:
        self.s = replace(self.s, connection=word, alive=False)
        if word == "ONLINE":
            self.s = replace(self.s, header_reset=True)
            self.request(STATE_REQUEST)
            if self.s.factsheet is None:
                self.request(FACTSHEET_REQUEST)

    def _got_state(self, state: State) -> None:
        if self.s.settings.edges_only:
            state = by_edges(state)
        if not self._newer(state):
            return
        floor = self.s.header_floor
        if floor is None and not self.s.settings.trusts_connection and not self.s.factsheet:
            self.request(FACTSHEET_REQUEST)
        if floor is not None and state.header_id < floor and self.s.header_reset:
            self.tell(EventKind.REBOOTED, detail="the robot counts its messages from the start")
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
        self.see_order(state)
        self._see_stranger(state)
        self._see_alarms(state)

    def _newer(self, state: State) -> bool:
        """Whether a state is news: duplicates and overtaken ones are not.

        Header ids restart with the robot, so a lower one counts after ONLINE, or with a later
        robot time. Where its clock went back as well, three in a row count, and only once nothing
        newer has come for half the time after which it is silent: three that were overtaken come
        in a row, too, and would take the robot back to where it was.
        """
        floor, last = self.s.header_floor, self.s.state
        if floor is None or last is None or state.header_id > floor or self.s.header_reset:
            return not (last is not None and state == last)
        if state.header_id == floor and state.timestamp == last.timestamp:
            return False
        recent = (at for at in self.s.backs if self.now - at < self.s.settings.twin_window_s)
        self.s = replace(self.s, backs=(*recent, self.now)[-MAX_BACKS:])
        if state.timestamp > last.timestamp:
            return True
        self.s = replace(self.s, behind=self.s.behind + 1)
        heard_at = self.now if self.s.state_at is None else self.s.state_at
        quiet = self.now - heard_at >= self.s.settings.stale_after_s / 2.0
        return quiet and self.s.behind >= 3

    def _see_instants(self, state: State) -> None:
        after = instants.seen(self.s.instants, state)
        if after != self.s.instants:
            self.s = replace(self.s, instants=after)

    # --- what is told ----------------------------------------------------------------------

    def _see_stranger(self, state: State) -> None:
        """An order that this engine does not follow, on a robot that is not idle."""
        track = self.s.track
        ours = track is not None and track.prepared.order_id == state.order_id
        if ours or not state.order_id or state.idle:
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
            self.tell(
                EventKind.ALARM,
                detail=f"robot drives order {state.order_id!r} of {whose}: adopt or cancel it",
            )

    def _see_alarms(self, state: State) -> None:
        """Tell conditions that need a person when they begin; forget them when they end."""
        track = self.s.track
        failed = retriable(track.prepared, state) if track and track.stage is Stage.ACTIVE else None
        quiet = failed is None and not (state.errors or self.s.alarms or self.s.backs)
        if quiet and state.safety_state.e_stop == "NONE" and not (track and track.awaiting):
            return
        current = {f"fatal error {e}" for e in state.fatal}
        if failed is not None:
            current.add(retriable_words(failed))
        if state.safety_state.e_stop != "NONE":
            current.add(f"emergency stop {state.safety_state.e_stop}")
        if track is not None and track.stage is Stage.ACTIVE:
            current |= {f"this order cannot go on: {e}" for e in state.critical}
            waited_s = self.now - track.begun_at
            if track.awaiting and track.body and waited_s >= self.s.settings.accept_timeout_s:
                number = track.body.order_update_id
                current.add(f"the robot does not take update {number}: it stops at its base's end")
        if self.s.twins(self.now):
            current.add(
                f"two robots seem to publish as {state.manufacturer}/{state.serial_number}: their "
                "header ids alternate; take one off the broker"
            )
        for text in sorted(current - self.s.alarms):
            self.tell(EventKind.ALARM, detail=text)
        strangers = {a for a in self.s.alarms if a == f"stranger {self.s.stranger}"}
        alarms = frozenset(current | strangers)
        if alarms != self.s.alarms:
            self.s = replace(self.s, alarms=alarms)

    def tell_link(self) -> None:
        """Last will and silence: two things, each begun and ended by its own evidence."""
        broken, told = self.s.broken, self.s.broken_told
        if broken != told and (told or self.s.state_at is not None):
            self.s = replace(self.s, broken_told=broken)
            kind = EventKind.CONNECTION_LOST if broken else EventKind.CONNECTION_BACK
            self.tell(kind, detail=broken)
        silent = self.s.silent(self.now)
        if silent is not self.s.silence_told:
            self.s = replace(self.s, silence_told=silent)
            since = f"no state for {self.s.settings.stale_after_s:.0f} s"
            why = since if self.s.broker else "broker connection lost"
            if silent:
                self.tell(EventKind.LINK_LOST, detail=why)
            else:
                self.tell(EventKind.LINK_BACK)
