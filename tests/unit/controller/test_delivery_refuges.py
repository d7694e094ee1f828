"""Diverts to named places, by an operator and as the reaction to a new zone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from controller.app import App
from controller.clock import ScaledClock
from controller.delivery.views import UnknownVehicleError
from geofence.frames import Altitude, Datum, LatLon, offset
from geofence.heights import Surroundings
from geofence.zones import CircleArea, Zone, ZoneKind
from tests.support.active import Hovering, configured, controller, flight, put_under_way
from tests.support.clock import START
from vehicles.port import (
    CommandResult,
    Divert,
    FailsafeAction,
    Failsafes,
    Outcome,
    Phase,
    RallyPlace,
    Verb,
)

HOME = LatLon(60.2, 24.9)
HOMES = {"D-0": HOME}
FLAT = Surroundings(10.0, 18.0)
HERE = offset(HOME, 0.0, 700.0)
RALLY = RallyPlace(offset(HERE, 90.0, 300.0), 40.0)
BACK_RALLY = RallyPlace(offset(HERE, 90.0, 120.0), 40.0)


def disc(name: str, center: LatLon, radius_m: float = 60.0) -> Zone:
    return Zone(f"z-{name}", name, ZoneKind.NO_FLY, CircleArea(center, radius_m))


FAR = disc("Far", offset(HOME, 180.0, 9000.0))
AHEAD = disc("Ahead", offset(HOME, 0.0, 1100.0))
BEHIND = disc("Behind", offset(HOME, 0.0, 350.0), 300.0)
"""Over the way home, and over every straight way home from the east, too."""


class Turning(Hovering):
    """A drone that takes another way, and tells where to."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.diverted: list[Divert] = []

    async def divert(self, to: Divert) -> CommandResult:
        self.diverted.append(to)
        self.show(phase=Phase.HOLDING)
        return CommandResult(Outcome.DONE)


def listed(*rally: RallyPlace) -> Failsafes:
    path = FailsafeAction.RETURN_PATH
    land = FailsafeAction.LAND
    return Failsafes(path, path, land, land, path, return_alt_home_m=15.0, rally=rally)


@asynccontextmanager
async def under_way(
    folder: Path, kind: type[Hovering] = Turning, *rally: RallyPlace, **safety: Any
) -> AsyncIterator[tuple[App, Any]]:
    """A drone 700 m north of its pad, on its way to 1,500 m."""
    clock = ScaledClock(START, time.time(), 1.0)
    rules = {"rezoned": ["return", "divert", "hold"], "period_s": 60.0, **safety}
    made = configured(folder, HOMES, safety=rules)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tests.support.active.Hovering", kind)
        async with controller(made, HOMES, clock) as (app, drones):
            drone = drones["D-0"]
            await app.desk.replace_zones((FAR,), by="anna")
            goal = offset(HOME, 0.0, 1500.0)
            mission = flight("D-0", HOME, goal, app.desk.zone_set, FLAT, app.clock)
            drone.fly(HERE)
            if rally:
                drone.show(failsafes=listed(*rally))
            await put_under_way(app, [mission])
            async with asyncio.timeout(10.0):
                while "D-0" not in app.rezoning.under_way.missions:
                    await asyncio.sleep(0.005)
            yield app, drone


async def verdict(app: App) -> dict[str, Any]:
    log = await app.desk.log_after(0, 5000)
    (told,) = [e.event.data for e in log if e.event.kind == "zones.forbid"]
    return told


async def test_where_the_way_home_is_barred_it_diverts_to_a_clear_rally_point(
    tmp_path: Path,
) -> None:
    async with under_way(tmp_path, Turning, RALLY) as (app, drone):
        await app.desk.replace_zones((FAR, AHEAD, BEHIND), by="anna")
        told = await verdict(app)
        assert (told["action"], told["action_fits"]) == ("divert", True)
        assert told["action_place"] == "rally point 1"
        assert "way home" in told["passed_over"]["return"]
        assert drone.diverted == [Divert(RALLY.position, 60.0)]
        assert drone.told == []
        (alarm,) = [a for a in app.desk.alarms() if "now in force, forbids" in a.cause]
        assert "divert to rally point 1, which is clear" in alarm.advice
        log = await app.desk.log_after(0, 5000)
        sent = [e.event.data for e in log if e.event.kind == "command.done"]
        assert (sent[-1]["kind"], sent[-1]["by"]) == ("divert", "safety")


async def test_where_the_way_home_is_clear_it_returns(tmp_path: Path) -> None:
    async with under_way(tmp_path, Turning, RALLY) as (app, drone):
        await app.desk.replace_zones((FAR, AHEAD), by="anna")
        assert (await verdict(app))["action"] == "return"
        assert drone.told == [Verb.RETURN]
        assert drone.diverted == []


async def test_the_nearest_rally_point_that_is_clear_is_taken(tmp_path: Path) -> None:
    over = disc("Over", offset(BACK_RALLY.position, 90.0, 10.0), 30.0)
    beyond = RallyPlace(offset(HERE, 270.0, 320.0), 90.0)
    async with under_way(tmp_path, Turning, BACK_RALLY, beyond) as (app, drone):
        await app.desk.replace_zones((FAR, AHEAD, BEHIND, over), by="anna")
        assert (await verdict(app))["action_place"] == "rally point 2"
        # never below the point's own height
        assert drone.diverted == [Divert(beyond.position, 90.0)]


async def test_a_rally_point_in_a_zone_is_passed_over_with_the_reason(tmp_path: Path) -> None:
    over = disc("Over", RALLY.position, 40.0)
    async with under_way(tmp_path, Turning, RALLY) as (app, drone):
        await app.desk.replace_zones((FAR, AHEAD, BEHIND, over), by="anna")
        told = await verdict(app)
        assert told["action"] == "hold"
        assert "rally point 1: the way there is not allowed: Over" in told["passed_over"]["divert"]
        assert drone.diverted == []
        assert drone.told == [Verb.HOLD]


async def test_a_drone_whose_list_was_not_read_is_not_diverted(tmp_path: Path) -> None:
    async with under_way(tmp_path) as (app, drone):
        await app.desk.replace_zones((FAR, AHEAD, BEHIND), by="anna")
        told = await verdict(app)
        assert told["action"] == "hold"
        assert "it has no rally point" in told["passed_over"]["divert"]
        assert drone.told == [Verb.HOLD]


async def test_a_vehicle_that_takes_no_other_way_is_held(tmp_path: Path) -> None:
    async with under_way(tmp_path, Hovering, RALLY) as (app, drone):
        await app.desk.replace_zones((FAR, AHEAD, BEHIND), by="anna")
        assert (await verdict(app))["action"] == "divert"
        assert drone.told == [Verb.HOLD]


async def test_an_operator_sees_each_place_with_what_is_against_it(tmp_path: Path) -> None:
    async with under_way(tmp_path, Turning, RALLY, rezoned=["hold"]) as (app, drone):
        with pytest.raises(UnknownVehicleError):
            await app.desk.refuges("D-9")
        clear = await app.desk.refuges("D-0")
        assert [(p.name, p.kind, p.against) for p in clear] == [
            ("rally point 1", "rally", ""), ("hub", "site", ""),
        ]  # fmt: skip
        assert clear[0].away_m == pytest.approx(300.0, abs=1.0)
        await app.desk.replace_zones((FAR, BEHIND), by="anna")
        barred = {p.name: p.against for p in await app.desk.refuges("D-0")}
        # at a rally point it may land; at a site it must be able to come home
        assert barred["rally point 1"] == ""
        assert "Behind" in barred["hub"]
        hub = await app.desk.divert("D-0", clear[1].to, by="anna")
        assert hub.outcome is Outcome.REFUSED
        assert (await app.desk.divert("D-0", clear[0].to, by="anna")).done
        assert drone.diverted == [clear[0].to]


async def test_a_rally_point_over_a_low_zone_is_no_place_where_the_way_home_is_barred(
    tmp_path: Path,
) -> None:
    low = Zone(
        "z-low", "Low", ZoneKind.NO_FLY, CircleArea(RALLY.position, 40.0),
        ceiling=Altitude(40.0, Datum.AMSL),
    )  # fmt: skip
    async with under_way(tmp_path, Turning, RALLY) as (app, _):
        await app.desk.replace_zones((FAR, low), by="anna")
        assert (await app.desk.refuges("D-0"))[0].against == ""
        await app.desk.replace_zones((FAR, BEHIND, low), by="anna")
        found = (await app.desk.refuges("D-0"))[0].against
        assert "a landing there is not allowed: Low" in found
        assert "the way home from there is not allowed" in found


async def test_nobody_at_rest_has_places_to_divert_to(tmp_path: Path) -> None:
    async with under_way(tmp_path, Turning, RALLY) as (app, drone):
        drone.show(armed=False, phase=Phase.READY)
        assert await app.desk.refuges("D-0") == []
