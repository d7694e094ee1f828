"""What a drone does by itself, read from it over a real socket."""

from __future__ import annotations

from dataclasses import replace

from geofence.frames import LatLon, geodesic_m, offset
from sitl.copter.items import RALLY_POINT, Item
from sitl.copter.vehicle import Copter
from tests.integration.mavlink_rig import CRUISE_M, HOME, HOME_AMSL_M, delivery, light, spec
from vehicles.port import FailsafeAction

RALLY = offset(HOME, 90.0, 100.0)


def put_rally(copter: Copter, place: LatLon, z_m: float, frame: int = 3) -> None:
    """Into the vehicle's list, as another ground station would have left it."""
    x, y = round(place.lat_deg * 1e7), round(place.lon_deg * 1e7)
    copter.rally.items.append(Item(RALLY_POINT, x=x, y=y, z=z_m, frame=frame))
    copter.params.count("RALLY_TOTAL", len(copter.rally.items))


async def test_a_vehicle_that_was_read_tells_its_failsafes() -> None:
    async with light() as (watched, _, _):
        one = watched["D-0"]
        assert one.session.telemetry.failsafes is None
        await one.ready()
        told = one.session.telemetry.failsafes
        assert told is not None
        assert told.lost_link is FailsafeAction.RETURN_PATH
        assert told.battery_critical is FailsafeAction.LAND
        assert told.return_alt_home_m == CRUISE_M
        assert (told.rally, told.avoidance, told.fence_hash) == ((), False, "")


async def test_avoidance_and_rally_points_are_read_back() -> None:
    avoiding = replace(
        spec(), param_overrides={"OA_TYPE": 2.0, "OA_MARGIN_MAX": 12.0, "RALLY_LIMIT_KM": 0.5}
    )
    async with light(specs=[avoiding]) as (watched, copters, _):
        put_rally(copters.copter("D-0"), RALLY, 30.0)
        put_rally(copters.copter("D-0"), HOME, HOME_AMSL_M + 40.0, frame=0)
        one = watched["D-0"]
        await one.ready()
        told = one.session.telemetry.failsafes
        assert told is not None
        assert told.avoidance
        assert told.rally_limit_m == 500.0
        assert [round(each.alt_home_m) for each in told.rally] == [30, 40]
        assert geodesic_m(told.rally[0].position, RALLY) < 0.05


async def test_a_rally_point_written_by_another_station_is_met_before_the_start() -> None:
    async with light() as (watched, copters, _):
        one = watched["D-0"]
        await one.ready()
        put_rally(copters.copter("D-0"), RALLY, 30.0)
        assert (await one.session.load(delivery())).done
        told = one.session.telemetry.failsafes
        assert told is not None
        assert len(told.rally) == 1


async def test_a_rally_point_of_unknown_height_keeps_it_on_the_ground_and_says_so() -> None:
    async with light() as (watched, copters, _):
        put_rally(copters.copter("D-0"), RALLY, 30.0, frame=10)
        one = watched["D-0"]
        await one.until(
            lambda: any("rally point 1" in r for r in one.session.telemetry.not_ready), "says so"
        )
        assert one.session.telemetry.failsafes is None
        assert not one.session.telemetry.startable
