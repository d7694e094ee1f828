"""Topic names: prefix/version/manufacturer/serial/topic (VDA 5050, section 6.3).

Owns building, splitting and checking them. The layout is a suggestion of the document, so the
prefix may hold slashes of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vehicles.errors import ConfigurationError

ORDER = "order"
INSTANT_ACTIONS = "instantActions"
STATE = "state"
CONNECTION = "connection"
FACTSHEET = "factsheet"

INCOMING = (STATE, CONNECTION, FACTSHEET)

_SERIAL = re.compile(r"[A-Za-z0-9_.:-]+")
_LEVEL = re.compile(r"[^/+#$\x00]+")


@dataclass(frozen=True, slots=True)
class Address:
    """Who a topic belongs to."""

    manufacturer: str
    serial: str


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one fleet."""

    prefix: str = "uagv"
    version: str = "v2"

    def of(self, address: Address, topic: str) -> str:
        """The full name of one robot's topic."""
        return f"{self.prefix}/{self.version}/{address.manufacturer}/{address.serial}/{topic}"

    def split(self, name: str) -> tuple[Address, str] | None:
        """Address and topic of a full name; None where it is not of this fleet."""
        start = f"{self.prefix}/{self.version}/"
        if not name.startswith(start):
            return None
        parts = name[len(start) :].split("/")
        if len(parts) != 3:
            return None
        return Address(parts[0], parts[1]), parts[2]

    def filters(self, manufacturers: frozenset[str]) -> tuple[str, ...]:
        """What to subscribe to, so that other makers' robots cost nothing."""
        return tuple(
            f"{self.prefix}/{self.version}/{maker}/+/{topic}"
            for maker in sorted(manufacturers)
            for topic in INCOMING
        )


def check_address(vehicle_id: str, address: Address) -> None:
    """Raise ConfigurationError where manufacturer or serial cannot stand in a topic."""
    if not _LEVEL.fullmatch(address.manufacturer):
        raise ConfigurationError(
            vehicle_id,
            f"manufacturer {address.manufacturer!r} cannot stand in a topic: "
            "leave out / + # $ and give at least one character",
        )
    if not _SERIAL.fullmatch(address.serial):
        raise ConfigurationError(
            vehicle_id,
            f"serial {address.serial!r} cannot stand in a topic: use A-Z a-z 0-9 _ . : -",
        )
