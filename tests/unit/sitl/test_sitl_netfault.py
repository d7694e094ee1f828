"""The bad radio: a pure fault model and a UDP proxy."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitl.netfault import FaultModel, Faults, UdpProxy

shares = st.floats(0, 1)


@given(st.builds(Faults, drop=shares, duplicate=shares, corrupt=shares), st.integers(),
       st.lists(st.binary(min_size=1, max_size=40), max_size=20))  # fmt: skip
def test_same_seed_same_fate(faults, seed, datagrams):
    one, other = FaultModel(faults, seed), FaultModel(faults, seed)
    for data in datagrams:
        fate = one.fate(data)
        assert fate == other.fate(data)
        assert len(fate) <= 2
        assert all(len(copy) == len(data) for _, copy in fate)


def test_extremes():
    assert FaultModel(Faults(drop=1.0), 1).fate(b"x") == []
    assert FaultModel(Faults(), 1).fate(b"x") == [(0.0, b"x")]
    assert len(FaultModel(Faults(duplicate=1.0), 1).fate(b"x")) == 2
    [(delay, broken)] = FaultModel(Faults(corrupt=1.0, delay_s=0.2, jitter_s=0.1), 1).fate(b"abc")
    assert broken != b"abc"
    assert 0.2 <= delay <= 0.3


@pytest.mark.parametrize("bad", [{"drop": 1.1}, {"corrupt": -0.1}, {"delay_s": -1.0}])
def test_senseless_faults_are_named(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Faults(**bad)


class Peer(asyncio.DatagramProtocol):
    def __init__(self, echo):
        self.echo, self.got, self.peers = echo, [], set()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.got.append(data)
        self.peers.add(addr)
        if self.echo:
            self.transport.sendto(data.upper(), addr)


async def until(test, what, wall_s=5.0):
    deadline = time.monotonic() + wall_s
    while not test():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.005)


async def test_proxy_carries_both_ways_with_a_socket_for_each_client():
    loop = asyncio.get_running_loop()
    server_side, server = await loop.create_datagram_endpoint(
        lambda: Peer(echo=True), local_addr=("127.0.0.1", 0)
    )
    target = server_side.get_extra_info("sockname")
    async with UdpProxy(target, Faults(delay_s=0.01, jitter_s=0.02), seed=3) as proxy:
        clients = [
            await loop.create_datagram_endpoint(lambda: Peer(echo=False), remote_addr=proxy.address)
            for _ in range(2)
        ]
        for index, (transport, _) in enumerate(clients):
            transport.sendto(b"hello%d" % index)
        await until(lambda: all(peer.got for _, peer in clients), "echo")
        assert sorted(peer.got[0] for _, peer in clients) == [b"HELLO0", b"HELLO1"]
        assert len(server.peers) == 2
        proxy.faults = Faults(drop=1.0)
        before = len(server.got)
        clients[0][0].sendto(b"gone")
        await until(lambda: proxy.lost == 1, "loss")
        assert len(server.got) == before
        proxy.faults = Faults(jitter_s=0.05)
        for number in range(60):
            clients[1][0].sendto(b"%02d" % number)
        await until(lambda: len(server.got) == before + 60, "all of them")
        arrived = server.got[before:]
        assert sorted(arrived) == [b"%02d" % number for number in range(60)]
        assert arrived != sorted(arrived)
        for transport, _ in clients:
            transport.close()
    server_side.close()
    await asyncio.sleep(0)
