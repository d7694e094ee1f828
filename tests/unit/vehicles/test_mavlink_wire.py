"""Our decode against pymavlink's, message by message and frame by frame."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mav

from vehicles.mavlink.messages import LAYOUTS, Heartbeat
from vehicles.mavlink.wire import Encoder, Scanner

INTEGERS = {
    "uint8_t": (0, 2**8 - 1), "int8_t": (-(2**7), 2**7 - 1),
    "uint16_t": (0, 2**16 - 1), "int16_t": (-(2**15), 2**15 - 1),
    "uint32_t": (0, 2**32 - 1), "int32_t": (-(2**31), 2**31 - 1),
    "uint64_t": (0, 2**64 - 1), "int64_t": (-(2**63), 2**63 - 1),
}  # fmt: skip


def peer(system: int = 7, component: int = 1) -> Any:
    return mav.MAVLink(None, srcSystem=system, srcComponent=component)


def heartbeat(system: int = 7, sequence: int = 0, **kwargs: Any) -> bytes:
    sender = peer(system)
    sender.seq = sequence
    message = mav.MAVLink_heartbeat_message(2, 3, 81, 3, 4, 3)
    return bytes(message.pack(sender, **kwargs))


def field(kind: str, length: int) -> st.SearchStrategy[Any]:
    if kind == "char":
        return st.binary(min_size=length, max_size=length)
    one = st.floats(width=32) if kind == "float" else st.integers(*INTEGERS[kind])
    return st.lists(one, min_size=length, max_size=length) if length else one


@st.composite
def messages(draw: st.DrawFn) -> Any:
    kind = mav.mavlink_map[draw(st.sampled_from(sorted(LAYOUTS)))]
    by_wire = dict(zip(kind.ordered_fieldnames, kind.array_lengths, strict=True))
    values = [
        draw(field(t, by_wire[name]))
        for name, t in zip(kind.fieldnames, kind.fieldtypes, strict=True)
    ]
    return kind(*values)


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(theirs, float) and math.isnan(theirs):
        return math.isnan(ours)
    return bool(ours == theirs)


@settings(deadline=None)
@given(messages(), st.booleans())
def test_every_message_that_is_read_decodes_as_pymavlink_decodes_it(
    message: Any, old: bool
) -> None:
    data = bytes(message.pack(peer(), force_mavlink1=old and message.id < 256))
    theirs = peer().decode(bytearray(data))
    (frame,) = Scanner().feed(data)
    assert (frame.system, frame.component) == (7, 1)
    for name, value in frame.message._asdict().items():
        assert same(value, getattr(theirs, name)), name


@settings(deadline=None)
@given(st.binary(max_size=40), st.lists(messages(), min_size=1, max_size=4), st.data())
def test_frames_survive_garbage_before_them_and_any_split(
    garbage: bytes, sent: list[Any], data: st.DataObject
) -> None:
    noise = garbage.replace(b"\xfd", b"").replace(b"\xfe", b"")
    stream = noise + b"".join(bytes(m.pack(peer())) for m in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    scanner, found = Scanner(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += scanner.feed(stream[start:end])
    assert [type(f.message).__name__.lower() for f in found] == [
        m.msgname.replace("_", "").lower() for m in sent
    ]
    assert scanner.dropped == len(noise)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=8))
def test_any_bytes_are_survived_and_little_is_kept(chunks: list[bytes]) -> None:
    scanner = Scanner()
    for chunk in chunks:
        scanner.feed(chunk)
    assert len(scanner._rest) < 300
    tail = b"".join(heartbeat(sequence=n) for n in range(40))
    assert any(isinstance(f.message, Heartbeat) for f in scanner.feed(tail))


def test_a_frame_inside_a_false_start_is_found() -> None:
    scanner = Scanner()
    frames = scanner.feed(b"\xfd\x09\x00" + heartbeat() + heartbeat(sequence=1))
    assert [f.sequence for f in frames] == [0, 1]


def test_a_broken_checksum_costs_only_its_frame() -> None:
    data = bytearray(heartbeat())
    data[-1] ^= 1
    scanner = Scanner()
    frames = scanner.feed(bytes(data) + heartbeat(sequence=9))
    assert [f.sequence for f in frames] == [9]
    assert scanner.broken == 1


def test_a_message_that_is_not_read_is_skipped_whole() -> None:
    attitude = mav.MAVLink_attitude_message(1, 0.1, 0.2, 0.3, 0.0, 0.0, 0.0)
    scanner = Scanner()
    frames = scanner.feed(bytes(attitude.pack(peer())) + heartbeat())
    assert len(frames) == 1
    assert (scanner.skipped, scanner.dropped) == (1, 0)


def test_a_signed_frame_is_read_and_marked() -> None:
    sender = peer()
    sender.signing.secret_key = bytes(32)
    sender.signing.sign_outgoing = True
    sender.signing.link_id = 1
    sender.signing.timestamp = 12345
    data = bytes(mav.MAVLink_heartbeat_message(2, 3, 81, 3, 4, 3).pack(sender))
    (frame,) = Scanner().feed(data)
    assert frame.signed
    assert isinstance(frame.message, Heartbeat)


def test_an_unknown_incompatibility_flag_refuses_the_frame() -> None:
    data = bytearray(heartbeat())
    data[2] |= 0x40
    assert Scanner().feed(bytes(data) + heartbeat(sequence=3))[-1].sequence == 3


def test_text_ends_at_its_first_nul() -> None:
    text = mav.MAVLink_statustext_message(6, b"PreArm: no\0junk")
    (frame,) = Scanner().feed(bytes(text.pack(peer())))
    assert frame.message.text == "PreArm: no"


@settings(deadline=None)
@given(st.lists(messages(), min_size=1, max_size=3))
def test_what_is_encoded_is_mavlink_2_from_this_station(sent: list[Any]) -> None:
    encoder, reader = Encoder(), peer()
    for number, message in enumerate(sent):
        frame = encoder.encode(message)
        decoded = reader.decode(bytearray(frame))
        assert frame[0] == 0xFD
        assert (decoded.get_srcSystem(), decoded.get_srcComponent()) == (255, 190)
        assert decoded.get_seq() == number


def test_a_layout_that_drifted_stops_the_import() -> None:
    from vehicles.mavlink.messages import MissionItemReached, _layout

    with pytest.raises(ImportError, match="HEARTBEAT has fields"):
        _layout("HEARTBEAT", MissionItemReached)


def test_the_heartbeat_is_the_frame_that_the_dialect_makes() -> None:
    message = mav.MAVLink_heartbeat_message(
        mav.MAV_TYPE_GCS, mav.MAV_AUTOPILOT_INVALID, 0, 0, mav.MAV_STATE_ACTIVE, 3
    )
    quick, slow = Encoder(), Encoder()
    for _ in range(300):
        assert quick.heartbeat() == slow.encode(message)
    signed = Encoder(sign=lambda frame: frame + b"signature")
    assert signed.heartbeat() == Encoder().heartbeat() + b"signature"
