"""MAVLink bytes to messages and back.

Owns framing (versions 1 and 2 inbound, 2 outbound), checksums and the way into the payload
decode. Must not open sockets or know what a message means. A frame that is broken, or of an id
that is not read, costs nothing but its bytes: the scanner goes on at the next start byte.

Two ways in: `reader` for one whole frame (what a datagram of ArduPilot is), by a table that is
looked up with length and id alone; and `Scanner` for a stream with anything in it. The second
tries the first wherever a frame may begin.

Sources: MAVLink serialization guide (packet format, CRC-16/MCRF4XX with CRC_EXTRA, payload
truncation), MAVLink message signing guide (signature block).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from struct import Struct
from typing import Any

import msgspec
from fastcrc.crc16 import mcrf4xx
from pymavlink.dialects.v20 import ardupilotmega as dialect

from vehicles.mavlink.layout import Layout, Values, truncated
from vehicles.mavlink.messages import LAYOUTS, Message

MAGIC_V1 = 0xFE
MAGIC_V2 = 0xFD
FLAG_SIGNED = 0x01
SIGNATURE_BYTES = 13
_HEADER_V1 = 6
_HEADER_V2 = 10
_CRC_BYTES = 2
_WHOLE_V2 = _HEADER_V2 + _CRC_BYTES

GCS_SYSTEM = 255
GCS_COMPONENT = 190
"""MAV_COMP_ID_MISSIONPLANNER; ArduPilot's GCS failsafe counts heartbeats of SYSID_MYGCS."""


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One frame whose checksum held, with its message decoded."""

    system: int
    component: int
    sequence: int
    signed: bool
    message: Message


Reader = Callable[[bytes], Frame | None]
Admit = Callable[[Frame, bytes], bool]
"""Whether a frame may be believed, given its own bytes: where signatures are judged."""

_Known = tuple[
    int,
    int,
    Callable[[bytes], tuple[int, ...]],
    int,
    Callable[[bytes], Values],
    Values,
    Callable[[Values], Values] | None,
    type[Any],
]
"""What length and id tell of a frame: its first four bytes and the upper two of its id as numbers,
the unpacker of its head and checksum, its checksum residue, the unpacker of its payload, the values
that truncation took, how values are gathered, its type."""


_BEAT = Struct("<IBBBBB").pack(
    0, dialect.MAV_TYPE_GCS, dialect.MAV_AUTOPILOT_INVALID, 0, dialect.MAV_STATE_ACTIVE, 3
)
"""The payload of HEARTBEAT in wire order: custom mode, type, autopilot, base mode, state, version
3 of the protocol's messages."""


def _checksum_marks() -> tuple[list[int], list[int]]:
    """What each checksum adds to the residue of the frame that it stands in.

    A CRC is linear: feeding two bytes c into state s gives A2(s ^ c), where A1 and A2 advance a
    state by one and two zero bytes. A frame's checksum c is A1(s ^ extra), s being the state
    after its body. So over the whole frame, start byte and checksum included, the CRC is
    A2(s ^ K ^ c) with s = A1^-1(c) ^ extra and K by the length alone: a constant of length and id
    XOR A1(c) ^ A2(c). That sum stands here, for c's low byte and for its high byte.
    """

    def mark(c: int) -> int:
        return mcrf4xx(b"\0", c) ^ mcrf4xx(b"\0\0", c) ^ mcrf4xx(b"\0", 0) ^ mcrf4xx(b"\0\0", 0)

    return [mark(low) for low in range(256)], [mark(high << 8) for high in range(256)]


_EXTRAS = {number: bytes([kind.crc_extra]) for number, kind in dialect.mavlink_map.items()}
"""CRC_EXTRA of every message of the dialect: with it even a frame that is not read is proven."""


_MARKS = _checksum_marks()


def _known(message_id: int, layout: Layout, length: int) -> _Known:
    """The entry for one id with a payload of `length` bytes."""
    body = bytes((length, 0, 0, 0, 0, 0)) + message_id.to_bytes(3, "little") + bytes(length)
    crc = mcrf4xx(body + bytes([layout.crc_extra]))
    sample = bytes([MAGIC_V2]) + body + crc.to_bytes(2, "little")
    low, high = _MARKS
    cut = truncated(layout, length)
    unpack: Callable[[bytes], Values]
    if cut is None:
        whole, missing = Struct(f"<{_HEADER_V2}x{layout.format[1:]}"), layout.length - length

        def unpack(data: bytes) -> Values:
            return whole.unpack(data[:-2].ljust(len(data) - 2 + missing, b"\0"))

        tail: Values = ()
    else:
        unpack, tail = Struct(f"<{_HEADER_V2}x{cut[0]}2x").unpack, cut[1]
    return (
        MAGIC_V2 | length << 8,
        message_id >> 8,
        Struct(f"<IBBBxH{length}xBB").unpack,
        mcrf4xx(sample) ^ low[crc & 0xFF] ^ high[crc >> 8],
        unpack,
        tail,
        layout.gather,
        layout.kind,
    )


def reader(layouts: Mapping[int, Layout]) -> Reader:
    """A function for bytes that are exactly one unsigned MAVLink 2 frame of an id that is read.

    It gives None for anything else, broken or not: a `Scanner` tells what that is.
    """
    # by whole length, then by the lowest byte of the id
    table: list[dict[int, _Known]] = [{} for _ in range(_WHOLE_V2 + 256)]
    for message_id, layout in layouts.items():
        for length in range(layout.length + 1):
            # of two ids with one lowest byte, the second is left to the scanner
            table[_WHOLE_V2 + length].setdefault(
                message_id & 0xFF, _known(message_id, layout, length)
            )
    # local names: this is the way of every message of the fleet
    crc16, frame, unsigned = mcrf4xx, Frame, False
    low, high = _MARKS

    def read(data: bytes) -> Frame | None:
        try:
            start, upper, head, residue, unpack, tail, gather, kind = table[len(data)][data[7]]
        except LookupError:
            return None
        found, sequence, system, component, above, crc_low, crc_high = head(data)
        if (
            found != start
            or above != upper
            or crc16(data) ^ low[crc_low] ^ high[crc_high] != residue
        ):
            return None
        values = unpack(data)
        if tail:
            values += tail
        if gather is not None:
            values = gather(values)
        return frame(system, component, sequence, unsigned, kind(*values))

    return read


read_frame: Reader = reader(LAYOUTS)
"""One whole frame of an id that the controller reads."""


def is_unread(data: bytes) -> bool:
    """Whether bytes look like exactly one MAVLink 2 frame of an id that nobody reads."""
    return (
        len(data) >= _WHOLE_V2
        and data[0] == MAGIC_V2
        and data[1] + _WHOLE_V2 == len(data)
        and not data[2]
        and int.from_bytes(data[7:10], "little") not in LAYOUTS
    )


class Scanner:
    """One peer's bytes to frames: reassembles across reads and survives garbage.

    Holds at most one frame's bytes between reads. `dropped` counts bytes that belonged to no
    frame; `broken` frames whose checksum failed; `skipped` frames of ids that are not read;
    `refused` frames that `admit` did not believe.
    """

    __slots__ = ("_admit", "_layouts", "_read", "_rest", "broken", "dropped", "refused", "skipped")

    def __init__(
        self,
        admit: Admit | None = None,
        *,
        layouts: Mapping[int, Layout] = LAYOUTS,
        read: Reader = read_frame,
    ) -> None:
        self._rest = b""
        self._admit = admit
        self._layouts = layouts
        self._read = read
        self.broken = 0
        self.dropped = 0
        self.skipped = 0
        self.refused = 0

    def feed(self, data: bytes) -> list[Frame]:
        """Bytes as read -> the complete frames of ids that are read, in order."""
        buffer = self._rest + data if self._rest else data
        frames: list[Frame] = []
        at, end = 0, len(buffer)
        read, admit = self._read, self._admit
        while at < end:
            magic = buffer[at]
            if magic == MAGIC_V2 and at + 1 < end:
                stop = at + buffer[at + 1] + _WHOLE_V2
                whole = buffer[at:stop]
                if stop <= end and (frame := read(whole)) is not None:
                    if admit is None or admit(frame, whole):
                        frames.append(frame)
                    else:
                        self.refused += 1
                    at = stop
                    continue
            if magic not in (MAGIC_V1, MAGIC_V2):
                at = self._resync(buffer, at)
                continue
            size = _frame_size(buffer, at)
            if size == 0 or at + size > end:
                break
            at += self._take(buffer, at, size, frames)
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
        layout = self._layouts.get(message_id)
        extra = _EXTRAS.get(message_id)
        if extra is None:
            # without CRC_EXTRA it cannot be proven, and a false start could swallow real frames
            self.dropped += 1
            return 1
        body_end = at + header + buffer[at + 1]
        crc = mcrf4xx(buffer[at + 1 : body_end] + extra)
        if crc != int.from_bytes(buffer[body_end : body_end + _CRC_BYTES], "little"):
            self.broken += 1
            self.dropped += 1
            return 1
        if layout is None:
            self.skipped += 1
            return size
        message = layout.make(buffer[at + header : body_end])
        frame = Frame(system, component, sequence, signed, message)
        if self._admit is None or self._admit(frame, buffer[at : at + size]):
            frames.append(frame)
        else:
            self.refused += 1
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


@functools.cache
def _beats(system: int, component: int) -> tuple[bytes, ...]:
    """HEARTBEAT of a ground station with every sequence number there is."""

    def beat(sequence: int) -> bytes:
        body = bytes((len(_BEAT), 0, 0, sequence, system, component, 0, 0, 0)) + _BEAT
        crc = mcrf4xx(body + _EXTRAS[dialect.MAVLINK_MSG_ID_HEARTBEAT])
        return b"\xfd" + body + crc.to_bytes(2, "little")

    return tuple(beat(sequence) for sequence in range(256))


class Encoder:
    """Messages of pymavlink's dialect to MAVLink 2 frames, with one sequence per receiver.

    `sign` turns a frame into a signed one; without it frames go out unsigned.
    """

    __slots__ = ("_mav", "_sign")

    def __init__(
        self,
        system: int = GCS_SYSTEM,
        component: int = GCS_COMPONENT,
        sign: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._sign = sign
        self._mav = dialect.MAVLink(None, srcSystem=system, srcComponent=component)

    def heartbeat(self) -> bytes:
        """A ground station's HEARTBEAT: what every vehicle is sent every second."""
        mav = self._mav
        frame = _beats(mav.srcSystem, mav.srcComponent)[mav.seq]
        mav.seq = (mav.seq + 1) % 256
        return frame if self._sign is None else self._sign(frame)

    def encode(self, message: Any) -> bytes:
        """One frame, MAVLink 2."""
        frame = bytes(message.pack(self._mav))
        self._mav.seq = (self._mav.seq + 1) % 256
        return frame if self._sign is None else self._sign(frame)
