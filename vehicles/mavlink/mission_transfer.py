"""Upload and download of missions, fences and rally lists, sans-IO.

Owns the two transfers of the MAVLink mission protocol as ArduPilot really speaks it. Must not
know what an item means, and never calls an upload verified: reading back is the proof.

Rules from ArduPilot 4.6 (GCS_MAVLink/MissionItemProtocol.cpp): it asks with MISSION_REQUEST and
is content with MISSION_ITEM_INT; ACK INVALID_SEQUENCE answers a duplicate and the upload goes on;
it gives up after 8 s with ACK OPERATION_CANCELLED; while another station uploads, everything is
DENIED; just after boot a COUNT may be answered NO_SPACE although there is room. Any other error
ends the upload and leaves a mixture of old and new items behind, in missions and rally lists: a
fence is staged and written whole or not at all. An empty list is acknowledged without a request.

Items need not wait for their request: it takes whichever comes next in order, and answers one out
of order with INVALID_SEQUENCE. So a transfer may be some items `ahead`, which spares it most of its
round trips; what was lost is asked for again as ever. The first of them may go with the COUNT, and
the first requests of a reading with its REQUEST_LIST: a vehicle that refuses the first answers the
rest with ERROR, and has written nothing.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from vehicles.mavlink.exchange import for_us
from vehicles.mavlink.messages import (
    Message,
    MissionAck,
    MissionCount,
    MissionItemInt,
    MissionRequest,
    MissionRequestInt,
)

MISSION = mav.MAV_MISSION_TYPE_MISSION
FENCE = mav.MAV_MISSION_TYPE_FENCE
RALLY = mav.MAV_MISSION_TYPE_RALLY
_NAMES = {MISSION: "mission", FENCE: "fence", RALLY: "rally list"}
ACCEPTED = mav.MAV_MISSION_ACCEPTED
ITEMS_AHEAD = 6
"""Under way at once: 300 bytes, which the smallest serial buffers of an autopilot hold."""
LOST_AFTER_S = 0.7
"""A request for an item sent longer ago says that it was lost: ArduPilot repeats it after 1 s."""
_AGAIN = frozenset(
    {
        mav.MAV_MISSION_NO_SPACE, mav.MAV_MISSION_DENIED, mav.MAV_MISSION_OPERATION_CANCELLED,
        # ArduPilot's answer to an item that comes late, outside of any transfer, too
        mav.MAV_MISSION_ERROR,
    }
)  # fmt: skip
_RESULTS = {
    mav.MAV_MISSION_ERROR: "error",
    mav.MAV_MISSION_UNSUPPORTED_FRAME: "frame not supported",
    mav.MAV_MISSION_UNSUPPORTED: "command not supported",
    mav.MAV_MISSION_NO_SPACE: "no space",
    mav.MAV_MISSION_INVALID: "invalid item",
    mav.MAV_MISSION_DENIED: "denied: another ground station is writing, or must not write",
    mav.MAV_MISSION_OPERATION_CANCELLED: "cancelled by the vehicle",
}


def ack_text(result: int) -> str:
    """What a MAV_MISSION_RESULT says, for a reason."""
    return _RESULTS.get(result, f"mission result {result}")


@dataclass(frozen=True, slots=True)
class UploadResult:
    """`accepted`: the vehicle seems to have taken all of it. Reading back must prove it."""

    accepted: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DownloadResult:
    """The items held by the vehicle, seq 0 first, or None with the reason."""

    items: tuple[MissionItemInt, ...] | None
    reason: str = ""


@dataclass(slots=True)
class MissionUpload:
    """Offers items until the vehicle says that it has them all, or gives up.

    `items` are pymavlink MISSION_ITEM_INT messages in order of seq. Every attempt starts with a
    COUNT. Silence: the last message is sent again after `resend_s`; an attempt without any
    request or acknowledgement for `silence_s` is over, and so is one refused for a passing reason,
    after `again_s`.
    """

    items: tuple[Any, ...]
    system: int
    component: int
    attempts: int = 5
    resend_s: float = 1.5
    silence_s: float = 9.0
    last_silence_s: float = 4.0
    again_s: float = 2.0
    mission_type: int = MISSION
    shrugged: frozenset[int] = frozenset({mav.MAV_MISSION_INVALID_SEQUENCE})
    """Results of an acknowledgement that do not end it: the vehicle goes on asking."""
    ahead: int = 1
    unasked: bool = False
    """The first items go with the COUNT."""
    result: UploadResult | None = None
    deadline_s: float = 0.0
    _attempt: int = field(default=0)
    _waiting: bool = field(default=False)
    _heard_s: float = field(default=0.0)
    _last: Any = field(default=None)
    _highest: int = field(default=-1)
    _sent_s: dict[int, float] = field(default_factory=dict)
    """When each item that may have been taken was last sent in this attempt, by seq."""
    _reason: str = field(default="no answer")

    def start(self, now_s: float) -> list[Any]:
        """The first COUNT."""
        return self._begin(now_s)

    def receive(self, message: Message, now_s: float) -> list[Any]:
        """Answer requests, judge acknowledgements."""
        if self.result is not None:
            return []
        if isinstance(message, MissionRequest | MissionRequestInt):
            if message.mission_type == self.mission_type and for_us(
                message.target_system, message.target_component
            ):
                return self._requested(message.seq, now_s)
        elif (
            isinstance(message, MissionAck)
            and message.mission_type == self.mission_type
            and for_us(message.target_system, message.target_component)
        ):
            self._acknowledged(message.type, now_s)
        return []

    def tick(self, now_s: float) -> list[Any]:
        """Send again, begin again, or give up."""
        if self.result is not None or now_s < self.deadline_s:
            return []
        silent_s = now_s - self._heard_s
        if self._waiting:
            return self._begin(now_s)
        # it asks again every second for what it lacks; who has asked for the last item lacks one
        last = self._highest == len(self.items) - 1
        if self._all_sent and silent_s >= (self.last_silence_s if last else self.silence_s):
            self.result = UploadResult(accepted=True, reason="acknowledgement not seen")
            return []
        if silent_s >= self.silence_s:
            return self._begin(now_s)
        self.deadline_s = now_s + self.resend_s
        # before the first request only COUNT can move the vehicle; afterwards it asks again by
        # itself, and a COUNT would throw away what it has
        return [self._last] if self._highest < 0 else []

    def _begin(self, now_s: float) -> list[Any]:
        if self._attempt >= self.attempts:
            what = f"after {self._attempt} attempts: {self._reason}"
            name = _NAMES[self.mission_type]
            reason = (
                f"the vehicle refused the {name} {what}"
                if self._waiting
                else f"upload given up {what}"
            )
            self.result = UploadResult(accepted=False, reason=reason)
            return []
        self._attempt += 1
        self._waiting = False
        self._highest = -1
        self._sent_s.clear()
        self._heard_s = now_s
        self.deadline_s = now_s + self.resend_s
        self._last = mav.MAVLink_mission_count_message(
            self.system, self.component, len(self.items), self.mission_type
        )
        return [self._last, *self._sending(0, now_s)] if self.unasked else [self._last]

    def _requested(self, seq: int, now_s: float) -> list[Any]:
        if self._waiting or not 0 <= seq < len(self.items):
            return []
        self._heard_s = now_s
        self.deadline_s = now_s + self.resend_s
        self._highest = max(self._highest, seq)
        if self.ahead == 1 or now_s - self._sent_s.get(seq, -1e9) >= LOST_AFTER_S:
            # of what was sent beyond the first that it lacks, nothing was taken
            self._sent_s = {n: at_s for n, at_s in self._sent_s.items() if n < seq}
        return self._sending(seq, now_s)

    def _sending(self, seq: int, now_s: float) -> list[Any]:
        """The items from `seq` on that are now to be sent: several at once, or those in need."""
        wanted = range(seq, min(seq + self.ahead, len(self.items)))
        sending = [n for n in wanted if n not in self._sent_s]
        few = len(sending) < _step(self.ahead)
        if few and seq in self._sent_s and wanted.stop < len(self.items):
            return []
        self._sent_s.update(dict.fromkeys(sending, now_s))
        return [self.items[n] for n in sending]

    @property
    def _all_sent(self) -> bool:
        """Whether all was sent to a vehicle that has asked for some of it."""
        return self._highest >= 0 and len(self.items) - 1 in self._sent_s

    def _acknowledged(self, result: int, now_s: float) -> None:
        if self._waiting:
            return
        if result in self.shrugged:
            self._reason = ack_text(result)
            return
        if result == mav.MAV_MISSION_ERROR and self.unasked and self._highest < 0:
            # the answer to an item whose COUNT was lost: the COUNT again, and soon
            self._reason = ack_text(result)
            self.deadline_s = min(self.deadline_s, now_s + LOST_AFTER_S)
            return
        if result == ACCEPTED:
            # an ACK before the last item was sent belongs to an earlier conversation
            if self._all_sent or not self.items:
                self.result = UploadResult(accepted=True)
            return
        self._reason = ack_text(result)
        if result in _AGAIN:
            self._waiting = True
            self.deadline_s = now_s + self.again_s
        else:
            self.result = UploadResult(
                accepted=False,
                reason=f"the vehicle refused the {_NAMES[self.mission_type]}: {self._reason}",
            )


def _step(ahead: int) -> int:
    """How many at once, so that a transfer takes few datagrams and keeps its way full."""
    return max(1, ahead // 2)


@dataclass(slots=True)
class MissionDownload:
    """Reads the mission that the vehicle holds, item by item; or another list of its kind.

    A count that changes on the way (another station wrote) begins the reading again, and so does
    an item that is not told after a few requests: PX4 ends a reading of its own accord, and then
    answers no request for an item (mavlink_mission.cpp).
    """

    system: int
    component: int
    attempts: int = 12
    resend_s: float = 1.0
    most_items: int = 1000
    begin_again_after: int = 4
    beginnings: int = 6
    mission_type: int = MISSION
    ahead: int = 1
    expected: int | None = None
    """How many it should hold: the first of them are asked for together with the list."""
    result: DownloadResult | None = None
    deadline_s: float = 0.0
    _count: int = field(default=-1)
    _begun: int = field(default=1)
    _items: dict[int, MissionItemInt] = field(default_factory=dict)
    _asked: set[int] = field(default_factory=set)
    _tries: int = field(default=0)
    _reason: str = field(default="no answer")

    def start(self, now_s: float) -> list[Any]:
        """Ask for the list."""
        return self._ask(now_s) + self._requests(self.expected or 0)

    def receive(self, message: Message, now_s: float) -> list[Any]:
        """Take the count and the items."""
        if self.result is not None:
            return []
        if isinstance(message, MissionCount):
            return self._counted(message, now_s)
        if isinstance(message, MissionItemInt):
            return self._item(message, now_s)
        if (
            isinstance(message, MissionAck)
            and message.mission_type == self.mission_type
            and for_us(message.target_system, message.target_component)
            and message.type not in {ACCEPTED, mav.MAV_MISSION_INVALID_SEQUENCE}
        ):
            # denied while another station writes, or the list shrank: begin again after a pause
            self._reason = ack_text(message.type)
            self._count, self.expected = -1, None
            self._items.clear()
            self._asked.clear()
            self.deadline_s = now_s + self.resend_s
        return []

    def tick(self, now_s: float) -> list[Any]:
        """Ask again for what is missing, or give up."""
        if self.result is not None or now_s < self.deadline_s:
            return []
        if self._tries >= self.attempts:
            what = _NAMES[self.mission_type]
            self.result = DownloadResult(None, f"reading the {what} failed: {self._reason}")
            return []
        self._asked.clear()
        if self._count >= 0 and self._tries >= self.begin_again_after:
            self._begin_again()
        return self._ask(now_s)

    def _begin_again(self) -> None:
        if self._begun < self.beginnings:
            self._begun += 1
            self._count = -1
            self._items.clear()

    def _counted(self, message: MissionCount, now_s: float) -> list[Any]:
        if message.mission_type != self.mission_type or not for_us(
            message.target_system, message.target_component
        ):
            return []
        if message.count == self._count:
            return []
        if message.count == self.expected and self._count < 0:
            return self._as_expected(now_s)
        self.expected = None
        self._items.clear()
        self._asked.clear()
        if message.count > self.most_items:
            self.result = DownloadResult(None, f"the vehicle counts {message.count} items")
            return []
        self._count = message.count
        self._tries = 0
        if message.count == 0:
            return self._finish()
        return self._ask(now_s)

    def _item(self, message: MissionItemInt, now_s: float) -> list[Any]:
        if (
            message.mission_type != self.mission_type
            or not for_us(message.target_system, message.target_component)
            or message.seq not in self._asked
            or message.seq in self._items
        ):
            return []
        self._items[message.seq] = message
        self._tries = 0
        if len(self._items) == self._count:
            return self._finish()
        if self._count < 0:
            # of the list that was asked for the count is still to come
            self.deadline_s = now_s + self.resend_s
            return []
        return self._ask(now_s)

    def _as_expected(self, now_s: float) -> list[Any]:
        """The count is the one that was reckoned with: what was asked for and came is of use."""
        self._count, self.expected = self.expected or 0, None
        self._tries = 0
        return self._finish() if len(self._items) == self._count else self._ask(now_s)

    def _ask(self, now_s: float) -> list[Any]:
        self._tries += 1
        self.deadline_s = now_s + self.resend_s
        if self._count < 0:
            return [
                mav.MAVLink_mission_request_list_message(
                    self.system, self.component, self.mission_type
                )
            ]
        return self._requests(self._count)

    def _requests(self, count: int) -> list[Any]:
        """Requests for the next items of so many: several at once, the last, or all that lack."""
        missing = list(itertools.islice((n for n in range(count) if n not in self._items),
                                        self.ahead))  # fmt: skip
        wanted = [n for n in missing if n not in self._asked]
        more_come = len(wanted) < len(missing) and wanted[-1:] != [count - 1]
        if more_come and len(wanted) < _step(self.ahead):
            return []
        self._asked.update(wanted)
        return [
            mav.MAVLink_mission_request_int_message(
                self.system, self.component, seq, self.mission_type
            )
            for seq in wanted
        ]

    def _finish(self) -> list[Any]:
        self.result = DownloadResult(tuple(self._items[n] for n in range(self._count)))
        return [
            mav.MAVLink_mission_ack_message(
                self.system, self.component, ACCEPTED, self.mission_type
            )
        ]
