"""MAVLink bytes to messages and back.

Owns framing (versions 1 and 2 inbound, 2 outbound), checksums and payload decode. Must not open
sockets or know what a message means. A frame that is broken, or of an id that is not read, costs
nothing but its bytes: the scanner goes on at the next start byte.

Sources: MAVLink serialization guide (packet format, CRC-16/MCRF4XX with CRC_EXTRA, payload
truncation).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastcrc.crc16 import mcrf4xx
from pymavlink.dialects.v20 import ardupilotmega as dialect

from vehicles.mavlink.messages import LAYOUTS, Message

MAGIC_V1 = 0xFE
MAGIC_V2 = 0xFD
FLAG_SIGNED = 0x01
SIGNATURE_BYTES = 13
_HEADER_V1 = 6
_HEADER_V2 = 10
_CRC_BYTES = 2

GCS_SYSTEM = 255
GCS_COMPONENT = 190
"""MAV_COMP_ID_MISSIONPLANNER; ArduPilot's GCS failsafe counts heartbeats of SYSID_MYGCS."""


class Frame(NamedTuple):
    """One frame whose checksum held, with its message decoded."""

    system: int
    component: int
    sequence: int
    signed: bool
    message: Message


class Scanner:
    """One peer's bytes to frames: reassembles across reads and survives garbage.

    Holds at most one frame's bytes between reads. `dropped` counts bytes that belonged to no
    frame; `broken` frames whose checksum failed.
    """

    __slots__ = ("_rest", "broken", "dropped", "skipped")

    def __init__(self) -> None:
        self._rest = b""
        self.broken = 0
        self.dropped = 0
        self.skipped = 0

    def feed(self, data: bytes) -> list[Frame]:
        """Bytes as read -> the complete frames of ids that are read, in order."""
        buffer = self._rest + data if self._rest else data
        frames: list[Frame] = []
        at, end = 0, len(buffer)
        while at < end:
            magic = buffer[at]
            if magic not in (MAGIC_V1, MAGIC_V2):
                at = self._resync(buffer, at)
                continue
            size = _frame_size(buffer, at)
            if size == 0 or at + size > end:
                break
            used = self._take(buffer, at, size, frames)
            at += used
        self._rest = buffer[at:]
        return frames

    def _resync(self, buffer: bytes, at: int) -> int:
        """The next start byte at or after `at`; the bytes before it belong to nobody."""
        found = [i for i in (buffer.find(MAGIC_V2, at), buffer.find(MAGIC_V1, at)) if i >= 0]
        start = min(found, default=len(buffer))
        self.dropped += start - at
        return start

    def _take(self, buffer: bytes, at: int, size: int, frames: list[Frame]) -> int:
        """Read one whole frame; returns the bytes used (1 where it is none, to look again)."""
        if buffer[at] == MAGIC_V2:
            header = _HEADER_V2
            message_id = int.from_bytes(buffer[at + 7 : at + 10], "little")
            sequence, system, component = buffer[at + 4], buffer[at + 5], buffer[at + 6]
            signed = bool(buffer[at + 2] & FLAG_SIGNED)
            if buffer[at + 2] & ~FLAG_SIGNED:
                # an incompatibility flag that is not understood: the frame must be refused
                self.dropped += 1
                return 1
        else:
            header = _HEADER_V1
            sequence, system, component = buffer[at + 2], buffer[at + 3], buffer[at + 4]
            message_id, signed = buffer[at + 5], False
        layout = LAYOUTS.get(message_id)
        if layout is None:
            # without CRC_EXTRA the frame cannot be proven: a start byte inside garbage could
            # swallow real frames, so it counts only where another frame or nothing follows
            follows = at + size
            if follows >= len(buffer) or buffer[follows] in (MAGIC_V1, MAGIC_V2):
                self.skipped += 1
                return size
            self.dropped += 1
            return 1
        body_end = at + header + buffer[at + 1]
        crc = mcrf4xx(buffer[at + 1 : body_end] + layout.crc_extra)
        if crc != int.from_bytes(buffer[body_end : body_end + _CRC_BYTES], "little"):
            self.broken += 1
            self.dropped += 1
            return 1
        payload = buffer[at + header : body_end][: layout.length]
        if len(payload) < layout.length:
            payload = payload.ljust(layout.length, b"\0")
        message = layout.make(layout.unpack(payload))
        frames.append(Frame(system, component, sequence, signed, message))
        return size


def _frame_size(buffer: bytes, at: int) -> int:
    """Whole size of the frame that starts at `at`, 0 where too few bytes are there to tell."""
    if len(buffer) - at < 3:
        return 0
    payload = buffer[at + 1]
    if buffer[at] == MAGIC_V1:
        return _HEADER_V1 + payload + _CRC_BYTES
    signature = SIGNATURE_BYTES if buffer[at + 2] & FLAG_SIGNED else 0
    return _HEADER_V2 + payload + _CRC_BYTES + signature


class Encoder:
    """Messages of pymavlink's dialect to MAVLink 2 frames, with one sequence per receiver."""

    __slots__ = ("_mav",)

    def __init__(self, system: int = GCS_SYSTEM, component: int = GCS_COMPONENT) -> None:
        self._mav = dialect.MAVLink(None, srcSystem=system, srcComponent=component)

    def encode(self, message: Any) -> bytes:
        """One frame, MAVLink 2, unsigned."""
        frame: bytes = message.pack(self._mav)
        self._mav.seq = (self._mav.seq + 1) % 256
        return bytes(frame)
