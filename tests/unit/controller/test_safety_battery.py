"""The battery watched in flight: forecast, warning, and the demand to come home."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.domain.alarms import Severity
from controller.safety.battery import BatteryBook, Flown
from controller.safety.board import AlarmBoard
from controller.safety.monitors import EnergyLimits
from controller.safety.watch import Watch, Watched
from geofence.check import Surroundings
from geofence.frames import LatLon, offset
from geofence.zones import VehicleClass
from geofence.zoneset import ZoneSet
from missions.energy import MultirotorModel
from missions.model import AirItem, AirMission, DropDevice, ItemKind
from missions.plan_flown import DEFAULT_FLIGHT_RULES, flown_legs, total
from tests.support.clock import ManualClock
from vehicles.port import Capability, LinkState, Phase, Telemetry

HOME = LatLon(60.17, 24.94)
MODEL = MultirotorModel()
OUT_M = 3000.0
K = ItemKind
DROP = offset(HOME, 90.0, OUT_M)
MISSION = AirMission(
    "m", "D-1", HOME, 10.0, 50.0,
    (
        AirItem(K.TAKEOFF, HOME, 50.0),
        AirItem(K.SPEED, speed_mps=10.0),
        AirItem(K.WAYPOINT, DROP, 50.0),
        AirItem(K.WAYPOINT, DROP, 12.0),
        AirItem(K.RELEASE, device=DropDevice.GRIPPER, parcel_id="P"),
        AirItem(K.RETURN_PATH),
        AirItem(K.WAYPOINT, DROP, 50.0),
        AirItem(K.WAYPOINT, HOME, 50.0),
        AirItem(K.LAND, HOME),
    ),
    "z",
)  # fmt: skip
LEGS = flown_legs(
    MISSION, loads={"P": 2.0}, speed_mps=10.0, model=MODEL, rules=DEFAULT_FLIGHT_RULES
)
USABLE_WH = total(LEGS).energy_wh / 0.7
"""Planned to land with 30 %."""
DRONE = Capability(
    VehicleClass.MULTIROTOR, 2.5, 1, 10.0, USABLE_WH, (0.4, 0.3, 0.3), DropDevice.GRIPPER
)


class Sky:
    """One drone that is flown out at 10 m/s and drains `rate` times what the model says."""

    def __init__(self, rate: float, return_pct: float = 15.0) -> None:
        self.clock = ManualClock()
        self.rate, self.pct, self.out_m = rate, 100.0, 0.0
        self.phase = Phase.EN_ROUTE
        self.home: list[str] = []
        numbers = iter(range(1000))
        self.board = AlarmBoard(self.clock, lambda p: f"{p}-{next(numbers)}", lambda _: None)
        self.book = BatteryBook(MODEL, DEFAULT_FLIGHT_RULES)
        self.watch = Watch(
            board=self.board,
            clock=self.clock,
            surroundings=Surroundings(10.0, 18.0),
            limits=EnergyLimits(low_pct=5.0, reserve_pct=20.0, return_pct=return_pct),
            track_limit_m={"multirotor": 50.0},
            fleet=lambda: [self.seen()],
            zones=lambda: ZoneSet(()),
            hold=self._never,
            battery=self.book,
            bring_home=self._home,
        )

    async def _never(self, vehicle_id: str, cause: str) -> None:
        raise AssertionError(cause)

    async def _home(self, vehicle_id: str, cause: str) -> None:
        self.home.append(cause)

    def seen(self) -> Watched:
        told = Telemetry(
            "D-1", self.clock.now(), LinkState.ONLINE, self.phase,
            position=offset(HOME, 90.0, self.out_m), alt_amsl_m=60.0, alt_home_m=50.0,
            battery_pct=float(int(self.pct)), armed=True,
        )  # fmt: skip
        flown = Flown(MISSION.content_hash, LEGS, {"P": 2.0})
        return Watched(DRONE, told, HOME, working=True, flown=flown)

    async def fly(self, metres: float) -> None:
        for _ in range(round(metres / 20.0)):
            await self.watch.look()
            await self.clock.advance(2.0)
            self.out_m += 20.0
            watts = MODEL.cruise_w(2.0, 10.0)
            self.pct -= 100.0 * self.rate * watts * 2.0 / 3600.0 / USABLE_WH
        await self.watch.look()

    def words(self) -> list[tuple[Severity, str]]:
        return [(a.severity, a.cause) for a in self.board.alarms()]


async def test_as_planned_the_forecast_stands_and_nobody_is_called_home() -> None:
    sky = Sky(rate=1.0)
    for _ in range(5):
        await sky.fly(500.0)
        made = sky.book.forecast("D-1")
        assert made is not None
        # the take-off is behind it where the flight begins, and percents are whole
        assert made.at_landing_pct == pytest.approx(33.0, abs=4.0)
        assert made.factor == pytest.approx(1.0, abs=0.15)
        assert made.if_returned_pct > made.at_landing_pct
    assert sky.home == []
    assert sky.words() == []


async def test_a_battery_that_drains_faster_brings_it_home_before_it_is_too_late() -> None:
    sky = Sky(rate=1.5)
    await sky.fly(1500.0)
    assert len(sky.home) >= 1
    assert "15 % is the reserve" in sky.home[0]
    made = sky.book.forecast("D-1")
    assert made is not None
    assert made.factor == pytest.approx(1.5, abs=0.2)
    assert made.at_landing_pct < 15.0
    assert made.if_returned_pct > 25.0
    assert any(s is Severity.WARNING and "told to return" in a for s, a in advice(sky))


def advice(sky: Sky) -> list[tuple[Severity, str]]:
    return [(a.severity, a.advice) for a in sky.board.alarms()]


async def test_a_return_that_is_carried_out_is_demanded_once() -> None:
    sky = Sky(rate=1.5)
    while not sky.home:
        await sky.fly(100.0)
    sky.phase = Phase.RETURNING
    for _ in range(20):
        await sky.clock.advance(2.0)
        await sky.watch.look()
    assert len(sky.home) == 1


async def test_one_that_is_not_is_demanded_again_after_a_while() -> None:
    sky = Sky(rate=1.5)
    while not sky.home:
        await sky.fly(100.0)
    await sky.fly(400.0)
    assert 2 <= len(sky.home) <= 4


async def test_between_warning_and_reserve_it_warns_only_and_zero_never_returns() -> None:
    sky = Sky(rate=1.5, return_pct=0.0)
    await sky.fly(2500.0)
    assert sky.home == []
    severities = {s for s, a in sky.words() if "would land with" in a}
    assert severities == {Severity.CAUTION}


async def test_what_is_at_rest_or_tells_nothing_has_no_forecast() -> None:
    sky = Sky(rate=1.0)
    await sky.fly(200.0)
    assert sky.book.forecast("D-1") is not None
    sky.phase = Phase.READY
    await sky.watch.look()
    assert sky.book.forecast("D-1") is None
    lone = Telemetry("D-2", sky.clock.now() + timedelta(seconds=1), phase=Phase.EN_ROUTE)
    assert sky.book.look(lone, DRONE, Flown("x", LEGS, {})) is None
