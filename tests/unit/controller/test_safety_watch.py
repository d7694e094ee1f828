from __future__ import annotations

from dataclasses import replace
from datetime import time
from typing import Any

import pytest

from controller.domain.alarms import Condition, Severity
from controller.safety import monitors
from controller.safety.board import AlarmBoard
from controller.safety.monitors import EnergyLimits
from controller.safety.watch import Watch, Watched
from geofence.check import Surroundings
from geofence.frames import Altitude, Datum, LatLon, offset
from geofence.schedule import Schedule, Window
from geofence.zones import CircleArea, Surface, VehicleClass, Zone, ZoneKind
from geofence.zoneset import ZoneSet
from missions.model import DropDevice
from tests.support.clock import ManualClock
from vehicles.port import Capability, LinkState, Phase, Telemetry

HOME = LatLon(60.2, 24.9)
CENTER = offset(HOME, 90.0, 1000.0)
ZONES = ZoneSet(
    [
        Zone(
            "z-1",
            "Stadium",
            ZoneKind.NO_FLY,
            CircleArea(CENTER, 200.0),
            ceiling=Altitude(150.0, Datum.AMSL),
            classes=frozenset({VehicleClass.MULTIROTOR}),
        )
    ]
)
DRONE = Capability(VehicleClass.MULTIROTOR, 2.5, 1, 12.0, 300.0, (0.4, 0.3, 0.3), DropDevice.WINCH)
ROBOT = Capability(VehicleClass.ROBOT, 20.0, 3, 1.6, 1200.0, (0.6, 0.5, 0.5))


class Rig:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.held: list[tuple[str, str]] = []
        self.zones = ZONES
        self.fleet: dict[str, Watched] = {}
        self.numbers = iter(range(1000))
        self.board = AlarmBoard(self.clock, lambda p: f"{p}-{next(self.numbers)}", lambda _: None)
        self.watch = Watch(
            board=self.board,
            clock=self.clock,
            surroundings=Surroundings(10.0, 18.0),
            limits=EnergyLimits(low_pct=20.0, reserve_pct=10.0),
            track_limit_m={"multirotor": 50.0, "robot": 50.0},
            fleet=lambda: list(self.fleet.values()),
            zones=lambda: self.zones,
            hold=self._hold,
        )

    async def _hold(self, vehicle_id: str, cause: str) -> None:
        self.held.append((vehicle_id, cause))

    def put(
        self,
        position: LatLon,
        *,
        vehicle_id: str = "D-1",
        capability: Capability = DRONE,
        working: bool = True,
        track: tuple[LatLon, ...] = (),
        extra: tuple[Condition, ...] = (),
        **telemetry: Any,
    ) -> None:
        told = Telemetry(
            vehicle_id,
            self.clock.now(),
            LinkState.ONLINE,
            Phase.EN_ROUTE,
            position=position,
            alt_amsl_m=60.0,
            alt_home_m=50.0,
            battery_pct=90.0,
            armed=True,
        )
        self.fleet[vehicle_id] = Watched(
            capability, replace(told, **telemetry), HOME, working, track, extra
        )

    async def look(self) -> list[str]:
        await self.watch.look()
        return [a.cause for a in self.board.alarms()]


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_a_vehicle_that_enters_a_zone_is_held_once_and_the_alarm_ends_outside(
    rig: Rig,
) -> None:
    rig.put(offset(HOME, 90.0, 700.0))
    assert await rig.look() == []
    rig.put(offset(HOME, 90.0, 850.0))
    causes = await rig.look()
    assert len(causes) == 1
    assert "D-1 is inside Stadium" in causes[0]
    rig.put(offset(HOME, 90.0, 900.0))
    await rig.look()
    assert len(rig.held) == 1
    assert rig.held[0][0] == "D-1"
    rig.put(offset(HOME, 90.0, 1300.0))
    await rig.look()
    rig.put(offset(HOME, 90.0, 1350.0))
    assert await rig.look() == []


async def test_a_zone_crossed_between_two_looks_is_seen(rig: Rig) -> None:
    rig.put(offset(HOME, 90.0, 700.0))
    await rig.look()
    rig.put(offset(HOME, 90.0, 1300.0))
    assert "Stadium" in (await rig.look())[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"alt_amsl_m": 200.0},
        {"working": False},
        {"capability": ROBOT},
        {"position": None},
    ],
    ids=["above it", "at rest", "a class it does not bind", "no position"],
)
async def test_no_alarm_where_the_zone_does_not_bind(rig: Rig, changes: dict[str, Any]) -> None:
    rig.put(**{"position": CENTER, **changes})
    assert await rig.look() == []
    assert rig.held == []


async def test_an_impossible_position_is_that_vehicles_alarm_alone(rig: Rig) -> None:
    rig.put(LatLon(89.0, 0.0), vehicle_id="D-2")
    rig.put(CENTER)
    causes = await rig.look()
    assert any("D-2 tells an impossible position" in c for c in causes)
    assert any("D-1 is inside Stadium" in c for c in causes)


async def test_conditions_of_others_stand_on_the_same_board(rig: Rig) -> None:
    rig.put(HOME, working=False, extra=(Condition("k", Severity.CAUTION, "old", "look", "D-1"),))
    assert await rig.look() == ["old"]
    rig.put(HOME, working=False)
    assert await rig.look() == []


async def test_a_vehicle_off_its_way_is_told(rig: Rig) -> None:
    track = (HOME, offset(HOME, 0.0, 800.0))
    rig.put(offset(offset(HOME, 0.0, 400.0), 270.0, 80.0), track=track)
    assert await rig.look() == ["D-1 is 80 m off its checked way"]
    rig.put(offset(offset(HOME, 0.0, 450.0), 270.0, 20.0), track=track)
    assert await rig.look() == []


async def test_a_failsafe_is_told_while_it_lasts(rig: Rig) -> None:
    rig.put(HOME, phase=Phase.FAILSAFE, mode="RTL")
    assert await rig.look() == ["D-1 is in a failsafe (RTL)"]


def telemetry(battery_pct: float | None, away_m: float) -> Telemetry:
    return Telemetry(
        "D-1", position=offset(HOME, 0.0, away_m), alt_home_m=50.0, battery_pct=battery_pct
    )


@pytest.mark.parametrize(
    ("battery_pct", "away_m", "severity"),
    [
        (None, 3000.0, None),
        (90.0, 3000.0, None),
        (19.0, 100.0, Severity.CAUTION),
        (25.0, 6000.0, Severity.WARNING),
    ],
)
def test_the_battery_is_measured_by_the_way_home(
    battery_pct: float | None, away_m: float, severity: Severity | None
) -> None:
    limits = EnergyLimits(low_pct=20.0, reserve_pct=10.0)
    found = list(monitors.energy_conditions(DRONE, telemetry(battery_pct, away_m), HOME, limits))
    assert [c.severity for c in found] == ([severity] if severity else [])


def test_the_way_home_takes_more_from_farther_away() -> None:
    near = monitors.energy_home_wh(DRONE, telemetry(50.0, 500.0), HOME)
    far = monitors.energy_home_wh(DRONE, telemetry(50.0, 5000.0), HOME)
    assert near is not None
    assert far is not None
    assert 0.0 < near < far
    assert monitors.energy_home_wh(DRONE, Telemetry("D-1"), HOME) is None


def test_height_is_taken_from_home_where_the_vehicle_tells_no_other() -> None:
    told = Telemetry(
        "D-1",
        ManualClock().now(),
        position=HOME,
        alt_home_m=40.0,
        home_amsl_m=12.0,
    )
    fix = monitors.fix_of(told, VehicleClass.MULTIROTOR, 5.0)
    assert fix is not None
    assert fix.alt_amsl_m == 52.0
    assert monitors.fix_of(replace(told, home_amsl_m=None), VehicleClass.MULTIROTOR, 5.0) is None
    ground = monitors.fix_of(told, VehicleClass.ROBOT, 5.0)
    assert ground is not None
    assert ground.alt_amsl_m == 5.0


async def test_a_vehicle_is_watched_by_what_it_is_and_not_for_its_speed() -> None:
    walk = replace(ZONES.zones[0], classes=frozenset(), surfaces=frozenset({Surface.ROAD}))
    slow = replace(walk, zone_id="slow", kind=ZoneKind.ADVISORY, surfaces=frozenset(),
                   max_speed_mps=0.1)  # fmt: skip
    rig = Rig()
    rig.zones = ZoneSet((walk, slow))
    rig.put(CENTER, capability=replace(ROBOT, surface=Surface.PAVEMENT), vehicle_id="R-1")
    assert await rig.look() == []
    rig.put(CENTER, capability=replace(ROBOT, surface=Surface.ROAD), vehicle_id="R-1")
    assert "Stadium" in (await rig.look())[0]


async def test_a_vehicle_with_a_permit_may_be_where_another_may_not(rig: Rig) -> None:
    rig.zones = ZoneSet(
        [Zone("z-t", "Tower", ZoneKind.RESTRICTED, CircleArea(CENTER, 200.0), permit="tower")]
    )
    for vehicle_id, permits in (("D-1", frozenset({"tower"})), ("D-2", frozenset())):
        rig.put(CENTER, vehicle_id=vehicle_id)
        rig.fleet[vehicle_id] = replace(rig.fleet[vehicle_id], permits=permits)
    (cause,) = await rig.look()
    assert cause.startswith("D-2 is inside Tower")
    # the permit is over while it is there
    rig.fleet["D-1"] = replace(rig.fleet["D-1"], permits=frozenset())
    assert len(await rig.look()) == 2


async def test_a_robot_at_the_edge_of_a_zone_is_held_once_however_its_place_wavers(
    rig: Rig,
) -> None:
    rig.zones = ZoneSet([Zone("z-1", "Market", ZoneKind.NO_FLY, CircleArea(CENTER, 200.0))])

    async def look(east_m: float) -> list[str]:
        rig.put(offset(HOME, 90.0, east_m), vehicle_id="R-1", capability=ROBOT)
        return await rig.look()

    assert await look(799.0) == []
    assert "Market" in (await look(801.0))[0]
    for east_m in (799.5, 800.5, 798.5, 801.0, 799.0):
        assert len(await look(east_m)) == 1
    assert len(rig.held) == 1
    await look(790.0)
    assert await look(789.0) == []
    assert await look(799.0) == []
    await look(801.0)
    assert len(rig.held) == 2


async def test_a_drone_is_out_of_a_zone_when_it_is_out(rig: Rig) -> None:
    rig.put(offset(HOME, 90.0, 801.0))
    assert len(await rig.look()) == 1
    for east_m in (799.0, 798.5):
        rig.put(offset(HOME, 90.0, east_m))
        told = await rig.look()
    assert told == []


MARKET = ZoneSet([Zone("z-1", "Market", ZoneKind.NO_FLY, CircleArea(CENTER, 200.0))])


def robot(rig: Rig, east_m: float, **told: Any) -> None:
    trail = told.pop("trail", ())
    track = told.pop("track", ())
    rig.put(offset(HOME, 90.0, east_m), vehicle_id="R-1", capability=ROBOT, track=track, **told)
    rig.fleet["R-1"] = replace(rig.fleet["R-1"], trail=trail)


async def test_every_place_that_a_robot_told_is_judged_not_the_newest_alone(rig: Rig) -> None:
    rig.zones = MARKET
    robot(rig, 790.0)
    assert await rig.look() == []
    now = rig.clock.now()
    places = [offset(HOME, 90.0, east_m) for east_m in (795.0, 801.0, 795.0)]
    robot(rig, 790.0, trail=tuple((now, place) for place in places))
    (cause,) = await rig.look()
    assert "R-1 is inside Market at 60." in cause
    assert len(rig.held) == 1


@pytest.mark.parametrize(("error_m", "held"), [(0.0, 0), (0.8, 0), (1.2, 1)])
async def test_the_error_of_its_map_counts_against_it(rig: Rig, error_m: float, held: int) -> None:
    rig.zones = MARKET
    robot(rig, 799.0, position_error_m=error_m)
    await rig.look()
    assert len(rig.held) == held


async def test_a_robot_that_speaks_seldom_is_not_taken_to_cut_the_corner(rig: Rig) -> None:
    """Its way leads round the zone; the straight line between two of its words does not."""
    corner = offset(offset(HOME, 0.0, 300.0), 90.0, 1000.0)
    before, after = offset(corner, 270.0, 400.0), offset(corner, 90.0, 400.0)
    around = offset(offset(HOME, 0.0, 600.0), 90.0, 1000.0)
    rig.zones = ZoneSet([Zone("z-1", "Market", ZoneKind.NO_FLY, CircleArea(corner, 50.0))])
    track = (before, around, after)
    for place in (before, after):
        rig.put(place, vehicle_id="R-1", capability=ROBOT, track=track)
        assert await rig.look() == []
    # off its way nothing is known but the two places
    stray = offset(after, 180.0, 30.0)
    for place in (before, stray):
        rig.put(place, vehicle_id="R-1", capability=ROBOT, track=track)
        causes = await rig.look()
    assert any("Market" in cause for cause in causes)


async def test_a_zone_binds_a_robot_only_while_it_applies(rig: Rig) -> None:
    now = rig.clock.now()
    window = Window(start=time(now.hour + 1), end=time(now.hour + 2))
    evening = replace(MARKET.zones[0], schedule=Schedule((window,)))
    rig.zones = ZoneSet([evening])
    robot(rig, 900.0)
    assert await rig.look() == []
    await rig.clock.advance(3600.0)
    robot(rig, 900.0)
    assert len(await rig.look()) == 1
