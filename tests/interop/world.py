"""Our master control beside robots that know nothing of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from controller.clock import ScaledClock
from geofence.frames import LatLon, geodesic_m
from geofence.zones import VehicleClass
from missions.model import GroundMission, RouteAction, RouteEdge, RouteNode, StopAction
from tests.interop.node import NodeProgram
from tests.support.steady import steady_clocks
from vehicles.port import Capability, EventKind, VehicleEvent
from vehicles.vda5050.fleet import (
    Broker,
    SiteMap,
    TransportSettings,
    Vda5050Fleet,
    Vda5050Settings,
    Vda5050Vehicle,
)
from vehicles.vda5050.profile import Profile, find_profile
from vehicles.vda5050.session import Vda5050Session

MAP = SiteMap("site", LatLon(60.17, 24.94), 10.0)
SPACING_M = 6.0
SETTINGS = Vda5050Settings()
PROFILE = find_profile("vda-5050-lib")
"""What is shipped for these robots, untouched: all of it must hold of the real library."""
CAPABILITY = Capability(VehicleClass.ROBOT, 10.0, 1, 2.0, 800.0, (0.5, 0.5, 0.5))


def place(robot: int, away_m: float = 0.0) -> LatLon:
    """Where robot R-i starts, or so far north of it."""
    return MAP.to_latlon(SPACING_M * robot, away_m)


def vehicles(count: int, profile: Profile = PROFILE) -> list[Vda5050Vehicle]:
    """As enrolled: vehicle r3 is R-3 of ACME."""
    return [
        Vda5050Vehicle(f"r{i}", "ACME", f"R-{i}", CAPABILITY, place(i), profile=profile)
        for i in range(count)
    ]


def round_of(robot: int, tag: str = "a", *, far_m: float = 20.0) -> GroundMission:
    """Pick where it stands, drop so far north, and back."""
    name, parcel = f"m-{robot}-{tag}", f"p-{robot}-{tag}"
    home, door = place(robot), place(robot, far_m)
    length_m = geodesic_m(home, door)
    return GroundMission(
        name,
        f"r{robot}",
        (
            RouteNode("home", home, (RouteAction(f"{name}-pick", StopAction.PICK, parcel),)),
            RouteNode("door", door, (RouteAction(f"{name}-drop", StopAction.DROP, parcel),)),
            RouteNode("home", home),
        ),
        (
            RouteEdge("out", "home", "door", length_m, 2.0),
            RouteEdge("back", "door", "home", length_m, 2.0),
        ),
        "zones-1",
    )


def long_round(
    robot: int, tag: str = "a", *, nodes: int = 8, step_m: float = 8.0, drop_at: int | None = None
) -> GroundMission:
    """Pick where it stands, so many nodes north, and drop at one of them: the last where not told.

    Its nodes are n0, n1 and so on.
    """
    name, parcel = f"m-{robot}-{tag}", f"p-{robot}-{tag}"
    drop_at = nodes - 1 if drop_at is None else drop_at
    deeds = {
        0: (RouteAction(f"{name}-pick", StopAction.PICK, parcel),),
        drop_at: (RouteAction(f"{name}-drop", StopAction.DROP, parcel),),
    }
    return GroundMission(
        name,
        f"r{robot}",
        tuple(RouteNode(f"n{i}", place(robot, step_m * i), deeds.get(i, ())) for i in range(nodes)),
        tuple(RouteEdge(f"e{i}", f"n{i}", f"n{i + 1}", step_m, 2.0) for i in range(nodes - 1)),
        "zones-1",
    )


def home_from(here: LatLon, robot: int = 0) -> GroundMission:
    """An empty round from where a robot stands to where it started."""
    home = place(robot)
    return GroundMission(
        f"home-{robot}",
        f"r{robot}",
        (RouteNode("here", here), RouteNode("home", home)),
        (RouteEdge("home", "here", "home", geodesic_m(here, home), 2.0),),
        "zones-1",
    )


class Master:
    """A fleet of ours, served, and everything that it told."""

    def __init__(self, fleet: Vda5050Fleet) -> None:
        self.fleet = fleet
        self.events: list[VehicleEvent] = []

    def __getitem__(self, robot: int) -> Vda5050Session:
        session = self.fleet.sessions[f"r{robot}"]
        assert isinstance(session, Vda5050Session)
        return session

    def told(self, kind: EventKind) -> list[str]:
        """The vehicles that told it, in order."""
        return [e.vehicle_id for e in self.events if e.kind is kind]

    async def until(self, condition: Callable[[], bool], what: str, wall_s: float = 60.0) -> None:
        """Wait until it holds; fails with the newest events."""
        try:
            async with asyncio.timeout(wall_s):
                while not condition():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            newest = [(e.vehicle_id, e.kind.value, e.detail) for e in self.events[-12:]]
            raise AssertionError(f"never: {what}; {newest}") from None


@contextlib.asynccontextmanager
async def master(
    broker: Broker,
    count: int,
    *,
    settings: Vda5050Settings = SETTINGS,
    transport: TransportSettings | None = None,
    clock: ScaledClock | None = None,
    profile: Profile = PROFILE,
) -> AsyncIterator[Master]:
    """Our master control on a broker, for robots R-0 to R-(count - 1)."""
    clock = clock or steady_clocks(1.0)[0]
    fleet = Vda5050Fleet(
        vehicles(count, profile), broker, MAP, clock, settings, transport=transport
    )
    served = Master(fleet)

    async def listen(session: Any) -> None:
        async for event in session.events():
            served.events.append(event)

    async with fleet:
        tasks = [asyncio.create_task(fleet.run(), name="master")]
        tasks += [
            asyncio.create_task(listen(s), name=f"listen-{n}") for n, s in fleet.sessions.items()
        ]
        try:
            yield served
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class Truth:
    """What independent robots say that they did with loads: not their VDA 5050 states."""

    def __init__(self) -> None:
        self.did: list[tuple[str, str, str]] = []

    def hear(self, line: dict[str, Any]) -> None:
        """A line of robots.js."""
        self.did.append((line["agv"], line["did"], line["load"]))

    def dropped(self) -> list[str]:
        """Loads, in order, as often as each was dropped."""
        return [load for _, did, load in self.did if did == "dropped"]


def robots(
    broker: Broker, count: int, truth: Truth, *, time_lapse: float = 10.0, **more: Any
) -> NodeProgram:
    """So many independent robots in one process."""
    options = {
        "url": f"mqtt://{broker.host}:{broker.port}",
        "count": count,
        "mapId": MAP.map_id,
        "spacing": SPACING_M,
        "timeLapse": time_lapse,
        **more,
    }
    return NodeProgram("robots.js", options, truth.hear)
