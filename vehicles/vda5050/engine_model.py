"""What the order engine knows, is told and answers: plain values.

Owns the engine's types. Must not decide anything: that is `engine`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from vehicles.port import EventKind, LinkState
from vehicles.vda5050.factsheet import Factsheet
from vehicles.vda5050.limits import fitted_id
from vehicles.vda5050.models import TERMINAL, Action, ActionParameter, Connection, OrderBody, State
from vehicles.vda5050.orders import Gate, PreparedOrder


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Times of the engine, in seconds of the controller's clock, and a robot's ways.

    `stale_after_s`: a state comes at least every 30 s (section 6.10); 5 s are slack.
    `base_nodes_ahead`: how many nodes of the base are to lie ahead of the robot; 0: as many as
    leases and message lengths allow. The next come when half of them are left, or when the robot
    asks by newBaseRequest.
    `resend_stitch_actions`: an update repeats the actions of the decision point, as the document
    wants; false for robots that would do them again.
    `rejection_tolerance`: for how many states a rejection is passed over.
    `trusts_connection`: false where its word on topic connection may get lost: then its first
    state counts as its coming online.
    `edges_only`: the robot takes passed edges from its state and leaves passed nodes in it.
    """

    stale_after_s: float = 35.0
    resend_first_s: float = 2.0
    resend_max_s: float = 10.0
    accept_timeout_s: float = 45.0
    action_timeout_s: float = 20.0
    stranger_grace_s: float = 60.0
    twin_window_s: float = 60.0
    base_nodes_ahead: int = 0
    resend_stitch_actions: bool = True
    rejection_tolerance: int = 0
    edges_only: bool = False
    trusts_connection: bool = True


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


class OrderTrack(msgspec.Struct, frozen=True):
    """One order and what was seen of it. `picked` and `released` hold parcel ids.

    `granted`: sequence id up to which leases let the base reach; None: to the end. `body`: the
    message sent last, resent until `reflected`; its base reaches to `base_end`, and its last node
    is `sent_end`. `halted`: why the base grows no further.
    """

    prepared: PreparedOrder
    granted: int | None = None
    body: OrderBody | None = None
    base_end: int = 0
    sent_end: int = 0
    reflected: bool = False
    halted: str = ""
    adopted: bool = False
    """Begun by an earlier start of this master, whose messages may still arrive."""
    refusals: int = 0
    """States in a row that showed a rejection."""
    opened: frozenset[str] = frozenset()
    """Parcels whose gate was opened."""
    left_out: frozenset[str] = frozenset()
    """Parcels that stay aboard: what was behind their gate is no longer in `prepared`."""
    triggered: frozenset[str] = frozenset()
    """Ids of waiting actions that a trigger was sent for: one each."""
    waits: tuple[tuple[str, float], ...] = ()
    """Ids of actions that run and are to end in time, and since when."""
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
    ended: frozenset[str] = frozenset()
    """Ids of actions whose end a state showed."""
    doubts: int = 0
    """States in a row that contradict the stage: one may be old, two are not."""
    cancel_id: str = ""
    reason: str = ""
    revived: bool = False
    """It was over and ran again: its second end is to be told."""

    @property
    def shut(self) -> Gate | None:
        """The first gate that is not settled."""
        settled = self.opened | self.left_out
        return next((g for g in self.prepared.gates if g.parcel_id not in settled), None)

    @property
    def awaiting(self) -> bool:
        """Whether a message of it is to be resent until it is reflected."""
        return self.stage is Stage.SENT or (self.stage is Stage.ACTIVE and not self.reflected)


class InstantTrack(msgspec.Struct, frozen=True):
    """One instant action, resent until it shows in actionStates."""

    action: Action
    asked_at: float
    attempts: int = 1
    next_at: float = 0.0
    status: str = ""
    """The robot's word, or "" before it, EXPIRED when none came, VANISHED when it went."""
    result: str = ""
    missed: int = 0
    """States in a row that no longer show it although it was not over."""

    @property
    def over(self) -> bool:
        """No further change is awaited."""
        return self.status in TERMINAL or self.status in {EXPIRED, VANISHED}


EXPIRED = "EXPIRED"
VANISHED = "VANISHED"


class EngineState(msgspec.Struct, frozen=True):
    """All that is known of one robot. Times are monotonic seconds of the controller's clock."""

    settings: EngineSettings = msgspec.field(default_factory=EngineSettings)
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
    backs: tuple[float, ...] = ()
    """When header ids went back although nothing told of a restart."""
    header_reset: bool = False
    factsheet: Factsheet | None = None
    track: OrderTrack | None = None
    instants: tuple[InstantTrack, ...] = ()
    silence_told: bool = False
    broken_told: str = ""
    """The loss of its connection that was told and is not over."""
    alarms: frozenset[str] = frozenset()
    """Alarm conditions that hold now and were told."""
    stranger: str = ""
    stranger_since: float = 0.0
    requests: int = 0
    """Counts the engine's own requests, for their action ids."""

    def link(self, now: float) -> LinkState:
        """How far the robot's word can be trusted: last will and staleness are two things."""
        if self.connection in SILENT_WORDS and not self.alive:
            return LinkState.OFFLINE
        if self.state_at is None:
            return LinkState.UNKNOWN
        return LinkState.STALE if self.silent(now) else LinkState.ONLINE

    def silent(self, now: float) -> bool:
        """Whether a robot that was heard has said nothing for too long, as far as we can hear."""
        if self.state_at is None:
            return False
        return not self.broker or now - self.state_at > self.settings.stale_after_s

    @property
    def broken(self) -> str:
        """Why its connection counts as gone by the word on topic connection; empty: it does not.

        Only ONLINE takes a last will back. A state does so where that word may get lost.
        """
        if self.connection not in SILENT_WORDS:
            return ""
        if self.alive and not self.settings.trusts_connection:
            return ""
        return _WHY_BROKEN.get(self.connection, "last will: connection broken")

    def twins(self, now: float) -> bool:
        """Whether two robots seem to publish under one name: their counts alternate."""
        return sum(now - at < self.settings.twin_window_s for at in self.backs) >= TWIN_BACKS

    def instant(self, action_id: str) -> InstantTrack | None:
        """The instant action that was asked for by that id."""
        known = (action_id, fitted_id(action_id, self.factsheet))
        return next((i for i in self.instants if i.action.action_id in known), None)


SILENT_WORDS = frozenset({"OFFLINE", "CONNECTIONBROKEN", "HIBERNATING"})
"""Words on topic connection after which no state is to be expected."""

_WHY_BROKEN = {"OFFLINE": "robot signed off", "HIBERNATING": "robot hibernates"}

TWIN_BACKS = 4
"""How often counts go back within the window before that cannot be a robot that restarts."""


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
    """Keep an order that was checked; replaces one that was never sent or is over.

    `granted`: sequence id up to which leases are held; None where the order needs none.
    """

    order: PreparedOrder
    granted: int | None = None


@dataclass(frozen=True, slots=True)
class Begin:
    """Send the prepared order until it is reflected."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Send an instant action; `cancelOrder` also marks the order as being cancelled."""

    action_type: str
    action_id: str
    parameters: tuple[ActionParameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Grant:
    """Leases let the base of an order reach up to this sequence id; None: to its end.

    Takes effect for what is not released yet: a base that was sent is never taken back.
    """

    order_id: str
    upto_sequence: int | None


@dataclass(frozen=True, slots=True)
class Settle:
    """The hand-over behind a parcel's gate begins, or is left out: once, the first word counts."""

    order_id: str
    parcel_id: str
    opens: bool


@dataclass(frozen=True, slots=True)
class Adopt:
    """Go on with an order that an earlier master sent, as the newest state shows it.

    `granted`: as in Prepare; what the robot was released before stays its own.
    """

    order: PreparedOrder
    granted: int | None = None


@dataclass(frozen=True, slots=True)
class Swap:
    """Another horizon for the order that is driven; see `swap`. Nothing where that cannot be.

    `granted`: as in Prepare.
    """

    order: PreparedOrder
    granted: int | None = None


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
    | Grant
    | Settle
    | Adopt
    | Swap
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
