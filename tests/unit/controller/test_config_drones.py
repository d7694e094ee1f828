"""What MAVLink vehicles are told beside their mission, and rovers, in the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from controller.config import Config, ConfigError, from_dict
from controller.enrol import capability_of, enrol, make_adapters, sites_of
from geofence.zones import VehicleClass
from missions.model import DropDevice
from tests.support.clock import ManualClock
from vehicles.mavlink.fleet import MavlinkFleet
from vehicles.mavlink.remote_id import EuCategory
from vehicles.mavlink.settings import MavlinkVehicle

OPERATOR = {
    "operator_id": "FIN87astrdge12k8",
    "operator_lat_deg": 60.2,
    "operator_lon_deg": 24.9,
    "eu_category": "specific",
    "eu_class": 3,
}
DRONE = {
    "id": "D-1", "base": "hub", "link": "udpin:127.0.0.1:0", "sysid": 1, "pad_lat_deg": 60.2,
    "pad_lon_deg": 24.9,
}  # fmt: skip
ROVER = {"id": "G-1", "base": "hub", "link": "udpin:127.0.0.1:0", "sysid": 2}


def config(**sections: Any) -> Config:
    hub = {"id": "hub", "kind": "hub", "lat_deg": 60.2, "lon_deg": 24.9, "ground_amsl_m": 12.0}
    return from_dict({"sites": [hub], **sections}, base=Path())


def made(**sections: Any) -> dict[str, MavlinkVehicle]:
    whole = config(**sections)
    (fleet,) = make_adapters(whole, enrol(whole, sites_of(whole)), ManualClock())
    assert isinstance(fleet, MavlinkFleet)
    return {name: s.vehicle for name, s in fleet.sessions.items()}  # type: ignore[attr-defined]


def test_every_drone_is_told_who_flies_it_but_one_that_opts_out() -> None:
    deaf = DRONE | {"id": "D-2", "sysid": 7, "remote_id": False}
    own = DRONE | {"id": "D-3", "sysid": 8, "remote_id_serial": "1581F4XYZ"}
    found = made(remote_id=OPERATOR, drones=[DRONE, deaf, own])
    told = found["D-1"].remote_id
    assert told is not None
    assert (told.operator_id, told.eu_class, told.serial) == ("FIN87astrdge12k8", 3, "")
    assert told.eu_category is EuCategory.SPECIFIC
    assert found["D-2"].remote_id is None
    assert found["D-3"].remote_id is not None
    assert found["D-3"].remote_id.serial == "1581F4XYZ"


def test_without_the_section_nobody_is_told() -> None:
    assert made(drones=[DRONE])["D-1"].remote_id is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"operator_id": "FIN87astrdge12k8-xyz"}, "secret"),
        ({"operator_id": "87"}, "not an EU operator number"),
        ({"eu_class": 3, "eu_category": "undeclared"}, "with an eu_category"),
        ({"eu_class": 9}, "remote_id.eu_class"),
        ({"description": "a text that is far too long to be broadcast"}, "23 characters"),
        ({"operator_lat_deg": 95.0}, "operator_lat_deg"),
    ],
)
def test_what_may_not_be_broadcast_is_refused_naming_it(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        config(remote_id=OPERATOR | wrong)
    assert said in str(error.value)


def test_a_rover_is_a_ground_vehicle_that_takes_one_parcel_at_its_base() -> None:
    whole = config(rovers=[ROVER])
    capability = capability_of(whole.rovers[0])
    assert capability.vehicle_class is VehicleClass.ROBOT
    assert not capability.flies
    assert (capability.parcel_slots, capability.loaded_at_base) == (1, True)
    assert capability.drop_device is DropDevice.GRIPPER
    enrolment = enrol(whole, sites_of(whole))
    assert enrolment.kinds == {"G-1": VehicleClass.ROBOT}
    vehicle = made(rovers=[ROVER])["G-1"]
    assert (vehicle.profile, vehicle.home_amsl_m, vehicle.sysid) == ("ardurover", 12.0, 2)


@pytest.mark.parametrize("wrong", [{"parcel_slots": 2}, {"handover_pin": True}, {"profile": "px4"}])
def test_a_rover_cannot_be_told_to_do_what_it_cannot(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        config(rovers=[ROVER | wrong])


def test_a_rover_and_a_drone_cannot_be_one_vehicle() -> None:
    with pytest.raises(ConfigError, match="more than once"):
        config(drones=[DRONE], rovers=[ROVER | {"sysid": 1}])


def test_the_key_of_a_rover_stands_beside_the_configuration(tmp_path: Path) -> None:
    whole = from_dict(
        {
            "sites": [{"id": "hub", "lat_deg": 60.2, "lon_deg": 24.9}],
            "rovers": [ROVER | {"signing_key_file": "g.key"}],
        },
        base=tmp_path,
    )
    assert whole.rovers[0].signing_key_file == tmp_path / "g.key"


def test_the_baseline_waits_for_the_operators_word_unless_told_otherwise() -> None:
    assert config().mavlink.apply_baseline is False


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf")])
def test_a_time_after_which_a_drone_is_lost_must_be_one(seconds: float) -> None:
    with pytest.raises(ConfigError, match="lost_after_s"):
        config(mavlink={"lost_after_s": seconds})
