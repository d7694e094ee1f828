"""What the transport asks of a broker, of three that have nothing in common."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import aiomqtt
import pytest
import trustme

from sitl.broker import Broker as LabBroker
from sitl.robot import RobotFleet, RobotMap, RobotSpec
from sitl.world import TruthSample
from tests.integration.test_vda5050_round import (
    MAP,
    ORIGIN,
    SPEEDUP,
    START,
    World,
    at,
    ready,
    round_of,
    until,
)
from tests.interop.aedes import Aedes
from tests.interop.node import find_node
from tests.support.steady import steady_clocks
from vehicles.port import EventKind
from vehicles.vda5050.transport import Broker, MqttTransport, Tls, TransportSettings

pytestmark = pytest.mark.timeout(120)
NEEDS_NODE = pytest.mark.skipif(
    find_node() is None,
    reason="needs node and the packages of tests/interop (npm ci --prefix tests/interop)",
)
AEDES = pytest.param("aedes", marks=NEEDS_NODE)
MOSQUITTO = pytest.param("mosquitto", marks=pytest.mark.broker)
Kind = Literal["iotcore", "mosquitto"]
QUICK = TransportSettings(backoff_first_s=0.05, backoff_max_s=1.0)


def made(kind: str) -> Any:
    if kind == "aedes":
        return Aedes()
    named: dict[str, Kind] = {"iotcore": "iotcore", "mosquitto": "mosquitto"}
    return LabBroker(kind=named[kind])


@pytest.fixture(params=["iotcore", MOSQUITTO, AEDES])
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    async with made(request.param) as running:
        yield running


class Ear:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.ups = self.downs = 0
        self.reason = ""
        self.heard: list[tuple[str, bytes]] = []

    def connected(self) -> None:
        self.ups += 1

    def disconnected(self, reason: str) -> None:
        self.downs += 1
        self.reason = reason

    def received(self, topic: str, payload: bytes) -> None:
        self.heard.append((topic, payload))


@contextlib.asynccontextmanager
async def transport(
    port: int, ear: Ear, *, host: str = "127.0.0.1", **more: Any
) -> AsyncIterator[MqttTransport]:
    made = MqttTransport(
        Broker(host, port, **more),
        ("t/+",),
        ear,
        identifier="ours",
        jitter=lambda: 0.5,
        settings=QUICK,
    )
    task = asyncio.create_task(made.run(), name="transport")
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_is_sent_arrives_unchanged_and_in_order(broker: Any) -> None:
    ear = Ear()
    sent = [("t/a", bytes([n]) * 20_000) for n in range(20)]
    async with transport(broker.port, ear) as ours:
        await until(lambda: ours.up)
        for topic, payload in sent:
            assert ours.send(topic, payload)
        await until(lambda: len(ear.heard) == len(sent))
    assert ear.heard == sent
    assert ours.counts.dropped_in == ours.counts.dropped_out == 0


async def test_what_was_retained_and_a_last_will_are_heard(broker: Any) -> None:
    ear = Ear()
    will = aiomqtt.Will("t/connection", b"broken", qos=1, retain=True)
    robot = aiomqtt.Client("127.0.0.1", broker.port, identifier="robot", will=will)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(robot)
        await robot.publish("t/connection", b"online", qos=1, retain=True)
        await stack.enter_async_context(transport(broker.port, ear))
        await until(lambda: ear.heard == [("t/connection", b"online")])
        await robot.publish("t/factsheet", b"facts", qos=0, retain=True)
        await until(lambda: ("t/factsheet", b"facts") in ear.heard)
        wire = robot._client.socket()
        wire.shutdown(2)
        await until(lambda: ear.heard[-1] == ("t/connection", b"broken"))
        with contextlib.suppress(aiomqtt.MqttError):
            await stack.aclose()
    late = Ear()
    async with transport(broker.port, late):
        await until(lambda: ("t/connection", b"broken") in late.heard)


async def test_a_broker_that_dies_and_comes_back_is_found_again(broker: Any) -> None:
    ear = Ear()
    async with transport(broker.port, ear) as ours:
        await until(lambda: ours.up)
        await broker.__aexit__(None, None, None)
        await until(lambda: ear.downs == 1)
        assert not ours.send("t/a", b"into nothing")
        await broker.__aenter__()
        await until(lambda: ear.ups == 2)
        assert ours.send("t/a", b"again")
        await until(lambda: ("t/a", b"again") in ear.heard)
    assert ("t/a", b"into nothing") not in ear.heard


async def test_a_second_client_of_our_id_is_told_and_we_come_back(broker: Any) -> None:
    ear = Ear()
    async with transport(broker.port, ear) as ours:
        await until(lambda: ours.up)
        async with aiomqtt.Client("127.0.0.1", broker.port, identifier="ours") as second:
            await second.subscribe("elsewhere")
            await until(lambda: ear.downs == 1)
            await until(lambda: ear.ups == 2)
            with contextlib.suppress(aiomqtt.MqttError):
                async for _ in second.messages:
                    pass
            assert ours.send("t/a", b"still ours")
            await until(lambda: ("t/a", b"still ours") in ear.heard)


@pytest.mark.parametrize("kind", [MOSQUITTO])
async def test_mqtt_5_is_spoken_where_the_broker_speaks_it(kind: str) -> None:
    ear = Ear()
    async with made(kind) as broker, transport(broker.port, ear, protocol="5") as ours:
        await until(lambda: ours.up)
        assert ours.send("t/a", b"five")
        await until(lambda: ear.heard == [("t/a", b"five")])


@pytest.mark.parametrize("kind", [AEDES])
async def test_a_broker_without_mqtt_5_is_tried_in_peace_and_never_up(kind: str) -> None:
    ear = Ear()
    async with made(kind) as broker:
        waited: list[float] = []

        async def wait(pause_s: float) -> None:
            waited.append(pause_s)
            await asyncio.sleep(0)

        ours = MqttTransport(
            Broker("127.0.0.1", broker.port, protocol="5"),
            ("t/+",),
            ear,
            identifier="ours",
            jitter=lambda: 0.5,
            settings=QUICK,
            wait=wait,
        )
        task = asyncio.create_task(ours.run(), name="transport")
        await until(lambda: len(waited) >= 6)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert not ours.up
    assert ear.ups == 0
    assert waited[:6] == sorted(waited[:6])


@pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", [AEDES])
async def test_tls_with_our_own_authority_and_with_none_of_it(kind: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    own = authority.issue_cert("localhost")
    own.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    ear, stranger = Ear(), Ear()
    async with contextlib.AsyncExitStack() as stack:
        broker = await stack.enter_async_context(Aedes(tmp_path / "cert.pem", tmp_path / "key.pem"))
        ours = await stack.enter_async_context(
            transport(broker.port, ear, host="localhost", tls=Tls(tmp_path / "ca.pem"))
        )
        wrong = await stack.enter_async_context(
            transport(broker.port, stranger, host="localhost", tls=Tls(tmp_path / "other.pem"))
        )
        await until(lambda: ours.up)
        ours.send("t/a", b"secret")
        await until(lambda: ear.heard == [("t/a", b"secret")])
        assert not wrong.up
        assert stranger.ups == 0


@pytest.mark.parametrize("kind", [AEDES])
async def test_a_round_is_driven_over_it_and_a_killed_robot_told(kind: str) -> None:
    clock, lab_clock = steady_clocks(SPEEDUP, START)
    here = at(0, 0)
    spec = RobotSpec(
        "r1", "ACME", "R-1", here.lat_deg, here.lon_deg, speed_mps=6.0, pins={"p2": "1234"}
    )
    robot_map = RobotMap("site", ORIGIN.lat_deg, ORIGIN.lon_deg, MAP.alt_m, MAP.heading_deg)
    truth: list[TruthSample] = []
    async with made(kind) as broker:
        robots = RobotFleet(
            [spec],
            host=broker.host,
            port=broker.port,
            robot_map=robot_map,
            clock=lab_clock,
            on_truth=truth.append,
        )
        async with robots:
            world = World(broker, clock, robots)
            world.truth = truth
            async with world.master() as fleet:
                session = await ready(fleet)
                mission = round_of()
                assert (await session.load(mission)).done
                assert (await session.start(mission)).done
                await until(lambda: EventKind.COMPLETED in world.kinds())
                assert world.dropped() == ["p1", "p2"]
                world.robots["r1"].kill()
                await until(lambda: EventKind.CONNECTION_LOST in world.kinds())


def test_node_is_found_where_npm_was() -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    folder = Path(__file__).parent / "node_modules" / "aedes"
    assert (find_node() is not None) is folder.is_dir()
