"""The fuzzer's check on a small corpus of seeds, so that it stays true and runs everywhere."""

from __future__ import annotations

import pytest

from tests.fuzz.mavlink_stream import build, frame_of, one_input, seeds
from vehicles.mavlink.wire import Scanner


def test_the_seeds_hold() -> None:
    programs = list(seeds(400))
    for program in programs:
        one_input(program)
    frames = sum(len(build(program).intact) for program in programs)
    assert frames > 1000


def test_the_check_finds_a_scanner_that_loses_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Scanner._resync
    monkeypatch.setattr(Scanner, "_resync", lambda self, *place: honest(self, *place) + 1)
    program = bytes([0, 0, 3]) + b"abc" + bytes([7, 0, 9]) + bytes(range(9))
    with pytest.raises(AssertionError):
        one_input(program)


def test_a_frame_is_in_its_stream_as_it_was_made() -> None:
    program = bytes([7, 0, 9]) + bytes(range(9))
    assert frame_of(0, bytes(range(9)), 7, old=False, flags=0) in bytes(build(program).data)


def test_a_cut_frame_that_the_next_byte_completes_counts_as_whole() -> None:
    one_input(bytes.fromhex("febf002a00000300000000000000000060000000"))
