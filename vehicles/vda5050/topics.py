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

ZONE_SET = "zoneSet"
RESPONSES = "responses"

INCOMING = (STATE, CONNECTION, FACTSHEET)

V2, V3 = "v2", "v3"

_SERIAL = re.compile(r"[A-Za-z0-9_.:-]+")
_LEVEL = re.compile(r"[^/+#$\x00]+")


@dataclass(frozen=True, slots=True)
class Address:
    """Who a topic belongs to."""

    manufacturer: str
    serial: str


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one fleet: a prefix for robots of version 2 and one for those of version 3.

    The documents suggest `uagv` and `vda5050`; a broker in the cloud may want others.
    """

    prefix: str = "uagv"
    prefix_v3: str = "vda5050"

    def of(self, address: Address, topic: str, version: str = V2) -> str:
        """The full name of one robot's topic, by the version that it speaks."""
        return f"{self._start(version)}{address.manufacturer}/{address.serial}/{topic}"

    def _start(self, version: str) -> str:
        return f"{self.prefix_v3 if version == V3 else self.prefix}/{version}/"

    def split(self, name: str) -> tuple[Address, str] | None:
        """Address and topic of a full name; None where it is not of this fleet."""
        start = self._start(V2)
        if not name.startswith(start):
            start = self._start(V3)
            if not name.startswith(start):
                return None
        parts = name[len(start) :].split("/")
        if len(parts) != 3:
            return None
        return Address(parts[0], parts[1]), parts[2]

    def filters(self, manufacturers: frozenset[str]) -> tuple[str, ...]:
        """What to subscribe to, so that other makers' robots cost nothing."""
        return tuple(
            f"{self._start(version)}{maker}/+/{topic}"
            for version in (V2, V3)
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
