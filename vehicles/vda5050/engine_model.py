"""What the order engine knows, is told and answers: plain values.

Owns the engine's types. Must not decide anything: that is `engine`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from vehicles.port import EventKind, LinkState
from vehicles.vda5050.factsheet import Factsheet
from vehicles.vda5050.models import TERMINAL, Action, Connection, OrderBody, State
from vehicles.vda5050.orders import PreparedOrder


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Times of the engine, in seconds of the controller's clock.

    `stale_after_s`: a state comes at least every 30 s (section 6.10); 5 s are slack.
    """

    stale_after_s: float = 35.0
    resend_first_s: float = 2.0
    resend_max_s: float = 10.0
    accept_timeout_s: float = 45.0
    action_timeout_s: float = 20.0
    stranger_grace_s: float = 60.0


class Stage(StrEnum):
    """Where an order stands."""

    PREPARED = "prepared"
    """Built and checked; nothing sent."""
    SENT = "sent"
    """Resent until the state reflects it."""
    SILENT = "silent"
    """Not reflected in time: no longer resent, still watched."""
    ACTIVE = "active"
    """The robot's state reflects it."""
    COMPLETED = "completed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    LOST = "lost"


OPEN = frozenset({Stage.SENT, Stage.SILENT, Stage.ACTIVE})
"""Stages in which the robot may be driving the order."""


@dataclass(frozen=True, slots=True)
class OrderTrack:
    """One order and what was seen of it. `picked` and `released` hold parcel ids."""

    prepared: PreparedOrder
    stage: Stage = Stage.PREPARED
    attempts: int = 0
    begun_at: float = 0.0
    next_at: float = 0.0
    errors_before: frozenset[str] = frozenset()
    started: bool = False
    picked: frozenset[str] = frozenset()
    released: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()
    """Ids of actions whose failure was told."""
    doubts: int = 0
    """States in a row that contradict the stage: one may be old, two are not."""
    cancel_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class InstantTrack:
    """One instant action, resent until it shows in actionStates."""

    action: Action
    asked_at: float
    attempts: int = 1
    next_at: float = 0.0
    status: str = ""
    """The robot's word, or "" before it, or EXPIRED when none came."""
    result: str = ""

    @property
    def over(self) -> bool:
        """No further change is awaited."""
        return self.status in TERMINAL or self.status == EXPIRED


EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class EngineState:
    """All that is known of one robot. Times are monotonic seconds of the controller's clock."""

    settings: EngineSettings = field(default_factory=EngineSettings)
    tag: str = ""
    """Part of the engine's own action ids: differs from start to start."""
    broker: bool = False
    connection: str = ""
    alive: bool = False
    """A state came after the last word on topic connection."""
    state: State | None = None
    state_at: float | None = None
    header_floor: int | None = None
    behind: int = 0
    header_reset: bool = False
    factsheet: Factsheet | None = None
    track: OrderTrack | None = None
    instants: tuple[InstantTrack, ...] = ()
    link_told: LinkState = LinkState.UNKNOWN
    alarms: frozenset[str] = frozenset()
    """Alarm conditions that hold now and were told."""
    stranger: str = ""
    stranger_since: float = 0.0
    requests: int = 0
    """Counts the engine's own requests, for their action ids."""

    def link(self, now: float) -> LinkState:
        """How far the robot's word can be trusted: last will and staleness are two things."""
        if self.connection in {"OFFLINE", "CONNECTIONBROKEN"} and not self.alive:
            return LinkState.OFFLINE
        if self.state_at is None:
            return LinkState.UNKNOWN
        if not self.broker or now - self.state_at > self.settings.stale_after_s:
            return LinkState.STALE
        return LinkState.ONLINE

    def instant(self, action_id: str) -> InstantTrack | None:
        """The instant action of that id."""
        return next((i for i in self.instants if i.action.action_id == action_id), None)


@dataclass(frozen=True, slots=True)
class GotState:
    """A state message arrived."""

    state: State


@dataclass(frozen=True, slots=True)
class GotConnection:
    """A connection message arrived."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class GotFactsheet:
    """A factsheet arrived."""

    factsheet: Factsheet


@dataclass(frozen=True, slots=True)
class BrokerUp:
    """Our own connection to the broker stands, subscriptions made."""


@dataclass(frozen=True, slots=True)
class BrokerDown:
    """Our own connection to the broker is gone."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


@dataclass(frozen=True, slots=True)
class Deaf:
    """We did not listen for a while: that is no silence of the robot's."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Prepare:
    """Keep an order that was checked; replaces one that was never sent or is over."""

    order: PreparedOrder


@dataclass(frozen=True, slots=True)
class Begin:
    """Send the prepared order until it is reflected."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Send an instant action; `cancelOrder` also marks the order as being cancelled."""

    action_type: str
    action_id: str


@dataclass(frozen=True, slots=True)
class Adopt:
    """Go on with an order that an earlier master sent, as the newest state shows it."""

    order: PreparedOrder


Input = (
    GotState
    | GotConnection
    | GotFactsheet
    | BrokerUp
    | BrokerDown
    | Tick
    | Deaf
    | Prepare
    | Begin
    | Ask
    | Adopt
)


@dataclass(frozen=True, slots=True)
class SendOrder:
    """Publish on topic order."""

    body: OrderBody


@dataclass(frozen=True, slots=True)
class SendActions:
    """Publish on topic instantActions."""

    actions: tuple[Action, ...]


Send = SendOrder | SendActions


@dataclass(frozen=True, slots=True)
class Notice:
    """An event to tell, once."""

    kind: EventKind
    parcel_id: str = ""
    detail: str = ""
    evidence: tuple[str, ...] = ()
    mission_hash: str = ""
