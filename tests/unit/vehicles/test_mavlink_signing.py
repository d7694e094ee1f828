"""Signing against pymavlink's in both directions; time, replay, keys that nobody sees."""

from __future__ import annotations

import base64
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mav

from tests.unit.vehicles.test_mavlink_wire import messages
from vehicles.errors import ConfigurationError
from vehicles.mavlink.signing import (
    EPOCH,
    UNITS_PER_S,
    FloorFile,
    Guard,
    Signer,
    SigningClock,
    SigningKey,
    Verdict,
)
from vehicles.mavlink.wire import Encoder, Scanner

SECRET, OTHER = bytes(range(32)), bytes(range(1, 33))
START = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
STAMP = int((START - EPOCH).total_seconds()) * UNITS_PER_S


class Now:
    """A clock that stands where it is put."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


def peer(secret: bytes = SECRET, link_id: int = 3, timestamp: int = STAMP) -> Any:
    """pymavlink, signing."""
    mavlink = mav.MAVLink(None, srcSystem=7, srcComponent=1)
    mavlink.signing.secret_key = secret
    mavlink.signing.sign_outgoing = True
    mavlink.signing.link_id = link_id
    mavlink.signing.timestamp = timestamp
    return mavlink


def heartbeat() -> Any:
    return mav.MAVLink_heartbeat_message(2, 3, 81, 3, 4, 3)


def guard(now: Now | None = None, secret: bytes = SECRET) -> Guard:
    return Guard(SigningKey(secret), SigningClock(now or Now()))


@settings(deadline=None)
@given(messages(), st.integers(0, 255), st.integers(0, 2**47))
def test_what_is_signed_is_what_pymavlink_signs(message: Any, link_id: int, floor: int) -> None:
    clock = SigningClock(Now())
    clock.start_from(floor)
    ours = Encoder(sign=Signer(SigningKey(SECRET), link_id, clock).sign)
    theirs = peer(link_id=link_id, timestamp=max(floor + 1, STAMP))
    theirs.srcSystem, theirs.srcComponent = 255, 190
    for sequence in range(3):
        theirs.seq = sequence
        assert ours.encode(message) == bytes(message.pack(theirs))


@settings(deadline=None)
@given(st.lists(messages(), min_size=1, max_size=4))
def test_pymavlink_believes_ours_and_ours_believes_pymavlink(sent: list[Any]) -> None:
    encoder = Encoder(sign=Signer(SigningKey(SECRET), 1, SigningClock(Now())).sign)
    reader, sender, judge = peer(), peer(), guard()
    for message in sent:
        decoded = reader.decode(bytearray(encoder.encode(message)))
        assert decoded.get_signed()
        assert decoded.get_link_id() == 1
        assert judge.judge(bytes(message.pack(sender))) is Verdict.GOOD
    assert judge.counts == {Verdict.GOOD: len(sent)}


def test_unsigned_wrong_and_replayed_frames_are_refused_and_counted() -> None:
    judge, sender = guard(), peer()
    first, second = (bytes(heartbeat().pack(sender)) for _ in range(2))
    assert judge.judge(bytes(heartbeat().pack(mav.MAVLink(None, 7, 1)))) is Verdict.UNSIGNED
    old = heartbeat().pack(mav.MAVLink(None, 7, 1), force_mavlink1=True)
    assert judge.judge(bytes(old)) is Verdict.UNSIGNED
    assert judge.judge(bytes(heartbeat().pack(peer(OTHER)))) is Verdict.WRONG
    spoilt = first[:-1] + bytes([first[-1] ^ 1])
    assert judge.judge(spoilt) is Verdict.WRONG
    assert judge.judge(second) is Verdict.GOOD
    assert judge.judge(second) is Verdict.REPLAYED
    assert judge.judge(first) is Verdict.REPLAYED
    assert judge.counts == {
        Verdict.UNSIGNED: 2, Verdict.WRONG: 2, Verdict.GOOD: 1, Verdict.REPLAYED: 2,
    }  # fmt: skip


def test_a_forged_late_timestamp_does_not_deafen_a_stream() -> None:
    judge = guard()
    assert judge.judge(bytes(heartbeat().pack(peer(OTHER, timestamp=2**47)))) is Verdict.WRONG
    assert judge.judge(bytes(heartbeat().pack(peer()))) is Verdict.GOOD


def test_streams_are_told_apart_by_link_system_and_component() -> None:
    judge = guard()
    for link_id, component in ((0, 1), (1, 1), (1, 2)):
        sender = peer(link_id=link_id)
        sender.srcComponent = component
        data = bytes(heartbeat().pack(sender))
        assert judge.judge(data) is Verdict.GOOD
        assert judge.judge(data) is Verdict.REPLAYED


@pytest.mark.parametrize(("behind_s", "verdict"), [(59, Verdict.GOOD), (61, Verdict.STALE)])
def test_a_new_stream_may_be_a_minute_behind(behind_s: int, verdict: Verdict) -> None:
    data = bytes(heartbeat().pack(peer(timestamp=STAMP - behind_s * UNITS_PER_S)))
    assert guard().judge(data) is verdict


def test_a_stale_stream_is_heard_once_it_has_caught_up() -> None:
    judge = guard()
    late = peer(timestamp=STAMP - 3600 * UNITS_PER_S)
    assert judge.judge(bytes(heartbeat().pack(late))) is Verdict.STALE
    late.signing.timestamp = STAMP + 5
    assert judge.judge(bytes(heartbeat().pack(late))) is Verdict.GOOD


@given(st.lists(st.floats(-1e5, 1e5), max_size=20), st.integers(0, 2**47))
def test_timestamps_only_grow_however_the_clock_jumps(jumps: list[float], floor: int) -> None:
    now = Now()
    clock = SigningClock(now)
    clock.start_from(floor)
    last = floor
    for jump in jumps:
        now.at = START + timedelta(seconds=jump)
        issued = clock.issue()
        assert issued > last
        last = issued


def test_after_a_restart_with_the_clock_set_back_timestamps_still_grow(tmp_path: Path) -> None:
    floors = FloorFile(tmp_path / "floor")
    assert floors.load() == 0
    before = SigningClock(Now())
    issued = [before.issue() for _ in range(5)]
    floors.keep(before.reserved(600.0))
    issued += [before.issue() for _ in range(5)]
    after = SigningClock(Now(START - timedelta(days=2)))
    after.start_from(FloorFile(tmp_path / "floor").load())
    assert after.issue() > max(issued)
    (tmp_path / "floor").write_text("soon")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        floors.load()


def test_a_later_timestamp_that_was_proven_is_taken_over() -> None:
    clock = SigningClock(Now())
    ahead = peer(timestamp=STAMP + 10**9)
    assert Guard(SigningKey(SECRET), clock).judge(bytes(heartbeat().pack(ahead))) is Verdict.GOOD
    assert clock.issue() >= STAMP + 10**9


def test_a_key_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    message = heartbeat().pack(peer())
    for content in (SECRET, SECRET.hex().encode() + b"\n", base64.b64encode(SECRET)):
        path = tmp_path / "key"
        path.write_bytes(content)
        judge = Guard(SigningKey.from_file(path), SigningClock(Now()))
        assert judge.judge(bytes(message)) is Verdict.GOOD
    key = SigningKey.from_environment("DRONE_KEY", {"DRONE_KEY": SECRET.hex()})
    assert Guard(key, SigningClock(Now())).judge(bytes(message)) is Verdict.GOOD


def test_what_is_no_key_is_named_without_being_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "key"
    path.write_text("hunter2-hunter2")
    told = []
    for make in (
        lambda: SigningKey.from_file(path),
        lambda: SigningKey.from_file(tmp_path / "none"),
        lambda: SigningKey.from_environment("NO_KEY", {}),
        lambda: SigningKey.from_environment("BAD_KEY", {"BAD_KEY": "hunter2" * 9}),
        lambda: SigningKey(b"hunter2"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            make()
        told.append(str(caught.value))
        assert caught.value.__cause__ is None or isinstance(caught.value.__cause__, OSError)
    assert "signing_key_file" in told[0]
    assert "NO_KEY is not set" in told[2] or "NO_KEY" in told[2]
    assert "hunter2" not in "".join(told) + caplog.text
    assert SECRET.hex() not in repr(SigningKey(SECRET))
    assert str(SECRET) not in f"{SigningKey(SECRET)!r}{SigningKey(SECRET)}"


def test_a_scanner_asks_who_may_be_believed_for_every_frame() -> None:
    judge = guard()
    scanner = Scanner(lambda _frame, raw: judge.judge(raw) is Verdict.GOOD)
    plain = bytes(heartbeat().pack(mav.MAVLink(None, 7, 1)))
    good = bytes(heartbeat().pack(peer()))
    frames = scanner.feed(plain + good + good)
    assert [frame.signed for frame in frames] == [True]
    assert scanner.refused == 2
