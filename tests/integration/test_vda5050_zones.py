"""Robots of version 3 with zones of their own, over real brokers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from controller.delivery.releases import Releases
from controller.delivery.robotzones import RobotZones, turns_of
from geofence.heights import Surroundings
from geofence.zones import PolygonArea, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from sitl.broker import Broker as LabBroker
from sitl.robot import RobotFleet, RobotSpec
from sitl.world import TruthSample
from tests.integration.test_vda5050_turns import ROBOTS, World, at, drive, round_of, streets, until
from tests.support.steady import steady_clocks
from vehicles.vda5050.fleet import Vda5050Fleet

pytestmark = pytest.mark.timeout(120)

SPEEDUP = 20.0


class ZonedWorld(World):
    """The lane of the turns' tests, with robots that keep to zones by themselves."""

    zones: tuple[Zone, ...] = ()

    @contextlib.asynccontextmanager
    async def controller(self, fleet: Vda5050Fleet) -> AsyncIterator[Releases]:
        turns = self.turns(fleet)
        owned = {"board": self.board, "clock": self.clock, "processes": turns._processes}
        releases = Releases(turns=turns, lease_s=30.0, **owned)
        zones = RobotZones(
            zones=lambda: ZoneSet(self.zones),
            permits=lambda v: frozenset(),
            surroundings=Surroundings(10.0, 18.0),
            turns=turns_of(turns.passages, streets()),
            **owned,
        )
        tasks = [
            asyncio.create_task(turns.run(0.5), name="turns"),
            asyncio.create_task(releases.run(0.5), name="releases"),
            asyncio.create_task(zones.run(0.5), name="zones"),
        ]
        self.book = turns
        try:
            yield releases
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(params=["iotcore", pytest.param("mosquitto", marks=pytest.mark.broker)])
async def world(request) -> AsyncIterator[ZonedWorld]:
    clock, lab_clock = steady_clocks(SPEEDUP)
    specs = [
        RobotSpec(
            v, "ACME", v.upper(), at(x).lat_deg, at(x).lon_deg, state_interval_s=2.0,
            version="3.0.0",
        )
        for v, x in (("r1", 0.0), ("r2", 120.0))
    ]  # fmt: skip
    async with LabBroker(kind=request.param) as broker:
        truth: list[TruthSample] = []
        robots = RobotFleet(
            specs, host=broker.host, port=broker.port, robot_map=ROBOTS, clock=lab_clock,
            on_truth=truth.append,
        )  # fmt: skip
        async with robots:
            yield ZonedWorld(broker, clock, robots, truth)


def market(x0: float, x1: float, **known: object) -> Zone:
    ring = tuple(at(x, y) for x, y in ((x0, -20), (x1, -20), (x1, 20), (x0, 20)))
    return Zone("market", "Market", known.pop("kind", ZoneKind.NO_FLY), PolygonArea(ring), **known)


async def test_they_take_turns_by_release_zones_of_their_own(world: ZonedWorld) -> None:
    """What the base alone would forbid, the robots' own zones forbid as well."""
    async with world.master() as fleet, world.controller(fleet):
        seen: set[tuple[str, str]] = set()

        async def look() -> None:
            while True:
                for v, process in world.book._processes.items():
                    for request in process.owner.passage_requests:
                        seen.add((v, "granted" if request.granted else "asked"))
                await asyncio.sleep(0.01)

        watching = asyncio.create_task(look(), name="look")
        await until(lambda: all(r.core.zones.enabled for r in world.robots.robots.values()))
        await drive(world, fleet, world.book)
        await until(lambda: world.done == {"r1", "r2"})
        await until(lambda: not world.book.book.holders())
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert not world.in_lane_together()
    assert {("r1", "granted"), ("r2", "granted")} <= seen
    assert all(r.core.zones.requests == [] for r in world.robots.robots.values())
    assert [e for r in world.robots.robots.values() for e in r.core.m.errors] == []


async def test_zones_that_change_under_way_are_kept_by_the_robot_itself(
    world: ZonedWorld,
) -> None:
    async with world.master() as fleet, world.controller(fleet):
        session = fleet.sessions["r1"]
        await until(lambda: session.telemetry.startable)
        core = world.robots["r1"].core
        first = core.zones.enabled
        assert first.startswith("waypost-")
        mission = round_of("r1", ["west", "a", "m", "b", "east"])
        world.memory.assign(mission)
        assert (await session.load(mission)).done
        assert (await session.start(mission)).done
        await until(lambda: core.driving)
        world.zones = (market(100, 110),)
        await until(lambda: core.zones.enabled not in {"", first})
        await until(lambda: any(e["errorType"] == "NODE_UNREACHABLE" for e in core.m.errors))
        assert core.x == pytest.approx(99.45, abs=0.05)
        await until(lambda: list(core.zones.sets) == [core.zones.enabled])
        world.zones = (market(100, 110, kind=ZoneKind.ADVISORY, max_speed_mps=0.5),)
        await until(lambda: "r1" in world.done)
    assert core.x == pytest.approx(120.0, abs=0.1)


async def test_a_robot_without_its_zones_gets_no_round_and_says_why(world: ZonedWorld) -> None:
    world.robots["r1"].lose_incoming("zoneSet", 2)
    async with world.master() as fleet, world.controller(fleet):
        session = fleet.sessions["r1"]
        await until(lambda: any("not on board" in w for w in session.telemetry.not_ready))
        refused = await session.load(round_of("r1", ["west", "a", "m", "b", "east"]))
        assert "is not on board" in refused.reason
        await until(lambda: session.telemetry.startable)
        world.robots["r1"].kill()
        await until(lambda: not session.telemetry.startable)
        world.robots["r1"].restart()
        await until(lambda: session.telemetry.startable)
