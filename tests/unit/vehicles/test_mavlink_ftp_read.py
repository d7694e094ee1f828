"""Reading a file by MAVLink FTP, request by request: every refusal, silence, and late answer."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from vehicles.mavlink.ftp import MAX_DATA, Nak, Op, Packet, read_packet
from vehicles.mavlink.ftp_read import BUSY_S, FtpFault, FtpRead
from vehicles.mavlink.messages import FileTransferProtocol, Heartbeat

US = (255, 190)
FILE = bytes(range(256)) * 3
"""Three blocks and a short one."""


class Talk:
    """A reading with what it asked last, answered by hand."""

    def __init__(self, **how: Any) -> None:
        self.reading = FtpRead("@PARAM/param.pck", 1, 1, 7, **how)
        self.now_s = 0.0
        self.asked: list[Packet] = []
        self._note(self.reading.start(0.0))

    def _note(self, messages: list[Any]) -> None:
        for message in messages:
            assert (message.target_system, message.target_component) == (1, 1)
            packet = read_packet(bytes(message.payload))
            assert packet is not None
            self.asked.append(packet)

    @property
    def last(self) -> Packet:
        return self.asked[-1]

    def hear(self, packet: Packet, target: tuple[int, int] = US) -> None:
        message = FileTransferProtocol(0, *target, packet.payload())
        self._note(self.reading.receive(message, self.now_s))

    def ack(self, to: Packet, data: bytes = b"", *, offset: int = 0, after: int = 1) -> None:
        sequence = (to.sequence + after) % 65536
        self.hear(
            Packet(sequence, to.session, Op.ACK, len(data), to.opcode, offset=offset, data=data)
        )

    def nak(self, to: Packet, code: int, *more: int, after: int = 1) -> None:
        data = bytes((code, *more))
        sequence = (to.sequence + after) % 65536
        self.hear(Packet(sequence, to.session, Op.NAK, len(data), to.opcode, data=data))

    def wait(self) -> None:
        """Until something is due."""
        self.now_s = self.reading.deadline_s
        self._note(self.reading.tick(self.now_s))

    def opened(self) -> Packet:
        """Opened; the burst's request."""
        self.ack(self.last, (700).to_bytes(4, "little"))
        assert self.last.opcode == Op.BURST_READ_FILE
        return self.last

    def blocks(self, burst: Packet, *numbers: int) -> None:
        for number in numbers:
            offset = number * MAX_DATA
            self.ack(burst, FILE[offset : offset + MAX_DATA], offset=offset, after=number + 1)

    def read(self, to: Packet) -> None:
        self.ack(to, FILE[to.offset : to.offset + MAX_DATA], offset=to.offset)

    def ends(self) -> None:
        assert self.last.opcode == Op.TERMINATE_SESSION
        assert self.reading.result is None
        self.ack(self.last)

    @property
    def fault(self) -> FtpFault | None:
        assert self.reading.result is not None
        return self.reading.result.fault


def test_a_file_in_one_burst_takes_three_requests() -> None:
    talk = Talk(sequence=65_535)
    opening = talk.last
    assert (opening.opcode, opening.session, opening.data) == (4, 7, b"@PARAM/param.pck")
    burst = talk.opened()
    assert (burst.session, burst.size, burst.offset) == (7, MAX_DATA, 0)
    talk.blocks(burst, 0, 1, 2, 3)
    talk.ends()
    assert talk.reading.result.data == FILE
    assert [p.opcode for p in talk.asked] == [4, 15, 1]


def test_the_session_is_the_one_that_the_vehicle_gives() -> None:
    talk = Talk()
    opening = talk.last
    talk.hear(Packet(opening.sequence + 1, 0, Op.ACK, 4, Op.OPEN_FILE_RO, data=bytes(4)))
    assert (talk.last.opcode, talk.last.session) == (Op.BURST_READ_FILE, 0)


def test_lost_blocks_are_read_again_and_the_beginning_is_looked_at_once_more() -> None:
    talk = Talk()
    talk.blocks(talk.opened(), 0, 3)
    first, second = talk.asked[-2:]
    assert [(p.opcode, p.offset) for p in (first, second)] == [(5, 239), (5, 478)]
    talk.read(second)
    talk.read(first)
    assert (talk.last.opcode, talk.last.offset) == (Op.READ_FILE, 0)
    talk.read(talk.last)
    talk.ends()
    assert talk.reading.result.data == FILE


def test_no_read_takes_a_number_that_the_burst_may_have_used() -> None:
    talk = Talk()
    burst = talk.opened()
    talk.blocks(burst, 0, 3)
    assert all((p.sequence - burst.sequence) % 65536 > 501 for p in talk.asked[-2:])


def test_a_file_of_whole_blocks_ends_where_nothing_follows() -> None:
    talk = Talk()
    burst = talk.opened()
    talk.blocks(burst, 0, 1)
    talk.nak(burst, Nak.END_OF_FILE, after=3)
    probe = talk.last
    assert (probe.opcode, probe.offset) == (Op.READ_FILE, 478)
    talk.nak(probe, Nak.END_OF_FILE)
    talk.ends()
    assert talk.reading.result.data == FILE[:478]


def test_a_lost_end_is_looked_for_behind_the_last_block() -> None:
    talk = Talk()
    burst = talk.opened()
    talk.blocks(burst, 0, 1)
    talk.nak(burst, Nak.END_OF_FILE, after=5)
    talk.read(talk.last)
    assert talk.last.offset == 717
    talk.read(talk.last)
    talk.read(talk.last)
    talk.ends()
    assert talk.reading.result.data == FILE


def test_a_burst_that_falls_silent_goes_on_from_its_end() -> None:
    talk = Talk()
    talk.blocks(talk.opened(), 0, 1)
    talk.wait()
    assert (talk.last.opcode, talk.last.offset) == (Op.BURST_READ_FILE, 478)
    again = talk.last
    for number in (2, 3):
        talk.ack(
            again, FILE[number * 239 : number * 239 + 239], offset=number * 239, after=number - 1
        )
    talk.read(talk.last)
    talk.ends()
    assert talk.reading.result.data == FILE


def test_a_burst_that_the_vehicle_cuts_short_is_asked_for_again() -> None:
    talk = Talk()
    burst = talk.opened()
    talk.hear(Packet(burst.sequence + 1, 7, Op.ACK, 239, 15, burst_complete=True, data=FILE[:239]))
    assert (talk.last.opcode, talk.last.offset) == (Op.BURST_READ_FILE, 239)


def test_a_vehicle_without_bursts_is_read_block_by_block() -> None:
    talk = Talk()
    talk.nak(talk.opened(), Nak.UNKNOWN_COMMAND)
    for offset in (0, 239, 478, 717, 0):
        assert (talk.last.opcode, talk.last.offset) == (Op.READ_FILE, offset)
        talk.read(talk.last)
    talk.ends()
    assert talk.reading.result.data == FILE


def test_an_empty_file_is_empty() -> None:
    talk = Talk()
    talk.nak(talk.opened(), Nak.END_OF_FILE)
    talk.nak(talk.last, Nak.END_OF_FILE)
    talk.ends()
    assert talk.reading.result.data == b""


FINAL = [Nak.FAIL_ERRNO, Nak.INVALID_DATA_SIZE, Nak.END_OF_FILE, Nak.UNKNOWN_COMMAND]
FINAL += [Nak.FILE_EXISTS, Nak.FILE_PROTECTED, Nak.FILE_NOT_FOUND]
BUSY = [Nak.FAIL, Nak.INVALID_SESSION, Nak.NO_SESSIONS_AVAILABLE]


@pytest.mark.parametrize("code", [*FINAL, 0, 99])
def test_an_opening_that_is_refused_ends_with_the_vehicles_word(code: int) -> None:
    talk = Talk()
    talk.nak(talk.last, code, 22)
    assert talk.fault is FtpFault.REFUSED
    named = Nak(code).name.lower().replace("_", " ") if code in FINAL else f"code {code}"
    assert named in talk.reading.result.reason
    assert ("22" in talk.reading.result.reason) == (code == Nak.FAIL_ERRNO)
    assert len(talk.asked) == 1


@pytest.mark.parametrize("code", BUSY)
def test_where_another_station_reads_it_waits_longer_than_a_silent_session_lives(code: int) -> None:
    talk = Talk()
    numbers, times = set(), []
    for _ in range(5):
        numbers.add(talk.last.session)
        times.append(talk.now_s)
        talk.nak(talk.last, code)
        if talk.reading.result is None:
            talk.wait()
    assert talk.fault is FtpFault.BUSY
    assert all(b - a >= BUSY_S for a, b in pairwise(times))
    assert len(numbers) == 5


@pytest.mark.parametrize("code", [Nak.FILE_NOT_FOUND, *BUSY, Nak.FAIL_ERRNO, 99])
@pytest.mark.parametrize("gap", [False, True])
def test_a_session_that_is_gone_is_opened_again_under_another_number(code: int, gap: bool) -> None:
    talk = Talk()
    burst = talk.opened()
    if gap:
        talk.blocks(burst, 0, 3)
    talk.nak(talk.last, code)
    if code in BUSY:
        talk.wait()
    elif code != Nak.FILE_NOT_FOUND:
        assert talk.last.opcode == Op.TERMINATE_SESSION
        talk.ack(talk.last)
    assert (talk.last.opcode, talk.last.session) == (Op.OPEN_FILE_RO, 8)
    # a block of the session before is not one of this
    fresh = talk.opened()
    talk.blocks(burst, 0, 1, 2, 3)
    assert talk.last is fresh
    talk.blocks(fresh, 0, 1, 2, 3)
    talk.ends()
    assert talk.reading.result.data == FILE


def test_a_session_that_is_lost_again_and_again_is_given_up() -> None:
    talk = Talk()
    for _ in range(4):
        talk.nak(talk.opened(), Nak.FILE_NOT_FOUND)
    assert talk.fault is FtpFault.LOST
    assert "file not found" in talk.reading.result.reason


def test_silence_at_the_opening_is_told_as_unheard() -> None:
    talk = Talk()
    for _ in range(4):
        assert talk.last == talk.asked[0]
        talk.wait()
    assert talk.fault is FtpFault.NO_ANSWER
    assert talk.reading.result.unheard
    assert len(talk.asked) == 4


def test_silence_later_is_not_and_ends_the_session() -> None:
    talk = Talk()
    talk.opened()
    for _ in range(4):
        talk.wait()
    assert talk.last.opcode == Op.TERMINATE_SESSION
    for _ in range(2):
        talk.wait()
    assert talk.fault is FtpFault.NO_ANSWER
    assert not talk.reading.result.unheard


def test_a_gap_that_is_never_filled_is_given_up() -> None:
    talk = Talk()
    talk.blocks(talk.opened(), 0, 1, 3)
    for _ in range(4):
        assert talk.last.offset == 478
        talk.wait()
    talk.ends()
    assert talk.fault is FtpFault.NO_ANSWER


def test_a_closing_that_is_not_answered_loses_nothing() -> None:
    talk = Talk()
    talk.blocks(talk.opened(), 0, 1, 2, 3)
    talk.wait()
    assert talk.asked[-1] == talk.asked[-2]
    talk.wait()
    assert talk.reading.result.data == FILE


@pytest.mark.parametrize("told", [True, False])
def test_a_file_that_is_too_large_is_not_taken(told: bool) -> None:
    talk = Talk(max_bytes=600)
    if told:
        talk.ack(talk.last, (700).to_bytes(4, "little"))
    else:
        talk.ack(talk.last, (500).to_bytes(4, "little"))
        talk.blocks(talk.last, 0, 1, 2)
    talk.ends()
    assert talk.fault is FtpFault.TOO_LARGE
    assert "600" in talk.reading.result.reason


def test_what_is_not_for_us_or_not_an_answer_to_us_is_passed_over() -> None:
    talk = Talk()
    opening = talk.last
    good = Packet(opening.sequence + 1, 7, Op.ACK, 4, Op.OPEN_FILE_RO, data=bytes(4))
    talk.hear(good, target=(254, 190))
    talk.hear(Packet(opening.sequence + 2, 7, Op.ACK, 4, Op.OPEN_FILE_RO, data=bytes(4)))
    talk.hear(Packet(opening.sequence + 1, 7, Op.OPEN_FILE_RO, 0, 4))
    talk.hear(Packet(opening.sequence + 1, 7, Op.ACK, 0, Op.READ_FILE))
    assert talk.reading.receive(Heartbeat(0, 2, 3, 0, 3, 3), 0.0) == []
    assert len(talk.asked) == 1
    talk.hear(good)
    burst = talk.last
    # twice, out of place, of another session, empty
    talk.hear(good)
    talk.ack(burst, FILE[:10], offset=5)
    talk.ack(burst, b"", offset=0)
    talk.hear(Packet(burst.sequence + 1, 8, Op.ACK, 239, 15, data=bytes(239)))
    assert talk.last is burst
    talk.blocks(burst, 0, 0, 1, 2, 2, 3)
    talk.ends()
    assert talk.reading.result.data == FILE
    talk.hear(good)
    assert talk.reading.tick(1e9) == []


@pytest.mark.parametrize("check", [False, True])
def test_a_file_that_changes_its_length_is_read_anew(check: bool) -> None:
    talk = Talk()
    talk.blocks(talk.opened(), 0, 1, 3)
    if check:
        talk.read(talk.last)
        talk.ack(talk.last, b"\xff" * 239)
    else:
        talk.ack(talk.last, FILE[478:600], offset=478)
    assert talk.last.opcode == Op.TERMINATE_SESSION
    talk.ack(talk.last)
    assert (talk.last.opcode, talk.last.session) == (Op.OPEN_FILE_RO, 8)


def test_a_payload_that_claims_more_than_it_holds_is_none() -> None:
    assert read_packet(bytes((0, 0, 7, 128, 240)) + bytes(246)) is None
    whole = Packet(1, 2, Op.ACK, 3, 5, burst_complete=True, offset=9, data=b"abc")
    assert read_packet(whole.payload().rstrip(b"\0")) == whole
    with pytest.raises(ValueError, match="at most 239"):
        Packet(1, 2, Op.ACK, data=bytes(240)).payload()
