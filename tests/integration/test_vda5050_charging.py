"""Robots that charge between their rounds: the policy over a real broker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from controller.delivery.charging import ChargingDesk, ChargingRules
from controller.fleet.owner import VehicleOwner
from controller.safety.board import AlarmBoard
from geofence.frames import LatLon
from geofence.zones import VehicleClass
from missions.model import GroundMission, RouteEdge, RouteNode
from sitl.broker import Broker as LabBroker
from sitl.robot import RobotFleet, RobotMap, RobotSpec
from tests.support.steady import steady_clocks
from vehicles.port import Capability, Outcome
from vehicles.vda5050.fleet import Broker, SiteMap, Vda5050Fleet, Vda5050Settings, Vda5050Vehicle
from vehicles.vda5050.profile import DEFAULT, Profile

pytestmark = [pytest.mark.broker, pytest.mark.timeout(60)]
MAP = SiteMap("site", LatLon(60.17, 24.94), 10.0)
HOME = MAP.to_latlon(0.0, 0.0)
ASKED = msgspec.structs.replace(DEFAULT, charging="asked")
SPEEDUP = 30.0


@dataclass
class Kept:
    """What the policy needs of a ledger."""

    assignments: dict[str, Any] = field(default_factory=dict)
    events: list[tuple[str, str, str]] = field(default_factory=list)

    async def keep(self, changes: Any) -> None:
        self.events += [(e.kind, e.vehicle_id, e.data["by"]) for e in changes.events]


@dataclass
class Scene:
    desk: ChargingDesk
    owner: VehicleOwner
    kept: Kept
    board: AlarmBoard
    robots: RobotFleet
    session: Any
    woken: list[bool]

    @property
    def robot(self) -> Any:
        return self.robots.robots["r1"].core

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Look until it holds."""
        try:
            async with asyncio.timeout(20.0):
                while not condition():
                    await self.desk.look()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"never: {what}; {self.owner.telemetry}") from None

    async def ready(self) -> None:
        async with asyncio.timeout(20.0):
            while not (self.owner.telemetry.startable and self.session._engine.factsheet):
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def scene(
    *,
    battery_pct: float,
    profile: Profile = ASKED,
    asked: bool = True,
    east_m: float = 0.0,
    pct_per_s: float = 2.0,
) -> AsyncIterator[Scene]:
    clock, lab_clock = steady_clocks(SPEEDUP)
    start = MAP.to_latlon(east_m, 0.0)
    spec = RobotSpec(
        "r1",
        "ACME",
        "R-1",
        start.lat_deg,
        start.lon_deg,
        battery_pct=battery_pct,
        charge_pct_per_s=pct_per_s,
        state_interval_s=2.0,
        charges_when_told=asked,
    )
    vehicle = Vda5050Vehicle(
        "r1",
        "ACME",
        "R-1",
        Capability(VehicleClass.ROBOT, 10.0, 1, 1.6, 800.0, (0.5, 0.5, 0.5)),
        HOME,
        profile=profile,
    )
    async with LabBroker(kind="mosquitto") as lab:
        robots = RobotFleet(
            [spec],
            host=lab.host,
            port=lab.port,
            robot_map=RobotMap("site", 60.17, 24.94, 10.0),
            clock=lab_clock,
            on_truth=lambda _: None,
        )
        settings = Vda5050Settings.for_speedup(SPEEDUP)
        fleet = Vda5050Fleet([vehicle], Broker(lab.host, lab.port), MAP, clock, settings)
        async with robots, fleet:
            running = asyncio.create_task(fleet.run(), name="master")
            session = fleet.sessions["r1"]
            owner = VehicleOwner(session, epoch=1, clock=clock, command_timeout_s=300.0)
            board = AlarmBoard(clock, lambda kind: f"{kind}-1", lambda _: None)
            kept, woken = Kept(), []
            desk = ChargingDesk(
                ChargingRules(20.0, 60.0, 60.0),
                ledger=kept,  # type: ignore[arg-type]
                processes={"r1": SimpleNamespace(owner=owner)},  # type: ignore[dict-item]
                homes={"r1": HOME},
                board=board,
                clock=clock,
                on_free=lambda: woken.append(True),
            )
            try:
                made = Scene(desk, owner, kept, board, robots, session, woken)
                await made.ready()
                yield made
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


async def test_a_low_robot_charges_by_itself_and_is_free_at_enough() -> None:
    async with scene(battery_pct=15.0) as lab:
        await lab.desk.look()
        assert lab.desk.keeps("r1").startswith("it charges to 60 %")
        assert lab.owner.telemetry.charging
        assert lab.robot.charging
        assert not lab.woken
        await lab.until(lambda: not lab.desk.keeps("r1"), "enough")
        assert lab.robot.battery_pct >= 60.0
        assert lab.woken
        assert lab.kept.events == [
            ("vehicle.charge", "r1", "policy"),
            ("vehicle.charged", "r1", "policy"),
        ]
        assert not len(lab.board)


async def test_a_robot_with_enough_is_left_alone_until_a_person_sends_it() -> None:
    async with scene(battery_pct=40.0) as lab:
        await lab.desk.look()
        assert not lab.desk.keeps("r1")
        assert not lab.robot.charging
        assert (await lab.desk.command("r1", on=True, by="ann", reason="quiet hour")).done
        assert lab.robot.charging
        assert lab.desk.keeps("r1")
        assert (await lab.desk.command("r1", on=False, by="ann", reason="rush hour")).done
        assert not lab.robot.charging
        assert not lab.desk.keeps("r1")
        assert [by for _, _, by in lab.kept.events] == ["ann", "ann"]
        lab.robot.battery_pct = 90.0
        await lab.until(lambda: (lab.owner.telemetry.battery_pct or 0.0) > 80.0, "told")
        full = await lab.desk.command("r1", on=True, by="ann", reason="")
        assert "has enough: 90 %" in full.reason
        again = await lab.desk.command("r1", on=False, by="ann", reason="")
        assert again.outcome is Outcome.REFUSED


async def test_the_start_of_a_round_ends_charging_whoever_began_it() -> None:
    """A controller that was restarted does not know that it had sent the robot to charge."""
    async with scene(battery_pct=40.0) as lab:
        assert (await lab.session.charge(on=True)).done
        lab.session._charges = False
        far = MAP.to_latlon(0.0, 20.0)
        mission = GroundMission(
            "m1",
            "r1",
            (RouteNode("home", HOME), RouteNode("far", far)),
            (RouteEdge("e", "home", "far", 20.0, 2.0),),
            "zones-1",
        )
        assert (await lab.session.load(mission)).done
        started = await lab.session.start(mission)
        assert started.done, started
        assert not lab.robot.charging


async def test_a_robot_that_charges_at_its_dock_by_itself_is_asked_nothing() -> None:
    async with scene(battery_pct=5.0, profile=DEFAULT, asked=False, pct_per_s=0.6) as lab:
        await lab.desk.look()
        assert lab.desk.keeps("r1")
        await lab.until(lambda: not lab.desk.keeps("r1"), "enough")
        assert not [d for d in lab.robot.m.instants if "harging" in d.kind]


async def test_a_robot_away_from_its_charger_is_told_and_kept() -> None:
    async with scene(battery_pct=15.0, east_m=200.0) as lab:
        await lab.desk.look()
        assert lab.desk.keeps("r1")
        assert not lab.robot.charging
        (alarm,) = lab.board.alarms()
        assert "200 m from its base" in alarm.cause
        refused = await lab.desk.command("r1", on=True, by="ann", reason="")
        assert refused.outcome is Outcome.REFUSED
        assert "200 m from its base" in refused.reason


async def test_a_robot_that_says_no_is_told() -> None:
    async with scene(battery_pct=5.0, asked=False, pct_per_s=0.001) as lab:
        lab.robot.plugged = False
        async with asyncio.timeout(20.0):
            while lab.owner.telemetry.charging:
                await asyncio.sleep(0.01)
        await lab.desk.look()
        (alarm,) = lab.board.alarms()
        assert "cannot do startCharging" in alarm.cause


async def test_a_robot_on_a_round_is_not_sent() -> None:
    async with scene(battery_pct=15.0) as lab:
        lab.kept.assignments["r1"] = object()
        await lab.desk.look()
        assert not lab.desk.keeps("r1")
        refused = await lab.desk.command("r1", on=True, by="ann", reason="")
        assert refused.outcome is Outcome.REFUSED
