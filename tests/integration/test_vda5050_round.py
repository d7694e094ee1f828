"""Robots, broker and master over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import aiomqtt
import pytest

from controller.clock import ScaledClock
from geofence.frames import LatLon, geodesic_m
from geofence.zones import VehicleClass
from missions.model import GroundMission, RouteAction, RouteEdge, RouteNode, StopAction
from sitl.broker import Broker as LabBroker
from sitl.robot import RobotFleet, RobotMap, RobotSpec
from sitl.world import LabClock, TruthSample
from vehicles.port import Capability, EventKind, LinkState, Outcome, Phase, VehicleEvent, Verb
from vehicles.vda5050.fleet import (
    Broker,
    SiteMap,
    Vda5050Fleet,
    Vda5050Settings,
    Vda5050Vehicle,
)

SPEEDUP = 10.0
ORIGIN = LatLon(60.17, 24.94)
MAP = SiteMap("site", ORIGIN, 10.0, 25.0)
START = datetime(2026, 6, 1, 8, tzinfo=UTC)
PIN_1234 = "03ac674216f3e15c761ee1a5e255f067953623c8b388b4459e13f978d7c846f4"


def capability() -> Capability:
    return Capability(VehicleClass.ROBOT, 10.0, 4, 1.6, 800.0, (0.5, 0.5, 0.5), handover_pin=True)


def at(x: float, y: float) -> LatLon:
    return MAP.to_latlon(x, y)


def round_of(mission_id: str = "m1", vehicle: str = "r1", *, far_m: float = 60.0) -> GroundMission:
    """Hub, bend, customer 1, customer 2 with PIN, and back to the hub."""
    hub, one, two = at(0, 0), at(far_m, 20), at(far_m, -20)

    def deed(kind: StopAction, parcel: str, pin: str = "") -> RouteAction:
        return RouteAction(f"{mission_id}-{kind}-{parcel}", kind, parcel, pin)

    def edge(name: str, start: str, end: str, *line: LatLon) -> RouteEdge:
        length_m = sum(geodesic_m(a, b) for a, b in zip(line, line[1:], strict=False))
        return RouteEdge(name, start, end, length_m, 3.0, line)

    return GroundMission(
        mission_id,
        vehicle,
        (
            RouteNode(
                "hub", hub, (deed(StopAction.PICK, "p1"), deed(StopAction.PICK, "p2"))
            ),
            RouteNode("one", one, (deed(StopAction.DROP, "p1"),)),
            RouteNode("two", two, (deed(StopAction.DROP, "p2", PIN_1234),)),
            RouteNode("hub", hub),
        ),
        (
            edge("e1", "hub", "one", hub, at(far_m / 2, 30), one),
            edge("e2", "one", "two", one, two),
            edge("e3", "two", "hub", two, hub),
        ),
        "zones-1",
    )


class World:
    """A lab with robots and a master, and everything that was told."""

    def __init__(self, broker: LabBroker, clock: ScaledClock, robots: RobotFleet) -> None:
        self.broker = broker
        self.clock = clock
        self.robots = robots
        self.truth: list[TruthSample] = []
        self.events: list[VehicleEvent] = []
        self.vehicles = [
            Vda5050Vehicle(s.vehicle_id, s.manufacturer, s.serial, capability(), at(0, 0))
            for s in (r.core.spec for r in robots.robots.values())
        ]

    @contextlib.asynccontextmanager
    async def master(self, settings: Vda5050Settings | None = None) -> AsyncIterator[Vda5050Fleet]:
        fleet = Vda5050Fleet(
            self.vehicles,
            Broker(self.broker.host, self.broker.port),
            MAP,
            self.clock,
            settings,
        )

        async def listen(session) -> None:
            async for event in session.events():
                self.events.append(event)

        async with fleet:
            tasks = [asyncio.create_task(fleet.run(), name="master")]
            tasks += [
                asyncio.create_task(listen(s), name=f"listen-{n}")
                for n, s in fleet.sessions.items()
            ]
            try:
                yield fleet
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def kinds(self, vehicle: str = "r1") -> list[EventKind]:
        return [e.kind for e in self.events if e.vehicle_id == vehicle]

    def dropped(self) -> list[str]:
        return [s.detail for s in self.truth if s.event == "dropped"]


async def until(condition: Callable[[], bool], wall_s: float = 12.0) -> None:
    async with asyncio.timeout(wall_s):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture(params=["iotcore", pytest.param("mosquitto", marks=pytest.mark.broker)])
async def world(request) -> AsyncIterator[World]:
    epoch = __import__("time").time()
    lab_clock = LabClock(START, SPEEDUP, epoch)
    specs = [
        RobotSpec(
            f"r{i}", "ACME", f"R-{i}", at(0, -3.0 * i).lat_deg, at(0, -3.0 * i).lon_deg,
            speed_mps=6.0, pick_duration_s=3.0, drop_duration_s=3.0, customer_delay_s=4.0,
            pins={"p2": "1234"},
        )
        for i in (1, 2)
    ]
    robot_map = RobotMap("site", ORIGIN.lat_deg, ORIGIN.lon_deg, 10.0, 25.0)
    async with LabBroker(kind=request.param) as broker:
        truth: list[TruthSample] = []
        robots = RobotFleet(
            specs, host=broker.host, port=broker.port, robot_map=robot_map, clock=lab_clock,
            on_truth=truth.append,
        )
        async with robots:
            world = World(broker, ScaledClock(START, epoch, SPEEDUP), robots)
            world.truth = truth
            yield world


async def ready(fleet: Vda5050Fleet, vehicle: str = "r1"):
    session = fleet.sessions[vehicle]
    await until(lambda: session.telemetry.startable)
    await until(lambda: session._engine.factsheet is not None)
    return session


async def test_round_with_two_parcels_is_driven_to_its_end(world: World) -> None:
    async with world.master() as fleet:
        session = await ready(fleet)
        mission = round_of()
        assert (await session.load(mission)).done
        assert session.telemetry.mission_hash == mission.content_hash
        assert (await session.start(mission)).done
        await until(lambda: EventKind.COMPLETED in world.kinds())
        assert world.kinds() == [
            EventKind.STARTED,
            EventKind.PICKED,
            EventKind.PICKED,
            EventKind.RELEASED,
            EventKind.RELEASED,
            EventKind.COMPLETED,
        ]
        released = [e for e in world.events if e.kind is EventKind.RELEASED]
        assert [e.parcel_id for e in released] == ["p1", "p2"]
        assert "PIN accepted" in released[1].evidence[1]
        for event, place in zip(released, (at(60, 20), at(60, -20)), strict=True):
            assert event.position is not None
            assert event.mission_hash == mission.content_hash
            assert geodesic_m(event.position, place) < 30.0
        assert world.dropped() == ["p1", "p2"]
        assert session.telemetry.phase is Phase.READY
        assert session.telemetry.mission_hash is None
        drops = [s for s in world.truth if s.event == "dropped"]
        assert geodesic_m(LatLon(drops[0].lat_deg, drops[0].lon_deg), at(60, 20)) < 0.01
        again = await session.load(mission)
        assert again.outcome is Outcome.REFUSED
        assert "plan a new mission" in again.reason
