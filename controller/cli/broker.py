"""`waypost broker config`: a mosquitto configuration for the robots of a fleet.

Owns the text of mosquitto.conf and its access list. TLS only, a client certificate each: its
common name is the user and the client id, whatever id a client asks for: `waypost` for the
controller, and for a robot the vehicle's id or its serial number. Makes no certificates and starts
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli.client import EXIT_INPUT, CliError

if TYPE_CHECKING:
    from controller.config import Config

CONTROLLER = "waypost"
FROM_ROBOT = ("state", "connection", "factsheet", "visualization")
TO_ROBOT = ("order", "instantActions", "zoneSet", "responses")
LOOPBACK = "loopback"


class Names(StrEnum):
    """What the common name of a robot's certificate is."""

    VEHICLE = "vehicle"
    """The vehicle's id: each robot stands in the access list, written again for a new one."""
    SERIAL = "serial"
    """Its serial number: one pattern a maker, in which mosquitto puts the user for %u."""


def mosquitto_conf(folder: Path, *, port: int, address: str = "") -> str:
    """The configuration; certificates and access list are looked for in `folder`."""
    listener = f"listener {port} {address}".rstrip()
    return f"""# Written by `waypost broker config`.
{listener}
cafile {folder}/ca.pem
certfile {folder}/broker.pem
keyfile {folder}/broker.key
tls_version tlsv1.2
require_certificate true
use_identity_as_username true
# A client is known by its certificate whatever client id it asks for: nobody cuts another's
# connection by taking its id.
use_username_as_clientid true
allow_anonymous false
acl_file {folder}/acl
# One order over a few hundred nodes is 150 kB; nothing of VDA 5050 is longer than this.
message_size_limit 1048576
# Bounded for every client: states are worthless once they are old.
max_queued_messages 1000
max_inflight_messages 20
max_keepalive 60
allow_zero_length_clientid false
persistence false
log_type error
log_type warning
log_dest stderr
"""


def access_list(
    config: Config,
    names: Names = Names.VEHICLE,
    controllers: Sequence[str] = (CONTROLLER,),
) -> str:
    """Who may write and read what; whatever is not named is refused.

    A robot writes below its own topics and reads its own orders and instant actions; the
    controllers do the reverse for all. Any protocol version of a topic is meant.
    """
    prefixes = tuple(dict.fromkeys((config.mqtt.prefix, config.mqtt.prefix_v3)))
    lines: list[str] = []
    for controller in controllers:
        lines += [f"user {controller}"]
        for prefix in prefixes:
            lines += [f"topic read {prefix}/+/+/+/{name}" for name in FROM_ROBOT]
            lines += [f"topic write {prefix}/+/+/+/{name}" for name in TO_ROBOT]
        lines.append("")
    robots = [r for r in config.robots if r.manufacturer != LOOPBACK]
    if names is Names.SERIAL:
        for maker in sorted({r.manufacturer for r in robots}):
            lines += _own(prefixes, f"{maker}/%u", "pattern")
    else:
        for robot in robots:
            lines.append(f"user {robot.id}")
            lines += [*_own(prefixes, f"{robot.manufacturer}/{robot.serial}", "topic"), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _own(prefixes: Sequence[str], place: str, word: str) -> list[str]:
    lines: list[str] = []
    for prefix in prefixes:
        lines += [f"{word} write {prefix}/+/{place}/{name}" for name in FROM_ROBOT]
        lines += [f"{word} read {prefix}/+/{place}/{name}" for name in TO_ROBOT]
    return lines


def refused(
    config: Config,
    names: Names = Names.VEHICLE,
    controllers: Sequence[str] = (CONTROLLER,),
) -> str:
    """Why no access list can be written; empty where one can."""
    for controller in controllers:
        if not controller or any(c in "/+#" or not c.isprintable() for c in controller):
            return f"controller {controller!r} is no name for a certificate"
    makers: dict[str, str] = {}
    for robot in config.robots:
        name = robot.id if names is Names.VEHICLE else robot.serial
        if name in controllers:
            return f"robot {robot.id!r} has a controller's name: give it another {names.value} name"
        if makers.setdefault(robot.serial, robot.manufacturer) != robot.manufacturer and (
            names is Names.SERIAL
        ):
            return (
                f"robot {robot.id}: serial {robot.serial!r} is of two makers, and each could write "
                "the other's topics: name certificates by vehicle"
            )
        for field, value in (("manufacturer", robot.manufacturer), ("serial", robot.serial)):
            if not value or any(c in "/+#$" or not c.isprintable() for c in value):
                return f"robot {robot.id}: {field} {value!r} cannot stand in a topic"
    for key in ("prefix", "prefix_v3"):
        value = getattr(config.mqtt, key)
        if any(c in "+#" or not c.isprintable() for c in value):
            return f"mqtt.{key} {value!r} cannot stand in a topic"
    return ""


def write(
    config: Config,
    out: Path,
    *,
    port: int,
    address: str = "",
    names: Names = Names.VEHICLE,
    controllers: Sequence[str] = (CONTROLLER,),
) -> None:
    """mosquitto.conf and acl in `out`. Raises CliError."""
    if reason := refused(config, names, controllers):
        raise CliError(reason, status=EXIT_INPUT, next_step="correct the configuration")
    out.mkdir(parents=True, exist_ok=True)
    folder = out.resolve()
    conf = mosquitto_conf(folder, port=port, address=address)
    (out / "mosquitto.conf").write_text(conf, encoding="utf-8")
    (out / "acl").write_text(access_list(config, names, controllers), encoding="utf-8")
