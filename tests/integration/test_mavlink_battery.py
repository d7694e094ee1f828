"""A light copter whose battery drains faster than planned is brought home in time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.safety.battery import BatteryBook, Flown
from controller.safety.board import AlarmBoard
from controller.safety.monitors import EnergyLimits
from controller.safety.watch import Watch, Watched
from geofence.check import Surroundings
from geofence.zoneset import ZoneSet
from missions.energy import MultirotorModel
from missions.plan_flown import DEFAULT_FLIGHT_RULES, flown_legs
from tests.integration.mavlink_rig import HOME, delivery, light, real, spec
from tests.integration.mavlink_rig import Watched as Seen
from vehicles.port import CommandResult, EventKind, Phase, Verb

pytestmark = pytest.mark.timeout(180)
MODEL = MultirotorModel()
RETURN_PCT = 10.0


class Keeper:
    """The controller's watch over one session, whose word it carries out."""

    def __init__(self, one: Seen) -> None:
        self.one = one
        self.told: list[CommandResult] = []
        self.mission = delivery(out_m=1500.0)
        self.legs = flown_legs(
            self.mission, loads={"P-1": 2.0}, speed_mps=10.0, model=MODEL,
            rules=DEFAULT_FLIGHT_RULES,
        )  # fmt: skip
        numbers = iter(range(1000))
        self.book = BatteryBook(MODEL, DEFAULT_FLIGHT_RULES)
        self.watch = Watch(
            board=AlarmBoard(one.clock, lambda p: f"{p}-{next(numbers)}", lambda _: None),
            clock=one.clock,
            surroundings=Surroundings(10.0, 18.0),
            limits=EnergyLimits(5.0, 20.0, RETURN_PCT),
            track_limit_m={"multirotor": 50.0},
            fleet=lambda: [self._seen()],
            zones=lambda: ZoneSet(()),
            hold=self._home,
            battery=self.book,
            bring_home=self._home,
        )

    def _seen(self) -> Watched:
        telemetry = self.one.session.telemetry
        released = EventKind.RELEASED in self.one.kinds()
        flown = Flown(self.mission.content_hash, self.legs, {} if released else {"P-1": 2.0})
        return Watched(
            self.one.session.capability, telemetry, HOME, telemetry.armed is True, flown=flown
        )

    async def _home(self, vehicle_id: str, cause: str) -> None:
        self.told.append(await self.one.session.execute(Verb.RETURN))

    async def fly(self) -> None:
        await self.one.ready()
        assert (await self.one.session.load(self.mission)).done
        result = await self.one.session.start(self.mission)
        assert result.done, result
        over = {EventKind.COMPLETED, EventKind.ABORTED}
        while not over & set(self.one.kinds()):
            await self.watch.look()
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(("current_a", "returns"), [(30.0, False), (90.0, True)])
async def test_it_returns_only_where_it_could_not_land_with_its_reserve(
    current_a: float, returns: bool
) -> None:
    copter = replace(
        spec(), hover_current_a=current_a, battery_start_pct=50.0, swap_after_s=1e6,
        param_overrides={"BATT_LOW_VOLT": 0.0, "BATT_CRT_VOLT": 0.0},
    )  # fmt: skip
    async with light(specs=[copter]) as (watched, _, _):
        keeper = Keeper(watched["D-0"])
        await keeper.fly()
        telemetry = keeper.one.session.telemetry
        assert telemetry.battery_pct is not None
        kinds = keeper.one.kinds()
        if returns:
            assert len(keeper.told) == 1
            assert keeper.told[0].done
            assert EventKind.RELEASED not in kinds
            assert EventKind.ABORTED in kinds
            assert telemetry.battery_pct > RETURN_PCT
        else:
            assert keeper.told == []
            assert kinds[-1] is EventKind.COMPLETED
            assert telemetry.battery_pct > 20.0
        assert telemetry.phase in {Phase.READY, Phase.NOT_READY}


@pytest.mark.ardupilot
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("battery_mah", "returns"), [(16_000.0, False), (2_000.0, True)])
async def test_real_arducopter_is_brought_home_on_a_battery_that_is_smaller_than_told(
    battery_mah: float, returns: bool
) -> None:
    """Its current is what its motors draw in simulation, and it falls by what it has used."""
    copter = replace(
        spec(), battery_mah=battery_mah,
        param_overrides={"BATT_LOW_VOLT": 0.0, "BATT_CRT_VOLT": 0.0},
    )  # fmt: skip
    async with real(specs=[copter], wall_s=200.0) as (watched, _, _):
        keeper = Keeper(watched["D-0"])
        async with asyncio.timeout(250.0):
            await keeper.fly()
        left_pct = keeper.one.session.telemetry.battery_pct
        assert left_pct is not None
        assert [result.done for result in keeper.told] == [True] * returns
        assert (EventKind.RELEASED in keeper.one.kinds()) is not returns
        assert keeper.one.kinds()[-1] is (EventKind.ABORTED if returns else EventKind.COMPLETED)
        assert left_pct > RETURN_PCT
