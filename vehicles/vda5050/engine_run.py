"""What every part of one engine step needs: what it knows, says and tells.

Owns sending and resending. Must not interpret states: that is `engine_order` and `engine`.
"""

from __future__ import annotations

from msgspec.structs import replace

from vehicles.port import EventKind
from vehicles.vda5050 import instants
from vehicles.vda5050.engine_model import (
    EngineState,
    Notice,
    OrderTrack,
    Send,
    SendActions,
    SendOrder,
    Stage,
)
from vehicles.vda5050.limits import fitted_id
from vehicles.vda5050.models import Action, ActionParameter

CANCEL = "cancelOrder"
STATE_REQUEST = "stateRequest"
FACTSHEET_REQUEST = "factsheetRequest"
_REQUESTS = frozenset({STATE_REQUEST, FACTSHEET_REQUEST})


class Run:
    """One step: collects what it leads to."""

    def __init__(self, state: EngineState, now: float) -> None:
        self.s = state
        self.now = now
        self.sends: list[Send] = []
        self.notices: list[Notice] = []

    def follow(self, track: OrderTrack | None) -> None:
        """Keep what is known of the order."""
        self.s = replace(self.s, track=track)

    def ask(
        self, action_type: str, action_id: str, parameters: tuple[ActionParameter, ...] = ()
    ) -> None:
        """Send an instant action until it shows."""
        action_id = fitted_id(action_id, self.s.factsheet)
        track = self.s.track
        if action_type == CANCEL and track is not None:
            if track.stage is Stage.PREPARED:
                self.follow(None)
            else:
                self.follow(replace(track, cancel_id=action_id))
        action = Action(
            action_type=action_type,
            action_id=action_id,
            blocking_type="NONE" if action_type in _REQUESTS else "HARD",
            action_parameters=parameters,
        )
        after = instants.add(self.s.instants, action, self.now, self.s.settings)
        self.s = replace(self.s, instants=after)
        self.sends.append(SendActions((action,)))

    def request(self, action_type: str) -> None:
        """Ask for a state or factsheet, unless that is under way."""
        if any(i.action.action_type == action_type and not i.over for i in self.s.instants):
            return
        self.ask(action_type, self.own_id(action_type))

    def own_id(self, action_type: str) -> str:
        """An action id that no other start of this master uses."""
        number = self.s.requests
        self.s = replace(self.s, requests=number + 1)
        return f"{action_type}-{self.s.tag}-{number}"

    def hurry(self) -> None:
        """The broker is back: what waits for a resend goes now."""
        self.s = replace(
            self.s, instants=tuple(replace(i, next_at=self.now) for i in self.s.instants)
        )
        if self.s.track is not None and self.s.track.awaiting:
            self.follow(replace(self.s.track, next_at=self.now))

    def resend(self) -> None:
        """Send again what is due."""
        track = self.s.track
        if track is not None and track.awaiting and track.body is not None:
            self._resend_order(track)
        after, again = instants.due(self.s.instants, self.now, self.s.settings)
        if after != self.s.instants:
            self.s = replace(self.s, instants=after)
        if again:
            self.sends.append(SendActions(again))

    def _resend_order(self, track: OrderTrack) -> None:
        settings, body = self.s.settings, track.body
        late = self.now - track.begun_at >= settings.accept_timeout_s
        if track.stage is Stage.SENT and late:
            reason = "the robot's state did not reflect the order in time"
            self.follow(replace(track, stage=Stage.SILENT, reason=reason))
        elif body is not None and self.now >= track.next_at and not self.stopped(track):
            self.sends.append(SendOrder(body))
            self.follow(
                replace(
                    track,
                    attempts=track.attempts + 1,
                    next_at=self.now + instants.backoff_s(track.attempts, settings),
                )
            )

    @staticmethod
    def stopped(track: OrderTrack) -> bool:
        """Whether nothing more of an order is to be sent."""
        return bool(track.cancel_id or track.halted)

    def tell(
        self,
        kind: EventKind,
        parcel_id: str = "",
        detail: str = "",
        evidence: tuple[str, ...] = (),
    ) -> None:
        """Tell an event of the order that is followed."""
        track = self.s.track
        mission_hash = track.prepared.mission_hash if track else ""
        self.notices.append(Notice(kind, parcel_id, detail, evidence, mission_hash))
