"""ArduPilot's side of the MAVLink mission protocol, one instance per item type.

Owns the upload state machine of GCS_MAVLink/MissionItemProtocol.cpp: it asks with
MISSION_REQUEST, truncates at MISSION_COUNT, overwrites in place, answers a duplicate or
late item with ACK 13 and goes on, asks again after 1 s, gives up after 8 s with ACK 15.
Time is simulated seconds. What an item means is not its business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pymavlink.dialects.v20 import ardupilotmega as mav

from sitl.copter import items as it
from sitl.copter.items import Item

REQUEST_AGAIN_S = 1.0
UPLOAD_TIMEOUT_S = 8.0

Peer = tuple[int, int]


class ItemStore(Protocol):
    """What a transfer writes to and reads from."""

    mission_type: int
    timeout_text: str

    def count(self) -> int:
        """Items stored, or staged while receiving."""

    def capacity(self) -> int:
        """The greatest count accepted."""

    def begin(self, count: int) -> None:
        """An upload of ``count`` items starts: truncate or stage."""

    def put(self, seq: int, message: Any, last: int) -> int:
        """Write one item; MAV_MISSION_RESULT."""

    def complete(self) -> int:
        """All items came; MAV_MISSION_RESULT."""

    def abandon(self) -> None:
        """The upload ended early."""

    def get(self, seq: int) -> Item | None:
        """An item for reading."""

    def clear(self) -> bool:
        """Remove everything; False if not allowed now."""


class ItemTransfer:
    """One item type's protocol; ``send`` takes a message, ``say`` severity and text."""

    def __init__(
        self,
        store: ItemStore,
        send: Callable[[Any], None],
        say: Callable[[int, str], None],
        current: Callable[[int], int] = lambda _command: 0,
    ) -> None:
        self._store = store
        self._send = send
        self._say = say
        self._current = current
        self._peer: Peer | None = None
        self._next = self._last = 0
        self._received_s = self._asked_s = 0.0
        self._warned = False

    @property
    def receiving(self) -> bool:
        """Whether an upload is under way."""
        return self._peer is not None

    def on_count(self, message: Any, peer: Peer, now_s: float) -> None:
        """MISSION_COUNT."""
        if not self._free_for(peer):
            return
        capacity = self._store.capacity()
        if message.count > capacity:
            self._ack(peer, it.NO_SPACE)
            self._say(4, f"Only {capacity} items are supported")
            return
        self._store.begin(message.count)
        if message.count == 0:
            self._ack(peer, self._store.complete())
            return
        self._start(peer, 0, message.count - 1, now_s)

    def on_partial(self, message: Any, peer: Peer, now_s: float) -> None:
        """MISSION_WRITE_PARTIAL_LIST."""
        count = self._store.count()
        if self.receiving:
            self._ack(peer, it.DENIED)
        elif message.start_index > count or not message.start_index <= message.end_index <= count:
            self._say(4, "Flight plan update rejected")
            self._ack(peer, it.ERROR)
        else:
            self._start(peer, message.start_index, message.end_index, now_s)

    def on_item(self, message: Any, peer: Peer, now_s: float) -> None:
        """MISSION_ITEM_INT, or MISSION_ITEM already converted."""
        if not self.receiving:
            self._ack(peer, it.ERROR)
        elif message.seq != self._next:
            self._ack(peer, it.INVALID_SEQUENCE)
        elif peer != self._peer:
            self._ack(peer, it.DENIED)
        else:
            self._take(message, peer, now_s)

    def on_request_list(self, peer: Peer) -> None:
        """MISSION_REQUEST_LIST."""
        if self.receiving:
            self._ack(peer, it.DENIED)
        else:
            self._send_count(peer)

    def on_request(self, message: Any, peer: Peer, *, as_float: bool) -> None:
        """MISSION_REQUEST_INT, or MISSION_REQUEST with ``as_float``."""
        if self.receiving:
            self._ack(peer, it.DENIED)
            return
        item = self._store.get(message.seq)
        if item is None:
            if self._store.mission_type == mav.MAV_MISSION_TYPE_MISSION:
                self._send_count(peer)
            self._ack(peer, it.ERROR)
            return
        if as_float and not self._warned:
            self._warned = True
            self._say(4, "got MISSION_REQUEST; use MISSION_REQUEST_INT!")
        self._send(self._encode(message.seq, item, peer, as_float=as_float))

    def on_clear(self, peer: Peer) -> None:
        """MISSION_CLEAR_ALL."""
        denied = not self._free_for(peer)
        self._ack(peer, it.ERROR if denied or not self._store.clear() else it.ACCEPTED)

    def tick(self, now_s: float) -> None:
        """Ask again, or give up."""
        if self._peer is None:
            return
        if now_s - self._received_s > UPLOAD_TIMEOUT_S:
            peer = self._peer
            self._say(4, self._store.timeout_text)
            self._ack(peer, it.CANCELLED)
            self._end()
        elif now_s - self._asked_s > REQUEST_AGAIN_S:
            self._ask(now_s)

    def _free_for(self, peer: Peer) -> bool:
        if self._peer is None:
            return True
        if peer != self._peer:
            self._ack(peer, it.DENIED)
            return False
        self._end()
        return True

    def _start(self, peer: Peer, first: int, last: int, now_s: float) -> None:
        self._peer, self._next, self._last = peer, first, last
        self._received_s = now_s
        self._warned = False
        self._ask(now_s)

    def _take(self, message: Any, peer: Peer, now_s: float) -> None:
        result = self._store.put(message.seq, message, self._last)
        if result != it.ACCEPTED:
            self._ack(peer, result)
            self._end()
            return
        self._received_s = now_s
        self._next += 1
        if self._next > self._last:
            self._ack(peer, self._store.complete())
            self._end()
        else:
            self._ask(now_s)

    def _end(self) -> None:
        self._peer = None
        self._store.abandon()

    def _ask(self, now_s: float) -> None:
        if self._peer is None:
            return
        self._asked_s = now_s
        self._send(
            mav.MAVLink_mission_request_message(*self._peer, self._next, self._store.mission_type)
        )

    def _ack(self, peer: Peer, result: int) -> None:
        self._send(mav.MAVLink_mission_ack_message(*peer, result, self._store.mission_type))

    def _send_count(self, peer: Peer) -> None:
        self._send(
            mav.MAVLink_mission_count_message(*peer, self._store.count(), self._store.mission_type)
        )

    def _encode(self, seq: int, item: Item, peer: Peer, *, as_float: bool) -> Any:
        make: Any = mav.MAVLink_mission_item_int_message
        x: float = item.x
        y: float = item.y
        if as_float:
            make, x, y = mav.MAVLink_mission_item_message, x * 1e-7, y * 1e-7
        return make(
            *peer, seq, item.frame, item.command, self._current(item.command), 1,
            item.p1, item.p2, item.p3, item.p4, x, y, item.z, self._store.mission_type,
        )  # fmt: skip
