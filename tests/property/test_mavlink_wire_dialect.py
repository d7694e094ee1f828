"""Every message of the ardupilotmega dialect, decoded as pymavlink decodes it, to the bit."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mav

from vehicles.mavlink.layout import layout_of, layouts_of, truncated
from vehicles.mavlink.wire import Frame, Scanner, read_frame, reader

IDS = sorted(mav.mavlink_map)
LAYOUTS = layouts_of(kind.msgname for kind in mav.mavlink_map.values())
READ = reader(LAYOUTS)
KEY = bytes(range(32))


def frame_of(message_id: int, payload: bytes, *, old: bool = False, sequence: int = 9) -> bytes:
    """A frame whose checksum holds, with any payload."""
    if old:
        head = bytes([0xFE, len(payload), sequence, 7, 1, message_id])
    else:
        head = bytes([0xFD, len(payload), 0, 0, sequence, 7, 1]) + message_id.to_bytes(3, "little")
    crc = mav.x25crc(head[1:] + payload + bytes([mav.mavlink_map[message_id].crc_extra])).crc
    return head + payload + struct.pack("<H", crc)


def bits(value: Any) -> Any:
    if isinstance(value, float):
        return struct.pack("<d", value)
    return [bits(one) for one in value] if isinstance(value, list | tuple | bytes) else value


def assert_same(frame: Frame | None, theirs: Any) -> None:
    assert frame is not None
    header = (theirs.get_srcSystem(), theirs.get_srcComponent(), theirs.get_seq())
    assert (frame.system, frame.component, frame.sequence) == header
    fields = frame.message._asdict()
    assert set(fields) == set(theirs.fieldnames)
    for name, value in fields.items():
        assert bits(value) == bits(getattr(theirs, name)), (theirs.msgname, name)


def decoded(data: bytes) -> Any:
    return mav.MAVLink(None).decode(bytearray(data))


@pytest.mark.parametrize("tail", [b"\0", b"\xff"], ids=["zeros", "ones"])
def test_every_message_at_every_length_it_can_be_cut_to(tail: bytes) -> None:
    for message_id in IDS:
        full = LAYOUTS[message_id].length
        whole = bytes((37 * n + message_id) % 255 + 1 for n in range(full - 1)) + tail
        for length in {full, full - 1, full - 2, full - 3, full // 2, 1, 0} | set(range(full % 7)):
            data = frame_of(message_id, whole[: max(0, length)])
            theirs = decoded(data)
            frame = READ(data)
            if frame is not None:
                assert_same(frame, theirs)
            (found,) = Scanner(layouts=LAYOUTS).feed(data)
            assert_same(found, theirs)


@settings(deadline=None, max_examples=500)
@given(st.sampled_from(IDS), st.data())
def test_any_payload_of_any_message(message_id: int, data: st.DataObject) -> None:
    payload = data.draw(st.binary(max_size=min(255, LAYOUTS[message_id].length + 3)))
    frame_bytes = frame_of(message_id, payload)
    theirs = decoded(frame_bytes)
    fast = READ(frame_bytes)
    if fast is not None:
        assert_same(fast, theirs)
    (slow,) = Scanner(layouts=LAYOUTS, read=lambda _: None).feed(frame_bytes)
    assert_same(slow, theirs)
    if message_id < 256:
        old = frame_of(message_id, payload, old=True)
        (found,) = Scanner(layouts=LAYOUTS).feed(old)
        assert_same(found, decoded(old))


def test_the_fast_way_reads_every_message_that_has_its_lowest_byte_for_itself() -> None:
    for message_id in IDS:
        layouts = {message_id: LAYOUTS[message_id]}
        read = reader(layouts)
        for length in range(LAYOUTS[message_id].length + 1):
            data = frame_of(message_id, bytes(length))
            assert_same(read(data), decoded(data))


def test_floats_that_are_not_numbers_and_odd_texts() -> None:
    nans = struct.pack("<IIIf", 0x7FC00001, 0xFFC00000, 0x7F800000, -0.0) * 3
    for message_id in (mav.MAVLINK_MSG_ID_HOME_POSITION, mav.MAVLINK_MSG_ID_ATTITUDE_QUATERNION):
        data = frame_of(message_id, nans[: LAYOUTS[message_id].length])
        assert_same(reader({message_id: LAYOUTS[message_id]})(data), decoded(data))
    for text in (b"\xff\xfe\x80", b"\0junk", b"a\0b\0c", "grüß".encode(), b"x" * 50):
        data = frame_of(mav.MAVLINK_MSG_ID_STATUSTEXT, b"\6" + text)
        assert_same(read_frame(data), decoded(data))


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(IDS), st.binary(max_size=40)), min_size=1, max_size=4))
def test_signed_frames_decode_as_unsigned_ones(sent: list[tuple[int, bytes]]) -> None:
    sender = mav.MAVLink(None, srcSystem=7, srcComponent=1)
    sender.signing.secret_key, sender.signing.sign_outgoing = KEY, True
    stream, theirs = b"", []
    for message_id, payload in sent:
        message = decoded(frame_of(message_id, payload[: LAYOUTS[message_id].length]))
        data = bytes(message.pack(sender))
        assert READ(data) is None
        stream += data
        theirs.append(decoded(data))
    found = Scanner(layouts=LAYOUTS).feed(stream)
    assert all(frame.signed for frame in found)
    for frame, message in zip(found, theirs, strict=True):
        assert_same(frame, message)


GARBAGE = st.binary(max_size=30) | st.sampled_from(
    [b"\xfd", b"\xfe\x09", b"\xfd\x05\x00\x00", b"\n\nInit ArduCopter\n", b"\xfd\x02\x01\x00\x00"]
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(GARBAGE, st.sampled_from(IDS), st.binary(max_size=24), st.booleans()),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_a_stream_cut_at_every_byte_gives_what_it_gives_whole(
    parts: list[tuple[bytes, int, bytes, bool]],
) -> None:
    stream, intact = b"", []
    for number, (garbage, message_id, payload, spoilt) in enumerate(parts):
        data = frame_of(message_id, payload[: LAYOUTS[message_id].length], sequence=number)
        stream += garbage + (data[:-1] + bytes([data[-1] ^ 0x55]) if spoilt else data)
        if not spoilt:
            intact.append(number)
    # enough behind it that no false start is still waited for
    stream += bytes(300)
    whole = Scanner(layouts=LAYOUTS, read=READ).feed(stream)
    scanner = Scanner(layouts=LAYOUTS, read=READ)
    single = [frame for at in range(len(stream)) for frame in scanner.feed(stream[at : at + 1])]
    assert [bits_of(f) for f in single] == [bits_of(f) for f in whole]
    for cut in range(len(stream)):
        halves = Scanner(layouts=LAYOUTS, read=READ)
        frames = halves.feed(stream[:cut]) + halves.feed(stream[cut:])
        assert len(frames) == len(whole)
    assert [f.sequence for f in whole if f.system == 7] == intact


def bits_of(frame: Frame) -> Any:
    fields = bits(list(frame.message._asdict().values()))
    return frame.system, frame.sequence, type(frame.message), fields


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(IDS), st.binary(max_size=60), st.data())
def test_a_frame_with_any_bit_flipped_is_refused(
    message_id: int, payload: bytes, data: st.DataObject
) -> None:
    good = frame_of(message_id, payload[: LAYOUTS[message_id].length])
    bit = data.draw(st.integers(0, len(good) * 8 - 1))
    spoilt = bytearray(good)
    spoilt[bit // 8] ^= 1 << bit % 8
    assert READ(bytes(spoilt)) is None
    read = reader({message_id: LAYOUTS[message_id]})
    assert read(bytes(spoilt)) is None
    assert read(good) is not None


def test_a_number_cut_in_the_middle_is_read_or_left_to_the_slow_way() -> None:
    _, gps = layout_of("GPS_RAW_INT")
    assert truncated(gps, gps.length) == ("QiiiHHHHBBiIIIIH", ())
    assert truncated(gps, gps.length - 1) == ("QiiiHHHHBBiIIIIB", ())
    assert truncated(gps, gps.length - 4) == ("QiiiHHHHBBiIIIH", (0,))
    assert truncated(gps, gps.length - 3) is None
