"""Robots, broker and master over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from itertools import pairwise

import aiomqtt
import pytest

from controller.clock import ScaledClock
from geofence.frames import LatLon, geodesic_m
from geofence.zones import VehicleClass
from missions.model import GroundMission, RouteAction, RouteEdge, RouteNode, StopAction
from sitl.broker import Broker as LabBroker
from sitl.robot import RobotFleet, RobotMap, RobotSpec
from sitl.world import TruthSample
from tests.support.steady import steady_clocks
from vehicles.port import Capability, EventKind, LinkState, Outcome, Phase, VehicleEvent, Verb
from vehicles.vda5050.engine_model import EngineSettings
from vehicles.vda5050.fleet import (
    Broker,
    SiteMap,
    Vda5050Fleet,
    Vda5050Settings,
    Vda5050Vehicle,
)

pytestmark = pytest.mark.timeout(180)
SPEEDUP = 30.0
PATIENT = Vda5050Settings(
    engine=EngineSettings(stale_after_s=300.0, accept_timeout_s=300.0, action_timeout_s=200.0)
)
"""A busy machine is slow by the wall, which at this speed-up is minutes of the robots' time."""
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
        length_m = sum(geodesic_m(a, b) for a, b in pairwise(line))
        return RouteEdge(name, start, end, length_m, 3.0, line)

    return GroundMission(
        mission_id,
        vehicle,
        (
            RouteNode("hub", hub, (deed(StopAction.PICK, "p1"), deed(StopAction.PICK, "p2"))),
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
            settings or PATIENT,
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


async def until(condition: Callable[[], bool], wall_s: float = 40.0) -> None:
    async with asyncio.timeout(wall_s):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture(params=["iotcore", pytest.param("mosquitto", marks=pytest.mark.broker)])
async def world(request) -> AsyncIterator[World]:
    clock, lab_clock = steady_clocks(SPEEDUP, START)
    specs = [
        RobotSpec(
            f"r{i}",
            "ACME",
            f"R-{i}",
            at(0, -3.0 * i).lat_deg,
            at(0, -3.0 * i).lon_deg,
            speed_mps=6.0,
            pick_duration_s=3.0,
            drop_duration_s=3.0,
            customer_delay_s=4.0,
            pins={"p2": "1234"},
        )
        for i in (1, 2)
    ]
    robot_map = RobotMap("site", ORIGIN.lat_deg, ORIGIN.lon_deg, 10.0, 25.0)
    async with LabBroker(kind=request.param) as broker:
        truth: list[TruthSample] = []
        robots = RobotFleet(
            specs,
            host=broker.host,
            port=broker.port,
            robot_map=robot_map,
            clock=lab_clock,
            on_truth=truth.append,
        )
        async with robots:
            world = World(broker, clock, robots)
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


async def test_lost_orders_and_actions_are_sent_again(world: World) -> None:
    async with world.master() as fleet:
        session = await ready(fleet)
        mission = round_of()
        assert (await session.load(mission)).done
        world.robots["r1"].lose_incoming("order", 2)
        assert (await session.start(mission)).done
        assert session._engine.track.attempts == 3
        world.robots["r1"].lose_incoming("instantActions", 2)
        assert (await session.execute(Verb.HOLD)).done
        assert (await session.execute(Verb.RESUME)).done
        await until(lambda: EventKind.COMPLETED in world.kinds())
        assert world.dropped() == ["p1", "p2"]


async def test_hold_stops_and_resume_goes_on(world: World) -> None:
    async with world.master() as fleet:
        session = await ready(fleet)
        mission = round_of(far_m=200.0)
        assert (await session.load(mission)).done
        assert (await session.start(mission)).done
        core = world.robots["r1"].core
        await until(lambda: core.driving)
        assert session.telemetry.armed
        assert (await session.execute(Verb.HOLD)).done
        assert session.telemetry.phase is Phase.HOLDING
        before = (core.x, core.y)
        count = fleet.counts.received
        await until(lambda: fleet.counts.received > count + 3)
        assert (core.x, core.y) == before
        assert (await session.execute(Verb.RESUME)).done
        await until(lambda: (core.x, core.y) != before)
        refused = await session.execute(Verb.RETURN)
        assert refused.outcome is Outcome.REFUSED
        assert "checked round" in refused.reason


async def test_cancel_ends_before_anything_new(world: World) -> None:
    async with world.master() as fleet:
        session = await ready(fleet)
        mission = round_of(far_m=200.0)
        assert (await session.load(mission)).done
        assert (await session.start(mission)).done
        await until(lambda: world.robots["r1"].core.driving)
        refused = await session.load(round_of("m2"))
        assert refused.outcome is Outcome.REFUSED
        assert "not over" in refused.reason
        assert (await session.execute(Verb.LAND)).done
        assert EventKind.ABORTED in world.kinds()
        assert world.robots["r1"].core.idle
        assert session.telemetry.phase is Phase.READY
        assert not world.dropped()
        assert (await session.execute(Verb.LAND)).done
        far = round_of("m3")
        start = world.robots["r1"].core
        here = at(start.x, start.y)
        nodes = (RouteNode("here", here), RouteNode("hub", at(0, 0)))
        edge = RouteEdge("home", "here", "hub", 10.0, 3.0)
        home = GroundMission("m4", "r1", nodes, (edge,), far.zones_version)
        assert (await session.load(home)).done
        assert (await session.start(home)).done
        await until(lambda: EventKind.COMPLETED in world.kinds())
        assert (await session.execute(Verb.RETURN)).done


async def test_killed_robot_is_offline_by_its_last_will(world: World) -> None:
    async with world.master() as fleet:
        session = await ready(fleet)
        await ready(fleet, "r2")
        mission = round_of()
        assert (await session.load(mission)).done
        assert (await session.start(mission)).done
        await until(lambda: EventKind.PICKED in world.kinds())
        world.robots["r1"].kill()
        await until(lambda: EventKind.CONNECTION_LOST in world.kinds())
        lost = next(e for e in world.events if e.kind is EventKind.CONNECTION_LOST)
        assert "last will" in lost.detail
        assert session.telemetry.link is LinkState.OFFLINE
        assert fleet.sessions["r2"].telemetry.link is LinkState.ONLINE
        assert EventKind.MISSION_LOST not in world.kinds()
        world.robots["r1"].restart()
        await until(lambda: EventKind.MISSION_LOST in world.kinds())
        kinds = world.kinds()
        assert EventKind.CONNECTION_BACK in kinds
        assert EventKind.REBOOTED in kinds
        await until(lambda: session.telemetry.phase is Phase.READY)
        assert world.kinds("r2") == []


async def test_link_cut_is_survived_and_the_round_goes_on(world: World) -> None:
    async with world.master() as fleet:
        session = await ready(fleet)
        mission = round_of()
        assert (await session.load(mission)).done
        assert (await session.start(mission)).done
        await until(lambda: world.robots["r1"].core.driving)
        world.robots["r1"].cut_link()
        await until(lambda: EventKind.CONNECTION_LOST in world.kinds())
        await until(lambda: EventKind.COMPLETED in world.kinds())
        assert EventKind.REBOOTED not in world.kinds()
        assert world.dropped() == ["p1", "p2"]


async def test_restarted_master_adopts_its_own_order(world: World) -> None:
    mission = round_of()
    async with world.master() as fleet:
        session = await ready(fleet)
        assert (await session.load(mission)).done
        assert (await session.start(mission)).done
        await until(lambda: EventKind.RELEASED in world.kinds())
    world.events.clear()
    async with world.master() as fleet:
        session = fleet.sessions["r1"]
        progress = await session.adopt(mission)
        assert progress.holds
        assert {"p1"} <= progress.released <= {"p1", "p2"}
        assert progress.picked == {"p1", "p2"}
        await until(lambda: progress.completed or EventKind.COMPLETED in world.kinds())
        told = [e.parcel_id for e in world.events if e.kind is EventKind.RELEASED]
        assert told == sorted({"p1", "p2"} - progress.released)
        assert EventKind.STARTED not in world.kinds()
        after = await session.adopt(mission)
        assert after.completed
        assert after.released == {"p1", "p2"}
        other = await session.adopt(round_of("m9"))
        assert not other.holds
    assert world.dropped() == ["p1", "p2"]


async def test_manual_mode_loses_the_order(world: World) -> None:
    async with world.master() as fleet:
        session = await ready(fleet)
        mission = round_of()
        assert (await session.load(mission)).done
        assert (await session.start(mission)).done
        await until(lambda: EventKind.PICKED in world.kinds())
        world.robots["r1"].set_mode("MANUAL")
        await until(lambda: EventKind.MISSION_LOST in world.kinds())
        lost = next(e for e in world.events if e.kind is EventKind.MISSION_LOST)
        assert "MANUAL" in lost.detail
        await until(lambda: session.telemetry.phase is Phase.NOT_READY)
        assert "operating mode" in session.telemetry.not_ready[0]


async def test_malformed_flood_is_alarmed_and_contained(world: World) -> None:
    async with world.master() as fleet:
        session = await ready(fleet)
        other = await ready(fleet, "r2")
        mission = round_of()
        assert (await session.load(mission)).done
        assert (await session.start(mission)).done
        async with aiomqtt.Client(world.broker.host, world.broker.port) as intruder:
            topic = "uagv/v2/ACME/R-2/state"
            body = world.robots["r1"].radio._voice.say("state", {"orderId": 5})
            nonsense = [b"{", b"\xff\xfe", b"[]", b"1e400", b'{"headerId":-1}', body, b"x" * 2**20]
            for _ in range(30):
                for payload in nonsense[:-1]:
                    await intruder.publish(topic, payload)
            await intruder.publish(topic, nonsense[-1])
            await intruder.publish("uagv/v2/ACME/R-2/connection", b"null")
            await intruder.publish("uagv/v2/ACME/R-99/state", b"{}")
        await until(lambda: fleet.strangers == 1)
        await until(lambda: EventKind.COMPLETED in world.kinds())
        assert EventKind.ALARM not in world.kinds()
        alarms = [e for e in world.events if e.vehicle_id == "r2"]
        assert {e.kind for e in alarms} == {EventKind.ALARM}
        assert any("longer than" in a.detail or "malformed" in a.detail for a in alarms)
        assert 2 <= len(alarms) <= 12
        assert "malformed" in alarms[0].detail
        await until(lambda: other.telemetry.startable)


async def test_another_robots_name_in_the_body_is_an_alarm(world: World) -> None:
    async with world.master() as fleet:
        session = await ready(fleet)
        before = session.telemetry.position
        async with aiomqtt.Client(world.broker.host, world.broker.port) as intruder:
            from sitl.robot import words

            body = words.Voice(world.robots["r2"].core.spec, world.clock.now).say(
                "state", words.state(world.robots["r2"].core)
            )
            await intruder.publish("uagv/v2/ACME/R-1/state", body)
        await until(lambda: EventKind.ALARM in world.kinds())
        assert "ACME/R-2" in world.events[0].detail
        assert geodesic_m(session.telemetry.position, before) < 0.1


async def test_broker_restart_is_survived() -> None:
    clock, lab_clock = steady_clocks(SPEEDUP, START)
    robot_map = RobotMap("site", ORIGIN.lat_deg, ORIGIN.lon_deg, 10.0, 25.0)
    spec = RobotSpec(
        "r1",
        "ACME",
        "R-1",
        at(0, 0).lat_deg,
        at(0, 0).lon_deg,
        speed_mps=6.0,
        pick_duration_s=3.0,
        drop_duration_s=3.0,
        customer_delay_s=4.0,
    )
    async with contextlib.AsyncExitStack() as stack:
        broker = LabBroker()
        await broker.__aenter__()
        stack.push_async_exit(broker)
        robots = await stack.enter_async_context(
            RobotFleet(
                [spec],
                host=broker.host,
                port=broker.port,
                robot_map=robot_map,
                clock=lab_clock,
            )
        )
        world = World(broker, clock, robots)
        fleet = await stack.enter_async_context(world.master())
        session = await ready(fleet)
        mission = round_of(far_m=200.0)
        assert (await session.load(mission)).done
        assert (await session.start(mission)).done
        await broker.__aexit__()
        await until(lambda: session.telemetry.link is LinkState.STALE)
        await until(lambda: EventKind.LINK_LOST in world.kinds())
        assert "broker" in next(e for e in world.events if e.kind is EventKind.LINK_LOST).detail
        assert (await session.execute(Verb.HOLD)).outcome is Outcome.REFUSED
        await broker.__aenter__()
        await until(lambda: session.telemetry.link is LinkState.ONLINE)
        await until(lambda: EventKind.COMPLETED in world.kinds())
        assert EventKind.MISSION_LOST not in world.kinds()
