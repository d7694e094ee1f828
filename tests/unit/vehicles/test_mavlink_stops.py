"""Missions with several stops: what is translated, and what is refused before it is sent."""

from __future__ import annotations

import pytest

from geofence.frames import LatLon, offset
from geofence.zones import VehicleClass
from missions.energy import MultirotorModel
from missions.model import AirItem, AirMission, DropDevice, ItemKind
from missions.plan_flown import DEFAULT_FLIGHT_RULES, flown_legs, total
from vehicles.mavlink.baseline import requirements
from vehicles.mavlink.items import off_leg_m, translate
from vehicles.mavlink.settings import MavlinkVehicle
from vehicles.port import Capability

HOME = LatLon(60.17, 24.94)
FIRST, SECOND = offset(HOME, 90.0, 300.0), offset(HOME, 90.0, 600.0)
K = ItemKind
GRIPPER = DropDevice.GRIPPER
TAKEOFF, LAND = AirItem(K.TAKEOFF, HOME, 40.0), AirItem(K.LAND, HOME)


def mission(*between: AirItem) -> AirMission:
    return AirMission("m", "d", HOME, 10.0, 40.0, (TAKEOFF, *between, LAND), "z")


def release(parcel_id: str, device: DropDevice = GRIPPER) -> AirItem:
    place = FIRST if device is DropDevice.PAYLOAD_PLACE else None
    return AirItem(K.RELEASE, place, device=device, parcel_id=parcel_id)


def landed(place: LatLon, parcel_id: str, wait_s: float = 3.0) -> list[AirItem]:
    return [
        AirItem(K.WAYPOINT, place, 40.0),
        AirItem(K.LAND, place),
        release(parcel_id),
        AirItem(K.DELAY, delay_s=wait_s),
        AirItem(K.TAKEOFF, place, 40.0),
    ]


def test_two_landings_on_the_way_keep_their_places_and_releases() -> None:
    plan = translate(mission(*landed(FIRST, "A"), *landed(SECOND, "B")))
    assert [r.parcel_id for r in plan.releases] == ["A", "B"]
    lands = [i.seq for i in plan.items if i.command == 21]
    assert lands == [plan.releases[0].seq - 1, plan.releases[1].seq - 1, plan.land_seq]
    for one in plan.releases:
        # done when the take-off behind it is the current item
        assert plan.items[one.done_seq].command == 22


@pytest.mark.parametrize(
    ("items", "words"),
    [
        (
            [AirItem(K.LAND, FIRST), release("A"), AirItem(K.WAYPOINT, SECOND, 40.0)],
            "item 3 follows a landing: a take-off must come first",
        ),
        ([AirItem(K.TAKEOFF, FIRST, 40.0)], "item 1 takes off where nothing has landed"),
        (landed(FIRST, "A", wait_s=6.0), "waits on the ground: 6 s in all"),
        ([AirItem(K.LAND, FIRST), release("A")], "lands twice at its end"),
        (
            [AirItem(K.LAND, FIRST), release("A", DropDevice.PAYLOAD_PLACE)],
            "places a parcel from the ground",
        ),
        (
            [AirItem(K.WAYPOINT, FIRST, 12.0), release("A"), release("B")],
            "release A and B at one stop",
        ),
        (
            [
                AirItem(K.WAYPOINT, FIRST, 12.0), release("A"), AirItem(K.DELAY, delay_s=8.0),
                release("B"),
            ],
            "release A and B at one stop",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_flown_or_told_apart_is_refused(items: list[AirItem], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        translate(mission(*items))


def test_energy_and_time_count_the_landing_and_the_climb_again() -> None:
    def effort(*items: AirItem) -> float:
        legs = flown_legs(
            mission(*items), loads={"A": 1.0}, speed_mps=10.0, model=MultirotorModel(),
            rules=DEFAULT_FLIGHT_RULES,
        )  # fmt: skip
        assert legs[-1].end_alt_home_m == 0.0
        return total(legs).energy_wh

    over = effort(AirItem(K.WAYPOINT, FIRST, 40.0), release("A"))
    down = effort(*landed(FIRST, "A"))
    assert down > over + 5.0


def test_a_vehicle_with_room_for_two_must_go_on_after_a_landing_and_close_its_gripper() -> None:
    def rules(slots: int) -> dict[str, tuple[float, ...]]:
        capability = Capability(
            VehicleClass.MULTIROTOR, 2.0, slots, 10.0, 300.0, (0.4, 0.4, 0.4), GRIPPER
        )
        vehicle = MavlinkVehicle("d", "udpin:127.0.0.1:0", 1, capability, HOME, 10.0)
        return {r.name: r.values for r in requirements(vehicle)}

    assert rules(1)["MIS_OPTIONS"] == (0.0,)
    assert "GRIP_AUTOCLOSE" not in rules(1)
    assert rules(2)["MIS_OPTIONS"] == (4.0,)
    assert rules(2)["GRIP_AUTOCLOSE"] == (1,)


def test_the_distance_from_a_leg_is_that_from_where_it_would_resume() -> None:
    plan = translate(mission(AirItem(K.WAYPOINT, FIRST, 40.0), AirItem(K.WAYPOINT, SECOND, 40.0)))
    middle = offset(HOME, 90.0, 450.0)
    assert off_leg_m(plan, plan.land_seq - 1, middle) == pytest.approx(0.0, abs=0.5)
    assert off_leg_m(plan, plan.land_seq - 1, offset(middle, 0.0, 70.0)) == pytest.approx(
        70.0, 0.02
    )
    behind = offset(HOME, 90.0, 100.0)
    assert off_leg_m(plan, plan.land_seq - 1, behind) == pytest.approx(200.0, 0.02)
