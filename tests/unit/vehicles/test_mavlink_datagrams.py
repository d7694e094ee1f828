"""Datagrams read in batches: the same by either way, and the pace at which a socket is read."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vehicles.mavlink import datagrams
from vehicles.mavlink.datagrams import (
    BATCH,
    MAX_DATAGRAM_BYTES,
    Batched,
    OneByOne,
    Source,
    source_of,
)
from vehicles.mavlink.pace import (
    BUSY_DATAGRAMS,
    FULL_DATAGRAMS,
    LONG_TURN_S,
    TURN_S,
    WINDOW_S,
    Pace,
)

WAYS = [source_of, OneByOne]


@contextlib.contextmanager
def sockets(clients: int) -> Iterator[tuple[socket.socket, list[socket.socket]]]:
    with contextlib.ExitStack() as stack:
        made = [
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            for _ in range(clients + 1)
        ]
        made[0].settimeout(0.0)
        made[0].bind(("127.0.0.1", 0))
        for client in made[1:]:
            client.connect(made[0].getsockname())
        yield made[0], made[1:]


@pytest.mark.parametrize("way", WAYS)
def test_every_datagram_comes_whole_in_order_and_with_its_sender(
    way: Callable[[socket.socket], Source],
) -> None:
    with sockets(3) as (server, clients):
        source = way(server)
        assert source.read() == []
        sent = []
        for n in range(2 * BATCH + 5):
            client = clients[n % 3]
            data = bytes([n % 256]) * (n * 11 % 700)
            client.send(data)
            sent.append((data, client.getsockname()))
        batches = [source.read() for _ in range(4)]
        assert [len(batch) for batch in batches] == [BATCH, BATCH, 5, 0]
        assert [one for batch in batches for one in batch] == sent


@pytest.mark.parametrize("way", WAYS)
def test_what_is_too_long_is_cut_and_harms_no_other(
    way: Callable[[socket.socket], Source],
) -> None:
    with sockets(1) as (server, (client,)):
        client.send(b"a" * (MAX_DATAGRAM_BYTES + 100))
        client.send(b"")
        client.send(b"next")
        read = [data for data, _ in way(server).read()]
        assert read == [b"a" * MAX_DATAGRAM_BYTES, b"", b"next"]


@pytest.mark.parametrize("way", WAYS)
def test_what_was_read_stays_when_more_is_read(way: Callable[[socket.socket], Source]) -> None:
    with sockets(1) as (server, (client,)):
        source = way(server)
        client.send(b"first")
        before = source.read()
        client.send(b"other")
        assert (before[0][0], source.read()[0][0]) == (b"first", b"other")


@pytest.mark.parametrize("way", WAYS)
def test_a_closed_socket_gives_nothing(way: Callable[[socket.socket], Source]) -> None:
    with sockets(1) as (server, (client,)):
        source = way(server)
        client.send(b"too late")
        server.close()
        assert source.read() == []


def test_more_peers_than_are_kept_are_still_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagrams, "_ADDRESSES_KEPT", 2)
    with sockets(5) as (server, clients):
        source = source_of(server)
        for _ in range(2):
            for client in clients:
                client.send(b"x")
            assert [a for _, a in source.read()] == [c.getsockname() for c in clients]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="recvmmsg is Linux's")
def test_linux_reads_by_batches_and_what_it_lacks_is_made_up_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with sockets(0) as (server, _):
        assert isinstance(source_of(server), Batched)
        monkeypatch.setattr(datagrams, "_recvmmsg", lambda: lambda *_: -1)
        assert isinstance(source_of(server), OneByOne)
        monkeypatch.setattr(datagrams, "_recvmmsg", lambda: None)
        assert isinstance(source_of(server), OneByOne)
        monkeypatch.undo()
        monkeypatch.setattr(sys, "platform", "plan9")
        assert isinstance(source_of(server), OneByOne)


def at_rate(pace: Pace, rate_hz: float, from_s: float, seconds: float = 1.0) -> set[float]:
    """Datagrams evenly at a rate, read at once or in turns; the turns that there were."""
    turns, now_s, due = set(), from_s, 0.0
    while now_s < from_s + seconds:
        now_s = pace.next_s(now_s) if pace.turn_s else now_s + 1.0 / rate_hz
        due = (now_s - from_s) * rate_hz - due
        pace.count(round(due), now_s)
        due = (now_s - from_s) * rate_hz
        turns.add(pace.turn_s)
    return turns


def test_a_quiet_socket_is_read_at_once_a_busy_one_in_turns_and_back() -> None:
    pace = Pace()
    assert at_rate(pace, 400.0, 10.0) == {0.0}
    at_rate(pace, 1_000.0, 11.0)
    assert pace.turn_s == TURN_S
    assert at_rate(pace, 1_000.0, 12.0) == {TURN_S}
    at_rate(pace, 10_000.0, 13.0)
    assert pace.turn_s == LONG_TURN_S
    at_rate(pace, 1_000.0, 14.0)
    assert pace.turn_s == TURN_S
    # about the rate at which turns began they stay: it does not flutter
    assert at_rate(pace, 500.0, 15.0) == {TURN_S}
    at_rate(pace, 100.0, 16.0)
    assert pace.turn_s == 0.0


def test_a_burst_into_silence_is_taken_in_turns_until_it_is_over() -> None:
    pace = Pace()
    pace.count(1, 5.0)
    pace.count(BUSY_DATAGRAMS, 5.001)
    assert pace.turn_s == TURN_S
    pace.count(FULL_DATAGRAMS, 5.0 + 1.1 * WINDOW_S)
    assert pace.turn_s == LONG_TURN_S
    pace.count(0, 5.0 + 2.3 * WINDOW_S)
    assert pace.turn_s == 0.0


@given(
    now_s=st.floats(0.0, 1e7),
    turn_s=st.sampled_from([TURN_S, LONG_TURN_S]),
)
def test_a_turn_is_never_longer_than_its_length(now_s: float, turn_s: float) -> None:
    wait_s = Pace(turn_s).next_s(now_s) - now_s
    assert 0.0 < wait_s <= turn_s * (1.0 + 1e-6)
