"""The MAVLink stream parser under any bytes: what must hold, for a fuzzer and for the suite.

Owns `one_input`, which makes a stream of frames and garbage from bytes and holds the scanner
against pymavlink. Run by itself it fuzzes with atheris (`make fuzz`):
`python -m tests.fuzz.mavlink_stream [-runs=N] [CORPUS]`.
"""

from __future__ import annotations

import itertools
import random
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from vehicles.mavlink import wire
from vehicles.mavlink.layout import Layout, layouts_of
from vehicles.mavlink.wire import Frame, Scanner, read_frame, reader

IDS = sorted(mav.mavlink_map)
LAYOUTS = layouts_of(kind.msgname for kind in mav.mavlink_map.values())
READ = reader(LAYOUTS)
LONGEST = 280
_KEY = bytes(range(32))
_CHECK = mav.MAVLink(None)


@dataclass
class Stream:
    """Bytes to feed, where to cut them, and the frames that must come out, with their places."""

    data: bytearray = field(default_factory=bytearray)
    cuts: list[int] = field(default_factory=list)
    intact: list[tuple[int, bytes]] = field(default_factory=list)


def frame_of(message_id: int, payload: bytes, sequence: int, *, old: bool, flags: int) -> bytes:
    """A frame whose checksum holds; signed where flag 1 is set (by a key nobody has)."""
    if old:
        head = bytes([0xFE, len(payload), sequence, 7, 1, message_id & 0xFF])
        message_id &= 0xFF
    else:
        head = bytes([0xFD, len(payload), flags, 0, sequence, 7, 1])
        head += message_id.to_bytes(3, "little")
    extra = mav.mavlink_map[message_id].crc_extra
    data = head + payload + struct.pack("<H", mav.x25crc(head[1:] + payload + bytes([extra])).crc)
    return data + _KEY[:13] if flags & 1 and not old else data


def build(program: bytes) -> Stream:
    """Read bytes as steps: garbage, whole frames of either version, spoilt and cut ones, cuts."""
    stream = Stream()
    at = 0
    while at + 3 <= len(program):
        step, pick, length = program[at : at + 3]
        at += 3
        body = program[at : at + length]
        at += len(body)
        kind = step & 7
        if kind == 0:
            stream.data += body
            continue
        if kind == 1:
            stream.cuts.append(len(stream.data))
        message_id = IDS[(pick + 256 * (step >> 7)) % len(IDS)]
        payload = body[: LAYOUTS[message_id].length + 2]
        old = kind == 2 and message_id < 256
        flags = {3: 1, 4: length & 0xFE}.get(kind, 0)
        frame = frame_of(message_id, payload, step, old=old, flags=flags)
        if kind == 5:
            spoilt = bytearray(frame)
            spoilt[pick % len(frame)] ^= (step >> 3) + 1
            stream.data += spoilt
        elif kind == 6:
            stream.data += frame[: pick % len(frame)]
        else:
            if not flags & 0xFE:
                stream.intact.append((len(stream.data), frame))
            stream.data += frame
            stream.cuts.append(len(stream.data) - pick % len(frame))
    # enough behind it that no false start is still waited for
    stream.data += bytes(LONGEST)
    return stream


def bits(value: Any) -> Any:
    """A value with floats by their bits, so that no NaN is unequal to itself."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    return [bits(one) for one in value] if isinstance(value, list | tuple | bytes) else value


def told(frame: Frame) -> Any:
    """All that a frame says."""
    fields = bits(list(frame.message._asdict().values()))
    return frame.system, frame.component, frame.sequence, frame.signed, fields


def as_pymavlink(frame: Frame, raw: bytes) -> None:
    """Hold one frame against pymavlink's decode of its bytes."""
    theirs = _CHECK.decode(bytearray(raw))
    header = (theirs.get_srcSystem(), theirs.get_srcComponent(), theirs.get_seq())
    assert header == (frame.system, frame.component, frame.sequence), raw.hex()
    for name, value in frame.message._asdict().items():
        other = getattr(theirs, name)
        same = value == (tuple(other) if isinstance(other, list) else other)
        assert same or bits(value) == bits(other), (theirs.msgname, name, raw.hex())


def one_input(program: bytes) -> None:
    """Raises AssertionError where the scanner is wrong."""
    stream = build(program)
    data = bytes(stream.data)
    seen: list[bytes] = []

    def admit(frame: Frame, raw: bytes) -> bool:
        as_pymavlink(frame, raw)
        seen.append(raw)
        return True

    whole = Scanner(admit, layouts=LAYOUTS, read=READ)
    frames = whole.feed(data)
    assert len(whole._rest) < LONGEST
    places = found_at(data, seen)
    for at, raw in stream.intact:
        # a frame that lost its last bytes may be proven by the first of the next: then it is whole
        assert places.get(at) == raw or any(
            start < at < start + len(found) for start, found in places.items()
        ), raw.hex()
    slow = Scanner(layouts=LAYOUTS, read=lambda _: None)
    pieces = Scanner(layouts=LAYOUTS, read=READ)
    in_pieces = [f for piece in cut(data, stream.cuts) for f in pieces.feed(piece)]
    assert_equal(slow.feed(data), frames)
    assert_equal(in_pieces, frames)
    assert (whole.broken, whole.dropped, whole.skipped) == (
        pieces.broken, pieces.dropped, pieces.skipped,
    )  # fmt: skip
    for raw in (*(frame for _, frame in stream.intact), program):
        fast = read_frame(raw)
        if fast is not None:
            as_pymavlink(fast, raw)


def assert_equal(ours: list[Frame], expected: list[Frame]) -> None:
    """The same frames; told apart by their bits only where a NaN may be among them."""
    if ours != expected:
        assert [told(frame) for frame in ours] == [told(frame) for frame in expected]


def found_at(data: bytes, found: list[bytes]) -> dict[int, bytes]:
    """Where each frame stood, in order."""
    places, at = {}, 0
    for raw in found:
        at = data.index(raw, at)
        places[at] = raw
        at += len(raw)
    return places


def cut(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    """The pieces between the cuts."""
    edges = sorted({0, len(data), *(max(0, min(at, len(data))) for at in cuts)})
    for start, stop in itertools.pairwise(edges):
        yield data[start:stop]


def seeds(count: int, seed: int = 1) -> Iterator[bytes]:
    """Programs to begin with: every kind of step, every message, then what chance gives."""
    for number, message_id in enumerate(IDS):
        size = min(LAYOUTS[message_id].length, 255)
        yield bytes([7 | (number >= 256) << 7, number % 256, size]) + bytes(range(size))
    rng = random.Random(seed)
    for _ in range(count):
        steps = rng.randrange(1, 9)
        program = b""
        for _ in range(steps):
            body = rng.randbytes(rng.choice((0, 1, 3, 12, 40, 255)))
            program += bytes([rng.randrange(256), rng.randrange(256), len(body)]) + body
        yield program


def main() -> None:
    """Fuzz until a fault is found or `-runs` are done."""
    import atheris  # the suite runs without it

    here = sys.modules[__name__]
    for owner, name in (
        (Scanner, "feed"), (Scanner, "_take"), (Scanner, "_resync"), (Layout, "make"),
        (wire, "_frame_size"), (here, "build"), (here, "frame_of"),
    ):  # fmt: skip
        setattr(owner, name, atheris.instrument_func(getattr(owner, name)))
    for program in seeds(200):
        one_input(program)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
