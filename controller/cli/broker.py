"""`waypost broker config`: a mosquitto configuration for the robots of a fleet.

Owns the text of mosquitto.conf and its access list. TLS only, a client certificate each: its
common name is the user, `waypost` for the controller and the vehicle's id for a robot. Makes no
certificates and starts nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli.client import EXIT_INPUT, CliError

if TYPE_CHECKING:
    from controller.config import Config

CONTROLLER = "waypost"
FROM_ROBOT = ("state", "connection", "factsheet", "visualization")
TO_ROBOT = ("order", "instantActions", "zoneSet", "responses")
LOOPBACK = "loopback"


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


def access_list(config: Config) -> str:
    """Who may write and read what; whatever is not named is refused.

    A robot writes below its own topics and reads its own orders and instant actions; the
    controller does the reverse for all. Any protocol version of a topic is meant.
    """
    prefixes = tuple(dict.fromkeys((config.mqtt.prefix, config.mqtt.prefix_v3)))
    lines = [f"user {CONTROLLER}"]
    for prefix in prefixes:
        lines += [f"topic read {prefix}/+/+/+/{name}" for name in FROM_ROBOT]
        lines += [f"topic write {prefix}/+/+/+/{name}" for name in TO_ROBOT]
    for robot in config.robots:
        if robot.manufacturer == LOOPBACK:
            continue
        lines += ["", f"user {robot.id}"]
        for prefix in prefixes:
            own = f"{prefix}/+/{robot.manufacturer}/{robot.serial}"
            lines += [f"topic write {own}/{name}" for name in FROM_ROBOT]
            lines += [f"topic read {own}/{name}" for name in TO_ROBOT]
    return "\n".join(lines) + "\n"


def refused(config: Config) -> str:
    """Why no access list can be written; empty where one can."""
    for robot in config.robots:
        if robot.id == CONTROLLER:
            return f"robot {robot.id!r} has the controller's name: give it another id"
        for field, value in (("manufacturer", robot.manufacturer), ("serial", robot.serial)):
            if not value or any(c in "/+#$" or not c.isprintable() for c in value):
                return f"robot {robot.id}: {field} {value!r} cannot stand in a topic"
    for key in ("prefix", "prefix_v3"):
        value = getattr(config.mqtt, key)
        if any(c in "+#" or not c.isprintable() for c in value):
            return f"mqtt.{key} {value!r} cannot stand in a topic"
    return ""


def write(config: Config, out: Path, *, port: int, address: str = "") -> None:
    """mosquitto.conf and acl in `out`. Raises CliError."""
    if reason := refused(config):
        raise CliError(reason, status=EXIT_INPUT, next_step="correct the configuration")
    out.mkdir(parents=True, exist_ok=True)
    folder = out.resolve()
    conf = mosquitto_conf(folder, port=port, address=address)
    (out / "mosquitto.conf").write_text(conf, encoding="utf-8")
    (out / "acl").write_text(access_list(config), encoding="utf-8")
