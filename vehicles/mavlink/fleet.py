"""A fleet of drones by MAVLink: links opened, frames brought to the session that they belong to.

Owns links, sessions and the tick. Identity is (link, sysid): a frame from a sysid that is not
enrolled on that link is counted and dropped.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Self

from vehicles.errors import ConfigurationError
from vehicles.mavlink.link import Link, Receiver, UdpLink, make_link
from vehicles.mavlink.session import MavlinkSession
from vehicles.mavlink.settings import MavlinkSettings, MavlinkVehicle
from vehicles.mavlink.wire import Frame
from vehicles.port import Clock, VehicleSession

__all__ = ["MavlinkFleet", "MavlinkSettings", "MavlinkVehicle"]


class MavlinkFleet:
    """A VehicleAdapter. `open_link` makes the transport of a link's name.

    Raises ConfigurationError where two vehicles share id or (link, sysid).
    """

    def __init__(
        self,
        vehicles: Sequence[MavlinkVehicle],
        clock: Clock,
        settings: MavlinkSettings | None = None,
        open_link: Callable[[str, Receiver, Clock], Link] = make_link,
    ) -> None:
        self._clock = clock
        self._settings = settings or MavlinkSettings()
        self._open_link = open_link
        self._links: dict[str, Link] = {}
        self._by_address: dict[tuple[str, int], MavlinkSession] = {}
        self._sessions: dict[str, MavlinkSession] = {}
        self.strangers: Counter[tuple[str, int]] = Counter()
        for vehicle in vehicles:
            self._enrol(vehicle)

    def _enrol(self, vehicle: MavlinkVehicle) -> None:
        if vehicle.vehicle_id in self._sessions:
            raise ConfigurationError(vehicle.vehicle_id, "this vehicle id is enrolled twice")
        key = (vehicle.link, vehicle.sysid)
        if key in self._by_address:
            other = self._by_address[key].vehicle_id
            raise ConfigurationError(
                vehicle.vehicle_id,
                f"sysid {vehicle.sysid} on link {vehicle.link} is {other}'s: give it another sysid "
                "or another link",
            )
        link = self._links.get(vehicle.link)
        if link is None:
            link = self._links[vehicle.link] = self._open_link(
                vehicle.link, self._receive, self._clock
            )
        session = MavlinkSession(
            vehicle, self._clock, self._settings, _transmitter(link, vehicle.sysid)
        )
        self._by_address[key] = session
        self._sessions[vehicle.vehicle_id] = session

    async def __aenter__(self) -> Self:
        """Open every link. Raises LinkError where a port is taken."""
        try:
            for link in self._links.values():
                await link.open()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close every link."""
        for link in self._links.values():
            link.close()

    @property
    def sessions(self) -> dict[str, VehicleSession]:
        """Sessions by vehicle id."""
        return dict(self._sessions)

    def udp_address(self, link: str) -> tuple[str, int]:
        """Host and port that a UDP link listens on; the real port where 0 was asked for."""
        found = self._links.get(link)
        if not isinstance(found, UdpLink):
            raise ConfigurationError(f"link {link!r}", "not a UDP link of this fleet")
        return found.address

    async def run(self) -> None:
        """Serve the links until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, link in self._links.items():
                group.create_task(link.run(), name=f"mavlink link {name}")
            for session in self._sessions.values():
                group.create_task(session.upkeep.run(), name=f"upkeep {session.vehicle_id}")
            group.create_task(self._tick(), name="mavlink tick")

    async def _tick(self) -> None:
        while True:
            for session in self._sessions.values():
                try:
                    session.tick()
                except Exception as error:  # noqa: BLE001 - one vehicle must not stop the others
                    session.alarm(f"{type(error).__name__}: {error}")
            await self._clock.sleep(self._settings.tick_s)

    def _receive(self, link: str, frame: Frame) -> None:
        session = self._by_address.get((link, frame.system))
        if session is None:
            if len(self.strangers) < 256 or (link, frame.system) in self.strangers:
                self.strangers[(link, frame.system)] += 1
            return
        session.receive(frame)


class _Transmitter:
    """Sends bytes to one vehicle over its link."""

    __slots__ = ("_link", "_system")

    def __init__(self, link: Link, system: int) -> None:
        self._link = link
        self._system = system

    def __call__(self, data: bytes) -> bool:
        return self._link.send(self._system, data)


def _transmitter(link: Link, system: int) -> _Transmitter:
    return _Transmitter(link, system)
