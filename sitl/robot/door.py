"""A customer at a robot's door, and what the robot does there.

Owns who comes, when, and with which PIN, and the actions of lids, lockers and waiting. Must not
know the order: `core` says when an action begins and ends.

An action that waits for a word from outside has no end of its own. Once a customer's wait has
failed every later action of that parcel fails, so that no lid opens.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

Message = dict[str, Any]

PIN_TRIES = 3
TYPING_S = 5.0
MOVING_S = 2.0
"""A lid or a locker's door opens or closes."""

LID = {"openLid": "lid_opened", "openLocker": "locker_opened"}
SHUT = {"closeLid": "lid_closed", "closeLocker": "locker_closed"}
WAITS = frozenset({"awaitRelease", "waitForTrigger"})
"""End by a word from the controller: `release` or `trigger`."""
WORDS = frozenset({"release", "trigger"})
DOOR_ACTIONS = (*LID, *SHUT, *sorted(WAITS), "awaitCustomer", "awaitRemoval")


class Comes(StrEnum):
    """What a customer does."""

    IN_TIME = "in_time"
    LATE = "late"
    """After a while, still before the robot goes."""
    NEVER = "never"
    WRONG_PIN = "wrong_pin"


@dataclass(frozen=True, slots=True)
class Customer:
    """Of one parcel. `after_s`: from when the robot waits; `takes`: what is in the open lid."""

    comes: Comes = Comes.IN_TIME
    after_s: float = 20.0
    pin: str = ""
    """What is typed; empty: the right one."""
    takes: bool = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.after_s) and self.after_s >= 0.0):
            raise ValueError(f"after_s must be 0 or more, not {self.after_s}")
        if self.comes is Comes.WRONG_PIN and not self.pin:
            raise ValueError("a customer with a wrong PIN needs the one that is typed: pin")


def cast(parcel_ids: Iterable[str], seed: int, wait_s: float = 300.0) -> dict[str, Customer]:
    """A customer for every parcel, all four kinds in turn, in an order drawn from the seed."""
    rng = random.Random(seed)
    names = sorted(parcel_ids)
    rng.shuffle(names)
    kinds = list(Comes)
    made: dict[str, Customer] = {}
    for number, name in enumerate(names):
        comes = kinds[number % len(kinds)]
        share = rng.uniform(0.5, 0.9) if comes is Comes.LATE else rng.uniform(0.02, 0.2)
        pin = f"{rng.randrange(10**6):06d}x" if comes is Comes.WRONG_PIN else ""
        made[name] = Customer(comes, share * wait_s, pin)
    return made


@dataclass(frozen=True, slots=True)
class Visit:
    """How a wait for a customer ends."""

    seconds: float
    ok: bool
    words: str
    event: str
    """For the truth; empty: none."""


def visit(customer: Customer, wanted_sha256: str, timeout_s: float) -> Visit:
    """What happens at the robot's own pad. `timeout_s`: 0 waits for ever."""
    limit_s = timeout_s or math.inf
    gone = Visit(limit_s, ok=False, words=f"nobody came in {limit_s:g} s", event="gave_up")
    if customer.comes is Comes.NEVER or customer.after_s > limit_s:
        return gone
    seconds = customer.after_s
    if not wanted_sha256:
        return Visit(seconds, ok=True, words="the customer is there", event="pin_right")
    typed = hashlib.sha256(customer.pin.encode()).hexdigest()
    if not customer.pin or typed == wanted_sha256:
        return Visit(seconds, ok=True, words="PIN accepted", event="pin_right")
    seconds += PIN_TRIES * TYPING_S
    return Visit(seconds, ok=False, words=f"PIN wrong {PIN_TRIES} times", event="pin_wrong")


class Doing(Protocol):
    """An action of the robot and how far it is."""

    action: Message
    status: str
    result: str
    left_s: float
    visit: Visit | None

    @property
    def kind(self) -> str:
        """Its type."""


def begin(
    deed: Doing, deeds: Sequence[Doing], customers: Mapping[str, Customer], taking_s: float
) -> None:
    """Say how long an action at the door takes; inf: until a word comes."""
    customer = customers.get(_parcel(deed)) or Customer()
    timeout_s = float(parameter(deed.action, "timeout") or 0.0)
    if failed_before(deed, deeds):
        deed.left_s = 0.0
    elif deed.kind in WAITS:
        deed.left_s = math.inf
    elif deed.kind == "awaitCustomer":
        wanted = str(parameter(deed.action, "pinSha256") or "")
        deed.visit = visit(customer, wanted, timeout_s)
        deed.left_s = deed.visit.seconds
    elif deed.kind == "awaitRemoval":
        deed.left_s = taking_s if customer.takes else timeout_s or math.inf
    else:
        deed.left_s = MOVING_S


def finish(deed: Doing, deeds: Sequence[Doing]) -> tuple[str, str, str]:
    """Status, words and truth event of an action at the door that moves no parcel."""
    failed = failed_before(deed, deeds)
    if failed:
        return "FAILED", failed, ""
    if deed.visit is not None:
        return ("FINISHED" if deed.visit.ok else "FAILED"), deed.visit.words, deed.visit.event
    return "FINISHED", "", (LID | SHUT).get(deed.kind, "")


def kept(deed: Doing, deeds: Sequence[Doing], customer: Customer | None) -> str:
    """Why a parcel stays aboard at the end of its drop; empty: it left."""
    failed = failed_before(deed, deeds)
    if failed:
        return failed
    not_taken = deed.kind == "awaitRemoval" and customer is not None and not customer.takes
    return "it was not taken out" if not_taken else ""


def failed_before(deed: Doing, deeds: Sequence[Doing]) -> str:
    """Why the hand-over of a parcel is over already; empty: it is not. An open lid still shuts."""
    parcel = _parcel(deed)
    for other in deeds:
        if other is deed:
            return ""
        closing = deed.kind in SHUT and other.kind == "awaitRemoval"
        if parcel and _parcel(other) == parcel and other.status == "FAILED" and not closing:
            return other.result
    return ""


def word(deeds: Sequence[Doing]) -> tuple[str, str]:
    """A word from the controller: what waits for one ends, once. Its own status and words."""
    for deed in deeds:
        if deed.kind in WAITS and deed.status == "RUNNING" and deed.left_s > 0.0:
            deed.left_s = 0.0
            return "FINISHED", ""
    return "FAILED", "nothing waits for it"


def parameter(action: Message, key: str) -> Any:
    """Value of an action's parameter, None where it has none."""
    entries = action.get("actionParameters") or []
    return next(
        (e.get("value") for e in entries if isinstance(e, dict) and e.get("key") == key), None
    )


def _parcel(deed: Doing) -> str:
    return str(parameter(deed.action, "loadId") or "")
