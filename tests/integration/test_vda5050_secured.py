"""The shipped mosquitto configuration: TLS, a certificate each, and nobody in another's name."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import aiomqtt
import pytest
import trustme

from controller.cli import broker as broker_cli
from controller.cli.client import CliError
from controller.config import Config, from_dict
from controller.enrol import broker_of
from sitl.broker import Broker as LabBroker
from sitl.broker import free_port
from vehicles.vda5050.transport import Broker, MqttTransport, Tls, TransportSettings

ROBOTS = ("R-1", "R-2")


def config(folder: Path, **mqtt: Any) -> Config:
    return from_dict(
        {
            "mqtt": mqtt,
            "sites": [{"id": "hub", "kind": "hub", "lat_deg": 60.1, "lon_deg": 24.9}],
            "robots": [
                {"id": f"vehicle-{name}", "manufacturer": "ACME", "serial": name, "base": "hub"}
                for name in ROBOTS
            ],
        },
        base=folder,
    )


class Heard:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.up = asyncio.Event()
        self.failures = 0
        self.messages: list[tuple[str, bytes]] = []

    def connected(self) -> None:
        self.up.set()

    def disconnected(self, reason: str) -> None:
        self.up.clear()

    def received(self, topic: str, payload: bytes) -> None:
        self.messages.append((topic, payload))

    def jitter(self) -> float:
        """Drawn once for every attempt that failed."""
        self.failures += 1
        return 0.5

    async def until(self, *payloads: bytes) -> None:
        async with asyncio.timeout(20.0):
            while not set(payloads) <= {p for _, p in self.messages}:
                await asyncio.sleep(0.01)


@dataclass
class Site:
    """A broker as shipped, and a certificate for whoever asks."""

    folder: Path
    port: int
    authority: trustme.CA

    def tls(self, name: str) -> Tls:
        certificate = self.authority.issue_cert(f"{name}.example", common_name=name)
        chain = self.folder / f"{name}.pem"
        chain.write_bytes(
            certificate.cert_chain_pems[0].bytes() + certificate.private_key_pem.bytes()
        )
        return Tls(self.folder / "ca.pem", chain, chain)

    def client(self, name: str, **more: Any) -> aiomqtt.Client:
        context = self.tls(name).context()
        return aiomqtt.Client("localhost", self.port, identifier=name, tls_context=context, **more)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    folder, port = tmp_path / "broker", free_port()
    broker_cli.write(config(tmp_path), folder, port=port, address="127.0.0.1")
    with (folder / "mosquitto.conf").open("a") as conf:
        # started by root it becomes a user who may not look into a test's folder
        conf.write(f"user {getpass.getuser()}\n")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    own = authority.issue_cert("localhost", "127.0.0.1")
    (folder / "broker.pem").write_bytes(own.cert_chain_pems[0].bytes())
    own.private_key_pem.write_to_path(folder / "broker.key")
    async with LabBroker(port, kind="mosquitto", config=folder / "mosquitto.conf"):
        yield Site(folder, port, authority)


@contextlib.asynccontextmanager
async def serving(
    broker: Broker, filters: tuple[str, ...], heard: Heard
) -> AsyncIterator[MqttTransport]:
    settings = TransportSettings(backoff_first_s=0.05, backoff_max_s=0.1)
    transport = MqttTransport(
        broker, filters, heard, identifier="controller", jitter=heard.jitter, settings=settings
    )
    task = asyncio.create_task(transport.run(), name="transport")
    try:
        yield transport
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.broker
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_a_robot_speaks_for_itself_only(site: Site, protocol: Literal["3.1.1", "5"]) -> None:
    heard = Heard()
    secured = Broker("localhost", site.port, tls=site.tls("waypost"), protocol=protocol)
    async with serving(secured, ("uagv/v2/ACME/+/state",), heard) as transport:
        async with asyncio.timeout(20.0):
            await heard.up.wait()
        async with site.client("vehicle-R-1") as one, site.client("vehicle-R-2") as two:
            await one.subscribe("uagv/v2/ACME/#", qos=1)
            await two.publish("uagv/v2/ACME/R-1/state", b"forged", qos=1)
            await two.publish("uagv/v2/ACME/R-1/order", b"forged order", qos=1)
            await two.publish("uagv/v2/ACME/R-2/state", b"own", qos=1)
            await one.publish("uagv/v2/ACME/R-1/state", b"own too", qos=1)
            await heard.until(b"own", b"own too")
            assert b"forged" not in {p for _, p in heard.messages}
            assert transport.send("uagv/v2/ACME/R-2/order", b"for two")
            assert transport.send("uagv/v2/ACME/R-1/order", b"for one")
            async with asyncio.timeout(20.0):
                message = await anext(one.messages)
            # of all that was published it is given its own order alone
            assert message.payload == b"for one"


@pytest.mark.broker
async def test_who_has_no_certificate_is_not_let_in(site: Site) -> None:
    stranger = Tls(site.folder / "ca.pem").context()
    with pytest.raises(aiomqtt.MqttError):
        async with aiomqtt.Client("localhost", site.port, tls_context=stranger, timeout=5.0):
            pass
    with pytest.raises(aiomqtt.MqttError):
        async with aiomqtt.Client("localhost", site.port, timeout=5.0):
            pass


@pytest.mark.broker
# paho leaves the socket of a failed handshake to the garbage collector
@pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")
async def test_a_broker_of_another_authority_is_not_believed(site: Site, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    heard = Heard()
    mine = site.tls("waypost")
    wrong = Tls(other, mine.cert_file, mine.key_file)
    async with serving(Broker("localhost", site.port, tls=wrong), ("a/b",), heard) as transport:
        async with asyncio.timeout(20.0):
            while heard.failures < 3:
                await asyncio.sleep(0.01)
        assert not transport.up
        assert transport.counts.connects == 0
        assert not heard.up.is_set()


def test_names_that_would_open_others_topics_are_refused(tmp_path: Path) -> None:
    fleet = config(tmp_path)
    for change in ({"serial": "+"}, {"manufacturer": "A/#"}, {"serial": "x\ny"}, {"id": "waypost"}):
        robot = fleet.robots[0].model_copy(update=change)
        with pytest.raises(CliError):
            broker_cli.write(fleet.model_copy(update={"robots": (robot,)}), tmp_path, port=1)
    assert not (tmp_path / "acl").exists()


def test_the_password_comes_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("open sesame\n")
    broker = broker_of(config(tmp_path, username="waypost", password_file="secret").mqtt)
    assert broker.password == "open sesame"
    assert "sesame" not in repr(broker)
    assert broker.tls is None
    with pytest.raises(ValueError, match="tls = true"):
        config(tmp_path, ca_file="ca.pem")
    with pytest.raises(ValueError, match="not both"):
        config(tmp_path, password="a", password_file="b")
