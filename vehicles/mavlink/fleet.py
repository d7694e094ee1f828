"""A fleet of drones by MAVLink: links opened, frames brought to the session that they belong to.

Owns links, sessions, the tick, and the signing clock that they share. Identity is (link, sysid),
bound to a signing key where one is set: a frame from a sysid that is not enrolled on that link is
counted and dropped, one that its key does not prove is refused and told.
"""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, Self

from pymavlink.dialects.v20 import ardupilotmega as mav

from vehicles.errors import ConfigurationError
from vehicles.mavlink.link import Link, UdpLink, make_link
from vehicles.mavlink.post import Post
from vehicles.mavlink.session import MavlinkSession
from vehicles.mavlink.settings import MavlinkSettings, MavlinkVehicle
from vehicles.mavlink.signing import Guard, Signer, SigningClock, Verdict
from vehicles.mavlink.upkeep import NEWCOMERS
from vehicles.mavlink.wire import Encoder, Frame
from vehicles.port import Clock, Loss, VehicleSession

__all__ = ["MavlinkFleet", "MavlinkSettings", "MavlinkVehicle"]


KEEP_FLOOR_S = 60.0
RESERVE_S = 600.0
WAKE_AGAIN_S = 1.0
_MAX_LINKS_SIGNED = 256
_REFUSALS = (Verdict.UNSIGNED, Verdict.WRONG, Verdict.REPLAYED)


class Floors(Protocol):
    """Where the signing clock's floor outlives a restart; both calls may block."""

    def load(self) -> int:
        """What was kept last; 0 where nothing was."""

    def keep(self, floor: int) -> None:
        """Raises OSError."""


class MavlinkFleet:
    """A VehicleAdapter. Raises ConfigurationError where two vehicles share id or (link, sysid).

    `floors` keeps signing timestamps from going back over a restart; it is used where a vehicle
    has a key. `open_link` makes the transport of a link's name.
    """

    def __init__(
        self,
        vehicles: Sequence[MavlinkVehicle],
        clock: Clock,
        settings: MavlinkSettings | None = None,
        floors: Floors | None = None,
        open_link: Callable[[str, Post, Clock], Link] = make_link,
    ) -> None:
        self._clock = clock
        self._settings = settings or MavlinkSettings()
        self._open_link = open_link
        self._links: dict[str, Link] = {}
        self._posts: dict[str, Post] = {}
        self._signing = SigningClock(clock.now)
        self._floors = floors
        self._wakers: dict[tuple[str, int], Encoder] = {}
        self._woken_s: dict[tuple[str, int], float] = {}
        self._refused: dict[str, int] = {}
        self._by_address: dict[tuple[str, int], MavlinkSession] = {}
        self._sessions: dict[str, MavlinkSession] = {}
        self._unsent: Counter[str] = Counter()
        self._contests: Counter[str] = Counter()
        self._newcomers = asyncio.Semaphore(NEWCOMERS)
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
        link = self._link(vehicle.link)
        sign = self._guard(vehicle)
        transmit = functools.partial(self._send, key, link)
        session = MavlinkSession(
            vehicle, self._clock, self._settings, transmit, sign, newcomers=self._newcomers
        )
        self._by_address[key] = session
        self._sessions[vehicle.vehicle_id] = session

    def _link(self, name: str) -> Link:
        link = self._links.get(name)
        if link is None:
            post = self._posts[name] = Post(
                self._receive,
                contested=functools.partial(self._contested, name),
                waken=functools.partial(self._waken, name),
            )
            link = self._links[name] = self._open_link(name, post, self._clock)
        return link

    def _guard(self, vehicle: MavlinkVehicle) -> Callable[[bytes], bytes] | None:
        """Set the judge of a vehicle that has a key; gives what signs for it."""
        if vehicle.signing_key is None:
            return None
        link_id = list(self._links).index(vehicle.link)
        if link_id >= _MAX_LINKS_SIGNED:
            raise ConfigurationError(
                vehicle.vehicle_id, "signing reaches 256 links of one controller: use fewer links"
            )
        guard = Guard(vehicle.signing_key, self._signing)
        self._posts[vehicle.link].guards[vehicle.sysid] = guard
        signer = Signer(vehicle.signing_key, link_id, self._signing)
        self._wakers[vehicle.link, vehicle.sysid] = Encoder(sign=signer.sign)
        return signer.sign

    async def __aenter__(self) -> Self:
        """Open every link. Raises LinkError where a port is taken."""
        if self._floors is not None and self._wakers:
            self._signing.start_from(await asyncio.to_thread(self._floors.load))
            await self._keep_floor(self._floors)
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
            if self._floors is not None and self._wakers:
                group.create_task(self._keep_floors(self._floors), name="mavlink signing clock")

    async def _tick(self) -> None:
        while True:
            now_s = self._clock.monotonic_s()
            for session in self._sessions.values():
                if session.due_s > now_s:
                    continue
                try:
                    session.tick()
                except Exception as error:  # noqa: BLE001 - one vehicle must not stop the others
                    session.alarm(f"{type(error).__name__}: {error}")
            self._tell_refused()
            await self._clock.sleep(self._settings.tick_s)

    def _send(self, key: tuple[str, int], link: Link, data: bytes) -> bool:
        name, system = key
        sent = link.send(system, data)
        if not sent:
            self._unsent[name] += 1
        return sent

    def _receive(self, link: str, frame: Frame) -> None:
        session = self._by_address.get((link, frame.system))
        if session is None:
            if len(self.strangers) < 256 or (link, frame.system) in self.strangers:
                self.strangers[(link, frame.system)] += 1
            return
        session.receive(frame)

    async def _keep_floors(self, floors: Floors) -> None:
        while True:
            await self._clock.sleep(KEEP_FLOOR_S)
            await self._keep_floor(floors)

    async def _keep_floor(self, floors: Floors) -> None:
        try:
            await asyncio.to_thread(floors.keep, self._signing.reserved(RESERVE_S))
        except OSError as error:
            for link, sysid in self._wakers:
                self._by_address[link, sysid].alarm(
                    f"signing timestamps cannot be kept: {error.strerror}; after a restart with a "
                    "clock set back this vehicle would not hear the controller"
                )

    def _contested(self, link: str, system: int) -> None:
        self._contests[link] += 1
        session = self._by_address.get((link, system))
        if session is not None:
            session.alarm(
                f"two vehicles say that they are sysid {system} on {link}; only the one that was "
                "heard first is: give the other its own sysid or link, or set signing keys"
            )

    def _waken(self, link: str, system: int) -> bytes | None:
        """A signed frame that asks for nothing, for a vehicle whose signing clock is behind."""
        key = (link, system)
        now_s = self._clock.monotonic_s()
        if now_s - self._woken_s.get(key, -WAKE_AGAIN_S) < WAKE_AGAIN_S:
            return None
        self._woken_s[key] = now_s
        return self._wakers[key].encode(mav.MAVLink_timesync_message(0, int(now_s * 1e9)))

    def _tell_refused(self) -> None:
        """An alarm for frames that claimed to be a vehicle and were not proven by its key."""
        for link, sysid in self._wakers:
            session = self._by_address[link, sysid]
            counts = self._posts[link].guards[sysid].counts
            refused = sum(counts[verdict] for verdict in _REFUSALS)
            if refused > self._refused.get(session.vehicle_id, 0):
                self._refused[session.vehicle_id] = refused
                kinds = ", ".join(verdict.value for verdict in _REFUSALS if counts[verdict])
                session.alarm(f"frames that claim to be this vehicle were refused: {kinds}")

    def losses(self) -> Iterator[Loss]:
        """Of every link, and of every vehicle that has a key."""
        for name in self._links:
            yield Loss("frames not sent", name, self._unsent[name])
            yield Loss("frames of a contested sysid", name, self._contests[name])
            strange = sum(n for (link, _), n in self.strangers.items() if link == name)
            yield Loss("frames of a sysid that is not enrolled", name, strange)
        for link, sysid in self._wakers:
            counted = self._posts[link].guards[sysid].counts
            for verdict in _REFUSALS:
                what = f"frames refused: {verdict.value}"
                yield Loss(what, self._by_address[link, sysid].vehicle_id, counted[verdict])

    def signing_counts(self, vehicle_id: str) -> dict[str, int]:
        """How many frames of a vehicle with a key met which verdict; empty without a key."""
        vehicle = self._sessions[vehicle_id].vehicle
        guard = self._posts[vehicle.link].guards.get(vehicle.sysid)
        return {} if guard is None else {v.value: n for v, n in guard.counts.items()}
