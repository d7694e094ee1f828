"""ArduPilot's packed parameters: what is decoded, and every way that a file can be broken."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymavlink.mavftp import MAVFTP

from sitl.copter.param_file import NAME, ParamFile
from sitl.copter.params import Params
from vehicles.mavlink.param_pack import PackFault, ParamPackError, as_float32, decode

FITTED = Params({"GRIP_ENABLE": 1, "WINCH_TYPE": 1, "BATT_SERIAL_NUM": 16_777_217})


def header(count: int, total: int | None = None, magic: int = 0x671B) -> bytes:
    return struct.pack("<HHH", magic, count, count if total is None else total)


def entry(kind: int, common: int, rest: bytes, value: bytes, flags: int = 0) -> bytes:
    return bytes((kind | flags << 4, common | (len(rest) - 1) << 4)) + rest + value


def packed(params: Params, *, defaults: bool = False, size: int = 239) -> bytes:
    path = f"{NAME}?withdefaults=1" if defaults else NAME
    file = ParamFile(params, path)
    out = b""
    while block := file.read(len(out), size):
        out += block
    return out


ONE = entry(2, 0, b"FS_X", struct.pack("<h", -3))


def test_types_names_and_pads() -> None:
    data = (
        header(5, 9)
        + entry(1, 0, b"RTL_TYPE", b"\xff")
        + b"\0"
        + entry(2, 4, b"ALT", struct.pack("<h", -300))
        + b"\0\0\0"
        + entry(3, 4, b"ID", struct.pack("<i", 16_777_217))
        + entry(4, 0, b"A", struct.pack("<f", 0.1))
        + entry(4, 1, b"B", struct.pack("<f", float("inf")))
    )
    pack = decode(data)
    assert pack.total == 9
    assert [(p.name, p.kind) for p in pack.params] == [
        ("RTL_TYPE", 2), ("RTL_ALT", 4), ("RTL_ID", 6), ("A", 9), ("AB", 9),
    ]  # fmt: skip
    assert [p.value for p in pack.params] == [-1, -300, 16_777_217, as_float32(0.1), float("inf")]
    # PARAM_VALUE tells 2^24 + 1 as 2^24: the file has it whole
    assert pack.params[2].told == 16_777_216.0
    assert all(p.default is None for p in pack.params)


def test_defaults_stand_behind_their_values() -> None:
    value = struct.pack("<ff", 1.5, 2.5)
    data = header(2, magic=0x671C) + entry(4, 0, b"A", value, 1) + entry(1, 0, b"B", b"\5")
    pack = decode(data)
    assert pack.with_defaults
    assert [(p.value, p.default) for p in pack.params] == [(1.5, 2.5), (5, None)]


BROKEN = [
    (b"", PackFault.CUT, 0),
    (header(1)[:5], PackFault.CUT, 5),
    (header(0, magic=0x1B67), PackFault.MAGIC, 0),
    (header(2, 1) + ONE, PackFault.COUNT, 2),
    (header(1), PackFault.CUT, 6),
    (header(2) + ONE, PackFault.CUT, 14),
    (header(1) + ONE[:1], PackFault.CUT, 7),
    (header(1) + ONE[:4], PackFault.CUT, 10),
    (header(1) + ONE[:-1], PackFault.CUT, 13),
    (header(1) + bytes(4) + ONE, PackFault.PADDING, 6),
    (header(1) + entry(5, 0, b"X", b"\0"), PackFault.TYPE, 6),
    (header(1) + entry(1, 0, b"X", b"\0\0", 1), PackFault.FLAGS, 6),
    (header(1, magic=0x671C) + entry(1, 0, b"X", b"\0\0", 2), PackFault.FLAGS, 6),
    (header(1) + entry(1, 1, b"X", b"\0"), PackFault.PREFIX, 7),
    (header(2) + ONE + entry(1, 5, b"X", b"\0"), PackFault.PREFIX, 15),
    (header(2) + entry(1, 0, b"ABCDEFGH", b"\0") + entry(1, 8, b"ABCDEFGHI", b"\0"),
     PackFault.NAME, 19),
    (header(1) + entry(1, 0, b"A B", b"\0"), PackFault.NAME, 8),
    (header(1) + entry(1, 0, b"\xc3\xa4", b"\0"), PackFault.NAME, 8),
    (header(1) + entry(1, 0, b"A,B", b"\0"), PackFault.NAME, 8),
    (header(2) + ONE + ONE, PackFault.TWICE, 14),
    (header(1) + ONE + b"\0", PackFault.TRAILING, 14),
    (header(1) + ONE + ONE, PackFault.TRAILING, 14),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "fault", "at"), BROKEN, ids=[f"{n}-{f.name}" for n, (_, f, _) in enumerate(BROKEN)]
)
def test_every_fault_is_named_with_its_place(data: bytes, fault: PackFault, at: int) -> None:
    with pytest.raises(ParamPackError) as caught:
        decode(data)
    assert (caught.value.fault, caught.value.at) == (fault, at)
    assert str(caught.value) == f"{fault.value} (byte {at})"


def test_every_fault_is_tried() -> None:
    assert {fault for _, fault, _ in BROKEN} == set(PackFault)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_are_decoded_or_refused(data: bytes, begun: bool) -> None:
    try:
        pack = decode(header(1) + data if begun else data)
    except ParamPackError:
        return
    assert len(pack.params) <= pack.total


@settings(max_examples=300, deadline=None)
@given(st.data(), st.booleans())
def test_a_file_with_a_byte_changed_cut_or_added_is_refused_or_is_as_long(
    data: st.DataObject, defaults: bool
) -> None:
    whole = packed(FITTED, defaults=defaults)
    at = data.draw(st.integers(0, len(whole) - 1))
    assert isinstance(decode(whole).params, tuple)
    for spoilt in (whole[:at], whole + data.draw(st.binary(min_size=1, max_size=40))):
        with pytest.raises(ParamPackError):
            decode(spoilt)
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        pack = decode(bytes(changed))
    except ParamPackError:
        return
    # what is well formed has as many parameters as the header says, each name once
    assert len({p.name for p in pack.params}) == int.from_bytes(changed[2:4], "little")


@settings(max_examples=60, deadline=None)
@given(
    st.integers(40, 239),
    st.booleans(),
    st.floats(width=32, allow_nan=False),
    st.integers(-(2**31), 2**31 - 1),
)
def test_whatever_block_size_it_was_laid_out_for(
    size: int, defaults: bool, altitude: float, serial: int
) -> None:
    params = Params({"GRIP_ENABLE": 1})
    params.write("FENCE_ALT_MAX", altitude)
    params.write("BATT_SERIAL_NUM", serial)
    data = packed(params, defaults=defaults, size=size)
    pack = decode(data)
    assert [p.name for p in pack.params] == params.visible()
    theirs = MAVFTP.ftp_param_decode(data)
    assert theirs is not None
    ours = [(p.name.encode(), p.value) for p in pack.params]
    assert [(name, value) for name, value, _ in theirs.params] == ours
