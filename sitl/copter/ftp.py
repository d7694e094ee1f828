"""ArduPilot's side of MAVLink FTP, as far as reading ``@PARAM/param.pck`` goes.

Owns the session and the worker of GCS_MAVLink/GCS_FTP.cpp: one session for all stations, known by
the number that its client chose; five requests may wait; the last answer is repeated to a request
whose number is one less; a session that was silent for 3 s may be taken over, and every answer, a
refusal too, counts as activity. Time is simulated seconds. Requests to write, list, or rename are
refused as unknown ones are.
"""

from __future__ import annotations

import math
import struct
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from sitl.copter.param_file import ENOENT, FileError, ParamFile
from sitl.copter.params import Params

MAX_WAITING = 5
SESSION_TIMEOUT_S = 3.0
BLOCKS_PER_S = 130.0
"""What ArduCopter 4.6.2 in SITL sends of a burst over TCP."""
_BURST_BLOCKS = 500
_DATA = 239
_TERMINATE, _RESET, _OPEN_RO, _READ, _BURST, _ACK, _NAK = 1, 2, 4, 5, 15, 128, 129
_FAIL, _FAIL_ERRNO, _DATA_SIZE, _SESSION, _EOF, _NOT_FOUND = 1, 2, 3, 4, 6, 10
_HEAD = struct.Struct("<HBBBBBxI")

Peer = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Packet:
    """A request or an answer, and the station that it is from or for."""

    peer: Peer
    seq: int
    session: int
    opcode: int
    size: int = 0
    request: int = 0
    complete: bool = False
    offset: int = 0
    data: bytes = b""


class FileServer:
    """One vehicle's FTP; ``send`` takes a message."""

    def __init__(self, params: Params, send: Callable[[Any], None]) -> None:
        self._params = params
        self._send = send
        self._waiting: deque[Packet] = deque()
        self._file: ParamFile | None = None
        self._session = 0
        self._last_s = -math.inf
        self._reply: Packet | None = None
        self._burst: Iterator[None] | None = None
        self._credit = 0.0
        self._now_s = 0.0

    def on_request(self, message: Any, peer: Peer, now_s: float) -> None:
        """FILE_TRANSFER_PROTOCOL. A sixth request that waits is lost."""
        payload = bytes(message.payload)
        seq, session, opcode, size, request, complete, offset = _HEAD.unpack_from(payload)
        data = payload[_HEAD.size :]
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(
                Packet(peer, seq, session, opcode, size, request, bool(complete), offset, data)
            )
        self._work(now_s)

    def tick(self, now_s: float) -> None:
        """Go on with a burst, then with what waits."""
        if self._burst is not None:
            self._credit += (now_s - self._now_s) * BLOCKS_PER_S
        self._work(now_s)

    def _work(self, now_s: float) -> None:
        self._now_s = now_s
        while self._burst is not None and self._credit >= 1.0:
            self._credit -= 1.0
            if next(self._burst, self) is self:
                self._burst = None
        while self._waiting and self._burst is None:
            self._handle(self._waiting.popleft())

    def _handle(self, asked: Packet) -> None:
        last = self._reply
        if last is not None and (last.peer, last.session, last.seq) == (
            asked.peer, asked.session, (asked.seq + 1) % 65536,
        ):  # fmt: skip
            self._push(last)
            return
        reply = Packet(
            asked.peer, (asked.seq + 1) % 65536, asked.session, _ACK, request=asked.opcode
        )
        self._reply = reply
        foreign = asked.session != self._session
        if asked.size > _DATA:
            self._push(_refused(reply, _DATA_SIZE))
        elif foreign and asked.opcode in (_TERMINATE, _RESET):
            self._push(reply)
        elif foreign and self._file is not None and not self._idle():
            self._push(_refused(reply, _SESSION))
        else:
            if foreign and self._file is not None:
                self._close()
            self._do(asked, reply)

    def _do(self, asked: Packet, reply: Packet) -> None:
        match asked.opcode:
            case 0:
                self._push(reply)
            case 1 | 2:
                self._close()
                self._push(reply)
            case 4:
                self._push(self._open(asked, reply))
            case 5:
                self._push(self._read(asked, reply))
            case 15:
                self._begin_burst(asked, reply)
            case 128 | 129:
                pass
            case _:
                self._push(_refused(reply, _FAIL))

    def _open(self, asked: Packet, reply: Packet) -> Packet:
        if self._file is not None and self._idle():
            self._close()
        if self._file is not None:
            return _refused(reply, _FAIL)
        name = asked.data.split(b"\0", 1)[0]
        if not name or len(name) != asked.size:
            return _refused(reply, _DATA_SIZE)
        try:
            self._file = ParamFile(self._params, name.decode("ascii", "replace"))
        except FileError as error:
            return _failed(reply, error)
        self._session = asked.session
        return replace(reply, size=4, data=struct.pack("<I", self._file.estimate()))

    def _read(self, asked: Packet, reply: Packet) -> Packet:
        if self._file is None:
            return _refused(reply, _NOT_FOUND)
        try:
            data = self._file.read(asked.offset, asked.size)
        except FileError as error:
            return _failed(reply, error)
        if not data:
            return _refused(reply, _EOF)
        return replace(reply, offset=asked.offset, size=len(data), data=data)

    def _begin_burst(self, asked: Packet, reply: Packet) -> None:
        if self._file is None:
            self._push(_refused(reply, _NOT_FOUND))
            return
        self._burst, self._credit = self._blocks(self._file, asked, reply), 1.0
        self._work(self._now_s)

    def _blocks(self, file: ParamFile, asked: Packet, reply: Packet) -> Iterator[None]:
        """One block a step; the NAK after the last one tells where the file ends."""
        size = asked.size or _DATA
        for number in range(_BURST_BLOCKS):
            offset = asked.offset + number * size
            try:
                data = file.read(offset, size)
            except FileError as error:
                self._push(_failed(reply, error))
                return
            if not data:
                self._push(_refused(reply, _EOF))
                return
            complete = number == _BURST_BLOCKS - 1
            block = replace(reply, offset=offset, size=len(data), data=data, complete=complete)
            self._push(block)
            end = offset + len(data) if len(data) < size else offset
            reply = self._reply = replace(block, seq=(reply.seq + 1) % 65536, offset=end)
            yield

    def _push(self, reply: Packet) -> None:
        self._reply = reply
        ended = reply.request == _TERMINATE
        self._last_s = -math.inf if ended else self._now_s
        head = _HEAD.pack(
            reply.seq, reply.session, reply.opcode, reply.size, reply.request, reply.complete,
            reply.offset,
        )  # fmt: skip
        payload = list((head + reply.data).ljust(_HEAD.size + _DATA, b"\0"))
        self._send(mav.MAVLink_file_transfer_protocol_message(0, *reply.peer, payload))

    def _idle(self) -> bool:
        return self._now_s - self._last_s >= SESSION_TIMEOUT_S

    def _close(self) -> None:
        self._file = None
        self._session = -1


def _refused(reply: Packet, code: int) -> Packet:
    return replace(reply, opcode=_NAK, size=1, data=bytes([code]))


def _failed(reply: Packet, error: FileError) -> Packet:
    if error.errno == ENOENT:
        return _refused(reply, _NOT_FOUND)
    return replace(reply, opcode=_NAK, size=2, data=bytes([_FAIL_ERRNO, error.errno]))
