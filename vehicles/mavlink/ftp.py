"""MAVLink FTP: what one message of it carries, and the names of its requests and refusals.

Owns the payload of FILE_TRANSFER_PROTOCOL, to and from bytes. Must not know a conversation
(`ftp_read` does), a link or a file's content.

Sources: MAVLink guide "File Transfer Protocol (FTP)"; enums MAV_FTP_OPCODE and MAV_FTP_ERR.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

MAX_DATA = 239
"""Bytes of a file in one message."""
SEQUENCES = 65536
_HEAD = Struct("<HBBBBBxI")
_PAYLOAD = _HEAD.size + MAX_DATA


class Op(IntEnum):
    """What is asked for, and the two answers."""

    TERMINATE_SESSION = 1
    RESET_SESSIONS = 2
    OPEN_FILE_RO = 4
    READ_FILE = 5
    BURST_READ_FILE = 15
    ACK = 128
    NAK = 129


class Nak(IntEnum):
    """Why a request is refused: the first byte of a NAK's data."""

    FAIL = 1
    FAIL_ERRNO = 2
    INVALID_DATA_SIZE = 3
    INVALID_SESSION = 4
    NO_SESSIONS_AVAILABLE = 5
    END_OF_FILE = 6
    UNKNOWN_COMMAND = 7
    FILE_EXISTS = 8
    FILE_PROTECTED = 9
    FILE_NOT_FOUND = 10


@dataclass(frozen=True, slots=True)
class Packet:
    """One payload. `size` of a request is how much is wanted, of an answer how much there is."""

    sequence: int
    session: int
    opcode: int
    size: int = 0
    request: int = 0
    """Of an answer: the opcode that it answers."""
    burst_complete: bool = False
    offset: int = 0
    data: bytes = b""

    @property
    def refusal(self) -> int:
        """The code of a NAK; 0 where it is none or names none."""
        return self.data[0] if self.opcode == Op.NAK and self.data else 0

    def payload(self) -> bytes:
        """The 251 bytes. Raises ValueError where `data` is longer than 239 bytes."""
        if len(self.data) > MAX_DATA:
            raise ValueError(f"data: {len(self.data)} bytes, at most {MAX_DATA} go into a message")
        head = _HEAD.pack(
            self.sequence,
            self.session,
            self.opcode,
            self.size,
            self.request,
            self.burst_complete,
            self.offset,
        )
        return (head + self.data).ljust(_PAYLOAD, b"\0")

    def message(self, system: int, component: int) -> Any:
        """The pymavlink message to one component."""
        return mav.MAVLink_file_transfer_protocol_message(
            0, system, component, list(self.payload())
        )


def read_packet(payload: bytes) -> Packet | None:
    """An answer's payload, cut to its size; None where it says that it holds more than it can."""
    payload = payload.ljust(_PAYLOAD, b"\0")
    sequence, session, opcode, size, request, complete, offset = _HEAD.unpack_from(payload)
    if size > MAX_DATA:
        return None
    data = payload[_HEAD.size : _HEAD.size + size]
    return Packet(sequence, session, opcode, size, request, bool(complete), offset, data)
