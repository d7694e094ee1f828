"""Robots of version 3 that wait with a failed action for a person's word."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from geofence.frames import LatLon
from geofence.zones import VehicleClass
from missions.model import GroundMission, RouteAction, RouteEdge, RouteNode, StopAction
from sitl.broker import Broker as LabBroker
from sitl.robot import RobotFleet, RobotMap, RobotSpec
from tests.support.steady import steady_clocks
from vehicles.port import Capability, EventKind, Outcome, VehicleEvent
from vehicles.vda5050.fleet import Broker, SiteMap, Vda5050Fleet, Vda5050Settings, Vda5050Vehicle
from vehicles.vda5050.profile import DEFAULT, Step

pytestmark = [pytest.mark.broker, pytest.mark.timeout(60)]
MAP = SiteMap("site", LatLon(60.17, 24.94), 10.0)
HOME, DOOR = MAP.to_latlon(0.0, 0.0), MAP.to_latlon(20.0, 0.0)
PIN_1234 = "03ac674216f3e15c761ee1a5e255f067953623c8b388b4459e13f978d7c846f4"
SPEEDUP = 30.0


def tried_again(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    return tuple(msgspec.structs.replace(step, retriable=True) for step in steps)


PROFILE = msgspec.structs.replace(DEFAULT, version="3.0.0", drop=tried_again(DEFAULT.drop))


class Scene:
    def __init__(self, session: Any, pins: dict[str, str]) -> None:
        self.session = session
        self.pins = pins
        self.events: list[VehicleEvent] = []

    def told(self, kind: EventKind) -> list[str]:
        return [e.detail for e in self.events if e.kind is kind]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20.0):
            while not condition():
                await asyncio.sleep(0.01)

    async def at_the_door(self) -> None:
        """The customer types a wrong PIN: the drop fails, and waits."""

        def deed(name: str, kind: StopAction, pin: str = "") -> RouteAction:
            return RouteAction(name, kind, "p", pin)

        mission = GroundMission(
            "m1",
            "r1",
            (
                RouteNode("home", HOME, (deed("k", StopAction.PICK),)),
                RouteNode("door", DOOR, (deed("d", StopAction.DROP, PIN_1234),)),
                RouteNode("home", HOME),
            ),
            (RouteEdge("e", "home", "door", 20.0, 2.0), RouteEdge("f", "door", "home", 20.0, 2.0)),
            "zones-1",
        )
        loaded = await self.session.load(mission)
        assert loaded.done, loaded
        assert (await self.session.start(mission)).done
        await self.until(lambda: bool(self.told(EventKind.ALARM)))
        (alarm,) = self.told(EventKind.ALARM)
        assert alarm.startswith("drop of p failed, and the robot waits to be told")
        assert self.session.telemetry.failed_action == alarm
        assert not self.told(EventKind.RELEASE_FAILED)
        assert not self.told(EventKind.COMPLETED)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    clock, lab_clock = steady_clocks(SPEEDUP)
    pins = {"p": "9999"}
    spec = RobotSpec(
        "r1",
        "ACME",
        "R-1",
        HOME.lat_deg,
        HOME.lon_deg,
        pick_duration_s=2.0,
        drop_duration_s=2.0,
        customer_delay_s=2.0,
        state_interval_s=2.0,
        pins=pins,
        version="3.0.0",
    )
    robot = Capability(VehicleClass.ROBOT, 10.0, 1, 1.6, 800.0, (0.5, 0.5, 0.5), handover_pin=True)
    vehicle = Vda5050Vehicle("r1", "ACME", "R-1", robot, HOME, profile=PROFILE)
    async with contextlib.AsyncExitStack() as stack:
        lab = await stack.enter_async_context(LabBroker(kind="mosquitto"))
        await stack.enter_async_context(
            RobotFleet(
                [spec],
                host=lab.host,
                port=lab.port,
                robot_map=RobotMap("site", 60.17, 24.94, 10.0),
                clock=lab_clock,
                on_truth=lambda _: None,
            )
        )
        settings = Vda5050Settings.for_speedup(SPEEDUP)
        fleet = Vda5050Fleet([vehicle], Broker(lab.host, lab.port), MAP, clock, settings)
        await stack.enter_async_context(fleet)
        made = Scene(fleet.sessions["r1"], pins)

        async def listen() -> None:
            async for event in made.session.events():
                made.events.append(event)

        tasks = [asyncio.create_task(fleet.run()), asyncio.create_task(listen())]
        try:
            await made.until(
                lambda: made.session.telemetry.startable and made.session._engine.factsheet
            )
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_drop_is_tried_again_on_a_persons_word(scene: Scene) -> None:
    await scene.at_the_door()
    scene.pins["p"] = "1234"
    tried = await scene.session.retry(again=True)
    assert tried.done, tried
    await scene.until(lambda: bool(scene.told(EventKind.COMPLETED)))
    assert not scene.session.telemetry.failed_action
    assert len(scene.told(EventKind.RELEASED)) == 1
    assert not scene.told(EventKind.RELEASE_FAILED)


async def test_a_drop_that_is_skipped_has_failed_with_the_parcel_aboard(scene: Scene) -> None:
    await scene.at_the_door()
    skipped = await scene.session.retry(again=False)
    assert skipped.done, skipped
    await scene.until(lambda: bool(scene.told(EventKind.COMPLETED)))
    assert len(scene.told(EventKind.RELEASE_FAILED)) == 1
    assert not scene.told(EventKind.RELEASED)


async def test_nothing_is_sent_where_nothing_waits(scene: Scene) -> None:
    refused = await scene.session.retry(again=True)
    assert refused.outcome is Outcome.REFUSED
