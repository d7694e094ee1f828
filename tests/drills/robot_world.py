"""Robots and their master over a hop that loses, doubles and overtakes, in simulated time.

The master is the real fleet with its sessions and order engines; the robots are the lab's, whose
rules are their own. Between them lies a hop instead of a broker: what goes at QoS 0 (order,
instantActions, state, factsheet) may be lost, what goes at QoS 1 (connection) may not.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count, pairwise

from msgspec.structs import replace

from geofence.frames import LatLon, geodesic_m
from geofence.zones import VehicleClass
from missions.model import GroundMission, RouteAction, RouteEdge, RouteNode, StopAction
from sitl.robot import RobotMap, RobotSpec, words
from sitl.robot.core import Deed, RobotCore
from tests.drills.virtual import VirtualClock
from vehicles.port import Capability, EventKind, VehicleEvent
from vehicles.vda5050.fleet import Broker, SiteMap, Vda5050Fleet, Vda5050Settings, Vda5050Vehicle
from vehicles.vda5050.profile import DEFAULT

MAP = SiteMap("site", LatLon(60.17, 24.94), 10.0, 25.0)
ROBOT_MAP = RobotMap("site", 60.17, 24.94, 10.0, 25.0)
MAKER = "ACME"
STEP_S = 0.5
"""How often the robots live; what they say at once does not wait for it."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares of messages, each way. `late_s`: by how much a late one may be overtaken."""

    loss: float = 0.05
    twice: float = 0.03
    late: float = 0.05
    late_s: float = 3.0
    delay_s: float = 0.15


@dataclass(slots=True)
class Hop:
    """Both ways between master and robots. `to_robot` has each robot's ear by serial."""

    faults: Faults
    rng: random.Random
    to_master: Callable[[str, bytes], None] = lambda topic, payload: None
    to_robot: dict[str, Callable[[str, bytes], None]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def send(self, topic: str, payload: bytes, *, urgent: bool = False) -> bool:
        """From the master, as MqttTransport has it."""
        del urgent
        _, _, _, serial, name = topic.split("/")
        self._carry("down", name, lambda: self.to_robot[serial](name, payload))
        return True

    def say(self, serial: str, name: str, payload: bytes) -> None:
        """From a robot."""
        topic = f"uagv/v2/{MAKER}/{serial}/{name}"
        self._carry("up", name, lambda: self.to_master(topic, payload))

    def _carry(self, way: str, name: str, deliver: Callable[[], None]) -> None:
        faults, rng = self.faults, self.rng
        self.counts[f"{way}_sent"] += 1
        if name != "connection" and rng.random() < faults.loss:
            self.counts[f"{way}_lost"] += 1
            return
        copies = 2 if rng.random() < faults.twice else 1
        self.counts[f"{way}_doubled"] += copies - 1
        for _ in range(copies):
            delay_s = rng.uniform(0.0, faults.delay_s)
            if rng.random() < faults.late:
                self.counts[f"{way}_late"] += 1
                delay_s += rng.uniform(0.0, faults.late_s)
            asyncio.get_running_loop().call_later(delay_s, deliver)


class Watched(RobotCore):
    """The lab's robot; tells also what it begins, so that a second try is seen."""

    begun: Counter[tuple[str, str]]

    def _begin(self, deed: Deed) -> None:
        parcel = next(p["value"] for p in deed.action["actionParameters"] if p["key"] == "loadId")
        self.begun[deed.kind, parcel] += 1
        super()._begin(deed)


class DrillRobot:
    """One robot on the hop, and the truth about it."""

    def __init__(self, number: int, hop: Hop, clock: VirtualClock) -> None:
        self.vehicle_id, self.serial = f"r{number}", f"R-{number}"
        self.spec = RobotSpec(
            self.vehicle_id,
            MAKER,
            self.serial,
            MAP.origin.lat_deg,
            MAP.origin.lon_deg,
            range_m=1e9,
        )
        self.truth: Counter[tuple[str, str]] = Counter()
        self.core = Watched(self.spec, ROBOT_MAP, self._told, clock.monotonic_s())
        self.core.begun = Counter()
        self._voice = words.Voice(self.spec, clock.now)
        self._hop = hop
        self._said_s = clock.monotonic_s()
        self.refusals: Counter[str] = Counter()
        hop.to_robot[self.serial] = self._hear

    def _told(self, at_s: float, word: str, parcel: str) -> None:
        del at_s
        self.truth[word, parcel] += 1

    def _hear(self, name: str, payload: bytes) -> None:
        before = len(self.core.m.errors)
        self.core.receive(name, payload)
        for entry in self.core.m.errors[before:]:
            self.refusals[entry["errorType"]] += 1
        self._speak()

    def online(self) -> None:
        """Come on the air."""
        self._hop.say(self.serial, "connection", self._voice.say("connection", _ONLINE))
        self.core.changed = True

    def live(self, now_s: float) -> None:
        """Go on to `now_s` and say what is due."""
        self.core.advance(now_s)
        if now_s - self._said_s >= self.spec.state_interval_s:
            self.core.changed = True
        self._speak()

    def _speak(self) -> None:
        if self.core.factsheet_wanted:
            self.core.factsheet_wanted = False
            facts = self._voice.say("factsheet", words.factsheet(self.spec))
            self._hop.say(self.serial, "factsheet", facts)
        if self.core.changed:
            self.core.changed = False
            self._said_s = self.core.t
            self._hop.say(self.serial, "state", self._voice.say("state", words.state(self.core)))

    def carried_home(self) -> None:
        """Somebody takes it back to the hub."""
        self.core.x, self.core.y = self.core.home
        self.core.changed = True


_ONLINE = words.connection("ONLINE")


@dataclass(slots=True)
class World:
    """The master's fleet, the robots and all that was told of them."""

    clock: VirtualClock
    fleet: Vda5050Fleet
    hop: Hop
    robots: dict[str, DrillRobot]
    events: dict[str, list[VehicleEvent]]

    def told(self, vehicle_id: str, kind: EventKind) -> Counter[str]:
        """How often each parcel was told with this kind."""
        return Counter(e.parcel_id for e in self.events[vehicle_id] if e.kind is kind)


def vehicle(number: int) -> Vda5050Vehicle:
    """Every second one gets its base in pieces: order updates."""
    capability = Capability(VehicleClass.ROBOT, 10.0, 4, 1.6, 9e6, (0.5, 0.5, 0.5))
    profile = replace(DEFAULT, base_nodes_ahead=2) if number % 2 else DEFAULT
    hub = MAP.origin
    return Vda5050Vehicle(f"r{number}", MAKER, f"R-{number}", capability, hub, MAP, profile=profile)


def round_of(mission_id: str, vehicle_id: str, rng: random.Random) -> GroundMission:
    """Two parcels picked at the hub, each dropped at a door, over bends, and back to the hub."""
    far_m = rng.uniform(60.0, 200.0)
    spots = [(0.0, 0.0), (far_m / 3, 20.0), (far_m, 20.0), (far_m, -20.0), (far_m / 3, -20.0)]
    names = ["hub", "turn1", "door1", "door2", "turn2", "hub"]
    places = [MAP.to_latlon(x, y) for x, y in [*spots, spots[0]]]
    parcels = (f"{mission_id}-p1", f"{mission_id}-p2")

    def deed(kind: StopAction, parcel: str) -> RouteAction:
        return RouteAction(f"{kind}-{parcel}", kind, parcel)

    actions: dict[int, tuple[RouteAction, ...]] = {
        0: tuple(deed(StopAction.PICK, p) for p in parcels),
        2: (deed(StopAction.DROP, parcels[0]),),
        3: (deed(StopAction.DROP, parcels[1]),),
    }
    nodes = tuple(
        RouteNode(name, place, actions.get(at, ()))
        for at, (name, place) in enumerate(zip(names, places, strict=True))
    )
    edges = tuple(
        RouteEdge(f"e{at}", a.node_id, b.node_id, geodesic_m(a.position, b.position), 3.0)
        for at, (a, b) in enumerate(pairwise(nodes))
    )
    return GroundMission(mission_id, vehicle_id, nodes, edges, "zones-1")


@asynccontextmanager
async def world(robots: int, seed: str, faults: Faults) -> AsyncIterator[World]:
    """Everything running; ends with it."""
    clock = VirtualClock()
    hop = Hop(faults, random.Random(f"hop {seed}"))
    numbers = count()
    fleet = Vda5050Fleet(
        [vehicle(n) for n in range(robots)],
        Broker("hop"),
        MAP,
        clock,
        Vda5050Settings(),
        ids=lambda kind: f"{kind}-{next(numbers)}",
    )
    # the hop stands where the connection to a broker would: same calls, other wire
    fleet._transport = hop  # type: ignore[assignment]
    hop.to_master = fleet.received
    here = {r.vehicle_id: r for r in (DrillRobot(n, hop, clock) for n in range(robots))}
    events: dict[str, list[VehicleEvent]] = {name: [] for name in here}

    async def listen(name: str) -> None:
        async for event in fleet.sessions[name].events():
            events[name].append(event)

    async def live() -> None:
        while True:
            await clock.sleep(STEP_S)
            for robot in here.values():
                robot.live(clock.monotonic_s())

    tasks = [asyncio.create_task(listen(name), name=f"listen-{name}") for name in here]
    tasks.append(asyncio.create_task(live(), name="robots"))
    tasks.append(asyncio.create_task(fleet._tick(), name="fleet-tick"))
    try:
        fleet.connected()
        for robot in here.values():
            robot.online()
        yield World(clock, fleet, hop, here, events)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error
