"""The shipped mosquitto configuration: TLS, a certificate each, and nobody in another's name."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import aiomqtt
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

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
        self.ups = 0
        self.failures = 0
        self.messages: list[tuple[str, bytes]] = []

    def connected(self) -> None:
        self.ups += 1
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

    def client(self, name: str, *, taking: str = "", **more: Any) -> aiomqtt.Client:
        """With the certificate of `name`, and its client id or the one that it takes."""
        context, ident = self.tls(name).context(), taking or name
        return aiomqtt.Client("localhost", self.port, identifier=ident, tls_context=context, **more)


def break_off(client: aiomqtt.Client) -> None:
    """End without goodbye: the broker would publish its last will."""
    wire = client._client.socket()
    with contextlib.suppress(OSError):
        wire.shutdown(socket.SHUT_RDWR)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with shipped(tmp_path) as site:
        yield site


@contextlib.asynccontextmanager
async def shipped(tmp_path: Path, **how: Any) -> AsyncIterator[Site]:
    """A broker with the configuration as the command writes it."""
    folder, port = tmp_path / "broker", free_port()
    broker_cli.write(config(tmp_path), folder, port=port, address="127.0.0.1", **how)
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
@pytest.mark.parametrize("version", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5])
async def test_who_takes_anothers_client_id_cuts_nobody(
    site: Site, version: aiomqtt.ProtocolVersion
) -> None:
    """mosquitto puts the certificate's name for the client id, whatever id is asked for."""
    heard = Heard()
    secured = Broker("localhost", site.port, tls=site.tls("waypost"))
    will = aiomqtt.Will("uagv/v2/ACME/R-1/connection", b"forged will", qos=1)
    async with serving(secured, ("uagv/v2/ACME/+/connection",), heard):
        async with asyncio.timeout(20.0):
            await heard.up.wait()
        async with site.client("vehicle-R-1", protocol=version) as one:
            for taken in ("vehicle-R-1", "waypost", "controller"):
                async with site.client(
                    "vehicle-R-2", taking=taken, will=will, protocol=version
                ) as two:
                    await two.publish("uagv/v2/ACME/R-2/connection", taken.encode(), qos=1)
                    break_off(two)
            # the one whose id was taken is still there, and so is the controller
            await one.publish("uagv/v2/ACME/R-1/connection", b"still here", qos=1)
            await heard.until(b"vehicle-R-1", b"waypost", b"controller", b"still here")
            assert heard.ups == 1
            assert b"forged will" not in {p for _, p in heard.messages}


@pytest.mark.broker
async def test_names_by_serial_need_no_new_list_for_a_new_robot(tmp_path: Path) -> None:
    """One pattern a maker: mosquitto puts the certificate's name for %u."""
    async with shipped(tmp_path, names=broker_cli.Names.SERIAL) as site:
        heard = Heard()
        secured = Broker("localhost", site.port, tls=site.tls("waypost"))
        async with serving(secured, ("uagv/v2/+/+/state",), heard) as transport:
            async with asyncio.timeout(20.0):
                await heard.up.wait()
            async with site.client("R-77") as new:
                await new.subscribe("uagv/v2/ACME/#", qos=1)
                await new.publish("uagv/v2/ACME/R-1/state", b"forged", qos=1)
                await new.publish("uagv/v2/OTHER/R-77/state", b"of another maker", qos=1)
                await new.publish("uagv/v2/ACME/R-77/state", b"own", qos=1)
                await heard.until(b"own")
                assert {p for _, p in heard.messages} == {b"own"}
                assert transport.send("uagv/v2/ACME/R-1/order", b"for one")
                assert transport.send("uagv/v2/ACME/R-77/order", b"for it")
                async with asyncio.timeout(20.0):
                    message = await anext(new.messages)
                assert message.payload == b"for it"


@pytest.mark.broker
async def test_each_controller_that_shares_a_fleet_has_a_name(tmp_path: Path) -> None:
    both = ("waypost-1", "waypost-2")
    async with shipped(tmp_path, controllers=both) as site:
        ears = [Heard(), Heard()]
        async with contextlib.AsyncExitStack() as stack:
            for name, heard in zip(both, ears, strict=True):
                broker = Broker("localhost", site.port, tls=site.tls(name))
                await stack.enter_async_context(serving(broker, ("uagv/v2/ACME/+/state",), heard))
                async with asyncio.timeout(20.0):
                    await heard.up.wait()
            async with site.client("vehicle-R-1") as one:
                await one.publish("uagv/v2/ACME/R-1/state", b"told", qos=1)
                for heard in ears:
                    await heard.until(b"told")
        assert [heard.ups for heard in ears] == [1, 1]


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


def test_an_encrypted_key_is_opened_by_a_file(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "waypost")])
    since = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(since)
        .not_valid_after(since + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame")
        )
    )
    (tmp_path / "secret").write_text("open sesame\n")
    files = {"tls": True, "cert_file": "cert.pem", "key_file": "key.pem"}
    opened = broker_of(config(tmp_path, **files, key_password_file="secret").mqtt)
    assert opened.tls is not None
    assert opened.tls.context().check_hostname
    shut = broker_of(config(tmp_path, **files).mqtt)
    assert shut.tls is not None
    with pytest.raises(ssl.SSLError):
        shut.tls.context()
    with pytest.raises(ValueError, match="needs cert_file"):
        config(tmp_path, tls=True, key_password_file="secret")
